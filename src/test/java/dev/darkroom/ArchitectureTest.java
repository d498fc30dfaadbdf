package dev.darkroom;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.security.MessageDigest;

/** Which package may use which: the arrows that the package descriptions speak of. */
@AnalyzeClasses(packages = "dev.darkroom", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    @ArchTest
    static final ArchRule DIGEST_USES_NO_OTHER =
            nothingOf("digest", "contract", "diffusion", "torch", "worker", "page", "tools", "stack");

    @ArchTest
    static final ArchRule THERE_IS_ONE_SHA_256 = noClasses()
            .that().resideOutsideOfPackage("dev.darkroom.digest..")
            .should().dependOnClassesThat().areAssignableTo(MessageDigest.class);

    @ArchTest
    static final ArchRule CONTRACT_USES_NO_OTHER =
            nothingOf("contract", "diffusion", "torch", "worker", "page", "tools", "stack");

    @ArchTest
    static final ArchRule CONTRACT_KNOWS_NO_KAFKA = noClasses()
            .that().resideInAPackage("dev.darkroom.contract..")
            .should().dependOnClassesThat().resideInAnyPackage("org.apache.kafka..", "io.cloudevents.kafka..");

    @ArchTest
    static final ArchRule DIFFUSION_USES_NO_OTHER =
            nothingOf("diffusion", "contract", "torch", "worker", "page", "tools", "stack");

    @ArchTest
    static final ArchRule TORCH_USES_DIFFUSION_ALONE = nothingOf("torch", "contract", "worker", "page", "tools", "stack");

    @ArchTest
    static final ArchRule STACK_USES_NO_OTHER = nothingOf("stack", "contract", "diffusion", "torch", "worker", "page", "tools");

    @ArchTest
    static final ArchRule WORKER_KNOWS_NO_TOOLS = nothingOf("worker", "page", "tools", "stack");

    @ArchTest
    static final ArchRule PAGE_KNOWS_NO_MODEL_AND_NO_TOOLS = nothingOf("page", "torch", "tools", "stack");

    @ArchTest
    static final ArchRule WORKER_MEETS_TORCH_IN_ONE_PLACE = noClasses()
            .that().resideInAPackage("dev.darkroom.worker..").and().doNotHaveSimpleName("GeneratorSource")
            .should().dependOnClassesThat().resideInAPackage("dev.darkroom.torch..");

    @ArchTest
    static final ArchRule DJL_IS_TORCHS = noClasses()
            .that().resideOutsideOfPackage("dev.darkroom.torch..")
            .should().dependOnClassesThat().resideInAPackage("ai.djl..");

    @ArchTest
    static final ArchRule THE_EMBEDDED_SERVERS_ARE_THE_STACKS = noClasses()
            .that().resideOutsideOfPackage("dev.darkroom.stack..")
            .should().dependOnClassesThat().resideInAnyPackage("kafka..", "org.apache.kafka.metadata..", "org.gaul..");

    @ArchTest
    static final ArchRule NO_CYCLES = slices().matching("dev.darkroom.(**)").should().beFreeOfCycles();

    private static ArchRule nothingOf(String part, String... others) {
        String[] packages = new String[others.length];
        for (int i = 0; i < others.length; i++) {
            packages[i] = "dev.darkroom." + others[i] + "..";
        }
        return noClasses().that().resideInAPackage("dev.darkroom." + part + "..")
                .should().dependOnClassesThat().resideInAnyPackage(packages);
    }
}

package dev.darkroom.tools;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.darkroom.worker.store.ObjectKeys;
import dev.darkroom.worker.store.Retention;
import dev.darkroom.worker.store.StoreSettings;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code darkroom lifecycle}: the rules by which a bucket forgets what is old. */
@Command(
        name = "lifecycle",
        description = {
            "Prints the lifecycle rules to set on the bucket, as JSON in the form that the AWS command line takes. They replace "
                + "those that the bucket has. The store deletes by them, and the worker does not.",
            "",
            "Outcomes are kept a day longer than images, so that no request comes again to images without an outcome."
        },
        abbreviateSynopsis = true,
        showDefaultValues = true,
        sortOptions = false,
        footerHeading = "%nExample:%n",
        footer = {
            "  darkroom lifecycle --retention 30d > rules.json",
            "  aws s3api put-bucket-lifecycle-configuration --bucket darkroom \\",
            "    --lifecycle-configuration file://rules.json"
        })
public final class LifecycleCommand implements Callable<Integer> {

    /** Longer than Kafka keeps a request by default, so that one that keeps ending its process is found out all the while. */
    private static final int DAYS_OF_ATTEMPTS = 8;

    @Spec
    private CommandSpec spec;

    @Option(names = "--retention", paramLabel = "DAYS", required = true, defaultValue = "${env:DARKROOM_STORE_RETENTION}",
            converter = Days.class, description = "After how long images are deleted, as 30d.")
    private Retention retention;

    @Option(names = "--prefix", defaultValue = "${env:DARKROOM_STORE_PREFIX:-}", showDefaultValue = Visibility.NEVER,
            description = "What the worker puts everything below.")
    private String prefix;

    /** Reads {@code 30d}. */
    static final class Days implements ITypeConverter<Retention> {
        @Override
        public Retention convert(String value) {
            try {
                return new Retention(Integer.parseInt(value.replaceFirst("d$", "")));
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException("'%s' is not %s".formatted(value, Retention.ALLOWED));
            }
        }
    }

    @Override
    public Integer call() throws IOException {
        if (!StoreSettings.isPrefix(prefix)) {
            throw new ParameterException(spec.commandLine(), "--prefix is '%s'; it must be %s".formatted(
                    prefix, StoreSettings.PREFIX_ALLOWED));
        }
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode configuration = mapper.createObjectNode();
        ArrayNode rules = configuration.putArray("Rules");
        rule(rules, ObjectKeys.IMAGES, retention.days());
        rule(rules, ObjectKeys.OUTCOMES, retention.days() + 1);
        rule(rules, ObjectKeys.ATTEMPTS, DAYS_OF_ATTEMPTS);
        System.out.println(mapper.writerWithDefaultPrettyPrinter().writeValueAsString(configuration));
        return ExitCode.OK;
    }

    private void rule(ArrayNode rules, String folder, int days) {
        ObjectNode rule = rules.addObject();
        rule.put("ID", "darkroom-" + folder.replace("/", ""));
        rule.put("Status", "Enabled");
        rule.putObject("Filter").put("Prefix", (prefix.isEmpty() ? "" : prefix + "/") + folder);
        rule.putObject("Expiration").put("Days", days);
    }
}

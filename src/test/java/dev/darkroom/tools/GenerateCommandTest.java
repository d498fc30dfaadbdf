package dev.darkroom.tools;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.diffusion.Golden;
import dev.darkroom.torch.TestBundle;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerateCommandTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    /** Soon loaded: of random weights, 64×64. */
    private static final Path SMALLEST = Path.of("src/test/resources/golden/pictures/bundle");

    @TempDir
    private Path folder;

    @Test
    void aPromptBecomesAnImageAndALineOfJson() throws IOException {
        CommandLineRun run = generate("a red apple", "--seed", "7", "--steps", "2");

        assertThat(run.exitCode()).as(run.err()).isZero();
        BufferedImage image = ImageIO.read(folder.resolve("000.png").toFile());
        assertThat(image.getWidth()).isEqualTo(256);
        assertThat(image.getHeight()).isEqualTo(256);
        JsonNode line = JSON.readTree(run.outLines().get(0));
        assertThat(line.path("index").asInt()).isZero();
        assertThat(line.path("file").asText()).isEqualTo(folder.resolve("000.png").toString());
        assertThat(line.path("prompt").asText()).isEqualTo("a red apple");
        assertThat(line.path("seed").asLong()).isEqualTo(7);
        assertThat(line.at("/parameters/profile").asText()).isEqualTo("final");
        assertThat(line.at("/parameters/steps").asInt()).isEqualTo(2);
        assertThat(line.at("/timings/denoising").asDouble()).isPositive();
        assertThat(line.at("/model/bundle").asText()).isEqualTo("mini");
        assertThat(line.has("vram")).as("memory of a CPU").isFalse();
    }

    @Test
    void promptsKeepTheirOrderAndTheirSeedsWhateverTheBatch() throws IOException {
        Path prompts = Files.writeString(folder.resolve("prompts.txt"), "a red apple\n\n  a blue mug  \na green boat\n");

        CommandLineRun run = generate("--prompts", prompts.toString(), "--seed", "10", "--count", "2", "--steps", "1",
                "--batch-size", "2", "--bundle", SMALLEST.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.outLines()).map(line -> JSON.readTree(line)).extracting(
                line -> Path.of(line.path("file").asText()).getFileName() + " " + line.path("prompt").asText() + " "
                        + line.path("seed").asLong())
                .containsExactly(
                        "000.png a red apple 10", "001.png a red apple 11",
                        "002.png a blue mug 11", "003.png a blue mug 12",
                        "004.png a green boat 12", "005.png a green boat 13");
        assertThat(folder).isDirectoryContaining("glob:**/005.png");
    }

    @Test
    void theSameSeedGivesTheSamePixels() throws IOException {
        generate("a red apple", "--seed", "7", "--steps", "2", "--bundle", SMALLEST.toString());
        BufferedImage first = ImageIO.read(folder.resolve("000.png").toFile());
        generate("a red apple", "--seed", "7", "--steps", "2", "--bundle", SMALLEST.toString());
        BufferedImage second = ImageIO.read(folder.resolve("000.png").toFile());
        generate("a red apple", "--seed", "8", "--steps", "2", "--bundle", SMALLEST.toString());
        BufferedImage other = ImageIO.read(folder.resolve("000.png").toFile());

        assertThat(pixels(second)).isEqualTo(pixels(first));
        assertThat(pixels(other)).isNotEqualTo(pixels(first));
    }

    @Test
    void overridesReplaceTheProfilesParameters() throws IOException {
        CommandLineRun run = generate("a red apple", "--profile", "baseline", "--steps", "3", "--scheduler", "dpmpp-2m",
                "--guidance-scale", "5.5", "--cutoff", "0.5", "--decoder", "tiny", "--negative-prompt", "blurry", "--bundle",
                SMALLEST.toString());

        JsonNode parameters = JSON.readTree(run.outLines().get(0)).path("parameters");
        assertThat(parameters.path("profile").asText()).isEqualTo("baseline");
        assertThat(parameters.path("steps").asInt()).isEqualTo(3);
        assertThat(parameters.path("scheduler").asText()).isEqualTo("dpmpp-2m");
        assertThat(parameters.at("/guidance/scale").asDouble()).isEqualTo(5.5);
        assertThat(parameters.at("/guidance/cutoff").asDouble()).isEqualTo(0.5);
        assertThat(parameters.path("decoder").asText()).isEqualTo("tiny");
        assertThat(parameters.path("negativePrompt").asText()).isEqualTo("blurry");
    }

    @Test
    void adaptersAreAddedAndTold(@TempDir Path bundle) throws IOException {
        TestBundle.copyOfMini(bundle).withAdapter("ink", false).withAdapter("wash", false);

        CommandLineRun run = generate("a red apple", "--steps", "1", "--adapter", "wash:-0.5", "--adapter", "ink",
                "--bundle", bundle.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode line = JSON.readTree(run.outLines().get(0));
        assertThat(line.at("/parameters/adapters")).hasToString(
                "[{\"name\":\"ink\",\"scale\":1.0},{\"name\":\"wash\",\"scale\":-0.5}]");
        // Which took place while the model was loaded
        assertThat(line.at("/timings").has("adapterSwitch")).isFalse();
    }

    @Test
    void whatTheSafetyCheckerFlagsIsToldAndMayBeWithheld(@TempDir Path bundle) throws IOException {
        JsonNode golden = Golden.json("safety/scores.json");
        TestBundle.copy(SMALLEST, bundle).withSafetyChecker();
        String[] request = {golden.get("prompt").asText(), "--seed", "4", "--count", "8", "--steps",
            golden.get("steps").asText(), "--scheduler", golden.get("scheduler").asText(), "--guidance-scale",
            golden.get("scale").asText(), "--cutoff", "1", "--bundle", bundle.toString(), "--safety"};

        CommandLineRun flag = generate(with(request, "flag"));
        CommandLineRun withhold = generate(with(request, "withhold"));

        assertThat(flag.exitCode()).as(flag.err()).isZero();
        int flagged = 0;
        for (int i = 0; i < 8; i++) {
            JsonNode told = JSON.readTree(flag.outLines().get(i));
            assertThat(told.at("/safety/score").asDouble()).isCloseTo(
                    golden.at("/drawn/" + (4 + i) + "/score").asDouble(), within(0.002));
            assertThat(told.has("file")).isTrue();
            JsonNode kept = JSON.readTree(withhold.outLines().get(i));
            assertThat(kept.get("safety")).isEqualTo(told.get("safety"));
            assertThat(kept.has("file")).isEqualTo(!told.at("/safety/flagged").asBoolean());
            flagged += told.at("/safety/flagged").asBoolean() ? 1 : 0;
        }
        assertThat(flagged).isBetween(1, 7);
        assertThat(withhold.err()).contains("; " + flagged + " flagged and withheld");
    }

    private static String[] with(String[] arguments, String... last) {
        return Stream.concat(Stream.of(arguments), Stream.of(last)).toArray(String[]::new);
    }

    @Test
    void aPolicyThatTheBundleHasNoCheckerForIsRefused() {
        CommandLineRun run = generate("a red apple", "--safety", "flag");

        assertThat(run.exitCode()).isNotZero();
        assertThat(run.err()).contains("The bundle mini has no safety checker, which the safety policy flag needs.");
    }

    @ParameterizedTest
    @CsvSource({"png, png", "jpeg, jpg", "webp, webp"})
    void theFormatMayBeChosenAndSaysThatAModelMadeIt(String format, String extension) throws IOException {
        CommandLineRun run = generate("a red apple", "--steps", "1", "--format", format, "--bundle", SMALLEST.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode line = JSON.readTree(run.outLines().get(0));
        Path file = Path.of(line.path("file").asText());
        assertThat(file).hasFileName("000." + extension);
        assertThat(ImageIO.read(file.toFile()).getWidth()).isEqualTo(64);
        assertThat(line.at("/parameters/output/format").asText()).isEqualTo(format);
        assertThat(Files.readString(file, ISO_8859_1)).contains(line.at("/provenance/digitalSourceType").asText(),
                line.at("/provenance/promptSha256").asText());
    }

    @Test
    void anUnknownFormatIsAWrongArgument() {
        CommandLineRun run = generate("a red apple", "--format", "gif");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("there is no format 'gif'; there are png, jpeg, webp");
    }

    @Test
    void provenanceMayBeLeftOut() throws IOException {
        CommandLineRun run = generate("a red apple", "--steps", "1", "--no-provenance", "--bundle", SMALLEST.toString());

        assertThat(JSON.readTree(run.outLines().get(0)).has("provenance")).isFalse();
        assertThat(Files.readString(folder.resolve("000.png"), ISO_8859_1))
                .contains("Steps: 1").doesNotContain("trainedAlgorithmicMedia");
    }

    @Test
    void emphasisIsReadWhereItIsAskedFor() throws IOException {
        String[] settings = {"--seed", "7", "--steps", "2", "--bundle", SMALLEST.toString(), "--prompt-syntax"};
        CommandLineRun weighted = generate(with(settings, "weighted", "a (red:1.5) apple"));
        BufferedImage emphasised = ImageIO.read(folder.resolve("000.png").toFile());
        generate(with(settings, "plain", "a red apple"));
        BufferedImage plain = ImageIO.read(folder.resolve("000.png").toFile());
        generate(with(settings, "weighted", "a (red:1) apple"));
        BufferedImage unweighted = ImageIO.read(folder.resolve("000.png").toFile());

        assertThat(JSON.readTree(weighted.outLines().get(0)).at("/parameters/promptSyntax").asText()).isEqualTo("weighted");
        assertThat(pixels(emphasised)).isNotEqualTo(pixels(plain));
        assertThat(pixels(unweighted)).isEqualTo(pixels(plain));
    }

    @Test
    void aWeightThatIsNotOnOfferIsAWrongArgument() {
        CommandLineRun run = generate("a red apple", "--negative-prompt", "(blur:99)", "--prompt-syntax", "weighted");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("In the negativePrompt a weight must be from 0 to 10, but is 99.0.");
    }

    @Test
    void anUnknownAdapterIsAWrongArgument() {
        CommandLineRun run = generate("a red apple", "--adapter", "oil");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("There is no adapter oil; the model mini has lcm.");
    }

    @Test
    void imagesStartFromAPictureAndKeepWhatTheMaskSays() throws IOException {
        Path pictures = SMALLEST.getParent();
        String bundle = SMALLEST.toString();
        String picture = pictures.resolve("picture-0.png").toString();

        CommandLineRun whole = generate("a red circle", "--bundle", bundle, "--image", picture, "--strength", "0.5");
        BufferedImage fromPicture = ImageIO.read(folder.resolve("000.png").toFile());
        CommandLineRun masked = generate("a red circle", "--bundle", bundle, "--image", picture, "--mask",
                pictures.resolve("mask-0.png").toString(), "--format", "jpeg");

        assertThat(whole.exitCode()).as(whole.err()).isZero();
        assertThat(JSON.readTree(whole.outLines().get(0)).at("/timings/steps").asInt()).isEqualTo(10);
        assertThat(fromPicture.getWidth()).isEqualTo(64);
        assertThat(masked.exitCode()).as(masked.err()).isZero();
        assertThat(JSON.readTree(masked.outLines().get(0)).at("/timings/steps").asInt()).isEqualTo(20);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--image nowhere.png | there is no file nowhere.png",
        "--image pom.xml | image must be a PNG, JPEG or WebP file, and is none.",
        "--mask pom.xml | --mask says what becomes of a picture: give one with --image FILE",
        "--strength 0.5 | --strength says what becomes of a picture: give one with --image FILE",
        "--image pom.xml --strength 1.5 | image.strength is 1.5; it must be above 0 and at most 1.",
        "--image pom.xml --fit stretch | there is no fit 'stretch'; there are crop, contain"
    })
    void whatCannotBecomeAPictureIsAWrongArgument(String options, String sentence) {
        CommandLineRun run = generate(
                ("circle --bundle " + SMALLEST + " " + options).split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(sentence);
    }

    @Test
    void theHelpTellsWhatTheModelDraws() {
        assertThat(CommandLineRun.of("generate", "--help").out())
                .contains("Objects: red apple, ").contains("Backgrounds: white, ").contains("Styles: flat icon, ");
    }

    @Test
    void aPromptWithoutAWordOfTheVocabularyGetsAHint() throws IOException {
        Path prompts = Files.writeString(folder.resolve("prompts.txt"), "Two Apples!\na lighthouse in the storm\n");

        CommandLineRun run = generate("--prompts", prompts.toString(), "--steps", "1");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("The model in models/mini knows no word of \"a lighthouse in the storm\"; "
                + "`darkroom generate --help` lists what it draws.");
        assertThat(generate("a red apple", "--steps", "1").err()).doesNotContain("knows no word");
    }

    @Test
    void whatTheBundleDoesNotOfferIsAWrongArgument() {
        CommandLineRun run = generate("a red apple", "--width", "512");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("512").contains("256x256");
    }

    @Test
    void aFolderWithoutABundleIsNamed() {
        CommandLineRun run = generate("a red apple", "--bundle", folder.toString());

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("darkroom: ").contains(folder.toString()).doesNotContain("\tat ");
    }

    private CommandLineRun generate(String... arguments) {
        String[] all = new String[arguments.length + 3];
        all[0] = "generate";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        all[all.length - 2] = "--out";
        all[all.length - 1] = folder.toString();
        return CommandLineRun.of(all);
    }

    private static int[] pixels(BufferedImage image) {
        return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
    }
}

package dev.darkroom.contract;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.ReadResult.Understood;
import dev.darkroom.torch.ModelBundle;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The outcomes that README.md shows are those of the request that it shows, by the built-in model. */
class ReadmeEventsTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Pattern JSON = Pattern.compile("(?s)```json\n(.*?)```");

    @Test
    void theOutcomesAreThoseOfTheRequestByTheBuiltInModel() throws IOException {
        String readme = Files.readString(Path.of("README.md"));
        List<byte[]> events = JSON.matcher(readme).results()
                .map(found -> found.group(1).getBytes(StandardCharsets.UTF_8)).toList();
        GenerationRequest request = ((Understood) new RequestReader().read(events.get(0))).request();
        JsonNode completed = MAPPER.readTree(events.get(1));
        JsonNode image = completed.get("images").get(0);
        ModelBundle mini = ModelBundle.read(Path.of("models", "mini"));

        assertThat(new Schemas().of(EventType.COMPLETED).validate(completed)).isEmpty();
        assertThat(new Schemas().of(EventType.FAILED).validate(MAPPER.readTree(events.get(2)))).isEmpty();
        assertThat(readme).contains("\nce_requestdigest: " + request.digest() + "\n");
        assertThat(image.get("key").textValue()).contains(request.digest());
        assertThat(image.get("seed").longValue()).isEqualTo(request.resolvedSeed());
        assertThat(image.get("width").intValue()).isEqualTo(completed.get("parameters").get("width").intValue())
                .isEqualTo(mini.manifest().sizes().get(0).width());
        assertThat(completed.get("model").get("digest").textValue()).isEqualTo(mini.digest());
    }
}

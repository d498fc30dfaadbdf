package dev.darkroom.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StoreSettingsTest {

    @Test
    void theSecretIsNotPrinted() {
        assertThat(settings("https://s3.example.com", "images", Duration.ofSeconds(5)).toString())
                .contains("https://s3.example.com", "images", "the-key")
                .doesNotContain("the-secret");
    }

    @ParameterizedTest
    @ValueSource(strings = {"s3.example.com:9000", "ftp://s3.example.com", "http:///images", ""})
    void anEndpointIsAnAddress(String endpoint) {
        assertThatThrownBy(() -> settings(endpoint, "images", Duration.ofSeconds(5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the store's endpoint is '" + endpoint
                        + "'; it must be an address such as https://s3.example.com:9000");
    }

    @Test
    void anEndpointHasNoPathAndItsPasswordIsNotRepeated() {
        assertThatThrownBy(() -> settings("https://user:pass@s3.example.com/images", "images", Duration.ofSeconds(5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the store's endpoint 's3.example.com' has more than scheme, host and port");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Images", "im", "images/today", "-images", "im..ages"})
    void aBucketIsNamedByTheRulesOfS3(String bucket) {
        assertThatThrownBy(() -> settings("https://s3.example.com", bucket, Duration.ofSeconds(5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("the store's bucket is '" + bucket + "'; a bucket's name has 3 to 63");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/images", "images/", "a//b", "a/../b", ".", "a b", "größe"})
    void aPrefixIsMadeOfParts(String prefix) {
        assertThatThrownBy(() -> settings(prefix, Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the store's prefix is '" + prefix + "'; it must be parts of letters, digits, '.', '_' and '-' "
                        + "with '/' between them, such as team-a/darkroom");
    }

    @Test
    void aPublicEndpointIsAnAddressToo() {
        assertThat(settings("team-a/darkroom.v1", Optional.of(URI.create("https://s3.example.com"))).publicEndpoint())
                .hasValue(URI.create("https://s3.example.com"));
        assertThatThrownBy(() -> settings("", Optional.of(URI.create("https://cdn.example.com/images"))))
                .hasMessage("the store's public endpoint 'cdn.example.com' has more than scheme, host and port");
    }

    @Test
    void aKeyOfTheManagementServiceGoesWithIt() {
        assertThat(new Encryption(Encryption.KMS, Optional.of("alias/darkroom")).keyId()).hasValue("alias/darkroom");
        assertThatThrownBy(() -> new Encryption(Encryption.AES, Optional.of("alias/darkroom")))
                .hasMessage("the store's encryption is AES256; a key goes with aws:kms alone");
        assertThatThrownBy(() -> new Encryption("aes", Optional.empty()))
                .hasMessage("the store's encryption is 'aes'; it must be AES256 or aws:kms");
    }

    @Test
    void keysAreTwoAndWhatIsSecretIsNotPrinted() {
        assertThatThrownBy(() -> new StoreKeys("", "secret", Optional.empty())).hasMessage("the store's access key is empty");
        assertThatThrownBy(() -> new StoreKeys("key", " ", Optional.empty())).hasMessage("the store's secret key is empty");
        assertThat(new StoreKeys("key", "the-secret", Optional.of("the-token")).toString()).doesNotContain("secret", "the-token");
    }

    @Test
    void timeOutsAreAboveZero() {
        assertThatThrownBy(() -> settings("https://s3.example.com", "images", Duration.ofNanos(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the store's connect time-out is PT0.000000001S; it must be above zero and at most a day");
    }

    private static StoreSettings settings(String prefix, Optional<URI> publicEndpoint) {
        return new StoreSettings(URI.create("https://s3.internal"), publicEndpoint, "us-east-1", "images", prefix,
                Optional.empty(), Optional.empty(), Optional.empty(), true, false, Duration.ofSeconds(5), Duration.ofSeconds(5));
    }

    private static StoreSettings settings(String endpoint, String bucket, Duration connectTimeout) {
        return new StoreSettings(URI.create(endpoint), "us-east-1", bucket, "the-key", "the-secret", true, false,
                connectTimeout, Duration.ofSeconds(30));
    }
}

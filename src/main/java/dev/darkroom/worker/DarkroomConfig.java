package dev.darkroom.worker;

import dev.darkroom.diffusion.Labelled;
import dev.darkroom.diffusion.Profile;
import dev.darkroom.diffusion.SafetyPolicy;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithConverter;
import io.smallrye.config.WithDefault;
import jakarta.validation.constraints.DecimalMax;
import jakarta.validation.constraints.DecimalMin;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Pattern;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.eclipse.microprofile.config.spi.Converter;
import org.hibernate.validator.constraints.time.DurationMax;
import org.hibernate.validator.constraints.time.DurationMin;

/**
 * Everything that can be set, each value also by environment: {@code darkroom.store.access-key} is
 * {@code DARKROOM_STORE_ACCESS_KEY}. Durations are written {@code 500ms}, {@code 30s}, {@code 5m}.
 */
@ConfigMapping(prefix = "darkroom")
public interface DarkroomConfig {

    /** What Kafka takes as the name of a topic, but for {@code .} and {@code ..}. */
    String TOPIC = "(?!\\.{1,2}$)[A-Za-z0-9._-]{1,249}";
    /** What is said of the name of a topic that Kafka would not take. */
    String TOPIC_ALLOWED = "must be 1 to 249 of letters, digits, '.', '_' and '-'";

    /** Folder of the model bundle. */
    @WithDefault("models/mini")
    Path bundle();

    /**
     * Folder that outlives the process, in a container a volume: what was being generated when the process ended is told
     * there, so that a request that keeps ending it is found out.
     */
    @WithDefault("${java.io.tmpdir}/darkroom")
    Path stateDir();

    /**
     * Profiles that the worker is ready for when it says that it is ready: what they need is loaded and, where compiled
     * packages run, has run once in every batch size. What other profiles need is loaded when one is first asked for.
     */
    @WithDefault("final")
    @WithConverter(ProfileConverter.class)
    List<Profile> warmUp();

    /** Which device generates. */
    Device device();

    /** Where images and outcomes are kept. */
    Store store();

    /** The pictures that requests start from. */
    Inputs inputs();

    /** How requests travel through the worker. */
    Flow flow();

    /** The Kafka topics. */
    Topics topics();

    /** The express lane. */
    Express express();

    /** Cancellations. */
    Cancellations cancellations();

    /** Progress events. */
    Progress progress();

    /** What images and events say of how the images came about. */
    Provenance provenance();

    /** What becomes of images that the bundle's safety checker flags. */
    Safety safety();

    /** The events' CloudEvents attributes. */
    Events events();

    /** What metrics tell apart. */
    Metrics metrics();

    interface Device {
        /** CUDA index of the GPU that this worker is pinned to; -1 is the CPU. */
        @WithDefault("-1")
        @Min(-1)
        int index();

        /** What the GPU's name must contain, as {@code A100}; the worker refuses to start on another. */
        Optional<String> require();
    }

    /** Where {@code ./darkroom stack} has its store, and with which keys. */
    String STACK_STORE = "http://localhost:19000";
    String STACK_ACCESS_KEY = "darkroom";
    String STACK_SECRET_KEY = "darkroom-secret";

    interface Store {
        /** Address of the S3-compatible object store. */
        @WithDefault(STACK_STORE)
        URI endpoint();

        /** Address of the store as those reach it who follow the links in events; the endpoint unless given. */
        Optional<URI> publicEndpoint();

        /** Region, for stores that have regions. */
        @WithDefault("us-east-1")
        @NotBlank
        String region();

        /** Bucket of images and outcomes. */
        @WithDefault("darkroom")
        @Pattern(regexp = "(?!.*\\.\\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", message = "must be 3 to 63 lower-case letters, "
                + "digits, '.' and '-', with a letter or digit at both ends")
        String bucket();

        /** What everything in the bucket lies below, as {@code team-a/darkroom}. */
        Optional<String> prefix();

        /**
         * Access key. Without one the surroundings give the credentials, except at the default endpoint, where the stack's keys
         * are known.
         */
        Optional<String> accessKey();

        /** Secret key, with the access key. */
        Optional<String> secretKey();

        /** Session token of temporary keys. */
        Optional<String> sessionToken();

        /** How the store is asked to encrypt all that is put into it: {@code AES256} or {@code aws:kms}. */
        Optional<String> encryption();

        /** The key for {@code aws:kms}; the service's default key unless given. */
        Optional<String> encryptionKey();

        /**
         * After how long the bucket's lifecycle rules delete images, as {@code 30d}: events then say when an image may be gone.
         * The worker deletes nothing.
         */
        Optional<Duration> retention();

        /** Whether the bucket is created where it is missing. */
        @WithDefault("true")
        boolean createBucket();

        /** How long connecting to the store may take. */
        @WithDefault("5s")
        @DurationMin(millis = 1, message = "must be from 1ms to 24h")
        @DurationMax(hours = 24, message = "must be from 1ms to 24h")
        Duration connectTimeout();

        /** How long the store may be silent in the middle of a call. */
        @WithDefault("30s")
        @DurationMin(millis = 1, message = "must be from 1ms to 24h")
        @DurationMax(hours = 24, message = "must be from 1ms to 24h")
        Duration readTimeout();

        /**
         * File with the certificates, in PEM, of authorities that are trusted besides those that Java trusts: the store's, where
         * its certificate is signed by one of your own.
         */
        Optional<Path> caFile();

        /** Whether the bucket is part of the path rather than of the host name; most stores but Amazon's want it. */
        @WithDefault("true")
        boolean pathStyle();
    }

    interface Inputs {
        /** Buckets of the store that pictures are taken from; unless there are any, no request can start from a picture. */
        Optional<List<String>> buckets();

        /** Most bytes that a picture's file may have. */
        @WithDefault("20971520")
        @Min(1)
        @Max(268_435_456)
        int maxBytes();

        /** Most pixels that a picture may have; each takes up to eight bytes of memory while it is read. */
        @WithDefault("25000000")
        @Min(1)
        @Max(268_435_456)
        int maxPixels();
    }

    interface Flow {
        /**
         * Requests that may be under way at once in a lane, express or not: waiting, generating, leaving. When all places
         * are taken, the lane's consumption pauses. Three to four of the largest batches keep the generator busy.
         */
        @WithDefault("32")
        @Min(1)
        @Max(1024)
        int inFlight();

        /**
         * How much goes to express requests while others wait too: this share of the batches is led by one. A batch is
         * filled up with whatever else fits it.
         */
        @WithDefault("0.75")
        @DecimalMin(value = "0.01", message = "must be from 0.01 to 0.99")
        @DecimalMax(value = "0.99", message = "must be from 0.01 to 0.99")
        double expressShare();

        /** How long a lone request waits for others that could share its batch. */
        @WithDefault("5ms")
        @DurationMin(nanos = 0, message = "must be from 0s to 1m")
        @DurationMax(minutes = 1, message = "must be from 0s to 1m")
        Duration linger();

        /** Requests whose images are encoded and uploaded at once. Unless given as many as there are processors, 8 at least. */
        @Min(1)
        @Max(64)
        OptionalInt deliveryThreads();

        /** Attempts after which a request that keeps killing the process goes to the dead-letter topic. */
        @WithDefault("3")
        @Min(1)
        @Max(10)
        int maxAttempts();

        /** How long a shutdown or a revocation waits for what is under way before it is given up, uncommitted. */
        @WithDefault("30s")
        @DurationMin(nanos = 0, message = "must be from 0s to 1h")
        @DurationMax(hours = 1, message = "must be from 0s to 1h")
        Duration drainTimeout();

        /** Silence of the generating thread, in the middle of a batch, after which liveness turns red. */
        @WithDefault("2m")
        @DurationMin(seconds = 1, message = "must be from 1s to 24h")
        @DurationMax(hours = 24, message = "must be from 1s to 24h")
        Duration stuckAfter();
    }

    interface Topics {
        /** Requests come from here. */
        @WithDefault("darkroom.requests")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String requests();

        /** Requests come from here that go first. */
        @WithDefault("darkroom.requests.express")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String express();

        /** Completed and failed events go here. */
        @WithDefault("darkroom.completions")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String completions();

        /** Progress events go here. */
        @WithDefault("darkroom.progress")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String progress();

        /** Records that cannot be decoded go here. */
        @WithDefault("darkroom.requests-dlq")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String deadLetters();

        /** Cancellations come from here. */
        @WithDefault("darkroom.cancellations")
        @Pattern(regexp = TOPIC, message = TOPIC_ALLOWED)
        String cancellations();
    }

    interface Express {
        /** Whether there is an express lane; its topic must be there if so. */
        @WithDefault("true")
        boolean enabled();
    }

    interface Cancellations {
        /** Whether requests can be cancelled; the topic of cancellations must be there if so. */
        @WithDefault("true")
        boolean enabled();
    }

    interface Progress {
        /** Whether progress events are published. */
        @WithDefault("true")
        boolean enabled();

        /** Least time between two progress events of one request. */
        @WithDefault("500ms")
        @DurationMin(nanos = 0, message = "must be from 0s to 1h")
        @DurationMax(hours = 1, message = "must be from 0s to 1h")
        Duration interval();
    }

    interface Provenance {
        /** Whether images and completed events say that a model generated the images. */
        @WithDefault("true")
        boolean enabled();
    }

    interface Safety {
        /**
         * {@code flag}: completed events say of each image whether the bundle's safety checker flags it. {@code withhold}: the
         * same, and what is flagged is not stored. {@code off}: nobody looks. A bundle without a checker takes nothing else.
         */
        @WithDefault("off")
        @WithConverter(SafetyPolicyConverter.class)
        SafetyPolicy policy();
    }

    interface Events {
        /** CloudEvents {@code source} of every event of this worker. */
        @WithDefault("/darkroom")
        @Pattern(regexp = "[^\\s\"<>\\\\^`{|}]+", message = "must be a URI reference such as /darkroom, without blanks")
        String source();
    }

    interface Metrics {
        /**
         * Key of the requests' metadata by whose values metrics tell cost apart, as {@code customer}: the first hundred values
         * that a worker meets, and all others as {@code other}.
         */
        Optional<@Pattern(regexp = "[A-Za-z0-9._-]{1,64}", message = "must be 1 to 64 of letters, digits, '.', '_' and '-'")
                String> costBy();
    }

    /** Reads policies by their labels. */
    final class SafetyPolicyConverter implements Converter<SafetyPolicy> {

        private static final long serialVersionUID = 1;

        @Override
        public SafetyPolicy convert(String value) {
            return Labelled.find(SafetyPolicy.class, value.strip()).orElseThrow(() -> new IllegalArgumentException(
                    "there is no policy " + value + "; there are " + Labelled.all(SafetyPolicy.class)));
        }
    }

    /** Reads profiles by the names that requests use. */
    final class ProfileConverter implements Converter<Profile> {

        private static final long serialVersionUID = 1;

        @Override
        public Profile convert(String value) {
            return Profile.labelled(value.strip()).orElseThrow(() -> new IllegalArgumentException(
                    "there is no profile " + value + "; there are " + Profile.labels()));
        }
    }
}

package dev.darkroom.faults;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code ./darkroom faults}. */
@Command(
        name = "darkroom faults",
        description = "Does everything to workers, broker and store that a bad day does, and looks from outside at what became "
                + "of every request.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true)
final class FaultsMain implements Callable<Integer> {

    @Option(names = "--seeds", split = ",", defaultValue = "1,2,3", description = "What is done follows from the seed.")
    private List<Long> seeds;

    @Option(names = "--faults", defaultValue = "340", description = "How many a seed.")
    private int faults;

    @Option(names = "--workers", defaultValue = "3", description = "How many.")
    private int workers;

    @Option(names = "--rate", defaultValue = "2", description = "Ordinary requests a second.")
    private double rate;

    @Option(names = "--kills", defaultValue = "3", description = "How often one of the workers is killed afterwards, in peace.")
    private int kills;

    @Option(names = "--soak", paramLabel = "MINUTES", description = "Instead: one worker at half load for so long.")
    private Integer soak;

    public static void main(String[] arguments) {
        System.setProperty("java.util.logging.manager", "org.jboss.logmanager.LogManager");
        Logger.getLogger("").setLevel(Level.SEVERE);
        System.exit(new CommandLine(new FaultsMain()).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        if (soak != null) {
            long begin = System.nanoTime();
            Soak result = Soak.run(folder("soak"), Duration.ofMinutes(soak),
                    line -> System.err.printf("%5d s  %s%n", (System.nanoTime() - begin) / 1_000_000_000, line));
            System.out.println(new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(result));
            return 0;
        }
        boolean good = true;
        for (long seed : seeds) {
            Path folder = folder(String.valueOf(seed));
            System.err.println("seed " + seed + ", logs in " + folder);
            long begin = System.nanoTime();
            Run run = new Campaign(Plan.of(seed, workers, faults), folder, workers, rate, 60, kills,
                    line -> System.err.printf("%5d s  %s%n", (System.nanoTime() - begin) / 1_000_000_000, line)).run();
            System.out.println(new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(run));
            good &= run.good();
        }
        return good ? 0 : 1;
    }

    private static Path folder(String name) throws IOException {
        return Files.createDirectories(Cluster.home().resolve(".darkroom")
                .resolve("faults-%d-%s".formatted(ProcessHandle.current().pid(), name)));
    }
}

package dev.darkroom.faults;

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
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;

/** {@code ./darkroom faults}. */
@Command(
        name = "darkroom faults",
        description = "Does everything to workers, broker and store that a bad day does, and looks from outside at what became "
                + "of every request.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true)
final class FaultsMain implements Callable<Integer> {

    private static final int MOST_OPEN = 60;

    @Option(names = "--seeds", split = ",", defaultValue = "1,2,3,0",
            description = "What is done follows from the seed; 0 is every kind alone, one by one.")
    private List<Long> seeds;

    @Option(names = "--faults", defaultValue = "340", description = "How many a seed.")
    private int faults;

    @Option(names = "--workers", defaultValue = "3", description = "How many.")
    private int workers;

    @Option(names = "--rate", defaultValue = "4", description = "Ordinary requests a second.")
    private double rate;

    @Option(names = "--report", paramLabel = "DIR",
            showDefaultValue = Visibility.NEVER,
            description = "Where reliability.json, .md and .png are written, or added to; docs unless given.")
    private Path report = Cluster.home().resolve("docs");

    @Option(names = "--soak", paramLabel = "MINUTES", description = "Instead: one worker at half load for so long.")
    private Integer soak;

    @Option(names = "--redraw", description = "Instead: text and picture anew from reliability.json.")
    private boolean redraw;

    public static void main(String[] arguments) {
        System.setProperty("java.util.logging.manager", "org.jboss.logmanager.LogManager");
        Logger.getLogger("").setLevel(Level.SEVERE);
        System.exit(new CommandLine(new FaultsMain()).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        if (faults < 1 || workers < 1 || rate <= 0 || soak != null && soak < 1) {
            System.err.printf("faults: --faults is %d, --workers %d, --rate %s and --soak %s; none may be below one, and the "
                    + "rate must be above zero.%n", faults, workers, rate, soak);
            return 2;
        }
        if (redraw) {
            Report.add(report, List.of(), null);
            return 0;
        }
        if (soak != null) {
            long begin = System.nanoTime();
            Soak result = Soak.run(folder("soak"), Duration.ofMinutes(soak),
                    line -> System.err.printf("%5d s  %s%n", (System.nanoTime() - begin) / 1_000_000_000, line));
            Report.add(report, List.of(), result);
            return result.unanswered() == 0 ? 0 : 1;
        }
        boolean good = true;
        for (long seed : seeds) {
            Path folder = folder(String.valueOf(seed));
            System.err.println("seed " + seed + ", logs in " + folder);
            long begin = System.nanoTime();
            Run run = new Campaign(Plan.of(seed, workers, faults), folder, workers, rate, MOST_OPEN,
                    line -> System.err.printf("%5d s  %s%n", (System.nanoTime() - begin) / 1_000_000_000, line)).run();
            Report.add(report, List.of(run), null);
            tell(run);
            good &= run.good();
        }
        return good ? 0 : 1;
    }

    private void tell(Run run) {
        System.out.printf("seed %d: %d faults of %d kinds, %d requests: lost %d, second outcomes %d, mixed images %d, "
                        + "orphans %d, wrong outcomes %d; generated twice %.2f %%; lag at the end %d%n", run.seed(), run.faults(),
                run.kinds(), run.requests(), run.lost(), run.secondOutcomes(), run.mixedImages(), run.orphanOutcomes(),
                run.wrongOutcomes(), 100 * run.generatedTwiceShare(), run.lagAtEnd());
        run.findings().forEach(finding -> System.out.println("  " + finding));
    }

    private static Path folder(String name) throws IOException {
        return Files.createDirectories(Cluster.home().resolve(".darkroom")
                .resolve("faults-%d-%s".formatted(ProcessHandle.current().pid(), name)));
    }
}

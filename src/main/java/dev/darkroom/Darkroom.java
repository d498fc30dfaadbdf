package dev.darkroom;

import dev.darkroom.tools.CancelCommand;
import dev.darkroom.tools.CommandException;
import dev.darkroom.tools.DemoCommand;
import dev.darkroom.tools.GenerateCommand;
import dev.darkroom.tools.LifecycleCommand;
import dev.darkroom.tools.PageCommand;
import dev.darkroom.tools.RedriveCommand;
import dev.darkroom.tools.SendCommand;
import dev.darkroom.tools.StackCommand;
import dev.darkroom.tools.Vocabulary;
import dev.darkroom.tools.bench.BenchCommand;
import dev.darkroom.tools.gpu.GpuCommand;
import io.quarkus.runtime.Quarkus;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command line. Without a subcommand it is the worker, so that containers and {@code quarkus:dev} need no arguments. */
@Command(
        name = "darkroom",
        description = "Darkroom turns prompts into images: requests come from Kafka, images go to an S3-compatible store, "
                + "and every request ends in one event.",
        synopsisSubcommandLabel = "COMMAND",
        versionProvider = Darkroom.Version.class,
        subcommands = {
            DemoCommand.class,
            GenerateCommand.class,
            StackCommand.class,
            PageCommand.class,
            SendCommand.class,
            CancelCommand.class,
            RedriveCommand.class,
            LifecycleCommand.class,
            BenchCommand.class,
            GpuCommand.class,
            Darkroom.WorkerCommand.class,
            Darkroom.CompletionCommand.class,
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom demo                              everything at once, from request to image",
            "  darkroom demo --page                       and see it in a browser",
            "  darkroom generate \"a red car\" --out out    the pipeline alone, without Kafka",
            "  darkroom COMMAND --help                    what a command takes"
        })
public final class Darkroom implements Callable<Integer> {

    private static final int HELP_WIDTH = 100;
    /** It tells its version, and that would stand before what is said of a wrong setting. */
    private static final Logger VALIDATOR = Logger.getLogger("org.hibernate.validator");

    // picocli's own, which looks at the annotations alone
    @SuppressWarnings("UnusedVariable")
    @Option(names = {"-h", "--help"}, usageHelp = true, scope = ScopeType.INHERIT, description = "Shows this help.")
    private boolean help;

    @SuppressWarnings("UnusedVariable")
    @Option(names = {"-V", "--version"}, versionHelp = true, description = "Shows the version.")
    private boolean version;

    private Darkroom() {
    }

    /**
     * Runs a command to its end.
     *
     * @return the exit code: 0, 1 for a failure that was told on standard error, 2 for wrong arguments
     */
    public static int run(String... args) {
        CommandLine commandLine = new CommandLine(new Darkroom());
        commandLine.setUsageHelpWidth(HELP_WIDTH);
        commandLine.setUsageHelpLongOptionsMaxWidth(26);
        addVocabulary(commandLine.getSubcommands().get("generate").getCommandSpec().usageMessage());
        commandLine.setParameterExceptionHandler(tellWrongArguments());
        commandLine.setExecutionExceptionHandler((failure, command, parsed) -> {
            if (isInterrupted()) {
                return ExitCode.SOFTWARE;
            }
            if (failure instanceof CommandException) {
                System.err.println("darkroom: " + failure.getMessage());
            } else {
                failure.printStackTrace();
            }
            return ExitCode.SOFTWARE;
        });
        commandLine.setExecutionStrategy(Darkroom::execute);
        int exitCode;
        try {
            exitCode = commandLine.execute(args);
        } catch (OutOfMemoryError e) {
            System.err.println("darkroom: There was too little memory for Java (" + e.getMessage()
                    + "); DARKROOM_JAVA_OPTS=-Xmx2g gives it more.");
            exitCode = ExitCode.SOFTWARE;
        }
        return lostOutput() ? ExitCode.SOFTWARE : exitCode;
    }

    /** Whether somebody ends this process: then things fail because of that, and nobody wants to read of it. */
    private static boolean isInterrupted() {
        Thread never = new Thread(() -> { });
        try {
            Runtime.getRuntime().addShutdownHook(never);
            Runtime.getRuntime().removeShutdownHook(never);
            return false;
        } catch (IllegalStateException e) {
            return true;
        }
    }

    /** Help is for commands that there are: picocli shows its own where it is asked for with one that there is not. */
    private static int execute(ParseResult parsed) {
        for (ParseResult at = parsed; at != null; at = at.subcommand()) {
            if (!at.unmatched().isEmpty()) {
                throw new UnmatchedArgumentException(at.commandSpec().commandLine(), at.unmatched());
            }
        }
        return new CommandLine.RunLast().execute(parsed);
    }

    /** Whether standard output could not take what was printed. Java's own streams swallow that. */
    private static boolean lostOutput() {
        if (!System.out.checkError()) {
            return false;
        }
        try {
            // Only a write tells why. Nobody reads it: all before it was lost
            new FileOutputStream(FileDescriptor.out).write('\n');
        } catch (IOException e) {
            // A reader that has seen enough, as `head`, is no fault
            if (!"Broken pipe".equals(e.getMessage())) {
                System.err.println("darkroom: standard output cannot be written to: " + e.getMessage());
            }
        }
        return true;
    }

    private static void addVocabulary(UsageMessageSpec help) {
        List<String> footer = new ArrayList<>(List.of(help.footer()));
        Vocabulary.lines(Vocabulary.usualBundle()).forEach(line -> footer.addAll(List.of("", line)));
        help.footer(footer.toArray(String[]::new));
    }

    private static IParameterExceptionHandler tellWrongArguments() {
        return (ParameterException failure, String[] args) -> {
            CommandSpec command = failure.getCommandLine().getCommandSpec();
            System.err.println(command.qualifiedName() + ": " + failure.getMessage());
            UnmatchedArgumentException.printSuggestions(failure, failure.getCommandLine().getErr());
            System.err.println("What it takes: " + command.qualifiedName() + " --help");
            return ExitCode.USAGE;
        };
    }

    @Override
    public Integer call() {
        return runWorker();
    }

    private static int runWorker() {
        VALIDATOR.setLevel(Level.WARNING);
        Quarkus.run();
        return ExitCode.OK;
    }

    @Command(
            name = "worker",
            description = "Runs the worker alone, until it is told to stop. Kafka, the store and the model come from the "
                    + "configuration: environment variables or system properties, listed in docs/operations.md.",
            footerHeading = "%nExample, with `darkroom stack` in another terminal:%n",
            footer = "  KAFKA_BOOTSTRAP_SERVERS=localhost:19092 darkroom worker")
    static final class WorkerCommand implements Callable<Integer> {
        @Override
        public Integer call() {
            return runWorker();
        }
    }

    @Command(
            name = "completion",
            description = "Prints what makes a shell complete commands and options.",
            footerHeading = "%nExample:%n",
            footer = "  source <(./darkroom completion bash)")
    static final class CompletionCommand implements Callable<Integer> {

        /** The shells that picocli's script is for, as they are called. */
        enum Shell {
            bash, zsh
        }

        // Looked at by picocli alone: both take the same script
        @SuppressWarnings("UnusedVariable")
        @Parameters(arity = "0..1", paramLabel = "SHELL", defaultValue = "bash",
                description = "One of ${COMPLETION-CANDIDATES}.")
        private Shell shell;

        @Spec
        private CommandSpec spec;

        @Override
        public Integer call() {
            System.out.print(AutoComplete.bash("darkroom", spec.root().commandLine()));
            return ExitCode.OK;
        }
    }

    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Darkroom.class.getPackage().getImplementationVersion();
            return new String[] {"darkroom " + (version == null ? "(unpackaged)" : version)};
        }
    }
}

package dev.darkroom.tools.gpu;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code darkroom gpu}: the commands that bring a machine with a GPU to a worker that runs compiled. */
@Command(
        name = "gpu",
        description = "Sets Darkroom up on a GPU, and says how it stands there.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {SetupCommand.class, DoctorCommand.class},
        footerHeading = "%nExamples:%n",
        footer = {
            "  darkroom gpu setup       everything from the driver to a worker that runs compiled",
            "  darkroom gpu doctor      what is there, what is missing"
        })
public final class GpuCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing required subcommand: setup or doctor");
    }
}

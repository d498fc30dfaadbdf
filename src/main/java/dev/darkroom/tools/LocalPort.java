package dev.darkroom.tools;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Ports of this machine that options name. */
final class LocalPort {

    private static final int HIGHEST = 65_535;

    private LocalPort() {
    }

    /**
     * Looks at a port before anything is started: the servers' own word for one that is taken does not say which.
     *
     * @param option that named the port
     * @param command of Darkroom's that may have taken it
     * @throws ParameterException for what is no port
     * @throws CommandException for one that is taken
     */
    static void requireFree(CommandSpec spec, String option, int port, String command) {
        if (port < 0 || port > HIGHEST) {
            throw new ParameterException(spec.commandLine(),
                    "%s is %d; it must be 1 to %d, or 0 for any that is free".formatted(option, port, HIGHEST));
        }
        try (ServerSocket socket = new ServerSocket()) {
            // As the servers do: a port is free although connections of an earlier one are still closing
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        } catch (BindException e) {
            if (e.getMessage().startsWith("Permission denied")) {
                throw new CommandException("Port %d (%s) may not be used by this account, as is usual below 1024. Name another "
                        .formatted(port, option) + "port, or 0 for any that is free.", e);
            }
            throw new CommandException("Port %d (%s) is taken, perhaps by another `darkroom %s`. Name another port, or 0 for any "
                    .formatted(port, option, command) + "that is free.", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

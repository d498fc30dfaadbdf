package dev.darkroom.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.darkroom.tools.ClassArchive;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.Keys;

/** {@code demo --page}, packaged: the page beside a real worker, whose images are in what it leaves in {@code target/page}. */
@Timeout(240)
class DemoPageIT {

    private static final Pattern ADDRESS = Pattern.compile("page +(http://localhost:\\d+/)");
    private static final List<String> PROMPTS = List.of(
            "a rocket on a purple background, flat icon",
            "a cup of coffee on a yellow background, flat icon",
            "a teddy bear on a light blue background, glossy icon",
            "a slice of pizza on a green background, flat icon",
            "a guitar on a pink background, glossy icon");

    @TempDir
    private Path folder;

    @Test
    void itGoesOnUntilItIsToldToEndAndShowsWhatItsWorkerDraws() throws Exception {
        Process demo = start();
        try {
            String address = address(demo);
            if (Browser.isThere()) {
                try (Browser browser = Browser.start()) {
                    look(browser, address);
                }
            } else {
                assertThat(get(address + "assets/lit-html/lit-html.js")).isEqualTo(200);
                await().atMost(Duration.ofMinutes(1)).until(() -> Files.readString(folder.resolve("out")).contains("goes on"));
                assertThat(get(address)).isEqualTo(200);
            }
            demo.destroy();
            assertThat(demo.waitFor(30, TimeUnit.SECONDS)).isTrue();
        } finally {
            demo.destroyForcibly();
        }
    }

    private void look(Browser browser, String address) {
        browser.open(address, 1280, 900, "light");
        browser.await("document.querySelector('.tile img')?.naturalWidth === 256");
        browser.run("document.querySelector('[name=profile]').value = 'fast'");
        browser.the("#compose summary").click();
        browser.the("[name=count]").clear();
        browser.the("[name=count]").sendKeys("2");
        for (String prompt : PROMPTS) {
            browser.the("[name=prompt]").clear();
            browser.the("[name=prompt]").sendKeys(prompt, Keys.ENTER);
            browser.await("document.querySelector('#said').textContent.startsWith('Sent as')");
            browser.run("document.querySelector('#said').textContent = ''");
        }
        browser.the("[name=size]").sendKeys("512x512");
        browser.the("[name=prompt]").sendKeys(Keys.ENTER);
        browser.await("document.querySelector('#failures').textContent.includes('The size 512x512 is not on offer')");
        browser.await("document.querySelector('#images-title').textContent === 'Images, 11'");
        browser.the("[name=size]").clear();
        browser.run("document.querySelector('[name=profile]').value = 'final'");
        browser.the("[name=prompt]").sendKeys(Keys.ENTER);
        browser.the("#compose summary").click();
        browser.await("document.querySelector('#flight progress')?.value > 4");
        browser.screenshot("page");
        browser.open(address, 390, 844, "dark");
        browser.await("document.querySelectorAll('.tile').length > 3"
                + " && [...document.querySelectorAll('.tile img')].every(image => image.naturalWidth === 256)");
        browser.screenshot("page-narrow");
        assertThat(browser.complaints()).isEmpty();
    }

    private Process start() throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dcli.home=" + Path.of("").toAbsolutePath(), "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
        command.addAll(ClassArchive.options("worker"));
        command.addAll(List.of("-jar", "target/quarkus-app/quarkus-run.jar", "demo", "--page", "--page-port", "0", "--profile",
                "fast", "--out", folder.resolve("images").toString()));
        var builder = new ProcessBuilder(command).redirectOutput(folder.resolve("out").toFile())
                .redirectError(folder.resolve("err").toFile());
        builder.environment().put("DARKROOM_BUNDLE", "models/mini");
        return builder.start();
    }

    private String address(Process demo) {
        return await().atMost(Duration.ofMinutes(1)).until(() -> {
            assertThat(demo.isAlive()).as(Files.readString(folder.resolve("err"))).isTrue();
            Matcher told = ADDRESS.matcher(Files.readString(folder.resolve("err")));
            return told.find() ? told.group(1) : "";
        }, address -> !address.isEmpty());
    }

    private static int get(String address) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(address)).build(), BodyHandlers.discarding())
                .statusCode();
    }
}

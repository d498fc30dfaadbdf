package dev.darkroom.page;

import com.deque.html.axecore.results.Rule;
import com.deque.html.axecore.selenium.AxeBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.logging.Level;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.openqa.selenium.By;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/** A headless Chromium with a person's eyes and hands. */
final class Browser implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(40);

    private final ChromeDriver driver;

    private Browser(ChromeDriver driver) {
        this.driver = driver;
    }

    /** Chromium and its driver, as Debian's packages {@code chromium} and {@code chromium-driver} have them, on the path. */
    static boolean isThere() {
        return program("chromium", "google-chrome", "chrome").isPresent() && program("chromedriver").isPresent();
    }

    private static Optional<Path> program(String... names) {
        return Stream.of(names).flatMap(name -> Stream.of(System.getenv("PATH").split(":")).map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable).findFirst();
    }

    static Browser start() {
        var options = new ChromeOptions();
        options.setBinary(program("chromium", "google-chrome", "chrome").orElseThrow().toString());
        // Without its own sandbox, which root and most containers cannot have: it sees this page alone
        options.addArguments("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu");
        var logs = new LoggingPreferences();
        logs.enable(LogType.BROWSER, Level.ALL);
        options.setCapability("goog:loggingPrefs", logs);
        var service = new ChromeDriverService.Builder()
                .usingDriverExecutable(program("chromedriver").orElseThrow().toFile()).usingAnyFreePort().build();
        return new Browser(new ChromeDriver(service, options));
    }

    /**
     * Opens an address.
     *
     * @param scheme {@code light} or {@code dark}
     */
    void open(String address, int width, int height, String scheme) {
        driver.executeCdpCommand("Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", false));
        driver.executeCdpCommand("Emulation.setScrollbarsHidden", Map.of("hidden", true));
        driver.executeCdpCommand("Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
        driver.executeCdpCommand("Browser.grantPermissions",
                Map.of("permissions", List.of("clipboardReadWrite", "clipboardSanitizedWrite")));
        driver.get(address);
    }

    List<WebElement> all(String selector) {
        return driver.findElements(By.cssSelector(selector));
    }

    WebElement the(String selector) {
        return driver.findElement(By.cssSelector(selector));
    }

    /** The button with this text, below an element. */
    WebElement button(String below, String text) {
        return driver.findElement(By.xpath("//*[@id='%s']//button[normalize-space()='%s']".formatted(below, text)));
    }

    /** The element that has the keyboard. */
    WebElement focused() {
        return driver.switchTo().activeElement();
    }

    Object run(String script, Object... arguments) {
        return driver.executeScript(script, arguments);
    }

    /** Waits until a script's expression is true. If it does not come true, what is seen instead is in the error. */
    void await(String expression) {
        try {
            Awaitility.await(expression).atMost(PATIENCE).pollInterval(Duration.ofMillis(50))
                    .until(() -> Boolean.TRUE.equals(run("return " + expression)));
        } catch (ConditionTimeoutException e) {
            screenshot("failed");
            throw new AssertionError("%s%nnever came true; target/page/failed.png shows what is seen:%n%s%n%s".formatted(
                    expression, the("body").getText(), driver.manage().logs().get(LogType.BROWSER).getAll()), e);
        }
    }

    /** MiB that the page's scripts hold, once what nothing refers to is gone. */
    double heap() {
        driver.executeCdpCommand("HeapProfiler.collectGarbage", Map.of());
        return ((Number) driver.executeCdpCommand("Runtime.getHeapUsage", Map.of()).get("usedSize")).doubleValue() / 1048576;
    }

    /** What assistive technology would stumble over, as axe-core finds it. */
    @SuppressWarnings("deprecation")
    List<Rule> violations() {
        // Otherwise it gathers what frames have in a tab of its own, behind which this one stands still
        return new AxeBuilder().setLegacyMode(true).analyze(driver).getViolations();
    }

    /** What went wrong in the page since it was last asked: errors of scripts and violations of its policy, but no answers. */
    List<String> complaints() {
        return driver.manage().logs().get(LogType.BROWSER).getAll().stream().map(LogEntry::getMessage)
                .filter(message -> !message.contains("Failed to load resource")).toList();
    }

    /** Keeps what is seen in {@code target/page/NAME.png}. */
    void screenshot(String name) {
        Object data = driver.executeCdpCommand("Page.captureScreenshot", Map.of("format", "png")).get("data");
        try {
            Files.write(Files.createDirectories(Path.of("target/page")).resolve(name + ".png"),
                    Base64.getDecoder().decode((String) data));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        driver.quit();
    }
}

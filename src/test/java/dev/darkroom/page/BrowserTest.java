package dev.darkroom.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.darkroom.contract.FailureReason;
import dev.darkroom.stack.Stack;
import dev.darkroom.worker.KafkaBinding;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.openqa.selenium.Keys;

/** What a person sees of the page and does with it. What is seen is kept in {@code target/page}. */
@Timeout(180)
class BrowserTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    /** Of a request's way, by {@link #event}. */
    private static final int EVENTS = 4;

    private static Stack stack;
    private static Browser browser;

    @BeforeAll
    static void start() {
        if (Browser.isThere()) {
            stack = Stack.start();
            browser = Browser.start();
        }
    }

    @BeforeEach
    void thereIsABrowser() {
        assumeTrue(browser != null, "No browser was found, so the page is tested over HTTP alone: there is no chromium and "
                + "chromedriver on the path, as Debian's packages chromium and chromium-driver bring them.");
    }

    @AfterAll
    static void stop() {
        if (browser != null) {
            browser.close();
            stack.close();
        }
    }

    @AfterEach
    void noScriptFailedAndNothingWasForbidden() {
        if (browser != null) {
            assertThat(browser.complaints()).isEmpty();
        }
    }

    @Test
    void aRequestIsSeenFromItsFirstStepToItsImage() throws Exception {
        try (Traffic traffic = new Traffic(stack, "seen"); Page page = PageTest.open(stack, traffic, "seen", 0)) {
            browser.open(page.address(), 1280, 800, "light");
            traffic.requested("requests", 0, "seen-1", "<b>a red apple</b>");
            traffic.progressed("seen-1", 7, 20);
            browser.await("document.querySelector('#flight progress')?.value === 7");
            assertThat(browser.the("#flight").getText()).contains("<b>a red apple</b>", "seen-1", "7/20");

            traffic.completed("seen-1", "<b>a red apple</b>", 5);
            browser.await("document.querySelector('.tile img')?.naturalWidth === 96");
            assertThat(browser.the("#flight").getText()).contains("Nothing waits");
            browser.await("document.querySelector('#workers').textContent.includes('VRAM 2.5 GiB of 80.0 GiB')");
            assertThat(browser.the("#stages").getText()).contains("denoising");

            browser.the(".tile").click();
            browser.await("document.querySelector('#detail pre') !== null");
            assertThat(browser.the("#detail").getText()).contains("<b>a red apple</b>", "96×96 px", "dpmpp-2m");
            browser.all("#detail summary").get(0).click();
            assertThat(browser.the("#detail pre").getText()).contains("\"id\": \"seen-1.completed\"");
            browser.button("detail", "curl").click();
            browser.await("document.querySelector('#detail [role=status]').textContent === 'Copied for curl.'");
            assertThat((String) browser.run("return navigator.clipboard.readText()"))
                    .startsWith("curl -H 'X-Darkroom: curl' --data '{\"requestId\":\"seen-1\"")
                    .endsWith(page.address() + "requests");
            browser.focused().sendKeys(Keys.ESCAPE);
            browser.await("!document.querySelector('#detail').open");
        }
    }

    @Test
    void theFormSendsWhatItSaysAndSaysWhatIsWrong() throws Exception {
        try (Traffic traffic = new Traffic(stack, "form"); Page page = PageTest.open(stack, traffic, "form", 0)) {
            browser.open(page.address(), 1280, 800, "light");
            browser.the("#compose summary").click();
            browser.the("[name=prompt]").sendKeys("a blue mug");
            browser.the("[name=seed]").sendKeys("9007199254740993");
            browser.the("[name=size]").sendKeys("12x12");
            browser.the("[name=requestId]").sendKeys("form-1");
            browser.the("[name=picture]").sendKeys(Path.of("docs/from-a-picture/car.png").toAbsolutePath().toString());
            browser.the("[name=strength]").sendKeys("0.5");
            browser.the("#compose button.primary").click();
            browser.await("document.querySelector('#said').textContent.startsWith('width must be')");
            assertThat(browser.focused().getAttribute("name")).isEqualTo("size");

            browser.focused().clear();
            browser.the("[name=size]").sendKeys("256x128");
            browser.the("[name=express]").click();
            browser.the("[name=prompt]").sendKeys(Keys.ENTER);
            browser.await("document.querySelector('#said').textContent.startsWith('Sent as form-1, form.express-0@')");
            var record = traffic.record("express", "form-1");
            JsonNode request = JSON.readTree(KafkaBinding.toEvent(record.headers(), record.value()).getData().toBytes());
            assertThat(request.path("seed").longValue()).isEqualTo(9_007_199_254_740_993L);
            assertThat(request.path("width").asInt()).isEqualTo(256);
            assertThat(request.path("height").asInt()).isEqualTo(128);
            assertThat(request.at("/image/strength").asDouble()).isEqualTo(0.5);
            assertThat(traffic.object(request.at("/image/key").asText())).isNotEmpty();

            browser.await("document.querySelector('#flight .link') !== null");
            browser.the("#flight .link").click();
            browser.await("document.querySelector('#detail .actions button:nth-of-type(2)') !== null");
            browser.button("detail", "Use these settings").click();
            assertThat(browser.run("return document.querySelector('[name=seed]').value")).isEqualTo("9007199254740993");
            assertThat(browser.the("#chosen").getText()).contains("Starts from pictures/");
        }
    }

    @Test
    void aRequestIsCancelledAndItsFailureIsListed() throws Exception {
        try (Traffic traffic = new Traffic(stack, "cancel"); Page page = PageTest.open(stack, traffic, "cancel", 0)) {
            browser.open(page.address(), 1280, 800, "light");
            traffic.requested("requests", 0, "unwanted-1", "a green vase");
            browser.await("document.querySelector('#flight button.small') !== null");
            browser.button("flight", "Cancel").click();
            assertThat(traffic.record("cancellations", "unwanted-1")).isNotNull();

            traffic.failed("unwanted-1", FailureReason.CANCELLED, "requestId", "The request was cancelled.");
            traffic.deadLetter("dead-1", "This is no JSON.", 17);
            browser.await("document.querySelectorAll('#failures li').length === 2");
            assertThat(browser.the("#failures").getText()).contains("CANCELLED", "The request was cancelled.", "DEAD LETTER",
                    "This is no JSON.", "cancel.requests-0@17");
            assertThat(browser.the("#flight").getText()).contains("Nothing waits");
        }
    }

    @Test
    void aKeyboardIsEnough() throws Exception {
        try (Traffic traffic = new Traffic(stack, "keys"); Page page = PageTest.open(stack, traffic, "keys", 0)) {
            for (int i = 0; i < 30; i++) {
                traffic.completed("keys-" + i, "image " + i, i * 12);
            }
            browser.open(page.address(), 1280, 800, "light");
            browser.await("document.querySelector('#images-title').textContent === 'Images, 30'");
            browser.focused().sendKeys(Keys.TAB);
            assertThat(browser.focused().getText()).isEqualTo("Skip to the images");
            browser.focused().sendKeys(Keys.ENTER);
            browser.focused().sendKeys(Keys.TAB);
            browser.focused().sendKeys(Keys.TAB);
            assertThat(browser.focused().getText()).contains("image 29");
            browser.focused().sendKeys(Keys.ARROW_RIGHT);
            browser.focused().sendKeys(Keys.ARROW_DOWN);
            assertThat(browser.focused().getText()).contains("image 23");
            browser.focused().sendKeys(Keys.END);
            assertThat(browser.focused().getText()).contains("image 0");
            assertThat((Boolean) browser.run("const box = arguments[0].getBoundingClientRect();"
                    + "return box.top >= 0 && box.bottom <= innerHeight", browser.focused())).isTrue();
            browser.focused().sendKeys(Keys.ENTER);
            browser.await("document.querySelector('#detail-title').textContent === 'image 0'");
            browser.focused().sendKeys(Keys.ARROW_LEFT);
            browser.await("document.querySelector('#detail-title').textContent === 'image 1'");
            browser.focused().sendKeys(Keys.ESCAPE);
            browser.await("!document.querySelector('#detail').open");
            assertThat(browser.focused().getText()).contains("image 0");
        }
    }

    @Test
    void tenThousandImagesAreAtHandAndNoneIsPushedAwayByNewOnes() throws Exception {
        try (Traffic traffic = new Traffic(stack, "many"); Page page = PageTest.open(stack, traffic, "many", 0)) {
            for (int i = 0; i < LatestRequests.LIMIT; i++) {
                traffic.completed("many-" + i, "image " + i, i % 36 * 10);
            }
            browser.open(page.address(), 1280, 800, "light");
            browser.await("document.querySelector('#images-title').textContent === 'Images, 10,000'");
            assertThat(browser.all("#gallery li")).hasSizeBetween(10, 100);
            browser.run("window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach("
                    + "entry => window.shifts += entry.value)).observe({type: 'layout-shift'})");
            browser.run("scrollTo(0, document.body.scrollHeight / 2)");
            browser.await("[...document.querySelectorAll('.tile img')].every(image => image.naturalWidth === 96)");
            Object seen = browser.run("return document.elementFromPoint(400, 400).closest('li').textContent");

            for (int i = 0; i < 100; i++) {
                traffic.completed("new-" + i, "new image " + i, 200);
            }
            browser.await("document.querySelector('#newer').textContent === '100 newer'");
            assertThat(browser.run("return document.elementFromPoint(400, 400).closest('li').textContent")).isEqualTo(seen);
            browser.the("#newer").click();
            browser.await("document.querySelector('.tile')?.textContent.includes('new image 99')");
            assertThat(browser.the("#images-title").getText()).isEqualTo("Images, 10,000");
            browser.the("#filter").sendKeys("image 77");
            browser.await("document.querySelector('#images-title').textContent !== 'Images, 10,000'");
            assertThat(browser.the(".tile").getText()).contains("new image 77");
            assertThat(((Number) browser.run("return window.shifts")).doubleValue()).isLessThan(0.01);
        }
    }

    /**
     * Scrolls through 10,000 images while 50 events a second come, for as long as {@code -Dpage.watch} says, six seconds by
     * default, and tells how long frames took and what browser and page hold. Ten minutes: {@code ./mvnw test
     * -Dtest=BrowserTest#scrollsAndHoldsItsMemoryWhileEventsCome -Dpage.watch=PT10M}
     */
    @Test
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    void scrollsAndHoldsItsMemoryWhileEventsCome() throws Exception {
        Duration watch = Duration.parse(System.getProperty("page.watch", "PT6S"));
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        try (Traffic traffic = new Traffic(stack, "watch"); Page page = PageTest.open(stack, traffic, "watch", 0)) {
            // All that is known of each, so that those that come take what those that go have given back
            var sent = new AtomicInteger();
            while (sent.get() < EVENTS * LatestRequests.LIMIT) {
                event(traffic, sent.getAndIncrement());
            }
            browser.open(page.address(), 1280, 800, "light");
            browser.await("document.querySelector('#images-title').textContent === 'Images, 10,000'");
            clock.scheduleAtFixedRate(() -> event(traffic, sent.getAndIncrement()), 0, 20, TimeUnit.MILLISECONDS);
            browser.run("""
                    window.frames = new Uint32Array(1000);
                    let before, down = 1;
                    requestAnimationFrame(function scrolled(now) {
                      if (before) frames[Math.min(999, Math.round(now - before))]++;
                      before = now;
                      if (scrollY + innerHeight >= document.body.scrollHeight - 1) down = -1;
                      if (scrollY === 0) down = 1;
                      scrollBy(0, 40 * down);
                      requestAnimationFrame(scrolled);
                    })""");
            List<Watched> watched = new ArrayList<>();
            int looks = 20;
            for (int i = 0; i <= looks; i++) {
                // Counted there: elements that the driver has found are kept for it
                watched.add(new Watched(sent.get(), browser.heap(), heap(),
                        ((Number) browser.run("return document.querySelectorAll('*').length")).intValue()));
                Thread.sleep(watch.toMillis() / looks);
            }
            @SuppressWarnings("unchecked")
            List<Long> frames = (List<Long>) browser.run("return [...frames]");
            System.out.printf("50 events a second for %s: frames of %d ms in the median, 95th percentile %d, 99th %d%n%s%n",
                    watch, percentile(frames, 0.5), percentile(frames, 0.95), percentile(frames, 0.99),
                    watched.stream().map(Object::toString).collect(Collectors.joining("\n")));
            // While somebody has scrolled down, the gallery holds what it shows beside what is new
            Watched filled = watched.get(looks / 5);
            Watched last = watched.get(looks);
            assertThat(last.browserMiB()).isLessThan(1.25 * filled.browserMiB() + 4);
            assertThat(last.pageMiB()).isLessThan(1.25 * filled.pageMiB() + 16);
            // Every second frame of a screen's 60 a second, for tests of other classes run beside this one
            assertThat(percentile(frames, 0.5)).isLessThanOrEqualTo(34);
        } finally {
            clock.shutdownNow();
        }
    }

    /** @param events sent so far */
    private record Watched(int events, double browserMiB, double pageMiB, int elements) {}

    /** A request's way, event by event: asked for, two of progress, its image. */
    private static void event(Traffic traffic, int number) {
        String id = "watched-" + number / EVENTS;
        switch (number % EVENTS) {
            case 0 -> traffic.requested("requests", 0, id, "image " + id);
            case 1 -> traffic.progressed(id, 1, 4);
            case 2 -> traffic.progressed(id, 3, 4);
            default -> traffic.completed(id, "image " + id, number / EVENTS % 36 * 10);
        }
    }

    /** MiB that this process holds, which the page is a part of. */
    private static double heap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / 1048576.0;
    }

    private static int percentile(List<Long> frames, double share) {
        double rest = share * frames.stream().mapToLong(Long::longValue).sum();
        int milliseconds = 0;
        while ((rest -= frames.get(milliseconds)) > 0) {
            milliseconds++;
        }
        return milliseconds;
    }

    @ParameterizedTest
    @CsvSource({"1280, 800, light", "390, 844, dark"})
    void itIsReadByEverybodyAtEverySize(int width, int height, String scheme) throws Exception {
        String name = "looks-%d-%s".formatted(width, scheme);
        try (Traffic traffic = new Traffic(stack, name); Page page = PageTest.open(stack, traffic, name, 0)) {
            for (int i = 0; i < 12; i++) {
                traffic.completed("looks-" + i, "a rocket on a purple background, number " + i, i * 30);
            }
            traffic.requested("requests", 0, "looks-next", "a cup of coffee on a yellow background, flat icon");
            traffic.progressed("looks-next", 12, 20);
            traffic.failed("looks-bad", FailureReason.UNSUPPORTED_PARAMETERS, "width",
                    "The size 512x512 is not on offer; the model mini makes 256x256, 128x128.");
            traffic.deadLetter("looks-dead", "This is no JSON: Unexpected end-of-input.", 17);
            browser.open(page.address(), width, height, scheme);
            browser.await("document.querySelector('#images-title').textContent === 'Images, 12'");
            browser.await("document.querySelectorAll('#failures li').length === 2");
            browser.await("document.querySelector('#flight progress')?.value === 12");
            browser.await("[...document.querySelectorAll('.tile img')].every(image => image.complete)");
            browser.screenshot(name);
            assertThat(browser.violations()).isEmpty();
            assertThat((Boolean) browser.run("return document.documentElement.scrollWidth <= innerWidth")).isTrue();

            browser.the(".tile").click();
            browser.await("document.querySelector('#detail pre') !== null");
            browser.screenshot(name + "-detail");
            assertThat(browser.violations()).isEmpty();
        }
    }
}

package dev.darkroom.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import dev.darkroom.diffusion.LoraAdapter;
import dev.darkroom.torch.WeightChanges.Product;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jboss.logging.Logger;

/**
 * A bundle's adapters on the one copy of its weights. To change from some adapters to others, the weights that have anything
 * added are made what the bundle has, from copies in the host's memory, and the others are added; so nothing of what was added
 * before is left, however often. For the generating thread only.
 */
final class Adapters implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(Adapters.class);

    private final ModelBundle bundle;
    private final ComputeDevice device;
    private final Networks networks;
    private final NDManager host;
    private final WeightChanges changes;
    private final Map<String, List<Product>> read = new HashMap<>();
    /** Of each weight that any adapter of {@link #read} changes, what the bundle has. By module and parameter. */
    private final Map<String, Weight> originals = new HashMap<>();
    private final Map<String, Map<String, PtNDArray>> parameters = new HashMap<>();
    private final Set<String> ofTexts = new HashSet<>();
    /** What the weights have added; empty if that is unknown, since a change failed. */
    private Optional<List<LoraAdapter>> added = Optional.of(List.of());
    private final Map<String, Weight> changed = new LinkedHashMap<>();

    private record Weight(PtNDArray value, PtNDArray original) {
    }

    Adapters(ModelBundle bundle, ComputeDevice device, Networks networks) {
        this.bundle = bundle;
        this.device = device;
        this.networks = networks;
        host = device.newHostManager();
        changes = device.weightChanges();
    }

    /**
     * Sees to it that the weights have these adapters added, and no others.
     *
     * @param wanted adapters of the bundle, in the order of their names
     * @return how long changing the weights took; empty if there was nothing to change
     * @throws BundleException if an adapter cannot be read
     */
    Optional<Duration> apply(List<LoraAdapter> wanted) {
        if (added.isPresent() && added.get().equals(wanted)) {
            return Optional.empty();
        }
        long start = System.nanoTime();
        wanted.forEach(adapter -> read.computeIfAbsent(adapter.name(), this::read));
        long loaded = System.nanoTime();
        added = Optional.empty();
        if (!changed.isEmpty()) {
            changes.restore(changed.values().stream().map(Weight::value).toList(),
                    changed.values().stream().map(Weight::original).toList());
        }
        changed.clear();
        for (LoraAdapter adapter : wanted) {
            List<Product> products = read.get(adapter.name());
            // Before the change, which may fail half way
            products.forEach(product -> changed.put(product.weight().getUid(), originals.get(product.weight().getUid())));
            changes.add(products, adapter.scale());
        }
        originals.values().stream().findFirst().ifPresent(weight -> device.await(weight.value()));
        added = Optional.of(wanted);
        Duration took = Duration.ofNanos(System.nanoTime() - start);
        LOG.debugf("adapters=%s weights=%d readMs=%d ms=%d", wanted, changed.size(), (loaded - start) / 1_000_000,
                took.toMillis());
        return Optional.of(took);
    }

    /** Those of the adapters that are added now and change what texts are encoded to. */
    List<LoraAdapter> ofTexts() {
        return added.orElseThrow().stream().filter(adapter -> ofTexts.contains(adapter.name())).toList();
    }

    /** Reads an adapter, and copies what it changes for the first time. */
    private List<Product> read(String name) {
        long start = System.nanoTime();
        Path file = bundle.file(bundle.manifest().adapters().get(name).file());
        Map<String, NDArray> tensors = new TreeMap<>();
        try (InputStream in = Files.newInputStream(file)) {
            NDList decoded = NDList.decode(host, in);
            List<String> keys = decoded.stream().map(NDArray::getName).toList();
            NDList locked = changes.pageLocked(host, decoded);
            for (int i = 0; i < keys.size(); i++) {
                tensors.put(keys.get(i), locked.get(i));
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new BundleException("The adapter " + name + " cannot be read: " + e.getMessage(), e);
        }
        List<Product> products = new ArrayList<>();
        tensors.forEach((key, up) -> {
            // <module>/<parameter>/<first row>/up, beside the same with /down
            String[] place = key.split("/");
            if (place.length == 4 && place[3].equals("up")) {
                PtNDArray weight = parameters(place[0]).get(place[1]);
                NDArray down = tensors.get(String.join("/", place[0], place[1], place[2], "down"));
                if (weight == null || down == null) {
                    throw new BundleException(
                            "The adapter " + name + " does not fit the bundle: there is nothing for " + key + ".");
                }
                products.add(new Product(weight, Long.parseLong(place[2]), (PtNDArray) up, (PtNDArray) down));
                if (place[0].equals(ModelBundle.TEXT_ENCODER)) {
                    ofTexts.add(name);
                }
            }
        });
        keepOriginals(products);
        LOG.infof("adapter=loaded name=%s products=%d ms=%d", name, products.size(), (System.nanoTime() - start) / 1_000_000);
        return products;
    }

    private Map<String, PtNDArray> parameters(String module) {
        return parameters.computeIfAbsent(module, file -> networks.module(file).weights());
    }

    /** A weight that was not kept before has nothing added: no adapter that was read yet changes it. */
    private void keepOriginals(List<Product> products) {
        Map<String, PtNDArray> fresh = new LinkedHashMap<>();
        products.stream().map(Product::weight).filter(weight -> !originals.containsKey(weight.getUid()))
                .forEach(weight -> fresh.put(weight.getUid(), weight));
        if (fresh.isEmpty()) {
            return;
        }
        NDList copies = changes.copies(host, List.copyOf(fresh.values()));
        int next = 0;
        for (Map.Entry<String, PtNDArray> weight : fresh.entrySet()) {
            originals.put(weight.getKey(), new Weight(weight.getValue(), (PtNDArray) copies.get(next++)));
        }
    }

    @Override
    public void close() {
        changes.close();
        host.close();
    }
}

package dev.darkroom.faults;

import dev.darkroom.faults.Kind.Target;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * What is done, in which order, for how long: a function of the seed. There is a lane for each worker, one for broker,
 * store and group, and one for records. In a lane one fault follows the other; the lanes go on at the same time. Afterwards
 * some are done alone, to see how long it takes until all is well again: three seeds in a row have every kind among them, and
 * the death of a worker as often as there are workers.
 */
record Plan(long seed, List<Lane> lanes, List<Fault> alone) {

    /** @param worker whose faults these are; -1 for those of the servers and of records */
    record Lane(Target target, int worker, List<Fault> faults) {
    }

    /**
     * @param before milliseconds of peace before it
     * @param lasts milliseconds
     * @param seed of what else there is to choose
     */
    record Fault(Kind kind, int before, int lasts, long seed) {
    }

    private static final double WORKERS_SHARE = 0.52;
    /** What befalls broker and store befalls everybody, and takes them half a minute on a busy machine. */
    private static final double SERVERS_SHARE = 0.08;
    private static final int SEEDS = 3;

    /** @param faults how many in all but those that are done alone */
    static Plan of(long seed, int workers, int faults) {
        Random random = new Random(seed);
        int ofWorkers = (int) Math.round(faults * WORKERS_SHARE);
        int servers = (int) Math.round(faults * SERVERS_SHARE);
        List<Lane> lanes = new ArrayList<>();
        // One deck for all workers, so that every kind comes as often as the others
        List<Fault> deck = faults(random, Target.WORKER, ofWorkers, 500, 2_500);
        for (int worker = 0; worker < workers; worker++) {
            List<Fault> its = new ArrayList<>();
            for (int i = worker; i < deck.size(); i += workers) {
                its.add(deck.get(i));
            }
            lanes.add(new Lane(Target.WORKER, worker, List.copyOf(its)));
        }
        lanes.add(new Lane(Target.SERVERS, -1, faults(random, Target.SERVERS, servers, 5_000, 12_000)));
        lanes.add(new Lane(Target.RECORDS, -1, faults(random, Target.RECORDS, faults - servers - ofWorkers, 1_000, 6_000)));
        return new Plan(seed, List.copyOf(lanes), alone(random, seed, workers));
    }

    private static List<Fault> alone(Random random, long seed, int workers) {
        List<Kind> kinds = new ArrayList<>(Collections.nCopies(workers, Kind.WORKER_KILLED));
        for (Kind kind : Kind.values()) {
            if (kind.target != Target.RECORDS && kind != Kind.WORKER_KILLED
                    && kind.ordinal() % SEEDS == Math.floorMod(seed, SEEDS)) {
                kinds.add(kind);
            }
        }
        return kinds.stream().map(kind -> fault(random, kind, 1_000, 3_000)).toList();
    }

    private static List<Fault> faults(Random random, Target target, int count, int leastBefore, int mostBefore) {
        List<Fault> faults = new ArrayList<>();
        List<Kind> deck = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (deck.isEmpty()) {
                deck.addAll(Kind.of(target));
                Collections.shuffle(deck, random);
            }
            Kind kind = deck.remove(deck.size() - 1);
            faults.add(fault(random, kind, leastBefore, mostBefore));
        }
        return List.copyOf(faults);
    }

    private static Fault fault(Random random, Kind kind, int leastBefore, int mostBefore) {
        return new Fault(kind, between(random, leastBefore, mostBefore), between(random, kind.shortest, kind.longest),
                random.nextLong());
    }

    private static int between(Random random, int least, int most) {
        return least + random.nextInt(most - least + 1);
    }

    int faults() {
        return lanes.stream().mapToInt(lane -> lane.faults().size()).sum() + alone.size();
    }
}

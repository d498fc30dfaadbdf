package dev.darkroom.faults;

import dev.darkroom.faults.Kind.Target;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/**
 * What is done, in which order, for how long: a function of the seed. There is a lane for each worker, one for broker,
 * store and group, and one for records. In a lane one fault follows the other; the lanes go on at the same time. Seed 0 is
 * everything that befalls workers and servers, one by one.
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

    /** The seed of what is done one by one. */
    static final long ONE_BY_ONE = 0;

    private static final double WORKERS_SHARE = 0.4;
    /** What befalls broker and store befalls everybody, and takes them half a minute on a busy machine. */
    private static final double SERVERS_SHARE = 0.06;

    /** @param faults how many in all; seed 0 has as many as there are kinds */
    static Plan of(long seed, int workers, int faults) {
        if (seed == ONE_BY_ONE) {
            return oneByOne(workers);
        }
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
        lanes.add(new Lane(Target.RECORDS, -1, faults(random, Target.RECORDS, faults - servers - ofWorkers, 1_000, 4_000)));
        return new Plan(seed, List.copyOf(lanes), List.of());
    }

    /** Every kind that befalls workers or servers alone, the death of a worker as often as there are workers. */
    private static Plan oneByOne(int workers) {
        Random random = new Random(ONE_BY_ONE);
        List<Kind> kinds = new ArrayList<>(Collections.nCopies(workers - 1, Kind.WORKER_KILLED));
        Stream.of(Kind.values()).filter(kind -> kind.target != Target.RECORDS).forEach(kinds::add);
        return new Plan(ONE_BY_ONE, List.of(), kinds.stream().map(kind -> fault(random, kind, 1_000, 2_000)).toList());
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

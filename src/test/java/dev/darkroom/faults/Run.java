package dev.darkroom.faults;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * What came of one seed.
 *
 * @param faults how many were injected
 * @param kinds of how many kinds
 * @param faultsByKind how many of each kind
 * @param seconds from the first fault until the last had been mended
 * @param calmSeconds of these, how many in which nothing was being done to worker, broker or store
 * @param requests records that had to be answered
 * @param lost and the following: how many of each the checker found
 * @param images images that outcomes name
 * @param generatedTwiceShare images that were generated and put again by another process, of those that there are
 * @param workersEndedByThemselves how often a worker's process ended that nobody had ended
 * @param workersRestartedForLiveness how often a worker said that it needed a restart
 * @param tooManyAttempts requests that were given up since workers kept dying under them
 * @param lagAtEnd records that were not committed when the run was over
 * @param lagZeroSeconds from the end of the last fault until everything was answered and committed
 * @param recoverySeconds by kind: from the end of a fault until all was answered that waited then, other faults going on
 * @param aloneSeconds by kind: the same where nothing else was done
 * @param findings what the checker said, at most some of it
 * @param timeline how things went
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Run(long seed, int faults, int kinds, Map<String, Integer> faultsByKind, long seconds, long calmSeconds, int requests,
        int lost, int secondOutcomes, int mixedImages, int orphanOutcomes, int wrongOutcomes, int images,
        double generatedTwiceShare, int workersEndedByThemselves, int workersRestartedForLiveness, int tooManyAttempts,
        long lagAtEnd, double lagZeroSeconds, Map<String, List<Double>> recoverySeconds, Map<String, List<Double>> aloneSeconds,
        List<String> findings, Timeline timeline) {

    /**
     * Each list has a number for each stretch of some seconds.
     *
     * @param seconds when it began, since the first fault
     * @param outcomes ids that were told their first outcome within it
     * @param lag the highest seen; -1 where the broker was away all the time
     * @param faults that were begun within it
     */
    record Timeline(List<Long> seconds, List<Long> outcomes, List<Long> lag, List<Long> faults) {
    }

    boolean good() {
        return lost + secondOutcomes + mixedImages + orphanOutcomes + wrongOutcomes == 0 && lagAtEnd == 0;
    }
}

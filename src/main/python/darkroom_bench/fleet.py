"""A fleet of workers at one Kafka topic, as a simulation of discrete events.

Simulated is what decides how long a request waits: which partition it is in and who owns that, how many requests a worker
holds, what it puts into a batch, how long the batch takes, when it is committed, and what becomes of all that when workers
come, leave and die. Requests are not events: each partition is a log of arrival times, made in advance, that its owner reads
when it has places. Times are in seconds.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import simpy

Process = Generator[simpy.Event, Any, None]
_NEVER = math.inf
_MOMENT = 1e-6
"""What sums of floating-point numbers may differ by."""
_FETCHED = 1500
"""Requests of a partition that one fetch brings: 1 MiB (`max.partition.fetch.bytes`) of 0.7 KiB each."""


@dataclass(frozen=True)
class BatchTimes:
    """How long batches take, from the text of the prompts to pixels, by their images; measured sizes, straight lines between.

    :raises ValueError: no size, or a time that is not positive
    """

    seconds: dict[int, float]

    def __post_init__(self) -> None:
        if not self.seconds or min(self.seconds.values()) <= 0 or min(self.seconds) < 1:
            raise ValueError(f"batches take {self.seconds}; there must be a positive time for at least one size")

    @property
    def largest(self) -> int:
        return max(self.seconds)

    @property
    def images_per_second(self) -> float:
        """At the largest batch."""
        return self.largest / self.seconds[self.largest]

    def of(self, images: int) -> float:
        return float(np.interp(images, sorted(self.seconds), [self.seconds[size] for size in sorted(self.seconds)]))

    def times(self, factor: float) -> BatchTimes:
        return BatchTimes({size: factor * seconds for size, seconds in self.seconds.items()})


@dataclass(frozen=True)
class WorkerSettings:
    """The worker's settings, with the defaults of `application.properties`, `DarkroomConfig` and `ConsumerSettings`.

    :param in_flight: requests of a lane that a worker holds at once (`DARKROOM_FLOW_IN_FLIGHT`)
    :param session_timeout: after which a worker that is gone without a word is missed
    :param intake: from a record's arrival until it waits for a batch: its poll, and the look for an earlier outcome
    :param delivery: from pixels to the outcome's acknowledgement: encoding, upload, publishing
    """

    in_flight: int = 32
    linger: float = 0.005
    express_share: float = 0.75
    commit_interval: float = 1.0
    session_timeout: float = 7.0
    heartbeat: float = 1.0
    drain_timeout: float = 30.0
    intake: float = 0.01
    delivery: float = 0.05


@dataclass(eq=False)
class Partition:
    """A log of requests, and how far it is read.

    :param arrivals: when each request was produced, ascending
    :param kinds: which requests may share a batch, one number each; empty where all may
    """

    arrivals: array
    express: bool = False
    kinds: bytes = b""
    position: int = 0
    committed: int = 0
    done: array = field(init=False)
    again: deque[int] = field(default_factory=deque)
    """Offsets below the position that are to be read once more: of a share group alone, where nothing is rewound."""

    def __post_init__(self) -> None:
        self.done = array("d", [math.nan]) * len(self.arrivals)

    def available(self, now: float) -> int:
        """How many requests wait here to be read."""
        return len(self.again) + bisect_right(self.arrivals, now, self.position) - self.position

    def next_arrival(self) -> float:
        if self.again:
            return -_NEVER
        return self.arrivals[self.position] if self.position < len(self.arrivals) else _NEVER

    def read(self) -> int:
        """The next offset that has no outcome yet; what has one is answered from it, at no cost to a device."""
        if self.again:
            return self.again.popleft()
        self.position += 1
        return self.position - 1

    def commit(self, until: float) -> None:
        """What was done by then is committed, up to the first that was not."""
        while self.committed < self.position and self.done[self.committed] <= until:
            self.committed += 1

    def lag(self, now: float) -> int:
        """Requests that are not committed, as KEDA counts them."""
        return bisect_right(self.arrivals, now) - self.committed


Job = tuple[Partition, int]


def _kind(job: Job) -> int:
    partition, offset = job
    return partition.kinds[offset] if partition.kinds else 0


class Worker:
    """One process and its device.

    :param times: of each kind of request
    """

    def __init__(self, fleet: Fleet, number: int, times: Sequence[BatchTimes]):
        self.fleet, self.number, self.times = fleet, number, times
        self.env = fleet.env
        self.started = self.env.now
        self.ended = _NEVER
        self.busy = 0.0
        self.images = 0
        self.batches = 0
        self.partitions: list[Partition] = []
        self.leaving = False
        self._lanes: dict[bool, deque[Job]] = {False: deque(), True: deque()}
        self._fetched: dict[bool, deque[tuple[Partition, int]]] = {False: deque(), True: deque()}
        self._turn = 0
        self._owed = 0.0
        self._batch: list[Job] = []
        self._batch_ends = -_NEVER
        self._delivering: deque[tuple[float, list[Job]]] = deque()
        self._blocked_until = -_NEVER
        self._changed = self.env.event()
        self.process = self.env.process(self._run())

    # What the group does to it

    def assign(self, partitions: Iterable[Partition]) -> None:
        self.partitions += partitions
        self.wake()

    def revoke(self, partitions: set[Partition]) -> float:
        """Gives partitions back: what waits at once, what is being worked on when it is done.

        :return: when nothing of them is under way any more. The worker's polling thread waits for it
        """
        self.partitions = [partition for partition in self.partitions if partition not in partitions]
        for express, lane in self._lanes.items():
            for partition, offset in lane:
                if partition not in partitions:
                    continue
                if self.fleet.shared:
                    partition.again.append(offset)
                else:
                    partition.position = min(partition.position, offset)
            self._lanes[express] = deque(job for job in lane if job[0] not in partitions)
            self._fetched[express].clear()
        done = [end for end, jobs in self._delivering if any(job[0] in partitions for job in jobs)]
        if any(job[0] in partitions for job in self._batch):
            done.append(self._batch_ends + self.fleet.settings.delivery)
        self._blocked_until = min(max([self.env.now, *done]), self.env.now + self.fleet.settings.drain_timeout)
        return self._blocked_until

    def wake(self) -> None:
        if not self._changed.triggered:
            self._changed.succeed()

    def lose(self) -> None:
        """The process is gone: what it held comes again, from what was committed."""
        self.ended = self.env.now
        if self.process.is_alive:
            self.process.interrupt()
        unstored = [job for end, jobs in self._delivering if end > self.env.now for job in jobs]
        for partition, offset in unstored:
            partition.done[offset] = math.nan
        self.fleet.generated_twice += len(unstored) + len(self._batch)
        self.fleet.taken_back(self, [*unstored, *self._batch, *self._lanes[False], *self._lanes[True]])
        self.partitions = []

    def busy_seconds(self) -> float:
        """In which the device had a batch, up to now."""
        return self.busy - max(0.0, self._batch_ends - min(self.env.now, self.ended))

    # What it does by itself

    def _run(self) -> Process:
        try:
            while not self.leaving:
                self._claim()
                if not self._waiting():
                    yield self._next_record()
                    continue
                if self._waiting() < self.times[0].largest:
                    yield self.env.timeout(self.fleet.settings.linger)
                    self._claim()
                if self._waiting():
                    yield from self._generate()
        except simpy.Interrupt:
            pass

    def _waiting(self) -> int:
        return len(self._lanes[False]) + len(self._lanes[True])

    def _next_record(self) -> simpy.Event:
        """Something to read, or other partitions."""
        self._changed = self.env.event()
        when = min((partition.next_arrival() for partition in self.partitions), default=_NEVER) + self.fleet.settings.intake
        if when <= self.env.now and self._delivering:
            # There is something, and no place for it
            when = self._delivering[0][0]
        elif self.fleet.shared and self.partitions:
            self.fleet.idle.append(self)
            self.fleet.wake_dispatcher()
            return self._changed
        if when == _NEVER:
            return self._changed
        wait = max(when, self._blocked_until) - self.env.now
        return self.env.any_of([self._changed, self.env.timeout(max(_MOMENT, wait))])

    def _claim(self) -> None:
        """Takes records while there are places, as the consumer of each lane does all the time."""
        now = self.env.now
        if now < self._blocked_until or self.leaving:
            return
        while self._delivering and self._delivering[0][0] <= now:
            self._delivering.popleft()
        leaving = [job for _, jobs in self._delivering for job in jobs]
        visible = now - self.fleet.settings.intake
        for express in (False, True) if self.fleet.has_express else (False,):
            places = self.fleet.settings.in_flight - len(self._lanes[express])
            places -= sum(job[0].express == express for job in leaving)
            if places > 0:
                self._poll(express, places, visible)

    def _poll(self, express: bool, places: int, visible: float) -> None:
        lane = self._lanes[express]
        waiting = [(p, p.available(visible)) for p in self.partitions if p.express == express]
        waiting = [(partition, count) for partition, count in waiting if count]
        if sum(count for _, count in waiting) <= places:
            # All of them, in the order in which they came
            jobs = [(partition, partition.read()) for partition, count in waiting for _ in range(count)]
            self._fetched[express].clear()
            lane.extend(job for job in sorted(jobs, key=lambda job: job[0].arrivals[job[1]]) if not _is_done(job))
            return
        # The consumer empties what it fetched of one partition before it goes on to the next
        fetched = self._fetched[express]
        while places > 0 and waiting:
            if not fetched:
                self._turn += 1
                first = self._turn % len(waiting)
                fetched.extend((p, min(count, _FETCHED)) for p, count in waiting[first:] + waiting[:first])
            partition, count = fetched.popleft()
            left = min(count, partition.available(visible))
            while left > 0 and places > 0:
                job = (partition, partition.read())
                left -= 1
                if not _is_done(job):
                    lane.append(job)
                    places -= 1
            if left > 0:
                fetched.appendleft((partition, left))
            waiting = [(p, p.available(visible)) for p, _ in waiting]
            waiting = [(partition, count) for partition, count in waiting if count]

    def _generate(self) -> Process:
        batch = self._gather()
        now = self.env.now
        seconds = self.times[_kind(batch[0])].of(len(batch))
        self._batch, self._batch_ends = batch, now + seconds
        self.busy += seconds
        yield self.env.timeout(seconds)
        self._batch = []
        self.images += len(batch)
        self.batches += 1
        end = self.env.now + self.fleet.settings.delivery
        for partition, offset in batch:
            partition.done[offset] = end
        self._delivering.append((end, batch))

    def _gather(self) -> list[Job]:
        """The oldest of the lane whose turn it is, and those that fit, its own lane's first: `Backlog.gather`."""
        ordinary, express = self._lanes[False], self._lanes[True]
        share = self.fleet.settings.express_share
        leads = bool(express) and (not ordinary or self._owed < share)
        if express and ordinary:
            self._owed += 1 - share if leads else -share
        else:
            self._owed = 0.0
        first, second = (express, ordinary) if leads else (ordinary, express)
        kind = _kind(first[0])
        largest = self.times[kind].largest
        batch: list[Job] = []
        for lane in (first, second):
            others: list[Job] = []
            while lane and len(batch) < largest:
                job = lane.popleft()
                (batch if _kind(job) == kind else others).append(job)
            lane.extendleft(reversed(others))
        return batch


def _is_done(job: Job) -> bool:
    return not math.isnan(job[0].done[job[1]])


class Fleet:
    """Workers that share a topic's partitions by a consumer group, or its records by a share group.

    :param shared: a share group: every worker reads every record. Locks are given back after 30 s
        (`group.share.record.lock.duration.ms`)
    :param assigning: seconds that the group's leader takes to assign, by members
    """

    LOCK = 30.0

    def __init__(self, partitions: Sequence[Partition], settings: WorkerSettings | None = None, *, seed: int = 0,
                 shared: bool = False, assigning: Callable[[int], float] = lambda members: 0.0):
        self.env = simpy.Environment()
        self.random = np.random.default_rng(seed)
        self.settings = settings or WorkerSettings()
        self.assigning = assigning
        self.partitions = list(partitions)
        self.has_express = any(partition.express for partition in partitions)
        self.shared = shared
        self.idle: deque[Worker] = deque()
        self.workers: list[Worker] = []
        self.generated_twice = 0
        self.rebalances = 0
        self.settled_at: list[float] = []
        """When the group came to rest after each rebalance."""
        self._members: list[Worker] = []
        self._owners: dict[Partition, Worker] = {}
        self._dispatcher: simpy.Event | None = None
        self._pending = self.env.event()
        self.env.process(self._dispatch() if shared else self._coordinate())

    def run(self, until: float | None = None) -> None:
        """To a time, or until every request has its outcome."""
        if until is None:
            while any(not self.is_done(partition) for partition in self.partitions):
                self.env.run(self.env.now + 1)
        else:
            self.env.run(until)
        for partition in self.partitions:
            partition.commit(self.env.now)

    def is_done(self, partition: Partition) -> bool:
        partition.commit(self.env.now)
        return partition.committed == len(partition.arrivals)

    # Workers come and go

    def start(self, times: Sequence[BatchTimes], after: float = 0.0) -> Worker:
        """A worker that is a member of the group once it is ready.

        :param after: seconds from now until it is
        """
        worker = Worker(self, len(self.workers), times)
        self.workers.append(worker)

        def ready() -> Process:
            yield self.env.timeout(after)
            if worker.ended == _NEVER and not worker.leaving:
                self._join(worker)

        self.env.process(ready())
        return worker

    def _join(self, worker: Worker) -> None:
        self._members.append(worker)
        if self.shared:
            worker.assign(self.partitions)
        else:
            self._disturb()

    def kill(self, worker: Worker) -> None:
        """Ends a worker without a word; the group misses it when its session is over."""
        worker.lose()

        def miss() -> Process:
            yield self.env.timeout(self.settings.session_timeout - self.random.uniform(0, self.settings.heartbeat))
            self._remove(worker)

        self.env.process(miss())

    def terminate(self, worker: Worker) -> None:
        """Ends a worker by SIGTERM: it finishes what it generates, commits and leaves."""
        worker.leaving = True
        drained = worker.revoke(set(worker.partitions))
        worker.wake()

        def leave() -> Process:
            yield self.env.timeout(drained - self.env.now)
            worker.ended = self.env.now
            self._remove(worker)

        self.env.process(leave())

    def _remove(self, worker: Worker) -> None:
        if worker not in self._members:
            return
        self._members.remove(worker)
        for partition in [p for p, owner in self._owners.items() if owner is worker]:
            del self._owners[partition]
            # What a lost worker had not committed is looked up again, and answered from its outcome
            partition.commit(worker.ended - (0 if worker.leaving else self.settings.commit_interval))
            partition.position = partition.committed
        if not self.shared:
            self._disturb()

    def taken_back(self, worker: Worker, jobs: Iterable[Job]) -> None:
        """What a lost worker held: in a share group its locks run out, in a consumer group its partitions are read again."""
        if not self.shared:
            return
        held = list(jobs)

        def unlock() -> Process:
            yield self.env.timeout(self.LOCK)
            for partition, group in groupby(held, key=lambda job: job[0]):
                partition.again.extend(offset for _, offset in group)
            self.wake_dispatcher()

        self.env.process(unlock())

    # The consumer group: cooperative-sticky assignment, in two rounds where partitions move

    def _disturb(self) -> None:
        if not self._pending.triggered:
            self._pending.succeed()

    def _round(self) -> simpy.Event:
        """Every member hears of a rebalance with its next heartbeat; the last one decides when all have joined."""
        members = len(self._members)
        slowest = self.settings.heartbeat * self.random.uniform() ** (1 / max(1, members))
        return self.env.timeout(slowest + self.assigning(members))

    def _coordinate(self) -> Process:
        while True:
            yield self._pending
            if self._members and len(self._owners) + self.rebalances == 0:
                # The first ones join an empty group, which waits for nobody
                self._pending = self.env.event()
            else:
                yield self._round()
                self._pending = self.env.event()
            self.rebalances += 1
            moving = self._moving()
            released = self.env.now
            for worker, partitions in moving.items():
                released = max(released, worker.revoke(partitions))
                for partition in partitions:
                    del self._owners[partition]
            self._hand_out({partition for partitions in moving.values() for partition in partitions})
            if moving:
                yield self.env.timeout(released - self.env.now)
                yield self._round()
                self._hand_out(set())
            self.settled_at.append(self.env.now)

    def _quotas(self, express: bool) -> tuple[int, int]:
        """How many partitions every member has at least, and how many members have one more."""
        return divmod(sum(partition.express == express for partition in self.partitions), max(1, len(self._members)))

    def _owned(self, express: bool) -> dict[Worker, list[Partition]]:
        owned: dict[Worker, list[Partition]] = {member: [] for member in self._members}
        for partition, owner in self._owners.items():
            if partition.express == express and owner in owned:
                owned[owner].append(partition)
        return owned

    def _moving(self) -> dict[Worker, set[Partition]]:
        """What members have beyond their share."""
        moving: dict[Worker, set[Partition]] = {}
        for express in {partition.express for partition in self.partitions}:
            least, more = self._quotas(express)
            for member, partitions in sorted(self._owned(express).items(), key=lambda item: -len(item[1])):
                allowed = least + (more > 0)
                if len(partitions) >= allowed and more > 0:
                    more -= 1
                if len(partitions) > allowed:
                    moving.setdefault(member, set()).update(partitions[allowed:])
        return moving

    def _hand_out(self, not_yet: set[Partition]) -> None:
        """Partitions without an owner, to those who have the fewest."""
        for express in {partition.express for partition in self.partitions}:
            free = deque(p for p in self.partitions if p.express == express and p not in self._owners and p not in not_yet)
            if not free or not self._members:
                continue
            least, more = self._quotas(express)
            owned = self._owned(express)
            more -= sum(len(partitions) > least for partitions in owned.values())
            for member in sorted(self._members, key=lambda member: len(owned[member])):
                room = least - len(owned[member])
                if room <= 0 and more > 0 and len(owned[member]) == least:
                    room = 1
                    more -= 1
                elif room > 0 and more > 0:
                    room += 1
                    more -= 1
                given = [free.popleft() for _ in range(min(room, len(free)))]
                for partition in given:
                    self._owners[partition] = member
                if given:
                    member.assign(given)

    # The share group: whoever waits first gets what comes next

    def wake_dispatcher(self) -> None:
        if self._dispatcher is not None and not self._dispatcher.triggered:
            self._dispatcher.succeed()

    def _dispatch(self) -> Process:
        while True:
            self._dispatcher = self.env.event()
            if not self.idle:
                yield self._dispatcher
                continue
            when = min(partition.next_arrival() for partition in self.partitions) + self.settings.intake + _MOMENT
            if when > self.env.now:
                wait = [self._dispatcher] if when == _NEVER else [self._dispatcher, self.env.timeout(when - self.env.now)]
                yield self.env.any_of(wait)
                continue
            worker = self.idle.popleft()
            if worker.ended == _NEVER:
                worker.wake()
                # It takes what there is before the next one is asked
                yield self.env.timeout(0)

    # What came of it

    def lag(self) -> list[int]:
        """Requests without a committed outcome, of the ordinary lane and of the express lane."""
        ticks = math.floor(self.env.now / self.settings.commit_interval) * self.settings.commit_interval
        lags = [0, 0]
        for partition in self.partitions:
            partition.commit(ticks)
            lags[partition.express] += partition.lag(self.env.now)
        return lags

    def produced(self, since: float, until: float) -> int:
        """Requests that came in a time."""
        return sum(bisect_right(p.arrivals, until) - bisect_right(p.arrivals, since) for p in self.partitions)

    def latencies(self, since: float = 0.0, until: float = _NEVER, express: bool | None = None) -> np.ndarray:
        """From a request's arrival until its outcome, of those that came in the given time and are done."""
        of: list[np.ndarray] = []
        for partition in self.partitions:
            if express is None or partition.express == express:
                arrivals, done = np.asarray(partition.arrivals), np.asarray(partition.done)
                chosen = (arrivals >= since) & (arrivals < until) & (done <= self.env.now)
                of.append(done[chosen] - arrivals[chosen])
        return np.concatenate(of) if of else np.empty(0)

    def hours(self) -> float:
        """Worker hours, from the moment a worker is asked for."""
        return sum(min(worker.ended, self.env.now) - worker.started for worker in self.workers) / 3600

    def busy_share(self) -> float:
        """Of the workers' time, how much their devices had a batch."""
        return sum(worker.busy_seconds() for worker in self.workers) / (3600 * self.hours())


def logs(arrivals: np.ndarray, partitions: int, random: np.random.Generator, *, express: bool = False,
         in_turn: bool = False, mix: Sequence[float] = (1.0,)) -> list[Partition]:
    """Requests spread over partitions: each by the hash of its key, or one after the other.

    :param arrivals: ascending
    :param mix: share of each kind of request
    """
    where = np.arange(len(arrivals)) % partitions if in_turn else random.integers(partitions, size=len(arrivals))
    kinds = random.choice(len(mix), size=len(arrivals), p=mix).astype(np.uint8) if len(mix) > 1 else None
    order = np.argsort(where, kind="stable")
    bounds = np.searchsorted(where[order], np.arange(partitions + 1))
    made = []
    for low, high in pairwise(bounds):
        chosen = order[low:high]
        made.append(Partition(array("d", arrivals[chosen]), express, b"" if kinds is None else kinds[chosen].tobytes()))
    return made


def poisson(rate: float, seconds: float, random: np.random.Generator) -> np.ndarray:
    """Arrivals at a steady mean rate a second."""
    return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds)))


def varying(rate: Callable[[np.ndarray], np.ndarray], highest: float, seconds: float, random: np.random.Generator) -> np.ndarray:
    """Arrivals at a rate that varies, by thinning those of the highest."""
    candidates = poisson(highest, seconds, random)
    return candidates[random.uniform(0, highest, len(candidates)) < rate(candidates)]


@dataclass(frozen=True)
class Autoscaler:
    """KEDA's Kafka trigger and the Horizontal Pod Autoscaler behind it.

    :param threshold: requests of lag a worker (`lagThreshold`)
    :param express_threshold: the same on the express lane
    :param polling: seconds between two looks, KEDA's and the autoscaler's
    :param cooldown: seconds without lag until the last worker goes
    :param stabilization: seconds for which the highest number wanted holds (`stabilizationWindowSeconds`)
    :param down: of the workers, how many may go within a minute (`scaleDown`, of the type Percent), one at least
    :param provisioning: seconds from a worker's being wanted until its process starts: a node, an image
    :param ready: seconds from its process' start until it is ready
    :param per_worker: requests a second for which there is to be a worker; none where the lag alone decides
    :param window: seconds over which the rate is taken
    """

    threshold: int
    most: int
    least: int = 0
    express_threshold: int = 20
    polling: float = 15.0
    cooldown: float = 600.0
    stabilization: float = 300.0
    down: float = 0.1
    tolerance: float = 0.1
    provisioning: float = 120.0
    ready: float = 10.3
    per_worker: float = _NEVER
    window: float = 120.0

    def wanted(self, lags: Sequence[int], rate: float, running: int) -> int:
        """Of the moment, before anything is smoothed: the largest of the triggers, to the limits.

        :param rate: requests a second
        """
        wanted = 0
        triggers = [(lags[0], self.threshold), (lags[1], self.express_threshold), (rate, self.per_worker)]
        for value, threshold in triggers:
            ratio = value / threshold / running if running else _NEVER
            wanted = max(wanted, running if abs(ratio - 1) <= self.tolerance else math.ceil(value / threshold))
        return min(max(wanted, self.least), self.most)

    def control(self, fleet: Fleet, times: Sequence[BatchTimes], history: list[tuple[float, int, int]]) -> Process:
        """Adds and ends workers of a fleet.

        :param history: gets time, workers and lag of each look
        """
        recommended: deque[tuple[float, int]] = deque()
        gone: deque[float] = deque()
        lagged = 0.0
        while True:
            now = fleet.env.now
            workers = [worker for worker in fleet.workers if worker.ended == _NEVER and not worker.leaving]
            running = len(workers)
            lags = fleet.lag()
            history.append((now, running, sum(lags)))
            lagged = now if sum(lags) else lagged
            rate = fleet.produced(now - self.window, now) / self.window
            wanted = self.wanted(lags, rate, running) if running or not sum(lags) else 1
            recommended.append((now, wanted))
            while recommended[0][0] < now - self.stabilization:
                recommended.popleft()
            while gone and gone[0] <= now - 60:
                gone.popleft()
            if wanted > running:
                # At most four more or twice as many at a time
                for _ in range(min(wanted, max(2 * running, running + 4)) - running):
                    fleet.start(times, self.provisioning + self.ready)
            elif running:
                steady = max(number for _, number in recommended)
                last = self.least if now - lagged >= self.cooldown else max(1, self.least)
                # As the autoscaler rounds: of what there was a minute ago
                allowed = int((running + len(gone)) * (1 - self.down))
                for worker in workers[max(last, steady, allowed):]:
                    fleet.terminate(worker)
                    gone.append(now)
            yield fleet.env.timeout(self.polling)


def spot_losses(fleet: Fleet, times: Sequence[BatchTimes], per_hour: float, back_after: float, *, notice: bool) -> Process:
    """Takes workers away at random and starts another for each.

    :param per_hour: losses an hour and worker
    :param back_after: seconds until another is ready in its place
    :param notice: whether a worker is told in time, and leaves in order
    """
    while True:
        alive = [worker for worker in fleet.workers if worker.ended == _NEVER and not worker.leaving]
        yield fleet.env.timeout(fleet.random.exponential(3600 / per_hour / len(alive)))
        alive = [worker for worker in fleet.workers if worker.ended == _NEVER and not worker.leaving]
        worker = alive[fleet.random.integers(len(alive))]
        fleet.terminate(worker) if notice else fleet.kill(worker)
        fleet.start(times, back_after)


def rolling_restart(fleet: Fleet, times: Sequence[BatchTimes], at_once: int, back_after: float) -> Process:
    """Replaces all workers, so many at once (`maxUnavailable`), by ones that are ready some seconds later."""
    left = deque(worker for worker in fleet.workers if worker.ended == _NEVER)

    def replace_one_by_one() -> Process:
        while left:
            worker = left.popleft()
            fleet.terminate(worker)
            while worker.ended == _NEVER:
                yield fleet.env.timeout(0.1)
            fleet.start(times, back_after)
            yield fleet.env.timeout(back_after)

    yield fleet.env.all_of([fleet.env.process(replace_one_by_one()) for _ in range(at_once)])

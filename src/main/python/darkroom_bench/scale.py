"""`python -m darkroom_bench.scale`: from one GPU to a thousand, simulated from what was measured on one and two.

Writes `scale.json`, the page `scale.md` with its tables renewed and the rest kept as it is, and its charts. Everything in it
follows from the files it reads, the assumptions that its options name, and the seed.
"""

from __future__ import annotations

import argparse
import json
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from darkroom_mini.markdown import insert

from .fleet import Autoscaler, BatchTimes, Fleet, Partition, WorkerSettings, logs, poisson, rolling_restart, spot_losses, varying

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Row = dict[str, Any]

H100_AT_8 = {"final": 16.2, "fast": 92.2}
"""Images a second in batches of 8 on an H100, which `docs/benchmarks/gpu.md` tells beside the H200's rows."""

IN_FLIGHT = 64
"""Four batches of 16, as in the measurements on GPUs."""

SHARED_IN_FLIGHT = 16
"""In a share group, where what one worker holds others would begin sooner: a batch."""

LOAD = 0.7
"""Of what the workers can do at most, where nothing else is said."""

_DPI = 150
_BLUE, _RED = "#2a6f97", "#d1495b"


@dataclass(frozen=True)
class Inputs:
    """What was measured.

    :param gpu: what `./darkroom bench gpu` wrote, on an H200
    :param study: the study's figures of an A100
    :param cpu: what four workers make on two processors, and how long a batch takes while so many pipelines run beside it
    :param group: what a large group costs, by `Group.java`
    :param reliability: what `./darkroom faults` wrote
    """

    gpu: Row
    study: Row
    cpu: Row
    group: Row
    reliability: Row

    @staticmethod
    def read(folder: Path) -> Inputs:
        """From the folder of the measurements, `docs/benchmarks`, and the one above it."""
        def of(path: Path) -> Row:
            return json.loads(path.read_text("utf-8"))

        return Inputs(of(folder / "gpu.json"), of(folder / "study.json"), of(folder / "cpu.json"),
                      of(folder / "group.json"), of(folder.parent / "reliability.json"))

    def times(self, device: str, profile: str) -> BatchTimes:
        """How long the pipeline alone takes: on an H200 as measured by `bench gpu`; on an H100 slower by what was measured at
        batches of 8; on an A100 by what is assumed.
        """
        rows = [r for r in self.gpu["rows"] if r["implementation"] == "darkroom" and r["profile"] == profile]
        measured = BatchTimes({row["batch"]: row["batch"] * row["secondsPerImage"]["median"] for row in rows})
        if device == "H100":
            return measured.times(8 / measured.seconds[8] / H100_AT_8[profile])
        return measured.times(self.a100() if device == "A100" else 1.0)

    def a100(self) -> float:
        """How much longer an A100 is assumed to take than the H200: the study's `final`, of diffusers compiled, against ours."""
        rows = [row for row in self.gpu["rows"] if row["implementation"] == "diffusers" and row["compiled"]]
        compiled = [row["secondsPerImage"]["median"] for row in rows if (row["profile"], row["batch"]) == ("final", 1)]
        return self.study["profiles"]["final"]["secondsPerImage"] / min(compiled)

    def delivery(self, profile: str) -> float:
        """Seconds from pixels to outcome: medians of encoding and upload."""
        stages = next(w["measured"]["stages"] for w in self.gpu["worker"] if w["profile"] == profile)
        return (stages["imageEncoding"]["p50"] + stages["upload"]["p50"]) / 1000

    def processors(self, profile: str) -> tuple[float, float]:
        """Milliseconds of a processor for an image, and how many processors a worker keeps busy with that."""
        worker = next(w for w in self.gpu["worker"] if w["profile"] == profile)
        milliseconds = worker["measured"]["processorMilliseconds"]
        return milliseconds, milliseconds * worker["imagesPerSecond"] / 1000

    def ready(self) -> float:
        """Seconds from a process' start until it is ready."""
        return self.gpu["coldStart"]["seconds"]

    def assigning(self, members: int) -> float:
        """Seconds in which the group's leader assigns the partitions anew when a worker is gone."""
        rows = self.group["groups"]
        return float(np.interp(members / 2, [r["workers"] for r in rows], [r["assigningSeconds"] for r in rows]))


def steady(rate: float, seconds: float) -> array:
    """One arrival after the other at equal distances."""
    return array("d", np.arange(0, seconds, 1 / rate))


@dataclass(frozen=True)
class Simulation:
    """Fleets of one device and profile, and what becomes of them.

    :param assumed: seconds until a node with a GPU is there and has the image, and losses
    """

    inputs: Inputs
    seed: int
    provisioning: float
    device: str = "H100"
    profile: str = "final"

    @property
    def times(self) -> list[BatchTimes]:
        return [self.inputs.times(self.device, self.profile)]

    @property
    def capacity(self) -> float:
        """Images a second of one worker at most."""
        return self.times[0].images_per_second

    def fleet(self, arrivals: np.ndarray, partitions: int, workers: int, *, in_flight: int = IN_FLIGHT) -> Fleet:
        """Workers that are ready, and requests whose keys are spread evenly.

        :param partitions: 0 for a share group
        """
        random = np.random.default_rng([self.seed, partitions])
        settings = WorkerSettings(in_flight=in_flight, delivery=self.inputs.delivery(self.profile))
        fleet = Fleet(logs(arrivals, partitions or 1, random), settings, seed=self.seed, shared=not partitions,
                      assigning=self.inputs.assigning)
        for _ in range(workers):
            fleet.start(self.times)
        return fleet

    def arrivals(self, rate: float, seconds: float) -> np.ndarray:
        return poisson(rate, seconds, np.random.default_rng(self.seed + 1))

    def at_load(self, workers: int, partitions: int, seconds: float, load: float = LOAD, *, in_flight: int = IN_FLIGHT) -> Row:
        """A steady load."""
        fleet = self.fleet(self.arrivals(load * workers * self.capacity, seconds), partitions, workers, in_flight=in_flight)
        fleet.run(seconds)
        return {"workers": workers, "partitions": partitions, "inFlight": in_flight, "load": load, **told(fleet, 30, seconds)}

    def backlog(self, workers: int, partitions: int, requests: int, *, in_flight: int = IN_FLIGHT) -> Row:
        """So many requests at once for each worker."""
        fleet = self.fleet(np.zeros(requests * workers), partitions, workers, in_flight=in_flight)
        fleet.run()
        seconds = float(fleet.latencies().max())
        return {"workers": workers, "partitions": partitions, "seconds": seconds,
                "imagesPerSecond": requests * workers / seconds, "efficiency": requests / self.capacity / seconds}


def told(fleet: Fleet, since: float, until: float) -> Row:
    """Throughput, latencies, use of the devices, and what was done twice, of requests of a time."""
    latencies = fleet.latencies(since)
    p50, p99, most = np.percentile(latencies, (50, 99, 100)) if len(latencies) else (np.nan,) * 3
    batches = sum(worker.batches for worker in fleet.workers)
    images = sum(worker.images for worker in fleet.workers)
    return {"imagesPerSecond": len(latencies) / (until - since), "p50": float(p50), "p99": float(p99), "longest": float(most),
            "busy": fleet.busy_share(), "batch": images / max(1, batches), "lag": sum(fleet.lag()),
            "generatedTwiceShare": fleet.generated_twice / max(1, images), "rebalances": fleet.rebalances,
            "gpuHours": fleet.hours()}


# Against what was measured

def against_measured(inputs: Inputs) -> list[Row]:
    """The same runs, simulated from the times of the pipeline alone: throughput, latencies, and what a death costs."""
    rows: list[Row] = []

    def add(what: str, workers: int, measured: Row, times: BatchTimes, *, partitions: int, settings: WorkerSettings) -> None:
        random = np.random.default_rng(0)
        fleet = Fleet(logs(np.zeros(measured["completed"]), partitions, random, in_turn=True), settings)
        for _ in range(workers):
            fleet.start([times])
        fleet.run()
        latencies = fleet.latencies()
        of = {"images/s": (measured["imagesPerSecond"], len(latencies) / latencies.max())}
        for name, percent in (("p50", 50), ("p99", 99)):
            of[f"{name} of request to outcome, s"] = (measured["stages"]["total"][name] / 1000, np.percentile(latencies, percent))
        for unit, (seen, simulated) in of.items():
            rows.append({"run": what, "workers": workers, "unit": unit, "measured": seen, "simulated": float(simulated)})

    for worker in inputs.gpu["worker"]:
        profile = worker["profile"]
        settings = WorkerSettings(in_flight=IN_FLIGHT, delivery=inputs.delivery(profile))
        add(f"`{profile}`, H200, {worker['requests']} requests", 1, worker["measured"], inputs.times("H200", profile),
            partitions=1, settings=settings)
    several = inputs.gpu["workers"]
    settings = WorkerSettings(in_flight=IN_FLIGHT, delivery=inputs.delivery("final"))
    for name, workers in (("one", 1), ("all", len(several["workers"]))):
        add(f"`final`, H200, {several[name]['completed']} requests", workers, several[name], inputs.times("H200", "final"),
            partitions=several["partitions"], settings=settings)
    several = inputs.cpu["workers"]
    for name, workers in (("one", 1), ("all", len(several["workers"]))):
        stages = several[name]["stages"]
        settings = WorkerSettings(delivery=(stages["imageEncoding"]["p50"] + stages["upload"]["p50"]) / 1000)
        batches = inputs.cpu["secondsOfABatch"][str(workers)]
        add(f"`fast`, `mini`, {inputs.cpu['processors']} processors, {several[name]['completed']} requests", workers,
            several[name], BatchTimes({int(size): seconds for size, seconds in batches.items()}),
            partitions=several["partitions"], settings=settings)
    return rows


def recovery(inputs: Inputs) -> Row:
    """What a killed worker had, until it is answered by another, in the median of twenty deaths."""
    waits = []
    for seed in range(20):
        fleet = Fleet([Partition(steady(1.0, 60)), Partition(steady(1.0, 60))], seed=seed)
        for _ in range(2):
            fleet.start([BatchTimes({1: 0.5})])
        fleet.run(20 + seed / 20)
        fleet.kill(fleet.workers[0])
        fleet.run(59)
        waits.append(fleet.latencies(until=50).max())
    measured = inputs.reliability["recoverySeconds"]["worker-killed"]["alone"]
    return {"run": "a worker killed, `./darkroom faults`", "workers": 2, "unit": "until all is answered, s",
            "measured": measured, "simulated": float(np.median(waits))}


# What a fleet of some size does

def sizes(of: Simulation) -> list[Row]:
    """From 1 to 1,000 workers at one load, with four partitions each and, of a share group, with one batch in flight."""
    rows = []
    for workers in (1, 2, 4, 8, 16, 32, 100, 300, 1000):
        seconds = 300 if workers <= 16 else 90 if workers <= 100 else 50
        rows.append(of.at_load(workers, 4 * workers, seconds))
        rows.append(of.at_load(workers, 0, seconds, in_flight=SHARED_IN_FLIGHT))
    return rows


def partitions(of: Simulation, workers: int = 48) -> list[Row]:
    """A steady load, and a backlog, by the number of partitions; without any in a share group."""
    rows = []
    for number, in_flight in (*((number, IN_FLIGHT) for number in (48, 64, 96, 100, 192, 200, 480, 0)), (0, 32), (0, 16)):
        load = of.at_load(workers, number, 150, 0.8, in_flight=in_flight)
        rows.append({**load, "efficiency": of.backlog(workers, number, 1000, in_flight=in_flight)["efficiency"]})
    return rows


def losses(of: Simulation) -> list[Row]:
    """Spot instances that are taken away, each replaced when another node is there."""
    rows = []
    for workers, seconds, per_hour, notice in (
        (100, 300, 0.0, False), (100, 300, 0.5, False), (100, 300, 0.5, True), (1000, 90, 0.5, False), (1000, 90, 0.5, True),
    ):
        fleet = of.fleet(of.arrivals(LOAD * workers * of.capacity, seconds), 4 * workers, workers)
        if per_hour:
            back = of.provisioning + of.inputs.ready()
            fleet.env.process(spot_losses(fleet, of.times, per_hour, back, notice=notice))
        fleet.run(seconds)
        lost = sum(worker.ended < seconds for worker in fleet.workers)
        rows.append({"workers": workers, "lossesPerHour": per_hour, "notice": notice, "lost": lost, "seconds": seconds,
                     **told(fleet, 30, seconds)})
    return rows


def restarts(of: Simulation) -> list[Row]:
    """A new version: so many workers at once are ended and started anew."""
    rows = []
    for workers, at_once, seconds in ((8, 1, 200), (30, 1, 500), (30, 3, 200), (300, 30, 200)):
        fleet = of.fleet(of.arrivals(LOAD * workers * of.capacity, seconds), 4 * workers, workers)
        fleet.run(30)
        over = fleet.env.process(rolling_restart(fleet, of.times, at_once, of.inputs.ready()))
        fleet.env.run(over)
        took = fleet.env.now - 30
        fleet.run(fleet.env.now + 15)
        rows.append({"workers": workers, "atOnce": at_once, "seconds": took, **told(fleet, 30, fleet.env.now)})
    return rows


def day(of: Simulation, workers: int = 4) -> tuple[list[Row], dict[str, list[tuple[float, int, int]]]]:
    """A day whose load rises and falls between a tenth and nine tenths of what so many workers can do, with a fleet of that
    size, and with KEDA's triggers as `deploy/kubernetes/components` have them, at an H100's pace.
    """
    seconds, highest = 86_400.0, 0.9 * workers * of.capacity

    def rate(at: np.ndarray) -> np.ndarray:
        return highest * (5 - 4 * np.cos(2 * np.pi * at / seconds)) / 9

    arrivals = varying(rate, highest, seconds, np.random.default_rng(of.seed + 2))
    keda = Autoscaler(500, workers, provisioning=of.provisioning, ready=of.inputs.ready())
    per_worker = round(LOAD * of.capacity)
    runs: dict[str, Autoscaler | None] = {
        f"{workers} workers all day": None,
        "`components/keda`: a worker for 500 of lag": keda,
        f"with `components/keda-rate`: or for {100 * LOAD:.0f} % of its pace": replace(keda, per_worker=per_worker),
    }
    rows, histories = [], {}
    for name, autoscaler in runs.items():
        history: list[tuple[float, int, int]] = []
        fleet = of.fleet(arrivals, 4 * workers, 0 if autoscaler else workers)
        if autoscaler:
            fleet.env.process(autoscaler.control(fleet, of.times, history))
        fleet.run(seconds)
        rows.append({"scaling": name, **told(fleet, 0, seconds)})
        if autoscaler:
            histories[name] = history[::4]
    return rows, histories


def burst(of: Simulation) -> list[Row]:
    """Requests that come at once, where no worker runs and where one does."""
    rows = []
    for least in (0, 1):
        for requests in (16, 10_000):
            scaler = Autoscaler(500, 8, least, provisioning=of.provisioning, ready=of.inputs.ready())
            fleet = of.fleet(np.full(requests, 60.0), 32, least)
            fleet.env.process(scaler.control(fleet, of.times, []))
            fleet.run()
            latencies = fleet.latencies()
            rows.append({"least": least, "requests": requests, "first": float(latencies.min()), "all": float(latencies.max()),
                         "most": len(fleet.workers)})
    return rows


def express_lane(of: Simulation, workers: int = 4) -> list[Row]:
    """Express requests beside a backlog that keeps all workers busy, by how many there are and what share they may lead."""
    rows = []
    seconds = 240.0
    for part, share in ((0.1, 0.75), (0.5, 0.75), (0.7, 0.75), (0.9, 0.75), (0.9, 0.95), (0.9, 0.5)):
        express = of.arrivals(part * workers * of.capacity, seconds)
        random = np.random.default_rng(of.seed)
        backlog = np.zeros(int(2 * seconds * workers * of.capacity))
        lanes = logs(backlog, 4 * workers, random) + logs(express, 4 * workers, random, express=True)
        settings = WorkerSettings(in_flight=IN_FLIGHT, delivery=of.inputs.delivery(of.profile), express_share=share)
        fleet = Fleet(lanes, settings, seed=of.seed)
        for _ in range(workers):
            fleet.start(of.times)
        fleet.run(seconds)
        latencies = fleet.latencies(30, 200, express=True)
        ordinary = sum(int(np.sum(np.asarray(p.done) <= seconds)) for p in fleet.partitions if not p.express)
        p50, p99 = np.percentile(latencies, (50, 99))
        rows.append({"workers": workers, "express": part, "share": share, "p50": float(p50), "p99": float(p99),
                     "ordinaryPerSecond": ordinary / seconds})
    return rows


def mixed(of: Simulation) -> list[Row]:
    """A backlog of requests that cannot all share a batch: so many kinds, equally often."""
    rows = []
    for kinds in (1, 2, 4, 8, 16):
        for in_flight in (32, 64, 128):
            random = np.random.default_rng(of.seed)
            partitions = logs(np.zeros(2000), 4, random, mix=[1 / kinds] * kinds)
            fleet = Fleet(partitions, WorkerSettings(in_flight=in_flight, delivery=of.inputs.delivery(of.profile)))
            worker = fleet.start(of.times * kinds)
            fleet.run()
            rows.append({"kinds": kinds, "inFlight": in_flight, "batch": worker.images / worker.batches,
                         "imagesPerSecond": 2000 / float(fleet.latencies().max())})
    return rows


def money(inputs: Inputs, seed: int, provisioning: float, prices: dict[str, float], busy: dict[str, float]) -> list[Row]:
    """GPU hours and money for a million images.

    :param prices: of an hour, assumed
    :param busy: share of the best that a fleet gives, by how it is run
    """
    rows = []
    for device in prices:
        for profile in ("final", "fast"):
            of = Simulation(inputs, seed, provisioning, device, profile)
            speed = of.backlog(1, 4, 4000)["imagesPerSecond"]
            for run, share in busy.items():
                hours = 1e6 / (speed * share) / 3600
                rows.append({"device": device, "profile": profile, "run": run, "imagesPerSecond": speed * share,
                             "gpuHours": hours, "money": hours * prices[device]})
    return rows


def limits(inputs: Inputs) -> list[Row]:
    """What a fleet asks of everything around it."""
    rows = []
    groups = {row["workers"]: row for row in inputs.group["groups"]}
    for profile in ("final", "fast"):
        speed = inputs.times("H100", profile).images_per_second
        for workers in (8, 100, 1000):
            # Started, and every half second of a batch
            progress = 1 + int(inputs.times("H100", profile).seconds[16] / 0.5)
            rows.append({"profile": profile, "workers": workers, "imagesPerSecond": speed * workers,
                         "events": speed * workers * (1 + progress), "storePuts": 2 * speed * workers,
                         "storeGets": speed * workers, "processors": inputs.processors(profile)[1] * workers,
                         "groupBytes": groups[workers]["recordBytes"] if workers in groups else None})
    return rows


# The page

def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def tables(figures: Row) -> dict[str, str]:
    """The page's tables, by their names."""
    measured = _table(
        ["run", "workers", "", "measured", "simulated", "off by"],
        ([r["run"], str(r["workers"]), r["unit"], _seconds(r["measured"]), _seconds(r["simulated"]),
          f"{100 * (r['simulated'] / r['measured'] - 1):+.1f} %"] for r in figures["againstMeasured"]))
    by_size: dict[int, dict[str, Row]] = {}
    for row in figures["sizes"]:
        by_size.setdefault(row["workers"], {})["consumer" if row["partitions"] else "share"] = row
    size = _table(
        ["workers", "partitions", "images/s", "p50, s", "p99, s", "GPU busy", "batch", "share group: p50, s", "p99, s",
         "GPU busy", "batch"],
        ([f"{workers:,}", f"{g['consumer']['partitions']:,}", f"{g['consumer']['imagesPerSecond']:,.0f}",
          *(cell for of in (g["consumer"], g["share"])
            for cell in (_seconds(of["p50"]), _seconds(of["p99"]), f"{100 * of['busy']:.0f} %", f"{of['batch']:.1f}"))]
         for workers, g in by_size.items()))
    partition = _table(
        ["partitions", "in flight", "p50, s", "p99, s", "waiting at the end", "a backlog, of the best speed"],
        ([f"{r['partitions']:,}" if r["partitions"] else "share group", str(r["inFlight"]), _seconds(r["p50"]),
          _seconds(r["p99"]), f"{r['lag']:,}", f"{100 * r['efficiency']:.0f} %"] for r in figures["partitions"]))
    loss = _table(
        ["workers", "losses an hour and worker", "noticed before", "lost", "in, s", "p50, s", "p99, s", "longest, s",
         "generated twice", "rebalances"],
        ([f"{r['workers']:,}", f"{r['lossesPerHour']:g}", "yes" if r["notice"] else "no", str(r["lost"]), f"{r['seconds']}",
          _seconds(r["p50"]), _seconds(r["p99"]), _seconds(r["longest"]), f"{100 * r['generatedTwiceShare']:.3f} %",
          str(r["rebalances"])] for r in figures["losses"]))
    restart = _table(
        ["workers", "at once", "all anew after, s", "p50, s", "p99, s", "longest, s", "generated twice"],
        ([f"{r['workers']:,}", str(r["atOnce"]), _seconds(r["seconds"]), _seconds(r["p50"]), _seconds(r["p99"]),
          _seconds(r["longest"]), f"{100 * r['generatedTwiceShare']:.2f} %"] for r in figures["restarts"]))
    days = _table(
        ["", "images", "GPU hours", "GPU busy", "p50, s", "p99, s", "longest, s"],
        ([r["scaling"], f"{r['imagesPerSecond'] * 86400:,.0f}", f"{r['gpuHours']:.0f}", f"{100 * r['busy']:.0f} %",
          _seconds(r["p50"]), _seconds(r["p99"]), _seconds(r["longest"])] for r in figures["day"]))
    bursts = _table(
        ["`minReplicaCount`", "requests at once", "first outcome after, s", "last, s", "workers started"],
        ([str(r["least"]), f"{r['requests']:,}", _seconds(r["first"]), _seconds(r["all"]), str(r["most"])]
         for r in figures["burst"]))
    express = _table(
        ["express requests, of what the workers can do", "`DARKROOM_FLOW_EXPRESS_SHARE`", "express: p50, s", "p99, s",
         "others done, images/s"],
        ([f"{100 * r['express']:.0f} %", f"{r['share']:g}", _seconds(r["p50"]), _seconds(r["p99"]),
          f"{r['ordinaryPerSecond']:.1f}"] for r in figures["express"]))
    mix: dict[int, list[Row]] = {}
    for row in figures["mixed"]:
        mix.setdefault(row["kinds"], []).append(row)
    kinds = _table(
        ["kinds", *(f"{what}, {r['inFlight']} in flight" for r in figures["mixed"][:3] for what in ("batch", "images/s"))],
        ([str(kind), *(cell for r in rows for cell in (f"{r['batch']:.1f}", f"{r['imagesPerSecond']:.1f}"))]
         for kind, rows in mix.items()))
    cost = _table(
        ["GPU", "profile", "", "images/s", "GPU hours", f"at {figures['assumed']['currency']} an hour", "money"],
        ([r["device"], f"`{r['profile']}`", r["run"], f"{r['imagesPerSecond']:.1f}", f"{r['gpuHours']:.1f}",
          f"{figures['assumed']['prices'][r['device']]:.2f}", f"{r['money']:.0f}"] for r in figures["money"]))
    limit = _table(
        ["profile", "workers", "images/s", "events/s", "PUT/s", "GET/s", "host processors", "the group's record, kB"],
        ([f"`{r['profile']}`", f"{r['workers']:,}", f"{r['imagesPerSecond']:,.0f}", f"{r['events']:,.0f}",
          f"{r['storePuts']:,.0f}", f"{r['storeGets']:,.0f}", f"{r['processors']:,.0f}",
          f"{r['groupBytes'] / 1000:,.0f}"] for r in figures["limits"]))
    groups = _table(
        ["workers", "members", "partitions of each topic", "assigning, s", "record, bytes"],
        ([f"{r['workers']:,}", f"{2 * r['workers']:,}", f"{r['partitions']:,}", f"{r['assigningSeconds']:.3f}",
          f"{r['recordBytes']:,}"] for r in figures["groups"]))
    return {"measured": measured, "sizes": size, "partitions": partition, "losses": loss, "restarts": restart, "day": days,
            "burst": bursts, "express": express, "kinds": kinds, "money": cost, "limits": limit, "groups": groups,
            "setting": _setting(figures)}


def _setting(figures: Row) -> str:
    assumed = figures["assumed"]
    return (f"Seed {assumed['seed']}. Unless a table says otherwise: H100, `final`, 512×512, four partitions a worker, requests "
            f"keyed by their ids, at {100 * LOAD:.0f} % of what the workers can do at most, {IN_FLIGHT} requests in flight.\n\n"
            f"**Assumed, not measured**: an A100 takes {assumed['a100']:.2f} times as long as the H200; a node with a GPU and "
            f"the image is there {assumed['provisioning']:g} s after it is asked for; an hour costs "
            + ", ".join(f"{price:.2f} {assumed['currency']} on an {device}" for device, price in assumed["prices"].items())
            + "; a poll and the look for an earlier outcome take 10 ms.")


def _style(axes: plt.Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


def sizes_chart(rows: Sequence[Row], path: Path) -> None:
    """Latency over the number of workers, of a consumer group and of a share group."""
    figure, axes = plt.subplots(figsize=(9.6, 4.4), dpi=_DPI)
    for group, color in (("consumer", _BLUE), ("share", _RED)):
        of = [row for row in rows if bool(row["partitions"]) == (group == "consumer")]
        workers = [row["workers"] for row in of]
        axes.plot(workers, [row["p99"] for row in of], color=color, marker="o", label=f"{group} group, p99")
        axes.plot(workers, [row["p50"] for row in of], color=color, marker="o", linestyle="--", label=f"{group} group, p50")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(0)
    axes.set_xlabel("workers")
    axes.set_ylabel("seconds from request to outcome")
    axes.legend(frameon=False, ncols=2)
    _style(axes)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def day_chart(histories: dict[str, list[tuple[float, int, int]]], path: Path) -> None:
    """Workers and lag over the hours of a day, for each way to scale."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(9.6, 6.0), dpi=100, sharex=True)
    for (name, history), color in zip(histories.items(), (_RED, _BLUE)):
        hours = [at / 3600 for at, _, _ in history]
        upper.plot(hours, [workers for _, workers, _ in history], color=color, linewidth=1.0, label=name.replace("`", ""))
        lower.plot(hours, [max(1, lag) for _, _, lag in history], color=color, linewidth=0.8)
    upper.set_ylabel("workers wanted")
    lower.set_ylabel("lag, requests")
    lower.set_yscale("log")
    lower.set_xlabel("hour")
    lower.set_xlim(0, 24)
    lower.set_xticks(range(0, 25, 4))
    upper.yaxis.set_major_locator(plt.MaxNLocator(integer=True))
    upper.legend(frameon=False, loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1))
    for axes in (upper, lower):
        _style(axes)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _price(text: str) -> tuple[str, float]:
    device, _, price = text.partition("=")
    try:
        value = float(price)
    except ValueError:
        value = 0.0
    if device not in ("H200", "H100", "A100") or value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is no price; it must be H200, H100 or A100, =, and more than 0, as H100=3.0")
    return device, value


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, required=True, help="folder of gpu.json, study.json, cpu.json and group.json")
    parser.add_argument("--out", type=Path, required=True, help="folder of scale.md, scale.json and the charts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--price-per-hour", type=_price, action="append", default=[], metavar="GPU=PRICE",
                        help="what an hour of a GPU costs, as H100=3.0; repeatable")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--provisioning", type=float, default=120.0, metavar="SECONDS",
                        help="until a node with a GPU is there and has the image (default: 120)")
    options = parser.parse_args()
    inputs = Inputs.read(options.measured)
    prices = {"A100": 1.5, "H100": 3.0} | dict(options.price_per_hour)
    of = Simulation(inputs, options.seed, options.provisioning)
    assumed = {"seed": options.seed, "a100": inputs.a100(), "provisioning": options.provisioning, "prices": prices,
               "currency": options.currency}
    figures: Row = {"assumed": assumed, "groups": inputs.group["groups"]}

    def step(name: str, work: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        figures[name] = work()
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        return figures[name]

    step("againstMeasured", lambda: [*against_measured(inputs), recovery(inputs)])
    step("sizes", lambda: sizes(of))
    step("partitions", lambda: partitions(of))
    step("losses", lambda: losses(of))
    step("restarts", lambda: restarts(of))
    step("burst", lambda: burst(of))
    step("express", lambda: express_lane(of))
    step("mixed", lambda: mixed(of))
    step("limits", lambda: limits(inputs))
    days, histories = step("day", lambda: day(of))
    figures["day"] = days
    best = of.backlog(1, 4, 4000)["imagesPerSecond"]
    busy = {"backlog": 1.0} | {row["scaling"]: row["imagesPerSecond"] * 24 / row["gpuHours"] / best for row in days}
    step("money", lambda: money(inputs, options.seed, options.provisioning, prices, busy))

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scale.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    page = options.out / "scale.md"
    text = (page if page.exists() else Path(__file__).with_name("scale.md")).read_text("utf-8")
    page.write_text(insert(text, **tables(figures)), "utf-8")
    sizes_chart(figures["sizes"], options.out / "scale-sizes.png")
    day_chart(histories, options.out / "scale-day.png")


if __name__ == "__main__":
    main()

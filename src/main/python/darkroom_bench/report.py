"""`python -m darkroom_bench.report`: the measurements of a GPU as one JSON file, tables and charts.

`gpu.json` is what `./darkroom bench gpu` wrote; rows of diffusers and the parity are put into it when given. Each figure
in the page is computed from that file; what it lacks is said to be not measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import textalloc

from darkroom_mini.markdown import insert

from .profiles import PROFILES, STUDIED

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Row = dict[str, Any]
_GIB = 2**30
_DPI, _MARKER_POINTS = 150, 8
_NOT_MEASURED = "not measured"

EAGER, COMPILED, DARKROOM = "diffusers, eager", "diffusers, compiled", "Darkroom"
_COMPARED = (EAGER, COMPILED, DARKROOM)
_COLORS = {EAGER: "#74839b", COMPILED: "#2a6f97", DARKROOM: "#d1495b"}
_MARKERS = {EAGER: "s", COMPILED: "D", DARKROOM: "o"}


def key(row: Row) -> tuple[str, str, int]:
    """Whose row it is, of which profile, at which batch size.

    diffusers has one for each torch that it was measured on.
    """
    if row["implementation"] == "darkroom":
        who = DARKROOM
    else:
        who = COMPILED if row["compiled"] else EAGER
    return who, row["profile"], row["batch"]


def merge(figures: dict[str, Any], peers: Iterable[dict[str, Any]], parity: dict[str, Any] | None) -> dict[str, Any]:
    """The figures with the peers' rows, a row of the same key and torch replaced, and the parity.

    The peers' rows get their share of the arithmetic ceiling: what a profile computes for an image is the same whoever
    does it, so the shares of two are to each other as their speeds.

    :raises ValueError: the peer was measured on another device, or drew images of another size
    """
    rows = {(*key(row), row.get("torch")): row for row in figures["rows"]}
    merged = dict(figures)
    for peer in peers:
        for same in ("device", "size"):
            if peer[same] != figures[same]:
                raise ValueError(f"cannot be compared: the peer's {same} is {peer[same]}, Darkroom's {figures[same]}")
        rows |= {(*key(row), row.get("torch")): row for row in peer["rows"]}
        merged["diffusers"] = peer["diffusers"]
    merged["rows"] = [_with_share(row, rows.values()) for row in rows.values()]
    if parity is not None:
        merged["parity"] = parity
    return merged


def _with_share(row: Row, rows: Iterable[Row]) -> Row:
    known = next((r for r in rows if r["profile"] == row["profile"] and "arithmeticShare" in r), None)
    if known is None or "arithmeticShare" in row:
        return row
    faster = known["secondsPerImage"]["median"] / row["secondsPerImage"]["median"]
    return row | {"arithmeticShare": faster * known["arithmeticShare"]}


class Figures:
    """The rows by whose they are, profile and batch, and what follows from them.

    Of rows that diffusers has on several releases of torch, the fastest stands for it.
    """

    def __init__(self, figures: dict[str, Any], study: dict[str, Any] | None = None):
        self.all = figures
        study = study or {}
        self.study_device: str = study.get("device", "study")
        self._studied: dict[str, dict[str, float]] = study.get("profiles", {})
        self.rows: dict[tuple[str, str, int], Row] = {}
        for row in sorted(figures["rows"], key=lambda row: row["secondsPerImage"]["median"]):
            self.rows.setdefault(key(row), row)

    def value(self, who: str, profile: str, batch: int, name: str) -> Any:
        return self.rows.get((who, profile, batch), {}).get(name)

    def seconds(self, who: str, profile: str, batch: int = 1) -> float | None:
        row = self.rows.get((who, profile, batch))
        return None if row is None else row["secondsPerImage"]["median"]

    def memory(self, who: str, profile: str, batch: int = 1) -> float | None:
        """Peak allocated, in GiB."""
        peak = self.value(who, profile, batch, "peakAllocatedBytes")
        return peak and peak / _GIB

    def beyond_context(self, who: str, profile: str, batch: int = 1) -> float | None:
        """What the device has in use beyond the process' CUDA context, in GiB."""
        used = self.value(who, profile, batch, "deviceBeyondContextBytes")
        return used and used / _GIB

    def busy(self, who: str, profile: str, batch: int = 1) -> float | None:
        """Seconds that the device is busy with kernels for an image, the least of those counted."""
        counted = [row.get("kernelSecondsPerImage") for row in self.all["rows"] if key(row) == (who, profile, batch)]
        return min((seconds for seconds in counted if seconds is not None), default=None)

    def studied(self, profile: str, name: str) -> float | None:
        """What the study measured of a profile."""
        return self._studied.get(profile, {}).get(name)

    def batches(self, who: str, profile: str) -> list[int]:
        return sorted(batch for other, name, batch in self.rows if (other, name) == (who, profile))

    def best_throughput(self, who: str, profile: str) -> float | None:
        return max((self.rows[who, profile, b]["imagesPerSecond"] for b in self.batches(who, profile)), default=None)

    def worker_percent(self, profile: str) -> float | None:
        """The whole worker's throughput as a share of the pipeline's alone."""
        for worker in self.all.get("worker", ()):
            if worker["profile"] == profile:
                share = _ratio(worker["imagesPerSecond"], worker.get("pipelineImagesPerSecond"))
                return share and 100 * share
        return None

    def step_milliseconds(self, batch: int, guided: bool) -> float | None:
        for step in self.all.get("steps", ()):
            if (step["batch"], step["guided"]) == (batch, guided):
                return step["milliseconds"]["median"]
        return None


def targets(figures: Figures) -> str:
    """The targets and what was reached, as a table."""
    ours, all_figures = figures.seconds(DARKROOM, "final"), figures.all
    lines = ["| | must | aim | reached |", "|---|---|---|---|"]

    def add(what: str, reached: float | None, unit: str, digits: int, must: float, aim: float, larger: bool) -> None:
        sign = "≥" if larger else "≤"
        if reached is None:
            told = _NOT_MEASURED
        else:
            met = [limit for limit in (aim, must) if (reached >= limit if larger else reached <= limit)]
            word = "missed" if not met else "aim" if met[0] == aim else "must"
            told = f"**{reached:.{digits}f}{unit}** ({word})"
        lines.append(f"| {what} | {sign} {must:g}{unit} | {sign} {aim:g}{unit} | {told} |")

    add("`final` against eager diffusers `baseline`, times faster", _ratio(figures.seconds(EAGER, "baseline"), ours), "×", 2,
        8, 11, True)
    compiled = _ratio(figures.seconds(COMPILED, "final"), ours)
    add("`final` against diffusers' compiled `final`, times faster", compiled, "×", 2, 1.3, 1.6, True)
    busy = _ratio(figures.busy(COMPILED, "final"), figures.busy(DARKROOM, "final"))
    add("the same, by what the GPU is busy with alone", busy, "×", 2, 1.2, 1.4, True)
    add("guided step at batch 1", figures.step_milliseconds(1, True), " ms", 2, 5.9, 5, False)
    add("throughput of `final`, best batch", figures.best_throughput(DARKROOM, "final"), " images/s", 1, 15.5, 18, True)
    add("peak allocated memory of `final`", figures.memory(DARKROOM, "final"), " GiB", 2, 2.1, 2, False)
    add("device memory of `final` beyond the CUDA context", figures.beyond_context(DARKROOM, "final"), " GiB", 2, 2.6, 2.4,
        False)
    add("worker's throughput of the pipeline's alone", figures.worker_percent("final"), " %", 1, 97, 99, True)
    add("ready for every batch size, first start", all_figures.get("coldStart", {}).get("seconds"), " s", 1, 25, 12, False)
    add("ready for every batch size, later start", all_figures.get("laterStart", {}).get("seconds"), " s", 1, 15, 8, False)
    add("two GPUs against one", all_figures.get("workers", {}).get("ratio"), "×", 2, 1.9, 1.97, True)
    fast = figures.seconds(DARKROOM, "fast")
    add("`fast`, one image", fast and 1e3 * fast, " ms", 1, 30, 22, False)
    add("throughput of `fast`, best batch", figures.best_throughput(DARKROOM, "fast"), " images/s", 1, 70, 100, True)
    add("`fast` against diffusers' compiled LCM, times faster", _ratio(figures.seconds(COMPILED, "fast"), fast), "×", 2, 1.5, 2.5,
        True)
    add("worker's throughput of the pipeline's alone at `fast`", figures.worker_percent("fast"), " %", 1, 90, 97, True)
    switch = figures.value(DARKROOM, "fast", 1, "adapterSwitchMilliseconds")
    add("adding an adapter of rank 64", switch and switch["median"], " ms", 0, 150, 50, False)
    held = figures.value(DARKROOM, "fast", 1, "adapterDeviceBytes")
    add("device memory with an adapter, beyond without", None if held is None else held / 2**20, " MiB", 0, 200, 0, False)
    return "\n".join(lines)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _cell(value: float | None, form: str = "{:.3f}") -> str:
    return "" if value is None else form.format(value)


def _percent(share: float | None) -> str:
    return _cell(share and 100 * share, "{:.0f} %")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns that hold nothing at all are left out."""
    rows = list(rows)
    kept = [i for i in range(len(header)) if i == 0 or any(row[i] for row in rows)]
    lines = [[header[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if len(kept) > 1 else _NOT_MEASURED


def times_table(figures: Figures) -> str:
    header = ["profile", "UNet forwards"]
    header += [f"{figures.study_device} (study), s", f"{EAGER}, s", f"{COMPILED}, s", f"{DARKROOM}, s"]
    header += ["slowest and fastest call, s", "× eager", "× compiled", "share of the ceiling"]
    rows = []
    for name, profile in PROFILES.items():
        ours = figures.seconds(DARKROOM, name)
        spread = figures.value(DARKROOM, name, 1, "secondsPerImage")
        row = [f"`{name}`", str(profile.steps + profile.guided_steps), _cell(figures.studied(name, "secondsPerImage"))]
        row += [_cell(figures.seconds(EAGER, name)), _cell(figures.seconds(COMPILED, name))]
        row += ["" if ours is None else f"**{ours:.4f}**"]
        row += ["" if spread is None else f"{spread['max']:.4f}, {spread['min']:.4f}"]
        row += [_cell(_ratio(figures.seconds(who, name), ours), "{:.2f}") for who in (EAGER, COMPILED)]
        rows.append([*row, _percent(figures.value(DARKROOM, name, 1, "arithmeticShare"))])
    return _table(header, rows)


def memory_table(figures: Figures) -> str:
    header = ["profile"]
    fields = {
        "peakAllocatedBytes": "peak allocated",
        "peakReservedBytes": "peak reserved",
        "deviceBeyondContextBytes": "device beyond the context",
    }
    for what in fields.values():
        header += [f"{who}: {what}, GiB" for who in _COMPARED]
    rows = []
    for name in PROFILES:
        row = [f"`{name}`"]
        for field in fields:
            for who in _COMPARED:
                peak = figures.value(who, name, 1, field)
                row.append(_cell(peak and peak / _GIB, "{:.2f}"))
        rows.append(row)
    return _table(header, rows)


def short_table(figures: Figures) -> str:
    """Time and memory of the study, of diffusers compiled and of Darkroom: the README's table."""
    header = ["profile", f"{figures.study_device} (study): s", "GB", f"{COMPILED}: s", "GiB"]
    header += [f"{DARKROOM}: s", "GiB"]
    rows = []
    for name in PROFILES:
        row = [f"`{name}`", _cell(figures.studied(name, "secondsPerImage")), _cell(figures.studied(name, "gigabytes"), "{:.2f}")]
        row += [_cell(figures.seconds(COMPILED, name)), _cell(figures.memory(COMPILED, name), "{:.2f}")]
        row += [_cell(figures.seconds(DARKROOM, name), "**{:.3f}**"), _cell(figures.memory(DARKROOM, name), "{:.2f}")]
        rows.append(row)
    return _table(header, rows)


def kernels_table(figures: Figures) -> str:
    header = ["profile", *(f"{who}: kernels" for who in _COMPARED), *(f"{who}: busy, s" for who in _COMPARED)]
    rows = []
    for name in PROFILES:
        kernels = [_cell(figures.value(who, name, 1, "kernels"), "{:,.0f}") for who in _COMPARED]
        busy = [_cell(figures.value(who, name, 1, "kernelSecondsPerImage")) for who in _COMPARED]
        rows.append([f"`{name}`", *kernels, *busy])
    return _table(header, rows)


def batches_table(figures: Figures) -> str:
    header = ["profile", "batch", *(f"{who}, images/s" for who in _COMPARED)]
    header += [f"{who}: peak allocated, GiB" for who in _COMPARED]
    rows = []
    for name in PROFILES:
        batches = sorted({batch for who in _COMPARED for batch in figures.batches(who, name)})
        for batch in batches if len(batches) > 1 else ():
            speed = [_cell(figures.value(who, name, batch, "imagesPerSecond"), "{:.2f}") for who in _COMPARED]
            memory = [_cell(figures.memory(who, name, batch), "{:.2f}") for who in _COMPARED]
            rows.append([f"`{name}`", str(batch), *speed, *memory])
    return _table(header, rows)


def steps_table(figures: Figures) -> str:
    rows = []
    for step in sorted(figures.all.get("steps", ()), key=lambda step: (step["batch"], not step["guided"])):
        spread = step["milliseconds"]
        row = [str(step["batch"]), "with" if step["guided"] else "without", f"{spread['median']:.2f}"]
        rows.append([*row, f"{spread['max']:.2f}, {spread['min']:.2f}", _percent(step.get("arithmeticShare"))])
    return _table(["batch", "guidance", "median, ms", "slowest and fastest, ms", "share of the ceiling"], rows)


def worker_table(figures: Figures) -> str:
    rows = []
    for name, told in {"coldStart": "first start", "laterStart": "later start"}.items():
        if (start := figures.all.get(name)) is not None:
            sizes = ", ".join(map(str, start["batchSizes"]))
            rows.append([f"process start to ready, {told}, batches of {sizes}", f"{start['seconds']:.1f} s"])
    for worker in figures.all.get("worker", ()):
        of = f"`{worker['profile']}`, batches of {worker['batch']}"
        rows.append([f"worker on a backlog of {worker['requests']} requests, {of}", f"{worker['imagesPerSecond']:.2f} images/s"])
        pipeline = worker.get("pipelineImagesPerSecond")
        rows.append([f"pipeline alone, {of}", _NOT_MEASURED if pipeline is None else f"{pipeline:.2f} images/s"])
    return _table(["", ""], rows)


def workers_table(figures: Figures) -> str:
    """One worker alone, each of several that share a backlog, and these together."""
    workers = figures.all.get("workers")
    if workers is None:
        return _NOT_MEASURED
    one, together = workers["one"], workers["all"]
    header = ["", "images", "seconds", "images/s", "generator busy"]

    def row(what: str, of: Row) -> list[str]:
        busy = f"{100 * of['generatorBusyShare']:.1f} %"
        return [what, str(of["images"]), f"{of['seconds']:.1f}", f"{of['imagesPerSecond']:.2f}", busy]

    rows = [row(f"one worker, {one['device']}", one)]
    rows += [row(f"one of {len(workers['workers'])}, {share['device']}", share) for share in workers["workers"]]
    rows.append(row(f"these {len(workers['workers'])} together, {workers['ratio']:.3f} times one", together))
    return _table(header, rows)


def parity_table(figures: Figures) -> str:
    parity = figures.all.get("parity")
    if parity is None:
        return _NOT_MEASURED
    header = ["profile", "images", "", "mean absolute error", "root mean square", "PSNR, dB", "largest"]
    rows = []
    for name, errors in parity["profiles"].items():
        for who, told in (("darkroom", DARKROOM), ("diffusers", f"diffusers, {parity['peerDtype']}")):
            e = errors[who]
            psnr = f"{e['psnr']:.1f}" if "psnr" in e else "equal"
            row = [f"`{name}`", str(len(e["images"])), told, f"{e['meanAbsolute']:.3f}", f"{e['rootMeanSquare']:.3f}"]
            rows.append([*row, psnr, f"{e['largest']:.0f}"])
    return _table(header, rows)


def setting(figures: Figures) -> str:
    versions = [f"torch {figures.all['torch']}"]
    if "diffusers" in figures.all:
        versions.append(f"diffusers {figures.all['diffusers']}{_peers_torch(figures)}")
    told = f"Measured on one {figures.all['device']}, {figures.all['date'][:10]}, {', '.join(versions)}."
    told += f" Every image has {figures.all['size'].replace('x', '×')} pixels."
    for backends in sorted({row["backends"] for row in figures.all["rows"] if "backends" in row}):
        told += f" diffusers' `torch.compile` chose matrix products and convolutions from Inductor's back ends {backends}."
    return told


def _peers_torch(figures: Figures) -> str:
    """The torch that diffusers' rows in the tables are of, and the day if it is another, in brackets."""
    told = []
    for who, word in ((EAGER, "eager"), (COMPILED, "compiled")):
        rows = [row for (other, _, _), row in figures.rows.items() if other == who]
        of = {row["torch"] for row in rows if "torch" in row}
        told += [f"{word} on torch {' and '.join(sorted(of))}"] if of else []
    days = {row["date"][:10] for row in figures.rows.values() if row["implementation"] == "diffusers" and "date" in row}
    told += [f"measured {' and '.join(sorted(days))}"] if told and days - {figures.all["date"][:10]} else []
    return f" ({', '.join(told)})" if told else ""


def _style(axes: plt.Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


def time_memory_chart(figures: Figures, path: Path) -> None:
    """Each profile of the study a point, its name beside it and joined to it by a line."""
    figure, axes = plt.subplots(figsize=(9.6, 5.8), dpi=_DPI)
    names: list[str] = []
    x: list[float] = []
    y: list[float] = []
    colors: list[str] = []
    for who in _COMPARED:
        both = [(name, figures.seconds(who, name), figures.memory(who, name)) for name in STUDIED]
        own = [point for point in both if None not in point]
        if not own:
            continue
        its_names, seconds, memory = zip(*own)
        axes.scatter(seconds, memory, s=_MARKER_POINTS**2, color=_COLORS[who], marker=_MARKERS[who], label=who,
                     edgecolor="white", linewidth=0.8, zorder=3)
        names += its_names
        x += seconds
        y += memory
        colors += [_COLORS[who]] * len(own)
    axes.set_xscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(0, low - 0.15 * (high - low)), high + 0.15 * (high - low))
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.xaxis.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("seconds an image (batch 1, logarithmic)")
    axes.set_ylabel("peak allocated memory, GiB")
    axes.legend(loc="upper left", ncols=3, frameon=False, bbox_to_anchor=(0, 1.09), borderaxespad=0)
    _style(axes)
    figure.tight_layout()
    radius = _MARKER_POINTS / 2 * _DPI / 72
    textalloc.allocate(axes, x, y, names, x_scatter=x, y_scatter=y, scatter_sizes=[radius] * len(x), textsize=8.5,
                       textcolor=colors, linecolor=colors, linewidth=0.7, margin=0.004, min_distance=0.0105,
                       max_distance=0.15, nbr_candidates=300, avoid_label_lines_overlap=True)
    figure.savefig(path)
    plt.close(figure)


def throughput_chart(figures: Figures, path: Path) -> None:
    """Images a second over the batch size, the profiles side by side that were measured in several."""
    shown = [name for name in ("final", "fast") if len(figures.batches(DARKROOM, name)) > 1] or ["final"]
    figure, panels = plt.subplots(1, len(shown), figsize=(9.6, 4.4), dpi=_DPI, squeeze=False)
    for axes, profile in zip(panels[0], shown):
        _throughput(figures, axes, profile)
    panels[0][0].legend(loc="upper left", frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _throughput(figures: Figures, axes: plt.Axes, profile: str) -> None:
    ticks: set[int] = set()
    for who in _COMPARED:
        batches = figures.batches(who, profile)
        speeds = [figures.rows[who, profile, batch]["imagesPerSecond"] for batch in batches]
        if not batches:
            continue
        axes.plot(batches, speeds, marker=_MARKERS[who], markersize=7, linewidth=2, color=_COLORS[who], label=who)
        for batch, speed in zip(batches, speeds):
            axes.annotate(f"{speed:.1f}", (batch, speed), xytext=(0, 8), textcoords="offset points", ha="center",
                          color=_COLORS[who], fontsize=9)
        ticks |= set(batches)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.08)
    axes.set_xlabel("batch size")
    axes.set_ylabel(f"images/s, {profile}")
    _style(axes)


def write(figures: Figures, out: Path) -> None:
    """`gpu.md`, its tables renewed and the rest kept as it is, and the charts."""
    page = out / "gpu.md"
    text = (page if page.exists() else Path(__file__).with_name("template.md")).read_text("utf-8")
    tables = {
        "setting": setting(figures),
        "targets": targets(figures),
        "times": times_table(figures),
        "memory": memory_table(figures),
        "kernels": kernels_table(figures),
        "batches": batches_table(figures),
        "steps": steps_table(figures),
        "worker": worker_table(figures),
        "workers": workers_table(figures),
        "parity": parity_table(figures),
    }
    page.write_text(insert(text, **tables), "utf-8")
    time_memory_chart(figures, out / "time-memory.png")
    throughput_chart(figures, out / "throughput.png")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.report", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True, help="what ./darkroom bench gpu wrote")
    parser.add_argument("--peer", type=Path, action="append", default=[], help="rows of diffusers, to be put into it; repeatable")
    parser.add_argument("--parity", type=Path, help="errors of the images, to be put into it")
    parser.add_argument("--study", type=Path, help="the study's own figures: device, profiles with secondsPerImage")
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.md and the charts")
    parser.add_argument("--readme", type=Path, help="page that has a place for the short table `gpu`")
    arguments = parser.parse_args()

    def read(path: Path) -> dict[str, Any]:
        return json.loads(path.read_text("utf-8"))

    try:
        parity = arguments.parity and read(arguments.parity)
        figures = merge(read(arguments.json), map(read, arguments.peer), parity)
    except ValueError as problem:
        parser.error(str(problem))
    if arguments.peer or arguments.parity:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    arguments.out.mkdir(parents=True, exist_ok=True)
    told = Figures(figures, arguments.study and read(arguments.study))
    write(told, arguments.out)
    if arguments.readme:
        arguments.readme.write_text(insert(arguments.readme.read_text("utf-8"), gpu=short_table(told)), "utf-8")


if __name__ == "__main__":
    main()

"""`python -m darkroom_mini.report`: docs/quality.json as the tables of docs/quality.md, charts, and the contact sheet."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .evaluate import CUTOFFS, ROOT, SAME_GRAPH, SCHEDULERS, STEPS, STUDY_CUTOFF, STUDY_STEPS, prompts
from .markdown import insert

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHEET_ROWS = 8
STUDY_ORDER = (
    "baseline",
    "compiled",
    "compiled-tiny",
    "euler-30",
    "euler-20",
    "dpm-20",
    "euler-20-cutoff",
    "dpm-20-cutoff",
    "final",
)
_COLORS = dict(zip(SCHEDULERS, ("tab:orange", "tab:blue")))


def percent(interval: list[float]) -> str:
    mean, low, high = (100 * v for v in interval)
    return f"{mean:.1f} ({low:.0f}–{high:.0f})"


def plus_minus(interval: list[float], digits: int) -> str:
    mean, low, high = interval
    return f"{mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def profile_tables(figures: dict) -> str:
    lines = [
        "| profile | UNet forwards | colour, % | object, seen pairs, % | object, held-out pairs, % | both, % |",
        "|---|---|---|---|---|---|",
    ]
    profiles = {name: figures["profiles"][name] for name in STUDY_ORDER if name in figures["profiles"]}
    for name, entry in profiles.items():
        a = entry["accuracy"]
        cells = (a["all"]["color"], a["seen"]["object"], a["heldOut"]["object"], a["all"]["both"])
        lines.append(f"| `{name}` | {entry['forwards']} | " + " | ".join(map(percent, cells)) + " |")
    lines += ["", "| profile | PSNR, dB | SSIM | perceptual distance |", "|---|---|---|---|"]
    for name, entry in profiles.items():
        if name == "baseline":
            continue
        if name in SAME_GRAPH:
            lines.append(f"| `{name}` | the same images | 1 | 0 |")
            continue
        to = entry["toBaseline"]
        values = (plus_minus(to["psnr"], 1), plus_minus(to["ssim"], 3), plus_minus(to["distance"], 3))
        lines.append(f"| `{name}` | " + " | ".join(values) + " |")
    return "\n".join(lines)


def sweep_table(figures: dict) -> str:
    lines = [
        "| scheduler | steps | cutoff | UNet forwards | colour, % | object, % | both, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for e in sorted(figures["sweep"], key=lambda e: (e["scheduler"], e["steps"], e["cutoff"])):
        cells = (percent(e[k]) for k in ("color", "object", "both"))
        lines.append(
            f"| `{e['scheduler']}` | {e['steps']} | {e['cutoff']:g} | {e['forwards']} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def sweep_chart(figures: dict, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    panels = (
        (f"cutoff varied, {STUDY_STEPS} steps", "cutoff", lambda e: e["steps"] == STUDY_STEPS, CUTOFFS),
        (f"steps varied, cutoff {STUDY_CUTOFF:g}", "steps", lambda e: e["cutoff"] == STUDY_CUTOFF, STEPS),
    )
    for axis, (title, key, chosen, order) in zip(axes, panels):
        for scheduler in SCHEDULERS:
            swept = {e[key]: e for e in figures["sweep"] if e["scheduler"] == scheduler and chosen(e)}
            points = [swept[v] for v in order if v in swept]
            if not points:
                continue
            mean, low, high = (np.array([100 * e["both"][i] for e in points]) for i in range(3))
            x = [e["forwards"] for e in points]
            axis.errorbar(x, mean, (mean - low, high - mean), marker="o", capsize=3, label=scheduler, c=_COLORS[scheduler])
            for e, y in zip(points, mean):
                axis.annotate(f"{e[key]:g}", (e["forwards"], y), textcoords="offset points", xytext=(5, 5), fontsize=8)
        axis.set(title=title, xlabel="UNet forwards an image")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("colour and object right, %")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def loss_chart(losses: list[dict], path: Path) -> None:
    panels = (
        ("vae", "pixel", "VAE: L1"),
        ("diffusion", "loss", "UNet and text encoder: weighted MSE"),
        ("decoders", "pixel", "decoder (and tiny decoder): L1"),
        ("classifier", "loss", "judge: cross-entropy"),
    )
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.4))
    for axis, (stage, key, title) in zip(axes, panels):
        for k in (key, f"tiny_{key}"):
            points = [(e["step"], e[k]) for e in losses if e["stage"] == stage and e.get(k) is not None]
            points = [p for p in points if p[0] > 2]
            if points:
                axis.plot(*zip(*points), label=k)
        axis.set(title=title, xlabel="step", yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def contact_sheet(directory: Path, path: Path) -> None:
    """Rows: prompts, columns: profiles that draw differently, all from the same seeds."""
    columns = [
        p for p in STUDY_ORDER if p not in SAME_GRAPH and (directory / p / f"{SHEET_ROWS - 1:03}.png").exists()
    ]
    side, label, head = 128, 190, 22
    sheet = Image.new("RGB", (label + len(columns) * (side + 4), head + SHEET_ROWS * (side + 4)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for c, profile in enumerate(columns):
        pen.text((label + c * (side + 4), 3), profile, "black", font)
    for r, prompt in enumerate(prompts()[:SHEET_ROWS]):
        top = head + r * (side + 4)
        words, line, y = prompt.text.split(), "", top + 30
        for word in (*words, None):
            if word is None or pen.textlength(f"{line} {word}", font) > label - 12:
                pen.text((2, y), line, "black", font)
                line, y = "", y + 17
            line = f"{line} {word}".strip() if word else ""
        pen.text((2, y), "held-out pair" if prompt.held_out else "seen pair", "gray", font)
        for c, profile in enumerate(columns):
            sheet.paste(Image.open(directory / profile / f"{r:03}.png"), (label + c * (side + 4), top))
    sheet.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.report", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="what darkroom_mini.evaluate generated")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    docs = arguments.docs
    figures = json.loads((docs / "quality.json").read_text())
    page = docs / "quality.md"
    page.write_text(insert(page.read_text(), profiles=profile_tables(figures), sweep=sweep_table(figures)))
    if figures["sweep"]:
        sweep_chart(figures, docs / "quality-sweep.png")
    loss_chart(json.loads((docs / "training-losses.json").read_text()), docs / "training-losses.png")
    contact_sheet(arguments.images, docs / "contact-sheet.png")


if __name__ == "__main__":
    main()

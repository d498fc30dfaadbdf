"""`python -m darkroom_mini.evaluate`: how good are the images of every profile, as the worker draws them.

Two commands. `generate` runs `./darkroom generate` for every profile and for every point of the sweep, and skips what
is there already. `measure` judges the images and writes `docs/quality.json`, which `darkroom_mini.report` turns into
tables, charts and the contact sheet.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import judge
from .classifier import Classifier
from .vocabulary import COLOR_NAMES, OBJECT_NAMES, STYLES, Scene, caption, every_pair, phrasings

ROOT = Path(__file__).resolve().parents[4]
PROMPTS = 300
PAIRS = 150
SWEEP_PROMPTS = 24
SEED = 1000
RESAMPLES = 2000

# the order in which they are drawn: what the targets speak of comes first
PROFILES = (
    "final",
    "fast",
    "fast-8",
    "baseline",
    "dpm-20-cutoff",
    "euler-20-cutoff",
    "compiled-tiny",
    "dpm-20",
    "euler-20",
    "compiled",
    "euler-30",
)
# UNet forwards an image
FORWARDS = {"euler-20": 40, "dpm-20": 40, "euler-20-cutoff": 29, "dpm-20-cutoff": 29, "final": 29, "fast": 4, "fast-8": 8}
# also drawn with two objects
PAIR_PROFILES = ("final", "fast", "fast-8", "baseline")
# without compiled packages, as on a CPU, these draw by the very graph that the other one draws by
SAME_GRAPH = {"compiled": "baseline", "euler-30": "baseline"}
SCHEDULERS = ("euler-ancestral", "dpmpp-2m")
CUTOFFS = (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
STEPS = (5, 8, 10, 15, 20, 30)
STUDY_STEPS, STUDY_CUTOFF = 20, 0.4
# of the scheduler lcm, without guidance; those that a profile has use its images
FEW_STEPS = (1, 2, 3, 4, 6, 8)
FEW_STEP_PROFILES = {4: "fast", 8: "fast-8"}
# points of the sweep that are profiles: their images serve for both
SAME_SETTINGS = {
    ("euler-ancestral", 20, 1.0): "euler-20",
    ("dpmpp-2m", 20, 1.0): "dpm-20",
    ("euler-ancestral", 20, 0.4): "euler-20-cutoff",
    ("dpmpp-2m", 20, 0.4): "dpm-20-cutoff",
}


@dataclass(frozen=True)
class Prompt:
    """A prompt and what its image must show, by index in the vocabulary; `style` only where the prompt names one."""

    text: str
    object: int
    color: int
    style: int | None
    held_out: bool


@dataclass(frozen=True)
class Pair:
    """A prompt for two objects, left and right, and its background colour."""

    text: str
    objects: tuple[int, int]
    color: int


def _prompt(object: int, color: int, held_out: bool, rng: random.Random) -> Prompt:
    style = rng.randrange(len(STYLES))
    text = caption(Scene((object,), color, style), rng.choice(phrasings(1)))
    return Prompt(text, object, color, style if STYLES[style] in text else None, held_out)


def prompts() -> list[Prompt]:
    """Half of them pairs that training never showed, in turn with pairs that it did, so that any first part is fair."""
    rng = random.Random(SEED)
    halves = []
    for held_out in (False, True):
        pairs = rng.sample(every_pair(held_out), PROMPTS // 2)
        halves.append([_prompt(o, c, held_out, rng) for o, c in pairs])
    return [prompt for pair in zip(*halves) for prompt in pair]


def pairs() -> list[Pair]:
    """Prompts for two different objects, drawn at random; hardly one of them did training show together."""
    rng = random.Random(SEED + 1)
    asked = []
    for _ in range(PAIRS):
        left, right = rng.sample(range(len(OBJECT_NAMES)), 2)
        scene = Scene((left, right), rng.randrange(len(COLOR_NAMES)), rng.randrange(len(STYLES)))
        asked.append(Pair(caption(scene, rng.choice(phrasings(2))), (left, right), scene.color))
    return asked


def forwards(steps: int, cutoff: float) -> int:
    """UNet forwards of one image: two in a guided step, and guidance ends after step ⌊cutoff · steps⌋."""
    return steps + (steps if cutoff == 1 else min(steps, int(cutoff * steps) + 1))


@dataclass(frozen=True)
class Point:
    """A point of the sweep: full decoder, guidance scale 7.5."""

    scheduler: str
    steps: int
    cutoff: float

    @property
    def name(self) -> str:
        """The folder of its images."""
        settings = (self.scheduler, self.steps, self.cutoff)
        return SAME_SETTINGS.get(settings, f"sweep-{self.scheduler}-{self.steps}-{self.cutoff}")


def sweep() -> list[Point]:
    """The cutoff at the study's number of steps, and the number of steps at the study's cutoff."""
    points = [Point(s, STUDY_STEPS, c) for c in CUTOFFS for s in SCHEDULERS]
    points += [Point(s, n, STUDY_CUTOFF) for n in STEPS if n != STUDY_STEPS for s in SCHEDULERS]
    return points


def few_steps_folder(steps: int) -> str:
    """The folder of the images that `lcm` draws in so many steps."""
    return FEW_STEP_PROFILES.get(steps, f"lcm-{steps}")


def pairs_folder(profile: str) -> str:
    """The folder of a profile's images of two objects."""
    return f"{profile}-pairs"


def generate(texts: list[str], out: Path, options: list[str]) -> None:
    """Draws what is missing in `out` of one image for each text, by the worker's pipeline."""
    present = sorted(out.glob("[0-9][0-9][0-9].png"))
    if len(present) >= len(texts):
        return
    file = out.parent / f"{out.name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(texts) + "\n", "utf-8")
    with (out.parent / f"{out.name}.jsonl").open("w") as lines:
        subprocess.run(
            [ROOT / "darkroom", "generate", "--prompts", file, "--seed", str(SEED), "--out", out, *options],
            check=True,
            stdout=lines,
        )


def images(directory: Path, count: int) -> np.ndarray:
    """uint8 [count, H, W, 3]."""
    return np.stack([np.asarray(Image.open(directory / f"{i:03}.png").convert("RGB")) for i in range(count)])


def interval(values: np.ndarray) -> list[float]:
    """Mean and its 95 % bootstrap confidence interval (percentiles)."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    return [float(values.mean()), *map(float, np.percentile(means, (2.5, 97.5)))]


def share(right: np.ndarray) -> list[float]:
    """Share of the true and its 95 % Wilson interval, which stays honest where all are true (a bootstrap's does not)."""
    n, p, z = len(right), float(right.mean()), 1.96
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return [p, (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of each pair, at most 100 where they are equal."""
    error = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return np.minimum(100, 10 * np.log10(255**2 / np.maximum(error, 1e-9)))


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity of each pair (Wang et al., 2004: Gaussian window of σ 1.5)."""
    from skimage.metrics import structural_similarity

    options = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return np.array([structural_similarity(x, y, data_range=255, **options) for x, y in zip(a, b)])


def accuracy(drawn: np.ndarray, asked: list[Prompt], classifier: Classifier) -> Iterator[tuple[str, dict]]:
    """Share of right colours, right objects, both, and right styles: of all prompts, of the seen pairs and of the held-out
    ones; of styles among the prompts that name one."""
    color = judge.background(drawn) == [p.color for p in asked]
    thing = judge.objects(classifier, drawn) == [p.object for p in asked]
    style = judge.styles(classifier, drawn) == [-1 if p.style is None else p.style for p in asked]
    named = np.array([p.style is not None for p in asked])
    held_out = np.array([p.held_out for p in asked])
    for name, part in (("all", held_out | True), ("seen", ~held_out), ("heldOut", held_out)):
        rights = {"color": color, "object": thing, "both": color & thing}
        yield name, {k: share(v[part]) for k, v in rights.items()} | {"style": share(style[part & named])}


def pair_accuracy(drawn: np.ndarray, asked: list[Pair], classifier: Classifier) -> dict[str, list[float]]:
    """Share of images whose halves show the two objects that were asked for, and of those with the right colour."""
    objects = judge.pairs(classifier, drawn) == np.array([p.objects for p in asked])
    color = judge.background(drawn) == [p.color for p in asked]
    return {"objects": share(objects.all(1)), "each": share(objects.ravel()), "color": share(color)}


def count(directory: Path, most: int) -> int:
    """How many images, from the first, a folder has."""
    return next((i for i in range(most) if not (directory / f"{i:03}.png").exists()), most)


def measure(directory: Path, classifier: Classifier) -> dict:
    """The figures of every profile and point whose images are all there, as many as `baseline` has."""
    # its weights are an optional dependency that `generate` can do without
    from .perceptual import PerceptualDistance

    distance = PerceptualDistance()
    number = count(directory / "baseline", PROMPTS)
    asked = prompts()[:number]
    figures: dict = {"prompts": number, "sweepPrompts": SWEEP_PROMPTS, "profiles": {}, "sweep": [], "fewSteps": []}
    baseline = images(directory / "baseline", number)
    for profile in PROFILES:
        source = directory / SAME_GRAPH.get(profile, profile)
        if count(source, number) < number:
            print(f"{profile}: images are missing, left out")
            continue
        drawn = images(source, number)
        entry: dict = {"forwards": FORWARDS.get(profile, 60), "accuracy": dict(accuracy(drawn, asked, classifier))}
        if profile != "baseline":
            entry["toBaseline"] = {
                "psnr": interval(psnr(drawn, baseline)),
                "ssim": interval(ssim(drawn, baseline)),
                "distance": interval(distance(drawn, baseline)),
            }
        if profile in SAME_GRAPH:
            entry["sameGraphAs"] = SAME_GRAPH[profile]
        doubles = directory / pairs_folder(profile)
        if profile in PAIR_PROFILES and (two := count(doubles, PAIRS)):
            entry["pairs"] = {"prompts": two} | pair_accuracy(images(doubles, two), pairs()[:two], classifier)
        figures["profiles"][profile] = entry
        print(profile, json.dumps(entry["accuracy"]["all"]), json.dumps(entry.get("toBaseline")), flush=True)
    for steps in FEW_STEPS:
        source = directory / few_steps_folder(steps)
        if count(source, number) == number:
            shares = dict(accuracy(images(source, number), asked, classifier))
            figures["fewSteps"].append({"steps": steps, "accuracy": shares})
    some = asked[:SWEEP_PROMPTS]
    for point in sweep():
        if count(directory / point.name, SWEEP_PROMPTS) < SWEEP_PROMPTS:
            print(f"{point.name}: images are missing, left out")
            continue
        drawn = images(directory / point.name, SWEEP_PROMPTS)
        entry = {"scheduler": point.scheduler, "steps": point.steps, "cutoff": point.cutoff}
        entry["forwards"] = forwards(point.steps, point.cutoff)
        entry |= dict(accuracy(drawn, some, classifier))["all"]
        never = directory / Point(point.scheduler, STUDY_STEPS, 1.0).name
        if point.steps == STUDY_STEPS and never.exists():
            reference = images(never, SWEEP_PROMPTS)
            entry["toNoCutoff"] = {
                "psnr": interval(psnr(drawn, reference)),
                "distance": interval(distance(drawn, reference)),
            }
        figures["sweep"].append(entry)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.evaluate", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("generate", "measure"):
        command = commands.add_parser(name)
        command.add_argument("--images", type=Path, required=True, help="folder of the images, one folder a profile")
    command = commands.choices["generate"]
    command.add_argument("--only", choices=("profiles", "pairs", "few-steps", "sweep"))
    command.add_argument("--prompts", type=int, default=PROMPTS, help=f"a point, at most {PROMPTS}; pairs are half as many")
    commands.choices["measure"].add_argument("--classifier", type=Path, default=judge.COMMITTED)
    commands.choices["measure"].add_argument("--out", type=Path, default=ROOT / "docs/quality.json")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        figures = measure(arguments.images, judge.load_judge(arguments.classifier))
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")
        return

    texts = [p.text for p in prompts()[: arguments.prompts]]
    doubles = [p.text for p in pairs()[: arguments.prompts // 2]]

    def wanted(part: str) -> bool:
        return arguments.only in (None, part)

    if wanted("pairs"):
        for profile in PAIR_PROFILES:
            generate(doubles, arguments.images / pairs_folder(profile), ["--profile", profile])
    if wanted("few-steps"):
        for steps in FEW_STEPS:
            generate(texts, arguments.images / few_steps_folder(steps), ["--profile", "fast", "--steps", str(steps)])
    if wanted("profiles"):
        for profile in PROFILES:
            if profile not in SAME_GRAPH:
                generate(texts, arguments.images / profile, ["--profile", profile])
    if wanted("sweep"):
        for point in (p for p in sweep() if p.name not in PROFILES):
            how = ["--scheduler", point.scheduler, "--steps", str(point.steps), "--cutoff", str(point.cutoff)]
            generate(texts[:SWEEP_PROMPTS], arguments.images / point.name, ["--profile", "baseline", *how])


if __name__ == "__main__":
    main()

"""Golden data for the safety checker, taken from diffusers: `python golden_safety.py`.

Writes `golden/safety`: a checker with random weights as a module of a bundle, whose concepts and thresholds are such that it
flags some images, and what diffusers' `StableDiffusionSafetyChecker` says (`scores.json`) of the golden images and of images
that the bundle in `golden/pictures` draws, in float32 on the CPU. Everything is overwritten.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import cosine_distance
from PIL import Image

from checkers import calibrate, extractor, flagged, random_checker, save_checker
from darkroom_bench.pipeline import SCHEDULERS, load_pipeline, load_tiny
from darkroom_bundle.checkpoint import Safety
from darkroom_bundle.modules import safety_module
from darkroom_bundle.safety import FeatureExtraction
from darkroom_bundle.torchscript import save_module
from golden_pictures import SIZE, make_checkpoint

GOLDEN = Path(__file__).parents[1] / "resources/golden"
PROMPT, SCHEDULER, STEPS, SCALE, SEEDS = "a red circle on a blue background", "dpmpp-2m", 4, 7.5, range(24)


def draw(folder: Path) -> list[Image.Image]:
    """Images of the bundle in `golden/pictures`, whose weights are made anew."""
    make_checkpoint(folder)
    pipeline = load_pipeline(folder, torch.float32, "cpu")
    pipeline.vae = load_tiny(folder / "tiny_vae", torch.float32, "cpu")
    pipeline.set_progress_bar_config(disable=True)
    images = []
    for seed in SEEDS:
        pipeline.scheduler = SCHEDULERS[SCHEDULER].from_config(pipeline.scheduler.config)
        generator = torch.Generator("cpu").manual_seed(seed)
        images += pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=SCALE, generator=generator,
                           height=SIZE, width=SIZE).images
    return images


def score(checker, image: Image.Image) -> float:
    """The largest of diffusers' `concept_scores`."""
    features = extractor()(image, return_tensors="pt").pixel_values
    embeddings = checker.visual_projection(checker.vision_model(features).pooler_output)
    special = cosine_distance(embeddings, checker.special_care_embeds) - checker.special_care_embeds_weights
    concepts = cosine_distance(embeddings, checker.concept_embeds) - checker.concept_embeds_weights
    care = 0.01 if (special.round(decimals=3) > 0).any() else 0
    # not -0.0
    return round(concepts.max().item() + care, 3) + 0.0


def main() -> None:
    transformers.logging.set_verbosity_error()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    out = GOLDEN / "safety"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    files = [path for folder in (GOLDEN, GOLDEN / "pictures") for path in sorted(folder.glob("*.png"))]
    files = {str(path.relative_to(GOLDEN)): Image.open(path) for path in files}
    files = {name: image for name, image in files.items() if image.mode == "RGB"}
    checker = random_checker()
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(Path(folder) / "random")
        calibrate(checker, [*files.values(), *drawn])
        save_checker(checker, Path(folder))
        extraction = FeatureExtraction.read(Path(folder) / "feature_extractor/preprocessor_config.json")
    save_module(safety_module(Safety(checker, extraction)), out / "safety_checker.pt")

    def said(image: Image.Image) -> dict:
        case = {"flagged": flagged(checker, image), "score": score(checker, image)}
        assert case["flagged"] == (case["score"] > 0)
        return case

    golden = {
        "versions": {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__},
        "cases": [{"file": name} | said(image) for name, image in files.items()],
        "prompt": PROMPT, "scheduler": SCHEDULER, "steps": STEPS, "scale": SCALE, "decoder": "tiny",
        "drawn": [{"seed": seed} | said(image) for seed, image in zip(SEEDS, drawn, strict=True)],
    }  # fmt: skip
    (out / "scores.json").write_text(
        json.dumps(golden).replace('{"file"', '\n{"file"').replace('{"seed"', '\n{"seed"') + "\n", "utf-8"
    )


if __name__ == "__main__":
    main()

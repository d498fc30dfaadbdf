"""Safety checkers with random weights, as small as the classes allow."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor

from darkroom_mini.random_weights import randomize

SIDE = 32
WIDTH = 32


def random_checker() -> StableDiffusionSafetyChecker:
    """diffusers' class with random weights, always the same."""
    config = CLIPConfig(
        projection_dim=WIDTH,
        vision_config={
            "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 8, "projection_dim": WIDTH,
        },
    )  # fmt: skip
    checker = StableDiffusionSafetyChecker(config).eval()
    randomize(checker, torch.Generator("cpu").manual_seed(0))
    return checker


def extractor() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


@torch.no_grad()
def calibrate(checker: StableDiffusionSafetyChecker, images: Sequence[Image.Image]) -> None:
    """Concepts that lie where these images differ, and thresholds between them.

    Most of the images are flagged by none of the concepts, some by one, and some only because another calls for special care.
    """
    features = extractor()(list(images), return_tensors="pt").pixel_values
    embeddings = checker.visual_projection(checker.vision_model(features).pooler_output)
    # random weights see all images much alike; what tells them apart are their differences
    differences = torch.pca_lowrank(embeddings, q=20, niter=8)[2].T
    checker.concept_embeds.copy_(differences[: len(checker.concept_embeds)])
    checker.special_care_embeds.copy_(differences[len(checker.concept_embeds) :])
    normalized = torch.nn.functional.normalize(embeddings)
    for concepts, thresholds, share in (
        (checker.concept_embeds, checker.concept_embeds_weights, 0.99),
        (checker.special_care_embeds, checker.special_care_embeds_weights, 0.9),
    ):
        # between two images, not at one
        thresholds.copy_((normalized @ concepts.T).quantile(share, dim=0, interpolation="midpoint"))


def save_checker(checker: StableDiffusionSafetyChecker, checkpoint: Path) -> None:
    """Adds it to a checkpoint in diffusers layout."""
    checker.save_pretrained(checkpoint / "safety_checker")
    extractor().save_pretrained(checkpoint / "feature_extractor")


@torch.no_grad()
def flagged(checker: StableDiffusionSafetyChecker, image: Image.Image) -> bool:
    """What diffusers says of an image, whose features are Pillow's."""
    features = extractor()(image, return_tensors="pt").pixel_values
    return checker(features, [torch.zeros(1)])[1][0]

"""The safety checker of a Stable Diffusion 1.x checkpoint: diffusers' `StableDiffusionSafetyChecker` on the decoder's pixels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker, cosine_distance
from torch import Tensor, nn

# Pillow's number of its bicubic filter, which reaches two pixels to either side, and the unit of its weights
BICUBIC = 3
SUPPORT = 2.0
UNIT = 2.0**22


@dataclass(frozen=True)
class FeatureExtraction:
    """What `feature_extractor/preprocessor_config.json` says of how a `CLIPImageProcessor` makes pixels into features.

    `shortest_edge`: pixels of the shorter side after resizing. `crop`: height and width of what is then cut from the middle.
    `scale`: what levels of 0 to 255 are multiplied by, before `mean` is taken off and the rest divided by `deviation`.
    """

    shortest_edge: int
    crop: tuple[int, int]
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def read(cls, path: Path) -> "FeatureExtraction":
        """Reads such a file; what it leaves out are CLIPImageProcessor's defaults.

        :raises OSError: it cannot be read
        :raises ValueError: it is not JSON, or asks for something else than CLIP's features, in a phrase that names the key
        """
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for key in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
            if config.get(key, True) is not True:
                raise ValueError(f"{key} is {config[key]}, not True: not the features of Stable Diffusion 1's safety checker")
        if config.get("resample", BICUBIC) != BICUBIC:
            raise ValueError(f"resample is {config['resample']}, not {BICUBIC}, which is bicubic")
        # before there were names for the sides, a number
        size, crop = config.get("size", 224), config.get("crop_size", 224)
        edge: Any = size.get("shortest_edge") if isinstance(size, dict) else size
        sides: tuple[Any, Any] = (crop.get("height"), crop.get("width")) if isinstance(crop, dict) else (crop, crop)
        if not isinstance(edge, int) or not all(isinstance(side, int) and 0 < side <= edge for side in sides):
            raise ValueError(f"size is {size} and crop_size {crop}, which does not cut the middle from a resized image")
        return cls(
            edge,
            sides,
            config.get("rescale_factor", 1 / 255),
            # OpenAI's CLIP
            tuple(config.get("image_mean", (0.48145466, 0.4578275, 0.40821073))),
            tuple(config.get("image_std", (0.26862954, 0.26130258, 0.27577711))),
        )


class Features(nn.Module):
    """`CLIPImageProcessor` on the device: pixels uint8 [B, H, W, 3] → features float32 [B, 3, h, w].

    They are resized as Pillow resizes, level by level the same (its `src/libImaging/Resample.c`): one axis after the other, by
    weights of 22 binary places, with a rounding after each. float64 holds all of these sums exactly.
    """

    def __init__(self, extraction: FeatureExtraction):
        super().__init__()
        self.shortest_edge = extraction.shortest_edge
        self.crop_height, self.crop_width = extraction.crop
        self.scale = extraction.scale
        # TorchScript knows no names of a module's file
        self.support, self.unit = SUPPORT, UNIT
        # they move to the device with the module
        self.register_buffer("mean", torch.tensor(extraction.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(extraction.deviation).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        height, width = pixels.size(1), pixels.size(2)
        shorter = min(height, width)
        rows, columns = self.shortest_edge * height // shorter, self.shortest_edge * width // shorter
        levels = pixels.permute(0, 3, 1, 2).double()
        levels = self.rounded(levels @ self.weights(levels, width, columns).T)
        levels = self.rounded(self.weights(levels, height, rows) @ levels)
        top, left = (rows - self.crop_height) // 2, (columns - self.crop_width) // 2
        levels = levels[:, :, top : top + self.crop_height, left : left + self.crop_width].float()
        return (levels * self.scale - self.mean) / self.deviation

    def weights(self, like: Tensor, before: int, after: int) -> Tensor:
        """What each of `before` pixels counts for in each of `after`, in units of 2⁻²²: [after, before]."""
        scale = before / after
        stretch = max(scale, 1.0)
        centers = (torch.arange(after, dtype=like.dtype, device=like.device).unsqueeze(1) + 0.5) * scale
        pixels = torch.arange(before, dtype=like.dtype, device=like.device).unsqueeze(0)
        first = (centers - self.support * stretch + 0.5).trunc()
        end = (centers + self.support * stretch + 0.5).trunc()
        x = ((pixels - centers + 0.5) / stretch).abs()
        near = (1.5 * x - 2.5) * x * x + 1
        far = (((x - 5) * x + 8) * x - 4) * -0.5
        weights = torch.where(x < 1, near, torch.where(x < self.support, far, 0.0))
        weights = torch.where((pixels >= first) & (pixels < end), weights, 0.0)
        weights = weights / weights.sum(dim=1, keepdim=True) * self.unit
        return (weights.abs() + 0.5).floor() * weights.sign()

    def rounded(self, sums: Tensor) -> Tensor:
        return ((sums + self.unit / 2) / self.unit).floor().clamp(0, 255)


class Margins(nn.Module):
    """Features float32 [B, 3, h, w] → by how much each image is nearer to the concepts than their thresholds: [B, 17], [B, 3].

    The second are those of the concepts that call for special care.
    """

    def __init__(self, checker: StableDiffusionSafetyChecker):
        super().__init__()
        self.dtype = checker.dtype
        self.vision_model = checker.vision_model
        self.visual_projection = checker.visual_projection
        self.concept_embeds = checker.concept_embeds
        self.special_care_embeds = checker.special_care_embeds
        self.concept_embeds_weights = checker.concept_embeds_weights
        self.special_care_embeds_weights = checker.special_care_embeds_weights

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.visual_projection(self.vision_model(features.to(self.dtype))[1])
        concepts = cosine_distance(embeddings, self.concept_embeds).float() - self.concept_embeds_weights.float()
        special = cosine_distance(embeddings, self.special_care_embeds).float() - self.special_care_embeds_weights.float()
        return concepts, special


class SafetyChecker(nn.Module):
    """Pixels uint8 [B, H, W, 3] → scores float32 [B]: an image is flagged if and only if its score is above 0.

    The score is the largest of diffusers' `concept_scores`, to three decimals as there: cosine less threshold, and 0.01 more
    where a concept that calls for special care was found.
    """

    def __init__(self, features: nn.Module, margins: nn.Module):
        super().__init__()
        self.features = features
        self.margins = margins

    def forward(self, pixels: Tensor) -> Tensor:
        concepts, special = self.margins(self.features(pixels))
        care = (self.rounded(special) > 0).any(dim=1, keepdim=True)
        return self.rounded(concepts + 0.01 * care.float()).amax(dim=1)

    def rounded(self, margins: Tensor) -> Tensor:
        return (margins * 1000).round() / 1000

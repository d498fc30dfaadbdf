"""What an image shows: the background colour by its border, objects and style by the classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .classifier import Classifier, halves, small
from .training import configuration, load_models
from .vocabulary import COLORS

COMMITTED = Path(__file__).with_name("judge")
"""The judge that all published figures are of."""

BORDER = 5
"""Width in pixels of the frame whose median is taken for the background."""


def oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] in [0, 1] → OKLab [..., 3] (Björn Ottosson, "A perceptual color space for image processing", 2020)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear @ to_lms.T) @ to_lab.T


_NAMED = oklab(np.array(list(COLORS.values())) / 255)


def background(images: np.ndarray) -> np.ndarray:
    """Index of the named colour nearest to the border's median in OKLab; images uint8 [N, H, W, 3] → [N]."""
    frame = np.ones(images.shape[1:3], bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = False
    median = np.median(oklab(images[:, frame] / 255), axis=1)
    return np.linalg.norm(median[:, None] - _NAMED, axis=2).argmin(1)


def load_judge(directory: Path) -> Classifier:
    """The trained judge, in float32 on the CPU."""
    judge = Classifier(configuration()["judge"]["width"])
    load_models(directory, {"judge": judge})
    return judge.float().eval()


@torch.no_grad()
def objects(judge: Classifier, images: np.ndarray) -> np.ndarray:
    """Index of the object that the judge sees; images uint8 [N, H, W, 3] → [N]."""
    return _judged(judge, images, lambda pixels: judge(small(pixels))[0])


@torch.no_grad()
def styles(judge: Classifier, images: np.ndarray) -> np.ndarray:
    """Index of the style that the judge sees in images of one object; images uint8 [N, H, W, 3] → [N]."""
    return _judged(judge, images, lambda pixels: judge(small(pixels))[1])


@torch.no_grad()
def pairs(judge: Classifier, images: np.ndarray) -> np.ndarray:
    """Indices of the objects in the left and in the right half; images uint8 [N, H, W, 3] → [N, 2]."""

    def side(which: int) -> np.ndarray:
        return _judged(judge, images, lambda pixels: judge(small(halves(pixels)[which]))[0])

    return np.stack((side(0), side(1)), 1)


def _judged(judge: Classifier, images: np.ndarray, logits: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    device = next(judge.parameters()).device
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return np.concatenate([logits(p.to(device).float() / 127.5 - 1).argmax(1).cpu().numpy() for p in pixels.split(64)])

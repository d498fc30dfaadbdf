"""Composes training images in batches, on whatever device the icons are: product photographs of icons.

Every image has a background colour with a faint gradient, one object (or two, side by side) of random size, place and
rotation, light from a random side and a soft shadow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .vocabulary import COLOR_NAMES, COLORS, OBJECT_NAMES, STYLES, held_out

_NONE = -1


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes: `first` and `second` object (-1 where there is one object only), `color` and `style`, int64 [B]."""

    first: torch.Tensor
    second: torch.Tensor
    color: torch.Tensor
    style: torch.Tensor

    def __len__(self) -> int:
        return len(self.first)


class SceneSampler:
    """Draws scenes whose pairs of object and colour are all from one side of the held-out split, or from both."""

    def __init__(self, device: torch.device | str, pairs: str = "seen"):
        """`pairs` is `seen`, `held-out` or `all`."""
        allowed = torch.tensor(
            [[pairs == "all" or held_out(name, color) == (pairs == "held-out") for color in COLOR_NAMES] for name in OBJECT_NAMES]
        )
        self._allowed = allowed.to(device)
        self._pairs = allowed.nonzero().to(device)
        self._device = device

    def draw(self, count: int, generator: torch.Generator, doubles: float) -> Scenes:
        """`count` scenes, a share of `doubles` with two different objects."""

        def integers(high: int) -> torch.Tensor:
            return torch.randint(high, (count,), generator=generator, device=self._device)

        first, color = self._pairs[integers(len(self._pairs))].unbind(1)
        second = integers(len(OBJECT_NAMES))
        double = torch.rand(count, generator=generator, device=self._device) < doubles
        double &= self._allowed[second, color] & (second != first)
        return Scenes(first, torch.where(double, second, _NONE), color, integers(len(STYLES)))


class Renderer:
    """Renders scenes of the given icons."""

    def __init__(self, icons: torch.Tensor, image_size: int = 256):
        """`icons`: uint8 [objects, styles, 4, S, S], RGBA, as `darkroom_mini.icons` writes them."""
        self._size = image_size
        self._icons = torch.stack([self._premultiplied(icons, halved) for halved in (False, True)])
        self._colors = torch.tensor(list(COLORS.values()), device=icons.device, dtype=torch.float32) / 255
        axis = (torch.arange(image_size, device=icons.device) + 0.5) / image_size * 2 - 1
        self._y, self._x = torch.meshgrid(axis, axis, indexing="ij")

    @staticmethod
    def _premultiplied(icons: torch.Tensor, halved: bool) -> torch.Tensor:
        """Icons as premultiplied RGBA, uint8; `halved` without the detail that would alias at half their size."""
        levels = []
        for one in icons:
            rgba = one.float() / 255
            rgba = torch.cat((rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]), 1)
            if halved:
                rgba = F.interpolate(F.avg_pool2d(rgba, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
            levels.append(rgba.mul(255).round().byte())
        return torch.stack(levels)

    def render(self, scenes: Scenes, generator: torch.Generator) -> torch.Tensor:
        """Pixels float32 [B, 3, H, W] in [0, 1]."""
        count, device = len(scenes), self._colors.device

        def uniform(low: float, high: float) -> torch.Tensor:
            return low + (high - low) * torch.rand(count, generator=generator, device=device)

        gradient = self._slope(uniform(-math.pi, math.pi), uniform(0, 0.035))
        image = self._colors[scenes.color][:, :, None, None] * (1 + uniform(-0.02, 0.02)[:, None, None, None] + gradient)

        double = scenes.second != _NONE
        light, strength = uniform(-math.pi, math.pi), uniform(0, 0.09)
        shade = self._slope(light, strength)
        # the shadow falls away from the light, and down
        shift_x, shift_y = -0.05 * light.cos(), 0.03 - 0.04 * light.sin()
        # in pixels of a blur at half the resolution, where nothing of a shadow is lost
        darkness, softness = uniform(0.2, 0.5), uniform(1.5, 4.0) * self._size / 256
        for objects, side in ((scenes.first, -1.0), (scenes.second, 1.0)):
            scale = torch.where(double, uniform(0.43, 0.49), uniform(0.64, 0.84))
            x = torch.where(double, side * uniform(0.45, 0.50), uniform(-0.10, 0.10))
            y = torch.where(double, uniform(-0.2, 0.2), uniform(-0.10, 0.10))
            angle = uniform(-0.18, 0.18)
            if side > 0 and not double.any():
                break
            rgba = self._place(double, objects.clamp(min=0), scenes.style, scale, x, y, angle)
            if side > 0:
                rgba = rgba * double[:, None, None, None]
            color, alpha = rgba[:, :3], rgba[:, 3:]
            shadow = self._blur(F.avg_pool2d(self._shift(alpha, shift_x, shift_y), 2), softness)
            shadow = F.interpolate(shadow, scale_factor=2.0, mode="bilinear", align_corners=False)
            image = image * (1 - shadow * darkness[:, None, None, None])
            image = image * (1 - alpha) + color * (1 + shade)
        return image.clamp(0, 1)

    def _slope(self, direction: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        """A plane [B, 1, H, W] that rises to ± `strength` towards `direction` (radians)."""
        along = direction.cos()[:, None, None] * self._x + direction.sin()[:, None, None] * self._y
        return (strength[:, None, None] * along)[:, None]

    def _place(self, double, objects, style, scale, x, y, angle) -> torch.Tensor:
        """Icons as premultiplied RGBA [B, 4, H, W]; `scale` is a share of the image's side, `x`, `y` in [-1, 1]."""
        icons = self._icons[double.long(), objects, style].float() / 255
        cos, sin = angle.cos() / scale, angle.sin() / scale
        theta = torch.stack((torch.stack((cos, sin, -cos * x - sin * y), 1), torch.stack((-sin, cos, sin * x - cos * y), 1)), 1)
        grid = F.affine_grid(theta, (len(objects), 4, self._size, self._size), align_corners=False)
        return F.grid_sample(icons, grid, align_corners=False)

    def _shift(self, alpha: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        theta = torch.zeros(len(alpha), 2, 3, device=alpha.device)
        theta[:, 0, 0] = theta[:, 1, 1] = 1
        theta[:, 0, 2], theta[:, 1, 2] = -2 * x, -2 * y
        return F.grid_sample(alpha, F.affine_grid(theta, alpha.shape, align_corners=False), align_corners=False)

    @staticmethod
    def _blur(alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """A Gaussian blur with a standard deviation in pixels for each image."""
        radius = 9
        offsets = torch.arange(-radius, radius + 1, device=alpha.device)
        kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
        kernel = kernel / kernel.sum(1, keepdim=True)
        count, _, height, width = alpha.shape
        stacked = alpha.reshape(1, count, height, width)
        stacked = F.conv2d(stacked, kernel[:, None, :, None], padding=(radius, 0), groups=count)
        stacked = F.conv2d(stacked, kernel[:, None, None, :], padding=(0, radius), groups=count)
        return stacked.reshape(count, 1, height, width)

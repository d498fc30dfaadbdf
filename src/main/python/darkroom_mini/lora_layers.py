"""A LoRA that is trained: low-rank additions to a UNet's products and convolutions, saved as diffusers names them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn


class LoraLayer(nn.Module):
    """A product or a convolution whose weight is `base + up @ down`, the weight seen as [out, in]."""

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int):
        super().__init__()
        self.base = base.requires_grad_(False)
        outputs, inputs = base.weight.flatten(1).shape
        rank = min(rank, outputs, inputs)
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # the sum of the weights costs the same whatever the batch
        weight = self.base.weight + (self.up @ self.down).view_as(self.base.weight)
        if isinstance(self.base, nn.Linear):
            return F.linear(x, weight, self.base.bias)
        return F.conv2d(x, weight, self.base.bias, self.base.stride, self.base.padding)


def add_lora(unet: nn.Module, rank: int) -> dict[str, LoraLayer]:
    """Puts a LoRA into every product and convolution of a UNet; by the layers' names."""
    layers = {}
    for name, module in list(unet.named_modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            parent, _, last = name.rpartition(".")
            layers[name] = LoraLayer(module, rank)
            setattr(unet.get_submodule(parent), last, layers[name])
    return layers


def parameters(layers: dict[str, LoraLayer]) -> list[nn.Parameter]:
    return [p for layer in layers.values() for p in (layer.down, layer.up)]


def lora_tensors(layers: dict[str, LoraLayer]) -> Iterator[tuple[str, torch.Tensor]]:
    """Keys and tensors as diffusers' `save_lora_weights` lays them out; alpha is the rank."""
    for name, layer in layers.items():
        down, up = layer.down.detach(), layer.up.detach()
        if isinstance(layer.base, nn.Conv2d):
            down = down.view(len(down), *layer.base.weight.shape[1:])
            up = up[:, :, None, None]
        yield f"unet.{name}.lora_A.weight", down.contiguous()
        yield f"unet.{name}.lora_B.weight", up.contiguous()


@torch.no_grad()
def merge(unet: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Adds a LoRA, as `lora_tensors` names it, to the weights of a plain UNet."""
    for key, down in tensors.items():
        if key.endswith(".lora_A.weight"):
            name = key.removesuffix(".lora_A.weight")
            weight = unet.get_submodule(name.removeprefix("unet.")).weight
            up = tensors[f"{name}.lora_B.weight"]
            weight += (up.flatten(1).to(weight) @ down.flatten(1).to(weight)).view_as(weight)


@torch.no_grad()
def truncated(tensors: dict[str, torch.Tensor], numbers: int) -> dict[str, torch.Tensor]:
    """A LoRA of `numbers` numbers at most: of all its products the singular values that change the weights least are left out.

    One that has no more than that comes back as it is.

    :param tensors: as `lora_tensors` names them
    """
    if sum(map(torch.Tensor.numel, tensors.values())) <= numbers:
        return tensors
    names = [key.removesuffix(".lora_A.weight") for key in tensors if key.endswith(".lora_A.weight")]
    parts, ranks = {}, []
    for name in names:
        up, down = (tensors[f"{name}.lora_{part}.weight"].flatten(1).double() for part in "BA")
        left, values, right = torch.linalg.svd(up @ down, full_matrices=False)
        parts[name] = (left * values.sqrt(), values.sqrt()[:, None] * right)
        size = up.shape[0] + down.shape[1]
        ranks += [(float(value) ** 2 / size, size, name) for value in values[: len(down)]]
    kept = dict.fromkeys(names, 0)
    for _, size, name in sorted(ranks, reverse=True):
        # the strongest of a layer always: a product without any is no product
        if size <= numbers or not kept[name]:
            numbers -= size
            kept[name] += 1
    result = {}
    for name, (up, down) in parts.items():
        for part, factor in (("A", down[: kept[name]]), ("B", up[:, : kept[name]])):
            key = f"{name}.lora_{part}.weight"
            shape = list(tensors[key].shape)
            shape[part == "B"] = kept[name]
            result[key] = factor.reshape(shape).to(tensors[key].dtype).contiguous()
    return result

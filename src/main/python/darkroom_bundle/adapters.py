"""Adapters of a bundle: LoRA files in the bundle's terms, which the worker adds to its weights request by request.

An adapter is a file in safetensors format, `adapters/<name>.safetensors`. A layer of the checkpoint may be some rows of a
larger product in the bundle (`unet.py`); so each of its products says where it goes: `<module>/<parameter>/<first row>/up`
and `…/down`, both two-dimensional, in the bundle's floating-point type, or in float16 where that loses nothing.

`python -m darkroom_bundle.adapters PATH` writes `adapters.pt`, the module by which the worker changes its weights.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from .bundle import digest
from .lora import LoraError, read_lora
from .torchscript import save_module

FOLDER = "adapters"

_UNET = "unet.unet."


@dataclass(frozen=True)
class Place:
    """Where a layer's weight lies in a bundle: rows of a module's parameter, seen as [out, in]."""

    module: str
    parameter: str
    row: int
    shape: tuple[int, int]


def add_adapter(bundle: Path, name: str, path: Path, few_steps: bool) -> None:
    """Turns a LoRA into an adapter of a bundle; one of this name that is there already is replaced.

    :param few_steps: whether it makes the weights draw in few steps without guidance, as LCM-LoRA does
    :raises LoraError: the LoRA does not fit the bundle, which stays as it was
    """
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    places = bundle_places(bundle)
    products = read_lora(path, {layer: place.shape for layer, place in places.items()})
    dtype = getattr(torch, manifest["dtype"])
    tensors = {}
    for layer, product in products.items():
        place = places[layer]
        for part, factor in (("up", product.up), ("down", product.down)):
            half = factor.half()
            # most LoRA files are in float16, and take half the room so
            stored = (half if torch.equal(half.float(), factor) else factor.to(dtype)).contiguous()
            if not stored.isfinite().all():
                raise LoraError(path, f"the {part} weight of {layer} does not fit the bundle's type, {manifest['dtype']}")
            tensors[f"{place.module}/{place.parameter}/{place.row}/{part}"] = stored

    file = f"{FOLDER}/{name}.safetensors"
    (bundle / FOLDER).mkdir(exist_ok=True)
    written = bundle / f"{file}.new"
    # not save_file, whose files nobody else may read
    written.write_bytes(save(tensors))
    written.replace(bundle / file)
    manifest["adapters"] = dict(sorted({**manifest.get("adapters", {}), name: {"file": file, "fewSteps": few_steps}}.items()))
    manifest["files"][file] = digest(bundle / file)
    # the manifest last, and whole: a bundle never has half an adapter
    written = bundle / "bundle.json.new"
    written.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    written.replace(bundle / "bundle.json")


def bundle_places(bundle: Path) -> dict[str, Place]:
    """Where the layers of a bundle's UNet and text encoder lie, by their names in diffusers' models."""
    places = {}
    for name, shape in _weights(bundle / "text_encoder.pt").items():
        # the bundle's module has the layers without the `encoder` round them
        if name.startswith("layers."):
            places[f"text_encoder.encoder.{name}"] = Place("text_encoder.pt", f"{name}.weight", 0, shape)
    unet = {name.removeprefix(_UNET): shape for name, shape in _weights(bundle / "unet.pt").items()}
    for layer, name, row, shape in unet_layers(unet):
        places[f"unet.{layer}"] = Place("unet.pt", f"{_UNET}{name}.weight", row, shape)
    return places


def _weights(module: Path) -> dict[str, tuple[int, int]]:
    """The weights of products and convolutions as [out, in], by the names of their layers."""
    parameters = torch.jit.load(module, map_location="cpu").named_parameters()
    return {
        name.removesuffix(".weight"): tuple(weight.flatten(1).shape)
        for name, weight in parameters
        if name.endswith(".weight") and weight.dim() in (2, 4)
    }


def unet_layers(weights: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str, int, tuple[int, int]]]:
    """Where the layers of `UNet2DConditionModel` have gone in `unet.UNet`.

    :param weights: shapes of that UNet's weights, as [out, in], by the names of their layers
    :returns: of each layer its name in diffusers' model, that of the layer that holds it, its first row there, its shape
    """

    def own(layer: str, name: str):
        if name in weights:
            yield layer, name, 0, weights[name]

    def joined(name: str, row: int, rows: int, *layers: str):
        for index, layer in enumerate(layers):
            yield layer, name, row + index * rows, (rows, weights[name][1])

    for name in weights:
        # the blocks too in a bundle that was compiled before their layers were joined
        if re.match(r"(conv_in|conv_out|time_embedding|down_blocks|mid_block|up_blocks)\b", name):
            yield from own(name, name)
    shift, context = 0, 0
    # in the order in which the UNet joins them
    for block, original in _blocks(weights):
        residuals = [f"{block}.residuals.{index}" for index in _indices(weights, f"{block}.residuals")]
        for index, residual in enumerate(residuals):
            layer = f"{original}.resnets.{index}"
            yield from own(f"{layer}.conv1", f"{residual}.conv1")
            yield from own(f"{layer}.conv2", f"{residual}.conv2")
            yield from own(f"{layer}.conv_shortcut", f"{residual}.shortcut")
            rows = weights[f"{residual}.conv1"][0]
            yield from joined("shifts", shift, rows, f"{layer}.time_emb_proj")
            shift += rows
        for index in _indices(weights, f"{block}.transformers"):
            transformer = f"{block}.transformers.{index}"
            layer = f"{original}.attentions.{index}"
            inner = f"{layer}.transformer_blocks.0"
            yield from own(f"{layer}.proj_in", f"{transformer}.proj_in")
            yield from own(f"{layer}.proj_out", f"{transformer}.proj_out")
            rows = weights[f"{transformer}.qkv"][0] // 3
            yield from joined(f"{transformer}.qkv", 0, rows, *(f"{inner}.attn1.to_{part}" for part in "qkv"))
            yield from own(f"{inner}.attn1.to_out.0", f"{transformer}.attention.out")
            yield from own(f"{inner}.attn2.to_q", f"{transformer}.query")
            yield from joined("contexts", context, rows, *(f"{inner}.attn2.to_{part}" for part in "kv"))
            context += 2 * rows
            yield from own(f"{inner}.attn2.to_out.0", f"{transformer}.cross_attention.out")
            yield from own(f"{inner}.ff.net.0.proj", f"{transformer}.gated")
            yield from own(f"{inner}.ff.net.2", f"{transformer}.out")
        sampler = "downsamplers" if block.startswith("down") else "upsamplers"
        for index in _indices(weights, f"{block}.samplers"):
            yield from own(f"{original}.{sampler}.{index}.conv", f"{block}.samplers.{index}")


def _blocks(weights: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str]]:
    yield from ((f"down.{index}", f"down_blocks.{index}") for index in _indices(weights, "down"))
    yield "middle", "mid_block"
    yield from ((f"up.{index}", f"up_blocks.{index}") for index in _indices(weights, "up"))


def _indices(weights: Mapping[str, tuple[int, int]], name: str) -> list[int]:
    """The indices below a list of modules."""
    return sorted({int(found[1]) for weight in weights if (found := re.match(rf"{re.escape(name)}\.(\d+)(\.|$)", weight))})


class Weights(torch.nn.Module):
    """Changes weights where they are, for Java."""

    @torch.jit.export
    def page_locked(self, tensors: list[Tensor]) -> list[Tensor]:
        """Copies of tensors in host memory that a GPU reads fast."""
        return [tensor.pin_memory() for tensor in tensors]

    @torch.jit.export
    def copies(self, weights: list[Tensor]) -> list[Tensor]:
        """Copies in host memory, page-locked where the weights are on a GPU, so that they are soon back."""
        copies: list[Tensor] = []
        for weight in weights:
            if weight.is_cuda:
                copies.append(weight.to("cpu").pin_memory())
            else:
                copies.append(weight.clone())
        return copies

    @torch.jit.export
    def restore(self, weights: list[Tensor], copies: list[Tensor]) -> None:
        """Makes the weights what their copies are, bit by bit."""
        with torch.no_grad():
            for weight, copied in zip(weights, copies):
                weight.copy_(copied, non_blocking=True)

    @torch.jit.export
    def add(self, weights: list[Tensor], rows: list[int], ups: list[Tensor], downs: list[Tensor], scale: float) -> None:
        """Adds `scale * up @ down` to rows of weights seen as [out, in], from each one's first row on."""
        with torch.no_grad():
            for weight, row, up, down in zip(weights, rows, ups, downs):
                part = weight.narrow(0, row, up.size(0))
                near_up = up.to(weight.device, weight.dtype, non_blocking=True)
                near_down = down.to(weight.device, weight.dtype, non_blocking=True)
                if part.dim() == 2:
                    part.addmm_(near_up, near_down, beta=1.0, alpha=scale)
                else:
                    part.add_(torch.mm(near_up, near_down).reshape(part.shape), alpha=scale)


def save_weights_module(path: Path) -> None:
    """Writes `adapters.pt`: the same bytes whenever the same torch makes it as the first module of a process."""
    save_module(torch.jit.script(Weights()), path)


if __name__ == "__main__":
    save_weights_module(Path(sys.argv[1]))

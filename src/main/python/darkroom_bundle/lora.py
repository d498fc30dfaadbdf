"""LoRA files: what they add to the weights of which layers, checked key by key before anything is changed.

Two layouts are read, and no pickles: diffusers' (peft's `lora_A` and `lora_B`, and the older `lora.down` and `lora.up`) and
kohya's (`lora_unet_…`, `lora_te_…`). Layers are called `unet.` or `text_encoder.` and their name in diffusers' model.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diffusers import UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from diffusers.utils.state_dict_utils import StateDictType
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextModel

# what diffusers' save_lora_weights calls the file
FILE = "pytorch_lora_weights.safetensors"

_KOHYA = {"lora_unet_": "unet.", "lora_te_": "text_encoder."}
_KOHYA_PARTS = {"lora_down.weight": "down", "lora_up.weight": "up", "alpha": "alpha"}
_PEFT_PARTS = {"lora_A.weight": "down", "lora_B.weight": "up", "alpha": "alpha"}


class LoraError(Exception):
    """A LoRA that does not fit: one sentence that names the file and the key at fault."""

    def __init__(self, file: Path, problem: str):
        super().__init__(f"{file}: {problem}")


@dataclass(frozen=True)
class Product:
    """What is added to a layer's weight at a scale of 1: `up @ down`, the weight seen as [out, in].

    `up` [out, rank] holds the file's alpha; of a convolution `in` is channels × height × width of its kernel. float32.
    """

    up: Tensor
    down: Tensor


def layers_of(unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> dict[str, nn.Module]:
    """The layers that a LoRA can change, by name."""
    layers = {}
    for part, model in (("unet", unet), ("text_encoder", text_encoder)):
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                layers[f"{part}.{name.removeprefix('text_model.')}"] = module
    return layers


def fuse(file: Path, scale: float, layers: Mapping[str, nn.Module]) -> None:
    """Adds a LoRA to the weights of layers, all or, where it does not fit, none.

    :raises LoraError: it does not fit
    """
    products = read_lora(file, {name: layer.weight.flatten(1).shape for name, layer in layers.items()})
    for name, product in products.items():
        weight = layers[name].weight
        delta = scale * (product.up @ product.down)
        weight.copy_((weight.float() + delta.view_as(weight).to(weight.device)).to(weight.dtype))
        _expect_finite(file, name, weight, f"does not fit {weight.dtype}")


def read_lora(path: Path, shapes: Mapping[str, tuple[int, int]]) -> dict[str, Product]:
    """What a LoRA changes.

    :param path: a file in safetensors format, or a folder with one
    :param shapes: of the weights of the model's layers, by name, as [out, in]
    :raises LoraError: it cannot be read, or a key is not one of these layers', or has another shape, or is no number
    """
    file = _file(path)
    try:
        with safe_open(file, "pt") as tensors:
            metadata = tensors.metadata() or {}
        found = load_file(file)
    except (SafetensorError, OSError) as error:
        raise LoraError(file, f"cannot be read as safetensors: {error}") from error
    parts: dict[str, dict[str, tuple[str, Tensor]]] = {}
    kohya = _kohya_names(shapes)
    for key, tensor in found.items():
        layer, part = _parse(file, key, kohya)
        if layer not in shapes:
            raise LoraError(file, f"the key {key} names no layer of this model; the LoRA is for another architecture")
        if not tensor.is_floating_point() and part != "alpha":
            raise LoraError(file, f"the key {key} is of type {tensor.dtype}, and a floating-point type is needed")
        parts.setdefault(layer, {})[part] = (key, tensor.float())
    if not parts:
        raise LoraError(file, "holds no LoRA")
    alphas = _Alphas(file, metadata)
    return {layer: _product(file, layer, of, shapes[layer], alphas) for layer, of in sorted(parts.items())}


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.safetensors"))
    if path / FILE in files:
        return path / FILE
    if len(files) != 1:
        raise LoraError(path, f"holds {len(files)} files in safetensors format and no {FILE}")
    return files[0]


def _kohya_names(shapes: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """kohya's names of layers, in which dots are underscores, to ours."""
    names = {}
    for layer in shapes:
        part, name = layer.split(".", 1)
        prefix = "lora_unet_" if part == "unet" else "lora_te_text_model_"
        names[prefix + name.replace(".", "_")] = layer
    return names


def _parse(file: Path, key: str, kohya: Mapping[str, str]) -> tuple[str, str]:
    """The layer that a key is of, whether there is one or not, and the part of its product."""
    name, _, part = key.partition(".")
    if name.startswith(tuple(_KOHYA)):
        if part in _KOHYA_PARTS:
            return kohya.get(name, name), _KOHYA_PARTS[part]
    elif name in ("unet", "text_encoder"):
        layer, _, part = _in_peft(name, part).partition(".lora_")
        part = f"lora_{part}" if part else part
        if not part and layer.endswith(".alpha"):
            layer, part = layer.removesuffix(".alpha"), "alpha"
        if part in _PEFT_PARTS:
            return f"{name}.{layer.removeprefix('text_model.')}", _PEFT_PARTS[part]
    elif re.match(r"lora_te\d_|text_encoder_\d|transformer|lora_transformer", name):
        raise LoraError(file, f"the key {key} is for another architecture than Stable Diffusion 1")
    raise LoraError(file, f"the key {key} is not known: only LoRA in diffusers' or kohya's layout is")


def _in_peft(model: str, name: str) -> str:
    """diffusers' older names in peft's terms, as diffusers itself puts them."""
    if ".lora_" in name and ".lora_linear_layer." not in name:
        return name
    if model == "unet":
        (converted,) = convert_unet_state_dict_to_peft({name: None})
    else:
        old = re.search(r"\.to_(q|k|v|out)_lora\.", name)
        layout = StateDictType.DIFFUSERS_OLD if old else StateDictType.DIFFUSERS
        (converted,) = convert_state_dict_to_peft({name: None}, original_type=layout)
    return converted


def _product(
    file: Path, layer: str, parts: Mapping[str, tuple[str, Tensor]], shape: tuple[int, int], alphas: "_Alphas"
) -> Product:
    for part in ("up", "down"):
        if part not in parts:
            key = next(key for key, _ in parts.values())
            raise LoraError(file, f"the key {key} has no counterpart: the {part} weight of {layer} is missing")
    (up_key, up), (down_key, down) = parts["up"], parts["down"]
    for key, tensor in (parts["up"], parts["down"]):
        if tensor.dim() not in (2, 4):
            raise LoraError(file, f"the key {key} has {tensor.dim()} dimensions; a product's weight has 2, a convolution's 4")
        _expect_finite(file, key, tensor, "holds a value that is not finite")
    up, down = up.flatten(1), down.flatten(1)
    rank = down.shape[0]
    if rank == 0 or up.shape[1] != rank:
        raise LoraError(file, f"the rank does not fit: {up_key} has {up.shape[1]}, {down_key} has {rank}")
    for key, width, needed, what in (
        (up_key, up.shape[0], shape[0], "gives"),
        (down_key, down.shape[1], shape[1], "takes"),
    ):
        if width != needed:
            raise LoraError(
                file,
                f"the key {key} is for a layer that {what} {width}, and {layer} {what} {needed}; "
                "the LoRA is for another architecture",
            )
    alpha_key, alpha = parts.get("alpha", ("", None))
    if alpha is None:
        scale = alphas.scale(layer, rank)
    elif alpha.numel() != 1 or not math.isfinite(alpha.item()):
        raise LoraError(file, f"the key {alpha_key} must hold one finite number")
    else:
        scale = alpha.item() / rank
    return Product(scale * up, down)


def _expect_finite(file: Path, key: str, tensor: Tensor, problem: str) -> None:
    if not tensor.isfinite().all():
        raise LoraError(file, f"the key {key} {problem}")


class _Alphas:
    """What a file of peft's layout says of its scales: nothing, or peft's own configuration in its header."""

    def __init__(self, file: Path, metadata: Mapping[str, str]):
        try:
            self._config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        except ValueError as error:
            raise LoraError(file, f"lora_adapter_metadata is not JSON: {error}") from error
        for part in ("unet", "text_encoder"):
            if self._config.get(f"{part}.use_dora"):
                raise LoraError(file, f"{part}.use_dora is set, and DoRA is not supported")

    def scale(self, layer: str, rank: int) -> float:
        part, name = layer.split(".", 1)
        alpha = self._config.get(f"{part}.lora_alpha", rank)
        for pattern, own in (self._config.get(f"{part}.alpha_pattern") or {}).items():
            if re.fullmatch(rf"(.*\.)?{pattern}", name):
                alpha = own
                break
        return alpha / (math.sqrt(rank) if self._config.get(f"{part}.use_rslora") else rank)

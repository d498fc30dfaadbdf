"""LoRAs of random numbers in the layouts that are about, for the tests and the golden images."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

# by layer its factors: `up` [out, rank, …], `down` [rank, in, …], and its alpha
Factors = dict[str, tuple[Tensor, Tensor, float]]


def random_factors(layers: Mapping[str, nn.Module], names: Iterable[str], rank: int, size: float, seed: int) -> Factors:
    """Products whose entries are about `size` times the layer's own, at an alpha of half the rank."""
    generator = torch.Generator("cpu").manual_seed(seed)
    factors = {}
    for name in names:
        weight = layers[name].weight
        down = torch.randn(rank, *weight.shape[1:], generator=generator)
        up = torch.randn(weight.shape[0], rank, *(1 for _ in weight.shape[2:]), generator=generator)
        factors[name] = (up * (size * weight.std().item() / rank**0.5 * 2), down, rank / 2)
    return factors


def save_peft(factors: Factors, file: Path) -> None:
    """As diffusers' `save_lora_weights` writes it now, alpha in the header."""
    tensors = {}
    header = {}
    for name, (up, down, alpha) in factors.items():
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
        part = name.split(".")[0]
        header |= {f"{part}.r": down.shape[0], f"{part}.lora_alpha": alpha, f"{part}.target_modules": "all-linear"}
    save_file(tensors, file, {"format": "pt", "lora_adapter_metadata": json.dumps(header)})


def save_diffusers(factors: Factors, file: Path) -> None:
    """As diffusers wrote it before peft; without alpha."""
    tensors = {}
    for name, (up, down, alpha) in factors.items():
        part, layer = name.split(".", 1)
        if part == "text_encoder":
            stem = f"text_encoder.text_model.{layer}.lora_linear_layer"
        elif ".attn" in layer:
            stem = f"unet.{layer.replace('attn1.', 'attn1.processor.').replace('attn2.', 'attn2.processor.')}_lora"
            stem = stem.replace("to_out.0_lora", "to_out_lora")
        else:
            stem = f"unet.{layer}.lora"
        tensors |= {f"{stem}.up.weight": up * (alpha / down.shape[0]), f"{stem}.down.weight": down}
    save_file(tensors, file, {"format": "pt"})


def save_kohya(factors: Factors, file: Path) -> None:
    tensors = {}
    for name, (up, down, alpha) in factors.items():
        part, layer = name.split(".", 1)
        stem = ("lora_unet_" if part == "unet" else "lora_te_text_model_") + layer.replace(".", "_")
        tensors |= {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down, f"{stem}.alpha": torch.tensor(alpha)}
    save_file(tensors, file, {"ss_network_module": "networks.lora"})


LAYOUTS: dict[str, Callable[[Factors, Path], None]] = {
    "peft": save_peft,
    "diffusers": save_diffusers,
    "kohya": save_kohya,
}

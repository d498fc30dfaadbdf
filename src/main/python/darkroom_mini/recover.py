"""`python -m darkroom_mini.recover --bundle DIR --out DIR`: the trained weights of a compiled bundle of mini.

What `darkroom_mini.train` would have left in `--out`, so that its stages can go on from there, or `darkroom_mini.export` can make
a checkpoint for diffusers of it. What the bundle has not, the Tiny VAE's encoder, is random.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from darkroom_bundle.adapters import bundle_places
from darkroom_bundle.modules import Decoder, DenoisingStep, Encoder, NoisePrediction, TextEncoder

from .tokenizer import train_tokenizer
from .train import collect
from .training import architecture, configuration, save_models, save_tensors
from .vocabulary import corpus

FEW_STEPS = "adapters/lcm.safetensors"
ABSORBED = r"\.resnets\.\d+\.conv1\.bias$"
"""What `darkroom_bundle.unet` adds to the projection of the timestep."""


@torch.no_grad()
def recover(
    model: nn.Module,
    rearrange: Callable[[nn.Module], nn.Module],
    trained: Mapping[str, torch.Tensor],
    absorbed: str = "$.",
) -> nn.Module:
    """`model` with the weights that `rearrange(model)` has in `trained`; those that went nowhere stay as they are.

    Every weight is numbered, and the numbers are looked up where the bundle's arrangement has taken them.

    :param absorbed: pattern of the names of weights that the arrangement adds to others, where they now are; these become zero
    """
    weights = dict(model.named_parameters())
    found, numbers = [torch.zeros(1)], {}
    for name, weight in weights.items():
        if re.search(absorbed, name):
            weight.zero_()
        first = sum(map(torch.numel, found))
        numbers[name] = torch.arange(first, first + weight.numel(), dtype=torch.float64).view_as(weight)
        found.append(weight.flatten().clone())
    values = torch.cat(found)
    for name, weight in weights.items():
        weight.data = numbers[name] * (not re.search(absorbed, name))
    for name, arranged in rearrange(model.double()).named_parameters():
        # these are made, not trained
        if not name.endswith(("frequencies", "causal_mask")):
            values[arranged.flatten().long()] = trained[name].flatten()
    for name, weight in weights.items():
        weight.data = values[numbers[name].long()]
    return model.float()


def step(unet: nn.Module) -> nn.Module:
    """A UNet as the bundle's module `unet.pt` has it."""
    return DenoisingStep(NoisePrediction(unet))


def scaling_factor(decoder: torch.jit.ScriptModule) -> float:
    """What a decoder's module divides its latents by first."""
    division = next(node for node in decoder.inlined_graph.nodes() if node.kind() == "aten::div")
    return float(list(division.inputs())[1].toIValue())


def few_steps(bundle: Path, unet: nn.Module) -> dict[str, torch.Tensor]:
    """The adapter of few steps as diffusers' `save_lora_weights` lays it out."""
    layers = {(place.module, place.parameter, place.row): layer for layer, place in bundle_places(bundle).items()}
    tensors = {}
    for key, tensor in load_file(bundle / FEW_STEPS).items():
        module, parameter, row, part = key.split("/")
        layer = layers[module, parameter, int(row)]
        original = unet.get_submodule(layer.removeprefix("unet."))
        if isinstance(original, nn.Conv2d):
            tensor = tensor[:, :, None, None] if part == "up" else tensor.view(len(tensor), *original.weight.shape[1:])
        tensors[f"{layer}.lora_{'B' if part == 'up' else 'A'}.weight"] = tensor.contiguous()
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.recover", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="models/mini, say")
    parser.add_argument("--out", type=Path, required=True, help="a folder as `darkroom_mini.train --out` has it")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    shape = architecture(configuration())
    modules = {path.stem: torch.jit.load(path, map_location="cpu") for path in arguments.bundle.glob("*.pt")}

    def trained(name: str) -> dict[str, torch.Tensor]:
        return dict(modules[name].named_parameters())

    text = recover(shape.text_encoder(train_tokenizer(corpus(), configuration()["tokens"])), TextEncoder, trained("text_encoder"))
    unet = recover(shape.unet(), step, trained("unet"), ABSORBED)
    vae = recover(recover(shape.vae(), Decoder, trained("vae_decoder")), Encoder, trained("vae_encoder"))
    tiny = recover(shape.tiny_vae(), Decoder, trained("tiny_decoder"))
    factor = torch.tensor(scaling_factor(modules["vae_decoder"]))
    save_models(arguments.out / "diffusion", {"unet": unet, "text": text}, scaling_factor=factor)
    save_models(arguments.out / "decoders", {"vae": vae, "tiny": tiny}, scaling_factor=factor)
    save_tensors(arguments.out / "lcm", few_steps(arguments.bundle, unet), "pytorch_lora_weights")
    collect(arguments.out)


if __name__ == "__main__":
    main()

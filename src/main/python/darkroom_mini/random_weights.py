"""`python -m darkroom_mini.random_weights --out DIR`: a checkpoint of `mini` with random weights.

It draws nothing that can be recognised, but every image depends on its prompt, its negative prompt, its seed, every
step and the decoder, which is what a test of the pipeline needs. The same seed gives the same weights.
"""

import argparse
import itertools
import math
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from .architecture import Architecture, save_checkpoint
from .tokenizer import train_tokenizer

COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray")
OBJECTS = ("circle", "square", "triangle", "star", "heart", "house", "tree", "flower", "boat", "fish", "moon", "sun")
STYLES = ("photo", "watercolor", "sketch", "pixel art", "oil painting")


def captions() -> list[str]:
    """A few hundred captions, enough for the merges of the words in them."""
    return [
        f"a {style} of a {color} {thing} on a {ground} background"
        for style, color, thing, ground in itertools.product(STYLES, COLORS, OBJECTS, COLORS)
        if color != ground
    ] + ["blurry, low quality, distorted"] * 200


def randomize(model: nn.Module, generator: torch.Generator) -> None:
    """Weights that keep the variance of what flows through them, so that a deep model neither fades nor explodes."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, 1 / math.sqrt(fan_in), generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.02, generator=generator)
        elif isinstance(module, nn.Embedding):
            module.weight.data.normal_(0, 0.5, generator=generator)


def follow_the_prompt(unet: UNet2DConditionModel) -> None:
    """Cross-attention of random weights averages over the whole prompt: sharpen it and let it weigh more."""
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            module.to_q.weight.data.mul_(4)
            module.to_out[0].weight.data.mul_(6)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.random_weights", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the checkpoint is written")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights (default 0)")
    arguments = parser.parse_args()

    architecture = Architecture()
    tokenizer = train_tokenizer(captions(), 768)
    generator = torch.Generator("cpu").manual_seed(arguments.seed)
    models = (
        architecture.text_encoder(tokenizer),
        architecture.unet(),
        architecture.vae(),
        architecture.tiny_vae(),
    )
    for model in models:
        randomize(model, generator)
    follow_the_prompt(models[1])
    # within the pixels' range instead of clamped to black and white
    models[3].decoder.layers[-1].weight.data.mul_(0.1)
    models[3].decoder.layers[-1].bias.data.fill_(0.5)
    save_checkpoint(arguments.out, tokenizer, *models)


if __name__ == "__main__":
    main()

"""`python -m darkroom_mini.random_weights --out DIR`: a checkpoint with random weights, of `mini` or Stable Diffusion 1.5.

It draws nothing that can be recognised, but every image depends on its prompt, its negative prompt, its seed, every
step and the decoder, which is what a test of the pipeline needs, and it takes the time that trained weights take. The
same seed gives the same weights on the same kind of device (`--device`) in the same `--dtype`.
"""

import argparse
import itertools
import math
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import nn

from .architecture import STABLE_DIFFUSION_1_5, Architecture, save_checkpoint
from .tokenizer import train_tokenizer

# a pipeline is not tested better by more pixels
ARCHITECTURES = {"mini": Architecture(image_size=128), "stable-diffusion-1.5": STABLE_DIFFUSION_1_5}
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


def within_the_pixels_range(tiny_vae: AutoencoderTiny) -> None:
    """Its decoder has no norms: keep it from clamping to black and white."""
    tiny_vae.decoder.layers[-1].weight.data.mul_(0.1)
    tiny_vae.decoder.layers[-1].bias.data.fill_(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.random_weights", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the checkpoint is written")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights (default 0)")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="mini", help="default mini")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32", help="of the weights; default float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where they are drawn")
    arguments = parser.parse_args()

    architecture = ARCHITECTURES[arguments.architecture]
    tokenizer = train_tokenizer(captions(), 768)
    generator = torch.Generator(arguments.device).manual_seed(arguments.seed)
    torch.set_default_dtype(getattr(torch, arguments.dtype))
    with torch.device(arguments.device):
        models = (
            architecture.text_encoder(tokenizer),
            architecture.unet(),
            architecture.vae(),
            architecture.tiny_vae(),
        )
    for model in models:
        randomize(model, generator)
    if arguments.architecture == "mini":
        # a UNet that is so much deeper follows the prompt anyway, and sharpened it would be too much for float16
        follow_the_prompt(models[1])
    within_the_pixels_range(models[3])
    save_checkpoint(arguments.out, tokenizer, *(model.cpu() for model in models))


if __name__ == "__main__":
    main()

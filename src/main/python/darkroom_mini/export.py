"""`python -m darkroom_mini.export --weights DIR --out DIR`: trained weights as a checkpoint in diffusers layout.

Beside the checkpoint's own folders, `few_steps` holds the LoRA that draws in few steps, as diffusers'
`save_lora_weights` would write it, in float16 and of as many numbers as the configuration gives it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import save_file

from .architecture import save_checkpoint
from .lora_layers import truncated
from .tokenizer import train_tokenizer
from .training import architecture, configuration, load_tensors
from .vocabulary import COLORS, OBJECT_NAMES, STYLES, corpus

LORA = "few_steps/pytorch_lora_weights.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.export", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="the folder weights of darkroom_mini.train")
    parser.add_argument("--out", type=Path, required=True, help="where the checkpoint is written")
    arguments = parser.parse_args()
    config = configuration()
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    models = {"text": shape.text_encoder(tokenizer), "unet": shape.unet(), "vae": shape.vae(), "tiny": shape.tiny_vae()}
    tensors = load_tensors(arguments.weights)
    lora = {name: tensors.pop(name).float() for name in list(tensors) if ".lora_" in name}
    lora = {name: factor.half() for name, factor in truncated(lora, config["lcm"]["numbers"]).items()}
    for name, model in models.items():
        model.load_state_dict({k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")})
    models["vae"].register_to_config(scaling_factor=float(tensors["scaling_factor"]))
    save_checkpoint(arguments.out, tokenizer, *models.values())
    (arguments.out / LORA).parent.mkdir(exist_ok=True)
    save_file(lora, arguments.out / LORA)
    drawable = {"objects": list(OBJECT_NAMES), "colors": {k: list(v) for k, v in COLORS.items()}, "styles": list(STYLES)}
    (arguments.out / "vocabulary.json").write_text(json.dumps(drawable, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""`python -m darkroom_mini.export --weights DIR --out DIR`: trained weights as a checkpoint in diffusers layout."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .architecture import save_checkpoint
from .tokenizer import train_tokenizer
from .training import architecture, configuration, load_models
from .vocabulary import COLORS, OBJECT_NAMES, STYLES, corpus


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.export", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="folder with the weights of stage 3")
    parser.add_argument("--out", type=Path, required=True, help="where the checkpoint is written")
    arguments = parser.parse_args()
    config = configuration()
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    models = {"text": shape.text_encoder(tokenizer), "unet": shape.unet(), "vae": shape.vae(), "tiny": shape.tiny_vae()}
    extra = load_models(arguments.weights, models)
    models["vae"].register_to_config(scaling_factor=float(extra["scaling_factor"]))
    save_checkpoint(arguments.out, tokenizer, *models.values())
    drawable = {"objects": list(OBJECT_NAMES), "colors": {k: list(v) for k, v in COLORS.items()}, "styles": list(STYLES)}
    (arguments.out / "vocabulary.json").write_text(json.dumps(drawable, indent=2) + "\n")


if __name__ == "__main__":
    main()

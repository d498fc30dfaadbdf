"""`python -m darkroom_mini.train --icons FILE --out DIR`: every stage of the training, one after the other.

A stage takes a share of time, which `training.json` gives in seconds and a variable of the environment in capitals
(`DIFFUSION=600`) instead of it; learning rates follow the clock. What a stage makes is in a folder of its own below `--out` as
soon as it ends, so that `--stages` can go on from there. Of a stage that is done already, `diffusion` and `decoders` go on from
their weights when they are named again; `tiny` always does. `darkroom_mini.recover` takes the weights from a bundle.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch

from . import classifier, train_decoders, train_diffusion, train_lcm, train_tiny, train_vae
from .rate import rate
from .training import CONFIGURATION, configuration, load_tensors, save_tensors

STAGES = {
    "vae": train_vae.train,
    "diffusion": train_diffusion.train,
    "decoders": train_decoders.train,
    "judge": classifier.train,
    "lcm": train_lcm.train,
    "tiny": train_tiny.train,
}


def collect(out: Path) -> None:
    """Puts what the model consists of into `out`/weights: in float32, but for the encoder, which is not shipped."""
    tensors: dict[str, torch.Tensor] = {}
    for stage in ("vae", "diffusion", "decoders"):
        tensors |= load_tensors(out / stage)
    tensors |= load_tensors(out / "lcm", "pytorch_lora_weights")
    tensors |= load_tensors(out / "judge")
    unneeded = ("vae.encoder.", "vae.quant_conv.", "tiny.encoder.")
    tensors = {k: v.half() if k.startswith(unneeded) and v.is_floating_point() else v for k, v in tensors.items()}
    save_tensors(out / "weights", tensors)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.train", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIGURATION)
    parser.add_argument("--icons", type=Path, required=True, help="what darkroom_mini.icons wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of what the stages make: weights, log, pictures")
    parser.add_argument("--stages", default=",".join([*STAGES, "rate"]), help="some of them, with commas; default all")
    parser.add_argument("--prompts", type=int, default=300, help="that `rate` draws; default 300")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = configuration(arguments.config)
    # the host's part is small, and other processes may want its cores
    if torch.cuda.is_available():
        torch.set_num_threads(4)
    for name in arguments.stages.split(","):
        began = time.monotonic()
        print(f"== {name}", flush=True)
        if name == "rate":
            collect(arguments.out)
            rate(config, arguments.out, arguments.prompts)
        else:
            seconds = float(os.environ.get(name.upper(), config["seconds"][name]))
            STAGES[name](config, arguments.icons, arguments.out, seconds)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        with (arguments.out / "stages.jsonl").open("a") as file:
            file.write(json.dumps({"stage": name, "seconds": round(time.monotonic() - began, 1)}) + "\n")


if __name__ == "__main__":
    main()

"""`python -m darkroom_bench.kernels`: how many kernels an image takes, put into Darkroom's rows of `gpu.json`.

The worker replays CUDA graphs, which hold the kernels of the compiled packages that they were captured from. So each
package is run under torch's profiler, and an image takes the text encoder's kernels once, the step's for every step and
the decoder's once. Memory sets and copies are not counted, nor are they in diffusers' rows.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch

from darkroom_bundle import packages
from darkroom_bundle.packages import Graph

from .peers import count_kernels
from .profiles import PROFILES

Counted = dict[str, Any]


def of_packages(bundle: Path) -> dict[Graph, Counted]:
    """The kernels of each package for this GPU, and the seconds that it is busy with them."""
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    directory = bundle / "compiled" / packages.architecture("cuda")
    counted: dict[Graph, Counted] = {}
    weights: dict[str, dict[str, torch.Tensor]] = {}
    for graph in packages.graphs(manifest):
        if graph.module not in weights:
            weights = {graph.module: packages.load_weights(bundle / graph.module, "cuda")}
        package = packages.load_package(directory / graph.file, weights[graph.module])
        inputs = packages.random_inputs(graph, manifest, "cuda")
        for _ in range(2):
            package(*inputs)
        torch.cuda.synchronize()
        counted[graph] = count_kernels(partial(package, *inputs))
    return counted


def of_image(profile: str, batch: int, counted: dict[Graph, Counted]) -> Counted:
    """The kernels of a batch, and the seconds of an image; empty if there is no package for one of its parts.

    The negative prompt is not among them: its embeddings are kept.
    """
    of = PROFILES[profile]
    decoder = "tiny_decoder.pt" if of.decoder == "tiny" else "vae_decoder.pt"
    times: dict[tuple[str, bool | None], int] = {
        ("text_encoder.pt", None): 1,
        ("unet.pt", True): of.guided_steps,
        ("unet.pt", False): of.steps - of.guided_steps,
        (decoder, None): 1,
    }
    times = {part: count for part, count in times.items() if count}
    own = {
        (graph.module, graph.guided): graph for graph in counted if graph.batchSize == batch and graph.tokens is None
    }
    if not times.keys() <= own.keys():
        return {}
    parts = [(count, counted[own[part]]) for part, count in times.items()]
    return {
        "kernels": sum(count * part["kernels"] for count, part in parts),
        "kernelSecondsPerImage": sum(count * part["kernelSeconds"] for count, part in parts) / batch,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="with packages for this GPU")
    parser.add_argument("--json", type=Path, required=True, help="what ./darkroom bench gpu wrote")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    counted = of_packages(arguments.bundle)
    figures = json.loads(arguments.json.read_text("utf-8"))
    for row in figures["rows"]:
        if row["implementation"] == "darkroom" and row["compiled"]:
            row |= of_image(row["profile"], row["batch"], counted)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

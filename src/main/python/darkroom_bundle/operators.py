"""The operators of the compiled path, declared: what a package's metadata says, and the module that calls the operators.

`src/main/cpp` defines them. Java reaches them through `operators.pt`, a TorchScript module with a method for each.
`python -m darkroom_bundle.operators FILE` makes that file; no C++ library is needed to make it.
"""

import functools
import sys
from pathlib import Path

import torch

from darkroom_bundle.torchscript import save_module

# as in src/main/cpp/operators.cpp
_ATTENTION = "attention(Tensor queries, Tensor keys, Tensor values, int heads) -> Tensor"
SCHEMAS = (
    "load(str package, str torch_version, str architecture, Dict(str, Tensor) weights, int device) -> int",
    "run(int graph, Tensor[] inputs, int[] rows) -> Tensor[]",
    "unload() -> ()",
    "memory(int device) -> int[]",
    "synchronize(int device) -> ()",
    "architecture(int device) -> str",
)

_LIBRARIES: list[torch.library.Library] = []


@functools.cache
def define_attention() -> None:
    """Makes `torch.ops.darkroom.attention`, which packages call: attention of heads, by cuDNN on a GPU.

    Its result is [B, tokens, heads × width], dense. torch's own operator leaves its result as the query lies, and torch
    2.7 declares it to inductor as [B, heads, tokens, width]: what inductor makes of that is right by luck alone.
    A worker has it from the library, this process from here.
    """
    if not hasattr(torch.ops.darkroom, "attention"):
        library = torch.library.Library("darkroom", "FRAGMENT")
        library.define(_ATTENTION)
        library.impl("attention", _attention, "CompositeExplicitAutograd")
        # or it would end with this call
        _LIBRARIES.append(library)
    torch.library.register_fake("darkroom::attention", lambda queries, keys, values, heads: queries.new_empty(queries.shape))


def _attention(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, heads: int) -> torch.Tensor:
    parts = [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (queries, keys, values)]
    if queries.is_cuda:
        result = torch.ops.aten._scaled_dot_product_cudnn_attention(*parts, None, False)[0]
    else:
        result = torch.nn.functional.scaled_dot_product_attention(*parts)
    return result.transpose(1, 2).flatten(2).contiguous()


def package_metadata(weights: dict[str, torch.Tensor], inputs: tuple[torch.Tensor, ...]) -> dict[str, str]:
    """For `aot_inductor.metadata`: what a package takes, the module's inputs and then its weights, each in order.

    The operators find the weights by it, and compare weights and inputs with it.

    :param weights: the parameters of the compiled module, by name
    :param inputs: those that the module was exported with
    """
    return {
        **{f"input {index}": _shape(tensor) for index, tensor in enumerate(inputs)},
        **{
            f"weight {index}": f"{name} {_shape(tensor)} strides {_strides(tensor)}"
            for index, (name, tensor) in enumerate(weights.items())
        },
    }


def weight_names(metadata: dict[str, str]) -> list[str]:
    """The weights that a package takes, in order."""
    count = sum(key.startswith("weight ") for key in metadata)
    return [metadata[f"weight {index}"].split(" ", 1)[0] for index in range(count)]


def _shape(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _strides(tensor: torch.Tensor) -> list[int]:
    # the stride of a dimension of size 1 says nothing
    return [1 if size == 1 else stride for size, stride in zip(tensor.shape, tensor.stride())]


class Operators(torch.nn.Module):
    """Calls the operators from Java."""

    @torch.jit.export
    def load(
        self, package: str, torch_version: str, architecture: str, weights: dict[str, torch.Tensor], device: int
    ) -> int:
        """Loads a package and returns the handle of its graph.

        :param package: path of a `.pt2` file
        :param torch_version: what it was compiled with
        :param architecture: what it was compiled for: `sm_90`, or `cpu`
        :param weights: on the device, by their names in the module; kept alive until `unload`
        :param device: of a GPU its index, -1 the CPU
        """
        return torch.ops.darkroom.load(package, torch_version, architecture, weights, device)

    @torch.jit.export
    def run(self, graph: int, inputs: list[torch.Tensor], rows: list[int]) -> list[torch.Tensor]:
        """Runs a graph. On a GPU the outputs are overwritten by the next run of the same graph.

        :param rows: one an input: `inputs[i][rows[i]]` instead of the input, or -1 for the whole
        """
        return torch.ops.darkroom.run(graph, inputs, rows)

    @torch.jit.export
    def unload(self) -> None:
        """Frees all graphs, and gives the memory that torch does not use back to the device."""
        torch.ops.darkroom.unload()

    @torch.jit.export
    def memory(self, device: int) -> list[int]:
        """Peak allocated and peak reserved bytes of the allocator since the last call, used and total bytes of the GPU."""
        return torch.ops.darkroom.memory(device)

    @torch.jit.export
    def synchronize(self, device: int) -> None:
        """Waits for all that was given to the device."""
        torch.ops.darkroom.synchronize(device)

    @torch.jit.export
    def architecture(self, device: int) -> str:
        """`sm_90` for compute capability 9.0, `cpu` for the CPU."""
        return torch.ops.darkroom.architecture(device)


def save_operators(path: Path) -> None:
    """Writes `operators.pt`: the same bytes whenever the same torch makes it as the first module of a process."""
    if not hasattr(torch.ops.darkroom, "run"):
        library = torch.library.Library("darkroom", "DEF")
        for schema in SCHEMAS:
            # or TorchScript would drop the calls that return nothing
            library.define(schema, alias_analysis="CONSERVATIVE")
    save_module(torch.jit.script(Operators()), path)


if __name__ == "__main__":
    save_operators(Path(sys.argv[1]))

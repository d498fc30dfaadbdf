"""The operator library of `src/main/cpp`, built for this torch, with packages compiled for the CPU.

A package's CUDA graph needs a GPU; all else is the same on both.
"""

import json
import os
import subprocess
import sys
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import scaled_dot_product_attention

from conftest import SOURCES
from darkroom_bundle.operators import define_attention
from darkroom_bundle.packages import compile_package
from darkroom_bundle.torchscript import torch_version

LIBRARY_SOURCES = SOURCES.parent / "cpp"
OPERATORS = SOURCES.parent / "resources/dev/darkroom/torch/operators.pt"


class Step(torch.nn.Module):
    """A convolution and two outputs, as a denoising step has them. Inductor makes literals of up to 8 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(16, 16, 3, padding=1)
        self.bias = torch.nn.Parameter(torch.randn(16))

    def forward(
        self, sample: torch.Tensor, ids: torch.Tensor, coefficients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = coefficients
        denoised = torch.tanh(self.convolution(sample)) * a + self.bias[ids][:, :, None, None]
        return sample + b * denoised, denoised


INPUTS = {
    2: (torch.randn(2, 16, 8, 8), torch.arange(16).repeat(2, 1), torch.tensor([0.5, 2.0])),
    1: (torch.randn(1, 16, 8, 8), torch.arange(16).flip(0)[None], torch.tensor([0.25, 1.0])),
}


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> Path:
    """The library, built as the README says."""
    build = tmp_path_factory.mktemp("operators")
    for command in (
        ["cmake", "-S", LIBRARY_SOURCES, "-B", build, f"-DTORCH={torch.__path__[0]}", "-DDARKROOM_CUDA=OFF"],
        ["cmake", "--build", build],
    ):
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    return build / "libdarkroom_operators.so"


@pytest.fixture(scope="session")
def operators(library) -> torch.jit.ScriptModule:
    """The module that Java calls."""
    torch.ops.load_library(str(library))
    return torch.jit.load(OPERATORS)


@pytest.fixture(scope="session")
def model() -> Step:
    torch.manual_seed(0)
    model = Step().eval()
    model.convolution.to(memory_format=torch.channels_last)
    return model


@pytest.fixture(scope="session")
def packages(model, tmp_path_factory) -> dict[int, str]:
    """A package for each batch size."""
    directory = tmp_path_factory.mktemp("packages")
    compiled = {}
    for batch_size, inputs in INPUTS.items():
        compiled[batch_size] = directory / f"step-{batch_size}.pt2"
        with torch.no_grad():
            compile_package(model, dict(model.named_parameters()), inputs, compiled[batch_size])
    return {batch_size: str(path) for batch_size, path in compiled.items()}


@pytest.fixture(scope="session")
def bare_package(packages, tmp_path_factory) -> str:
    """A package without our metadata, as others make them."""
    path = tmp_path_factory.mktemp("bare") / "bare.pt2"
    with zipfile.ZipFile(packages[1]) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("_metadata.json"):
                metadata = json.loads(content)
                own = [key for key in metadata if key.startswith(("input ", "weight "))]
                assert own
                content = json.dumps({key: value for key, value in metadata.items() if key not in own})
            target.writestr(name, content)
    return str(path)


@pytest.fixture
def weights(model) -> dict[str, torch.Tensor]:
    """A copy of the model's parameters, in their layout."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.fixture(autouse=True)
def unloaded(operators) -> Iterator[None]:
    """Every test begins and ends without a graph."""
    yield
    operators.unload()


def load(operators, package: str, weights: dict[str, torch.Tensor], **other) -> int:
    arguments = {"torch_version": torch_version(), "architecture": "cpu", "device": -1} | other
    return operators.load(package, weights=weights, **arguments)


def refusal(call, *arguments, **named) -> str:
    """The sentence with which a call is refused, as TorchScript passes it on."""
    with pytest.raises(RuntimeError) as error:
        call(*arguments, **named)
    return str(error.value).rsplit("RuntimeError: ", 1)[1].split("\n", 1)[0]


class TestRunning:
    def test_gives_what_the_module_gives(self, operators, model, packages, weights):
        for batch_size, inputs in INPUTS.items():
            graph = load(operators, packages[batch_size], weights)
            with torch.no_grad():
                expected = model(*inputs)
            for _ in range(3):
                torch.testing.assert_close(tuple(operators.run(graph, list(inputs), [-1, -1, -1])), expected)

    def test_outputs_serve_as_inputs(self, operators, model, packages, weights):
        first, second = (load(operators, packages[1], weights) for _ in range(2))
        sample, *others = INPUTS[1]
        with torch.no_grad():
            expected = model(model(sample, *others)[0], *others)
        step = operators.run(first, [sample, *others], [-1] * 3)
        torch.testing.assert_close(tuple(operators.run(second, [step[0], *others], [-1] * 3)), expected)

    def test_takes_a_row_of_an_input(self, operators, model, packages, weights):
        sample, ids, _ = INPUTS[2]
        table = torch.tensor([[0.5, 2.0], [0.1, 0.3], [1.5, -1.0]])
        graph = load(operators, packages[2], weights)
        for row, coefficients in enumerate(table):
            with torch.no_grad():
                expected = model(sample, ids, coefficients)
            torch.testing.assert_close(tuple(operators.run(graph, [sample, ids, table], [-1, -1, row])), expected)

    def test_takes_an_input_of_any_layout(self, operators, model, packages, weights):
        sample, *others = INPUTS[2]
        with torch.no_grad():
            expected = model(sample, *others)
        graph = load(operators, packages[2], weights)
        channels_last = sample.to(memory_format=torch.channels_last)
        torch.testing.assert_close(tuple(operators.run(graph, [channels_last, *others], [-1] * 3)), expected)

    def test_ignores_weights_that_the_package_does_not_use(self, operators, packages, weights):
        graph = load(operators, packages[1], {**weights, "other": torch.zeros(1)})
        assert len(operators.run(graph, list(INPUTS[1]), [-1] * 3)) == 2

    def test_graphs_use_the_weights_where_they_are(self, operators, model, packages, weights):
        graphs = {batch_size: load(operators, package, weights) for batch_size, package in packages.items()}
        for weight in weights.values():
            weight.mul_(0.5)
        for batch_size, inputs in INPUTS.items():
            with torch.no_grad():
                expected = functional_call(model, weights, inputs)
            torch.testing.assert_close(tuple(operators.run(graphs[batch_size], list(inputs), [-1] * 3)), expected)

    def test_keeps_the_weights_until_it_is_unloaded(self, operators, model, packages, weights):
        array = model.bias.detach().numpy().copy()
        alive = weakref.ref(array)
        weights["bias"] = torch.from_numpy(array)
        graph = load(operators, packages[1], weights)
        del array
        weights.clear()
        with torch.no_grad():
            expected = model(*INPUTS[1])
        torch.testing.assert_close(tuple(operators.run(graph, list(INPUTS[1]), [-1] * 3)), expected)
        assert alive() is not None
        operators.unload()
        assert alive() is None


class Attention(torch.nn.Module):
    """Queries, keys and values as parts of one product, as in a transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3 * 32, 32) / 32)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        queries, keys, values = (tokens @ self.weight.T).chunk(3, dim=-1)
        return torch.ops.darkroom.attention(queries, keys, values, 4) @ self.weight[:32]


def test_a_package_calls_the_library_s_attention(operators, tmp_path):
    define_attention()
    torch.manual_seed(0)
    module, tokens = Attention().eval(), torch.randn(2, 20, 32)
    weights = {"weight": module.weight.detach()}
    parts = [part.unflatten(-1, (4, 8)).transpose(1, 2) for part in (tokens @ module.weight.T).chunk(3, dim=-1)]
    expected = scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2) @ module.weight[:32]
    path = tmp_path / "attention.pt2"
    with torch.no_grad():
        compile_package(module, weights, (tokens,), path)
    graph = load(operators, str(path), weights)
    torch.testing.assert_close(operators.run(graph, [tokens], [-1])[0], expected.detach())


def test_the_library_s_attention_takes_the_place_of_the_compiler_s(library):
    program = f"""
import torch
from darkroom_bundle.operators import define_attention
define_attention()
torch.ops.load_library({str(library)!r})
print(torch.ops.darkroom.attention(*3 * [torch.ones(1, 2, 8)], 2).shape, torch.ops.darkroom.architecture(-1))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(SOURCES)}, capture_output=True, text=True
    )
    assert result.stdout.strip() == "torch.Size([1, 2, 8]) cpu", result.stderr


class TestRefusals:
    def test_a_package_of_another_torch(self, operators, packages, weights):
        assert refusal(load, operators, packages[1], weights, torch_version="2.4.0+cu118") == (
            f"{packages[1]} was compiled with torch 2.4.0+cu118, this is {torch_version()}: "
            "compile the bundle's packages again with this torch"
        )

    def test_a_build_suffix_makes_no_other_torch(self, operators, packages, weights):
        assert load(operators, packages[1], weights, torch_version=f"{torch_version()}+cu999") >= 0

    def test_a_package_for_another_architecture(self, operators, packages, weights):
        assert refusal(load, operators, packages[1], weights, architecture="sm_90") == (
            f"{packages[1]} was compiled for sm_90, this is cpu: compile the bundle's packages on this device"
        )

    def test_a_gpu_without_cuda(self, operators, packages, weights):
        sentence = "device 0 is a GPU, and this library was built without CUDA"
        assert refusal(load, operators, packages[1], weights, device=0) == sentence
        assert refusal(operators.memory, 0) == sentence
        assert refusal(operators.synchronize, 0) == sentence
        assert refusal(operators.architecture, 0) == sentence

    def test_a_device_that_is_none(self, operators):
        assert refusal(operators.architecture, -2) == "device -2 is none: -1 is the CPU, 0 the first GPU"

    def test_a_file_that_is_no_package(self, operators, weights, tmp_path):
        missing, broken = tmp_path / "missing.pt2", tmp_path / "broken.pt2"
        broken.write_bytes(b"not a zip archive")
        for package in (missing, broken):
            assert refusal(load, operators, str(package), weights).startswith(f"{package} cannot be loaded: ")

    def test_a_missing_weight(self, operators, packages, weights):
        del weights["bias"]
        assert refusal(load, operators, packages[1], weights) == "step-1.pt2: the weight bias is missing"

    def test_a_weight_of_another_type(self, operators, packages, weights):
        weights["bias"] = weights["bias"].double()
        assert refusal(load, operators, packages[1], weights) == (
            "step-1.pt2: the weight bias is float64[16] strides [1], "
            "the package was compiled for float32[16] strides [1]"
        )

    def test_a_package_that_does_not_say_what_it_takes(self, operators, bare_package, weights):
        assert refusal(load, operators, bare_package, weights) == (
            "bare.pt2 does not say what it takes: compile the bundle's packages again"
        )

    def test_a_weight_of_another_shape(self, operators, packages, weights):
        weights["bias"] = torch.zeros(17)
        assert refusal(load, operators, packages[1], weights) == (
            "step-1.pt2: the weight bias is float32[17] strides [1], "
            "the package was compiled for float32[16] strides [1]"
        )

    def test_a_weight_of_another_layout(self, operators, packages, weights):
        weights["convolution.weight"] = weights["convolution.weight"].contiguous()
        assert refusal(load, operators, packages[1], weights) == (
            "step-1.pt2: the weight convolution.weight is float32[16, 16, 3, 3] strides [144, 9, 3, 1], "
            "the package was compiled for float32[16, 16, 3, 3] strides [144, 1, 48, 16]"
        )

    def test_a_handle_of_no_graph(self, operators, packages, weights):
        graph = load(operators, packages[1], weights)
        for handle in (-1, graph + 1):
            assert refusal(operators.run, handle, [], []) == (
                f"there is no graph {handle}: it was not loaded, or it was unloaded"
            )
        operators.unload()
        assert refusal(operators.run, graph, [], []).startswith(f"there is no graph {graph}")

    def test_a_wrong_number_of_inputs(self, operators, packages, weights):
        graph = load(operators, packages[1], weights)
        sentence = "step-1.pt2: 2 inputs given, the package takes 3"
        assert refusal(operators.run, graph, list(INPUTS[1][:2]), [-1, -1]) == sentence

    def test_an_input_of_another_shape(self, operators, packages, weights):
        graph = load(operators, packages[1], weights)
        assert refusal(operators.run, graph, [INPUTS[2][0], *INPUTS[1][1:]], [-1] * 3) == (
            "step-1.pt2: input 0 is float32[2, 16, 8, 8], the package takes float32[1, 16, 8, 8]"
        )

    def test_an_input_of_another_type(self, operators, packages, weights):
        sample, ids, coefficients = INPUTS[1]
        graph = load(operators, packages[1], weights)
        assert refusal(operators.run, graph, [sample, ids.int(), coefficients], [-1] * 3) == (
            "step-1.pt2: input 1 is int32[1, 16], the package takes int64[1, 16]"
        )

    def test_an_input_of_another_device(self, operators, packages, weights):
        sample, *others = INPUTS[1]
        graph = load(operators, packages[1], weights)
        assert refusal(operators.run, graph, [sample.to("meta"), *others], [-1] * 3) == (
            "step-1.pt2: input 0 is on meta, the package runs on cpu"
        )

    def test_rows_that_are_not_one_an_input(self, operators, packages, weights):
        graph = load(operators, packages[1], weights)
        sentence = "2 rows given for 3 inputs: each input has one"
        assert refusal(operators.run, graph, list(INPUTS[1]), [-1, -1]) == sentence

    @pytest.mark.parametrize("row", [-2, 1])
    def test_a_row_that_the_input_lacks(self, operators, packages, weights, row):
        graph = load(operators, packages[1], weights)
        assert refusal(operators.run, graph, list(INPUTS[1]), [row, -1, -1]) == (
            f"input 0 has no row {row}: it is [1, 16, 8, 8] (-1 takes the whole input)"
        )

    def test_the_memory_of_the_cpu(self, operators):
        assert refusal(operators.memory, -1) == "cpu has no memory statistics: only a GPU has"


def test_the_architecture_of_the_cpu(operators):
    assert operators.architecture(-1) == "cpu"
    operators.synchronize(-1)


def test_the_library_names_no_folder_of_its_build(library):
    text = library.read_bytes()
    for folder in (library.parent, Path(torch.__path__[0])):
        assert str(folder).encode() not in text


def test_the_committed_module_is_what_the_sources_make(tmp_path):
    made = tmp_path / "operators.pt"
    subprocess.run(
        [sys.executable, "-m", "darkroom_bundle.operators", made], env={"PYTHONPATH": str(SOURCES)}, check=True
    )
    assert made.read_bytes() == OPERATORS.read_bytes()

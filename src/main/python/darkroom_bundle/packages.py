"""AOTInductor packages of a bundle's modules: one a graph, for the GPU at hand.

A package holds no weights. They are inputs of its graph, after the module's own, so that all packages of a module use the
one copy that is on the device, where it is, and see what is changed in it. Each package is compiled in a process of its
own, from the weights that the bundle's TorchScript module holds and under their names there, and compared with the same
network in eager float32 before it is kept.
"""

import concurrent.futures
import copy
import hashlib
import json
import multiprocessing.synchronize
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch._inductor.config
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from .bundle import digest
from .format import LATENT_CHANNELS, LATENT_SCALE, TEXT_LENGTH
from .modules import Decoder, DenoisingStep, Encoder, NoisePrediction, TextEncoder, TinyEncoder
from .operators import define_attention, package_metadata, weight_names
from .torchscript import torch_version
from .verbosity import only_errors
from .verification import relative_error

# of packages.json: 2 since weights are inputs
FORMAT = 2

# ‖package − eager float32‖ / ‖eager float32‖; float16 itself is at 3e-3 to 5e-3
TOLERANCE = 1e-2

# Not max_autotune: with torch's own products there is nothing to choose from, and the bias of each one is copied into its
# result first; block sizes searched for the rest (max_autotune_pointwise) made no difference (docs/benchmarks).
_OPTIONS = {"conv_1x1_as_mm": True}

# what decides the content of a package, besides the options
_SOURCES = (
    "kernels.py", "modules.py", "operators.py", "triton_attention.py", "triton_convolution.py", "triton_group_norm.py",
    "unet.py", "vae.py",
)  # fmt: skip


class PackageError(Exception):
    """A package that does not compute what its module computes."""


@dataclass(frozen=True)
class Graph:
    """One module at one batch size and, but for the text encoder, one image size (pixels).

    `tokens`: of the UNet's embeddings, where they are not the text encoder's own length.
    """

    module: str
    batchSize: int
    width: int | None = None
    height: int | None = None
    guided: bool | None = None
    tokens: int | None = None

    @property
    def file(self) -> str:
        size = "" if self.width is None else f"-{self.width}x{self.height}"
        tokens = "" if self.tokens is None else f"-{self.tokens}"
        return f"{self.module.removesuffix('.pt')}{'-guided' if self.guided else ''}-{self.batchSize}{size}{tokens}.pt2"


def graphs(manifest: dict) -> Iterator[Graph]:
    """All graphs of a bundle, those that compile longest first."""
    sizes = [(size["width"], size["height"]) for size in manifest["sizes"]]
    batches = sorted(manifest["batchSizes"], reverse=True)
    longer = [length for length in manifest.get("textLengths", ()) if length != TEXT_LENGTH]
    for tokens in (*reversed(longer), None):
        for guided in (True, False):
            yield from (Graph("unet.pt", batch, *size, guided, tokens) for size in sizes for batch in batches)
    encoders = [module for module in ("vae_encoder.pt", "tiny_encoder.pt") if module in manifest["files"]]
    for module in ("vae_decoder.pt", "tiny_decoder.pt", *encoders):
        yield from (Graph(module, batch, *size) for size in sizes for batch in batches)
    yield from (Graph("text_encoder.pt", batch) for batch in batches)


def architecture(device: str) -> str:
    """`sm_90` for an H100, `cpu` for the CPU."""
    return "cpu" if device == "cpu" else "sm_{}{}".format(*torch.cuda.get_device_capability())


def write_packages(
    bundle: Path, checkpoint: Path, tiny: Path, device: str, jobs: int, progress: Callable[[str], None]
) -> None:
    """Compiles what `compiled/<architecture>` of the bundle lacks, and writes its `packages.json`.

    :param checkpoint: the bundle's, for the configurations of the networks
    :param device: `cuda` or `cpu`
    :param jobs: how many graphs are compiled at a time
    :raises PackageError: a package differs from eager float32 by more than `TOLERANCE`
    """
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    directory = bundle / "compiled" / architecture(device)
    directory.mkdir(parents=True, exist_ok=True)
    index = directory / "packages.json"
    known = {entry["file"]: entry for entry in _read(index).get("graphs", [])}
    modules = {name: file["sha256"] for name, file in manifest["files"].items() if name.endswith(".pt")}

    todo, entries = [], []
    for graph in graphs(manifest):
        key = _key(graph, modules[graph.module])
        entry = known.get(graph.file, {})
        path = directory / graph.file
        if entry.get("inputs") == key and path.is_file() and digest(path)["sha256"] == entry["sha256"]:
            entries.append(entry)
        else:
            todo.append((graph, key))

    def save() -> None:
        content = {
            "format": FORMAT,
            "architecture": architecture(device),
            "torchVersion": torch_version(),
            "modules": modules,
            "graphs": sorted(entries, key=lambda entry: entry["file"]),
        }
        index.write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    progress(f"{len(todo)} packages to compile for {architecture(device)}, {len(entries)} kept")
    spawn = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-") as caches,
        concurrent.futures.ProcessPoolExecutor(
            jobs, mp_context=spawn, initializer=_begin, initargs=(spawn.Lock(), threads, caches), max_tasks_per_child=1
        ) as pool,
    ):
        work = {
            pool.submit(_compile, graph, bundle, checkpoint, tiny, device, directory / graph.file): (graph, key)
            for graph, key in todo
        }
        try:
            for done, future in enumerate(concurrent.futures.as_completed(work), 1):
                graph, key = work[future]
                result = future.result()
                entries.append({
                    "file": graph.file,
                    **digest(directory / graph.file),
                    **{name: value for name, value in asdict(graph).items() if value is not None},
                    **result,
                    "inputs": key,
                })
                # at once: what is compiled is kept when another graph fails
                save()
                progress(f"{done}/{len(todo)} {graph.file}: {result['seconds']:.0f} s, "
                         f"relative error {result['relativeError']:.1e}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    save()
    # what is no longer offered, and what a run that was cut off left half written
    for path in set(directory.glob("*.pt2")) - {directory / entry["file"] for entry in entries}:
        path.unlink()


# one at a time, of the processes that compile
_running: multiprocessing.synchronize.Lock


def _begin(lock: multiprocessing.synchronize.Lock, threads: int, caches: str) -> None:
    # Of this graph alone: with torch 2.7, graphs that were compiled beside each other on one cache came out with each
    # other's metadata
    cache = tempfile.mkdtemp(dir=caches)
    os.environ |= {"TORCHINDUCTOR_CACHE_DIR": cache, "TRITON_CACHE_DIR": f"{cache}/triton"}
    # before anything in this process has started inductor, which counts the processors of the machine
    torch._inductor.config.compile_threads = threads
    torch.set_num_threads(threads)
    only_errors()
    global _running
    _running = lock


def _compile(
    graph: Graph, bundle: Path, checkpoint: Path, tiny: Path, device: str, path: Path
) -> dict[str, float]:
    began = time.monotonic()
    torch.set_grad_enabled(False)
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    weights = load_weights(bundle / graph.module, device)
    network = _network(graph.module, checkpoint, tiny, getattr(torch, manifest["dtype"]))
    network.load_state_dict(weights, strict=True, assign=True)
    inputs = random_inputs(graph, manifest, device)
    # eager float32 takes several times a package's memory: one graph at a time
    with _running:
        reference = _in_float32(network)(*inputs)
        if device == "cuda":
            torch.cuda.empty_cache()

    temporary = path.with_suffix(".tmp.pt2")
    compile_package(network, weights, inputs, temporary)

    with _running:
        package = load_package(temporary, weights)
        outputs = package(*inputs)
        if isinstance(outputs, Tensor):
            outputs, reference = (outputs,), (reference,)
        errors = [relative_error(*pair) for pair in zip(outputs, reference, strict=True)]
    # not `>`, and not of the largest, both of which NaN would pass
    if not all(error <= TOLERANCE for error in errors):
        temporary.unlink()
        raise PackageError(f"{graph.file}: differs from eager float32 by {max(errors):.1e}, more than {TOLERANCE}")
    temporary.rename(path)
    return {"relativeError": float(f"{max(errors):.2e}"), "seconds": round(time.monotonic() - began, 1)}


class _WithWeights(nn.Module):
    """`network` as a function of its inputs and, after them, of its weights, in the order of `names`."""

    def __init__(self, network: nn.Module, names: list[str]):
        super().__init__()
        # hidden from torch, or the export would take the weights that it has for constants of the graph
        self.__dict__["network"] = network
        self.names = names

    def forward(self, inputs: tuple[Tensor, ...], weights: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        return torch.func.functional_call(self.network, dict(zip(self.names, weights, strict=True)), inputs)


def compile_package(network: nn.Module, weights: dict[str, Tensor], inputs: tuple[Tensor, ...], path: Path) -> None:
    """Writes the package of a network at these inputs, which takes the weights after them."""
    with warnings.catch_warnings():
        # it misses the hidden network's path, which only a stack trace would show
        warnings.filterwarnings("ignore", message="Unable to find the path of the module")
        exported = torch.export.export(
            _WithWeights(network, list(weights)), (inputs, list(weights.values())), strict=False
        )
    options = {**_OPTIONS, "aot_inductor.metadata": package_metadata(weights, inputs)}
    torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs=options)


def _network(module: str, checkpoint: Path, tiny: Path, dtype: torch.dtype) -> nn.Module:
    """The network of a module without its weights."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            if module == "text_encoder.pt":
                config = CLIPTextConfig.from_pretrained(checkpoint / "text_encoder", attn_implementation="sdpa")
                network = TextEncoder(CLIPTextModel(config))
            elif module == "unet.pt":
                config = UNet2DConditionModel.load_config(checkpoint / "unet")
                network = DenoisingStep(NoisePrediction(UNet2DConditionModel.from_config(config)))
            elif module in ("vae_decoder.pt", "vae_encoder.pt"):
                vae = AutoencoderKL.from_config(AutoencoderKL.load_config(checkpoint / "vae"))
                network = Decoder(vae) if module == "vae_decoder.pt" else Encoder(vae)
            else:
                vae = AutoencoderTiny.from_config(AutoencoderTiny.load_config(tiny))
                network = Decoder(vae) if module == "tiny_decoder.pt" else TinyEncoder(vae)
    finally:
        torch.set_default_dtype(default)
    return network.eval()


def load_weights(module: Path, device: str) -> dict[str, Tensor]:
    """The weights of a bundle's module on the device, by their names there."""
    return dict(torch.jit.load(module, map_location=device).named_parameters())


def load_package(path: Path, weights: dict[str, Tensor]) -> Callable[..., Any]:
    """A package on these weights, as a function of the module's inputs."""
    define_attention()
    package = torch._inductor.aoti_load_package(str(path), run_single_threaded=True)
    taken = [weights[name] for name in weight_names(package.loader.get_metadata())]
    return lambda *inputs: package(inputs, taken)


def random_inputs(graph: Graph, manifest: dict, device: str) -> tuple[Tensor, ...]:
    """Random inputs of a graph on the device, always the same."""
    generator = torch.Generator("cpu").manual_seed(0)
    batch = graph.batchSize
    if graph.module == "text_encoder.pt":
        tokens = torch.randint(manifest["tokens"]["end"], (batch, TEXT_LENGTH), generator=generator)
        return (tokens.to(device),)
    assert graph.height is not None and graph.width is not None, "the text encoder alone has no size"
    latents = (batch, LATENT_CHANNELS, graph.height // LATENT_SCALE, graph.width // LATENT_SCALE)
    if graph.module.endswith("_encoder.pt"):
        pixels = torch.randint(256, (batch, graph.height, graph.width, 3), dtype=torch.uint8, generator=generator)
        if graph.module == "tiny_encoder.pt":
            return (pixels.to(device),)
        return pixels.to(device), torch.randn(latents, generator=generator).to(device)
    if graph.guided is None:
        return (torch.randn(latents, generator=generator).to(device),)
    rows = 2 * batch if graph.guided else batch
    embeddings = torch.randn(rows, graph.tokens or TEXT_LENGTH, manifest["embeddingSize"], generator=generator)
    # a step of DPM-Solver++ about half way
    coefficients = torch.tensor([501.0, 1.0, 7.5, 1.6, -1.3, 0.75, 0.35, -0.1, 0.1])
    noise = (torch.randn(latents, generator=generator) for _ in range(3))
    return tuple(tensor.to(device) for tensor in (*noise, embeddings, coefficients))


def _in_float32(network: nn.Module) -> nn.Module:
    """A copy that computes in float32 what `network` computes in its own type."""
    wide = copy.deepcopy(network).float()
    for module in wide.modules():
        if isinstance(getattr(module, "dtype", None), torch.dtype):
            module.dtype = torch.float32
    return wide


def _key(graph: Graph, module: str) -> str:
    """What a package is made from: the graph, its module, torch, and this compiler."""
    made_from = hashlib.sha256(f"{FORMAT}{graph}{module}{torch.__version__}{_OPTIONS}".encode())
    for source in _SOURCES:
        made_from.update(Path(__file__).with_name(source).read_bytes())
    return made_from.hexdigest()


def _read(index: Path) -> dict:
    try:
        return json.loads(index.read_text("utf-8"))
    except (OSError, ValueError):
        return {}

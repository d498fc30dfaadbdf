"""`python -m darkroom_bench.peers`: diffusers' own speed and memory on a checkpoint, for the study's configurations.

An image is timed from the text of its prompt to its pixels in the host's memory, as uint8 (`pipeline.generate`), like the
worker's own. `--mode eager` is the plain pipeline; `--mode compiled` is what the study did to it: UNet and decoder
through `torch.compile` (`max-autotune`, `fullgraph`, CUDA graphs), channels-last, TF32 allowed. `baseline` is not
compiled in the study, so the compiled mode has no such row.

Memory is that of PyTorch's allocator, after warming up. Replaying a CUDA graph allocates nothing, so its activations
would go unseen: they are measured when the graph is captured, and `peakAllocatedBytes` is the larger of the allocator's
peak and what stays allocated plus the activations of the largest graph that the profile runs. Profiles of the Tiny VAE
run before the full VAE is loaded, for a program that uses the one does not hold the other. `peakReservedBytes` and
`deviceBeyondContextBytes`, what the device has in use more than before anything was loaded, hold the CUDA graphs of
all profiles run so far at that batch size.

The next process finds what `torch.compile` made in Inductor's cache (`TORCHINDUCTOR_CACHE_DIR`).
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch

from darkroom_bundle.format import parse_size
from darkroom_bundle.verbosity import only_errors

from .pipeline import generate, load_pipeline, load_tiny, set_scheduler
from .profiles import PROFILES, Profile, read_prompts

# a CUDA graph warms up in the first call of its shape and is captured in the second
_CAPTURING_CALLS = (2, 3)
_LEAST_CALLS = 5


class Compiled:
    """A model's function through `torch.compile`, one CUDA graph for each shape of its first argument.

    `activations` are the bytes that capturing a graph took beyond what was allocated; `used` the shapes since it was
    last cleared.
    """

    def __init__(self, function: Callable[..., Any], device: str):
        self._function = torch.compile(function, mode="max-autotune", fullgraph=True, dynamic=False)
        self._cuda = device != "cpu"
        self._calls: Counter[tuple[int, ...]] = Counter()
        self.activations: dict[tuple[int, ...], int] = {}
        self.used: set[tuple[int, ...]] = set()

    def __call__(self, first: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        shape = tuple(first.shape)
        self._calls[shape] += 1
        self.used.add(shape)
        if not self._cuda or self._calls[shape] not in _CAPTURING_CALLS:
            return self._function(first, *arguments, **options)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = self._function(first, *arguments, **options)
        torch.cuda.synchronize()
        taken = torch.cuda.max_memory_allocated() - before
        self.activations[shape] = max(taken, self.activations.get(shape, 0))
        return result

    def forget(self) -> None:
        """Forgets every graph, for a batch size that has others."""
        self._calls.clear()
        self.activations.clear()
        self.used.clear()


class Peer:
    """diffusers' pipeline on one device, eager or compiled, made ready for one profile after another.

    `drawn_size` is that of the last images, as `512x512`.
    """

    def __init__(
        self, checkpoint: Path, dtype: torch.dtype, device: str, backends: str | None, size: tuple[int, int] | None = None
    ):
        """
        :param backends: of matrix products and convolutions, as Inductor names them; None runs the pipeline eagerly
        :param size: width and height of the images in pixels; the UNet's own unless given
        """
        self._checkpoint, self._dtype, self.device = checkpoint, dtype, device
        self.used_before = used_memory(device)
        self._pipeline = load_pipeline(checkpoint, dtype, device)
        self._decoders = {"full": self._pipeline.vae, "tiny": load_tiny(checkpoint / "tiny_vae", dtype, "cpu")}
        self._decoders["full"].to("cpu")
        self._size = {} if size is None else {"width": size[0], "height": size[1]}
        self.drawn_size: str | None = None
        self._graphs: dict[str, Compiled] = {}
        if backends is not None:
            _configure_inductor(backends)
            for model in (self._pipeline.unet, *self._decoders.values()):
                model.to(memory_format=torch.channels_last)
            self._compile()

    def _compile(self) -> None:
        unet = self._pipeline.unet
        denoise = self._graphs["unet"] = Compiled(unet.forward, self.device)
        # DPM-Solver's timesteps are integers, Euler's are not: one graph serves both
        unet.forward = lambda sample, timestep, **options: denoise(sample, timestep.to(torch.float32), **options)
        for name, vae in self._decoders.items():
            decode = self._graphs[name] = Compiled(vae.decode, self.device)
            # the pipeline hands its generators on, which no decoder uses and fullgraph cannot take
            vae.decode = lambda latents, return_dict=True, generator=None, decode=decode: decode(
                latents, return_dict=return_dict
            )

    def begin_batch_size(self) -> None:
        """Frees the decoder and everything that was compiled for another batch size."""
        for decoder in self._decoders.values():
            decoder.to("cpu")
        if self._graphs:
            torch._dynamo.reset()
            for graphs in self._graphs.values():
                graphs.forget()
        self.release()

    def prepare(self, profile: Profile) -> None:
        """Sets scheduler and decoder. A decoder stays on the device until the next batch size."""
        set_scheduler(self._pipeline, profile)
        self._pipeline.vae = self._decoders[profile.decoder].to(self.device)
        for graphs in self._graphs.values():
            graphs.used.clear()

    def generate(self, profile: Profile, prompts: list[str], seeds: list[int]) -> torch.Tensor:
        pixels = generate(self._pipeline, profile, prompts, seeds, **self._size)
        self.drawn_size = f"{pixels.shape[2]}x{pixels.shape[1]}"
        return pixels

    def release(self) -> None:
        """Gives the allocator's cache back, where compiling left what no image needs."""
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def activations(self) -> int:
        """Bytes that the largest graph run since `prepare` holds while it runs."""
        return max(
            (graphs.activations.get(shape, 0) for graphs in self._graphs.values() for shape in graphs.used), default=0
        )


def _configure_inductor(backends: str) -> None:
    import torch._dynamo.config
    import torch._inductor.config

    torch._inductor.config.max_autotune_gemm_backends = backends
    torch._inductor.config.max_autotune_conv_backends = backends
    torch._dynamo.config.recompile_limit = 64
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def measure(
    peer: Peer, name: str, batch: int, images: int, warmup: int, with_kernels: bool, begin: Path | None = None
) -> dict[str, Any]:
    """One row: a profile at a batch size, at least `images` images and five calls after `warmup` calls.

    :param begin: a file that is waited for after the first call, which compiles
    """
    profile, texts = PROFILES[name], read_prompts()
    peer.prepare(profile)
    calls = 0

    def call() -> float:
        nonlocal calls
        picked = [(calls * batch + i) for i in range(batch)]
        calls += 1
        began = time.perf_counter()
        peer.generate(profile, [texts[i % len(texts)] for i in picked], picked)
        return time.perf_counter() - began

    first = call()
    if begin is not None and not begin.exists():
        print(f"compiled; waiting for {begin}", file=sys.stderr, flush=True)
        while not begin.exists():
            time.sleep(0.1)
    peer.release()
    for _ in range(warmup):
        call()
    _reset_memory(peer.device)
    seconds = [call() for _ in range(max(_LEAST_CALLS, math.ceil(images / batch)))]
    row = {
        "implementation": "diffusers",
        "profile": name,
        "batch": batch,
        "images": batch * len(seconds),
        "secondsPerImage": {
            "median": statistics.median(seconds) / batch,
            "min": min(seconds) / batch,
            "max": max(seconds) / batch,
        },
        "imagesPerSecond": batch * len(seconds) / sum(seconds),
        "firstCallSeconds": first,
    }
    # what other processes hold that compile beside this one would be counted, too
    row |= {key: value for key, value in _memory(peer).items() if begin is None or not key.startswith("device")}
    if with_kernels:
        counted = count_kernels(call)
        row |= {"kernels": counted["kernels"], "kernelSecondsPerImage": counted["kernelSeconds"] / batch}
    return row


def _reset_memory(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def used_memory(device: str) -> int:
    """Bytes in use on the whole device, this process' CUDA context among them; 0 on a CPU."""
    if device == "cpu":
        return 0
    torch.cuda.init()
    free, total = torch.cuda.mem_get_info()
    return total - free


def _memory(peer: Peer) -> dict[str, int]:
    if peer.device == "cpu":
        return {}
    used = used_memory(peer.device)
    return {
        "peakAllocatedBytes": max(
            torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated() + peer.activations()
        ),
        "peakReservedBytes": torch.cuda.max_memory_reserved(),
        "deviceUsedBytes": used,
        "deviceBeyondContextBytes": used - peer.used_before,
    }


def count_kernels(call: Callable[[], Any]) -> dict[str, Any]:
    """Kernels of one call, those in CUDA graphs included, and how long the device was busy with them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        call()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    durations = [event["dur"] for event in events if event.get("cat") == "kernel"]
    return {"kernels": len(durations), "kernelSeconds": sum(durations) / 1e6}


def _write(path: Path, peer: Peer, rows: list[dict[str, Any]]) -> None:
    report = {
        "device": "cpu" if peer.device == "cpu" else torch.cuda.get_device_name(),
        "size": peer.drawn_size,
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "date": rows[-1]["date"],
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    partial.rename(path)


def _list_of(convert: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    return lambda text: [convert(item) for item in text.split(",")]


def _profile_name(name: str) -> str:
    if name not in PROFILES:
        raise argparse.ArgumentTypeError(f"{name!r} is no profile; the profiles are {', '.join(PROFILES)}")
    return name


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bench.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="diffusers layout, with tiny_vae inside")
    parser.add_argument("--mode", choices=("eager", "compiled"), required=True)
    parser.add_argument("--profiles", type=_list_of(_profile_name), help="separated by commas; default all of the mode")
    parser.add_argument("--batch-sizes", type=_list_of(int), default=[1], help="separated by commas; default 1")
    parser.add_argument("--size", type=parse_size, metavar="WxH", help="of the images, in pixels; default the UNet's own")
    parser.add_argument("--images", type=int, default=20, help="images of a row, at least; default 20")
    parser.add_argument("--warmup", type=int, default=3, help="calls after the first that are not measured; default 3")
    parser.add_argument("--count-kernels", action="store_true", help="profile one more call of each row")
    parser.add_argument("--backends", default="ATEN", help="Inductor's, for matrix products and convolutions; default ATEN")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--begin", type=Path, metavar="FILE",
        help="after the first call, which compiles, wait until this file is there: so several processes can compile side "
        "by side, and each can be measured alone",
    )
    parser.add_argument("--out", type=Path, required=True, help="rows as JSON, written after every row")
    arguments = parser.parse_args()
    compiled = arguments.mode == "compiled"
    names: list[str] = arguments.profiles or [n for n, p in PROFILES.items() if p.compiled or not compiled]
    if compiled and not all(PROFILES[name].compiled for name in names):
        parser.error("baseline is not compiled in the study")
    names.sort(key=lambda name: PROFILES[name].decoder == "full")
    torch.set_grad_enabled(False)
    only_errors()

    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    backends = arguments.backends if compiled else None
    peer = Peer(arguments.checkpoint, getattr(torch, arguments.dtype), arguments.device, backends, arguments.size)
    for batch in arguments.batch_sizes:
        peer.begin_batch_size()
        for name in names:
            row = measure(
                peer, name, batch, arguments.images, arguments.warmup, arguments.count_kernels, arguments.begin
            )
            # rows of several runs, and of several releases of torch, come together in one report
            row["torch"] = torch.__version__
            row["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            row |= {"compiled": compiled, "dtype": arguments.dtype}
            if compiled:
                row |= {"backends": arguments.backends, "cudaGraphs": _cuda_graphs(arguments.device)}
            rows.append(row)
            _write(arguments.out, peer, rows)
            print(
                f"{time.perf_counter() - began:.0f} s  {name} batch {batch} {arguments.mode}: "
                f"{row['secondsPerImage']['median']:.4f} s/image, first call {row['firstCallSeconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )


def _cuda_graphs(device: str) -> bool:
    """Whether Inductor captured every graph so far; it runs one without, and warns, where it cannot."""
    return device != "cpu" and not torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]


if __name__ == "__main__":
    main()

"""What the training stages share: the configuration, a schedule by the clock, the step, the log, and weights on disk."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .architecture import Architecture

CONFIGURATION = Path(__file__).with_name("training.json")
_SHARD_BYTES = 15 << 20


def configuration(path: Path = CONFIGURATION) -> dict:
    """The configuration of every stage."""
    return json.loads(path.read_text())


def architecture(config: dict) -> Architecture:
    """The widths that the configuration gives."""
    widths: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config["architecture"].items()}
    return Architecture(**widths)


@dataclass
class Clock:
    """A stage's share of time: it ends when `seconds` have passed, and its learning rate follows the time spent.

    Time passes by `tick`, which counts at most `limit` seconds: a process that was stopped for a while loses none of its
    share.
    """

    seconds: float
    elapsed: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def tick(self, limit: float = 1.0) -> None:
        now = time.monotonic()
        self.elapsed += min(now - self._last, limit)
        self._last = now

    def skip(self) -> None:
        """What has passed since the last `tick` does not count."""
        self._last = time.monotonic()

    @property
    def over(self) -> bool:
        return self.elapsed >= self.seconds

    def rate(self, step: int, warmup: int) -> float:
        """The factor of the learning rate: a linear warm-up, then half a cosine down to 1 %."""
        progress = min(1.0, self.elapsed / self.seconds)
        return min(1.0, (step + 1) / warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Log:
    """Losses as they go: a line on standard output, and a JSON file that a picture is made from."""

    def __init__(self, path: Path, stage: str):
        self._path, self._stage = path, stage
        self._entries = json.loads(path.read_text()) if path.exists() else []

    def add(self, step: int, seconds: float, **values: float) -> None:
        entry = {"stage": self._stage, "step": step, "seconds": round(seconds, 1)}
        entry |= {k: float(f"{float(v):.5g}") for k, v in values.items()}
        self._entries.append(entry)
        print(" ".join(f"{k}={v}" for k, v in entry.items()), flush=True)
        self.save()

    def save(self) -> None:
        self._path.write_text("[\n" + ",\n".join(map(json.dumps, self._entries)) + "\n]\n")


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate, `peak` at its highest."""

    parameters: Sequence[nn.Parameter]
    peak: float


class Trainer:
    """Steps of AdamW with averaged weights; on a GPU all of a step is one CUDA graph.

    The modules compute in whatever type their parameters have (bfloat16, say); what is optimised and averaged is a copy of
    them in float32. A loss draws its batch itself, from tensors that stay where they are, so that the graph can be replayed.
    """

    def __init__(
        self,
        loss: Callable[[], dict[str, torch.Tensor]],
        groups: Iterable[Group],
        average: float,
        weight_decay: float,
        clip: float = 1.0,
    ):
        """`loss` gives what is minimised as `loss`, and whatever else is to be logged."""
        self._loss, self._clip, self._decay = loss, clip, average
        groups = list(groups)
        self._parameters = [p for group in groups for p in group.parameters]
        self._device = self._parameters[0].device
        self._master = [p.detach().float().clone().requires_grad_() for p in self._parameters]
        for parameter in self._master:
            parameter.grad = torch.zeros_like(parameter)
        self.averages = [p.detach().clone() for p in self._master]
        self._good = [p.clone() for p in self.averages]
        self._towards = torch.ones((), device=self._device)
        self._peaks = [group.peak for group in groups]
        masters = iter(self._master)
        on_gpu = self._device.type == "cuda"
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [next(masters) for _ in group.parameters], "lr": torch.zeros((), device=self._device)}
                for group in groups
            ],
            betas=(0.9, 0.99),
            weight_decay=weight_decay,
            fused=on_gpu,
            capturable=on_gpu,
        )
        self._sums: dict[str, torch.Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._counted = 0
        self.steps = 0

    def _body(self) -> None:
        values = self._loss()
        gradients = torch.autograd.grad(values["loss"], self._parameters)
        with torch.no_grad():
            torch._foreach_copy_([p.grad for p in self._master], list(gradients))
            norm = nn.utils.clip_grad_norm_(self._master, self._clip, foreach=True)
            self._optimizer.step()
            change = torch._foreach_sub(self._master, self.averages)
            torch._foreach_mul_(change, self._towards)
            torch._foreach_add_(self.averages, change)
            torch._foreach_copy_(self._parameters, self._master)
            for name, value in (values | {"norm": norm}).items():
                if name not in self._sums:
                    self._sums[name] = torch.zeros((), device=self._device)
                self._sums[name] += value.detach()

    def _capture(self) -> torch.cuda.CUDAGraph:
        """The first steps, on a stream of their own as CUDA asks for, then the capture."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._body()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._body()
        print("the step is captured", flush=True)
        return graph

    def step(self, factor: float) -> None:
        """One step at `factor` of the groups' learning rates."""
        for group, peak in zip(self._optimizer.param_groups, self._peaks):
            group["lr"].fill_(peak * factor)
        self._towards.fill_(1 - min(self._decay, (1 + self.steps) / (10 + self.steps)))
        if self._device.type != "cuda" or not graphs():
            self._body()
        else:
            self._graph = self._graph or self._capture()
            self._graph.replay()
        self._counted += 1
        self.steps += 1

    def means(self) -> dict[str, float]:
        """Means of what the loss gave since the last call. Waits for the device."""
        counted = max(1, self._counted)
        means = {name: float(value) / counted for name, value in self._sums.items()}
        for value in self._sums.values():
            value.zero_()
        self._counted = 0
        finite = all(map(math.isfinite, means.values())) and math.isfinite(float(sum(torch._foreach_norm(self.averages))))
        if finite:
            torch._foreach_copy_(self._good, self.averages)
        return means

    def run(
        self,
        clock: Clock,
        warmup: int,
        log: Log,
        every: int,
        between: Callable[[int], None] | None = None,
        until: float = math.inf,
    ) -> None:
        """Steps until the clock is over, or at `until`, or the loss is no number; `between` is called before each."""
        last, since = self.steps, clock.elapsed
        while self.steps == 0 or (not clock.over and clock.elapsed < until):
            if between is not None:
                between(self.steps)
            self.step(clock.rate(self.steps, warmup))
            if self.steps % 10 == 0 and self._device.type == "cuda":
                torch.cuda.synchronize()
            clock.tick(30.0 if self.steps == 1 else 1.0)
            if self.steps % every == 0 or self.steps == 1:
                means = self.means()
                speed = (self.steps - last) / max(1e-3, clock.elapsed - since)
                last, since = self.steps, clock.elapsed
                log.add(self.steps, clock.elapsed, **means, steps_per_second=speed)
                if not math.isfinite(means["loss"]):
                    print("not a number: stopping with the last good average", flush=True)
                    return
        self.means()

    @torch.no_grad()
    def finish(self) -> None:
        """Leaves the averages in the parameters, in float32."""
        self._graph = None
        for parameter, value in zip(self._parameters, self._good):
            parameter.data = value.to(parameter.data.device).clone()

    @torch.no_grad()
    def average(self, averaged: bool) -> None:
        """Puts the averages into the parameters, or what is being trained back into them."""
        torch._foreach_copy_(self._parameters, self.averages if averaged else self._master)


def graphs() -> bool:
    """Whether steps are captured; `GRAPHS=0` goes without."""
    return os.environ.get("GRAPHS", "1") != "0"


def save_models(directory: Path, models: Mapping[str, nn.Module], **extra: torch.Tensor) -> None:
    """Weights in files of at most 15 MiB: `weights-0.safetensors`, …"""
    tensors = {f"{name}.{k}": v for name, model in models.items() for k, v in model.state_dict().items()} | extra
    save_tensors(directory, tensors)


def save_tensors(directory: Path, tensors: Mapping[str, torch.Tensor], name: str = "weights") -> None:
    """Tensors in files of at most 15 MiB; files of this name that are left over are deleted."""
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for key, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous().clone()
        if size + tensor.nbytes > _SHARD_BYTES - (1 << 16):
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += tensor.nbytes
    directory.mkdir(parents=True, exist_ok=True)
    for i, shard in enumerate(shards):
        partial = directory / f"{name}-{i}.partial"
        save_file(shard, partial)
        partial.rename(directory / f"{name}-{i}.safetensors")
    for path in directory.glob(f"{name}-*.safetensors"):
        if int(path.stem.removeprefix(f"{name}-")) >= len(shards):
            path.unlink()


def load_tensors(directory: Path, name: str = "weights") -> dict[str, torch.Tensor]:
    """What `save_tensors` wrote."""
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(directory.glob(f"{name}-*.safetensors")):
        tensors |= load_file(path)
    return tensors


def load_models(directory: Path, models: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Reads what `save_models` wrote into those of the models that it holds; returns the extra tensors."""
    tensors = load_tensors(directory)
    for name, model in models.items():
        own = {k.removeprefix(name + "."): tensors.pop(k) for k in list(tensors) if k.startswith(name + ".")}
        if own:
            model.load_state_dict(own)
    return tensors


def setup(seed: int) -> str:
    """Seeds everything, turns on what makes training fast, and returns the device."""
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return "cuda" if torch.cuda.is_available() else "cpu"


def half(device: str, kind: torch.dtype = torch.bfloat16) -> torch.dtype:
    """The type to compute in: 16 bits on a GPU; a CPU keeps to float32, which is faster there."""
    return kind if device == "cuda" else torch.float32

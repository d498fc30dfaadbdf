"""What the training stages share: options, the configuration, a schedule by the clock, the log, and checkpoints."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .architecture import Architecture

CONFIGURATION = Path(__file__).with_name("training.json")
_SHARD_BYTES = 15 << 20


def options(name: str, documentation: str) -> argparse.ArgumentParser:
    """The parser of a stage's command, with the options that all of them have."""
    parser = argparse.ArgumentParser(prog=f"python -m darkroom_mini.{name}", description=documentation.splitlines()[0])
    parser.add_argument("--config", type=Path, default=CONFIGURATION)
    parser.add_argument("--icons", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of what the stage makes: weights, log, pictures")
    return parser


def configuration(path: Path = CONFIGURATION) -> dict:
    """The configuration of every stage."""
    return json.loads(path.read_text())


def architecture(config: dict) -> Architecture:
    """The widths that the configuration gives."""
    widths: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config["architecture"].items()}
    return Architecture(**widths)


class Clock:
    """A stage's share of time: it ends when `seconds` have passed, and its learning rate follows the time spent.

    `total` and `before` are for a stage spread over several runs: how long they take in all, and how much of that
    is behind.
    """

    def __init__(self, seconds: float, total: float | None = None, before: float = 0.0):
        self.before, self.total, self.seconds = before, total or seconds, seconds
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    @property
    def spent(self) -> float:
        """Seconds over all runs."""
        return self.before + self.elapsed

    @property
    def over(self) -> bool:
        return self.elapsed >= self.seconds

    def rate(self, step: int, warmup: int) -> float:
        """The factor of the learning rate: a linear warm-up, then half a cosine down to 1 %."""
        progress = min(1.0, self.spent / self.total)
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

    def save(self) -> None:
        self._path.write_text("[\n" + ",\n".join(map(json.dumps, self._entries)) + "\n]\n")


class Average:
    """Exponential moving averages of the parameters of some modules."""

    def __init__(self, modules: Iterable[nn.Module], decay: float):
        self._parameters = [p for m in modules for p in m.parameters()]
        self.values = [p.detach().clone() for p in self._parameters]
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self._parameters, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the averages and the parameters, for sampling or saving; a second call brings them back."""
        for p, v in zip(self._parameters, self.values):
            kept = p.detach().clone()
            p.copy_(v)
            v.copy_(kept)


def save_models(directory: Path, models: Mapping[str, nn.Module], **extra: torch.Tensor) -> None:
    """Weights as float32 in files of at most 15 MiB: `weights-0.safetensors`, …"""
    tensors = {f"{name}.{k}": v for name, model in models.items() for k, v in model.state_dict().items()} | extra
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if size + tensor.nbytes > _SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    directory.mkdir(parents=True, exist_ok=True)
    for i, shard in enumerate(shards):
        partial = directory / f"weights-{i}.partial"
        save_file(shard, partial)
        partial.rename(directory / f"weights-{i}.safetensors")


def load_models(directory: Path, models: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Reads what `save_models` wrote into those of the models that it holds; returns the extra tensors."""
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(directory.glob("weights-*.safetensors")):
        tensors |= load_file(path)
    for name, model in models.items():
        own = {k.removeprefix(name + "."): tensors.pop(k) for k in list(tensors) if k.startswith(name + ".")}
        if own:
            model.load_state_dict(own)
    return tensors


def compiled(module: nn.Module, device: str) -> nn.Module:
    """The module through `torch.compile` on a GPU, as it is on a CPU, where compiling would not pay."""
    return torch.compile(module, dynamic=False) if device == "cuda" else module


def setup(seed: int) -> str:
    """Seeds everything, turns on what makes training fast, and returns the device."""
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return "cuda" if torch.cuda.is_available() else "cpu"


def autocast(device: str) -> torch.autocast:
    """bfloat16 on a GPU; a CPU keeps to float32, which is faster there."""
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from darkroom_bundle.__main__ import main

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(1)

SOURCES = Path(__file__).parents[2] / "main/python"


def run(module: str, *arguments: object) -> subprocess.CompletedProcess:
    """`python -m MODULE ARGUMENTS`, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def compile_bundle(checkpoint: Path, out: Path, *options: object) -> None:
    """`python -m darkroom_bundle compile` within this process, which has the libraries loaded."""
    assert main(["compile", "--checkpoint", str(checkpoint), "--out", str(out), *map(str, options)]) == 0


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    """Programs that only infer switch gradients off for their process, which here is that of the next test too."""
    yield
    torch.set_grad_enabled(True)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A checkpoint of `mini` with random weights."""
    directory = tmp_path_factory.mktemp("checkpoint") / "random"
    result = run("darkroom_mini.random_weights", "--out", directory)
    assert result.returncode == 0, result.stderr
    return directory


@pytest.fixture(scope="session")
def bundle(checkpoint, tmp_path_factory) -> Path:
    """The bundle of that checkpoint."""
    directory = tmp_path_factory.mktemp("bundle")
    result = run("darkroom_bundle", "compile", "--checkpoint", checkpoint, "--out", directory, "--name", "random")
    assert result.returncode == 0, result.stderr
    return directory

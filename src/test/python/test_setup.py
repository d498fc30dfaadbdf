"""The programs of `gpu setup` that say whether this Python can compile, and whether an image is the right one."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import run

from darkroom_bench.check import verdict
from darkroom_bundle.environment import missing_modules

LIBTORCH_HAS_CUDA = torch.version.cuda is not None


def test_this_python_is_told_with_its_libtorch(tmp_path):
    result = run("darkroom_bundle.environment", "--device", "cpu", "--cuda-home", tmp_path / "cuda")

    if LIBTORCH_HAS_CUDA:
        assert json.loads(result.stdout) == {
            "torch": torch.__version__, "library": f"{torch.__path__[0]}/lib", "architecture": "cpu"
        }
    else:
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: {sys.executable} has a torch 2.7.1 for the CPU, without libtorch_cuda.so")


@pytest.mark.parametrize(("hidden", "named"), [("diffusers", "diffusers"), ("PIL", "pillow")])
def test_what_is_not_installed_is_named(hidden, named):
    assert missing_modules({hidden + "_that_is_not_there": named, "json": "json"}) == [named]


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


IMAGE = np.random.default_rng(0).integers(40, 216, (1, 64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize(("ours", "theirs", "right"), [
    (0, 0, True),
    (1, 0, True),
    (3, 0, False),
    (3, 1, True),
    (30, 1, False),
])
def test_an_image_may_be_a_few_times_as_far_as_diffusers_own(ours, theirs, right):
    assert verdict(noisy(IMAGE, ours), IMAGE, noisy(IMAGE, theirs))[0] is right


def test_the_figures_are_told():
    sentence = verdict(IMAGE + 2, IMAGE, IMAGE)[1]

    assert sentence == (
        "2.00 levels of 255 from diffusers' image in float32, on average (42.1 dB); diffusers' own in the bundle's precision: 0.00"
    )

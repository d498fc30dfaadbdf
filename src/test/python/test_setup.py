"""The programs of `gpu setup` that say whether this Python can compile, and whether an image is the right one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.utils.cpp_extension

from conftest import SOURCES, run
from darkroom_bench.check import verdict
from darkroom_bundle import environment
from darkroom_bundle.environment import EnvironmentLacks, check, missing_modules, toolkit


def test_this_python_is_told_with_its_libtorch(tmp_path):
    result = run("darkroom_bundle.environment", "--device", "cpu", "--cuda-home", tmp_path / "cuda")

    assert json.loads(result.stdout) == {
        "torch": torch.__version__, "library": f"{torch.__path__[0]}/lib", "architecture": "cpu"
    }


def test_a_module_that_is_not_installed_is_named_as_it_is_installed():
    assert missing_modules({"a_module_that_is_not_there": "a-package", "json": "json"}) == ["a-package"]


def test_another_torch_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "__version__", "2.11.0+cu130")

    with pytest.raises(EnvironmentLacks, match=r"has torch 2\.11\.0\+cu130; the worker's bindings are made for torch 2\.7\.1"):
        check("cpu", tmp_path)


def test_a_torch_for_the_cpu_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "__path__", [str(tmp_path)])

    with pytest.raises(EnvironmentLacks, match=r"for the CPU, without libtorch_cuda\.so: install the one with CUDA"):
        check("cpu", tmp_path)


def test_a_driver_and_the_wheels_are_toolkit_enough(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.utils.cpp_extension, "CUDA_HOME", None)
    monkeypatch.setattr(environment, "loaded_driver", lambda: Path("/usr/lib/libcuda.so.1"))
    home = tmp_path / "cuda"

    assert toolkit(home) == toolkit(home) == {"cudaHome": str(home)}

    assert (home / "lib64/libcuda.so").readlink() == Path("/usr/lib/libcuda.so.1")
    # what a package includes
    source = tmp_path / "package.cpp"
    source.write_text("#include <torch/csrc/inductor/aoti_runtime/model.h>\n", "utf-8")
    include = f"{torch.__path__[0]}/include"
    compilation = ["g++", "-std=c++17", "-DUSE_CUDA", "-fsyntax-only", f"-I{include}", f"-I{home / 'include'}", str(source)]
    result = subprocess.run(compilation, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_toolkit_with_headers_is_left_to_torch(monkeypatch, tmp_path):
    (tmp_path / "include").mkdir()
    (tmp_path / "include/cuda_runtime_api.h").write_text("", "utf-8")
    monkeypatch.setattr(torch.utils.cpp_extension, "CUDA_HOME", str(tmp_path))

    assert toolkit(tmp_path / "cuda") == {}


def test_the_driver_is_found_where_it_was_loaded_from(tmp_path):
    library = tmp_path / "a folder/libcuda.so.1"
    library.parent.mkdir()
    subprocess.run(["gcc", "-shared", "-x", "c", "/dev/null", "-o", str(library)], check=True)
    program = f"import ctypes; ctypes.CDLL({str(library)!r}); import darkroom_bundle.environment as e; print(e.loaded_driver())"

    result = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True
    )

    assert result.stdout.strip() == str(library), result.stderr


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
        "2.00 levels of 255 from diffusers' image in float32, on average (42.1 dB); "
        "diffusers' own in the bundle's precision: 0.00"
    )


def test_an_image_of_something_else_is_refused(checkpoint, tmp_path):
    from PIL import Image

    Image.fromarray(IMAGE[0].repeat(2, 0).repeat(2, 1)).save(tmp_path / "000.png")

    result = run(
        "darkroom_bench.check", "--checkpoint", checkpoint, "--image", tmp_path / "000.png", "--prompt", "a cat", "--seed", 0,
        "--profile", "final", "--size", "128x128", "--dtype", "float32", "--device", "cpu",
    )

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: the compiled image is ")

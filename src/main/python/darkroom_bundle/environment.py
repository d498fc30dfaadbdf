"""`python -m darkroom_bundle.environment`: whether this Python can compile, for `./darkroom gpu setup`.

Standard output gets one line of JSON; what lacks is one sentence on standard error and exit status 2.
"""

import argparse
import importlib.util
import json
import shutil
import sys
import sysconfig
from pathlib import Path

TORCH = "2.7.1"
# by the name that is imported, and the one that is installed
MODULES = {
    "torch": "torch",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "tokenizers": "tokenizers",
    "safetensors": "safetensors",
    "huggingface_hub": "huggingface_hub",
    "numpy": "numpy",
    "PIL": "pillow",
}


class EnvironmentLacks(Exception):
    """A sentence that names what lacks and what to do."""


def missing_modules(names: dict[str, str]) -> list[str]:
    """What would have to be installed, of modules by their names."""
    return [package for module, package in names.items() if importlib.util.find_spec(module) is None]


def check(device: str, cuda_home: Path) -> dict[str, str]:
    """What the other steps need to know.

    :param device: `cuda` or `cpu`
    :param cuda_home: a folder to be made for the compiler where the machine has no CUDA toolkit
    :raises EnvironmentLacks: this Python cannot compile for the device
    """
    wanted = MODULES | ({"triton": "triton"} if device == "cuda" else {})
    missing = missing_modules(wanted)
    if missing:
        raise EnvironmentLacks(f"{sys.executable} lacks {', '.join(missing)}: install them there.")
    import torch

    if torch.__version__.split("+")[0] != TORCH:
        raise EnvironmentLacks(
            f"{sys.executable} has torch {torch.__version__}; the worker's bindings are made for torch {TORCH}: install that."
        )
    library = Path(torch.__path__[0]) / "lib"
    if not (library / "libtorch_cuda.so").exists():
        raise EnvironmentLacks(
            f"{sys.executable} has a torch {TORCH} for the CPU, without libtorch_cuda.so: install the one with CUDA, "
            "which is PyPI's on Linux x86-64."
        )
    found = {"torch": torch.__version__, "library": str(library), "architecture": "cpu"}
    if device == "cpu":
        return found
    if not torch.cuda.is_available():
        raise EnvironmentLacks(
            f"torch {torch.__version__} of {sys.executable} finds no GPU, although the driver does. CUDA_VISIBLE_DEVICES and "
            "LD_LIBRARY_PATH may hide it; `python -c 'import torch; torch.cuda.init()'` tells more."
        )
    major, minor = torch.cuda.get_device_capability()
    built = sorted(int(name[3:]) for name in torch.cuda.get_arch_list() if name[3:].isdigit())
    # code for sm_80 runs on 8.6, not on 9.0
    if not any(number // 10 == major and number % 10 <= minor for number in built):
        raise EnvironmentLacks(
            f"torch {torch.__version__} of {sys.executable} has no code for {torch.cuda.get_device_name()}, compute capability "
            f"{major}.{minor}; it has code for {', '.join(f'{number // 10}.{number % 10}' for number in built)}. "
            f"A torch {TORCH} that has can be named with --python."
        )
    # triton compiles a small program against Python
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not headers.is_file():
        raise EnvironmentLacks(f"{headers} is missing, which Triton needs: install python3-dev (python3-devel).")
    return found | {"architecture": f"sm_{major}{minor}"} | toolkit(cuda_home)


def toolkit(cuda_home: Path) -> dict[str, str]:
    """`cudaHome`, where the machine has no CUDA toolkit: a folder with Triton's headers and the driver's library.

    Inductor looks for both in a toolkit, and wants no more of it.
    """
    from torch.utils.cpp_extension import CUDA_HOME

    header = "cuda_runtime_api.h"
    if CUDA_HOME and (Path(CUDA_HOME) / "include" / header).is_file():
        return {}
    import triton

    headers = Path(triton.__path__[0]) / "backends/nvidia/include"
    if not (headers / header).is_file():
        raise EnvironmentLacks(f"{headers / header} is missing: set CUDA_HOME to a CUDA toolkit.")
    shutil.rmtree(cuda_home, ignore_errors=True)
    libraries = cuda_home / "lib64"
    libraries.mkdir(parents=True)
    (cuda_home / "include").symlink_to(headers)
    driver = loaded_driver()
    for name in ("libcuda.so", "libcuda.so.1"):
        (libraries / name).symlink_to(driver)
    return {"cudaHome": str(cuda_home)}


def loaded_driver() -> Path:
    """The file of the driver's library that this process has loaded; its name without a version is not everywhere."""
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        if "/libcuda.so" in line:
            return Path(line.split(maxsplit=5)[5])
    raise EnvironmentLacks("The driver's library, libcuda.so.1, is not loaded.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bundle.environment", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cuda-home", type=Path, required=True, help="made where the machine has no CUDA toolkit")
    options = parser.parse_args()
    try:
        print(json.dumps(check(options.device, options.cuda_home.absolute())))
    except EnvironmentLacks as lacks:
        print(f"error: {lacks}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

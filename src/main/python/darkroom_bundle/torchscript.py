"""TorchScript files: which torch may make them for a worker, and how they are saved."""

import re
import zipfile
from pathlib import Path

import torch

# scaled_dot_product_attention is an operator from here on
OLDEST_TORCH = (2, 0)

# torch.jit.save aligns tensors for memory mapping
_ALIGNMENT = 64
# of a local file header, without its name and extra field
_HEADER = 30


class TorchVersionError(Exception):
    """This torch saves what the worker's libtorch may not be able to load."""


def torch_version() -> str:
    """The release of this torch, without a build's suffix (`2.7.1+cu126` is `2.7.1`)."""
    return re.findall(r"^\d+\.\d+\.\d+", torch.__version__)[0]


def check_torch(worker: str) -> None:
    """TorchScript is compatible backwards, not forwards: libtorch loads what its own or an older torch saved.

    :param worker: version of the worker's libtorch
    :raises TorchVersionError: this torch is newer than that, or too old
    """
    own, newest = _minor(torch_version()), _minor(worker)
    if not OLDEST_TORCH <= own <= newest:
        raise TorchVersionError(
            f"torch: a worker on libtorch {worker} runs modules of torch {'.'.join(map(str, OLDEST_TORCH))} to "
            f"{'.'.join(map(str, newest))}, this is {torch_version()}"
        )


def save_module(module: torch.jit.ScriptModule, path: Path) -> None:
    """Saves `module` without its debug records, which hold the source paths of every traced line, and without dates.

    Two processes save the same module to the same bytes; in one process torch numbers the classes of later modules on.
    A module on a GPU is saved as one on the CPU.
    """
    as_saved = path.with_suffix(".saved")
    torch.jit.save(module, as_saved)
    if any(weights.is_cuda for weights in module.parameters()):
        torch.jit.save(torch.jit.load(as_saved, map_location="cpu"), as_saved)
    with (
        zipfile.ZipFile(as_saved) as source,
        path.open("wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            # torch derives the serialization id from all records, the debug ones among them
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            # torch names the folder after the file
            record = zipfile.ZipInfo("module/" + name.split("/", 1)[1])
            header = file.tell() + _HEADER + len(record.filename.encode()) + 4
            padding = -header % _ALIGNMENT
            record.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            target.writestr(record, source.read(name))
    as_saved.unlink()


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])

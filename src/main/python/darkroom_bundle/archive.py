"""TorchScript files that are the same bytes for the same module, and name nothing of the machine that made them."""

import io
import zipfile
from pathlib import Path

import torch

# torch.jit.save aligns tensors for memory mapping
_ALIGNMENT = 64


def save_module(module: torch.jit.ScriptModule, path: Path) -> None:
    """Saves `module` without its debug records, which hold the source paths of every traced line, and without dates."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            # torch derives the serialization id from all records, the debug ones among them
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            # torch names the folder after the file
            record = zipfile.ZipInfo("module/" + name.split("/", 1)[1])
            header = target.fp.tell() + zipfile.sizeFileHeader + len(record.filename.encode()) + 4
            padding = -header % _ALIGNMENT
            record.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            target.writestr(record, source.read(name))

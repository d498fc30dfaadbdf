"""`python -m darkroom_mini.icons --out FILE`: the icons of the vocabulary, rasterised.

Fetches the two icon sets from the npm registry (`npm pack`; MIT licence, see LICENSE-fluent-emoji.txt beside this
file) and writes one array `icons`, uint8 [objects, styles, 4, SIZE, SIZE]: RGBA, alpha not premultiplied, in the order
of the vocabulary.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from .vocabulary import OBJECTS

PACKAGES = ("@iconify-json/fluent-emoji-flat@1.2.6", "@iconify-json/fluent-emoji@1.2.7")
"""One a style, in the order of `vocabulary.STYLES`."""

SIZE = 224
"""Side of an icon in pixels: more than it ever covers of a 256-pixel image, so that scenes only scale it down."""


def fetch(package: str, directory: Path) -> dict:
    """The icon set of an npm package, as Iconify's JSON (`icons`: name → `body`, the inside of an SVG)."""
    packed = subprocess.run(["npm", "pack", "--silent", package], cwd=directory, check=True, stdout=subprocess.PIPE, text=True)
    with tarfile.open(directory / packed.stdout.split()[-1]) as archive:
        icons = archive.extractfile("package/icons.json")
        assert icons is not None, "it is a file"
        return json.load(icons)


def rasterise(icon_set: dict, name: str) -> np.ndarray:
    """One icon as uint8 [4, SIZE, SIZE]."""
    icon = icon_set["icons"][name]
    box = (icon.get("left", 0), icon.get("top", 0)) + tuple(
        icon.get(side, icon_set.get(side, 16)) for side in ("width", "height")
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, box))}" width="{SIZE}" height="{SIZE}">{icon["body"]}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA")).transpose(2, 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m darkroom_mini.icons", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sets = [fetch(package, Path(directory)) for package in PACKAGES]
    icons = np.stack([[rasterise(icon_set, slug) for icon_set in sets] for slug in OBJECTS.values()])
    np.savez_compressed(arguments.out, icons=icons)
    print(f"{arguments.out}: {icons.shape[0]} objects in {icons.shape[1]} styles, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

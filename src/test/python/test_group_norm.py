"""Our group norm's kernels, which need no GPU when Triton interprets them, against torch's own operator."""

import os
import subprocess
import sys

import pytest

from conftest import SOURCES

# Triton reads TRITON_INTERPRET when it is imported, so in a process of its own
PROGRAM = """
import sys
import torch
from darkroom_bundle import kernels, triton_group_norm

# what it wraps for inductor is a function that Triton interprets
triton_group_norm.wrap_triton = lambda kernel: kernel
images, channels, height, width, groups = map(int, sys.argv[1:])
generator = torch.Generator().manual_seed(0)
x = 2 * torch.randn(images, channels, height, width, generator=generator) + 1
shift, weight, bias = torch.randn(3, channels, generator=generator)
for given in (None, shift[None]):
    for silu in (True, False):
        arguments = (x, given, weight, bias, groups, 1e-5, silu)
        torch.testing.assert_close(
            triton_group_norm.group_norm(*arguments), kernels.group_norm(*arguments), rtol=1e-5, atol=1e-5
        )
"""


@pytest.mark.parametrize(
    ("images", "channels", "height", "width", "groups"),
    [
        (2, 40, 8, 8, 8),  # in one kernel
        (1, 96, 15, 17, 32),  # groups of 3 channels, and rows that fill no tile
        (2, 320, 32, 32, 32),  # in two kernels
        (1, 112, 40, 41, 8),  # channels and rows that fill no tile
    ],
)
def test_group_norm(images, channels, height, width, groups):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, (images, channels, height, width, groups))],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr

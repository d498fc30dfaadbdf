"""Our attention's kernel, which needs no GPU when Triton interprets it, against torch's own operator."""

import os
import subprocess
import sys

import pytest

from conftest import SOURCES

# Triton reads TRITON_INTERPRET when it is imported, so in a process of its own
PROGRAM = """
import sys
import torch
from darkroom_bundle import kernels, triton_attention

# what it wraps for inductor is a function that Triton interprets
triton_attention.wrap_triton = lambda kernel: kernel
images, heads, width, rows, others = map(int, sys.argv[1:])
generator = torch.Generator().manual_seed(0)
channels = heads * width
# parts of wider tensors, as the joint products of a block leave them
queries = torch.randn(images, rows, 3 * channels, generator=generator)[..., :channels]
context = torch.randn(images, others, 5 * channels, generator=generator)
keys, values = context[..., channels : 3 * channels].chunk(2, dim=-1)
# scores far apart, which a softmax without its largest would not survive
queries = 20 * queries
torch.testing.assert_close(
    triton_attention.attention(queries, keys, values, heads), kernels.attention(queries, keys, values, heads),
    rtol=1e-4, atol=1e-4,
)
"""


@pytest.mark.parametrize(
    ("images", "heads", "width", "rows", "others"),
    [
        (2, 2, 40, 256, 256),  # a head of 32 and 16
        (2, 2, 40, 100, 77),  # rows and keys that fill no tile
        (1, 2, 80, 128, 128),
        (1, 1, 160, 64, 77),
        (1, 2, 64, 64, 64),  # a power of two
        (2, 3, 8, 20, 30),
    ],
)
def test_attention(images, heads, width, rows, others):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, (images, heads, width, rows, others))],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr

"""Attention of few, narrow heads, as Stable Diffusion 1 has them: FlashAttention 2 (Dao 2023), one Triton kernel.

A tile's width has to be a power of two in Triton, and a head of 40 would be computed as one of 64. Here a head is cut
in two, 32 and 16, so that of the arithmetic on the padding two thirds go.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton


@triton.jit
def _attention(q_ptr, k_ptr, v_ptr, out_ptr, scale: tl.constexpr, queries: tl.constexpr, keys: tl.constexpr,
               heads: tl.constexpr, width: tl.constexpr, q_image: tl.constexpr, q_row: tl.constexpr,
               k_image: tl.constexpr, k_row: tl.constexpr, v_image: tl.constexpr, v_row: tl.constexpr,
               QUERIES: tl.constexpr, KEYS: tl.constexpr, FIRST: tl.constexpr, REST: tl.constexpr):
    """The rows of one tile of queries, of one head of one image; softmax over tiles of keys as they come."""
    image, head = (tl.program_id(1) // heads).to(tl.int64), tl.program_id(1) % heads
    row = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    key = tl.arange(0, KEYS)
    first, rest = tl.arange(0, FIRST), FIRST + tl.arange(0, REST)
    known_row, known_first, known_rest = (row < queries)[:, None], first < width, rest < width

    q = q_ptr + image * q_image + head * width + row[:, None] * q_row
    k = k_ptr + image * k_image + head * width + key[:, None] * k_row
    v = v_ptr + image * v_image + head * width + key[:, None] * v_row
    q1 = tl.load(q + first[None, :], known_row & known_first[None, :], 0.0)
    q2 = tl.load(q + rest[None, :], known_row & known_rest[None, :], 0.0)

    highest = tl.full([QUERIES], -float("inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    sum1 = tl.zeros([QUERIES, FIRST], tl.float32)
    sum2 = tl.zeros([QUERIES, REST], tl.float32)
    for start in range(0, keys, KEYS):
        inside = (start + key < keys)[:, None] if keys % KEYS else (key >= 0)[:, None]
        k1 = tl.load(k + first[None, :], inside & known_first[None, :], 0.0)
        k2 = tl.load(k + rest[None, :], inside & known_rest[None, :], 0.0)
        scores = tl.dot(q1, tl.trans(k1))
        scores = tl.dot(q2, tl.trans(k2), scores)
        if keys % KEYS:
            scores = tl.where((start + key < keys)[None, :], scores, -float("inf"))
        following = tl.maximum(highest, tl.max(scores, 1) * scale)
        weights = tl.exp2(scores * scale - following[:, None])
        decay = tl.exp2(highest - following)
        highest = following
        total = total * decay + tl.sum(weights, 1)
        weights = weights.to(q_ptr.dtype.element_ty)
        v1 = tl.load(v + first[None, :], inside & known_first[None, :], 0.0)
        v2 = tl.load(v + rest[None, :], inside & known_rest[None, :], 0.0)
        sum1 = tl.dot(weights, v1, sum1 * decay[:, None])
        sum2 = tl.dot(weights, v2, sum2 * decay[:, None])
        k += KEYS * k_row
        v += KEYS * v_row
    out = out_ptr + (image * queries + row[:, None]) * (heads * width) + head * width
    reciprocal = (1.0 / total)[:, None]
    tl.store(out + first[None, :], (sum1 * reciprocal).to(out_ptr.dtype.element_ty), known_row & known_first[None, :])
    tl.store(out + rest[None, :], (sum2 * reciprocal).to(out_ptr.dtype.element_ty), known_row & known_rest[None, :])


def _parts(width: int) -> tuple[int, int]:
    """Two powers of two, 16 at least, that hold a head of `width` with the least padding."""
    first = max(16, triton.next_power_of_2(width) // 2)
    return first, max(16, triton.next_power_of_2(max(1, width - first)))


def _tiles(keys: int, width: int) -> dict[str, int]:
    """Of those that were tried on an H100, the fastest for most shapes of Stable Diffusion 1.5."""
    if width > 128:
        return {"QUERIES": 64, "KEYS": 32, "num_warps": 4, "num_stages": 3}
    if keys <= 128:
        return {"QUERIES": 64, "KEYS": 128, "num_warps": 4, "num_stages": 1}
    return {"QUERIES": 128, "KEYS": 64, "num_warps": 8, "num_stages": 3}


@triton_op("darkroom_bundle::attention", mutates_args={})
def attention(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """What `kernels.attention` says, for tensors on a GPU whose last dimension is dense."""
    images, rows, channels = queries.shape
    width = channels // heads
    tiles = _tiles(keys.shape[1], width)
    first, rest = _parts(width)
    out = torch.empty(images, rows, channels, dtype=queries.dtype, device=queries.device)
    wrap_triton(_attention)[(triton.cdiv(rows, tiles["QUERIES"]), images * heads)](
        queries, keys, values, out, math.log2(math.e) / math.sqrt(width), rows, keys.shape[1], heads, width,
        queries.stride(0), queries.stride(1), keys.stride(0), keys.stride(1), values.stride(0), values.stride(1),
        FIRST=first, REST=rest, **tiles,
    )
    return out

"""Convolutions of few pixels, which are bound by reading their weights: one product, its inputs in parts side by side.

With 64 rows of the result and 1280 columns there are too few tiles to keep a large GPU's memory busy. So each tile's sum
is cut into parts that are added afterwards, in a fixed order, where the bias is.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

# programs that keep every multiprocessor of a large GPU busy twice
_PROGRAMS = 264
# pixels and output channels of a tile, and input channels of one step of its sum
_PIXELS, _OUTPUTS, _INPUTS = 64, 64, 128


@triton.jit
def _products(x_ptr, weight_ptr, out_ptr, pixels: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
              inputs: tl.constexpr, outputs: tl.constexpr, share: tl.constexpr, PIXELS: tl.constexpr,
              OUTPUTS: tl.constexpr, INPUTS: tl.constexpr):
    """A tile's sum over `share` steps of the nine neighbours' channels: [part, pixel, output]."""
    part = tl.program_id(2)
    pixel = tl.program_id(1) * PIXELS + tl.arange(0, PIXELS)
    output = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    y, x = pixel // width % height, pixel % width
    chunks: tl.constexpr = inputs // INPUTS
    total = tl.zeros([PIXELS, OUTPUTS], tl.float32)
    for step in range(part * share, min(part * share + share, 9 * chunks)):
        neighbour = step // chunks
        channel = step % chunks * INPUTS + tl.arange(0, INPUTS)
        dy, dx = neighbour // 3 - 1, neighbour % 3 - 1
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width) & (pixel < pixels)
        place = (pixel + dy * width + dx) * inputs
        a = tl.load(x_ptr + place[:, None] + channel[None, :], inside[:, None], 0.0)
        b = tl.load(weight_ptr + (output * 9 + neighbour)[None, :] * inputs + channel[:, None])
        total = tl.dot(a, b, total)
    out = out_ptr + (part * pixels + pixel[:, None]) * outputs + output[None, :]
    tl.store(out, total, (pixel < pixels)[:, None])


def fits(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolution` takes these, and is faster than cuDNN."""
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    return pixels <= 128 and weight.shape[1] % _INPUTS == 0 and weight.shape[0] % _OUTPUTS == 0


@triton_op("darkroom_bundle::convolution_parts", mutates_args={})
def _parts(x: Tensor, weight: Tensor) -> Tensor:
    images, inputs, height, width = x.shape
    outputs, pixels = weight.shape[0], images * height * width
    tiles = triton.cdiv(pixels, _PIXELS) * (outputs // _OUTPUTS)
    steps = 9 * (inputs // _INPUTS)
    share = triton.cdiv(steps, max(1, _PROGRAMS // tiles))
    parts = triton.cdiv(steps, share)
    out = torch.empty(parts, images, height, width, outputs, dtype=torch.float32, device=x.device)
    wrap_triton(_products)[(outputs // _OUTPUTS, triton.cdiv(pixels, _PIXELS), parts)](
        x, weight, out, pixels, height, width, inputs, outputs, share, _PIXELS, _OUTPUTS, _INPUTS,
        num_warps=4, num_stages=3,
    )
    return out


def convolution(x: Tensor, weight: Tensor) -> Tensor:
    """What `kernels.convolution` says without the bias, for an `x` on a GPU and a weight that lies channels-last."""
    x = x.contiguous(memory_format=torch.channels_last)
    return _parts(x, weight).sum(0).to(x.dtype).permute(0, 3, 1, 2)

"""Group normalisation of channels-last tensors, where inductor's own takes up to four kernels and reads in short runs.

Small tensors take one kernel. For larger ones two kernels make the factor and the offset of every channel; applying them
is left to inductor, which fuses it with what follows.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

# values of one tile: what the registers of a program hold
_TILE = 16384
# channels of a tile of `_sums`: whole lines of memory
_CHANNELS = 64
# programs that keep every multiprocessor of a large GPU busy twice
_PROGRAMS = 264


@triton.jit
def _whole(x_ptr, shift_ptr, weight_ptr, bias_ptr, y_ptr, eps: tl.constexpr, rows: tl.constexpr,
           channels: tl.constexpr, width: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
           shifted: tl.constexpr, silu: tl.constexpr):
    """One group of one image: statistics and result."""
    group, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    row, inner = tl.arange(0, ROWS)[:, None], tl.arange(0, WIDTH)[None, :]
    channel, known = group * width + inner, inner < width
    inside = (row < rows) & known
    place = image * rows * channels + row * channels + channel
    x = tl.load(x_ptr + place, inside, 0.0).to(tl.float32)
    if shifted:
        x += tl.load(shift_ptr + channel, known, 0.0).to(tl.float32)
    mean = tl.sum(tl.where(inside, x, 0.0)) / (rows * width)
    centred = tl.where(inside, x - mean, 0.0)
    rstd = tl.rsqrt(tl.sum(centred * centred) / (rows * width) + eps)
    factor = rstd * tl.load(weight_ptr + channel, known, 0.0).to(tl.float32)
    y = centred * factor + tl.load(bias_ptr + channel, known, 0.0).to(tl.float32)
    if silu:
        y *= tl.sigmoid(y)
    tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), inside)


@triton.jit
def _sums(x_ptr, sums_ptr, rows: tl.constexpr, channels: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Every channel's sum and sum of squares over the rows of a tile: [image, tile, 2, channel]."""
    tile, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    row = tile * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = (row < rows) & (channel < channels)[None, :]
    x = tl.load(x_ptr + image * rows * channels + row * channels + channel[None, :], inside, 0.0).to(tl.float32)
    out = sums_ptr + (image * tl.num_programs(1) + tile) * 2 * channels + channel
    tl.store(out, tl.sum(x, axis=0), channel < channels)
    tl.store(out + channels, tl.sum(x * x, axis=0), channel < channels)


@triton.jit
def _coefficients(sums_ptr, shift_ptr, weight_ptr, bias_ptr, out_ptr, eps: tl.constexpr, rows: tl.constexpr,
                  channels: tl.constexpr, width: tl.constexpr, tiles: tl.constexpr, TILES: tl.constexpr,
                  WIDTH: tl.constexpr, shifted: tl.constexpr):
    """Factor and offset of a group's channels: [2, image, channel]."""
    group, image, images = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    tile, inner = tl.arange(0, TILES)[:, None], tl.arange(0, WIDTH)
    channel, known = group * width + inner, inner < width
    sums = sums_ptr + (image * tiles + tile) * 2 * channels + channel[None, :]
    inside = (tile < tiles) & known[None, :]
    total = tl.sum(tl.load(sums, inside, 0.0), axis=0)
    square = tl.sum(tl.load(sums + channels, inside, 0.0), axis=0)
    shift = tl.zeros_like(total)
    if shifted:
        # sums of x + shift from those of x
        shift = tl.load(shift_ptr + channel, known, 0.0).to(tl.float32)
        square += shift * (2 * total + rows * shift)
        total += rows * shift
    mean = tl.sum(total) / (rows * width)
    variance = tl.maximum(tl.sum(square) / (rows * width) - mean * mean, 0.0)
    factor = tl.rsqrt(variance + eps) * tl.load(weight_ptr + channel, known, 0.0).to(tl.float32)
    offset = (shift - mean) * factor + tl.load(bias_ptr + channel, known, 0.0).to(tl.float32)
    tl.store(out_ptr + image * channels + channel, factor, known)
    tl.store(out_ptr + (images + image) * channels + channel, offset, known)


@triton_op("darkroom_bundle::small_group_norm", mutates_args={})
def _small(
    x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float, silu: bool
) -> Tensor:
    images, channels, rows = x.shape[0], x.shape[1], x.shape[2] * x.shape[3]
    width = channels // groups
    y = torch.empty_like(x)
    wrap_triton(_whole)[(groups, images)](
        x, weight if shift is None else shift, weight, bias, y, eps, rows, channels, width,
        triton.next_power_of_2(rows), triton.next_power_of_2(width), shift is not None, silu, num_warps=8,
    )
    return y


@triton_op("darkroom_bundle::group_norm_coefficients", mutates_args={})
def _large(x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    images, channels, rows = x.shape[0], x.shape[1], x.shape[2] * x.shape[3]
    width, parts = channels // groups, triton.cdiv(channels, _CHANNELS)
    tile = min(triton.next_power_of_2(rows), _TILE // _CHANNELS)
    while tile > 16 and images * parts * triton.cdiv(rows, tile) < _PROGRAMS:
        tile //= 2
    tiles = triton.cdiv(rows, tile)
    sums = torch.empty(images, tiles, 2, channels, dtype=torch.float32, device=x.device)
    wrap_triton(_sums)[(parts, tiles, images)](x, sums, rows, channels, tile, _CHANNELS, num_warps=4)
    out = torch.empty(2, images, channels, dtype=torch.float32, device=x.device)
    wrap_triton(_coefficients)[(groups, images)](
        sums, weight if shift is None else shift, weight, bias, out, eps, rows, channels, width, tiles,
        triton.next_power_of_2(tiles), triton.next_power_of_2(width), shift is not None, num_warps=4,
    )
    return out


def group_norm(
    x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float, silu: bool
) -> Tensor:
    """What `kernels.group_norm` says, for an `x` on a GPU."""
    x = x.contiguous(memory_format=torch.channels_last)
    tile = triton.next_power_of_2(x.shape[2] * x.shape[3]) * triton.next_power_of_2(x.shape[1] // groups)
    if tile <= _TILE:
        return _small(x, shift, weight, bias, groups, eps, silu)
    factor, offset = _large(x, shift, weight, bias, groups, eps)[..., None, None].unbind(0)
    y = x * factor + offset
    if silu:
        y = y * torch.sigmoid(y)
    return y.to(x.dtype)

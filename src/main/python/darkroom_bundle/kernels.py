"""The operations whose kernels decide the speed on a GPU: as the packages run them, and in torch's own operators."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .operators import define_attention

# From so many keys on, cuDNN's attention is faster than ours by a fifth, for the 4096 of 64×64 latents. It costs a start
# 0.8 s for each number of rows that it meets, for which it compiles a kernel in every process anew.
_MANY_KEYS = 2048



def _exporting(x: Tensor) -> bool:
    return x.is_cuda and torch.compiler.is_exporting()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`torch.nn.functional.linear`, [B, tokens, in] → [B, tokens, out].

    A package adds the bias outside of the product: inductor fuses it with what follows, while cuBLAS takes up to half as
    long again with a bias, and three times as long with one that is copied into the result first.
    """
    if _exporting(x) and bias is not None:
        return F.linear(x, weight) + bias
    return F.linear(x, weight, bias)


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution of 3×3 with a padding of 1.

    :param x: [N, C, h, w]; on a GPU channels-last, as the result is
    :param weight: [C', C, 3, 3]; on a GPU channels-last
    """
    if _exporting(x):
        from .triton_convolution import convolution, fits

        if fits(x, weight):
            y = convolution(x, weight)
            return y if bias is None else y + bias[:, None, None]
    return F.conv2d(x, weight, bias, padding=1)


def group_norm(
    x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float, silu: bool
) -> Tensor:
    """`SiLU(GroupNorm(x + shift))`, or without the SiLU.

    :param x: [N, C, h, w]; on a GPU channels-last, as the result is
    :param shift: [1, C], or none
    """
    if _exporting(x):
        from .triton_group_norm import group_norm

        return group_norm(x, shift, weight, bias, groups, eps, silu)
    if shift is not None:
        x = x + shift[:, :, None, None]
    x = F.group_norm(x, groups, weight, bias, eps)
    return F.silu(x) if silu else x


def attention(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """`scaled_dot_product_attention` of each head.

    :param queries: [B, tokens, heads × width]
    :param keys: [B, other tokens, heads × width], as values are
    :return: [B, tokens, heads × width]
    """
    width = queries.shape[-1] // heads
    if not _exporting(queries):
        parts = (part.unflatten(-1, (heads, width)).transpose(1, 2) for part in (queries, keys, values))
        return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
    if width <= 128 and keys.shape[1] > _MANY_KEYS:
        define_attention()
        return torch.ops.darkroom.attention(queries, keys, values, heads)
    if width <= 256:
        from .triton_attention import attention

        return attention(queries, keys, values, heads)
    # wider than any fused kernel; inductor makes a softmax of it between two products
    if heads != 1:
        raise ValueError(f"attention of {heads} heads of {width}: more than 256 only for one head")
    weights = (queries @ keys.transpose(-1, -2)).float() * width**-0.5
    return weights.softmax(-1).to(values.dtype) @ values

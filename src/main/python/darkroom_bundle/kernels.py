"""The operations whose kernels decide the speed on a GPU: as the packages run them, and in torch's own operators."""

import torch
import torch.nn.functional as F
from torch import Tensor

# for that few tokens cuDNN's attention takes longer to start than FlashAttention takes in all
_FEW_TOKENS = 64


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


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`scaled_dot_product_attention`, [B, heads, tokens, width] each."""
    if not _exporting(queries):
        return F.scaled_dot_product_attention(queries, keys, values)
    if queries.shape[-1] > 256:
        # wider than any fused kernel; inductor makes a softmax of it between two products
        weights = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5
        return weights.softmax(-1).to(values.dtype) @ values
    if max(queries.shape[2], keys.shape[2]) <= _FEW_TOKENS:
        return torch.ops.aten._scaled_dot_product_flash_attention(queries, keys, values)[0]
    return torch.ops.aten._scaled_dot_product_cudnn_attention(queries, keys, values, None, False)[0]

"""diffusers' `UNet2DConditionModel` of Stable Diffusion 1.x, rearranged: the same function in far fewer kernels.

A step at batch 1 on a fast GPU is bound by the number of its kernels, not by their arithmetic. So what depends on the
timestep alone is one product for all residual blocks, what depends on the prompt alone (keys and values of every
cross-attention) is another, queries, keys and values of a self-attention are a third; and in a guided step the
unconditional and the conditional half, which differ by their embeddings only, are one until the first cross-attention.
"""

import math

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from . import kernels


class Linear(nn.Module):
    """`torch.nn.Linear` of given weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return kernels.linear(x, self.weight, self.bias)


class GroupNorm(nn.Module):
    """`SiLU(GroupNorm(x + shift))`, or without the SiLU; `shift` [1, C] or none."""

    def __init__(self, original: nn.GroupNorm, silu: bool):
        super().__init__()
        self.groups, self.eps, self.silu = original.num_groups, original.eps, silu
        self.weight, self.bias = original.weight, original.bias

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        return kernels.group_norm(x, shift, self.weight, self.bias, self.groups, self.eps, self.silu)


class ResidualBlock(nn.Module):
    """diffusers' `ResnetBlock2D`; the first convolution's bias has gone into the projection of the timestep."""

    def __init__(self, original: nn.Module, shift: slice):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = GroupNorm(original.norm1, True), GroupNorm(original.norm2, True)
        self.conv1 = _without_bias(original.conv1)
        self.conv2 = original.conv2
        self.shortcut = None if original.conv_shortcut is None else _as_linear(original.conv_shortcut)

    def forward(self, x: Tensor, shifts: Tensor) -> Tensor:
        h = kernels.convolution(self.norm1(x), self.conv1.weight, self.conv1.bias)
        h = kernels.convolution(self.norm2(h, shifts[:, self.shift]), self.conv2.weight, self.conv2.bias)
        if self.shortcut is not None:
            x = self.shortcut(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + h


class Attention(nn.Module):
    """Attention of diffusers' default processor, its queries, keys and values made elsewhere."""

    def __init__(self, original: nn.Module):
        super().__init__()
        self.heads = original.heads
        self.out = _as_linear(original.to_out[0])

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return self.out(kernels.attention(queries, keys, values, self.heads))


class TransformerBlock(nn.Module):
    """diffusers' `Transformer2DModel` with its one `BasicTransformerBlock`; tokens are pixels."""

    def __init__(self, original: nn.Module, context: slice):
        super().__init__()
        (block,) = original.transformer_blocks
        self.context = context
        self.norm = GroupNorm(original.norm, False)
        self.proj_in, self.proj_out = _as_linear(original.proj_in), _as_linear(original.proj_out)
        self.norm1, self.norm2, self.norm3 = block.norm1, block.norm2, block.norm3
        self.attention, self.cross_attention = Attention(block.attn1), Attention(block.attn2)
        self.qkv = _joined([block.attn1.to_q, block.attn1.to_k, block.attn1.to_v])
        self.query = _as_linear(block.attn2.to_q)
        self.gated, self.out = _as_linear(block.ff.net[0].proj), _as_linear(block.ff.net[2])

    def forward(self, x: Tensor, contexts: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        h = self.proj_in(self.norm(x).permute(0, 2, 3, 1).reshape(batch, height * width, channels))
        h = h + self.attention(*self.qkv(self.norm1(h)).chunk(3, dim=-1))
        # up to here nothing has seen the prompt
        x, h = as_many(x, contexts), as_many(h, contexts)
        h = h + self.cross_attention(self.query(self.norm2(h)), *contexts[:, :, self.context].chunk(2, dim=-1))
        value, gate = self.gated(self.norm3(h)).chunk(2, dim=-1)
        h = h + self.out(value * F.gelu(gate))
        return x + self.proj_out(h).reshape(x.shape[0], height, width, channels).permute(0, 3, 1, 2)


class UNet(nn.Module):
    """sample [B, 4, h, w], timestep [1] float32, embeddings [B or 2B, T, C] → noise, one row for each of the embeddings."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.timesteps = SinusoidalTimesteps(unet.time_proj, unet.device)
        self.time_embedding = unet.time_embedding
        self.conv_in, self.conv_out = unet.conv_in, unet.conv_out
        self.norm_out = GroupNorm(unet.conv_norm_out, True)

        shifts, contexts = _Slices(), _Slices()
        time_projections, context_projections = [], []

        def residual(original: nn.Module) -> ResidualBlock:
            time_projections.append(_with_bias_of(original.time_emb_proj, original.conv1))
            return ResidualBlock(original, shifts.next(original.conv1.out_channels))

        def transformer(original: nn.Module) -> TransformerBlock:
            attention = original.transformer_blocks[0].attn2
            context_projections.extend([attention.to_k, attention.to_v])
            return TransformerBlock(original, contexts.next(2 * attention.to_k.out_features))

        def level(block: nn.Module) -> nn.ModuleDict:
            attentions = getattr(block, "attentions", None) or ()
            samplers = getattr(block, "downsamplers", None) or getattr(block, "upsamplers", None) or ()
            return nn.ModuleDict({
                "residuals": nn.ModuleList(map(residual, block.resnets)),
                "transformers": nn.ModuleList(map(transformer, attentions)),
                "samplers": nn.ModuleList(sampler.conv for sampler in samplers),
            })

        self.down = nn.ModuleList(map(level, unet.down_blocks))
        self.middle = level(unet.mid_block)
        self.up = nn.ModuleList(map(level, unet.up_blocks))
        self.shifts = _joined(time_projections)
        self.contexts = _joined(context_projections)

    def forward(self, sample: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        time = self.time_embedding(self.timesteps(timestep).to(sample.dtype))
        shifts = self.shifts(F.silu(time))
        contexts = self.contexts(embeddings)

        x = self.conv_in(sample)
        skips = [x]
        for level in self.down:
            for index, residual in enumerate(level["residuals"]):
                x = residual(x, shifts)
                if len(level["transformers"]) > 0:
                    x = level["transformers"][index](x, contexts)
                skips.append(x)
            for convolution in level["samplers"]:
                x = convolution(x)
                skips.append(x)

        first, last = self.middle["residuals"]
        x = last(self.middle["transformers"][0](first(x, shifts), contexts), shifts)

        for level in self.up:
            for index, residual in enumerate(level["residuals"]):
                x = residual(torch.cat([x, as_many(skips.pop(), x)], dim=1), shifts)
                if len(level["transformers"]) > 0:
                    x = level["transformers"][index](x, contexts)
            for convolution in level["samplers"]:
                x = convolution(_enlarged(x, skips[-1]))
        return self.conv_out(self.norm_out(x))


class SinusoidalTimesteps(nn.Module):
    """diffusers' `Timesteps` with its frequencies as a parameter, where the original makes them on the traced device."""

    def __init__(self, original: nn.Module, device: torch.device):
        super().__init__()
        half = original.num_channels // 2
        exponent = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=device)
        frequencies = original.scale * torch.exp(exponent / (half - original.downscale_freq_shift))
        self.cosine_first = original.flip_sin_to_cos
        self.frequencies = nn.Parameter(frequencies, requires_grad=False)

    def forward(self, timesteps: Tensor) -> Tensor:
        angles = timesteps[:, None].float() * self.frequencies[None, :]
        parts = [torch.cos(angles), torch.sin(angles)] if self.cosine_first else [torch.sin(angles), torch.cos(angles)]
        return torch.cat(parts, dim=-1)


def as_many(x: Tensor, other: Tensor) -> Tensor:
    """`x` with as many rows as `other`, which has the same number or a multiple of it.

    Inductor makes a repeated `cat` a dense copy, whatever the layout of `x` and that of the exported graph. So images are
    repeated as [N, h, w, C], which is how they lie in memory.
    """
    times = other.shape[0] // x.shape[0]
    if times == 1:
        return x
    if x.dim() == 4:
        return torch.cat([x.permute(0, 2, 3, 1)] * times).permute(0, 3, 1, 2)
    return torch.cat([x] * times)


def _enlarged(x: Tensor, skip: Tensor) -> Tensor:
    """`x` at twice its size, which is that of `skip` or, where halving had to round, one more."""
    if x.shape[2] * 2 == skip.shape[2] and x.shape[3] * 2 == skip.shape[3]:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
    return F.interpolate(x, size=skip.shape[2:], mode="nearest")


class _Slices:
    """Consecutive slices of one dimension."""

    def __init__(self):
        self.stop = 0

    def next(self, size: int) -> slice:
        start, self.stop = self.stop, self.stop + size
        return slice(start, self.stop)


def _joined(linears: list[nn.Linear | Linear]) -> Linear:
    """One product in place of several of the same input."""
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    return Linear(torch.cat([linear.weight for linear in linears]), bias)


def _as_linear(projection: nn.Conv2d | nn.Linear) -> Linear:
    """A convolution of one pixel is a product, too."""
    return Linear(projection.weight.flatten(1).contiguous(), projection.bias)


def _with_bias_of(projection: nn.Linear, convolution: nn.Conv2d) -> Linear:
    return Linear(projection.weight, projection.bias + convolution.bias)


def _without_bias(original: nn.Conv2d) -> nn.Conv2d:
    convolution = nn.Conv2d(1, 1, original.kernel_size, original.stride, original.padding, bias=False, device="meta")
    convolution.in_channels, convolution.out_channels = original.in_channels, original.out_channels
    convolution.weight = original.weight
    return convolution

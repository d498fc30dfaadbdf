"""The VAE's encoder and decoder with our kernels."""

import copy

from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from . import kernels
from .unet import GroupNorm


class PixelAttention(nn.Module):
    """diffusers' `Attention` of one head over the pixels, with its norm and its residual connection."""

    def __init__(self, original: Attention):
        super().__init__()
        self.norm = GroupNorm(original.group_norm, silu=False)
        self.to_q, self.to_k, self.to_v, self.to_out = original.to_q, original.to_k, original.to_v, original.to_out[0]

    def forward(self, x: Tensor, temb: None = None) -> Tensor:
        h = self.norm(x).flatten(2).transpose(1, 2)
        h = kernels.attention(self.to_q(h), self.to_k(h), self.to_v(h), heads=1)
        return x + self.to_out(h).transpose(1, 2).unflatten(2, x.shape[2:])


def decoder(vae: AutoencoderKL | AutoencoderTiny) -> nn.Module:
    """The decoder of `vae`, whose own one stays what it is."""
    return _with_our_kernels(copy.deepcopy(vae.decoder))


def encoder(vae: AutoencoderKL | AutoencoderTiny) -> nn.Module:
    """The encoder of `vae`, whose own one stays what it is."""
    return _with_our_kernels(copy.deepcopy(vae.encoder))


def _with_our_kernels(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, GroupNorm(child, silu=False))
        elif isinstance(child, Attention):
            if child.heads != 1 or not child.residual_connection or child.rescale_output_factor != 1:
                raise ValueError(f"vae: {name} is not the attention of Stable Diffusion 1's VAE")
            module._modules[name] = PixelAttention(child)
        else:
            _with_our_kernels(child)
    return module

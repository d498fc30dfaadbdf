"""The bundle's TorchScript modules: what each takes and gives is said in `docs/bundle.md`.

The networks are traced, the denoising step round the UNet is scripted because it branches on the number of rows.
Nothing in a trace may name a device or a size: the worker moves the modules to its GPU and chooses batch and size. What a
module needs besides its inputs is a parameter of it, constants too: packages compiled from the module take them by name.
"""

import warnings

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from .checkpoint import Safety
from .format import LATENT_CHANNELS, LATENT_SCALE, TEXT_LENGTH
from .safety import Features, Margins, SafetyChecker
from .unet import UNet
from .vae import decoder as vae_decoder
from .vae import encoder as vae_encoder


class TextEncoder(nn.Module):
    """Token ids int64 [N, 77] → last hidden state after the final layer norm, float32 [N, 77, C]."""

    def __init__(self, model: CLIPTextModel):
        super().__init__()
        # transformers before 5 wraps the three in a `text_model`
        text = getattr(model, "text_model", model)
        self.token_embedding = text.embeddings.token_embedding
        self.position_embedding = text.embeddings.position_embedding.weight
        self.layers = text.encoder.layers
        self.final_layer_norm = text.final_layer_norm
        mask = torch.full((1, 1, TEXT_LENGTH, TEXT_LENGTH), -torch.inf, dtype=model.dtype, device=model.device).triu(1)
        self.causal_mask = nn.Parameter(mask, requires_grad=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.token_embedding(input_ids) + self.position_embedding
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=self.causal_mask)
        return self.final_layer_norm(hidden).float()


class NoisePrediction(nn.Module):
    """The UNet between float32 borders: scaled sample [N, 4, h, w], timestep [1], embeddings [N, T, C] → noise."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.unet = UNet(unet)
        self.dtype = unet.dtype

    def forward(self, sample: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        return self.unet(sample.to(self.dtype), timestep, embeddings.to(self.dtype)).float()


class DenoisingStep(nn.Module):
    """One step of a scheduler that is linear in (sample, noise prediction, previous prediction, fresh noise)."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(
        self, sample: Tensor, previous: Tensor, noise: Tensor, embeddings: Tensor, coefficients: Tensor
    ) -> tuple[Tensor, Tensor]:
        timestep, input_scale, guidance_scale, a, b, p, q, r, s = coefficients.unbind(0)
        batch = sample.size(0)
        rows = embeddings.size(0)
        scaled = input_scale * sample
        if rows == 2 * batch:
            if torch.jit.is_scripting():
                # a trace has a row for each of the embeddings' rows; a package begins with those of the sample
                scaled = torch.cat([scaled, scaled])
            prediction = self.unet(scaled, timestep.unsqueeze(0), embeddings)
            unconditional, conditional = prediction.chunk(2)
            epsilon = unconditional + guidance_scale * (conditional - unconditional)
        elif rows == batch:
            epsilon = self.unet(scaled, timestep.unsqueeze(0), embeddings)
        else:
            raise ValueError(f"{rows} rows of embeddings for a batch of {batch}: neither the batch nor twice it")
        denoised = a * sample + b * epsilon
        return p * sample + q * denoised + r * previous + s * noise, denoised


class Decoder(nn.Module):
    """Latents float32 [B, 4, h, w] → pixels uint8 [B, 8h, 8w, 3]."""

    def __init__(self, vae: AutoencoderKL | AutoencoderTiny):
        super().__init__()
        self.dtype = vae.dtype
        self.scaling_factor = vae.config.scaling_factor
        # the encoder is a module of its own
        self.post_quant_conv = getattr(vae, "post_quant_conv", None) or nn.Identity()
        self.decoder = vae_decoder(vae)

    def forward(self, latents: Tensor) -> Tensor:
        latents = (latents / self.scaling_factor).to(self.dtype)
        pixels = self.decoder(self.post_quant_conv(latents)).float()
        pixels = (pixels / 2 + 0.5).clamp(0, 1)
        return (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


class Encoder(nn.Module):
    """Pixels uint8 [B, 8h, 8w, 3] and standard normal noise [B, 4, h, w] → scaled latents float32 [B, 4, h, w].

    The latents are a sample of the posterior, as diffusers' image-to-image pipelines take one.
    """

    def __init__(self, vae: AutoencoderKL):
        super().__init__()
        self.dtype = vae.dtype
        self.scaling_factor = vae.config.scaling_factor
        self.encoder = vae_encoder(vae)
        self.quant_conv = getattr(vae, "quant_conv", None) or nn.Identity()

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        moments = self.quant_conv(self.encoder(_normalized(pixels).to(self.dtype))).float()
        mean, log_variance = moments.chunk(2, dim=1)
        # as diffusers' DiagonalGaussianDistribution keeps it
        deviation = (0.5 * log_variance.clamp(-30, 20)).exp()
        return self.scaling_factor * (mean + deviation * noise)


class TinyEncoder(nn.Module):
    """Pixels uint8 [B, 8h, 8w, 3] → scaled latents float32 [B, 4, h, w]: the Tiny VAE has no posterior."""

    def __init__(self, vae: AutoencoderTiny):
        super().__init__()
        self.dtype = vae.dtype
        self.scaling_factor = vae.config.scaling_factor
        self.encoder = vae_encoder(vae)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.scaling_factor * self.encoder(_normalized(pixels).to(self.dtype)).float()


def _normalized(pixels: Tensor) -> Tensor:
    """As diffusers' `VaeImageProcessor` does it: uint8 [B, H, W, 3] → [B, 3, H, W] from -1 to 1."""
    return 2.0 * (pixels.permute(0, 3, 1, 2).float() / 255.0) - 1.0


def text_encoder_module(model: CLIPTextModel) -> torch.jit.ScriptModule:
    return _trace(TextEncoder(model), torch.zeros(2, TEXT_LENGTH, dtype=torch.int64))


def denoising_module(unet: UNet2DConditionModel) -> torch.jit.ScriptModule:
    # 9×11 latents do not halve evenly, so the trace takes the sizes of its up-sampling from the skip connections, as
    # diffusers does for such a size; it then serves every size
    sample = torch.randn(2, LATENT_CHANNELS, 9, 11)
    embeddings = torch.randn(2, TEXT_LENGTH, unet.config.cross_attention_dim)
    return torch.jit.script(DenoisingStep(_trace(NoisePrediction(unet), sample, torch.tensor([1.0]), embeddings)))


def decoder_module(vae: AutoencoderKL | AutoencoderTiny) -> torch.jit.ScriptModule:
    return _trace(Decoder(vae), torch.randn(2, LATENT_CHANNELS, 6, 7))


def encoder_module(vae: AutoencoderKL | AutoencoderTiny) -> torch.jit.ScriptModule:
    pixels = torch.randint(256, (2, 6 * LATENT_SCALE, 7 * LATENT_SCALE, 3), dtype=torch.uint8)
    if isinstance(vae, AutoencoderTiny):
        return _trace(TinyEncoder(vae), pixels)
    return _trace(Encoder(vae), pixels, torch.randn(2, LATENT_CHANNELS, 6, 7))


def safety_module(safety: Safety) -> torch.jit.ScriptModule:
    height, width = safety.extraction.crop
    margins = _trace(Margins(safety.checker), torch.randn(2, 3, height, width))
    # scripted, since what is cut from an image follows from its size
    features = torch.jit.script(Features(safety.extraction).to(safety.checker.device).eval())
    return torch.jit.script(SafetyChecker(features, margins).eval())


def _trace(module: nn.Module, *inputs: Tensor) -> torch.jit.ScriptModule:
    device = next(module.parameters()).device
    inputs = tuple(tensor.to(device) for tensor in inputs)
    with torch.no_grad(), warnings.catch_warnings():
        # Python branches on a shape, which the comparison with the eager model at other shapes covers
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.trace(module.eval(), inputs, check_trace=False)

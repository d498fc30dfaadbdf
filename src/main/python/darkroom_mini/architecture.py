"""The architecture of `mini`: every class of Stable Diffusion 1.5, each at a small width.

256×256 pixels, latents of 4×32×32 (the VAE scales by 8, as Stable Diffusion's does), prompts of 77 tokens. The
widths are parameters: random weights need little, a trained model more.
"""

from dataclasses import dataclass
from pathlib import Path

from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TEXT_LENGTH = 77
LATENT_CHANNELS = 4
LATENT_SCALE = 8


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of the four models.

    The UNet halves its resolution once a level but the last (32, 16, 8 for three levels), the VAE and the Tiny VAE
    have four levels, which is what makes their scale 8. `unet_attention` says of each level whether it attends, by
    default all but the last. `vocabulary` is the tokenizer's unless given, which must not be fewer.
    """

    image_size: int = 256
    vocabulary: int | None = None
    text_width: int = 96
    text_layers: int = 2
    text_heads: int = 4
    unet_widths: tuple[int, ...] = (24, 48, 48)
    unet_attention: tuple[bool, ...] | None = None
    unet_layers: int = 1
    unet_heads: int = 4
    vae_widths: tuple[int, int, int, int] = (16, 16, 32, 32)
    vae_layers: int = 1
    tiny_width: int = 16
    norm_groups: int = 8

    def text_encoder(self, tokenizer: CLIPTokenizer) -> CLIPTextModel:
        """A CLIP text encoder, as wide as the UNet's cross-attention, for the vocabulary of `tokenizer`."""
        return CLIPTextModel(
            CLIPTextConfig(
                vocab_size=self.vocabulary or len(tokenizer),
                hidden_size=self.text_width,
                intermediate_size=4 * self.text_width,
                projection_dim=self.text_width,
                num_hidden_layers=self.text_layers,
                num_attention_heads=self.text_heads,
                max_position_embeddings=TEXT_LENGTH,
                hidden_act="quick_gelu",
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ).eval()

    def unet(self) -> UNet2DConditionModel:
        """The denoising UNet: latents [B, 4, h, w], timestep, embeddings [B, 77, text_width] → noise prediction."""
        attention = self.unet_attention or (True,) * (len(self.unet_widths) - 1) + (False,)
        return UNet2DConditionModel(
            sample_size=self.image_size // LATENT_SCALE,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in attention),
            up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(attention)),
            block_out_channels=self.unet_widths,
            layers_per_block=self.unet_layers,
            # diffusers reads this as the number of heads for SD 1.x, whatever its name
            attention_head_dim=self.unet_heads,
            cross_attention_dim=self.text_width,
            norm_num_groups=self.norm_groups,
        ).eval()

    def vae(self) -> AutoencoderKL:
        """The full VAE: pixels [B, 3, 8h, 8w] in [-1, 1] ↔ latents [B, 4, h, w]."""
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=self.vae_widths,
            layers_per_block=self.vae_layers,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=self.norm_groups,
            sample_size=self.image_size,
            scaling_factor=0.18215,
        ).eval()

    def tiny_vae(self) -> AutoencoderTiny:
        """The Tiny VAE (TAESD), which decodes the scaled latents directly."""
        widths = (self.tiny_width,) * 4
        return AutoencoderTiny(
            encoder_block_out_channels=widths,
            decoder_block_out_channels=widths,
            latent_channels=LATENT_CHANNELS,
        ).eval()


STABLE_DIFFUSION_1_5 = Architecture(
    image_size=512,
    vocabulary=49408,
    text_width=768,
    text_layers=12,
    text_heads=12,
    unet_widths=(320, 640, 1280, 1280),
    unet_layers=2,
    unet_heads=8,
    vae_widths=(128, 256, 512, 512),
    vae_layers=2,
    tiny_width=64,
    norm_groups=32,
)
"""The widths of Stable Diffusion 1.5, for measurements: the same arithmetic, whatever the weights."""


def scheduler() -> PNDMScheduler:
    """Stable Diffusion 1.5's scheduler configuration, with the spacing that it implies written out.

    Its `scheduler_config.json` has no `timestep_spacing`, PNDM's default being `leading`. diffusers does not hand such
    a default on (`_use_default_values`): another scheduler made by `from_config` would take its own, `linspace`.
    """
    return PNDMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        prediction_type="epsilon",
        timestep_spacing="leading",
        steps_offset=1,
    )


def save_checkpoint(
    directory: Path,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    tiny_vae: AutoencoderTiny,
) -> None:
    """Writes a checkpoint in diffusers layout, the Tiny VAE as `tiny_vae` inside it."""
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(directory)
    tiny_vae.save_pretrained(directory / "tiny_vae")

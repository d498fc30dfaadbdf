"""A Stable Diffusion 1.x checkpoint in diffusers layout, checked part by part before anything is compiled."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, PNDMScheduler, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPTextModel, CLIPTokenizer

from .format import LATENT_CHANNELS, LATENT_SCALE, TEXT_LENGTH
from .safety import FeatureExtraction


class CheckpointError(Exception):
    """A checkpoint that cannot become a bundle: one sentence that begins with the part at fault."""

    def __init__(self, part: str, problem: str):
        super().__init__(f"{part}: {problem}")
        self.part = part


@dataclass(frozen=True)
class Safety:
    """A checkpoint's safety checker and what it looks at."""

    checker: StableDiffusionSafetyChecker
    extraction: FeatureExtraction


@dataclass(frozen=True)
class Checkpoint:
    """The loaded parts, in evaluation mode, all of one floating-point type."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    tiny_vae: AutoencoderTiny
    scheduler: dict[str, Any]
    vocabulary: dict[str, Any] | None
    # whether its weights draw in few steps without guidance, as its own scheduler says
    few_steps: bool
    # only where it was asked for
    safety: Safety | None = None


def load_checkpoint(
    directory: Path,
    tiny_directory: Path,
    dtype: torch.dtype = torch.float32,
    timestep_spacing: str | None = None,
    variant: str | None = None,
    with_safety: bool = False,
) -> Checkpoint:
    """Loads and checks a checkpoint.

    :param directory: holds `model_index.json`, `tokenizer`, `text_encoder`, `unet`, `vae` and `scheduler`
    :param tiny_directory: holds the Tiny VAE (`AutoencoderTiny`)
    :param timestep_spacing: instead of the scheduler configuration's own
    :param variant: of the weight files, as diffusers calls it (`fp16` for `….fp16.safetensors`)
    :param with_safety: also its safety checker, `safety_checker` and `feature_extractor`
    :raises CheckpointError: a part is missing, unreadable, or not of Stable Diffusion 1's shape
    """
    if not directory.is_dir():
        raise CheckpointError("checkpoint", f"{directory} is not a directory")
    pipeline = _config(directory, "model_index.json", "checkpoint").get("_class_name")
    if pipeline != "StableDiffusionPipeline":
        raise CheckpointError("checkpoint", f"is a {pipeline}, and only StableDiffusionPipeline (1.x) can be compiled")

    # every configuration is checked before any weights are read: an answer in a second, not after gigabytes
    folders = {part: directory / part for part in ("tokenizer", "text_encoder", "unet", "vae", "scheduler")}
    folders["tiny_vae"] = tiny_directory
    if with_safety:
        folders |= {part: directory / part for part in ("safety_checker", "feature_extractor")}
    for part, folder in folders.items():
        if not folder.is_dir():
            raise CheckpointError(part, f"the directory {folder} does not exist")
    text = _model_config(folders, "text_encoder", "CLIPTextModel")
    unet = _model_config(folders, "unet", "UNet2DConditionModel")
    vae = _model_config(folders, "vae", "AutoencoderKL")
    tiny = _model_config(folders, "tiny_vae", "AutoencoderTiny")
    _check_text_encoder(text)
    _check_unet(unet, text)
    _check_vae(vae)
    _check_tiny_vae(tiny)
    extraction = None
    if with_safety:
        _model_config(folders, "safety_checker", "StableDiffusionSafetyChecker")
        with _reading("feature_extractor"):
            extraction = FeatureExtraction.read(folders["feature_extractor"] / "preprocessor_config.json")
    sampling = _config(folders["scheduler"], "scheduler_config.json", "scheduler")
    scheduler = _scheduler(sampling, timestep_spacing)

    def load(model: Any, part: str) -> Any:
        options = {"torch_dtype": dtype, "low_cpu_mem_usage": False, "variant": variant}
        if model is CLIPTextModel:
            options = {"dtype": dtype, "variant": variant, "attn_implementation": "sdpa"}
        elif model is StableDiffusionSafetyChecker:
            options = {"dtype": dtype, "variant": variant}
        with _reading(part):
            loaded, report = model.from_pretrained(
                folders[part], use_safetensors=True, local_files_only=True, output_loading_info=True, **options
            )
        wrong = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
        if wrong:
            raise CheckpointError(part, f"{len(wrong)} weights are missing or misshapen, {wrong[0]} among them")
        return loaded.eval().requires_grad_(False)

    vocabulary = directory / "vocabulary.json"
    return Checkpoint(
        tokenizer=_tokenizer(folders["tokenizer"], text["vocab_size"]),
        text_encoder=load(CLIPTextModel, "text_encoder"),
        unet=load(UNet2DConditionModel, "unet"),
        vae=load(AutoencoderKL, "vae"),
        tiny_vae=load(AutoencoderTiny, "tiny_vae"),
        scheduler=scheduler,
        vocabulary=_config(directory, vocabulary.name, "vocabulary") if vocabulary.exists() else None,
        few_steps=sampling.get("_class_name") == "LCMScheduler",
        safety=Safety(load(StableDiffusionSafetyChecker, "safety_checker"), extraction) if extraction else None,
    )


def _config(directory: Path, name: str, part: str) -> dict[str, Any]:
    path = directory / name
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(part, f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(part, f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(part, f"{path} is not a JSON object")
    return config


def _model_config(folders: dict[str, Path], part: str, expected: str) -> dict[str, Any]:
    folder = folders[part]
    config = _config(folder, "config.json", part)
    name = config.get("_class_name") or next(iter(config.get("architectures") or ()), None)
    if name != expected:
        raise CheckpointError(part, f"is a {name}, not a {expected}")
    if not any(folder.glob("*.safetensors")):
        raise CheckpointError(part, f"{folder} holds no weights in safetensors format")
    return config


def _expect(part: str, config: dict[str, Any], key: str, allowed: Any, reason: str) -> None:
    if config.get(key, allowed) != allowed:
        raise CheckpointError(part, f"{key} is {config[key]}, not {allowed}: {reason}")


def _check_text_encoder(config: dict[str, Any]) -> None:
    _expect("text_encoder", config, "max_position_embeddings", TEXT_LENGTH, "not Stable Diffusion 1's text length")
    _expect("text_encoder", config, "use_attention_mask", False, "a masked text encoder is not supported")


def _check_unet(config: dict[str, Any], text: dict[str, Any]) -> None:
    reason = "not a Stable Diffusion 1 text-to-image UNet"
    _expect("unet", config, "in_channels", LATENT_CHANNELS, reason)
    _expect("unet", config, "out_channels", LATENT_CHANNELS, reason)
    _expect("unet", config, "cross_attention_dim", text["hidden_size"], "the text encoder's hidden size differs")
    for key in ("addition_embed_type", "class_embed_type", "num_class_embeds", "encoder_hid_dim_type"):
        _expect("unet", config, key, None, reason)
    _expect("unet", config, "time_cond_proj_dim", None, "guidance-distilled models are not supported")
    _expect("unet", config, "center_input_sample", False, reason)


def _check_vae(config: dict[str, Any]) -> None:
    _expect("vae", config, "latent_channels", LATENT_CHANNELS, "not Stable Diffusion 1's latents")
    _expect("vae", config, "out_channels", 3, "the worker draws RGB")
    _expect("vae", config, "shift_factor", None, "not Stable Diffusion 1's latents")
    _expect_scale("vae", 2 ** (len(config.get("block_out_channels", ())) - 1))


def _check_tiny_vae(config: dict[str, Any]) -> None:
    _expect("tiny_vae", config, "latent_channels", LATENT_CHANNELS, "not Stable Diffusion 1's latents")
    _expect("tiny_vae", config, "out_channels", 3, "the worker draws RGB")
    levels = len(config.get("decoder_block_out_channels", (64,) * 4))
    _expect_scale("tiny_vae", config.get("upsampling_scaling_factor", 2) ** (levels - 1))


def _expect_scale(part: str, scale: int) -> None:
    if scale != LATENT_SCALE:
        raise CheckpointError(part, f"scales by {scale}, not {LATENT_SCALE}: not Stable Diffusion 1's latents")


def _scheduler(config: dict[str, Any], timestep_spacing: str | None) -> dict[str, Any]:
    """The manifest's scheduler section.

    What the configuration leaves out are PNDMScheduler's defaults, the scheduler of Stable Diffusion 1.5's checkpoint; all
    schedulers have the same, but for the timestep spacing. diffusers' `from_config` does not hand such a default on to
    another class, so that `EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)` samples Stable Diffusion 1.5,
    whose file names none, with its own, `linspace`. The worker does the same where the manifest has none.
    """
    reason = "the worker's schedulers do not support it"
    _expect("scheduler", config, "prediction_type", "epsilon", reason)
    _expect("scheduler", config, "trained_betas", None, reason)
    _expect("scheduler", config, "rescale_betas_zero_snr", False, reason)
    with _reading("scheduler"):
        # PNDM's signature has the keys that every scheduler of a Stable Diffusion 1 checkpoint shares
        resolved = PNDMScheduler.from_config(config).config
    spacing = timestep_spacing or config.get("timestep_spacing")
    if resolved.beta_schedule != "scaled_linear":
        raise CheckpointError("scheduler", f"beta_schedule is {resolved.beta_schedule}, not scaled_linear: {reason}")
    return {
        "betaStart": resolved.beta_start,
        "betaEnd": resolved.beta_end,
        "betaSchedule": resolved.beta_schedule,
        "trainTimesteps": resolved.num_train_timesteps,
        "stepsOffset": resolved.steps_offset,
        "predictionType": resolved.prediction_type,
    } | ({} if spacing is None else {"timestepSpacing": spacing})


def _tokenizer(folder: Path, vocabulary: int) -> CLIPTokenizer:
    with _reading("tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.bos_token_id is None or tokenizer.eos_token_id is None or len(tokenizer) < 3:
        raise CheckpointError("tokenizer", f"{folder} holds neither tokenizer.json nor vocab.json with merges.txt")
    if tokenizer.model_max_length != TEXT_LENGTH:
        raise CheckpointError("tokenizer", f"model_max_length is {tokenizer.model_max_length}, not {TEXT_LENGTH}")
    if len(tokenizer) > vocabulary:
        raise CheckpointError("tokenizer", f"has {len(tokenizer)} tokens, the text encoder knows {vocabulary}")
    return tokenizer


@contextlib.contextmanager
def _reading(part: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the libraries raise OSError, ValueError, RuntimeError and safetensors' own
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(part, f"cannot be read: {first}") from error

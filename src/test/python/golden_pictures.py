"""Golden data for images that start from pictures, taken from diffusers: `python golden_pictures.py`.

Writes `golden/pictures`: a bundle with random weights, as small as the classes allow, pictures and masks, and what diffusers'
`StableDiffusionImg2ImgPipeline` and `StableDiffusionInpaintPipeline` make of them (`images.json` and the PNG files that it
names), in float32 on the CPU. The weights, too, are made anew: everything is overwritten.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import diffusers
import numpy as np
import torch
import transformers
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image, ImageOps

from darkroom_bench.pipeline import SCHEDULERS, load_pipeline, load_tiny
from darkroom_bundle.bundle import Offer, write_bundle
from darkroom_bundle.checkpoint import load_checkpoint
from darkroom_mini.architecture import Architecture, save_checkpoint
from darkroom_mini.random_weights import captions, follow_the_prompt, randomize, within_the_pixels_range
from darkroom_mini.tokenizer import train_tokenizer

SIZE = 64
SMALL = Architecture(
    image_size=SIZE, text_width=32, text_layers=1, text_heads=2, unet_widths=(16, 16), unet_heads=2,
    vae_widths=(8, 8, 8, 8), tiny_width=8, norm_groups=4,
)  # fmt: skip

# prompt, negative prompt, seed; the picture of a request is that of its index
REQUESTS = (
    ("a red circle on a blue background", "", 42),
    ("a watercolor of a green house under a yellow moon", "blurry, low quality", 7),
)
ALL_SCHEDULERS = SCHEDULERS | {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler}

# scheduler, steps, strength, guidance scale and cutoff, decoder
SETTINGS: tuple[tuple[str, int, float, float, float, str], ...] = (
    ("euler-ancestral", 20, 0.6, 7.5, 1, "full"),
    ("euler-ancestral", 20, 0.35, 7.5, 0.4, "tiny"),
    ("euler-ancestral", 10, 1, 7.5, 1, "full"),
    ("dpmpp-2m", 20, 0.6, 7.5, 0.4, "tiny"),
    ("dpmpp-2m", 20, 0.95, 7.5, 1, "full"),
    ("dpmpp-2m", 10, 1, 1, 1, "tiny"),
    ("lcm", 4, 0.5, 1, 1, "tiny"),
    ("lcm", 8, 1, 1, 1, "full"),
    ("euler", 20, 0.5, 7.5, 1, "full"),
    ("ddim", 20, 0.7, 7.5, 1, "tiny"),
)


def make_checkpoint(directory: Path) -> None:
    """Random weights: an image depends on its picture, its mask, its prompts and its seed."""
    tokenizer = train_tokenizer(captions(), 768)
    generator = torch.Generator("cpu").manual_seed(0)
    models = (SMALL.text_encoder(tokenizer), SMALL.unet(), SMALL.vae(), SMALL.tiny_vae())
    for model in models:
        randomize(model, generator)
    follow_the_prompt(models[1])
    within_the_pixels_range(models[3])
    # a posterior as narrow as a trained one's would hide whether it is sampled
    models[2].quant_conv.bias.data[SMALL.vae().config.latent_channels :] = 1.0
    save_checkpoint(directory, tokenizer, *models)


def make_pictures(directory: Path) -> list[tuple[Image.Image, Image.Image]]:
    """Pictures and masks, whose edges lie across latents."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    pictures = []
    for index in range(len(REQUESTS)):
        waves = [np.sin(2 * np.pi * (f * x + g * y + index / 3)) for f, g in ((1, 2), (3, 1), (2, -3))]
        picture = Image.fromarray(np.uint8(127.5 + 127 * np.stack(waves, axis=-1)))
        inside = (x - 0.4) ** 2 + (y - 0.55) ** 2 < 0.09 if index == 0 else x + y > 0.87
        mask = Image.fromarray(np.uint8(np.where(inside, 200, 100)))
        picture.save(directory / f"picture-{index}.png", optimize=True)
        mask.save(directory / f"mask-{index}.png", optimize=True)
        pictures.append((picture, mask))
    return pictures


def make_files(directory: Path) -> None:
    """A picture in the ways in which files hold pictures; `upright.png` is what they show."""
    directory.mkdir()
    upright = Image.new("RGB", (24, 16), (250, 250, 250))
    upright.paste((200, 30, 30), (0, 0, 8, 8))
    upright.paste((30, 160, 40), (8, 0, 16, 16))
    upright.paste((40, 50, 190), (16, 8, 24, 16))
    upright.save(directory / "upright.png")
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = upright.transpose(undo[orientation]) if orientation in undo else upright
        turned.save(directory / f"orientation-{orientation}.jpg", quality=95, subsampling=0, exif=exif)
        with Image.open(directory / f"orientation-{orientation}.jpg") as turned_again:
            assert ImageOps.exif_transpose(turned_again).size == (24, 16)
        if orientation == 6:
            turned.save(directory / "orientation-6.png", exif=exif)
            turned.save(directory / "orientation-6.webp", lossless=True, exif=exif)
    upright.quantize(8).save(directory / "palette.png")
    upright.save(directory / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    upright.convert("CMYK").save(directory / "cmyk.jpg", quality=95)
    upright.convert("L").save(directory / "gray.png")
    upright.convert("L").save(directory / "gray.jpg", quality=95)
    transparent = upright.convert("RGBA")
    # what is white in the picture is black here, where nobody sees it
    transparent.putdata([(0, 0, 0, 0) if p[:3] == (250, 250, 250) else p for p in transparent.getdata()])
    transparent.save(directory / "transparent.png")


def cutoff_of(fraction: float) -> Any:
    """As `darkroom_bench.pipeline.guidance_cutoff`; an inpainting pipeline has its mask twice, too, while it is guided."""

    def on_step_end(pipeline, step, timestep, tensors):
        if step == int(pipeline.num_timesteps * fraction):
            pipeline._guidance_scale = 0.0
            tensors = {name: tensor.chunk(2)[-1] for name, tensor in tensors.items()}
        return tensors

    return on_step_end


def draw(pipeline: Any, setting: tuple, index: int, picture: Image.Image, mask: Image.Image | None) -> Image.Image:
    prompt, negative_prompt, seed = REQUESTS[index]
    _, steps, strength, scale, cutoff, _ = setting
    return pipeline(
        prompt,
        negative_prompt=negative_prompt,
        image=picture,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=scale,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=cutoff_of(cutoff),
        callback_on_step_end_tensor_inputs=["prompt_embeds", *(["mask"] if mask else [])],
        **({"mask_image": mask, "height": SIZE, "width": SIZE} if mask else {}),
    ).images[0]


def goldens(checkpoint: Path, out: Path) -> dict[str, Any]:
    plain = load_pipeline(checkpoint, torch.float32, "cpu")
    decoders = {"full": plain.vae, "tiny": load_tiny(checkpoint / "tiny_vae", torch.float32, "cpu")}
    pictures = make_pictures(out)
    cases = []
    for setting in SETTINGS:
        name, steps, strength, scale, cutoff, decoder = setting
        for masked in (False, True):
            kind = StableDiffusionInpaintPipeline if masked else StableDiffusionImg2ImgPipeline
            pipeline = kind(**plain.components, requires_safety_checker=False)
            pipeline.set_progress_bar_config(disable=True)
            pipeline.vae = decoders[decoder]
            options = {"clip_sample": False} if name == "ddim" else {}
            for index, (picture, mask) in enumerate(pictures):
                pipeline.scheduler = ALL_SCHEDULERS[name].from_config(plain.scheduler.config, **options)
                image = draw(pipeline, setting, index, picture, mask if masked else None)
                file = f"{name}-{steps}-{strength:g}{'-mask' if masked else ''}-{decoder}-{index}.png"
                image.save(out / file, optimize=True)
                prompt, negative_prompt, seed = REQUESTS[index]
                cases.append({
                    "scheduler": name, "steps": steps, "strength": strength, "masked": masked,
                    "scale": scale, "cutoff": cutoff, "decoder": decoder, "prompt": prompt,
                    "negativePrompt": negative_prompt, "seed": str(seed), "stepsRun": pipeline.num_timesteps,
                    "picture": f"picture-{index}.png", "mask": f"mask-{index}.png", "file": file,
                })  # fmt: skip
            print(cases[-1]["file"], flush=True)
    versions = {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__}
    return {"versions": versions, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parents[1] / "resources/golden/pictures"
    parser.add_argument("--out", type=Path, default=default, help=f"default: {default.relative_to(Path(__file__).parents[3])}")
    out = parser.parse_args().out
    transformers.logging.set_verbosity_error()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "random"
        make_checkpoint(checkpoint)
        offer = Offer("random", "random weights", [(SIZE, SIZE)], [1, 2], few_steps=True)
        write_bundle(load_checkpoint(checkpoint, checkpoint / "tiny_vae"), offer, out / "bundle", print)
        golden = goldens(checkpoint, out)
    make_files(out / "files")
    head = json.dumps({key: value for key, value in golden.items() if key != "cases"})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden["cases"])
    (out / "images.json").write_text(head[:-1] + ', "cases": [\n' + lines + "\n]}\n", "utf-8")


if __name__ == "__main__":
    main()

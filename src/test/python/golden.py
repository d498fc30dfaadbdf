"""Golden data for the Java tests, taken from diffusers: `python golden.py --checkpoint DIR --out DIR`.

- `schedulers.json`: timesteps, sigmas and the sample after every step of every scheduler
- `noise.json`: what `torch.Generator("cpu").manual_seed(seed)` draws
- `tokenizer.json`: prompts and their token ids
- `images.json` and the PNG files that it names: every profile, end to end, in float32 on the CPU
- `emphasis.json`: weighted prompts and the embeddings that compel gives them
- `long-prompts.json`: the same of weighted prompts that are read as several texts
- `adapters.json` and what it names: two LoRAs in the bundle's terms, and images with either, with both and with none

The first two depend on the libraries alone, the others on the checkpoint, which must be the one that the bundle under
test, `--bundle`, was compiled from. Everything is recomputed and overwritten.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import diffusers
import numpy as np
import torch
import transformers
from diffusers import DDIMScheduler, EulerDiscreteScheduler, LCMScheduler
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from darkroom_bench.pipeline import SCHEDULERS, guidance_cutoff, load_pipeline, load_tiny, set_scheduler
from darkroom_bench.profiles import PROFILES, Profile
from darkroom_bundle.adapters import add_adapter
from darkroom_bundle.lora import layers_of
from loras import random_factors, save_kohya, save_peft

VERSIONS = {
    "torch": torch.__version__.split("+")[0],
    "diffusers": diffusers.__version__,
    "transformers": transformers.__version__,
}

# prompt, negative prompt, seed
REQUESTS = (
    ("a red circle on a blue background", "", 42),
    ("a watercolor of a green house under a yellow moon", "blurry, low quality", 7),
    ("Pixel art: THREE white boats, 2 suns & a fish — très joli!", "gray", 2**40 + 3),
)
# sides of the images: of those of `final`, and of all others, which are drawn in a quarter of the time
LARGE, SMALL = 256, 128
# these are run in one batch by the tests, one scheduler with fresh noise in every step and one without
BATCHED = ("euler-20-cutoff", "dpm-20-cutoff", "final")

PROMPTS = (
    "",
    " ",
    "a",
    "a photo of a red circle on a blue background",
    "A Photo OF a RED Circle",
    "  leading,   inner \t and trailing\r\n\nwhitespace  ",
    "non-breaking\u00a0and\u3000wide spaces\u200b, zero width",
    "it's, they're, we've, I'm, he'll, she'd, o'clock 'quoted'",
    "1234567890 3.14 50% x2",
    "punctuation?!... (((nested))) [brackets] {braces} a_b c-d e/f g\\h #tag @name $5 & <b>",
    "crème brûlée, e\u0301 decomposed, ﬁ ligature, Straße, İstanbul",
    "日本語のプロンプト, русский текст, العربية, ελληνικά",
    "emoji 🎨🖼️ 👩‍🚀 flags 🇫🇷",
    "math ∑∫√ ½ ² №",
    "control \x07 and \x00 characters \x1b[0m",
    "<|startoftext|>special<|endoftext|>",
    "supercalifragilisticexpialidocious" * 3,
    # 75 tokens fit between start and end: one fewer, just as many, one more, far more
    " ".join(["a"] * 74),
    " ".join(["a"] * 75),
    " ".join(["a"] * 76),
    "a red circle, " * 40,
)

# prompt, and what AUTOMATIC1111's web UI reads in it: fragments and their weights
EMPHASIS: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
    ("a red apple", (("a red apple", 1),)),
    ("a (red:1.3) apple", (("a ", 1), ("red", 1.3), (" apple", 1))),
    ("a (red apple) on a teal background", (("a ", 1), ("red apple", 1.1), (" on a teal background", 1))),
    ("a ((red)) apple", (("a ", 1), ("red", 1.1 * 1.1), (" apple", 1))),
    ("a [red] apple", (("a ", 1), ("red", 1 / 1.1), (" apple", 1))),
    ("a (red:0.5) apple and a (guitar:0)", (("a ", 1), ("red", 0.5), (" apple and a ", 1), ("guitar", 0))),
    ("(a red apple:1.4), (teal background:0.2)", (("a red apple", 1.4), (", ", 1), ("teal background", 0.2))),
    ("(a red apple:0.3)", (("a red apple", 0.3),)),
    (r"a \(red\) (apple:2)", (("a (red) ", 1), ("apple", 2))),
    ("(Crème brûlée:1.2), 猫 (🎨:1.5)", (("Crème brûlée", 1.2), (", 猫 ", 1), ("🎨", 1.5))),
    (
        "a red circle, " * 17 + "(a blue moon and a yellow star:0.6)",
        (("a red circle, " * 17, 1), ("a blue moon and a yellow star", 0.6)),
    ),
)
# the same of prompts of more than 75 tokens; what is weighed lies in either text, and across the border between them
LONG: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
    ("a red apple, " * 20 + "a blue boat", (("a red apple, " * 20 + "a blue boat", 1),)),
    (
        "(a yellow cup:1.4), " + "a red apple, " * 20 + "(a blue boat:1.2)",
        (("a yellow cup", 1.4), (", " + "a red apple, " * 20, 1), ("a blue boat", 1.2)),
    ),
    (
        "a red apple, " * 17 + "(a blue boat and a yellow cup, a green house, a boat:1.3) " + "a red apple, " * 10,
        (
            ("a red apple, " * 17, 1),
            ("a blue boat and a yellow cup, a green house, a boat", 1.3),
            (" " + "a red apple, " * 10, 1),
        ),
    ),
    (
        "a red apple, " * 30 + "(a blue boat:0.5) and a (cup:0)" + ", a green house" * 15,
        (
            ("a red apple, " * 30, 1), ("a blue boat", 0.5), (" and a ", 1), ("cup", 0),
            (", a green house" * 15, 1),
        ),
    ),
)  # fmt: skip
EMPHASIS_CHANNELS = 4


def scheduler_config(spacing: str) -> dict[str, Any]:
    """Stable Diffusion 1.5's noise schedule."""
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "timestep_spacing": spacing,
        "steps_offset": 1,
    }


def latent_scheduler_config(spacing: str) -> dict[str, Any]:
    """The same, with what its file says to the schedulers that work on alphas rather than sigmas."""
    return scheduler_config(spacing) | {"clip_sample": False, "set_alpha_to_one": False}


# by class, the spacings and numbers of steps, and whether a step draws noise
SPACINGS, STEPS = ("leading", "linspace", "trailing"), (1, 2, 5, 20, 30, 50)
GOLDEN_SCHEDULERS = {
    "euler-ancestral": (SCHEDULERS["euler-ancestral"], scheduler_config, SPACINGS, STEPS, True),
    "dpmpp-2m": (SCHEDULERS["dpmpp-2m"], scheduler_config, SPACINGS, STEPS, False),
    "euler": (EulerDiscreteScheduler, scheduler_config, SPACINGS, STEPS, False),
    "ddim": (DDIMScheduler, latent_scheduler_config, SPACINGS, STEPS, False),
    # it has a spacing of its own
    "lcm": (LCMScheduler, latent_scheduler_config, SPACINGS[:1], (1, 2, 4, 8, 50), True),
}


def sigmas_of(name: str, scheduler: Any) -> torch.Tensor:
    """The scheduler's sigmas, or those of the alphas that it works on: at each step's start, and at the end."""
    if name in ("ddim", "lcm"):
        end = scheduler.timesteps[-1] - scheduler.config.num_train_timesteps // len(scheduler.timesteps)
        alphas = scheduler.alphas_cumprod[scheduler.timesteps]
        last = scheduler.alphas_cumprod[end] if end >= 0 else scheduler.final_alpha_cumprod
        alphas = torch.cat([alphas, last[None] if name == "ddim" else torch.ones(1)])
        return ((1 - alphas) / alphas).sqrt()
    return scheduler.sigmas


def floats(values: torch.Tensor | np.ndarray) -> list[float]:
    """The shortest decimals that are the same float32."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32).ravel()]


def scheduler_goldens() -> dict[str, Any]:
    """The schedulers as diffusers ships them, in float32, on a sample of 16 values with made-up noise predictions.

    diffusers steps in float32 whatever it is given, so a sample carries the rounding of all steps before it. Against
    the same steps in float64 (from the same float32 sigmas) that stays below 3e-6 of the sample's largest value, which
    is asserted below: a comparison at 1e-5 of the largest value is sound, one at 1e-5 of each value is not, since a
    value near zero is the difference of two large ones.

    The sigmas come from betas and `alphas_cumprod` in float32 and differ by up to 1.3e-5 from those of float64; betas
    rounded to float32, multiplied up in float64 and rounded again agree with `trainSigmas` to 4e-7.
    """
    shape, longest = (1, 4, 2, 2), 50
    generator = torch.Generator("cpu").manual_seed(1234)
    sample = torch.randn(shape, generator=generator)
    model_outputs = [torch.randn(shape, generator=generator) for _ in range(longest)]
    drawing = torch.Generator("cpu").manual_seed(5678)
    noise = [torch.randn(shape, generator=drawing) for _ in range(longest)]

    cases = []
    for name, (scheduler_class, config, spacings, numbers, draws) in GOLDEN_SCHEDULERS.items():
        for spacing in spacings:
            for steps in numbers:
                scheduler = scheduler_class(**config(spacing))
                scheduler.set_timesteps(steps)
                drawing.manual_seed(5678)
                options = {"generator": drawing} if draws else {}
                current, outputs = sample * scheduler.init_noise_sigma, []
                for timestep, model_output in zip(scheduler.timesteps, model_outputs, strict=False):
                    scheduler.scale_model_input(current, timestep)
                    current = scheduler.step(model_output, timestep, current, **options).prev_sample
                    outputs.append(floats(current))
                case = {
                    "scheduler": name,
                    "timestepSpacing": spacing,
                    "steps": steps,
                    "initNoiseSigma": floats(torch.as_tensor(scheduler.init_noise_sigma))[0],
                    "timesteps": floats(scheduler.timesteps),
                    "sigmas": floats(sigmas_of(name, scheduler)),
                    "samples": outputs,
                }
                assert_sound(case, sample, model_outputs, noise, ends_of(scheduler) if name == "ddim" else None)
                cases.append(case)

    return {
        "versions": VERSIONS,
        "config": scheduler_config("…"),
        "trainSigmas": floats(diffusers.DPMSolverMultistepScheduler(**scheduler_config("leading")).sigmas),
        "shape": shape,
        "sample": floats(sample),
        "modelOutputs": [floats(value) for value in model_outputs],
        "noise": [floats(value) for value in noise],
        "cases": cases,
    }


def ends_of(scheduler: DDIMScheduler) -> np.ndarray:
    """Where each step of DDIM ends: as many timesteps back as there are to a step."""
    ends = scheduler.timesteps - scheduler.config.num_train_timesteps // len(scheduler.timesteps)
    alphas = scheduler.alphas_cumprod[ends.clamp(min=0)].double().numpy()
    return np.sqrt((1 - alphas) / alphas)


def assert_sound(
    case: dict[str, Any],
    sample: torch.Tensor,
    model_outputs: list[torch.Tensor],
    noise: list[torch.Tensor],
    ends: np.ndarray | None,
) -> None:
    """The same steps in float64, by the papers' formulas.

    :param ends: of DDIM, the sigma at the end of each step
    """
    sigmas = np.array(case["sigmas"], dtype=np.float64)
    current = sample.double().numpy().ravel() * case["initNoiseSigma"]
    previous = np.zeros_like(current)
    for i, golden in enumerate(case["samples"]):
        epsilon = model_outputs[i].double().numpy().ravel()
        now, then = sigmas[i], sigmas[i + 1]
        if case["scheduler"] == "euler-ancestral":
            up = np.sqrt(then**2 * (now**2 - then**2) / now**2)
            down = np.sqrt(then**2 - up**2)
            current = current + epsilon * (down - now) + noise[i].double().numpy().ravel() * up
        elif case["scheduler"] == "euler":
            current = current + epsilon * (then - now)
        elif case["scheduler"] == "ddim":
            # which ends where diffusers looks, not where the next step starts
            then = ends[i]
            alpha_now, alpha_then = 1 / np.sqrt(now**2 + 1), 1 / np.sqrt(then**2 + 1)
            denoised = current / alpha_now - now * epsilon
            current = alpha_then * (denoised + then * epsilon)
        elif case["scheduler"] == "lcm":
            alpha_now, alpha_then = 1 / np.sqrt(now**2 + 1), 1 / np.sqrt(then**2 + 1)
            scaled = 10 * case["timesteps"][i]
            denoised = scaled / np.sqrt(scaled**2 + 0.25) * (current / alpha_now - now * epsilon)
            denoised = denoised + 0.25 / (scaled**2 + 0.25) * current
            current = alpha_then * (denoised + then * noise[i].double().numpy().ravel())
        else:
            alpha_now, alpha_then = 1 / np.sqrt(now**2 + 1), 1 / np.sqrt(then**2 + 1)
            denoised = (current - now * alpha_now * epsilon) / alpha_now
            direction = denoised
            if 0 < i < case["steps"] - 1:
                ratio = np.log(sigmas[i - 1] / now) / np.log(now / then)
                direction = denoised + 0.5 / ratio * (denoised - previous)
            decay = then / now * alpha_then / alpha_now
            current = decay * current + alpha_then * (1 - then / now) * direction
            previous = denoised
        error = np.abs(current - golden).max() / np.abs(golden).max()
        assert error < 3e-6, (case["scheduler"], case["timestepSpacing"], case["steps"], i, error)


def noise_goldens() -> dict[str, Any]:
    """Draws of the CPU generator, in order, as the pipeline makes them: latents first, then a step's noise.

    Of each draw the first 16 values and the last; a draw of fewer than 16 values takes another path in torch.
    """
    shapes = ((1, 4, 16, 16), (1, 4, 16, 16), (1, 4, 9, 11), (1, 4, 1, 3))
    seeds = (0, 1, 42, 2**31 - 1, 2**32, 2**32 + 42, 2**53 + 1, 2**63 - 1, -1, -42, -(2**63))
    cases = []
    for seed in seeds:
        generator = torch.Generator("cpu").manual_seed(seed)
        draws = [torch.randn(shape, generator=generator) for shape in shapes]
        values = [{"first": floats(draw.ravel()[:16]), "last": floats(draw.ravel()[-1:])[0]} for draw in draws]
        # as text: JSON numbers beyond 2^53 do not survive every parser
        cases.append({"seed": str(seed), "draws": values})
    return {"versions": VERSIONS, "shapes": shapes, "cases": cases}


def tokenizer_goldens(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    """Token ids as the pipeline asks for them; `tokens` counts them before the cut, start and end included."""
    cases = []
    for prompt in PROMPTS:
        cut = tokenizer(prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True).input_ids
        whole = tokenizer(prompt).input_ids
        cases.append({"prompt": prompt, "tokens": len(whole), "truncated": len(whole) > len(cut), "ids": cut})
    return {"versions": VERSIONS, "cases": cases}


def draw(pipeline: Any, profile: Profile, prompt: str, negative_prompt: str, seed: int, size: int) -> Any:
    """One image of a profile as a PIL image; the pipeline has its scheduler and decoder."""
    return pipeline(
        prompt,
        height=size,
        width=size,
        negative_prompt=negative_prompt,
        num_inference_steps=profile.steps,
        guidance_scale=profile.scale,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=guidance_cutoff(profile.cutoff),
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    ).images[0]


def image_goldens(checkpoint: Path, tiny: Path, few_steps: Path, out: Path) -> dict[str, Any]:
    """Every profile through diffusers' pipeline, one image at a time; equal configurations share a file. Those of few steps
    with the LoRA that is made for them."""
    pipeline = load_pipeline(checkpoint, torch.float32, "cpu")
    plain = pipeline.unet
    distilled = load_pipeline(checkpoint, torch.float32, "cpu")
    distilled.load_lora_weights(few_steps)
    distilled.fuse_lora()
    distilled.unload_lora_weights()
    decoders = {"full": pipeline.vae, "tiny": load_tiny(tiny, torch.float32, "cpu")}
    forwards: list[int] = []
    for unet in (plain, distilled.unet):
        unet.register_forward_pre_hook(lambda _, inputs: forwards.append(inputs[0].shape[0]))

    for path in out.glob("*.png"):
        path.unlink()
    cases = []
    for name, profile in PROFILES.items():
        pipeline.vae = decoders[profile.decoder]
        pipeline.unet = distilled.unet if profile.scheduler == "lcm" else plain
        set_scheduler(pipeline, profile)
        for index, (prompt, negative_prompt, seed) in enumerate(REQUESTS if name in BATCHED else REQUESTS[:2]):
            forwards.clear()
            size = LARGE if name == "final" else SMALL
            image = draw(pipeline, profile, prompt, negative_prompt, seed, size)
            guided = sum(rows == 2 for rows in forwards)
            assert (guided, len(forwards)) == (profile.guided_steps, profile.steps), (name, forwards)

            cutoff = "-cutoff" if profile.cutoff < 1 else ""
            file = f"{profile.scheduler}-{profile.steps}{cutoff}-{profile.decoder}-{index}.png"
            image.save(out / file, optimize=True)
            cases.append(
                {
                    "profile": name,
                    "prompt": prompt,
                    "negativePrompt": negative_prompt,
                    "seed": str(seed),
                    "size": size,
                    "guidedSteps": guided,
                    "unetForwards": sum(forwards),
                    "file": file,
                }
            )
            print(f"{name}: {file}", flush=True)
    return {
        "versions": VERSIONS,
        "timestepSpacing": pipeline.scheduler.config.timestep_spacing,
        # which weights these images are of
        "unet": hashlib.sha256((checkpoint / "unet/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest(),
        "cases": cases,
    }


# by layout, the layers that they change
LORAS = {"ink": (save_kohya, (".attn", "self_attn")), "wash": (save_peft, (".attn2.", "proj_", "mid_block", "self_attn"))}
# which of them, at which scale
ADAPTED: tuple[dict[str, float], ...] = ({}, {"ink": 1.0}, {"wash": -0.7}, {"ink": 0.8, "wash": 1.2})


def adapter_goldens(checkpoint: Path, tiny: Path, bundle: Path, out: Path) -> dict[str, Any]:
    """`final` with LoRAs as diffusers loads and fuses them; the LoRAs themselves go to `out` as the bundle has them."""
    plain = load_pipeline(checkpoint, torch.float32, "cpu")
    layers = layers_of(plain.unet, plain.text_encoder)
    profile = PROFILES["final"]
    prompt, negative_prompt, seed = REQUESTS[0]
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bundle"
        shutil.copytree(bundle, copy)
        for index, (name, (save, kinds)) in enumerate(LORAS.items()):
            names = [layer for layer in layers if any(kind in layer for kind in kinds)]
            save(random_factors(layers, names, 2, 0.6, index), Path(folder) / f"{name}.safetensors")
            add_adapter(copy, name, Path(folder) / f"{name}.safetensors", few_steps=False)
            shutil.copy(copy / f"adapters/{name}.safetensors", out / f"{name}.safetensors")
        for scales in ADAPTED:
            pipeline = load_pipeline(checkpoint, torch.float32, "cpu")
            pipeline.vae = load_tiny(tiny, torch.float32, "cpu")
            set_scheduler(pipeline, profile)
            for name in scales:
                pipeline.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
            if scales:
                pipeline.set_adapters(list(scales), list(scales.values()))
                pipeline.fuse_lora(adapter_names=list(scales))
                pipeline.unload_lora_weights()
            image = draw(pipeline, profile, prompt, negative_prompt, seed, SMALL)
            file = f"adapters-{'-'.join(scales) or 'none'}.png"
            image.save(out / file, optimize=True)
            adapters = [{"name": name, "scale": scale} for name, scale in scales.items()]
            cases.append({"adapters": adapters, "file": file})
            print(f"adapters: {file}", flush=True)
    request = {"prompt": prompt, "negativePrompt": negative_prompt, "seed": str(seed)}
    return {"versions": VERSIONS, "profile": "final", **request, "size": SMALL, "adapters": list(LORAS), "cases": cases}


def emphasis_goldens(bundle: Path, prompts: tuple) -> dict[str, Any]:
    """Embeddings that compel gives to fragments with weights: the first channels of every token. The prompt is what
    AUTOMATIC1111's syntax, which compel's own is not, has for them."""
    # Here, since a test that takes the prompts from this file has no use for it
    from compel import DownweightMode, EmbeddingsProvider, SplitLongTextMode

    module = torch.jit.load(bundle / "text_encoder.pt").eval()
    special = json.loads((bundle / "bundle.json").read_text("utf-8"))["tokens"]

    class Encoder:
        device, dtype = torch.device("cpu"), torch.float32

        def __call__(self, ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any) -> Any:
            assert attention_mask is None or attention_mask.all()
            return SimpleNamespace(last_hidden_state=module(ids.long()), hidden_states=None)

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(bundle / "tokenizer.json"), model_max_length=77)
    start, end = (tokenizer.convert_ids_to_tokens(tokenizer("").input_ids[i]) for i in (0, 1))
    tokenizer.add_special_tokens({"bos_token": start, "eos_token": end})
    tokenizer.pad_token_id = special["pad"]
    provider = EmbeddingsProvider(
        tokenizer, Encoder(), downweight_mode=DownweightMode.REMOVE, device="cpu",
        truncate=prompts is EMPHASIS, split_long_text_mode=SplitLongTextMode.BRUTAL,
    )
    cases = []
    for prompt, fragments in prompts:
        texts, weights = map(list, zip(*fragments, strict=True))
        states = provider.get_embeddings_for_weighted_prompt_fragments([texts], [weights])
        cases.append({
            "prompt": prompt,
            "fragments": [{"text": text, "weight": weight} for text, weight in fragments],
            **({} if prompts is EMPHASIS else {"tokens": states.shape[1]}),
            "embeddings": [round(number, 5) for number in states[0, :, :EMPHASIS_CHANNELS].flatten().tolist()],
        })
    return {"versions": VERSIONS | {"compel": version("compel")}, "cases": cases}


def write(path: Path, golden: dict[str, Any]) -> None:
    """One line a case: small, and a change shows as the cases that changed."""
    head = {key: value for key, value in golden.items() if key != "cases"}
    cases = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden["cases"])
    path.write_text(json.dumps(head, ensure_ascii=False)[:-1] + ', "cases": [\n' + cases + "\n]}\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="what the bundle under test was compiled from")
    parser.add_argument("--tiny", type=Path, help="the Tiny VAE (default: tiny_vae in the checkpoint)")
    parser.add_argument("--few-steps", type=Path, help="the LoRA of few steps (default: few_steps in the checkpoint)")
    parser.add_argument("--bundle", type=Path, default=Path(__file__).parents[3] / "models/mini", help="default: models/mini")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "resources/golden")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)

    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out / "schedulers.json", scheduler_goldens())
    write(options.out / "noise.json", noise_goldens())
    tokenizer = CLIPTokenizer.from_pretrained(options.checkpoint / "tokenizer", local_files_only=True)
    write(options.out / "tokenizer.json", tokenizer_goldens(tokenizer))
    tiny = options.tiny or options.checkpoint / "tiny_vae"
    few_steps = options.few_steps or options.checkpoint / "few_steps"
    write(options.out / "images.json", image_goldens(options.checkpoint, tiny, few_steps, options.out))
    write(options.out / "emphasis.json", emphasis_goldens(options.bundle, EMPHASIS))
    write(options.out / "long-prompts.json", emphasis_goldens(options.bundle, LONG))
    write(options.out / "adapters.json", adapter_goldens(options.checkpoint, tiny, options.bundle, options.out))


if __name__ == "__main__":
    main()

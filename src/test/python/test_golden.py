"""The committed bundle, run step by step with nine coefficients a step, against the images that diffusers made."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer

from darkroom_bench.profiles import PROFILES, Profile

GOLDEN = Path(__file__).parents[1] / "resources/golden"
BUNDLE = Path(__file__).parents[3] / "models/mini"
IMAGES = json.loads((GOLDEN / "images.json").read_text("utf-8"))
SCHEDULES = {
    (case["scheduler"], case["steps"]): case
    for case in json.loads((GOLDEN / "schedulers.json").read_text("utf-8"))["cases"]
    if case["timestepSpacing"] == IMAGES["timestepSpacing"]
}
MODULES = {path.stem: torch.jit.load(path) for path in BUNDLE.glob("*.pt")}


@pytest.fixture(scope="module")
def few_steps() -> torch.nn.Module:
    """The UNet with the adapter of few steps, added as `docs/bundle.md` says."""
    unet = torch.jit.load(BUNDLE / "unet.pt")
    weights = dict(unet.named_parameters())
    tensors = load_file(BUNDLE / "adapters/lcm.safetensors")
    with torch.no_grad():
        for key in tensors:
            module, parameter, row, part = key.split("/")
            if part == "up":
                assert module == "unet.pt"
                change = tensors[key] @ tensors[key.removesuffix("up") + "down"]
                weights[parameter].flatten(1)[int(row) : int(row) + len(change)] += change
    return unet


def coefficients(profile: Profile) -> list[list[float]]:
    """For every step timestep, input scale, guidance scale, a, b, p, q, r, s of `docs/bundle.md`, in float64."""
    schedule = SCHEDULES[profile.scheduler, profile.steps]
    sigmas = schedule["sigmas"]
    rows = []
    for i, timestep in enumerate(schedule["timesteps"]):
        now, then = sigmas[i], sigmas[i + 1]
        if profile.scheduler == "euler-ancestral":
            up = math.sqrt(then**2 * (now**2 - then**2) / now**2)
            down = math.sqrt(then**2 - up**2)
            row = [1 / math.sqrt(now**2 + 1), profile.scale, 1, -now, down / now, 1 - down / now, 0, up]
        elif profile.scheduler == "lcm":
            alpha_now, alpha_then = 1 / math.sqrt(now**2 + 1), 1 / math.sqrt(then**2 + 1)
            variance = (10 * timestep) ** 2 + 0.25
            skip, out = 0.25 / variance, 10 * timestep / math.sqrt(variance)
            row = [1, profile.scale, skip + out / alpha_now, -out * now, 0, alpha_then, 0, alpha_then * then]
        else:
            alpha_now, alpha_then = 1 / math.sqrt(now**2 + 1), 1 / math.sqrt(then**2 + 1)
            gain = alpha_then * (1 - then / now)
            second = 0.5 * math.log(now / then) / math.log(sigmas[i - 1] / now) if 0 < i < profile.steps - 1 else 0
            decay = then * alpha_then / (now * alpha_now)
            row = [1, profile.scale, 1 / alpha_now, -now, decay, gain * (1 + second), -gain * second, 0]
        rows.append([timestep, *row])
    return rows


def embed(prompts: list[str]) -> torch.Tensor:
    tokenizer = Tokenizer.from_file(str(BUNDLE / "tokenizer.json"))
    tokens = json.loads((BUNDLE / "bundle.json").read_text())["tokens"]
    ids = [tokenizer.encode(prompt).ids for prompt in prompts]
    return MODULES["text_encoder"](torch.tensor([(row + [tokens["pad"]] * 77)[:76] + [tokens["end"]] for row in ids]))


@torch.no_grad()
def generate(profile: Profile, cases: list[dict], unet: torch.nn.Module = MODULES["unet"]) -> np.ndarray:
    """Pixels of a batch, every image with a generator of its own, as diffusers draws for a list of them."""
    generators = [torch.Generator("cpu").manual_seed(int(case["seed"])) for case in cases]

    def draw() -> torch.Tensor:
        side = cases[0]["size"] // 8
        return torch.cat([torch.randn(1, 4, side, side, generator=generator) for generator in generators])

    embeddings = embed([case["negativePrompt"] for case in cases] + [case["prompt"] for case in cases])
    sample = draw() * SCHEDULES[profile.scheduler, profile.steps]["initNoiseSigma"]
    previous = noise = torch.zeros_like(sample)
    for step, row in enumerate(coefficients(profile)):
        guided = step < profile.guided_steps
        if row[-1] or profile.scheduler == "euler-ancestral":
            noise = draw()
        context = embeddings if guided else embeddings[len(cases) :]
        sample, previous = unet(sample, previous, noise, context, torch.tensor(row))
    return MODULES["vae_decoder" if profile.decoder == "full" else "tiny_decoder"](sample).numpy()


def psnr(actual: np.ndarray, file: str) -> float:
    """Peak signal-to-noise ratio in dB; two equal images are infinitely alike."""
    error = np.square(actual.astype(float) - np.asarray(Image.open(GOLDEN / file), float)).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_gives_diffusers_image(name, few_steps):
    case = next(case for case in IMAGES["cases"] if case["profile"] == name)
    unet = few_steps if PROFILES[name].scheduler == "lcm" else MODULES["unet"]
    assert psnr(generate(PROFILES[name], [case], unet)[0], case["file"]) > 50


@pytest.mark.parametrize("name", ("euler-20-cutoff", "final"))
def test_a_batch_gives_the_images_of_its_requests_alone(name):
    cases = [case for case in IMAGES["cases"] if case["profile"] == name]
    assert len(cases) == 3
    for pixels, case in zip(generate(PROFILES[name], cases), cases, strict=True):
        assert psnr(pixels, case["file"]) > 50


@pytest.mark.parametrize("name", ("baseline", "euler-20-cutoff", "final"))
def test_the_images_tell_a_wrong_request(name):
    """The goldens can fail: another prompt, negative prompt, seed or cutoff is another image."""
    case = next(case for case in IMAGES["cases"] if case["profile"] == name)
    profile = PROFILES[name]
    for wrong in ({"prompt": "a green tree"}, {"negativePrompt": "red"}, {"seed": "43"}):
        assert psnr(generate(profile, [case | wrong])[0], case["file"]) < 48
    # a small image of these weights hardly shows how long it was guided; the number of guided steps is compared for all
    for cutoff in {profile.cutoff, 0.35, 0.45} - {profile.cutoff} if case["size"] == 256 else ():
        other = Profile(profile.scheduler, profile.steps, profile.decoder, cutoff)
        assert psnr(generate(other, [case])[0], case["file"]) < 50

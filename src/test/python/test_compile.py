"""What the bundle compiler writes: the files and the manifest of `docs/bundle.md`."""

import hashlib
import json
import shutil
import zipfile

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from tokenizers import Tokenizer
from transformers import CLIPTextModel, CLIPTokenizer

from conftest import compile_bundle, run
from golden import PROMPTS

MODULES = ("text_encoder.pt", "unet.pt", "vae_decoder.pt", "tiny_decoder.pt", "vae_encoder.pt", "tiny_encoder.pt")
BATCHES = (1, 2, 3, 8)
# height and width of the latents; the second is one that does not halve evenly
SIZES = ((16, 16), (9, 14))


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def test_the_manifest_describes_the_checkpoint(bundle):
    manifest = json.loads((bundle / "bundle.json").read_text())
    files = manifest.pop("files")
    tokens = manifest.pop("tokens")
    assert manifest == {
        "format": 1,
        "name": "random",
        "source": "random",
        "architecture": "stable-diffusion-1",
        "torchVersion": torch.__version__.split("+")[0],
        "dtype": "float32",
        "sizes": [{"width": 128, "height": 128}],
        "batchSizes": [1, 2, 4, 8],
        "latentChannels": 4,
        "latentScale": 8,
        "textLength": 77,
        "embeddingSize": 96,
        "scheduler": {
            "betaStart": 0.00085,
            "betaEnd": 0.012,
            "betaSchedule": "scaled_linear",
            "trainTimesteps": 1000,
            "stepsOffset": 1,
            "timestepSpacing": "leading",
            "predictionType": "epsilon",
        },
        "fewSteps": False,
    }
    assert files.keys() == {path.name for path in bundle.iterdir()} - {"bundle.json"} == {"tokenizer.json", *MODULES}
    for name, digest in files.items():
        content = (bundle / name).read_bytes()
        assert digest == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    assert tokens["start"] == tokenizer.token_to_id("<|startoftext|>")
    assert tokens["end"] == tokens["pad"] == tokenizer.token_to_id("<|endoftext|>")


def test_what_is_offered_can_be_chosen(checkpoint, tmp_path):
    options = ("--size", "128x128", "--size", "192x64", "--batch-size", 4, "--batch-size", 1, "--source", "noise")
    options += ("--timestep-spacing", "linspace", "--tiny", checkpoint / "tiny_vae", "--tokens", "231,154")
    compile_bundle(checkpoint, tmp_path, *options)
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    assert manifest["name"] == checkpoint.name
    assert manifest["source"] == "noise"
    assert manifest["sizes"] == [{"width": 128, "height": 128}, {"width": 192, "height": 64}]
    assert manifest["batchSizes"] == [1, 4]
    assert manifest["textLengths"] == [77, 154, 231]
    assert manifest["scheduler"]["timestepSpacing"] == "linspace"


def test_a_checkpoint_that_names_no_spacing_leaves_it_to_each_scheduler(checkpoint, tmp_path):
    copy = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, copy)
    file = copy / "scheduler/scheduler_config.json"
    config = json.loads(file.read_text())
    del config["timestep_spacing"]
    file.write_text(json.dumps(config | {"_class_name": "LCMScheduler"}))
    compile_bundle(copy, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle/bundle.json").read_text())
    assert "timestepSpacing" not in manifest["scheduler"]
    # and its own scheduler says what it was distilled for
    assert manifest["fewSteps"] is True


def test_progress_is_shown(capsys, checkpoint, tmp_path):
    compile_bundle(checkpoint, tmp_path)
    lines = [line.split(" s  ")[1] for line in capsys.readouterr().err.splitlines()]
    assert lines[2:-1] == ["tokenizer.json", *MODULES, "comparing the saved modules with the checkpoint"]


def test_the_same_checkpoint_gives_the_same_bundle_wherever_it_lies(checkpoint, bundle, tmp_path):
    moved, again = tmp_path / "another place", tmp_path / "again"
    shutil.copytree(checkpoint, moved)
    result = run("darkroom_bundle", "compile", "--checkpoint", moved, "--out", again, "--name", "random")
    assert result.returncode == 0, result.stderr
    manifest = json.loads((again / "bundle.json").read_text())
    assert manifest["files"] == json.loads((bundle / "bundle.json").read_text())["files"]


@pytest.mark.parametrize("name", MODULES)
def test_modules_name_no_path_and_no_device(bundle, name):
    with zipfile.ZipFile(bundle / name) as archive:
        assert not [record for record in archive.namelist() if record.endswith(".debug_pkl")]
        code = b"".join(archive.read(record) for record in archive.namelist() if "/data/" not in record)
    for trace in (b"site-packages", b".py\"", b"/home", str(bundle.parent).encode(), b"torch.device"):
        assert trace not in code
    module = torch.jit.load(bundle / name)
    assert 'Device = prim::Constant[value="cpu"]' not in str(module.inlined_graph)


@pytest.mark.parametrize("batch", BATCHES)
def test_text_encoder(checkpoint, bundle, batch):
    model = CLIPTextModel.from_pretrained(checkpoint / "text_encoder").eval()
    ids = torch.randint(600, (batch, 77), generator=torch.Generator().manual_seed(batch))
    actual = torch.jit.load(bundle / "text_encoder.pt")(ids)
    assert actual.dtype == torch.float32
    assert error(actual, model(ids).last_hidden_state) < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("guided", (True, False))
def test_denoising_step(checkpoint, bundle, batch, size, guided):
    model = UNet2DConditionModel.from_pretrained(checkpoint / "unet", low_cpu_mem_usage=False).eval()
    generator = torch.Generator().manual_seed(batch)
    sample, previous, noise = (torch.randn(batch, 4, *size, generator=generator) for _ in range(3))
    embeddings = torch.randn(2 * batch if guided else batch, 77, 96, generator=generator)
    a, b, p, q, r, s = 0.9, -0.8, 0.7, 0.6, 0.5, 0.4
    coefficients = torch.tensor([987.0, 0.25, 7.5, a, b, p, q, r, s])
    following, denoised = torch.jit.load(bundle / "unet.pt")(sample, previous, noise, embeddings, coefficients)

    expected = model(0.25 * torch.cat([sample] * (len(embeddings) // batch)), 987, embeddings).sample
    if guided:
        expected = expected[:batch] + 7.5 * (expected[batch:] - expected[:batch])
    expected = a * sample + b * expected
    # guidance multiplies what rounding leaves
    assert error(denoised, expected) < 5e-5
    assert error(following, p * sample + q * expected + r * previous + s * noise) < 5e-5


@pytest.mark.parametrize("length", (77, 154, 231))
def test_denoising_step_takes_prompts_of_any_length(checkpoint, bundle, length):
    model = UNet2DConditionModel.from_pretrained(checkpoint / "unet", low_cpu_mem_usage=False).eval()
    generator = torch.Generator().manual_seed(length)
    sample = torch.randn(2, 4, 16, 16, generator=generator)
    embeddings = torch.randn(2, length, 96, generator=generator)
    coefficients = torch.tensor([987.0, 1, 1, 0, 1, 0, 1, 0, 0])
    _, noise = torch.jit.load(bundle / "unet.pt")(sample, sample, sample, embeddings, coefficients)
    assert error(noise, model(sample, 987, embeddings).sample) < 1e-5


def test_denoising_step_refuses_embeddings_that_fit_neither(bundle):
    latents = torch.zeros(2, 4, 16, 16)
    with pytest.raises(torch.jit.Error, match="3 rows of embeddings for a batch of 2"):
        torch.jit.load(bundle / "unet.pt")(latents, latents, latents, torch.zeros(3, 77, 96), torch.zeros(9))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    ("name", "part", "model"),
    (("vae_decoder.pt", "vae", AutoencoderKL), ("tiny_decoder.pt", "tiny_vae", AutoencoderTiny)),
)
def test_decoders(checkpoint, bundle, name, part, model, batch, size):
    vae = model.from_pretrained(checkpoint / part, low_cpu_mem_usage=False).eval()
    latents = torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(batch))
    pixels = torch.jit.load(bundle / name)(latents)
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (batch, 8 * size[0], 8 * size[1], 3)
    expected = vae.decode(latents / vae.config.scaling_factor).sample.permute(0, 2, 3, 1)
    # half a level is the rounding itself
    assert (pixels - 255 * (expected / 2 + 0.5).clamp(0, 1)).abs().max() < 0.5 + 255e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", BATCHES)
def test_the_encoder_samples_the_posterior_as_diffusers_does(checkpoint, bundle, batch, size):
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae", low_cpu_mem_usage=False).eval()
    pixels, normalized = picture(batch, size)
    noise = torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(batch))
    latents = torch.jit.load(bundle / "vae_encoder.pt")(pixels, noise)
    assert latents.dtype == torch.float32
    posterior = vae.encode(normalized).latent_dist
    assert error(latents, vae.config.scaling_factor * posterior.sample(torch.Generator().manual_seed(batch))) < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", BATCHES)
def test_the_tiny_encoder(checkpoint, bundle, batch, size):
    vae = AutoencoderTiny.from_pretrained(checkpoint / "tiny_vae", low_cpu_mem_usage=False).eval()
    pixels, normalized = picture(batch, size)
    latents = torch.jit.load(bundle / "tiny_encoder.pt")(pixels)
    assert latents.dtype == torch.float32
    assert error(latents, vae.config.scaling_factor * vae.encode(normalized).latents) < 1e-5


def picture(batch: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pixels, and what diffusers makes of them for a VAE."""
    pixels = torch.randint(256, (batch, 8 * size[0], 8 * size[1], 3), dtype=torch.uint8)
    return pixels, VaeImageProcessor().preprocess([Image.fromarray(image.numpy()) for image in pixels])


@pytest.mark.parametrize(
    ("without", "left"), ((["tiny"], {"vae_encoder.pt"}), (["full"], {"tiny_encoder.pt"}), (["full", "tiny"], set()))
)
def test_an_encoder_can_be_left_out(checkpoint, tmp_path, without, left):
    compile_bundle(checkpoint, tmp_path, *(option for name in without for option in ("--without-encoder", name)))
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    assert {name for name in manifest["files"] if name in ("vae_encoder.pt", "tiny_encoder.pt")} == left
    assert {path.name for path in tmp_path.iterdir()} == {"bundle.json", *manifest["files"]}


def test_float16_modules_keep_float32_borders(checkpoint, bundle, tmp_path):
    compile_bundle(checkpoint, tmp_path, "--dtype", "float16")
    assert json.loads((tmp_path / "bundle.json").read_text())["dtype"] == "float16"
    half, single = ({name: torch.jit.load(at / name) for name in MODULES} for at in (tmp_path, bundle))
    for name in MODULES:
        weights = dict(half[name].named_parameters())
        # the timestep's sines need float32
        weights.pop("unet.unet.timesteps.frequencies", None)
        assert {weight.dtype for weight in weights.values()} == {torch.float16}
    ids = torch.randint(600, (2, 77), generator=torch.Generator().manual_seed(0))
    embeddings = half["text_encoder.pt"](ids)
    assert embeddings.dtype == torch.float32
    assert error(embeddings, single["text_encoder.pt"](ids)) < 1e-2
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    inputs = (latents, latents, latents, embeddings, torch.tensor([500.0, 1, 1.5, 0, 1, 0, 1, 0, 0]))
    denoised = half["unet.pt"](*inputs)[0]
    assert denoised.dtype == torch.float32
    assert error(denoised, single["unet.pt"](*inputs)[0]) < 2e-2
    for name in ("vae_decoder.pt", "tiny_decoder.pt"):
        pixels = half[name](latents)
        assert pixels.dtype == torch.uint8
        assert (pixels.float() - single[name](latents).float()).abs().mean() < 1
    pixels = half["vae_decoder.pt"](latents)
    for name, inputs in (("vae_encoder.pt", (pixels, latents)), ("tiny_encoder.pt", (pixels,))):
        encoded = half[name](*inputs)
        assert encoded.dtype == torch.float32
        assert error(encoded, single[name](*inputs)) < 2e-2


@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokenizer_gives_the_ids_of_the_pipelines(checkpoint, bundle, prompt):
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    assert tokenizer.truncation is None
    assert tokenizer.padding is None
    ids = tokenizer.encode(prompt).ids
    # as the worker does it
    ids = (ids[:76] + ids[-1:] if len(ids) > 77 else ids) + [tokenizer.token_to_id("<|endoftext|>")] * (77 - len(ids))
    pipelines = CLIPTokenizer.from_pretrained(checkpoint / "tokenizer")
    assert ids == pipelines(prompt, padding="max_length", max_length=77, truncation=True).input_ids


def test_tokenizer_files_of_stable_diffusion_1_5(checkpoint, bundle, tmp_path):
    """Its checkpoint has no tokenizer.json but vocab.json and merges.txt."""
    older = tmp_path / "older"
    shutil.copytree(checkpoint, older)
    model = json.loads((older / "tokenizer/tokenizer.json").read_text())["model"]
    (older / "tokenizer/tokenizer.json").unlink()
    (older / "tokenizer/vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "\n".join(" ".join(merge) for merge in model["merges"])
    (older / "tokenizer/merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    compile_bundle(older, tmp_path / "out")
    one, other = (Tokenizer.from_file(str(at / "tokenizer.json")) for at in (bundle, tmp_path / "out"))
    for prompt in PROMPTS:
        assert one.encode(prompt).ids == other.encode(prompt).ids


def test_a_vocabulary_beside_the_checkpoint_is_told_in_the_manifest(checkpoint, tmp_path):
    told = {"objects": ["circle"], "colors": {"red": [255, 0, 0]}, "styles": ["flat"]}
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    (tmp_path / "checkpoint/vocabulary.json").write_text(json.dumps(told))
    compile_bundle(tmp_path / "checkpoint", tmp_path / "out")
    assert json.loads((tmp_path / "out/bundle.json").read_text())["vocabulary"] == told

"""The safety checker in a bundle: what diffusers' own says on the same weights."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker, cosine_distance
from PIL import Image
from transformers import CLIPImageProcessor

from checkers import calibrate, extractor, flagged, random_checker, save_checker
from conftest import compile_bundle
from darkroom_bundle.__main__ import main
from darkroom_bundle.safety import FeatureExtraction, Features

# width and height: what is made smaller, larger, and cut
SIZES = ((512, 512), (256, 256), (128, 128), (768, 512), (64, 96), (512, 776), (224, 224))
GOLDEN = Path(__file__).parents[1] / "resources/golden"


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def picture(seed: int, width: int, height: int) -> Image.Image:
    """Shapes on a ground with some noise, so that there are edges, levels in between, and both ends of the scale."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 5, generator=generator) * 1.4 - 0.2
    levels = torch.nn.functional.interpolate(coarse, (height, width), mode="nearest" if seed % 2 else "bicubic")
    levels = levels + 0.1 * torch.randn(levels.shape, generator=generator)
    return Image.fromarray((levels[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy())


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, image.height, image.width, 3)


def pictures() -> list[Image.Image]:
    drawn = [Image.open(path).convert("RGB") for path in sorted(GOLDEN.glob("*.png"))]
    return drawn + [picture(seed, *SIZES[seed % len(SIZES)]) for seed in range(60)]


@pytest.fixture(scope="module")
def with_checker(checkpoint, tmp_path_factory) -> Path:
    """The checkpoint with a safety checker that flags some of the pictures."""
    directory = tmp_path_factory.mktemp("safety") / "random"
    shutil.copytree(checkpoint, directory)
    checker = random_checker()
    calibrate(checker, pictures())
    save_checker(checker, directory)
    return directory


@pytest.fixture(scope="module")
def module(with_checker, tmp_path_factory) -> torch.jit.ScriptModule:
    bundle = tmp_path_factory.mktemp("bundle")
    compile_bundle(with_checker, bundle, "--safety")
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert manifest["files"]["safety_checker.pt"]["bytes"] == (bundle / "safety_checker.pt").stat().st_size
    return torch.jit.load(bundle / "safety_checker.pt")


@pytest.mark.parametrize("edge", (224, 32))
@pytest.mark.parametrize("size", SIZES)
def test_features_are_those_of_pillow(tmp_path, size, edge):
    processor = CLIPImageProcessor(size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge})
    processor.save_pretrained(tmp_path)
    features = torch.jit.script(Features(FeatureExtraction.read(tmp_path / "preprocessor_config.json")))
    for seed in range(4):
        image = picture(seed, *size)
        actual, expected = features(pixels(image)), processor(image, return_tensors="pt").pixel_values
        assert actual.shape == expected.shape
        # to the level; what is left is the arithmetic of the normalization
        assert (actual - expected).abs().max() < 1e-6


def test_images_are_flagged_as_by_diffusers(with_checker, module):
    checker = StableDiffusionSafetyChecker.from_pretrained(with_checker / "safety_checker").eval()
    expected = [flagged(checker, image) for image in pictures()]
    assert 0.1 < sum(expected) / len(expected) < 0.9
    assert [bool(module(pixels(image)) > 0) for image in pictures()] == expected


def test_the_score_is_the_largest_margin_with_special_care_in_it(with_checker, module):
    checker = StableDiffusionSafetyChecker.from_pretrained(with_checker / "safety_checker").eval()
    cared_for = 0
    for image in pictures():
        features = extractor()(image, return_tensors="pt").pixel_values
        embeddings = checker.visual_projection(checker.vision_model(features).pooler_output)
        special = cosine_distance(embeddings, checker.special_care_embeds) - checker.special_care_embeds_weights
        margins = cosine_distance(embeddings, checker.concept_embeds) - checker.concept_embeds_weights
        care = bool((special.round(decimals=3) > 0).any())
        cared_for += care
        expected = margins.max() + (0.01 if care else 0)
        assert module(pixels(image)).shape == (1,)
        # the rounding to three decimals
        assert abs(module(pixels(image)).item() - expected.item()) < 0.00051
    assert 0 < cared_for < len(pictures())


def test_an_image_has_the_same_score_whatever_is_beside_it(module):
    batch = torch.cat([pixels(picture(seed, 128, 128)) for seed in range(5)])
    alone = torch.cat([module(batch[i : i + 1]) for i in range(5)])
    assert (module(batch) - alone).abs().max() <= 0.0011


def test_without_being_asked_for_there_is_none(with_checker, tmp_path):
    compile_bundle(with_checker, tmp_path)
    assert "safety_checker.pt" not in json.loads((tmp_path / "bundle.json").read_text())["files"]


def test_in_float16(with_checker, module, tmp_path):
    compile_bundle(with_checker, tmp_path, "--safety", "--dtype", "float16")
    half = torch.jit.load(tmp_path / "safety_checker.pt")
    assert {weight.dtype for weight in half.parameters()} == {torch.float16}
    for image in pictures()[:20]:
        assert half(pixels(image)).dtype == torch.float32
        assert abs(half(pixels(image)).item() - module(pixels(image)).item()) < 1e-2


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"resample": 2}, "resample is 2, not 3, which is bicubic"),
        ({"do_center_crop": False}, "do_center_crop is False, not True"),
        ({"size": {"height": 32, "width": 32}}, "size is {'height': 32, 'width': 32} and crop_size"),
        ({"crop_size": 48}, "size is {'shortest_edge': 32} and crop_size 48, which does not cut the middle"),
    ),
)
def test_features_that_are_not_clips_are_refused(capsys, with_checker, tmp_path, changes, message):
    shutil.copytree(with_checker, tmp_path / "checkpoint")
    file = tmp_path / "checkpoint/feature_extractor/preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert refusal(capsys, tmp_path / "checkpoint").startswith(f"feature_extractor: cannot be read: {message}")


def test_a_checkpoint_without_a_checker_is_refused(capsys, checkpoint):
    folder = checkpoint / "safety_checker"
    assert refusal(capsys, checkpoint) == f"safety_checker: the directory {folder} does not exist"


def refusal(capsys, checkpoint: Path) -> str:
    out = checkpoint.parent / "refused"
    assert main(["compile", "--checkpoint", str(checkpoint), "--out", str(out), "--safety"]) == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("error: ")

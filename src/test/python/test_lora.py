"""LoRAs: read in every layout, fused as diffusers fuses them, turned into a bundle's terms, and refused."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from conftest import SOURCES, compile_bundle
from darkroom_bundle.__main__ import main
from darkroom_bundle.adapters import bundle_places, unet_layers
from darkroom_bundle.checkpoint import load_checkpoint
from darkroom_bundle.lora import fuse, layers_of, read_lora
from darkroom_bundle.unet import UNet
from loras import LAYOUTS, Factors, random_factors, save_kohya

CHANGES = SOURCES.parent / "resources/dev/darkroom/torch/adapters.pt"


@pytest.fixture
def models(checkpoint):
    return load_checkpoint(checkpoint, checkpoint / "tiny_vae")


@pytest.fixture
def factors(models) -> Factors:
    """A LoRA of all attention layers, some convolutions and the text encoder."""
    layers = layers_of(models.unet, models.text_encoder)
    kinds = (".to_", "self_attn", "mlp", "ff.net", "proj_in", "resnets.0.conv1", "time_emb_proj", "downsamplers")
    names = [name for name in layers if any(kind in name for kind in kinds)]
    return random_factors(layers, names, 4, 0.2, 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_lora_is_fused_as_diffusers_fuses_it(checkpoint, models, factors, tmp_path, layout):
    file = tmp_path / "lora.safetensors"
    LAYOUTS[layout](factors, file)
    layers = layers_of(models.unet, models.text_encoder)
    before = {name: layer.weight.clone() for name, layer in layers.items()}
    fuse(file, 0.7, layers)

    pipeline = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None)
    pipeline.load_lora_weights(file)
    pipeline.fuse_lora(lora_scale=0.7)
    pipeline.unload_lora_weights()
    theirs = layers_of(pipeline.unet, pipeline.text_encoder)
    assert theirs.keys() == layers.keys()
    for name, layer in layers.items():
        torch.testing.assert_close(layer.weight, theirs[name].weight, rtol=1e-5, atol=1e-6, msg=name)
        assert (name in factors) == (not torch.equal(layer.weight, before[name])), name


def test_an_adapter_is_the_same_change_in_the_bundles_terms(checkpoint, factors, tmp_path):
    """What the worker computes from a bundle with an adapter is what a bundle with the LoRA fused in has."""
    file, plain, fused = tmp_path / "lora.safetensors", tmp_path / "plain", tmp_path / "fused"
    save_kohya(factors, file)
    compile_bundle(checkpoint, plain)
    compile_bundle(checkpoint, fused, "--lora", f"{file}:-1.5", "--few-steps")
    assert json.loads((fused / "bundle.json").read_text())["fewSteps"] is True
    digests = json.loads((plain / "bundle.json").read_text())["files"]
    assert main(["adapter", "add", "--bundle", str(plain), "--name", "all.of-it_1", "--few-steps", str(file)]) == 0

    manifest = json.loads((plain / "bundle.json").read_text())
    path = plain / "adapters/all.of-it_1.safetensors"
    assert manifest["adapters"] == {"all.of-it_1": {"file": "adapters/all.of-it_1.safetensors", "fewSteps": True}}
    added = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    assert manifest["files"] == digests | {"adapters/all.of-it_1.safetensors": added}
    assert {file.name for file in (plain / "adapters").iterdir()} == {path.name}

    tensors = load_file(path)
    changes = torch.jit.load(CHANGES)
    for module in ("unet.pt", "text_encoder.pt"):
        weights = dict(torch.jit.load(plain / module).named_parameters())
        expected = dict(torch.jit.load(fused / module).named_parameters())
        pieces = [key.removesuffix("/up").split("/") for key in tensors if key.startswith(module) and key.endswith("/up")]
        touched = [weights[name] for _, name, _ in pieces]
        copies = changes.copies(touched)
        changes.add(
            touched,
            [int(row) for _, _, row in pieces],
            [tensors["/".join([*piece, "up"])] for piece in pieces],
            [tensors["/".join([*piece, "down"])] for piece in pieces],
            -1.5,
        )
        for name, weight in weights.items():
            torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-6, msg=name)
        changes.restore(touched, copies)
        plain_again = dict(torch.jit.load(plain / module).named_parameters())
        assert all(torch.equal(weight, plain_again[name]) for name, weight in weights.items())


def test_every_layer_of_the_unet_has_its_place(models):
    """Each row of each layer holds a number of its own, by which it is found again."""
    layers = {name: layer for name, layer in layers_of(models.unet, models.text_encoder).items() if name.startswith("unet.")}
    first, count = {}, 0
    for name, layer in layers.items():
        rows = layer.weight.shape[0]
        numbers = (torch.arange(rows) + count).float().view(-1, *(1 for _ in layer.weight.shape[1:]))
        layer.weight = torch.nn.Parameter(numbers.expand(layer.weight.shape).contiguous(), requires_grad=False)
        first[name], count = count, count + rows
    weights = {
        name.removesuffix(".weight"): weight.flatten(1)
        for name, weight in UNet(models.unet).named_parameters()
        if weight.dim() > 1
    }
    found = list(unet_layers({name: tuple(weight.shape) for name, weight in weights.items()}))
    assert {f"unet.{layer}" for layer, *_ in found} == layers.keys()
    for layer, name, row, shape in found:
        part = weights[name][row : row + shape[0]]
        assert part.shape == layers[f"unet.{layer}"].weight.flatten(1).shape
        assert part[:, 0].tolist() == list(range(first[f"unet.{layer}"], first[f"unet.{layer}"] + shape[0]))


def test_a_bundle_has_a_place_for_every_layer(bundle, models):
    shapes = {name: layer.weight.flatten(1).shape for name, layer in layers_of(models.unet, models.text_encoder).items()}
    assert {name: place.shape for name, place in bundle_places(bundle).items()} == shapes


ATTENTION = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
KEY = f"{ATTENTION}.lora_B.weight"


def changed(**change: object):
    """The tensors of a small LoRA, one of them changed."""
    tensors = {f"{ATTENTION}.lora_A.weight": torch.ones(2, 48), KEY: torch.ones(48, 2)}
    return {key: tensor for key, tensor in (tensors | change).items() if tensor is not None}


@pytest.mark.parametrize(
    ("tensors", "problem"),
    (
        (changed(**{KEY: torch.full((48, 2), torch.nan)}), f"the key {KEY} holds a value that is not finite"),
        (changed(**{KEY: torch.full((48, 2), -torch.inf)}), f"the key {KEY} holds a value that is not finite"),
        (changed(**{KEY: torch.ones(48, 3)}), f"the rank does not fit: {KEY} has 3, {ATTENTION}.lora_A.weight has 2"),
        (changed(**{KEY: torch.ones(320, 2)}), f"the key {KEY} is for a layer that gives 320, and {ATTENTION} gives 48"),
        (
            changed(**{f"{ATTENTION}.lora_A.weight": torch.ones(2, 2048)}),
            f"the key {ATTENTION}.lora_A.weight is for a layer that takes 2048, and {ATTENTION} takes 48; "
            "the LoRA is for another architecture",
        ),
        (changed(**{KEY: None}), f"the key {ATTENTION}.lora_A.weight has no counterpart: the up weight of"),
        (changed(**{KEY: torch.ones(48)}), f"the key {KEY} has 1 dimensions"),
        (changed(**{KEY: torch.ones(48, 2, dtype=torch.int64)}), f"the key {KEY} is of type torch.int64"),
        (changed(**{"unet.down_blocks.7.conv.lora_A.weight": torch.ones(2, 2)}), "the key unet.down_blocks.7.conv.lora_A.weight"),
        (changed(**{f"{ATTENTION}.lora_magnitude_vector": torch.ones(48)}), f"the key {ATTENTION}.lora_magnitude_vector is not"),
        ({"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": torch.ones(2)}, "the key lora_unet_mid_block_attentions_0_proj"),
        ({"lora_te2_text_model_encoder.lora_up.weight": torch.ones(2)}, "the key lora_te2_text_model_encoder.lora_up.weight is"),
        ({"transformer.single.lora_A.weight": torch.ones(2, 2)}, "the key transformer.single.lora_A.weight is for another"),
        ({"lora_unet_input_blocks_4_1_proj_in.lora_up.weight": torch.ones(2, 2)}, "names no layer of this model"),
        (changed(**{f"{ATTENTION}.alpha": torch.tensor(torch.nan)}), f"the key {ATTENTION}.alpha must hold one finite number"),
        ({}, "holds no LoRA"),
    ),
)
def test_what_does_not_fit_is_refused(capsys, bundle, tmp_path, tensors, problem):
    copy, file = tmp_path / "bundle", tmp_path / "lora.safetensors"
    shutil.copytree(bundle, copy)
    save_file(tensors, file)
    assert main(["adapter", "add", "--bundle", str(copy), "--name", "bad", str(file)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {file}: ")
    assert problem in message
    before, after = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (bundle, copy))
    assert after == before


def test_what_overflows_the_bundles_type_is_refused(capsys, bundle, tmp_path):
    copy, file = tmp_path / "bundle", tmp_path / "lora.safetensors"
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(manifest | {"dtype": "float16"}))
    save_file(changed(**{KEY: torch.full((48, 2), 1e6)}), file)
    assert main(["adapter", "add", "--bundle", str(copy), "--name", "bad", str(file)]) == 2
    assert f"the up weight of {ATTENTION} does not fit the bundle's type, float16" in capsys.readouterr().err


def test_what_float16_holds_is_stored_in_it(bundle, tmp_path):
    copy, file = tmp_path / "bundle", tmp_path / "lora.safetensors"
    shutil.copytree(bundle, copy)
    whole = torch.full((48, 2), 1 + 2.0**-12)
    save_file(changed(**{KEY: whole}), file)
    assert main(["adapter", "add", "--bundle", str(copy), "--name", "mixed", str(file)]) == 0
    stored = {key.rsplit("/", 1)[1]: tensor for key, tensor in load_file(copy / "adapters/mixed.safetensors").items()}
    assert (stored["down"].dtype, stored["up"].dtype) == (torch.float16, torch.float32)
    assert stored["up"].equal(whole)

    weight = torch.zeros(48, 48)
    torch.jit.load(CHANGES).add([weight], [0], [stored["up"]], [stored["down"]], 0.5)
    torch.testing.assert_close(weight, torch.full((48, 48), 1 + 2.0**-12))


def test_a_file_that_is_none_is_refused(capsys, bundle, tmp_path):
    file = tmp_path / "lora.safetensors"
    file.write_bytes(b"no LoRA")
    assert main(["adapter", "add", "--bundle", str(bundle), "--name", "bad", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {file}: cannot be read as safetensors: ")
    assert main(["adapter", "add", "--bundle", str(bundle), "--name", "bad", str(tmp_path / "missing")]) == 2
    assert main(["adapter", "add", "--bundle", str(tmp_path), "--name", "bad", str(file)]) == 2
    assert capsys.readouterr().err.endswith(f"error: bundle: {tmp_path / 'bundle.json'} does not exist\n")


def test_a_lora_that_does_not_fit_is_not_compiled(capsys, checkpoint, tmp_path):
    file, out = tmp_path / "lora.safetensors", tmp_path / "out"
    save_file(changed(**{KEY: torch.full((48, 2), torch.nan)}), file)
    assert main(["compile", "--checkpoint", str(checkpoint), "--out", str(out), "--lora", str(file)]) == 2
    assert f"the key {KEY} holds a value that is not finite" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_stands_for_the_file_in_it(tmp_path):
    shapes = {ATTENTION: (48, 48)}
    save_file(changed(), tmp_path / "some.safetensors")
    assert read_lora(tmp_path, shapes).keys() == {ATTENTION}
    save_file({}, tmp_path / "other.safetensors")
    with pytest.raises(Exception, match="holds 2 files in safetensors format and no pytorch_lora_weights"):
        read_lora(tmp_path, shapes)
    save_file(changed(), tmp_path / "pytorch_lora_weights.safetensors")
    assert read_lora(tmp_path, shapes).keys() == {ATTENTION}


@pytest.mark.parametrize(("option", "value"), (("--lora", "x:5"), ("--lora", "x:nan"), ("--lora", "x:much")))
def test_a_wrong_scale(capsys, option, value):
    with pytest.raises(SystemExit):
        main(["compile", "--checkpoint", "x", "--out", "y", option, value])
    assert "is not a scale from -4 to 4" in capsys.readouterr().err


@pytest.mark.parametrize("name", ("", "a/b", "ä", "x" * 65))
def test_a_wrong_name(capsys, name):
    with pytest.raises(SystemExit):
        main(["adapter", "add", "--bundle", "x", "--name", name, "y"])
    assert "is not 1 to 64 of letters, digits" in capsys.readouterr().err


def test_the_committed_module_is_what_the_sources_make(tmp_path):
    made = tmp_path / "adapters.pt"
    subprocess.run([sys.executable, "-m", "darkroom_bundle.adapters", made], env={"PYTHONPATH": str(SOURCES)}, check=True)
    assert made.read_bytes() == CHANGES.read_bytes()

"""Checkpoints that the compiler refuses: exit status 2 and one sentence that names the part."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from darkroom_bundle import torchscript
from darkroom_bundle.__main__ import main


@pytest.fixture
def broken(checkpoint, tmp_path) -> Path:
    """A copy of the checkpoint, to be broken."""
    copy = tmp_path / "broken"
    shutil.copytree(checkpoint, copy)
    return copy


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(capsys, checkpoint: Path, *options: str) -> str:
    out = checkpoint.parent / "out"
    assert main(["compile", "--checkpoint", str(checkpoint), "--out", str(out), *options]) == 2
    assert not (out / "bundle.json").exists()
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: ")
    return message.removeprefix("error: ")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    (
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "checkpoint: is a StableDiffusionXL"),
        ("text_encoder/config.json", {"architectures": ["T5EncoderModel"]}, "text_encoder: is a T5EncoderModel"),
        ("text_encoder/config.json", {"max_position_embeddings": 248}, "text_encoder: max_position_embeddings is 248"),
        ("text_encoder/config.json", {"use_attention_mask": True}, "text_encoder: use_attention_mask is True"),
        ("text_encoder/config.json", {"hidden_size": 128}, "unet: cross_attention_dim is 96, not 128"),
        ("unet/config.json", {"in_channels": 9}, "unet: in_channels is 9, not 4"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "unet: addition_embed_type is text_time"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "unet: time_cond_proj_dim is 256"),
        ("unet/config.json", {"_class_name": "SD3Transformer2DModel"}, "unet: is a SD3Transformer2DModel"),
        ("vae/config.json", {"latent_channels": 16}, "vae: latent_channels is 16, not 4"),
        ("vae/config.json", {"block_out_channels": [16, 16, 32]}, "vae: scales by 4, not 8"),
        ("tiny_vae/config.json", {"latent_channels": 16}, "tiny_vae: latent_channels is 16"),
        ("tiny_vae/config.json", {"_class_name": "AutoencoderKL"}, "tiny_vae: is a AutoencoderKL, not"),
        ("scheduler/scheduler_config.json", {"prediction_type": "v_prediction"}, "scheduler: prediction_type is v_"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "linear"}, "scheduler: beta_schedule is linear"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1]}, "scheduler: trained_betas is [0.1]"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 512}, "tokenizer: model_max_length is 512"),
        ("text_encoder/config.json", {"vocab_size": 100}, "tokenizer: has 640 tokens, the text encoder knows 100"),
    ),
)
def test_a_part_that_is_not_of_stable_diffusion_1(capsys, broken, file, changes, message):
    edit(broken / file, **changes)
    assert refusal(capsys, broken).startswith(message)


@pytest.mark.parametrize("part", ("tokenizer", "text_encoder", "unet", "vae", "scheduler", "tiny_vae"))
def test_a_missing_part(capsys, broken, part):
    shutil.rmtree(broken / part)
    assert refusal(capsys, broken) == f"{part}: the directory {broken / part} does not exist"


@pytest.mark.parametrize(
    ("file", "part"),
    (
        ("model_index.json", "checkpoint"),
        ("text_encoder/config.json", "text_encoder"),
        ("unet/diffusion_pytorch_model.safetensors", "unet"),
        ("scheduler/scheduler_config.json", "scheduler"),
        ("tokenizer/tokenizer.json", "tokenizer"),
    ),
)
def test_a_missing_file(capsys, broken, file, part):
    (broken / file).unlink()
    assert refusal(capsys, broken).startswith(f"{part}: ")


@pytest.mark.parametrize(
    ("file", "part"),
    (
        ("model_index.json", "checkpoint"),
        ("vae/config.json", "vae"),
        ("text_encoder/model.safetensors", "text_encoder"),
        ("unet/diffusion_pytorch_model.safetensors", "unet"),
        ("tokenizer/tokenizer.json", "tokenizer"),
    ),
)
def test_a_file_that_breaks_off(capsys, broken, file, part):
    content = (broken / file).read_bytes()
    (broken / file).write_bytes(content[: len(content) // 2])
    assert refusal(capsys, broken).startswith(f"{part}: ")


@pytest.mark.parametrize(
    ("part", "weights"), (("text_encoder", "model.safetensors"), ("unet", "diffusion_pytorch_model.safetensors"))
)
def test_a_weight_that_is_missing(capsys, broken, part, weights):
    tensors = load_file(broken / part / weights)
    name = min(tensors)
    del tensors[name]
    save_file(tensors, broken / part / weights, {"format": "pt"})
    message = refusal(capsys, broken)
    assert message.startswith(f"{part}: 1 weights are missing")
    assert name in message


def test_no_checkpoint_at_all(capsys, tmp_path):
    assert refusal(capsys, tmp_path / "nothing") == f"checkpoint: {tmp_path / 'nothing'} is not a directory"


def test_a_torch_newer_than_the_workers(capsys, checkpoint):
    message = refusal(capsys, checkpoint, "--worker-torch", "2.6.0")
    assert message.startswith("torch: a worker on libtorch 2.6.0 runs modules of torch 2.0 to 2.6, this is ")


@pytest.mark.parametrize("own", ("2.8.0", "1.13.1"))
def test_a_torch_that_the_worker_cannot_load(monkeypatch, own):
    monkeypatch.setattr(torchscript.torch, "__version__", f"{own}+cu126")
    with pytest.raises(torchscript.TorchVersionError, match=f"runs modules of torch 2.0 to 2.7, this is {own}$"):
        torchscript.check_torch("2.7.1")


def test_a_worker_with_a_newer_torch():
    torchscript.check_torch("2.11.0")


@pytest.mark.parametrize(
    ("option", "value"),
    (
        ("--size", "100x128"), ("--size", "big"), ("--batch-size", "0"), ("--dtype", "int8"), ("--tokens", "100"),
        ("--tokens", "77,693"), ("--worker-torch", "new"),
    ),
)
def test_a_wrong_option(capsys, checkpoint, tmp_path, option, value):
    with pytest.raises(SystemExit) as exit:
        main(["compile", "--checkpoint", str(checkpoint), "--out", str(tmp_path), option, value])
    assert exit.value.code == 2
    message = capsys.readouterr().err
    assert f"argument {option}: " in message
    assert value in message


def test_packages_for_a_bundle_that_is_none(capsys, checkpoint, tmp_path):
    assert main(["packages", "--bundle", str(tmp_path), "--checkpoint", str(checkpoint)]) == 2
    assert capsys.readouterr().err == f"error: bundle: {tmp_path / 'bundle.json'} does not exist\n"


def test_a_gpu_takes_no_other_type_or_device(capsys):
    for option in (("--dtype", "float32"), ("--packages", "cpu")):
        with pytest.raises(SystemExit):
            main(["compile", "--checkpoint", "x", "--out", "y", "--gpu", *option])
        assert "leave --dtype and --packages out" in capsys.readouterr().err

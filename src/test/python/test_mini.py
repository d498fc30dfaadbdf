"""The parts of `darkroom_mini` that its figures rest on."""

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, LCMScheduler

from conftest import SOURCES
from darkroom_mini import judge
from darkroom_mini.architecture import STABLE_DIFFUSION_1_5, Architecture, scheduler
from darkroom_mini.classifier import halves
from darkroom_mini.evaluate import Point, forwards, interval, pairs, prompts, psnr, share
from darkroom_mini.lora_layers import add_lora, lora_tensors, merge, truncated
from darkroom_mini.random_weights import captions
from darkroom_mini.recover import ABSORBED, recover, step
from darkroom_mini.scene import Renderer, SceneSampler
from darkroom_mini.tokenizer import train_tokenizer
from darkroom_mini.train_lcm import Teacher, boundary
from darkroom_mini.train_vae import normalise_latents
from darkroom_mini.training import Clock, Group, Trainer, load_tensors, save_tensors
from darkroom_mini.vocabulary import COLOR_NAMES, COLORS, OBJECT_NAMES, STYLES, Scene, caption, every_pair, held_out, with_article


def test_a_fifth_of_the_pairs_is_held_out_and_every_object_and_color_is_seen():
    seen = every_pair(held=False)
    share = 1 - len(seen) / (len(OBJECT_NAMES) * len(COLOR_NAMES))
    assert 0.17 < share < 0.23
    assert {o for o, _ in seen} == set(range(len(OBJECT_NAMES)))
    assert {c for _, c in seen} == set(range(len(COLOR_NAMES)))


def test_training_never_draws_a_held_out_pair():
    scenes = SceneSampler("cpu", "seen").draw(5000, torch.Generator().manual_seed(1), doubles=0.5)
    for objects in (scenes.first, scenes.second):
        for o, c in zip(objects.tolist(), scenes.color.tolist()):
            assert o < 0 or not held_out(OBJECT_NAMES[o], COLOR_NAMES[c])
    assert (scenes.second >= 0).any()
    assert (scenes.first != scenes.second).all()


def test_a_caption_names_objects_color_and_style():
    scene = Scene((OBJECT_NAMES.index("umbrella"), OBJECT_NAMES.index("broccoli")), COLOR_NAMES.index("orange"), 1)
    template = "{object} and {second} on {a_color} background, {style}"
    assert caption(scene, template) == "an umbrella and broccoli on an orange background, glossy icon"


@pytest.mark.parametrize("color", COLOR_NAMES)
def test_the_judge_names_the_background_of_a_scene(color):
    # a white square for every object
    icons = torch.full((len(OBJECT_NAMES), len(STYLES), 4, 32, 32), 255, dtype=torch.uint8)
    scenes = SceneSampler("cpu", "all").draw(8, torch.Generator().manual_seed(2), doubles=0)
    scenes.color[:] = COLOR_NAMES.index(color)
    pixels = Renderer(icons).render(scenes, torch.Generator().manual_seed(3))
    assert pixels.shape == (8, 3, 256, 256)
    images = pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    assert judge.background(images).tolist() == [COLOR_NAMES.index(color)] * 8


def test_the_named_colors_are_well_apart():
    lab = judge.oklab(np.array(list(COLORS.values())) / 255)
    distances = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert distances[~np.eye(len(lab), dtype=bool)].min() > 0.14


def test_normalising_the_latents_changes_no_image():
    torch.manual_seed(0)
    vae = Architecture().vae()
    pixels = torch.rand(4, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mean
        image = vae.decode(latents).sample
        normalise_latents(vae, latents)
        normal = vae.encode(pixels).latent_dist.mean
        again = vae.decode(normal).sample
    scaled = normal * vae.config.scaling_factor
    torch.testing.assert_close(again, image, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(4), rtol=0, atol=1e-3)


def test_forwards_count_the_guided_steps_twice():
    assert forwards(20, 0.4) == 29
    assert forwards(20, 1.0) == 40
    assert forwards(5, 0.4) == 8


def test_half_of_the_prompts_are_held_out_pairs():
    asked = prompts()
    assert len(asked) == 300
    assert sum(p.held_out for p in asked) == 150
    assert sum(p.held_out for p in asked[:24]) == 12


def test_a_prompt_tells_its_style_only_where_it_names_one():
    asked = prompts()
    assert {p.style for p in asked} == {None, 0, 1}
    for p in asked:
        assert [style in p.text for style in STYLES] == [p.style == i for i in range(len(STYLES))]


def test_a_pair_is_of_two_objects_in_the_order_of_its_prompt():
    for p in pairs():
        left, right = (with_article(OBJECT_NAMES[o]) for o in p.objects)
        assert 0 <= p.text.index(left) < p.text.rindex(right)


def test_halves_hold_one_side_each():
    pixels = torch.zeros(1, 3, 16, 16)
    pixels[..., :8] = 1
    left, right = halves(pixels)
    assert left.shape == right.shape == pixels.shape
    assert left.eq(1).all()
    assert right.eq(0).all()


def test_a_lora_that_is_trained_is_the_one_that_is_saved():
    torch.manual_seed(0)
    plain, trained = Architecture(image_size=64).unet(), Architecture(image_size=64).unet()
    trained.load_state_dict(plain.state_dict())
    layers = add_lora(trained, 4)
    for layer in layers.values():
        torch.nn.init.normal_(layer.up, std=0.1)
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 77, 96)
    with torch.no_grad():
        expected = trained(*inputs).sample
        assert not torch.allclose(plain(*inputs).sample, expected, atol=1e-2)
        merge(plain, dict(lora_tensors(layers)))
        torch.testing.assert_close(plain(*inputs).sample, expected, rtol=1e-4, atol=1e-5)


def test_a_lora_is_truncated_where_it_changes_least():
    torch.manual_seed(0)
    # of the first, two of three columns do next to nothing; of the second all do
    up, down = torch.randn(8, 3) * torch.tensor([1.0, 1e-3, 1e-3]), torch.randn(3, 4, 3, 3)
    lora = {
        "unet.a.lora_A.weight": down, "unet.a.lora_B.weight": up[:, :, None, None],
        "unet.b.lora_A.weight": torch.randn(2, 6), "unet.b.lora_B.weight": torch.randn(6, 2),
    }
    whole = sum(map(torch.numel, lora.values()))
    assert truncated(lora, whole) is lora
    short = truncated(lora, whole - 2 * (8 + 36))
    assert {key: list(tensor.shape) for key, tensor in short.items()} == {
        "unet.a.lora_A.weight": [1, 4, 3, 3], "unet.a.lora_B.weight": [8, 1, 1, 1],
        "unet.b.lora_A.weight": [2, 6], "unet.b.lora_B.weight": [6, 2],
    }
    for name, tolerance in (("a", 2e-2), ("b", 1e-5)):
        expected, got = (of[f"unet.{name}.lora_B.weight"].flatten(1) @ of[f"unet.{name}.lora_A.weight"].flatten(1)
                         for of in (lora, short))
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


def test_the_consistency_function_is_lcm_schedulers():
    lcm = LCMScheduler.from_config(scheduler().config)
    for t in (19, 259, 999):
        skip, out = boundary(torch.tensor([t]))
        expected = lcm.get_scalings_for_boundary_condition_discrete(torch.tensor(t))
        torch.testing.assert_close((skip[0], out[0]), tuple(c.float() for c in expected))


def test_the_teachers_trajectory_ends_where_diffusers_does():
    class Network(torch.nn.Module):
        def forward(self, x, t, embeddings, return_dict):
            return (0.3 * x + 0.1 * torch.tanh(x) * (t / 1000).view(-1, 1, 1, 1) + embeddings.mean((1, 2)).view(-1, 1, 1, 1),)

    stage = {"stepLength": 50, "guidedFrom": 550, "guidance": 7.5}
    empty, embeddings = torch.zeros(1, 77, 8), torch.full((2, 77, 8), 0.01)
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    ends = Teacher(Network(), empty, stage, scheduler().alphas_cumprod).solve(noise, 999, embeddings)

    solver = DPMSolverMultistepScheduler.from_config(scheduler().config)
    solver.set_timesteps(timesteps=[round(999 * (1 - i / 20)) for i in range(20)])
    sample = noise
    for t in solver.timesteps:
        epsilon = Network()(sample, t.expand(2), embeddings, False)[0]
        if t >= 550:
            without = Network()(sample, t.expand(2), empty.expand_as(embeddings), False)[0]
            epsilon = without + 7.5 * (epsilon - without)
        sample = solver.step(epsilon, t, sample).prev_sample
    torch.testing.assert_close(ends, sample, rtol=1e-3, atol=1e-3)


def test_a_step_trains_and_averages():
    weight = torch.nn.Parameter(torch.tensor([4.0]))
    trainer = Trainer(lambda: {"loss": (weight**2).sum()}, [Group([weight], 0.1)], 0.9, 0.0)
    for _ in range(200):
        trainer.step(1.0)
    assert abs(weight.item()) < 0.2
    assert trainer.means()["loss"] > 0
    trainer.finish()
    assert abs(weight.item()) < 1


def test_a_loss_that_is_no_number_keeps_the_last_good_average():
    weight, broken = torch.nn.Parameter(torch.tensor([4.0])), []
    trainer = Trainer(lambda: {"loss": (weight * (float("nan") if broken else 1)).sum()}, [Group([weight], 0.1)], 0.9, 0.0)
    trainer.step(1.0)
    trainer.means()
    broken.append(True)
    trainer.step(1.0)
    trainer.means()
    trainer.finish()
    assert 3 < weight.item() <= 4


def test_time_in_which_a_process_was_stopped_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("darkroom_mini.training.time.monotonic", lambda: now[0])
    clock = Clock(10, _last=0.0)
    now[0] = 0.4
    clock.tick()
    now[0] = 100
    clock.tick()
    assert clock.elapsed == pytest.approx(1.4)


def test_weights_come_back_from_several_files(tmp_path):
    tensors = {f"t{i}": torch.full((1 << 21,), float(i)) for i in range(4)}
    save_tensors(tmp_path, tensors)
    assert len(list(tmp_path.iterdir())) == 4
    assert all(torch.equal(load_tensors(tmp_path)[name], tensors[name]) for name in tensors)
    save_tensors(tmp_path, {"t0": tensors["t0"]})
    assert list(load_tensors(tmp_path)) == ["t0"]


def test_a_point_of_the_sweep_that_is_a_profile_uses_its_images():
    assert Point("dpmpp-2m", 20, 0.4).name == "dpm-20-cutoff"
    assert Point("dpmpp-2m", 10, 0.4).name == "sweep-dpmpp-2m-10-0.4"


def test_interval_holds_the_mean():
    mean, low, high = interval(np.array([0.0, 1.0] * 50))
    assert mean == 0.5
    assert 0.39 < low < 0.5 < high < 0.61


def test_a_share_of_all_is_not_certain():
    assert share(np.ones(24, bool)) == pytest.approx([1, 0.862, 1], abs=1e-3)
    assert share(np.arange(100) < 50) == pytest.approx([0.5, 0.404, 0.596], abs=1e-3)


def test_psnr_of_images_that_differ_by_one_level():
    image = np.full((2, 8, 8, 3), 100, np.uint8)
    assert psnr(image, image + np.uint8(1)) == pytest.approx([48.13, 48.13], abs=0.01)


def test_random_weights_have_the_architecture_of_stable_diffusion_1_5():
    """Parameters as its checkpoint has them."""
    with torch.device("meta"):
        models = (STABLE_DIFFUSION_1_5.unet(), STABLE_DIFFUSION_1_5.vae(), STABLE_DIFFUSION_1_5.tiny_vae())
        text = STABLE_DIFFUSION_1_5.text_encoder(train_tokenizer(captions(), 768))
    counts = [sum(weight.numel() for weight in model.parameters()) for model in (*models, text)]
    assert counts == [859_520_964, 83_653_863, 2_445_063, 123_060_480]


def test_the_built_in_model_is_small():
    files = [path for path in (SOURCES.parents[2] / "models/mini").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 48_000_000


def test_a_unet_is_recovered_from_its_bundle():
    shape = Architecture()
    torch.manual_seed(5)
    original = shape.unet()
    for parameter in original.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    bundled = dict(step(original).named_parameters())
    recovered = recover(shape.unet(), step, bundled, ABSORBED)
    sample, embeddings = torch.randn(2, 4, 32, 32), torch.randn(2, 77, shape.text_width)
    with torch.no_grad():
        expected, got = (unet(sample, 400, embeddings).sample for unet in (original, recovered))
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-4)

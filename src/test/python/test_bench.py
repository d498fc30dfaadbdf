"""The measurements against diffusers: what can be seen of them without a GPU."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from conftest import SOURCES
from darkroom_bench import kernels, parity, peers, report
from darkroom_bench.pipeline import float32_noise, generate, load_pipeline, set_scheduler
from darkroom_bench.profiles import PROFILES, Profile, read_prompts
from darkroom_bundle.packages import Graph


def row(implementation: str, compiled: bool, profile: str, seconds: float, batch: int = 1, **fields) -> dict:
    spread = {"median": seconds, "min": 0.9 * seconds, "max": 1.1 * seconds}
    named = {"implementation": implementation, "compiled": compiled, "profile": profile, "batch": batch}
    return {**named, "secondsPerImage": spread, "imagesPerSecond": 1 / seconds, "peakAllocatedBytes": 2**31, **fields}


@pytest.fixture
def figures() -> dict:
    rows = [
        row("darkroom", True, "final", 0.1, arithmeticShare=0.3),
        row("darkroom", True, "final", 0.05, batch=8, arithmeticShare=0.6),
    ]
    return {"device": "a GPU", "size": "512x512", "torch": "2.11.0", "date": "2026-11-23T00:00:00Z", "rows": rows}


@pytest.fixture
def peer() -> dict:
    date = "2026-11-24T00:00:00+00:00"
    rows = [
        row("diffusers", False, "baseline", 0.7, peakAllocatedBytes=2**32, date=date),
        row("diffusers", True, "final", 0.25, date=date),
    ]
    return {"device": "a GPU", "size": "512x512", "diffusers": "0.42.1", "date": date, "rows": rows}


@pytest.fixture(scope="module")
def pipeline(checkpoint):
    return load_pipeline(checkpoint, torch.float32, "cpu")


def test_guidance_ends_where_the_profile_says(pipeline):
    profile = Profile("dpmpp-2m", 5, cutoff=0.4)
    rows = []
    hook = pipeline.unet.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].shape[0]))
    set_scheduler(pipeline, profile)
    with torch.no_grad():
        pixels = generate(pipeline, profile, ["a star", "a moon"], [0, 1])
    hook.remove()
    assert rows == [4, 4, 4, 2, 2]
    assert rows.count(4) == profile.guided_steps
    assert (pixels.shape, pixels.dtype) == ((2, 128, 128, 3), torch.uint8)


def test_the_study_guides_nine_of_twenty_steps():
    assert [profile.guided_steps for profile in PROFILES.values()] == [30, 30, 30, 30, 20, 20, 9, 9, 9, 0, 0]


def test_noise_is_that_of_float32(pipeline):
    def latents() -> torch.Tensor:
        generator = torch.Generator("cpu").manual_seed(7)
        return pipeline.prepare_latents(1, 4, 128, 128, torch.float16, torch.device("cpu"), generator)

    pipeline.scheduler.set_timesteps(20)
    expected = torch.randn(1, 4, 16, 16, generator=torch.Generator("cpu").manual_seed(7)).half()
    expected = expected * pipeline.scheduler.init_noise_sigma
    assert not torch.equal(latents(), expected)
    with float32_noise():
        assert torch.equal(latents(), expected)


def test_a_row_of_the_peer(checkpoint, tmp_path, monkeypatch):
    out = tmp_path / "rows.json"
    options = "--mode eager --profiles final --batch-sizes 1,2 --size 64x32 --images 1 --warmup 0 --device cpu --dtype float32"
    monkeypatch.setattr("sys.argv", ["peers", *options.split(), "--checkpoint", str(checkpoint), "--out", str(out)])
    peers.main()
    written = json.loads(out.read_text())
    assert (written["device"], written["size"]) == ("cpu", "64x32")
    assert [(row["profile"], row["batch"], row["images"]) for row in written["rows"]] == [("final", 1, 5), ("final", 2, 10)]
    for measured in written["rows"]:
        assert (measured["implementation"], measured["compiled"]) == ("diffusers", False)
        spread = measured["secondsPerImage"]
        assert measured["date"] <= written["date"]
        assert measured["torch"] == torch.__version__
        assert 0 < spread["min"] <= spread["median"] <= spread["max"]
        assert 1 / spread["max"] <= measured["imagesPerSecond"] <= 1 / spread["min"]


def test_the_peer_waits_until_it_may_begin(checkpoint, tmp_path):
    begin, out = tmp_path / "begin", tmp_path / "eager.json"
    command = ["--checkpoint", checkpoint, "--mode", "eager", "--profiles", "final", "--images", 1, "--warmup", 0]
    command += ["--dtype", "float32", "--device", "cpu", "--begin", begin, "--out", out]
    with subprocess.Popen(
        [sys.executable, "-m", "darkroom_bench.peers", *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert any(line == f"compiled; waiting for {begin}\n" for line in process.stderr)
        assert process.poll() is None and not out.exists()
        begin.touch()
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert len(json.loads(out.read_text())["rows"]) == 1


def test_the_compiled_mode_has_no_baseline(checkpoint, tmp_path, monkeypatch, capsys):
    options = ["--mode", "compiled", "--profiles", "baseline", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "o")]
    monkeypatch.setattr("sys.argv", ["peers", *options])
    with pytest.raises(SystemExit):
        peers.main()
    assert "baseline is not compiled" in capsys.readouterr().err


def test_prompts_are_whole_for_any_tokenizer_of_clip():
    assert len(read_prompts()) == len(set(read_prompts())) == 20
    # each byte a token, in the worst case
    assert all(len(prompt.encode()) <= 75 for prompt in read_prompts())


def test_errors_of_images():
    reference = np.full((2, 4, 4, 3), 100, np.uint8)
    images = reference.copy()
    images[0] += 10
    images[0, 0, 0, 0] = 70
    errors = parity.error(images, reference)
    assert errors["images"][1] == {"meanAbsolute": 0, "rootMeanSquare": 0, "largest": 0}
    first = errors["images"][0]
    assert first["largest"] == errors["largest"] == 30
    assert first["meanAbsolute"] == pytest.approx((47 * 10 + 30) / 48)
    assert first["rootMeanSquare"] == pytest.approx(((47 * 100 + 900) / 48) ** 0.5)
    assert first["psnr"] == pytest.approx(20 * np.log10(255 / first["rootMeanSquare"]))
    assert errors["meanAbsolute"] == pytest.approx(first["meanAbsolute"] / 2)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        parity.error(np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8))


def test_rows_of_the_peer_take_the_place_of_earlier_ones(figures, peer):
    once = report.merge(figures, [peer], None)
    slower = {**peer, "rows": [row("diffusers", True, "final", 0.5, date="2026-11-25T00:00:00+00:00")]}
    twice = report.Figures(report.merge(once, [slower], None))
    assert twice.value(report.EAGER, "baseline", 1, "date") == "2026-11-24T00:00:00+00:00"
    assert twice.value(report.COMPILED, "final", 1, "date") == "2026-11-25T00:00:00+00:00"
    assert len(twice.rows) == len(once["rows"]) == 4
    assert twice.seconds(report.COMPILED, "final") == 0.5
    assert twice.seconds(report.EAGER, "baseline") == 0.7


def test_the_peers_get_their_share_of_the_ceiling(figures, peer):
    shares = {report.key(row): row.get("arithmeticShare") for row in report.merge(figures, [peer], None)["rows"]}
    assert shares.pop((report.COMPILED, "final", 1)) == pytest.approx(0.12)
    # nobody who counts its arithmetic drew this profile
    assert shares.pop((report.EAGER, "baseline", 1)) is None
    assert shares == {(report.DARKROOM, "final", 1): 0.3, (report.DARKROOM, "final", 8): 0.6}


@pytest.mark.parametrize(("field", "value"), [("device", "another GPU"), ("size", "768x512")])
def test_a_peer_that_measured_something_else_is_refused(figures, peer, field, value):
    with pytest.raises(ValueError, match=f"the peer's {field} is {value}, Darkroom's {figures[field]}"):
        report.merge(figures, [{**peer, field: value}], None)


def test_of_several_releases_of_torch_the_fastest_stands_for_diffusers(figures, peer):
    def on(version: str, seconds: float, busy: float) -> dict:
        return {**peer, "rows": [row("diffusers", True, "final", seconds, torch=version, kernelSecondsPerImage=busy)]}

    merged = report.merge(figures, [on("2.7.1", 0.2, 0.11), on("2.11.0", 0.15, 0.12), on("2.7.1", 0.18, 0.11)], None)
    assert len(merged["rows"]) == 4
    told = report.Figures(merged)
    assert told.seconds(report.COMPILED, "final") == 0.15
    assert told.busy(report.COMPILED, "final") == 0.11
    assert "torch 2.11.0, diffusers 0.42.1 (compiled on torch 2.11.0)." in report.setting(told)


def test_diffusers_day_is_told_if_it_is_another(figures, peer):
    for measured in peer["rows"]:
        measured["torch"] = "2.11.0"
    told = report.Figures(report.merge(figures, [peer], None))
    assert "(eager on torch 2.11.0, compiled on torch 2.11.0, measured 2026-11-24)" in report.setting(told)


def test_targets_are_computed_from_the_rows(figures, peer):
    figures["rows"][0] |= {"deviceBeyondContextBytes": 2.5 * 2**30, "kernelSecondsPerImage": 0.09}
    peer["rows"][1]["kernelSecondsPerImage"] = 0.135
    figures["worker"] = [
        {"profile": "final", "imagesPerSecond": 19.0, "pipelineImagesPerSecond": 20.0},
        {"profile": "fast", "imagesPerSecond": 95.0, "pipelineImagesPerSecond": 100.0},
    ]
    switch = {"median": 40.0, "min": 39.0, "max": 44.0}
    ours = {"adapterSwitchMilliseconds": switch, "adapterDeviceBytes": 0}
    figures["rows"].append(row("darkroom", True, "fast", 0.025, **ours))
    peer["rows"].append(row("diffusers", True, "fast", 0.05))
    figures["steps"] = [{"batch": 1, "guided": True, "milliseconds": {"median": 8.0, "min": 7.9, "max": 8.2}}]
    figures["laterStart"] = {"seconds": 7.94}
    figures["workers"] = {"ratio": 1.95}
    table = report.targets(report.Figures(report.merge(figures, [peer], None)))
    reached = [line.split(" | ")[-1] for line in table.splitlines()[2:]]
    assert reached == [
        "**7.00×** (missed) |",
        "**2.50×** (aim) |",
        "**1.50×** (aim) |",
        "**8.00 ms** (missed) |",
        "**20.0 images/s** (aim) |",
        "**2.00 GiB** (aim) |",
        "**2.50 GiB** (must) |",
        "**95.0 %** (missed) |",
        "not measured |",
        "**7.9 s** (aim) |",
        "**1.95×** (must) |",
        "**25.0 ms** (must) |",
        "**40.0 images/s** (missed) |",
        "**2.00×** (must) |",
        "**95.0 %** (must) |",
        "**40 ms** (aim) |",
        "**0 MiB** (aim) |",
    ]


def test_memory_is_told_as_the_device_shows_it(figures, peer):
    figures["rows"][0]["deviceBeyondContextBytes"] = 2.5 * 2**30
    lines = report.memory_table(report.Figures(report.merge(figures, [peer], None))).splitlines()
    assert lines[0].split(" | ")[-1] == "Darkroom: device beyond the context, GiB |"
    (final,) = (line for line in lines if line.startswith("| `final` |"))
    assert final.endswith(" | 2.50 |")


def test_starts_are_told_apart(figures):
    figures["coldStart"] = {"seconds": 24, "batchSizes": [1, 8]}
    figures["laterStart"] = {"seconds": 9.04, "batchSizes": [1, 8]}
    lines = report.worker_table(report.Figures(figures)).splitlines()[2:]
    assert lines == [
        "| process start to ready, first start, batches of 1, 8 | 24.0 s |",
        "| process start to ready, later start, batches of 1, 8 | 9.0 s |",
    ]


def test_several_workers_stand_beside_one(figures):
    def of(images: int, seconds: float, device: str) -> dict:
        busy = {"generatorBusyShare": 0.99, "imagesPerSecond": images / seconds}
        return {"device": device, "images": images, "seconds": seconds, **busy}

    shares = [of(400, 25.0, "cuda:0 a GPU"), of(400, 25.5, "cuda:1 a GPU")]
    one, together = of(800, 50.0, "cuda:0 a GPU"), of(800, 25.5, "cuda:0 a GPU")
    figures["workers"] = {"one": one, "all": together, "workers": shares, "ratio": 50 / 25.5}
    assert report.workers_table(report.Figures(figures)).splitlines()[2:] == [
        "| one worker, cuda:0 a GPU | 800 | 50.0 | 16.00 | 99.0 % |",
        "| one of 2, cuda:0 a GPU | 400 | 25.0 | 16.00 | 99.0 % |",
        "| one of 2, cuda:1 a GPU | 400 | 25.5 | 15.69 | 99.0 % |",
        "| these 2 together, 1.961 times one | 800 | 25.5 | 31.37 | 99.0 % |",
    ]


def test_a_worker_in_batches_that_the_pipeline_was_not_measured_in(figures):
    figures["worker"] = [{"profile": "final", "batch": 4, "requests": 8, "imagesPerSecond": 19.0}]
    told = report.Figures(figures)
    assert "| worker's throughput of the pipeline's alone | ≥ 97 % | ≥ 99 % | not measured |" in report.targets(told)
    assert report.worker_table(told).splitlines()[-1] == "| pipeline alone, `final`, batches of 4 | not measured |"


def test_the_report_renews_its_tables_and_keeps_what_people_wrote(figures, peer, tmp_path):
    measured, other = tmp_path / "gpu.json", tmp_path / "peer.json"
    measured.write_text(json.dumps(figures))
    other.write_text(json.dumps(peer))
    page = tmp_path / "gpu.md"

    def write(*options: object) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["report", "--json", str(measured), "--out", str(tmp_path), *map(str, options)])
            report.main()
        return page.read_text()

    assert "| `final` | 29 | **0.1000** |" in write()
    page.write_text(page.read_text() + "\n## What we tried\n")
    readme = tmp_path / "README.md"
    readme.write_text("Before\n<!-- gpu -->\nan older table\n<!-- end -->\nAfter\n")
    text = write("--peer", other, "--readme", readme)
    told = readme.read_text()
    assert told.startswith("Before\n<!-- gpu -->\n| profile |")
    assert told.endswith("|\n<!-- end -->\nAfter\n")
    assert "| `final` | 0.250 | 2.00 | **0.100** | 2.00 |" in told
    assert "| `final` | 29 |  | 0.250 | **0.1000** | 0.1100, 0.0900 | 2.50 | 30 % |" in text
    assert "| `final` | 8 |  | 20.00 |" in text
    assert text.endswith("## What we tried\n")
    assert len(json.loads(measured.read_text())["rows"]) == 4
    for chart in ("time-memory.png", "throughput.png"):
        assert 10_000 < (tmp_path / chart).stat().st_size < 150_000


def test_kernels_of_an_image():
    def counted(kernels: int, milliseconds: float) -> dict:
        return {"kernels": kernels, "kernelSeconds": milliseconds / 1000}

    of_graphs = {
        Graph("text_encoder.pt", 2): counted(100, 1),
        Graph("unet.pt", 2, 512, 512, True): counted(500, 6),
        Graph("unet.pt", 2, 512, 512, False): counted(490, 4),
        Graph("tiny_decoder.pt", 2, 512, 512): counted(70, 2),
        Graph("tiny_decoder.pt", 1, 512, 512): counted(80, 1),
    }
    of_two = kernels.of_image("final", 2, of_graphs)
    assert of_two["kernels"] == 100 + 9 * 500 + 11 * 490 + 70
    assert of_two["kernelSecondsPerImage"] == pytest.approx((1 + 9 * 6 + 11 * 4 + 2) / 1000 / 2)
    # guided in every step
    assert kernels.of_image("compiled-tiny", 2, of_graphs)["kernels"] == 100 + 30 * 500 + 70
    # guided in none
    assert kernels.of_image("fast", 2, of_graphs)["kernels"] == 100 + 4 * 490 + 70
    # there is no package of the full decoder, nor one of a step at batch 1
    assert kernels.of_image("dpm-20-cutoff", 2, of_graphs) == {}
    assert kernels.of_image("final", 1, of_graphs) == {}

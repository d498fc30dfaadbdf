"""The networks as packages have them: what was rearranged computes the same, and a package is kept or made again."""

import contextlib
import copy
import json
import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch._inductor.decomposition import select_decomp_table

from darkroom_bundle import kernels, packages
from darkroom_bundle.packages import Graph, PackageError, graphs, random_inputs, write_packages
from darkroom_bundle.unet import UNet
from darkroom_bundle.vae import decoder, encoder


@pytest.fixture(scope="module")
def unet(checkpoint):
    return UNet2DConditionModel.from_pretrained(checkpoint / "unet").eval().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 24), (9, 11)])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_unet_computes_what_diffusers_computes(unet, batch, height, width):
    sample, embeddings = torch.randn(batch, 4, height, width), torch.randn(batch, 77, unet.config.cross_attention_dim)
    expected = unet(sample, 501, embeddings).sample
    torch.testing.assert_close(UNet(unet)(sample, torch.tensor([501.0]), embeddings), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 3])
def test_two_embeddings_for_a_sample_are_the_unconditional_and_the_conditional_half(unet, batch):
    sample, embeddings = torch.randn(batch, 4, 16, 16), torch.randn(2 * batch, 77, unet.config.cross_attention_dim)
    expected = unet(torch.cat([sample, sample]), 501, embeddings).sample
    torch.testing.assert_close(UNet(unet)(sample, torch.tensor([501.0]), embeddings), expected, rtol=0, atol=1e-4)


@torch.library.custom_op("darkroom_test::group_norm", mutates_args=())
def opaque_group_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


@opaque_group_norm.register_fake
def _(x):
    return torch.empty_like(x)


@torch.library.custom_op("darkroom_test::attention", mutates_args=())
def opaque_attention(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return queries.new_empty(queries.shape)


@opaque_attention.register_fake
def _(queries, keys, values):
    return queries.new_empty(queries.shape)


@torch.library.custom_op("darkroom_test::convolution", mutates_args=())
def opaque_convolution(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x.new_empty(x.shape[0], x.shape[2], x.shape[3], weight.shape[0])


@opaque_convolution.register_fake
def _(x, weight):
    return x.new_empty(x.shape[0], x.shape[2], x.shape[3], weight.shape[0])


@pytest.mark.parametrize("guided", [True, False])
def test_inductor_gives_our_kernels_the_layouts_that_they_were_exported_with(unet, guided, monkeypatch):
    # the kernels read memory as it lay in the exported graph; inductor's decompositions may lay it otherwise
    monkeypatch.setattr(kernels, "group_norm", lambda x, *others: opaque_group_norm(x))
    monkeypatch.setattr(
        kernels, "convolution", lambda x, weight, bias: opaque_convolution(x, weight).permute(0, 3, 1, 2)
    )
    monkeypatch.setattr(kernels, "attention", lambda queries, keys, values, heads: opaque_attention(queries, keys, values))
    network = UNet(copy.deepcopy(unet).to(memory_format=torch.channels_last))
    rows = 4 if guided else 2
    inputs = (torch.randn(2, 4, 16, 16), torch.tensor([501.0]), torch.randn(rows, 77, unet.config.cross_attention_dim))
    exported = torch.export.export(network, inputs, strict=False)

    def layouts(program):
        return [
            (str(node.target), [(tensor.meta["val"].shape, tensor.meta["val"].stride()) for tensor in node.all_input_nodes])
            for node in program.graph.nodes
            if "darkroom_test" in str(node.target)
        ]

    with torch.no_grad():
        lowered = exported.run_decompositions(select_decomp_table())
    assert len(layouts(exported)) > 30
    assert layouts(lowered) == layouts(exported)
    assert all(tensors[0][1][1] == 1 for target, tensors in layouts(exported) if "attention" not in target), "channels last"


def test_the_vae_decodes_as_diffusers_does(checkpoint):
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae").eval().requires_grad_(False)
    latents = torch.randn(2, 4, 6, 7)
    torch.testing.assert_close(decoder(vae)(latents), vae.decoder(latents), rtol=0, atol=1e-4)


def test_the_vae_encodes_as_diffusers_does(checkpoint):
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae").eval().requires_grad_(False)
    pixels = torch.randn(2, 3, 48, 56)
    torch.testing.assert_close(encoder(vae)(pixels), vae.encoder(pixels), rtol=0, atol=1e-4)


def test_every_module_has_a_graph_for_every_batch_and_size():
    manifest = {
        "sizes": [{"width": 512, "height": 512}, {"width": 768, "height": 512}],
        "batchSizes": [1, 4],
        "files": {"vae_encoder.pt": {}},
    }
    files = {graph.file for graph in graphs(manifest)}
    assert files >= {
        "unet-guided-4-768x512.pt2",
        "unet-1-512x512.pt2",
        "vae_decoder-1-768x512.pt2",
        "tiny_decoder-4-512x512.pt2",
        "vae_encoder-1-768x512.pt2",
        "text_encoder-4.pt2",
    }
    # two of the UNet, two decoders and the one encoder that the bundle has, and one without a size
    assert len(files) == 5 * 2 * 2 + 2


def test_the_unet_has_graphs_for_every_length_of_prompts():
    manifest = {
        "sizes": [{"width": 512, "height": 512}], "batchSizes": [2], "textLengths": [77, 154, 231], "files": {},
    }  # fmt: skip
    steps = [graph for graph in graphs(manifest) if graph.module == "unet.pt"]
    assert [graph.file for graph in steps] == [
        "unet-guided-2-512x512-231.pt2", "unet-2-512x512-231.pt2", "unet-guided-2-512x512-154.pt2",
        "unet-2-512x512-154.pt2", "unet-guided-2-512x512.pt2", "unet-2-512x512.pt2",
    ]  # fmt: skip
    inputs = [random_inputs(graph, manifest | {"embeddingSize": 8}, "cpu") for graph in steps]
    assert [embeddings.shape for _, _, _, embeddings, _ in inputs] == [
        (rows, length, 8) for length in (231, 154, 77) for rows in (4, 2)
    ]


@pytest.fixture
def compiling(bundle, checkpoint, tmp_path, monkeypatch):
    """Compiles one small graph of a copy of the bundle and returns its `packages.json`."""
    own = tmp_path / "bundle"
    shutil.copytree(bundle, own)
    monkeypatch.setattr(packages, "graphs", lambda manifest: [Graph("tiny_decoder.pt", 1, 128, 128)])

    def compile_() -> dict:
        write_packages(own, checkpoint, checkpoint / "tiny_vae", "cpu", 1, lambda line: None)
        return json.loads((own / "compiled/cpu/packages.json").read_text())

    compile_.directory = own / "compiled/cpu"
    return compile_


def test_what_is_compiled_is_kept_until_it_is_damaged_or_no_longer_offered(compiling, capfd):
    (entry,) = compiling()["graphs"]
    assert capfd.readouterr().err == "", "the libraries' warnings stand between the lines of progress"
    assert entry.keys() >= {"file", "sha256", "bytes", "module", "batchSize", "width", "height", "relativeError"}
    package = compiling.directory / entry["file"]
    made = package.stat().st_mtime_ns
    assert compiling()["graphs"] == [entry]
    assert package.stat().st_mtime_ns == made

    package.write_bytes(package.read_bytes()[:-1])
    (compiling.directory / "tiny_decoder-1-64x64.pt2").touch()
    (again,) = compiling()["graphs"]
    assert package.stat().st_size == again["bytes"]
    assert list(compiling.directory.glob("*.pt2")) == [package]


def test_a_graph_is_compiled_on_a_cache_of_its_own(compiling, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    for variable in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(variable, str(shared))
    assert compiling()["graphs"]
    assert not shared.exists(), "what other graphs find there spoils them"


def test_a_package_that_computes_something_else_is_refused(bundle, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "TOLERANCE", -1.0)
    monkeypatch.setattr(packages, "_running", contextlib.nullcontext(), raising=False)
    path = tmp_path / "tiny_decoder-1-128x128.pt2"
    with pytest.raises(PackageError, match=r"tiny_decoder-1-128x128\.pt2: differs from eager float32 by"):
        packages._compile(
            Graph("tiny_decoder.pt", 1, 128, 128), bundle, checkpoint, checkpoint / "tiny_vae", "cpu", path
        )
    assert not list(tmp_path.iterdir())

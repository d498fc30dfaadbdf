"""The checkpoint of `gpu setup`: downloaded by the real `huggingface_hub` from a server that answers as the hub does."""

import contextlib
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from conftest import SOURCES, run

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL, TINY = "studio/stable-diffusion", "studio/taesd"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


class Hub(http.server.ThreadingHTTPServer):
    """Repositories of one commit: `api/models`, its tree, and files; weights by way of another address, as from LFS."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, Path]):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories = repositories
        self.fetched: Counter[str] = Counter()
        self.ranges: list[tuple[str, str]] = []
        # the path of a file whose connection breaks half way, once; or stalls there
        self.broken: str | None = None
        self.stalled: str | None = None
        self.half_sent = threading.Event()
        self.go_on = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            return self._repository(match[1])
        if match := re.fullmatch(rf"/api/models/([^/]+/[^/]+)/tree/{COMMIT}", path):
            return self._tree(match[1])
        if match := re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", path):
            return self._resolve(match[1], match[2])
        if match := re.fullmatch(r"/lfs/([^/]+/[^/]+)/(.+)", path):
            return self._content(match[1], match[2])
        return self._refuse("EntryNotFound")

    def _repository(self, name: str) -> None:
        if name not in self.server.repositories:
            return self._refuse("RepoNotFound")
        siblings = [
            {"rfilename": name, "size": len(content)} for name, content in sorted(_files(self.server.repositories[name]))
        ]
        return self._json({"_id": "0", "id": name, "modelId": name, "sha": COMMIT, "siblings": siblings})

    def _tree(self, name: str) -> None:
        entries = []
        for path, content in sorted(_files(self.server.repositories[name])):
            entry = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            if path.endswith(".safetensors"):
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return self._json(entries)

    def _resolve(self, name: str, path: str) -> None:
        content = (self.server.repositories[name] / path).read_bytes()
        if not path.endswith(".safetensors"):
            return self._content(name, path, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'})
        self.send_response(302)
        for header, value in {
            # a host of another name, whose answers the client does not take for the hub's
            "Location": f"http://localhost:{self.server.server_port}/lfs/{name}/{path}",
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
            "Content-Length": "0",
        }.items():
            self.send_header(header, value)
        return self.end_headers()

    def _content(self, name: str, path: str, headers: dict[str, str] | None = None) -> None:
        content = (self.server.repositories[name] / path).read_bytes()
        begin = 0
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            begin = int(found[1])
            self.server.ranges.append((path, found[0]))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        for header, value in (headers or {}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.server.fetched[f"{name}/{path}"] += 1
        half = len(content) // 2
        if path == self.server.broken and not begin:
            self.wfile.write(content[:half])
            self.close_connection = True
            return
        if path == self.server.stalled:
            self.wfile.write(content[:half])
            self.wfile.flush()
            self.server.half_sent.set()
            self.server.go_on.wait()
            begin = half
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[begin:])

    def _json(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _files(folder: Path):
    return [(str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def repositories(checkpoint, tmp_path_factory) -> dict[str, Path]:
    """Stable Diffusion's repository as it is published: weights in two precisions and in pickles, a safety checker."""
    model = tmp_path_factory.mktemp("hub") / "model"
    shutil.copytree(checkpoint, model, ignore=shutil.ignore_patterns("tiny_vae"))
    for weights in list(model.rglob("*.safetensors")):
        shutil.copy(weights, weights.with_suffix(".fp16.safetensors"))
        weights.with_suffix(".bin").write_bytes(b"a pickle")
    (model / "v1-5-pruned.ckpt").write_bytes(b"another pickle")
    (model / "safety_checker").mkdir()
    (model / "safety_checker/model.fp16.safetensors").write_bytes(b"a checker")
    (model / "safety_checker/config.json").write_text("{}")
    (model / "feature_extractor").mkdir()
    (model / "feature_extractor/preprocessor_config.json").write_text("{}")
    tiny = model.with_name("tiny")
    shutil.copytree(checkpoint / "tiny_vae", tiny)
    (tiny / "taesd_decoder.pth").write_bytes(b"a pickle")
    return {MODEL: model, TINY: tiny}


@pytest.fixture
def hub(repositories):
    with Hub(repositories) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def environment(hub: Hub, cache: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    return kept | {"HF_ENDPOINT": hub.address, "HF_HOME": str(cache), "PYTHONPATH": str(SOURCES)}


def command(out: Path, model: str = MODEL, *more: str) -> list[str]:
    options = ["--model", model, "--tiny-model", TINY, "--out", str(out), *more]
    return [sys.executable, "-m", "darkroom_bundle.hub", *options]


def fetch(hub: Hub, folder: Path, model: str = MODEL, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(folder / "links", model, *more), env=environment(hub, folder / "cache"), capture_output=True, text=True
    )


def test_takes_the_files_that_the_compiler_reads_in_half_precision(hub, tmp_path):
    result = fetch(hub, tmp_path)

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"name": "stable-diffusion", "source": f"{MODEL} at {COMMIT}"}
    assert f"{MODEL}: 10 files, 0.0 GB, into {tmp_path / 'cache'}" in result.stderr
    weights = {name for name in hub.fetched if name.endswith((".safetensors", ".bin", ".ckpt", ".pth"))}
    assert weights == {
        f"{MODEL}/text_encoder/model.fp16.safetensors",
        f"{MODEL}/{UNET}",
        f"{MODEL}/vae/diffusion_pytorch_model.fp16.safetensors",
        f"{TINY}/diffusion_pytorch_model.safetensors",
    }


def test_the_safety_checker_is_taken_where_it_is_asked_for(hub, tmp_path):
    result = fetch(hub, tmp_path, MODEL, "--safety")

    assert result.returncode == 0, result.stderr
    links = tmp_path / "links"
    assert {path.name for path in (links / "safety_checker").iterdir()} == {"config.json", "model.safetensors"}
    assert (links / "safety_checker/model.safetensors").read_bytes() == b"a checker"
    assert (links / "feature_extractor/preprocessor_config.json").is_file()
    # diffusers, which is compared with, goes without
    assert "safety_checker" not in json.loads((links / "model_index.json").read_text("utf-8"))


def test_a_checkpoint_without_a_safety_checker_is_told(checkpoint, tmp_path):
    result = run("darkroom_bundle.hub", "--checkpoint", checkpoint, "--safety", "--out", tmp_path / "links")

    assert result.returncode == 2
    assert result.stderr == f"error: {checkpoint} has no safety checker: safety_checker or feature_extractor is missing\n"


def test_what_was_downloaded_is_a_checkpoint(hub, checkpoint, tmp_path):
    assert fetch(hub, tmp_path).returncode == 0
    from darkroom_bundle.checkpoint import load_checkpoint

    loaded = load_checkpoint(tmp_path / "links", tmp_path / "links/tiny_vae")

    original = load_checkpoint(checkpoint, checkpoint / "tiny_vae")
    for part in ("text_encoder", "unet", "vae", "tiny_vae"):
        ours, theirs = getattr(loaded, part).state_dict(), getattr(original, part).state_dict()
        assert all(ours[name].equal(theirs[name]) for name in theirs | ours)


def test_nothing_is_downloaded_twice(hub, tmp_path):
    assert fetch(hub, tmp_path).returncode == 0
    before = hub.fetched.copy()

    assert fetch(hub, tmp_path).returncode == 0

    assert hub.fetched == before


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, repositories, tmp_path):
    large = tmp_path / "large"
    shutil.copytree(repositories[MODEL], large)
    whole = os.urandom(3 * DOWNLOAD_CHUNK_SIZE)
    (large / UNET).write_bytes(whole)
    hub.repositories = repositories | {MODEL: large}
    hub.broken = UNET

    result = fetch(hub, tmp_path)

    assert result.returncode == 0, result.stderr
    # the client keeps what it has in whole pieces
    assert hub.ranges == [(UNET, f"bytes={DOWNLOAD_CHUNK_SIZE}-")]
    assert (tmp_path / "links/unet/diffusion_pytorch_model.safetensors").read_bytes() == whole


def test_a_process_that_was_killed_leaves_nothing_half_done(hub, tmp_path):
    hub.stalled = UNET
    first = subprocess.Popen(command(tmp_path / "links"), env=environment(hub, tmp_path / "cache"), stderr=subprocess.DEVNULL)
    assert hub.half_sent.wait(30)
    first.kill()
    first.wait()
    assert not (tmp_path / "links").exists()
    hub.stalled = None
    hub.go_on.set()

    result = fetch(hub, tmp_path)

    assert result.returncode == 0, result.stderr
    assert hub.fetched[f"{MODEL}/{UNET}"] == 2
    assert (tmp_path / "links/unet/diffusion_pytorch_model.safetensors").is_file()


def test_what_the_hub_does_not_have_is_told(hub, tmp_path):
    result = fetch(hub, tmp_path, "studio/nothing")

    assert result.returncode == 2
    assert result.stderr == f"error: {hub.address} has no model studio/nothing, or none that you may read (HF_TOKEN)\n"


def test_a_repository_of_another_kind_is_told(hub, tmp_path):
    result = fetch(hub, tmp_path, TINY)

    assert result.returncode == 2
    assert result.stderr == f"error: {TINY} is no checkpoint in diffusers layout: it has no model_index.json\n"


def test_a_hub_that_is_not_reached_is_told(repositories, tmp_path):
    with Hub(repositories) as server:
        address = server.address
    result = fetch(server, tmp_path)

    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {MODEL} cannot be downloaded from {address}: ")
    assert len(result.stderr.splitlines()) == 1


def test_folders_are_linked_and_the_precision_needs_no_name(repositories, tmp_path):
    model = tmp_path / "half"
    shutil.copytree(repositories[MODEL], model)
    for weights in model.rglob("*.safetensors"):
        if ".fp16." not in weights.name:
            weights.unlink()

    result = run("darkroom_bundle.hub", "--checkpoint", model, "--tiny", repositories[TINY], "--out", tmp_path / "links")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"name": "half", "source": "half"}
    links = tmp_path / "links"
    assert sorted(path.name for path in (links / "unet").iterdir()) == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert (links / "unet/diffusion_pytorch_model.safetensors").resolve() == model / UNET
    assert "safety_checker" not in json.loads((links / "model_index.json").read_text("utf-8"))


def test_a_folder_without_a_tiny_vae_is_told(repositories, tmp_path):
    result = run("darkroom_bundle.hub", "--checkpoint", repositories[MODEL], "--out", tmp_path / "links")

    assert result.returncode == 2
    assert result.stderr == (
        f"error: {repositories[MODEL] / 'tiny_vae'} is no Tiny VAE in diffusers layout: it has no config.json\n"
    )

"""`python -m darkroom_bundle.hub`: the checkpoint of `./darkroom gpu setup`, from folders or from Hugging Face's hub.

Makes a folder of links that holds what the compiler reads, the Tiny VAE as `tiny_vae` among it. What is downloaded lies in
the hub's own cache (`HF_HOME`), is shared with whatever else uses that, and is not downloaded again; a connection that breaks
is taken up where it broke. `HF_ENDPOINT` names another hub, `HF_TOKEN` who asks. Standard output gets one line of JSON.
"""

import argparse
import json
import shutil
import sys
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

# the part and its weights, without the suffix
WEIGHTS = {"text_encoder": "model", "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
TINY_WEIGHTS = "diffusion_pytorch_model"
# half the bytes, and the type that a GPU computes in
VARIANTS = (".fp16", "")
OTHERS = ("tokenizer", "scheduler")
# the safety checker's, which is fetched where it is asked for
SAFETY = {"safety_checker": "model"}
EXTRACTOR = "feature_extractor"


class HubError(Exception):
    """A checkpoint that cannot be had: one sentence."""


def weights_of(name: str, files: set[str], variants: tuple[str, ...]) -> str | None:
    """The first of a part's weight files that is there, by the order of the variants."""
    return next((file for variant in variants if (file := f"{name}{variant}.safetensors") in files), None)


def files_of_checkpoint(repository: str, files: set[str], safety: bool = False) -> set[str]:
    """Those of a repository's files that the compiler reads.

    :param safety: the safety checker's among them
    """
    if "model_index.json" not in files:
        raise HubError(f"{repository} is no checkpoint in diffusers layout: it has no model_index.json")
    others = (*OTHERS, EXTRACTOR) if safety else OTHERS
    parts = WEIGHTS | SAFETY if safety else WEIGHTS
    wanted = {"model_index.json"} | {f for f in files if f.split("/")[0] in others and f.endswith((".json", ".txt"))}
    # all parts in one variant
    for variant in VARIANTS:
        weights = {f"{part}/{name}{variant}.safetensors" for part, name in parts.items()}
        if weights <= files:
            return wanted | weights | {f"{part}/config.json" for part in parts} | _tiny(files, "tiny_vae/")
    raise HubError(f"{repository} lacks weights in safetensors format for {', '.join(parts)}")


def files_of_tiny(repository: str, files: set[str]) -> set[str]:
    """The same of a repository with a Tiny VAE."""
    found = _tiny(files, "")
    if not found:
        raise HubError(f"{repository} is no Tiny VAE in diffusers layout: config.json or {TINY_WEIGHTS}.safetensors is missing")
    return found


def _tiny(files: set[str], folder: str) -> set[str]:
    wanted = {f"{folder}config.json", f"{folder}{TINY_WEIGHTS}.safetensors"}
    return wanted if wanted <= files else set()


def download(repository: str, choose) -> tuple[Path, str]:
    """The folder of a repository's files that `choose` takes, and their revision.

    :raises HubError: the hub cannot be reached, or has no such files
    """
    try:
        info = HfApi().model_info(repository, files_metadata=True)
        sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings}
        wanted = choose(repository, set(sizes))
        print(f"{repository}: {len(wanted)} files, {sum(sizes[file] for file in wanted) / 1e9:.1f} GB, "
              f"into {constants.HF_HUB_CACHE}", file=sys.stderr, flush=True)
        return Path(snapshot_download(repository, revision=info.sha, allow_patterns=sorted(wanted))), info.sha
    except HubError:
        raise
    except RepositoryNotFoundError:
        raise HubError(f"{constants.ENDPOINT} has no model {repository}, or none that you may read (HF_TOKEN)") from None
    except HfHubHTTPError as error:
        raise HubError(f"{constants.ENDPOINT} refuses {repository}: {_first_line(error)}") from error
    except Exception as error:  # the client lets those of its HTTP library through
        raise HubError(f"{repository} cannot be downloaded from {constants.ENDPOINT}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def assemble(checkpoint: Path, tiny: Path, out: Path, safety: bool = False) -> None:
    """Links what the compiler reads of a checkpoint, and the Tiny VAE, into one folder, in place of what is there.

    :param safety: the safety checker among it
    """
    if not (checkpoint / "model_index.json").is_file():
        raise HubError(f"{checkpoint} is no checkpoint in diffusers layout: it has no model_index.json")
    if not (tiny / "config.json").is_file():
        raise HubError(f"{tiny} is no Tiny VAE in diffusers layout: it has no config.json")
    if safety and not all((checkpoint / part).is_dir() for part in (*SAFETY, EXTRACTOR)):
        raise HubError(f"{checkpoint} has no safety checker: {' or '.join((*SAFETY, EXTRACTOR))} is missing")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # without what is not linked, and without a safety checker, so that diffusers loads the folder and draws no black picture
    index = json.loads((checkpoint / "model_index.json").read_text("utf-8"))
    kept = {name: value for name, value in index.items() if name.startswith("_") or name in (*WEIGHTS, *OTHERS)}
    (out / "model_index.json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    # as old as what it is made of, as all the links are
    shutil.copystat(checkpoint / "model_index.json", out / "model_index.json")
    for name in (*OTHERS, *((EXTRACTOR,) if safety else ()), "vocabulary.json"):
        if (checkpoint / name).exists():
            (out / name).symlink_to((checkpoint / name).absolute())
    for part, name in (WEIGHTS | SAFETY if safety else WEIGHTS).items():
        files = {path.name for path in (checkpoint / part).glob("*")}
        chosen = weights_of(name, files, VARIANTS[::-1])
        (out / part).mkdir()
        for file in sorted(files):
            if chosen is None or file == chosen or not file.endswith((".safetensors", ".bin", ".index.json")):
                target = f"{name}.safetensors" if file == chosen else file
                (out / part / target).symlink_to((checkpoint / part / file).absolute())
    (out / "tiny_vae").symlink_to(tiny.absolute())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m darkroom_bundle.hub", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="a checkpoint in diffusers layout")
    parser.add_argument("--tiny", type=Path, metavar="DIR", help="a Tiny VAE; default: tiny_vae in the checkpoint")
    parser.add_argument("--model", metavar="REPOSITORY", help="downloaded unless there is a --checkpoint")
    parser.add_argument("--tiny-model", metavar="REPOSITORY", help="downloaded where there is no other Tiny VAE")
    parser.add_argument("--safety", action="store_true", help="with the checkpoint's safety checker")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of links")
    options = parser.parse_args()
    if not (options.checkpoint or options.model):
        parser.error("give a --checkpoint or a --model")
    try:
        if options.checkpoint:
            checkpoint, source = options.checkpoint, options.checkpoint.resolve().name
            name = source
        else:
            checkpoint, revision = download(options.model, partial(files_of_checkpoint, safety=options.safety))
            name, source = options.model.split("/")[-1], f"{options.model} at {revision}"
        tiny = options.tiny or checkpoint / "tiny_vae"
        if not options.tiny and not tiny.is_dir() and options.tiny_model:
            tiny, _ = download(options.tiny_model, files_of_tiny)
        assemble(checkpoint, tiny, options.out, options.safety)
    except (HubError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"name": name, "source": source}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

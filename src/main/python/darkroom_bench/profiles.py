"""The profiles, as `profiles.json` states them for the worker too: the nine of the study, and those of few steps."""

import json
from dataclasses import dataclass
from pathlib import Path

PROMPTS = Path(__file__).with_name("prompts.txt")


@dataclass(frozen=True)
class Profile:
    """A configuration; `cutoff` is the fraction of the steps after which guidance ends, a `scale` of 1 is no guidance."""

    scheduler: str
    steps: int
    decoder: str = "full"
    cutoff: float = 1.0
    compiled: bool = True
    scale: float = 7.5

    @property
    def guided_steps(self) -> int:
        """How many steps are guided: the unconditional branch is dropped at the end of step ⌊cutoff × steps⌋, from 0."""
        return 0 if self.scale <= 1 else min(self.steps, int(self.cutoff * self.steps) + 1)


def _read() -> dict[str, Profile]:
    profiles = json.loads(Path(__file__).with_name("profiles.json").read_text("utf-8"))
    return {
        of["name"]: Profile(
            of["scheduler"], of["steps"], of["decoder"], of["guidance"]["cutoff"], of["compiled"], of["guidance"]["scale"]
        )
        for of in profiles
    }


PROFILES = _read()
STUDIED = [name for name, profile in PROFILES.items() if profile.scheduler != "lcm"]


def read_prompts(path: Path = PROMPTS) -> list[str]:
    """A prompt a line, empty lines skipped, as `./darkroom generate --prompts` reads them."""
    lines = path.read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]

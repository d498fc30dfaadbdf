"""The nine configurations of the study, as `dev.darkroom.diffusion.Profile` has them."""

from dataclasses import dataclass
from pathlib import Path

GUIDANCE_SCALE = 7.5
PROMPTS = Path(__file__).with_name("prompts.txt")


@dataclass(frozen=True)
class Profile:
    """One of the study's configurations; `cutoff` is the fraction of the steps after which guidance ends."""

    scheduler: str
    steps: int
    decoder: str = "full"
    cutoff: float = 1.0
    compiled: bool = True

    @property
    def guided_steps(self) -> int:
        """How many steps are guided: the unconditional branch is dropped at the end of step ⌊cutoff × steps⌋, from 0."""
        return min(self.steps, int(self.cutoff * self.steps) + 1)


PROFILES = {
    "baseline": Profile("euler-ancestral", 30, compiled=False),
    "compiled": Profile("euler-ancestral", 30),
    "compiled-tiny": Profile("euler-ancestral", 30, decoder="tiny"),
    "euler-30": Profile("euler-ancestral", 30),
    "euler-20": Profile("euler-ancestral", 20),
    "dpm-20": Profile("dpmpp-2m", 20),
    "euler-20-cutoff": Profile("euler-ancestral", 20, cutoff=0.4),
    "dpm-20-cutoff": Profile("dpmpp-2m", 20, cutoff=0.4),
    "final": Profile("dpmpp-2m", 20, decoder="tiny", cutoff=0.4),
}


def read_prompts(path: Path = PROMPTS) -> list[str]:
    """A prompt a line, empty lines skipped, as `./darkroom generate --prompts` reads them."""
    lines = path.read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]

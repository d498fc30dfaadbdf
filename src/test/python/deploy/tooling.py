import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DEPLOY = ROOT / "deploy"


def tool(*names: str) -> str:
    """The first of these programs that is there; the test is skipped, and says so, where none is."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not installed")
    return found


def promtool(*arguments: object) -> None:
    result = subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr

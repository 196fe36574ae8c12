"""How long it takes from an empty folder to a green suite: ``python -m tests.scaffold [key=choice ...]``.

Bakes a connector, installs it, and runs the tests that were baked with it, on every core; prints what each step took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.scaffold.baking import CHOICES, baked, beside, installed
from tests.trials.saying import say


def main(arguments: list[str]) -> int:
    """Bake, install, run. Returns what pytest does."""
    row = {key: choices[0] for key, choices in CHOICES.items()} | dict(
        argument.split("=", 1) for argument in arguments
    )
    with TemporaryDirectory(prefix="venuekit-scaffold-") as place:
        start = time.monotonic()
        folder = baked(row, Path(place))
        since = _told("baked", start, start)
        target = installed([folder], Path(place) / "installed")
        since = _told("installed", since, start)
        tests = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
        code = subprocess.run(tests, cwd=folder, env=beside(target), check=False).returncode
        _told("green" if code == 0 else "red", since, start)
    return code


def _told(step: str, since: float, start: float) -> float:
    now = time.monotonic()
    say(f"{step:10} {now - since:5.1f} s, {now - start:5.1f} s since the folder was empty")
    return now


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

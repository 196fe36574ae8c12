"""How long it takes from an empty folder to a green suite: ``python -m tests.scaffold [--fresh] [key=choice ...]``.

Bakes a connector, installs it, and runs the tests that were baked with it, on every core; prints what each step took.

``--fresh`` begins with less: an environment of its own, into which venuekit goes as wheels, and the connector as its README
says. What the network takes (everybody else's packages) and what a release has done before (our wheels) is told apart, and
comes before the folder is called empty; from then on pip meets no index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.scaffold.baking import CHOICES, baked, beside, installed, venue_of
from tests.trials.saying import say

ROOT: Final = Path(__file__).resolve().parents[2]

OURS: Final = ("spec", "core", "simulator", "testkit")
"""What the tests of a connector need of us, as folders of ``framework``."""


class Watch:
    """Tells what each step took."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def tell(self, step: str) -> None:
        """A step has ended."""
        now = time.monotonic()
        say(f"{step:34} {now - self._last:5.1f} s, {now - self._start:5.1f} s in all")
        self._last = now


def main(arguments: Sequence[str]) -> int:
    """Bake, install, run. Returns what pytest does."""
    told = dict(each.split("=", 1) for each in arguments if each != "--fresh")
    row = {key: choices[0] for key, choices in CHOICES.items()} | told
    with TemporaryDirectory(prefix="venuekit-scaffold-") as place:
        return (_fresh if "--fresh" in arguments else _here)(row, Path(place))


def _here(row: Mapping[str, str], place: Path) -> int:
    """In the environment that this runs in."""
    watch = Watch()
    folder = baked(dict(row), place)
    watch.tell("baked")
    target = installed([folder], place / "installed")
    watch.tell("installed")
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
    code = subprocess.run(tests, cwd=folder, env=beside(target), check=False).returncode
    watch.tell("green" if code == 0 else "red")
    return code


def _fresh(row: Mapping[str, str], place: Path) -> int:
    """In an environment that has nothing."""
    watch, wheels, links, author = Watch(), place / "wheels", place / "links", place / "author"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq")
    _run(*pip, "wheel", "--no-deps", "-w", wheels, *(ROOT / "framework" / name for name in OURS))
    watch.tell("before: our wheels are built")
    ours = [f"{wheel}[new]" if "testkit" in wheel.name else wheel for wheel in sorted(wheels.iterdir())]
    model = baked(dict(row), place / "model")
    _run(*pip, "download", "-d", links, *ours, f"{model}[dev]", "hatchling", "editables")
    watch.tell("before: the network")

    author.mkdir()
    watch, tools = Watch(), author / ".venv" / "bin"
    apart = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    clean = {name: told for name, told in os.environ.items() if not name.startswith("PYTHON")}
    environment = clean | apart | {"PATH": f"{tools}{os.pathsep}{clean['PATH']}"}
    _run(sys.executable, "-m", "venv", author / ".venv")
    watch.tell("python -m venv .venv")
    _run(tools / "pip", "install", "-q", "venuekit-testkit[new]", cwd=author, env=environment)
    watch.tell("pip install venuekit-testkit[new]")
    answers = [f"--{key.replace('_', '-')}={choice}" for key, choice in row.items()]
    _run(tools / "venuekit", "new", venue_of(row), "--no-input", *answers, cwd=author, env=environment)
    watch.tell("venuekit new")
    (folder,) = author.glob("venuekit-*")
    _run(tools / "pip", "install", "-q", "-e", ".[dev]", cwd=folder, env=environment)
    watch.tell("pip install -e '.[dev]'")
    code = subprocess.run([tools / "pytest", "-q", "-n", "auto"], cwd=folder, env=environment, check=False)
    watch.tell("pytest -n auto: " + ("green" if code.returncode == 0 else "red"))
    return code.returncode


def _run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    subprocess.run([*map(str, command)], cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

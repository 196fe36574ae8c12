"""The rules of the repository that no single distribution can check: rooms, faces, ranges, and nobody's machine."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (ROOT / "framework", ROOT / "plugins")
FOLDERS = [file.parent for room in ROOMS for file in sorted(room.glob("*/pyproject.toml"))]
LICENCE = (ROOT / "LICENSE").read_bytes()

MACHINE_PATH = re.compile(r"(?<![\w.~/$}-])/(?:work|tmp|root|home|Users)(?:/|\b(?![\w.-]))")
"""An absolute path into somebody's machine; ``./work/``, ``~/tmp/`` and ``https://host/home`` are none."""


def config(folder: Path) -> dict[str, Any]:
    """The pyproject.toml of a folder."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def package(folder: Path) -> Path:
    """The folder of the package that a distribution ships."""
    return folder / str(config(folder)["project"]["name"]).replace("-", "_")


def requirements(folder: Path) -> list[str]:
    """What a distribution needs at run time, extras included."""
    project = config(folder)["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [*project["dependencies"], *(need for extra in extras for need in extra)]


def texts() -> list[tuple[str, str]]:
    """Every text file that is or would be committed: its path, and what it says."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in listed.split("\0"):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data:
            found.append((name, data.decode("utf-8", "replace")))
    return found


each_distribution = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@each_distribution
def test_a_distribution_is_complete(folder: Path) -> None:
    """Each folder has what a release needs: README, licence, types, tests that pytest can tell apart."""
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert (folder / "LICENSE").read_bytes() == LICENCE
    assert (package(folder) / "py.typed").is_file()
    assert list(folder.glob("tests/test_*.py"))
    assert not (folder / "tests/__init__.py").exists()  # else equal names in two folders are one module


@each_distribution
def test_a_package_names_its_face(folder: Path) -> None:
    """Each package says in `__all__` what is public."""
    tree = ast.parse((package(folder) / "__init__.py").read_bytes())
    names = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert "__all__" in {target.id for target in names if isinstance(target, ast.Name)}


@each_distribution
def test_no_dependency_is_pinned(folder: Path) -> None:
    """Each dependency is a range with a lower bound, so that users can combine and update what they install."""
    for need in requirements(folder):
        specifier = need.partition(";")[0]
        assert ">=" in specifier, need
        assert "==" not in specifier, need


@each_distribution
def test_a_package_is_in_a_room(folder: Path) -> None:
    """No package escapes the import contracts; every plugin and the spec are held to doing no I/O."""
    linter = config(ROOT)["tool"]["importlinter"]
    rooms, sans_io = linter["contracts"]
    name = package(folder).name
    assert name in linter["root_packages"]
    assert name in re.findall(r"\w+", " ".join(rooms["layers"]))
    if folder.parent.name == "plugins" or folder.name == "spec":
        assert name in sans_io["source_modules"]


def test_the_rooms_are_kept() -> None:
    """Nobody imports whom they must not know."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_names_a_machine() -> None:
    """No file mentions a path of the machine it was written on."""
    said = [f"{name}: {hit.group()}" for name, text in texts() for hit in MACHINE_PATH.finditer(text)]
    assert said == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"see {os.sep}work/notes", True),
        (f"'{os.sep}tmp'", True),
        (f"cd {os.sep}home/me", True),
        ("framework/work/x", False),
        ("./tmp/x", False),
        ("https://host/home/x", False),
        ("/homepage", False),
    ],
)
def test_a_machine_path_is_told_from_others(line: str, told: bool) -> None:
    """The pattern finds absolute paths, and neither relative ones nor addresses."""
    assert bool(MACHINE_PATH.search(line)) is told

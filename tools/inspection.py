"""What was built is what we promise: ``python -m tools.inspection FOLDER DISTRIBUTION ...``, a step of `./x build`.

Each distribution keeps `PROMISES`, and its wheel holds its package, whole, and nothing else. All of them together want of one
another what was built, so an installer finds an answer; and where their wheels are installed every module imports, and every
entry point loads.
"""

from __future__ import annotations

import email
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import frozen
from packaging.metadata import Metadata
from packaging.version import Version

from tools.wheels import OURS, Wheel, environment, probe, quarrels

ROOT: Final = Path(__file__).resolve().parents[1]

CARRIED: Final = {"venuekit_testkit": ("cookiecutter-connector", "template")}
"""Package -> the folder of the repository that its wheel carries, and the name it has there."""


@frozen
class Built:
    """One distribution: its folder in the repository, its wheel, and the files in its wheel and its sdist."""

    folder: Path
    version: Version
    wheel: Wheel
    files: frozenset[str]
    sources: frozenset[str]

    @classmethod
    def read(cls, folder: Path, out: Path) -> Built:
        """Find what was built of a distribution. Raises `ValueError` where that is not one wheel and one sdist."""
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        stem = f"{str(project['name']).replace('-', '_')}-{project['version']}"
        (wheel,), (sdist,) = out.glob(f"{stem}-*.whl"), out.glob(f"{stem}.tar.gz")
        with zipfile.ZipFile(wheel) as archive:
            files = frozenset(archive.namelist())
        with tarfile.open(sdist) as source:
            sources = frozenset(name.partition("/")[2] for name in source.getnames())
        return cls(folder, Version(project["version"]), Wheel.read(wheel), files, sources)

    @property
    def package(self) -> str:
        """The name to import."""
        return self.wheel.name.replace("-", "_")

    @property
    def info(self) -> str:
        """The folder of the metadata in the wheel."""
        return f"{self.package}-{self.wheel.version}.dist-info"

    @property
    def told(self) -> Message:
        """The metadata; its payload is the description."""
        return email.message_from_bytes(self.wheel.raw)

    @property
    def readme(self) -> str:
        """The description, as the index shows it."""
        return str(self.told.get_payload())

    @property
    def expected(self) -> set[str]:
        """What the wheel has to hold besides metadata: the package as it is in the repository, and what it carries."""
        expected = _files(self.folder / self.package, self.package)
        if self.package in CARRIED:
            source, name = CARRIED[self.package]
            expected |= _files(ROOT / source, f"{self.package}/{name}")
        return expected


def _files(folder: Path, name: str) -> set[str]:
    return {
        f"{name}/{file.relative_to(folder).as_posix()}"
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def is_valid(built: Built) -> bool:
    """Whether the index would take the metadata: fields, versions, licence and address by their specifications."""
    try:
        Metadata.from_email(built.wheel.raw, validate=True)
    except ExceptionGroup:
        return False
    return True


def links_are_kept(built: Built) -> bool:
    """Whether every link of the README leads somewhere for who has the sdist, and not the repository."""
    linked = re.findall(r"\]\((?!\w+:|#)([^)#]+)", built.readme)
    return set(linked) <= built.sources


PROMISES: Final[Mapping[str, Callable[[Built], bool]]] = {
    "the package is typed": lambda built: f"{built.package}/py.typed" in built.files,
    "the versions agree": lambda built: built.version == built.wheel.version,
    "the metadata is valid": is_valid,
    "the licence is named": lambda built: built.told["License-Expression"] == "Apache-2.0",
    "the licence is inside": lambda built: f"{built.info}/licenses/LICENSE" in built.files,
    "the README is the description": lambda built: (
        built.readme.startswith("# ") and built.told["Description-Content-Type"] == "text/markdown"
    ),
    "what the README links to is in the sdist": links_are_kept,
    "no dependency is pinned exactly": lambda built: (
        "==" not in {part.operator for need in built.wheel.needs for part in need.specifier}
    ),
    "a dependency of ours has a lower and an upper bound": lambda built: all(
        {">=", "<"} <= {part.operator for part in need.specifier}
        for need in built.wheel.needs
        if need.name.startswith(OURS)
    ),
    "the sdist holds the tests": lambda built: (
        {f"tests/{file.name}" for file in built.folder.glob("tests/*.py")} <= built.sources
    ),
}
"""What each distribution keeps."""


def broken(built: Built) -> list[str]:
    """The promises that a distribution does not keep, and the files by which its wheel differs from its package."""
    inside = {name for name in built.files if not name.startswith(f"{built.info}/")}
    wrong = [f"not so: {promise}" for promise, kept in PROMISES.items() if not kept(built)]
    wrong += [f"not in the wheel: {name}" for name in sorted(built.expected - inside)]
    wrong += [f"in the wheel, and not of its package: {name}" for name in sorted(inside - built.expected)]
    return [f"{built.wheel.name}: {line}" for line in wrong]


def together(wheels: list[Wheel]) -> list[str]:
    """What is wrong with the distributions of one release beside one another."""
    names = {wheel.name for wheel in wheels}
    wrong = quarrels(wheels) + [
        f"{wheel.name} wants {need}, which was not built"
        for wheel in wheels
        for need in wheel.needs
        if need.name.startswith(OURS) and need.name not in names
    ]
    with TemporaryDirectory(prefix="venuekit-inspection-") as place:
        trouble = probe(environment(Path(place), wheels), wheels)
    return [*wrong, trouble] if trouble else wrong


def main(out: str, *folders: str) -> int:
    """Inspect. Returns the exit code."""
    everything = [Built.read(Path(folder), Path(out)) for folder in folders]
    wrong = [line for built in everything for line in broken(built)]
    wrong += together([built.wheel for built in everything])
    print("\n".join(wrong) or f"{len(everything)} distributions keep what is promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Wheels: what their metadata tells, whether they fit together, and environments that are made of them.

An environment has these wheels, and of everything else what is installed here. What is installed here as editable is not in it:
a line of a ``.pth`` file adds a folder to the path, but the ``.pth`` files in that folder are not read.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Final

from attrs import field, frozen
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

OURS: Final = "venuekit"
"""How the names of our distributions begin."""

QUIETLY: Final = ("-qq", "--disable-pip-version-check")

PROBE: Final = """
import importlib, pathlib, pkgutil, sys
from importlib import metadata
home = pathlib.Path(sys.prefix)
for each in sys.argv[1:]:
    name, _, version = each.partition("==")
    assert metadata.version(name) == version, f"{name} {metadata.version(name)} is seen, not {version}"
    package = importlib.import_module(name.replace("-", "_"))
    assert home in pathlib.Path(package.__file__).parents, f"{package.__file__} is not of {home}"
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    for entry in metadata.distribution(name).entry_points:
        entry.load()
"""
"""A program that imports every module of distributions and loads their entry points, and sees that they are those of its own
environment."""


@frozen
class Wheel:
    """A wheel as its own metadata tells. `needs` are what it requires, by extras too; `venues` the connectors it offers;
    `raw` is the metadata.
    """

    file: Path
    name: str
    version: Version
    needs: tuple[Requirement, ...] = ()
    venues: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, file: Path) -> Wheel:
        """Read a file."""
        with zipfile.ZipFile(file) as archive:
            info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            raw = archive.read(info)
            entries = ConfigParser(delimiters="=", interpolation=None)
            listed = info.replace("METADATA", "entry_points.txt")
            if listed in archive.namelist():
                entries.read_string(archive.read(listed).decode())
        metadata = email.message_from_bytes(raw)
        return cls(
            file=file,
            name=canonicalize_name(metadata["Name"]),
            version=Version(metadata["Version"]),
            needs=tuple(map(Requirement, metadata.get_all("Requires-Dist", []))),
            venues=tuple(entries["venuekit.connectors"]) if "venuekit.connectors" in entries else (),
            raw=raw,
        )

    @property
    def label(self) -> str:
        """Its name and version, as pip writes it."""
        return f"{self.name}=={self.version}"

    def contents(self) -> dict[str, int]:
        """The names of its files, each with a checksum; without what depends on how it was built."""
        with zipfile.ZipFile(self.file) as archive:
            return {
                item.filename: item.CRC for item in archive.infolist() if ".dist-info/" not in item.filename
            }

    def claim(self, name: str) -> SpecifierSet | None:
        """Which versions of a distribution it says it works with; None where it does not need it."""
        told = [need.specifier for need in self.needs if canonicalize_name(need.name) == name]
        return reduce(and_, told) if told else None


def wheels_in(folder: Path) -> list[Wheel]:
    """The wheels of our distributions in a folder."""
    return [Wheel.read(file) for file in sorted(folder.glob(f"{OURS}*.whl"))]


def quarrels(wheels: Sequence[Wheel]) -> list[str]:
    """What wheels want of one another and do not get, a sentence each; nothing where they can be installed together."""
    return [
        f"{one.name} {one.version} wants {other.name}{claim}, and there is {other.version}"
        for one in wheels
        for other in wheels
        if (claim := one.claim(other.name)) is not None
        and not claim.contains(other.version, prereleases=True)
    ]


def environment(place: Path, wheels: Iterable[Wheel]) -> Path:
    """Make an environment of wheels. Returns its Python. Raises `subprocess.CalledProcessError` where pip refuses one."""
    venv.create(place, symlinks=True)
    home = {"base": str(place), "platbase": str(place)}
    target = Path(sysconfig.get_path("purelib", "venv", home))
    here = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (target / "third_party.pth").write_text("\n".join(here) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", *QUIETLY, "--no-compile"]
    files = [str(wheel.file) for wheel in wheels]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", str(target), *files], check=True)
    return place / "bin" / "python"


def outside() -> dict[str, str]:
    """The variables of a process that must not know of this one's paths and tests."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}


def probe(python: Path, wheels: Iterable[Wheel]) -> str:
    """What is wrong with wheels where they are installed: they do not import, or are not what is imported. Empty if nothing."""
    command = [str(python), "-W", "error", "-c", PROBE, *(wheel.label for wheel in wheels)]
    done = subprocess.run(
        command, cwd=python.parent, env=outside(), capture_output=True, text=True, check=False
    )
    return done.stderr.strip() if done.returncode else ""

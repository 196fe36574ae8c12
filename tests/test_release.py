"""A release: ranges fit, what was built is inspected, every plugin meets the contracts it claims, CI stops at a failure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve, frozen
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from tools import compat
from tools.inspection import PROMISES, Built, broken
from tools.wheels import Wheel, environment, outside, quarrels, wheels_in

from venuekit_spec import CONTRACT_VERSION

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "cookiecutter-connector" / "{{cookiecutter.__distribution}}" / "pyproject.toml"


def wheel(name: str, version: str, *needs: str, venues: tuple[str, ...] = ()) -> Wheel:
    """A wheel as its metadata would tell."""
    return Wheel(
        Path(f"{name}-{version}.whl"), name, Version(version), tuple(map(Requirement, needs)), venues
    )


def versions(*told: str) -> list[Version]:
    """Versions, from text."""
    return [Version(each) for each in told]


# --- the ranges


def of_this_repository() -> list[Wheel]:
    """What the distributions of this repository say of one another, from their pyproject.toml."""
    found = []
    for file in sorted((*ROOT.glob("framework/*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml"))):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        extras = [need for needs in project.get("optional-dependencies", {}).values() for need in needs]
        found.append(wheel(project["name"], project["version"], *project["dependencies"], *extras))
    return found


def test_the_versions_here_are_within_the_ranges_that_others_claim() -> None:
    """Whoever raises the version of a distribution finds every range of another that leaves it out; the template's too."""
    text = TEMPLATE.read_text(encoding="utf-8")
    needs = [f"{name}{claim}" for name, claim in re.findall(r'"(venuekit-[^">]+)([><=][^"]*)"', text)]
    assert {Requirement(need).name for need in needs} == {"venuekit-spec", "venuekit-testkit"}
    assert quarrels([*of_this_repository(), wheel("venuekit-template", "0.1.0", *needs)]) == []


def test_a_range_that_leaves_a_version_out_is_told() -> None:
    """The sentence names both sides, the range and the version."""
    others = [wheel("venuekit-spec", "0.2.0"), wheel("venuekit", "0.2.0", "venuekit-spec>=0.2,<0.3")]
    plugin = wheel("venuekit-kraken", "0.1.0", "venuekit-spec>=0.1,<0.2")
    [said] = quarrels([*others, plugin])
    assert said == "venuekit-kraken 0.1.0 wants venuekit-spec<0.2,>=0.1, and there is 0.2.0"


# --- what was built

METADATA = """\
Metadata-Version: 2.4
Name: venuekit-toy
Version: 0.1.0
Summary: A toy.
License-Expression: Apache-2.0
Requires-Dist: venuekit-spec<0.2,>=0.1
Description-Content-Type: text/markdown

# venuekit-toy

The [protocol](PROTOCOL.md), and a [page](https://toy.example/docs).
"""


@pytest.fixture
def toy(tmp_path: Path) -> Built:
    """A distribution that keeps every promise."""
    for name in ("venuekit_toy/__init__.py", "venuekit_toy/py.typed", "tests/test_toy.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    info = "venuekit_toy-0.1.0.dist-info"
    return Built(
        folder=tmp_path,
        version=Version("0.1.0"),
        wheel=evolve(wheel("venuekit-toy", "0.1.0", "venuekit-spec>=0.1,<0.2"), raw=METADATA.encode()),
        files=frozenset(
            {
                "venuekit_toy/__init__.py",
                "venuekit_toy/py.typed",
                f"{info}/METADATA",
                f"{info}/licenses/LICENSE",
            }
        ),
        sources=frozenset({"tests/test_toy.py", "PROTOCOL.md"}),
    )


def needing(*needs: str) -> Callable[[Built], Built]:
    """A distribution that has these dependencies instead."""
    return lambda built: evolve(built, wheel=evolve(built.wheel, needs=tuple(map(Requirement, needs))))


def telling(old: str, new: str) -> Callable[[Built], Built]:
    """A distribution whose metadata says something else."""
    raw = METADATA.replace(old, new).encode()
    return lambda built: evolve(built, wheel=evolve(built.wheel, raw=raw))


def holding(*names: str, without: str = "") -> Callable[[Built], Built]:
    """A distribution whose wheel has these files too, and not that one."""
    return lambda built: evolve(built, files=(built.files | set(names)) - {without})


LICENCE = "venuekit_toy-0.1.0.dist-info/licenses/LICENSE"
SPOILT: dict[str, Callable[[Built], Built]] = {
    "not in the wheel: venuekit_toy/__init__.py": holding(without="venuekit_toy/__init__.py"),
    "in the wheel, and not of its package: tests/test_toy.py": holding("tests/test_toy.py"),
    "not so: the package is typed": holding(without="venuekit_toy/py.typed"),
    "not so: the versions agree": lambda built: evolve(built, version=Version("0.2.0")),
    "not so: the metadata is valid": telling("License-Expression: Apache-2.0", "License-Expression: Mine"),
    "not so: the licence is named": telling("Apache-2.0", "MIT"),
    "not so: the licence is inside": holding(without=LICENCE),
    "not so: the README is the description": telling("text/markdown", "text/plain"),
    "not so: what the README links to is in the sdist": telling("PROTOCOL.md", "../NOTES.md"),
    "not so: no dependency is pinned exactly": needing("msgspec==0.19", "venuekit-spec>=0.1,<0.2"),
    "not so: a dependency of ours has a lower and an upper bound": needing("venuekit-spec>=0.1"),
    "not so: the sdist holds the tests": lambda built: evolve(built, sources=frozenset({"PROTOCOL.md"})),
}


def test_a_distribution_that_keeps_its_promises_passes(toy: Built) -> None:
    """Nothing is said of it, and every promise has an example of one that breaks it."""
    assert broken(toy) == []
    assert {f"not so: {promise}" for promise in PROMISES} <= set(SPOILT)


@pytest.mark.parametrize("said", SPOILT)
def test_a_distribution_that_breaks_a_promise_is_told(said: str, toy: Built) -> None:
    """The inspection names the distribution and the promise, or the file."""
    assert f"venuekit-toy: {said}" in broken(SPOILT[said](toy))


# --- the oldest and the newest


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (">=0.1,<0.2", ("0.1.0", "0.1.10")),
        (">=0.1.1,<0.2", ("0.1.1", "0.1.10")),
        (">=0.2rc1,<0.3", ("0.2.0rc1", "0.2.0rc1")),
        (">=0.1", ("0.1.0", "0.2.0rc1")),
        (">=0.3,<0.4", None),
    ],
)
def test_the_ends_of_a_range(claim: str, expected: tuple[str, str] | None) -> None:
    """The lowest and the highest version that exist in it, as versions and not as text; a candidate only where it is meant."""
    exist = versions("0.1.1", "0.1.10", "0.1.0", "0.1.9", "0.2.0rc1")
    found = compat.ends(SpecifierSet(claim), exist)
    assert found == (None if expected is None else tuple(versions(*expected)))


def test_the_index_is_asked_only_for_what_is_not_at_hand() -> None:
    """A range that begins with the version of this workspace asks nobody; one that begins earlier asks for that version."""
    early, late = (
        wheel("venuekit-kraken", "0.1.0", f"venuekit-spec>={begin},<0.2") for begin in ("0.1", "0.1.2")
    )
    assert compat.missing([early, late], [wheel("venuekit-spec", "0.1.2")]) == versions("0.1")
    assert compat.missing([early], [wheel("venuekit-spec", "0.1.0")]) == []


def test_a_contract_that_changed_after_its_release_is_told(tmp_path: Path) -> None:
    """One version never means two contracts; the other distributions get their next version when they are released."""
    released, here = tmp_path / "released", tmp_path / "here"
    for folder, text in ((released, ""), (here, "CURFEW = 1")):
        folder.mkdir()
        written(folder, "venuekit-kraken", "0.1.0", text=text)
        written(folder, "venuekit-spec", "0.1.0", text=text)
    assert compat.both(wheels_in(released), wheels_in(released)) == wheels_in(released)
    with pytest.raises(
        compat.Impossible, match=r"venuekit-spec==0\.1\.0 was released, and is another one here"
    ):
        compat.both(wheels_in(released), wheels_in(here))


AT_HAND = [
    wheel("venuekit-spec", "0.1.0"),
    wheel("venuekit-spec", "0.1.1"),
    wheel("venuekit", "0.1.0", "venuekit-spec>=0.1,<0.2"),
    wheel("venuekit", "0.1.3", "venuekit-spec>=0.1.1,<0.2"),  # it uses what 0.1.1 brought
    wheel("venuekit-simulator", "0.1.0", "venuekit-spec>=0.1,<0.2"),
    wheel("venuekit-testkit", "0.1.0", "venuekit>=0.1,<0.2", "venuekit-spec>=0.1,<0.2"),
    wheel("venuekit-testkit", "0.1.2", "venuekit>=0.1.3,<0.2", "venuekit-spec>=0.1,<0.2"),
]


def test_a_plugin_is_tried_with_both_ends_and_the_framework_of_each() -> None:
    """With the oldest contract goes the newest framework that allows it, with the newest the newest."""
    plugin = wheel("venuekit-kraken", "0.1.5", "venuekit-spec>=0.1,<0.2", venues=("kraken",))
    tried = {
        trial.which: [each.label for each in trial.wheels[1:]] for trial in compat.trials(plugin, AT_HAND)
    }
    assert tried == {
        "oldest": [
            "venuekit-spec==0.1.0",
            "venuekit==0.1.0",
            "venuekit-simulator==0.1.0",
            "venuekit-testkit==0.1.0",
        ],
        "newest": [
            "venuekit-spec==0.1.1",
            "venuekit==0.1.3",
            "venuekit-simulator==0.1.0",
            "venuekit-testkit==0.1.2",
        ],
    }


def test_one_version_is_tried_once() -> None:
    """Where the oldest is the newest there is one trial, and its name says so; a part of the framework is tried as itself."""
    [trial] = compat.trials(AT_HAND[3], AT_HAND)
    assert trial.name == "venuekit==0.1.3 with venuekit-spec==0.1.1, oldest and newest"
    assert trial.wheels.count(AT_HAND[3]) == 1


@pytest.mark.parametrize(
    ("claim", "at_hand", "said"),
    [
        (">=0.2,<0.3", AT_HAND, "claims venuekit-spec<0.3,>=0.2, and none of these is at hand"),
        (">=0.1,<0.1.1", AT_HAND[:2] + AT_HAND[3:], "no framework at hand goes with venuekit-spec==0.1.0"),
    ],
)
def test_a_plugin_that_cannot_be_tried_is_told(claim: str, at_hand: list[Wheel], said: str) -> None:
    """Nothing passes because there was nothing to test it with."""
    with pytest.raises(compat.Impossible, match=re.escape(said)):
        compat.trials(wheel("venuekit-kraken", "0.1.0", f"venuekit-spec{claim}"), at_hand)


def written(folder: Path, name: str, version: str, *needs: str, text: str = "") -> None:
    """Writes a wheel that holds its metadata and one module."""
    stem = f"{name.replace('-', '_')}-{version}"
    told = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    told += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(told) + "\n")
        archive.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
        archive.writestr(f"{name.replace('-', '_')}.py", text)


def test_earlier_releases_come_from_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that is claimed comes with the testkit that goes with it; one that was never released is told by name."""
    index, built, place = (tmp_path / name for name in ("index", "built", "place"))
    for folder in (index, built, place):
        folder.mkdir()
    written(index, "venuekit-spec", "0.1.0")
    written(index, "venuekit-testkit", "0.1.0", "venuekit-spec>=0.1,<0.2")
    written(built, "venuekit-spec", "0.1.1")
    written(built, "venuekit-testkit", "0.1.1", "venuekit-spec>=0.1.1,<0.2")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    fetched = compat.fetched(versions("0.1"), built, place)
    assert [each.label for each in fetched] == ["venuekit-spec==0.1.0", "venuekit-testkit==0.1.0"]
    with pytest.raises(
        compat.Impossible, match=r"venuekit-spec==0\.0\.9 is claimed, and cannot be had .*--wheels"
    ):
        compat.fetched(versions("0.0.9"), built, place)


# --- two releases of the contract, for real


@frozen
class Workshop:
    """Where wheels are built: those of this repository in `old`, and a contract with one addition in `new`."""

    place: Path

    @property
    def old(self) -> Path:
        """The first release."""
        return self.place / "old"

    @property
    def new(self) -> Path:
        """The contract of the second."""
        return self.place / "new"

    def build(self, folder: str, out: Path, *changes: tuple[str, str, str]) -> None:
        """Builds the wheel of a copy of a distribution in which texts of files were replaced."""
        copy = Path(shutil.copytree(ROOT / folder, out / "sources" / folder, dirs_exist_ok=True))
        shutil.copytree(
            ROOT / "cookiecutter-connector", out / "sources/cookiecutter-connector", dirs_exist_ok=True
        )
        for file, old, new in changes:
            text = (copy / file).read_text(encoding="utf-8")
            assert old in text, f"{file} has no {old!r}"
            (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def plugin(self, name: str, *changes: tuple[str, str, str]) -> Path:
        """A folder with the second release, and in it the connector of Kraken, changed."""
        out = Path(
            shutil.copytree(self.old, self.place / name, ignore=shutil.ignore_patterns("sources", "*spec*"))
        )
        shutil.copy(next(self.new.glob("*.whl")), out)
        self.build("plugins/kraken", out, *changes)
        return out

    def compat(self, built: Path) -> subprocess.CompletedProcess[str]:
        """`./x compat` of that connector, with the first release as the archive; few checks, since all are made elsewhere."""
        options = ["--built", str(built), "--wheels", str(self.old), "-k", "contract or comes_live", "kraken"]
        command = [sys.executable, "-m", "tools.compat", *options]
        return subprocess.run(command, cwd=ROOT, env=outside(), capture_output=True, text=True, check=False)


FIRST = Version(
    tomllib.loads((ROOT / "framework/spec/pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
)
SECOND = Version(f"{FIRST.major}.{FIRST.minor}.{FIRST.micro + 1}")
CONTRACT = CONTRACT_VERSION.rpartition(".")[0] + f".{int(CONTRACT_VERSION.rpartition('.')[2]) + 1}"
NONE_YET = f">={FIRST.major}.{FIRST.minor + 1},<{FIRST.major}.{FIRST.minor + 2}"

ADDITION = (
    ("pyproject.toml", f'version = "{FIRST}"', f'version = "{SECOND}"'),
    ("venuekit_spec/description.py", f'Final = "{CONTRACT_VERSION}"', f'Final = "{CONTRACT}"'),
    ("venuekit_spec/__init__.py", "__all__ = [", 'CURFEW = "an addition"\n\n__all__ = [\n    "CURFEW",'),
)
"""What the second release of the contract brings."""


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Both releases, built."""
    workshop = Workshop(tmp_path_factory.mktemp("releases"))
    for folder in ("spec", "core", "simulator", "testkit"):
        workshop.build(f"framework/{folder}", workshop.old)
    workshop.build("framework/spec", workshop.new, *ADDITION)
    return workshop


REFUSED = """
import venuekit
try:
    venuekit.load_connector("kraken")
except venuekit.ContractMismatch as error:
    print(error)
"""
IMPORTS = ("venuekit_kraken/__init__.py", "__all__ = [", "from venuekit_spec import CURFEW\n\n__all__ = [")
NAMES = (
    "venuekit_kraken/description.py",
    "    venue=VENUE,",
    f'    venue=VENUE,\n    contract="{CONTRACT}",',
)


def told(done: subprocess.CompletedProcess[str]) -> list[tuple[str, ...]]:
    """Of each trial: how it went, the version of the contract, and which it is."""
    line = r"^ +(ok|FAILED) +venuekit-kraken==\S+ with venuekit-spec==(\S+), (\w+) "
    return sorted(re.findall(line, done.stdout, re.MULTILINE))


two_releases = pytest.mark.xdist_group("releases")


@pytest.mark.soak
@two_releases
def test_a_plugin_that_is_fine_with_both_passes(workshop: Workshop) -> None:
    """What was written for the first contract runs with it, and with the second, which has more."""
    done = workshop.compat(workshop.plugin("fine"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(done) == [("ok", str(FIRST), "oldest"), ("ok", str(SECOND), "newest")]


@pytest.mark.soak
@two_releases
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (IMPORTS, "cannot import name 'CURFEW'"),
        (NAMES, f"was made for contract {CONTRACT}, this core speaks {CONTRACT_VERSION}"),
    ],
    ids=["imports", "names"],
)
def test_a_plugin_that_claims_too_old_a_contract_is_caught(
    workshop: Workshop, change: tuple[str, str, str], reason: str, request: pytest.FixtureRequest
) -> None:
    """It uses the addition, or says it was made for it, and claims the contract before: told by name, with the reason."""
    done = workshop.compat(workshop.plugin(request.node.callspec.id, change))
    assert done.returncode == 1, done.stdout + done.stderr
    assert told(done) == [("FAILED", str(FIRST), "oldest"), ("ok", str(SECOND), "newest")]
    assert reason in done.stdout


@pytest.mark.soak
@two_releases
def test_a_plugin_that_leaves_the_contract_out_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    """There is nothing to test it with; and where somebody installed it all the same, the loader refuses it, naming both."""
    text = (ROOT / "plugins/kraken/pyproject.toml").read_text(encoding="utf-8")
    [claimed] = re.findall(r'"(venuekit-spec[^"]+)"', text)
    built = workshop.plugin("later", ("pyproject.toml", claimed, f"venuekit-spec{NONE_YET}"))
    done = workshop.compat(built)
    assert (done.returncode, "none of these is at hand" in done.stdout) == (2, True)
    python = environment(tmp_path / "environment", wheels_in(built))
    said = subprocess.run(
        [python, "-c", REFUSED], cwd=tmp_path, env=outside(), capture_output=True, text=True, check=True
    )
    assert (
        said.stdout
        == f"the connector 'kraken' wants venuekit-spec{SpecifierSet(NONE_YET)}, installed is {SECOND}\n"
    )


# --- CI

STUB = '#!/usr/bin/env bash\necho "$1" >> said\n[ "$*" != "$FAILS" ]\n'


def steps() -> list[str]:
    """What `.ci/run` does, in its order."""
    return re.findall(r"^step (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("failing", steps())
def test_ci_stops_at_what_fails(failing: str, tmp_path: Path) -> None:
    """Whichever step of `.ci/run` fails, the run fails there, and the steps before it were made."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "x").write_text(STUB, encoding="utf-8")
    (tmp_path / "x").chmod(0o755)
    variables = outside() | {"FAILS": failing}
    done = subprocess.run(
        [tmp_path / ".ci" / "run"], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    made = (tmp_path / "said").read_text(encoding="utf-8").split()
    assert made == [step.split()[0] for step in steps()[: len(made)]]
    assert steps()[len(made) - 1] == failing


def test_ci_makes_every_gate() -> None:
    """Style and types, the distributions, the contracts, the long tests and the others."""
    assert {step.split()[0] for step in steps()} == {"check", "build", "compat", "test"}
    assert sorted("soak" in step for step in steps() if step.startswith("test")) == [False, True]

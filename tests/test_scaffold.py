"""The scaffold: every pair of choices bakes into a connector that is formatted, typed, installs, and passes the suite."""

from __future__ import annotations

import ast
import itertools
import os
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from click import ClickException
from click.testing import CliRunner
from packaging.requirements import Requirement
from tests.scaffold.__main__ import main
from tests.scaffold.baking import (
    CHOICES,
    FEW,
    PAIRS,
    SINGLES,
    baked,
    beside,
    installed,
    met,
    suite_of,
    venue_of,
)

from venuekit.cli import venuekit
from venuekit_testkit.new import bake, questions, template

ROOT = Path(__file__).resolve().parents[1]

shared = pytest.mark.xdist_group("scaffold")  # one worker bakes them all, not each

LIVELY = ("book_comes_live", "queues_equal_the_venues", "limit_orders_rest", "fills_come_by_stream")
"""Of the checks that need an event loop, those that every run makes."""


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A connector of each single choice, baked: venue -> its folder."""
    place = tmp_path_factory.mktemp("baked")
    return {venue_of(row): baked(row, place) for row in SINGLES}


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a tool; what it says is the failure."""
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_every_pair_of_choices_is_baked() -> None:
    """Each choice of each question meets each choice of every other in some row, and a row has a name of its own."""
    wanted = {
        ((first, one), (second, other))
        for first, second in itertools.combinations(CHOICES, 2)
        for one in CHOICES[first]
        for other in CHOICES[second]
    }
    assert set[object]().union(*(met(row, 2) for row in PAIRS)) == wanted
    assert len({venue_of(row) for row in PAIRS}) == len(PAIRS)


def test_the_wheel_carries_the_template(tmp_path: Path) -> None:
    """The testkit's wheel, made from its sdist as an installer would, has the template of this repository, byte by byte."""
    build = (sys.executable, "-m", "hatchling", "build", "-d", tmp_path, "-t")
    run(*build, "sdist", cwd=ROOT / "framework/testkit")
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    run(*build, "wheel", cwd=tmp_path / sdist.name.removesuffix(".tar.gz"))
    (wheel,) = tmp_path.glob("*.whl")
    source = ROOT / "cookiecutter-connector"
    ours = {
        file.relative_to(source).as_posix(): file.read_bytes()
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        carried = "venuekit_testkit/template/"
        theirs = {
            name.removeprefix(carried): archive.read(name)
            for name in archive.namelist()
            if name.startswith(carried)
        }
    assert theirs == ours


@shared
def test_baked_projects_are_sound(workshop: Mapping[str, Path]) -> None:
    """Nothing of the template is left, every module says what it is, and the linter is content by the rules baked with it."""
    for folder in workshop.values():
        whole(folder)
    formatted(next(iter(workshop.values())).parent)


def whole(folder: Path) -> None:
    """Nothing of the template is left in a project: no choice that was not made, no brace; and modules have docstrings."""
    assert not (folder / "_choices").exists()
    for file in folder.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "cookiecutter" not in text, f"{file} speaks of cookiecutter"
            assert "{%" not in text, f"{file} has a brace of the template's"
            assert file.suffix != ".py" or ast.get_docstring(ast.parse(text)), f"{file} says nothing"


def formatted(place: Path) -> None:
    """The formatter and the linter have nothing to say of a folder."""
    ruff = pytest.importorskip("ruff").find_ruff_bin()
    run(ruff, "format", "--check", "--no-cache", place)
    run(ruff, "check", "--no-cache", place)


def test_baked_rules_are_the_houses() -> None:
    """The rules of ruff that are baked are those of this repository, and dependencies have the bounds of its plugins."""
    text = next(template().glob("*/pyproject.toml")).read_text(encoding="utf-8")
    told = tomllib.loads(text[text.index("[tool.ruff]") :])["tool"]["ruff"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert (told["line-length"], told["target-version"]) == (ours["line-length"], ours["target-version"])
    for name in ("select", "ignore", "pycodestyle", "pydocstyle", "pylint"):
        assert told["lint"][name] == ours["lint"][name], f"{name} differs"
    bounds = (ROOT / "plugins/exchange_b/pyproject.toml").read_text(encoding="utf-8")
    assert '"venuekit-spec>=0.1,<0.2"' in text
    assert '"venuekit-spec>=0.1,<0.2"' in bounds


@shared
def test_data_only_is_short(workshop: Mapping[str, Path]) -> None:
    """What an author of a data connector edits is under 300 lines of code beside imports and documentation."""
    venue = venue_of(FEW[0])
    assert sum(map(lines_of_code, (workshop[venue] / f"venuekit_{venue}").glob("*.py"))) < 260


def lines_of_code(file: Path) -> int:
    """Lines that are neither blank, nor a comment, nor of an import or a docstring."""
    text = file.read_text(encoding="utf-8")
    other: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) and (
            told or not isinstance(node, ast.Expr)
        ):
            other |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    kept = (line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in other)
    return sum(bool(line) and not line.startswith("#") for line in kept)


@shared
def test_baked_connectors_install_and_pass(workshop: Mapping[str, Path], tmp_path: Path) -> None:
    """Installed, the `FEW` pass their own tests and every check that needs no event loop, are live, and trade."""
    folders = [workshop[venue_of(row)] for row in FEW]
    target = installed(folders, tmp_path / "installed")
    chosen = f"not (asyncio or trio) or (asyncio and ({' or '.join(LIVELY)}))"
    code, told = suite_of(folders, beside(target), "-k", chosen)
    assert code == 0, told
    passed = int(told.rpartition(" passed")[0].split()[-1])
    assert passed >= 105, f"only {passed} tests passed"


def steps(folder: Path) -> list[str]:
    """The commands of the CI file that was baked, in order."""
    workflow = yaml.safe_load((folder / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@shared
def test_ci_asks_for_its_tools(workshop: Mapping[str, Path]) -> None:
    """Each tool that the baked CI file runs comes with the extra that it installs, and each path that it names is there."""
    folder = workshop[venue_of(FEW[0])]
    told = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {Requirement(each).name for each in told["optional-dependencies"]["dev"]}
    brought = {Requirement(each).name for each in metadata.requires("venuekit-testkit") or ()}
    first, *others = steps(folder)
    assert first == "pip install -e '.[dev]'"
    assert len(others) == 4
    for tool, *arguments in map(shlex.split, others):
        assert tool in asked | brought, f"{tool} is not installed"
        assert ("-n" in arguments) <= ("pytest-xdist" in asked)
        assert all((folder / each).exists() for each in arguments if "." in each or "/" in each)


def test_command_bakes_what_options_say(tmp_path: Path) -> None:
    """``venuekit new`` bakes with options, and says what to do next."""
    options = ["--no-input", "--auth", "hmac_headers", "--sync", "link"]
    told = CliRunner().invoke(venuekit, ["new", "my-venue", "-o", str(tmp_path), *options])
    assert told.exit_code == 0, told.output
    package = tmp_path / "venuekit-my-venue" / "venuekit_my_venue"
    assert "x-signature" in (package / "auth.py").read_text(encoding="utf-8")
    assert "Ids.LINK" in (package / "books.py").read_text(encoding="utf-8")
    assert "pip install -e" in told.output


def test_command_asks_what_is_open(tmp_path: Path) -> None:
    """What no option says is asked, in the words of the template; an empty answer is its first choice."""
    answers = ["My Venue", "", "next", "", "", "Somebody"]
    told = CliRunner().invoke(
        venuekit, ["new", "my_venue", "-o", str(tmp_path)], input="\n".join(answers) + "\n"
    )
    assert told.exit_code == 0, told.output
    folder = tmp_path / "venuekit-my-venue"
    assert "Ids.NEXT" in (folder / "venuekit_my_venue/books.py").read_text(encoding="utf-8")
    assert not (folder / "venuekit_my_venue/auth.py").exists()
    assert "Somebody" in (folder / "pyproject.toml").read_text(encoding="utf-8")
    assert "How are requests signed?" in told.output


def test_nobody_to_ask(tmp_path: Path) -> None:
    """Where the input has ended, it bakes nothing and says how to do without questions."""
    told = CliRunner().invoke(venuekit, ["new", "my_venue", "-o", str(tmp_path)], input="")
    assert told.exit_code == 1
    assert "--no-input" in told.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("venue", ["1inch", "Ünited", "a" * 30, 'x"; import os', "spec"])
def test_bad_venue_ids_are_refused(venue: str, tmp_path: Path) -> None:
    """An id that cannot be one bakes nothing, and ends with one line and code 1."""
    told = CliRunner().invoke(venuekit, ["new", venue, "-o", str(tmp_path), "--no-input"])
    assert told.exit_code == 1
    assert "nothing was baked" in told.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", ["name", "author"])
def test_bad_names_are_refused(answer: str, tmp_path: Path) -> None:
    """What would break out of the texts it stands in bakes nothing."""
    with pytest.raises(ClickException, match="nothing was baked"):
        bake({"venue": "my_venue", answer: 'My "Venue"\n'}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_existing_folders_are_kept(tmp_path: Path) -> None:
    """A folder that is already there is not written into."""
    bake({"venue": "twice"}, tmp_path)
    told = CliRunner().invoke(venuekit, ["new", "twice", "-o", str(tmp_path), "--no-input"])
    assert told.exit_code == 1
    assert "already exists" in told.output


def test_missing_engine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cookiecutter the command says how to have it."""
    monkeypatch.setitem(sys.modules, "cookiecutter.generate", None)
    told = CliRunner().invoke(venuekit, ["new", "my_venue", "-o", str(tmp_path), "--no-input"])
    assert told.exit_code == 1
    assert "pip install 'venuekit-testkit[new]'" in told.output


def test_every_question_is_explained() -> None:
    """Each question has a text, and each of its choices a meaning where there are more than yes and no."""
    prompts = questions()["__prompts__"]
    for key, default in questions().items():
        if key.startswith("_"):
            continue
        assert prompts[key]
        if isinstance(default, list) and set(default) != {"no", "yes"}:
            assert set(prompts[key]) == {"__prompt__", *default}


@pytest.mark.soak
@pytest.mark.parametrize("row", PAIRS, ids=venue_of)
def test_every_pair_of_choices_makes_a_connector(
    row: dict[str, str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Baked, it is whole, formatted, linted and typed; installed, its own tests and the whole suite pass on one event loop."""
    folder = baked(row, tmp_path)
    whole(folder)
    formatted(folder)
    target = installed([folder], tmp_path / "installed")
    run(sys.executable, "-m", "mypy", f"--cache-dir={tmp_path_factory.getbasetemp() / 'mypy'}", cwd=folder)
    code, told = suite_of([folder], beside(target), "-k", "not trio")
    assert code == 0, told


@pytest.mark.soak
def test_the_baked_ci_file_passes(tmp_path: Path) -> None:
    """Its commands, one after the other, in a project as it was baked. pip meets no index, and installs into a folder."""
    folder = baked(FEW[0], tmp_path)
    target = tmp_path / "installed"
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_PREFIX": str(target)}
    site = sysconfig.get_path("purelib", vars={"base": str(target), "platbase": str(target)})
    tools = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    environment = os.environ | offline | {"PATH": tools, "PYTHONPATH": f"{site}{os.pathsep}{folder}"}
    for step in steps(folder):
        run("bash", "-c", step, cwd=folder, env=environment)


@pytest.mark.soak
def test_green_from_an_empty_folder(capfd: pytest.CaptureFixture[str]) -> None:
    """From an empty folder to a green suite, both event loops; what each step took is printed."""
    code = main([])
    told = capfd.readouterr().out
    with capfd.disabled():
        sys.stdout.write(told)
    assert code == 0, told
    assert "green" in told

"""What the pages say is so: the README, architecture, pitfalls, reference."""

from __future__ import annotations

import ast
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from attrs import frozen
from docs import reference

import venuekit
from venuekit.cli import COMMANDS, PLUGINS
from venuekit_spec import Channel
from venuekit_spec.hooks import hook_names
from venuekit_testkit import checks

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")


PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("plugins/*/README.md"))]


def example_of(page: Path) -> str:
    """The one Python example of a page."""
    [example] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return str(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_an_example_opens_what_there_is(page: Path) -> None:
    """The venue of a README's example is installed, and has the channels and the variant that it asks for."""
    calls = [node for node in ast.walk(ast.parse(example_of(page))) if isinstance(node, ast.Call)]
    [opened] = [call for call in calls if ast.unparse(call.func) == "venuekit.open_exchange"]
    asked = {each.arg: ast.literal_eval(each.value) for each in opened.keywords}
    description = venuekit.load_connector(ast.literal_eval(opened.args[0])).description
    for channel in asked.get("channels", [description.book_channel]):
        variant = asked.get("variant", "") if channel == "book" else ""
        assert description.topic_rule(Channel(channel), variant) is not None
    if page.parent != REPOSITORY:
        assert page.parent.name == description.venue
        places = {environment.name for environment in description.environments}
        named = set(re.findall(r"`([\w-]+)`", page.read_text(encoding="utf-8")))
        assert places <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_example_of_a_readme_uses_names_that_exist(page: Path) -> None:
    """Each `venuekit.name` of its Python is exported, each attribute of a book or an exchange is one."""
    example = example_of(page)
    attributes = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Attribute)]
    by_name = {"venuekit": venuekit, "book": venuekit.OrderBook, "exchange": venuekit.Exchange}
    checked = 0
    for node in attributes:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in by_name
            and node.attr not in {"books", "live"}
        ):
            assert hasattr(by_name[node.value.id], node.attr), node.attr
            checked += 1
    assert checked >= 5


def test_the_example_of_the_spec_runs() -> None:
    """The README of the contract shows a flow that does what it says."""
    page = REPOSITORY / "framework" / "spec" / "README.md"
    exec(compile(example_of(page), str(page), "exec"), {"__name__": "spec_readme"})


def commands() -> set[str]:
    """The commands of the core, and those that distributions of this repository add."""
    return set(COMMANDS) | {
        entry.name for entry in entry_points(group=PLUGINS) if entry.value.startswith("venuekit")
    }


def test_the_commands_of_the_readme_are_the_commands() -> None:
    """The README shows each command of the command line."""
    block = README.split("## On the command line")[1].split("##")[0]
    assert set(re.findall(r"^venuekit (\w+)", block, re.MULTILINE)) == commands()


def test_the_reference_is_up_to_date() -> None:
    """The page is what `python -m docs.reference` writes; what says nothing of itself cannot be written."""
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python -m docs.reference"


def test_the_reference_has_every_hook_check_and_command() -> None:
    """Each has a heading of its own."""
    headings = re.findall(r"^#+ (.*)$", reference.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = set(headings)
    assert {
        name for name in hook_names() if not any(each.startswith(f"`{name}(") for each in headings)
    } == set()
    assert {check.id for check in checks()} <= told
    assert {
        name for name in commands() if not any(f"{each} ".startswith(f"venuekit {name} ") for each in told)
    } == set()


def test_an_undocumented_value_is_told() -> None:
    """The writer of the reference refuses what has no docstring, and what attrs or msgspec wrote in its place."""

    @frozen
    class Silent:
        x: int

    for thing in (Silent, lambda: None):
        with pytest.raises(reference.Undocumented):
            reference.documented(thing, "x")


def test_every_connector_is_in_the_readme() -> None:
    """Each distribution in plugins/ has a row in the table."""
    told = set(re.findall(r"`(venuekit-[\w-]+)`", README))
    folders = {path.parent.name for path in REPOSITORY.glob("plugins/*/pyproject.toml")}
    assert {f"venuekit-{folder.replace('_', '-')}" for folder in folders} <= told


def test_the_readme_sets_up_with_two_commands() -> None:
    """Set-up is ./x demo and ./x test and nothing else."""
    assert set(re.findall(r"^\./x (\w+)", README, re.MULTILINE)) == {"demo", "test"}


def test_links_lead_somewhere() -> None:
    """Each relative link of the pages leads to a file."""
    for page in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_architecture_page_names_every_module_of_the_core() -> None:
    """A module that is not in the table has no idea, or the table is not true."""
    package = REPOSITORY / "framework" / "core" / "venuekit"
    names = {path.stem for path in package.glob("*.py")} | {
        path.name for path in package.iterdir() if path.is_dir()
    }
    for name in names - {"__init__", "__main__", "__pycache__"}:
        assert f"`{name}`" in ARCHITECTURE or f"`{name}/`" in ARCHITECTURE or f"{name}`" in ARCHITECTURE, name


def test_every_pitfall_has_its_guard() -> None:
    """Each row of the page of pitfalls has a trap, a rule, and tests that exist in the files they are said to be in."""
    page = REPOSITORY / "docs" / "pitfalls.md"
    lines = [
        line
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line != "| trap | rule | guard |"
    ]
    assert len(lines) >= 46
    for line in lines:
        trap, rule, guard = (cell.strip() for cell in line.strip("|").split(" | "))
        assert trap, line
        assert rule, line
        guards = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", guard)
        assert guards, trap
        for name, file in guards:
            source = (page.parent / file).read_text(encoding="utf-8")
            assert re.search(rf"^ *(async )?def {name}\(", source, re.MULTILINE), f"{file}: {name}"

"""What the README and the architecture page say is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import venuekit
from venuekit.cli import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_example_of_the_readme_uses_names_that_exist() -> None:
    """Each `venuekit.name` of its Python is exported, each attribute of a book or an exchange is one."""
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
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


def test_the_commands_of_the_readme_are_the_commands() -> None:
    """The README shows each command of the command line."""
    block = README.split("## On the command line")[1].split("##")[0]
    assert set(re.findall(r"^venuekit (\w+)", block, re.MULTILINE)) == set(COMMANDS)


def test_the_readme_sets_up_with_two_commands() -> None:
    """Set-up is ./x demo and ./x test and nothing else."""
    assert set(re.findall(r"^\./x (\w+)", README, re.MULTILINE)) == {"demo", "test"}


def test_links_lead_somewhere() -> None:
    """Each relative link of the pages leads to a file."""
    for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_architecture_page_names_every_module_of_the_core() -> None:
    """A module that is not in the table has no idea, or the table is not true."""
    package = REPOSITORY / "framework" / "core" / "venuekit"
    names = {path.stem for path in package.glob("*.py")} | {
        path.name for path in package.iterdir() if path.is_dir()
    }
    for name in names - {"__init__", "__main__", "__pycache__"}:
        assert f"`{name}`" in ARCHITECTURE or f"`{name}/`" in ARCHITECTURE or f"{name}`" in ARCHITECTURE, name

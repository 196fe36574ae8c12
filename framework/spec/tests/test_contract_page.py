"""The page docs/contract.md: what its tables name exists, and what its examples say is so."""

from __future__ import annotations

import enum
import inspect
import re
from pathlib import Path

import attrs
import msgspec
import pytest

import venuekit_spec

PAGE = Path(__file__).parents[3] / "docs" / "contract.md"
TEXT = PAGE.read_text(encoding="utf-8")

HEADER = ["venue", "oddity", "said by"]
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
LIBRARY = {
    object,
    str,
    tuple,
    Exception,
    BaseException,
    enum.Enum,
    enum.StrEnum,
    enum.ReprEnum,
    msgspec.Struct,
}
"""Classes whose members say nothing of ours."""


def cells(line: str) -> list[str]:
    """The cells of one line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def oddities() -> list[tuple[str, str, str]]:
    """The rows of every table whose header is `HEADER`."""
    rows: list[tuple[str, str, str]] = []
    inside = False
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            inside = False
        elif cells(line) == HEADER:
            inside = True
        elif inside and not line.startswith("|---"):
            venue, oddity, said_by = cells(line)
            rows.append((venue, oddity, said_by))
    return rows


def names_in(cell: str) -> list[str]:
    """What stands in code font."""
    return re.findall(r"`([^`]+)`", cell)


NAMES = sorted({name for *_, said_by in oddities() for name in names_in(said_by)})


def members(cls: type) -> set[str]:
    """What may stand behind the dot: fields, members, methods, and what an error is made with."""
    if issubclass(cls, enum.Enum):
        return set(cls.__members__) | {name for name in vars(cls) if not name.startswith("_")}
    if issubclass(cls, msgspec.Struct):
        return set(cls.__struct_fields__)
    found = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else set()
    for base in set(cls.__mro__) - LIBRARY:
        found |= {
            name for name in (*vars(base), *vars(base).get("__annotations__", {})) if not name.startswith("_")
        }
    if issubclass(cls, Exception):
        found |= set(inspect.signature(cls).parameters)
    return found


def test_the_page_has_a_row_for_each_oddity_it_promises() -> None:
    """The tables are there and are not a handful of examples."""
    rows = oddities()
    assert len(rows) >= 90
    assert all(venue and oddity for venue, oddity, _ in rows)


def test_no_oddity_is_told_twice() -> None:
    """A topic's rows differ: one row per oddity and venue."""
    told = [(venue, oddity) for venue, oddity, _ in oddities()]
    assert sorted(told) == sorted(set(told))


@pytest.mark.parametrize(("venue", "oddity", "said_by"), oddities())
def test_every_row_says_where(venue: str, oddity: str, said_by: str) -> None:
    """The third column is a list of names in code font, and of nothing else."""
    assert names_in(said_by), f"{venue}: {oddity}"
    assert re.fullmatch(r"`[\w.]+`(, `[\w.]+`)*", said_by)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_row_names_exists(name: str) -> None:
    """Each name is exported by the contract, and so is the field, member or method behind its dot."""
    owner, _, member = name.partition(".")
    assert owner in venuekit_spec.__all__
    if member:
        cls = getattr(venuekit_spec, owner)
        assert inspect.isclass(cls)
        assert member in members(cls)


def test_names_of_the_library_are_no_members() -> None:
    """The check itself: what Python gives every class does not count as part of the contract."""
    assert {"RANGE", "LINK"} <= members(venuekit_spec.Ids)
    assert not {"lower", "count", "title"} & members(venuekit_spec.Ids)
    assert "retry_after" in members(venuekit_spec.RateLimited)
    assert not {"with_traceback", "add_note"} & members(venuekit_spec.RateLimited)


def test_the_examples_run() -> None:
    """The page's Python blocks run from top to bottom as one program, and their assertions hold."""
    namespace: dict[str, object] = {"__name__": "contract_page"}
    assert len(EXAMPLES) >= 5
    for number, example in enumerate(EXAMPLES, start=1):
        exec(compile(example, f"{PAGE.name}, example {number}", "exec"), namespace)

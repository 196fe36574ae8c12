import ast
import re
from pathlib import Path

import pytest

from venuekit_testkit import Check, Group, Subject, checks, groups
from venuekit_testkit.catalogue import register


def test_there_are_many_checks() -> None:
    """The suite asks at least seventy things, and each group asks something."""
    found = checks()
    assert len(found) >= 70
    assert {check.group for check in found} == set(Group)
    assert len({check.id for check in found}) == len(found)


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.id)
def test_a_check_is_documented(check: Check) -> None:
    """Each check has an id in one form, a summary of one sentence, and a paragraph that says more."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
    assert len(check.summary) <= 120
    assert check.summary.endswith(".")
    assert len(check.documentation) > len(check.summary) + 20


def test_a_check_without_documentation_is_refused() -> None:
    """A check that nobody explains is not taken."""

    def silent(subject: Subject) -> None:
        del subject

    with pytest.raises(ValueError, match="documentation"):
        register("silent-check", Group.DATA, silent)


def test_an_id_is_taken_once() -> None:
    """Two checks cannot share an id."""

    def loud(subject: Subject) -> None:
        """Something."""
        del subject

    with pytest.raises(ValueError, match="two checks"):
        register("book-comes-live", Group.DATA, loud)


def test_a_failure_says_what_is_wrong() -> None:
    """No check fails without a word: each assertion has a message, but for those that only tell a type checker."""
    silent = [
        f"{file.name}, line {node.lineno}"
        for file in sorted(Path(groups.__file__).parent.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Assert)
        and node.msg is None
        and not ast.unparse(node.test).endswith("is not None")
    ]
    assert not silent

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import venuekit_testkit.cli as card
from venuekit_testkit import Check, Outcome, Result, Subject, checks

CHOSEN = ("environments-have-urls", "positions-are-the-venues")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checks pass or are skipped, and the last fails."""

    def judged(subject: Subject, loops: object) -> Iterator[Result]:
        for check, outcome, reason in (
            (by_id(CHOSEN[0]), Outcome.PASSED, ""),
            (by_id(CHOSEN[1]), Outcome.SKIPPED, "it does not claim positions"),
            (by_id("pools-are-sane"), Outcome.FAILED, "two pools share a name"),
        ):
            yield Result(check, outcome, reason)

    monkeypatch.setattr(card, "judge_all", judged)


def by_id(id_: str) -> Check:
    """The check of that id."""
    (found,) = [check for check in checks() if check.id == id_]
    return found


@pytest.mark.usefixtures("few")
def test_the_card_says_each_outcome() -> None:
    """Each check has a line with its id and outcome, a failure ends with 1."""
    ran = CliRunner().invoke(card.command, ["exchange_a"])
    assert ran.exit_code == 1
    assert "Exchange A (venuekit-exchange-a" in ran.output
    assert "skipped  positions-are-the-venues" in ran.output
    assert "it does not claim positions" in ran.output
    assert "3 checks: 1 passed, 1 failed, 1 skipped" in ran.output


@pytest.mark.usefixtures("few")
def test_the_card_as_data() -> None:
    """``--json`` is the same as data, and nothing else is printed."""
    told = json.loads(CliRunner().invoke(card.command, ["exchange_a", "--json"]).output)
    assert told["venue"] == "exchange_a"
    assert told["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert [row["id"] for row in told["checks"]] == [*CHOSEN, "pools-are-sane"]

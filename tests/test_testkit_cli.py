import json
import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import venuekit_testkit.cli as card
from venuekit_testkit import Check, Outcome, Result, Subject, checks
from venuekit_testkit.running import LONGEST, told

CHOSEN = ("environments-have-urls", "positions-are-the-venues")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checks pass or are skipped, and the last fails."""

    def judged(subject: Subject, loops: object, only: object) -> Iterator[Result]:
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
def test_the_card_begins_with_the_groups() -> None:
    """First a line for each group, then what failed with reason and documentation, why others were skipped, and the sums."""
    ran = CliRunner().invoke(card.command, ["exchange_a"])
    assert ran.exit_code == 1
    title, groups, failed, skipped, sums = re.split(r"\n\n(?! )", ran.output.replace("\n\n  d", "\n\nd", 1))
    assert title.startswith("Exchange A (venuekit-exchange-a")
    assert [line.split() for line in groups.split("\n")] == [
        ["description", "1", "passed"],
        ["reconciling", "1", "skipped"],
        ["description", "1", "failed"],
    ]
    assert failed.startswith(
        "FAILED pools-are-sane\n  two pools share a name\n\n  Rate-limit pools have names"
    )
    assert skipped.split("\n")[1].split() == ["1", "it", "does", "not", "claim", "positions"]
    assert sums == "3 checks: 1 passed, 1 failed, 1 skipped\n"


@pytest.mark.usefixtures("few")
def test_the_card_says_each_outcome() -> None:
    """With ``--all`` each check has a line with its id and outcome."""
    ran = CliRunner().invoke(card.command, ["exchange_a", "--all"])
    assert "passed   environments-have-urls" in ran.output
    assert "skipped  positions-are-the-venues" in ran.output
    assert "failed   pools-are-sane" in ran.output


def test_one_check_can_be_made_alone() -> None:
    """``--only`` makes the named check and no other; what passes ends with 0."""
    ran = CliRunner().invoke(card.command, ["exchange_a", "--only", "environments-have-urls"])
    assert (ran.exit_code, ran.output.split("\n")[-2]) == (0, "1 checks: 1 passed, 0 failed, 0 skipped")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "no connector 'nowhere' is installed"),
        (["exchange_a", "--only", "nothing"], "there is no check 'nothing'"),
    ],
)
def test_what_cannot_be_checked_ends_with_2(arguments: list[str], told: str) -> None:
    """A venue or a check that there is not is told, and is no failure of a connector."""
    ran = CliRunner().invoke(card.command, arguments)
    assert ran.exit_code == 2
    assert told in ran.output


@pytest.mark.usefixtures("few")
def test_the_card_as_data() -> None:
    """``--json`` is the same as data, and nothing else is printed."""
    told = json.loads(CliRunner().invoke(card.command, ["exchange_a", "--json"]).output)
    assert told["venue"] == "exchange_a"
    assert told["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert [row["id"] for row in told["checks"]] == [*CHOSEN, "pools-are-sane"]


def test_a_long_reason_says_that_it_goes_on() -> None:
    """A reason that is cut ends with a mark, and a short one does not."""
    assert told(AssertionError("a" * 1_000)) == "a" * (LONGEST - 4) + " ..."
    assert told(AssertionError("short")) == "short"

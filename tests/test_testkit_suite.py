from __future__ import annotations

import pytest

from venuekit_testkit import ConnectorSuite, checks, xfail


def test_every_check_is_a_test() -> None:
    """A suite has one documented test per check."""
    for check in checks():
        method = getattr(ConnectorSuite, check.method)
        assert method.__doc__ == check.documentation


def test_an_override_is_refused() -> None:
    """A suite that defines a test of a check's name cannot be made."""
    with pytest.raises(TypeError, match="overrides the check pools-are-sane"):
        type("TestMine", (ConnectorSuite,), {"test_pools_are_sane": lambda self: None})


def test_an_override_by_a_mixin_is_refused() -> None:
    """Nor can one that inherits such a test from elsewhere."""
    mixin = type("Mixin", (), {"test_pools_are_sane": lambda self: None})
    with pytest.raises(TypeError, match="overrides the check pools-are-sane"):
        type("TestMine", (mixin, ConnectorSuite), {})


@pytest.mark.parametrize(
    "mark", [pytest.mark.skip, pytest.mark.xfail, [pytest.mark.skipif(True, reason="x")]]
)
def test_a_class_cannot_be_excused(mark: object) -> None:
    """A mark that skips the whole class is refused."""
    with pytest.raises(TypeError, match="excuses every check"):
        type("TestMine", (ConnectorSuite,), {"pytestmark": mark})


@pytest.mark.parametrize("loops", [(), ("uvloop",), ("asyncio", "curio")])
def test_a_suite_runs_on_loops_that_there_are(loops: tuple[str, ...]) -> None:
    """A suite on no loop, or on one that the checks are not for, cannot be made."""
    with pytest.raises(TypeError, match="runs on loops among asyncio, trio"):
        type("TestMine", (ConnectorSuite,), {"loops": loops})


def test_an_expected_failure_has_a_reason() -> None:
    """Without a reason nothing is expected to fail."""
    with pytest.raises(ValueError, match="reason"):
        xfail(" ")


SUITE = """
from venuekit_testkit import ConnectorSuite, xfail

class TestMine(ConnectorSuite):
    venue = "exchange_a"
    test_pools_are_sane = xfail("it is not so bad")
"""


def test_what_was_expected_to_fail_must_fail(pytester: pytest.Pytester) -> None:
    """A check that passes although it was expected to fail fails."""
    pytester.makepyfile(SUITE)
    ran = pytester.runpytest_subprocess("-q", "-k", "pools_are_sane or documentation_is_linked")
    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["*XPASS(strict)*it is not so bad*"])


ONE_LOOP = """
from venuekit_testkit import ConnectorSuite

class TestMine(ConnectorSuite):
    venue = "exchange_a"
    loops = ("asyncio",)
"""


@pytest.mark.parametrize(("mark", "loop"), [("not soak", "asyncio"), ("soak", "trio")])
def test_other_loops_are_left_to_long_runs(pytester: pytest.Pytester, mark: str, loop: str) -> None:
    """With `loops` a run without the mark is made on these, one of the mark alone on the others."""
    pytester.makepyfile(ONE_LOOP)
    ran = pytester.runpytest_subprocess("-v", "--strict-markers", "-m", mark, "-k", "book_comes_live")
    ran.assert_outcomes(passed=1, deselected=len(checks()) + asynchronous() - 1)
    ran.stdout.fnmatch_lines([f"*test_book_comes_live?{loop}?*PASSED*"])


def asynchronous() -> int:
    """How many checks run once per loop."""
    return sum(check.asynchronous for check in checks())


def test_an_installed_connector_needs_no_file(pytester: pytest.Pytester) -> None:
    """``--pyargs venuekit_testkit --venue`` checks an installed connector; a skip names what is not claimed."""
    arguments = ("-q", "-rs", "--pyargs", "venuekit_testkit", "--venue", "exchange_a")
    ran = pytester.runpytest_subprocess(*arguments, "-k", "environments_have_urls or positions_are")
    ran.assert_outcomes(passed=1, skipped=2)
    ran.stdout.fnmatch_lines(["*it does not claim positions*"])


def test_without_a_venue_nothing_is_collected(pytester: pytest.Pytester) -> None:
    """The package's own suite is left alone unless a venue is named."""
    ran = pytester.runpytest_subprocess("-q", "--pyargs", "venuekit_testkit")
    ran.assert_outcomes()


def test_a_venue_that_cannot_be_loaded_is_told_once(pytester: pytest.Pytester) -> None:
    """``--venue`` with a connector that is not installed ends with a usage error, and no check is made."""
    ran = pytester.runpytest_subprocess("-q", "--pyargs", "venuekit_testkit", "--venue", "nowhere")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*no connector 'nowhere' is installed*"])

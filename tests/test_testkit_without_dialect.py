from attrs import evolve

from venuekit_testkit import Outcome, Subject, judge_all


def test_a_connector_without_a_dialect_is_checked_as_far_as_can_be() -> None:
    """Checks that need a venue are skipped by that reason; the others pass."""
    results = list(judge_all(evolve(Subject.of("exchange_a"), dialect=None), ["asyncio"]))
    outcomes = {result.outcome for result in results}
    assert outcomes == {Outcome.PASSED, Outcome.SKIPPED}
    assert sum(result.outcome is Outcome.PASSED for result in results) >= 25
    reasons = {result.reason for result in results if result.outcome is Outcome.SKIPPED}
    assert "it ships no dialect: there is no venue to talk to" in reasons

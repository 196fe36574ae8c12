"""The conformance suite of venuekit connectors.

    from venuekit_testkit import ConnectorSuite

    class TestMyVenue(ConnectorSuite):
        venue = "my_venue"

`checks` lists all that is asked of a connector. For what is particular to its venue a connector has tests of its own: they are
written with what drives flows (`answered`, `Hand`), sessions (`Driver`, `read_or_malformed`) and dialects (`Visitor`) by hand.
Everything is imported when it is first used: the pytest plugin of this package is loaded by every run of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from venuekit_testkit.lazy import lazily

if TYPE_CHECKING:
    from venuekit_testkit.catalogue import Check, Group, Unclaimed, checks
    from venuekit_testkit.facing import Pair, Visitor
    from venuekit_testkit.hand import START, Hand, answered, first_request, ref, reply
    from venuekit_testkit.running import Outcome, Result, judge, judge_all
    from venuekit_testkit.subject import Subject
    from venuekit_testkit.suite import ConnectorSuite, xfail
    from venuekit_testkit.talking import Driver, read_or_malformed

_PLACES: Final = {
    "Check": "catalogue",
    "ConnectorSuite": "suite",
    "Driver": "talking",
    "Group": "catalogue",
    "Hand": "hand",
    "Outcome": "running",
    "Pair": "facing",
    "Result": "running",
    "START": "hand",
    "Subject": "subject",
    "Unclaimed": "catalogue",
    "Visitor": "facing",
    "answered": "hand",
    "checks": "catalogue",
    "first_request": "hand",
    "judge": "running",
    "judge_all": "running",
    "read_or_malformed": "talking",
    "ref": "hand",
    "reply": "hand",
    "xfail": "suite",
}

__getattr__ = lazily(__name__, _PLACES)

__all__ = [
    "START",
    "Check",
    "ConnectorSuite",
    "Driver",
    "Group",
    "Hand",
    "Outcome",
    "Pair",
    "Result",
    "Subject",
    "Unclaimed",
    "Visitor",
    "answered",
    "checks",
    "first_request",
    "judge",
    "judge_all",
    "read_or_malformed",
    "ref",
    "reply",
    "xfail",
]

"""The conformance suite of venuekit connectors.

    from venuekit_testkit import ConnectorSuite

    class TestMyVenue(ConnectorSuite):
        venue = "my_venue"

`checks` lists all that is asked of a connector. Everything is imported when it is first used: the pytest plugin of this package
is loaded by every run of pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from venuekit_testkit.catalogue import Check, Group, Unclaimed, checks
    from venuekit_testkit.running import Outcome, Result, judge, judge_all
    from venuekit_testkit.subject import Subject
    from venuekit_testkit.suite import ConnectorSuite, xfail

_PLACES: Final = {
    "Check": "catalogue",
    "ConnectorSuite": "suite",
    "Group": "catalogue",
    "Outcome": "running",
    "Result": "running",
    "Subject": "subject",
    "Unclaimed": "catalogue",
    "checks": "catalogue",
    "judge": "running",
    "judge_all": "running",
    "xfail": "suite",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "Check",
    "ConnectorSuite",
    "Group",
    "Outcome",
    "Result",
    "Subject",
    "Unclaimed",
    "checks",
    "judge",
    "judge_all",
    "xfail",
]

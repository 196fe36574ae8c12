"""The pytest plugin: ``pytest --pyargs venuekit_testkit --venue my_venue`` checks an installed connector without a test file.

Without ``--venue`` the suite of this package is not collected. Recordings of a venue are handled by
`venuekit_testkit.cassettes.fixtures`, loaded where pytest-recording is and switched on by ``venuekit_cassettes`` in pytest's
configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

SUITE: Final = Path(__file__).with_name("test_installed_connector.py")
TEMPLATE: Final = Path(__file__).with_name("template")
"""Of the scaffold, in the wheel: what is called a test in there is no Python before it is baked."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--venue``, and ``venuekit_cassettes`` to the configuration."""
    group = parser.getgroup("venuekit", "conformance of venuekit connectors")
    group.addoption("--venue", default="", help="the venue id of an installed connector to check")
    parser.addini(
        "venuekit_cassettes",
        "the venue whose cassettes and tapes are in the tests: record and replay them by our rules",
    )
    parser.addini(
        "venuekit_public",
        "names of members in recordings that look like keys and are shown to everybody, ids of orders for example",
        type="args",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Know our marks, and load what goes with pytest-recording.

    `pytest.UsageError` where that is wanted and missing, and where ``--venue`` names a connector that cannot be loaded.
    """
    config.addinivalue_line("markers", "soak: runs long, or once more on another event loop")
    config.addinivalue_line(
        "markers", "recordings(venue): the cassettes and tapes of this test are of that venue"
    )
    if venue := str(config.getoption("--venue")):
        _load(venue)
    if config.pluginmanager.has_plugin("recording"):
        from venuekit_testkit.cassettes import fixtures

        config.pluginmanager.register(fixtures, "venuekit-recordings")
    elif config.getini("venuekit_cassettes"):
        raise pytest.UsageError(
            "venuekit_cassettes needs an extra: pip install 'venuekit-testkit[cassettes]'"
        )


def _load(venue: str) -> None:
    from venuekit import load_connector
    from venuekit_spec import LocalError

    try:
        load_connector(venue)
    except LocalError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the suite of this package alone unless a venue was named, and the scaffold always."""
    unasked = collection_path == SUITE and not config.getoption("--venue")
    return True if unasked or collection_path == TEMPLATE else None


@pytest.fixture(scope="session")
def venue_under_test(request: pytest.FixtureRequest) -> str:
    """What ``--venue`` names."""
    return str(request.config.getoption("--venue"))

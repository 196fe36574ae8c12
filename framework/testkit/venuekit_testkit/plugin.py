"""The pytest plugin: ``pytest --pyargs venuekit_testkit --venue my_venue`` checks an installed connector without a test file.

Without ``--venue`` the suite of this package is not collected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

SUITE: Final = Path(__file__).with_name("test_installed_connector.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--venue``."""
    group = parser.getgroup("venuekit", "conformance of venuekit connectors")
    group.addoption("--venue", default="", help="the venue id of an installed connector to check")


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of what a suite leaves to long runs (`ConnectorSuite.loops`)."""
    config.addinivalue_line("markers", "soak: runs long, or once more on another event loop")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the suite of this package alone unless a venue was named."""
    if collection_path == SUITE and not config.getoption("--venue"):
        return True
    return None


@pytest.fixture(scope="session")
def venue_under_test(request: pytest.FixtureRequest) -> str:
    """What ``--venue`` names."""
    return str(request.config.getoption("--venue"))

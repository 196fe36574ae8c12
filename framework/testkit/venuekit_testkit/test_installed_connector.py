"""The suite of whatever connector ``--venue`` names."""

from __future__ import annotations

import pytest

from venuekit_testkit.suite import ConnectorSuite


class TestInstalledConnector(ConnectorSuite):
    """Every check, of the connector that was named on the command line."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _named(cls, venue_under_test: str) -> None:
        cls.venue = venue_under_test

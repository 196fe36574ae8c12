"""Everything that venuekit asks of a connector. Each check is documented: `venuekit check --list`."""

from __future__ import annotations

from venuekit_testkit import ConnectorSuite


class TestConformance(ConnectorSuite):
    venue = "hyperliquid"
    loops = ("asyncio",)  # and on trio in the soak run

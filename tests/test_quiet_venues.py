"""A market in which nothing happens: no venue and no connector takes it for a connection that is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from venuekit import VirtualClock, open_exchange
from venuekit.loader import load_connector
from venuekit.pacing import PacerRegistry
from venuekit_simulator import LocalVenue
from venuekit_simulator.plugins import installed_dialects, load_dialect
from venuekit_simulator.sockets import Peer, ServerSocket
from venuekit_spec import SECOND, HttpRequest, HttpResponse, Seconds

pytestmark = pytest.mark.anyio

START: Final = 1_790_000_000 * SECOND
QUIET: Final[Seconds] = 700.0
"""Longer than any limit of silence, several times over."""


class CountingVenue(LocalVenue):
    """A local venue that counts its handshakes."""

    dials = 0

    def connect(
        self, request: HttpRequest, peer: Peer, answer: Callable[[ServerSocket | HttpResponse | None], None]
    ) -> None:
        """One more."""
        self.dials += 1
        super().connect(request, peer, answer)


@pytest.mark.parametrize("name", installed_dialects())
async def test_a_quiet_market_keeps_its_socket(name: str) -> None:
    """The venue's pings, its beats or our own pings are signs of life: one handshake is all there is, and books are live."""
    clock = VirtualClock(START)
    plugin, connector = load_dialect(name), load_connector(name)
    venue = CountingVenue(plugin, clock=clock, seed=1, flow=False)
    pair = next(iter(venue.engine.instruments))
    async with (
        clock.autojump(limit=2 * QUIET),
        open_exchange(
            connector,
            environment="local",
            pairs=[pair],
            clock=clock,
            transports=venue,
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange,
    ):
        await exchange.wait_live()
        await clock.sleep(QUIET)
        assert exchange.books[pair].live
        assert venue.dials == 1

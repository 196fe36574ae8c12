from __future__ import annotations

from venuekit_bitfinex.data_source import LISTS, BitfinexData
from venuekit_bitfinex.description import DESCRIPTION
from venuekit_testkit import answered, reply


def test_the_lists_are_asked_for_at_once(listed: bytes) -> None:
    """One request for all three."""
    found, [request] = answered(BitfinexData(DESCRIPTION.environment()).instruments(), reply(listed))
    assert request.url == f"https://api-pub.bitfinex.com/v2/{LISTS}"
    assert len(found) == 3

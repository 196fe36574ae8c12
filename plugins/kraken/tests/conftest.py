"""Markets that the tests of this connector share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from venuekit_kraken.data_source import KrakenDataSource
from venuekit_kraken.description import DESCRIPTION
from venuekit_kraken.instruments import instruments_of
from venuekit_kraken.payloads import AssetPair
from venuekit_spec import Instrument, InstrumentTable

MARKETS = {
    "XXBTZUSD": AssetPair("XBTUSD", 1, 8, wsname="XBT/USD", tick_size=Decimal("0.1"), costmin=Decimal("0.5")),
    "MATICUSD": AssetPair("MATICUSD", 4, 8, wsname="MATIC/USD", tick_size=Decimal("0.0001")),
    "XDGUSD": AssetPair("XDGUSD", 7, 8, wsname="XDG/USD", status="post_only"),
}


@pytest.fixture
def markets() -> InstrumentTable:
    """BTC-USD and MATIC-USD, online, and DOGE-USD, listed as post-only."""
    return InstrumentTable(instruments_of(MARKETS))


@pytest.fixture
def written() -> Callable[[int, int], Instrument]:
    """An instrument whose wire text has so many decimals of price and size."""

    def make(price_decimals: int, size_decimals: int = 8) -> Instrument:
        pair = AssetPair("ABUSD", price_decimals, size_decimals, wsname="AB/USD")
        return instruments_of({"ABUSD": pair})[0]

    return make


@pytest.fixture
def source() -> KrakenDataSource:
    """The public side of production."""
    return KrakenDataSource(DESCRIPTION.environment())

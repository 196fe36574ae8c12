"""The list of markets, and quantities as the venue counts them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from plugins.exchange_b.tests.local import LocalB

from venuekit_exchange_b.dialect import listings
from venuekit_exchange_b.instruments import read_instruments
from venuekit_exchange_b.quanta import number, quanta, text
from venuekit_spec import (
    InstrumentKind,
    MalformedMessage,
)


def test_instruments_come_back_as_they_are_listed(local: LocalB) -> None:
    """What is read from the market list is what the venue lists: spot and perpetuals, exponents and all."""
    read = local.run(local.source.instruments())
    assert list(read) == [listing.instrument for listing in listings()]
    assert {each.kind for each in read} == {InstrumentKind.SPOT, InstrumentKind.PERPETUAL}
    assert {each.id for each in read} >= {"BTC-USDC", "ETH-USDC-PERP"}
    assert all(each.price.allows(each.price.tick * 1000) for each in read)


def test_a_market_that_cannot_be_understood_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Another kind, a name that is taken, and nonsense are left out with a warning; the rest is read."""
    good = {
        "market": 1,
        "kind": "spot",
        "base": "BTC",
        "quote": "USDC",
        "status": "weird",
        "priceExponent": -1,
        "sizeExponent": -5,
        "tick": 1,
        "lot": 1,
    }
    markets = [
        good,
        {**good, "kind": "option"},
        {**good, "base": "ETH"},
        {**good, "market": 2},
        {"market": 3},
        7,
    ]
    [read] = read_instruments(msgspec.json.encode({"markets": markets}))
    assert (read.id, read.status.value) == ("BTC-USDC", "halted")
    assert len(caplog.records) == 5
    with pytest.raises(MalformedMessage):
        read_instruments(b"[]")


@pytest.mark.parametrize(
    ("count", "exponent", "told"),
    [(0, -2, "0.00"), (5, -2, "0.05"), (12345, -2, "123.45"), (7, 2, "700"), (7, 0, "7")],
)
def test_quanta(count: int, exponent: int, told: str) -> None:
    """Quanta and text are the same number, both ways."""
    assert text(count, exponent) == told
    assert Decimal(told) == number(count, exponent)
    assert quanta(Decimal(told), exponent) == count

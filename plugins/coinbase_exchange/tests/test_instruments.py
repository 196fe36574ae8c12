from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_coinbase_exchange.instruments import read_instruments
from venuekit_spec import InstrumentKind, InstrumentStatus, InstrumentTable, MalformedMessage

BTC_USD: dict[str, Any] = {
    "id": "BTC-USD",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "quote_increment": "0.01",
    "base_increment": "0.00000001",
    "display_name": "BTC/USD",
    "min_market_funds": "1",
    "margin_enabled": False,
    "fx_stablecoin": False,
    "max_slippage_percentage": "0.02000000",
    "post_only": False,
    "limit_only": False,
    "cancel_only": False,
    "trading_disabled": False,
    "status": "online",
    "status_message": "",
    "auction_mode": False,
}
ETH_USD = {**BTC_USD, "id": "ETH-USD", "base_currency": "ETH"}


def products(*each: object) -> bytes:
    """The body of /products."""
    return json.dumps(each).encode()


def test_a_product_with_its_rules() -> None:
    """The documented product becomes a spot instrument with tick, step and smallest notional, and no largest size."""
    [instrument] = read_instruments(products({**BTC_USD, "base_min_size": "0.001", "base_max_size": "280"}))
    assert (instrument.id, instrument.kind) == ("BTC-USD", InstrumentKind.SPOT)
    assert (instrument.base, instrument.quote) == ("BTC", "USD")
    assert dict(instrument.native) == {"rest": "BTC-USD", "socket": "BTC-USD"}
    assert (instrument.price.tick, instrument.price.minimum) == (Decimal("0.01"), Decimal("0.01"))
    assert instrument.size.step == Decimal("0.00000001")
    assert instrument.size.quote_step == Decimal("0.01")
    assert (instrument.size.minimum, instrument.size.maximum) == (None, None)
    assert (instrument.price_decimals, instrument.size_decimals) == (2, 8)
    assert instrument.minimum_notional == 1
    assert instrument.maximum_open_orders == 500
    assert instrument.status is InstrumentStatus.TRADING
    assert instrument.float_keys


def test_the_pair_comes_from_the_currencies() -> None:
    """A product's id is a name, whatever it looks like: the pair is that of the two currencies."""
    [instrument] = read_instruments(products({**BTC_USD, "id": "ETH-EUR"}))
    assert (instrument.id, instrument.base, instrument.quote) == ("BTC-USD", "BTC", "USD")
    assert dict(instrument.native) == {"rest": "ETH-EUR", "socket": "ETH-EUR"}


@pytest.mark.parametrize("auction_first", [False, True])
def test_the_namesake_is_the_market_of_a_pair(
    caplog: pytest.LogCaptureFixture, *, auction_first: bool
) -> None:
    """Of two products with the same currencies the one named as the pair counts, and the other is told."""
    auction = {**BTC_USD, "id": "BTCAUCTION-USD", "quote_increment": "0.1"}
    listed = (auction, BTC_USD) if auction_first else (BTC_USD, auction)
    [instrument] = read_instruments(products(*listed))
    assert (instrument.native["rest"], instrument.price.tick) == ("BTC-USD", Decimal("0.01"))
    assert "BTCAUCTION-USD, as BTC-USD is BTC-USD" in caplog.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, InstrumentStatus.TRADING),
        ({"post_only": True}, InstrumentStatus.POST_ONLY),
        ({"limit_only": True}, InstrumentStatus.LIMIT_ONLY),
        ({"cancel_only": True}, InstrumentStatus.CANCEL_ONLY),
        ({"auction_mode": True}, InstrumentStatus.AUCTION),
        ({"auction_mode": True, "limit_only": True}, InstrumentStatus.AUCTION),
        ({"trading_disabled": True}, InstrumentStatus.HALTED),
        ({"trading_disabled": True, "auction_mode": True}, InstrumentStatus.HALTED),
        ({"status": "offline"}, InstrumentStatus.HALTED),
        ({"status": "something new"}, InstrumentStatus.HALTED),
        ({"status": "delisted"}, InstrumentStatus.DELISTED),
        ({"auction_mode": None}, InstrumentStatus.TRADING),
    ],
)
def test_statuses(fields: dict[str, Any], status: InstrumentStatus) -> None:
    """An online product is what its flags say, another one what its status says."""
    [instrument] = read_instruments(products({**BTC_USD, **fields}))
    assert instrument.status is status


def test_flags_may_be_absent() -> None:
    """A product without flags and without a smallest notional is tradable, without that rule."""
    fields = ("id", "base_currency", "quote_currency", "quote_increment", "base_increment", "status")
    [instrument] = read_instruments(products({name: BTC_USD[name] for name in fields}))
    assert (instrument.status, instrument.minimum_notional) == (InstrumentStatus.TRADING, None)


@pytest.mark.parametrize("least", ["0", "0.00", None])
def test_a_notional_of_zero_is_no_rule(least: str | None) -> None:
    """Zero switches the smallest notional off."""
    [instrument] = read_instruments(products({**BTC_USD, "min_market_funds": least}))
    assert instrument.minimum_notional is None


@pytest.mark.parametrize(
    "bad",
    [
        {"id": ""},
        {"id": None},
        {"base_currency": ""},
        {"quote_currency": ""},
        {"quote_currency": None},
        {"quote_increment": "0"},
        {"quote_increment": "-0.01"},
        {"base_increment": "NaN"},
        {"base_increment": "1E-400"},
        {"min_market_funds": "-1"},
        {"quote_increment": None},
        {"post_only": "no"},
    ],
    ids=str,
)
def test_a_bad_product_costs_itself(bad: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A product that cannot be understood is left out with a warning; the others are there."""
    with caplog.at_level(logging.WARNING):
        found = read_instruments(products({**BTC_USD, **bad}, ETH_USD, 7))
    assert [instrument.id for instrument in found] == ["ETH-USD"]
    assert len(caplog.records) == 2


def test_a_product_that_comes_twice_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first of two is kept, and the second is told."""
    [instrument] = read_instruments(products(BTC_USD, {**BTC_USD, "quote_increment": "0.1"}))
    assert instrument.price.tick == Decimal("0.01")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"message":"NotFound"}', b"\xff"])
def test_a_body_that_is_no_list_is_malformed(body: bytes) -> None:
    """A success without products is never an empty venue."""
    with pytest.raises(MalformedMessage, match="products"):
        read_instruments(body)


@given(
    fields=st.dictionaries(
        st.sampled_from(sorted(BTC_USD)),
        st.none() | st.booleans() | st.integers() | st.text() | st.just("1E9"),
    )
)
def test_any_product_is_read_or_left_out(fields: dict[str, Any]) -> None:
    """Whatever its fields hold, a product never takes the others with it, and what is read makes a table."""
    found = read_instruments(products({**BTC_USD, **fields}, ETH_USD))
    assert "ETH-USD" in InstrumentTable(found)

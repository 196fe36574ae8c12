"""The market list: names, rules, and what is left out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import ValidationError, convert

from venuekit_kraken.instruments import instruments_of
from venuekit_kraken.payloads import AssetPair
from venuekit_spec import InstrumentKind, InstrumentStatus, InstrumentTable

BTC_USD: dict[str, Any] = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "lot": "unit",
    "cost_decimals": 5,
    "pair_decimals": 1,
    "lot_decimals": 8,
    "lot_multiplier": 1,
    "fees": [[0, 0.4]],
    "ordermin": "0.00005",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
    "execution_venue": "international",
}
AAPL = {
    **BTC_USD,
    "altname": "AAPLxUSD",
    "wsname": "AAPLx/USD",
    "base": "AAPLx",
    "aclass_base": "tokenized_asset",
    "pair_decimals": 2,
    "tick_size": "0.01",
}


def table(**pairs: dict[str, Any]) -> InstrumentTable:
    """An AssetPairs result as instruments."""
    return InstrumentTable(instruments_of({key: convert(pair, AssetPair) for key, pair in pairs.items()}))


def test_one_market_has_four_names() -> None:
    """The id and the socket's symbol say BTC where REST says XBT; every native name is kept."""
    found = table(XXBTZUSD=BTC_USD)
    btc = found["BTC-USD"]
    assert (btc.base, btc.quote, btc.kind) == ("BTC", "USD", InstrumentKind.SPOT)
    assert dict(btc.native) == {"rest": "XXBTZUSD", "altname": "XBTUSD", "socket": "BTC/USD"}
    assert found.ids_by_native("socket")["BTC/USD"] == "BTC-USD"


def test_the_rules_of_a_market() -> None:
    """Tick, lot step, least size, least value, and the decimals of the wire, all exact."""
    btc = table(XXBTZUSD=BTC_USD)["BTC-USD"]
    assert btc.price.tick == Decimal("0.1")
    assert (btc.size.step, btc.size.minimum) == (Decimal("1E-8"), Decimal("0.00005"))
    assert btc.minimum_notional == Decimal("0.5")
    assert (btc.price_decimals, btc.size_decimals) == (1, 8)
    assert btc.status is InstrumentStatus.TRADING
    assert btc.float_keys


def test_old_lists_lack_tick_value_and_status() -> None:
    """Lists of 2021 have no tick_size, costmin and status: the tick follows from the decimals, the market trades."""
    old = {key: BTC_USD[key] for key in ("altname", "wsname", "pair_decimals", "lot_decimals", "ordermin")}
    btc = table(XXBTZUSD=old)["BTC-USD"]
    assert btc.price.tick == Decimal("0.1")
    assert btc.minimum_notional is None
    assert btc.status is InstrumentStatus.TRADING


@pytest.mark.parametrize(
    ("wsname", "id_"),
    [("XDG/USD", "DOGE-USD"), ("ETH/XBT", "ETH-BTC"), ("XDG/XBT", "DOGE-BTC"), ("XBTC/USD", "XBTC-USD")],
)
def test_assets_that_v2_calls_otherwise(wsname: str, id_: str) -> None:
    """XBT and XDG are renamed on either side of the pair, and only as whole names."""
    assert [*table(PAIR={**BTC_USD, "wsname": wsname})] == [id_]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("cancel_only", InstrumentStatus.CANCEL_ONLY),
        ("post_only", InstrumentStatus.POST_ONLY),
        ("limit_only", InstrumentStatus.LIMIT_ONLY),
        ("reduce_only", InstrumentStatus.REDUCE_ONLY),
        ("work_in_progress", InstrumentStatus.HALTED),
        ("delisted", InstrumentStatus.DELISTED),
        ("something new", InstrumentStatus.HALTED),
    ],
)
def test_the_status_of_a_market(status: str, expected: InstrumentStatus) -> None:
    """Each status is told apart; one that nobody knows is taken for a halt."""
    assert table(XXBTZUSD={**BTC_USD, "status": status})["BTC-USD"].status is expected


def test_a_market_that_is_not_streamed_is_left_out() -> None:
    """Dark pools have no socket name."""
    dark = {key: value for key, value in BTC_USD.items() if key != "wsname"}
    assert [*table(XXBTZUSD=BTC_USD, **{"XXBTZUSD.d": dark})] == ["BTC-USD"]


def test_tokenised_assets_keep_their_case() -> None:
    """A tokenised share and a currency that differs from it by case are two markets."""
    found = table(AAPLxUSD=AAPL, AAPLXUSD={**BTC_USD, "wsname": "AAPLX/USD"})
    assert {found["AAPLx-USD"].native["rest"], found["AAPLX-USD"].native["rest"]} == {"AAPLxUSD", "AAPLXUSD"}


@pytest.mark.parametrize(
    "other", [{"aclass_base": "tokenized_asset"}, {"execution_venue": "bitnomial_exchange"}]
)
def test_the_ordinary_market_has_the_symbol(other: dict[str, str]) -> None:
    """Of two markets with one v2 symbol the currency on the international venue is served, in whatever order they come."""
    found = table(OTHER={**BTC_USD, **other}, XXBTZUSD=BTC_USD)
    assert [instrument.native["rest"] for instrument in found.values()] == ["XXBTZUSD"]
    assert found.ids_by_native("rest").keys() == {"XXBTZUSD"}


def test_decimals_out_of_range_are_refused() -> None:
    """A negative number of decimals is no market's, and is noticed where it is read."""
    with pytest.raises(ValidationError):
        convert({**BTC_USD, "pair_decimals": -1}, AssetPair)

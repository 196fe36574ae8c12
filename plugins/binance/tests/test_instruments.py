from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_binance.instruments import read_instruments
from venuekit_spec import Instrument, InstrumentStatus, InstrumentTable, MalformedMessage

FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "115.5", "stepSize": "0.00000000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
     "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
    {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7", "avgPriceMins": 5},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
     "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 5},
    {"filterType": "MAX_POSITION", "maxPosition": "10.00000000"},
    {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
    {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    {"filterType": "OF_ANOTHER_YEAR", "minPrice": {"no": ["number"]}, "tickSize": None},
]  # fmt: skip


def symbol(**changes: Any) -> dict[str, Any]:
    """BTCUSDT as exchangeInfo lists it, with changes."""
    return {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 6,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": FILTERS,
        "permissionSets": [["SPOT", "MARGIN"]],
        **changes,
    }


def read(*symbols: Any) -> list[Instrument]:
    """The instruments of an exchangeInfo with these symbols."""
    body = {"timezone": "UTC", "serverTime": 1565246363776, "rateLimits": [], "symbols": symbols}
    return read_instruments(json.dumps(body, ensure_ascii=False).encode())


def test_every_filter_becomes_its_rule() -> None:
    """Price, lot, market lot, notional and order count are read; the filters that make no rule change nothing."""
    [instrument] = read(symbol())
    assert (instrument.id, instrument.base, instrument.quote) == ("BTC-USDT", "BTC", "USDT")
    assert dict(instrument.native) == {"rest": "BTCUSDT", "socket": "btcusdt"}
    price, size = instrument.price, instrument.size
    assert (price.tick, price.minimum, price.maximum) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal(1_000_000),
    )
    assert (size.step, size.minimum, size.maximum) == (Decimal("0.00001"), Decimal("0.00001"), Decimal(9_000))
    assert (size.market_step, size.market_minimum, size.market_maximum) == (None, None, Decimal("115.5"))
    assert (instrument.minimum_notional, instrument.maximum_notional) == (Decimal(5), Decimal(9_000_000))
    assert instrument.maximum_open_orders == 200
    assert (instrument.price_decimals, instrument.size_decimals) == (2, 5)
    assert instrument.float_keys


def test_without_filters_precision_is_the_rule() -> None:
    """A symbol without filters has the steps of its assets' precision and no bounds."""
    [instrument] = read(symbol(filters=[]))
    assert (instrument.price.tick, instrument.size.step) == (Decimal("0.000001"), Decimal("0.00000001"))
    assert (instrument.price.minimum, instrument.price.maximum) == (None, None)
    assert (instrument.minimum_notional, instrument.maximum_open_orders) == (None, None)
    assert (instrument.price_decimals, instrument.size_decimals) == (6, 8)


def test_a_zero_switches_its_part_off() -> None:
    """Zeros in a price filter are no bounds and no tick."""
    zeros = {"filterType": "PRICE_FILTER", "minPrice": "0.0", "maxPrice": "0.00000000", "tickSize": "0.0"}
    [instrument] = read(symbol(filters=[zeros]))
    assert (instrument.price.tick, instrument.price.minimum) == (Decimal("0.000001"), None)
    assert instrument.price.maximum is None


@pytest.mark.parametrize(
    ("filters", "minimum"),
    [
        ([("MIN_NOTIONAL", "10")], Decimal(10)),
        ([("MIN_NOTIONAL", "10"), ("NOTIONAL", "5")], Decimal(10)),
        ([("MIN_NOTIONAL", "1"), ("NOTIONAL", "5")], Decimal(5)),
        ([("MIN_NOTIONAL", "0")], None),
    ],
)
def test_the_stricter_minimum_notional_counts(
    filters: list[tuple[str, str]], minimum: Decimal | None
) -> None:
    """The old and the new filter may stand side by side: the larger minimum binds."""
    given_filters = [{"filterType": kind, "minNotional": told, "avgPriceMins": 5} for kind, told in filters]
    assert read(symbol(filters=given_filters))[0].minimum_notional == minimum


def test_whole_steps_have_no_decimals() -> None:
    """A step of one or more needs no decimals, however many zeros the venue writes."""
    steps = [
        {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "9000", "tickSize": "10.00000000"},
        {"filterType": "LOT_SIZE", "minQty": "1.00", "maxQty": "900000.00", "stepSize": "1.00"},
    ]
    [instrument] = read(symbol(filters=steps))
    assert (instrument.price_decimals, instrument.size_decimals) == (0, 0)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("TRADING", InstrumentStatus.TRADING),
        ("CANCEL_ONLY", InstrumentStatus.CANCEL_ONLY),
        ("AUCTION_MATCH", InstrumentStatus.AUCTION),
        ("END_OF_DAY", InstrumentStatus.HALTED),
        ("HALT", InstrumentStatus.HALTED),
        ("BREAK", InstrumentStatus.HALTED),
        ("OF_ANOTHER_YEAR", InstrumentStatus.HALTED),
    ],
)
def test_statuses(told: str, status: InstrumentStatus) -> None:
    """Each status has its meaning; one that is not known allows nothing."""
    assert read(symbol(status=told))[0].status is status


def test_symbols_need_not_be_latin() -> None:
    """The test network's Chinese symbol keeps its name in REST and on the socket; the id comes from its assets."""
    [instrument] = read(symbol(symbol="这是测试币456", baseAsset="这是测试币", quoteAsset="456"))
    assert instrument.id == "这是测试币-456"
    assert dict(instrument.native) == {"rest": "这是测试币456", "socket": "这是测试币456"}


def test_symbols_are_never_split() -> None:
    """Two symbols that could be split in several ways are told apart by their assets."""
    table = InstrumentTable(
        read(
            symbol(symbol="ABCD", baseAsset="AB", quoteAsset="CD"),
            symbol(symbol="ABCDE", baseAsset="A", quoteAsset="BCDE"),
        )
    )
    assert table.ids_by_native("rest") == {"ABCD": "AB-CD", "ABCDE": "A-BCDE"}


@pytest.mark.parametrize(
    ("status", "kept"),
    [("TRADING", "BTCUSDT"), ("BREAK", "NEW")],
    ids=["first of equals", "the one that trades"],
)
def test_one_instrument_a_pair(status: str, kept: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of two symbols with the same assets one is left out with a warning, so that a table can be made of the rest."""
    with caplog.at_level(logging.WARNING):
        found = read(symbol(status=status), symbol(symbol="NEW"), symbol(symbol="ETHUSDT", baseAsset="ETH"))
    names = InstrumentTable(found).ids_by_native("rest")
    assert names == {kept: "BTC-USDT", "ETHUSDT": "ETH-USDT"}
    assert len(caplog.records) == 1


def test_one_instrument_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Two symbols whose streams would have one name (here by the Kelvin sign) cannot both be served: the first is."""
    with caplog.at_level(logging.WARNING):
        found = read(
            symbol(symbol="KUSDT", baseAsset="K"),
            symbol(symbol="\N{KELVIN SIGN}USDT", baseAsset="\N{KELVIN SIGN}"),
        )
    assert [instrument.native["rest"] for instrument in found] == ["KUSDT"]
    assert len(caplog.records) == 1


def lot(step: str) -> list[dict[str, str]]:
    """A lot filter with this step, alone."""
    return [{"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "2", "stepSize": step}]


@pytest.mark.parametrize(
    "bad",
    [
        symbol(symbol=7),
        symbol(symbol=""),
        symbol(baseAsset=""),
        symbol(baseAssetPrecision=10**9, filters=[]),
        symbol(quoteAssetPrecision=-1, filters=[]),
        symbol(filters=lot("NaN")),
        symbol(filters=lot("-1")),
        symbol(filters=lot("Infinity")),
        symbol(filters=lot("1e999999")),
        symbol(filters=lot("small")),
        symbol(filters=["PRICE_FILTER"]),
        symbol(filters=[{"filterType": "MAX_NUM_ORDERS"}]),
        {},
        None,
    ],
)
def test_a_bad_symbol_costs_itself_alone(bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A symbol that cannot be understood is left out with a warning, and its neighbours stay."""
    with caplog.at_level(logging.WARNING):
        found = read(
            symbol(symbol="ETHUSDT", baseAsset="ETH"), bad, symbol(symbol="BNBUSDT", baseAsset="BNB")
        )
    assert [instrument.id for instrument in found] == ["ETH-USDT", "BNB-USDT"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"symbols":{}}', b'{"symbols":[\xff]}', b"[" * 100_000]
)
def test_a_body_that_is_no_exchange_info_is_malformed(body: bytes) -> None:
    """Without a list of symbols there are no instruments to speak of: an error, never an empty list."""
    with pytest.raises(MalformedMessage, match="exchangeInfo"):
        read_instruments(body)


@given(
    tick=st.decimals(min_value=Decimal("1e-8"), max_value=Decimal(1_000), places=8),
    zeros=st.integers(min_value=0, max_value=8),
)
def test_decimals_are_just_enough_for_the_tick(tick: Decimal, zeros: int) -> None:
    """Every multiple of the tick can be written in that many decimals, and not in one fewer."""
    price = {
        "filterType": "PRICE_FILTER",
        "minPrice": "0",
        "maxPrice": "0",
        "tickSize": f"{tick:f}{'0' * zeros}",
    }
    [instrument] = read(symbol(filters=[price]))
    assert instrument.price.tick == tick
    decimals = instrument.price_decimals
    assert decimals is not None
    assert tick.quantize(Decimal(1).scaleb(-decimals)) == tick
    assert decimals == 0 or round(tick, decimals - 1) != tick

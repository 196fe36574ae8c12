from __future__ import annotations

import json
import logging
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_hyperliquid.instruments import read_instruments
from venuekit_spec import Instrument, InstrumentKind, InstrumentStatus, InstrumentTable, MalformedMessage

USDC = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}


def perps(*universe: Any, **changes: Any) -> list[Any]:
    """An allPerpMetas of one exchange."""
    return [{"universe": universe, "marginTables": [], "collateralToken": 0, **changes}]


def perp(name: str, size_decimals: int = 0, **changes: Any) -> dict[str, Any]:
    """A perpetual as it is listed."""
    return {"name": name, "szDecimals": size_decimals, "maxLeverage": 3, **changes}


def spot(*pairs: Any, tokens: list[Any] | None = None) -> dict[str, Any]:
    """A spotMeta with USDC, X and Y besides `tokens`."""
    named = [{"name": name, "szDecimals": 0, "index": index} for index, name in ((7, "X"), (8, "Y"))]
    return {"tokens": [USDC, *named, *(tokens or [])], "universe": pairs}


def read(perps_: Any, spot_: Any) -> list[Instrument]:
    """The instruments of the two answers."""
    return read_instruments(json.dumps(perps_).encode(), json.dumps(spot_).encode())


def test_a_perpetual(instruments: InstrumentTable) -> None:
    """The name on the wire is the venue's, the asset id its position; it is quoted and settled in the collateral."""
    btc = instruments["BTC-USDC-PERP"]
    assert (btc.kind, btc.base, btc.quote, btc.settle) == (
        InstrumentKind.PERPETUAL,
        "BTC",
        "USDC",
        "USDC",
    )
    assert dict(btc.native) == {"socket": "BTC", "asset": "0"}
    assert (btc.price.tick, btc.size.step) == (Decimal("0.1"), Decimal("0.00001"))
    assert (btc.price_decimals, btc.size_decimals) == (1, 5)
    assert btc.minimum_notional == 10
    assert btc.status is InstrumentStatus.TRADING
    assert btc.float_keys
    assert dict(instruments["kPEPE-USDC-PERP"].native) == {"socket": "kPEPE", "asset": "2"}


def test_a_perpetual_of_a_builder(instruments: InstrumentTable) -> None:
    """Its exchange is part of its name and of its asset id; its collateral may be another token."""
    sp500 = instruments["xyz:SP500-USDE-PERP"]
    assert dict(sp500.native) == {"socket": "xyz:SP500", "asset": "110000"}
    assert sp500.base == "xyz:SP500"


def test_a_delisted_one_keeps_its_place(instruments: InstrumentTable) -> None:
    """It is listed as delisted, and those after it keep their asset ids."""
    assert instruments["MATIC-USDC-PERP"].status is InstrumentStatus.DELISTED
    assert instruments["MATIC-USDC-PERP"].native["asset"] == "1"


def test_spot(instruments: InstrumentTable) -> None:
    """A pair is named by its tokens, looked up by their index, also where the venue's own name is a number."""
    hype = instruments["HYPE-USDC"]
    assert (hype.kind, hype.base, hype.quote, hype.settle) == (InstrumentKind.SPOT, "HYPE", "USDC", "")
    assert dict(hype.native) == {"socket": "@107", "asset": "10107"}
    assert (hype.price.tick, hype.size.step) == (Decimal("0.000001"), Decimal("0.01"))
    assert dict(instruments["PURR-USDC"].native) == {"socket": "PURR/USDC", "asset": "10000"}
    assert dict(hype.facts) == {}


def test_a_bridged_token_keeps_its_name(instruments: InstrumentTable) -> None:
    """What it stands for is told for display, and makes no id: the same asset may come over another bridge."""
    assert dict(instruments["UBTC-USDC"].facts) == {"display": "BTC"}
    assert "BTC-USDC" not in instruments


@pytest.mark.parametrize(
    ("kind", "size_decimals", "price", "valid"),
    [
        ("perp", 1, "1234.5", True),
        ("perp", 1, "1234.56", False),
        ("perp", 0, "0.001234", True),
        ("perp", 0, "0.0012345", False),
        ("perp", 1, "0.01234", True),
        ("perp", 1, "0.012345", False),
        ("perp", 0, "123456", True),
        ("perp", 0, "123456.0", True),
        ("perp", 0, "12345.6", False),
        ("perp", 6, "3", True),
        ("perp", 6, "3.1", False),
        ("perp", 7, "3", True),
        ("spot", 0, "0.0001234", True),
        ("spot", 1, "0.0001234", True),
        ("spot", 3, "0.0001234", False),
        ("spot", 0, "0.00000001", True),
        ("spot", 0, "0.000000001", False),
        ("spot", 0, "0", False),
    ],
)
def test_prices(kind: str, size_decimals: int, price: str, valid: bool) -> None:
    """Five significant figures, decimals by kind and size, whole numbers always: the venue's own examples and the edges."""
    if kind == "perp":
        [instrument] = read(perps(perp("X", size_decimals)), spot())
    else:
        token = {"name": "Z", "szDecimals": size_decimals, "index": 9}
        [instrument] = read(perps(), spot({"name": "@9", "tokens": [9, 0], "index": 9}, tokens=[token]))
    assert instrument.price.allows(Decimal(price)) is valid


def test_two_of_one_id(caplog: pytest.LogCaptureFixture) -> None:
    """The one that is traded stays, else the one listed first; the other is left out, told, and costs nobody else."""
    pairs = [
        {"name": "@5", "tokens": [7, 0], "index": 5},
        {"name": "@3", "tokens": [7, 0], "index": 3},
        {"name": "@4", "tokens": [8, 0], "index": 4},
    ]
    found = read(perps(perp("A", isDelisted=True), perp("B"), perp("A")), spot(*pairs))
    assert [(each.id, each.native["socket"], each.native["asset"]) for each in found] == [
        ("B-USDC-PERP", "B", "1"),
        ("A-USDC-PERP", "A", "2"),
        ("X-USDC", "@3", "10003"),
        ("Y-USDC", "@4", "10004"),
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


@pytest.mark.parametrize(
    ("perps_", "spot_", "left"),
    [
        (perps({"name": 5}, perp("A")), spot(), {"A-USDC-PERP"}),
        (perps(perp("B", -1), perp("A")), spot(), {"A-USDC-PERP"}),
        (perps(perp(""), perp("A")), spot(), {"A-USDC-PERP"}),
        ([*perps(perp("A")), {"universe": 1}], spot(), {"A-USDC-PERP"}),
        ([*perps(perp("A")), None, *perps(perp("d:A"))], spot(), {"A-USDC-PERP", "d:A-USDC-PERP"}),
        ([*perps(perp("A"), collateralToken=99), *perps(perp("d:A"))], spot(), {"d:A-USDC-PERP"}),
        (perps(), spot({"name": "@1", "tokens": [7, 99], "index": 1}), set()),
        (perps(), spot({"name": "@1", "tokens": [7], "index": 1}), set()),
        (perps(perp("A")), spot(tokens=[{"name": "Z"}, 5]), {"A-USDC-PERP"}),
    ],
)
def test_a_bad_entry_costs_itself_alone(
    perps_: Any, spot_: Any, left: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    """An entry that cannot be understood is left out with a warning, and all others stay."""
    assert {instrument.id for instrument in read(perps_, spot_)} == left
    assert caplog.records
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_asset_ids_count_what_is_left_out() -> None:
    """An exchange or a perpetual that cannot be read still has its position."""
    found = read([*perps({"name": 5}, perp("A")), None, *perps(perp("d:A"))], spot())
    assert [instrument.native["asset"] for instrument in found] == ["1", "120000"]


@pytest.mark.parametrize(
    ("perps_", "spot_"), [(b"", b"{}"), (b"[]", b"null"), (b"{}", b'{"tokens":[],"universe":[]}')]
)
def test_no_list(perps_: bytes, spot_: bytes) -> None:
    """An answer that is no list at all is malformed."""
    with pytest.raises(MalformedMessage):
        read_instruments(perps_, spot_)


SCALARS = st.none() | st.booleans() | st.integers(-3, 50) | st.sampled_from(["", "A", "B", "@1", "USDC"])
ENTRIES = st.dictionaries(
    st.sampled_from(["name", "szDecimals", "index", "tokens", "isDelisted", "universe", "collateralToken"]),
    SCALARS | st.lists(SCALARS, max_size=3),
)


@given(st.lists(ENTRIES | SCALARS), st.lists(ENTRIES), st.lists(ENTRIES | SCALARS))
def test_any_list_makes_a_table(universe: list[Any], tokens: list[Any], pairs: list[Any]) -> None:
    """Whatever the lists hold, no two instruments share an id or a name."""
    InstrumentTable(read(perps(*universe), spot(*pairs, tokens=tokens)))


@given(st.binary(), st.binary())
def test_any_bytes(perps_: bytes, spot_: bytes) -> None:
    """Bytes are read or malformed; nothing else happens."""
    with suppress(MalformedMessage):
        read_instruments(perps_, spot_)

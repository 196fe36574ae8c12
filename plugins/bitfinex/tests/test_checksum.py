from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_bitfinex.books import book_checksum, script_text
from venuekit_spec import InstrumentTable, Row

BIDS = """0.0000011:266122.94 0.00000109:500793.10790141 0.00000108:776367.43 0.00000107:23329.54842056
0.00000106:116868.87735849 0.00000105:205000 0.00000103:227308.25386407 0.00000102:105000 0.00000101:2970 0.000001:21000
7e-7:10000 6.6e-7:10000 6e-7:100000 4.9e-7:10000 2.5e-7:2000 6e-8:100000 5e-8:200000 1e-8:640000"""
ASKS = """0.00000111:4847.13 0.00000112:528102.69042633 0.00000113:302397.07 0.00000114:339088.93 0.00000126:245944.06
0.00000127:5000 0.0000013:5000 0.00000134:8249.18938656 0.00000136:13161.25184766 0.00000145:2914 0.0000015:54448.5
0.00000152:5538.54849594 0.00000153:62691.75475079 0.00000159:2914 0.0000016:52631.10296831 0.00000164:4000
0.00000166:3831.46784605 0.00000171:14575.17730379 0.00000174:3124.81815395 0.0000018:18000 0.00000182:16000 0.00000186:4000
0.00000189:10000.686624 0.00000191:14500 0.00000193:2422"""
"""A book of tXRPBTC that the venue's own client has in its tests, and its checksum."""
CHECKSUM = -1175357890


def rows(text: str) -> list[Row]:
    """Rows as the core has them: in plain notation."""
    pairs = (level.split(":") for level in text.split())
    return [(format(Decimal(price), "f"), size) for price, size in pairs]


def test_checksum_is_the_venues(instruments: InstrumentTable) -> None:
    """Of the venue's own example, whose prices have exponents; trailing zeros and further levels change nothing."""
    assert book_checksum(rows(BIDS), rows(ASKS), instruments["BTC-USD"]) == CHECKSUM
    padded = [(f"{price}00", size) for price, size, *_ in rows(BIDS)]
    assert book_checksum(padded, [*rows(ASKS), ("1", "1")], instruments["BTC-USD"]) == CHECKSUM
    doubles = [(float(price), size) for price, size, *_ in rows(BIDS)]
    assert book_checksum(doubles, rows(ASKS), instruments["BTC-USD"]) == CHECKSUM


@pytest.mark.parametrize(
    ("bids", "asks", "checksum"),
    [
        ([("6000", "1"), ("5900", "2")], [("6100", "3"), ("6200", "4")], 1756193398),
        ([], [], 0),
    ],
)
def test_checksum_of_small_books(
    instruments: InstrumentTable, bids: list[Row], asks: list[Row], checksum: int
) -> None:
    """Sides are told in turn, and what is missing is skipped."""
    assert book_checksum(bids, asks, instruments["BTC-USD"]) == checksum


@given(st.decimals(min_value="1e-12", max_value="1e12", places=12))
def test_script_text_is_the_number(number: Decimal) -> None:
    """Whatever the notation, it is the same number, with an exponent exactly below a millionth."""
    text = script_text(str(number))
    assert Decimal(text) == number
    assert ("e" in text) == (number < Decimal("0.000001"))

"""Orders and fills: what the venue tells is what the core is told, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.json import Decoder
from venuekit_spec import InstrumentTable, Liquidity, MalformedMessage, OrderStatus, Side

from {{ cookiecutter.__package }} import orders as words
from {{ cookiecutter.__package }}.instruments import read_instruments

INSTRUMENTS = InstrumentTable(
    read_instruments(
        b"""{"instruments":[
{"symbol":"BTCUSDT","base":"BTC","quote":"USDT","tick":"0.01","step":"0.00001","least":"5","trading":true}]}"""
    )
)

ORDER = b"""{"symbol":"BTCUSDT","id":"7","client_id":"vk1","status":"open","side":"buy","price":"60000",
"quantity":"0.5","filled":"0.1","time":1767225600123}"""

FILL = b"""{"key":"9m","symbol":"BTCUSDT","id":"7","client_id":"vk1","side":"buy","price":"60000","quantity":"0.1",
"fee":"6","asset":"USDT","maker":true,"time":1767225600123}"""


def test_an_order_is_read() -> None:
    """A report carries the ids, the status and exact amounts."""
    report = words.report(Decoder(words.Told).decode(ORDER), INSTRUMENTS, 5)
    assert (report.instrument, report.order_id, report.client_order_id) == ("BTC-USDT", "7", "vk1")
    assert (report.status, report.side) == (OrderStatus.OPEN, Side.BUY)
    assert (report.filled, report.remaining) == (Decimal("0.1"), Decimal("0.4"))


def test_a_fill_is_read() -> None:
    """A fill carries its key, its fee and who was there first."""
    fill = words.fill(Decoder(words.Execution).decode(FILL), INSTRUMENTS, 5)
    assert (fill.key, fill.price, fill.quantity) == ("9m", Decimal(60000), Decimal("0.1"))
    assert fill.liquidity is Liquidity.MAKER
    assert fill.fees is not None
    assert fill.fees[0].amount == Decimal(6)


def test_unknown_words_are_malformed() -> None:
    """A status that nobody has heard of is no status."""
    told = Decoder(words.Told).decode(ORDER.replace(b"open", b"dreaming"))
    with pytest.raises(MalformedMessage):
        words.report(told, INSTRUMENTS, 5)

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from venuekit_spec import Instrument, InstrumentKind, InstrumentTable, PriceRule, SizeRule


def _instrument(base: str, quote: str, tick: str = "0.01") -> Instrument:
    symbol = base + quote
    return Instrument(
        id=f"{base}-{quote}",
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
        native={"rest": symbol, "socket": symbol.lower()},
        price=PriceRule(Decimal(tick)),
        size=SizeRule(Decimal("0.00001")),
    )


@pytest.fixture(scope="session")
def make_instrument() -> Callable[..., Instrument]:
    """Makes a spot instrument of two assets, named as Binance names it."""
    return _instrument


@pytest.fixture(scope="session")
def instruments() -> InstrumentTable:
    """The symbols of the documentation's examples, one without Latin letters, and 300 invented ones."""
    named = [
        _instrument(*pair)
        for pair in (("BNB", "BTC"), ("BNB", "USDT"), ("BTC", "USDT"), ("这是测试币", "456"))
    ]
    return InstrumentTable([*named, *(_instrument(f"A{n:03}", "USDT") for n in range(300))])

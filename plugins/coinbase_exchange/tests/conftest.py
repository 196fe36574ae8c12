from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from venuekit_spec import Instrument, InstrumentKind, InstrumentTable, PriceRule, SizeRule


def _instrument(id_: str, tick: str = "0.01") -> Instrument:
    base, quote = id_.split("-")
    return Instrument(
        id=id_,
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
        native={"rest": id_, "socket": id_},
        price=PriceRule(Decimal(tick)),
        size=SizeRule(Decimal("0.00000001")),
    )


@pytest.fixture(scope="session")
def make_instrument() -> Callable[..., Instrument]:
    """Makes a spot instrument of an id, and a tick if it is not a cent."""
    return _instrument


@pytest.fixture(scope="session")
def instruments() -> InstrumentTable:
    """The products of the documentation's examples, one whose prices a double cannot hold, and 300 invented ones."""
    named = [_instrument(id_) for id_ in ("BTC-USD", "ETH-USD", "ETH-EUR")]
    fine = _instrument("SKL-BTC", "0.00000001")
    return InstrumentTable([*named, fine, *(_instrument(f"A{n:03}-USD") for n in range(300))])

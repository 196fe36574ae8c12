"""The venue's list of markets -> instruments. Ids are made from the assets, and names are never taken apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.json import Decoder
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    MalformedMessage,
    PriceRule,
    SizeRule,
    decimals_of,
    decode,
)

from {{ cookiecutter.__package }}.payloads import VENUE, InstrumentList, Listed

SYMBOL: Final = "symbol"
"""The use of the venue's name of an instrument, in `Instrument.native`."""

_list = Decoder(InstrumentList)


def read_instruments(body: bytes) -> list[Instrument]:
    """The body of the list -> its instruments. Raises `MalformedMessage`."""
    found = [instrument_of(listed) for listed in decode(_list, body, "instruments", venue=VENUE).instruments]
    for names in ([each.id for each in found], [each.native[SYMBOL] for each in found]):
        if len(set(names)) < len(names):
            raise MalformedMessage("two instruments share a name", venue=VENUE, topic="instruments")
    return found


def instrument_of(listed: Listed) -> Instrument:
    """One entry. Raises `MalformedMessage` where a name or a step is missing."""
    tick, step = Decimal(listed.tick), Decimal(listed.step)
    if not (listed.symbol and listed.base and listed.quote and tick and step):
        raise MalformedMessage("a name or a step is empty", venue=VENUE, topic="instruments")
    return Instrument(
        id=f"{listed.base}-{listed.quote}",
        kind=InstrumentKind.SPOT,
        base=listed.base,
        quote=listed.quote,
        native={SYMBOL: listed.symbol},
        price=PriceRule(tick),
        size=SizeRule(step, minimum=step),
        status=InstrumentStatus.TRADING if listed.trading else InstrumentStatus.HALTED,
        price_decimals=decimals_of(tick),
        size_decimals=decimals_of(step),
        minimum_notional=Decimal(listed.least),
    )

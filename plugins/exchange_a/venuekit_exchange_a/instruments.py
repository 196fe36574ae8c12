"""The instrument list -> instruments.

The canonical id is made from the two assets and nothing else. The venue's symbol is a name and is never taken apart:
``BTCTUSD`` could be read in two ways, ``MATICUSDT`` is the market of POL since the asset was renamed, and ``狗币USDT`` has
letters of two scripts.

PROTOCOL.md, "Instruments".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from venuekit_exchange_a.payloads import VENUE, InstrumentList, Listed
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    MalformedMessage,
    PriceRule,
    SizeRule,
    decimals_of,
    decode,
    readable,
    unrivalled,
)

SYMBOL: Final = "symbol"
"""The use of the venue's only name of an instrument, in `Instrument.native`."""

STATUSES: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({
    status.value: status for status in InstrumentStatus
})  # fmt: skip
"""The venue speaks in the words of the contract; a status that is not known is `InstrumentStatus.HALTED`."""

_instrument_list = msgspec.json.Decoder(InstrumentList)
_listed = msgspec.json.Decoder(Listed)


def read_instruments(body: bytes) -> list[Instrument]:
    """The body of the instrument list -> its instruments. Raises `MalformedMessage` if the body is none.

    An entry that cannot be understood, or whose names are taken, is left out with a warning: it costs no other.
    """
    entries = decode(_instrument_list, body, "instruments", venue=VENUE).instruments
    return unrivalled(readable(entries, _instrument), SYMBOL)


def _instrument(raw: Raw) -> Instrument:
    """One entry. Raises `MalformedMessage`."""
    listed = decode(_listed, raw, "instruments", venue=VENUE)
    tick, step = Decimal(listed.tick_size), Decimal(listed.step_size)
    if not (listed.symbol and listed.base and listed.quote and tick > 0 and step > 0):
        raise MalformedMessage(
            "a name or a step is empty", venue=VENUE, topic="instruments", frame=bytes(raw)
        )
    return Instrument(
        id=f"{listed.base}-{listed.quote}",
        kind=InstrumentKind.SPOT,
        base=listed.base,
        quote=listed.quote,
        native={SYMBOL: listed.symbol},
        price=PriceRule(tick, minimum=_bound(listed.min_price), maximum=_bound(listed.max_price)),
        size=SizeRule(
            step,
            minimum=_bound(listed.min_quantity),
            maximum=_bound(listed.max_quantity),
            market_maximum=_bound(listed.max_market_quantity),
            quote_step=_bound(listed.quote_step),
        ),
        status=STATUSES.get(listed.status, InstrumentStatus.HALTED),
        price_decimals=decimals_of(tick),
        size_decimals=decimals_of(step),
        minimum_notional=_bound(listed.min_notional),
        maximum_notional=_bound(listed.max_notional),
        maximum_open_orders=listed.max_open_orders,
    )


def _bound(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

"""The market list -> instruments.

The canonical id is made from the two assets and the kind; the venue's own name is a number. PROTOCOL.md, "Markets".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from venuekit_exchange_b.payloads import VENUE, Listed, MarketList
from venuekit_exchange_b.quanta import PRICE_EXPONENT, SIZE_EXPONENT, number
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

MARKET: Final = "market"
"""The use of the venue's only name of an instrument, in `Instrument.native`."""

MAXIMUM_LEVERAGE: Final = "maximum_leverage"
"""Where `Instrument.facts` of a perpetual has it."""

KINDS: Final[Mapping[str, InstrumentKind]] = MappingProxyType({
    "spot": InstrumentKind.SPOT,
    "perpetual": InstrumentKind.PERPETUAL,
})  # fmt: skip
SUFFIX: Final = MappingProxyType({InstrumentKind.SPOT: "", InstrumentKind.PERPETUAL: "-PERP"})

STATUSES: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({
    status.value: status for status in InstrumentStatus
})  # fmt: skip
"""The venue speaks in the words of the contract; a status that is not known is `InstrumentStatus.HALTED`."""

_market_list = msgspec.json.Decoder(MarketList)
_listed = msgspec.json.Decoder(Listed)


def read_instruments(body: bytes) -> list[Instrument]:
    """The body of the market list -> its instruments. Raises `MalformedMessage` if the body is none.

    An entry that cannot be understood, or whose names are taken, is left out with a warning: it costs no other.
    """
    markets = decode(_market_list, body, "markets", venue=VENUE).markets
    return unrivalled(readable(markets, _instrument), MARKET)


def _instrument(raw: Raw) -> Instrument:
    return instrument_of(decode(_listed, raw, "markets", venue=VENUE))


def instrument_of(listed: Listed) -> Instrument:
    """One entry. Raises `MalformedMessage` for a kind that is not known, or an asset without a name."""
    kind = KINDS.get(listed.kind)
    if kind is None or not (listed.base and listed.quote):
        raise MalformedMessage(f"market {listed.market} is a {listed.kind!r}", venue=VENUE, topic="markets")
    prices, sizes = listed.price_exponent, listed.size_exponent
    tick, lot = number(listed.tick, prices), number(listed.lot, sizes)
    leverage = {} if listed.max_leverage is None else {MAXIMUM_LEVERAGE: str(listed.max_leverage)}
    return Instrument(
        id=f"{listed.base}-{listed.quote}{SUFFIX[kind]}",
        kind=kind,
        base=listed.base,
        quote=listed.quote,
        native={MARKET: str(listed.market)},
        price=PriceRule(tick, minimum=tick, maximum=_bound(listed.max_price, prices)),
        size=SizeRule(lot, minimum=_bound(listed.min_size, sizes), maximum=_bound(listed.max_size, sizes)),
        settle=listed.quote if kind is InstrumentKind.PERPETUAL else "",
        status=STATUSES.get(listed.status, InstrumentStatus.HALTED),
        price_decimals=decimals_of(tick),
        size_decimals=decimals_of(lot),
        minimum_notional=_bound(listed.min_notional, prices + sizes),
        maximum_open_orders=listed.max_orders,
        facts={PRICE_EXPONENT: str(prices), SIZE_EXPONENT: str(sizes), **leverage},
    )


def _bound(count: int | None, exponent: int) -> Decimal | None:
    return None if count is None else number(count, exponent)

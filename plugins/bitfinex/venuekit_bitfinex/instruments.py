"""The venue's list of pairs -> instruments.

The list tells names only, and how they are made: both codes joined, with a colon unless both have three characters. A code may
be the venue's own (UST for USDT), which another list translates. Should two pairs come to one id, the first has it.

Source: https://docs.bitfinex.com/reference/rest-public-conf
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from venuekit_bitfinex.payloads import MARKETS, VENUE
from venuekit_spec import Instrument, InstrumentKind, MalformedMessage, PriceRule, SizeRule, decode

SYMBOL: Final = "symbol"
"""The use of the venue's name of an instrument, in `Instrument.native`."""


def read_instruments(body: bytes) -> list[Instrument]:
    """The three lists of one answer (pairs, their rules, codes) -> instruments. Raises `MalformedMessage`."""
    pairs, rules, codes = decode(MARKETS, body, "conf", venue=VENUE)
    sizes, assets = dict(rules), dict(codes)
    found: dict[str, Instrument] = {}
    for pair in pairs:
        before, colon, after = pair.partition(":")
        told = (before, after) if colon else (pair[:3], pair[3:])
        base, quote = (assets.get(code, code).upper() for code in told)
        least, most = (*sizes.get(pair, ())[3:5], None, None)[:2]
        if not (base and quote) or any(
            size and not (size.is_finite() and size > 0) for size in (least, most)
        ):
            raise MalformedMessage(f"{pair!r} is no market", venue=VENUE, topic="conf")
        instrument = Instrument(
            id=f"{base}-{quote}",
            kind=InstrumentKind.SPOT,
            base=base,
            quote=quote,
            native={SYMBOL: f"t{pair}"},
            price=PriceRule(tick=Decimal(0), significant_figures=5),
            size=SizeRule(Decimal("0.00000001"), minimum=least, maximum=most),
        )
        found.setdefault(instrument.id, instrument)
    return list(found.values())

"""Kraken's markets and their four names.

REST key ``XXBTZUSD``, alternative name ``XBTUSD``, WebSocket v1 name ``XBT/USD``, v2 symbol ``BTC/USD``. The canonical id is
made from the v2 symbol: ``BTC-USD``. The list gives the v1 name only; v2 differs from it in two assets (`V2_ASSETS`). Case
tells tokenised assets apart (``AAPLx-USD``). A market without a v1 name is not streamed, and is left out.

Should two markets of the list have one v2 symbol (a second execution venue or asset class), the ordinary one has it: the
socket could not tell them apart.

Source: https://docs.kraken.com/api-reference/market-data/get-tradable-asset-pairs
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from msgspec import Raw
from msgspec.json import Decoder

from venuekit_kraken.payloads import VENUE, AssetPair
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    MalformedMessage,
    PriceRule,
    SizeRule,
    decode,
)

V2_ASSETS: Final[Mapping[str, str]] = MappingProxyType({"XBT": "BTC", "XDG": "DOGE"})
"""Assets that WebSocket v2 calls otherwise than REST and v1."""

STATUSES: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({
    "online": InstrumentStatus.TRADING,
    "cancel_only": InstrumentStatus.CANCEL_ONLY,
    "post_only": InstrumentStatus.POST_ONLY,
    "limit_only": InstrumentStatus.LIMIT_ONLY,
    "reduce_only": InstrumentStatus.REDUCE_ONLY,
    "maintenance": InstrumentStatus.HALTED,
    "work_in_progress": InstrumentStatus.HALTED,
    "delisted": InstrumentStatus.DELISTED,
})  # fmt: skip
"""What Kraken says of a market or of the whole system, and what it comes to."""


_log = logging.getLogger(__name__)

_pair = Decoder(AssetPair)


def read_instruments(raws: Mapping[str, Raw]) -> list[Instrument]:
    """The result of AssetPairs (REST key -> market) -> its instruments, in its order, ordinary ones first.

    A market that cannot be understood is left out with a warning, so that it costs no other.
    """
    pairs: dict[str, AssetPair] = {}
    for rest_key, raw in raws.items():
        try:
            pairs[rest_key] = decode(_pair, raw, f"AssetPairs {rest_key}", venue=VENUE)
        except MalformedMessage as error:
            _log.warning("an instrument is left out: %s", error)
    return instruments_of(pairs)


def instruments_of(pairs: Mapping[str, AssetPair]) -> list[Instrument]:
    """The instruments that markets (by REST key) come to, in their order, ordinary ones first."""
    found: dict[str, Instrument] = {}
    for rest_key, pair in sorted(pairs.items(), key=lambda item: not _ordinary(item[1])):
        base, slash, quote = pair.wsname.partition("/")
        if slash:
            instrument = _instrument(rest_key, pair, V2_ASSETS.get(base, base), V2_ASSETS.get(quote, quote))
            found.setdefault(instrument.id, instrument)
    return list(found.values())


def _ordinary(pair: AssetPair) -> bool:
    return pair.aclass_base == "currency" and pair.execution_venue == "international"


def _instrument(rest_key: str, pair: AssetPair, base: str, quote: str) -> Instrument:
    tick = pair.tick_size or Decimal(1).scaleb(-pair.pair_decimals)
    return Instrument(
        id=f"{base}-{quote}",
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
        native={"rest": rest_key, "altname": pair.altname, "socket": f"{base}/{quote}"},
        price=PriceRule(tick=tick),
        size=SizeRule(step=Decimal(1).scaleb(-pair.lot_decimals), minimum=pair.ordermin),
        status=STATUSES.get(pair.status, InstrumentStatus.HALTED),
        price_decimals=pair.pair_decimals,
        size_decimals=pair.lot_decimals,
        minimum_notional=pair.costmin,
    )

"""The venue's lists -> instruments.

===========  ===========================  ============================  ========================================
kind         name on the wire             asset id                      canonical id
===========  ===========================  ============================  ========================================
perpetual    ``BTC``                      position                      ``BTC-USDC-PERP``
of a builder ``xyz:SP500``                100000 + 10000 * exchange     ``xyz:SP500-USDC-PERP``
                                          + position
spot         ``PURR/USDC`` or ``@107``    10000 + index                 ``PURR-USDC``, from the names of the tokens
===========  ===========================  ============================  ========================================

* The quote of a perpetual is the token that it is margined in. The base of a builder's keeps the name of its exchange: the
  same underlying is another market on each.
* Sizes have at most the base's size decimals. Prices have at most five significant figures, and no more decimals than 6
  (spot: 8) less the size decimals; whole numbers are always valid. So the tick grows with the price; `PriceRule.tick` is
  the smallest.
* Names are the venue's own, per network; none is translated. What a bridged token stands for is a fact for display only.
* Where two share an id, the one that is traded stays, then the one with the lower asset id; the other is left out.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/asset-ids
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Final

from msgspec import Raw
from msgspec.json import Decoder

from venuekit_hyperliquid.payloads import VENUE, Perp, PerpMeta, SpotMeta, SpotPair, Token
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    MalformedMessage,
    PriceRule,
    SizeRule,
    decode,
    readable,
    unrivalled,
)

SIGNIFICANT_FIGURES: Final = 5

PRICE_DECIMALS: Final[Mapping[InstrumentKind, int]] = MappingProxyType({
    InstrumentKind.PERPETUAL: 6,
    InstrumentKind.SPOT: 8,
})  # fmt: skip
"""Decimals of a price together with those of a size."""

SPOT_ASSETS: Final = 10_000
BUILDER_ASSETS: Final = 100_000
ASSETS_PER_BUILDER: Final = 10_000

MINIMUM_NOTIONAL: Final = Decimal(10)
"""Of an order, in quote units."""

BRIDGED: Final[Mapping[str, str]] = MappingProxyType({
    "UBTC": "BTC",
    "UETH": "ETH",
    "USOL": "SOL",
    "UFART": "FARTCOIN",
    "UPUMP": "PUMP",
    "UBONK": "BONK",
    "UXPL": "XPL",
    "HPENGU": "PENGU",
    "USDT0": "USDT",
    "XAUT0": "XAUT",
})  # fmt: skip
"""Bridged tokens, and what they stand for."""

_metas = Decoder(list[Raw])
_meta = Decoder(PerpMeta)
_perp = Decoder(Perp)
_spot_meta = Decoder(SpotMeta)
_token = Decoder(Token)
_pair = Decoder(SpotPair)


def read_instruments(perps: bytes, spot: bytes) -> list[Instrument]:
    """The bodies of allPerpMetas and spotMeta -> instruments. Raises `MalformedMessage` if either is none.

    An entry that cannot be understood is left out with a warning, so that it costs no other; so is one that shares its id
    or a name with another.
    """
    spot_meta = decode(_spot_meta, spot, "spotMeta", venue=VENUE)
    tokens = {token.index: token for token in readable(spot_meta.tokens, _read_token)}
    metas = decode(_metas, perps, "allPerpMetas", venue=VENUE)
    found = [
        *chain.from_iterable(readable(enumerate(metas), partial(_perpetuals, tokens))),
        *readable(spot_meta.universe, partial(_spot, tokens)),
    ]
    found.sort(key=lambda each: (each.status is InstrumentStatus.DELISTED, int(each.native["asset"])))
    return unrivalled(found, "socket")


def _read_token(raw: Raw) -> Token:
    return decode(_token, raw, "spotMeta", venue=VENUE)


def _perpetuals(tokens: Mapping[int, Token], exchange: tuple[int, Raw]) -> list[Instrument]:
    """The perpetuals of an exchange, by its position; position 0 is the venue's own. Raises `MalformedMessage`."""
    position, raw = exchange
    first = BUILDER_ASSETS + position * ASSETS_PER_BUILDER if position else 0
    meta = decode(_meta, raw, "allPerpMetas", venue=VENUE)
    quote = _known(tokens, meta.collateral_token or 0, raw)
    return list(readable(enumerate(meta.universe, first), partial(_perpetual, quote)))


def _perpetual(quote: Token, listed: tuple[int, Raw]) -> Instrument:
    asset, raw = listed
    perp = decode(_perp, raw, "allPerpMetas", venue=VENUE)
    return _instrument(
        InstrumentKind.PERPETUAL,
        name=perp.name,
        base=perp.name,
        quote=quote.name,
        asset=asset,
        size_decimals=perp.sz_decimals,
        delisted=bool(perp.is_delisted),
    )


def _spot(tokens: Mapping[int, Token], raw: Raw) -> Instrument:
    pair = decode(_pair, raw, "spotMeta", venue=VENUE)
    base, quote = (_known(tokens, index, raw) for index in pair.tokens)
    return _instrument(
        InstrumentKind.SPOT,
        name=pair.name,
        base=base.name,
        quote=quote.name,
        asset=SPOT_ASSETS + pair.index,
        size_decimals=base.sz_decimals,
    )


def _known(tokens: Mapping[int, Token], index: int, raw: Raw) -> Token:
    """The token of that index. Raises `MalformedMessage` for one that is not listed."""
    if index not in tokens:
        raise MalformedMessage(f"no token {index}", venue=VENUE, topic="spotMeta", frame=bytes(raw))
    return tokens[index]


def _instrument(
    kind: InstrumentKind,
    *,
    name: str,
    base: str,
    quote: str,
    asset: int,
    size_decimals: int,
    delisted: bool = False,
) -> Instrument:
    """Raises `MalformedMessage` where a name is empty."""
    if not (name and base and quote):
        raise MalformedMessage("a name is empty", venue=VENUE, topic=f"asset {asset}")
    perpetual = kind is InstrumentKind.PERPETUAL
    price_decimals = max(0, PRICE_DECIMALS[kind] - size_decimals)
    return Instrument(
        id=f"{base}-{quote}-PERP" if perpetual else f"{base}-{quote}",
        kind=kind,
        base=base,
        quote=quote,
        native={"socket": name, "asset": str(asset)},
        price=PriceRule(
            tick=Decimal(1).scaleb(-price_decimals),
            significant_figures=SIGNIFICANT_FIGURES,
            integers_always=True,
        ),
        size=SizeRule(step=Decimal(1).scaleb(-size_decimals)),
        settle=quote if perpetual else "",
        status=InstrumentStatus.DELISTED if delisted else InstrumentStatus.TRADING,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        minimum_notional=MINIMUM_NOTIONAL,
        facts={"display": BRIDGED[base]} if not perpetual and base in BRIDGED else {},
    )

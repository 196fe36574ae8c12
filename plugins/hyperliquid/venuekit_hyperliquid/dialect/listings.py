"""What a fresh local Hyperliquid lists, and how its lists tell it: the mirror of `venuekit_hyperliquid.instruments`.

Names and asset ids are this network's own, as they are on every network of the venue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from venuekit_hyperliquid.instruments import (
    ASSETS_PER_BUILDER,
    BRIDGED,
    BUILDER_ASSETS,
    MINIMUM_NOTIONAL,
    PRICE_DECIMALS,
    SIGNIFICANT_FIGURES,
    SPOT_ASSETS,
)
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    InstrumentTable,
    Listing,
    PriceRule,
    SizeRule,
)

DOLLAR: Final = "USDC"

TOKENS: Final[Mapping[str, int]] = MappingProxyType({DOLLAR: 8, "PURR": 0, "HYPE": 2, "UBTC": 5})
"""The tokens in the order of their indexes -> decimals of their sizes."""

BUILDERS: Final = ("", "xyz")
"""The exchanges of perpetuals, by their number; the first is the venue's own."""

_PERPETUALS: Final = (
    # exchange, position, name, decimals of sizes, price, status
    (0, 0, "BTC", 5, "60000", InstrumentStatus.TRADING),
    (0, 1, "ETH", 4, "3000", InstrumentStatus.TRADING),
    (0, 2, "MATIC", 1, "0.4", InstrumentStatus.DELISTED),
    (1, 0, "xyz:SP500", 3, "6500", InstrumentStatus.TRADING),
)
_SPOT: Final = (
    # index, name, base, price
    (0, "PURR/USDC", "PURR", "0.08"),
    (107, "@107", "HYPE", "35"),
    (142, "@142", "UBTC", "60000"),
)


def listings() -> Sequence[Listing]:
    """Four perpetuals, of which one is a builder's and one is delisted, and three spot pairs."""
    perpetuals = [
        _listing(
            InstrumentKind.PERPETUAL,
            name,
            base=name,
            asset=(BUILDER_ASSETS + exchange * ASSETS_PER_BUILDER if exchange else 0) + position,
            size_decimals=decimals,
            price=price,
            status=status,
        )
        for exchange, position, name, decimals, price, status in _PERPETUALS
    ]
    spot = [
        _listing(
            InstrumentKind.SPOT,
            name,
            base=base,
            asset=SPOT_ASSETS + index,
            size_decimals=TOKENS[base],
            price=price,
            status=InstrumentStatus.TRADING,
        )
        for index, name, base, price in _SPOT
    ]
    return [*perpetuals, *spot]


def perpetuals(instruments: InstrumentTable) -> list[dict[str, Any]]:
    """What allPerpMetas answers: the perpetuals of each exchange, by position."""
    ids = instruments.ids_by_native("socket")
    metas: list[dict[str, Any]] = [
        {"universe": [], "marginTables": [], "collateralToken": 0} for _ in BUILDERS
    ]
    for exchange, _, name, decimals, _, _ in _PERPETUALS:
        perp: dict[str, Any] = {"name": name, "szDecimals": decimals, "maxLeverage": 20, "marginTableId": 20}
        if instruments[ids[name]].status is InstrumentStatus.DELISTED:
            perp["isDelisted"] = True
        metas[exchange]["universe"].append(perp)
    return metas


def spot() -> dict[str, Any]:
    """What spotMeta answers: tokens, and the pairs that are made of them."""
    indexes = {token: index for index, token in enumerate(TOKENS)}
    tokens = [
        {
            "name": token,
            "szDecimals": decimals,
            "weiDecimals": 8,
            "index": indexes[token],
            "tokenId": f"0x{indexes[token]:032x}",
            "isCanonical": indexes[token] < 2,  # the dollar and the first token that was launched
        }
        for token, decimals in TOKENS.items()
    ]
    universe = [
        {"name": name, "tokens": [indexes[base], 0], "index": index, "isCanonical": not index}
        for index, name, base, _ in _SPOT
    ]
    return {"tokens": tokens, "universe": universe}


def _listing(
    kind: InstrumentKind,
    name: str,
    *,
    base: str,
    asset: int,
    size_decimals: int,
    price: str,
    status: InstrumentStatus,
) -> Listing:
    perpetual = kind is InstrumentKind.PERPETUAL
    price_decimals = PRICE_DECIMALS[kind] - size_decimals
    return Listing(
        Instrument(
            id=f"{base}-{DOLLAR}-PERP" if perpetual else f"{base}-{DOLLAR}",
            kind=kind,
            base=base,
            quote=DOLLAR,
            native={"socket": name, "asset": str(asset)},
            price=PriceRule(
                Decimal(1).scaleb(-price_decimals),
                significant_figures=SIGNIFICANT_FIGURES,
                integers_always=True,
            ),
            size=SizeRule(Decimal(1).scaleb(-size_decimals)),
            settle=DOLLAR if perpetual else "",
            status=status,
            price_decimals=price_decimals,
            size_decimals=size_decimals,
            minimum_notional=MINIMUM_NOTIONAL,
            facts={"display": BRIDGED[base]} if not perpetual and base in BRIDGED else {},
        ),
        Decimal(price),
    )

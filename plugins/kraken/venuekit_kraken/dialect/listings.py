"""What a fresh local Kraken lists, and how AssetPairs tells it: the mirror of `venuekit_kraken.instruments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from venuekit_kraken.instruments import STATUSES, V2_ASSETS
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    Listing,
    PriceRule,
    SizeRule,
    decimals_of,
)

_MARKETS: Final = (
    # base, quote, REST key, alternative name, price, tick, decimals of sizes, smallest size, smallest notional
    ("BTC", "USD", "XXBTZUSD", "XBTUSD", "60000", "0.1", 8, "0.00005", "0.5"),
    ("ETH", "USD", "XETHZUSD", "ETHUSD", "3000", "0.01", 8, "0.001", "0.5"),
    ("ETH", "BTC", "XETHXXBT", "ETHXBT", "0.05", "0.00001", 8, "0.001", "0.00002"),
    ("DOGE", "USD", "XDGUSD", "XDGUSD", "0.2", "0.0000001", 8, "20", "0.5"),
    ("USDT", "USD", "USDTZUSD", "USDTUSD", "1", "0.00001", 8, "5", "0.5"),
)

_STATUS: Final[Mapping[InstrumentStatus, str]] = MappingProxyType({
    **{status: word for word, status in STATUSES.items()},
    InstrumentStatus.HALTED: "maintenance",
})  # fmt: skip
_OLD_ASSETS: Final = {new: old for old, new in V2_ASSETS.items()}


def listings() -> Sequence[Listing]:
    """Five spot markets; two of them have an asset that REST calls otherwise than the socket."""
    return [
        Listing(
            Instrument(
                id=f"{base}-{quote}",
                kind=InstrumentKind.SPOT,
                base=base,
                quote=quote,
                native={"rest": key, "altname": altname, "socket": f"{base}/{quote}"},
                price=PriceRule(Decimal(tick)),
                size=SizeRule(Decimal(1).scaleb(-decimals), minimum=Decimal(minimum)),
                price_decimals=decimals_of(Decimal(tick)),
                size_decimals=decimals,
                minimum_notional=Decimal(notional),
            ),
            Decimal(price),
        )
        for base, quote, key, altname, price, tick, decimals, minimum, notional in _MARKETS
    ]


def text(number: Decimal | None) -> str | None:
    """A number as REST writes it."""
    return None if number is None else format(number, "f")


def listed(instrument: Instrument) -> dict[str, Any]:
    """One market of AssetPairs."""
    base, quote = (_OLD_ASSETS.get(asset, asset) for asset in (instrument.base, instrument.quote))
    return {
        "altname": instrument.native["altname"],
        "wsname": f"{base}/{quote}",
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": instrument.price_decimals,
        "lot_decimals": instrument.size_decimals,
        "lot_multiplier": 1,
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "ordermin": text(instrument.size.minimum),
        "costmin": text(instrument.minimum_notional),
        "tick_size": text(instrument.price.tick),
        "status": _STATUS.get(instrument.status, "maintenance"),
        "execution_venue": "international",
    }

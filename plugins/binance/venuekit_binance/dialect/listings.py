"""What a fresh local Binance lists, and how exchangeInfo tells it: the mirror of `venuekit_binance.instruments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from venuekit_binance.instruments import STATUSES, stream_symbol
from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    Listing,
    PriceRule,
    SizeRule,
    decimals_of,
)

PRECISION: Final = 8
"""Decimals of every number that the venue writes."""

_MARKETS: Final = (
    # base, quote, symbol, price, tick, step, largest price, largest market order, smallest notional
    ("BTC", "USDT", "BTCUSDT", "60000", "0.01", "0.00001", "1000000", "120", "5"),
    ("ETH", "USDT", "ETHUSDT", "3000", "0.01", "0.0001", "1000000", "2500", "5"),
    ("ETH", "BTC", "ETHBTC", "0.05", "0.00001", "0.0001", "922327", "250", "0.0001"),
    ("XRP", "USDT", "XRPUSDT", "0.6", "0.0001", "0.1", "10000", "1000000", "5"),
    # letters that are not ASCII, and have no case
    ("这是测试币", "USDT", "这是测试币USDT", "0.08", "0.00001", "1", "1000", "5000000", "5"),
)

_STATUS: Final[Mapping[InstrumentStatus, str]] = MappingProxyType(
    {status: word for word, status in STATUSES.items()}
)

_HALTED: Final = "BREAK"
"""The word for any status that the venue has none for."""


def listings() -> Sequence[Listing]:
    """Five spot markets."""
    return [
        Listing(
            Instrument(
                id=f"{base}-{quote}",
                kind=InstrumentKind.SPOT,
                base=base,
                quote=quote,
                native={"rest": symbol, "socket": stream_symbol(symbol)},
                price=PriceRule(Decimal(tick), minimum=Decimal(tick), maximum=Decimal(largest)),
                size=SizeRule(
                    Decimal(step),
                    minimum=Decimal(step),
                    maximum=Decimal(step) * 10**9,
                    market_maximum=Decimal(market),
                ),
                price_decimals=decimals_of(Decimal(tick)),
                size_decimals=decimals_of(Decimal(step)),
                minimum_notional=Decimal(notional),
                maximum_notional=Decimal(9_000_000),
                maximum_open_orders=200,
            ),
            Decimal(price),
        )
        for base, quote, symbol, price, tick, step, largest, market, notional in _MARKETS
    ]


def number(value: Decimal | None) -> str:
    """A number as the venue writes it; zero where there is none."""
    return format(value or Decimal(0), f".{PRECISION}f")


def listed(instrument: Instrument) -> dict[str, Any]:
    """One symbol of exchangeInfo."""
    price, size = instrument.price, instrument.size
    return {
        "symbol": instrument.native["rest"],
        "status": _STATUS.get(instrument.status, _HALTED),
        "baseAsset": instrument.base,
        "baseAssetPrecision": PRECISION,
        "quoteAsset": instrument.quote,
        "quotePrecision": PRECISION,
        "quoteAssetPrecision": PRECISION,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": number(price.minimum),
                "maxPrice": number(price.maximum),
                "tickSize": number(price.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": number(size.minimum),
                "maxQty": number(size.maximum),
                "stepSize": number(size.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": number(size.market_minimum),
                "maxQty": number(size.market_maximum),
                "stepSize": number(size.market_step),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": number(instrument.minimum_notional),
                "applyMinToMarket": True,
                "maxNotional": number(instrument.maximum_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": instrument.maximum_open_orders},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }

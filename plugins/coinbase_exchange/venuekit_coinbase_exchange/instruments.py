"""Products -> instruments.

The canonical id is made of the two currencies that the product names; its own id is a name, and is never taken apart.
Two products may name the same two: ``BTCAUCTION-USD``, a market for auctions, says that its base currency is BTC, as
``BTC-USD`` does. The one that bears the pair's name is the pair's market, and the other is left out with a warning.

=====================================  ======================================================
field                                  becomes
=====================================  ======================================================
id                                     the name, for REST and for the socket
base_currency, quote_currency          base, quote, and the canonical id
quote_increment                        `PriceRule`: tick and smallest price; step of quote sizes
base_increment                         `SizeRule`: step
min_market_funds                       smallest notional, of limit orders too
base_min_size, base_max_size,          nothing: retired in 2022, though they may still be sent
max_market_funds
=====================================  ======================================================

https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-trading-pairs
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from venuekit_coinbase_exchange.payloads import VENUE, Product
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
)

PRODUCTS: Final = "products"
"""The request that lists them, as errors name it."""

ONLINE: Final = "online"

BY_FLAG: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({
    "trading_disabled": InstrumentStatus.HALTED,
    "auction_mode": InstrumentStatus.AUCTION,
    "cancel_only": InstrumentStatus.CANCEL_ONLY,
    "post_only": InstrumentStatus.POST_ONLY,
    "limit_only": InstrumentStatus.LIMIT_ONLY,
})  # fmt: skip
"""What a flag of an online product comes to; the first that is set counts. An auction may come with another flag."""

OFFLINE: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({"delisted": InstrumentStatus.DELISTED})
"""What another status than online comes to; one that is not here (offline, internal, new ones) is a halt."""

OPEN_ORDERS: Final = 500
"""How many orders a profile may have open in one product.

https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits
"""

MAGNITUDE: Final = 40
"""No increment and no notional has more digits before or after its point."""

_log = logging.getLogger(__name__)

_products = msgspec.json.Decoder(list[Raw])
_product = msgspec.json.Decoder(Product)


def read_instruments(body: bytes) -> list[Instrument]:
    """The body of /products -> its instruments. Raises `MalformedMessage` if the body is none.

    A product whose own entry cannot be understood, or whose pair another product is the market of, is left out with a
    warning and costs no other.
    """
    found: dict[str, Instrument] = {}
    products = decode(_products, body, PRODUCTS, venue=VENUE)
    for instrument in readable(products, _instrument):
        first = found.setdefault(instrument.id, instrument)
        if first is instrument:
            continue
        kept, other = (instrument, first) if _is_namesake(instrument, first) else (first, instrument)
        _log.warning("an instrument is left out: %s, as %s is %s", _name(other), kept.id, _name(kept))
        found[kept.id] = kept
    return list(found.values())


def _name(instrument: Instrument) -> str:
    return instrument.native["rest"]


def _is_namesake(instrument: Instrument, other: Instrument) -> bool:
    """Whether this one, and not the other, is called as its pair is."""
    return _name(instrument) == instrument.id != _name(other)


def _instrument(raw: Raw) -> Instrument:
    """One product. Raises `MalformedMessage`."""
    product = decode(_product, raw, PRODUCTS, venue=VENUE)
    where = f"{PRODUCTS} {product.id}"
    if not product.id or not product.base_currency or not product.quote_currency:
        raise MalformedMessage("a name is empty", venue=VENUE, topic=where, frame=bytes(raw))

    def step(number: Decimal) -> Decimal:
        if not number.is_finite() or number <= 0 or abs(number.adjusted()) > MAGNITUDE:
            raise MalformedMessage(f"an increment of {number}", venue=VENUE, topic=where, frame=bytes(raw))
        return number

    tick, lot = step(product.quote_increment), step(product.base_increment)
    least = product.min_market_funds
    return Instrument(
        id=f"{product.base_currency}-{product.quote_currency}",
        kind=InstrumentKind.SPOT,
        base=product.base_currency,
        quote=product.quote_currency,
        native={"rest": product.id, "socket": product.id},
        price=PriceRule(tick, minimum=tick),
        size=SizeRule(lot, quote_step=tick),
        status=status(product),
        price_decimals=decimals_of(tick),
        size_decimals=decimals_of(lot),
        minimum_notional=step(least) if least else None,
        maximum_open_orders=OPEN_ORDERS,
    )


def status(product: Product) -> InstrumentStatus:
    """What may be done with a product."""
    if product.status != ONLINE:
        return OFFLINE.get(product.status, InstrumentStatus.HALTED)
    for flag, meaning in BY_FLAG.items():
        if getattr(product, flag):
            return meaning
    return InstrumentStatus.TRADING

"""Products -> instruments.

The canonical id is the product's own, which is BASE-QUOTE already. The two currencies are read from it too, the one place
where a name is taken apart: ``BTCAUCTION-USD`` says that its base currency is BTC, as ``BTC-USD`` does.

=====================================  ======================================================
field                                  becomes
=====================================  ======================================================
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

    A product whose own entry cannot be understood, or comes twice, is left out with a warning and costs no other.
    """
    found: dict[str, Instrument] = {}
    for raw in decode(_products, body, PRODUCTS, venue=VENUE):
        try:
            instrument = _instrument(raw)
        except MalformedMessage as error:
            _log.warning("an instrument is left out: %s", error)
            continue
        if instrument.id in found:
            _log.warning("an instrument is left out: %s is not the only one", instrument.id)
        found.setdefault(instrument.id, instrument)
    return list(found.values())


def _instrument(raw: Raw) -> Instrument:
    """One product. Raises `MalformedMessage`."""
    product = decode(_product, raw, PRODUCTS, venue=VENUE)
    where = f"{PRODUCTS} {product.id}"
    base, _, quote = product.id.partition("-")
    if not base or not quote or "-" in quote:
        raise MalformedMessage("the id is no pair", venue=VENUE, topic=where, frame=bytes(raw))

    def step(number: Decimal) -> Decimal:
        if not number.is_finite() or number <= 0 or abs(number.adjusted()) > MAGNITUDE:
            raise MalformedMessage(f"an increment of {number}", venue=VENUE, topic=where, frame=bytes(raw))
        return number

    tick, lot = step(product.quote_increment), step(product.base_increment)
    least = product.min_market_funds
    return Instrument(
        id=product.id,
        kind=InstrumentKind.SPOT,
        base=base,
        quote=quote,
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

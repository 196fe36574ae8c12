"""exchangeInfo -> instruments.

The canonical id is made from the two assets and nothing else; the venue's symbol has no separator, may hold any UTF-8, and
is never taken apart. Rules come from the filters; a filter that is not known, or cannot be checked beforehand (percent
price, positions), makes no rule.

==================  ======================================================
filter              becomes
==================  ======================================================
PRICE_FILTER        `PriceRule`: tick, minimum, maximum
LOT_SIZE            `SizeRule`: step, minimum, maximum
MARKET_LOT_SIZE     `SizeRule`: market step, minimum, maximum
NOTIONAL            smallest and largest notional
MIN_NOTIONAL        smallest notional; with NOTIONAL, the stricter counts
MAX_NUM_ORDERS      largest number of open orders
==================  ======================================================

https://developers.binance.com/docs/binance-spot-api-docs/filters
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from venuekit_binance.payloads import (
    VENUE,
    ExchangeInfo,
    Filter,
    LotSize,
    MaxNumOrders,
    Notional,
    PriceFilter,
    Symbol,
)
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

STATUSES: Final[Mapping[str, InstrumentStatus]] = MappingProxyType({
    "TRADING": InstrumentStatus.TRADING,
    "CANCEL_ONLY": InstrumentStatus.CANCEL_ONLY,
    "AUCTION_MATCH": InstrumentStatus.AUCTION,
})  # fmt: skip
"""END_OF_DAY, HALT, BREAK, and any status that is not known, are `InstrumentStatus.HALTED`.

https://developers.binance.com/docs/binance-spot-api-docs/enums#symbol-status-status
"""

MAGNITUDE: Final = 40
"""No price, size or notional has more digits before or after its point."""

T = TypeVar("T")

_exchange_info = msgspec.json.Decoder(ExchangeInfo)
_symbol = msgspec.json.Decoder(Symbol)
_filter = msgspec.json.Decoder(Filter)
_price_filter = msgspec.json.Decoder(PriceFilter)
_lot_size = msgspec.json.Decoder(LotSize)
_notional = msgspec.json.Decoder(Notional)
_max_num_orders: msgspec.json.Decoder[MaxNumOrders | None] = msgspec.json.Decoder(MaxNumOrders)


def stream_symbol(symbol: str) -> str:
    """A symbol as the names of streams have it: lower case, and what has no case (``这是测试币456``) as it is."""
    return symbol.lower()


def read_instruments(body: bytes) -> list[Instrument]:
    """The body of exchangeInfo -> its instruments. Raises `MalformedMessage` if the body is none.

    A symbol whose own entry cannot be understood is left out with a warning, so that it costs no other; so is one that
    shares its assets or a name with another one, of which that stays which can be traded.
    """
    symbols = decode(_exchange_info, body, "exchangeInfo", venue=VENUE).symbols
    found = sorted(
        readable(symbols, _instrument), key=lambda each: each.status is not InstrumentStatus.TRADING
    )
    return unrivalled(found, "socket")


def _instrument(raw: Raw) -> Instrument:
    """One symbol. Raises `MalformedMessage`."""
    symbol = decode(_symbol, raw, "exchangeInfo", venue=VENUE)
    where = f"exchangeInfo {symbol.symbol}"
    if not (symbol.symbol and symbol.base_asset and symbol.quote_asset):
        raise MalformedMessage("a name is empty", venue=VENUE, topic=where, frame=bytes(raw))
    filters = {decode(_filter, each, where, venue=VENUE).filter_type: each for each in symbol.filters}

    def read(name: str, decoder: msgspec.json.Decoder[T], absent: T) -> T:
        return decode(decoder, filters[name], where, venue=VENUE) if name in filters else absent

    def bound(number: Decimal) -> Decimal | None:
        """A number of a filter; zero switches its part of the rule off."""
        if not number.is_finite() or number < 0 or abs(number.adjusted()) > MAGNITUDE:
            raise MalformedMessage(f"{number} in a filter", venue=VENUE, topic=where, frame=bytes(raw))
        return number or None

    def finest(decimals: int) -> Decimal:
        """The step where no filter sets one: more decimals than the asset has are refused (-1111)."""
        if not 0 <= decimals <= MAGNITUDE:
            raise MalformedMessage(f"precision {decimals}", venue=VENUE, topic=where, frame=bytes(raw))
        return Decimal(1).scaleb(-decimals)

    price = read("PRICE_FILTER", _price_filter, PriceFilter())
    lot = read("LOT_SIZE", _lot_size, LotSize())
    market_lot = read("MARKET_LOT_SIZE", _lot_size, LotSize())
    notional = read("NOTIONAL", _notional, Notional())
    minimum_notional = read("MIN_NOTIONAL", _notional, Notional()).min_notional
    orders = read("MAX_NUM_ORDERS", _max_num_orders, None)
    tick = bound(price.tick_size) or finest(symbol.quote_asset_precision)
    step = bound(lot.step_size) or finest(symbol.base_asset_precision)
    return Instrument(
        id=f"{symbol.base_asset}-{symbol.quote_asset}",
        kind=InstrumentKind.SPOT,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        native={"rest": symbol.symbol, "socket": stream_symbol(symbol.symbol)},
        price=PriceRule(tick, minimum=bound(price.min_price), maximum=bound(price.max_price)),
        size=SizeRule(
            step,
            minimum=bound(lot.min_qty),
            maximum=bound(lot.max_qty),
            market_step=bound(market_lot.step_size),
            market_minimum=bound(market_lot.min_qty),
            market_maximum=bound(market_lot.max_qty),
        ),
        status=STATUSES.get(symbol.status, InstrumentStatus.HALTED),
        price_decimals=decimals_of(tick),
        size_decimals=decimals_of(step),
        minimum_notional=max(
            filter(None, map(bound, (notional.min_notional, minimum_notional))), default=None
        ),
        maximum_notional=bound(notional.max_notional),
        maximum_open_orders=orders.max_num_orders if orders else None,
    )

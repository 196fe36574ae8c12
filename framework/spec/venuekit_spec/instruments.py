"""Instruments: what is traded, under which names, by which rules.

One market has many names: REST, socket, an asset number, and they may differ per network. The canonical id is ours, is
made from the venue's instrument list and from nothing else, and says the kind:

====================  ==========================
spot                  ``BTC-USDT``
perpetual             ``BTC-USDT-PERP``
future                ``BTC-USDT-20261225``
option                ``BTC-USDT-20261225-60000-C``
====================  ==========================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar, overload

from attrs import field, frozen

from venuekit_spec.errors import LocalError, UnknownInstrument
from venuekit_spec.values import fixed

V = TypeVar("V")

LARGEST_EXPONENT = 30
"""No price is as large as ten to this power; a number that is takes no part in arithmetic."""

_EXACT = Context(prec=100)

FLOAT_KEY_DIGITS = 15
"""A decimal of at most this many significant digits survives a trip through a double unchanged (IEEE 754)."""


class InstrumentKind(StrEnum):
    """What sort of contract an instrument is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"


class InstrumentStatus(StrEnum):
    """What the venue lets one do with an instrument right now."""

    TRADING = "trading"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    BUY_ONLY = "buy_only"
    SELL_ONLY = "sell_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    AUCTION = "auction"
    HALTED = "halted"
    DELISTED = "delisted"


@frozen
class PriceRule:
    """Which prices are valid: a fixed tick, a number of significant figures, or both.

    `tick` is the smallest step, in quote units; where it varies it is the smallest one ever allowed.
    `significant_figures` bounds the digits (Bitfinex 5; Hyperliquid 5), and `integers_always` lifts that bound for whole
    numbers (Hyperliquid: 123456 is valid).
    """

    tick: Decimal
    significant_figures: int | None = None
    integers_always: bool = False
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def allows(self, price: Decimal) -> bool:
        """Whether `price` (quote units) obeys the rule."""
        if not price.is_finite() or price <= 0 or price.adjusted() > LARGEST_EXPONENT:
            return False
        if self.tick and _EXACT.remainder(price, self.tick):
            return False
        if (self.minimum and price < self.minimum) or (self.maximum and price > self.maximum):
            return False
        if self.significant_figures is None or (self.integers_always and price == price.to_integral_value()):
            return True
        return len(_EXACT.normalize(price).as_tuple().digits) <= self.significant_figures


@frozen
class SizeRule:
    """Which sizes are valid, in base units: a step, a smallest and a largest; `market_maximum` for market orders.

    `quote_step`: the step of an order sized in quote units.
    """

    step: Decimal
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    market_step: Decimal | None = None
    market_minimum: Decimal | None = None
    market_maximum: Decimal | None = None
    quote_step: Decimal | None = None


@frozen
class Instrument:
    """One tradable market of one venue, in one of its environments.

    `native` holds the venue's own names by use, for example ``{"rest": "XXBTZUSD", "socket": "BTC/USD"}`` or
    ``{"socket": "BTC", "asset": "0"}``; a connector picks the name it needs and no name is ever taken apart.
    `price_decimals` and `size_decimals` are the decimals of the venue's wire text, where a checksum needs them.
    `endpoint` is which of several addresses its topics live at, where the venue keeps markets apart by address (Bybit: spot,
    linear, inverse, with the same names in each); its topics share no socket with those of another. Empty: one for all.
    `facts` is what only this venue's connector needs of it (conversion exponents of a chain).
    `minimum_notional` and `maximum_notional` are in quote units. `contract_size` is base units per contract.
    """

    id: str
    kind: InstrumentKind
    base: str
    quote: str
    native: Mapping[str, str] = field(converter=fixed, eq=dict, hash=False)
    price: PriceRule
    size: SizeRule
    settle: str = ""
    status: InstrumentStatus = InstrumentStatus.TRADING
    price_decimals: int | None = None
    size_decimals: int | None = None
    minimum_notional: Decimal | None = None
    maximum_notional: Decimal | None = None
    contract_size: Decimal = Decimal(1)
    inverse: bool = False
    maximum_open_orders: int | None = None
    endpoint: str = ""
    facts: Mapping[str, str] = field(factory=dict, converter=fixed, eq=dict, hash=False)

    @property
    def float_keys(self) -> bool:
        """Whether every valid price has at most 15 significant digits, so that a double orders prices exactly.

        Proven from the tick and the largest price; without a largest price it is assumed to be below a billion.
        """
        rule = self.price
        whole = (rule.maximum or Decimal(999_999_999)).adjusted() + 1
        if rule.significant_figures is not None:
            return max(rule.significant_figures, whole if rule.integers_always else 0) <= FLOAT_KEY_DIGITS
        if not rule.tick:
            return False
        decimals = -int(rule.tick.normalize().as_tuple().exponent)
        return max(whole, 0) + max(decimals, 0) <= FLOAT_KEY_DIGITS


class InstrumentTable(Mapping[str, Instrument]):
    """The instruments of one venue by canonical id, and by each of the venue's own names.

    Sessions keep it: it follows what the venue changes while we run (`replace`).

    Raises `UnknownInstrument` for an id that is not listed, naming the nearest ones, and `LocalError` when two instruments
    share an id or a name of one use: neither may win silently.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_id: dict[str, Instrument] = {}
        self._by_native: dict[str, dict[str, str]] = {}
        for instrument in instruments:
            self._add(self._by_id, instrument.id, instrument, "instruments")
            for use, name in instrument.native.items():
                self._add(self._by_native.setdefault(use, {}), name, instrument.id, f"{use} names")

    def __getitem__(self, id_: str) -> Instrument:
        try:
            return self._by_id[id_]
        except KeyError:
            raise UnknownInstrument(self._unknown(id_)) from None

    @overload
    def get(self, key: str, /) -> Instrument | None: ...
    @overload
    def get(self, key: str, /, default: Instrument | V) -> Instrument | V: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        """The instrument of that id, or `default`."""
        return self._by_id.get(key, default)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def __repr__(self) -> str:
        return f"<InstrumentTable of {len(self)} instruments>"

    def replace(self, instrument: Instrument) -> Instrument | None:
        """List `instrument` as it is from now on; the one of that id before, None where it is new.

        Raises `LocalError` where another instrument has one of its names; nothing is changed then.
        """
        for use, name in instrument.native.items():
            if self._by_native.get(use, {}).get(name, instrument.id) != instrument.id:
                raise LocalError(f"two {use} names are {name!r}")
        before = self._by_id.get(instrument.id)
        for use, name in before.native.items() if before else ():
            del self._by_native[use][name]
        for use, name in instrument.native.items():
            self._by_native.setdefault(use, {})[name] = instrument.id
        self._by_id[instrument.id] = instrument
        return before

    def ids_by_native(self, use: str) -> Mapping[str, str]:
        """The venue's names of one use (``"rest"``, ``"socket"``) -> canonical ids."""
        return MappingProxyType(self._by_native.get(use, {}))

    @staticmethod
    def _add(index: dict[str, V], key: str, value: V, what: str) -> None:
        if key in index:
            raise LocalError(f"two {what} are {key!r}")
        index[key] = value

    def _unknown(self, id_: str) -> str:
        from difflib import get_close_matches  # only when something is wrong

        near = get_close_matches(id_.upper(), self._by_id, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return f"no instrument {id_!r} among {len(self)} of this venue{hint}"

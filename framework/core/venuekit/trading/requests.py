"""What a user asks of an account, and the three ways it can end.

Numbers are exact: text, integers and `Decimal` are taken as they are, a float is refused, because ``0.1`` is not what it says.
Nothing that was asked is ever changed to please the venue: what does not fit is refused (`venuekit.trading.rules`), and fitted
only by who asks for it (`quantise_price`, `quantise_quantity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from attrs import Factory, field, frozen

from venuekit.orders.in_flight import InFlightOrder
from venuekit_spec import (
    Instant,
    LocalError,
    NewOrder,
    OrderType,
    Side,
    TimeInForce,
    Unit,
    VenuekitError,
)
from venuekit_spec.values import fixed

Number: TypeAlias = Decimal | str | int
"""An exact number."""


class NotExact(LocalError):
    """A price or quantity that is no exact, finite number."""


def exact(value: Number, what: str = "a number") -> Decimal:
    """`value` as a Decimal. Raises `NotExact` for a float, for text that is no number, for NaN and infinities."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, str, int)):
        hint = f'; write "{value}"' if isinstance(value, float) else ""
        raise NotExact(
            f"{what} is a Decimal, a text or an integer, not the {type(value).__name__} {value}{hint}"
        )
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise NotExact(f"{what} is no number: {value!r}") from None
    if not number.is_finite():
        raise NotExact(f"{what} is not finite: {value}")
    return number


def _quantity(value: Number) -> Decimal:
    return exact(value, "the quantity")


def _price(value: Number | None) -> Decimal | None:
    return None if value is None else exact(value, "the price")


def _trigger(value: Number | None) -> Decimal | None:
    return None if value is None else exact(value, "the trigger price")


@frozen(kw_only=True)
class OrderRequest:
    """One order as a user asks for it. Prices in quote units, `quantity` in `unit` (base units unless said otherwise).

    `pair` is a canonical id. Without a price it is a market order, with one a limit order, unless `type` says more.
    `expires` belongs to `TimeInForce.GTD`, `expires_at_height` to `TimeInForce.GTB`. `deadline`: the venue is to refuse the
    order if it would act after this instant. `options` are what only this venue knows, by its names.

    Raises `NotExact` for numbers that are not.
    """

    pair: str
    side: Side = field(converter=Side)
    quantity: Decimal = field(converter=_quantity)
    price: Decimal | None = field(default=None, converter=_price)
    type: OrderType = field(
        default=Factory(
            lambda request: OrderType.MARKET if request.price is None else OrderType.LIMIT, takes_self=True
        ),
        converter=OrderType,
    )
    unit: Unit = field(default=Unit.BASE, converter=Unit)
    trigger_price: Decimal | None = field(default=None, converter=_trigger)
    time_in_force: TimeInForce = field(default=TimeInForce.GTC, converter=TimeInForce)
    post_only: bool = False
    reduce_only: bool = False
    expires: Instant | None = None
    expires_at_height: int | None = None
    deadline: Instant | None = None
    options: Mapping[str, Any] = field(factory=dict, converter=fixed, hash=False)

    def intent(self, client_order_id: str) -> NewOrder:
        """The order for a connector, under an id of ours."""
        return NewOrder(
            instrument=self.pair,
            side=self.side,
            quantity=self.quantity,
            client_order_id=client_order_id,
            type=self.type,
            price=self.price,
            unit=self.unit,
            trigger_price=self.trigger_price,
            time_in_force=self.time_in_force,
            post_only=self.post_only,
            reduce_only=self.reduce_only,
            expires=self.expires,
            expires_at_height=self.expires_at_height,
            deadline=self.deadline,
            options=self.options,
        )


@frozen(eq=False)
class OrderAccepted:
    """The venue has it: the order, the cancel, the amendment. `order` goes on living."""

    order: InFlightOrder


@frozen(eq=False)
class OrderRejected:
    """Definitive evidence that it did not happen, and will not: `error` says why."""

    order: InFlightOrder
    error: VenuekitError


@frozen(eq=False)
class OrderUnknown:
    """Nobody knows yet; it is being settled. `order.wait_done()` and the events tell how it ended.

    `error` is what hid the answer; None for a cancel that waits until its order is known.
    """

    order: InFlightOrder
    error: VenuekitError | None = None


Placement: TypeAlias = OrderAccepted | OrderRejected | OrderUnknown
"""The three outcomes of a placement, of a cancel, of an amendment."""

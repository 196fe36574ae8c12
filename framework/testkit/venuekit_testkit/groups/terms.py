"""Terms: an order is sent with all that was asked of it, to the last digit, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from attrs import evolve

from venuekit import quantise_price, quantise_quantity
from venuekit_spec import (
    Accepted,
    LocalError,
    NewOrder,
    OrderType,
    Seconds,
    Side,
    TimeInForce,
    VenueError,
    after,
)
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, check
from venuekit_testkit.groups.placing import came_to, each_way
from venuekit_testkit.hand import Hand
from venuekit_testkit.subject import Subject

SEVENS: Final = Decimal("1.00077777777777777777")
"""Gives a number a digit other than zero in every place."""

SOON: Final[Seconds] = 60.0


@check(Group.PLACING, ORDERS, DIALECT)
async def orders_are_as_asked(subject: Subject) -> None:
    """The venue gets the order that was asked for, to the last digit, and no other.

    Side, price, quantity, type, triggers and flags, and the client order id.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            for side in Side:
                order = await there.rest("0.0371234567", side, lots=13)
                held, asked = there.held(order).intent, order.intent
                for name in (
                    "instrument",
                    "side",
                    "quantity",
                    "client_order_id",
                    "type",
                    "price",
                    "unit",
                    "trigger_price",
                    "post_only",
                    "reduce_only",
                ):
                    assert getattr(held, name) == getattr(asked, name), (
                        f"{name} was {getattr(asked, name)}, the venue has {getattr(held, name)}"
                    )


@check(Group.PLACING, ORDERS, DIALECT)
def numbers_are_sent_exactly(subject: Subject) -> None:
    """Prices and quantities reach the venue to the last digit, in every market.

    An order of each listed instrument, with a digit other than zero wherever its tick and its step allow one. A number that
    went by way of a double, or was written with an exponent, is another one there, or none.
    """
    hand = Hand(subject)
    market = hand.market(subject.ways[0])
    for number, pair in enumerate(hand.prices, 1):
        instrument, order = hand.instruments[pair], hand.limit(number, pair=pair)
        assert order.price is not None
        odd: dict[str, Any] = {
            "price": quantise_price(instrument, order.price * SEVENS, ROUND_DOWN),
            "quantity": quantise_quantity(instrument, order.quantity * SEVENS, ROUND_DOWN),
        }
        (placed,) = came_to(hand, market.place([evolve(order, **odd)]), 1)
        hand.advance(5.0)
        held = [each.intent for each in hand.orders if each.intent.client_order_id == order.client_order_id]
        assert held, f"an order of {pair} at {odd['price']} came to {placed}"
        for name, asked in odd.items():
            told = getattr(held[0], name)
            assert told == asked, f"the {name} of an order of {pair} was {asked}, the venue has {told}"


@check(Group.PLACING, ORDERS, DIALECT)
def no_term_is_left_out(subject: Subject) -> None:
    """What a venue has no word for is refused before anything is sent, and never left out in silence.

    Orders that only make, only reduce, wait for a trigger, have a deadline, or an option that no venue knows. Each is refused
    (`LocalError`, or by the venue), or the venue has it as it was asked for: an order without one of its terms is another one,
    and so is one whose price or quantity was rounded. What is declared is not refused.
    """
    hand = Hand(subject)
    market = hand.market()
    for number, odd in enumerate(_terms(hand), 1):
        order = evolve(hand.limit(number), **odd)
        try:
            (placed,) = came_to(hand, market.place([order]), 1)
        except (LocalError, VenueError):  # on this side, before anything was sent
            continue
        hand.advance(5.0)
        held = [each.intent for each in hand.orders if each.intent.client_order_id == order.client_order_id]
        if not isinstance(placed, Accepted) or not held:
            declared = odd.get("type") in subject.description.order_types
            assert not declared, f"{odd['type']} is declared, and an order of that type came to {placed}"
            continue
        for name, asked in odd.items():
            told = getattr(held[0], name)
            assert told == asked, f"{name} was {asked}, the venue has {told or 'none'}"


def _terms(hand: Hand) -> Iterator[dict[str, Any]]:
    """Terms besides those that every order has."""
    above: NewOrder = hand.limit(99, side=Side.SELL)
    rules = hand.instruments[hand.pair]
    if rules.price.tick and above.price is not None:
        yield {"side": Side.SELL, "price": above.price + rules.price.tick / 4}
    yield {"quantity": above.quantity + rules.size.step / 4}
    yield {"post_only": True}
    yield {"reduce_only": True}
    for type_ in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
        yield {"type": type_, "trigger_price": above.price}
    yield {"deadline": after(hand.now, SOON)}
    yield {"time_in_force": TimeInForce.GTD, "expires": after(hand.now, SOON)}
    yield {"options": {"noSuchOption": "1"}}

"""Trading rules: what an instrument does not take is refused with both numbers, and nothing is corrected."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

import pytest
from attrs import evolve
from framework.core.tests.trading_venue import CLAIMS, TradingVenue
from framework.core.tests.venues import START, instrument
from hypothesis import given
from hypothesis import strategies as st

from venuekit import NotExact, OrderRequest, RuleBroken, quantise_price, quantise_quantity
from venuekit.trading.rules import check, check_open_orders
from venuekit_spec import Capability, OrderType, PriceRule, Side, SizeRule, TimeInForce

DESCRIPTION = evolve(
    TradingVenue().connector().description,
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET, OrderType.STOP}),
    times_in_force=frozenset(TimeInForce) - {TimeInForce.FOK},
)
TRADED = evolve(
    instrument(),
    price=PriceRule(Decimal("0.01"), minimum=Decimal(1), maximum=Decimal(1000)),
    size=SizeRule(
        Decimal("0.001"),
        minimum=Decimal("0.01"),
        maximum=Decimal(50),
        market_maximum=Decimal(5),
        quote_step=Decimal("0.1"),
    ),
    minimum_notional=Decimal(10),
    maximum_notional=Decimal(10_000),
    maximum_open_orders=2,
)


def request(**more: Any) -> OrderRequest:
    """A valid limit order, with other values."""
    asked: dict[str, Any] = {"pair": "P1-USD", "side": Side.BUY, "quantity": "1", "price": "100"} | more
    return OrderRequest(**asked)


@pytest.mark.parametrize(
    ("asked", "rule", "told"),
    [
        ({"price": "100.001"}, "tick", "price 100.001 is no multiple of the tick 0.01 of P1-USD"),
        (
            {"price": "0.99", "quantity": "20"},
            "minimum price",
            "price 0.99 is below the smallest price 1 of P1-USD",
        ),
        ({"price": "1001"}, "maximum price", "price 1001 is above the largest price 1000 of P1-USD"),
        ({"price": "-1"}, "price", "price -1 is not above zero"),
        ({"quantity": "1.0001"}, "step", "quantity 1.0001 is no multiple of the step 0.001 of P1-USD"),
        ({"quantity": "0.009"}, "minimum size", "quantity 0.009 is below the smallest size 0.01 of P1-USD"),
        ({"quantity": "51"}, "maximum size", "quantity 51 is above the largest size 50 of P1-USD"),
        ({"quantity": "0"}, "quantity", "quantity 0 is not above zero"),
        (
            {"quantity": "6", "price": None},
            "maximum size",
            "quantity 6 is above the largest size 5 of P1-USD",
        ),
        (
            {"quantity": "0.05"},
            "minimum notional",
            "notional 5.00 is below the smallest notional 10 of P1-USD",
        ),
        (
            {"quantity": "50", "price": "300"},
            "maximum notional",
            "notional 15000 is above the largest notional 10000",
        ),
        ({"type": "stop_limit", "trigger_price": "90"}, "order type", "toy takes no stop_limit orders"),
        ({"type": "stop", "price": None}, "trigger price", "a stop order needs a trigger price"),
        ({"trigger_price": "90"}, "trigger price", "a limit order takes no trigger price"),
        ({"type": "limit", "price": None}, "price", "a limit order needs a price"),
        ({"type": "market"}, "price", "a market order takes no price"),
        ({"time_in_force": "fok"}, "time in force", "toy takes no fok orders"),
        ({"time_in_force": "gtd"}, "expires", "time in force gtd needs expires"),
        ({"expires": START + 1}, "expires", "time in force gtc takes no expires"),
        ({"deadline": START}, "deadline", "is not after"),
        ({"time_in_force": "ioc", "post_only": True}, "post only", "cannot be post-only"),
        ({"unit": "quote"}, "unit", "toy takes no quantities in quote units"),
    ],
)
def test_a_broken_rule_is_named_with_both_numbers(asked: dict[str, Any], rule: str, told: str) -> None:
    """The error says which rule, what was asked, and what is allowed."""
    with pytest.raises(RuleBroken) as caught:
        check(request(**asked), TRADED, DESCRIPTION, START)
    assert caught.value.rule == rule
    assert told in str(caught.value)


def test_a_quote_sized_order_has_its_own_step() -> None:
    """Where the venue takes them, the quantity is the notional."""
    description = evolve(DESCRIPTION, capabilities=CLAIMS | {Capability.QUOTE_SIZED})
    check(request(unit="quote", quantity="100.5", price=None), TRADED, description, START)
    with pytest.raises(RuleBroken, match=r"quote step 0\.1"):
        check(request(unit="quote", quantity="100.55", price=None), TRADED, description, START)


def test_significant_figures_bound_a_price_but_not_a_whole_number() -> None:
    """Five figures, integers always allowed."""
    rule = PriceRule(Decimal("0.0001"), significant_figures=5, integers_always=True)
    traded = evolve(instrument(), price=rule)
    check(request(price="123456"), traded, DESCRIPTION, START)
    with pytest.raises(RuleBroken, match=r"price 1234\.56 has 6 significant figures"):
        check(request(price="1234.56"), traded, DESCRIPTION, START)


def test_the_venue_limits_how_many_orders_rest() -> None:
    """One more than the most is refused."""
    check_open_orders(1, TRADED)
    with pytest.raises(RuleBroken, match="2 orders are open, the most 2"):
        check_open_orders(2, TRADED)


@pytest.mark.parametrize("number", [0.1, True, None, "ten", "NaN", Decimal("Infinity")])
def test_only_exact_finite_numbers_are_taken(number: Any) -> None:
    """A float is not what it says; NaN and infinities are no quantities."""
    with pytest.raises(NotExact):
        request(quantity=number)


def test_the_error_of_a_float_shows_how_to_write_it() -> None:
    """The text to use in its place."""
    with pytest.raises(NotExact, match=r'write "0\.1"'):
        request(quantity=0.1)


def test_the_type_of_an_order_follows_from_its_price() -> None:
    """Limit with a price, market without, and what was said where it was."""
    assert request().type is OrderType.LIMIT
    assert request(price=None).type is OrderType.MARKET
    assert request(type="stop_limit", trigger_price=1).type is OrderType.STOP_LIMIT


@given(st.decimals("1", "999", places=6), st.sampled_from([ROUND_DOWN, ROUND_UP]))
def test_a_quantised_price_is_valid_and_next_to_what_was_asked(price: Decimal, rounding: str) -> None:
    """On the tick, less than a tick away, on the side that was asked for."""
    fitted = quantise_price(TRADED, price, rounding)
    assert TRADED.price.allows(fitted)
    assert abs(fitted - price) < TRADED.price.tick
    assert fitted <= price if rounding is ROUND_DOWN else fitted >= price


@given(st.decimals("0.001", "999999", places=6), st.booleans())
def test_a_price_is_quantised_to_significant_figures(price: Decimal, integers: bool) -> None:
    """What comes out obeys the rule."""
    rule = PriceRule(Decimal("0.000001"), significant_figures=5, integers_always=integers)
    assert rule.allows(quantise_price(evolve(instrument(), price=rule), price, ROUND_DOWN))


def test_quantities_are_quantised_down_unless_asked_otherwise() -> None:
    """And refused where nothing valid is left."""
    assert quantise_quantity(TRADED, "1.23456") == Decimal("1.234")
    assert quantise_quantity(TRADED, "1.23456", ROUND_UP) == Decimal("1.235")
    with pytest.raises(RuleBroken, match="below the smallest size"):
        quantise_quantity(TRADED, "0.0099")

"""What open orders add up to: the sums that placements are judged by are those of the orders themselves, after any changes."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from venuekit.orders.in_flight import InFlightOrder
from venuekit.orders.open_orders import OpenOrders
from venuekit.orders.records import OrderRecord
from venuekit_spec import Accepted, NewOrder, OrderReport, OrderStatus, OrderType, Side, Unit

PAIRS = ("P1-USD", "P2-USD")


def order(name: str = "c1", pair: str = PAIRS[0], quantity: str = "2", **more: Any) -> InFlightOrder:
    """An order on its way, to buy two at 100 unless said otherwise."""
    fields: dict[str, Any] = {"price": Decimal(100)} | more
    intent = NewOrder(pair, Side.BUY, Decimal(quantity), name, **fields)
    record = OrderRecord(
        account="main",
        client_order_id=name,
        number=0,
        intent=intent,
        quantity=intent.quantity,
        price=intent.price,
    )
    return InFlightOrder(record)


def says(held: InFlightOrder, status: OrderStatus, filled: str = "0") -> None:
    """The venue says this of an order."""
    report = OrderReport(
        held.instrument, client_order_id=held.client_order_id, status=status, filled=Decimal(filled)
    )
    held.placed(Accepted(report))


def test_what_is_filled_counts_no_longer() -> None:
    """Of two at 100 a half is filled: what remains is worth 150; of an order that is over nothing remains."""
    open_, held = OpenOrders(), order()
    open_.look(held)
    assert (len(open_), open_.number(PAIRS[0]), dict(open_.worth)) == (1, 1, {PAIRS[0]: 200})
    says(held, OrderStatus.PARTIALLY_FILLED, "0.5")
    open_.look(held)
    assert open_.worth_of(held) == open_.worth[PAIRS[0]] == 150
    says(held, OrderStatus.CANCELED, "0.5")
    open_.look(held)
    assert (len(open_), open_.number(PAIRS[0]), dict(open_.worth)) == (0, 0, {})


def test_an_order_without_a_price_is_kept_by_itself() -> None:
    """Only the book knows what it is worth."""
    open_, market = OpenOrders(), order(price=None, type=OrderType.MARKET)
    open_.look(market)
    assert (list(open_.unpriced), open_.worth.get(PAIRS[0], 0), open_.number(PAIRS[0])) == ([market], 0, 1)
    open_.forget(market)
    assert not open_.unpriced


def test_an_order_of_quote_units_is_worth_them() -> None:
    """Its quantity is money already."""
    open_ = OpenOrders()
    open_.look(order(quantity="70", unit=Unit.QUOTE, price=None, type=OrderType.MARKET))
    assert dict(open_.worth) == {PAIRS[0]: 70}


amounts = st.decimals("0.00000001", "1000000", places=8)
steps = st.tuples(st.integers(0, 5), st.sampled_from([*OrderStatus]), st.decimals("0", "1", places=4))


@given(
    st.lists(st.tuples(st.sampled_from(PAIRS), amounts, st.none() | amounts), min_size=6, max_size=6),
    st.lists(steps, max_size=30),
)
def test_sums_are_those_of_the_orders(
    terms: list[tuple[str, Decimal, Decimal | None]], changes: list[tuple[int, OrderStatus, Decimal]]
) -> None:
    """Exactly, whatever became of them in whatever order."""
    open_ = OpenOrders()
    orders = [
        order(f"c{n}", pair, str(quantity), price=price) for n, (pair, quantity, price) in enumerate(terms)
    ]
    for each in orders:
        open_.look(each)
    for n, status, part in changes:
        says(orders[n], status, str(orders[n].quantity * part))
        open_.look(orders[n])
    left = [each for each in orders if not each.done]
    assert len(open_) == len(left)
    for pair in PAIRS:
        mine = [each for each in left if each.instrument == pair]
        assert open_.number(pair) == len(mine)
        with localcontext(prec=100):  # a sum of the default precision would be the one that rounds
            assert open_.worth.get(pair, 0) == sum(
                each.price * (each.remaining or 0) for each in mine if each.price
            )
    assert set(open_.unpriced) == {each for each in left if each.price is None}

"""One side of a book, against a dict that is sorted whenever somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.books.ladder import FEWEST, MALFORMED_ROW, MOST, Ladder, exact_price
from venuekit_spec import Row, Side

SIDES = st.sampled_from(list(Side))
SIZES = st.sampled_from(["0", "0.00", "1", "2.50", "0.001"])


class Model:
    """What a ladder is to be: a dict by exact price."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[Decimal, str] = {}

    def apply(self, rows: Sequence[Row]) -> None:
        for price, size, *_ in rows:
            key = Decimal(price if isinstance(price, str) else repr(price))
            self.levels.pop(key, None)
            if Decimal(size):
                self.levels[key] = size

    def best_first(self) -> list[tuple[Decimal, str]]:
        return sorted(self.levels.items(), reverse=self.side is Side.BUY)


def seen(ladder: Ladder) -> list[tuple[Decimal, str]]:
    """What a ladder shows, best first, in the model's terms."""
    return [(Decimal(row[0] if isinstance(row[0], str) else repr(row[0])), row[1]) for row in ladder]


def prices(kind: str) -> st.SearchStrategy[str | float]:
    """Few distinct prices, so that levels are replaced and removed, in one of the ways in which rows carry them."""
    cents = st.integers(1, 500)
    if kind == "double":
        return cents.map(lambda number: number / 100)
    if kind == "text":
        return cents.map(lambda number: f"{number / 100:.2f}")
    return cents.map(lambda number: f"12345678901234567890.{number:03}")


@pytest.mark.parametrize(
    ("kind", "exact"), [("double", False), ("text", False), ("text", True), ("long", True)]
)
@given(data=st.data(), side=SIDES)
def test_ladder_is_its_model(kind: str, exact: bool, data: st.DataObject, side: Side) -> None:
    """After any messages a ladder holds the levels, the order and the best that a sorted dict holds."""
    ladder, model = Ladder(side, exact=exact), Model(side)
    message = st.lists(st.tuples(prices(kind), SIZES), max_size=30)
    for rows in data.draw(st.lists(message, max_size=12)):
        ladder.apply(rows)
        model.apply(rows)
        expected = model.best_first()
        assert len(ladder) == len(expected)
        assert seen(ladder) == expected
        for count in (1, 3, 1000):
            assert [row[1] for row in ladder.best(count)] == [size for _, size in expected[:count]]


@given(data=st.data(), side=SIDES, whole=st.booleans(), removed=st.sampled_from(["best", "worst", "any"]))
def test_large_ladder_is_its_model(data: st.DataObject, side: Side, whole: bool, removed: str) -> None:
    """A side of more levels than are kept sorted stays right while it is eaten up from either end, and refilled."""
    ladder, model = Ladder(side, whole=whole), Model(side)
    count = data.draw(st.integers(FEWEST, 2 * MOST))
    rows: list[Row] = [(float(number), "1") for number in range(1, count + 1)]
    ladder.load(rows)
    model.apply(rows)
    for _ in range(4):
        levels = [price for price, _ in model.best_first()]
        if removed != "best":
            levels = levels[::-1] if removed == "worst" else data.draw(st.permutations(levels))
        gone: list[Row] = [(float(price), "0") for price in levels[: data.draw(st.integers(0, len(levels)))]]
        more: list[Row] = [
            (float(number), "2") for number in data.draw(st.lists(st.integers(1, 3 * MOST), max_size=20))
        ]
        for message in (gone, more):
            ladder.apply(message)
            model.apply(message)
            assert seen(ladder) == model.best_first()
            assert [row[1] for row in ladder.best(1)] == [size for _, size in model.best_first()[:1]]


@given(
    side=SIDES,
    before=st.lists(st.tuples(prices("text"), SIZES), max_size=10),
    digits=st.integers(10**14, 10**17),
    point=st.integers(0, 18),
    neighbours=st.integers(0, 3),
)
def test_promotion_at_the_digits_a_double_holds(
    side: Side, before: list[Row], digits: int, point: int, neighbours: int
) -> None:
    """Prices of 15, 16 and more digits that differ in the last one are different levels, and nothing else changes."""
    close = [f"{Decimal(digits + step).scaleb(-point):f}" for step in range(neighbours + 1)]
    ladder, model = Ladder(side), Model(side)
    for rows in (before, [(price, "3") for price in close]):
        ladder.apply(rows)
        model.apply(rows)
    assert seen(ladder) == model.best_first()
    for price in close:
        assert ladder.rows[ladder.key(price)][1] == "3"
        assert exact_price(ladder.key(price)) == Decimal(price)
    ladder.apply([(price, "0") for price in close])
    model.apply([(price, "0") for price in close])
    assert seen(ladder) == model.best_first()


def test_sixteen_digits_without_a_point_are_compared() -> None:
    """Two whole numbers beyond 2**53 that one double stands for are two levels."""
    ladder = Ladder(Side.SELL)
    ladder.apply([("9007199254740992", "1"), ("9007199254740993", "2")])
    assert [row[1] for row in ladder] == ["1", "2"]


def test_promotion_keeps_the_horizon() -> None:
    """A side that turns exact still knows how far its snapshot reached."""
    ladder = Ladder(Side.SELL)
    ladder.load([("0.1", "1"), ("0.2", "1")], depth=2)
    ladder.apply([("0.15000000000000001", "1")])
    assert exact_price(ladder.horizon) == Decimal("0.2")
    assert ladder.horizon == ladder.key("0.2")


@pytest.mark.parametrize("side", list(Side))
def test_exact_keys_do_not_depend_on_the_users_decimal_context(side: Side) -> None:
    """A program that computes with six digits has the same book as any other."""
    with localcontext() as context:
        context.prec = 6
        ladder = Ladder(side, exact=True)
        ladder.load([("1234567.81", "1"), ("1234567.82", "2")], depth=2)
        ladder.apply([("1234567.81", "0")])
        assert [row[0] for row in ladder] == ["1234567.82"]
        assert exact_price(ladder.key("1234567.81")) == Decimal("1234567.81")


BAD_PRICES: list[Any] = [
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "0",
    "-0",
    "0.00",
    "-1",
    "",
    "abc",
    "1,5",
    "0x10",
    None,
    [],
    {},
]
BAD_DOUBLES: list[Any] = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, -1.0, None, "1", [], 1j]
BAD_SIZES: list[Any] = [
    "NaN",
    "-1",
    "-0.001",
    "Infinity",
    "-Infinity",
    "",
    "abc",
    "1abc",
    "1.2.3",
    ".",
    None,
    [],
    {},
]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("price", BAD_PRICES)
def test_bad_price_is_refused(price: str, exact: bool) -> None:
    """A price that is none, and one that is not above zero, is a malformed row, first or later in a message."""
    for rows in ([(price, "1")], [("1", "1"), (price, "1")]):
        with pytest.raises(MALFORMED_ROW):
            Ladder(Side.BUY, exact=exact).apply(rows)


@pytest.mark.parametrize("price", BAD_DOUBLES)
def test_bad_double_is_refused(price: float) -> None:
    """The same among rows that carry doubles, where a text is out of place as well."""
    with pytest.raises(MALFORMED_ROW):
        Ladder(Side.SELL).apply([(1.0, "1"), (price, "1")])


@pytest.mark.parametrize("first", [1.0, "1"])
@pytest.mark.parametrize("size", BAD_SIZES)
def test_bad_size_is_refused(first: str | float, size: str) -> None:
    """A size that is none, or below zero, is a malformed row, beside doubles and beside text."""
    with pytest.raises(MALFORMED_ROW):
        Ladder(Side.BUY).apply([(first, size)])


@pytest.mark.parametrize("row", [(), ("1",), (1.0,)])
def test_short_row_is_refused(row: Row) -> None:
    """A row without price or size is malformed."""
    with pytest.raises(MALFORMED_ROW):
        Ladder(Side.BUY).apply([row])


def test_doubles_are_refused_where_prices_have_too_many_digits() -> None:
    """A side with exact keys takes no doubles: their text is not known."""
    with pytest.raises(ValueError, match="double"):
        Ladder(Side.BUY, exact=True).apply([(1.5, "1")])


@pytest.mark.parametrize("zero", ["0", "0.", "0.0", "0.00000000", "0.000000000000000000000000000000"])
@pytest.mark.parametrize("price", ["5", 5.0])
def test_zero_sizes_are_no_levels(price: str | float, zero: str) -> None:
    """A size of zero, however long, removes a level, leaves out one of a snapshot, and may name one that is not there."""
    ladder = Ladder(Side.BUY)
    ladder.load([(price, zero)])
    assert not len(ladder)
    ladder.apply([(price, zero)])
    ladder.apply([(price, "1")])
    ladder.apply([(price, zero)])
    assert not list(ladder)


def test_last_row_of_a_message_counts() -> None:
    """Within a message rows take effect in order."""
    ladder = Ladder(Side.BUY)
    ladder.apply([("1", "1"), ("1", "0"), ("1", "3"), ("2", "1"), ("2", "0")])
    assert list(ladder) == [("1", "3")]


@given(side=SIDES, depth=st.integers(1, 12), numbers=st.lists(st.integers(1, 40), unique=True, max_size=30))
def test_cut_keeps_the_best(side: Side, depth: int, numbers: list[int]) -> None:
    """What is cut is the worst; what is left is known to its last level where it is full, and wholly where it is not."""
    ladder = Ladder(side, whole=True)
    ladder.load([(str(number), "1") for number in numbers], depth=len(numbers))
    ladder.cut(depth)
    kept = sorted(numbers, reverse=side is Side.BUY)[:depth]
    assert [row[0] for row in ladder] == [str(number) for number in kept]
    horizon = None if ladder.horizon is None else exact_price(ladder.horizon)
    assert horizon == (kept[-1] if len(numbers) >= depth else None)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("count", "depth", "limited"),
    [(3, 3, True), (3, 2, True), (3, 4, False), (3, None, False), (0, 5, False)],
)
def test_horizon_is_the_last_row_of_a_full_snapshot(
    side: Side, count: int, depth: int | None, limited: bool
) -> None:
    """A snapshot with as many rows as it was limited to ends at its worst row; a shorter one is the whole side."""
    ladder = Ladder(side)
    ladder.load([(str(number), "1") for number in range(1, count + 1)], depth)
    worst = 1 if side is Side.BUY else count
    assert (None if ladder.horizon is None else exact_price(ladder.horizon)) == (worst if limited else None)


def test_load_replaces() -> None:
    """Nothing of before a snapshot is left after it."""
    ladder = Ladder(Side.BUY)
    ladder.load([("1", "1"), ("2", "1")], depth=2)
    ladder.load([("3", "1")])
    assert list(ladder) == [("3", "1")]
    assert ladder.horizon is None

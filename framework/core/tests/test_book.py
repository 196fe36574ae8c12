"""What a user reads from a book."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext

import pytest
from framework.core.tests.venues import START, delta, entry, instrument, live, snapshot

from venuekit.books import BookNotLive, BookState, Level, LevelsUnknown, OrderBook
from venuekit_spec import SECOND, LocalError, Side, SnapshotSource, SyncRule

BIDS = [("100", "1"), ("99.5", "2"), ("99", "3")]
ASKS = [("101", "4"), ("102.5", "5")]


def book(depth: int | None = None) -> OrderBook:
    """A LIVE book of `BIDS` and `ASKS`, of a snapshot that was limited to `depth` levels."""
    return live(bids=BIDS, asks=ASKS, depth=depth).book


def test_best_spread_mid() -> None:
    """Best prices, spread and mid are exact Decimals made from the venue's text."""
    read = book()
    assert read.best_bid == Level(Decimal(100), Decimal(1))
    assert read.best_ask == (Decimal(101), Decimal(4))
    assert (read.spread, read.mid) == (Decimal(1), Decimal("100.5"))


def test_levels_are_best_first() -> None:
    """Bids fall, asks rise, and a depth cuts both lists."""
    read = book()
    assert [level.price for level in read.bids()] == [Decimal(100), Decimal("99.5"), Decimal(99)]
    assert read.asks(1) == [Level(Decimal(101), Decimal(4))]
    assert read.rows(Side.BUY, 2) == BIDS[:2]
    assert read.rows(Side.SELL) == ASKS


def test_prices_that_came_as_doubles_are_exact() -> None:
    """A double gives back the decimal it was made from, in levels, in sums and at one price."""
    read = live(bids=[(0.1, "0.3"), (0.07, "1")], asks=[(0.2, "0.1"), (0.3, "0.2")]).book
    assert read.best_bid == (Decimal("0.1"), Decimal("0.3"))
    assert read.spread == Decimal("0.1")
    assert read.size_at(Side.BUY, "0.07") == 1
    assert read.volume(Side.SELL, to="0.3") == Decimal("0.3")
    assert read.average_price(Side.BUY, "0.3") == Decimal("0.08") / Decimal("0.3")


def test_empty_side() -> None:
    """A side that is known and empty has no best, no volume, and no price for any amount."""
    read = live(bids=[], asks=ASKS).book
    assert (read.best_bid, read.spread, read.mid) == (None, None, None)
    assert read.bids() == []
    assert read.volume(Side.BUY) == 0
    assert read.size_at(Side.BUY, "1") == 0
    assert not read.crossed
    with pytest.raises(LevelsUnknown):
        read.average_price(Side.SELL, "1")


@pytest.mark.parametrize(
    ("side", "to", "expected"),
    [
        (Side.BUY, None, "6"),
        (Side.BUY, "99.5", "3"),
        (Side.BUY, "99.4", "3"),
        (Side.BUY, "101", "0"),
        (Side.SELL, "101", "4"),
        (Side.SELL, Decimal(200), "9"),
        (Side.SELL, None, "9"),
    ],
)
def test_volume(side: Side, to: Decimal | str | None, expected: str) -> None:
    """Volume is what rests up to and including a price."""
    assert book().volume(side, to) == Decimal(expected)


@pytest.mark.parametrize(
    ("side", "amount", "expected"),
    [
        (Side.BUY, "4", "101"),
        (Side.BUY, "6", Decimal(4 * 101 + 2 * Decimal("102.5")) / 6),
        (Side.BUY, "9", Decimal(4 * 101 + 5 * Decimal("102.5")) / 9),
        (Side.SELL, Decimal("0.5"), "100"),
        (Side.SELL, "2", "99.75"),
    ],
)
def test_average_price(side: Side, amount: Decimal | str, expected: Decimal | str) -> None:
    """Buying takes from the asks, selling from the bids, each level as far as it is needed."""
    assert book().average_price(side, amount) == Decimal(expected)


def test_average_price_of_more_than_is_known() -> None:
    """An amount beyond the known levels is unknown, whether or not the snapshot was limited, and says by how much."""
    with pytest.raises(LevelsUnknown, match="hold 1 less than 10"):
        book().average_price(Side.BUY, "10")
    with pytest.raises(LevelsUnknown):
        book(depth=2).average_price(Side.SELL, "10")


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_average_price_of_nothing(amount: str) -> None:
    """An amount that is not above zero is a mistake of the caller."""
    with pytest.raises(ValueError, match="above zero"):
        book().average_price(Side.BUY, amount)


def test_table() -> None:
    """The book as rows for a data frame: bids then asks, numbered from the best."""
    assert book().table(1) == [
        {"side": "bid", "level": 0, "price": Decimal(100), "size": Decimal(1)},
        {"side": "ask", "level": 0, "price": Decimal(101), "size": Decimal(4)},
    ]
    assert [(row["side"], row["level"]) for row in book().table()] == [
        ("bid", 0),
        ("bid", 1),
        ("bid", 2),
        ("ask", 0),
        ("ask", 1),
    ]


def test_levels_beyond_the_snapshot_are_unknown() -> None:
    """Beyond the last row of a limited snapshot nothing is answered, although deltas have told of levels there."""
    tracked = live(bids=BIDS, asks=ASKS, depth=3)
    read = tracked.book
    assert (read.bids_known_to, read.asks_known_to) == (Decimal(99), None)
    tracked.delta(delta(11, bids=[("98", "9"), ("99.2", "7")], asks=[("300", "1")]))
    assert [level.price for level in read.bids()] == [Decimal(text) for text in ("100", "99.5", "99.2", "99")]
    assert read.size_at(Side.BUY, "99") == 3
    assert read.size_at(Side.SELL, "300") == 1
    with pytest.raises(LevelsUnknown, match="bids of P1-USD are known to 99"):
        read.size_at(Side.BUY, "98")
    with pytest.raises(LevelsUnknown, match="bids of P1-USD are known to 99"):
        read.volume(Side.BUY, to="98.9")
    assert read.volume(Side.BUY, to="99") == 13
    assert read.unproven.size_at(Side.BUY, "98") == 9
    assert len(read.unproven.bids()) == 5


def test_best_beyond_the_horizon_is_unknown() -> None:
    """When every known level is gone the best price is unknown, not the best of what deltas happened to tell."""
    tracked = live(bids=BIDS, asks=ASKS, depth=2)
    tracked.delta(delta(11, asks=[("101", "0"), ("102.5", "0"), ("110", "1")]))
    read = tracked.book
    assert read.asks() == []
    for question in ("best_ask", "spread", "mid"):
        with pytest.raises(LevelsUnknown):
            READS[question](read)
    tracked.delta(delta(12, asks=[("110", "0")]))
    with pytest.raises(LevelsUnknown):
        _ = read.best_ask
    tracked.delta(delta(13, asks=[("100.5", "2")]))
    assert read.best_ask == (Decimal("100.5"), Decimal(2))


def test_depth_limited_feed_is_known_to_its_last_level() -> None:
    """A feed of the best two levels stays readable when the market leaves the prices of its snapshot behind."""
    rule = SyncRule(snapshot=SnapshotSource.IN_BAND, depth=2)
    tracked = live(rule, bids=[("100", "1"), ("99", "1")], asks=[("101", "1"), ("102", "1")], depth=2)
    tracked.delta(delta(11, bids=[("100", "0"), ("99", "0"), ("90", "5"), ("89", "6")]))
    read = tracked.book
    assert [level.price for level in read.bids()] == [Decimal(90), Decimal(89)]
    assert read.bids_known_to == 89
    tracked.delta(delta(12, bids=[("91", "1")]))
    assert [level.price for level in read.bids()] == [Decimal(91), Decimal(90)]
    with pytest.raises(LevelsUnknown):
        read.size_at(Side.BUY, "89")


READS: dict[str, Callable[[OrderBook], object]] = {
    "best_bid": lambda read: read.best_bid,
    "best_ask": lambda read: read.best_ask,
    "spread": lambda read: read.spread,
    "mid": lambda read: read.mid,
    "bids": lambda read: read.bids(),
    "asks": lambda read: read.asks(1),
    "rows": lambda read: read.rows(Side.BUY),
    "size_at": lambda read: read.size_at(Side.BUY, "1"),
    "volume": lambda read: read.volume(Side.SELL),
    "average_price": lambda read: read.average_price(Side.BUY, "1"),
    "table": lambda read: read.table(),
}


@pytest.mark.parametrize("state", [state for state in BookState if state is not BookState.LIVE])
@pytest.mark.parametrize("read", READS)
def test_reading_what_is_not_live(read: str, state: BookState) -> None:
    """In every state but LIVE every question raises, and the error tells pair, state and reason; `unproven` answers."""
    held = book()
    held.state, held.reason = state, "that is why"
    with pytest.raises(BookNotLive, match=f"the book of P1-USD is {state}: that is why") as caught:
        READS[read](held)
    assert isinstance(caught.value, LocalError)
    assert caught.value.retryable
    assert (caught.value.instrument, caught.value.state) == ("P1-USD", state)
    assert held.unproven.best_bid == (Decimal(100), Decimal(1))
    assert held.unproven.volume(Side.BUY) == 6


def test_every_way_of_reading_works_on_a_live_book() -> None:
    """The questions of the test above are answered when the book is LIVE."""
    for read in READS.values():
        assert read(book()) is not None


def test_reading_does_not_depend_on_how_it_is_represented() -> None:
    """An instrument whose prices no double holds is read like any other."""
    fine = instrument(tick="0.000000000000000001", maximum="1000")
    assert not fine.float_keys
    price = "123.000000000000000001"
    read = live(bids=[(price, "1"), ("123", "2")], asks=[("124", "1")], traded=fine).book
    assert read.best_bid == (Decimal(price), Decimal(1))
    assert read.size_at(Side.BUY, price) == 1
    assert read.volume(Side.BUY, to="123.000000000000000001") == 1


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"),
    [
        ("0.3", "0.3", False),
        ("0.3", "0.30000000000000001", False),
        ("0.30000000000000001", "0.3", True),
        ("0.31", "0.3", True),
        ("0.29", "0.3", False),
    ],
)
def test_crossed_is_strict_and_exact(bid: str, ask: str, crossed: bool) -> None:
    """A locked book is not crossed, also where only one side has prices that no double holds."""
    tracked = entry()
    tracked.book.bid_side.apply([(bid, "1")])
    tracked.book.ask_side.apply([(ask, "1")])
    assert tracked.book.crossed is crossed


def test_locked_book_with_exact_keys_on_one_side_is_not_crossed() -> None:
    """That a level elsewhere made one side exact does not make equal best prices differ, in any decimal context."""
    tracked = live(bids=[("0.3", "1")], asks=[("0.3", "1")])
    tracked.delta(delta(11, bids=[("0.20000000000000001", "1")]))
    assert tracked.book.live
    assert tracked.book.spread == 0
    with localcontext() as context:
        context.prec = 3
        tracked.delta(delta(12, bids=[("0.30001", "1")], asks=[("0.3", "0"), ("0.30002", "1")]))
        assert tracked.book.live


def test_proof_tells_what_a_book_rests_on() -> None:
    """The proof counts what followed the snapshot, has an age, and reads as a sentence."""
    tracked = live()
    for id_ in (11, 12):
        tracked.delta(delta(id_, bids=[("1", "3")]))
    proof = tracked.book.proof
    assert (proof.kinds, proof.sequence, proof.snapshot) == (("sequence",), 2, START)
    assert proof.age(START + 3 * SECOND) == 3
    assert str(proof) == "sequence of 2"
    assert str(entry(SyncRule(snapshot=SnapshotSource.IN_BAND)).book.proof) == "none"


def test_repr_shows_state_and_size() -> None:
    """The repr is for people, of a book in any state."""
    assert repr(book()) == "<OrderBook P1-USD live, 3 bids, 2 asks>"
    assert repr(entry().book) == "<OrderBook P1-USD empty, 0 bids, 0 asks>"


def test_snapshot_before_anything_is_asked_for_is_no_proof() -> None:
    """A snapshot by REST that nobody waits for (the feed is not subscribed, or is gone) makes no book LIVE."""
    tracked = entry()
    tracked.snapshot(snapshot(10, BIDS, ASKS))
    assert tracked.book.state is BookState.EMPTY
    tracked.started(START)
    tracked.disconnected("gone", START)
    tracked.snapshot(snapshot(10, BIDS, ASKS))
    assert tracked.book.state is BookState.STALE

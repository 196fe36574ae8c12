"""Where recordings and their oracles are, and how a replay is compared with an oracle.

Recordings of real venues are not part of the repository. They are looked for in the folder that VENUEKIT_CORPORA names, or
in ``shared/corpora`` beside the repository; what they should come to stands in ``oracle`` beside that folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from venuekit import Level, OrderBook
from venuekit.books import BookView, OrderByOrderBook
from venuekit_spec import Side

REPOSITORY = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("VENUEKIT_CORPORA") or REPOSITORY.parent / "shared" / "corpora")
ORACLES = CORPORA.parent / "oracle"
LOOPS = ("asyncio", "trio")


def recordings(pattern: str) -> list[Any]:
    """The recordings whose names match, as pytest parameters; one that skips with the reason where there are none."""
    found = sorted(CORPORA.glob(f"{pattern}.jsonl.gz"))
    if found:
        return [pytest.param(path, id=name_of(path)) for path in found]
    reason = f"no recording {pattern} in {CORPORA}"
    return [pytest.param(Path(), id=pattern, marks=pytest.mark.skip(reason=reason))]


def each_on_a_loop(pattern: str) -> pytest.MarkDecorator:
    """`recordings` as the arguments `recording` and `anyio_backend` of a test: each on one event loop, in turns by its name.

    For whole recordings, which are long; what the core does is tried on both loops by its own tests.
    """
    every = sorted(CORPORA.glob("*.jsonl.gz"))
    found = [
        pytest.param(
            path, LOOPS[(every.index(path) if path in every else 0) % 2], id=each.id, marks=each.marks
        )
        for each in recordings(pattern)
        for path in each.values
    ]
    return pytest.mark.parametrize(("recording", "anyio_backend"), found)


def name_of(path: Path) -> str:
    """The name of a recording."""
    return path.name.removesuffix(".jsonl.gz")


@cache
def oracle(path: Path) -> dict[str, Any]:
    """What a recording should come to. Skips the test where nobody has worked that out."""
    file = ORACLES / f"{name_of(path)}.json"
    if not file.exists():
        pytest.skip(f"no oracle for {name_of(path)} in {ORACLES}")
    loaded: dict[str, Any] = json.loads(file.read_bytes())
    return loaded


@cache
def faults(path: Path) -> list[dict[str, Any]]:
    """Which dropped record a correct builder notices where."""
    file = ORACLES / "faults" / f"{name_of(path)}.json"
    return json.loads(file.read_bytes()) if file.exists() else []


def drops(path: Path) -> list[tuple[dict[str, Any], tuple[pytest.MarkDecorator, ...]]]:
    """The `faults` with their marks. Of each book only the first, and what nothing ever shows, is for every run."""
    found: list[tuple[dict[str, Any], tuple[pytest.MarkDecorator, ...]]] = []
    books = set[str]()
    for fault in faults(path):
        often = fault["symbol"] not in books or fault["detected_at"] is None
        books.add(fault["symbol"])
        found.append((fault, () if often else (pytest.mark.soak,)))
    return found


def plain(number: Decimal) -> str:
    """Without exponent and trailing zeros, as the oracles write numbers."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def levels_text(levels: Iterable[Level]) -> str:
    """Levels as a digest has them."""
    return ";".join(f"{plain(level.price)}:{plain(level.size)}" for level in levels)


@define
class Comparison:
    """How the books of one replay compare with the oracle of the recording.

    `pair_of` maps the oracle's symbols to ours. `by_rest`: snapshots come by REST, and a book that one of them began or
    repaired while a frame was played was not changed by that frame. Call `after` with each record index once the record was
    played.
    """

    expected: dict[str, Any]
    books: Callable[[str], OrderBook]
    pair_of: Callable[[str], str]
    by_rest: bool = False
    equal: int = 0
    different: list[str] = field(factory=list)
    updates: dict[str, int] = field(factory=dict)
    _digests: dict[str, Any] = field(factory=dict)
    _revisions: dict[str, int] = field(factory=dict)
    _snapshots: dict[str, int] = field(factory=dict)
    _checkpoints: dict[int, list[dict[str, Any]]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for symbol in self.expected["per_symbol"]:
            self._digests[symbol] = hashlib.sha256()
            self._revisions[symbol] = self._snapshots[symbol] = self.updates[symbol] = 0
        for checkpoint in self.expected["checkpoints"]:
            self._checkpoints.setdefault(checkpoint["record"], []).append(checkpoint)

    def after(self, index: int | None, *, from_socket: bool) -> None:
        """A record was played. A record without index was inserted: it is not part of the recording."""
        if index is None:
            return
        depth = self.expected["digest"]["levels"]
        for symbol, digest in self._digests.items():
            book = self.books(self.pair_of(symbol))
            if book.revision == self._revisions[symbol]:
                continue
            joined = self.by_rest and book.proof.snapshot != self._snapshots[symbol]
            self._revisions[symbol], self._snapshots[symbol] = book.revision, book.proof.snapshot
            if from_socket and book.live and not joined:
                view = book.unproven
                line = f"{index}|{levels_text(view.bids(depth))}|{levels_text(view.asks(depth))}\n"
                digest.update(line.encode())
                self.updates[symbol] += 1
        for checkpoint in self._checkpoints.get(index, ()):
            self._check(checkpoint)

    def digests_equal(self) -> dict[str, bool]:
        """Per symbol, whether every update of the book was the oracle's, and as many. A symbol without any has no digest."""
        told, none = self.expected["digest"]["symbols"], {"n": 0, "sha256": hashlib.sha256().hexdigest()}
        return {
            symbol: {"n": self.updates[symbol], "sha256": digest.hexdigest()} == told.get(symbol, none)
            for symbol, digest in self._digests.items()
        }

    def _check(self, checkpoint: dict[str, Any]) -> None:
        book = self.books(self.pair_of(checkpoint["symbol"]))
        same = all(
            _levels(book.unproven, side)
            == [(Decimal(price), Decimal(size)) for price, size in checkpoint[side]]
            for side in ("bids", "asks")
        )
        if "n_orders" in checkpoint:
            same = same and _same_orders(book, checkpoint)
        sequence = checkpoint.get("seq")
        if same and book.live and (sequence is None or book.last is None or book.last == sequence):
            self.equal += 1
        else:
            self.different.append(f"{checkpoint['symbol']} after record {checkpoint['record']}")


def _same_orders(book: OrderBook, checkpoint: dict[str, Any]) -> bool:
    """Whether an order-by-order book has as many orders, and at the best prices the same ones in the same queues."""
    assert isinstance(book, OrderByOrderBook)
    view = book.unproven
    count, wanted = 0, int(checkpoint["n_orders"])
    for side, name in ((Side.BUY, "l3_bids"), (Side.SELL, "l3_asks")):
        levels = view.bids() if side is Side.BUY else view.asks()
        count += sum(view.order_count(side, level.price) for level in levels)
        expected = [
            (Decimal(price), [(order_id, Decimal(size)) for order_id, size in queue])
            for price, queue in checkpoint[name]
        ]
        queues = [
            (level.price, [(order.order_id, order.size) for order in view.orders(side, level.price)])
            for level in levels[: len(expected)]
        ]
        if queues != expected:
            return False
    return count == wanted


def _levels(view: BookView, side: str) -> list[tuple[Decimal, Decimal]]:
    levels = view.bids(25) if side == "bids" else view.asks(25)
    return [(level.price, level.size) for level in levels]

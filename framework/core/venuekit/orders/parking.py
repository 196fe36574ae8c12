"""What the venue says of orders that nobody knows: what waits for its order, and what is a stray.

1. A word that carries our id, and one of an order that is not ours, is a stray at once: our ids are known before they are sent.
2. A word with only a venue id nobody knows waits as long as an order of ours of its instrument may still get an id: one without
   a venue id, or one that is being amended.
3. At most `PARKED` words wait; the oldest is then a stray.
4. A stray is told once: a fill by its key, an order by its id, and only while it is open.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Container, Sequence
from typing import Final, TypeAlias

from venuekit_spec import Fill, OrderReport

PARKED: Final = 10_000
REMEMBERED: Final = 100_000
"""How many strays are remembered as told."""

Word: TypeAlias = OrderReport | Fill


class Parking:
    """Words that are too early."""

    def __init__(self) -> None:
        self._words: deque[Word] = deque()

    def __len__(self) -> int:
        return len(self._words)

    def park(self, word: Word) -> Word | None:
        """Let it wait; what has to give way, if anything."""
        self._words.append(word)
        return self._words.popleft() if len(self._words) > PARKED else None

    def release(
        self, known: Callable[[Word], bool], instruments: Container[str]
    ) -> tuple[Sequence[Word], Sequence[Word]]:
        """Those that are of orders `known` now, and those that can be nobody's: nothing of `instruments` awaits an id."""
        words, self._words = self._words, deque()
        found: list[Word] = []
        lost: list[Word] = []
        for word in words:
            if known(word):
                found.append(word)
            elif may_become_known(word, instruments):
                self._words.append(word)
            else:
                lost.append(word)
        return found, lost


def may_become_known(word: Word, instruments: Container[str]) -> bool:
    """Whether it may be of an order of ours; `instruments`: where one awaits a venue id."""
    return not word.client_order_id and bool(word.order_id) and word.instrument in instruments


class Strays:
    """Which strays were told."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def first(self, word: Word) -> bool:
        """Whether it is to be told now."""
        if isinstance(word, Fill):
            name: tuple[str, ...] = ("fill", word.key)
        elif word.status is not None and word.status.terminal:
            return False
        else:
            name = ("order", word.instrument, word.order_id or word.client_order_id)
        if name in self._told:
            return False
        self._told[name] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

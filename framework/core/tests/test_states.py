"""The states of a tracked book."""

from __future__ import annotations

import pytest

from venuekit.books import BookEvent, BookState, IllegalTransition
from venuekit.books.states import TRANSITIONS, following

MOVES = {
    BookState.EMPTY: "buffering live empty empty empty closed",
    BookState.BUFFERING: "buffering live buffering stale stale closed",
    BookState.LIVE: "buffering live gap stale stale closed",
    BookState.GAP: "gap live gap stale stale closed",
    BookState.STALE: "buffering live stale stale stale closed",
    BookState.CLOSED: "- - - - - closed",
}
"""Where subscribed, joined, lost, silent, disconnected and closed lead from each state; - is nowhere."""

CASES = [
    (state, event, None if target == "-" else BookState(target))
    for state, targets in MOVES.items()
    for event, target in zip(BookEvent, targets.split(), strict=True)
]


@pytest.mark.parametrize(("state", "event", "target"), CASES)
def test_every_pair_of_state_and_event(state: BookState, event: BookEvent, target: BookState | None) -> None:
    """Each event leads from each state where it is said to, or is illegal there and names both."""
    if target is not None:
        assert following(state, event) is target
        return
    with pytest.raises(IllegalTransition, match=f"{event} cannot happen to a book that is {state}"):
        following(state, event)


def test_cases_are_all_there_are() -> None:
    """No state and no event is left out of the table above."""
    assert len(CASES) == len(BookState) * len(BookEvent)
    assert set(TRANSITIONS) == set(BookEvent)


@pytest.mark.parametrize("state", list(BookState))
def test_any_book_can_be_closed(state: BookState) -> None:
    """Closing is legal in every state, twice too."""
    assert following(state, BookEvent.CLOSED) is BookState.CLOSED


@pytest.mark.parametrize("event", [event for event in BookEvent if event is not BookEvent.CLOSED])
def test_closed_is_final(event: BookEvent) -> None:
    """Nothing leads out of CLOSED."""
    with pytest.raises(IllegalTransition):
        following(BookState.CLOSED, event)


def test_live_is_reached_by_a_join_only() -> None:
    """No other event ends in LIVE."""
    for event, moves in TRANSITIONS.items():
        if event is not BookEvent.JOINED:
            assert BookState.LIVE not in moves.values()

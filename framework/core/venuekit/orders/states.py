"""The states of an order, and the only ways from one to the next.

    PENDING           the intent is on disk; the outcome of the placement is awaited
    UNKNOWN           the answer is lost: the venue may have the order or not
    ACCEPTED          the venue has taken it; it does not rest yet
    OPEN              it rests, or works, unfilled
    PARTIALLY_FILLED  part of it is filled, the rest works
    CANCELING         a cancel is under way and may lose the race
    FILLED, CANCELED, REJECTED, EXPIRED   over: never left

Reports come in any order, so every cause has an effect in every state, and "none" is written out as the state itself.
Whether a report is too old to count is decided before the table is asked (`facts.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from venuekit_spec import OrderStatus


class OrderState(StrEnum):
    """Where an order is, as far as this side knows."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether it is over: such a state is never left."""
        return self in TERMINAL


class Cause(StrEnum):
    """What moves an order."""

    LOST = "lost"
    """The answer to the placement is lost, or the process that awaited it is gone."""
    REFUSED = "refused"
    """Proof that the venue does not have it, and never told of it."""
    TAKEN = "taken"
    """The venue has it; nothing is said of resting."""
    RESTING = "resting"
    """The venue says that it is open."""
    TRADED = "traded"
    """Part of it is filled."""
    UNTRADED = "untraded"
    """The last fill was undone: nothing of it is filled any more."""
    CANCEL_ASKED = "cancel_asked"
    """We asked the venue to cancel it."""
    CANCEL_FAILED = "cancel_failed"
    """The venue did not cancel it."""
    CANCELING = "canceling"
    """The venue says that a cancel is under way."""
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


_P, _U, _A, _O, _T, _G, _F, _C, _R, _E = OrderState

TERMINAL: Final = frozenset({_F, _C, _R, _E})
_OVER: Final = {_F: _F, _C: _C, _R: _R, _E: _E}

TRANSITIONS: Final[dict[Cause, dict[OrderState, OrderState]]] = {
    Cause.LOST: {_P: _U, _U: _U, _A: _A, _O: _O, _T: _T, _G: _G, **_OVER},
    Cause.REFUSED: {_P: _R, _U: _R, _A: _A, _O: _O, _T: _T, _G: _G, **_OVER},
    Cause.TAKEN: {_P: _A, _U: _A, _A: _A, _O: _O, _T: _T, _G: _G, **_OVER},
    Cause.RESTING: {_P: _O, _U: _O, _A: _O, _O: _O, _T: _T, _G: _O, **_OVER},
    Cause.TRADED: {_P: _T, _U: _T, _A: _T, _O: _T, _T: _T, _G: _G, **_OVER},
    Cause.UNTRADED: {_P: _P, _U: _U, _A: _A, _O: _O, _T: _O, _G: _G, **_OVER},
    Cause.CANCEL_ASKED: {_P: _P, _U: _U, _A: _G, _O: _G, _T: _G, _G: _G, **_OVER},
    Cause.CANCEL_FAILED: {_P: _P, _U: _U, _A: _A, _O: _O, _T: _T, _G: _O, **_OVER},
    Cause.CANCELING: {_P: _G, _U: _G, _A: _G, _O: _G, _T: _G, _G: _G, **_OVER},
    Cause.FILLED: {_P: _F, _U: _F, _A: _F, _O: _F, _T: _F, _G: _F, **_OVER},
    Cause.CANCELED: {_P: _C, _U: _C, _A: _C, _O: _C, _T: _C, _G: _C, **_OVER},
    Cause.REJECTED: {_P: _R, _U: _R, _A: _R, _O: _R, _T: _R, _G: _R, **_OVER},
    Cause.EXPIRED: {_P: _E, _U: _E, _A: _E, _O: _E, _T: _E, _G: _E, **_OVER},
}

CAUSES: Final[dict[OrderStatus, tuple[Cause, ...]]] = {
    OrderStatus.PENDING: (Cause.TAKEN,),
    OrderStatus.OPEN: (Cause.RESTING,),
    OrderStatus.PARTIALLY_FILLED: (Cause.RESTING, Cause.TRADED),
    OrderStatus.CANCELING: (Cause.CANCELING,),
    OrderStatus.FILLED: (Cause.FILLED,),
    OrderStatus.CANCELED: (Cause.CANCELED,),
    OrderStatus.REJECTED: (Cause.REJECTED,),
    OrderStatus.EXPIRED: (Cause.EXPIRED,),
}
"""What a venue's status comes to."""

PROVISIONAL_CAUSES: Final[dict[OrderStatus, tuple[Cause, ...]]] = CAUSES | {
    OrderStatus.FILLED: (Cause.TRADED,),
    OrderStatus.CANCELED: (Cause.CANCELING,),
    OrderStatus.REJECTED: (),
    OrderStatus.EXPIRED: (Cause.CANCELING,),
}
"""The same while the venue may still take it back: it ends nothing."""


def following(state: OrderState, cause: Cause) -> OrderState:
    """The state after `cause`."""
    return TRANSITIONS[cause][state]

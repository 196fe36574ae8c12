"""The private side of one link: what it does with what a session says of the account.

Orders, fills, balances, positions and funding go to the account as they come; repeated ones are harmless there. Numbers of the
user stream are judged, and a hole is told: the account then asks the venue for what it may have missed. So it does after a
frame that could not be read, and after a hole in the numbers of the socket itself.

While two sockets of one account overlap, changes of balances (`Balance.delta`) count from the leading one only: adding a
change twice would be wrong. What falls between the two is asked for when the other takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from venuekit.sequences import HOLE, Sequences
from venuekit_spec import (
    Answer,
    Balance,
    BlockHeight,
    Fill,
    FundingPayment,
    OrderReport,
    Position,
    StreamSequence,
    UserMessage,
)


def _nobody(_answer: Answer) -> None:
    """Late answers are told to nobody."""


def _unheeded() -> None:
    """What changes is told to nobody."""


@frozen
class UserHandlers:
    """Who is told of an account's stream.

    `receive` has every message but the stream's own numbers. `hole` is told that messages may be missing, `opened` that the
    stream is whole from now on (what came before is to be asked for), `lost` that it is not, each but `opened` with the reason.
    `late` is told answers of calls that were given up, `changed` that a topic of the account or of its calls was confirmed or
    lost.
    """

    receive: Callable[[UserMessage], None]
    hole: Callable[[str], None]
    opened: Callable[[], None]
    lost: Callable[[str], None]
    late: Callable[[Answer], None] = _nobody
    changed: Callable[[], None] = _unheeded


class UserSide:
    """The user messages of one link. `leading`: it is the one that counts where two overlap."""

    def __init__(self, handlers: UserHandlers) -> None:
        self.leading = True
        self._tell = handlers
        self._sequences = Sequences()

    def handlers(self) -> Mapping[type, Callable[[Any], None]]:
        """What is done with each type of message."""
        receive = self._tell.receive
        return {
            OrderReport: receive,
            Fill: receive,
            FundingPayment: receive,
            Balance: self._on_balance,
            Position: receive,
            BlockHeight: receive,
            StreamSequence: self._on_sequence,
        }

    def unreadable(self) -> None:
        """A frame made no sense: it may have been for the account."""
        self._tell.hole("a frame could not be read")

    def _on_balance(self, balance: Balance) -> None:
        if self.leading or not balance.delta:
            self._tell.receive(balance)

    def _on_sequence(self, told: StreamSequence) -> None:
        if self._sequences.judge(told.scope, told.n) is HOLE:
            self.missing(self._sequences.before, told.n)

    def missing(self, before: int, n: int) -> None:
        """After number `before` came `n`: what lies between may have been for the account."""
        self._tell.hole(f"after message {before} came {n}")

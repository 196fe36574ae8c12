"""What a patch does to what is known of an order. Pure: no I/O, no clock.

Replies, reports, fills and answers to questions come in any order, twice, late. These rules make the end the same:

1. Every report is a patch: None is "not said". Each field keeps the venue's time at which it was said; an older word does not
   change it. A word without a time counts when it arrives.
2. What was filled only grows, unless the venue undoes a fill: the most that the venue told, or what the fills add up to,
   whichever is more. A live status that comes with a smaller number is older than what is known.
3. A terminal status always counts, since nothing can follow it; a terminal state is never left. Fills after it still count.
4. Fills are known by their key. A second report of a key completes what the first did not tell (fees, finality).
5. An order is complete when it is over and its final fills add up to what the venue said in the end. Where it never said a
   number, FILLED means the whole quantity and REJECTED nothing; otherwise somebody has to ask (`asked`).
6. Fills that add up to the quantity end an order, but not while an amendment is under way: it may have raised the quantity.
   An order sized in quote units ends by its status only.
7. Provisional words (reversible blocks) end nothing. An undone fill is taken out, and comes back only as a final or a newer
   one.
8. The venue's ids are attributes: an order may have several, and one that was replaced never becomes the current one again.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import evolve

from venuekit.orders.facts import NOTHING, OrderFacts
from venuekit.orders.states import CAUSES, PROVISIONAL_CAUSES, Cause, OrderState, following
from venuekit_spec import (
    Accepted,
    Fill,
    Finality,
    Instant,
    OrderNotFound,
    OrderReport,
    OrderStatus,
    Outcome,
    Placed,
    Refused,
    Rejected,
    Unit,
    Unknown,
    VenueError,
)

IDS: Final = 100
"""How many of its ids an order has at hand. The store has all."""


CANCEL_VANISHED: Final = "the venue took a cancel and did not carry it out"


class FillEffect(StrEnum):
    """What a fill did."""

    NEW = "new"
    COMPLETED = "completed"
    """It was known; something that was missing is told now."""
    KNOWN = "known"
    UNDONE = "undone"
    NOTED = "noted"
    """Undone before it was told: it will not count when it comes."""


class OrderPatches(OrderFacts):
    """The facts of an order, and what changes them. The methods are the `OrderTracker`'s to call."""

    # --- what the venue answered

    def placed(self, placed: Placed) -> None:
        """The outcome of the placement (its fills are told apart)."""
        match placed:
            case Accepted(report):
                self.report(report)
            case Rejected(error) if error.outcome is Outcome.REJECTED:
                self._refused(error)
            case Rejected(error) | Unknown(error):
                self.lost(error)

    def lost(self, error: VenueError | None) -> None:
        """Nobody knows whether the venue has it."""
        if not self.confirmed and not self.done:
            self.error = error
            self._move(Cause.LOST)

    def _refused(self, error: VenueError) -> None:
        if self.confirmed:
            self.doubt = self.doubt or f"refused although the venue told of it: {error}"
        elif not self.done:
            self.error = error
            self.reason = str(error)
            self._move(Cause.REFUSED)
            self._settle()

    def absent(self, reason: str) -> None:
        """Proof that the venue does not have it (any more)."""
        if self.done:
            return
        self.reason = reason
        if self.confirmed:
            self._final = self.filled
            self._end(Cause.CANCELED)
        else:
            self._move(Cause.REFUSED)
        self._settle()

    def missing(self) -> None:
        """The venue does not have it, which proves nothing yet."""
        self._doubt("the venue does not have it, which is no proof yet")

    def asked(self, *, fills: bool) -> None:
        """The venue was asked, and its answer has been reported here; `fills`: all its fills too."""
        self.doubt = ""
        if fills and self.done and self.expected is None:
            self._final = self.filled
        self._settle()

    # --- cancels and amendments

    def cancel_asked(self) -> None:
        """A cancel is about to be sent."""
        if not self.done:
            self.cancel_requested = True
            self._settle()

    def cancel_answered(self, placed: Placed, now: Instant = 0) -> None:
        """The outcome of a cancel, which came `now`: only a terminal report ends the order."""
        match placed:
            case Accepted(report):
                if self.cancel_requested:
                    self.cancel_taken = now
                self.report(report)
            case Rejected(error) if error.outcome is Outcome.REJECTED:
                self.cancel_requested = False
                self._move(Cause.CANCEL_FAILED)
                self._doubt_if_missing(error, "cancel")
                self._settle()
            case Rejected(error) | Unknown(error):
                # from now on only the venue can tell whether it is being cancelled
                self.cancel_requested, self.cancel_taken = False, None
                self._doubt(f"the outcome of a cancel is unknown: {error or 'no answer'}")

    def cancel_vanished(self) -> None:
        """The venue took a cancel, had the time to carry it out, and still says that the order is open."""
        if self.cancel_requested and not self.done:
            self.cancel_requested = False
            self.cancel_taken = None
            self.reason = CANCEL_VANISHED
            self._move(Cause.CANCEL_FAILED)
            self._settle()

    def amend_asked(self) -> None:
        """An amendment is about to be sent."""
        self.amending += 1

    def amend_answered(self, placed: Placed, price: Decimal | None, quantity: Decimal | None) -> None:
        """The outcome of an amendment; what was asked holds where the venue accepts it without saying what."""
        match placed:
            case Accepted(report):
                self.amending = max(self.amending - 1, 0)
                self.report(
                    evolve(
                        report,
                        price=price if report.price is None else report.price,
                        quantity=quantity if report.quantity is None else report.quantity,
                    )
                )
            case Rejected(error) if error.outcome is Outcome.REJECTED:
                self.amending = max(self.amending - 1, 0)
                self._doubt_if_missing(error, "amendment")
                self._settle()
            case Rejected(error) | Unknown(error):
                self._doubt(f"the outcome of an amendment is unknown: {error or 'no answer'}")

    def _doubt_if_missing(self, error: VenueError, what: str) -> None:
        if isinstance(error, OrderNotFound):
            self._doubt(f"the venue found no open order to carry out the {what} on")

    def _doubt(self, reason: str) -> None:
        if not self.done:
            self.doubt = reason

    # --- reports

    def report(self, report: OrderReport) -> None:
        """The venue said something of it."""
        if report.finality is Finality.UNDONE:
            self._retract(report)
            return
        said = self._said_filled(report)
        stale = 0 < report.time < self._status_at or (said is not None and said < self.filled)
        self._name(report.order_id, report.replaces, stale=stale)
        if report.status is not OrderStatus.REJECTED:
            self.confirmed = True
        self._say_terms(report)
        self._say_filled(report, said)
        terminal = report.status is not None and report.status.terminal
        if terminal and report.finality is Finality.FINAL:
            self._over(report, said)
        elif not self.done and not stale:
            self._live(report)
        self._settle()

    def _said_filled(self, report: OrderReport) -> Decimal | None:
        """The cumulative amount that a report says, or implies by what remains."""
        if report.filled is not None or report.remaining is None or self.intent.unit is Unit.QUOTE:
            return report.filled
        if report.status is not None and report.status.terminal and not report.remaining:
            return None  # nothing remains of what is over: some venues say so of cancelled orders too
        if report.quantity is None and self.amending:
            return None  # remains of which quantity?
        quantity = self.quantity if report.quantity is None else report.quantity
        return max(quantity - report.remaining, NOTHING)

    def _say_terms(self, report: OrderReport) -> None:
        if report.quantity is not None and not 0 < report.time < self._quantity_at:
            self.quantity = report.quantity
            self._quantity_at = max(self._quantity_at, report.time)
        if report.price is not None and not 0 < report.time < self._price_at:
            self.price = report.price
            self._price_at = max(self._price_at, report.time)

    def _say_filled(self, report: OrderReport, said: Decimal | None) -> None:
        undone = report.finality is not Finality.FINAL and 0 < report.time <= self._undone_at
        if said is None or undone or (self._told is not None and said < self._told):
            return
        self._told = said
        if report.average_price is not None and said:
            self._told_average = report.average_price
        if report.remaining is not None:
            self._told_remaining = report.remaining

    def _over(self, report: OrderReport, said: Decimal | None) -> None:
        if report.status is None:
            return
        if said is not None:
            self._final = said if self._final is None else max(self._final, said)
        self._status_at = max(self._status_at, report.time)
        self.provisional = None
        if not self.done:
            self.reason = report.reason or self.reason
            if report.status is OrderStatus.REJECTED:
                self.error = report.error or Refused(self.reason or "the venue rejected it without a word")
            self._end(*CAUSES[report.status])

    def _live(self, report: OrderReport) -> None:
        self._status_at = max(self._status_at, report.time)
        self.reason = report.reason or self.reason
        if report.status is None:
            if not self.known:
                self._move(Cause.TAKEN)
        elif report.status.terminal:
            self.provisional = report.status
            self._move(*PROVISIONAL_CAUSES[report.status])
        else:
            self.provisional = None
            self._move(*CAUSES[report.status])

    def _retract(self, report: OrderReport) -> None:
        """The venue takes back what it said provisionally."""
        self._undone_at = max(self._undone_at, report.time)
        self.provisional = None
        if self.done:
            return
        if self._told is not None:
            self._told = self._traded if report.filled is None else report.filled
        self._move(Cause.CANCEL_FAILED)
        if not self.filled:
            self._move(Cause.UNTRADED)
        self._settle()

    # --- fills

    def fill(self, fill: Fill) -> FillEffect:
        """One execution; what it changed."""
        if fill.finality is Finality.UNDONE:
            return self._undo(fill)
        undone = self._undone.get(fill.key)
        if undone is not None:
            if fill.finality is not Finality.FINAL and fill.time <= undone.time:
                return FillEffect.KNOWN
            del self._undone[fill.key]
        known = self._fills.get(fill.key)
        if known is not None:
            completed = _completed(known, fill)
            if completed == known:
                return FillEffect.KNOWN
            self._fills[fill.key] = completed
            self._add_up()
            self._settle()
            return FillEffect.COMPLETED
        self._name(fill.order_id, "", stale=True)
        self.confirmed = True
        self._fills[fill.key] = fill
        self._count(fill)
        self._settle()
        return FillEffect.NEW

    def _undo(self, fill: Fill) -> FillEffect:
        if fill.key in self._undone:
            return FillEffect.KNOWN
        self._undone[fill.key] = fill
        self._undone_at = max(self._undone_at, fill.time)
        known = self._fills.pop(fill.key, None)
        if self._told is not None:  # what was told may count it, also where the fill itself never came
            self._told = max(self._told - (known or fill).quantity, NOTHING)
        self._add_up()
        if not self.filled:
            self._move(Cause.UNTRADED)
        self._settle()
        return FillEffect.NOTED if known is None else FillEffect.UNDONE

    # --- what follows

    def _move(self, *causes: Cause) -> None:
        for cause in causes:
            self.state = following(self.state, cause)

    def _end(self, *causes: Cause) -> None:
        self._move(*causes)
        self.doubt = ""

    def _settle(self) -> None:
        """What follows from all that is known now."""
        if self.confirmed:
            if self.filled:
                self._move(Cause.TRADED)
            if self.cancel_requested:
                self._move(Cause.CANCEL_ASKED)
            if self._filled_up():
                self._end(Cause.FILLED)
            if self.state is not OrderState.REJECTED:
                self.error = None
        expected = self.expected
        if expected is not None and self._traded == self._traded_finally >= expected:
            self.complete = True
        if self.done:
            self.cancel_requested = False
        if not self.cancel_requested:
            self.cancel_taken = None
        if self.done or self.confirmed:
            self.payload = None  # nobody will send it again

    def _filled_up(self) -> bool:
        return (
            not self.done
            and self.intent.unit is Unit.BASE
            and not self.amending
            and self._traded_finally >= self.quantity
        )

    def _name(self, order_id: str, replaces: str, *, stale: bool) -> None:
        """An id of the venue's. One that is known already, or that comes with an old report, does not become the current."""
        new = order_id and order_id not in self.ids
        for name in (replaces, order_id):
            if name and name not in self.ids:
                self.ids = (*self.ids, name)[-IDS:]
        if new and (not stale or not self.order_id or (replaces and replaces == self.order_id)):
            self.order_id = order_id


def _completed(known: Fill, told: Fill) -> Fill:
    """A fill with what a second report of the same key adds; a final report outweighs a provisional one."""
    if known.finality is Finality.PROVISIONAL and told.finality is Finality.FINAL:
        known, told = told, known
    return evolve(
        known,
        order_id=known.order_id or told.order_id,
        client_order_id=known.client_order_id or told.client_order_id,
        fees=told.fees if known.fees is None else known.fees,
        liquidity=told.liquidity if known.liquidity is None else known.liquidity,
        time=known.time or told.time,
        received=known.received or told.received,
    )

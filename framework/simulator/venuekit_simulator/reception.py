"""The reception: one request at the venue, by HTTP, by socket, or for a socket, and what goes wrong with it.

    a placement is told of  ->  is everybody refused?  ->  what strikes before it is handled
                            ->  it is handled          ->  what strikes its reply

What the three have in common is a `Call`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from venuekit_simulator.calls import Call
from venuekit_simulator.engine_view import BookFault
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import MILLISECOND, CallKind, RefusalKind, after

if TYPE_CHECKING:
    from venuekit_simulator.venue import LocalVenue

_BLOCKS: Final[Mapping[FaultKind, RefusalKind]] = {
    FaultKind.RATE_LIMITED: RefusalKind.RATE_LIMITED,
    FaultKind.BANNED: RefusalKind.BANNED,
}


class Reception:
    """Serves the requests of one venue."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue

    def serve(self, call: Call) -> None:
        """One request, and what goes wrong with it."""
        now, venue_now = self._venue.timeline.now, self._venue.venue_now
        kind = call.kind(self._venue.dialect)
        if kind is CallKind.PLACE:
            for told in self._venue.on_placement:
                told(call.message)
        if (block := self._venue.gate.turn_down(now)) is not None:
            call.refuse(self._venue.dialect, block.kind, block.wait(now), venue_now)
            return
        strike = self._venue.injector.on_request(kind, call.transport, now)
        if strike is None:
            call.handle(self._venue.dialect, venue_now)
            call.reply()
            return
        fault = strike.fault
        if self._spoil_before(call, fault):
            return
        self._venue.view.fault = _book_fault(fault)
        call.handle(self._venue.dialect, self._venue.venue_now)
        self._venue.view.fault = None
        match fault.kind:
            case FaultKind.ERROR_AFTER:
                call.refuse(
                    self._venue.dialect, RefusalKind.OVERLOADED, 0.0, self._venue.venue_now, fault.status
                )
            case FaultKind.LOST:
                call.lose(cut=fault.cut)
            case FaultKind.SLOW:
                call.reply(later=fault.seconds)
            case FaultKind.EVENTS_FIRST:
                self._venue.tell()
                heard = max((socket.last_arrival for socket in self._venue.sockets), default=0)
                call.reply(not_before=heard + MILLISECOND)
            case _:
                call.mangle(fault.kind, strike.dice)
                call.reply()

    def _spoil_before(self, call: Call, fault: Fault) -> bool:
        """What goes wrong before the request is handled; whether it is not handled any more."""
        match fault.kind:
            case FaultKind.CUT:
                call.lose(cut=True)
            case FaultKind.STALL:
                call.stall()
            case FaultKind.ERROR_BEFORE:
                call.refuse(
                    self._venue.dialect, RefusalKind.OVERLOADED, 0.0, self._venue.venue_now, fault.status
                )
            case FaultKind.RATE_LIMITED | FaultKind.BANNED:
                block = self._venue.gate.refuse_all(
                    _BLOCKS[fault.kind], after(self._venue.timeline.now, fault.seconds)
                )
                call.refuse(self._venue.dialect, block.kind, fault.seconds, self._venue.venue_now)
            case FaultKind.RESTART | FaultKind.UNREACHABLE:
                self._venue.strike(fault)
                call.lose(cut=True)
            case FaultKind.CLOCK_SKEW | FaultKind.EXPIRE_TOKENS:
                self._venue.strike(fault)
                return False
            case _:
                return False
        return True


def _book_fault(fault: Fault) -> BookFault | None:
    match fault.kind:
        case FaultKind.STALE_SNAPSHOT:
            return BookFault(updates=fault.updates)
        case FaultKind.CROSSED_SNAPSHOT:
            return BookFault(crossed=True)
        case _:
            return None

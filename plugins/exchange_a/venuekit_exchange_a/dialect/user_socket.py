"""The user stream: numbered frames of one account, as long as its token lives. PROTOCOL.md, "User stream".

An order is told wholly the first time on this socket, afterwards by what has changed. What the engine tells of one trade comes
as the order, then its fill, then the balances.
"""

from __future__ import annotations

from typing import Any, Final

from venuekit_exchange_a.dialect import writing
from venuekit_exchange_a.dialect.frames import TOO_MANY, TOO_OLD, Frames, send
from venuekit_exchange_a.dialect.tokens import Tokens
from venuekit_exchange_a.payloads import Order
from venuekit_spec import (
    BalanceChanged,
    Engine,
    EngineEvent,
    Hangup,
    Instant,
    OrderChanged,
    Seconds,
    Send,
    ServerOutputs,
    after,
)

BEAT: Final[Seconds] = 10.0
EXPIRED: Final = 4001
"""The code with which a socket is closed whose token is worthless."""

_BEAT: Final = "beat"
_TOKEN: Final = "token"  # noqa: S105  # the name of a timer


class UserSocket:
    """One client's user stream."""

    def __init__(self, engine: Engine, tokens: Tokens, token: str, account: str) -> None:
        self._engine = engine
        self._tokens = tokens
        self._token = token
        self._account = account
        self._frames = Frames()
        self._number = 0
        self._told: dict[str, Order] = {}
        self._expired = False

    def opened(self, now: Instant) -> ServerOutputs:
        """A welcome: frame number one."""
        self._frames.opened(now)
        return (self._frame("welcome", now), *self._alarm())

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """Nothing: there is nothing to ask for here."""
        return () if self._frames.allows(now) else TOO_MANY

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the account."""
        if self._worthless(now):
            return self._expire(now)
        if isinstance(event, OrderChanged) and event.order.account == self._account:
            return self._order(event, now)
        if isinstance(event, BalanceChanged) and event.account == self._account:
            return (self._frame("balance", now, writing.balance(event.balance)),)
        return ()

    def tick(self, now: Instant) -> ServerOutputs:
        """A beat, the end of the token, or of the socket."""
        self._frames.woken()
        if self._worthless(now):
            return self._expire(now)
        if now >= self._frames.ends:
            return TOO_OLD
        if now >= self._frames.due[_BEAT]:
            return (self._frame("beat", now), *self._alarm())
        return self._alarm()

    def closed(self) -> None:
        """The client is gone."""
        self._told.clear()

    def _worthless(self, now: Instant) -> bool:
        return self._tokens.account(self._token, now) != self._account

    def _expire(self, now: Instant) -> ServerOutputs:
        """Say once that the token is worthless, and hang up."""
        if self._expired:
            return ()
        self._expired = True
        return (self._frame("expired", now), Hangup(EXPIRED, "the token has expired"))

    def _order(self, event: OrderChanged, now: Instant) -> ServerOutputs:
        instruments = self._engine.instruments
        order = writing.order(event.order, instruments)
        before = self._told.get(order.order_id)
        self._told[order.order_id] = order
        if event.order.status.terminal:
            del self._told[order.order_id]
        frames = [self._frame("order", now, order if before is None else writing.change(before, order))]
        if event.execution is not None:
            frames.append(self._frame("fill", now, writing.execution(event.execution, instruments)))
        return frames

    def _frame(self, type_: str, now: Instant, data: Any = None) -> Send:
        """The next frame; a beat is due `BEAT` seconds after it."""
        self._number += 1
        self._frames.due[_BEAT] = after(now, BEAT)
        told = {} if data is None else {"data": data}
        return send({"n": self._number, "type": type_, **told})

    def _alarm(self) -> ServerOutputs:
        """Wake for the next beat, and for the end of the token, which a renewal moves."""
        self._frames.due[_TOKEN] = self._tokens.expires(self._token)
        return self._frames.wake()

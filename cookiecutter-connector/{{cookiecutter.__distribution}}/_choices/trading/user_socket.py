"""The private stream: a login, then what concerns the account, in numbered frames."""

from __future__ import annotations

from typing import Any, Final

from venuekit_spec import (
    SECOND,
    BalanceChanged,
    EngineEvent,
    Hangup,
    Instant,
    OrderChanged,
    ServerOutput,
    ServerOutputs,
    Wake,
)

from {{ cookiecutter.__package }}.dialect.refusals import No
from {{ cookiecutter.__package }}.dialect.requests import Requests, executed, held, told
from {{ cookiecutter.__package }}.dialect.writing import send
from {{ cookiecutter.__package }}.user_stream import UserFrame

BEAT: Final = 10 * SECOND


class UserSocket:
    """One client's private stream."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._epoch = requests.epoch
        self._account = ""
        self._number = 0

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client logs in first."""
        return ()

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """The login."""
        try:
            self._account = self._requests.keys.login(frame, now)
        except No as no:
            return (self._frame(error=no.code), Hangup(4001, "the login was refused"))
        return (self._frame(login=True), Wake(now + BEAT))

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the account."""
        instruments = self._requests.engine.instruments
        outputs: list[ServerOutput] = []
        if isinstance(event, OrderChanged) and event.order.account == self._account:
            outputs.append(self._frame(order=told(event.order, instruments)))
            if event.execution is not None:
                outputs.append(self._frame(fill=executed(event.execution, instruments)))
        if isinstance(event, BalanceChanged) and event.account == self._account:
            outputs.append(self._frame(balance=held(event.balance)))
        return outputs

    def tick(self, now: Instant) -> ServerOutputs:
        """A beat, or the end where the login is worthless by now."""
        if self._epoch != self._requests.epoch:
            return (Hangup(4001, "the login has expired"),)
        return (self._frame(), Wake(now + BEAT))

    def closed(self) -> None:
        """The client is gone."""
        self._account = ""

    def _frame(self, **news: Any) -> ServerOutput:
        self._number += 1
        return send(UserFrame(self._number, **news))

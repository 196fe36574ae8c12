"""Wrapping: exchange_a with one hook's result replaced, so that one thing is wrong and everything else is as it was."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from attrs import evolve

import venuekit_exchange_a as honest
from venuekit import connect, load_connector
from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_exchange_a.data_source import ExchangeADataSource
from venuekit_exchange_a.market import ExchangeAMarket
from venuekit_exchange_a.user_stream import ExchangeAUserStream
from venuekit_spec import (
    Credentials,
    Description,
    Environment,
    Flow,
    InstrumentTable,
    NetworkError,
    OrderEntry,
    Outputs,
    Request,
    Response,
    VenuekitError,
    hookimpl,
)
from venuekit_testkit import Subject

VENUE = "exchange_a"


def mutant(
    *,
    source: type[ExchangeADataSource] = ExchangeADataSource,
    signer: type[ExchangeAAuth] = ExchangeAAuth,
    trading: type[ExchangeAMarket] = ExchangeAMarket,
    stream: type[ExchangeAUserStream] = ExchangeAUserStream,
    description: Description | None = None,
    module: str = "venuekit_exchange_a",
    search: tuple[str, ...] = (),
) -> Subject:
    """exchange_a with these in place of its own."""
    described = description or honest.describe()

    @hookimpl
    def describe() -> Description:
        return described

    @hookimpl
    def data_source(environment: Environment) -> ExchangeADataSource:
        return source(environment)

    @hookimpl
    def auth(credentials: Credentials) -> ExchangeAAuth:
        return signer(credentials)

    @hookimpl
    def market(
        environment: Environment, instruments: InstrumentTable, order_entry: OrderEntry
    ) -> ExchangeAMarket:
        return trading(environment, instruments, order_entry)

    @hookimpl
    def user_stream(environment: Environment) -> ExchangeAUserStream:
        return stream(environment)

    plugin = SimpleNamespace(
        describe=describe, data_source=data_source, auth=auth, market=market, user_stream=user_stream
    )
    installed = evolve(load_connector(VENUE).installed, module=module)
    return evolve(Subject.of(VENUE), connector=connect(plugin, VENUE, installed), search=search)


class Bent:
    """A session whose output is bent, frame by frame."""

    def __init__(
        self, within: Any, bend: Callable[[Any], Any], feed: Callable[..., Outputs] | None = None
    ) -> None:
        self._within = within
        self._bend = bend
        self._feed = feed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def feed(self, frame: bytes, now: int) -> Outputs:
        told = self._within.feed(frame, now) if self._feed is None else self._feed(self._within, frame, now)
        bent = [self._bend(output) for output in told]
        return [output for output in bent if output is not None]


def bent_source(bend: Callable[[Any], Any], feed: Any = None) -> type[ExchangeADataSource]:
    """A data source whose sessions are bent."""

    class Source(ExchangeADataSource):
        def session(self, dial: Any, instruments: InstrumentTable) -> Any:
            return Bent(super().session(dial, instruments), bend, feed)

    return Source


def bent_stream(bend: Callable[[Any], Any]) -> type[ExchangeAUserStream]:
    """A user stream whose sessions are bent."""

    class Stream(ExchangeAUserStream):
        def session(self, dial: Any, instruments: InstrumentTable) -> Any:
            return Bent(super().session(dial, instruments), bend)

    return Stream


def answered(flow: Flow[Any], change: Callable[[Request, Response], Response]) -> Flow[Any]:
    """A flow whose answers are changed before it sees them; what is thrown is thrown."""
    request = next(flow)
    while True:
        try:
            response = yield request
        except VenuekitError as error:
            try:
                request = flow.throw(error)
            except StopIteration as end:
                return end.value
            continue
        try:
            request = flow.send(change(request, response))
        except StopIteration as end:
            return end.value


__all__ = ["Bent", "NetworkError", "answered", "bent_source", "bent_stream", "mutant"]

"""The private stream of an account: a login on the socket, then numbered frames, at least one each ten seconds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder
from venuekit_spec import (
    NOTHING,
    Channel,
    Dial,
    Environment,
    Flow,
    Instant,
    InstrumentTable,
    Login,
    Output,
    Outputs,
    Redial,
    Session,
    SocketRequest,
    StreamSequence,
    Topic,
    TopicLive,
    TopicLost,
    Unsupported,
    decode,
)

from {{ cookiecutter.__package }} import orders as words
from {{ cookiecutter.__package }}.payloads import VENUE


class UserFrame(Struct, frozen=True, omit_defaults=True):
    """``{"n":1,"login":true}`` · ``{"n":2,"order":{...}}`` · ``{"n":3,"fill":{...}}`` · ``{"n":4,"balance":{...}}``
    · ``{"n":5}`` · ``{"n":1,"error":"signature"}``
    """

    n: int
    login: bool = False
    error: str = ""
    order: words.Told | None = None
    fill: words.Execution | None = None
    balance: words.Holding | None = None


_frame = Decoder(UserFrame)


class VenueUserStream:
    """Where the stream is. Raises `LocalError` if the environment lacks a "user" URL."""

    def __init__(self, environment: Environment) -> None:
        self._url = environment.url("user")

    def topics(self) -> Collection[Topic]:
        """One, of the whole account."""
        return (Topic(Channel.USER),)

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """Without a request: the session logs in."""
        yield from ()
        return Dial(self._url, ping=10.0, silence=25.0)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return UserSession(instruments)


class UserSession:
    """One socket."""

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._waiting: frozenset[Topic] = frozenset()
        self._wanted: frozenset[Topic] = frozenset()
        self._live = False

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: log in."""
        return (Login(),)

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """The stream of the account is live with the login; there is no other topic."""
        new = topics - self._wanted
        self._wanted, self._waiting = topics, (self._waiting & topics) | new
        lost = [topic for topic in new if topic.channel is not Channel.USER]
        self._waiting = self._waiting.difference(lost)
        return [*(TopicLost(topic, "this socket has the account only") for topic in lost), *self._news()]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: the stream takes no calls."""
        raise Unsupported(f"the stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage`; its number is then not told, so that the hole is seen."""
        told = decode(_frame, frame, Channel.USER.value, venue=VENUE)
        if told.error:
            return (Redial(f"the login was refused: {told.error}"),)
        self._live = self._live or told.login
        outputs: list[Output] = [StreamSequence(told.n)]
        if told.order is not None:
            outputs.append(words.report(told.order, self._instruments, now))
        if told.fill is not None:
            outputs.append(words.fill(told.fill, self._instruments, now))
        if told.balance is not None:
            outputs.append(words.balance(told.balance, now))
        return [*self._news(), *outputs]

    def tick(self, now: Instant) -> Outputs:
        """Nothing is awaited."""
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone."""
        self._live = False

    def _news(self) -> Outputs:
        """Say once that the stream is live."""
        if not self._live:
            return NOTHING
        live, self._waiting = self._waiting, frozenset()
        return [TopicLive(topic) for topic in live]

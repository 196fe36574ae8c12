"""The account stream: a challenge, its signed answer, and numbered news of one account.

====================  ==========================================================================================
when                  what
====================  ==========================================================================================
the socket opens      the venue sends a challenge; `Login` has it signed, and the answer is sent
the login is taken    the topic is live; from then on news of the account come, with each block at least
it is refused         the topic is lost; a new socket is a new challenge
each frame of news    has a number that rises by one from 1, on each socket: `StreamSequence`
====================  ==========================================================================================

What a block did is told as provisional; the next block makes it final, or takes it back (undone).

PROTOCOL.md, "Account stream".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from venuekit_exchange_b import orders as words
from venuekit_exchange_b.data_source import dial_of
from venuekit_exchange_b.payloads import VENUE, AccountFrame, News, Pong
from venuekit_spec import (
    NOTHING,
    Channel,
    Dial,
    Environment,
    Flow,
    Instant,
    InstrumentTable,
    Login,
    MalformedMessage,
    Output,
    Outputs,
    Send,
    Session,
    SocketRequest,
    StreamSequence,
    Topic,
    TopicLive,
    TopicLost,
    Unsupported,
    decode,
)

_frame = msgspec.json.Decoder(AccountFrame)
_news = msgspec.json.Decoder[News](News)

TOPIC = Channel.USER.value


class ExchangeBUserStream:
    """The private side of one account. Raises `LocalError` if the environment lacks an "account" URL."""

    def __init__(self, environment: Environment) -> None:
        self._account = environment.url("account")

    def topics(self) -> Collection[Topic]:
        """The whole account."""
        return (Topic(Channel.USER),)

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The account stream, without a request; the login comes on it."""
        yield from ()
        return dial_of(self._account)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return AccountSession(instruments)


class AccountSession:
    """One socket of the account stream."""

    __slots__ = ("_instruments", "_live", "_refused", "_told", "_wanted")

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._wanted: frozenset[Topic] = frozenset()
        self._told: frozenset[Topic] = frozenset()
        self._live = False
        self._refused = ""

    def opened(self, now: Instant) -> Outputs:
        """Nothing: the venue speaks first."""
        return NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """The stream of the account is live once the login is taken; any other topic is lost for good."""
        self._wanted = topics
        self._told &= topics
        return self._report()

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: actions go by REST."""
        raise Unsupported(f"the account stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A message. Raises `MalformedMessage`; the number is then not told, so that the hole is seen."""
        told = decode(_frame, frame, TOPIC, venue=VENUE)
        if told.n is not None:
            news = [decode(_news, each, TOPIC, venue=VENUE) for each in told.news]
            read = [words.message(each, self._instruments, now) for each in news]
            return [StreamSequence(told.n), *read]
        if told.ping is not None:
            return (Send(msgspec.json.encode(Pong(told.ping)).decode()),)
        if told.challenge is not None:
            return (Login(told.challenge),)
        if told.error is not None:
            self._refused = told.error.text or told.error.label
            return self._report()
        if told.login:
            self._live = True
            return self._report()
        raise MalformedMessage("nothing that is known", venue=VENUE, topic=TOPIC, frame=frame)

    def tick(self, now: Instant) -> Outputs:
        """Nothing: this session has no timers."""
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone, and its login with it."""
        self._live = False

    def _report(self) -> Outputs:
        """What is to be said of the topics that are wanted and of which nothing was said yet."""
        outputs: list[Output] = []
        for topic in self._wanted - self._told:
            if topic.channel is not Channel.USER:
                outputs.append(TopicLost(topic, "this socket only carries the account stream"))
            elif self._refused:
                outputs.append(TopicLost(topic, f"the login was refused: {self._refused}"))
            elif self._live:
                outputs.append(TopicLive(topic))
            else:
                continue
            self._told |= {topic}
        return outputs

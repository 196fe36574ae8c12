"""The private stream of an account: its token, its socket, its frames.

===================  ===========================================================================================
when                 what
===================  ===========================================================================================
dialling             a token is asked for; it stands in the URL, which therefore is never shown
each 30 minutes      the token is renewed, which gives it another 60; a renewal that fails is tried again each minute
the token is gone    the venue says so and closes; or a renewal is refused: a new socket with a new token
each frame           has a number that rises by one from 1, on each socket: `StreamSequence`, whatever else it holds
each 10 seconds      at least a ``beat`` comes, so that the loss of the last frame is noticed too
===================  ===========================================================================================

PROTOCOL.md, "User stream".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from venuekit_exchange_a import orders as words
from venuekit_exchange_a import payloads
from venuekit_exchange_a.calls import CallSession
from venuekit_exchange_a.endpoints import NEW_TOKEN, RENEW_TOKEN, Endpoint
from venuekit_exchange_a.errors import raise_for_error
from venuekit_exchange_a.payloads import VENUE, Execution, Order, Token, UserFrame
from venuekit_spec import (
    NOTHING,
    Channel,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    Instant,
    InstrumentTable,
    Output,
    Outputs,
    Redial,
    Refused,
    Run,
    Seconds,
    Session,
    SocketRequest,
    StreamSequence,
    Topic,
    TopicLive,
    TopicLost,
    Unsupported,
    VenueError,
    Wake,
    after,
    decode,
    http,
)

RENEWAL: Final[Seconds] = 1_800.0
"""How often a token is renewed: half its life."""

RETRY: Final[Seconds] = 60.0
"""After a renewal that failed."""

PING: Final[Seconds] = 15.0
SILENCE: Final[Seconds] = 25.0
"""Two beats have gone missing; on a socket of calls, our pings."""

LIFETIME: Final[Seconds] = 86_400.0

RENEW: Final = "renew"
"""The tag of the flow that renews the token."""

_TOKEN: Final = "token"  # noqa: S105  # the name of a field
_ENDPOINT: Final = "endpoint"

_token = msgspec.json.Decoder(Token)
_frame = msgspec.json.Decoder(UserFrame)
_order = msgspec.json.Decoder(Order)
_execution = msgspec.json.Decoder(Execution)
_balance = msgspec.json.Decoder(payloads.Balance)


class ExchangeAUserStream:
    """The private sockets of one account. Raises `LocalError` if the environment lacks one of their URLs."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._user = environment.url("user")
        self._calls = environment.url("calls")

    def topics(self) -> Collection[Topic]:
        """The stream of the whole account, and the socket that takes calls; each at an endpoint of its own."""
        return (Topic(Channel.USER), Topic(Channel.CALLS))

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The socket for calls without a request; the user stream with a token, for which it asks."""
        if all(topic.channel is Channel.CALLS for topic in topics):
            return Dial(
                self._calls,
                ping=PING,
                silence=2 * SILENCE,
                lifetime=LIFETIME,
                context={_ENDPOINT: Channel.CALLS.value},
            )
        told = yield from self._ask(NEW_TOKEN)
        return Dial(
            f"{self._user}/{told.token}",
            ping=PING,
            silence=SILENCE,
            lifetime=LIFETIME,
            secret_url=True,
            context={_ENDPOINT: Channel.USER.value, _TOKEN: told.token},
        )

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        if dial.context.get(_ENDPOINT) == Channel.CALLS.value:
            return CallSession(instruments)
        token = dial.context.get(_TOKEN, "")
        return UserSession(instruments, lambda: self._ask(RENEW_TOKEN, f"?token={token}"))

    def _ask(self, endpoint: Endpoint, query: str = "") -> Flow[Token]:
        request = HttpRequest(
            endpoint.method,
            f"{self._rest}{endpoint.path}{query}",
            costs=endpoint.costs,
            signed=True,
            repeatable=True,  # a token too many harms nobody
            label=endpoint.name,
        )
        response = yield from http(request)
        raise_for_error(response, endpoint.name)
        return decode(_token, response.body, endpoint.name, venue=VENUE)


class UserSession:
    """One socket of the user stream. `renew` makes the flow that renews its token."""

    __slots__ = ("_instruments", "_live", "_renew", "_told", "_wanted")

    def __init__(self, instruments: InstrumentTable, renew: Callable[[], Flow[Token]]) -> None:
        self._instruments = instruments
        self._renew = renew
        self._wanted: frozenset[Topic] = frozenset()
        self._told: frozenset[Topic] = frozenset()
        self._live = False

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: the token is to be renewed in half an hour."""
        return (Wake(after(now, RENEWAL)),)

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """The stream of the account is live with its first frame; any other topic is lost for good."""
        self._wanted = topics
        self._told &= topics
        return self._news()

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: calls have a socket of their own."""
        raise Unsupported(f"the user stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage`; the number is then not told, so that the hole is seen."""
        head = decode(_frame, frame, Channel.USER.value, venue=VENUE)
        read = self._read(head, now)
        self._live = True
        return [*self._news(), StreamSequence(head.n), *read]

    def tick(self, now: Instant) -> Outputs:
        """It is time to renew the token."""
        return (Wake(after(now, RENEWAL)), Run(RENEW, self._renew()))

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """The token was renewed or not: one that the venue refuses is worthless, anything else is tried again soon."""
        if tag != RENEW or not isinstance(result, VenueError):
            return NOTHING
        if isinstance(result, Refused) and not result.retryable:
            return (Redial("the token was not renewed"),)
        return (Wake(after(now, RETRY)),)

    def closed(self, reason: str) -> None:
        """The socket is gone, and the token with it: the next one gets its own."""
        self._live = False

    def _read(self, head: UserFrame, now: Instant) -> Outputs:
        """What a frame holds; kinds that are not known hold nothing for us."""
        if head.type == "order":
            order = decode(_order, head.data, Channel.USER.value, venue=VENUE)
            return (words.report(order, self._instruments, now),)
        if head.type == "fill":
            execution = decode(_execution, head.data, Channel.USER.value, venue=VENUE)
            return (words.fill(execution, self._instruments, now),)
        if head.type == "balance":
            return (words.balance(decode(_balance, head.data, Channel.USER.value, venue=VENUE), now),)
        if head.type == "expired":
            return (Redial("the token has expired"),)
        return NOTHING

    def _news(self) -> Outputs:
        """What is to be said of the topics that are wanted and of which nothing was said yet."""
        news: list[Output] = []
        for topic in self._wanted - self._told:
            if topic.channel is not Channel.USER:
                news.append(TopicLost(topic, "this socket only carries the user stream"))
            elif self._live:
                news.append(TopicLive(topic))
            else:
                continue
            self._told |= {topic}
        return news

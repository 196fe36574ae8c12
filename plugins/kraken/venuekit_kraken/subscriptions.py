"""Subscriptions on Kraken's public socket: what is wanted, and what the venue knows of it.

A *stream* is one channel of one symbol: the venue knows no finer name, and allows one depth of it per connection. Each is in
one phase. An answer to a request comes once per symbol, in any order, and data may come before it:

========  =====================  =======================  ========================  ===================  ==========
phase     wanted                 no longer wanted         answer: success           answer: failure      data
========  =====================  =======================  ========================  ===================  ==========
(none)    subscribe -> ASKED                                                                             dropped
ASKED                            unsubscribe -> LEAVING   TopicLive -> LIVE         TopicLost -> (none)  passed on
LIVE                             unsubscribe -> LEAVING                                                  passed on
LEAVING   remembered             forgotten                if wanted again:          (as success)         dropped
                                                          subscribe -> ASKED,
                                                          else -> (none)
========  =====================  =======================  ========================  ===================  ==========

A repair leaves a topic out and wants it again. The new subscription is sent only once the end of the old one is confirmed,
and what arrives between is dropped: so a late update, or a late snapshot, of the old one never passes for the new one's.

* A request that is not answered within `ANSWER_WITHIN` loses the symbols that are missing, and nothing else.
* A topic that was refused for good is not asked for again until it has been left out once.
* Trades are subscribed to without the venue's snapshot of the last 50: none comes twice after a resubscription.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.json import encode

from venuekit_kraken.description import BOOK_DEPTHS
from venuekit_kraken.payloads import VENUE, Parameters, Subscribed, Subscription, SubscriptionAnswer
from venuekit_spec import (
    NOTHING,
    Channel,
    Instant,
    InstrumentTable,
    Output,
    Outputs,
    Seconds,
    Send,
    Topic,
    TopicLive,
    TopicLost,
    after,
)

ANSWER_WITHIN: Final[Seconds] = 10.0
"""How long a subscription may go unanswered."""

BATCH: Final = 100
"""Symbols in one request."""

FINAL_REFUSAL: Final = "Currency pair not"
"""How a refusal begins that no later attempt would change ("Currency pair not supported XYZ/USD")."""

WIRE_CHANNELS: Final[Mapping[Channel, str]] = MappingProxyType({
    Channel.BOOK: "book",
    Channel.TRADES: "trade",
    Channel.TOP: "ticker",
})  # fmt: skip
"""What the venue calls the channels."""

VARIANTS: Final[Mapping[str, Collection[str]]] = MappingProxyType({
    "book": BOOK_DEPTHS.keys(),
    "trade": {""},
    "ticker": {""},
})  # fmt: skip
"""Which `Topic.variant` each channel of the venue has."""


class _Phase(Enum):
    ASKED = auto()
    LIVE = auto()
    LEAVING = auto()


class _Key(NamedTuple):
    """A stream, in the venue's words."""

    channel: str
    symbol: str


class _Stream(Struct):
    """What is known of a stream on the wire. `request` is the id of the last request about it."""

    topic: Topic
    phase: _Phase
    request: int


class _Request(Struct):
    """A request, and the streams for which its answer is still to come."""

    method: Literal["subscribe", "unsubscribe"]
    open: set[_Key]
    deadline: Instant


class Subscriptions:
    """The streams of one connection. See the module."""

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._open = False
        self._wanted: dict[_Key, Topic] = {}
        self._refused: set[Topic] = set()
        self._streams: dict[_Key, _Stream] = {}
        self._requests: dict[int, _Request] = {}
        self._last_id = 0

    @property
    def wanted(self) -> Collection[Topic]:
        """The topics that are wanted and were not refused."""
        return self._wanted.values()

    @property
    def deadline(self) -> Instant | None:
        """When the first open request will have waited too long; None without one."""
        return min((request.deadline for request in self._requests.values()), default=None)

    def opened(self, now: Instant) -> list[Output]:
        """The socket is open: subscribe to what is wanted already."""
        self._open = True
        return self._subscribe(self._wanted, now)

    def closed(self) -> None:
        """The socket is gone, and every stream with it."""
        self._open = False
        self._streams.clear()
        self._requests.clear()

    def want(self, topics: frozenset[Topic], now: Instant) -> list[Output]:
        """Subscribe and unsubscribe until exactly `topics` are subscribed."""
        self._wanted, out = self._sort_out(topics)
        if not self._open:
            return out
        gone = [
            key
            for key, stream in self._streams.items()
            if stream.phase is not _Phase.LEAVING and self._wanted.get(key) != stream.topic
        ]
        return [*out, *self._unsubscribe(gone, now), *self._subscribe(self._wanted, now)]

    def answer(self, answer: SubscriptionAnswer, method: str, now: Instant) -> Outputs:
        """One symbol of a request was answered, or all that are left of it when the answer names none.

        An answer without a request id is taken by what it names: the venue ended a stream, or a tape is played whose
        requests had none.
        """
        named = answer.result or Subscribed()
        symbol = named.symbol or answer.symbol or ""
        if answer.req_id is None:
            return self._settle(_Key(named.channel, symbol), method, answer, now)
        request = self._requests.get(answer.req_id)
        if request is None or (answer.success and not symbol):
            return NOTHING
        keys = [key for key in request.open if not symbol or key.symbol == symbol]
        request.open.difference_update(keys)
        if not request.open:
            del self._requests[answer.req_id]
        out: list[Output] = []
        for key in keys:
            stream = self._streams.get(key)
            if stream is not None and stream.request == answer.req_id:
                out += self._settle(key, request.method, answer, now)
        return out

    def overdue(self, now: Instant) -> list[Output]:
        """Give up on the requests that have waited too long."""
        out: list[Output] = []
        for number, request in [*self._requests.items()]:
            if now >= request.deadline:
                del self._requests[number]
                out += self._unanswered(number, request, now)
        return out

    def topic(self, channel: str, symbol: str) -> Topic | None:
        """The topic that data belong to; None if they belong to none, or to one that is being left."""
        stream = self._streams.get(_Key(channel, symbol))
        return None if stream is None or stream.phase is _Phase.LEAVING else stream.topic

    def next_id(self) -> int:
        """A request id that was not used on this connection."""
        self._last_id += 1
        return self._last_id

    def _sort_out(self, topics: frozenset[Topic]) -> tuple[dict[_Key, Topic], list[Output]]:
        """The streams that `topics` come to, and the loss of those that come to none.

        A topic that is held already goes first: of two depths of one book it is the newcomer that is refused.
        """
        held = set(self._wanted.values())
        self._refused &= topics
        wanted: dict[_Key, Topic] = {}
        lost: list[Output] = []
        for topic in sorted(topics - self._refused, key=lambda topic: (topic not in held, str(topic))):
            channel = WIRE_CHANNELS.get(topic.channel, "")
            if topic.variant not in VARIANTS.get(channel, ()):
                reason = f"{VENUE} has no such stream"
            elif topic.instrument not in self._instruments:
                reason = f"{VENUE} has no such instrument"
            else:
                key = _Key(channel, self._instruments[topic.instrument].native["socket"])
                if wanted.setdefault(key, topic) is topic:
                    continue
                reason = f"one depth per socket, and {wanted[key]} is subscribed to"
            self._refused.add(topic)
            lost.append(TopicLost(topic, reason))
        return wanted, lost

    def _subscribe(self, keys: Iterable[_Key], now: Instant) -> list[Output]:
        """Ask for those streams that are wanted and not known to the venue."""
        new = [key for key in keys if key in self._wanted and key not in self._streams]
        for key in new:
            self._streams[key] = _Stream(self._wanted[key], _Phase.ASKED, 0)
        return self._request("subscribe", new, now)

    def _unsubscribe(self, keys: Iterable[_Key], now: Instant) -> list[Output]:
        gone = [*keys]
        for key in gone:
            self._streams[key].phase = _Phase.LEAVING
        return self._request("unsubscribe", gone, now)

    def _request(
        self, method: Literal["subscribe", "unsubscribe"], keys: Iterable[_Key], now: Instant
    ) -> list[Output]:
        """As few frames as say it: one per channel, depth and `BATCH` of symbols."""
        groups: dict[tuple[str, int | None], list[_Key]] = {}
        for key in sorted(keys):
            depth = BOOK_DEPTHS[self._streams[key].topic.variant] if key.channel == "book" else None
            groups.setdefault((key.channel, depth), []).append(key)
        out: list[Output] = []
        for (channel, depth), group in groups.items():
            for start in range(0, len(group), BATCH):
                batch, number = group[start : start + BATCH], self.next_id()
                for key in batch:
                    self._streams[key].request = number
                self._requests[number] = _Request(method, set(batch), after(now, ANSWER_WITHIN))
                parameters = Parameters(
                    channel,
                    [key.symbol for key in batch],
                    depth,
                    snapshot=channel != "trade" if method == "subscribe" else None,
                    event_trigger="bbo" if channel == "ticker" else None,
                )
                out.append(Send(encode(Subscription(method, parameters, number)).decode()))
        return out

    def _settle(self, key: _Key, method: str, answer: SubscriptionAnswer, now: Instant) -> Outputs:
        stream = self._streams.get(key)
        if stream is None:
            return NOTHING
        if method == "unsubscribe":
            if stream.phase is _Phase.LEAVING:
                return self._left(key, now)
            del self._streams[key]
            return (TopicLost(stream.topic, "the venue ended the subscription", final=False),)
        if stream.phase is not _Phase.ASKED:
            return NOTHING
        if answer.success:
            stream.phase = _Phase.LIVE
            return (TopicLive(stream.topic),)
        del self._streams[key]
        reason = answer.error or "no reason given"
        final = reason.startswith(FINAL_REFUSAL)
        if final:
            self._refused.add(stream.topic)
            self._wanted.pop(key, None)
        return (TopicLost(stream.topic, reason, final=final),)

    def _left(self, key: _Key, now: Instant) -> list[Output]:
        """The end of a stream is certain: it may begin again."""
        del self._streams[key]
        return self._subscribe([key], now)

    def _unanswered(self, number: int, request: _Request, now: Instant) -> list[Output]:
        """Too late for an answer. A stream that was asked for may still begin: it is ended before it is asked for anew."""
        subscribing = request.method == "subscribe"
        waiting = _Phase.ASKED if subscribing else _Phase.LEAVING
        out: list[Output] = []
        silent: list[_Key] = []
        for key in sorted(request.open):
            stream = self._streams.get(key)
            if stream is None or stream.request != number or stream.phase is not waiting:
                continue  # settled by an answer that named no request
            if subscribing:
                self._wanted.pop(key, None)
                out.append(TopicLost(stream.topic, f"no answer within {ANSWER_WITHIN:g} s", final=False))
                silent.append(key)
            else:
                out += self._left(key, now)
        return out + self._unsubscribe(silent, now)

"""Which streams a socket carries, and the requests that make it so.

A request has no number. Each is answered by the list of everything the connection is subscribed to by then, or by an error
that refuses it as a whole. So one request is under way at a time, an error is the answer to it, and lists are compared with
what was asked for. A topic is in one phase:

=======  ==================  ======================  =====================  ==================  =========
phase    no longer wanted    the list has it         the list lacks it      an error, alone     its data
=======  ==================  ======================  =====================  ==================  =========
(none)                       live -> LIVE; not                                                  read
                             wanted: -> ENDING
ASKED    -> ENDING           live -> LIVE            asked again once,      lost -> (none)      -> LIVE
                                                     then lost -> (none)
LIVE     -> ENDING                                   if the last one had                        read
                                                     it: lost -> (none)
ENDING                       unsubscribed: -> LEAVING, whatever the list has                    dropped
LEAVING                      asked again once,       -> (none)              -> (none)           dropped
                             then -> (none)
=======  ==================  ======================  =====================  ==================  =========

* A topic without phase that is wanted is subscribed to. So one that was left out and is wanted again is subscribed to once the
  end of its old subscription is certain, and what arrives between never passes for the new one's.
* A request of several topics that is refused is asked again in two halves, until the bad one is alone. Where the error is about
  the key and not about a product, all of them are lost at once.
* Once an answer has failed to come in time, an error may be that answer: it loses a topic for good only if it names it.
* Topics that need authentication have requests of their own, signed right before they are sent.
* A book comes with the heartbeats of its product.

https://docs.cdp.coinbase.com/exchange/websocket-feed/overview
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, StrEnum, auto
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from venuekit_coinbase_exchange.payloads import SubscriptionList
from venuekit_spec import (
    NOTHING,
    Channel,
    Instant,
    Output,
    Outputs,
    Redial,
    Seconds,
    Send,
    Sign,
    Topic,
    TopicLive,
    TopicLost,
    VenueError,
    Wake,
    after,
)

Stream: TypeAlias = tuple[str, str]
"""A channel and a product, in the venue's words."""

HEARTBEAT: Final = "heartbeat"

SAME_FEED: Final = {"level2": "level2_batch", "level2_50": "level2_batch"}
"""Channels whose messages are the same as another's, under which name they are compared."""

WITH_HEARTBEAT: Final = frozenset({Channel.BOOK, Channel.ORDERS})
"""Channels of which silence matters."""

SIGNED: Final = frozenset({Channel.ORDERS})
"""Channels that need authentication."""

SPACING: Final[Seconds] = 0.25
"""Between two frames of ours."""

BATCH: Final = 100
"""Topics in one frame, which then has at most some 3,000 bytes: one that is too large ends the connection."""

PATIENCE: Final[Seconds] = 10.0
"""How long an answer is waited for."""

DISCONNECTING: Final = ("errslowconsume", "errslowread")
"""In errors that announce the end of the connection: we read too slowly, or send too much."""

ABOUT_THE_KEY: Final = ("authenticat", "signature", "passphrase", "api key")
"""In errors that refuse whatever products were asked for."""

PASSING: Final = ("timestamp", "expired")
"""In errors about a signature that a later one may not meet."""

NO_SUCH_PRODUCT: Final = ("not a valid product", "invalid product")
"""In errors that no later attempt would change."""


class Method(StrEnum):
    """What can be asked."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class Phase(Enum):
    """What the venue knows of a topic. See the module."""

    ASKED = auto()
    LIVE = auto()
    ENDING = auto()
    LEAVING = auto()


class _Ask(Struct, frozen=True):
    """One request; `repeated` if the same topics were asked for in vain before."""

    method: Method
    topics: Sequence[Topic]
    repeated: bool = False


class Subscriptions:
    """The streams of one socket. Verbs return commands, among them the `Wake` for the next `tick`."""

    __slots__ = (
        "_again",
        "_asks",
        "_deadline",
        "_given_up",
        "_listed",
        "_next_frame",
        "_open",
        "_overdue",
        "_phases",
        "_refused",
        "_streams",
        "_tag",
        "_under_way",
        "_wake",
        "_wanted",
        "unsettled",
    )

    def __init__(self) -> None:
        self.unsettled: set[Topic] = set()
        """Topics in any phase but LIVE; always the same set."""
        self._wanted: Mapping[Topic, Stream] = {}
        self._streams: dict[Topic, Stream] = {}
        self._phases: dict[Topic, Phase] = {}
        self._listed: frozenset[Stream] = frozenset()
        self._refused: set[Topic] = set()
        self._given_up: set[Topic] = set()
        self._again: deque[_Ask] = deque()
        self._under_way: _Ask | None = None
        self._tag = ""
        self._asks = 0
        self._deadline: Instant = 0
        self._next_frame: Instant = 0
        self._open = False
        self._overdue = False
        self._wake: Instant | None = None

    def opened(self, now: Instant) -> Outputs:
        """The socket takes frames."""
        self._open = True
        return self._advance(now)

    def closed(self) -> None:
        """The socket is gone, and every stream with it."""
        self._open = False
        self._under_way, self._tag = None, ""
        self._again.clear()
        self._phases.clear()
        self.unsettled.clear()

    def want(self, wanted: Mapping[Topic, Stream], now: Instant) -> Outputs:
        """Exactly these topics are wanted, each with its stream."""
        self._wanted = wanted
        self._streams.update(wanted)
        self._refused &= wanted.keys()
        self._given_up.clear()
        for topic, phase in [*self._phases.items()]:
            if phase in {Phase.ASKED, Phase.LIVE} and topic not in wanted:
                self._move(topic, Phase.ENDING)
        return self._advance(now)

    def seen(self, topic: Topic) -> Outputs | None:
        """Data of a topic came. None if they are a left subscription's, and are to be dropped."""
        phase = self._phases.get(topic)
        if phase is Phase.ASKED:
            self._move(topic, Phase.LIVE)
            return (TopicLive(topic),)
        return None if phase in {Phase.ENDING, Phase.LEAVING} else NOTHING

    def listed(self, told: SubscriptionList, now: Instant) -> Outputs:
        """The venue said what the connection is subscribed to."""
        before, listed = self._listed, _streams(told)
        self._listed = listed
        outputs: list[Output] = []
        ended: list[Topic] = []
        for topic, stream in self._streams.items():
            phase = self._phases.get(topic)
            if phase is None and stream in listed and (topic not in self._wanted or topic in self._refused):
                self._move(topic, Phase.ENDING)
            elif phase in {None, Phase.ASKED} and stream in listed:
                self._move(topic, Phase.LIVE)
                outputs.append(TopicLive(topic))
            elif phase is Phase.LEAVING and stream not in listed:
                self._move(topic, None)
            elif phase is Phase.LIVE and stream in before and stream not in listed:
                ended.append(topic)
        outputs += self._lose(ended, "the venue ended the subscription", final=False)
        ask = self._under_way
        if ask is not None and not self._tag and not self._open_topics(ask):
            self._under_way = None
        return [*outputs, *self._advance(now)]

    def failed(self, text: str, now: Instant) -> Outputs:
        """The venue told an error: of the request under way, or else of the connection."""
        ask, lowered = self._under_way, text.lower()
        if ask is None or self._tag or any(part in lowered for part in DISCONNECTING):
            return (Redial(f"the venue says: {text}"),)
        self._under_way = None
        topics = self._open_topics(ask)
        outputs: Outputs = NOTHING
        about_key = any(part in lowered for part in ABOUT_THE_KEY)
        if ask.method is Method.UNSUBSCRIBE:
            for topic in topics:
                self._move(topic, None)
        elif len(ask.topics) == 1 or about_key:
            lasting = any(part in lowered for part in (*ABOUT_THE_KEY, *NO_SUCH_PRODUCT))
            passing = any(part in lowered for part in PASSING)
            named = any(self._streams[topic][1] in text for topic in topics)
            final = lasting and not passing and (named or not self._overdue)
            outputs = self._lose(topics, f"refused: {text}", final=final)
        else:
            middle = (len(topics) + 1) // 2
            halves = (topics[:middle], topics[middle:])
            self._again.extend(_Ask(ask.method, half) for half in halves if half)
        return [*outputs, *self._advance(now)]

    def signed(self, tag: str, result: Any, now: Instant) -> Outputs:
        """What authenticates the request under way is there, or could not be had."""
        ask = self._under_way
        if ask is None or not self._tag or tag != self._tag:
            return NOTHING
        self._tag = ""
        topics = self._open_topics(ask)
        outputs: list[Output] = []
        if isinstance(result, VenueError):
            self._under_way = None
            outputs += self._lose(topics, f"not signed: {result}", final=not result.retryable)
        elif topics:
            outputs.append(self._send(replace(ask, topics=topics), result, now))
        else:
            self._under_way = None
        return [*outputs, *self._advance(now)]

    def tick(self, now: Instant) -> Outputs:
        """The instant of the last `Wake` has come."""
        self._wake = None
        outputs: Outputs = NOTHING
        ask = self._under_way
        if ask is not None and now >= self._deadline:
            self._under_way, self._tag, self._overdue = None, "", True
            topics = self._open_topics(ask)
            if not ask.repeated:
                self._again.append(_Ask(ask.method, topics, repeated=True))
            elif ask.method is Method.SUBSCRIBE:
                outputs = self._lose(topics, f"no answer in {PATIENCE:g} s, twice", final=False)
            else:
                for topic in topics:
                    self._move(topic, None)
        return [*outputs, *self._advance(now)]

    def _move(self, topic: Topic, phase: Phase | None) -> None:
        """Put a topic in a phase, or in none."""
        if phase is None:
            del self._phases[topic]
        else:
            self._phases[topic] = phase
        if phase is None or phase is Phase.LIVE:
            self.unsettled.discard(topic)
        else:
            self.unsettled.add(topic)

    def _lose(self, topics: Iterable[Topic], reason: str, *, final: bool) -> list[Output]:
        outputs: list[Output] = []
        for topic in topics:
            self._move(topic, None)
            (self._refused if final else self._given_up).add(topic)
            outputs.append(TopicLost(topic, reason, final=final))
        return outputs

    def _open_topics(self, ask: _Ask) -> list[Topic]:
        """The topics for which a request still has to be answered, or to be made."""
        phase = Phase.ASKED if ask.method is Method.SUBSCRIBE else Phase.LEAVING
        return [topic for topic in ask.topics if self._phases.get(topic) is phase]

    def _advance(self, now: Instant) -> Outputs:
        """Begin the next request if it is time, and ask to be woken for what comes after it."""
        outputs: list[Output] = []
        ask = self._next() if self._under_way is None else None
        if ask is not None and now >= self._next_frame:
            outputs.append(self._begin(ask, now))
            ask = None
        wake = self._deadline if self._under_way else None if ask is None else self._next_frame
        if wake != self._wake:
            self._wake = wake
            outputs.append(Wake(wake))
        return outputs

    def _next(self) -> _Ask | None:
        """What is to be asked next; None when all is as wanted, or nothing can be sent."""
        if not self._open:
            return None
        while self._again:
            topics = self._open_topics(self._again[0])
            if topics:
                return replace(self._again[0], topics=topics)
            self._again.popleft()
        ending = [topic for topic, phase in self._phases.items() if phase is Phase.ENDING]
        if ending:
            return _Ask(Method.UNSUBSCRIBE, ending[:BATCH])
        settled = self._phases.keys() | self._refused | self._given_up
        missing = [topic for topic in self._wanted if topic not in settled]
        alike = [topic for topic in missing if _is_signed(topic) == _is_signed(missing[0])]
        return _Ask(Method.SUBSCRIBE, alike[:BATCH]) if alike else None

    def _begin(self, ask: _Ask, now: Instant) -> Output:
        """Make what `_next` returned the request under way."""
        if self._again:
            self._again.popleft()
        self._under_way = ask
        self._deadline = after(now, PATIENCE)
        subscribes = ask.method is Method.SUBSCRIBE
        for topic in ask.topics:
            self._move(topic, Phase.ASKED if subscribes else Phase.LEAVING)
        if subscribes and _is_signed(ask.topics[0]):
            self._asks += 1
            self._tag = f"subscribe {self._asks}"
            return Sign(self._tag, ask.topics[0])
        return self._send(ask, {}, now)

    def _send(self, ask: _Ask, fields: Mapping[str, str], now: Instant) -> Send:
        self._deadline = after(now, PATIENCE)
        self._next_frame = after(now, SPACING)
        channels: dict[str, list[str]] = {}
        for channel, product in (*(self._streams[topic] for topic in ask.topics), *self._heartbeats(ask)):
            channels.setdefault(channel, []).append(product)
        named = [{"name": channel, "product_ids": products} for channel, products in channels.items()]
        request = {"type": ask.method.value, "channels": named, **fields}
        return Send(msgspec.json.encode(request).decode())

    def _heartbeats(self, ask: _Ask) -> list[Stream]:
        """The heartbeats that a request begins, or that nobody needs after it."""
        products = {self._streams[topic][1]: None for topic in ask.topics if topic.channel in WITH_HEARTBEAT}
        if ask.method is Method.UNSUBSCRIBE:
            others = self._wanted.keys() - set(ask.topics)
            for topic in others:
                if topic.channel in WITH_HEARTBEAT:
                    products.pop(self._wanted[topic][1], None)
        return [(HEARTBEAT, product) for product in products]


def _is_signed(topic: Topic) -> bool:
    return topic.channel in SIGNED


def _streams(told: SubscriptionList) -> frozenset[Stream]:
    named: Iterable[tuple[str, Collection[str]]] = (
        (SAME_FEED.get(channel.name, channel.name), channel.product_ids or ()) for channel in told.channels
    )
    return frozenset((channel, product) for channel, products in named for product in products)

"""Which streams a socket carries, and the requests that make it so.

A request has no number. Each is answered by the list of everything the connection is subscribed to by then, or by an error
that refuses it as a whole. So one request is under way at a time, an error is the answer to it, and lists are compared with
what was asked for. To the phases of a `SubscribingSession` that means:

* What a list has is confirmed, what it has no longer is ended, and what it has though nobody wants it is left.
* A request of several topics that is refused is narrowed down, until the bad one is alone. Where the error is about the key and
  not about a product, all of them are lost at once.
* Once an answer has failed to come in time, an error may be that answer: it loses a topic for good only if it names it.
* Topics that need authentication have requests of their own, signed right before they are sent.
* A book comes with the heartbeats of its product.

https://docs.cdp.coinbase.com/exchange/websocket-feed/overview
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from venuekit_coinbase_exchange.description import COMPACT
from venuekit_coinbase_exchange.payloads import SubscriptionList
from venuekit_spec import (
    NOTHING,
    Channel,
    Instant,
    InstrumentTable,
    Output,
    Outputs,
    Phase,
    Redial,
    Send,
    Sign,
    Stream,
    StreamRequest,
    SubscribingSession,
    Topic,
    VenueError,
    after,
)

CHANNELS: Final[Mapping[tuple[Channel, str], str]] = MappingProxyType({
    (Channel.BOOK, ""): "level2_batch",
    (Channel.ORDERS, ""): "full",
    (Channel.ORDERS, COMPACT): "level3",
    (Channel.TRADES, ""): "matches",
    (Channel.TOP, ""): "ticker",
})  # fmt: skip
"""Channel and variant of a topic -> the venue's channel."""

HEARTBEAT: Final = "heartbeat"

SAME_FEED: Final = {"level2": "level2_batch", "level2_50": "level2_batch"}
"""Channels whose messages are the same as another's, under which name they are compared."""

WITH_HEARTBEAT: Final = frozenset({Channel.BOOK, Channel.ORDERS})
"""Channels of which silence matters."""

SIGNED: Final = frozenset({Channel.ORDERS})
"""Channels that need authentication."""

DISCONNECTING: Final = ("errslowconsume", "errslowread")
"""In errors that announce the end of the connection: we read too slowly, or send too much."""

ABOUT_THE_KEY: Final = ("authenticat", "signature", "passphrase", "api key")
"""In errors that refuse whatever products were asked for."""

PASSING: Final = ("timestamp", "expired")
"""In errors about a signature that a later one may not meet."""

NO_SUCH_PRODUCT: Final = ("not a valid product", "invalid product")
"""In errors that no later attempt would change."""


class Subscriptions(SubscribingSession):
    """The streams of one socket. See the module."""

    batch = 100  # which makes some 3,000 bytes: a frame that is too large ends the connection
    spacing = 0.25
    window = 1
    leaves_asked = False  # or an error would not be known to be the answer

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(instruments)
        self._topics: dict[tuple[str, str], Topic] = {}
        self._listed: frozenset[tuple[str, str]] = frozenset()
        self._signing: StreamRequest | None = None
        self._late = False

    def serves(self, topic: Topic) -> bool:
        """Whether there is a channel for this."""
        return (topic.channel, topic.variant) in CHANNELS

    def name(self, topic: Topic) -> tuple[str, str]:
        """Channel and product."""
        return CHANNELS[topic.channel, topic.variant], self.instruments[topic.instrument].native["socket"]

    def alike(self, topic: Topic) -> bool:
        """What is signed is asked for apart."""
        return topic.channel in SIGNED

    def frame(self, request: StreamRequest) -> Output:
        """Subscribe or unsubscribe, or first have that signed."""
        self._topics.update((stream.name, stream.topic) for stream in request.streams)
        topic = request.streams[0].topic
        if request.asks and topic.channel in SIGNED:
            self._signing = request
            return Sign(_tag(request), topic)
        return self._framed(request, request.streams, {})

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """What authenticates the request under way is there, or a `VenueError`."""
        request = self._signing
        if request is None or tag != _tag(request) or request.number not in self.requests:
            return NOTHING
        self._signing = None
        if isinstance(result, VenueError):
            return self.refused(request, now, f"not signed: {result}", final=not result.retryable)
        wanted = [stream for stream in request.open if stream.name in self.wanted]
        out: list[Output] = []
        if wanted:
            request.due, self.next_frame = after(now, self.answer_within), after(now, self.spacing)
            out.append(self._framed(request, wanted, result))
        for stream in request.open:
            if stream not in wanted:
                out += self.ended(stream, now)
        return out

    def overdue(self, request: StreamRequest, now: Instant) -> Outputs:
        """From now on an error may be the answer that did not come."""
        self._signing, self._late = None, True
        return super().overdue(request, now)

    def listed(self, told: SubscriptionList, now: Instant) -> Outputs:
        """The venue said what the connection is subscribed to."""
        before, self._listed = self._listed, _names(told)
        out: list[Output] = []
        for name, stream in [*self.streams.items()]:
            if name in self._listed:
                out += self.confirmed(stream, now)
            elif stream.phase is Phase.LEAVING or (stream.phase is Phase.LIVE and name in before):
                out += self.ended(stream, now, "the venue ended the subscription")
        for name in sorted(self._listed & self._topics.keys() - self.streams.keys()):
            out += self.found(self._topics[name], now)
        return out

    def failed(self, text: str, now: Instant) -> Outputs:
        """The venue told an error: of the request under way, or else of the connection."""
        request, lowered = next(iter(self.requests.values()), None), text.lower()
        if request is None or request is self._signing or any(part in lowered for part in DISCONNECTING):
            return (Redial(f"the venue says: {text}"),)
        about_key = any(part in lowered for part in ABOUT_THE_KEY)
        lasting = about_key or any(part in lowered for part in NO_SUCH_PRODUCT)
        passing = any(part in lowered for part in PASSING)
        named = any(stream.name[1] in text for stream in request.open)
        final = lasting and not passing and (named or not self._late)
        lose = self.refused if about_key else self.narrowed
        return lose(request, now, f"refused: {text}", final=final)

    def _framed(self, request: StreamRequest, streams: Sequence[Stream], fields: Mapping[str, str]) -> Send:
        names = [stream.name for stream in streams]
        channels: dict[str, list[str]] = {}
        for channel, product in (*names, *self._heartbeats(streams, asks=request.asks)):
            channels.setdefault(channel, []).append(product)
        named = [{"name": channel, "product_ids": products} for channel, products in channels.items()]
        method = "subscribe" if request.asks else "unsubscribe"
        return Send(msgspec.json.encode({"type": method, "channels": named, **fields}).decode())

    def _heartbeats(self, streams: Iterable[Stream], *, asks: bool) -> list[tuple[str, str]]:
        """The heartbeats that a request begins, or that nobody needs after it."""
        of_books = [stream for stream in streams if stream.topic.channel in WITH_HEARTBEAT]
        products = dict.fromkeys(stream.name[1] for stream in of_books)
        if not asks:
            left = {stream.name for stream in streams}
            for (channel, product), topic in self.wanted.items():
                if topic.channel in WITH_HEARTBEAT and (channel, product) not in left:
                    products.pop(product, None)
        return [(HEARTBEAT, product) for product in products]


def _tag(request: StreamRequest) -> str:
    return f"subscribe {request.number}"


def _names(told: SubscriptionList) -> frozenset[tuple[str, str]]:
    """Channels and products of a list."""
    return frozenset(
        (SAME_FEED.get(channel.name, channel.name), product)
        for channel in told.channels
        for product in channel.product_ids or ()
    )

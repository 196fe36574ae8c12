"""The conversation on the public stream: subscriptions out, frames -> messages in."""

from __future__ import annotations

from typing import Any, Final

from msgspec.json import Decoder, encode
from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    Channel,
    Instant,
    InstrumentTable,
    OrderBookMessage,
    Output,
    Outputs,
    Send,
    SocketRequest,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
    Unsupported,
    decode,
)

from {{ cookiecutter.__package }}.books import BookFrame, book_message
from {{ cookiecutter.__package }}.instruments import SYMBOL
{%- if cookiecutter.order_by_order == "yes" %}
from {{ cookiecutter.__package }}.order_feed import OrderFrame, QueueFrame, order_message
{%- endif %}
from {{ cookiecutter.__package }}.payloads import VENUE, Declined, Demand, Subscribed, TradeFrame

CHANNELS: Final = {
    "book": Channel.BOOK,
{%- if cookiecutter.order_by_order == "yes" %}
    "orders": Channel.ORDERS,
{%- endif %}
    "trades": Channel.TRADES,
}
"""The venue's word for a channel -> the contract's."""

WORDS: Final = {channel: word for word, channel in CHANNELS.items()}

{% if cookiecutter.order_by_order == "yes" -%}
_frame = Decoder(BookFrame | OrderFrame | QueueFrame | TradeFrame | Subscribed | Declined)
{%- else -%}
_frame = Decoder(BookFrame | TradeFrame | Subscribed | Declined)
{%- endif %}


class VenueSession:
    """One socket. Each topic is asked for once, and is live with its answer or its first data."""

    def __init__(self, instruments: InstrumentTable) -> None:
        self._instruments = instruments
        self._ids = instruments.ids_by_native(SYMBOL)
        self._open = False
        self._wanted: frozenset[Topic] = frozenset()
        self._asked: frozenset[Topic] = frozenset()
        self._waiting: frozenset[Topic] = frozenset()

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: ask for what is wanted already."""
        self._open = True
        return self._ask()

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics. One that the venue does not have is lost for good at once."""
        lost = [topic for topic in topics - self._wanted if not self._served(topic)]
        self._wanted = topics
        return [*(TopicLost(topic, "there is no such topic") for topic in lost), *self._ask()]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: the stream takes no calls."""
        raise Unsupported(f"the stream takes no calls, so no {request.method}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage` for what cannot be read."""
        told = decode(_frame, frame, "", venue=VENUE)
        id_ = self._ids.get(told.symbol)
        if id_ is None:
            return NOTHING
        if isinstance(told, Subscribed):
            return [TopicLive(topic) for topic in self._answered(told.channel, id_)]
        if isinstance(told, Declined):
            return [TopicLost(topic, told.reason) for topic in self._answered(told.channel, id_)]
        if isinstance(told, TradeFrame):
            return [*self._live("trades", id_), _trade(told, id_, now)]
{%- if cookiecutter.order_by_order == "yes" %}
        if isinstance(told, OrderFrame | QueueFrame):
            return [*self._live("orders", id_), order_message(told, id_, now)]
{%- endif %}
        return [*self._live("book", id_), book_message(told, id_, now)]

    def tick(self, now: Instant) -> Outputs:
        """Nothing is awaited."""
        return NOTHING

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: this session runs no flows."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone."""
        self._open = False

    def _served(self, topic: Topic) -> bool:
        return topic.channel in WORDS and not topic.variant and topic.instrument in self._instruments

    def _ask(self) -> Outputs:
        """The frames that lead from what was asked for to what is wanted."""
        if not self._open:
            return NOTHING
        wanted = frozenset(filter(self._served, self._wanted))
        gone, new = self._asked - wanted, wanted - self._asked
        self._asked, self._waiting = wanted, (self._waiting & wanted) | new
        outputs: list[Output] = [self._demand("unsubscribe", topic) for topic in sorted(gone, key=str)]
        return [*outputs, *(self._demand("subscribe", topic) for topic in sorted(new, key=str))]

    def _demand(self, op: str, topic: Topic) -> Send:
        symbol = self._instruments[topic.instrument].native[SYMBOL]
        return Send(encode(Demand(op, WORDS[topic.channel], symbol)).decode())

    def _live(self, word: str, id_: str) -> Outputs:
        """Data of a topic prove that it is live, answer or not."""
        return [TopicLive(topic) for topic in self._answered(word, id_)] if self._waiting else NOTHING

    def _answered(self, word: str, id_: str) -> list[Topic]:
        """The topic that was waited for; none if it was told of before."""
        answered = [each for each in self._waiting if WORDS[each.channel] == word and each.instrument == id_]
        self._waiting = self._waiting.difference(answered)
        return answered


def _trade(told: TradeFrame, id_: str, now: Instant) -> OrderBookMessage:
    return Trade(
        instrument=id_,
        price=told.price,
        size=told.size,
        side=told.side,
        key=str(told.id),
        time=told.time * MILLISECOND,
        received=now,
    )

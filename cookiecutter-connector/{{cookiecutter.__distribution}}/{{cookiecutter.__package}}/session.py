"""The conversation on the public stream. `PublicSession` leads it; here are the venue's words, and what its frames mean."""

from __future__ import annotations

from typing import Final

from msgspec.json import Decoder, encode
from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    Channel,
    Instant,
    OrderBookMessage,
    Outputs,
    PublicSession,
    Send,
    Stream,
    Topic,
    Trade,
    decode,
)

from {{ cookiecutter.__package }}.books import BookFrame, book_message
from {{ cookiecutter.__package }}.instruments import SYMBOL
{%- if cookiecutter.order_by_order == "yes" %}
from {{ cookiecutter.__package }}.order_feed import OrderFrame, QueueFrame, order_message
{%- endif %}
from {{ cookiecutter.__package }}.payloads import VENUE, Demand, Ended, Subscribed, TradeFrame

WORDS: Final = {
    Channel.BOOK: "book",
{%- if cookiecutter.order_by_order == "yes" %}
    Channel.ORDERS: "orders",
{%- endif %}
    Channel.TRADES: "trades",
}
"""What the venue calls a channel."""

_frame = Decoder(BookFrame{% if cookiecutter.order_by_order == "yes" %} | OrderFrame | QueueFrame{% endif %} | TradeFrame | Subscribed | Ended)


class VenueSession(PublicSession):
    """One socket."""

    def serves(self, topic: Topic) -> bool:
        """One stream of each channel."""
        return topic.channel in WORDS and not topic.variant

    def name(self, topic: Topic) -> tuple[str, str]:
        """Channel and symbol: every frame of the venue has them."""
        return WORDS[topic.channel], self.instruments[topic.instrument].native[SYMBOL]

    def ask(self, topic: Topic) -> Send:
        """A demand."""
        return Send(encode(Demand("subscribe", *self.name(topic))).decode())

    def leave(self, stream: Stream) -> Send:
        """A demand."""
        return Send(encode(Demand("unsubscribe", *stream.name)).decode())

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame. Raises `MalformedMessage`. What nobody has asked for is left alone."""
        told = decode(_frame, frame, "", venue=VENUE)
        stream = self.streams.get((told.channel, told.symbol))
        if stream is None:
            return NOTHING
        match told:
            case Subscribed():
                return self.confirmed(stream, now)
            case Ended():
                return self.ended(stream, now, told.reason)
            case BookFrame():
                message: OrderBookMessage = book_message(told, stream.topic.instrument, now)
{%- if cookiecutter.order_by_order == "yes" %}
            case OrderFrame() | QueueFrame():
                message = order_message(told, stream.topic.instrument, now)
{%- endif %}
            case TradeFrame():
                message = trade_message(told, stream.topic.instrument, now)
        return self.passed(stream.name, [message], now)


def trade_message(told: TradeFrame, id_: str, now: Instant) -> Trade:
    """One trade; the side is that of who took."""
    return Trade(
        instrument=id_,
        price=told.price,
        size=told.size,
        side=told.side,
        key=str(told.id),
        time=told.time * MILLISECOND,
        received=now,
    )

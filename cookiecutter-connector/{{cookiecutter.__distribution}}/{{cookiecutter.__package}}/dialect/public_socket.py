"""The public stream: topics of one socket. Books are told every tenth of a second where they have changed, trades at once."""

from __future__ import annotations

{% if cookiecutter.order_by_order == "yes" -%}
from collections.abc import Mapping
{% endif -%}
from typing import Final

from msgspec import Struct
from msgspec.json import Decoder
from venuekit_spec import (
    MILLISECOND,
    UNREADABLE,
    BookImage,
    Engine,
    EngineEvent,
    Instant,
    LevelChanged,
{%- if cookiecutter.order_by_order == "yes" %}
    OrderEvent,
{%- endif %}
    ServerOutput,
    ServerOutputs,
    TradeHappened,
    Wake,
)

from {{ cookiecutter.__package }}.dialect.books import book_frame
from {{ cookiecutter.__package }}.dialect.writing import plain, send
from {{ cookiecutter.__package }}.instruments import SYMBOL
{%- if cookiecutter.order_by_order == "yes" %}
from {{ cookiecutter.__package }}.order_feed import OrderFrame, QueueFrame
{%- endif %}
from {{ cookiecutter.__package }}.payloads import Demand, Ended, Subscribed, TradeFrame
from {{ cookiecutter.__package }}.session import WORDS

INTERVAL: Final = 100 * MILLISECOND

_demand = Decoder(Demand)


class _Told(Struct):
    """A book that is subscribed to: as it was told last, and the number of that frame."""

    image: BookImage
    number: int


class PublicSocket:
{%- if cookiecutter.order_by_order == "yes" %}
    """One client's public stream. `numbers` are the last numbers of order events, by instrument."""

    def __init__(self, engine: Engine, numbers: Mapping[str, int]) -> None:
        self._engine = engine
        self._numbers = numbers
{%- else %}
    """One client's public stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
{%- endif %}
        self._topics: set[tuple[str, str]] = set()
        self._books: dict[str, _Told] = {}
        self._due: Instant | None = None

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; the client speaks first."""
        return ()

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A demand."""
        try:
            demand = _demand.decode(frame)
        except UNREADABLE:
            return (send(Ended("", "", "not a demand")),)
        id_ = self._engine.instruments.ids_by_native(SYMBOL).get(demand.symbol)
        if id_ is None or demand.channel not in WORDS.values():
            return (send(Ended(demand.channel, demand.symbol, "there is no such topic")),)
        topic = (demand.channel, id_)
        if demand.op == "unsubscribe":
            self._topics.discard(topic)
            return (send(Ended(demand.channel, demand.symbol, "as asked")),)
        self._topics.add(topic)
        return (send(Subscribed(demand.channel, demand.symbol)), *self._first(*topic))

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """What concerns the topics."""
        if isinstance(event, LevelChanged) and ("book", event.instrument) in self._topics:
            if self._due is not None:
                return ()
            self._due = (now // INTERVAL + 1) * INTERVAL
            return (Wake(self._due),)
        if isinstance(event, TradeHappened) and ("trades", event.instrument) in self._topics:
            return (send(self._trade(event)),)
{%- if cookiecutter.order_by_order == "yes" %}
        if isinstance(event, OrderEvent) and ("orders", event.instrument) in self._topics:
            return (send(self._order(event)),)
{%- endif %}
        return ()

    def tick(self, now: Instant) -> ServerOutputs:
        """Tell the books that have changed."""
        self._due = None
        outputs: list[ServerOutput] = []
        for channel, id_ in sorted(self._topics):
            if channel == "book" and self._engine.book(id_).id != self._books[id_].image.id:
                outputs += self._told(id_, self._books[id_])
        return outputs

    def closed(self) -> None:
        """The client is gone."""
        self._topics.clear()

    def _first(self, channel: str, id_: str) -> ServerOutputs:
        """What comes right after a subscription."""
        if channel == "book":
            return self._told(id_, None)
{%- if cookiecutter.order_by_order == "yes" %}
        if channel == "orders":
            orders = [
                (order.order_id, order.side, order.price, order.size) for order in self._engine.resting(id_)
            ]
            return (send(QueueFrame(self._symbol(id_), self._numbers.get(id_, 0), orders)),)
{%- endif %}
        return ()

    def _told(self, id_: str, told: _Told | None) -> ServerOutputs:
        """The next frame of a book, and that it was told."""
        image = self._engine.book(id_)
        number = 0 if told is None else told.number + 1
        before = None if told is None else told.image
        self._books[id_] = _Told(image, number)
        frame = book_frame(self._engine.instruments[id_], number, before, image)
        return () if frame is None else (send(frame),)

    def _symbol(self, id_: str) -> str:
        return self._engine.instruments[id_].native[SYMBOL]

    def _trade(self, event: TradeHappened) -> TradeFrame:
        return TradeFrame(
            self._symbol(event.instrument),
            event.number,
            plain(event.price),
            plain(event.size),
            event.side,
            event.time // MILLISECOND,
        )
{%- if cookiecutter.order_by_order == "yes" %}

    def _order(self, event: OrderEvent) -> OrderFrame:
        return OrderFrame(
            self._symbol(event.instrument),
            event.last or 0,
            event.action,
            event.order_id,
            event.side,
            event.price or None,
            event.size or None,
        )
{%- endif %}

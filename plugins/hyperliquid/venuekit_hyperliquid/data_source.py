"""The public side: one HTTP endpoint that reads by POST, one socket.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.json import Decoder, encode

from venuekit_hyperliquid.description import BOOK_DEPTHS, WEIGHT
from venuekit_hyperliquid.errors import raise_for_error
from venuekit_hyperliquid.instruments import read_instruments
from venuekit_hyperliquid.payloads import VENUE, Book, ExchangeStatus
from venuekit_hyperliquid.session import SILENCE, HyperliquidSession
from venuekit_hyperliquid.suspects import Suspects
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    Channel,
    Cost,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentTable,
    MalformedMessage,
    OrderBookSnapshot,
    Refused,
    Session,
    Topic,
    Unsupported,
    decode,
    http,
)

LIGHT: Final = 2
"""What a request for a book or for the status costs."""

HEAVY: Final = 20
"""What a request costs that is not said to be cheap."""

_status = Decoder(ExchangeStatus)
_book: Final[Decoder[Book[str] | None]] = Decoder(Book[str] | None)


class HyperliquidDataSource:
    """The public side in one environment, which needs a "rest" and a "stream" URL, else `LocalError`.

    Sockets that die at a subscription are remembered from one session to the next (`Suspects`), and nothing else is.
    """

    def __init__(self, environment: Environment) -> None:
        self._info = f"{environment.url('rest')}/info"
        self._stream = environment.url("stream")
        self._suspects = Suspects()

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """The perpetuals of every exchange, and the spot pairs: two requests."""
        perps = yield from self._ask("allPerpMetas", HEAVY)
        spot = yield from self._ask("spotMeta", HEAVY)
        return read_instruments(perps.body, spot.body)

    def server_time(self) -> Flow[Instant]:
        """The venue's clock, to the millisecond."""
        response = yield from self._ask("exchangeStatus", LIGHT)
        return decode(_status, response.body, "exchangeStatus", venue=VENUE).time * MILLISECOND

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """The book by REST, of 20 levels a side whatever the variant.

        Raises `Unsupported` at the first step for a topic that is no book, `Refused` for a coin that has none.
        """
        if topic.channel is not Channel.BOOK:
            raise Unsupported(f"{VENUE} has no snapshot of {topic}")
        coin = instrument.native["socket"]
        response = yield from self._ask("l2Book", LIGHT, coin=coin)
        book = decode(_book, response.body, f"l2Book {coin}", venue=VENUE)
        if book is None:
            raise Refused(f"there is no book of {coin}", venue=VENUE)
        if book.coin != coin:
            raise MalformedMessage(
                f"a book of {book.coin}",
                venue=VENUE,
                topic=f"l2Book {coin}",
                instrument=instrument.id,
                frame=response.body,
            )
        bids, asks = ([(level.px, level.sz) for level in side] for side in book.levels)
        return BookSnapshot(
            instrument=instrument.id,
            bids=bids,
            asks=asks,
            depth=BOOK_DEPTHS[""],
            time=book.time * MILLISECOND,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The socket, without a request. The venue does not compress; the session's own pings keep it alive."""
        yield from ()
        return Dial(self._stream, compression=False, ping=None, silence=SILENCE)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return HyperliquidSession(instruments, self._suspects)

    def _ask(self, type_: str, weight: int, **more: str) -> Flow[HttpResponse]:
        """Ask; the response if it is a success. A read, so it may be repeated. Raises what `raise_for_error` does."""
        request = HttpRequest(
            "POST",
            self._info,
            headers=(("Content-Type", "application/json"),),
            body=encode({"type": type_, **more}),
            costs=(Cost(WEIGHT, weight),),
            repeatable=True,
            label=type_,
        )
        response = yield from http(request)
        raise_for_error(response, type_)
        return response

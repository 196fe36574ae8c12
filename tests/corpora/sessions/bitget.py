"""Bitget, version 1 (retired): books of spot and of contracts, on a socket each, proven by OKX's checksum on every message.

The two share names, so a name says which it is of: ``SP:EOSUSDT``, ``MC:UNIUSDT``. Frames come with that in small letters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder
from tests.corpora.sessions.common import (
    SmallConnector,
    SmallDataSource,
    SmallSession,
    send,
    small_description,
    small_instrument,
)
from tests.corpora.sessions.okx import interleaved_crc

from venuekit_spec import (
    MILLISECOND,
    NOTHING,
    BookDelta,
    BookSnapshot,
    Channel,
    Checksum,
    Dial,
    Environment,
    Flow,
    Instant,
    Instrument,
    InstrumentKind,
    Output,
    Outputs,
    SnapshotSource,
    SyncRule,
    Topic,
    TopicLive,
)

VENUE: Final = "bitget"

SPOT: Final = "spot"
MIX: Final = "mix"
MARKETS: Final[Mapping[str, str]] = {SPOT: "SP", MIX: "MC"}
"""Endpoints, and what their frames call them."""

SPOT_LIST: Final = "/api/spot/v1/public/products"
CONTRACT_LISTS: Final = tuple(
    f"/api/mix/v1/market/contracts?productType={kind}" for kind in ("umcbl", "dmcbl")
)


class Argument(Struct, frozen=True):
    """What a frame is about."""

    instType: str = ""  # noqa: N815 - the venue's names, here and below
    channel: str = ""
    instId: str = ""  # noqa: N815


class Book(Struct):
    """``{"asks":[["0.00003614","600000"]],"bids":[],"checksum":1234,"ts":"1649290077777"}``."""

    asks: list[Any]
    bids: list[Any]
    checksum: int
    ts: str


class Frame(Struct):
    """Any frame."""

    arg: Argument = Argument()
    event: str = ""
    action: str = ""
    data: Raw = Raw(b"[]")


class Listed(Struct):
    """One entry of an instrument list."""

    symbol: str
    baseCoin: str  # noqa: N815
    quoteCoin: str  # noqa: N815


class List(Struct):
    """An instrument list."""

    data: list[Listed]


FRAME: Final = Decoder(Frame)
BOOKS: Final = Decoder(list[Book])
LIST: Final = Decoder(List)


class BitgetSession(SmallSession):
    """Channel ``books`` of one market."""

    def ask(self, topics: Sequence[Topic]) -> Outputs:
        """One frame for all of them."""
        return [self._request("subscribe", topics)]

    def leave(self, topics: Sequence[Topic]) -> Outputs:
        """One frame for all of them."""
        return [self._request("unsubscribe", topics)]

    def decode(self, frame: bytes) -> Frame:
        """Any frame."""
        return FRAME.decode(frame)

    def read(self, told: Frame, now: Instant) -> Outputs:
        """What is said of a book that is wanted."""
        topic = Topic(Channel.BOOK, self.ids.get(f"{told.arg.instType.upper()}:{told.arg.instId}", ""))
        if told.arg.channel != "books" or topic not in self.wanted:
            return NOTHING
        if told.event:
            return [TopicLive(topic)] if told.event == "subscribe" else NOTHING
        make = BookSnapshot if told.action == "snapshot" else BookDelta
        return [
            make(
                instrument=topic.instrument,
                bids=book.bids,
                asks=book.asks,
                checksum=book.checksum,
                time=int(book.ts) * MILLISECOND,
                received=now,
            )
            for book in BOOKS.decode(told.data)
        ]

    def _request(self, verb: str, topics: Sequence[Topic]) -> Output:
        named = [self.names[topic.instrument].split(":") for topic in topics]
        books = [{"instType": market, "channel": "books", "instId": name} for market, name in named]
        return send({"op": verb, "args": books})


class BitgetDataSource(SmallDataSource):
    """Spot and contracts."""

    session_type = BitgetSession

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._endpoints: dict[str, str] = {}
        """Of each instrument that was listed."""

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Of the lists of both markets."""
        found: list[Instrument] = []
        for path in (SPOT_LIST, *CONTRACT_LISTS):
            response = yield from self.get(path)
            endpoint, kind = (
                (SPOT, InstrumentKind.SPOT) if path is SPOT_LIST else (MIX, InstrumentKind.PERPETUAL)
            )
            for listed in LIST.decode(response.body).data:
                base, quote = listed.baseCoin, listed.quoteCoin
                native = {"rest": listed.symbol, "socket": f"{MARKETS[endpoint]}:{base}{quote}"}
                found.append(small_instrument(base, quote, native, kind, endpoint=endpoint))
        self._endpoints = {instrument.id: instrument.endpoint for instrument in found}
        return found

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The socket of the market that all of `topics` are of."""
        yield from ()
        (endpoint,) = {self._endpoints[topic.instrument] for topic in topics}
        return Dial(self.environment.url(endpoint))


STREAMS: Final = {market: f"wss://ws.bitget.com/{market}/v1/stream" for market in MARKETS}

CONNECTOR: Final = SmallConnector(
    small_description(
        VENUE,
        SyncRule(SnapshotSource.IN_BAND, checksum=Checksum(interleaved_crc, levels=25)),
        rest="https://api.bitget.com",
        stream=STREAMS[SPOT],
        environments=(Environment("production", {"rest": "https://api.bitget.com", **STREAMS}),),
    ),
    BitgetDataSource,
)

"""What fault trials must know of a venue: one `Feed` for each family of recordings. Here those of the first connectors.

To add a family: a `Reader` of its frames (`tests.corpora.readers`), a way to make it playable
(`tests.corpora.preparations`), and how the venue answers what a recording has no answer to: requests for a snapshot where
snapshots come by REST, and the frames that a session sends. Books come from the reference, as the venue would write them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from re import Pattern
from typing import Any, Final, TypeAlias

from attrs import frozen
from tests.corpora import readers
from tests.corpora.kraken_v2 import V2_ASSETS, bare, v2_symbol
from tests.corpora.preparations import binance_spot, kraken_v2
from tests.corpora.recordings import CORPORA
from tests.corpora.reference import Level, Reader, Standing
from tests.corpora.replays import Prepared

import venuekit_binance
import venuekit_kraken
from venuekit.tapes.matching import address_of

Stand: TypeAlias = Callable[[str], Standing | None]
"""The true book of a symbol of the oracle at this moment; None before it has one."""

Refuse: TypeAlias = Callable[[str], bool]
"""Whether the next snapshot of a symbol is to fail; asked once for each."""


@frozen
class Asked:
    """A frame that a session sent, the address of its socket, and what it sent on that before."""

    frame: bytes
    url: str
    earlier: tuple[bytes, ...] = ()

    @property
    def told(self) -> Any:
        """What it holds: JSON."""
        return json.loads(self.frame)


Answer: TypeAlias = Callable[[Asked, Stand, Refuse], list[bytes] | None]
"""The frames with which the venue answers one; None: it cannot yet, ask again later."""


@frozen
class Feed:
    """A family of recordings. Symbols are those of the oracles.

    `recordings` is a glob of names, `plugin` what `venuekit.connect` takes. `answer` tells the frames with which the venue
    answers one that a session sent, among them snapshots where they come in band. `requested` tells whose book a URL asks for,
    None if it asks for no book, and `body` answers that. `noise` are texts of frames that concern no book: they are left out,
    for speed. `depth` is the number of levels a side that the feed covers, where it tells no removal beyond.

    `greetings` are the frames with which the venue begins a socket. `number` finds the number of a frame, where the frames of
    a socket are numbered: all are numbered anew, those among them that the trial answers with. `retold`: `read` reads the
    recording as `prepare` tells it anew. `title` tells two feeds of the same recordings apart.
    """

    recordings: str
    plugin: Any
    venue: str
    prepare: Callable[[Path, Path], Prepared]
    read: Reader
    answer: Answer
    requested: Callable[[str], str | None] = lambda _url: None
    body: Callable[[str, Standing], bytes] = lambda _url, _book: b""
    noise: tuple[bytes, ...] = ()
    depth: int | None = None
    greetings: tuple[bytes, ...] = ()
    number: Pattern[bytes] | None = None
    retold: bool = False
    title: str = ""

    def found(self) -> list[Path]:
        """The recordings of this family that are here."""
        return sorted(CORPORA.glob(f"{self.recordings}.jsonl.gz"))


# --- Binance


def binance_answer(asked: Asked, stand: Stand, refuse: Refuse) -> list[bytes]:
    """Every request is granted."""
    return [json.dumps({"result": None, "id": asked.told["id"]}).encode()]


def binance_requested(url: str) -> str | None:
    """GET /api/v3/depth?symbol=."""
    address = address_of(url)
    return address.query["symbol"] if address.segments[-1:] == ("depth",) else None


def binance_body(url: str, book: Standing) -> bytes:
    """As many levels as were asked for."""
    limit = int(address_of(url).query["limit"])
    told = {"lastUpdateId": book.last, "bids": texts(book.bids[:limit]), "asks": texts(book.asks[:limit])}
    return json.dumps(told).encode()


def texts(levels: Sequence[Level]) -> list[list[str]]:
    """Rows of decimal text."""
    return [[f"{price:f}", f"{size:f}"] for price, size in levels]


# --- Kraken, version 2


V1_ASSETS: Final[dict[str, str]] = {theirs: ours for ours, theirs in V2_ASSETS.items()}


def kraken_answer(sent: Asked, stand: Stand, refuse: Refuse) -> list[bytes] | None:
    """One acknowledgement per symbol, and after that of a book its snapshot."""
    asked = sent.told
    if asked["method"] == "ping":
        return [json.dumps({"method": "pong", "req_id": asked["req_id"]}).encode()]
    symbols = [_v1_symbol(name) for name in asked["params"]["symbol"]]
    books = [stand(symbol) for symbol in symbols]
    if None in books:
        return None
    told: list[bytes] = []
    for book in filter(None, books):
        symbol = v2_symbol(book.symbol)
        answer: dict[str, Any] = {"method": asked["method"], "req_id": asked["req_id"]}
        subscribing = asked["method"] == "subscribe"
        if subscribing and refuse(book.symbol):
            told.append(
                json.dumps(
                    {**answer, "success": False, "error": "EService:Unavailable", "symbol": symbol}
                ).encode()
            )
            continue
        result = {"channel": asked["params"]["channel"], "symbol": symbol}
        told.append(json.dumps({**answer, "success": True, "result": result}).encode())
        if subscribing:
            told.append(_kraken_snapshot(symbol, book))
    return told


def _v1_symbol(name: str) -> str:
    return "/".join(V1_ASSETS.get(asset, asset) for asset in name.split("/"))


def _kraken_snapshot(symbol: str, book: Standing) -> bytes:
    checksum = "" if book.checksum is None else f',"checksum":{book.checksum}'
    bids, asks = map(_numbers, (book.bids, book.asks))
    data = f'{{"symbol":{json.dumps(symbol)},"bids":[{bids}],"asks":[{asks}]{checksum}}}'
    return f'{{"channel":"book","type":"snapshot","data":[{data}]}}'.encode()


def _numbers(levels: Sequence[Level]) -> str:
    """Levels with bare numbers."""
    return ",".join(f'{{"price":{_number(price)},"qty":{_number(size)}}}' for price, size in levels)


def _number(number: Decimal) -> str:
    return bare(f"{number:f}")


FEEDS: Final = (
    Feed(
        "BINANCE_SPOT_*",
        venuekit_binance,
        "binance",
        binance_spot,
        readers.binance_spot,
        binance_answer,
        requested=binance_requested,
        body=binance_body,
        noise=(b"@bookTicker", b"@trade"),
    ),
    Feed(
        "KRAKEN_V1_*",
        venuekit_kraken,
        "kraken",
        kraken_v2,
        readers.kraken_v1,
        kraken_answer,
        depth=1000,
    ),
)

"""What the recordings lack that the small connectors play, which is little: most have their venue's instrument list.

That list is read as the connector reads it, and tells which of our ids a symbol of an oracle is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from tests.corpora.preparations import binance_pair, lines, write_sidecar
from tests.corpora.recordings import oracle
from tests.corpora.replays import Prepared
from tests.corpora.sessions import (
    binance_futures,
    bitstamp,
    bybit,
    gateio,
    gemini,
    independent_reserve,
    kucoin,
)
from tests.corpora.sessions.common import SmallConnector

from venuekit.tapes.matching import answers
from venuekit_spec import HttpRequest, HttpResponse, Instrument


def futures(recording: Path, folder: Path) -> Prepared:
    """BINANCE_FUTURES_*: recorded without acknowledgements, and some of them without an instrument list."""
    connector = binance_futures.CONNECTOR
    if listed(recording, connector):
        return prepared(recording, folder, connector)
    symbols = [_futures_symbol(symbol) for symbol in oracle(recording)["per_symbol"]]
    url = "https://fapi.binance.com/fapi/v1/exchangeInfo"
    told = answer(recording, "GET", url, {"symbols": symbols})
    return prepared(recording, folder, connector, told)


def linear_and_spot(recording: Path, folder: Path) -> Prepared:
    """BYBIT_V5_*: whole. An oracle's symbol says the category too."""
    return prepared(
        recording,
        folder,
        bybit.CONNECTOR,
        symbol_of=lambda instrument: f"{instrument.endpoint}:{instrument.native[instrument.endpoint]}",
    )


def gate(recording: Path, folder: Path) -> Prepared:
    """GATEIO_SPOT_*: whole."""
    return prepared(recording, folder, gateio.CONNECTOR)


def kucoin_spot(recording: Path, folder: Path) -> Prepared:
    """KUCOIN_*: without the request that told the address of the socket and the token for it."""
    server = {"endpoint": "wss://push-private.kucoin.com/endpoint", "pingInterval": 18_000}
    url = "https://api.kucoin.com/api/v1/bullet-public"
    told = answer(recording, "POST", url, {"data": {"token": "none", "instanceServers": [server]}})
    return prepared(recording, folder, kucoin.CONNECTOR, told)


def bitstamp_spot(recording: Path, folder: Path) -> Prepared:
    """BITSTAMP_*: whole."""
    return prepared(recording, folder, bitstamp.CONNECTOR)


def gemini_spot(recording: Path, folder: Path) -> Prepared:
    """GEMINI_*: whole."""
    return prepared(recording, folder, gemini.CONNECTOR)


def independent_reserve_orders(recording: Path, folder: Path) -> Prepared:
    """INDEPENDENT_RESERVE_L3_*: whole."""
    return prepared(recording, folder, independent_reserve.CONNECTOR, channels=("orders",))


def prepared(
    recording: Path,
    folder: Path,
    connector: SmallConnector,
    *told: Mapping[str, Any],
    symbol_of: Callable[[Instrument], str] = lambda instrument: instrument.native["socket"],
    channels: tuple[str, ...] = ("book",),
) -> Prepared:
    """A recording with what it lacks. `symbol_of`: how the oracle calls an instrument."""
    instruments = listed(recording, connector, told)
    ids = {symbol_of(instrument): instrument.id for instrument in instruments}
    pairs = tuple(ids[symbol] for symbol in oracle(recording)["per_symbol"])
    header = {"venue": connector.description.venue, "pairs": pairs}
    sidecar = write_sidecar(folder / "sidecar.jsonl", header, [dict(line) for line in told])
    return Prepared(recording, sidecar, pairs, ids.__getitem__, channels)


def listed(
    recording: Path, connector: SmallConnector, told: Sequence[Mapping[str, Any]] = ()
) -> Sequence[Instrument]:
    """The instruments that the connector finds in what was answered before the first frame; none where that lacks a list."""
    before = takewhile(lambda record: (record["channel"], record["dir"]) != ("ws", "in"), lines(recording))
    responses = [*told, *(record for record in before if record["channel"] == "http")]
    flow = connector.source(connector.description.environment()).instruments()
    try:
        request = next(flow)
        while True:
            assert isinstance(request, HttpRequest)
            found = [record for record in responses if answers(record["url"], request.url)]
            if not found:
                return ()
            request = flow.send(HttpResponse(200, found[0]["payload"].encode()))
    except StopIteration as end:
        instruments: Sequence[Instrument] = end.value
        return instruments


def answer(recording: Path, method: str, url: str, payload: Any) -> dict[str, Any]:
    """A record of a sidecar: what a request was answered at the very beginning."""
    at = {"at": 0, "recv_ts": float(next(lines(recording))["recv_ts"])}
    http = {"channel": "http", "dir": "in", "conn": "http", "method": method, "url": url}
    return {**at, **http, "payload": json.dumps(payload)}


def _futures_symbol(symbol: str) -> dict[str, Any]:
    base, quote = binance_pair(symbol).split("-")
    price = {"filterType": "PRICE_FILTER", "tickSize": "0.000001"}
    names = {"symbol": symbol, "baseAsset": base, "quoteAsset": quote}
    return {**names, "contractType": "PERPETUAL", "filters": [price]}


@frozen
class Family:
    """Recordings of one kind of feed (a glob of names), what plays them, and what makes them playable."""

    recordings: str
    connector: SmallConnector
    prepare: Callable[[Path, Path], Prepared]

    @property
    def venue(self) -> str:
        """The id of its venue."""
        return self.connector.description.venue


FAMILIES: Final = (
    Family("BINANCE_FUTURES_*", binance_futures.CONNECTOR, futures),
    Family("BYBIT_V5_*", bybit.CONNECTOR, linear_and_spot),
    Family("GATEIO_SPOT_*", gateio.CONNECTOR, gate),
    Family("KUCOIN_*", kucoin.CONNECTOR, kucoin_spot),
    Family("BITSTAMP_*", bitstamp.CONNECTOR, bitstamp_spot),
    Family("GEMINI_*", gemini.CONNECTOR, gemini_spot),
    Family("INDEPENDENT_RESERVE_L3_*", independent_reserve.CONNECTOR, independent_reserve_orders),
)

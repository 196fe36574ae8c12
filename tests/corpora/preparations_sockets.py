"""What recordings of feeds whose socket itself is special lack, and the forms that they are told in anew.

Most have an instrument list. What is told anew keeps its record indexes: one record in, one record out, so that the oracle of
the recording holds for it too.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.corpora.preparations import lines, write_sidecar
from tests.corpora.recordings import oracle
from tests.corpora.replays import Prepared
from tests.corpora.sessions import bitget as bitget_session
from tests.corpora.sessions import dydx as dydx_session
from tests.corpora.sessions import okx as okx_session

import venuekit_bitfinex
from venuekit_bitfinex.data_source import LISTS
from venuekit_bitfinex.instruments import SYMBOL, read_instruments
from venuekit_spec import InstrumentTable


def prepared(
    recording: Path, sidecar: Path, pair_of: Callable[[str], str], *, tape: Path | None = None, **options: Any
) -> Prepared:
    """A recording with the pairs of its oracle; `tape` is what it was told anew in."""
    pairs = tuple(map(pair_of, oracle(recording)["per_symbol"]))
    return Prepared(tape or recording, sidecar, pairs, pair_of, **options)


def told(folder: Path, inserted: list[dict[str, Any]] | None = None) -> Path:
    """A sidecar for a recording that has the instrument list."""
    return write_sidecar(folder / "sidecar.jsonl", {}, inserted or [])


def missing_lists(recording: Path, folder: Path, urls: list[str], empty: str) -> Path:
    """A sidecar with the parts of an instrument list that were not asked for when it was recorded: they are empty."""
    records = [*lines(recording)]
    have = {record["url"].rpartition("/")[2] for record in records if record["channel"] == "http"}
    at = {"at": 0, "recv_ts": float(records[0]["recv_ts"]), "channel": "http", "dir": "in", "conn": "http"}
    missing = [url for url in urls if url.rpartition("/")[2] not in have]
    return told(folder, [{**at, "url": url, "payload": empty} for url in missing])


def same(symbol: str) -> str:
    """Our id where it is the venue's symbol."""
    return symbol


def coinbase_advanced(recording: Path, folder: Path) -> Prepared:
    """COINBASE_ADVANCED_*: complete as it was recorded."""
    return prepared(recording, told(folder), same)


BITFINEX_CODES: Final = [
    ["UST", "USDt"],
    ["IOT", "IOTA"],
    ["MNA", "MANA"],
    ["DOG", "MDOGE"],
    ["TESTUSD", "TESTUSD"],
]
"""Codes of the venue's own. The recordings have the list of pairs only, so these and the rules of pairs are supplied."""


def bitfinex(recording: Path, folder: Path) -> Prepared:
    """BITFINEX_*: with the one answer that the connector asks for: the recording's list of pairs, rules, and codes."""
    first = next(iter(lines(recording)))
    [pairs] = json.loads(first["payload"])
    rules = [[pair, [None, None, None, "0.00004", "2000.0"]] for pair in pairs]
    body = json.dumps([pairs, rules, BITFINEX_CODES])
    url = f"{venuekit_bitfinex.describe().environment().url('rest')}/{LISTS}"
    at = {"at": 0, "recv_ts": float(first["recv_ts"]), "channel": "http", "dir": "in", "conn": "http"}
    ids = InstrumentTable(read_instruments(body.encode())).ids_by_native(SYMBOL)
    return prepared(recording, told(folder, [{**at, "url": url, "payload": body}]), ids.__getitem__)


def bitget(recording: Path, folder: Path) -> Prepared:
    """BITGET_V1_*: with its instrument lists, which tell the ids."""
    ids: dict[str, str] = {}
    for record in lines(recording):
        if record["channel"] == "http" and ("/products" in record["url"] or "/contracts" in record["url"]):
            spot = "/products" in record["url"]
            for listed in json.loads(record["payload"])["data"]:
                base, quote = listed["baseCoin"], listed["quoteCoin"]
                market = bitget_session.MARKETS[bitget_session.SPOT if spot else bitget_session.MIX]
                ids[f"{market}:{base}{quote}"] = f"{base}-{quote}" + ("" if spot else "-PERP")
    urls = [f"https://api.bitget.com{path}" for path in bitget_session.CONTRACT_LISTS]
    sidecar = missing_lists(recording, folder, urls, '{"code":"00000","data":[]}')
    return prepared(recording, sidecar, ids.__getitem__)


def dydx(recording: Path, folder: Path) -> Prepared:
    """DYDX_V3_*: complete as it was recorded, trades and all: answers about those are numbered too. Books may be crossed."""
    channels = ("book", "trades")
    return prepared(recording, told(folder), dydx_pair, channels=channels, variant=dydx_session.CROSSED)


def dydx_backwards(recording: Path, folder: Path, variant: str = "") -> Prepared:
    """The changes of each market told from the last to the first, so that many a level is removed late.

    Each frame keeps its number, and each change its offset.
    """
    records = [*lines(recording)]
    changes: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        payload = record["payload"] or ""
        if '"type":"channel_data"' in payload and '"channel":"v3_orderbook"' in payload:
            changes.setdefault(json.loads(payload)["id"], []).append(record)
    for told_once in changes.values():
        frames = [json.loads(record["payload"]) for record in told_once]
        for record, frame, other in zip(told_once, frames, reversed(frames), strict=True):
            record["payload"] = json.dumps({**frame, "contents": other["contents"]})
    tape = folder / "backwards.jsonl"
    tape.write_text("".join(f"{json.dumps(record, default=float)}\n" for record in records), encoding="utf-8")
    channels = ("book", "trades")
    return prepared(recording, told(folder), dydx_pair, tape=tape, channels=channels, variant=variant)


def dydx_pair(symbol: str) -> str:
    """The perpetual of a market."""
    return f"{symbol}-PERP"


# OKX


def okx_checked(recording: Path, folder: Path) -> Prepared:
    """OKX_* of 2022: books proven by checksums."""
    return prepared(recording, _okx_sidecar(recording, folder), okx_session.pair, variant=okx_session.CHECKED)


def okx_linked(recording: Path, folder: Path) -> Prepared:
    """OKX_* told in today's form: linked ids, and checksums that are always 0. A recording of today stays as it is.

    Ids rise by whatever the venue pleases, and now and then they begin anew, lower than before.
    """
    tape = folder / "linked.jsonl"
    ids: dict[str, int] = {}
    with tape.open("w", encoding="utf-8") as file:
        for index, record in enumerate(lines(recording)):
            if _tells_book(record):
                record["payload"] = _linked(json.loads(record["payload"]), ids, index)
            file.write(f"{json.dumps(record, default=float)}\n")
    return prepared(recording, _okx_sidecar(recording, folder), okx_session.pair, tape=tape)


def _linked(frame: dict[str, Any], ids: dict[str, int], index: int) -> str:
    name = frame["arg"]["instId"]
    for book in frame["data"]:
        if "seqId" in book:
            break
        before = ids.get(name, -1)
        if frame["action"] == "snapshot":
            before = -1
        begun_anew = before > 5_000
        ids[name] = 17 if begun_anew else max(before, 0) + index
        book.update(checksum=0, prevSeqId=before, seqId=ids[name])
    return json.dumps(frame, separators=(",", ":"))


def _tells_book(record: dict[str, Any]) -> bool:
    return (
        record["dir"] == "in" and '"channel":"books' in record["payload"] and '"action"' in record["payload"]
    )


def _okx_sidecar(recording: Path, folder: Path) -> Path:
    urls = [f"https://www.okx.com/api/v5/public/instruments?instType={part}" for part in okx_session.LISTS]
    return missing_lists(recording, folder, urls, '{"code":"0","data":[]}')


# Huobi


def huobi(recording: Path, folder: Path) -> Prepared:
    """HUOBI_SPOT_*: complete as it was recorded."""
    return prepared(recording, told(folder), _huobi_pairs(recording))


def huobi_cut(recording: Path, folder: Path) -> Prepared:
    """The same messages in other frames: in turn one to a frame as recorded, one in two frames, and two in one."""
    tape = folder / "cut.jsonl"
    beginnings: list[dict[str, Any]] = []
    with tape.open("w", encoding="utf-8") as file:
        for index, record in enumerate(lines(recording)):
            if record.get("enc") == "base64" and index % 3:
                message = b64decode(record["payload"])
                if index % 3 == 1:
                    half = len(message) // 2
                    beginnings.append({**record, "at": index, "payload": _text(message[:half])})
                    message = message[half:]
                else:
                    message += gzip.compress(b'{"ping":1618678098643}')
                record["payload"] = _text(message)
            file.write(f"{json.dumps(record, default=float)}\n")
    sidecar = told(folder, [{**record, "recv_ts": float(record["recv_ts"])} for record in beginnings])
    return prepared(recording, sidecar, _huobi_pairs(recording), tape=tape)


def _text(message: bytes) -> str:
    return b64encode(message).decode()


def _huobi_pairs(recording: Path) -> Callable[[str], str]:
    """Our ids of symbols: they cannot be split, the instrument list tells."""
    listed = next(record for record in _responses(recording) if "/symbols" in record["url"])
    ids = {
        entry["symbol"]: f"{entry['base-currency']}-{entry['quote-currency']}".upper()
        for entry in json.loads(listed["payload"])["data"]
    }
    return ids.__getitem__


# Faults


def without_record(tape: Path, folder: Path, index: int) -> Path:
    """A copy of a tape that lacks one record."""
    data = tape.read_bytes()
    records = (gzip.decompress(data) if tape.suffix == ".gz" else data).splitlines(keepends=True)
    lacking = folder / "lacking.jsonl"
    lacking.write_bytes(b"".join([*records[:index], *records[index + 1 :]]))
    return lacking


def next_of(recording: Path, symbol: str, index: int) -> int:
    """The record of OKX that tells the next change of the same book."""
    mark = f'"instId":"{symbol}"}},"action"'
    return next(
        number
        for number, record in enumerate(lines(recording))
        if number > index and _tells_book(record) and mark in record["payload"]
    )


def _responses(recording: Path) -> Iterator[dict[str, Any]]:
    return (record for record in lines(recording) if record["channel"] == "http")

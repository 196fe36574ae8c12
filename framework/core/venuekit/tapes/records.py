"""What a tape is made of: one header, then records, one JSON object a line.

Rules of the format (docs/tapes.md shows them with examples):

1. Lines end with a line feed; text is UTF-8. The last line of a crashed recorder may be cut, no other.
2. The header is optional and the first line, known by its member ``tape``, the version of the format.
3. The *record index* counts records from 0 in the order of the file; the header has none.
4. ``recv_ts`` is a JSON number of Unix seconds with at most 9 decimals. Here it is an `Instant`; no float is between.
5. ``payload`` is the exact text of a frame or body; with ``"enc": "base64"`` the base64 of its exact bytes.
6. Members that are not known are ignored, so that an old reader reads what a newer recorder added.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from venuekit_spec import Instant, LocalError

FORMAT: Final = 1
"""The version of the format."""

_MARK: Final = "tape"
"""The member that tells a header, and its version."""

Channel: TypeAlias = Literal["ws", "http"]
Direction: TypeAlias = Literal["in", "out", "open", "close", "ping", "fail"]
"""``in`` received, ``out`` sent, ``open`` and ``close`` of a connection, ``ping`` a sign of life without content,
``fail`` a request or a dial that the network lost."""

PathRule: TypeAlias = Literal["whole", "last"]
"""How much of a path must agree for a recorded response to answer a request (see `venuekit.tapes.matching`)."""


class TapeDamaged(LocalError):
    """A line of a tape does not say what the format wants. `line` counts from 1, as editors do; 0 is the whole file."""

    def __init__(self, reason: str, *, path: str, line: int = 0) -> None:
        super().__init__(f"{path}, line {line}: {reason}" if line else f"{path}: {reason}")
        self.reason = reason
        self.path = path
        self.line = line


class Header(Struct, frozen=True, omit_defaults=True, tag_field=_MARK, tag=FORMAT):
    """What a recording is of. Its line says the version of the format as well: ``{"tape":1,...}``.

    `pairs` are instrument ids, `topics` what was subscribed to, `contract` the version of the connectors' contract,
    `recorded` when it began (ISO 8601, UTC), `by` the program. The rest tells the player what it cannot find out:
    `ignore` names more query parameters that do not matter for the answer, `connections` the only connections that may
    be dialled (all when empty), `paths` how much of a path must agree, `cassette` where the bodies of HTTP are, seen from
    the folder of the tape (`venuekit.tapes.cassettes`).
    """

    venue: str = ""
    environment: str = ""
    pairs: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    contract: str = ""
    recorded: str = ""
    by: str = ""
    ignore: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    paths: PathRule = "whole"
    cassette: str = ""


NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Record(Struct, frozen=True):
    """One thing that happened on a connection.

    `url` is the socket's address or the request's full URL; `binary`: the payload is kept as base64. `method`, `status`
    and `headers` (the few that matter, lower case) belong to HTTP records. `sent` belongs to a ``fail``: a byte of the
    request may have left. `take` is the number of the exchange in the tape's cassette that has the payload; below 0 there is
    none.
    """

    instant: Instant
    channel: Channel
    direction: Direction
    connection: str
    url: str
    payload: bytes | None = None
    binary: bool = False
    method: str = ""
    status: int = 0
    headers: Mapping[str, str] = NO_HEADERS
    sent: bool = False
    take: int = -1

    def __repr__(self) -> str:
        size = "no payload" if self.payload is None else f"{len(self.payload)} bytes"
        return f"<Record {self.channel} {self.direction} {self.connection} at {self.instant}, {size}>"


class Inserted(Struct, frozen=True):
    """A record of a sidecar, to be played before record `at` of the tape.

    Not `timed`: the sidecar gives no instant, and the record happens when the one it precedes does.
    """

    at: int
    record: Record
    timed: bool


class _Line(Struct, frozen=True):
    """A record as it is read. `recv_ts` stays text: its digits are the instant."""

    channel: Channel
    dir: Direction
    conn: str
    url: str
    payload: str | None
    recv_ts: msgspec.Raw = msgspec.Raw(b"")
    enc: Literal["base64"] | None = None
    method: str = ""
    status: int = 0
    headers: Mapping[str, str] | None = None
    sent: bool = False
    take: int = -1
    at: int = -1


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def instant_of(text: bytes) -> Instant:
    """The instant that a JSON number of Unix seconds names. Raises `ValueError` on signs, exponents and 10th decimals.

    >>> instant_of(b"1617566592.1065369")
    1617566592106536900
    """
    seconds, _, fraction = text.partition(b".")
    digits = seconds + fraction.ljust(9, b"0")
    if len(fraction) > 9 or not seconds or not digits.isdigit():
        raise ValueError("recv_ts is not a plain number of seconds with at most 9 decimals")
    return int(digits)


def seconds_text(instant: Instant) -> bytes:
    """An instant as the JSON number of a record: Unix seconds with 9 decimals.

    >>> seconds_text(1617566592106536900)
    b'1617566592.106536900'
    """
    if instant < 0:
        raise ValueError("an instant before 1970 has no place on a tape")
    return b"%d.%09d" % divmod(instant, 1_000_000_000)


def decode_record(line: bytes) -> Record:
    """The record of one line. Raises `ValueError` with the reason (`msgspec.DecodeError` is one)."""
    wire = _decode_line(line)
    return _record(wire, instant_of(bytes(wire.recv_ts)))


def decode_inserted(line: bytes) -> Inserted:
    """The record of one line of a sidecar. Raises `ValueError` with the reason."""
    wire = _decode_line(line)
    if wire.at < 0:
        raise ValueError("a record of a sidecar says with `at` before which record it belongs")
    stamp = bytes(wire.recv_ts)
    return Inserted(wire.at, _record(wire, instant_of(stamp) if stamp else 0), timed=bool(stamp))


def _record(wire: _Line, instant: Instant) -> Record:
    payload: bytes | None = None
    if wire.payload is not None:
        payload = wire.payload.encode() if wire.enc is None else _from_base64(wire.payload)
    return Record(
        instant,
        wire.channel,
        wire.dir,
        wire.conn,
        wire.url,
        payload,
        wire.enc is not None,
        wire.method,
        wire.status,
        wire.headers or NO_HEADERS,
        wire.sent,
        wire.take,
    )


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        raise ValueError("the payload is not base64") from None


def encode_record(record: Record, at: int | None = None) -> bytes:
    """The line of a record, line feed included; with `at` as a sidecar has it.

    Raises `ValueError` where a payload that is not `binary` is no UTF-8.
    """
    members = [b'{"recv_ts":', seconds_text(record.instant)]
    if at is not None:
        members.append(b',"at":%d' % at)
    members.append(line_middle(record.channel, record.direction, record.connection, record.url))
    if record.method:
        members += (b',"method":', _encode(record.method))
    if record.status:
        members.append(b',"status":%d' % record.status)
    if record.headers:
        members += (b',"headers":', _encode(dict(record.headers)))
    if record.sent:
        members.append(b',"sent":true')
    if record.take >= 0:
        members.append(b',"take":%d' % record.take)
    members.append(payload_tail(record.payload, binary=record.binary))
    return b"".join(members)


def line_middle(channel: Channel, direction: Direction, connection: str, url: str) -> bytes:
    """What lies between the instant and the payload of a line: the same for all frames of a connection."""
    return b',"channel":%b,"dir":%b,"conn":%b,"url":%b' % (
        _encode(channel),
        _encode(direction),
        _encode(connection),
        _encode(url),
    )


def payload_tail(payload: bytes | None, *, binary: bool) -> bytes:
    """The end of a line, from the payload on. Raises `ValueError` where text is no UTF-8."""
    if payload is None:
        return b',"payload":null}\n'
    if binary:
        return b',"enc":"base64","payload":"%b"}\n' % b64encode(payload)
    return b',"payload":%b}\n' % _encode(payload.decode())


def frame_line(instant: Instant, middle: bytes, frame: bytes) -> bytes:
    """The line of one frame, given the `line_middle` of its connection: the way of a recorder that must be quick.

    Bytes that are no UTF-8 are kept as base64.
    """
    try:
        tail = payload_tail(frame, binary=False)
    except UnicodeDecodeError:
        tail = payload_tail(frame, binary=True)
    return b'{"recv_ts":%b%b%b' % (seconds_text(instant), middle, tail)


def is_binary(payload: bytes) -> bool:
    """Whether bytes are no UTF-8, so that a line cannot hold them as text."""
    if payload.isascii():
        return False
    try:
        payload.decode()
    except UnicodeDecodeError:
        return True
    return False


def is_header(line: bytes) -> bool:
    """Whether a line, the first of its file, is a header."""
    return _MARK.encode() in line[:4096] and _MARK in _decode_object(line)


def header_members(line: bytes) -> dict[str, Any]:
    """What a header line says, as it says it: a sidecar's members replace those of its tape."""
    return _decode_object(line)


def header_of(members: Mapping[str, Any]) -> Header:
    """The header with these members. Raises `ValueError` with the reason, also for a format newer than `FORMAT`."""
    if members[_MARK] != FORMAT:
        raise ValueError(f"the tape is of format {members[_MARK]}; this version reads format {FORMAT}")
    return msgspec.convert(dict(members), Header)


def encode_header(header: Header) -> bytes:
    """The line of a header, line feed included."""
    return _encode(header) + b"\n"

"""Records of tapes: values to lines and back, without losing a digit or a byte."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.tapes import FORMAT, Header, Record, TapeDamaged
from venuekit.tapes.records import (
    Channel,
    Direction,
    decode_inserted,
    decode_record,
    encode_header,
    encode_record,
    frame_line,
    header_members,
    header_of,
    instant_of,
    is_header,
    line_middle,
    seconds_text,
)
from venuekit_spec import SECOND, LocalError

instants = st.integers(0, 4_000_000_000 * SECOND)
texts = st.text(st.characters(exclude_categories=["Cs"]))

records = st.builds(
    Record,
    instants,
    st.sampled_from(get_args(Channel)),
    st.sampled_from(get_args(Direction)),
    texts,
    texts,
    st.one_of(st.none(), texts.map(str.encode)),
    method=st.sampled_from(["", "GET", "POST"]),
    status=st.sampled_from([0, 200, 503]),
    headers=st.dictionaries(texts, texts, max_size=2),
    sent=st.booleans(),
)

FRAME: dict[str, Any] = {
    "recv_ts": 1,
    "channel": "ws",
    "dir": "in",
    "conn": "ws.1",
    "url": "",
    "payload": "x",
}


def line(**members: Any) -> bytes:
    """The line of a frame, with other members."""
    return json.dumps({**FRAME, **members}).encode()


@given(records)
def test_a_record_survives_the_way_to_a_line_and_back(record: Record) -> None:
    """A record that is encoded and decoded is the same record, on one line."""
    encoded = encode_record(record)
    assert encoded.count(b"\n") == 1
    assert encoded.endswith(b"\n")
    assert decode_record(encoded) == record


@given(st.binary())
def test_any_bytes_survive_as_a_binary_payload(payload: bytes) -> None:
    """A binary payload comes back byte for byte."""
    record = Record(5, "ws", "in", "ws.1", "wss://x", payload, binary=True)
    assert decode_record(encode_record(record)) == record


@given(instants, texts, texts, st.one_of(st.binary(), texts.map(str.encode)))
def test_the_quick_way_writes_the_same_line(instant: int, connection: str, url: str, frame: bytes) -> None:
    """The line that a recorder puts together for a frame says what the record's own line says."""
    quick = decode_record(frame_line(instant, line_middle("ws", "in", connection, url), frame))
    assert (quick.instant, quick.connection, quick.url, quick.payload) == (instant, connection, url, frame)
    assert encode_record(quick) == frame_line(instant, line_middle("ws", "in", connection, url), frame)


@given(instants)
def test_instants_are_exact(instant: int) -> None:
    """An instant written as decimal seconds is read back to the nanosecond, as a decimal number would be."""
    text = seconds_text(instant)
    assert instant_of(text) == instant
    assert Decimal(text.decode()) * SECOND == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (b"1617566592.1065369", 1617566592106536900),
        (b"1723161255.030314667", 1723161255030314667),
        (b"1723161255", 1723161255 * SECOND),
        (b"0.5", SECOND // 2),
    ],
)
def test_fewer_decimals_are_as_exact(text: bytes, instant: int) -> None:
    """Missing decimals are zeros: no digit goes through a float."""
    assert instant_of(text) == instant


@pytest.mark.parametrize(
    "text", [b"", b"-1.0", b"1e9", b"1.0000000001", b".5", b'"1.5"', b"null", b"1.5.2", b"1. 5"]
)
def test_other_numbers_are_refused(text: bytes) -> None:
    """What is no plain decimal number of seconds is refused, and not guessed at."""
    with pytest.raises(ValueError, match="recv_ts"):
        instant_of(text)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        line()[:-1],
        line(channel="tcp"),
        line(dir="sideways"),
        line(payload=5),
        line(enc="hex"),
        line(enc="base64", payload="no base64!"),
        line(recv_ts="1.5"),
        line(recv_ts=-1),
        b'{"recv_ts":1,"channel":"ws","dir":"in","conn":"ws.1","payload":"without a url"}',
    ],
)
def test_a_line_that_makes_no_sense_is_refused(damaged: bytes) -> None:
    """A malformed line raises `ValueError`, of which the reader makes a `TapeDamaged`."""
    with pytest.raises(ValueError, match=r".+"):
        decode_record(damaged)


def test_unknown_members_are_ignored() -> None:
    """A record with members of a later version is read as if they were not there."""
    assert decode_record(line(weather="fine")) == decode_record(line())


def test_an_inserted_record_says_where_it_belongs() -> None:
    """A sidecar's record carries its place; its time may be left out, its place may not."""
    inserted = decode_inserted(b'{"at":3,"channel":"http","dir":"in","conn":"http","url":"","payload":null}')
    assert (inserted.at, inserted.timed) == (3, False)
    assert decode_inserted(encode_record(inserted.record, at=3)).timed
    with pytest.raises(ValueError, match="at"):
        decode_inserted(line())


def test_a_header_survives_and_is_told_from_a_record() -> None:
    """A header comes back equal, with its version first, and a frame that speaks of tapes is none."""
    header = Header(
        venue="kraken", pairs=("BTC-EUR",), ignore=("nonce",), connections=("ws.2",), paths="last"
    )
    encoded = encode_header(header)
    assert encoded.startswith(b'{"tape":%d,' % FORMAT)
    assert is_header(encoded)
    assert header_of(header_members(encoded)) == header
    assert encode_header(Header()) == b'{"tape":1}\n'
    assert not is_header(line(payload='{"tape":1}'))


def test_a_newer_format_is_refused_by_name() -> None:
    """A header of a later version says that it is one."""
    with pytest.raises(ValueError, match="format 2"):
        header_of({"tape": 2})


def test_the_error_names_file_and_line() -> None:
    """`TapeDamaged` is a local error that says where."""
    error = TapeDamaged("it is torn", path="a.jsonl", line=7)
    assert isinstance(error, LocalError)
    assert str(error) == "a.jsonl, line 7: it is torn"


def test_the_repr_of_a_record_shows_no_content() -> None:
    """Neither payload nor URL is in the repr: both may carry what is nobody's business."""
    record = Record(5, "ws", "in", "ws.1", "wss://x?token=abcdef", b"abcdef")
    assert "abcdef" not in repr(record)

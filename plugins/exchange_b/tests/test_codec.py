"""The codec: gzip in, messages out, and everything else refused."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_exchange_b import codec
from venuekit_exchange_b.codec import GzipCodec, packed
from venuekit_spec import MalformedMessage


@given(st.dictionaries(st.text(), st.integers(-(2**53), 2**53)))
def test_what_was_packed_comes_out(message: dict[str, int]) -> None:
    """A frame holds one message, byte for byte, whoever packed it."""
    [unpacked] = GzipCodec().decode(packed(message))
    assert GzipCodec().decode(gzip.compress(unpacked)) == (unpacked,)


@given(st.binary(max_size=200))
def test_what_is_no_gzip_is_refused(frame: bytes) -> None:
    """Any other bytes raise `MalformedMessage`."""
    with pytest.raises(MalformedMessage):
        GzipCodec().decode(frame)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_frame_that_was_spoilt(message: bytes, data: st.DataObject) -> None:
    """A frame cut short, altered in its checksum, or with something after its end raises `MalformedMessage`."""
    frame = packed(message.hex())
    cut = data.draw(st.integers(0, len(frame) - 1))
    altered = bytearray(frame)
    altered[data.draw(st.integers(len(frame) - 8, len(frame) - 1))] ^= 0x55
    for spoilt in (frame[:cut], bytes(altered), frame + b"x", frame + frame):
        with pytest.raises(MalformedMessage):
            GzipCodec().decode(spoilt)


def test_a_frame_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame unpacks to more than the bound, however small it is itself."""
    monkeypatch.setattr(codec, "LARGEST", 1_000)
    with pytest.raises(MalformedMessage):
        GzipCodec().decode(packed("0" * 100_000))

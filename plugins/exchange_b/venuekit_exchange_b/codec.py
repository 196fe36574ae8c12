"""The frames of Exchange B: JSON, compressed with gzip, one message in each. PROTOCOL.md, "Sockets"."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from venuekit_exchange_b.payloads import VENUE
from venuekit_spec import MalformedMessage

GZIP: Final = 31
"""The window bits that stand for gzip with its header and checksum."""

LARGEST: Final = 64 * 2**20
"""Bytes that a frame may unpack to: one that claims more is an attack or a mistake."""


class GzipCodec:
    """Unpacks. The checksum of the format is checked, so a frame that was altered on its way is seen."""

    def decode(self, frame: bytes) -> Sequence[bytes]:
        """The message in a frame. Raises `MalformedMessage` for one that is no gzip, is cut off, or does not end there."""
        unpacker = zlib.decompressobj(GZIP)
        try:
            message = unpacker.decompress(frame, LARGEST)
        except zlib.error as error:
            raise MalformedMessage(str(error), venue=VENUE, frame=frame) from error
        if not unpacker.eof:
            raise MalformedMessage("a frame that is cut off, or too large", venue=VENUE, frame=frame)
        if unpacker.unused_data:
            raise MalformedMessage("a frame that goes on after its end", venue=VENUE, frame=frame)
        return (message,)


def packed(message: Any) -> bytes:
    """A message as a frame."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP)
    return packer.compress(msgspec.json.encode(message)) + packer.flush()

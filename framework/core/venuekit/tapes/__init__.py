"""Tapes: recorded sessions, HTTP exchanges and WebSocket frames, and their replay through the code that runs live.

The format is described in docs/tapes.md. Record with `Recorder` and the two recording transports, read with `open_tape`,
replay with `TapePlayer`.
"""

from __future__ import annotations

from venuekit.tapes.player import Played, TapeDiverged, TapePlayer
from venuekit.tapes.reader import Tape, open_tape
from venuekit.tapes.recorder import Recorder, RecordingHttpTransport, RecordingWebSocketTransport
from venuekit.tapes.records import FORMAT, Header, Record, TapeDamaged
from venuekit.tapes.scrub import REDACTED, Scrubber
from venuekit.tapes.writing import TapeNotWritten

__all__ = [
    "FORMAT",
    "REDACTED",
    "Header",
    "Played",
    "Record",
    "Recorder",
    "RecordingHttpTransport",
    "RecordingWebSocketTransport",
    "Scrubber",
    "Tape",
    "TapeDamaged",
    "TapeDiverged",
    "TapeNotWritten",
    "TapePlayer",
    "open_tape",
]

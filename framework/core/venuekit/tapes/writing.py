"""The disk's side of a recorder: a thread that compresses and writes, so that no event loop waits for either.

1. The file is ``NAME.part`` until it is finished; then it is on disk, whole, and gets its name in one step.
2. Every hand-over is flushed through the compressor: after a crash a reader gets all that was handed over.
3. Nothing is overwritten, neither a tape nor what a crash left of one.
4. A disk that fails, or is too slow for what comes, ends the recording and never the caller: a tape with a hole would lie.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeAlias

from venuekit.tapes.reader import ZSTANDARD_MISSING
from venuekit_spec import LocalError

BACKLOG: Final = 64 * 2**20
"""How many bytes may wait for the disk."""

_GZIP_LEVEL: Final = 6
_GZIP_WINDOW: Final = 31
_ZSTD_LEVEL: Final = 6

_Coder: TypeAlias = tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], bytes]]
"""Compress, flush what is held back, end."""


class TapeNotWritten(LocalError):
    """A recording could not be written to its end."""


def _nothing() -> bytes:
    return b""


def _plain() -> _Coder:
    return bytes, _nothing, _nothing


def _gzip() -> _Coder:
    coder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return coder.compress, lambda: coder.flush(zlib.Z_SYNC_FLUSH), coder.flush


def _zstd() -> _Coder:
    try:
        import zstandard
    except ImportError:
        raise LocalError(ZSTANDARD_MISSING) from None
    coder = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return coder.compress, lambda: coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), coder.flush


_CODERS: Final[tuple[tuple[str, Callable[[], _Coder]], ...]] = (
    (".jsonl", _plain),
    (".jsonl.gz", _gzip),
    (".jsonl.zst", _zstd),
)


class TapeWriter:
    """Writes one file, compressed as its name says: ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``.

    Raises `LocalError` for any other name, for a file that exists, for a folder that is missing or closed to us, and where
    Zstandard is not installed.
    """

    def __init__(self, path: Path) -> None:
        make = next((make for suffix, make in _CODERS if path.name.endswith(suffix)), None)
        if make is None:
            raise LocalError(
                f"{path.name}: a tape is named {', '.join(f'*{suffix}' for suffix, _ in _CODERS)}"
            )
        self.path = path
        self.unfinished = path.with_name(path.name + ".part")
        self.failure = ""
        """Why the recording ended early; empty while it goes on."""
        self._coder = make()
        if path.exists():
            raise LocalError(f"{path} exists; a recording overwrites nothing")
        try:
            self._file = self.unfinished.open("xb")
        except FileExistsError:
            raise LocalError(
                f"{self.unfinished} is what a crash left of a recording; move it away first"
            ) from None
        except OSError as error:
            raise LocalError(f"{path} cannot be written: {error.strerror or error}") from error
        self._queue: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._handed = 0
        self._written = 0
        self._finished = False
        self._thread = Thread(target=self._work, name=f"tape {path.name}", daemon=True)
        self._thread.start()

    def hand_over(self, lines: list[bytes]) -> None:
        """Have these lines written. Returns at once; what fails is told by `failure` and by `finish`."""
        self._handed += sum(map(len, lines))
        if self._handed - self._written > BACKLOG:
            self.failure = self.failure or "the disk is slower than what is recorded"
        if not self.failure:
            self._queue.put(lines)

    def finish(self) -> None:
        """Wait until all is on disk, and give the file its name. The second call does nothing.

        Raises `TapeNotWritten` where the recording ended early; what there is stays as ``.part``.
        """
        if self._finished:
            return
        self._finished = True
        self._queue.put(None)
        self._thread.join()
        if self.failure:
            raise TapeNotWritten(f"{self.unfinished} ends early: {self.failure}")
        self.unfinished.replace(self.path)

    def _work(self) -> None:
        compress, flush, end = self._coder
        try:
            with self._file as file:
                while (lines := self._queue.get()) is not None:
                    plain = b"".join(lines)
                    file.write(compress(plain) + flush())
                    file.flush()
                    self._written += len(plain)
                file.write(end())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.failure = error.strerror or str(error)

"""Cassettes that are made beside a tape: what the core finds under the entry point ``venuekit.cassettes``.

The tape's own scrubber is used, and the venue's rules; the file is the same as that of a test. A thread writes it, exchange by
exchange, so that no event loop waits for the disk and a crash costs only what came last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeAlias

from venuekit.tapes import Header, Scrubber, TapeNotWritten
from venuekit.tapes.cassettes import Taken
from venuekit_spec import HttpRequest, HttpResponse, LocalError
from venuekit_testkit.cassettes.files import CassetteFile, beginning, exchange_text
from venuekit_testkit.cassettes.rules import CassetteRules

SUFFIXES: Final = (".yaml", ".yml")

_Exchange: TypeAlias = tuple[dict[str, Any], dict[str, Any]]


def read(path: Path) -> Sequence[Taken]:
    """All exchanges of a cassette, ours or any other of vcrpy's. Raises `OSError`, and `ValueError` for what is none."""
    content = CassetteFile.deserialize(path.read_text(encoding="utf-8"))
    try:
        return [_taken(each["request"], each["response"]) for each in content["interactions"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"an exchange in it lacks {error}") from None


def _taken(request: dict[str, Any], response: dict[str, Any]) -> Taken:
    body = response["body"].get("string") or b""
    data = body.encode() if isinstance(body, str) else body
    return Taken(request["method"], request["uri"], response["status"]["code"], data)


def write(path: Path, header: Header, scrubber: Scrubber) -> PairedCassette:
    """Begin a cassette. Raises `LocalError` for a name that is taken, does not end in ``.yaml``, or is in no folder."""
    if path.suffix not in SUFFIXES:
        raise LocalError(f"{path.name}: a cassette is named *{' or *'.join(SUFFIXES)}")
    return PairedCassette(path, CassetteRules.of(header.venue), scrubber)


class PairedCassette:
    """A cassette that is being recorded. It is called ``NAME.part`` until it is finished; nothing is overwritten."""

    def __init__(self, path: Path, rules: CassetteRules, scrubber: Scrubber) -> None:
        self._path = path
        self._unfinished = path.with_name(path.name + ".part")
        self._rules = rules
        self._scrubber = scrubber
        self._queue: SimpleQueue[_Exchange | None] = SimpleQueue()
        self._count = 0
        self._failure = ""
        self._thread: Thread | None = None
        for taken in (path, self._unfinished):
            if taken.exists():
                raise LocalError(f"{taken} exists; a recording overwrites nothing")
        if not path.parent.is_dir():  # told now, not when hours are recorded
            raise LocalError(f"{path} cannot be written: there is no folder {path.parent}")

    def __repr__(self) -> str:
        return f"<PairedCassette {self._path.name}, {self._count} exchanges>"

    def add(self, request: HttpRequest, response: HttpResponse) -> int:
        """Append an exchange, scrubbed; its number, from 0. Returns at once."""
        rules, scrubber = self._rules, self._scrubber
        sent = {
            "method": request.method,
            "uri": rules.url(request.url, scrubber),
            "headers": rules.request_headers(dict(request.headers)),
            "body": rules.body(request.body, scrubber),
        }
        got = {
            "status": {"code": response.status, "message": _phrase(response.status)},
            "headers": rules.response_headers(response.headers, scrubber),
            "body": {"string": scrubber.frame(response.body)},
        }
        if not self._failure:
            self._queue.put((sent, got))
        self._start()
        self._count += 1
        return self._count - 1

    def finish(self) -> None:
        """Wait until all is on disk, and give the file its name. Raises `TapeNotWritten` where it ends early."""
        if self._path.exists():
            return
        self._start()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._failure:
            raise TapeNotWritten(f"{self._unfinished} ends early: {self._failure}")
        self._unfinished.replace(self._path)

    def _start(self) -> None:
        """Open the file with the first exchange: a tape that cannot be begun leaves no cassette."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name=f"cassette {self._path.name}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            with self._unfinished.open("x", encoding="utf-8") as file:
                each = self._queue.get()
                file.write(beginning(0 if each is None else 1))
                while each is not None:
                    file.write(exchange_text(*each))
                    file.flush()
                    each = self._queue.get()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._failure = error.strerror or str(error)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""

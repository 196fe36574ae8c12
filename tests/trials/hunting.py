"""The hunt for secrets: what is secret, and whether a text, a file or an object shows it.

Secret is what credentials are made of, the public half of a key included, and what was seen on the wire of it: signatures and
tokens, which are long runs of hexadecimal digits. What is found is named by what it is and where it stands, never shown.
"""

from __future__ import annotations

import logging
import re
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote_plus

from attrs import define, field
from tests.trials.watching import Message

from venuekit.drivers.http import HttpTransport
from venuekit.drivers.websocket import WebSocket, WebSocketTransport
from venuekit_spec import Credentials, Dial, HttpRequest, HttpResponse

LONG: Final = re.compile(rb"(?i)(?<![0-9a-f])(?:0x)?[0-9a-f]{60,}(?![0-9a-f])")
"""What signatures and tokens look like; nothing else that a venue or a client says does."""

DEPTH: Final = 7
"""How many attributes away from an object the objects that it leads to are looked at."""

OURS: Final = "venuekit"


@define
class Hunt:
    """What is looked for by name, and where it was found."""

    secrets: dict[str, str] = field(repr=False)
    found: list[str] = field(factory=list)
    places: int = 0
    """How many places were searched."""
    errors: int = 0
    """How many errors were."""

    @classmethod
    def of(cls, credentials: Credentials) -> Hunt:
        """For every field of these credentials."""
        return cls({name: credentials[name] for name in credentials.fields})

    def learn(self, message: Message) -> None:
        """What is secret of a message on the wire is looked for too."""
        match message:
            case HttpRequest():
                parts = [
                    message.url.encode(),
                    message.body or b"",
                    *(value.encode() for _, value in message.headers),
                ]
            case HttpResponse():
                parts = [message.body]
            case str():
                parts = [message.encode()]
            case _:
                parts = [message]
        for part in parts:
            for match in LONG.finditer(part):
                value = match[0].decode()
                if value not in self.secrets.values():
                    self.secrets[f"signature or token {len(self.secrets)}"] = value

    def search(self, place: str, content: str | bytes) -> None:
        """Look at a text, or the bytes of a file."""
        self.places += 1
        data = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        for name, value in self.secrets.items():
            if any(form in data for form in forms(value)):
                self.found.append(f"{name} in {place}")

    def search_folder(self, folder: Path) -> None:
        """Look at the names and bytes of every file."""
        for path in sorted(folder.rglob("*")):
            self.search(f"the name of {path.name}", str(path))
            if path.is_file():
                self.search(path.name, path.read_bytes())

    def search_error(self, place: str, error: BaseException) -> None:
        """Look at an error: itself, its traceback, and the local variables of every frame of it and of its causes."""
        self.errors += 1
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        self.search(f"the repr of {place}", repr(error))
        left = [told]
        while left:
            part = left.pop()
            for frame in part.stack:
                for name, value in (frame.locals or {}).items():
                    self.search(f"the local {name} of {frame.name} ({Path(frame.filename).name})", value)
            left += [each for each in (part.__cause__, part.__context__, *(part.exceptions or ())) if each]
        self.search(f"the traceback of {place}", "".join(told.format()))

    def search_objects(self, place: str, root: object) -> None:
        """Look at the repr and str of every object that public attributes and items lead to."""
        for path, each in reached(place, root):
            self.search(f"the repr of {path}", repr(each))
            self.search(f"the str of {path}", str(each))


class LearningHttp:
    """A transport for requests from which a hunt learns."""

    def __init__(self, within: HttpTransport, hunt: Hunt) -> None:
        self._within = within
        self._hunt = hunt

    async def send(self, request: HttpRequest) -> HttpResponse:
        """As the transport within."""
        self._hunt.learn(request)
        response = await self._within.send(request)
        self._hunt.learn(response)
        return response

    async def aclose(self) -> None:
        """As the transport within."""
        await self._within.aclose()


class LearningSockets:
    """A transport for sockets from which a hunt learns."""

    def __init__(self, within: WebSocketTransport, hunt: Hunt) -> None:
        self._within = within
        self._hunt = hunt

    async def open(self, dial: Dial) -> WebSocket:
        """As the transport within."""
        self._hunt.learn(dial.url)
        return cast("WebSocket", _LearningSocket(await self._within.open(dial), self._hunt))


class _LearningSocket:
    """A socket from which a hunt learns."""

    def __init__(self, within: WebSocket, hunt: Hunt) -> None:
        self._within = within
        self._hunt = hunt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def send(self, frame: str | bytes) -> None:
        """As the socket within."""
        self._hunt.learn(frame)
        self._within.send(frame)


class Log(logging.Handler):
    """Every record of every logger, as text, with the arguments of the message and its traceback."""

    def __init__(self, hunt: Hunt) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._hunt = hunt

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it: a token may become known later than it is logged."""
        self.lines.append(f"{record.name} {record.getMessage()} {record.args!r}")
        if record.exc_info is not None and record.exc_info[1] is not None:
            self._hunt.search_error(f"the log of {record.name}", record.exc_info[1])

    def search(self) -> None:
        """Look at what was logged so far."""
        for line in self.lines:
            self._hunt.search("the log", line)


@cache
def forms(value: str) -> frozenset[bytes]:
    """How a value may stand in a text: as it is, percent-encoded, in base64 at any offset, in hexadecimal."""
    plain = value.encode()
    coded = {
        encode(b"\0" * offset + plain)[(0, 4, 4)[offset] : -4]
        for encode in (b64encode, urlsafe_b64encode)
        for offset in range(3)
    }
    return frozenset({plain, quote_plus(value).encode(), plain.hex().encode(), *coded})


def reached(place: str, root: object) -> Iterator[tuple[str, object]]:
    """Every object of ours that public attributes and items lead to, each once, with the way to it."""
    seen: set[int] = set()
    left: list[tuple[str, object, int]] = [(place, root, 0)]
    kept: list[object] = []  # an object that is gone could leave its id to another
    while left:
        path, each, depth = left.pop()
        if id(each) in seen or isinstance(each, (str, bytes, int, float, type)):
            continue
        seen.add(id(each))
        kept.append(each)
        yield path, each
        if depth < DEPTH:
            left += [(f"{path}{step}", value, depth + 1) for step, value in steps(each)]


def steps(each: object) -> Iterator[tuple[str, Any]]:
    """Where one object leads to."""
    if isinstance(each, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in list(each.items())[:20])
    elif isinstance(each, (list, tuple, set, frozenset)):
        yield from ((f"[{number}]", value) for number, value in enumerate(list(each)[:20]))
    elif type(each).__module__.partition(".")[0].startswith(OURS):
        for name in dir(each):
            if not name.startswith("_"):
                try:
                    value = getattr(each, name)
                except Exception as error:  # noqa: BLE001  # a book that is not live says so: its error is looked at too
                    value = error
                yield f".{name}", value

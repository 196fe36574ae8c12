"""Which recorded response answers a request, and which recorded connection a dial.

Recordings are older than the code that replays them: hosts and versions of an interface have moved on since. So:

A *response* answers a request if

1. the methods are equal (a record without one is of a GET);
2. the paths are equal, or they are once segments that name a version (``v1``, ``v3``, ``0``) are left out of both, and one
   then ends with all of the other; or, where the header says ``"paths": "last"``, their last segments are equal;
3. every query parameter that occurs in both has the same value, except those that do not change what is asked about
   (`IGNORED`, and what the header adds), and except where the tape says REDACTED.

Hosts do not matter. Of several, the one whose path is equal as a whole is preferred.

A *connection* answers a dial the better the more alike the addresses are: host and path, the path, the host, nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen

from venuekit.tapes.records import PathRule
from venuekit.tapes.scrub import REDACTED

IGNORED: Final = frozenset({"count", "depth", "limit", "recvWindow", "signature", "sz", "timestamp"})
"""Query parameters that do not matter for the match: how much is asked for, and what is different on every request."""

_VERSION = re.compile(r"v\d+(?:\.\d+)*|\d")


class Likeness(IntEnum):
    """How well two addresses agree; more is better."""

    NONE = 0
    HOST = 1
    PATH = 2
    BOTH = 3


@frozen
class Address:
    """A URL taken apart for comparison. `bare` are the segments of the path that name no version."""

    host: str
    path: str
    segments: tuple[str, ...]
    bare: tuple[str, ...]
    query: Mapping[str, str]


@lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """The parts of a URL."""
    parts = urlsplit(url)
    segments = tuple(segment for segment in parts.path.split("/") if segment)
    bare = tuple(segment for segment in segments if not _VERSION.fullmatch(segment))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Address(parts.netloc, "/" + "/".join(segments), segments, bare, query)


def answers(
    recorded: str, requested: str, *, ignored: Collection[str] = IGNORED, paths: PathRule = "whole"
) -> Likeness:
    """How well the response to the URL `recorded` answers a request for `requested`: `NONE`, `PATH` or, best, `BOTH`."""
    tape, asked = address_of(recorded), address_of(requested)
    for name, value in tape.query.items():
        if name not in ignored and value != REDACTED and asked.query.get(name, value) != value:
            return Likeness.NONE
    if tape.path == asked.path:
        return Likeness.BOTH
    if paths == "last":
        return Likeness.PATH if tape.segments[-1:] == asked.segments[-1:] else Likeness.NONE
    shorter, longer = sorted((tape.bare, asked.bare), key=len)
    return Likeness.PATH if shorter and longer[-len(shorter) :] == shorter else Likeness.NONE


def alike(recorded: str, dialled: str) -> Likeness:
    """How alike the addresses of two sockets are; their queries are not compared."""
    tape, asked = address_of(recorded), address_of(dialled)
    if tape.path == asked.path:
        return Likeness.BOTH if tape.host == asked.host else Likeness.PATH
    return Likeness.HOST if tape.host == asked.host else Likeness.NONE

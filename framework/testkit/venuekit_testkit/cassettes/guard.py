"""The guard: what looks secret in a recording, a cassette or a tape. It names places, never values.

Looked for are, in every text, also of JSON inside JSON, and of frames that are compressed or kept as base64:

1. known secrets, in any form in which the core's `Scrubber` finds them: plain, percent-encoded, escaped, inside base64;
2. values with telling names: headers, parameters, members, and the arguments of frames that log in;
3. what looks like a key, a signature or a token by itself: a long run of hexadecimal digits, or of letters of both cases mixed
   with digits. UUIDs and paths are none, nor what a chain shows to everybody, where its name says so (`PUBLIC`).
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from venuekit.tapes.reader import SUFFIXES, Lines
from venuekit.tapes.scrub import REDACTED, Scrubber, is_secret_header, is_secret_name
from venuekit_testkit.cassettes.files import CassetteFile
from venuekit_testkit.cassettes.rules import VOLATILE

PUBLIC: Final = frozenset({"address", "blockhash", "cloid", "hash", "txhash", "user", "users"})
"""Names, in lower case and without underscores, of hexadecimal numbers with 0x that a chain shows to everybody."""

_LONG_RUN = re.compile(r"[A-Za-z0-9+/_\-]{24,}={0,2}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(0x)?[0-9a-fA-F]{32,}")
_SHORTEST_RUN: Final = 20
_BLANKS: Final = ("", REDACTED, VOLATILE)


def findings(path: Path, secrets: Iterable[str] = ()) -> list[str]:
    """What looks secret in a recording: places with a reason, empty where all is well.

    A file of JSON lines, plain or compressed, is searched as a tape, any other as a cassette. Raises `ValueError` for what is
    no cassette, `TapeDamaged` for what cannot be decompressed, `OSError`.
    """
    if is_tape(path):
        return tape_findings(Lines(path), secrets)
    return cassette_findings(path.read_text(encoding="utf-8"), secrets)


def is_tape(path: Path) -> bool:
    """Whether the name is that of a tape, finished or not, or of its sidecar."""
    return path.name.removesuffix(".part").endswith(SUFFIXES)


def cassette_findings(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """What looks secret in a cassette, given the text of its file. Raises `ValueError` for what is none."""
    known = tuple(secrets)
    anywhere = ["a known secret"] if any(secret in text for secret in known) else []
    return anywhere + list(_searched(CassetteFile.deserialize(text), "", "", Scrubber(known)))


def tape_findings(lines: Iterable[bytes], secrets: Iterable[str] = ()) -> list[str]:
    """What looks secret on a tape, given its lines."""
    scrubber = Scrubber(secrets)
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        found += _searched(_record(line), f"line {number}", "", scrubber)
    return found


def _record(line: bytes) -> Any:
    """A line as its members, its payload as bytes where it is kept as base64; as text where it is no JSON."""
    try:
        record = msgspec.json.decode(line)
        if record.get("enc") == "base64":
            record["payload"] = b64decode(record["payload"], validate=True)
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, Base64Error):
        return line
    return record


def _searched(node: Any, place: str, name: str, scrubber: Scrubber | None) -> Iterator[str]:
    """The findings in a parsed recording. Without a scrubber: inside of a text that was seen by it already."""
    match node:
        case dict():
            for key, value in node.items():
                yield from _searched(value, f"{place}/{key}", str(key), scrubber)
        case list():
            for number, value in enumerate(node):
                yield from _searched(value, f"{place}/{number}", name, scrubber)
        case str():
            yield from _judged(node, node.encode(), place, name, scrubber)
        case bytes():
            yield from _judged(node.decode("utf-8", "backslashreplace"), node, place, name, scrubber)
        case _:
            pass


def _judged(text: str, data: bytes, place: str, name: str, scrubber: Scrubber | None) -> Iterator[str]:
    """The findings in one text. It is parsed only where there is something to find, for its place."""
    scrubbed = scrubber is not None and scrubber.frame(data) != data
    telling = is_secret_name(name) or ("headers" in place and is_secret_header(name))
    drawn = any(map(_random, _LONG_RUN.findall(text)))
    inside = _json(text) if scrubbed or drawn else None
    if inside is not None:
        deeper = list(_searched(inside, place, name, None))
        yield from deeper
        if scrubbed and not deeper:
            yield f"{place}: a known secret, or a login"
    elif telling and text not in _BLANKS:
        yield f"{place}: a value with a telling name"
    elif scrubbed:
        yield f"{place}: a known secret, or a parameter with a telling name"
    elif drawn and not (text.startswith("0x") and name.lower().replace("_", "") in PUBLIC):
        yield f"{place}: looks like a key or a signature"


def _json(text: str) -> Any:
    """What a text says where it is JSON with members or items, None otherwise."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _random(run: str) -> bool:
    """Whether a run of characters looks drawn by chance, and is no path, UUID or name."""
    if _UUID.fullmatch(run):
        return False
    if _HEX.fullmatch(run):
        return True
    kinds = (str.islower, str.isupper, str.isdigit)
    return any(
        len(part) >= _SHORTEST_RUN and all(any(map(kind, part)) for kind in kinds) for part in run.split("/")
    )

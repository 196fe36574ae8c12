"""The guard: what looks secret in a recording, a cassette or a tape. It names places, never values.

Looked for are, in every text, also of JSON inside JSON, in names of members, and in frames that are compressed or kept as
base64:

1. known secrets, in any form in which the core's `Scrubber` finds them: plain, percent-encoded, escaped, inside base64;
2. values with telling names: headers, parameters, members, what stands before the host of an address, and the arguments of
   frames that log in;
3. what looks like a key, a signature or a token by itself: a private key by its first line, a long run of hexadecimal digits,
   of letters of both cases mixed with digits, or of letters and digits that take turns. Numbers, UUIDs and paths are none,
   nor what a chain shows to everybody, where its name says so (`PUBLIC`), nor what has a name that the caller calls public.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from venuekit.tapes.reader import SUFFIXES, Lines
from venuekit.tapes.scrub import REDACTED, Scrubber, inflated, is_secret_header, is_secret_name
from venuekit_testkit.cassettes.files import CassetteFile
from venuekit_testkit.cassettes.rules import VOLATILE

PUBLIC: Final = frozenset({"address", "blockhash", "cloid", "hash", "txhash", "user", "users"})
"""Names, in lower case and without underscores, of hexadecimal numbers with 0x that a chain shows to everybody."""

_LONG_RUN = re.compile(r"(?:[A-Za-z0-9+/_\-]{24,}={0,2}|[A-Za-z0-9+/_\-]{22}==)")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(0x)?(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32,}")
_TURN = re.compile(r"[A-Za-z][0-9]|[0-9](?=[A-Za-z])")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_USER_INFO = re.compile(rf"://(?!{REDACTED}@)[^/@?#\s]+@")
_SHORTEST_RUN: Final = 20
_LONGEST_NAME: Final = 32
"""A run of letters of one case and digits that is not longer may be the id of an order."""
_TURNS: Final = 8
"""So often letters and digits take turns in what is drawn by chance, and in no name."""
_SHOWN = re.compile(r"0x|[a-z]{1,10}1[02-9ac-hj-np-z]{38,}$")
"""How numbers begin that a chain shows, or its addresses in bech32 look."""
_A_NAME: Final = "(a name)"
"""Stands in a place for the name of a member that is itself a finding."""
_BLANKS: Final = ("", REDACTED, VOLATILE)


class _Known(NamedTuple):
    """What is known of a venue: its secrets, and the names (lower case, no underscores) of what it shows to everybody."""

    scrubber: Scrubber
    public: frozenset[str]


def findings(path: Path, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> list[str]:
    """What looks secret in a recording: places with a reason, empty where all is well.

    A file of JSON lines, plain or compressed, is searched as a tape, any other as a cassette. `public` are names of members
    that look like keys and are shown to everybody, ids of orders for example; known secrets are found under them all the same.
    Raises `ValueError` for what is no cassette, `TapeDamaged` for what cannot be decompressed, `OSError`.
    """
    if is_tape(path):
        return tape_findings(Lines(path), secrets, public)
    return cassette_findings(path.read_text(encoding="utf-8"), secrets, public)


def is_tape(path: Path) -> bool:
    """Whether the name is that of a tape, finished or not, or of its sidecar."""
    return path.name.removesuffix(".part").endswith(SUFFIXES)


def cassette_findings(text: str, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> list[str]:
    """What looks secret in a cassette, given the text of its file. Raises `ValueError` for what is none."""
    values = tuple(secrets)
    anywhere = ["a known secret"] if any(secret in text for secret in values) else []
    known = _Known(Scrubber(values), frozenset(map(_plain, public)))
    return anywhere + list(_searched(CassetteFile.deserialize(text), "", "", known))


def tape_findings(
    lines: Iterable[bytes], secrets: Iterable[str] = (), public: Iterable[str] = ()
) -> list[str]:
    """What looks secret on a tape, given its lines."""
    known = _Known(Scrubber(secrets), frozenset(map(_plain, public)))
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        found += _searched(_record(line), f"line {number}", "", known)
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _record(line: bytes) -> Any:
    """A line as its members, its payload as bytes where it is kept as base64; as text where it is no JSON."""
    try:
        record = msgspec.json.decode(line)
        if record.get("enc") == "base64":
            record["payload"] = b64decode(record["payload"], validate=True)
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, Base64Error):
        return line
    return record


def _searched(node: Any, place: str, name: str, known: _Known) -> Iterator[str]:
    """The findings in a parsed recording."""
    match node:
        case dict():
            for key, value in node.items():
                member = str(key)
                named = list(_judged(member, member.encode(), f"{place}/{_A_NAME}", "", known))
                yield from named
                yield from _searched(value, f"{place}/{_A_NAME if named else member}", member, known)
        case list():
            for number, value in enumerate(node):
                yield from _searched(value, f"{place}/{number}", name, known)
        case str():
            yield from _judged(node, node.encode(), place, name, known)
        case bytes():
            packed = inflated(node)
            found = list(_bytes_judged(packed, place, name, known)) if packed is not None else []
            yield from found or _bytes_judged(node, place, name, known)
        case _:
            pass


def _bytes_judged(data: bytes, place: str, name: str, known: _Known) -> Iterator[str]:
    return _judged(data.decode("utf-8", "backslashreplace"), data, place, name, known)


def _judged(text: str, data: bytes, place: str, name: str, known: _Known) -> Iterator[str]:
    """The findings in one text. It is parsed only where there is something to find, for its place."""
    scrubbed = known.scrubber.frame(data) != data or _USER_INFO.search(text) is not None
    telling = is_secret_name(name) or ("headers" in place and is_secret_header(name))
    plain = text.replace("\\/", "/")  # some encoders of JSON escape the slash
    drawn = any(map(_random, _LONG_RUN.findall(plain))) or _PRIVATE_KEY.search(text) is not None
    inside = _json(text) if scrubbed or drawn else None
    if inside is not None:
        deeper = list(_searched(inside, place, name, known))
        yield from deeper
        if scrubbed and not deeper:
            yield f"{place}: a known secret, or a login"
    elif telling and text not in _BLANKS:
        yield f"{place}: a value with a telling name"
    elif scrubbed:
        yield f"{place}: a known secret, or a parameter with a telling name"
    elif drawn and not (_plain(name) in known.public or (_SHOWN.match(text) and _plain(name) in PUBLIC)):
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
    padded = run.endswith("=") and len(run) % 4 == 0  # base64 as a whole: its slashes separate nothing
    return any(map(_drawn, [run] if padded else run.split("/")))


def _drawn(part: str) -> bool:
    """Whether a part of a run looks drawn by chance."""
    if any(map(_HEX.fullmatch, re.split("[+_-]", part))):
        return True
    if len(part) > _LONGEST_NAME and part.isalnum() and len(_TURN.findall(part)) >= _TURNS:
        return True
    kinds = (str.islower, str.isupper, str.isdigit)
    return len(part) >= _SHORTEST_RUN and all(any(map(kind, part)) for kind in kinds)

"""The form of a cassette's file: YAML as vcrpy reads it without our help, and as a person reads a difference.

1. A body of JSON stands in lines, one for a member or a level. They are one text in double quotes, whose line breaks YAML takes
   out again: so any body comes back byte for byte, and recording again changes the lines that have changed.
2. The order of everything is fixed. An exchange is written by itself: a file that ends after any of them is whole.
3. What is no UTF-8 stands as base64 (``!!binary``).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

HEAD: Final = """\
# Recorded with venuekit: `pytest --record-mode=all` or `venuekit record`. Nothing in it is secret.
version: 1
"""
"""How a file begins. The exchanges follow, under ``interactions``."""

_STRING: Final = r'"(?:[^"\\]|\\.)*+"'
_SCALAR: Final = rf'(?:{_STRING}|[^\s\[\]{{}}",]++)'
_PIECE: Final = re.compile(
    rf"{_STRING}|\{{\s*\}}|\[\s*\]|\[\s*{_SCALAR}(?:\s*,\s*{_SCALAR})*+\s*\]|[\[{{,}}\]]|[^\"\[{{,}}\]]++|.",
    re.DOTALL,
)
"""What stays on one line: a text, a list of numbers and texts (a level), a mark, or what lies between marks."""

_ESCAPED: Final = re.compile('["\\\\]|^ |[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]')
_SHORT: Final = {'"': '\\"', "\\": "\\\\", " ": "\\ ", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BODY_INDENT: Final = " " * 8


def beginning(exchanges: int) -> str:
    """The text before the first exchange."""
    return f"{HEAD}interactions:{'' if exchanges else ' []'}\n"


def exchange_text(request: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    """The text of one exchange. Both are as vcrpy has them: see `CassetteFile.serialize`."""
    status = response["status"]
    return (
        f"- request:\n"
        f"    method: {_quoted(request['method'])}\n"
        f"    uri: {_quoted(request['uri'])}\n"
        f"    headers:{_headers(request['headers'])}\n"
        f"    body: {_body(request['body'])}\n"
        f"  response:\n"
        f"    status: {{code: {status['code']}, message: {_quoted(status['message'] or '')}}}\n"
        f"    headers:{_headers(response['headers'])}\n"
        f"    body:\n"
        f"      string: {_body(response['body']['string'])}\n"
    )


class CassetteFile:
    """The form of the file: a serializer of vcrpy's."""

    @staticmethod
    def serialize(cassette: Mapping[str, Any]) -> str:
        """The text of a file. ``interactions`` are dicts with a ``request`` (method, uri, headers, body) and a ``response``
        (status, headers, body with its string).
        """
        exchanges = cassette["interactions"]
        texts = (exchange_text(each["request"], each["response"]) for each in exchanges)
        return beginning(len(exchanges)) + "".join(texts)

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        """What vcrpy makes cassettes of. Raises `ValueError` for what is none."""
        try:
            content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)  # the error itself may quote the text
            where = f" from line {mark.line + 1} on" if mark is not None else ""
            raise ValueError(f"it is no YAML{where}") from None
        if not isinstance(content, dict) or not isinstance(content.get("interactions"), list):
            raise ValueError("it has no list of interactions")  # noqa: TRY004  # whatever it is, it is no cassette
        return content


def _headers(headers: Mapping[str, Any]) -> str:
    """A mapping of lists of texts, as the rest of its line and the lines after."""
    lines = [
        f"\n      {_quoted(name)}: [{', '.join(map(_quoted, [values] if isinstance(values, str) else values))}]"
        for name, values in sorted(headers.items())
    ]
    return "".join(lines) or " {}"


def _body(body: str | bytes | None) -> str:
    data = body.encode() if isinstance(body, str) else body or b""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f'!!binary "{b64encode(data).decode()}"'
    return '"' + "\\\n".join(_lines(text)) + '"' if text.startswith(("{", "[")) else _quoted(text)


def _lines(body: str) -> list[str]:
    """JSON in lines, each indented by its depth but for the first. Text that is no JSON is cut just as exactly."""
    lines: list[str] = []
    line, depth = "", 0

    def end() -> None:
        if line:
            lines.append((_BODY_INDENT + "  " * max(depth, 0) if lines else "") + _ESCAPED.sub(_escape, line))

    for piece in _PIECE.findall(body):
        if piece in {"}", "]"}:
            end()
            line, depth = piece, depth - 1
        elif piece in {"{", "[", ","}:
            line += piece
            end()
            line, depth = "", depth + (piece != ",")
        else:
            line += piece
    end()
    return lines


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    wide = f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return _SHORT.get(character) or wide

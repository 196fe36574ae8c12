"""Records and replays cassettes with vcrpy, below the core's HTTP driver.

vcrpy replaces `httpx.AsyncHTTPTransport.handle_async_request`, which the driver calls, with a coroutine that knows no event
loop: so one cassette serves asyncio and trio. Two things it cannot know:

- The driver sends the target of a request apart from its URL, as bytes that a signature covers. vcrpy sees the URL only, so it
  is made whole here; what goes out stays as it was.
- What a cassette has no answer to is to be told without the query, which holds a signature.

In the file a JSON body stands as indented text, where indenting and its undoing give the very same bytes: so recording again
changes the lines that have changed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import httpx
import msgspec
import vcr  # type: ignore[import-untyped]
import yaml  # type: ignore[import-untyped]
from tests.cassette_config import CassetteRules
from vcr.errors import CannotOverwriteExistingCassetteException  # type: ignore[import-untyped]
from vcr.filters import decode_response  # type: ignore[import-untyped]
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]

from venuekit.tapes.scrub import Scrubber
from venuekit_spec.values import shown_url

COMPARED: Final = ("method", "scheme", "host", "port", "path", "query", "body")
_SCALAR: Final = r'(?:"(?:[^"\\\n]|\\.)*"|[^\s\[\]{}",]+)'
_PLAIN_LIST: Final = re.compile(rf"\[\n\s*{_SCALAR}(?:,\n\s*{_SCALAR})*\n\s*\]")
"""An indented list of numbers and texts: a level, which is one line of a diff. No text has a line break of its own."""
_LONGEST_LINE: Final = 1_000_000
_HEAD: Final = "# Recorded; `./x record-cassettes` makes it anew. Nothing in it is secret.\n"

logging.getLogger("vcr").setLevel(
    logging.WARNING
)  # below that it tells of every request, before anything is taken out


class NotInCassette(Exception):
    """A request was sent that the cassette has no answer to, or none left."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # a library without types
    """YAML with indented text where a text has lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


class CassetteFile:
    """The form of the file: a serializer of vcrpy's."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        """The text of a file."""
        interactions = [
            {
                "request": {**each["request"], "body": _spread(each["request"]["body"])},
                "response": {**each["response"], "body": _spread(each["response"]["body"]["string"])},
            }
            for each in cassette["interactions"]
        ]
        content = {**cassette, "interactions": interactions}
        return _HEAD + str(yaml.dump(content, Dumper=_Dumper, width=_LONGEST_LINE, allow_unicode=True))

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        """What vcrpy makes cassettes of."""
        content: dict[str, Any] = yaml.safe_load(text)
        for each in content["interactions"]:
            each["request"]["body"] = _joined(each["request"]["body"])
            each["response"]["body"] = {"string": _joined(each["response"]["body"])}
        return content


def _spread(body: str | bytes | None) -> Any:
    """A body as it stands in the file: JSON indented, under the name ``json``, anything else as it is."""
    if isinstance(body, str) and body.startswith(("{", "[")):
        try:
            lines = _PLAIN_LIST.sub(_on_one_line, msgspec.json.format(body, indent=2))
        except msgspec.DecodeError:
            return body
        if msgspec.json.format(lines, indent=-1) == body:
            return {"json": lines}
    return body


def _on_one_line(found: re.Match[str]) -> str:
    return re.sub(r"\n\s*", " ", found[0]).replace("[ ", "[", 1)[:-2] + "]"


def _joined(body: Any) -> Any:
    return msgspec.json.format(body["json"], indent=-1) if isinstance(body, dict) else body


@contextmanager
def cassette(
    path: Path, rules: CassetteRules, *, secrets: Sequence[str] = (), record: bool = False
) -> Iterator[None]:
    """While it lasts, HTTP of the core's driver comes from the cassette at `path`, and nothing reaches the network.

    With `record` it goes to where it is sent, and the cassette is written anew at the end, unless an exception ends it.
    Raises `NotInCassette` at a request without an answer.
    """
    scrubber = Scrubber(secrets)

    def request(sent: Any) -> Any:
        sent.uri = rules.url(sent.uri, scrubber)
        sent.body = rules.body(sent.body or b"", scrubber)
        sent.headers = rules.request_headers(sent.headers)
        return sent

    def response(got: dict[str, Any]) -> dict[str, Any]:
        got = decode_response(got)
        headers = {name: ", ".join(values) for name, values in got["headers"].items()}
        kept = rules.response_headers(headers, scrubber)
        return {
            "status": got["status"],
            "headers": {name: [value] for name, value in kept.items()},
            "body": {"string": scrubber.frame(got["body"]["string"])},
        }

    recorder = vcr.VCR(
        match_on=COMPARED,
        before_record_request=request,
        before_record_response=response,
        record_mode=RecordMode.ALL if record else RecordMode.NONE,
        record_on_exception=False,
        drop_unused_requests=True,
    )
    recorder.register_serializer("cassette", CassetteFile)
    with recorder.use_cassette(str(path), serializer="cassette"), _whole_urls():
        yield


@contextmanager
def _whole_urls() -> Iterator[None]:
    below = httpx.AsyncHTTPTransport.handle_async_request

    async def handle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(raw_path=request.extensions["target"])
        try:
            return await below(transport, request)
        except CannotOverwriteExistingCassetteException:
            raise NotInCassette(f"{request.method} {shown_url(str(request.url))}") from None

    with mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handle):
        yield

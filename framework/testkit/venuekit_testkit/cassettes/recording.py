"""Makes a `vcr.VCR` record and replay by our rules, below the core's HTTP driver.

vcrpy replaces `httpx.AsyncHTTPTransport.handle_async_request`, which the driver calls, with a coroutine that knows no event
loop: so one cassette serves asyncio and trio. Two things it cannot know:

- The driver sends the target of a request apart from its URL, as bytes that a signature covers. vcrpy sees the URL only, so it
  is made whole here (`whole_urls`); what goes out stays as it was.
- What a cassette has no answer to is to be told without the query, which holds a signature.

A recording that holds something secret-looking is not written, and one that does is not replayed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import httpx
import pytest
import vcr  # type: ignore[import-untyped]
from vcr.errors import CannotOverwriteExistingCassetteException  # type: ignore[import-untyped]
from vcr.filters import decode_response  # type: ignore[import-untyped]
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]
from vcr.serialize import serialize  # type: ignore[import-untyped]

from venuekit.tapes.scrub import Scrubber
from venuekit_spec import LocalError
from venuekit_spec.values import shown_url
from venuekit_testkit.cassettes.files import CassetteFile
from venuekit_testkit.cassettes.guard import cassette_findings, findings
from venuekit_testkit.cassettes.rules import CassetteRules

COMPARED: Final = ("method", "scheme", "host", "port", "path", "query", "body")


class NotInCassette(Exception):
    """A request was sent that the cassette has no answer to, or none left."""


def configure(
    recorder: vcr.VCR,
    rules: CassetteRules,
    secrets: Iterable[str] = (),
    public: Iterable[str] = (),
    *,
    keep: Callable[[], bool] = lambda: True,
) -> None:
    """Set everything but the record mode and the place of the file. What is recorded is written only if `keep` says so then.

    `secrets` and `public` are what `findings` takes.
    """
    known = tuple(secrets)
    scrubber = Scrubber(known)

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

    recorder.match_on = COMPARED
    recorder.before_record_request = request
    recorder.before_record_response = response
    recorder.record_on_exception = False
    recorder.drop_unused_requests = recorder.record_mode is RecordMode.ALL  # else a replay would write
    recorder.register_serializer("yaml", CassetteFile)
    guarded = _Guarded(recorder.persister, known, tuple(public), keep)
    recorder.register_persister(guarded)
    recorder.use_cassette = _telling(recorder.use_cassette, guarded)
    logging.getLogger("vcr").setLevel(
        logging.WARNING
    )  # below that it tells of every request, before it is scrubbed


def _telling(use: Callable[..., Any], guarded: _Guarded) -> Callable[..., Any]:
    """``use_cassette`` that fails after vcrpy has undone its patches: an error while it saves would keep them."""

    @contextmanager
    def use_cassette(*arguments: Any, **more: Any) -> Iterator[Any]:
        with use(*arguments, **more) as cassette:
            yield cassette
        fail_on(guarded.refused, f"{guarded.refused_name} is not written")

    return use_cassette


class _Guarded:
    """A persister of vcrpy's that lets nothing secret-looking in or out. `refused` says why the last file was not written."""

    def __init__(
        self, within: Any, secrets: tuple[str, ...], public: tuple[str, ...], keep: Callable[[], bool]
    ) -> None:
        self._within = within
        self._secrets = secrets
        self._public = public
        self._keep = keep
        self.refused: list[str] = []
        self.refused_name = ""

    def load_cassette(self, cassette_path: str, serializer: Any) -> Any:
        """Search the file, and those that a mark adds, then read it."""
        for path in map(Path, (cassette_path, *getattr(self._within, "extra_paths", ()))):
            if path.is_file():
                search(path, self._secrets, f"{path.name} is not replayed", self._public)
        return self._within.load_cassette(cassette_path, serializer)

    def save_cassette(self, cassette_path: str, cassette_dict: Mapping[str, Any], serializer: Any) -> None:
        """Write the file in one step, or leave the old one as it is."""
        if not self._keep():
            return
        path = Path(cassette_path)
        text = serialize(cassette_dict, serializer)
        self.refused, self.refused_name = cassette_findings(text, self._secrets, self._public), path.name
        if self.refused:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)


def search(path: Path, secrets: Iterable[str], what: str, public: Iterable[str] = ()) -> None:
    """Fail the test where a recording holds anything secret-looking, or cannot be searched; nothing of its text is shown."""
    try:
        found, trouble = findings(path, secrets, public), ""
    except (ValueError, LocalError) as error:
        found, trouble = [], str(error)
    if trouble:  # outside, so that pytest shows no frames, with the text in them
        pytest.fail(f"{what}: {trouble}", pytrace=False)
    fail_on(found, what)


def fail_on(found: list[str], what: str) -> None:
    """Fail the test where anything secret-looking was found, naming places."""
    if found:
        pytest.fail("\n  ".join((f"{what}: it holds what looks secret", *found)), pytrace=False)


@contextmanager
def whole_urls() -> Iterator[None]:
    """Show whole URLs to a cassette that is in use already. What it has no answer to raises `NotInCassette`."""
    below = httpx.AsyncHTTPTransport.handle_async_request

    async def handle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if "target" in request.extensions:
            request.url = request.url.copy_with(raw_path=request.extensions["target"])
        try:
            return await below(transport, request)
        except CannotOverwriteExistingCassetteException:
            raise NotInCassette(f"{request.method} {shown_url(str(request.url))}") from None

    with mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handle):
        yield

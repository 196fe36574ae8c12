"""What a cassette may hold: lists of what is secret, of what is different every time, and of what is worth keeping.

A cassette is a recorded REST conversation that lies in a repository. Five rules:

1. Nothing secret: known values wherever they stand, values with telling names, and tokens that an answer brought, also where
   a later request repeats them. Tapes have the same rules, so the core's `Scrubber` does it for both.
2. Nothing volatile: of the headers few are kept, by name; timestamps and nonces of requests are written as one word. So
   recording again changes only what the venue says differently.
3. A request that is replayed goes through the same rules before it is compared. So neither signature nor timestamp matters.
4. A venue on this machine is written as its environment describes it, whatever port it had while it was recorded.
5. Who replays learns nothing: what `findings` finds in a recording fails a test.

No library of cassettes is named here, only what its hooks are to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen

from venuekit import load_connector
from venuekit.tapes.scrub import REDACTED, Scrubber, is_secret_header
from venuekit_spec import Description

VOLATILE: Final = "VOLATILE"
"""Stands for a value that is different in each recording and decides nothing."""

VOLATILE_PARAMETERS: Final = frozenset({"nonce", "timestamp", "ts"})
"""Parameters of a query or a form, and members of a JSON body, that a request carries for its signature only."""

KEPT_REQUEST_HEADERS: Final = frozenset({"content-type"})
"""Besides those that are secret, whose names stay: one sees that a request was signed."""

VOLATILE_HEADERS: Final = frozenset(
    {"age", "date", "expires", "last-modified", "server", "x-request-id", "x-trace-id"}
)
"""Headers of answers that are dropped although a scrubber would keep them, or a venue's rules."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_MEMBER = re.compile(rb'("(?P<name>[A-Za-z_]+)"\s*:\s*)("[^"]*"|-?[0-9.]+)')
_FORM = re.compile(rb"[\w.\-]+=[^&{}\s]*(&[\w.\-]+=[^&{}\s]*)*")


@frozen
class CassetteRules:
    """The rules of one venue's cassettes.

    `local` is the network location that is written for any of this machine (``127.0.0.1:8701``), empty for the one that was
    spoken to; `headers` are the names, in lower case, of further headers of answers that the connector reads.
    """

    volatile: frozenset[str] = VOLATILE_PARAMETERS
    headers: frozenset[str] = frozenset()
    local: str = ""

    @classmethod
    def of(cls, venue: str) -> CassetteRules:
        """The rules for an installed connector. Raises what `load_connector` does."""
        return cls(local=_local(load_connector(venue).description))

    def url(self, url: str, scrubber: Scrubber) -> str:
        """The URL as it is written and compared."""
        parts = urlsplit(url)
        here = self.local and parts.hostname in LOOPBACK
        moved = parts._replace(
            netloc=self.local if here else parts.netloc, query=self._parameters(parts.query)
        )
        return scrubber.url(urlunsplit(moved))

    def body(self, body: bytes, scrubber: Scrubber) -> bytes:
        """The body of a request as it is written and compared."""
        form = _FORM.fullmatch(body) is not None
        steady = self._parameters(body.decode()).encode() if form else _MEMBER.sub(self._member, body)
        return scrubber.frame(steady)

    def request_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What is left of a request's headers, by names in lower case and in their order."""
        kept: dict[str, str] = {}
        for name, value in sorted((name.lower(), value) for name, value in headers.items()):
            if is_secret_header(name):
                kept[name] = REDACTED
            elif name in KEPT_REQUEST_HEADERS:
                kept[name] = value
        return kept

    def response_headers(self, headers: Mapping[str, str], scrubber: Scrubber) -> dict[str, str]:
        """What is left of an answer's headers: its type, its limits, and what the venue's rules name."""
        wanted = {name: value for name, value in headers.items() if name.lower() in self.headers}
        kept = scrubber.headers(headers) | {
            name.lower(): REDACTED if is_secret_header(name) else scrubber.text(value)
            for name, value in wanted.items()
        }
        return {name: kept[name] for name in sorted(kept.keys() - VOLATILE_HEADERS)}

    def _parameters(self, query: str) -> str:
        return "&".join(map(self._parameter, query.split("&")))

    def _parameter(self, parameter: str) -> str:
        name, equals, _ = parameter.partition("=")
        return f"{name}={VOLATILE}" if equals and name in self.volatile else parameter

    def _member(self, found: re.Match[bytes]) -> bytes:
        if found["name"].decode() not in self.volatile:
            return found[0]
        return found[1] + f'"{VOLATILE}"'.encode()


def _local(description: Description) -> str:
    """Where the venue is on this machine, as its description has it; empty where it is nowhere there."""
    for environment in description.environments:
        for url in environment.urls.values():
            if urlsplit(url).hostname in LOOPBACK:
                return urlsplit(url).netloc
    return ""


def secrets_of(venue: str, *, ours: bool = False) -> frozenset[str]:
    """Every secret of the accounts that the venue's dialect has; with `ours` also of the credentials that venuekit finds.

    Raises what `load_connector` and `find_credentials` do.
    """
    from venuekit.credentials import find_credentials
    from venuekit_testkit.subject import Subject

    subject = Subject.of(venue)
    found = find_credentials(subject.description) if ours else None
    if found is None:
        return subject.secrets
    return subject.secrets | {secret.reveal() for secret in found.fields.values()}

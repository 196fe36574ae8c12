"""Recordings of a venue for tests: HTTP in cassettes, sockets on tapes, one configuration for both.

- In a connector's repository ``venuekit_cassettes = "my_venue"`` in pytest's configuration switches it on: tests marked ``vcr``
  (pytest-recording) are recorded and replayed by our rules, no test reaches a network, and every recording is searched for
  secrets (`venuekit_testkit.cassettes.fixtures`).
- ``venuekit record --cassette`` makes a tape and a cassette from one run, and `replaying` plays both to the connector.

Needs the extra: ``pip install 'venuekit-testkit[cassettes]'``. Everything is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from venuekit_testkit.lazy import lazily

if TYPE_CHECKING:
    from venuekit_testkit.cassettes.guard import findings
    from venuekit_testkit.cassettes.network import no_network
    from venuekit_testkit.cassettes.playback import replaying
    from venuekit_testkit.cassettes.recording import NotInCassette, configure, whole_urls
    from venuekit_testkit.cassettes.rules import CassetteRules, secrets_of

_PLACES: Final = {
    "CassetteRules": "rules",
    "NotInCassette": "recording",
    "configure": "recording",
    "findings": "guard",
    "no_network": "network",
    "replaying": "playback",
    "secrets_of": "rules",
    "whole_urls": "recording",
}

__getattr__ = lazily(__name__, _PLACES)

__all__ = [
    "CassetteRules",
    "NotInCassette",
    "configure",
    "findings",
    "no_network",
    "replaying",
    "secrets_of",
    "whole_urls",
]

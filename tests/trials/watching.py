"""A dialect that tells of every request and frame when it arrives, before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from venuekit_spec import CallKind, Dialect, DialectPlugin, Engine, HttpRequest, HttpResponse, Instant

Message: TypeAlias = HttpRequest | HttpResponse | str | bytes


def _nothing(_message: Message) -> None:
    """Nobody looks at messages."""


class _Watched:
    """The dialect within, and who is told of what arrives."""

    def __init__(
        self, within: Dialect, arrived: Callable[[CallKind], None], seen: Callable[[Message], None]
    ) -> None:
        self._within = within
        self._arrived = arrived
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """Asked once of each request and each frame that arrives."""
        kind = self._within.kind(message)
        self._arrived(kind)
        self._seen(message)
        return kind

    def connect(self, request: HttpRequest, now: Instant) -> Any:
        """A handshake: its URL may be secret."""
        self._seen(request)
        return self._within.connect(request, now)

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """A request; its answer may be a token."""
        answer = self._within.http(request, now)
        self._seen(answer)
        return answer


class Watched:
    """The plugin of a venue.

    `arrived` is told what each request or frame of a client is about, `seen` is shown each of them, each handshake, and each
    answer by HTTP.
    """

    def __init__(
        self,
        plugin: DialectPlugin,
        arrived: Callable[[CallKind], None],
        seen: Callable[[Message], None] = _nothing,
    ) -> None:
        self.listings = plugin.listings
        self.accounts = plugin.accounts
        self.dialect: Dialect
        """The one that was made last, as it is."""
        self._plugin = plugin
        self._arrived = arrived
        self._seen = seen

    def serve(self, engine: Engine) -> Dialect:
        """As the venue asks it of its plugin."""
        self.dialect = self._plugin.serve(engine)
        return cast("Dialect", _Watched(self.dialect, self._arrived, self._seen))

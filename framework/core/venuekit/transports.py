"""Where an exchange's requests and sockets go: the network, a tape that is written beside it, a venue on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Protocol

from attrs import frozen

from venuekit.clock import Clock
from venuekit.drivers.http import HttpTransport
from venuekit.drivers.websocket import WebSocketTransport
from venuekit_spec import CONTRACT_VERSION, Credentials, Description, Environment, Topic


class Transports(Protocol):
    """Where an exchange's requests and sockets go: the network by default, a tape in a replay."""

    @property
    def http(self) -> HttpTransport:
        """For requests."""
        ...

    @property
    def websockets(self) -> WebSocketTransport:
        """For sockets."""
        ...

    def started(self) -> None:
        """The core has started a task of its own accord, which a replay lets run before the next record."""
        ...


@frozen
class NetworkTransports:
    """The real ones."""

    http: HttpTransport
    websockets: WebSocketTransport

    def started(self) -> None:
        """Nothing: the network waits for nobody."""

    @classmethod
    def on(cls, clock: Clock) -> NetworkTransports:
        """Transports over the network that read time from `clock`."""
        from venuekit.drivers.anyio_websocket import AnyioWebSocketTransport
        from venuekit.drivers.httpx_http import HttpxTransport

        return cls(HttpxTransport(clock), AnyioWebSocketTransport(clock))


@contextmanager
def recording(
    transports: Transports,
    path: str | PathLike[str],
    clock: Clock,
    description: Description,
    where: Environment,
    topics: list[Topic],
    keys: Iterable[Credentials],
    cassette: str | PathLike[str] | None = None,
) -> Iterator[NetworkTransports]:
    """The same transports, taped into `path` until the end; bodies of HTTP into `cassette` where it is given."""
    from venuekit.tapes import Header, Recorder, RecordingHttpTransport, RecordingWebSocketTransport, Scrubber

    header = Header(
        venue=description.venue,
        environment=where.name,
        pairs=tuple(dict.fromkeys(topic.instrument for topic in topics)),
        topics=tuple(str(topic) for topic in topics),
        contract=CONTRACT_VERSION,
    )
    scrubber = Scrubber([secret for key in keys for secret in key.fields.values()])
    with Recorder(path, clock, header, scrubber=scrubber, cassette=cassette) as recorder:
        yield NetworkTransports(
            RecordingHttpTransport(transports.http, recorder),
            RecordingWebSocketTransport(transports.websockets, recorder),
        )


__all__ = ["NetworkTransports", "Transports", "recording"]

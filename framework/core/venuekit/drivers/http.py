"""HTTP, as the core sees it: one request, one response, bytes as given.

What a transport promises:

1. The bytes of `HttpRequest.url` and `HttpRequest.body` go out as they are: a signature covers them. Nothing is encoded
   anew, no redirect is followed, no cookie is kept, no proxy or credential is picked up from the environment.
2. A response is a response, whatever its status. What went wrong before there is one is a `NetworkError`, whose `sent` is
   False only where surely no byte of the request has left.
3. Neither the URL's query nor headers nor bodies appear in any error or log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import metadata
from typing import Final, Protocol

from anyio.lowlevel import checkpoint
from attrs import evolve

from venuekit.clock import Clock
from venuekit_spec import HttpRequest, HttpResponse, LocalError, Seconds

DEFAULT_TIMEOUT: Final[Seconds] = 10.0
"""For requests that name none: connecting, sending and reading together."""


class HttpTransport(Protocol):
    """Sends requests. Any number may be on their way at once."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The venue's response.

        Raises:
            NetworkError: no response came, with `sent` telling whether the venue may have seen the request.
            DeadlinePassed: it was sent and no whole response came within `HttpRequest.timeout` seconds.
            LocalError: the request is malformed, or the transport is closed; nothing was sent.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. May be called again."""
        ...


@cache
def user_agent() -> str:
    """What this program calls itself: ``venuekit/<version>``."""
    try:
        return f"venuekit/{metadata.version('venuekit')}"
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "venuekit/0"


class MockHttpTransport:
    """A transport for tests: answers come from a function, and every request is kept.

    `answer` is given the request and returns the response, or an awaitable of it, or raises what a transport raises.
    A response without `received` gets the clock's instant, where there is a clock. `latency` are seconds of that clock that
    pass before `answer` is asked, as on the way to a venue.
    """

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
        *,
        clock: Clock | None = None,
        latency: Seconds = 0.0,
    ) -> None:
        if latency and clock is None:
            raise LocalError("a latency needs a clock to pass on")
        self.requests: list[HttpRequest] = []
        self.closed = False
        self._answer = answer
        self._clock = clock
        self._latency = latency

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The scripted response. Raises what the script raises, and `LocalError` once closed."""
        if self.closed:
            raise LocalError("the HTTP transport is closed")
        self.requests.append(request)
        if self._clock is not None and self._latency:
            await self._clock.sleep(self._latency)
        await checkpoint()
        answered = self._answer(request)
        response = answered if isinstance(answered, HttpResponse) else await answered
        if self._clock is not None and not response.received:
            response = evolve(response, received=self._clock.now())
        return response

    async def aclose(self) -> None:
        """No more requests."""
        self.closed = True

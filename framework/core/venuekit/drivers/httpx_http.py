"""HTTP by httpx: the only module that imports it, and that only when a first request is sent.

httpx's client normalises URLs, logs them, follows its environment, and times each step instead of the whole. So we use the
transport beneath it: the request's target goes down as bytes, and one deadline covers everything.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
from attrs import define

from venuekit.clock import Clock
from venuekit.drivers.http import DEFAULT_TIMEOUT, user_agent
from venuekit_spec import DeadlinePassed, HttpRequest, HttpResponse, LocalError, NetworkError, Seconds

if TYPE_CHECKING:
    import httpcore
    import httpx

RESPONSE_LIMIT: Final = 64 * 2**20
"""Bytes. The largest answers known, instrument lists of whole venues, are some 20 MB decompressed."""

KEEP_ALIVE: Final[Seconds] = 60.0
"""For how long an idle connection is kept: a new one costs two or three round trips."""

CONNECTIONS: Final = 32


@define
class _Progress:
    """How far a request has come. httpcore calls `trace` at each step, by the extension of that name."""

    sent: bool = False
    stream: httpcore.AsyncNetworkStream | None = None

    async def trace(self, step: str, info: dict[str, Any]) -> None:
        match step:
            case "http11.send_request_headers.started":
                self.sent = True
            case "connection.connect_tcp.complete":
                self.stream = info["return_value"]
            case "connection.start_tls.failed" if self.stream is not None:
                # httpcore leaves the socket open when a TLS handshake is cancelled, and asyncio holds on to it for ever.
                with anyio.CancelScope(shield=True):
                    await self.stream.aclose()
            case _:
                pass


class HttpxTransport:
    """An `HttpTransport` for asyncio and trio.

    `ssl_context` replaces the default one (certifi's authorities). `response_limit` is in bytes, after decompression; a
    larger response is a `NetworkError`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext | None = None,
        response_limit: int = RESPONSE_LIMIT,
    ) -> None:
        self._clock = clock
        self._ssl_context = ssl_context
        self._response_limit = response_limit
        self._origins: dict[str, httpx.URL] = {}
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The venue's response. Raises as `HttpTransport.send` says."""
        if self._closed:
            raise LocalError("the HTTP transport is closed")
        import httpx

        transport = self._transport or self._start()
        progress = _Progress()
        prepared = self._prepare(request, progress)
        timeout = DEFAULT_TIMEOUT if request.timeout is None else request.timeout
        try:
            with anyio.move_on_after(timeout):
                return await self._exchange(transport, prepared, request)
        except httpx.LocalProtocolError:  # its text shows the header that is at fault, which may be a key
            raise LocalError(
                f"{_name(request)} is not proper HTTP: a header or a length is malformed"
            ) from None
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise NetworkError(
                f"{_name(request)} at {_host(request)} failed: {said}", sent=progress.sent
            ) from error
        if progress.sent:
            raise DeadlinePassed(
                f"{_name(request)} was not answered by {_host(request)} within {timeout:g} s"
            )
        raise NetworkError(
            f"{_name(request)} found no connection to {_host(request)} within {timeout:g} s", sent=False
        )

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _start(self) -> httpx.AsyncHTTPTransport:
        import httpx

        self._transport = httpx.AsyncHTTPTransport(
            verify=True if self._ssl_context is None else self._ssl_context,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE,
            ),
        )
        return self._transport

    def _prepare(self, request: HttpRequest, progress: _Progress) -> httpx.Request:
        import httpx

        origin, target = _split(request.url)
        if origin not in self._origins:
            try:
                self._origins[origin] = httpx.URL(origin)
            except httpx.InvalidURL as error:
                raise LocalError(f"{origin} is not the address of a server: {error}") from error
        given = {name.lower() for name, _ in request.headers}
        ours = {"User-Agent": user_agent(), "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
        try:
            return httpx.Request(
                request.method,
                self._origins[origin],
                headers=[
                    *(header for header in ours.items() if header[0].lower() not in given),
                    *request.headers,
                ],
                content=request.body,
                extensions={"target": target.encode("ascii"), "trace": progress.trace},
            )
        except UnicodeEncodeError:
            raise LocalError(f"{_name(request)} has a header that is not ASCII") from None

    async def _exchange(
        self,
        transport: httpx.AsyncHTTPTransport,
        prepared: httpx.Request,
        request: HttpRequest,
    ) -> HttpResponse:
        response = await transport.handle_async_request(prepared)
        try:
            body = bytearray()
            with anyio.CancelScope() as reading:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > self._response_limit:
                        reading.cancel()  # unwinds httpx's generators, which leaving the loop would abandon
            if reading.cancel_called:
                raise NetworkError(f"the response is larger than {self._response_limit} bytes")
            received = self._clock.now()
        finally:
            await response.aclose()
        return HttpResponse(
            status=response.status_code,
            body=bytes(body),
            headers={name: response.headers[name] for name in response.headers},
            received=received,
            url=request.url,
        )


def _name(request: HttpRequest) -> str:
    return request.label or repr(request)


def _host(request: HttpRequest) -> str:
    return urlsplit(request.url).hostname or "an unnamed host"


def _split(url: str) -> tuple[str, str]:
    """The origin and the target of an absolute URL, cut and not altered. Raises `LocalError`, without showing a query."""
    shown = url.partition("?")[0]
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"http", "https"}:
        raise LocalError(f"{shown} is not an absolute HTTP URL")
    if not url.isascii() or not url.isprintable() or " " in url or "#" in url:
        raise LocalError(f"{shown} is not percent-encoded, or has a fragment")
    end = min((place for place in map(rest.find, "/?") if place >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in authority
    except ValueError:
        usable = False
    if not usable:
        raise LocalError("an HTTP URL needs a host, perhaps a port, and takes no user name")
    return f"{scheme}://{authority}", target if target.startswith("/") else f"/{target}"

"""Runs flows: what a connector's generators ask for is paced, signed, sent, and answered.

Each request goes through the same steps:

1. pace      wait for the turn that the pacer grants; exchange it where the venue ordered a pause meanwhile
2. sign      right before the send, so that its timestamp is fresh, and under the key's lock where nonces must rise
3. send      over HTTP, or by the session of an open socket
4. report    what the response says of limits goes to the pacer, before the flow sees the response

Errors are thrown into the flow at its ``yield``. Only a network failure of a repeatable HTTP request is tried again, from
step 1: sending it twice changes nothing at the venue. A placement is never repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final, TypeAlias, TypeVar

import anyio

from venuekit.backoff import Backoff
from venuekit.clock import Clock
from venuekit.drivers.http import HttpTransport
from venuekit.faults import unexpected
from venuekit.pacing import Pacer
from venuekit_spec import (
    Cost,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    LimitReport,
    LocalError,
    MalformedMessage,
    NetworkError,
    RateLimited,
    Request,
    Response,
    Seconds,
    SocketRequest,
    SocketResponse,
    Unsupported,
    VenuekitError,
    no_limit_report,
    seconds_between,
)

T = TypeVar("T")

Sign: TypeAlias = Callable[[HttpRequest, Instant, int], HttpRequest]
"""``sign(request, now, nonce)``, as `Auth.sign`: `now` in the venue's time."""

Call: TypeAlias = Callable[[SocketRequest], Awaitable[SocketResponse]]
"""Sends a call on an open session and waits for its answer."""

ATTEMPTS: Final = 4
"""How often a repeatable request is sent at most."""

LONGEST_WAIT: Final[Seconds] = 60.0
"""A turn later than that is refused instead of waited for: the caller should know."""

_log = logging.getLogger(__name__)


def _same(now: Instant) -> int:
    return now


class FlowRunner:
    """Runs the flows of one connection, any number at once.

    `pacer` grants turns, `limit_report` reads limits from responses (`Description.limit_report`). `random` is the dice of
    the backoff, a float in [0, 1). `nonce` gives the nonce for an instant of the venue's time, by default that instant
    itself; `venue_time` tells that time, by default the clock's. `send_lock` is held from the nonce to the answer of a
    signed request: one per key, where the nonces are strict.
    """

    def __init__(
        self,
        http: HttpTransport,
        clock: Clock,
        pacer: Pacer,
        *,
        random: Callable[[], float],
        limit_report: Callable[[HttpResponse], LimitReport] = no_limit_report,
        nonce: Callable[[Instant], int] | None = None,
        venue_time: Callable[[], Instant] | None = None,
        send_lock: anyio.Lock | None = None,
        attempts: int = ATTEMPTS,
        longest_wait: Seconds = LONGEST_WAIT,
    ) -> None:
        self._http = http
        self._clock = clock
        self._pacer = pacer
        self._random = random
        self._limit_report = limit_report
        self._nonce = _same if nonce is None else nonce
        self._venue_time = clock.now if venue_time is None else venue_time
        self._send_lock = send_lock
        self._attempts = attempts
        self._longest_wait = longest_wait

    async def run(self, flow: Flow[T], *, sign: Sign | None = None, call: Call | None = None) -> T:
        """The result of `flow`. `sign` signs its signed HTTP requests, `call` takes its socket requests.

        Raises what the flow raises, which is what was thrown into it unless it caught that: `NetworkError` and its kin,
        `RateLimited` where the turn would come later than `longest_wait`, `LocalError` for a signed request without `sign`,
        `Unsupported` for a socket request without `call`; `UnexpectedError` where the flow or the signer has a bug. The flow
        is closed in any case, also when cancelled.
        """
        try:
            request = next(flow)
            while True:
                try:
                    response = await self._answer(request, sign, call)
                except VenuekitError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(response)
        except StopIteration as end:
            result: T = end.value
            return result
        except VenuekitError:
            raise
        except Exception as error:  # a bug of the connector
            raise unexpected(error, "") from error
        finally:
            flow.close()

    def report(self, report: LimitReport) -> None:
        """Take in what a socket told of limits."""
        self._pacer.report(report, self._clock.now())

    async def _answer(self, request: Request, sign: Sign | None, call: Call | None) -> Response:
        if isinstance(request, HttpRequest):
            return await self._answer_http(request, sign)
        if call is None:
            raise Unsupported(f"{request.method} needs an open socket, and this flow runs without one")
        await self.turn(request.costs)
        return await call(request)

    async def _answer_http(self, request: HttpRequest, sign: Sign | None) -> HttpResponse:
        if request.signed and sign is None:
            raise LocalError(f"{request.label or request} is to be signed: it needs credentials")
        backoff = Backoff(self._random)
        attempt = 1
        while True:
            granted = await self.turn(request.costs)
            try:
                response = await self._send(request, sign if request.signed else None, granted)
            except NetworkError as error:
                if not error.sent:
                    self._pacer.release(request.costs, granted)
                if not request.repeatable or attempt == self._attempts:
                    raise
                attempt += 1
                await self._clock.sleep(backoff.failed(self._clock.now()))
            else:
                if response is not None:
                    self._report(request, response, granted)
                    return response

    async def _send(self, request: HttpRequest, sign: Sign | None, granted: Instant) -> HttpResponse | None:
        """The response; None where the turn was lost while waiting for the key's lock."""
        if sign is None:
            return await self._http.send(request)
        async with self._send_lock or nullcontext():
            if not self._keeps(request.costs, granted):
                return None
            now = self._venue_time()
            nonce = self._nonce(now) if request.nonce is None else request.nonce
            return await self._http.send(sign(request, now, nonce))

    async def turn(self, costs: tuple[Cost, ...]) -> Instant:
        """Wait for a turn; the instant it was granted for."""
        pacer, clock = self._pacer, self._clock
        while True:
            now = clock.now()
            granted = pacer.acquire(costs, now)
            wait = seconds_between(now, granted)
            if wait > self._longest_wait:
                pacer.release(costs, granted)
                raise RateLimited(
                    f"its turn would come in {wait:.1f} s only; nothing was sent",
                    retry_after=wait,
                    banned=pacer.banned(now),
                )
            if granted > now:
                try:
                    await clock.sleep_until(granted)
                except BaseException:
                    pacer.release(costs, granted)
                    raise
            if self._keeps(costs, granted):
                return granted

    def _keeps(self, costs: tuple[Cost, ...], granted: Instant) -> bool:
        """Whether a turn that has come still counts; if the venue has ordered a pause since, it is given back."""
        now = self._clock.now()
        if self._pacer.held_until(now) == now:
            return True
        self._pacer.release(costs, granted)
        return False

    def _report(self, request: HttpRequest, response: HttpResponse, granted: Instant) -> None:
        now = response.received or self._clock.now()
        self._pacer.settled(request.costs, response.status < 400, now, granted=granted)
        try:
            report = self._limit_report(response)
        except (MalformedMessage, ValueError, TypeError, LookupError) as error:
            # An unreadable header must not cost the answer: it may be that of an order.
            _log.warning("limits of %s could not be read: %s", request.label or request, type(error).__name__)
        else:
            self._pacer.report(report, now, sent=granted, costs=request.costs)

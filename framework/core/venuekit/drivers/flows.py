"""Runs flows: what a connector's generators ask for is paced, signed, sent, and answered.

Each request goes through the same steps:

1. pace      wait for the turn that the pacer grants; exchange it where the venue ordered a pause meanwhile
2. sign      right before the send, so that its timestamp is fresh, and under the key's lock where nonces must rise
3. note      whoever is to know (an order's intent) is told of the signed request, before its first byte leaves
4. send      over HTTP, or as a call on an open socket
5. report    what the response says of limits goes to the pacer, before the flow sees the response

Errors are thrown into the flow at its ``yield``. Only a network failure of a repeatable HTTP request is tried again, from
step 1: sending it twice changes nothing at the venue. A placement is never repeated.

A flow that only reads may be asked as a whole (`FlowRunner.ask`): where the venue finds our clock wrong, the clock is measured
again and the flow is run once more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final, TypeAlias, TypeVar

import anyio
from attrs import evolve, frozen

from venuekit.backoff import Backoff
from venuekit.clock import Clock
from venuekit.drivers.http import HttpTransport
from venuekit.faults import unexpected
from venuekit.pacing import Pacer
from venuekit_spec import (
    ClockSkewed,
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

SignCall: TypeAlias = Callable[[SocketRequest, Instant, int], SocketRequest]
"""``sign_call(request, now, nonce)``, as `Auth.sign_call`."""

Call: TypeAlias = Callable[[SocketRequest], Awaitable[SocketResponse]]
"""Sends a call, signed where it is to be, on an open session and waits for its answer."""

Sending: TypeAlias = Callable[[Request], Awaitable[None]]
"""Is awaited with each request as it is to go, right before its first byte does; `nonce` is what it was signed with."""

ATTEMPTS: Final = 4
"""How often a repeatable request is sent at most."""

LONGEST_WAIT: Final[Seconds] = 60.0
"""A turn later than that is refused instead of waited for: the caller should know."""

_log = logging.getLogger(__name__)


def _same(now: Instant) -> int:
    return now


@frozen
class _Way:
    """How the requests of one flow are signed, told of, and sent."""

    sign: Sign | None = None
    sign_call: SignCall | None = None
    call: Call | None = None
    sending: Sending | None = None


class FlowRunner:
    """Runs the flows of one connection, any number at once.

    `pacer` grants turns, `limit_report` reads limits from responses (`Description.limit_report`). `random` is the dice of
    the backoff, a float in [0, 1). `nonce` gives the nonce for an instant of the venue's time, by default that instant
    itself; `venue_time` tells that time, by default the clock's. `send_lock` is held from the nonce to the answer of a
    signed request or call: one per key, where the nonces are strict. `skewed` measures the venue's clock anew. `frame` is what
    each call takes besides its own costs, from the pool of its socket's frames.
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
        skewed: Callable[[], Awaitable[None]] | None = None,
        frame: tuple[Cost, ...] = (),
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
        self._skewed = skewed
        self._frame = frame
        self._resyncing = anyio.Lock()
        self._resyncs = 0
        self._attempts = attempts
        self._longest_wait = longest_wait

    async def run(
        self,
        flow: Flow[T],
        *,
        sign: Sign | None = None,
        sign_call: SignCall | None = None,
        call: Call | None = None,
        sending: Sending | None = None,
    ) -> T:
        """The result of `flow`.

        `sign` signs its signed HTTP requests, `sign_call` its signed socket requests, and `call` takes these. `sending` is
        awaited with each of them right before it goes; what it raises prevents the send and is thrown into the flow.

        Raises what the flow raises, which is what was thrown into it unless it caught that: `NetworkError` and its kin,
        `RateLimited` where the turn would come later than `longest_wait`, `LocalError` for a signed request without a
        signer, `Unsupported` for a socket request without `call`; `UnexpectedError` where the flow or the signer has a bug.
        The flow is closed in any case, also when cancelled.
        """
        way = _Way(sign, sign_call, call, sending)
        try:
            request = next(flow)
            while True:
                try:
                    response = await self._answer(request, way)
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

    async def ask(
        self,
        make: Callable[[], Flow[T]],
        *,
        sign: Sign | None = None,
        sign_call: SignCall | None = None,
        call: Call | None = None,
    ) -> T:
        """The result of a flow that changes nothing at the venue. Where our clock was found wrong it is run once more.

        `make` makes the flow, each time anew. Raises as `run` does.
        """
        try:
            return await self.run(make(), sign=sign, sign_call=sign_call, call=call)
        except ClockSkewed:
            if not await self.resync():
                raise
        return await self.run(make(), sign=sign, sign_call=sign_call, call=call)

    async def resync(self) -> bool:
        """Measure the venue's clock anew, as it found ours wrong; whether that could be done. Many callers share one."""
        if self._skewed is None:
            return False
        before = self._resyncs
        async with self._resyncing:
            if self._resyncs == before:
                try:
                    await self._skewed()
                except VenuekitError as error:
                    _log.warning("the venue's clock could not be measured: %s", error)
                    return False
                self._resyncs += 1
        return True

    def report(self, report: LimitReport) -> None:
        """Take in what a socket told of limits."""
        self._pacer.report(report, self._clock.now())

    async def _answer(self, request: Request, way: _Way) -> Response:
        self._check(request, way)
        if isinstance(request, SocketRequest) and self._frame:
            request = evolve(request, costs=(*request.costs, *self._frame))
        backoff = Backoff(self._random)
        attempt = 1
        while True:
            granted = await self.turn(request.costs)
            try:
                response = await self._send(request, way, granted)
            except NetworkError as error:
                if not error.sent:
                    self._pacer.release(request.costs, granted)
                repeatable = isinstance(request, HttpRequest) and request.repeatable
                if not repeatable or attempt == self._attempts:
                    raise
                attempt += 1
                await self._clock.sleep(backoff.failed(self._clock.now()))
            else:
                if response is not None:
                    return response

    def _check(self, request: Request, way: _Way) -> None:
        """Whether a request can go at all: before it takes a turn."""
        if isinstance(request, HttpRequest):
            named, signs = request.label or str(request), way.sign is not None
        else:
            named, signs = request.method, way.sign_call is not None
            if way.call is None:
                raise Unsupported(f"{named} needs an open socket, and this flow runs without one")
        if request.signed and not signs:
            raise LocalError(f"{named} is to be signed: it needs credentials")

    async def _send(self, request: Request, way: _Way, granted: Instant) -> Response | None:
        """The response; None where the turn was lost while waiting for the key's lock."""
        async with (self._send_lock if request.signed else None) or nullcontext():
            if request.signed and not self._keeps(request.costs, granted):
                return None
            try:
                ready = self._signed(request, way) if request.signed else request
                if way.sending is not None:
                    await way.sending(ready)
            except BaseException:
                self._pacer.release(request.costs, granted)
                raise
            return await self._exchange(ready, way, granted)

    def _signed(self, request: Request, way: _Way) -> Request:
        """The request as it is to be sent; its `nonce` is the one that it was signed with."""
        now = self._venue_time()
        nonce = self._nonce(now) if request.nonce is None else request.nonce
        signed: Request
        if isinstance(request, HttpRequest):
            assert way.sign is not None
            signed = way.sign(request, now, nonce)
        else:
            assert way.sign_call is not None
            signed = way.sign_call(request, now, nonce)
        return signed if signed.nonce == nonce or way.sending is None else evolve(signed, nonce=nonce)

    async def _exchange(self, request: Request, way: _Way, granted: Instant) -> Response:
        """The response to what goes now; the pacer has been told of it."""
        if isinstance(request, HttpRequest):
            response = await self._http.send(request)
            self._report(request, response, granted)
            return response
        assert way.call is not None
        answer = await way.call(request)
        self._pacer.settled(request.costs, True, answer.received or self._clock.now(), granted=granted)
        return answer

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

    def turn_at_once(self, costs: tuple[Cost, ...]) -> bool:
        """Take a turn if there is one right now. Raises `LocalError` as the pacer does."""
        now = self._clock.now()
        granted = self._pacer.acquire(costs, now)
        if granted > now:
            self._pacer.release(costs, granted)
        return granted <= now

    def give_back(self, costs: tuple[Cost, ...], granted: Instant) -> None:
        """A turn was not used."""
        self._pacer.release(costs, granted)

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

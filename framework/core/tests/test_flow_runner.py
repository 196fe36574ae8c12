"""The flow runner: paced, signed, sent, reported, and retried only where that is safe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random

import anyio
import pytest

from venuekit.clock import VirtualClock
from venuekit.drivers.flows import FlowRunner, Sign
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.tasks import helpers
from venuekit.pacing import Pacer
from venuekit_spec import (
    SECOND,
    ClockSkewed,
    Cost,
    DeadlinePassed,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    LimitReport,
    LocalError,
    MalformedMessage,
    NetworkError,
    RateLimited,
    RatePool,
    Request,
    SocketRequest,
    SocketResponse,
    Unsupported,
    call,
    http,
)

pytestmark = pytest.mark.anyio

START = 1_700_000_000 * SECOND
COSTS = (Cost("weight"),)


def request(method: str = "GET", **changes: object) -> HttpRequest:
    """A request that costs one."""
    return HttpRequest(method, "https://venue/x").replace(**{"costs": COSTS, **changes})


def ask(*requests: HttpRequest) -> Flow[list[bytes]]:
    """A flow of these requests, whose result is the bodies of their answers."""
    bodies = []
    for each in requests:
        response = yield from http(each)
        bodies.append(response.body)
    return bodies


class Venue:
    """A scripted venue with a runner over it. `script` is what happens to the requests, in order; then all is well."""

    def __init__(
        self, *script: HttpResponse | Exception, capacity: float = 1000.0, **options: object
    ) -> None:
        self.clock = VirtualClock(START)
        self.script = list(script)
        self.arrivals: list[Instant] = []
        self.mock = MockHttpTransport(self._answer, clock=self.clock)
        self.pacer = Pacer([RatePool("weight", capacity, 10.0)])
        self.runner = FlowRunner(
            self.mock,
            self.clock,
            self.pacer,
            random=Random(1).random,
            **options,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        )

    def _answer(self, _request: HttpRequest) -> HttpResponse:
        self.arrivals.append(self.clock.now())
        happens = self.script.pop(0) if self.script else HttpResponse(200, b"fine")
        if isinstance(happens, Exception):
            raise happens
        return happens


async def test_a_flow_gets_its_answers_and_gives_its_result() -> None:
    """A flow of several requests runs to its result."""
    venue = Venue(HttpResponse(200, b"one"), HttpResponse(500, b"two"))
    assert await venue.runner.run(ask(request(), request())) == [b"one", b"two"]


async def test_a_flow_that_asks_nothing_has_its_result() -> None:
    """A flow may end without any request."""
    assert await Venue().runner.run(ask()) == []


async def test_requests_wait_for_their_turn() -> None:
    """Concurrent flows beyond a pool's capacity are spread over its period, in order."""
    venue = Venue(capacity=2)
    async with venue.clock.autojump(), anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(venue.runner.run, ask(request()))
    seconds = [round((at - START) / SECOND) for at in venue.arrivals]
    assert seconds == [0, 0, 10, 10, 20, 20]


async def test_a_turn_that_is_too_far_is_refused_at_once() -> None:
    """Beyond the longest wait the flow is told instead of left waiting; nothing is sent and the turn is given back."""
    venue = Venue(capacity=1, longest_wait=5.0)
    await venue.runner.run(ask(request()))
    with pytest.raises(RateLimited) as told:
        await venue.runner.run(ask(request()))
    assert told.value.retry_after == pytest.approx(10, abs=0.01)
    assert not told.value.banned
    assert len(venue.arrivals) == 1
    await venue.clock.advance(10.1)
    await venue.runner.run(ask(request()))
    assert len(venue.arrivals) == 2


async def test_signing_comes_right_before_the_send() -> None:
    """The signer sees the venue's time after pacing, and its nonce; what it returns is sent; others pass unsigned."""
    venue: Venue = Venue(
        capacity=1, nonce=lambda now: now // SECOND, venue_time=lambda: venue.clock.now() + 7 * SECOND
    )

    def sign(unsigned: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        return unsigned.replace(body=f"{now - START} {nonce - START // SECOND}".encode())

    async with venue.clock.autojump():
        await venue.runner.run(ask(request(), request(signed=True)), sign=sign)
    assert venue.mock.requests[0].body == b""
    told, nonce = venue.mock.requests[1].body.split()
    assert int(told) == pytest.approx(17 * SECOND, abs=10)
    assert int(nonce) == 17


async def test_a_nonce_of_the_request_is_used_instead_of_the_next() -> None:
    """A request that brings its nonce (to burn it, to send the same bytes again) is signed with that one."""
    venue = Venue(nonce=lambda _now: 1)
    sign: Sign = lambda unsigned, _now, nonce: unsigned.replace(body=str(nonce).encode())  # noqa: E731
    await venue.runner.run(ask(request(signed=True), request(signed=True, nonce=77)), sign=sign)
    assert [sent.body for sent in venue.mock.requests] == [b"1", b"77"]


async def test_a_signed_request_without_a_signer_is_our_mistake() -> None:
    """Without credentials a signed request is refused here, and nothing is sent."""
    venue = Venue()
    with pytest.raises(LocalError, match="credentials"):
        await venue.runner.run(ask(request(signed=True)))
    assert not venue.mock.requests


async def test_strict_nonces_are_sent_in_order() -> None:
    """With a lock, no signed request is signed while another is on its way, so nonces arrive rising."""
    clock = VirtualClock(START)
    on_their_way = 0
    most = 0
    nonces: list[int] = []
    latency = Random(3)

    async def answer(sent: HttpRequest) -> HttpResponse:
        nonlocal on_their_way, most
        on_their_way += 1
        most = max(most, on_their_way)
        await clock.sleep(latency.random())
        nonces.append(int(sent.body))
        on_their_way -= 1
        return HttpResponse(200, b"")

    counter = iter(range(100))
    runner = FlowRunner(
        MockHttpTransport(answer),
        clock,
        Pacer([RatePool("weight", 100, 1.0)]),
        random=Random(1).random,
        nonce=lambda _now: next(counter),
        send_lock=anyio.Lock(),
    )
    sign: Sign = lambda unsigned, _now, nonce: unsigned.replace(body=str(nonce).encode())  # noqa: E731
    async with clock.autojump(), anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(lambda: runner.run(ask(request(signed=True)), sign=sign))
    assert most == 1
    assert nonces == list(range(10))


@pytest.mark.parametrize(
    "failure", [NetworkError("cut", sent=False), NetworkError("cut"), DeadlinePassed("late")]
)
async def test_a_repeatable_request_is_tried_again(failure: NetworkError) -> None:
    """A network failure of a repeatable request is retried after a backoff, signed anew each time."""
    venue = Venue(failure, failure)
    signed_at: list[Instant] = []

    def sign(unsigned: HttpRequest, now: Instant, _nonce: int) -> HttpRequest:
        signed_at.append(now)
        return unsigned

    async with venue.clock.autojump():
        assert await venue.runner.run(ask(request(signed=True)), sign=sign) == [b"fine"]
    assert len(venue.arrivals) == 3
    assert signed_at == venue.arrivals
    assert venue.arrivals[0] < venue.arrivals[1] < venue.arrivals[2]


async def test_tries_are_bounded() -> None:
    """After the last attempt the network error reaches the flow."""
    venue = Venue(*[NetworkError("cut")] * 10, attempts=3)
    async with venue.clock.autojump():
        with pytest.raises(NetworkError):
            await venue.runner.run(ask(request()))
    assert len(venue.arrivals) == 3


@pytest.mark.parametrize("sent", [False, True])
async def test_a_placement_is_never_repeated(sent: bool) -> None:
    """A request that is not repeatable is sent once, whatever happened to it."""
    venue = Venue(NetworkError("cut", sent=sent))
    with pytest.raises(NetworkError):
        await venue.runner.run(ask(request("POST", repeatable=False)))
    assert len(venue.arrivals) == 1


async def test_what_was_not_sent_costs_nothing() -> None:
    """A request that never left gives its turn back; one that may have arrived does not."""
    for sent, free in ((False, True), (True, False)):
        venue = Venue(NetworkError("cut", sent=sent), capacity=1)
        with pytest.raises(NetworkError):
            await venue.runner.run(ask(request(repeatable=False)))
        assert (venue.pacer.acquire(COSTS, START) == START) is free


async def test_errors_are_thrown_in_at_the_yield() -> None:
    """A flow may catch what went wrong and go on with another request, or end with a result."""
    seen: list[str] = []

    def patient() -> Flow[str]:
        try:
            yield request(repeatable=False)
        except NetworkError as error:
            seen.append(str(error))
        try:
            yield request(repeatable=False)
        except NetworkError:
            return "gave up"
        return "fine"

    assert await Venue(NetworkError("cut")).runner.run(patient()) == "fine"
    assert await Venue(NetworkError("cut"), NetworkError("again")).runner.run(patient()) == "gave up"
    assert seen == ["cut", "cut"]


async def test_an_error_of_the_flow_comes_out() -> None:
    """What a flow raises by itself is raised by run."""

    def broken() -> Flow[None]:
        yield request()
        raise MalformedMessage("not what it says")

    with pytest.raises(MalformedMessage):
        await Venue().runner.run(broken())


async def test_a_cancelled_flow_is_closed_and_gives_its_turn_back() -> None:
    """Cancelled while waiting for its turn, a flow runs its cleanup, and its turn is free again."""
    venue = Venue(capacity=1)
    closed = []

    def guarded() -> Flow[None]:
        try:
            yield request()
        finally:
            closed.append("closed")

    await venue.runner.run(ask(request()))
    async with helpers() as group:
        group.start_soon(venue.runner.run, guarded())
        await venue.clock.settle()
    assert closed == ["closed"]
    waits = venue.pacer.acquire(COSTS, START)
    assert waits <= START + 10 * SECOND + 1


async def test_a_flow_that_is_cancelled_while_sending_is_closed() -> None:
    """Cancelled while its request is on the way, a flow runs its cleanup."""
    clock = VirtualClock(START)
    closed = []

    async def never(_request: HttpRequest) -> HttpResponse:
        await anyio.sleep_forever()
        raise AssertionError

    def guarded() -> Flow[None]:
        try:
            yield request()
        finally:
            closed.append("closed")

    runner = FlowRunner(
        MockHttpTransport(never), clock, Pacer([RatePool("weight", 1, 1)]), random=Random(1).random
    )
    async with helpers() as group:
        group.start_soon(runner.run, guarded())
        await clock.settle()
    assert closed == ["closed"]


def retry_after(response: HttpResponse) -> LimitReport:
    """As a connector reads it: Retry-After with 429, a ban with 418, usage in a header."""
    used = {"weight": float(response.headers["used"])} if "used" in response.headers else {}
    if response.status in {418, 429}:
        return LimitReport(
            used, penalty=float(response.headers["retry-after"]), banned=response.status == 418
        )
    return LimitReport(used)


async def test_reported_usage_reaches_the_pacer_before_the_flow_goes_on() -> None:
    """The second request of a flow already waits for what the first one's answer said."""
    venue = Venue(HttpResponse(200, b"", {"used": "99"}), capacity=100, limit_report=retry_after)
    async with venue.clock.autojump():
        await venue.runner.run(
            ask(request(costs=(Cost("weight", 50),)), request(costs=(Cost("weight", 50),)))
        )
    assert venue.arrivals[1] - venue.arrivals[0] >= 10 * SECOND


async def test_a_429_holds_those_who_had_their_turn_already() -> None:
    """Flows that were granted a turn before the penalty do not go in it, and not all at once after it."""
    refusal = HttpResponse(429, b"", {"retry-after": "30"})
    venue = Venue(refusal, capacity=2, limit_report=retry_after)
    async with venue.clock.autojump(), anyio.create_task_group() as group:
        for _ in range(7):
            group.start_soon(venue.runner.run, ask(request()))
    seconds = [round((at - START) / SECOND) for at in venue.arrivals]
    assert seconds[0] == 0
    assert all(at >= 30 for at in seconds[2:])
    assert seconds[2:] == [30, 30, 40, 40, 50]


async def test_a_ban_is_told_and_not_waited_for() -> None:
    """After a 418 with a long time, flows are refused at once, as banned."""
    venue = Venue(HttpResponse(418, b"", {"retry-after": "3600"}), limit_report=retry_after)
    await venue.runner.run(ask(request()))
    with pytest.raises(RateLimited) as told:
        await venue.runner.run(ask(request()))
    assert told.value.banned
    assert told.value.retry_after == pytest.approx(3600)
    assert len(venue.arrivals) == 1


async def test_a_success_is_refunded() -> None:
    """Costs that are charged for failures only come back with a success, by the status."""
    costs = (Cost("weight", refunded_on_success=True),)
    venue = Venue(HttpResponse(200, b""), HttpResponse(400, b""), capacity=1)
    await venue.runner.run(ask(request(costs=costs), request(costs=costs)))
    assert venue.arrivals == [START, START]
    assert venue.pacer.acquire(costs, START) > START


async def test_an_unreadable_limit_header_does_not_cost_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Where the limits of a response cannot be read, the response still reaches its flow, and a warning is logged."""
    venue = Venue(HttpResponse(200, b"placed", {"used": "many"}), limit_report=retry_after)
    with caplog.at_level(logging.WARNING):
        assert await venue.runner.run(ask(request())) == [b"placed"]
    assert "limits" in caplog.text
    assert "many" not in caplog.text


async def test_socket_requests_go_to_the_session() -> None:
    """A call is paced and handed to `call`; its answer or its error comes back at the yield."""
    venue = Venue(capacity=1)
    calls: list[tuple[str, Instant]] = []

    async def answer(asked: SocketRequest) -> SocketResponse:
        calls.append((asked.key, venue.clock.now()))
        if asked.key == "2":
            raise NetworkError("the socket died")
        return SocketResponse(("pong",))

    def flow() -> Flow[tuple[object, ...]]:
        answered = yield from call(SocketRequest("1", "ping", costs=COSTS))
        try:
            yield from call(SocketRequest("2", "ping", costs=COSTS))
        except NetworkError:
            return answered.parts
        return ()

    async with venue.clock.autojump():
        assert await venue.runner.run(flow(), call=answer) == ("pong",)
    assert [key for key, _ in calls] == ["1", "2"]
    assert calls[1][1] - calls[0][1] >= 10 * SECOND


async def test_a_call_takes_the_turn_of_its_frame_too() -> None:
    """Each call takes from the pool of its socket's frames before it is signed; a request by HTTP does not."""
    venue = Venue(capacity=1, frame=(Cost("weight"),))
    signed: list[Instant] = []

    async def answer(_asked: SocketRequest) -> SocketResponse:
        return SocketResponse(("pong",))

    def sign(asked: SocketRequest, _now: Instant, _nonce: int) -> SocketRequest:
        signed.append(venue.clock.now())
        return asked

    def flow() -> Flow[None]:
        yield from http(request(costs=()))
        for key in "12":
            yield from call(SocketRequest(key, "ping", signed=True))

    async with venue.clock.autojump():
        await venue.runner.run(flow(), call=answer, sign_call=sign)
    assert [round((at - START) / SECOND) for at in (*venue.arrivals, *signed)] == [0, 0, 10]


async def test_a_socket_request_without_a_socket_is_unsupported() -> None:
    """Without an open session a call is Unsupported, thrown into the flow like any error."""

    def flow(caught: Callable[[Exception], None]) -> Flow[None]:
        try:
            yield SocketRequest("1", "ping")
        except Unsupported as error:
            caught(error)
            raise

    seen: list[Exception] = []
    with pytest.raises(Unsupported):
        await Venue().runner.run(flow(seen.append))
    assert len(seen) == 1


# Told before the first byte


def marked(request: HttpRequest, _now: Instant, nonce: int) -> HttpRequest:
    """A signer that makes a fresh request, and writes the nonce into it."""
    return HttpRequest(request.method, f"{request.url}?{nonce}", costs=request.costs, signed=True)


async def test_what_goes_out_is_told_right_before() -> None:
    """The signed request as it is, with its nonce, when nothing has been sent yet."""
    venue = Venue(nonce=lambda _now: 42)
    seen: list[tuple[Request, int]] = []

    async def note(request: Request) -> None:
        seen.append((request, len(venue.arrivals)))

    await venue.runner.run(ask(request("POST", signed=True), request()), sign=marked, sending=note)
    (signed, before), (plain, between) = seen
    assert isinstance(signed, HttpRequest)
    assert signed.url.endswith("?42")
    assert (signed.nonce, before) == (42, 0)
    assert (plain, between) == (request(), 1)


async def test_what_cannot_be_noted_is_not_sent() -> None:
    """The error of the note is the flow's, nothing has left, and its turn is free for the next one."""
    venue = Venue(capacity=1)

    async def fail(_request: Request) -> None:
        raise LocalError("the disk is full")

    with pytest.raises(LocalError, match="disk is full"):
        await venue.runner.run(ask(request("POST", signed=True)), sign=marked, sending=fail)
    assert venue.arrivals == []
    await venue.runner.run(ask(request()))
    assert venue.arrivals == [START]


async def test_a_caller_that_is_cancelled_while_noting_sends_nothing() -> None:
    """Its turn is given back too."""
    venue = Venue(capacity=1)
    noting = anyio.Event()

    async def note(_request: Request) -> None:
        noting.set()
        await anyio.sleep_forever()

    async with helpers() as tasks:

        async def run() -> None:
            await venue.runner.run(ask(request("POST")), sending=note)

        tasks.start_soon(run)
        await noting.wait()
    assert venue.arrivals == []
    assert venue.runner.turn_at_once(COSTS)


async def test_notes_of_strict_nonces_are_made_in_their_order() -> None:
    """The key's lock is held from the nonce over the note to the answer: no request overtakes another."""
    nonces = iter(range(1, 10))
    venue = Venue(nonce=lambda _now: next(nonces), send_lock=anyio.Lock())
    log: list[str] = []
    first_noted = anyio.Event()

    async def note(request: Request) -> None:
        log.append(f"note {request.nonce}")
        if request.nonce == 1:
            await first_noted.wait()

    async def run() -> None:
        await venue.runner.run(ask(request("POST", signed=True)), sign=marked, sending=note)
        log.append(f"answer {len(venue.arrivals)}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        tasks.start_soon(run)
        await venue.clock.settle()
        assert log == ["note 1"]
        first_noted.set()
    assert [line for line in log if line.startswith("note")] == ["note 1", "note 2"]
    assert [sent.url[-2:] for sent in venue.mock.requests] == ["?1", "?2"]


# A clock that is wrong


class Skewed:
    """A venue that finds the clock wrong so many times, and what was measured."""

    def __init__(self, times: int, *, fails: bool = False) -> None:
        self.times = times
        self.fails = fails
        self.asked = 0
        self.measured = 0
        self.venue = Venue(skewed=self.measure)

    async def measure(self) -> None:
        """Measure the clock."""
        await self.venue.clock.settle()
        self.measured += 1
        if self.fails:
            raise NetworkError("no time to be had")

    def question(self) -> Flow[str]:
        """A flow that only reads."""
        yield from http(request(costs=()))
        self.asked += 1
        if self.asked <= self.times:
            raise ClockSkewed("timestamp outside the window")
        return "fine"


async def test_a_question_is_asked_again_once_the_clock_was_measured() -> None:
    """One skew error: one measurement, one more try."""
    skewed = Skewed(1)
    assert await skewed.venue.runner.ask(skewed.question) == "fine"
    assert (skewed.asked, skewed.measured) == (2, 1)


async def test_a_question_is_asked_again_once_and_not_for_ever() -> None:
    """A venue that finds the measured clock wrong as well has its error told."""
    skewed = Skewed(5)
    with pytest.raises(ClockSkewed):
        await skewed.venue.runner.ask(skewed.question)
    assert (skewed.asked, skewed.measured) == (2, 1)


async def test_without_a_measurement_nothing_is_asked_again() -> None:
    """The clock could not be had, or nobody measures it: the skew error is what is told."""
    skewed = Skewed(1, fails=True)
    with pytest.raises(ClockSkewed):
        await skewed.venue.runner.ask(skewed.question)
    assert skewed.asked == 1
    assert not await Venue().runner.resync()


async def test_a_flow_that_changes_something_is_not_run_again() -> None:
    """`run` never repeats a flow, whatever the error says."""
    skewed = Skewed(1)
    with pytest.raises(ClockSkewed):
        await skewed.venue.runner.run(skewed.question())
    assert (skewed.asked, skewed.measured) == (1, 0)


async def test_many_skew_errors_at_once_are_one_measurement() -> None:
    """Ten questions that meet the same wrong clock share what one of them measures."""
    skewed = Skewed(10)
    answers: list[str] = []

    async def run() -> None:
        answers.append(await skewed.venue.runner.ask(skewed.question))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(run)
    assert answers == ["fine"] * 10
    assert skewed.measured == 1

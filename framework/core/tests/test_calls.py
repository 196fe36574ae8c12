"""Calls on a socket: answered, refused, late, given up, and what is known of each that has no answer."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest
from attrs import define, evolve, field
from framework.core.tests.private_venue import PrivateToy, PrivateVenue

from venuekit.drivers.tasks import helpers
from venuekit.faults import UnexpectedError
from venuekit.trading.private import PrivateStream
from venuekit_spec import (
    Cost,
    DeadlinePassed,
    Flow,
    LimitReport,
    LocalError,
    NetworkError,
    Outcome,
    Refused,
    Request,
    SocketRequest,
    SocketResponse,
    Unsupported,
    VenuekitError,
    seconds_between,
)
from venuekit_spec import call as calling

pytestmark = pytest.mark.anyio


@define(eq=False)
class Asked:
    """One call, in a task of its own, and what became of it."""

    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    answer: SocketResponse | None = None
    error: VenuekitError | None = None
    over: bool = False

    async def run(self, stream: PrivateStream, request: SocketRequest) -> None:
        with self.scope:
            try:
                self.answer = await stream.call(request)
            except VenuekitError as error:
                self.error = error
        self.over = True

    @property
    def parts(self) -> tuple[Any, ...]:
        """The parts of the answer."""
        assert self.answer is not None
        return self.answer.parts

    @property
    def lost(self) -> NetworkError:
        """The error, which says that there is no answer."""
        assert isinstance(self.error, NetworkError)
        return self.error


async def asked(venue: PrivateVenue, stream: PrivateStream, key: str = "k1", **more: Any) -> Asked:
    """A call that is under way."""
    request = evolve(SocketRequest(key, "ask"), **more)
    one = Asked()

    async def run() -> None:
        await one.run(stream, request)

    venue.venue.spawn(run)
    await venue.clock.settle()
    return one


async def test_an_answer_finds_its_call() -> None:
    """Two calls under way are answered in the other order, each by its key."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        first, second = await asked(venue, stream, "a"), await asked(venue, stream, "b")
        assert venue.calls == ["a", "b"]
        await venue.clock.advance(1.0)
        await venue.say({"answer": "b", "payload": 2}, {"answer": "a", "payload": 1})
        assert (first.parts, second.parts) == ((1,), (2,))
        assert first.answer is not None
        assert first.answer.received == venue.clock.now()


async def test_an_acknowledgement_is_no_result() -> None:
    """The call waits on for what it was acknowledged for."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        one = await asked(venue, stream, acknowledged=True)
        await venue.say({"answer": "k1", "ack": True})
        assert not one.over
        await venue.say({"answer": "k1", "payload": 7})
        assert one.parts == (7,)


async def test_a_result_has_all_its_parts() -> None:
    """A venue that answers once per order: the call is over with the last of them, in their order."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        one = await asked(venue, stream, parts=3)
        await venue.say({"answer": "k1", "payload": 1}, {"answer": "k1", "payload": 2})
        assert not one.over
        await venue.say({"answer": "k1", "payload": 3})
        assert one.parts == (1, 2, 3)


async def test_an_error_is_raised_as_the_session_made_it() -> None:
    """The venue said no: definitive."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        one = await asked(venue, stream)
        await venue.say({"answer": "k1", "error": "no"})
        assert isinstance(one.error, Refused)
        assert one.error.outcome is Outcome.REJECTED


async def test_without_an_answer_in_time_the_outcome_is_unknown() -> None:
    """The deadline is that of the request, by the clock that was passed in; a late answer is counted and told."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        began = venue.clock.now()
        one = await asked(venue, stream, deadline=2.5)
        await venue.until(lambda: one.over)
        assert seconds_between(began, venue.clock.now()) == 2.5
        assert isinstance(one.error, DeadlinePassed)
        assert one.lost.outcome is Outcome.UNKNOWN
        await venue.say({"answer": "k1", "payload": 7})
        assert venue.told.late == ["k1"]
        (counters,) = stream.link_counters().values()
        assert counters.late_answers == 1


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_the_end_of_the_socket_makes_its_calls_unknown(acknowledged: bool) -> None:
    """Every call under way, acknowledged or not: a byte of it may have arrived."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        calls = [await asked(venue, stream, key) for key in "abc"]
        if acknowledged:
            await venue.say(*({"answer": key, "ack": True} for key in "abc"))
        venue.socket.cut("pulled")
        await venue.clock.settle()
        assert [(one.lost.sent, one.lost.outcome) for one in calls] == [(True, Outcome.UNKNOWN)] * 3
        assert "pulled" in str(calls[0].lost)
        assert ("acknowledged" in str(calls[0].lost)) is acknowledged


async def test_without_an_open_socket_nothing_is_sent() -> None:
    """Not dialled yet, not logged in, or just lost: said at once, and it is certain that nothing happened."""
    venue = PrivateVenue()
    venue.mute.add("calls")
    async with venue.opened() as stream:
        before = await asked(venue, stream)
        await venue.say({"live": "calls"})
        working = await asked(venue, stream)
        await venue.say({"answer": "k1"}, {"lost": "calls", "reason": "logged out", "final": False})
        after = await asked(venue, stream)
        venue.socket.cut()
        await venue.clock.settle()
        gone = await asked(venue, stream)
        assert working.over
        assert [(one.lost.sent, one.lost.outcome) for one in (before, after, gone)] == [
            (False, Outcome.REJECTED)
        ] * 3
        assert venue.calls == ["k1"]


async def test_a_venue_without_a_socket_for_calls_takes_none() -> None:
    """The user stream alone takes no calls."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(wanted=())) as stream:
        assert not (await asked(venue, stream)).lost.sent


async def test_two_calls_of_one_key_are_never_under_way() -> None:
    """The second is refused and not sent; the first is answered as if nothing had been."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        first, second = await asked(venue, stream), await asked(venue, stream)
        assert isinstance(second.error, LocalError)
        assert venue.calls == ["k1"]
        await venue.say({"answer": "k1", "payload": 1})
        assert first.parts == (1,)
        again = await asked(venue, stream)
        await venue.say({"answer": "k1", "payload": 2})
        assert again.parts == (2,)


async def test_a_cancelled_caller_is_forgotten() -> None:
    """Its key is free again, its answer is late, and the others are answered."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        gone, other = await asked(venue, stream, "gone"), await asked(venue, stream, "other")
        gone.scope.cancel()
        await venue.clock.settle()
        await venue.say({"answer": "gone"}, {"answer": "other", "payload": 1})
        assert gone.over
        assert (gone.answer, other.parts) == (None, (1,))
        assert venue.told.late == ["gone"]
        again = await asked(venue, stream, "gone")
        await venue.say({"answer": "gone", "payload": 3})
        assert again.parts == (3,)


@pytest.mark.parametrize(
    ("method", "error", "lives"),
    [
        ("unsupported", Unsupported, True),
        ("malformed", NetworkError, True),
        ("broken", UnexpectedError, False),
    ],
)
async def test_a_call_that_a_session_cannot_say_is_not_sent(
    method: str, error: type[VenuekitError], lives: bool
) -> None:
    """Nothing left, so nothing happened; only a bug of the session costs its socket."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        one = await asked(venue, stream, method=method)
        assert isinstance(one.error, error)
        assert one.error.outcome is Outcome.REJECTED
        assert venue.calls == []
        assert stream.calls_live is lives


async def test_a_planned_redial_waits_for_the_answers() -> None:
    """New calls go out on the next socket, and the old one stays until it has answered its own."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        old = venue.socket
        first = await asked(venue, stream, "old", deadline=30.0)
        await venue.say({"redial": "maintenance"})
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        await venue.until(lambda: venue.told.opened == 2)
        second = await asked(venue, stream, "new", deadline=30.0)
        assert not old.closed
        assert [frame["call"] for socket in (old, venue.socket) for frame in said(socket)] == ["old", "new"]
        await venue.say({"answer": "old", "payload": 1}, socket=old)
        assert old.closed
        await venue.say({"answer": "new", "payload": 2})
        assert (first.parts, second.parts) == ((1,), (2,))


def said(socket: Any) -> list[dict[str, Any]]:
    """The calls that were sent on a socket."""
    frames = [msgspec.json.decode(frame) for frame in socket.sent]
    return [frame for frame in frames if "call" in frame]


# Frames that wait for their turn


async def test_frames_that_cost_are_paced_and_none_overtakes() -> None:
    """One frame a five seconds: the frame without costs behind a waiting one waits with it."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        for key, cost in (("a", 1), ("b", 1), ("c", 0), ("d", 1)):
            await asked(venue, stream, key, params={"cost": cost} if cost else {}, deadline=60.0)
        assert venue.calls == ["a"]
        await venue.clock.advance(5.1)
        assert venue.calls == ["a", "b", "c"]
        await venue.clock.advance(5.1)
        assert venue.calls == ["a", "b", "c", "d"]


@pytest.mark.parametrize("how", ["deadline", "cancelled", "socket"])
async def test_a_call_that_was_given_up_before_its_turn_is_never_sent(how: str) -> None:
    """No order goes out after its caller was told that there is no answer: and it is certain that nothing happened."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        await asked(venue, stream, "a", params={"cost": 1}, deadline=60.0)
        waiting = await asked(venue, stream, "b", params={"cost": 1}, deadline=2.0)
        behind = await asked(venue, stream, "c", params={"cost": 1}, deadline=60.0)
        if how == "deadline":
            await venue.until(lambda: waiting.over)
        elif how == "cancelled":
            waiting.scope.cancel()
        else:
            venue.socket.cut()
        await venue.clock.settle()
        if how != "cancelled":
            assert (waiting.lost.sent, waiting.lost.outcome) == (False, Outcome.REJECTED)
        await venue.clock.advance(30.0)
        assert venue.calls == (["a"] if how == "socket" else ["a", "c"])
        assert behind.over is (how == "socket")


async def test_a_call_of_two_frames_is_sent_whole_once_it_began() -> None:
    """Its first frame has left: its outcome is unknown, and the rest follows."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        one = await asked(venue, stream, method="twice", params={"cost": 1}, deadline=2.0)
        await venue.until(lambda: one.over)
        assert one.lost.outcome is Outcome.UNKNOWN
        await venue.clock.advance(10.0)
        assert venue.calls == ["k1", "k1"]


async def test_a_turn_that_is_far_away_is_waited_for() -> None:
    """A pause that the venue ordered holds frames back for as long as it lasts, and costs no socket."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        venue.flows.report(LimitReport(penalty=200.0))
        await asked(venue, stream, params={"cost": 1}, deadline=600.0)
        await venue.clock.advance(199.0)
        assert venue.calls == []
        await venue.clock.advance(10.0)
        assert venue.calls == ["k1"]
        assert len(venue.websockets.sockets) == 1


async def test_a_frame_that_can_never_go_costs_its_socket() -> None:
    """A frame that costs more than its pool holds is a bug of the connector."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        one = await asked(venue, stream, params={"cost": 5})
        assert one.over
        assert not stream.calls_live


# Run by flows


def ask(request: SocketRequest) -> Flow[tuple[Any, ...]]:
    """A flow of one call."""
    response = yield from calling(request)
    return response.parts


async def test_a_signed_call_is_noted_right_before_it_goes() -> None:
    """Whoever is to know sees the call with its signature and its nonce, when nothing has been sent yet."""
    venue = PrivateVenue()
    seen: list[tuple[Request, list[str]]] = []

    async def note(request: Request) -> None:
        seen.append((request, venue.calls))

    async with venue.opened() as stream, helpers() as tasks:
        request = SocketRequest("k1", "order", signed=True)

        async def run() -> None:
            await venue.venue.run(ask(request), call=stream.call, sending=note)

        tasks.start_soon(run)
        await venue.clock.settle()
        ((noted, before),) = seen
        assert isinstance(noted, SocketRequest)
        assert noted.nonce == noted.params["signed"] == venue.clock.now()
        assert before == []
        assert venue.heard[-1]["signed"] == noted.nonce


async def test_a_call_that_was_not_sent_gives_its_turn_back() -> None:
    """No socket was open: the next call need not wait for what was never spent."""
    venue = PrivateVenue(capacity=1.0)
    async with venue.opened() as stream:
        venue.socket.cut()
        await venue.clock.settle()
        request = SocketRequest("k1", "order", costs=(Cost("frames", 1.0),))
        with pytest.raises(NetworkError):
            await venue.venue.run(ask(request), call=stream.call)
        assert venue.flows.turn_at_once(request.costs)

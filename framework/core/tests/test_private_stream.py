"""The private stream: whole or told not to be, across refusals, holes, planned and unplanned ends."""

from __future__ import annotations

import pytest
from framework.core.tests.private_venue import USER, PrivateToy, PrivateVenue

from venuekit.events import TopicRefused
from venuekit_spec import Dial, FundingPayment, seconds_between

pytestmark = pytest.mark.anyio


async def test_messages_of_the_account_reach_it_once_the_stream_is_confirmed() -> None:
    """A confirmed user topic makes the stream live, and what comes by it is handed on in order."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        assert (stream.live, stream.calls_live) == (True, True)
        await venue.say({"report": "c1"}, {"balance": "5"}, {"report": "c2"})
        assert venue.told.reports == ["c1", "c2"]
        assert venue.told.log == ["opened"]
        assert stream.last_life == venue.clock.now()


async def test_a_lost_socket_is_told_and_dialled_again() -> None:
    """The end of a socket is told with its reason; the next one that is confirmed is told as opened."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        venue.socket.cut("pulled")
        await venue.clock.settle()
        assert not stream.live
        assert stream.last_life == 0
        assert venue.told.log == ["opened", "lost: pulled"]
        await venue.until(lambda: stream.live)
        assert venue.told.log == ["opened", "lost: pulled", "opened"]


async def test_each_confirmation_anew_is_told() -> None:
    """A venue that subscribes us again by itself may have told nothing in between: the account is to ask."""
    venue = PrivateVenue()
    async with venue.opened():
        await venue.say({"live": "user"})
        assert venue.told.log == ["opened", "opened"]


@pytest.mark.parametrize("numbers", [[1, 2, 4], [5, 6, 8], [7, 1, 2]])
async def test_a_hole_is_told(numbers: list[int]) -> None:
    """A number that does not follow the one before it, or a sequence that begins anew, is a hole, told once."""
    venue = PrivateVenue()
    async with venue.opened():
        for n in numbers:
            await venue.say({"n": n, "report": f"c{n}"})
        assert len(venue.told.holes) == 1
        assert venue.told.reports == [f"c{n}" for n in numbers]


async def test_a_repeated_message_is_no_hole_and_is_handed_on() -> None:
    """A frame that comes twice costs nothing, and what it says is the tracker's to know again."""
    venue = PrivateVenue()
    async with venue.opened():
        await venue.say(*({"n": n, "report": f"c{n}"} for n in (1, 2, 2, 3)))
        assert venue.told.holes == []
        assert venue.told.reports == ["c1", "c2", "c2", "c3"]


async def test_a_hole_in_the_frames_of_the_socket_is_told_too() -> None:
    """A lost frame of a numbered socket may have been a report; a repeated one is handed on."""
    venue = PrivateVenue()
    async with venue.opened():
        await venue.say(*({"frame": n, "report": f"c{n}"} for n in (1, 2, 2, 4)))
        assert venue.told.holes == ["after message 2 came 4"]
        assert venue.told.reports == ["c1", "c2", "c2", "c4"]


async def test_funding_reaches_the_account() -> None:
    """What a position was paid is news of the account as any other."""
    venue = PrivateVenue()
    async with venue.opened():
        await venue.say({"funding": "f1"})
        assert [told.key for told in venue.told.messages if isinstance(told, FundingPayment)] == ["f1"]


async def test_a_sequence_is_of_its_socket() -> None:
    """The first number of a new socket follows nothing."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        await venue.say({"n": 41}, {"n": 42})
        venue.socket.cut()
        await venue.until(lambda: not stream.live)
        await venue.until(lambda: stream.live)
        await venue.say({"n": 1}, {"n": 2})
        assert venue.told.holes == []


async def test_an_unreadable_frame_is_a_hole() -> None:
    """What cannot be read may have been a report: the account is to ask, and the socket stays."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        await venue.say("{nonsense", {"report": "c1"})
        assert venue.told.holes == ["a frame could not be read"]
        assert venue.told.reports == ["c1"]
        assert stream.live
        (counters,) = stream.link_counters().values()
        assert (counters.malformed, counters.dials) == (1, 1)


async def test_a_planned_redial_loses_no_report_and_no_liveness() -> None:
    """The next socket is confirmed before the old one ends: reports of both count, and the account asks once after."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        old = venue.socket
        venue.mute.add("user")
        await venue.say({"redial": "maintenance"})
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        await venue.say({"report": "by the old"}, socket=old)
        assert stream.live
        assert not old.closed
        await venue.say({"live": "user"}, {"report": "by the new"})
        await venue.until(lambda: old.closed)
        assert venue.told.reports == ["by the old", "by the new"]
        assert venue.told.log == ["opened", "opened"]
        assert stream.live


async def test_a_change_of_a_balance_counts_once_while_sockets_overlap() -> None:
    """Both sockets tell the change; only that of the leading one is handed on, absolute balances from either."""
    venue = PrivateVenue()
    async with venue.opened():
        old = venue.socket
        await venue.say({"redial": "maintenance"})
        venue.mute.add("calls")
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        for socket in (old, venue.socket):
            await venue.say({"balance": "1", "delta": True}, {"balance": "9"}, socket=socket)
        assert sorted(map(str, venue.told.balances)) == ["1", "9", "9"]
        await venue.say({"live": "calls"})
        await venue.until(lambda: old.closed)
        await venue.say({"balance": "2", "delta": True})
        assert [str(balance) for balance in venue.told.balances][-1] == "2"


async def test_a_lifetime_is_renewed_in_good_time() -> None:
    """Before the venue ends the socket another one is there; the stream is never lost."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(socket=Dial("toy://private", ping=None, lifetime=100.0))) as stream:
        await venue.until(lambda: len(venue.websockets.sockets) == 3, limit=300.0)
        await venue.until(lambda: venue.websockets.sockets[1].closed)
        assert stream.live
        assert venue.told.lost == 0


async def test_silence_is_the_end_of_a_socket() -> None:
    """A socket without a sign of life is not believed."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(socket=Dial("toy://private", ping=None, silence=5.0))):
        await venue.until(lambda: venue.told.lost == 1)
        assert "no sign of life" in venue.told.log[-1]


async def test_a_final_refusal_is_told_and_dialled_for_again() -> None:
    """A token that has run out: the event says so, the next dial has a fresh one, and the stream is back."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(signed=True)) as stream:
        async with venue.venue.events.subscribe() as events:
            await venue.say({"lost": "user", "reason": "token expired"})
            assert not stream.live
            await venue.until(lambda: stream.live)
        refused = [event async for event in events if isinstance(event, TopicRefused)]
        assert [(event.topic, event.final) for event in refused] == [(USER, False)]
        assert venue.told.log == ["opened", "lost: token expired", "opened"]
        assert len(venue.http.requests) == 2


async def test_a_refusal_that_stays_is_tried_again_ever_more_slowly() -> None:
    """A permission that is missing: dialled for again and again, with backoff, and never told as opened."""
    venue = PrivateVenue()
    venue.mute.add("user")
    async with venue.opened() as stream:
        waits: list[float] = []
        for tries in range(1, 12):
            began = venue.clock.now()
            await venue.say({"lost": "user", "reason": "no permission"})
            await venue.until(venue.dialled(tries + 1))
            waits.append(seconds_between(began, venue.clock.now()))
        assert max(waits[:3]) < max(waits[-3:]) <= 60.0
        assert not stream.live
        assert venue.told.log == []


async def test_a_stream_that_is_never_confirmed_is_dialled_again() -> None:
    """Neither confirmed nor refused: after a while on another socket."""
    venue = PrivateVenue()
    venue.mute.add("user")
    async with venue.opened() as stream:
        await venue.until(lambda: len(venue.websockets.sockets) == 2)
        venue.mute.clear()
        await venue.until(lambda: stream.live)
        assert venue.told.log == ["opened"]


async def test_a_loss_that_is_not_final_is_asked_for_on_the_same_socket() -> None:
    """The subscription alone is renewed; the calls beside it go on."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        await venue.say({"lost": "user", "reason": "try again", "final": False})
        assert stream.calls_live
        await venue.until(lambda: stream.live)
        assert venue.told.log == ["opened", "lost: try again", "opened"]
        assert len(venue.websockets.sockets) == 1


async def test_topics_of_two_endpoints_have_a_socket_each() -> None:
    """The loss of one of them leaves the other as it is."""
    venue = PrivateVenue(endpoints=True)
    async with venue.opened() as stream:
        calls, user = sorted(venue.websockets.sockets, key=lambda socket: str(socket.sent[0]))
        user.cut("pulled")
        await venue.clock.settle()
        assert (stream.live, stream.calls_live) == (False, True)
        await venue.until(lambda: stream.live)
        calls.cut("pulled as well")
        await venue.clock.settle()
        assert (stream.live, stream.calls_live) == (True, False)
        assert venue.told.log == ["opened", "lost: pulled", "opened"]


async def test_a_dial_and_a_login_are_signed() -> None:
    """The token comes from a signed request, and a session that asks for a login has it from the account's signer."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(signed=True, login=True)) as stream:
        assert stream.live
        assert "login" in venue.heard[0]
        (request,) = venue.http.requests
        assert dict(request.headers)["signature"]


async def test_a_stream_that_is_cancelled_leaves_no_socket_behind() -> None:
    """Its sockets are closed and none is dialled again, although the exchange around it lives on."""
    venue = PrivateVenue()
    async with venue.opened() as stream:
        assert stream.live
        venue.stop()
        await venue.clock.settle()
        assert venue.socket.closed
        assert not stream.live
        await venue.clock.advance(600.0)
        assert len(venue.websockets.sockets) == 1


async def test_a_venue_without_private_topics_has_nothing_to_keep_alive() -> None:
    """No topic, no socket; nothing is live."""
    venue = PrivateVenue()
    async with venue.opened(PrivateToy(wanted=())) as stream:
        assert (stream.live, stream.calls_live, stream.last_life) == (False, False, 0)
        assert venue.websockets.sockets == []


async def test_a_token_that_is_refused_for_its_time_is_asked_for_again() -> None:
    """The venue finds our clock wrong while we dial: the clock is measured, and the same dial goes on."""
    venue = PrivateVenue()
    measured: list[int] = []

    async def measure() -> None:
        measured.append(len(venue.http.requests))

    venue.measure = measure
    async with venue.opened(PrivateToy(signed=True, skewed=True)) as stream:
        assert stream.live
        assert measured == [1]
        assert len(venue.http.requests) == 2
        (counters,) = stream.link_counters().values()
        assert counters.dials == 1


async def test_an_account_signs_with_nonces_of_its_own() -> None:
    """A login takes its nonce from the account's source, not from the clock."""
    venue = PrivateVenue()
    numbers = iter((77,))
    venue.nonces = lambda _now: next(numbers)
    async with venue.opened(PrivateToy(login=True)):
        assert venue.heard[0] == {"login": 77}

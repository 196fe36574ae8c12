"""Subscriptions, through the session, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit_coinbase_exchange.session import CoinbaseExchangeSession
from venuekit_spec import (
    SECOND,
    AuthenticationRefused,
    BookDelta,
    Channel,
    InstrumentTable,
    OrderEvent,
    Redial,
    Send,
    Sign,
    Topic,
    TopicLive,
    VenueUnavailable,
    after,
)
from venuekit_testkit import START, Driver

BATCH, PATIENCE = CoinbaseExchangeSession.batch, CoinbaseExchangeSession.answer_within

UPDATE = {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "1.00", "1"]]}
SNAPSHOT = {"type": "snapshot", "product_id": "BTC-USD", "bids": [["1.00", "1"]], "asks": []}
FIELDS = {"key": "k", "passphrase": "p", "timestamp": "1700000000", "signature": "s"}


class Socket(Driver):
    """A session of Coinbase Exchange, and what it asks for."""

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(CoinbaseExchangeSession(instruments))

    @property
    def signs(self) -> list[Sign]:
        """The signatures that were asked for."""
        return [output for output in self.outputs if isinstance(output, Sign)]

    def sign(self, result: object) -> None:
        """What was asked for last with `Sign` is there."""
        self.answered(self.signs[-1].tag, result)

    def asked(self, method: str) -> list[dict[str, list[str]]]:
        """The channels, with their products, of each frame of a method."""
        return [
            {channel["name"]: channel["product_ids"] for channel in each.said["channels"]}
            for each in self.sent
            if each.said["type"] == method
        ]


class Venue:
    """Plays the venue: keeps what a connection is subscribed to and answers each frame, refusing what it lists as bad."""

    def __init__(self, driver: Socket, bad: Iterable[str] = (), text: str = "is not a valid product") -> None:
        self.driver = driver
        self.bad = frozenset(bad)
        self.text = text
        self.streams: set[tuple[str, str]] = set()
        self.answered = 0

    def answer(self) -> None:
        """Answer every frame that was not answered yet, also those sent meanwhile."""
        while self.answered < len(self.driver.sent):
            frame = self.driver.sent[self.answered].said
            self.answered += 1
            named = {(ch["name"], product) for ch in frame["channels"] for product in ch["product_ids"]}
            refused = sorted(product for _, product in named if product in self.bad)
            if frame["type"] == "subscribe" and refused:
                reason = f"{refused[0]} {self.text}"
                self.driver.hear({"type": "error", "message": "Failed to subscribe", "reason": reason})
                continue
            self.streams = self.streams | named if frame["type"] == "subscribe" else self.streams - named
            self.driver.hear(self.list())

    def list(self) -> dict[str, Any]:
        """What the connection is subscribed to, as the venue tells it."""
        channels: dict[str, list[str]] = {}
        for channel, product in sorted(self.streams):
            channels.setdefault(channel, []).append(product)
        named = [{"name": channel, "product_ids": products} for channel, products in channels.items()]
        return {"type": "subscriptions", "channels": named}

    def settle(self) -> None:
        """Answer, and let time pass, until the session has nothing left to ask."""
        self.answer()
        while self.driver.wake is not None:
            self.driver.sleep_until(self.driver.wake)
            self.answer()


@pytest.fixture
def driver(instruments: InstrumentTable) -> Socket:
    """A session that has not been opened yet, in the hands of a core."""
    return Socket(instruments)


def book(instrument: str) -> Topic:
    """The book of an instrument."""
    return Topic(Channel.BOOK, instrument)


def books(*instruments: str) -> frozenset[Topic]:
    """The books of these instruments."""
    return frozenset(map(book, instruments))


BTC, ETH = book("BTC-USD"), book("ETH-USD")
ORDERS = Topic(Channel.ORDERS, "BTC-USD")
HUNDRED = tuple(f"A{n:03}-USD" for n in range(BATCH))


def test_topics_are_asked_for_in_one_frame(driver: Socket) -> None:
    """Channels of several products become one request; a book brings its product's heartbeats; one list confirms all."""
    topics = {BTC, ETH, Topic(Channel.TRADES, "BTC-USD"), Topic(Channel.TOP, "ETH-EUR")}
    driver.open(*topics)
    assert driver.asked("subscribe") == [
        {
            "level2_batch": ["BTC-USD", "ETH-USD"],
            "ticker": ["ETH-EUR"],
            "matches": ["BTC-USD"],
            "heartbeat": ["BTC-USD", "ETH-USD"],
        }
    ]
    Venue(driver).answer()
    assert driver.live == topics
    driver.sleep_until(after(START, 60))
    assert (len(driver.sent), driver.wake) == (1, None)


def test_the_first_frame_is_sent_at_once(driver: Socket) -> None:
    """Topics wanted early are asked for when the socket opens, well within the five seconds that the venue waits."""
    driver.want(BTC)
    assert (driver.sent, driver.wake) == ([], None)
    driver.open()
    assert [each.at for each in driver.sent] == [START]


def test_frames_are_paced_and_bounded(driver: Socket, instruments: InstrumentTable) -> None:
    """304 instruments on three channels: fewer than eight frames a second, none large, each stream asked for once."""
    topics = frozenset(
        Topic(channel, instrument)
        for channel in (Channel.BOOK, Channel.TRADES, Channel.TOP)
        for instrument in instruments
    )
    driver.open(*topics)
    venue = Venue(driver)
    venue.settle()
    assert driver.live == topics
    instants = [each.at for each in driver.sent]
    assert all(later - earlier >= SECOND for earlier, later in zip(instants, instants[4:], strict=False))
    assert max(len(each.frame) for each in driver.sent) < 8_000
    asked = [
        (name, p) for frame in driver.asked("subscribe") for name, products in frame.items() for p in products
    ]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("name", ["level2", "level2_50", "level2_batch"])
def test_a_book_has_several_names(driver: Socket, name: str) -> None:
    """A list that calls the feed by its former names confirms it too."""
    driver.open(BTC)
    driver.hear({"type": "subscriptions", "channels": [{"name": name, "product_ids": ["BTC-USD"]}]})
    assert driver.live == {BTC}


def test_a_list_confirms_what_it_has(driver: Socket) -> None:
    """What a list lacks is still waited for; channels without products, and unknown ones, disturb nobody."""
    driver.open(BTC, ETH)
    channels: list[dict[str, object]] = [
        {"name": "status"},
        {"name": "level2_batch", "product_ids": ["ETH-USD"]},
    ]
    driver.hear({"type": "subscriptions", "channels": [*channels, {"name": "full", "product_ids": None}]})
    assert driver.live == {ETH}
    assert driver.wake == after(START, PATIENCE)


def test_data_confirm_before_the_list(driver: Socket) -> None:
    """Data may come first: they make a topic live, once, before the message itself."""
    driver.open(BTC)
    driver.hear(UPDATE)
    assert [type(output) for output in driver.told] == [TopicLive, BookDelta]
    Venue(driver).answer()
    assert [type(output) for output in driver.told] == [TopicLive, BookDelta]


def test_only_differences_are_asked_for(driver: Socket) -> None:
    """A new set unsubscribes what is gone, its heartbeats too, subscribes what is new, and leaves alone what stays."""
    venue = Venue(driver)
    driver.open(BTC, ETH)
    venue.settle()
    driver.want(ETH, book("ETH-EUR"))
    venue.settle()
    driver.want(ETH, book("ETH-EUR"))
    venue.settle()
    assert driver.asked("unsubscribe") == [{"level2_batch": ["BTC-USD"], "heartbeat": ["BTC-USD"]}]
    assert driver.asked("subscribe")[1:] == [{"level2_batch": ["ETH-EUR"], "heartbeat": ["ETH-EUR"]}]


def test_heartbeats_stay_while_a_book_needs_them(driver: Socket) -> None:
    """Two books of one product share its heartbeats, which are left with the last of them."""
    venue = Venue(driver)
    driver.open(BTC)
    venue.settle()
    driver.want(BTC, ORDERS)
    driver.sleep_until(after(driver.now, 1))
    driver.sign(FIELDS)
    venue.settle()
    driver.want(ORDERS)
    venue.settle()
    assert venue.streams == {("full", "BTC-USD"), ("heartbeat", "BTC-USD")}
    driver.want()
    venue.settle()
    assert venue.streams == set()
    assert len(driver.asked("unsubscribe")) == 2


# --- renewal


def test_left_out_and_wanted_again_is_subscribed_anew(driver: Socket) -> None:
    """The core repairs a book so: it is unsubscribed, and subscribed again once the list lacks it."""
    venue = Venue(driver)
    driver.open(BTC, ETH)
    venue.settle()
    driver.take()
    driver.want(ETH)
    driver.want(BTC, ETH)
    driver.sleep_until(after(driver.now, 1))
    assert [each.said["type"] for each in driver.sent] == ["subscribe", "unsubscribe"]
    venue.settle()
    assert [each.said["type"] for each in driver.sent] == ["subscribe", "unsubscribe", "subscribe"]
    assert driver.asked("subscribe")[1]["level2_batch"] == ["BTC-USD"]
    assert driver.live == {BTC}


def test_data_of_a_left_subscription_are_dropped(driver: Socket) -> None:
    """A late snapshot or change of the old subscription never passes for the new one's; other books go on."""
    venue = Venue(driver)
    driver.open(BTC, ETH)
    venue.settle()
    driver.want(ETH)
    driver.want(BTC, ETH)
    driver.take()
    driver.hear(UPDATE)
    driver.hear(SNAPSHOT)
    driver.hear({**UPDATE, "product_id": "ETH-USD"})
    assert [output.instrument for output in driver.told if isinstance(output, BookDelta)] == ["ETH-USD"]
    assert len(driver.told) == 1
    venue.settle()
    driver.take()
    driver.hear(SNAPSHOT)
    assert len(driver.told) == 1


def test_an_unsubscription_without_answer_is_repeated_once(driver: Socket) -> None:
    """The venue is told twice; then the topic may begin again all the same."""
    driver.open(BTC)
    Venue(driver).settle()
    driver.want()
    driver.want(BTC)
    driver.sleep_until(after(driver.now, 2.5 * PATIENCE))
    assert [each.said["type"] for each in driver.sent] == [
        "subscribe",
        "unsubscribe",
        "unsubscribe",
        "subscribe",
    ]


def test_a_change_of_mind_before_the_answer(driver: Socket) -> None:
    """A topic that is no longer wanted when its subscription is confirmed is unsubscribed, and never told to be live."""
    driver.open(BTC)
    driver.want()
    venue = Venue(driver)
    venue.settle()
    assert [each.said["type"] for each in driver.sent] == ["subscribe", "unsubscribe"]
    assert (venue.streams, driver.told) == (set(), [])


# --- refusals


@pytest.mark.parametrize("bad", [0, 41, 99])
def test_an_error_is_narrowed_down_to_the_bad_product(driver: Socket, bad: int) -> None:
    """Of a hundred products the venue refuses one, and with it the frame: that one is lost for good, all others live."""
    wanted = books(*HUNDRED)
    driver.open(*wanted)
    Venue(driver, bad=[HUNDRED[bad]]).settle()
    [lost] = driver.lost
    assert (lost.topic.instrument, lost.final) == (HUNDRED[bad], True)
    assert "not a valid product" in lost.reason
    assert driver.live == wanted - {lost.topic}
    frames = len(driver.sent)
    assert frames <= 16
    driver.want(*wanted)
    assert len(driver.sent) == frames, "what was refused is not asked for again"


def test_a_refused_topic_is_asked_for_again_after_it_was_left_out(driver: Socket) -> None:
    """Leaving a refused topic out forgets the refusal."""
    venue = Venue(driver, bad=["BTC-USD"])
    driver.open(BTC)
    venue.settle()
    driver.want()
    driver.want(BTC)
    venue.settle()
    assert len(driver.asked("subscribe")) == 2


def test_an_error_that_may_pass_is_not_final(driver: Socket) -> None:
    """A reason that is not the product's loses the topic for now: the next want asks again."""
    driver.open(BTC)
    Venue(driver, bad=["BTC-USD"], text="cannot be served").settle()
    [lost] = driver.lost
    assert not lost.final
    driver.want(BTC)
    driver.sleep_until(after(driver.now, 1))
    assert len(driver.asked("subscribe")) == 2


@pytest.mark.parametrize("reason", ["ErrSlowConsume", "ErrSlowRead"])
def test_a_farewell_asks_for_a_redial(driver: Socket, reason: str) -> None:
    """An error that announces the end of the connection is no refusal of what was asked for."""
    driver.open(BTC)
    driver.hear({"type": "error", "message": reason})
    [redial] = driver.told
    assert isinstance(redial, Redial)
    assert reason in redial.reason


def test_an_error_that_answers_nothing_asks_for_a_redial(driver: Socket) -> None:
    """The venue complains without being asked: the connection is not what we think it is."""
    driver.open(BTC)
    Venue(driver).answer()
    driver.take()
    driver.hear({"type": "error", "message": "Something is wrong", "reason": None})
    [redial] = driver.told
    assert isinstance(redial, Redial)
    assert not redial.planned


def test_no_answer_is_asked_again_once_then_lost_for_now(driver: Socket) -> None:
    """Silence is asked about once more; then the topic is lost, not for good, and ended in case it begins after all."""
    driver.open(BTC)
    driver.sleep_until(after(START, PATIENCE))
    assert (len(driver.sent), driver.lost) == (2, [])
    driver.sleep_until(after(START, 10 * PATIENCE))
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (BTC, False)
    assert (len(driver.asked("subscribe")), driver.wake) == (2, None)
    driver.want(BTC)
    assert len(driver.asked("subscribe")) == 3


def test_a_late_error_is_not_taken_for_another_requests(driver: Socket) -> None:
    """Once an answer was overdue, an error loses the topic under way for good only if it names its product."""
    driver.open(BTC)
    driver.sleep_until(after(START, PATIENCE))
    error = {"type": "error", "message": "Failed to subscribe", "reason": "ETH-USD is not a valid product"}
    driver.hear(error)
    driver.want(BTC)
    driver.sleep_until(after(driver.now, 1))
    driver.hear({**error, "reason": "BTC-USD is not a valid product"})
    assert [(lost.topic, lost.final) for lost in driver.lost] == [(BTC, False), (BTC, True)]


def test_a_subscription_that_the_venue_ends_is_lost(driver: Socket) -> None:
    """A list that no longer has what an earlier one had says that it is gone; the next want asks again."""
    venue = Venue(driver)
    driver.open(BTC, ETH)
    venue.settle()
    venue.streams.discard(("level2_batch", "BTC-USD"))
    driver.hear(venue.list())
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (BTC, False)
    driver.want(BTC, ETH)
    venue.settle()
    assert ("level2_batch", "BTC-USD") in venue.streams


@pytest.mark.parametrize(
    "topic",
    [Topic(Channel.STATUS, "BTC-USD"), Topic(Channel.BOOK, "BTC-USD", "hourly"), book("NOBODY-KNOWS")],
    ids=str,
)
def test_a_topic_without_a_stream_is_lost_at_once(driver: Socket, topic: Topic) -> None:
    """A channel, a variant or an instrument that the venue lacks is refused here, once, and costs the others nothing."""
    driver.open(ETH, topic)
    driver.want(ETH, topic)
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (topic, True)
    assert [frame["level2_batch"] for frame in driver.asked("subscribe")] == [["ETH-USD"]]


# --- authentication


@pytest.mark.parametrize(
    ("topic", "channel"), [(ORDERS, "full"), (Topic(Channel.ORDERS, "BTC-USD", "level3"), "level3")], ids=str
)
def test_orders_are_subscribed_with_a_signature(driver: Socket, topic: Topic, channel: str) -> None:
    """The fields that the core makes of the topic travel in the request, which waits for them."""
    driver.open(topic)
    assert [sign.topic for sign in driver.signs] == [topic]
    assert driver.sent == []
    driver.sign(FIELDS)
    [frame] = driver.said()
    named = [{"name": channel, "product_ids": ["BTC-USD"]}, {"name": "heartbeat", "product_ids": ["BTC-USD"]}]
    assert frame == {"type": "subscribe", "channels": named, **FIELDS}
    Venue(driver).answer()
    assert driver.live == {topic}


def test_public_topics_carry_no_signature(driver: Socket) -> None:
    """Topics that need no key have a request of their own, without one; so has every end of a subscription."""
    venue = Venue(driver)
    driver.open(BTC, ORDERS)
    venue.answer()
    driver.sleep_until(after(driver.now, 1))
    driver.sign(FIELDS)
    venue.settle()
    driver.want(BTC)
    venue.settle()
    signed = {next(iter(frame["channels"]))["name"]: "key" in frame for frame in driver.said()[:2]}
    assert signed == {"level2_batch": False, "full": True}
    assert "key" not in driver.sent[2].said
    assert len(driver.signs) == 1


@pytest.mark.parametrize(
    ("error", "final"), [(AuthenticationRefused("no credentials"), True), (VenueUnavailable("later"), False)]
)
def test_what_cannot_be_signed_is_lost(driver: Socket, error: Exception, final: bool) -> None:
    """Without fields there is no subscription; whether it is worth another try is the error's to say."""
    driver.open(ORDERS)
    driver.sign(error)
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (ORDERS, final)
    driver.sleep_until(after(START, 60))
    assert (driver.sent, driver.wake) == ([], None)


def test_a_signature_that_comes_too_late_is_not_used(driver: Socket) -> None:
    """Times in a signature are good for half a minute: a new one is asked for, and only that is sent."""
    driver.open(ORDERS)
    first = driver.signs[0].tag
    driver.sleep_until(after(START, PATIENCE))
    assert len(driver.signs) == 2
    driver.answered(first, FIELDS)
    assert driver.sent == []
    driver.sign(FIELDS)
    assert len(driver.sent) == 1


def test_a_topic_left_while_it_was_signed_is_not_sent(driver: Socket) -> None:
    """Nobody wants it any more: nothing of it goes out but the end of what may never have begun."""
    driver.open(ORDERS)
    driver.want()
    driver.sign(FIELDS)
    assert driver.asked("subscribe") == []


@pytest.mark.parametrize(
    ("message", "reason", "final"),
    [
        ("Authentication Failed", None, True),
        ("Sorry, you could not be authenticated: Bad Request", "invalid signature", True),
        ("Authentication Failed", "request timestamp expired", False),
    ],
)
def test_a_refused_key_loses_all_that_needed_it(
    driver: Socket, message: str, reason: str | None, final: bool
) -> None:
    """The error is not about a product, so nothing is narrowed down; a clock that was wrong may be right next time."""
    topics = {Topic(Channel.ORDERS, instrument) for instrument in HUNDRED}
    driver.open(*topics)
    driver.sign(FIELDS)
    driver.hear({"type": "error", "message": message, "reason": reason})
    assert {lost.topic for lost in driver.lost} == topics
    assert {lost.final for lost in driver.lost} == {final}
    assert len(driver.sent) == 1


def test_rows_confirm_the_compact_feed(driver: Socket) -> None:
    """Rows that come before the list make their topic live."""
    topic = Topic(Channel.ORDERS, "BTC-USD", "level3")
    driver.open(topic)
    driver.sign(FIELDS)
    driver.hear({"type": "level3", "schema": {"noop": ["type", "product_id", "sequence"]}})
    driver.hear(["noop", "BTC-USD", "1"])
    assert driver.live == {topic}
    assert isinstance(driver.told[-1], OrderEvent)


# --- the end


def test_a_closed_session_sends_nothing(driver: Socket) -> None:
    """After the end nothing is sent or awaited."""
    driver.open(BTC)
    driver.session.closed("gone")
    assert not any(isinstance(output, Send) for output in driver.session.tick(after(START, PATIENCE)))
    assert not any(isinstance(output, Send) for output in driver.session.want(books("ETH-USD"), START))
    assert list(driver.session.answered("subscribe 1", FIELDS, START)) == []


INSTRUMENTS = st.sampled_from(["BTC-USD", "ETH-USD", "ETH-EUR", "SKL-BTC"])
STEPS = st.lists(st.tuples(st.frozensets(INSTRUMENTS), st.booleans(), st.integers(0, 12_000)), max_size=8)


@settings(max_examples=200)
@given(steps=STEPS, bad=st.frozensets(INSTRUMENTS, max_size=2))
def test_what_is_wanted_last_is_what_is_subscribed(
    instruments: InstrumentTable,
    steps: list[tuple[frozenset[str], bool, int]],
    bad: frozenset[str],
) -> None:
    """Whatever was wanted when, answered at once or late: in the end the venue sends the last set, save what it refuses."""
    driver = Socket(instruments).open()
    venue = Venue(driver, bad=bad)
    for wanted, answers, pause in steps:
        driver.want(*books(*wanted))
        driver.sleep_until(after(driver.now, pause / 1000))
        if answers:
            venue.answer()
    last = steps[-1][0] if steps else frozenset()
    driver.want(*books(*last))
    venue.settle()
    driver.want(*books(*last))  # what was lost for now is asked for again
    venue.settle()
    good = last - bad
    assert venue.streams == {(channel, name) for name in good for channel in ("level2_batch", "heartbeat")}
    assert driver.live >= books(*good)
    instants = [each.at for each in driver.sent]
    assert all(later - earlier >= SECOND for earlier, later in zip(instants, instants[4:], strict=False))

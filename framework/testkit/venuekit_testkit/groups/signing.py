"""Signing: pure, complete, and what was signed is what is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast
from unittest import mock

from attrs import evolve

from venuekit_spec import (
    SECOND,
    Auth,
    AuthenticationRefused,
    Capability,
    ClockSkewed,
    Credentials,
    HttpRequest,
    Instant,
    NewOrder,
    NonceRefused,
    Secret,
    SocketRequest,
    Unsupported,
    VenuekitError,
    VenueOrder,
)
from venuekit_testkit.catalogue import AUTH, DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.hand import START, Hand, ref
from venuekit_testkit.subject import Subject

LATE: Final = 7_200
"""Seconds."""


def _first_signed(hand: Hand) -> HttpRequest:
    """A request as the market makes it, not signed yet."""
    flow = hand.market(hand.subject.ways[0]).permissions()
    request = next(flow)
    flow.close()
    if not isinstance(request, HttpRequest) or not request.signed:
        raise Unclaimed("its first signed request is no HTTP request")
    return request


@contextmanager
def _another_day() -> Iterator[None]:
    """The machine's clock says something else."""
    day = 86_400
    real, real_ns = time.time, time.time_ns
    with (
        mock.patch("time.time", return_value=real() + day),
        mock.patch("time.time_ns", return_value=real_ns() + day * SECOND),
    ):
        yield


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def signing_is_pure(subject: Subject) -> None:
    """The same arguments give the same bytes, from any signer of the same key, on any day.

    Neither the machine's clock nor a counter nor dice go into a signature: time and nonce are arguments, so a request can
    be signed again to the very same bytes, and be replayed from a tape.
    """
    hand = Hand(subject)
    request, nonce = _first_signed(hand), hand.nonce()
    first = hand.signer.sign(request, START, nonce)
    again = hand.signer.sign(request, START, nonce)
    with _another_day():
        later = hand.auth().sign(request, START, nonce)
    for other, when in ((again, "a second time"), (later, "by another signer on another day")):
        for name in ("method", "url", "headers", "body"):
            assert getattr(first, name) == getattr(other, name), f"signed {when} its {name} is another"


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def signatures_differ_by_time(subject: Subject) -> None:
    """Another time and another nonce give another signature.

    A signature that holds for ever can be sent again by whoever saw it.
    """
    hand = Hand(subject)
    request, nonce = _first_signed(hand), hand.nonce()
    first = hand.signer.sign(request, START, nonce)
    later = hand.signer.sign(request, START + 3600 * SECOND, nonce + 3600 * 10**9)
    assert (first.url, first.headers, first.body) != (later.url, later.headers, later.body), (
        "an hour later, with another nonce, the same request goes out"
    )


@check(Group.SIGNING, AUTH, Capability.SOCKET_ORDERS, DIALECT)
def calls_are_signed_purely(subject: Subject) -> None:
    """A call on a socket is signed as purely as a request.

    The same call, time and nonce give the same parameters; another time gives others.
    """
    hand = Hand(subject)
    request = SocketRequest(key="1", method="order.status", params={"symbol": "X"}, signed=True)
    nonce = hand.nonce()
    try:
        first = hand.signer.sign_call(request, START, nonce)
    except Unsupported as error:
        raise AssertionError("it claims orders by socket and signs no call") from error
    with _another_day():
        again = hand.auth().sign_call(request, START, nonce)
    later = hand.signer.sign_call(request, START + 3600 * SECOND, nonce + 1)
    assert dict(first.params) == dict(again.params), "signed on another day its parameters are others"
    assert dict(first.params) != dict(later.params), "an hour later its parameters are the same"


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def signed_requests_are_accepted(subject: Subject) -> None:
    """The venue takes what was signed.

    A signed call that changes nothing proves key, signature and clock at the venue's own side.
    """
    hand = Hand(subject)
    hand.run(hand.market(subject.ways[0]).permissions())
    status = hand.asked[-1][1].status
    assert status == 200, f"the venue answered a signed request with {status}"


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def every_instrument_can_be_signed_for(subject: Subject) -> None:
    """Orders of every instrument are signed as they are sent, whatever letters its name has.

    An order of each listed instrument is placed and cancelled. A signature over anything but the bytes on the wire (decoded,
    sorted, encoded anew) fails for names that are not ASCII.
    """
    hand = Hand(subject)
    market = hand.market()
    for number, pair in enumerate(hand.prices, 1):
        order = hand.limit(number, pair=pair)
        (placed,) = hand.run(market.place([order]))
        hand.advance(5.0)
        assert pair in {each.intent.instrument for each in hand.orders}, (
            f"an order of {pair} came to {placed}"
        )
        hand.run(market.cancel([ref(order)]))


def _terms(order: VenueOrder | NewOrder) -> tuple[Any, ...]:
    intent = order.intent if isinstance(order, VenueOrder) else order
    return (intent.instrument, intent.side, intent.quantity, intent.price, intent.client_order_id)


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def signatures_cover_everything(subject: Subject) -> None:
    """A request that was altered on its way places no other order than the one that was signed.

    Characters of the query and of the body of a placement are altered one at a time; the venue must refuse each, or
    understand the very order that was asked for.
    """
    hand = Hand(subject)
    market = hand.market()
    asked = {}
    for number in range(1, 25):
        order = hand.limit(number)
        asked[order.client_order_id] = _terms(order)

        def alter(request: HttpRequest, number: int = number) -> HttpRequest:
            if request.method == "GET" or not request.signed:
                return request
            path, mark, query = request.url.partition("?")
            body = request.body.decode()
            text = query or body
            place = number * 7919 % max(1, len(text))
            swapped = "7" if text[place : place + 1] != "7" else "3"
            text = f"{text[:place]}{swapped}{text[place + 1 :]}"
            if query:
                return request.replace(url=f"{path}{mark}{text}")
            return request.replace(body=text.encode())

        hand.rewrite = alter
        hand.run(market.place([order]))
        hand.rewrite = None
        hand.advance(3.0)
    for held in hand.orders:
        assert asked.get(held.intent.client_order_id) == _terms(held), f"an altered order was taken: {held}"


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def wrong_keys_are_told(subject: Subject) -> None:
    """A signature of another key is refused as that, and as nothing else.

    The last credential is another account's. The error is `AuthenticationRefused`: the user is to look at the key, not at the
    network.
    """
    hand = Hand(subject)
    accounts = subject.venue_side.accounts()
    fields = subject.description.credentials
    if len(accounts) < 2 or len(fields) < 2:
        raise Unclaimed("one credential is all there is")
    own, others = accounts[0].credentials, accounts[1].credentials
    mixed = dict(own.fields) | {fields[-1]: others.fields[fields[-1]]}
    hand.use(hand.auth(Credentials(mixed, account=own.account)))
    try:
        hand.run(hand.market(subject.ways[0]).permissions())
    except AuthenticationRefused:
        return
    except VenuekitError as error:
        raise AssertionError(f"a wrong key is told as {type(error).__name__}: {error}") from error
    raise Unclaimed("what it asks for first wants no signature")


@check(Group.SIGNING, AUTH)
def signers_do_not_show_their_keys(subject: Subject) -> None:
    """No repr of a signer, and nothing that it holds openly, shows a key.

    Looked at as a debugger would: repr, str, and the reprs of its credentials.
    """
    credentials = subject.credentials
    if credentials is None:
        credentials = Credentials(
            {name: Secret("0123456789abcdef" * 4) for name in subject.description.credentials}
        )
    try:
        auth = subject.connector.hooks.auth(credentials=credentials, environment=subject.environment)
    except VenuekitError:
        raise Unclaimed("no key for it can be made up") from None
    shown = f"{auth!r} {auth} {credentials!r} {evolve(credentials)!r}"
    for secret in credentials.fields.values():
        value = secret.reveal()
        assert value == credentials.account or value not in shown, "its repr shows a key"


class _Late:
    """A signer whose clock is two hours behind."""

    def __init__(self, within: Auth) -> None:
        self._within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        behind = nonce - round(nonce * LATE * SECOND / now)
        return self._within.sign(request, now - LATE * SECOND, behind)


@check(Group.SIGNING, AUTH, ORDERS, DIALECT)
def skewed_clocks_are_told(subject: Subject) -> None:
    """A request whose time the venue refuses is told as that, not as a wrong key.

    Signed two hours ago. `ClockSkewed`, or `NonceRefused` where the nonce is the time, has the clock measured again; a wrong
    key ends the session. Skipped where a venue takes a request of any time.
    """
    hand = Hand(subject)
    hand.use(cast("Auth", _Late(hand.signer)))
    try:
        hand.run(hand.market(subject.ways[0]).permissions())
    except (ClockSkewed, NonceRefused):
        return
    except VenuekitError as error:
        raise AssertionError(f"a time that is refused is told as {error!r}") from error
    raise Unclaimed("its venue takes a request of any time")

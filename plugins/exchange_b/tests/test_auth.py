"""Signing: what is sent, what the venue makes of it, and that no key is ever shown."""

from __future__ import annotations

import traceback
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugins.exchange_b.tests.local import LOCAL, START, LocalB

from venuekit_exchange_b import auth as hooked
from venuekit_exchange_b.actions import (
    Action,
    Burn,
    Cancel,
    CancelOrders,
    Envelope,
    Inspect,
    Login,
    Order,
    Place,
    SetLeverage,
    digest,
    envelope_decoder,
    order_hash,
)
from venuekit_exchange_b.auth import ExchangeBAuth, account_of
from venuekit_exchange_b.dialect.signers import AHEAD, PAST
from venuekit_exchange_b.market import ExchangeBMarket
from venuekit_exchange_b.wallet import NoSigner, address_of_signer, key_signer, recover
from venuekit_spec import (
    MILLISECOND,
    AuthenticationRefused,
    Channel,
    Credentials,
    Environment,
    HttpRequest,
    LocalError,
    NonceRefused,
    NonceRule,
    Rejected,
    Secret,
    Side,
    SocketRequest,
    Topic,
    Unsupported,
    VenueError,
)

KEY = "0x" + "5e" * 32
ADDRESS = "0x" + "AB" * 20

orders = st.builds(
    Order,
    market=st.integers(0, 2**32 - 1),
    client=st.binary(min_size=16, max_size=16).map(lambda raw: f"0x{raw.hex()}"),
    buy=st.booleans(),
    price=st.integers(0, 2**63 - 1),
    size=st.integers(0, 2**63 - 1),
    force=st.sampled_from(["standing", "immediate", "allOrNothing"]),
    post_only=st.booleans(),
    reduce_only=st.booleans(),
    expires=st.integers(0, 2**63 - 1),
)
hashes = st.binary(min_size=32, max_size=32).map(lambda raw: f"0x{raw.hex()}")
actions = st.one_of(
    st.builds(Place, st.lists(orders, max_size=3)),
    st.builds(CancelOrders, st.lists(st.builds(Cancel, st.integers(0, 2**32 - 1), hashes), max_size=3)),
    st.builds(SetLeverage, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.just(Burn()),
    st.just(Inspect()),
    st.builds(Login, hashes),
)


def credentials(**more: Secret) -> Credentials:
    """An account and a key of its agent."""
    return Credentials({"address": Secret(ADDRESS), "private_key": Secret(KEY), **more})


def signed(action: Action, chain: int = 8702, nonce: int = 7) -> HttpRequest:
    """An action as it is sent."""
    request = HttpRequest(
        "POST", "http://127.0.0.1/v1/actions", body=msgspec.json.encode(action), signed=True
    )
    return ExchangeBAuth(credentials(), chain).sign(request, START, nonce)


@given(actions, st.integers(0, 2**63 - 1))
def test_whoever_reads_an_envelope_finds_its_signer(action: Action, nonce: int) -> None:
    """The action, the account and the nonce come through unchanged, and the signature is the agent's."""
    envelope = envelope_decoder.decode(signed(action, nonce=nonce).body)
    assert (envelope.action, envelope.nonce, envelope.account) == (action, nonce, ADDRESS.lower())
    hashed = digest(action, 8702, envelope.account, nonce)
    agent = address_of_signer(key_signer(KEY))
    assert recover(hashed, bytes.fromhex(envelope.signature[2:])) == agent != envelope.account


@given(orders, orders)
def test_orders_of_other_terms_have_other_hashes(one: Order, other: Order) -> None:
    """Two orders have one hash only if they are the same; chain and account count too."""
    account = ADDRESS.lower()
    same = order_hash(one, 8702, account) == order_hash(other, 8702, account)
    assert same is (one == other)
    assert order_hash(one, 8702, account) != order_hash(one, 1, account)
    assert order_hash(one, 8702, account) != order_hash(one, 8702, "0x" + "0" * 40)


def test_the_same_nonce_gives_the_same_bytes() -> None:
    """Signing is pure, and the request tells which nonce it was signed with."""
    assert signed(Burn()) == signed(Burn())
    assert signed(Burn()).body != signed(Burn(), nonce=8).body
    assert signed(Burn()).nonce == 7
    assert ExchangeBAuth.nonces is NonceRule.WINDOW


def test_an_external_signer() -> None:
    """A wallet that keeps its key signs as the key itself would, with the account's address given openly."""
    seen: list[bytes] = []

    def wallet(hashed: bytes) -> bytes:
        seen.append(hashed)
        return key_signer(KEY)(hashed)

    request = HttpRequest("POST", "http://127.0.0.1/", body=b'{"type":"burn"}')
    outside = ExchangeBAuth(Credentials(account=ADDRESS, signer=wallet), 8702).sign(request, START, 7)
    assert outside.body == signed(Burn()).body
    assert seen == [digest(Burn(), 8702, ADDRESS.lower(), 7)]


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (Credentials({"private_key": Secret(KEY)}), LocalError),
        (Credentials({"private_key": Secret(KEY)}, account="alice"), LocalError),
        (Credentials({"address": Secret(ADDRESS[:-1]), "private_key": Secret(KEY)}), LocalError),
        (Credentials(account=ADDRESS), NoSigner),
        (Credentials({"private_key": Secret("hunter2")}, account=ADDRESS), NoSigner),
    ],
)
def test_credentials_that_are_none(found: Credentials, error: type[Exception]) -> None:
    """Without an address, or without anything to sign with, there is no signer."""
    with pytest.raises(error):
        ExchangeBAuth(found, 8702)


def test_the_field_goes_before_the_accounts_name() -> None:
    """A source names accounts as it likes; the address is the field then."""
    assert account_of(Credentials({"address": Secret(ADDRESS)}, account="main")) == ADDRESS.lower()


def test_no_key_is_shown() -> None:
    """Neither the signer, nor what it refuses, nor a traceback with its variables shows the key."""
    signer = ExchangeBAuth(credentials(), 8702)
    with pytest.raises(LocalError) as caught:
        signer.sign(HttpRequest("POST", "http://127.0.0.1/", body=b"nonsense"), START, 7)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "5e5e" not in f"{shown} {signer!r} {envelope_decoder.decode(signed(Burn()).body)!r}"


def test_what_is_signed_otherwise() -> None:
    """A login is an envelope of its own; calls and topics are not signed."""
    signer = ExchangeBAuth(credentials(), 8702)
    challenge = f"0x{'7' * 64}"
    told = signer.login(START, 7, challenge)
    assert isinstance(told, str)
    assert envelope_decoder.decode(told).action == Login(challenge)
    assert signer.topic_fields(Topic(Channel.TRADES, "BTC-USDC"), START, 7) == {}
    with pytest.raises(Unsupported):
        signer.sign_call(SocketRequest("1", "x"), START, 7)
    with pytest.raises(LocalError):
        signer.login(START, 7, "not a challenge")


def inspected(local: LocalB) -> VenueError:
    """What a signed call is refused with."""
    with pytest.raises(VenueError) as caught:
        local.run(local.market().permissions())
    return caught.value


@pytest.mark.parametrize("wrong", ["chain", "account", "signer", "signature"])
def test_the_venue_refuses_who_may_not(local: LocalB, wrong: str) -> None:
    """The wrong chain, an unknown account, an agent that was not approved, and no signature at all: each by its label."""
    mine = dict(local.key_of("alice").fields)
    labels = {"chain": "wrongChain", "account": "unknownAccount", "signer": "unknownSigner"}
    if wrong == "chain":
        local.use(ExchangeBAuth(local.key_of("alice"), 1))
    elif wrong == "account":
        local.use(ExchangeBAuth(Credentials({**mine, "address": Secret(ADDRESS)}), 8702))
    elif wrong == "signer":
        local.use(ExchangeBAuth(Credentials({**mine, "private_key": Secret(KEY)}), 8702))
    else:
        envelope = envelope_decoder.decode(signed(Inspect()).body)
        forged = Envelope(8702, local.address, 7, Inspect(), f"{envelope.signature[:-2]}00")
        local.rewrite = lambda request: request.replace(body=msgspec.json.encode(forged))
    error = inspected(local)
    assert type(error) is AuthenticationRefused
    assert error.code == labels.get(wrong, "badSignature")


def test_an_agent_is_approved(local: LocalB) -> None:
    """Whom the account approves may sign for it, beside those it has approved before."""
    local.server.signers.approve(local.address, address_of_signer(key_signer(KEY)))
    local.run(local.market().permissions())
    mine = dict(local.key_of("alice").fields)
    local.use(ExchangeBAuth(Credentials({**mine, "private_key": Secret(KEY)}), 8702))
    local.run(local.market().permissions())


def test_the_window_of_nonces(local: LocalB) -> None:
    """Within the window a nonce counts once, in any order; outside it never does."""
    base = local.now // MILLISECOND
    for nonce in (base + 5, base - 5, base + 1, base + AHEAD, base - PAST):
        local.run(local.market().burn_nonce(nonce))
    for nonce, label in (
        (base + 1, "nonceReplayed"),
        (base + AHEAD + 1, "nonceOutsideWindow"),
        (base - PAST - 1, "nonceOutsideWindow"),
    ):
        with pytest.raises(NonceRefused) as caught:
            local.run(local.market().burn_nonce(nonce))
        assert caught.value.code == label


def test_a_replayed_action_changes_nothing(local: LocalB) -> None:
    """A setting that somebody sends again, after another, is refused for its nonce."""
    perpetual = "BTC-USDC-PERP"
    local.run(local.market().set_leverage(perpetual, Decimal(5)))
    again = local.requests[-1]
    local.run(local.market().set_leverage(perpetual, Decimal(3)))
    local.rewrite = lambda _: again
    with pytest.raises(NonceRefused):
        local.run(local.market().set_leverage(perpetual, Decimal(5)))
    assert local.engine.leverage("alice", perpetual) == 3


def test_terms_that_were_changed_on_the_way(local: LocalB) -> None:
    """An action that was altered after it was signed is by nobody whom the account knows."""
    order = local.order(Side.BUY, "50000", "0.5")
    request = next(local.market().place([order]))
    assert isinstance(request, HttpRequest)
    sent = local.signer.sign(request, local.now, local.nonce())
    local.rewrite = lambda _: sent.replace(body=sent.body.replace(b'"buy":true', b'"buy":false'))
    [placed] = local.run(local.market().place([order]))
    assert isinstance(placed, Rejected)
    assert isinstance(placed.error, AuthenticationRefused)


def test_the_chain_of_an_environment() -> None:
    """Each environment has its chain; one without is an error of ours, before anything is sent."""
    other = Environment("elsewhere", LOCAL.urls, real_money=False)
    with pytest.raises(LocalError):
        hooked(credentials=credentials(), environment=other)
    with pytest.raises(LocalError):
        ExchangeBMarket(other, LocalB().instruments, credentials())

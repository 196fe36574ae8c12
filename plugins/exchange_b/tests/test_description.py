"""Description, instruments, public REST, refusals and the plugin: what is told before and besides trading."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from plugins.exchange_b.tests.local import LOCAL, START, LocalB

import venuekit_exchange_b as plugin
from venuekit_exchange_b.actions import TYPES
from venuekit_exchange_b.auth import ExchangeBAuth
from venuekit_exchange_b.data_source import ExchangeBDataSource
from venuekit_exchange_b.description import (
    BATCH,
    BLOCK,
    CLIENT_ORDER_IDS,
    DESCRIPTION,
    ORDER_LIFE,
    POOLS,
    limit_report,
)
from venuekit_exchange_b.dialect import accounts, listings, serve
from venuekit_exchange_b.dialect.refusals import BY_REFUSAL, in_front
from venuekit_exchange_b.dialect.signers import AHEAD, PAST
from venuekit_exchange_b.errors import BY_LABEL, error_of, failed, raise_for_error
from venuekit_exchange_b.instruments import read_instruments
from venuekit_exchange_b.market import ExchangeBMarket
from venuekit_exchange_b.payloads import Failure
from venuekit_exchange_b.quanta import number, quanta, text
from venuekit_exchange_b.user_stream import ExchangeBUserStream
from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    MILLISECOND,
    CallKind,
    Capability,
    Channel,
    EngineRefusal,
    HttpRequest,
    HttpResponse,
    InstrumentKind,
    LimitReport,
    MalformedMessage,
    NewOrder,
    Outcome,
    RateLimited,
    RefusalKind,
    Refused,
    Rejected,
    Side,
    SnapshotSource,
    Topic,
    Unknown,
    VenueUnavailable,
)

PROTOCOL = (Path(__file__).parents[1] / "PROTOCOL.md").read_text(encoding="utf-8")


def test_the_hooks_give_the_parts() -> None:
    """Each hook makes its part for the local environment and an account of it."""
    [alice, *_] = accounts()
    table = LocalB().instruments
    assert plugin.describe() is DESCRIPTION
    assert isinstance(plugin.data_source(environment=LOCAL), ExchangeBDataSource)
    assert isinstance(plugin.auth(credentials=alice.credentials, environment=LOCAL), ExchangeBAuth)
    market = plugin.market(environment=LOCAL, instruments=table, credentials=alice.credentials)
    assert isinstance(market, ExchangeBMarket)
    assert isinstance(plugin.user_stream(environment=LOCAL), ExchangeBUserStream)


def test_no_real_money() -> None:
    """Exchange B exists on this machine only, at the port of its own."""
    assert [each.real_money for each in DESCRIPTION.environments] == [False]
    assert all("127.0.0.1:8702" in url for url in LOCAL.urls.values())


def test_what_is_not_offered() -> None:
    """An order is its terms, cancels name their order, and no socket takes calls: none of that is claimed."""
    assert not DESCRIPTION.capabilities & {
        Capability.AMEND,
        Capability.CANCEL_ALL,
        Capability.SOCKET_ORDERS,
        Capability.DEAD_MAN_SWITCH,
        Capability.QUOTE_SIZED,
    }


def test_only_the_audit_proves_a_book() -> None:
    """The feed has a snapshot in band and neither numbers nor checksums."""
    rule = DESCRIPTION.topic_rule(Channel.ORDERS)
    assert rule is not None
    assert rule.sync is not None
    assert rule.sync.snapshot is SnapshotSource.IN_BAND
    assert rule.sync.proofs == ("audit",)
    assert not rule.sync.shows_loss


def test_the_page_tells_the_same_numbers() -> None:
    """PROTOCOL.md has every label, every type that is signed, and the venue's numbers."""
    labels = {
        *BY_LABEL,
        *BY_REFUSAL.values(),
        "malformed",
        "unknownRequest",
        "unknownMarket",
        "unknownChannel",
        "expired",
    }
    missing = [label for label in sorted(labels) if f"`{label}`" not in PROTOCOL]
    assert missing == []
    for name, types in TYPES.values():
        fields = ",".join(f"{kind} {key}" for key, kind in types[name])
        assert f"{name}({fields})" in PROTOCOL
    for told in (
        ORDER_LIFE.blocks,
        ORDER_LIFE.maximum,
        BATCH,
        int(POOLS[0].capacity),
        PAST // 1000,
        AHEAD // 1000,
    ):
        assert f"{told:,}" in PROTOCOL
    assert BLOCK == 1.0


def test_instruments_come_back_as_they_are_listed(local: LocalB) -> None:
    """What is read from the market list is what the venue lists: spot and perpetuals, exponents and all."""
    read = local.run(local.data.instruments())
    assert list(read) == [listing.instrument for listing in listings()]
    assert {each.kind for each in read} == {InstrumentKind.SPOT, InstrumentKind.PERPETUAL}
    assert {each.id for each in read} >= {"BTC-USDC", "ETH-USDC-PERP"}
    assert all(each.price.allows(each.price.tick * 1000) for each in read)


def test_a_market_that_cannot_be_understood_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Another kind, a name that is taken, and nonsense are left out with a warning; the rest is read."""
    good = {
        "market": 1,
        "kind": "spot",
        "base": "BTC",
        "quote": "USDC",
        "status": "weird",
        "priceExponent": -1,
        "sizeExponent": -5,
        "tick": 1,
        "lot": 1,
    }
    markets = [
        good,
        {**good, "kind": "option"},
        {**good, "base": "ETH"},
        {**good, "market": 2},
        {"market": 3},
        7,
    ]
    [read] = read_instruments(msgspec.json.encode({"markets": markets}))
    assert (read.id, read.status.value) == ("BTC-USDC", "halted")
    assert len(caplog.records) == 5
    with pytest.raises(MalformedMessage):
        read_instruments(b"[]")


def test_the_venues_time(local: LocalB) -> None:
    """It is told to the millisecond."""
    assert local.run(local.data.server_time()) == START // MILLISECOND * MILLISECOND


@pytest.mark.parametrize(
    ("count", "exponent", "told"),
    [(0, -2, "0.00"), (5, -2, "0.05"), (12345, -2, "123.45"), (7, 2, "700"), (7, 0, "7")],
)
def test_quanta(count: int, exponent: int, told: str) -> None:
    """Quanta and text are the same number, both ways."""
    assert text(count, exponent) == told
    assert Decimal(told) == number(count, exponent)
    assert quanta(Decimal(told), exponent) == count


@pytest.mark.parametrize("label", sorted(BY_LABEL))
def test_labels_become_errors(label: str) -> None:
    """Each label is the error that the table says, carries the label, and only what may have happened is unknown."""
    error = error_of(Failure(label, "because"))
    assert type(error) is BY_LABEL[label]
    assert error.code == label
    unknown = label in {"duplicateClient", "overloaded"}
    assert isinstance(failed(error), Unknown if unknown else Rejected)


def test_a_label_nobody_knows() -> None:
    """It is a refusal all the same."""
    assert type(error_of(Failure("mercury"))) is Refused


@pytest.mark.parametrize("kind", RefusalKind)
def test_what_the_proxy_says(kind: RefusalKind) -> None:
    """The proxy's refusals are read by their status: they speak no JSON."""
    response = in_front(kind, 2.5)
    expected = VenueUnavailable if kind is RefusalKind.OVERLOADED else RateLimited
    with pytest.raises(expected) as caught:
        raise_for_error(response, "x")
    banned = kind is RefusalKind.BANNED
    assert caught.value.outcome is (Outcome.REJECTED if banned else Outcome.UNKNOWN)
    report = limit_report(response)
    limited = kind is not RefusalKind.OVERLOADED
    assert report == LimitReport(penalty=3.0 if limited else None, banned=banned)
    assert limit_report(HttpResponse(200, b"")) == LimitReport()


def test_client_ids_fit_their_pattern(local: LocalB) -> None:
    """What the market makes of numbers is what the description promises."""
    assert re.fullmatch(CLIENT_ORDER_IDS.pattern, local.market.client_order_id(2**56 - 1))


def test_every_refusal_of_the_engine_has_a_label() -> None:
    """But for what the dialect itself rules out before."""
    assert {str(each) for each in EngineRefusal} - {str(each) for each in BY_REFUSAL} <= {
        "unsupported",
        "deadline",
    }


def test_kinds_of_requests(local: LocalB) -> None:
    """Fault plans can tell placements, cancels, questions, books, logins and subscriptions apart."""
    local.place(local.order(Side.BUY, "50000", "1"))
    dialect = local.dialect
    assert dialect.kind(local.asked[-1]) is CallKind.PLACE
    local.run(local.market.balances())
    assert dialect.kind(local.asked[-1]) is CallKind.QUERY
    local.run(local.data.snapshot(Topic(Channel.ORDERS, "BTC-USDC"), local.instruments["BTC-USDC"]))
    assert dialect.kind(local.asked[-1]) is CallKind.SNAPSHOT
    local.run(local.market.permissions())
    assert dialect.kind(local.asked[-1]) is CallKind.OTHER
    assert dialect.kind(local.watch().sent[0]) is CallKind.TOKEN
    assert dialect.kind(local.books("BTC-USDC").sent[0]) is CallKind.SUBSCRIBE
    assert dialect.kind(b"\xff") is CallKind.OTHER


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "nothing", b"unknownRequest"),
        ("DELETE", "orders", b"unknownRequest"),
        ("POST", "actions", b"malformed"),
        ("GET", "book?market=99", b"unknownMarket"),
        ("GET", "orders?account=0x1", b"unknownAccount"),
        ("GET", "order?account=0xa11ce00000000000000000000000000000000001&order=0x1", b"unknownOrder"),
        ("GET", "funding?account=0xa11ce00000000000000000000000000000000001&since=x", b"malformed"),
        ("GET", "orders?%ff=%ff", b"malformed"),
    ],
)
def test_nonsense_is_answered(local: LocalB, method: str, path: str, label: bytes) -> None:
    """Whatever is asked is answered with status 200 and a label."""
    response = local.dialect.http(HttpRequest(method, f"http://127.0.0.1/v1/{path}"), local.now)
    assert response.status == 200
    assert b'"' + label + b'"' in response.body
    refusal = local.dialect.connect(HttpRequest("GET", "ws://127.0.0.1/v1/nowhere"), local.now)
    assert isinstance(refusal, HttpResponse)


def test_blocks_are_undone_by_rate() -> None:
    """A venue served with a rate undoes that share of the blocks that did something."""
    engine = MatchingEngine(listings(), accounts(), seed=1)
    dialect = serve(engine, undo_rate=1.0)
    now = START
    dialect.tick(now)
    engine.place("alice", NewOrder("BTC-USDC", Side.BUY, Decimal(1), "", price=Decimal(60_000)), now)
    engine.place("bob", NewOrder("BTC-USDC", Side.SELL, Decimal(1), "", price=Decimal(60_000)), now)
    dialect.tick(now + 10**9)
    assert [order.filled for order in engine.orders("alice")] == [0]

"""The venue by itself: requests, nonsense, blocks that are undone, and the page that tells of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from plugins.exchange_b.tests.local import START, LocalB

from venuekit_exchange_b.actions import TYPES
from venuekit_exchange_b.description import (
    BATCH,
    BLOCK,
    ORDER_LIFE,
    POOLS,
)
from venuekit_exchange_b.dialect import accounts, listings, serve
from venuekit_exchange_b.dialect.refusals import BY_REFUSAL
from venuekit_exchange_b.dialect.signers import AHEAD, PAST
from venuekit_exchange_b.errors import BY_LABEL
from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    CallKind,
    Channel,
    EngineRefusal,
    HttpRequest,
    HttpResponse,
    NewOrder,
    Side,
    Topic,
)

PROTOCOL = (Path(__file__).parents[1] / "PROTOCOL.md").read_text(encoding="utf-8")


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
    assert dialect.kind(local.requests[-1]) is CallKind.PLACE
    local.run(local.market().balances())
    assert dialect.kind(local.requests[-1]) is CallKind.QUERY
    local.run(local.source.snapshot(Topic(Channel.ORDERS, "BTC-USDC"), local.instruments["BTC-USDC"]))
    assert dialect.kind(local.requests[-1]) is CallKind.SNAPSHOT
    local.run(local.market().permissions())
    assert dialect.kind(local.requests[-1]) is CallKind.OTHER
    assert dialect.kind(local.watch().sent[0].frame) is CallKind.TOKEN
    assert dialect.kind(local.books("BTC-USDC").sent[0].frame) is CallKind.SUBSCRIBE
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

"""No broker id, no referral, no builder fee: an order carries what its owner asked for, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from venuekit import VirtualClock, open_exchange
from venuekit.pacing import PacerRegistry
from venuekit_simulator import LocalVenue, load_dialect
from venuekit_spec import SECOND

REPOSITORY: Final = Path(__file__).resolve().parents[1]
TELLING: Final = re.compile(
    r"broker|referr|affiliate|builder_?fee|partner_?id|channel_?id|agent_?code", re.IGNORECASE
)


@pytest.mark.parametrize(
    "package", sorted(REPOSITORY.glob("plugins/*/venuekit_*")), ids=lambda path: path.name
)
def test_no_connector_names_a_broker(package: Path) -> None:
    """No text in the code of a connector, its documentation aside, is the name of such a field."""
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
        ]
        assert not [text for text in texts if TELLING.search(text)], file


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "pair"), [("exchange_a", "BTC-USDT"), ("exchange_b", "BTC-USDC-PERP")])
async def test_an_order_arrives_as_it_was_asked(name: str, pair: str) -> None:
    """What the venue reads is the order that was asked for, without a field of somebody else's."""
    clock = VirtualClock(1_800_000_000 * SECOND)
    venue = LocalVenue(load_dialect(name), clock=clock, flow=False)
    account = venue.plugin.accounts()[0]
    async with (
        clock.autojump(),
        open_exchange(
            name,
            transports=venue,
            clock=clock,
            pacers=PacerRegistry(),
            credentials=account.credentials,
            store=":memory:",
        ) as exchange,
    ):
        await exchange.wait_ready()
        intent = (await exchange.buy(pair, "0.01", "20000")).order.intent
        await clock.sleep(10.0)  # a block takes it
    (held,) = venue.engine.orders(account.name)
    order = held.intent
    for field in (
        "instrument",
        "side",
        "quantity",
        "price",
        "type",
        "unit",
        "post_only",
        "reduce_only",
    ):
        assert getattr(order, field) == getattr(intent, field), field
    assert not order.options.keys() - {"hash"}  # what the chain calls it

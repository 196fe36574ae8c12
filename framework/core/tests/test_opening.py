"""Opening accounts: what two exchanges of one key share, what another process may not, and what a tape never holds."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from framework.core.tests.trading_venue import (
    ASK,
    CLAIMS,
    KEY,
    PAIR,
    StreamingConnector,
    TillAuth,
    TradingVenue,
)

from venuekit import KeyInUse, LoadedConnector, OrderAccepted, SqliteOrderStore, connect, open_exchange
from venuekit.orders import fingerprint
from venuekit.pacing import PacerRegistry
from venuekit.trading.stores import find_store, store_file
from venuekit_spec import Credentials, HttpRequest, Instant, LocalError, NonceRule, hookimpl

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and stores of this test are in a folder of its own."""
    monkeypatch.setenv("VENUEKIT_STATE", str(tmp_path))
    return tmp_path


class StrictAuth(TillAuth):
    """Its nonces must rise, in the order of arrival; and it sends the key along, as some venues want it."""

    nonces = NonceRule.STRICT

    def __init__(self, key: str) -> None:
        self._key = key

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        signed = super().sign(request, now, nonce)
        return signed.replace(headers=(*signed.headers, ("api-key", self._key)))


class StrictConnector(StreamingConnector):
    @hookimpl
    def auth(self, credentials: Credentials, environment: Any) -> StrictAuth:
        return StrictAuth(credentials["key"])


def strict(venue: TradingVenue) -> LoadedConnector:
    """The connector of a venue with strict nonces."""
    return connect(StrictConnector(venue.till, CLAIMS, ASK, None), "toy")


async def test_two_exchanges_of_one_key_share_its_nonces() -> None:
    """Each nonce is above the last, and the next is not sent before the last was answered, whichever exchange it is of."""
    venue, store = TradingVenue(), SqliteOrderStore()
    more: dict[str, Any] = {
        "clock": venue.clock,
        "transports": venue.transports,
        "credentials": KEY,
        "store": store,
        "seed": 1,
    }
    await store.open()
    async with (
        open_exchange(strict(venue), pacers=PacerRegistry(), **more) as one,
        open_exchange(strict(venue), pacers=PacerRegistry(), **more) as other,
        anyio.create_task_group() as tasks,
    ):
        await one.wait_ready()
        await other.wait_ready()
        held = anyio.Event()
        venue.till.faults["place_orders"].append(held)
        for exchange in (one, other, one, other):
            tasks.start_soon(exchange.buy, PAIR, "1", "100")
        await venue.clock.settle()
        assert venue.till.ops.count("place_orders") == 1
        held.set()
        await venue.clock.settle()
        assert venue.till.ops.count("place_orders") == 4
    nonces = [int(dict(request.headers)["nonce"]) for request in venue.http.requests if request.headers]
    assert len(nonces) > 4
    assert nonces == sorted(set(nonces))
    await store.aclose()


HOLDER = """
import sys
from venuekit.orders import hold_key
with hold_key('toy', 'local', sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Another process that trades with the key, until its input ends."""
    command = [sys.executable, "-c", HOLDER, fingerprint(KEY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


async def test_a_second_process_on_the_same_key_is_refused(holder: subprocess.Popen[str]) -> None:
    """The error names the process, and nothing of the key; when that is over the key is free."""
    venue = TradingVenue()
    with pytest.raises(KeyInUse, match=f"process {holder.pid}") as refused:
        async with venue.trading():
            pass
    assert "the key of a till" not in str(refused.value)
    holder.communicate("")
    async with venue.trading() as (exchange, _account):
        assert isinstance(await exchange.buy(PAIR, "1", "100"), OrderAccepted)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
async def test_a_recorded_session_holds_no_key(tmp_path: Path, suffix: str) -> None:
    """What is signed is taped without what signed it."""
    venue, tape = TradingVenue(), tmp_path / f"tape{suffix}"
    async with open_exchange(
        strict(venue),
        clock=venue.clock,
        transports=venue.transports,
        pacers=PacerRegistry(),
        credentials=KEY,
        store=":memory:",
        record=tape,
        seed=1,
    ) as exchange:
        await exchange.buy(PAIR, "1", "100")
    sent = [dict(request.headers).get("api-key") for request in venue.http.requests]
    assert "the key of a till" in sent
    taped = gzip.decompress(tape.read_bytes()) if suffix.endswith("gz") else tape.read_bytes()
    assert b"place_orders" in taped
    assert b"the key of a till" not in taped


def test_where_orders_are_kept(tmp_path: Path) -> None:
    """A file per key in the state directory; one object per file; a folder that cannot be made is a clear error."""
    default = store_file("toy", "local", "main", "0123")
    assert default == tmp_path / "orders" / "toy" / "local" / "main-0123.sqlite"
    found = find_store(None, default)
    assert find_store(default, tmp_path) is found
    assert find_store(":memory:", default) is not find_store(":memory:", default)
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="cannot be made"):
        find_store(None, tmp_path / "file" / "orders.sqlite")

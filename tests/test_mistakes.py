"""What a wrong argument says: the mistakes of a first day, with connectors that are released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import venuekit
from venuekit.replay import open_replay

pytestmark = pytest.mark.anyio

TAPE = Path(__file__).resolve().parents[1] / "demo" / "gap.jsonl.gz"


@pytest.mark.parametrize(
    ("venue", "arguments", "told"),
    [
        ("binance", {"pairs": "BTC-USDT"}, r"pairs is a list of pairs, not one text: \['BTC-USDT'\]"),
        ("binance", {"channels": "book"}, r"channels is a list of channels, not one text: \['book'\]"),
        ("binance", {"channels": ["bok"]}, "'bok' is not a valid Channel; channels are book, trades, top"),
        ("binance", {"channels": ["orders"]}, "binance has no channel orders; it has book, trades, top"),
        ("binance", {"environment": "prod"}, "binance has no environment 'prod'; it has production, us"),
        ("kraken", {"variant": "11"}, "kraken has no channel book:11; it has book, book:10, book:25"),
        ("Binance", {}, "did you mean 'binance'"),
        ("nowhere", {}, "pip install venuekit-nowhere"),
    ],
)
async def test_an_argument_that_is_wrong(venue: str, arguments: dict[str, Any], told: str) -> None:
    """Nothing is asked of the venue; the error is ours, and says what there is instead."""
    given: dict[str, Any] = {"pairs": ["BTC-USDT"], **arguments}
    with pytest.raises(venuekit.LocalError, match=told):
        async with venuekit.open_exchange(venue, **given):
            pass


@pytest.mark.parametrize("pair", ["btc-usdt", "BTCUSDT", "BTC/USDT", "BTC-USD"])
async def test_a_pair_that_is_misspelt(pair: str) -> None:
    """A pair in other letters, without its hyphen, or almost right leads to the one that was meant."""
    with pytest.raises(venuekit.UnknownInstrument, match="did you mean BTC-USDT"):
        async with open_replay(TAPE, pairs=[pair]) as replay:
            await replay.play()

"""Matching: which recorded response answers a request, which connection a dial."""

from __future__ import annotations

import pytest

from venuekit.tapes.matching import IGNORED, Likeness, alike, answers

DEPTH = "https://www.binance.com/api/v1/depth?symbol=BTCUSDT&limit=1000"

CASES = [
    (DEPTH, "https://api.binance.com/api/v1/depth?symbol=BTCUSDT", Likeness.BOTH),
    (DEPTH, "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5000&timestamp=1", Likeness.PATH),
    (DEPTH, "https://api.binance.com/api/v3/depth?symbol=ETHUSDT&limit=1000", Likeness.NONE),
    (DEPTH, "https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT&limit=1000", Likeness.NONE),
    (DEPTH, "https://api.binance.com/api/v3/trades?symbol=BTCUSDT", Likeness.NONE),
    (DEPTH, "https://api.binance.com/api/v3/depth", Likeness.PATH),
    ("https://x/v3/orderbook", "https://x/orderbook", Likeness.PATH),
    ("https://x/order_book/btcusd", "https://y/api/v2/order_book/btcusd", Likeness.PATH),
    ("https://x/symbols/details/btcusd", "https://x/book/btcusd", Likeness.NONE),
    ("https://x/orders/11", "https://x/orders/12", Likeness.NONE),
    ("https://x/0/public/Depth?pair=A&count=10", "https://x/0/public/Depth?pair=A&count=500", Likeness.BOTH),
    ("https://x/a?token=REDACTED", "https://x/a?token=anything", Likeness.BOTH),
    ("https://x/a?cursor=", "https://x/a?cursor=5", Likeness.NONE),
    ("https://x", "https://x/", Likeness.BOTH),
    ("https://x/", "https://x/depth", Likeness.NONE),
]


@pytest.mark.parametrize(("recorded", "requested", "likeness"), CASES)
def test_responses_are_matched_by_path_and_common_parameters(
    recorded: str, requested: str, likeness: Likeness
) -> None:
    """Hosts and versions of an interface do not matter; another path, or another value of a parameter that counts, does."""
    assert answers(recorded, requested) is likeness


def test_more_parameters_can_be_ignored() -> None:
    """What the header names as `ignore` no longer keeps two URLs apart."""
    assert not answers("https://x/a?nonce=1", "https://x/a?nonce=2")
    assert answers("https://x/a?nonce=1", "https://x/a?nonce=2", ignored={*IGNORED, "nonce"})


def test_the_last_segment_can_be_enough() -> None:
    """With ``"paths": "last"`` interfaces that were moved to another place answer as well."""
    moved = ("https://x/api/spot/v3/instruments", "https://x/api/v5/public/instruments")
    assert not answers(*moved)
    assert answers(*moved, paths="last") is Likeness.PATH
    assert not answers("https://x/a/b", "https://x/a/c", paths="last")


@pytest.mark.parametrize(
    ("recorded", "dialled", "likeness"),
    [
        ("wss://ws.kraken.com", "wss://ws.kraken.com/", Likeness.BOTH),
        ("wss://x/stream?streams=a", "wss://x/stream?streams=b", Likeness.BOTH),
        ("wss://x/v5/public/linear", "wss://y/v5/public/linear", Likeness.PATH),
        ("wss://x/v5/public/linear", "wss://x/v5/public/spot", Likeness.HOST),
        ("wss://x/a", "wss://y/b", Likeness.NONE),
    ],
)
def test_addresses_of_sockets_are_compared(recorded: str, dialled: str, likeness: Likeness) -> None:
    """Host and path tell how alike two addresses are; what is asked for in the query does not."""
    assert alike(recorded, dialled) is likeness

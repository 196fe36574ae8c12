"""The lists of a small venue, which the tests of this connector share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from venuekit_hyperliquid.data_source import HyperliquidDataSource
from venuekit_hyperliquid.description import DESCRIPTION
from venuekit_hyperliquid.instruments import read_instruments
from venuekit_spec import InstrumentTable

PERPS: list[dict[str, Any]] = [
    {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
            {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "marginTableId": 20, "isDelisted": True},
            {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "onlyIsolated": None, "isDelisted": None},
            *({"name": f"A{n:03}", "szDecimals": 1, "maxLeverage": 3} for n in range(100)),
        ],
        "marginTables": [],
        "collateralToken": 0,
    },
    {
        "universe": [{"name": "xyz:SP500", "szDecimals": 3, "maxLeverage": 20}],
        "marginTables": [],
        "collateralToken": 235,
    },
]
SPOT: dict[str, Any] = {
    "tokens": [
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1, "isCanonical": True},
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "isCanonical": True},
        {"name": "HYPE", "szDecimals": 2, "weiDecimals": 8, "index": 150, "isCanonical": False},
        {"name": "UBTC", "szDecimals": 5, "weiDecimals": 10, "index": 197, "isCanonical": False},
        {"name": "USDE", "szDecimals": 2, "weiDecimals": 8, "index": 235, "isCanonical": False},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
        {"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False},
        {"name": "@142", "tokens": [197, 0], "index": 142, "isCanonical": False},
    ],
}


@pytest.fixture(scope="session")
def lists() -> tuple[bytes, bytes]:
    """The bodies of allPerpMetas and spotMeta."""
    return json.dumps(PERPS).encode(), json.dumps(SPOT).encode()


@pytest.fixture(scope="session")
def instruments(lists: tuple[bytes, bytes]) -> InstrumentTable:
    """BTC and kPEPE perpetuals, a delisted one, a hundred more, one of a builder, and three spot pairs."""
    return InstrumentTable(read_instruments(*lists))


@pytest.fixture
def source() -> HyperliquidDataSource:
    """The public side of production."""
    return HyperliquidDataSource(DESCRIPTION.environment())

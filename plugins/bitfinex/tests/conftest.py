from __future__ import annotations

import json

import pytest

from venuekit_bitfinex.instruments import read_instruments
from venuekit_spec import InstrumentTable

RULES = [["BTCUSD", [None, None, None, "0.00004", "2000.0", None, None, None, 0.2, 0.1]]]


@pytest.fixture(scope="session")
def listed() -> bytes:
    """The answer with all three lists: two codes, codes with a colon, and a code that is translated."""
    return json.dumps([["BTCUSD", "DUSK:USD", "ETHUST"], RULES, [["UST", "USDt"]]]).encode()


@pytest.fixture(scope="session")
def instruments(listed: bytes) -> InstrumentTable:
    """What these lists come to."""
    return InstrumentTable(read_instruments(listed))

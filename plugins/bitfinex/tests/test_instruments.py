from __future__ import annotations

from decimal import Decimal

import pytest

from venuekit_bitfinex.instruments import read_instruments
from venuekit_spec import InstrumentTable, MalformedMessage


def test_instruments(instruments: InstrumentTable) -> None:
    """Ids are made of translated codes, names are kept, bounds are those of the pair's rule where it has one."""
    assert {each.id: each.native["symbol"] for each in instruments.values()} == {
        "BTC-USD": "tBTCUSD",
        "DUSK-USD": "tDUSK:USD",
        "ETH-USDT": "tETHUST",
    }
    btc, dusk = instruments["BTC-USD"], instruments["DUSK-USD"]
    assert (btc.size.minimum, btc.size.maximum, dusk.size.minimum) == (
        Decimal("0.00004"),
        Decimal(2000),
        None,
    )
    assert btc.price.allows(Decimal(60001))
    assert btc.price.allows(Decimal(600010))
    assert not btc.price.allows(Decimal("60000.5"))


def test_two_pairs_of_one_id() -> None:
    """The first has it: the table would refuse both."""
    (only,) = read_instruments(b'[["BTCUST","BTC:USDT"],[],[["UST","USDt"]]]')
    assert only.native["symbol"] == "tBTCUST"


@pytest.mark.parametrize(
    "body", [b"[[],[]]", b'[["BTC"],[],[]]', b'[["BTCUSD"],[["BTCUSD",[0,0,0,"NaN"]]],[]]']
)
def test_lists_that_make_no_sense(body: bytes) -> None:
    """Missing lists, a name without two codes, a size that is none."""
    with pytest.raises(MalformedMessage):
        read_instruments(body)

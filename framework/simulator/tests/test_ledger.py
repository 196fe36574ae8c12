"""The ledger and the exact arithmetic below it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from framework.simulator.tests.small_venue import BTC, instrument
from hypothesis import given
from hypothesis import strategies as st

from venuekit_simulator.exact import EXACT, cut, floored, plain, quantum
from venuekit_simulator.ledger import FEES, Ledger
from venuekit_simulator.settlement import SpotSettlement
from venuekit_spec import LocalError, Side

D = Decimal
amounts = st.decimals(D("1e-18"), D("1e12"), places=18)


def test_a_hold_is_part_of_the_total() -> None:
    """Holding changes what is free and nothing else; changes are told once, with what they are in the end."""
    ledger = Ledger()
    ledger.open("ann", {"USDT": D(100)})
    ledger.hold("ann", "USDT", D(30))
    ledger.hold("ann", "USDT", D(-10))
    assert ledger.free("ann", "USDT") == 80
    assert [(who, each.total, each.free, each.held) for who, each in ledger.take_changes(1)] == [
        ("ann", 100, 80, 20)
    ]
    assert not ledger.take_changes(2)
    assert ledger.free("ann", "XYZ") == 0


def test_an_account_opens_once() -> None:
    """The name of the venue's own account is taken from the start."""
    ledger = Ledger()
    with pytest.raises(LocalError):
        ledger.open(FEES, {})


@given(amounts, amounts, st.decimals(D("-0.01"), D("0.01"), places=5))
def test_spot_settlement_moves_and_makes_nothing(price: Decimal, quantity: Decimal, rate: Decimal) -> None:
    """Sums of both assets stay exact at any number of digits; a fee is never above its rate, and is told as it was taken."""
    ledger = Ledger()
    for account in ("ann", "bob"):
        ledger.open(account, {"BTC": D("1e15"), "USDT": D("1e30")})
    before = dict(ledger.sums())
    settlement = SpotSettlement(instrument(BTC), ledger)
    bought = settlement.settle("ann", Side.BUY, price, quantity, rate)
    sold = settlement.settle("bob", Side.SELL, price, quantity, rate)
    assert ledger.sums() == before
    assert (bought.fee.asset, sold.fee.asset) == ("BTC", "USDT")
    assert abs(bought.fee.amount) <= EXACT.multiply(quantity, abs(rate))
    assert EXACT.subtract(ledger.free("ann", "BTC"), D("1e15")) == EXACT.subtract(quantity, bought.fee.amount)
    settlement.unsettle(sold)
    settlement.unsettle(bought)
    assert [balance.total for balance in ledger.balances("ann")] == [D("1e15"), D("1e30")]
    assert not any(balance.total for balance in ledger.balances(FEES))


def test_cuts_go_towards_zero() -> None:
    """Fees and rebates have eight decimals; sizes are cut down to their step; text has no exponent."""
    assert (cut(D("0.123456789")), cut(D("-0.123456789"))) == (D("0.12345678"), D("-0.12345678"))
    assert (floored(D("1.27"), D("0.05")), floored(D("1.27"), D(0))) == (D("1.25"), D("1.27"))
    assert floored(D(9) / 7, D(0)) == D("1.285714285714285714")
    assert (quantum(D("0.50")), quantum(D(10)), quantum(D(0))) == (D("0.1"), D(1), None)
    assert plain(D("1E-7")) == "0.0000001"

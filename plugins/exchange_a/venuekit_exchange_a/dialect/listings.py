"""What a fresh Exchange A lists, and who has an account there.

The keys are public: they open these accounts, which exist on this machine only, and nothing anywhere else. `auditor` may read
and not trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from venuekit_exchange_a.instruments import SYMBOL
from venuekit_spec import (
    Credentials,
    Instrument,
    InstrumentKind,
    Listing,
    PriceRule,
    Secret,
    SizeRule,
    VenueAccount,
    decimals_of,
)

READ_ONLY: Final = frozenset({"auditor"})
"""Accounts whose key may not trade."""

_MARKETS: Final = (
    # base, quote, symbol, price, tick, step, smallest notional, largest price
    ("BTC", "USDT", "BTCUSDT", "60000", "0.01", "0.00001", "5", "1000000"),
    ("ETH", "USDT", "ETHUSDT", "3000", "0.01", "0.0001", "5", "100000"),
    ("ETH", "BTC", "ETHBTC", "0.05", "0.00001", "0.0001", "0.0001", "100"),
    ("SOL", "USDT", "SOLUSDT", "150", "0.01", "0.001", "5", "10000"),
    ("XRP", "USDT", "XRPUSDT", "0.6", "0.0001", "0.1", "5", "1000"),
    # BTC and TUSD, though it could be read as BTCT and USD
    ("BTC", "TUSD", "BTCTUSD", "60000", "0.01", "0.00001", "5", "1000000"),
    # TUSD and T, though it could be read as TUS and DT
    ("TUSD", "T", "TUSDT", "40", "0.001", "0.1", "100", "10000"),
    # an asset that was renamed; its market kept its symbol
    ("POL", "USDT", "MATICUSDT", "0.4", "0.0001", "0.1", "5", "1000"),
    # letters that are not ASCII
    ("狗币", "USDT", "狗币USDT", "0.08", "0.00001", "1", "5", "100"),
    # prices with more digits than a double holds
    ("PEPE", "BTC", "PEPEBTC", "0.0000000125", "0.0000000000001", "1", "0.00001", "1000"),
)

_RICH: Final = {
    "BTC": "50",
    "ETH": "500",
    "SOL": "10000",
    "XRP": "1000000",
    "USDT": "5000000",
    "TUSD": "5000000",
    "T": "10000000",
    "POL": "1000000",
    "狗币": "5000000",
    "PEPE": "5000000000",
}

_ACCOUNTS: Final = (
    ("alice", "exchange-a-alice", "alice-signs-on-this-machine-only"),
    ("bob", "exchange-a-bob", "bob-signs-on-this-machine-only"),
    ("auditor", "exchange-a-auditor", "auditor-signs-on-this-machine-only"),
)


def listings() -> Sequence[Listing]:
    """Ten instruments, of which the last five have names or prices that trip whoever guesses."""
    return [
        Listing(
            Instrument(
                id=f"{base}-{quote}",
                kind=InstrumentKind.SPOT,
                base=base,
                quote=quote,
                native={SYMBOL: symbol},
                price=PriceRule(Decimal(tick), minimum=Decimal(tick), maximum=Decimal(largest)),
                size=SizeRule(
                    Decimal(step),
                    minimum=Decimal(step),
                    maximum=Decimal(step) * 10**9,
                    market_maximum=Decimal(step) * 10**8,
                    quote_step=Decimal(tick),
                ),
                price_decimals=decimals_of(Decimal(tick)),
                size_decimals=decimals_of(Decimal(step)),
                minimum_notional=Decimal(notional),
                maximum_open_orders=200,
            ),
            Decimal(price),
        )
        for base, quote, symbol, price, tick, step, notional, largest in _MARKETS
    ]


def accounts() -> Sequence[VenueAccount]:
    """Three accounts with the same balances; `alice` is the one that examples use."""
    return [
        VenueAccount(
            name,
            Credentials({"api_key": Secret(key), "api_secret": Secret(secret)}, account=name),
            {asset: Decimal(amount) for asset, amount in _RICH.items()},
        )
        for name, key, secret in _ACCOUNTS
    ]

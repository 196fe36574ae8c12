"""What a fresh Exchange B lists, and who has an account there.

The keys are public: they sign for these accounts, which exist on this machine only, and for nothing anywhere else. Each is the
key of an agent: its address is not that of the account it acts for, which has approved it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from venuekit_exchange_b.auth import ADDRESS, PRIVATE_KEY
from venuekit_exchange_b.instruments import instrument_of
from venuekit_exchange_b.payloads import Listed
from venuekit_spec import Credentials, FeeRates, Listing, Secret, VenueAccount

FEES: Final = FeeRates(maker=Decimal("0.0001"), taker=Decimal("0.0005"))

_MARKETS: Final = (
    # number, kind, base, price, price exponent, size exponent, largest price, highest leverage
    (1, "spot", "BTC", "60000", -1, -5, 10_000_000, None),
    (2, "spot", "ETH", "3000", -2, -4, 10_000_000, None),
    (7, "perpetual", "BTC", "60000", 0, -5, 1_000_000, 20),
    (8, "perpetual", "ETH", "3000", -1, -4, 1_000_000, 20),
)

_RICH: Final = MappingProxyType({"USDC": Decimal(5_000_000), "BTC": Decimal(50), "ETH": Decimal(500)})

ADDRESSES: Final[Mapping[str, str]] = MappingProxyType({
    "alice": "0xa11ce00000000000000000000000000000000001",
    "bob": "0xb0b0000000000000000000000000000000000002",
    "carol": "0xca40100000000000000000000000000000000003",
})  # fmt: skip
"""The accounts by name; in the credentials of each is its agent's key."""

_KEYS: Final[Mapping[str, str]] = MappingProxyType({
    "alice": "0x" + "a1" * 32,
    "bob": "0x" + "b2" * 32,
    "carol": "0x" + "c3" * 32,
})  # fmt: skip


def listings() -> Sequence[Listing]:
    """Two spot markets, and a perpetual of each."""
    return [
        Listing(
            instrument_of(
                Listed(
                    market=market,
                    kind=kind,
                    base=base,
                    quote="USDC",
                    status="trading",
                    price_exponent=prices,
                    size_exponent=sizes,
                    tick=1,
                    lot=1,
                    min_size=1,
                    max_size=10**9,
                    max_price=largest,
                    min_notional=5 * 10 ** -(prices + sizes),
                    max_orders=1_000,
                    max_leverage=leverage,
                )
            ),
            Decimal(price),
            FEES,
        )
        for market, kind, base, price, prices, sizes, largest, leverage in _MARKETS
    ]


def accounts() -> Sequence[VenueAccount]:
    """Three accounts with the same balances; `alice` is the one that examples use."""
    return [
        VenueAccount(
            name,
            Credentials({ADDRESS: Secret(address), PRIVATE_KEY: Secret(_KEYS[name])}, account=address),
            _RICH,
        )
        for name, address in ADDRESSES.items()
    ]

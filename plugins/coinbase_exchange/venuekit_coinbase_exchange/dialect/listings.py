"""What a fresh local Coinbase Exchange lists, how /products tells it, and who may log in to its feeds.

The keys are public: they open feeds of venues on this machine, and nothing anywhere else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from venuekit_coinbase_exchange.instruments import BY_FLAG, ONLINE, OPEN_ORDERS
from venuekit_spec import (
    Credentials,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    Listing,
    PriceRule,
    Secret,
    SizeRule,
    VenueAccount,
    decimals_of,
)

_MARKETS: Final = (
    # base, quote, price, quote increment, base increment, smallest notional
    ("BTC", "USD", "60000", "0.01", "0.00000001", "1"),
    ("ETH", "USD", "3000", "0.01", "0.00000001", "1"),
    ("ETH", "BTC", "0.05", "0.00001", "0.00000001", "0.000016"),
    ("SHIB", "USD", "0.00001", "0.00000001", "1", "1"),
)

_STATUS: Final[Mapping[InstrumentStatus, str]] = MappingProxyType({InstrumentStatus.DELISTED: "delisted"})
"""What the status of a product is called; any other product is online, and its flags say the rest."""

_FLAG: Final[Mapping[InstrumentStatus, str]] = MappingProxyType({
    status: flag for flag, status in BY_FLAG.items()
})  # fmt: skip


def listings() -> Sequence[Listing]:
    """Four products."""
    return [
        Listing(
            Instrument(
                id=f"{base}-{quote}",
                kind=InstrumentKind.SPOT,
                base=base,
                quote=quote,
                native={"rest": f"{base}-{quote}", "socket": f"{base}-{quote}"},
                price=PriceRule(Decimal(tick), minimum=Decimal(tick)),
                size=SizeRule(Decimal(lot), quote_step=Decimal(tick)),
                price_decimals=decimals_of(Decimal(tick)),
                size_decimals=decimals_of(Decimal(lot)),
                minimum_notional=Decimal(notional),
                maximum_open_orders=OPEN_ORDERS,
            ),
            Decimal(price),
        )
        for base, quote, price, tick, lot, notional in _MARKETS
    ]


def accounts() -> Sequence[VenueAccount]:
    """One, whose key logs in to the feeds that need it."""
    credentials = Credentials(
        {
            "key": Secret("coinbase-exchange-on-this-machine"),
            "secret": Secret(b64encode(b"signs on this machine only").decode()),
            "passphrase": Secret("on this machine only"),
        },
        account="alice",
    )
    return [VenueAccount("alice", credentials, {"USD": Decimal(1_000_000), "BTC": Decimal(10)})]


def text(number: Decimal | None) -> str | None:
    """A number as the venue writes it."""
    return None if number is None else format(number, "f")


def listed(instrument: Instrument) -> dict[str, Any]:
    """One product."""
    flags: dict[str, bool] = dict.fromkeys(BY_FLAG, False)
    status = _STATUS.get(instrument.status, ONLINE)
    if instrument.status is not InstrumentStatus.TRADING and status == ONLINE:
        flags[_FLAG.get(instrument.status, "trading_disabled")] = True
    return {
        "id": instrument.native["rest"],
        "base_currency": instrument.base,
        "quote_currency": instrument.quote,
        "quote_increment": text(instrument.price.tick),
        "base_increment": text(instrument.size.step),
        "display_name": f"{instrument.base}/{instrument.quote}",
        "min_market_funds": text(instrument.minimum_notional),
        "margin_enabled": False,
        "fx_stablecoin": False,
        "status": status,
        "status_message": "",
        **flags,
    }

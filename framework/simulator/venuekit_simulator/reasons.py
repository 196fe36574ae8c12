"""Reasons of an order's end, beside those of `EngineRefusal`: the `reason` of orders that were taken and ended unasked."""

from __future__ import annotations

from typing import Final

SELF_TRADE: Final = "self_trade"
"""It met an order of its own account."""
IMMEDIATE_OR_CANCEL: Final = "immediate_or_cancel"
"""What was not filled at once may not rest."""
GOOD_TILL_DATE: Final = "good_till_date"
"""Its date has come."""
DELISTED: Final = "delisted"
"""Its instrument is no longer traded."""
UNFUNDED: Final = "unfunded"
"""What it would be paid with came from a trade that was taken back."""

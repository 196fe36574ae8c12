"""Nonces of one key: unique, and where the venue wants it, rising, across restarts and clocks that are set back.

A nonce is the instant of the signature, in the unit that venues of that rule expect, or one more than the last nonce where time
has not moved on:

    STRICT     microseconds; above every earlier one of the key (Kraken, Bitfinex)
    WINDOW     milliseconds; never the same twice (Hyperliquid)
    TIMESTAMP  milliseconds, nothing more (Binance)
    NONE       0

The high-water mark in the store lies ahead of what was given, by a lease: before a nonce beyond it is given, a new lease is on
disk. That is one short write in a minute of signing. A new process starts above the old lease, so at most a lease ahead of the
clock.
"""

from __future__ import annotations

from typing import Final

from venuekit.orders.store import InFlightOrderStore
from venuekit_spec import MICROSECOND, MILLISECOND, SECOND, Instant, NonceRule

LEASE: Final = 60
"""Seconds by which the mark on disk lies ahead."""

UNITS: Final[dict[NonceRule, Instant]] = {
    NonceRule.STRICT: MICROSECOND,
    NonceRule.WINDOW: MILLISECOND,
    NonceRule.TIMESTAMP: MILLISECOND,
}
"""Nanoseconds in a nonce's unit."""

LEASED: Final = frozenset({NonceRule.STRICT, NonceRule.WINDOW})


class NonceSource:
    """Gives the nonces of one key. `key` names it in the store (its fingerprint, never the key itself).

    The store is open. A call is synchronous, so nonces given from one event loop never collide; that a second process does
    not use the key is `hold_key`'s part, and that a strict nonce is not overtaken on its way the send lock's.
    """

    def __init__(self, rule: NonceRule, store: InFlightOrderStore, key: str = "") -> None:
        self.rule = rule
        self._store = store
        self._name = f"nonce:{key}"
        self._unit = UNITS.get(rule, 0)
        self._lease = LEASE * SECOND // self._unit if rule in LEASED else 0
        self._durable = store.mark(self._name) if self._lease else 0
        self._last = self._durable

    def __call__(self, now: Instant) -> int:
        """A nonce for what is signed at `now`. Raises `StoreError` where it would not be safe across a restart."""
        if not self._unit:
            return 0
        nonce = now // self._unit
        if not self._lease:
            return nonce
        nonce = max(nonce, self._last + 1)
        if nonce > self._durable:
            self._store.raise_mark(self._name, nonce + self._lease)
            self._durable = nonce + self._lease
        self._last = nonce
        return nonce

"""Holdings: what an account holds, as far as it was told. Pure.

A balance is a patch: None is not said. One with `delta` is added to what is known; where nothing is known yet it is dropped,
because a change of an unknown number is unknown. A position replaces the one before it; only a leverage that is not told stays
what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

from attrs import evolve

from venuekit_spec import Balance, Position


def _sum(known: Decimal | None, change: Decimal | None) -> Decimal | None:
    if known is None or change is None:
        return known
    return known + change


def _latest(known: Decimal | None, told: Decimal | None) -> Decimal | None:
    return known if told is None else told


class Holdings:
    """Balances by (wallet, asset) and positions by instrument, the latest of each."""

    def __init__(self) -> None:
        self._balances: dict[tuple[str, str], Balance] = {}
        self._positions: dict[str, Position] = {}

    @property
    def balances(self) -> Mapping[tuple[str, str], Balance]:
        """By wallet (``""`` where the venue has one) and asset."""
        return MappingProxyType(self._balances)

    @property
    def positions(self) -> Mapping[str, Position]:
        """By canonical id; flat ones are not among them."""
        return MappingProxyType(self._positions)

    def balance(self, told: Balance) -> Balance | None:
        """Take in a balance; the whole of what is known then, None where it says nothing new or nothing certain."""
        place = (told.wallet, told.asset)
        known = self._balances.get(place)
        if known is None:
            if told.delta:
                return None
            whole = told
        else:
            if told.time and told.time < known.time:
                return None
            merge = _sum if told.delta else _latest
            whole = evolve(
                known,
                total=merge(known.total, told.total),
                free=merge(known.free, told.free),
                held=merge(known.held, told.held),
                time=told.time or known.time,
            )
            if evolve(whole, time=0) == evolve(known, time=0):
                return None
        self._balances[place] = whole
        return whole

    def position(self, told: Position) -> bool:
        """Take in a position; whether it says anything new."""
        known = self._positions.get(told.instrument)
        if known is not None and told.time and told.time < known.time:
            return False
        if not told.quantity:
            return self._positions.pop(told.instrument, None) is not None
        if told.leverage is None and known is not None:
            told = evolve(told, leverage=known.leverage)
        self._positions[told.instrument] = told
        return known != told

    def all_balances(self, told: Iterable[Balance]) -> list[Balance]:
        """Take in the whole account; those that changed. An asset that is not in it is zero."""
        told = list(told)
        present = {(balance.wallet, balance.asset) for balance in told}
        zero = Decimal(0)
        gone = [
            evolve(known, total=zero, free=zero, held=zero)
            for place, known in self._balances.items()
            if place not in present
        ]
        return [whole for balance in (*told, *gone) if (whole := self.balance(balance)) is not None]

    def all_positions(self, told: Iterable[Position]) -> list[Position]:
        """Take in every position; those that changed. One that is not in it is flat."""
        told = list(told)
        present = {position.instrument for position in told}
        flat = [
            evolve(known, quantity=Decimal(0)) for id_, known in self._positions.items() if id_ not in present
        ]
        return [position for position in (*told, *flat) if self.position(position)]

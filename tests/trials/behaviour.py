"""How a trial's client trades: at random, all kinds of orders, several at a time, whatever the venue is."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_UP, Decimal
from random import Random
from typing import Final

from venuekit import Exchange, Instrument, Side, VenuekitError
from venuekit.trading import OrderRequest, Placement, quantise_price, quantise_quantity
from venuekit_spec import Capability, OrderType, TimeInForce

LIFE: Final = 60
"""Blocks that an order lives where orders end by height: so long an order that the venue has forgotten is in doubt."""

OFFSETS: Final = ("-0.01", "-0.003", "0", "0.002", "0.02")
"""How far from the middle a limit price is, as a fraction of it; above zero it crosses."""


class Trader:
    """Trades on an exchange, one random step after another."""

    def __init__(self, exchange: Exchange, pairs: Sequence[str], random: Random) -> None:
        self._exchange = exchange
        self._pairs = pairs
        self._random = random
        self.placements: list[Placement] = []

    async def step(self) -> None:
        """Do something; what the venue or the network refuses is part of the trial."""
        actions = [self._place] * 6 + [self._cancel] * 2 + [self._amend, self._batch]
        try:
            await self._random.choice(actions)()
        except VenuekitError:
            return

    async def _place(self) -> None:
        self.placements.append(await self._exchange.place(self._request()))

    async def _batch(self) -> None:
        requests = [self._request() for _ in range(self._random.randint(2, 4))]
        self.placements += await self._exchange.account().place_many(requests)

    async def _cancel(self) -> None:
        open_ = self._exchange.account().open
        if open_:
            await self._exchange.cancel(self._random.choice(open_))

    async def _amend(self) -> None:
        open_ = [order for order in self._exchange.account().open if order.price is not None]
        if open_ and Capability.AMEND in self._exchange.description.capabilities:
            order = self._random.choice(open_)
            instrument = self._exchange.instruments[order.instrument]
            await self._exchange.amend(order, quantity=self._quantity(instrument, order.price or Decimal(1)))

    def _request(self) -> OrderRequest:
        pair = self._random.choice(self._pairs)
        instrument = self._exchange.instruments[pair]
        side = self._random.choice(list(Side))
        middle = self._exchange.books[pair].unproven.mid or Decimal(1)
        if self._random.random() < 0.15 and OrderType.MARKET in self._exchange.description.order_types:
            return OrderRequest(pair=pair, side=side, quantity=self._quantity(instrument, middle))
        sign = 1 if side is Side.BUY else -1
        offset = Decimal(self._random.choice(OFFSETS)) * sign
        price = quantise_price(instrument, middle * (1 + offset), ROUND_DOWN if sign > 0 else ROUND_UP)
        known = self._exchange.description.times_in_force
        ways = [way for way in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK) if way in known]
        way: TimeInForce = self._random.choices(ways, [6, 1, 1][: len(ways)])[0] if ways else TimeInForce.GTC
        expiry, height = None, self._exchange.account().height
        if height is not None and self._exchange.description.order_life is not None:
            way = TimeInForce.GTB if way is TimeInForce.GTC else way
            expiry = height + LIFE
        return OrderRequest(
            pair=pair,
            side=side,
            quantity=self._quantity(instrument, price),
            price=price,
            time_in_force=way,
            expires_at_height=expiry,
        )

    def _quantity(self, instrument: Instrument, price: Decimal) -> Decimal:
        least = max(instrument.size.minimum or instrument.size.step, instrument.size.step)
        if instrument.minimum_notional:
            least = max(least, instrument.minimum_notional / price * Decimal("1.1"))
        return quantise_quantity(instrument, least * self._random.randint(1, 20), ROUND_CEILING)

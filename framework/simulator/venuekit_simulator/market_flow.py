"""Random order flow: a lively market from one seed, out of accounts of the venue's own.

Each instrument has a fair price that wanders by ticks around where it was listed. A maker account keeps orders around it, on a
ladder of `depth` prices a side whose rungs are about a basis point apart; a taker account trades with what is there. One
action is one step: mostly a new quote or a withdrawn one, at times a trade.

The flow treats a user's order as any other: it trades with one when price and time put it first, and never goes after it.
Its takers stop at the third price they meet and take little, so that no user is filled far from the market and the books are
never empty; what users swept away is put back at the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from random import Random
from typing import Final

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.exact import EXACT, ZERO, floored
from venuekit_spec import (
    Instant,
    Instrument,
    InstrumentStatus,
    NewOrder,
    OrderRef,
    SelfTradePrevention,
    Side,
    TimeInForce,
    after,
)

MAKER: Final = "(market maker)"
TAKER: Final = "(market taker)"
"""The accounts of the flow."""

_PLENTY: Final = Decimal("1e15")
_RUNG: Final = Decimal("0.0001")
"""How far apart rungs are, as a fraction of the price."""
_FARTHEST: Final = 200
"""How many rungs the fair price may be away from where it was listed."""
_SIZES: Final = (1, 1, 2, 2, 3, 5, 8, 13, 25, 60)
"""Sizes of quotes, in units; small ones are more frequent."""
_WORTH: Final = 20
"""What a unit is worth, in smallest orders: a book of fifty levels then holds what a user of some size would trade."""
_TAKEN_PRICES: Final = 3
_TAKE, _WITHDRAW = 0.15, 0.5
"""Below the first a step trades, below the second it withdraws a quote, otherwise it quotes."""


class Wandering:
    """One instrument's market: its ladder of prices and where the fair price is on it."""

    def __init__(self, instrument: Instrument, price: Decimal) -> None:
        self.instrument = instrument
        self.start = price
        self.rungs = 0
        """How many rungs the fair price is above where it began."""
        self.quotes: dict[Side, list[OrderRef]] = {side: [] for side in Side}
        rule = instrument.size
        smallest = max(rule.minimum or ZERO, rule.step)
        worth = (instrument.minimum_notional or ZERO) * _WORTH
        self.unit = max(smallest, floored(worth / price, rule.step) + rule.step)
        bounds = [rule.maximum, instrument.maximum_notional and instrument.maximum_notional / (2 * price)]
        self.most = min((floored(bound, rule.step) for bound in bounds if bound), default=None)

    def price(self, side: Side, away: int) -> Decimal:
        """The valid price that many rungs from the fair one, on the far side of where it would be exactly."""
        rungs = self.rungs + (-away if side is Side.BUY else away)
        wanted = EXACT.multiply(self.start, 1 + rungs * _RUNG)
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        rule = self.instrument.price
        if rule.significant_figures is not None:
            wanted = Context(prec=rule.significant_figures, rounding=rounding).plus(wanted)
        if rule.tick:
            steps = (wanted / rule.tick).to_integral_value(rounding)
            spread = away if self.start * _RUNG < rule.tick else 0
            wanted = rule.tick * (steps - spread if side is Side.BUY else steps + spread)
        return wanted

    def size(self, units: int) -> Decimal:
        """A valid size of about that many units."""
        size = self.unit * units
        return size if self.most is None else min(size, self.most)


class RandomFlow:
    """Keeps the books of an engine alive. `rate` is actions per second over all instruments, `depth` quotes a side."""

    def __init__(self, engine: MatchingEngine, seed: int = 0, *, rate: float = 50.0, depth: int = 50) -> None:
        self._engine = engine
        self._random = Random(seed)  # noqa: S311  # a seeded market, nothing secret
        self._rate = rate
        self._depth = depth
        self._markets: Sequence[Wandering] = [
            Wandering(instrument, engine.last_price(instrument.id))
            for instrument in engine.instruments.values()
        ]
        assets = {
            asset
            for market in self._markets
            for asset in (market.instrument.base, market.instrument.quote, market.instrument.settle)
            if asset
        }
        for account in (MAKER, TAKER):
            engine.open_account(account, dict.fromkeys(sorted(assets), _PLENTY), house=True)

    def fill_books(self, now: Instant) -> None:
        """Quote every rung of both sides of every book."""
        for market in self._markets:
            if self._trades(market):
                for side in Side:
                    self._fill(market, side, now)

    def step(self, now: Instant) -> Instant:
        """One action on one book; when the next one is due."""
        roll = self._random.random()
        market = self._random.choice(self._markets)
        due = after(now, self._random.expovariate(self._rate))
        if not self._trades(market):
            return due
        side = self._random.choice(tuple(Side))
        self._wander(market)
        for each in Side:
            if self._engine.levels(market.instrument.id, each) <= max(_TAKEN_PRICES, self._depth // 4):
                self._fill(market, each, now)
        if roll < _TAKE:
            self._trade(market, side, now)
        elif (roll < _WITHDRAW and len(market.quotes[side]) >= self._depth) or len(
            market.quotes[side]
        ) > 2 * self._depth:
            self._withdraw(market, side, now)
        else:
            self._quote(market, side, 1 + int(self._depth * self._random.random() ** 2), now)
        return due

    def _trades(self, market: Wandering) -> bool:
        return self._engine.instruments[market.instrument.id].status is InstrumentStatus.TRADING

    def _wander(self, market: Wandering) -> None:
        """The fair price moves by a rung or not, back rather than away the farther it is."""
        pull = market.rungs / _FARTHEST
        move = self._random.uniform(-1, 1) - pull
        market.rungs += (move > 0.8) - (move < -0.8)

    def _fill(self, market: Wandering, side: Side, now: Instant) -> None:
        for away in range(1, self._depth + 1):
            self._quote(market, side, away, now)

    def _quote(self, market: Wandering, side: Side, away: int, now: Instant) -> None:
        price = market.price(side, away)
        if not market.instrument.price.allows(price):
            return
        size = market.size(self._random.choice(_SIZES))
        order = NewOrder(market.instrument.id, side, size, "", price=price)
        taken = self._place(MAKER, order, now, SelfTradePrevention.CANCEL_MAKER)
        if taken is not None:
            market.quotes[side].append(taken)

    def _withdraw(self, market: Wandering, side: Side, now: Instant) -> None:
        """Cancel a quote; most often an old one, which is far from where the price has gone."""
        quotes = market.quotes[side]
        quote = quotes.pop(int(len(quotes) * self._random.random() ** 2))
        if self._engine.is_open(MAKER, quote):
            self._engine.cancel(MAKER, quote, now)

    def _trade(self, market: Wandering, side: Side, now: Instant) -> None:
        """Take some of the best prices of the other side."""
        image = self._engine.book(market.instrument.id, _TAKEN_PRICES)
        rows = image.asks if side is Side.BUY else image.bids
        if not rows:
            return
        offered = sum((size for _, size in rows), ZERO)
        part = floored(offered * Decimal(self._random.randrange(5, 60)) / 100, market.instrument.size.step)
        size = min(max(part, market.unit), market.size(10 * max(_SIZES)))
        order = NewOrder(
            market.instrument.id, side, size, "", price=rows[-1][0], time_in_force=TimeInForce.IOC
        )
        self._place(TAKER, order, now, SelfTradePrevention.CANCEL_TAKER)

    def _place(
        self, account: str, order: NewOrder, now: Instant, self_trade: SelfTradePrevention
    ) -> OrderRef | None:
        """Place an order; its name where it is open."""
        placed = self._engine.place(account, order, now, self_trade=self_trade)
        return None if placed.status.terminal else OrderRef(order.instrument, order_id=placed.order_id)

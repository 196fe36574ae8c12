"""A venue with a chain, and one account's client of it: what the tests of Exchange B say often."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from venuekit_exchange_b.description import DESCRIPTION
from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.dialect.server import ExchangeBDialect
from venuekit_spec import SECOND, Accepted, Channel, Instant, NewOrder, Side, TimeInForce, Topic
from venuekit_testkit import START as NEW_YEAR
from venuekit_testkit import Hand, Pair, Subject

START: Final[Instant] = NEW_YEAR + SECOND // 4
"""Between two blocks."""

LOCAL: Final = DESCRIPTION.environment("local")


class LocalB(Hand):
    """A venue that was asked nothing yet; orders live as many blocks as they are told to."""

    def __init__(self, account: str = "") -> None:
        super().__init__(Subject.of("exchange_b"), account=account, now=START, silent=True)
        self._number = 0

    @property
    def server(self) -> ExchangeBDialect:
        """The venue's protocol."""
        assert isinstance(self.dialect, ExchangeBDialect)
        return self.dialect

    @property
    def chain(self) -> Chain:
        """The venue's chain."""
        return self.server.chain

    @property
    def address(self) -> str:
        """The account, by the name that it signs for."""
        assert self.credentials is not None
        return self.credentials.account

    def order(
        self,
        side: Side,
        price: str,
        quantity: str,
        instrument: str = "BTC-USDC",
        *,
        blocks: int = 100,
        time_in_force: TimeInForce = TimeInForce.GTB,
        **more: Any,
    ) -> NewOrder:
        """A limit order that nobody placed before, and that lives so many blocks."""
        self._number += 1
        return NewOrder(
            instrument,
            side,
            Decimal(quantity),
            self.market().client_order_id(self._number),
            price=Decimal(price),
            time_in_force=time_in_force,
            expires_at_height=self.chain.height + blocks,
            **more,
        )

    def place(self, *orders: NewOrder) -> list[Accepted]:
        """Place orders that are taken into the pool."""
        placed = self.run(self.market().place(orders))
        accepted = [each for each in placed if isinstance(each, Accepted)]
        assert len(accepted) == len(orders), placed
        return accepted

    def books(self, *instruments: str) -> Pair:
        """A socket of the public stream, with orders and trades of these instruments."""
        topics = [Topic(channel, id_) for id_ in instruments for channel in (Channel.ORDERS, Channel.TRADES)]
        pair = self.open(*topics)
        self.advance(0.1 * len(topics) + 0.1)
        return pair

    def block(self, blocks: int = 1) -> None:
        """Let so many blocks be added."""
        for _ in range(blocks):
            self.advance(1.0)

"""Two switches: ours, that stops an account for good, and the venue's, that acts when we are gone.

The kill switch survives a restart: it is a mark in the order store that only rises, odd while it is thrown. So it holds for
every exchange object of this process that has the account open with that store; the one that threw it also resets it. The dead
man's switch is re-armed at a third of its time-out, and sooner after a failure, until it is disarmed or the exchange is closed.
What the venue then does with it is the point of it.
"""

from __future__ import annotations

from typing import Final

from venuekit.orders.store import InFlightOrderStore
from venuekit.trading.desk import Desk
from venuekit.trading.events import CommandFailed, KillSwitch
from venuekit.trading.limits import Killed
from venuekit_spec import Seconds, VenuekitError, after

BEFORE_START: Final = "it was thrown before this start"
ELSEWHERE: Final = "it was thrown through another exchange object"


class Kill:
    """The kill switch of one account. `reason` is empty while it is not thrown."""

    def __init__(self, desk: Desk, store: InFlightOrderStore) -> None:
        self._desk = desk
        self._store = store
        self._mark = f"killed {desk.account}"
        self.reason = ""

    def load(self) -> None:
        """What the store, which is open now, remembers."""
        if self._store.mark(self._mark) % 2:
            self.reason = BEFORE_START

    def check(self) -> None:
        """Raise `Killed` while it is thrown."""
        if self.reason in {"", ELSEWHERE}:
            self.reason = ELSEWHERE if self._store.mark(self._mark) % 2 else ""
        if self.reason:
            raise Killed(f"the kill switch of {self._desk.account} is thrown: {self.reason}")

    def throw(self, reason: str) -> None:
        """Refuse new orders from now on, and after a restart.

        Raises `StoreError` where a restart would forget it; it is thrown nevertheless.
        """
        self.reason = reason or "no reason was given"
        self._tell(killed=True)
        mark = self._store.mark(self._mark)
        if not mark % 2:
            self._store.raise_mark(self._mark, mark + 1)

    def reset(self) -> None:
        """Take new orders again. Raises `StoreError` where a restart would forget that; it stays thrown then."""
        if not self.reason:
            return
        mark = self._store.mark(self._mark)
        if mark % 2:
            self._store.raise_mark(self._mark, mark + 1)
        self.reason = ""
        self._tell(killed=False)

    def _tell(self, *, killed: bool) -> None:
        desk = self._desk
        desk.publish(KillSwitch(account=desk.account, killed=killed, reason=self.reason, at=desk.now()))


class DeadMansSwitch:
    """Keeps the venue's dead man's switch armed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = 0

    async def set(self, timeout: Seconds | None) -> None:  # noqa: ASYNC109  # the venue's
        """Arm it and keep it armed; None disarms it. Raises what the venue answers to the first try."""
        self._turn += 1
        turn, armed = self._turn, self._desk.now()
        await self._desk.send(self._desk.market.dead_man_switch(timeout))
        if timeout is None or turn != self._turn:
            return

        async def keep() -> None:
            due = after(armed, timeout / 3)
            while True:
                await self._desk.clock.sleep_until(due)
                if turn != self._turn:
                    return
                began = self._desk.now()
                due = after(began, timeout / (3 if await self._arm(timeout) else 10))

        self._desk.venue.spawn(keep)

    async def _arm(self, timeout: Seconds) -> bool:  # noqa: ASYNC109  # the venue's
        desk = self._desk
        try:
            await desk.send(desk.market.dead_man_switch(timeout))
        except VenuekitError as error:
            desk.publish(
                CommandFailed(account=desk.account, command="dead man's switch", error=error, at=desk.now())
            )
            return False
        return True

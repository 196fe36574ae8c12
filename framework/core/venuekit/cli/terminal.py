"""What the commands share: how they run, and how they tell what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, TypeVar

import anyio
import click
from msgspec.structs import asdict

from venuekit.broadcast import Overflow
from venuekit.events import Event

T = TypeVar("T")


class _Detached(ThreadPoolExecutor):
    """Threads that nobody waits for.

    asyncio asks the name server in a thread and joins it at the end: one that does not answer would hold a command for half a
    minute after its time is up, or after Ctrl-C.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run in a thread of its own, which does not keep the process."""
        future: Future[T] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001  # it is the future's to raise
                    future.set_exception(error)

        Thread(target=work, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002  # as the base has it
        """Nothing to wait for."""


def run(command: Callable[[], Awaitable[T]]) -> T:
    """The result of a command that needs an event loop. It ends when its work does, whatever the name server does."""

    async def detached() -> T:
        asyncio.get_running_loop().set_default_executor(_Detached())
        return await command()

    return anyio.run(detached)


def tell(event: Event | Overflow) -> None:
    """An event on stderr, in a line."""
    told = [f"{name} {value}" for name, value in asdict(event).items() if name != "at" and str(value)]
    click.echo(f"{type(event).__name__}: {', '.join(told)}", err=True)

"""No network: while it lasts, an attempt to connect anywhere fails the test, whoever makes it and whatever catches errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NoReturn
from unittest import mock

import pytest

WAYS_OUT: Final = ("connect", "connect_ex", "sendto", "sendmsg")
"""Methods of a socket that name somebody else."""


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse connections, datagrams and look-ups of names.

    The refusal is pytest's own failure, which no ``except Exception`` catches; one that was caught all the same fails at the
    end.
    """
    attempts: list[str] = []

    def refuse(way: str, named: int) -> Any:
        def refused(*arguments: object, **_: object) -> NoReturn:
            attempts.append(f"{way} {arguments[named]!r}")
            pytest.fail(f"the network is blocked here: {attempts[-1]}")

        return refused

    with ExitStack() as blocked:
        blocked.enter_context(mock.patch.object(socket, "getaddrinfo", refuse("getaddrinfo", 0)))
        for way in WAYS_OUT:
            blocked.enter_context(mock.patch.object(socket.socket, way, refuse(way, -1)))
        yield
    if attempts:
        pytest.fail(f"the network was tried: {attempts}")

"""No network: while it lasts, an attempt to connect anywhere fails the test, whoever makes it and whatever catches errors.

pytest-recording can block connections too, by an error that any ``except Exception`` catches, and not the look-up of names.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

import pytest

WAYS_OUT: Final = ("connect", "connect_ex", "sendto", "sendmsg")
"""Methods of a socket that name somebody else."""


@contextmanager
def no_network(allowed: Iterable[str] = ()) -> Iterator[None]:
    """Refuse connections, datagrams and look-ups of names, but those to hosts that one of these patterns matches.

    The refusal is pytest's own failure, which no ``except Exception`` catches; one that was caught all the same fails at the
    end.
    """
    hosts = re.compile("|".join(f"(?:{pattern})" for pattern in allowed) or r"(?!)")
    attempts: list[str] = []

    def refuse(owner: Any, way: str, named: int) -> None:
        past = getattr(owner, way)

        def refused(*arguments: Any, **more: Any) -> Any:
            place = arguments[named]
            host = place[0] if isinstance(place, tuple) else place
            if isinstance(host, str) and hosts.match(host):
                return past(*arguments, **more)
            attempts.append(f"{way} {place!r}")
            pytest.fail(f"the network is blocked here: {attempts[-1]}")

        blocked.enter_context(mock.patch.object(owner, way, refused))

    with ExitStack() as blocked:
        refuse(socket, "getaddrinfo", 0)
        for way in WAYS_OUT:
            refuse(socket.socket, way, -1)
        yield
    if attempts:
        pytest.fail(f"the network was tried: {attempts}")

"""No network: while it lasts, an attempt to connect anywhere fails the test, whoever makes it and whatever catches errors.

pytest-recording can block connections too, by an error that any ``except Exception`` catches, and not the look-up of names.

What is blocked is Python's `socket` module, on which asyncio, trio, httpx and urllib stand. What makes its own system calls is
not: other processes, and clients in C (uvloop, pycurl).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

import pytest

LOOKUPS: Final = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")
"""Functions of the module that ask somebody about a name or an address."""

WAYS_OUT: Final[Mapping[str, Callable[[tuple[Any, ...]], Any]]] = {
    "connect": lambda arguments: arguments[-1],
    "connect_ex": lambda arguments: arguments[-1],
    "sendto": lambda arguments: arguments[-1],
    "sendmsg": lambda arguments: arguments[4] if len(arguments) > 4 else None,
}
"""Methods of a socket that may name somebody else, and where among their arguments; None where a call names nobody, and goes to
whom the socket is connected to.
"""


@contextmanager
def no_network(allowed: Iterable[str] = ()) -> Iterator[None]:
    """Refuse connections, datagrams and look-ups of names, but those to hosts that one of these patterns matches.

    What the look-up of an allowed name finds is allowed too. The refusal is pytest's own failure, which no
    ``except Exception`` catches; one that was caught all the same fails at the end.
    """
    hosts = re.compile("|".join(f"(?:{pattern})" for pattern in allowed) or r"(?!)")
    found: set[str] = set()
    attempts: list[str] = []

    def permit(way: str, place: Any) -> None:
        host = place[0] if isinstance(place, tuple) else place
        host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not (isinstance(host, str) and (hosts.match(host) or host in found)):
            attempts.append(f"{way} {place!r}")
            pytest.fail(f"the network is blocked here: {attempts[-1]}")

    with ExitStack() as blocked:

        def refuse(owner: Any, way: str, made: Callable[..., Any]) -> None:
            blocked.enter_context(mock.patch.object(owner, way, made))

        def lookup(way: str) -> Callable[..., Any]:
            past = getattr(socket, way)

            def asked(*arguments: Any, **more: Any) -> Any:
                permit(way, arguments[0] if arguments else more.get("host"))
                answer = past(*arguments, **more)
                if way == "getaddrinfo":
                    found.update(str(each[4][0]) for each in answer)
                return answer

            return asked

        def way_out(way: str, named: Callable[[tuple[Any, ...]], Any]) -> Callable[..., Any]:
            past = getattr(socket.socket, way)

            def gone(*arguments: Any) -> Any:
                place = named(arguments)
                if place is not None:
                    permit(way, place)
                return past(*arguments)

            return gone

        for way in LOOKUPS:
            refuse(socket, way, lookup(way))
        for way, named in WAYS_OUT.items():
            refuse(socket.socket, way, way_out(way, named))
        yield
    if attempts:
        pytest.fail(f"the network was tried: {attempts}")

"""How the venue says no: a status and a numeric code. PROTOCOL.md, "Errors"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_a.payloads import ErrorBody
from venuekit_spec import EngineRefusal, HttpResponse, RefusalKind, Seconds, VenueError

INTERNAL: Final = -1000
OVERLOADED: Final = -1001
UNKNOWN_REQUEST: Final = -1002
TOO_MANY_REQUESTS: Final = -1003
TOO_MANY_ORDERS: Final = -1004
TOO_MANY_FRAMES: Final = -1005
TIMESTAMP: Final = -1021
SIGNATURE: Final = -1022
KEY: Final = -1023
PERMISSION: Final = -1024
TOKEN: Final = -1025
PARAMETER: Final = -1100
SYMBOL: Final = -1121
TOPIC: Final = -1122
ORDER_REFUSED: Final = -2010
NOT_OPEN: Final = -2011
NO_SUCH_ORDER: Final = -2013

BY_REFUSAL: Final[Mapping[str, int]] = MappingProxyType({
    EngineRefusal.UNKNOWN_INSTRUMENT: SYMBOL,
    EngineRefusal.NOT_FOUND: NOT_OPEN,
    EngineRefusal.DUPLICATE: -2012,
    EngineRefusal.PRICE: -2014,
    EngineRefusal.QUANTITY: -2015,
    EngineRefusal.NOTIONAL: -2016,
    EngineRefusal.OPEN_ORDERS: -2017,
    EngineRefusal.FUNDS: -2018,
    EngineRefusal.POST_ONLY: -2019,
    EngineRefusal.FILL_OR_KILL: -2020,
    EngineRefusal.NO_LIQUIDITY: -2021,
    EngineRefusal.NOT_TRADING: -2022,
})  # fmt: skip
"""What the engine says -> the venue's code; anything else is `ORDER_REFUSED`."""

IN_FRONT: Final[Mapping[RefusalKind, tuple[int, int, str]]] = MappingProxyType({
    RefusalKind.OVERLOADED: (503, OVERLOADED, "overloaded"),
    RefusalKind.RATE_LIMITED: (429, TOO_MANY_REQUESTS, "too many requests"),
    RefusalKind.BANNED: (418, TOO_MANY_REQUESTS, "too many requests, this address is banned"),
})  # fmt: skip

JSON: Final = {"content-type": "application/json"}


class No(Exception):
    """What ends a request: a refusal, on its way to whoever asked. `wait` is the pause that goes with it."""

    def __init__(self, code: int, message: str, status: int = 400, wait: Seconds = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.wait = wait

    @property
    def body(self) -> ErrorBody:
        """It, as the venue writes it."""
        return ErrorBody(self.code, self.message)

    @property
    def retry_after(self) -> int | None:
        """The pause in whole seconds, None for none."""
        return math.ceil(self.wait) if self.wait > 0 else None


def of_engine(error: VenueError) -> No:
    """What the engine refused, in the venue's words."""
    return No(BY_REFUSAL.get(error.code, ORDER_REFUSED), error.args[0])


def in_front(kind: RefusalKind, wait: Seconds) -> No:
    """A refusal that comes before everything."""
    status, code, message = IN_FRONT[kind]
    return No(code, message, status, wait)


def response(no: No, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A refusal by REST."""
    told = {} if no.retry_after is None else {"retry-after": str(no.retry_after)}
    return HttpResponse(no.status, msgspec.json.encode(no.body), {**JSON, **(headers or {}), **told})

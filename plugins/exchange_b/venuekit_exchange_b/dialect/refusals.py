"""How the venue says no: a label, and the status 200 all the same. PROTOCOL.md, "Errors"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from venuekit_exchange_b.payloads import ErrorBody, Failure
from venuekit_spec import EngineRefusal, HttpResponse, RefusalKind, Seconds, VenueError

MALFORMED: Final = "malformed"
UNKNOWN_REQUEST: Final = "unknownRequest"
WRONG_CHAIN: Final = "wrongChain"
UNKNOWN_ACCOUNT: Final = "unknownAccount"
UNKNOWN_SIGNER: Final = "unknownSigner"
BAD_SIGNATURE: Final = "badSignature"
WRONG_CHALLENGE: Final = "wrongChallenge"
NONCE_REPLAYED: Final = "nonceReplayed"
NONCE_OUTSIDE: Final = "nonceOutsideWindow"
UNKNOWN_MARKET: Final = "unknownMarket"
UNKNOWN_CHANNEL: Final = "unknownChannel"
UNKNOWN_ORDER: Final = "unknownOrder"
NOT_OPEN: Final = "notOpen"
DUPLICATE: Final = "duplicateClient"
EXPIRED: Final = "expired"
TOO_FAR: Final = "expiryTooFar"
LEVERAGE: Final = "leverage"
OTHER: Final = "refused"

BY_REFUSAL: Final[Mapping[str, str]] = MappingProxyType({
    EngineRefusal.UNKNOWN_INSTRUMENT: UNKNOWN_MARKET,
    EngineRefusal.NOT_FOUND: NOT_OPEN,
    EngineRefusal.DUPLICATE: DUPLICATE,
    EngineRefusal.PRICE: "price",
    EngineRefusal.QUANTITY: "size",
    EngineRefusal.NOTIONAL: "notional",
    EngineRefusal.OPEN_ORDERS: "openOrders",
    EngineRefusal.FUNDS: "insufficientMargin",
    EngineRefusal.POST_ONLY: "postOnly",
    EngineRefusal.FILL_OR_KILL: "notFilled",
    EngineRefusal.REDUCE_ONLY: "reduceOnly",
    EngineRefusal.NO_LIQUIDITY: "noLiquidity",
    EngineRefusal.NOT_TRADING: "notTrading",
})  # fmt: skip
"""What the engine says -> the venue's label; anything else is `OTHER`."""

IN_FRONT: Final[Mapping[RefusalKind, tuple[int, bytes]]] = MappingProxyType({
    RefusalKind.OVERLOADED: (503, b"<html>upstream unavailable</html>"),
    RefusalKind.RATE_LIMITED: (429, b"<html>slow down</html>"),
    RefusalKind.BANNED: (403, b"<html>go away</html>"),
})  # fmt: skip
"""What a proxy says in front of the venue; it does not speak the venue's words."""

JSON: Final = MappingProxyType({"content-type": "application/json"})


class No(Exception):
    """What ends a request: a refusal, on its way to whoever asked."""

    def __init__(self, label: str, text: str = "") -> None:
        super().__init__(text or label)
        self.failure = Failure(label, text)


def of_engine(error: VenueError) -> No:
    """What the engine refused, in the venue's words."""
    return No(BY_REFUSAL.get(error.code, OTHER), str(error.args[0]))


def refused(no: No) -> HttpResponse:
    """A refusal by REST."""
    return HttpResponse(200, msgspec.json.encode(ErrorBody(no.failure)), JSON)


def in_front(kind: RefusalKind, wait: Seconds) -> HttpResponse:
    """A refusal that comes before everything."""
    status, body = IN_FRONT[kind]
    told = {"retry-after": str(math.ceil(wait))} if wait > 0 else {}
    return HttpResponse(status, body, {"content-type": "text/html", **told})

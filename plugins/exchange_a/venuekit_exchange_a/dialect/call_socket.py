"""The socket that takes calls: each is acknowledged, then answered. PROTOCOL.md, "Calls"."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from venuekit_exchange_a.dialect.frames import TOO_MANY, TOO_OLD, Frames, send
from venuekit_exchange_a.dialect.keys import Keys
from venuekit_exchange_a.dialect.limits import Limits
from venuekit_exchange_a.dialect.refusals import PARAMETER, UNKNOWN_REQUEST, No, in_front
from venuekit_exchange_a.dialect.requests import Requests
from venuekit_exchange_a.endpoints import ENDPOINTS, ORDERS, WEIGHT, Endpoint
from venuekit_spec import UNREADABLE, EngineEvent, Instant, RefusalKind, Seconds, ServerOutputs

OK: Final = 200

_CALLABLE: Final = {endpoint.name: endpoint for endpoint in ENDPOINTS if endpoint.on_socket}


class _Call(Struct, frozen=True):
    """``{"id":"7","method":"order.cancel","params":{"symbol":"BTCUSDT","orderId":"9","apiKey":"..."}}``"""

    id: str
    method: str
    params: dict[str, str]


class _Method(Struct, frozen=True):
    """What a frame of a client asks for, on whatever socket."""

    method: str = ""
    op: str = ""


_call = msgspec.json.Decoder(_Call)
_method = msgspec.json.Decoder(_Method)


def method_of(frame: str | bytes) -> str:
    """What a frame asks for, empty where that cannot be told."""
    try:
        head = _method.decode(frame)
    except UNREADABLE:
        return ""
    return head.method or head.op


class CallSocket:
    """One client's socket for calls."""

    def __init__(self, requests: Requests, limits: Limits, keys: Keys) -> None:
        self._requests = requests
        self._limits = limits
        self._keys = keys
        self._frames = Frames()

    def opened(self, now: Instant) -> ServerOutputs:
        """Nothing is said; each call is signed."""
        self._frames.opened(now)
        return self._frames.wake()

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A call: that it has arrived, and its result."""
        if not self._frames.allows(now):
            return TOO_MANY
        try:
            call = _call.decode(frame)
        except UNREADABLE:
            return (send(_refused(None, No(PARAMETER, "not a call"))),)
        return (send({"id": call.id, "ack": True}), send(self._answer(call, now)))

    def refuse(self, frame: str | bytes, kind: RefusalKind, wait: Seconds, now: Instant) -> ServerOutputs:
        """A refusal that comes before everything: of this call, and without an acknowledgement."""
        try:
            id_ = _call.decode(frame).id
        except UNREADABLE:
            id_ = None
        return (send(_refused(id_, in_front(kind, wait))),)

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """Nothing: what happens is told by the user stream."""
        return ()

    def tick(self, now: Instant) -> ServerOutputs:
        """A socket lives no longer than a day."""
        self._frames.woken()
        return TOO_OLD if now >= self._frames.ends else self._frames.wake()

    def closed(self) -> None:
        """The client is gone."""

    def _answer(self, call: _Call, now: Instant) -> dict[str, Any]:
        account = ""
        try:
            self._limits.check_ban(now)
            endpoint = _callable(call.method)
            costs = endpoint.call_costs
            self._limits.take([cost for cost in costs if cost.pool != ORDERS], "", now)
            account = self._keys.call(endpoint, call.params, now)
            self._limits.take([cost for cost in costs if cost.pool == ORDERS], account, now)
            result = self._requests.handle(endpoint, call.params, account, now)
        except No as no:
            return _refused(call.id, no) | {"used": self._used(account, now)}
        return {"id": call.id, "status": OK, "result": result, "used": self._used(account, now)}

    def _used(self, account: str, now: Instant) -> dict[str, int]:
        pools = (WEIGHT, ORDERS) if account else (WEIGHT,)
        return {pool: self._limits.used(pool, account, now) for pool in pools}


def _callable(method: str) -> Endpoint:
    try:
        return _CALLABLE[method]
    except KeyError:
        raise No(UNKNOWN_REQUEST, "no such method", 404) from None


def _refused(id_: str | None, no: No) -> dict[str, Any]:
    wait = {} if no.retry_after is None else {"retryAfter": no.retry_after}
    return {"id": id_, "status": no.status, "error": no.body, **wait}

"""Actions: what a wallet signs, on the wire and as typed data.

An action stands in an envelope that says for which chain and account it counts, and its nonce. What is signed is typed data
of the same fields (EIP-712), under the domain of the chain. An order has a hash of its own, under the same domain, of the
account and its terms: it is known before anything is sent, and it is what the book calls the order.

PROTOCOL.md, "Signing" and "Actions".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from venuekit_exchange_b.payloads import Address, ClientId, Hash, MarketId, Number, Quanta
from venuekit_exchange_b.typed_data import Domain, Fields, TypedData

NO_HASH: Final = "0x" + "0" * 64
NO_CLIENT: Final = "0x" + "0" * 32

STANDING: Final = "standing"
IMMEDIATE: Final = "immediate"
ALL_OR_NOTHING: Final = "allOrNothing"

CONTRACT: Final = "0x000000000000000000000000000000000000b0b0"
"""The contract that the venue's domain names."""


class Order(Struct, frozen=True, rename="camel"):
    """One order. PROTOCOL.md, "Actions".

    ``{"market":1,"client":"0x76...","buy":true,"price":600000,"size":5000,"force":"standing","postOnly":false,``
    ``"reduceOnly":false,"expires":189389100}``
    """

    market: MarketId
    client: ClientId
    buy: bool
    price: Quanta
    size: Quanta
    force: str
    post_only: bool
    reduce_only: bool
    expires: Number


class Cancel(Struct, frozen=True):
    """Names an order by its hash, or by its client id where the hash is zero. PROTOCOL.md, "Actions".

    ``{"market":1,"order":"0x5f...","client":"0x00..."}``
    """

    market: MarketId
    order: Hash = NO_HASH
    client: ClientId = NO_CLIENT


class Place(Struct, frozen=True, tag_field="type", tag="place"):
    """Take these orders into the pool. PROTOCOL.md, "Actions".

    ``{"type":"place","orders":[]}``
    """

    orders: list[Order]


class CancelOrders(Struct, frozen=True, tag_field="type", tag="cancel"):
    """Take these cancels into the pool. PROTOCOL.md, "Actions".

    ``{"type":"cancel","cancels":[]}``
    """

    cancels: list[Cancel]


class SetLeverage(Struct, frozen=True, tag_field="type", tag="leverage"):
    """How many hundredths of its margin a position may be. PROTOCOL.md, "Actions".

    ``{"type":"leverage","market":3,"hundredths":1000}``
    """

    market: MarketId
    hundredths: Annotated[int, Meta(ge=0, lt=1 << 32)]


class Burn(Struct, frozen=True, tag_field="type", tag="burn"):
    """Spend the nonce on nothing. PROTOCOL.md, "Actions".

    ``{"type":"burn"}``
    """


class Inspect(Struct, frozen=True, tag_field="type", tag="inspect"):
    """Say who signed this. PROTOCOL.md, "Actions".

    ``{"type":"inspect"}``
    """


class Login(Struct, frozen=True, tag_field="type", tag="login"):
    """Prove who is at this socket. PROTOCOL.md, "Account stream".

    ``{"type":"login","challenge":"0x8d..."}``
    """

    challenge: Hash


Action: TypeAlias = Place | CancelOrders | SetLeverage | Burn | Inspect | Login


class Envelope(Struct, frozen=True):
    """An action, signed. PROTOCOL.md, "Signing".

    ``{"chain":8702,"account":"0xa1...","nonce":1767225600123,"action":{"type":"burn"},"signature":"0x..."}``
    """

    chain: Number
    account: Address
    nonce: Number
    action: Action
    signature: Annotated[str, Meta(pattern=r"\A0x[0-9a-f]{130}\Z")]

    def __repr__(self) -> str:
        return f"Envelope({type(self.action).__name__} of {self.account})"


_HEAD: Final[Fields] = (("account", "address"), ("nonce", "uint64"))
_ORDER: Final[Fields] = (
    ("market", "uint32"),
    ("client", "bytes16"),
    ("buy", "bool"),
    ("price", "uint64"),
    ("size", "uint64"),
    ("force", "string"),
    ("postOnly", "bool"),
    ("reduceOnly", "bool"),
    ("expires", "uint64"),
)
_CANCEL: Final[Fields] = (("market", "uint32"), ("order", "bytes32"), ("client", "bytes16"))

TYPES: Final[Mapping[type[Action], tuple[str, Mapping[str, Fields]]]] = MappingProxyType({
    Place: ("Place", {"Place": (*_HEAD, ("orders", "Order[]")), "Order": _ORDER}),
    CancelOrders: ("Cancel", {"Cancel": (*_HEAD, ("cancels", "Named[]")), "Named": _CANCEL}),
    SetLeverage: ("Leverage", {"Leverage": (*_HEAD, ("market", "uint32"), ("hundredths", "uint32"))}),
    Burn: ("Burn", {"Burn": _HEAD}),
    Inspect: ("Inspect", {"Inspect": _HEAD}),
    Login: ("Login", {"Login": (*_HEAD, ("challenge", "bytes32"))}),
})  # fmt: skip
"""What each action is signed as: the struct, and the types that it needs."""

_OWNED: Final[Mapping[str, Fields]] = MappingProxyType({
    "OwnedOrder": (("account", "address"), ("order", "Order")),
    "Order": _ORDER,
})  # fmt: skip


def domain(chain: int) -> Domain:
    """Where the signatures of a chain count."""
    return Domain("Exchange B", "1", chain, CONTRACT)


def digest(action: Action, chain: int, account: str, nonce: int) -> bytes:
    """The 32 bytes that are signed for an action. Raises `MalformedTypedData` for what does not fit its type."""
    name, types = TYPES[type(action)]
    return TypedData(name, types, {"account": account, "nonce": nonce, **_fields(action)}).digest(
        domain(chain)
    )


def order_hash(order: Order, chain: int, account: str) -> str:
    """The hash of an order. Raises `MalformedTypedData` for what does not fit its type."""
    owned = TypedData("OwnedOrder", _OWNED, {"account": account, "order": _fields(order)})
    return f"0x{owned.digest(domain(chain)).hex()}"


def _fields(struct: Struct) -> dict[str, Any]:
    """The fields of a struct as typed data wants them: hexadecimal text as bytes."""
    told = {
        wire: getattr(struct, name)
        for name, wire in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    }
    return {name: _typed(value) for name, value in told.items()}


def _typed(value: Any) -> Any:
    if isinstance(value, Struct):
        return _fields(value)
    if isinstance(value, list):
        return [_typed(each) for each in value]
    return bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("0x") else value


action_decoder: Final = msgspec.json.Decoder[Action](Action)
envelope_decoder: Final = msgspec.json.Decoder(Envelope)

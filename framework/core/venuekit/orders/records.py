"""What the store keeps of an order, as a value, and as the text it is kept as.

A record says everything that is known of an order except its fills, which have rows of their own. It holds no key and no
secret; `payload` is a request as it was sent, signature and all, and is kept only where a resolver may send it again.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from attrs import field, frozen
from cattrs.errors import BaseValidationError
from cattrs.preconf.json import JsonConverter, make_converter

from venuekit.orders.states import OrderState
from venuekit_spec import Fill, Instant, LocalError, NewOrder, OrderStatus

T = TypeVar("T")


@frozen(kw_only=True)
class OrderRecord:
    """One order, without its fills. Field by field what `OrderFacts` knows."""

    account: str
    client_order_id: str
    number: int
    intent: NewOrder
    quantity: Decimal
    price: Decimal | None = None
    state: OrderState = OrderState.PENDING
    order_id: str = ""
    ids: tuple[str, ...] = ()
    error: str = ""
    reason: str = ""
    created: Instant = 0
    updated: Instant = 0
    sent: Instant | None = None
    noted: bool = False
    nonce: int | None = None
    payload: bytes | None = field(default=None, repr=False)
    confirmed: bool = False
    cancel_requested: bool = False
    amending: int = 0
    doubt: str = ""
    provisional: OrderStatus | None = None
    complete: bool = False
    overfill_told: bool = False
    told: Decimal | None = None
    final: Decimal | None = None
    told_average: Decimal | None = None
    told_remaining: Decimal | None = None
    status_at: Instant = 0
    quantity_at: Instant = 0
    price_at: Instant = 0
    undone_at: Instant = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is kept under: account and client order id."""
        return self.account, self.client_order_id


@frozen
class StoredOrder:
    """An order as it comes back from the store, with its fills, those undone included."""

    record: OrderRecord
    fills: tuple[Fill, ...] = ()


def dump(value: OrderRecord | Fill) -> str:
    """A value as text. Raises `LocalError` where an option of the order is nothing that can be kept."""
    try:
        return _converter().dumps(value)
    except (TypeError, ValueError) as error:
        raise LocalError(f"this order cannot be kept: {error}; options are plain values") from error


def load(text: str, kind: type[T]) -> T:
    """The value again. Raises `LocalError` where the text is not one of ours."""
    try:
        return _converter().loads(text, kind)
    except (ValueError, TypeError, KeyError, BaseValidationError) as error:
        raise LocalError(f"the store holds a {kind.__name__} that cannot be read: {error}") from error


@cache
def _converter() -> JsonConverter:
    converter = make_converter(omit_if_default=True)
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    converter.register_unstructure_hook(bytes, lambda data: b64encode(data).decode())
    converter.register_structure_hook(bytes, lambda text, _: b64decode(text))
    converter.register_unstructure_hook_func(_is_options, _plain)
    converter.register_structure_hook_func(_is_options, lambda plain, _: _unplain(plain))
    return converter


def _is_options(kind: Any) -> bool:
    return bool(kind == Mapping[str, Any])


def _plain(value: Any) -> Any:
    """Options as JSON can hold them; decimals are marked, so that they come back as decimals."""
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _unplain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"$decimal"}:
            return Decimal(value["$decimal"])
        return {name: _unplain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_unplain(part) for part in value]
    return value

"""Values: what crosses the line between core and connector cannot be changed, compares by content, and keeps secrets."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest

import venuekit_spec as spec

SECRET = "hunter2-do-not-show"
INSTRUMENT = "BTC-USDT"


def listed() -> spec.Instrument:
    """An instrument, made anew."""
    return spec.Instrument(
        id=INSTRUMENT,
        kind=spec.InstrumentKind.SPOT,
        base="BTC",
        quote="USDT",
        native={"rest": "BTCUSDT"},
        price=spec.PriceRule(Decimal("0.01")),
        size=spec.SizeRule(Decimal("0.001")),
    )


def no_checksum(bids: spec.Rows, asks: spec.Rows, instrument: spec.Instrument) -> int:
    """Stands for the function of a checksum."""
    return len(bids) + len(asks) + len(instrument.id)


def server_time() -> spec.Flow[spec.Instant]:
    """Stands for a flow."""
    response = yield from spec.http(spec.HttpRequest("GET", "https://api.example.com/time"))
    return len(response.body)


FLOW = server_time()
"""One flow: generators compare by identity."""

TOPIC = spec.Topic(spec.Channel.BOOK, INSTRUMENT)


def intended() -> spec.NewOrder:
    """An order as it was asked for, made anew."""
    return spec.NewOrder(INSTRUMENT, spec.Side.BUY, Decimal(2), "1", price=Decimal(1))


def filled() -> spec.Fill:
    """One fill, made anew."""
    return spec.Fill("1", INSTRUMENT, spec.Side.BUY, Decimal(1), Decimal("0.5"))


def held() -> spec.VenueOrder:
    """An order as a venue holds it, a quarter filled, made anew."""
    return spec.VenueOrder(
        account="me",
        order_id="7",
        number=7,
        intent=intended(),
        status=spec.OrderStatus.PARTIALLY_FILLED,
        quantity=Decimal(2),
        filled=Decimal("0.5"),
        spent=Decimal("0.5"),
        price=Decimal(1),
        created=1,
        updated=2,
    )


ARGUMENTS: dict[str, dict[str, Any]] = {
    "Absence": {},
    "Accepted": {"report": spec.OrderReport(INSTRUMENT)},
    "Answer": {"key": "1"},
    "Balance": {"asset": "BTC"},
    "BalanceChanged": {"account": "me", "balance": spec.Balance("BTC", total=Decimal(1))},
    "BlockHeight": {"height": 7},
    "BookChecksum": {"instrument": INSTRUMENT, "checksum": 7},
    "BookDelta": {"instrument": INSTRUMENT, "bids": (("1", "2"),), "asks": ()},
    "BookImage": {"instrument": INSTRUMENT, "id": 7, "bids": ((Decimal(1), Decimal(2)),), "asks": ()},
    "BookSnapshot": {"instrument": INSTRUMENT, "bids": (("1", "2"),), "asks": ()},
    "Checksum": {"compute": no_checksum, "levels": 10},
    "ClientOrderIds": {"pattern": "[a-z]+", "maximum_length": 36},
    "Continuity": {"n": 1},
    "Cost": {"pool": "weight"},
    "Credentials": {"fields": {"secret": spec.Secret(SECRET)}, "account": "me"},
    "Description": {
        "venue": "tiny",
        "name": "Tiny",
        "environments": (spec.Environment("local", {}),),
        "kinds": frozenset({spec.InstrumentKind.SPOT}),
        "capabilities": frozenset({spec.Capability.BOOKS}),
        "topics": (),
        "links": (),
    },
    "Dial": {"url": "wss://example.com/ws"},
    "Environment": {"name": "local", "urls": {"rest": "http://127.0.0.1"}},
    "Execution": {"key": "1", "trade": 1, "order": held(), "fill": filled()},
    "Fee": {"asset": "BTC", "amount": Decimal("-0.1")},
    "FeeRates": {"maker": Decimal(0), "taker": Decimal("0.001")},
    "Fill": {
        "key": "1",
        "instrument": INSTRUMENT,
        "side": spec.Side.BUY,
        "price": Decimal(1),
        "quantity": Decimal(2),
    },
    "FundingPaid": {
        "account": "me",
        "payment": spec.FundingPayment("1", INSTRUMENT, "USDT", Decimal("-0.1")),
    },
    "FundingPayment": {"key": "1", "instrument": INSTRUMENT, "asset": "USDT", "amount": Decimal("-0.1")},
    "Hangup": {},
    "Heard": {"topic": TOPIC},
    "HttpRequest": {"method": "GET", "url": "https://api.example.com/time"},
    "HttpResponse": {"status": 200, "body": b"{}"},
    "Instrument": {
        name: getattr(listed(), name) for name in ("id", "kind", "base", "quote", "native", "price", "size")
    },
    "InstrumentChange": {"instrument": listed()},
    "LevelChanged": {
        "instrument": INSTRUMENT,
        "id": 7,
        "side": spec.Side.BUY,
        "price": Decimal(1),
        "size": Decimal(2),
        "time": 1,
    },
    "LimitReport": {"used": {"weight": 1.0}},
    "Listing": {"instrument": listed(), "price": Decimal(100)},
    "Login": {},
    "NewOrder": {
        "instrument": INSTRUMENT,
        "side": spec.Side.SELL,
        "quantity": Decimal(1),
        "client_order_id": "1",
    },
    "OrderBookRow": {"side": spec.Side.BUY, "price": "1", "size": "2"},
    "OrderBookSnapshot": {"instrument": INSTRUMENT, "orders": ()},
    "Ping": {},
    "OrderChanged": {"order": held()},
    "OrderEvent": {"instrument": INSTRUMENT, "action": spec.OrderAction.DONE},
    "OrderLife": {"blocks": 20, "maximum": 100},
    "OrderRef": {"instrument": INSTRUMENT, "order_id": "1"},
    "OrderReport": {"instrument": INSTRUMENT, "filled": Decimal("0.5")},
    "Permissions": {"read": True, "addresses": ("127.0.0.1",)},
    "Position": {"instrument": INSTRUMENT, "quantity": Decimal(-1)},
    "PositionChanged": {"account": "me", "position": spec.Position(INSTRUMENT, Decimal(-1))},
    "PriceRule": {"tick": Decimal("0.01")},
    "RatePool": {"name": "weight", "capacity": 6000.0, "period": 60.0},
    "Redial": {"reason": "shutdown"},
    "Rejected": {"error": spec.RuleViolated("tick")},
    "Resolver": {"steps": (spec.Resolution.ASK,), "absence": spec.Absence(after=15.0)},
    "RestingOrder": {"order_id": "1", "side": spec.Side.BUY, "price": "1", "size": "2"},
    "Run": {"tag": "token", "flow": FLOW},
    "Send": {"frame": "{}"},
    "Sign": {"tag": "1", "topic": TOPIC},
    "SizeRule": {"step": Decimal("0.001")},
    "SocketLimits": {},
    "SocketRequest": {"key": "1", "method": "order.place"},
    "SocketResponse": {"parts": ("ok",)},
    "StatusChange": {"instrument": INSTRUMENT, "status": spec.InstrumentStatus.HALTED},
    "StreamSequence": {"n": 1},
    "SyncRule": {"snapshot": spec.SnapshotSource.REST},
    "TopOfBook": {"instrument": INSTRUMENT, "bid": ("1", "2"), "ask": None},
    "Topic": {"channel": spec.Channel.BOOK, "instrument": INSTRUMENT},
    "TopicLive": {"topic": TOPIC},
    "TopicLost": {"topic": TOPIC, "reason": "unknown symbol"},
    "TopicRule": {"channel": spec.Channel.BOOK},
    "Trade": {"instrument": INSTRUMENT, "price": "1", "size": "2", "side": spec.Side.BUY, "key": "1"},
    "TradeHappened": {
        "instrument": INSTRUMENT,
        "number": 1,
        "price": Decimal(1),
        "size": Decimal(2),
        "side": spec.Side.BUY,
        "maker_order_id": "6",
        "taker_order_id": "7",
        "time": 1,
    },
    "Unknown": {},
    "VenueAccount": {
        "name": "alice",
        "credentials": spec.Credentials({"secret": spec.Secret(SECRET)}),
        "balances": {"USDT": Decimal(1000)},
    },
    "VenueOrder": {
        name: getattr(held(), name)
        for name in (
            *("account", "order_id", "number", "intent", "status", "quantity", "filled", "spent"),
            *("price", "created", "updated"),
        )
    },
    "Wake": {"at": 7},
}
"""The name of a value class -> arguments for one value of it. Errors and flows compare by identity: there is one of each."""


def is_value_class(value: object) -> bool:
    """Whether an exported object is a class of values."""
    return inspect.isclass(value) and (attrs.has(value) or issubclass(value, msgspec.Struct))


VALUE_CLASSES = sorted(name for name in spec.__all__ if is_value_class(getattr(spec, name)))
each_value_class = pytest.mark.parametrize("name", VALUE_CLASSES)


def build(name: str, **changes: Any) -> Any:
    """A value of this class."""
    return getattr(spec, name)(**{**ARGUMENTS[name], **changes})


def field_names(value: Any) -> list[str]:
    """The names of its fields."""
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    return [field.name for field in attrs.fields(type(value))]


@each_value_class
def test_no_field_can_be_set(name: str) -> None:
    """A value is frozen: none of its fields takes another value."""
    value = build(name)
    for field in field_names(value):
        with pytest.raises(AttributeError):
            setattr(value, field, None)


@each_value_class
def test_no_field_can_be_added(name: str) -> None:
    """A value is slotted: it has no dictionary in which a misspelt field could hide."""
    value = build(name)
    assert not hasattr(value, "__dict__")
    with pytest.raises(AttributeError):
        value.a_field_that_does_not_exist = 1


@each_value_class
def test_values_of_the_same_content_are_equal_and_hash_alike(name: str) -> None:
    """Content decides equality, and every value can be a member of a set."""
    one, other = build(name), build(name)
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("BookDelta", {"last": 8}),
        ("Dial", {"url": "wss://example.com/ws?token=other"}),
        ("Environment", {"urls": {"rest": "http://127.0.0.2"}}),
        ("HttpRequest", {"body": b"x"}),
        ("HttpRequest", {"headers": (("a", "b"),)}),
        ("Instrument", {"native": {"rest": "XBTUSDT"}}),
        ("NewOrder", {"options": {"stp": "cancel"}}),
        ("Send", {"frame": "[]"}),
        ("SocketRequest", {"params": {"signature": "x"}}),
        ("Topic", {"variant": "100ms"}),
        ("VenueAccount", {"balances": {"USDT": Decimal(999)}}),
    ],
)
def test_what_a_repr_leaves_out_still_counts(name: str, changes: dict[str, Any]) -> None:
    """Values that differ in one field only are not equal, also where the field is not shown."""
    assert build(name) != build(name, **changes)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Credentials", "fields"),
        ("Description", "endpoint_sockets"),
        ("Dial", "context"),
        ("Environment", "urls"),
        ("HttpResponse", "headers"),
        ("Instrument", "facts"),
        ("Instrument", "native"),
        ("LimitReport", "capacities"),
        ("LimitReport", "spent"),
        ("LimitReport", "used"),
        ("NewOrder", "options"),
        ("SocketRequest", "params"),
        ("VenueAccount", "balances"),
    ],
)
def test_a_mapping_inside_a_value_is_the_values_own(name: str, field: str) -> None:
    """The maker's dictionary may change afterwards; the value does not, and nobody can write to it."""
    mine: dict[str, Any] = {"key": "first"}
    value = build(name, **{field: mine})
    mine["key"] = "second"
    held = getattr(value, field)
    assert held["key"] == "first"
    with pytest.raises(TypeError):
        held["key"] = "third"


def signed_request() -> spec.HttpRequest:
    """A request that carries a secret wherever one can be."""
    return spec.HttpRequest(
        "POST",
        f"https://api.example.com/order?signature={SECRET}",
        headers=(("X-Key", SECRET),),
        body=SECRET.encode(),
        signed=True,
    )


SECRETIVE: dict[str, Callable[[], object]] = {
    "Secret": lambda: spec.Secret(SECRET),
    "Credentials": lambda: spec.Credentials({"secret": spec.Secret(SECRET)}, account="me"),
    "Credentials with a signer": lambda: spec.Credentials(signer=lambda digest: digest + SECRET.encode()),
    "HttpRequest": signed_request,
    "HttpRequest with a user": lambda: spec.HttpRequest("GET", f"https://me:{SECRET}@api.example.com/time"),
    "HttpResponse": lambda: spec.HttpResponse(
        200, SECRET.encode(), {"set-cookie": SECRET}, url=f"https://api.example.com/?token={SECRET}"
    ),
    "SocketRequest": lambda: spec.SocketRequest("1", "order.place", {"signature": SECRET}),
    "SocketResponse": lambda: spec.SocketResponse(({"token": SECRET},)),
    "Dial": lambda: spec.Dial(f"wss://example.com/ws?token={SECRET}", headers=(("X-Key", SECRET),)),
    "Dial with a user": lambda: spec.Dial(f"wss://me:{SECRET}@example.com/ws"),
    "Dial with a secret path": lambda: spec.Dial(f"wss://example.com/ws/{SECRET}", secret_url=True),
    "Send text": lambda: spec.Send(SECRET),
    "Send bytes": lambda: spec.Send(SECRET.encode()),
    "Answer": lambda: spec.Answer("1", payload={"token": SECRET}),
    "VenueAccount": lambda: spec.VenueAccount("alice", spec.Credentials({"secret": spec.Secret(SECRET)})),
}
each_secretive = pytest.mark.parametrize("make", SECRETIVE.values(), ids=SECRETIVE.keys())


@each_secretive
def test_no_text_of_a_value_shows_a_secret(make: Callable[[], object]) -> None:
    """Neither repr, str nor a format shows a key, a signature, a token or a body, nor does a list of such values."""
    value = make()
    shown = f"{value!r} {value!s} {value} {[value]} {(value,)!r}"
    assert SECRET not in shown
    assert SECRET[:7] not in shown


@each_secretive
def test_no_traceback_shows_a_secret(make: Callable[[], object]) -> None:
    """A traceback that captures local variables, as error reporters do, shows no secret either."""
    value = make()
    with pytest.raises(spec.Refused) as caught:
        raise spec.Refused(f"could not use {value}") from ValueError(value)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(report.format())
    assert "value = " in text
    assert SECRET not in text


def test_a_request_is_still_recognisable() -> None:
    """What is left of a request's repr names method, host and path."""
    assert repr(signed_request()) == "<HttpRequest POST https://api.example.com/order>"


def test_a_frame_shows_its_size() -> None:
    """What is left of a frame's repr is its length and whether it is text."""
    assert repr(spec.Send("abc")) == "Send(3 characters)"
    assert repr(spec.Send(b"abcd")) == "Send(4 bytes)"


def test_a_secret_is_revealed_only_when_asked() -> None:
    """`reveal` and the credentials' index give the value; truth tells an empty one."""
    credentials = spec.Credentials({"secret": spec.Secret(SECRET)})
    assert credentials["secret"] == SECRET
    assert credentials.fields["secret"].reveal() == SECRET
    assert credentials.fields["secret"]
    assert not spec.Secret("")


def test_a_secret_compares_without_showing() -> None:
    """Two secrets of the same value are one member of a set; a secret never equals its text."""
    assert spec.Secret(SECRET) == spec.Secret(SECRET)
    assert len({spec.Secret(SECRET), spec.Secret(SECRET), spec.Secret("other")}) == 2
    assert spec.Secret(SECRET) != SECRET


@pytest.mark.parametrize(
    "leave", [pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode, msgspec.msgpack.encode]
)
def test_a_secret_does_not_leave_the_process(leave: Callable[[object], object]) -> None:
    """No serialiser takes a secret, and none of the refusals quotes it."""
    with pytest.raises(TypeError) as caught:
        leave(spec.Secret(SECRET))
    assert SECRET not in str(caught.value)


def test_a_secret_cannot_be_changed() -> None:
    """A secret takes no further attribute."""
    with pytest.raises(AttributeError):
        spec.Secret(SECRET).value = "other"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("method", "repeatable"), [("GET", True), ("POST", False), ("DELETE", False), ("PUT", False)]
)
def test_only_a_read_is_repeated_by_default(method: str, repeatable: bool) -> None:
    """A request that may change something at the venue is not sent twice unless its author says so."""
    assert spec.HttpRequest(method, "https://api.example.com/order").repeatable is repeatable
    assert spec.HttpRequest(method, "https://api.example.com/order", repeatable=True).repeatable


def test_a_changed_copy_leaves_the_original() -> None:
    """A signer makes another request; the unsigned one stays as it was."""
    unsigned = spec.HttpRequest("GET", "https://api.example.com/account", signed=True)
    signed = unsigned.replace(headers=(("X-Signature", "abc"),))
    assert unsigned.headers == ()
    assert (signed.headers, signed.url) == ((("X-Signature", "abc"),), unsigned.url)


def test_only_an_unknown_outcome_is_not_evidence() -> None:
    """What the venue refused did not happen; what nobody answered may have."""
    assert spec.Refused("no").outcome is spec.Outcome.REJECTED
    assert spec.NetworkError("gone", sent=False).outcome is spec.Outcome.REJECTED
    assert spec.NetworkError("gone").outcome is spec.Outcome.UNKNOWN
    assert spec.DeadlinePassed("late").outcome is spec.Outcome.UNKNOWN
    assert spec.VenueUnavailable("502").outcome is spec.Outcome.UNKNOWN
    assert spec.DuplicateClientOrderId("exists").outcome is spec.Outcome.UNKNOWN
    assert spec.RateLimited("429 of a proxy", outcome=spec.Outcome.UNKNOWN).outcome is spec.Outcome.UNKNOWN
    assert spec.RateLimited("429").outcome is spec.Outcome.REJECTED


def test_what_is_left_of_an_order_follows_from_what_was_filled() -> None:
    """The venue's order says what remains in base units; one sized in quote units has no such number and says zero."""
    assert held().remaining == Decimal("1.5")
    assert attrs.evolve(held(), quantity=None).remaining == 0


def test_an_execution_belongs_to_its_order() -> None:
    """Account and fees of an execution are those of its order and its fill; fees not told are none."""
    execution = spec.Execution(key="1", trade=1, order=held(), fill=filled())
    assert (execution.account, execution.fees) == ("me", ())
    paid = attrs.evolve(filled(), fees=(spec.Fee("BTC", Decimal("0.001")),))
    assert attrs.evolve(execution, fill=paid).fees == (spec.Fee("BTC", Decimal("0.001")),)


def test_every_value_class_has_a_sample() -> None:
    """No value class of the contract escapes these tests."""
    assert set(VALUE_CLASSES) <= set(ARGUMENTS)

"""Mutants of the private side: signing, orders, the account, limits, secrets."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve
from tests.mutants.judging import Mutant
from tests.mutants.wrapping import (
    Method,
    Twist,
    given,
    methods,
    mutant,
    results,
    talks,
)

from venuekit_spec import (
    Accepted,
    AuthenticationRefused,
    ClockSkewed,
    FeeRates,
    HttpRequest,
    HttpResponse,
    Instant,
    InsufficientFunds,
    LimitReport,
    MalformedMessage,
    NetworkError,
    OrderNotFound,
    OrderReport,
    OrderStatus,
    OrderType,
    Outcome,
    Placed,
    RateLimited,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    VenueError,
    VenuekitError,
)
from venuekit_testkit import Subject

# Signing


def _signing(sign: Method) -> Twist:
    return methods(sign=sign)


def _decoded(sign: Any, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
    signed = sign(request.replace(url=unquote(request.url)), now, nonce)
    tail = signed.url.rpartition("recvWindow=")[2]
    mark = "&" if "?" in request.url else "?"
    result: HttpRequest = signed.replace(url=f"{request.url}{mark}recvWindow={tail}")
    return result


def _turned(sign: Any, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
    """Signs the parameters in the order of their names, and sends them in that of the request."""
    path, _, query = request.url.partition("?")
    if "&" not in query:
        return sign(request, now, nonce)  # type: ignore[no-any-return]
    ordered = "&".join(sorted(query.split("&")))
    signed = sign(request.replace(url=f"{path}?{ordered}"), now, nonce)
    return signed.replace(url=signed.url.replace(ordered, query))  # type: ignore[no-any-return]


def _logged(sign: Any, request: HttpRequest, now: Instant, nonce: int) -> Any:
    logging.getLogger(__name__).debug("signing with %s", _secret_of(sign))
    return sign(request, now, nonce)


def _printed(sign: Any, request: HttpRequest, now: Instant, nonce: int) -> Any:
    sys.stdout.write(f"signing with {_secret_of(sign)}\n")
    return sign(request, now, nonce)


def _secret_of(sign: Any) -> str:
    """What a bound method of a signer of exchange_a signs with."""
    secret: bytes = sign.__self__._secret  # a mutant knows its connector
    return secret.decode()


def _sent(sign: Any, request: HttpRequest, now: Instant, nonce: int) -> Any:
    signed = sign(request, now, nonce)
    return signed.replace(headers=(*signed.headers, ("x-secret", _secret_of(sign))))


_DAY: Final = 86_400 * 10**9

SIGNERS: Final[dict[str, tuple[str, str, str, Twist]]] = {
    "signs-decoded": ("signs the decoded query", "every-instrument-can-be-signed-for", "exchange_a", _signing(_decoded)),
    "signs-sorted": ("signs another order of the query", "limit-orders-rest", "exchange_a", _signing(_turned)),
    "wall-clock": (
        "signs by the machine's clock", "signing-is-pure", "exchange_a",
        _signing(lambda sign, request, _now, nonce: sign(request, time.time_ns(), nonce)),
    ),
    "calls-by-the-wall-clock": (
        "signs calls by the machine's clock", "calls-are-signed-purely", "exchange_a",
        methods(sign_call=lambda sign, request, _now, nonce: sign(request, time.time_ns(), nonce)),
    ),
    "signs-for-ever": (
        "signs with one time and one nonce", "signatures-differ-by-time", "exchange_b",
        _signing(lambda sign, request, _now, _nonce: sign(request, 0, 1_767_225_600_000)),
    ),
    "tomorrow": (
        "signs with tomorrow's time", "signed-requests-are-accepted", "exchange_a",
        _signing(lambda sign, request, now, nonce: sign(request, now + _DAY, nonce)),
    ),
    "shows-key": (
        "has its key in its repr", "signers-do-not-show-their-keys", "exchange_a",
        methods(__repr__=lambda auth: f"Auth({auth._secret!r})"),
    ),
    "logs-key": ("logs its key", "logs-show-no-keys", "exchange_a", _signing(_logged)),
    "prints-key": ("prints its key", "logs-show-no-keys", "exchange_a", _signing(_printed)),
    "sends-key": ("sends what it signs with", "urls-hold-no-secrets", "exchange_a", _signing(_sent)),
}  # fmt: skip
"""Mutant -> what is wrong, the check, the venue, and the twist of its signer."""

# Orders


def _placed(change: Callable[[Placed], Placed]) -> Twist:
    return results(place=lambda placed, *_orders: [change(each) for each in placed])


def _asking(**changes: Callable[[Any], Any]) -> Twist:
    """Orders with other fields: a function of the order each."""
    return given(
        place=lambda orders: (
            [evolve(order, **{name: change(order) for name, change in changes.items()}) for order in orders],
        )
    )


def _reported(**changes: Callable[[Any], Any]) -> Callable[[OrderReport], OrderReport]:
    return lambda report: evolve(report, **{name: change(report) for name, change in changes.items()})


def _catching(name: str, kind: type[VenuekitError], make: Callable[[VenuekitError], Any]) -> Twist:
    """A flow that takes one kind of error for something else: an error, which is raised, or a result."""

    def method(honest: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return (yield from honest(*arguments, **named))
        except kind as error:
            told = make(error)
            if isinstance(told, VenuekitError):
                raise told from error
            return told

    return methods(**{name: method})


def _never(error: Exception) -> Any:
    """What no connector may let out."""
    raise error


def _twice(place: Any, orders: Any) -> Any:
    """Sends a placement again whose answer was lost."""
    placed = yield from place(orders)
    if any(isinstance(each, Unknown) for each in placed):
        placed = yield from place(
            [evolve(order, client_order_id=f"{order.client_order_id}r") for order in orders]
        )
    return placed


def _as_accepted(orders: Sequence[Any]) -> list[Placed]:
    return [
        Accepted(OrderReport(order.instrument, client_order_id=order.client_order_id)) for order in orders
    ]


def _limited(placed: Sequence[Placed], orders: Sequence[Any]) -> list[Placed]:
    return [
        told if isinstance(each, Rejected) and isinstance(each.error, RateLimited) else each
        for each, told in zip(placed, _as_accepted(orders), strict=True)
    ]


def _refused(kind: type[VenueError], message: str = "it failed") -> Callable[[Placed], Placed]:
    """Takes every refusal for one of this kind."""
    return lambda placed: Rejected(kind(message)) if isinstance(placed, Rejected) else placed


def _unknown_is_rejected(placed: Placed) -> Placed:
    return (
        Rejected(VenueError("it failed", outcome=Outcome.REJECTED)) if isinstance(placed, Unknown) else placed
    )


def _rejected_is_unknown(placed: Placed) -> Placed:
    return Unknown(placed.error) if isinstance(placed, Rejected) else placed


def _worst(outcomes: Sequence[Placed], _orders: Any) -> Sequence[Placed]:
    worst = next((each for each in outcomes if isinstance(each, Rejected)), None)
    return outcomes if worst is None else [worst] * len(outcomes)


def _cancelled_after_all(outcomes: Sequence[Placed], orders: Sequence[Any]) -> Sequence[Placed]:
    return [
        Accepted(
            OrderReport(order.instrument, order_id=order.order_id, client_order_id=order.client_order_id)
        )
        if isinstance(each, Rejected)
        else each
        for each, order in zip(outcomes, orders, strict=True)
    ]


def _over(outcomes: Sequence[Placed], _orders: Any) -> Sequence[Placed]:
    """Takes what a cancel is told of an order for its end."""
    return [
        evolve(each, report=evolve(each.report, status=OrderStatus.CANCELED))
        if isinstance(each, Accepted)
        else each
        for each in outcomes
    ]


def _as_done(outcomes: Sequence[Placed], orders: Sequence[Any]) -> Sequence[Placed]:
    """Takes every cancel of which nothing is known for taken."""
    return [
        done if isinstance(each, Unknown) else each
        for each, done in zip(outcomes, _as_accepted(orders), strict=True)
    ]


_SECRETS: Final = Subject.of("exchange_a").secrets


def _first_ten(cancel: Any, orders: Sequence[Any]) -> Any:
    """Takes what one request holds for all there is."""
    return [*(yield from cancel(orders[:10])), *_as_accepted(orders[10:])]


def _by_name_only(status: Any, order: Any) -> Any:
    return status(evolve(order, client_order_id="" if order.order_id else "nobody"))


def _anew(amend: Any, order: Any, *, price: Any, quantity: Any) -> Any:
    """Takes an amendment for a new order: the quantity begins anew."""
    return amend(order, price=price, quantity=None if quantity is None else quantity / 2)


def _page(body: bytes) -> bytes:
    return b'{"fills":[],"more":false}' if b'"fills":[' in body and b'"more"' in body else body


def _in_floats(request: Any) -> Any:
    """Prices and quantities by way of a double."""
    if not isinstance(request, HttpRequest) or "price=" not in request.url:
        return request
    path, _, query = request.url.partition("?")
    told = [pair.partition("=") for pair in query.split("&")]
    return request.replace(
        url=f"{path}?"
        + "&".join(
            f"{name}={float(value):.8f}" if name in {"price", "quantity"} else f"{name}={value}"
            for name, _, value in told
        )
    )


MARKETS: Final[dict[str, tuple[str, str, str, Twist]]] = {
    "sells-for-buys": (
        "sends every order as a purchase", "sides-are-kept", "exchange_a", _asking(side=lambda _order: Side.BUY),
    ),
    "rounds-prices": (
        "rounds prices on the way out", "orders-are-as-asked", "exchange_a",
        _asking(price=lambda order: order.price and order.price.quantize(Decimal(10))),
    ),
    "by-double": (
        "sends numbers by way of a double", "numbers-are-sent-exactly", "exchange_a", talks("place", asked=_in_floats),
    ),
    "never-posts": ("forgets post-only", "post-only-orders-never-take", "exchange_a", _asking(post_only=lambda _order: False)),
    "stands-for-ever": (
        "takes immediate orders for standing ones", "immediate-orders-do-not-rest", "exchange_a",
        _asking(time_in_force=lambda _order: TimeInForce.GTC),
    ),
    "fills-in-part": (
        "takes all-or-nothing for immediate", "all-or-nothing-is-kept", "exchange_a",
        _asking(time_in_force=lambda order: TimeInForce.IOC if order.time_in_force is TimeInForce.FOK else order.time_in_force),
    ),
    "sized-in-base": (
        "takes a quote amount for a base amount", "quote-sized-orders-fill", "exchange_a",
        _asking(quantity=lambda order: order.quantity if order.price else order.quantity / 2),
    ),
    "one-refusal": ("tells every refusal alike", "refused-orders-are-rejected", "exchange_a", _placed(_refused(VenueError))),
    "unknown-is-rejected": (
        "takes a 5xx for a refusal", "placement-survives-error-after", "exchange_a", _placed(_unknown_is_rejected),
    ),
    "lost-is-rejected": (
        "takes a lost answer for a refusal", "lost-answers-are-unknown", "exchange_a", _placed(_unknown_is_rejected),
    ),
    "sends-again": ("sends a lost placement again", "placement-survives-reply-lost", "exchange_a", methods(place=_twice)),
    "unsent-is-unknown": (
        "takes what was never sent for unknown", "unsent-orders-are-rejected", "exchange_a", _placed(_rejected_is_unknown),
    ),
    "doubled-is-rejected": (
        "takes a used id for a refusal", "doubled-ids-are-not-rejected", "exchange_a", _placed(_unknown_is_rejected),
    ),
    "lenient": ("takes a broken rule for unknown", "broken-rules-are-told", "exchange_a", _placed(_rejected_is_unknown)),
    "limited-is-accepted": (
        "takes a 429 for accepted", "placement-survives-rate-limited", "exchange_a", results(place=_limited),
    ),
    "hopes-for-the-best": (
        "takes an unreadable answer for accepted", "unreadable-placements-are-unknown", "exchange_a",
        results(
            place=lambda placed, orders: [
                told if isinstance(each, Unknown) and isinstance(each.error, MalformedMessage) else each
                for each, told in zip(placed, _as_accepted(orders), strict=True)
            ]
        ),
    ),
    "failure-is-not-found": (
        "takes a failing network for absence", "failures-are-not-absence", "exchange_a",
        _catching("status", NetworkError, lambda _error: OrderNotFound("no such order")),
    ),
    "page-is-not-found": (
        "takes any 404 for absence", "failures-are-not-absence", "exchange_a",
        _catching("status", MalformedMessage, lambda _error: OrderNotFound("no such order")),
    ),
    "found-anything": (
        "takes absence for a failure of the venue", "status-of-nothing-is-not-found", "exchange_a",
        _catching("status", OrderNotFound, lambda error: VenueError(str(error))),
    ),
    "cancel-found-it": (
        "takes a cancel of nothing for a cancel", "cancel-of-nothing-is-not-found", "exchange_a",
        results(cancel=_cancelled_after_all),
    ),
    "filled-is-cancelled": (
        "takes a cancel of a filled order for its cancel", "cancels-of-filled-orders-are-refused", "exchange_a",
        results(cancel=_cancelled_after_all),
    ),
    "shared-batch": (
        "gives one error of a batch to all of it", "batches-of-cancels-are-per-item", "exchange_a", results(cancel=_worst),
    ),
    "lost-batch": (
        "takes a lost batch for a refused one", "lost-batches-are-unknown", "exchange_a",
        results(cancel=lambda outcomes, _orders: [_unknown_is_rejected(each) for each in outcomes]),
    ),
    "surely-cancelled": (
        "takes a lost cancel for the order's end", "cancel-survives-error-before", "exchange_a",
        results(cancel=lambda outcomes, orders: _over(_as_done(outcomes, orders), orders)),
    ),
    "prices-market-orders": (
        "gives market orders a price", "market-orders-fill", "exchange_a",
        _asking(price=lambda order: order.price or Decimal(70_000), type=lambda _order: OrderType.LIMIT),
    ),
    "sees-no-orders": (
        "reads no open orders", "strays-are-told", "exchange_a", results(open_orders=lambda _told, *_asked: []),
    ),
    "errors-with-keys": (
        "shows its key in an error", "errors-show-no-keys", "exchange_a",
        _catching("balances", VenueError, lambda _error: VenueError(f"signed with {min(_SECRETS)}")),
    ),
    "turned-batch": (
        "gives outcomes of a batch in another order", "batches-of-orders-are-per-item", "exchange_b",
        results(place=lambda placed, _orders: placed[::-1]),
    ),
    "amends-by-half": ("halves amended quantities", "amendments-change-orders", "exchange_a", methods(amend=_anew)),
    "cancels-one": (
        "cancels one market for all", "cancel-all-leaves-nothing", "exchange_a",
        given(cancel_all=lambda _instruments: (["ETH-BTC"],)),
    ),
    "dead-at-once": (
        "takes seconds of a switch for milliseconds", "dead-mans-switch-cancels", "exchange_a",
        given(dead_man_switch=lambda timeout: (timeout and timeout / 10,)),
    ),
    "nameless-status": (
        "asks for orders by the venue's id only", "orders-are-named-by-either-id", "exchange_a", methods(status=_by_name_only),
    ),
    "half-the-orders": (
        "reads the first open order only", "open-orders-are-all", "exchange_a",
        results(open_orders=lambda told, *_asked: told[:1]),
    ),
    "newest-first": (
        "tells fills newest first", "fills-are-all-and-in-order", "exchange_a",
        results(fills=lambda told, *_asked: told[::-1]),
    ),
    "no-fees": (
        "tells no fees of fills", "fills-are-whole", "exchange_a",
        results(fills=lambda told, *_asked: [evolve(each, fees=()) for each in told]),
    ),
    "free-is-total": (
        "takes what is free for all there is", "balances-are-the-venues", "exchange_a",
        results(balances=lambda told: [evolve(each, total=each.total / 2) for each in told]),
    ),
    "percent": (
        "takes percent for fractions", "fees-are-the-venues", "exchange_a",
        results(fee_rates=lambda rates, _pair: FeeRates(rates.maker * 100, rates.taker * 100)),
    ),
    "may-not-trade": (
        "tells a key that it may not trade", "permissions-are-told", "exchange_a",
        results(permissions=lambda told: evolve(told, trade=False)),
    ),
    "wrong-keys-unavailable": (
        "takes a wrong key for a failing venue", "wrong-keys-are-told", "exchange_a",
        _catching("permissions", AuthenticationRefused, lambda error: VenueError(str(error))),
    ),
    "unsigned-positions": (
        "tells positions without their sign", "positions-are-the-venues", "exchange_b",
        results(positions=lambda told: [evolve(each, quantity=abs(each.quantity)) for each in told]),
    ),
    "no-entry-price": (
        "tells positions at another price", "positions-are-the-venues", "exchange_b",
        results(positions=lambda told: [evolve(each, entry_price=Decimal(1)) for each in told]),
    ),
    "funding-turned": (
        "takes funding paid for funding received", "funding-is-the-venues", "exchange_b",
        results(funding=lambda told, _since: [evolve(each, amount=-each.amount) for each in told]),
    ),
    "funding-of-ever": (
        "tells funding of before it was asked for", "funding-is-the-venues", "exchange_b",
        given(funding=lambda _since: (0,)),
    ),
    "leverage-for-granted": (
        "takes a refused leverage for set", "leverage-is-set", "exchange_b",
        _catching("set_leverage", VenueError, lambda _error: None),
    ),
    "leverage-in-percent": (
        "sets a hundredth of the leverage", "leverage-is-set", "exchange_b",
        given(set_leverage=lambda pair, leverage: (pair, leverage / 2)),
    ),
    "asks-for-free": (
        "declares no costs", "requests-declare-their-costs", "exchange_a",
        talks("place", "cancel", "balances", "open_orders", asked=lambda request: request.replace(costs=())),
    ),
    "counts-half": (
        "declares half of what orders cost", "declared-limits-are-kept", "exchange_a",
        talks("place", asked=lambda request: request.replace(costs=())),
    ),
    "reads-any-balance": (
        "lets a KeyError out of a reply", "mutated-private-replies-are-errors", "exchange_a",
        _catching("balances", MalformedMessage, lambda error: _never(IndexError(str(error)))),
    ),
    "calls-it-poverty": (
        "takes every refusal for want of funds", "broken-rules-are-told", "exchange_a", _placed(_refused(InsufficientFunds)),
    ),
    "turned-cancels": (
        "gives outcomes of a large batch in another order", "large-batches-are-whole", "exchange_a",
        results(cancel=lambda outcomes, _orders: outcomes[::-1]),
    ),
    "first-batch-only": (
        "cancels the first ten of a batch", "large-batches-are-whole", "exchange_a",
        methods(cancel=_first_ten),
    ),
    "cancels-every-market": (
        "cancels all markets for one", "cancel-all-keeps-to-its-markets", "exchange_a",
        given(cancel_all=lambda _instruments: (None,)),
    ),
    "rounds-to-never": (
        "takes a short switch for none", "short-switches-do-not-disarm", "exchange_a",
        given(dead_man_switch=lambda timeout: (timeout if timeout is None or timeout > 0.001 else None,)),
    ),
    "first-page-only": (
        "reads the first page of fills only", "fills-go-on-page-after-page", "exchange_a",
        results(fills=lambda told, *_asked: told[:500]),
    ),
    "fills-of-1970": (
        "takes milliseconds of a fill for nanoseconds", "fills-are-whole", "exchange_a",
        results(fills=lambda told, *_asked: [evolve(each, time=each.time // 10**6) for each in told]),
    ),
    "average-over-all": (
        "takes the average price over what is not filled too", "reports-are-the-venues", "exchange_a",
        results(
            status=lambda told, _order: evolve(
                told, average_price=told.average_price and told.average_price * told.filled / told.quantity
            )
        ),
    ),
    "all-is-free": (
        "tells what an order has bound as free", "balances-are-the-venues", "exchange_a",
        results(balances=lambda told: [evolve(each, free=each.total) for each in told]),
    ),
    "limits-turned": (
        "takes what there is of a limit for what is used", "used-limits-are-told", "exchange_a",
        results(limits=lambda told: evolve(told, used=told.capacities)),
    ),
    "skew-is-a-wrong-key": (
        "takes a wrong clock for a wrong key", "skewed-clocks-are-told", "exchange_a",
        _catching("permissions", ClockSkewed, lambda error: AuthenticationRefused(str(error))),
    ),
    "forgets-reduce-only": (
        "leaves out that an order only reduces", "no-term-is-left-out", "exchange_a",
        _asking(reduce_only=lambda _order: False),
    ),
    "rounds-quantities": (
        "rounds what is no multiple of a step", "no-term-is-left-out", "exchange_b",
        _asking(quantity=lambda order: order.quantity.quantize(Decimal("0.0001"))),
    ),
    "forgets-triggers": (
        "sends an order that waits at once", "no-term-is-left-out", "exchange_a",
        _asking(type=lambda _order: OrderType.LIMIT, trigger_price=lambda _order: None),
    ),
    "clings": (
        "asks once more when it is given up", "flows-can-be-abandoned", "exchange_a",
        methods(place=lambda place, orders: _cling(place(orders))),
    ),
}  # fmt: skip
"""Mutant -> what is wrong, the check, the venue, and the twist of its market."""


def _cling(flow: Any) -> Any:
    request = next(flow)
    try:
        yield request
    finally:
        yield request


# Limits


def _told(report: Callable[[HttpResponse], LimitReport]) -> Callable[[], Subject]:
    return lambda: mutant(describe=lambda honest: evolve(honest, limit_report=report))


def _trips(response: HttpResponse) -> LimitReport:
    return LimitReport(used={"weight": float(int(response.headers.get("x-used-weight", "0")))})


MUTANTS: Final[Sequence[Mutant]] = (
    *(
        Mutant(id_, wrong, check, lambda venue=venue, twist=twist: mutant(venue, auth=twist))  # type: ignore[misc]
        for id_, (wrong, check, venue, twist) in SIGNERS.items()
    ),
    *(
        Mutant(id_, wrong, check, lambda venue=venue, twist=twist: mutant(venue, market=twist))  # type: ignore[misc]
        for id_, (wrong, check, venue, twist) in MARKETS.items()
    ),
    Mutant("ignores-pauses", "reads no Retry-After", "ordered-pauses-are-obeyed", _told(lambda _response: LimitReport())),
    Mutant("trips-over-headers", "raises at a header that is no number", "limit-reports-read-anything", _told(_trips)),
    Mutant(
        "limits-unheard", "takes a 429 for a failing venue", "refusals-are-told-as-limits",
        lambda: mutant(data_source=_catching("instruments", RateLimited, lambda error: VenueError(str(error)))),
    ),
    Mutant(
        "pauses-untold", "tells of no pause", "refusals-are-told-as-limits", _told(lambda _response: LimitReport()),
    ),
    Mutant(
        "bans-are-pauses", "takes a ban for a pause like any other", "refusals-are-told-as-limits",
        lambda: mutant(data_source=_catching("instruments", RateLimited, lambda error: RateLimited(str(error)))),
    ),
    Mutant(
        "trips-over-lists", "lets a KeyError out of the list", "mutated-replies-are-errors",
        lambda: mutant(data_source=_catching("instruments", MalformedMessage, lambda error: _never(KeyError(str(error))))),
    ),
)  # fmt: skip

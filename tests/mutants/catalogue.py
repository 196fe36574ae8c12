"""The mutants: one wrong thing each, and the check that is meant for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve, frozen
from msgspec import structs
from tests.mutants.wrapping import answered, bent_source, bent_stream, mutant

from venuekit_exchange_a import describe
from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_exchange_a.data_source import ExchangeADataSource
from venuekit_exchange_a.market import ExchangeAMarket
from venuekit_exchange_a.user_stream import ExchangeAUserStream
from venuekit_spec import (
    NOTHING,
    Accepted,
    BookDelta,
    BookSnapshot,
    Capability,
    Dial,
    Fill,
    HttpRequest,
    HttpResponse,
    Instant,
    LimitReport,
    MalformedMessage,
    NetworkError,
    OrderNotFound,
    OrderReport,
    Outcome,
    Placed,
    Rejected,
    Run,
    StreamSequence,
    Trade,
    Unknown,
    VenueError,
)
from venuekit_testkit import Subject


@frozen
class Mutant:
    """A connector with one wrong thing. `check` is the id of the check that must catch it."""

    id: str
    wrong: str
    check: str
    make: Callable[[], Subject]


# --- books


def _lies_about_ids() -> Subject:
    last: dict[str, int] = {}

    def bend(output: Any) -> Any:
        if isinstance(output, BookDelta) and output.last is not None:
            before = last.get(output.instrument)
            last[output.instrument] = output.last
            if before is not None and output.first is not None and output.first > before + 1:
                return structs.replace(output, first=before + 1)
        return output

    return mutant(source=bent_source(bend))


def _swallows_malformed() -> Subject:
    def feed(within: Any, frame: bytes, now: Instant) -> Any:
        try:
            return within.feed(frame, now)
        except MalformedMessage:
            return NOTHING

    return mutant(source=bent_source(lambda output: output, feed))


def _raises_what_it_likes() -> Subject:
    def feed(within: Any, frame: bytes, now: Instant) -> Any:
        try:
            return within.feed(frame, now)
        except MalformedMessage as error:
            raise KeyError("b") from error

    return mutant(source=bent_source(lambda output: output, feed))


def _float_sizes() -> Subject:
    def bend(output: Any) -> Any:
        if isinstance(output, BookDelta):
            bids, asks = ([(row[0], float(row[1])) for row in side] for side in (output.bids, output.asks))
            return structs.replace(output, bids=bids, asks=asks)
        return output

    return mutant(source=bent_source(bend))


def _sides_swapped() -> Subject:
    def bend(output: Any) -> Any:
        if isinstance(output, Trade):
            return structs.replace(output, side=output.side.opposite)
        return output

    return mutant(source=bent_source(bend))


def _drops_removals() -> Subject:
    def bend(output: Any) -> Any:
        if isinstance(output, BookDelta):
            bids, asks = ([row for row in side if Decimal(row[1])] for side in (output.bids, output.asks))
            return structs.replace(output, bids=bids, asks=asks)
        return output

    return mutant(source=bent_source(bend))


def _merges_after_reconnect() -> Subject:
    class Source(ExchangeADataSource):
        def __init__(self, environment: Any) -> None:
            super().__init__(environment)
            self._kept: dict[str, tuple[dict[Any, Any], dict[Any, Any]]] = {}

        def snapshot(self, topic: Any, instrument: Any) -> Any:
            told = yield from super().snapshot(topic, instrument)
            assert isinstance(told, BookSnapshot)
            kept = self._kept.setdefault(instrument.id, ({}, {}))
            for side, rows in zip(kept, (told.bids, told.asks), strict=True):
                side.update({row[0]: row for row in rows})
            bids, asks = (list(side.values()) for side in kept)
            return structs.replace(told, bids=bids, asks=asks)

    return mutant(source=Source)


def _doubles_trades() -> Subject:
    def feed(within: Any, frame: bytes, now: Instant) -> Any:
        told = list(within.feed(frame, now))
        return [
            *told,
            *(structs.replace(each, key=each.key + "x") for each in told if isinstance(each, Trade)),
        ]

    return mutant(source=bent_source(lambda output: output, feed))


def _milliseconds() -> Subject:
    def bend(output: Any) -> Any:
        return structs.replace(output, time=output.time // 10**6) if isinstance(output, BookDelta) else output

    return mutant(source=bent_source(bend))


def _never_silent() -> Subject:
    class Source(ExchangeADataSource):
        def dial(self, topics: Any) -> Any:
            dial: Dial = yield from super().dial(topics)
            return evolve(dial, silence=None)

    return mutant(source=Source)


def _cuts_names() -> Subject:
    class Source(ExchangeADataSource):
        def instruments(self) -> Any:
            listed = yield from super().instruments()
            found = []
            for each in listed:
                name = each.native["symbol"]
                quote = next(
                    (quote for quote in ("USDT", "TUSD", "BTC", "T") if name.endswith(quote)), each.quote
                )
                base = name.removesuffix(quote)
                found.append(evolve(each, id=f"{base}-{quote}", base=base, quote=quote))
            return found

    return mutant(source=Source)


# --- signing and secrets


def _signs_decoded() -> Subject:
    class Auth(ExchangeAAuth):
        __slots__ = ()

        def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
            signed = super().sign(request.replace(url=unquote(request.url)), now, nonce)
            tail = signed.url.rpartition("recvWindow=")[2]
            mark = "&" if "?" in request.url else "?"
            return signed.replace(url=f"{request.url}{mark}recvWindow={tail}")

    return mutant(signer=Auth)


def _signs_by_the_wall_clock() -> Subject:
    class Auth(ExchangeAAuth):
        __slots__ = ()

        def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
            return super().sign(request, time.time_ns(), nonce)

    return mutant(signer=Auth)


def _shows_its_key() -> Subject:
    class Auth(ExchangeAAuth):
        __slots__ = ()

        def __repr__(self) -> str:
            return f"Auth({self._key}, {self._secret!r})"

    return mutant(signer=Auth)


def _logs_its_key() -> Subject:
    class Auth(ExchangeAAuth):
        __slots__ = ()

        def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
            logging.getLogger(__name__).debug("signing with %s", self._secret.decode())
            return super().sign(request, now, nonce)

    return mutant(signer=Auth)


# --- orders


def _placed(change: Callable[[Placed], Placed]) -> Subject:
    class Market(ExchangeAMarket):
        def place(self, orders: Any) -> Any:
            placed = yield from super().place(orders)
            return [change(each) for each in placed]

    return mutant(trading=Market)


def _unknown_is_rejected() -> Subject:
    def change(placed: Placed) -> Placed:
        if isinstance(placed, Unknown):
            return Rejected(VenueError("it failed", outcome=Outcome.REJECTED))
        return placed

    return _placed(change)


def _limited_is_accepted() -> Subject:
    class Market(ExchangeAMarket):
        def place(self, orders: Any) -> Any:
            placed = yield from super().place(orders)
            return [
                Accepted(OrderReport(order.instrument, client_order_id=order.client_order_id))
                if isinstance(each, Rejected) and type(each.error).__name__ == "RateLimited"
                else each
                for order, each in zip(orders, placed, strict=True)
            ]

    return mutant(trading=Market)


def _failure_is_not_found() -> Subject:
    class Market(ExchangeAMarket):
        def status(self, order: Any) -> Any:
            try:
                return (yield from super().status(order))
            except NetworkError as error:
                raise OrderNotFound("no such order") from error

    return mutant(trading=Market)


def _shared_batch() -> Subject:
    class Market(ExchangeAMarket):
        def cancel(self, orders: Any) -> Any:
            outcomes = yield from super().cancel(orders)
            worst = next((each for each in outcomes if isinstance(each, Rejected)), None)
            return outcomes if worst is None else [worst] * len(outcomes)

    return mutant(trading=Market)


def _long_ids() -> Subject:
    class Market(ExchangeAMarket):
        def client_order_id(self, number: int) -> str:
            return f"venuekit:{number:032d}"

    return mutant(trading=Market)


def _short_ids() -> Subject:
    class Market(ExchangeAMarket):
        def client_order_id(self, number: int) -> str:
            return f"vk{number % 1_000_000:x}"

    return mutant(trading=Market)


def _asks_for_free() -> Subject:
    class Market(ExchangeAMarket):
        def _ask(self, endpoint: Any, params: Any = None) -> Any:
            return _free(super()._ask(endpoint, params))

    return mutant(trading=Market)


def _free(flow: Any) -> Any:
    request = next(flow)
    while True:
        try:
            response = yield request.replace(costs=())
        except VenueError as error:
            try:
                request = flow.throw(error)
            except StopIteration as end:
                return end.value
            continue
        try:
            request = flow.send(response)
        except StopIteration as end:
            return end.value


def _rounds_prices() -> Subject:
    class Market(ExchangeAMarket):
        def place(self, orders: Any) -> Any:
            return super().place(
                [
                    order if order.price is None else evolve(order, price=order.price.quantize(Decimal(10)))
                    for order in orders
                ]
            )

    return mutant(trading=Market)


def _reads_halves() -> Subject:
    class Market(ExchangeAMarket):
        def fills(self, instruments: Any, since: Any) -> Any:
            return answered(
                super().fills(instruments, since),
                lambda _request, response: response,
            )

        def open_orders(self, instruments: Any) -> Any:
            told = yield from super().open_orders(instruments)
            return told[:1]

    return mutant(trading=Market)


# --- the user stream


def _zeroes_what_is_sparse() -> Subject:
    def bend(output: Any) -> Any:
        if isinstance(output, OrderReport) and output.filled is None:
            return evolve(output, filled=Decimal(0))
        return output

    return mutant(stream=bent_stream(bend))


def _keys_by_time() -> Subject:
    numbers = count()

    def bend(output: Any) -> Any:
        return evolve(output, key=f"{output.time}-{next(numbers)}") if isinstance(output, Fill) else output

    return mutant(stream=bent_stream(bend))


def _tells_no_numbers() -> Subject:
    return mutant(stream=bent_stream(lambda output: None if isinstance(output, StreamSequence) else output))


def _subscribes_once() -> Subject:
    class Source(ExchangeADataSource):
        sessions = 0

        def session(self, dial: Any, instruments: Any) -> Any:
            within = super().session(dial, instruments)
            Source.sessions += 1
            if Source.sessions == 1:
                return within

            class Silent:
                def __getattr__(self, name: str) -> Any:
                    return getattr(within, name)

                def want(self, topics: Any, now: Instant) -> Any:
                    return NOTHING

            return Silent()

    return mutant(source=Source)


def _renews_nothing() -> Subject:
    class Stream(ExchangeAUserStream):
        def session(self, dial: Any, instruments: Any) -> Any:
            within = super().session(dial, instruments)

            class Forgetful:
                def __getattr__(self, name: str) -> Any:
                    return getattr(within, name)

                def tick(self, now: Instant) -> Any:
                    return [each for each in within.tick(now) if not isinstance(each, Run)]

            return Forgetful()

    return mutant(stream=Stream)


def _shows_its_token() -> Subject:
    class Stream(ExchangeAUserStream):
        def dial(self, topics: Any) -> Any:
            dial: Dial = yield from super().dial(topics)
            return evolve(dial, secret_url=False)

    return mutant(stream=Stream)


# --- description, limits, packaging


def _ignores_pauses() -> Subject:
    description = evolve(describe(), limit_report=lambda _response: LimitReport())
    return mutant(description=description)


def _trips_over_headers() -> Subject:
    def report(response: HttpResponse) -> LimitReport:
        return LimitReport(used={"weight": float(int(response.headers.get("x-used-weight", "0")))})

    return mutant(description=evolve(describe(), limit_report=report))


def _claims_too_much() -> Subject:
    honest = describe()
    return mutant(description=evolve(honest, capabilities=honest.capabilities | {Capability.ORDER_BY_ORDER}))


def _settles_nothing() -> Subject:
    return mutant(description=evolve(describe(), resolver=None))


_IMPORTS = """
import venuekit_binance
from venuekit_exchange_a import *
"""
_CLOCK = """
from datetime import datetime
from venuekit_exchange_a import *
started = datetime.now()
"""
_SOCKET = """
import socket
from venuekit_exchange_a import *
"""

_FOLDERS: Final[list[TemporaryDirectory[str]]] = []


def _module(name: str, source: str) -> Subject:
    """A connector whose module says this."""
    folder = TemporaryDirectory(prefix="venuekit-mutant-")
    _FOLDERS.append(folder)
    (Path(folder.name) / f"{name}.py").write_text(source, encoding="utf-8")
    return mutant(module=name, search=(folder.name,))


MUTANTS: Final[Sequence[Mutant]] = (
    Mutant("lies-about-ids", "closes every gap of ids itself", "book-gap-noticed", _lies_about_ids),
    Mutant(
        "swallows-malformed",
        "drops what it cannot read without a word",
        "refused-frames-name-their-place",
        _swallows_malformed,
    ),
    Mutant("raises-key-errors", "lets a KeyError out", "mutated-frames-are-malformed", _raises_what_it_likes),
    Mutant("float-sizes", "makes doubles of sizes on the way", "rows-are-exact", _float_sizes),
    Mutant("sides-swapped", "tells the maker's side of a trade", "trades-come-once", _sides_swapped),
    Mutant("drops-removals", "leaves out levels of size zero", "live-is-never-wrong", _drops_removals),
    Mutant(
        "merges-snapshots",
        "merges a snapshot into the last one",
        "reconnect-replaces",
        _merges_after_reconnect,
    ),
    Mutant("doubles-trades", "tells each trade twice", "trades-come-once", _doubles_trades),
    Mutant("milliseconds", "takes milliseconds for nanoseconds", "times-are-plausible", _milliseconds),
    Mutant("never-silent", "has no silence limit", "silence-is-bounded", _never_silent),
    Mutant(
        "subscribes-once",
        "subscribes on its first socket only",
        "planned-handovers-lose-nothing",
        _subscribes_once,
    ),
    Mutant("cuts-names", "cuts symbols in two", "names-are-never-taken-apart", _cuts_names),
    Mutant("signs-decoded", "signs the decoded query", "every-instrument-can-be-signed-for", _signs_decoded),
    Mutant("wall-clock", "signs by the machine's clock", "signing-is-pure", _signs_by_the_wall_clock),
    Mutant("shows-key", "has its key in its repr", "signers-do-not-show-their-keys", _shows_its_key),
    Mutant("logs-key", "logs its key", "logs-show-no-keys", _logs_its_key),
    Mutant(
        "unknown-is-rejected",
        "takes a 5xx for a refusal",
        "placement-survives-error-after",
        _unknown_is_rejected,
    ),
    Mutant(
        "limited-is-accepted",
        "takes a 429 for accepted",
        "placement-survives-rate-limited",
        _limited_is_accepted,
    ),
    Mutant(
        "failure-is-not-found",
        "takes a failing network for absence",
        "failures-are-not-absence",
        _failure_is_not_found,
    ),
    Mutant(
        "shared-batch",
        "gives one error of a batch to all of it",
        "batches-of-cancels-are-per-item",
        _shared_batch,
    ),
    Mutant("long-ids", "makes ids that the venue refuses", "client-order-ids-fit-the-venue", _long_ids),
    Mutant("short-ids", "makes the same id again", "client-order-ids-are-unique", _short_ids),
    Mutant("asks-for-free", "declares no costs", "requests-declare-their-costs", _asks_for_free),
    Mutant("rounds-prices", "rounds prices on the way out", "orders-are-as-asked", _rounds_prices),
    Mutant("half-the-orders", "reads the first open order only", "open-orders-are-all", _reads_halves),
    Mutant(
        "zeroes-what-is-sparse",
        "takes what was not said for zero",
        "reports-never-take-back",
        _zeroes_what_is_sparse,
    ),
    Mutant("keys-of-its-own", "makes up keys of fills", "fill-keys-are-the-venues", _keys_by_time),
    Mutant(
        "tells-no-numbers",
        "keeps the stream's numbers to itself",
        "stream-sequence-is-told",
        _tells_no_numbers,
    ),
    Mutant("renews-nothing", "lets its token expire", "tokens-are-renewed", _renews_nothing),
    Mutant("shows-token", "shows a URL with a token in it", "private-urls-are-secret", _shows_its_token),
    Mutant("ignores-pauses", "reads no Retry-After", "ordered-pauses-are-obeyed", _ignores_pauses),
    Mutant(
        "trips-over-headers",
        "raises at a header that is no number",
        "limit-reports-read-anything",
        _trips_over_headers,
    ),
    Mutant(
        "claims-too-much",
        "claims a feed that it has not",
        "capabilities-have-their-topics",
        _claims_too_much,
    ),
    Mutant("settles-nothing", "has no resolver", "unknown-outcomes-can-be-settled", _settles_nothing),
    Mutant(
        "imports-another",
        "imports another venue",
        "connector-imports-no-other-venue",
        lambda: _module("venuekit_mutant_import", _IMPORTS),
    ),
    Mutant(
        "reads-the-clock",
        "asks what time it is",
        "connector-reads-no-clock",
        lambda: _module("venuekit_mutant_clock", _CLOCK),
    ),
    Mutant(
        "opens-sockets",
        "imports sockets",
        "connector-touches-no-io",
        lambda: _module("venuekit_mutant_socket", _SOCKET),
    ),
)

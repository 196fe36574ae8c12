"""Mutants of the user stream: reports, fills, balances, tokens, and the sockets that they come by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final

from attrs import evolve
from tests.mutants.judging import Mutant
from tests.mutants.wrapping import (
    Bend,
    Method,
    Over,
    Twist,
    bent,
    but,
    methods,
    mutant,
    on,
    results,
    sessions,
)

from venuekit_spec import (
    Balance,
    Fill,
    Finality,
    Instant,
    Liquidity,
    MalformedMessage,
    OrderReport,
    OrderStatus,
    Run,
    StreamSequence,
)


def _sparse(output: OrderReport) -> OrderReport:
    return evolve(output, filled=Decimal(0)) if output.filled is None else output


def _filled_at_once(report: OrderReport) -> OrderReport:
    partly = report.status is OrderStatus.PARTIALLY_FILLED
    return evolve(report, status=OrderStatus.FILLED) if partly else report


_numbers: Final = count()

BENT: Final[dict[str, tuple[str, str, str, Bend]]] = {
    "deaf-to-fills": ("tells no fills", "fills-come-by-stream", "exchange_a", on((Fill, OrderReport), lambda _each: None)),
    "zeroes-what-is-sparse": (
        "takes what was not said for zero", "reports-never-take-back", "exchange_a", on(OrderReport, _sparse),
    ),
    "partial-is-filled": (
        "takes partly filled for filled", "ends-are-the-venues", "exchange_a",
        on(OrderReport, _filled_at_once),
    ),
    "keys-of-its-own": (
        "makes up keys of fills", "fill-keys-are-the-venues", "exchange_a",
        on(Fill, lambda each: evolve(each, key=f"{each.time}-{next(_numbers)}")),
    ),
    "rebates": (
        "takes fees paid for rebates", "fills-are-whole", "exchange_a",
        on(Fill, lambda each: evolve(each, fees=tuple(evolve(fee, amount=-fee.amount) for fee in each.fees or ()))),
    ),
    "fees-in-quote": (
        "takes every fee for one in quote units", "fills-are-whole", "exchange_a",
        on(Fill, lambda each: evolve(each, fees=tuple(evolve(fee, asset="USDT") for fee in each.fees or ()))),
    ),
    "all-makers": (
        "takes every fill for a maker's", "fills-are-whole", "exchange_a",
        on(Fill, lambda each: evolve(each, liquidity=Liquidity.MAKER)),
    ),
    "sells-back": (
        "tells the side of whom it traded with", "streamed-fills-are-whole", "exchange_a",
        on(Fill, lambda each: evolve(each, side=each.side.opposite)),
    ),
    "final-at-once": (
        "takes provisional fills for final ones", "provisional-comes-before-final", "exchange_b",
        on(Fill, lambda each: evolve(each, finality=Finality.FINAL)),
    ),
    "never-final": (
        "never says that a fill is final", "provisional-comes-before-final", "exchange_b",
        on(Fill, lambda each: each if each.finality is Finality.PROVISIONAL else None),
    ),
    "undoes-nothing": (
        "takes fills that are undone for final", "undone-fills-are-taken-back", "exchange_b",
        on(Fill, lambda each: evolve(each, finality=Finality.FINAL) if each.finality is Finality.UNDONE else each),
    ),
    "tells-no-numbers": (
        "keeps the stream's numbers to itself", "stream-sequence-is-told", "exchange_a", on(StreamSequence, lambda _each: None),
    ),
    "numbers-for-itself": (
        "counts frames by itself", "stream-holes-are-seen", "exchange_a",
        on(StreamSequence, lambda _each: StreamSequence(next(_numbers))),
    ),
    "no-balances": (
        "tells no balances", "balances-come-by-stream", "exchange_a", on(Balance, lambda _each: None),
    ),
    "balances-add-up": (
        "takes balances for changes", "balances-come-by-stream", "exchange_a",
        on(Balance, lambda each: evolve(each, delta=True)),
    ),
}  # fmt: skip
"""Mutant -> what is wrong, the check, the venue, and what becomes of what its private sessions say."""


def _without(kind: type[Any]) -> Method:
    return lambda tick, now: [each for each in tick(now) if not isinstance(each, kind)]


def _lets_type_errors_out(feed: Any, frame: bytes, now: Instant) -> Any:
    try:
        return feed(frame, now)
    except MalformedMessage as error:
        raise TypeError("no news") from error


def _one_token() -> Twist:
    """Dials with the first token, always."""
    first: list[Any] = []

    def dial(told: Any, topics: Any) -> Any:
        if "user" in told.url:
            first.append(told)
            return first[0]
        return told

    return results(dial=dial)


def _lives_once() -> Twist:
    """Private sockets after the first say nothing of what happens."""
    made: list[str] = []

    def session(honest: Any, dial: Any, instruments: Any) -> Any:
        made.append(dial.url)
        mute = [url for url in made if "/user/" in url][1:]
        within = honest(dial, instruments)
        quiet = on((Fill, OrderReport), lambda _each: None)
        if dial.url not in mute:
            return within
        return Over(
            within,
            {"feed": lambda feed, frame, now: [e for e in map(quiet, feed(frame, now)) if e is not None]},
        )

    return methods(session=session)


def _keys_by_frame() -> Twist:
    heard = count()

    def feed(feed: Any, frame: bytes, now: Instant) -> Any:
        number = next(heard)
        return [
            but(each, key=f"{each.key}.{number}") if isinstance(each, Fill) else each
            for each in feed(frame, now)
        ]

    return sessions(feed=feed)


def _counts_sockets() -> Twist:
    """Makes keys of fills from the number of the socket that told them."""
    made: list[Any] = []

    def session(honest: Any, *arguments: Any) -> Any:
        made.append(arguments)
        number = len(made)

        def feed(feed: Any, frame: bytes, now: Instant) -> Any:
            return [
                but(each, key=f"{number}:{each.key}") if isinstance(each, Fill) else each
                for each in feed(frame, now)
            ]

        return Over(honest(*arguments), {"feed": feed})

    return methods(session=session)


STREAMS: Final[dict[str, tuple[str, str, str, Callable[[], Twist]]]] = {
    "renews-nothing": ("lets its token expire", "tokens-are-renewed", "exchange_a", lambda: sessions(tick=_without(Run))),
    "one-token": ("dials with its first token again", "expired-tokens-are-replaced", "exchange_a", _one_token),
    "shows-token": (
        "shows a URL with a token in it", "private-urls-are-secret", "exchange_a",
        lambda: results(dial=lambda dial, _topics: evolve(dial, secret_url=False)),
    ),
    "type-errors": (
        "lets a TypeError out of a private frame", "mutated-user-frames-are-malformed", "exchange_a",
        lambda: sessions(feed=_lets_type_errors_out),
    ),
    "shouts-twice": (
        "tells each fill under a key of the frame", "stream-survives-doubled-frames", "exchange_a", _keys_by_frame,
    ),
    "lives-once": (
        "is deaf on its second private socket", "private-handovers-lose-nothing", "exchange_a", _lives_once,
    ),
    "keys-by-socket": (
        "keys fills by the socket that told them", "private-handovers-lose-nothing", "exchange_b", _counts_sockets,
    ),
}  # fmt: skip
"""Mutant -> what is wrong, the check, the venue, and the twist of its user stream."""


MUTANTS: Final[Sequence[Mutant]] = (
    *(
        Mutant(id_, wrong, check, lambda venue=venue, bend=bend: mutant(venue, user_stream=bent(bend)))  # type: ignore[misc]
        for id_, (wrong, check, venue, bend) in BENT.items()
    ),
    *(
        Mutant(id_, wrong, check, lambda venue=venue, make=make: mutant(venue, user_stream=make()))  # type: ignore[misc]
        for id_, (wrong, check, venue, make) in STREAMS.items()
    ),
)

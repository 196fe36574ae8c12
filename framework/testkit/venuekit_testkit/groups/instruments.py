"""Instruments: ids, names and rules are those of the venue's own list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final, cast

from attrs import evolve, frozen

from venuekit_spec import (
    Dialect,
    DialectPlugin,
    Engine,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    InstrumentTable,
    Listing,
    UnknownInstrument,
    VenueAccount,
    decimals_of,
)
from venuekit_testkit.catalogue import DIALECT, Group, Unclaimed, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.subject import Subject

FACTS: Final = (
    "kind",
    "base",
    "quote",
    "minimum_notional",
    "maximum_notional",
    "maximum_open_orders",
    "status",
    "contract_size",
)
BOUNDS: Final = {
    "price": ("tick", "minimum", "maximum"),
    "size": ("step", "minimum", "maximum", "market_maximum", "quote_step"),
}
"""The rules of an instrument that every venue has or has not, by the part that they are of."""


def _listed(subject: Subject) -> dict[str, Instrument]:
    return {listing.instrument.id: listing.instrument for listing in subject.venue_side.listings()}


@check(Group.INSTRUMENTS, DIALECT)
def instruments_are_listed(subject: Subject) -> None:
    """It lists exactly what the venue lists, under the ids of the contract.

    No instrument is lost on the way, none invented.
    """
    ours, theirs = set(Hand(subject).instruments), set(_listed(subject))
    assert ours == theirs, f"missing {sorted(theirs - ours)}, invented {sorted(ours - theirs)}"


@check(Group.INSTRUMENTS, DIALECT)
def ids_tell_the_kind(subject: Subject) -> None:
    """Each id is made of the assets and says the kind: ``BTC-USDT``, ``BTC-USDT-PERP``, ``BTC-USDT-20261225``.

    The kinds that are listed are those of the description.
    """
    for instrument in Hand(subject).instruments.values():
        pair = f"{instrument.base}-{instrument.quote}"
        rest = instrument.id.removeprefix(pair)
        assert instrument.id.startswith(pair), f"{instrument.id} is not of {pair}"
        assert instrument.kind in subject.description.kinds, f"{instrument.kind} is not declared"
        match instrument.kind:
            case InstrumentKind.SPOT:
                good = rest == ""
            case InstrumentKind.PERPETUAL:
                good = rest == "-PERP"
            case InstrumentKind.FUTURE:
                good = len(rest) == 9 and rest[1:].isdecimal()
            case _:
                good = rest.count("-") == 3 and rest[-2:] in {"-C", "-P"}
        assert good, f"{instrument.id} does not say that it is {instrument.kind}"


@check(Group.INSTRUMENTS, DIALECT)
def names_find_their_instrument(subject: Subject) -> None:
    """Every name that the venue uses for an instrument leads to that one and to no other.

    Each instrument has at least one name, and each use of names finds it back.
    """
    table = Hand(subject).instruments
    for instrument in table.values():
        assert instrument.native, f"{instrument.id} has no name at the venue"
        for use, name in instrument.native.items():
            led = table.ids_by_native(use)[name]
            assert led == instrument.id, f"the {use} name {name} of {instrument.id} leads to {led}"


@check(Group.INSTRUMENTS, DIALECT)
def unknown_instruments_are_told(subject: Subject) -> None:
    """An id that is not listed is an error that names the nearest one.

    And never another instrument.
    """
    table = Hand(subject).instruments
    first = next(iter(table))
    try:
        table[f"{first}X"]
    except UnknownInstrument as error:
        assert first in str(error), "the nearest one is not named"  # noqa: PT017
    else:
        raise AssertionError(f"{first}X was found")


@frozen
class _Relisted:
    """The dialect of a venue that lists other instruments."""

    within: DialectPlugin
    listed: Sequence[Listing]

    def listings(self) -> Sequence[Listing]:
        return self.listed

    def accounts(self) -> Sequence[VenueAccount]:
        return self.within.accounts()

    def serve(self, engine: Engine) -> Dialect:
        return self.within.serve(engine)


def _composite(instrument: Instrument, names: Collection[str]) -> bool:
    """Whether each name is put together from both assets."""
    return all(instrument.base in name and instrument.quote in name for name in names)


def _told(instrument: Instrument, answers: bytes) -> bool:
    """Whether the venue's list has each asset as a text of its own."""
    return all(f'"{asset}"'.encode() in answers for asset in (instrument.base, instrument.quote))


@check(Group.INSTRUMENTS, DIALECT)
def names_are_never_taken_apart(subject: Subject) -> None:
    """Assets come from the venue's list, not from cutting a name in two.

    A venue that lists two markets under each other's names must lead to the same ids as before: ``TUSDT`` is no more USDT
    than it says. Skipped where the venue's names are not put together from assets, and where its list tells nothing but names,
    as the name is then all there is.
    """
    told = b"".join(response.body for _, response in Hand(subject).asked)
    listings = list(subject.venue_side.listings())
    able = [
        each
        for each in listings
        if _composite(each.instrument, each.instrument.native.values())
        and _told(each.instrument, told)
        and each.instrument.kind is InstrumentKind.SPOT
    ]
    if len(able) < 2:
        raise Unclaimed("its names are not put together from assets, or its list tells nothing but names")
    first, second = able[:2]
    changed = {
        first.instrument.id: evolve(
            first, instrument=evolve(first.instrument, native=second.instrument.native)
        ),
        second.instrument.id: evolve(
            second, instrument=evolve(second.instrument, native=first.instrument.native)
        ),
    }
    listed = [changed.get(each.instrument.id, each) for each in listings]
    plugin = cast("DialectPlugin", _Relisted(subject.venue_side, listed))
    table = Hand(evolve(subject, dialect=plugin)).instruments
    lost = {each.instrument.id for each in listings} - set(table)
    assert not lost, f"{', '.join(sorted(lost))} were found by cutting names"
    for id_, each in changed.items():
        led = [table.ids_by_native(use).get(name) for use, name in each.instrument.native.items()]
        assert id_ in led, f"{id_} was found by cutting its name"  # a venue may derive further names itself


@check(Group.INSTRUMENTS, DIALECT)
def rules_are_those_of_the_venue(subject: Subject) -> None:
    """Tick, step, least notional, assets and status are what the venue lists.

    Exact decimals; a rule that is read wrong refuses good orders, or sends bad ones.
    """
    table = Hand(subject).instruments
    for id_, theirs in _listed(subject).items():
        ours = table[id_]
        for name in FACTS:
            told, wanted = getattr(ours, name), getattr(theirs, name)
            assert told == wanted, f"{name} of {id_}: {told}, at the venue {wanted}"
        for kind, names in BOUNDS.items():
            for name in names:
                told, wanted = getattr(getattr(ours, kind), name), getattr(getattr(theirs, kind), name)
                assert told == wanted, f"{name} of the {kind} of {id_}: {told}, at the venue {wanted}"


@check(Group.INSTRUMENTS, DIALECT)
def closed_markets_are_told(subject: Subject) -> None:
    """A market that the venue lists as halted or delisted is not told as one that trades.

    Every market is listed so at first; orders would be sent to one that takes none. A venue has its own words for what is
    closed, and not for each kind of market: one of the two must show somewhere. Skipped where the list tells of neither.
    """
    before, told = Hand(subject), False
    for status in (InstrumentStatus.HALTED, InstrumentStatus.DELISTED):
        closed = [
            evolve(each, instrument=evolve(each.instrument, status=status))
            for each in subject.venue_side.listings()
        ]
        hand = Hand(evolve(subject, dialect=cast("DialectPlugin", _Relisted(subject.venue_side, closed))))
        told |= [answer.body for _, answer in hand.asked] != [answer.body for _, answer in before.asked]
        trading = {id_ for id_, each in hand.instruments.items() if each.status is InstrumentStatus.TRADING}
        if trading != set(before.instruments):
            return
    if not told:
        raise Unclaimed("its list does not tell which markets are closed")
    raise AssertionError("every market is closed, and every one is told as trading")


@check(Group.INSTRUMENTS, DIALECT)
def rules_are_sane(subject: Subject) -> None:
    """Ticks and steps are positive, bounds in order, decimals enough for them.

    A tick of zero is allowed only where significant figures bound the price.
    """
    for instrument in Hand(subject).instruments.values():
        price, size = instrument.price, instrument.size
        assert price.tick > 0 or price.significant_figures, f"{instrument.id} has no rule of prices"
        assert size.step > 0, f"{instrument.id} has no step"
        for low, high in (
            (price.minimum, price.maximum),
            (size.minimum, size.maximum),
            (instrument.minimum_notional, instrument.maximum_notional),
        ):
            assert low is None or high is None or low <= high, f"{instrument.id}: {low} is above {high}"
        if instrument.price_decimals is not None and price.tick:
            assert instrument.price_decimals >= decimals_of(price.tick), (
                f"{instrument.id} prices lose decimals"
            )
        if instrument.size_decimals is not None:
            assert instrument.size_decimals >= decimals_of(size.step), f"{instrument.id} sizes lose decimals"


@check(Group.INSTRUMENTS, DIALECT)
def listed_prices_are_valid(subject: Subject) -> None:
    """The price at which each market begins obeys its rule, and so does a step beside it.

    A rule that refuses the market's own prices would refuse every order.
    """
    table = Hand(subject).instruments
    for listing in subject.venue_side.listings():
        rule = table[listing.instrument.id].price
        assert rule.allows(listing.price), f"{listing.price} is refused for {listing.instrument.id}"
        if rule.tick:
            assert not rule.allows(listing.price + rule.tick / Decimal(3)), (
                f"any price goes for {listing.instrument.id}"
            )


@check(Group.INSTRUMENTS, DIALECT)
def instruments_are_the_same_each_time(subject: Subject) -> None:
    """The list read twice is the same list.

    Nothing is remembered between two readings, and nothing depends on their order.
    """
    hand = Hand(subject)
    again = InstrumentTable(hand.run(hand.source.instruments()))
    changed = [id_ for id_, each in hand.instruments.items() if again.get(id_) != each]
    assert list(hand.instruments) == list(again), "another list, or another order of it"
    assert not changed, f"{changed[0]} was read otherwise the second time"

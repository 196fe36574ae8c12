"""Description: what is said of the venue before anything is sent."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve

from venuekit_spec import (
    Capability,
    Channel,
    Credentials,
    Ids,
    Join,
    LocalError,
    OrderType,
    Resolution,
    Secret,
    Side,
    SnapshotSource,
    TimeInForce,
    after,
)
from venuekit_testkit.catalogue import AUTH, BOOK, DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.subject import Subject

SCHEMES: Final = {True: {"https", "wss"}, False: {"https", "wss", "http", "ws"}}

CHANNELS: Final = {
    Capability.BOOKS: {Channel.BOOK, Channel.ORDERS},
    Capability.ORDER_BY_ORDER: {Channel.ORDERS},
    Capability.TRADES: {Channel.TRADES},
    Capability.TOP_OF_BOOK: {Channel.TOP},
    Capability.USER_STREAM: {Channel.USER},
    Capability.SOCKET_ORDERS: {Channel.CALLS},
}
"""Capability -> the channels that serve it: a book of levels can be had from one of orders too."""

WITHOUT_PRICE: Final = frozenset({OrderType.MARKET, OrderType.STOP, OrderType.TAKE_PROFIT})

NUMBERS: Final = (0, 1, 9, 10, 255, 256, 65_535, 10**9, 2**40 + 7, 2**55, 2**56 - 1)
"""Running numbers as the core hands them out: below two to the power of 56."""


@check(Group.DESCRIPTION)
def environments_have_urls(subject: Subject) -> None:
    """Each environment has a name of its own and absolute URLs, encrypted where real money is at stake.

    A URL carries no user, no query and no fragment: what is secret or varies belongs to the request.
    """
    names = [environment.name for environment in subject.description.environments]
    assert names, "it has no environment"
    assert len(set(names)) == len(names), "two environments share a name"
    for environment in subject.description.environments:
        assert environment.urls, f"{environment.name} has no URL"
        for use, url in environment.urls.items():
            parts = urlsplit(url)
            place = f"{environment.name} {use}"
            assert parts.scheme in SCHEMES[environment.real_money], f"{place}: {parts.scheme} is not allowed"
            assert parts.hostname, f"{place} names no host"
            more = parts.username or parts.query or parts.fragment
            assert not more, f"{place} carries more than a place"


@check(Group.DESCRIPTION)
def documentation_is_linked(subject: Subject) -> None:
    """The pages of the venue's documentation that it follows are named.

    At least one, and each an https address: who doubts a line of the connector can look it up.
    """
    assert subject.description.links, "no page is named"
    for link in subject.description.links:
        assert urlsplit(link).scheme == "https", f"{link} is no https address"


@check(Group.DESCRIPTION)
def capabilities_have_their_topics(subject: Subject) -> None:
    """Each claimed stream has a topic, and each topic is claimed.

    Books, orders by order, trades, best prices, the user stream and calls each have a channel in `Description.topics`.
    """
    channels = {rule.channel for rule in subject.description.topics}
    claimed = subject.description.capabilities
    for capability, serving in CHANNELS.items():
        served = capability not in claimed or bool(channels & serving)
        assert served, f"{capability} is claimed without a topic"
    for channel in channels:
        able = {capability for capability, serving in CHANNELS.items() if channel in serving}
        assert not able or able & claimed, f"there is a topic {channel} that nothing claims"


@check(Group.DESCRIPTION)
def topics_are_told_apart(subject: Subject) -> None:
    """No two topics are the same channel and variant.

    The core finds the rule of a topic by both.
    """
    keys = [(rule.channel, rule.variant) for rule in subject.description.topics]
    doubled = [key for key in keys if keys.count(key) > 1]
    assert not doubled, f"two rules are {' '.join(doubled[0]).strip()}"


@check(Group.DESCRIPTION, BOOK)
def books_have_a_sync_rule(subject: Subject) -> None:
    """Each channel that carries a book says how it is kept, and no other does.

    The rule is data; the core implements each once.
    """
    for rule in subject.description.topics:
        carries = rule.channel in {Channel.BOOK, Channel.ORDERS}
        assert carries is (rule.sync is not None), f"{rule.channel} {rule.variant}: sync rule {rule.sync}"


@check(Group.DESCRIPTION, BOOK)
def sync_rules_are_coherent(subject: Subject) -> None:
    """The parts of each sync rule fit one another.

    A join belongs to a snapshot by REST; ids that mean the same everywhere are ids; a checksum covers at least one level;
    periods and depths are positive.
    """
    for topic in subject.description.topics:
        if (rule := topic.sync) is None:
            continue
        place = f"{topic.channel} {topic.variant}".strip()
        if rule.join in {Join.SPANS_NEXT, Join.SPANS_LAST, Join.NEWER}:
            assert rule.snapshot is SnapshotSource.REST, f"{place} joins deltas to no snapshot by REST"
        assert not (rule.global_ids and rule.ids is Ids.ARRIVAL), f"{place} has no ids to be global"
        assert rule.checksum is None or rule.checksum.levels > 0, f"{place}: a checksum over nothing"
        for name in ("depth", "silence", "audit"):
            value = getattr(rule, name)
            assert value is None or value > 0, f"{place}: {name} is {value}"


@check(Group.DESCRIPTION, BOOK)
def books_have_a_proof(subject: Subject) -> None:
    """Each book has something that shows a loss: a sequence, a checksum, an audit, or whole replacement.

    A book without a proof would be served on trust. Where a feed proves nothing, a periodic audit does.
    """
    for topic in subject.description.topics:
        assert topic.sync is None or topic.sync.proofs, f"nothing proves {topic.channel} {topic.variant}"


@check(Group.DESCRIPTION, BOOK, DIALECT)
def silence_is_bounded(subject: Subject) -> None:
    """A feed that falls silent is noticed: the topic, or its socket, has a silence limit.

    A socket that only looks open serves an old book. The limit is the topic's (`SyncRule.silence`) or the connection's
    (`Dial.silence`), and pings that count as signs of life are more frequent than it.
    """
    from venuekit_spec import Topic

    hand = Hand(subject)
    for rule in subject.description.topics:
        if rule.sync is None:
            continue
        dial = hand.run(hand.source.dial([Topic(rule.channel, hand.pair, rule.variant)]))
        limit = rule.sync.silence or dial.silence
        assert limit is not None, f"{rule.channel} {rule.variant} may be silent for ever"
        if rule.sync.silence is None and dial.ping is not None:
            assert dial.ping < limit, "its pings are rarer than its silence limit"


@check(Group.DESCRIPTION)
def pools_are_sane(subject: Subject) -> None:
    """Rate-limit pools have names of their own, and positive capacities and periods.

    Limits of sockets are positive too.
    """
    names = [pool.name for pool in subject.description.pools]
    assert len(set(names)) == len(names), "two pools share a name"
    for pool in subject.description.pools:
        assert pool.capacity > 0, f"the capacity of {pool.name} is {pool.capacity}"
        assert pool.period > 0, f"the period of {pool.name} is {pool.period}"
        assert pool.burst is None or pool.burst > 0, f"the burst of {pool.name} is {pool.burst}"
    for limits in (subject.description.sockets, *subject.description.endpoint_sockets.values()):
        least = min(limits.topics, limits.frames_per_second, limits.dials, limits.dial_period)
        assert least > 0, f"a limit of sockets is {least}"


@check(Group.DESCRIPTION, ORDERS)
def pools_are_declared(subject: Subject) -> None:
    """A venue that takes orders has at least one rate limit, and it is declared.

    No venue takes as many orders as one likes; the pacer can only keep what it is told.
    """
    assert subject.description.pools, "no pool is declared"


@check(Group.DESCRIPTION, ORDERS)
def order_kinds_are_declared(subject: Subject) -> None:
    """Which types of orders and times in force it takes is declared.

    Both are what the core refuses by before anything is sent.
    """
    assert subject.description.order_types, "no type of orders is declared"
    assert subject.description.times_in_force, "no time in force is declared"
    assert subject.description.maximum_batch >= 1, "a batch holds no order"


@check(Group.DESCRIPTION, ORDERS, DIALECT)
def order_kinds_are_served(subject: Subject) -> None:
    """What it declares of orders it can say: no declared type or time in force is refused before anything is sent.

    The core refuses what is not declared; whatever is declared reaches the connector. Each type is placed once, and a limit
    order with each time in force.
    """
    hand = Hand(subject)
    market = hand.market(subject.ways[0])
    kinds: list[dict[str, Any]] = [{"type": type_} for type_ in subject.description.order_types]
    kinds += [{"time_in_force": force} for force in subject.description.times_in_force]
    for number, kind in enumerate(kinds, 1):
        order = evolve(hand.limit(number), **kind)
        if order.time_in_force is TimeInForce.GTD:
            order = evolve(order, expires=after(hand.now, 3600.0))
        if order.type in WITHOUT_PRICE:
            order = evolve(order, price=None)
        if order.type not in {OrderType.LIMIT, OrderType.MARKET}:
            order = evolve(order, trigger_price=hand.limit(number, side=Side.SELL).price)
        flow = market.place([order])
        try:
            next(flow)
        except LocalError as error:
            raise AssertionError(f"{next(iter(kind.values()))} is declared, and refused: {error}") from error
        except StopIteration as end:
            raise AssertionError(f"{next(iter(kind.values()))} is not sent: {end.value}") from end
        finally:
            flow.close()


@check(Group.DESCRIPTION, ORDERS)
def unknown_outcomes_can_be_settled(subject: Subject) -> None:
    """There is a way to settle an unknown outcome, and an end to not knowing.

    The resolver has at least one step, asking among them, and says from when on absence is final; an expiry height counts
    only where orders have one.
    """
    resolver = subject.description.resolver
    assert resolver is not None, "it has no resolver"
    assert Resolution.ASK in resolver.steps, "it never asks"
    absence = resolver.absence
    final = absence.after is not None or absence.after_deadline is not None or absence.above_expiry_height
    assert final, "absence never becomes final"
    lives = not absence.above_expiry_height or subject.description.order_life is not None
    assert lives, "absence is final above an expiry height, and orders have none"


@check(Group.DESCRIPTION, ORDERS, DIALECT)
def client_order_ids_fit_the_venue(subject: Subject) -> None:
    """The ids that it makes match the pattern and length that it declares.

    Of running numbers up to two to the power of 56, as the core hands them out. A malformed id is dropped silently by some
    venues.
    """
    rule = subject.description.client_order_ids
    assert rule is not None, "it does not say which client order ids the venue takes"
    market = Hand(subject).market(subject.ways[0])
    for number in NUMBERS:
        id_ = market.client_order_id(number)
        assert re.fullmatch(rule.pattern, id_), f"{id_!r} does not match {rule.pattern!r}"
        assert len(id_) <= rule.maximum_length, f"{id_!r} is longer than {rule.maximum_length}"


@check(Group.DESCRIPTION, ORDERS, DIALECT)
def client_order_ids_are_unique(subject: Subject) -> None:
    """Different numbers make different ids, and the same number the same.

    An id that two orders share would merge them in the store.
    """
    hand = Hand(subject)
    market, another = (hand.market(subject.ways[0]) for _ in range(2))
    numbers = [*NUMBERS, *range(2_000, 2_500)]
    ids = [market.client_order_id(number) for number in numbers]
    assert len(set(ids)) == len(ids), (
        f"{len(ids) - len(set(ids))} of {len(ids)} ids are those of other numbers"
    )
    again = [another.client_order_id(number) for number in reversed(numbers)]
    assert ids == again[::-1], "another market makes another id of the same number"


@check(Group.DESCRIPTION, AUTH)
def credentials_are_declared(subject: Subject) -> None:
    """It names what an account needs to sign, and says so when that is missing.

    Without any of it `auth` raises `LocalError` that names the missing field, before anything is sent.
    """
    fields = subject.description.credentials
    assert fields, "it names no credentials"
    try:
        subject.connector.hooks.auth(credentials=Credentials(), environment=subject.environment)
    except LocalError as error:
        assert any(name in str(error) for name in fields), f"the error names no field: {error}"  # noqa: PT017
    else:
        raise AssertionError("it makes a signer of nothing")


@check(Group.DESCRIPTION, AUTH)
def bad_credentials_stay_unseen(subject: Subject) -> None:
    """What is wrong with a credential is said without showing it.

    `auth` is given nonsense in every field; whatever it raises is a `LocalError` and shows none of it.
    """
    nonsense = {name: Secret(f"\u00e4 nonsense {name} 5f3c") for name in subject.description.credentials}
    try:
        subject.connector.hooks.auth(credentials=Credentials(nonsense), environment=subject.environment)
    except LocalError as error:
        shown = [name for name, value in nonsense.items() if value.reveal() in f"{error!r} {error}"]
        assert not shown, f"its error shows the {shown[0]}"
    else:
        raise Unclaimed("it takes any text for a credential")

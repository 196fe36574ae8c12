"""The pacer: no window of any pool is overdrawn, whatever happens, and none is left idle."""

from __future__ import annotations

from bisect import insort
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.pacing import DEFAULT_BAN, Pacer, PacerRegistry
from venuekit_spec import SECOND, Cost, Instant, LimitReport, LocalError, PoolKind, PoolScope, RatePool, after

NOW = 1_700_000_010 * SECOND  # ten seconds into a minute

KINDS = list(PoolKind)


def overdrawn(pool: RatePool, grants: list[tuple[Instant, float]]) -> float:
    """By how much the fullest window of `pool` exceeds what it holds: the venue's own count, written down naively."""
    period = round(pool.period * SECOND)
    grants = sorted(grants)
    if pool.kind is PoolKind.FIXED_WINDOW:
        totals: dict[int, float] = {}
        for at, weight in grants:
            totals[at // period] = totals.get(at // period, 0.0) + weight
        return max(totals.values(), default=0.0) - pool.capacity
    if pool.kind is PoolKind.SLIDING_WINDOW:
        return (
            max(
                (sum(w for at, w in grants if start <= at <= start + period) for start, _ in grants),
                default=0.0,
            )
            - pool.capacity
        )
    level, last, highest = 0.0, 0, 0.0
    for at, weight in grants:
        level = max(0.0, level - (at - last) * pool.capacity / period) + weight
        highest, last = max(highest, level), at
    return highest - (pool.capacity if pool.burst is None else pool.burst)


pools = st.builds(
    RatePool,
    name=st.just("pool"),
    capacity=st.integers(5, 40).map(float),
    period=st.sampled_from([0.5, 1.0, 10.0]),
    kind=st.sampled_from(KINDS),
    burst=st.one_of(st.none(), st.integers(5, 60).map(float)),
)
arrivals = st.lists(st.tuples(st.floats(-3.0, 6.0), st.integers(0, 5)), max_size=60)


@given(pools, arrivals, st.sampled_from([0.0, 0.02]))
def test_no_window_is_ever_overdrawn(pool: RatePool, pattern: list[tuple[float, int]], guard: float) -> None:
    """Whatever the arrival pattern, also with `now` going back, what is granted fits, and never before it was asked for."""
    pacer = Pacer([pool], guard=guard)
    now, grants = NOW, []
    for step, weight in pattern:
        now = after(now, step)
        at = pacer.acquire((Cost("pool", weight),), now)
        assert at >= now
        grants.append((at, float(weight)))
    assert overdrawn(pool, grants) <= 1e-6


linked = st.lists(
    st.tuples(
        st.floats(0.0, 0.4),
        st.sets(st.sampled_from(["a", "b", "c"]), min_size=1),
        st.integers(1, 4),
        st.booleans(),
    ),
    max_size=50,
)


@given(linked, st.permutations(KINDS))
def test_linked_pools_hold_together(
    pattern: list[tuple[float, set[str], int, bool]], kinds: list[PoolKind]
) -> None:
    """Requests that take from several pools of different kinds overdraw none, also when some are given back."""
    three = [
        RatePool(name, 8, period, kind)
        for name, period, kind in zip("abc", (0.5, 1.0, 3.0), kinds, strict=True)
    ]
    pacer = Pacer(three)
    now = NOW
    grants: dict[str, list[tuple[Instant, float]]] = {"a": [], "b": [], "c": []}
    for step, names, weight, given_up in pattern:
        now = after(now, step)
        costs = tuple(Cost(name, weight) for name in sorted(names))
        at = pacer.acquire(costs, now)
        if given_up:
            pacer.release(costs, at)
            continue
        for name in names:
            grants[name].append((at, float(weight)))
    for pool in three:
        assert overdrawn(pool, grants[pool.name]) <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [(1,), (2, 5, 1), (7,)])
def test_saturation_uses_nine_tenths(kind: PoolKind, weights: tuple[int, ...]) -> None:
    """When there is always more to send, at least 90 % of the capacity is used, guard included."""
    pool = RatePool("pool", 100, 1.0, kind)
    pacer = Pacer([pool], guard=0.05)
    random = Random(5)
    used = 0
    turns = [NOW] * 10  # ten callers, each of whom asks again when its turn has come
    while (now := turns.pop(0)) < NOW + 60 * SECOND:
        weight = random.choice(weights)
        insort(turns, pacer.acquire((Cost("pool", weight),), now))
        used += weight
    assert used >= 0.9 * 60 * 100


@pytest.mark.parametrize("kind", KINDS)
def test_first_come_first_served(kind: PoolKind) -> None:
    """Concurrent callers of the same costs are granted in the order they asked, and all of them at some time."""
    pacer = Pacer([RatePool("pool", 3, 1.0, kind)])
    turns = [pacer.acquire((Cost("pool"),), NOW) for _ in range(30)]
    assert turns == sorted(turns)
    assert turns[0] == NOW
    assert turns[-1] <= NOW + 10 * SECOND


@pytest.mark.parametrize("kind", KINDS)
def test_a_heavy_request_is_not_starved_by_light_ones(kind: PoolKind) -> None:
    """A heavy request that waits keeps its turn, whatever light ones come after it."""
    pool = RatePool("pool", 10, 1.0, kind)
    pacer = Pacer([pool])
    grants = [(pacer.acquire((Cost("pool", 5),), NOW), 5.0)]
    heavy = pacer.acquire((Cost("pool", 10),), NOW)
    assert NOW < heavy <= NOW + SECOND + 1
    grants.append((heavy, 10.0))
    grants += [(pacer.acquire((Cost("pool"),), NOW), 1.0) for _ in range(20)]
    assert overdrawn(pool, grants) <= 1e-6


def test_a_request_that_waits_for_one_pool_does_not_block_the_others() -> None:
    """An order that waits for tomorrow's order limit leaves the weight to those who can use it now."""
    day = RatePool("orders", 1, 86_400.0, PoolKind.SLIDING_WINDOW)
    weight = RatePool("weight", 10, 60.0, PoolKind.SLIDING_WINDOW)
    pacer = Pacer([day, weight])
    order = (Cost("orders"), Cost("weight"))
    assert pacer.acquire(order, NOW) == NOW
    assert pacer.acquire(order, NOW) > NOW + 86_000 * SECOND
    assert [pacer.acquire((Cost("weight"),), NOW) for _ in range(9)] == [NOW] * 9


def test_all_pools_or_none() -> None:
    """While a request waits for one pool it takes nothing from the other at an earlier instant."""
    pacer = Pacer([RatePool("a", 1, 10.0), RatePool("b", 1, 1.0)])
    pacer.acquire((Cost("a"),), NOW)
    both = pacer.acquire((Cost("a"), Cost("b")), NOW)
    assert both > NOW + 9 * SECOND
    assert pacer.acquire((Cost("b"),), NOW) == NOW


def test_keys_have_buckets_of_their_own() -> None:
    """What one pair spends of a pool per pair, no other pair feels; a cost named twice counts twice."""
    pacer = Pacer([RatePool("pair", 2, 1.0)])
    assert pacer.acquire((Cost("pair", key="BTC"), Cost("pair", key="BTC")), NOW) == NOW
    assert pacer.acquire((Cost("pair", key="ETH"),), NOW) == NOW
    assert pacer.acquire((Cost("pair", key="BTC"),), NOW) > NOW


def test_a_fixed_window_is_whole_at_the_clocks_full_minute() -> None:
    """The fixed window of a minute refills at the multiple of a minute, not a minute after the first request."""
    pacer = Pacer([RatePool("weight", 100, 60.0, PoolKind.FIXED_WINDOW)])
    assert pacer.acquire((Cost("weight", 100),), NOW) == NOW
    at = pacer.acquire((Cost("weight"),), NOW)
    assert at == (NOW // (60 * SECOND) + 1) * 60 * SECOND


def test_a_guard_counts_in_both_windows() -> None:
    """What goes right before the end of a fixed window may arrive after it, and leaves room there."""
    pacer = Pacer([RatePool("weight", 10, 10.0, PoolKind.FIXED_WINDOW)], guard=0.1)
    boundary = (NOW // (10 * SECOND) + 1) * 10 * SECOND
    late = boundary - SECOND // 20
    assert pacer.acquire((Cost("weight", 6),), late) == late
    assert pacer.acquire((Cost("weight", 6),), boundary) == boundary + 10 * SECOND


def test_a_success_is_refunded_where_the_venue_charges_failures_only() -> None:
    """A refunded cost is free again after a success, and stays spent after a failure; other costs stay spent."""
    order, request = Cost("orders", refunded_on_success=True), Cost("requests")
    for kind in KINDS:
        pacer = Pacer([RatePool("orders", 1, 10.0, kind), RatePool("requests", 2, 10.0, kind)])
        granted = pacer.acquire((order, request), NOW)
        pacer.settled((order, request), True, NOW + SECOND, granted=granted)
        assert pacer.acquire((order,), NOW + 9 * SECOND // 10) <= NOW + SECOND
        pacer.settled((order,), False, NOW + 2 * SECOND, granted=NOW + SECOND)
        assert pacer.acquire((order,), NOW + 2 * SECOND) > NOW + 2 * SECOND


@pytest.mark.parametrize("kind", KINDS)
def test_usage_that_the_venue_reports_is_adopted(kind: PoolKind) -> None:
    """What others spent of the same limit leaves less for us."""
    pacer = Pacer([RatePool("weight", 100, 10.0, kind)])
    pacer.acquire((Cost("weight", 10),), NOW)
    pacer.report(LimitReport(used={"weight": 95.0, "unknown": 7.0}), NOW)
    assert pacer.acquire((Cost("weight", 5),), NOW) == NOW
    assert pacer.acquire((Cost("weight", 5),), NOW) > NOW


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_answer_cost_beyond_its_request_is_spent(kind: PoolKind) -> None:
    """A venue that charges by the row returned leaves less for the next request, and its own count includes that."""
    pacer = Pacer([RatePool("weight", 100, 10.0, kind)])
    pacer.acquire((Cost("weight", 20),), NOW)
    pacer.report(LimitReport(spent={"weight": 75.0, "unknown": 1.0}, used={"weight": 95.0}), NOW)
    assert pacer.acquire((Cost("weight", 5),), NOW) == NOW
    assert pacer.acquire((Cost("weight"),), NOW) > NOW


@pytest.mark.parametrize("kind", KINDS)
def test_touching_something_young_costs_more(kind: PoolKind) -> None:
    """A cost by age is what it is when the request goes: it waits for less where waiting makes it lighter."""
    cancel = Cost("counter", 0.0, since=NOW, by_age=((5.0, 8.0), (10.0, 6.0)))
    pacer = Pacer([RatePool("counter", 9, 100.0, kind)])
    pacer.acquire((Cost("counter", 3),), NOW)
    at = pacer.acquire((cancel,), NOW)
    assert at == NOW + 5 * SECOND
    pacer.release((cancel,), at)
    assert pacer.acquire((cancel,), NOW + 10 * SECOND) == NOW + 10 * SECOND
    fresh = Pacer([RatePool("counter", 9, 100.0, kind)])
    assert fresh.acquire((cancel,), NOW) == NOW
    assert fresh.acquire((Cost("counter", 2),), NOW) > NOW
    fresh.release((cancel,), NOW)
    assert fresh.acquire((Cost("counter", 2),), NOW) == NOW


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_never_lowers_what_we_know_we_sent(kind: PoolKind) -> None:
    """A report that does not count what is still on its way, or an old one, frees nothing."""
    pacer = Pacer([RatePool("weight", 10, 10.0, kind)])
    pacer.acquire((Cost("weight", 10),), NOW)
    pacer.report(LimitReport(used={"weight": 1.0}), NOW)
    assert pacer.acquire((Cost("weight", 5),), NOW) > NOW


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_usage_is_not_counted_twice(kind: PoolKind) -> None:
    """Where nobody else spends, reports change nothing, however many requests are on their way."""
    pacer = Pacer([RatePool("weight", 20, 10.0, kind)])
    for number in range(1, 11):
        pacer.acquire((Cost("weight"),), NOW + number)
        pacer.report(LimitReport(used={"weight": float(number)}), NOW + number)
    assert [pacer.acquire((Cost("weight"),), NOW + 11) for _ in range(10)] == [NOW + 11] * 10


def test_a_report_belongs_to_the_window_its_request_went_in() -> None:
    """An answer that arrives after the end of its fixed window says nothing about the next one."""
    pacer = Pacer([RatePool("weight", 100, 60.0, PoolKind.FIXED_WINDOW)])
    boundary = (NOW // (60 * SECOND) + 1) * 60 * SECOND
    sent = pacer.acquire((Cost("weight"),), boundary - 1)
    pacer.report(LimitReport(used={"weight": 99.0}), boundary + 1, sent=sent)
    assert pacer.acquire((Cost("weight", 50),), boundary + 1) == boundary + 1


def test_a_report_for_a_keyed_pool_finds_its_bucket() -> None:
    """The costs of the request tell which of many buckets the reported usage is in."""
    pacer = Pacer([RatePool("pair", 10, 10.0)])
    pacer.report(LimitReport(used={"pair": 10.0}), NOW, costs=(Cost("pair", key="BTC"),))
    pacer.report(LimitReport(used={"pair": 10.0}, key="SOL"), NOW)
    assert pacer.acquire((Cost("pair", key="ETH"),), NOW) == NOW
    assert pacer.acquire((Cost("pair", key="BTC"),), NOW) > NOW
    assert pacer.acquire((Cost("pair", key="SOL"),), NOW) > NOW


@pytest.mark.parametrize("kind", KINDS)
def test_a_reported_capacity_replaces_the_declared_one(kind: PoolKind) -> None:
    """When the venue halves a limit, from then on half is granted, in buckets old and new."""
    pacer = Pacer([RatePool("weight", 10, 10.0, kind)])
    pacer.acquire((Cost("weight", 4),), NOW)
    pacer.report(LimitReport(capacities={"weight": 5.0, "unknown": 1.0}), NOW)
    assert pacer.acquire((Cost("weight"),), NOW) == NOW
    assert pacer.acquire((Cost("weight"),), NOW) > NOW
    with pytest.raises(LocalError):
        pacer.acquire((Cost("weight", 6, key="new"),), NOW)


def test_a_penalty_holds_everything() -> None:
    """After Retry-After nothing goes before its end, costs or none; a shorter one does not shorten it."""
    pacer = Pacer([RatePool("weight", 10, 1.0)])
    pacer.report(LimitReport(penalty=30.0), NOW)
    pacer.report(LimitReport(penalty=1.0), NOW)
    assert pacer.acquire((), NOW) == NOW + 30 * SECOND
    assert pacer.acquire((Cost("weight"),), NOW) == NOW + 30 * SECOND
    assert pacer.held_until(NOW) == NOW + 30 * SECOND
    assert not pacer.banned(NOW)
    assert pacer.held_until(NOW + 31 * SECOND) == NOW + 31 * SECOND


def test_a_ban_is_told_apart_and_has_a_length_of_its_own() -> None:
    """A 418 without Retry-After holds for the shortest ban there is, and is known as a ban while it lasts."""
    pacer = Pacer()
    pacer.report(LimitReport(banned=True), NOW)
    end = after(NOW, DEFAULT_BAN)
    assert pacer.banned(NOW)
    assert pacer.held_until(NOW) == end
    assert not pacer.banned(end)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_given_back_can_be_had_again(kind: PoolKind) -> None:
    """A released turn, now or later, is free for the next caller."""
    pacer = Pacer([RatePool("pool", 4, 10.0, kind)])
    costs = (Cost("pool", 4),)
    first, second = pacer.acquire(costs, NOW), pacer.acquire(costs, NOW)
    pacer.release(costs, second)
    assert pacer.acquire(costs, NOW) == second
    pacer.release(costs, second)
    pacer.release(costs, first)
    assert pacer.acquire(costs, NOW) == NOW


def test_impossible_costs_are_an_error() -> None:
    """A pool that does not exist, a cost that never fits, a negative one, and a pool without size are refused."""
    pacer = Pacer([RatePool("pool", 4, 10.0)])
    for cost in (Cost("other"), Cost("pool", 5), Cost("pool", -1), Cost("pool", float("nan"))):
        with pytest.raises(LocalError):
            pacer.acquire((cost,), NOW)
    with pytest.raises(LocalError):
        Pacer([RatePool("pool", 0, 10.0)])


def test_the_registry_shares_by_scope() -> None:
    """Pools of an address are one for all, pools of a key one per key, and pools of a socket one per pacer."""
    pools = [RatePool(scope.value, 1, 10.0, scope=scope) for scope in PoolScope]
    registry = PacerRegistry()
    first = registry.pacer("venue", pools, key="one", account="me")
    first.acquire(tuple(Cost(scope.value) for scope in PoolScope), NOW)

    def free(pacer: Pacer) -> set[str]:
        return {scope.value for scope in PoolScope if pacer.acquire((Cost(scope.value),), NOW) == NOW}

    assert free(registry.pacer("venue", pools, key="two", account="me")) == {"key", "socket"}
    assert free(registry.pacer("venue", pools, key="one", account="other")) == {"account", "socket"}
    assert free(registry.pacer("elsewhere", pools, key="one", account="me")) == {
        scope.value for scope in PoolScope
    }


def test_a_ban_holds_every_pacer_of_the_venue() -> None:
    """What the venue orders for the address holds all connections of the process to it, and no other venue."""
    registry = PacerRegistry()
    one, two, other = registry.pacer("a", []), registry.pacer("a", [], key="k"), registry.pacer("b", [])
    one.report(LimitReport(penalty=5.0, banned=True), NOW)
    assert two.banned(NOW)
    assert not other.banned(NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow(kind: PoolKind) -> None:
    """After a day of requests a bucket remembers no more than its last window."""
    pacer = Pacer([RatePool("pool", 10, 1.0, kind)])
    turns = [pacer.acquire((Cost("pool"),), after(NOW, second / 5)) for second in range(20_000)]
    assert all(later > earlier for earlier, later in pairwise(turns))
    bucket = pacer._pools["pool"].bucket("", turns[-1])
    assert len(bucket.grants) <= 10

"""Nonces are unique and rise, across restarts and clocks that are set back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.orders import NonceSource, SqliteOrderStore, StoreError
from venuekit_spec import MICROSECOND, MILLISECOND, SECOND, NonceRule

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(("rule", "unit"), [(NonceRule.STRICT, MICROSECOND), (NonceRule.WINDOW, MILLISECOND)])
async def test_a_nonce_is_the_time_or_one_more(rule: NonceRule, unit: int) -> None:
    """In the unit of the rule; twice at one instant it is one more."""
    store = SqliteOrderStore()
    await store.open()
    source = NonceSource(rule, store)
    assert [source(NOW), source(NOW), source(NOW + SECOND)] == [
        NOW // unit,
        NOW // unit + 1,
        (NOW + SECOND) // unit,
    ]
    await store.aclose()


async def test_where_nonces_are_no_matter_nothing_is_kept() -> None:
    """A timestamp is the time and nothing more; none is nought."""
    store = SqliteOrderStore()
    await store.open()
    assert [NonceSource(NonceRule.TIMESTAMP, store)(NOW) for _ in range(2)] == [NOW // MILLISECOND] * 2
    assert NonceSource(NonceRule.NONE, store)(NOW) == 0
    assert store.mark("nonce:") == 0
    await store.aclose()


@pytest.mark.parametrize("rule", [NonceRule.STRICT, NonceRule.WINDOW])
async def test_nonces_rise_across_restarts_with_the_clock_set_back(tmp_path: Path, rule: NonceRule) -> None:
    """A new process starts above everything the last one can have given, and at most a minute or so ahead."""
    given: list[int] = []
    for step in range(4):
        store = SqliteOrderStore(tmp_path / "orders.db")
        await store.open()
        source = NonceSource(rule, store, "key")
        given += [source(NOW - step * 10 * SECOND + n) for n in range(3)]
        assert store.mark("nonce:key") >= given[-1]
        await store.aclose()
    assert given == sorted(set(given))


async def test_keys_have_nonces_of_their_own() -> None:
    """Two keys of one store do not push each other on."""
    store = SqliteOrderStore()
    await store.open()
    first, second = (NonceSource(NonceRule.STRICT, store, key) for key in ("a", "b"))
    assert first(NOW) == second(NOW)
    await store.aclose()


async def test_no_nonce_without_a_mark_on_disk() -> None:
    """Where the store cannot be written, a nonce that a restart could repeat is refused."""
    store = SqliteOrderStore()
    await store.open()
    source = NonceSource(NonceRule.STRICT, store)
    await store.aclose()
    with pytest.raises(StoreError):
        source(NOW)


@given(st.lists(st.integers(min_value=-100, max_value=100 * SECOND), max_size=50))
def test_whatever_the_clock_does_nonces_rise(steps: list[int]) -> None:
    """Any instants, in any order: strictly rising nonces, each under the mark."""

    class Marks:
        value = 0

        def mark(self, name: str) -> int:
            return self.value

        def raise_mark(self, name: str, value: int) -> None:
            self.value = value

    marks = Marks()
    source = NonceSource(NonceRule.STRICT, marks)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    given_nonces = []
    for step in steps:
        given_nonces.append(source(NOW + step))
        assert given_nonces[-1] <= marks.value
    assert given_nonces == sorted(set(given_nonces))

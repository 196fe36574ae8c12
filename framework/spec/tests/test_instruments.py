"""Instruments: which prices are valid, when a double orders them exactly, and how they are found by name."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from attrs import evolve
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from venuekit_spec import (
    Instrument,
    InstrumentKind,
    InstrumentTable,
    LocalError,
    PriceRule,
    SizeRule,
    UnknownInstrument,
)


def hyperliquid(kind: InstrumentKind, size_decimals: int) -> PriceRule:
    """At most 5 figures and 6 (perpetual) or 8 (spot) minus szDecimals decimals; whole numbers always."""
    decimals = (6 if kind is InstrumentKind.PERPETUAL else 8) - size_decimals
    return PriceRule(Decimal(1).scaleb(-decimals), significant_figures=5, integers_always=True)


BITFINEX = PriceRule(Decimal("1e-12"), significant_figures=5)
BINANCE = PriceRule(Decimal("0.00000100"), minimum=Decimal("0.00000100"), maximum=Decimal("100000.00000000"))
PERPETUAL, SPOT = InstrumentKind.PERPETUAL, InstrumentKind.SPOT


def instrument(name: str = "BTC-USDT", rule: PriceRule = BINANCE, **names: str) -> Instrument:
    """A spot instrument with this rule for prices and these names by use."""
    base, _, quote = name.partition("-")
    return Instrument(
        id=name, kind=SPOT, base=base, quote=quote, native=names, price=rule, size=SizeRule(Decimal("0.001"))
    )


@pytest.mark.parametrize(
    ("rule", "price", "valid"),
    [
        (hyperliquid(PERPETUAL, 1), "1234.5", True),
        (hyperliquid(PERPETUAL, 1), "1234.56", False),
        (hyperliquid(PERPETUAL, 0), "0.001234", True),
        (hyperliquid(PERPETUAL, 0), "0.0012345", False),
        (hyperliquid(PERPETUAL, 1), "0.01234", True),
        (hyperliquid(PERPETUAL, 1), "0.012345", False),
        (hyperliquid(SPOT, 0), "0.0001234", True),
        (hyperliquid(SPOT, 1), "0.0001234", True),
        (hyperliquid(SPOT, 3), "0.0001234", False),
        (hyperliquid(PERPETUAL, 5), "123456", True),
        (hyperliquid(PERPETUAL, 5), "123456.0", True),
        (hyperliquid(PERPETUAL, 1), "12345.6", False),
        (BITFINEX, "215350", True),
        (BITFINEX, "215351", False),
        (BITFINEX, "12345.6", False),
        (BITFINEX, "7e-7", True),
        (BITFINEX, "0.0000011", True),
        (BITFINEX, "1.0000", True),
        (BITFINEX, "0.000123456", False),
        (BINANCE, "0.000001", True),
        (BINANCE, "0.0000015", False),
        (BINANCE, "100000", True),
        (BINANCE, "100000.000001", False),
        (PriceRule(Decimal("0.5")), "100.5", True),
        (PriceRule(Decimal("0.5")), "100.3", False),
        (PriceRule(Decimal("0.01"), minimum=Decimal("0.05")), "0.04", False),
    ],
)
def test_a_price_rule_says_what_the_venue_says(rule: PriceRule, price: str, valid: bool) -> None:
    """The examples of the venues' documentation, on both sides of each border."""
    assert rule.allows(Decimal(price)) is valid


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_price_is_never_valid(price: str) -> None:
    """Zero, negative and non-finite numbers are refused without an exception, whatever the rule."""
    assert not any(rule.allows(Decimal(price)) for rule in (BINANCE, BITFINEX, hyperliquid(PERPETUAL, 0)))


def test_an_absurd_price_is_answered() -> None:
    """A price of more digits than a decimal context holds gets an answer, not an arithmetic exception."""
    assert not BINANCE.allows(Decimal("1e40"))
    assert not PriceRule(Decimal("1e-8")).allows(Decimal("1e40") + Decimal("1e-9"))


def test_digits_beyond_a_decimal_context_count() -> None:
    """A price of many digits is not rounded to few before its figures are counted."""
    rule = PriceRule(Decimal(0), significant_figures=5)
    assert rule.allows(Decimal("1.2345"))
    assert not rule.allows(Decimal(f"1.{'0' * 40}1"))
    with localcontext(prec=3):
        assert not rule.allows(Decimal("1.23456"))


@st.composite
def valid_prices(draw: st.DrawFn) -> tuple[Instrument, Decimal]:
    """An instrument whose largest price has about as many digits as a double holds, and a price that its rule allows."""
    digits = draw(st.integers(13, 18))
    unit = Decimal(1).scaleb(-draw(st.integers(0, digits)))
    most = draw(st.integers(10 ** (digits - 1), 10**digits - 1))
    ticks = draw(st.sampled_from([1, 2, 5, 25]))
    rule = PriceRule(
        ticks * unit,
        significant_figures=draw(st.none() | st.integers(1, 17)),
        integers_always=draw(st.booleans()),
        maximum=most * unit,
    )
    largest = most // ticks
    price = draw(st.integers(1, largest) | st.integers(largest - 1000, largest)) * ticks * unit
    assume(rule.allows(price))
    return instrument(rule=rule), price


@given(valid_prices())
@settings(max_examples=300)
@example((instrument(rule=PriceRule(Decimal("1e-10"), maximum=Decimal(99_999))), Decimal("99998.9999999999")))
@example(
    (instrument(rule=PriceRule(Decimal(1), maximum=Decimal(9999999999999999))), Decimal(9007199254740993))
)
@example(
    (instrument(rule=PriceRule(Decimal(1), 5, True, maximum=Decimal(10) ** 17)), Decimal(90071992547409931))
)
def test_a_valid_price_survives_a_double_where_keys_are_floats(case: tuple[Instrument, Decimal]) -> None:
    """Under `float_keys` every valid price comes back from a double exactly, from its text as the wire has it."""
    listed, price = case
    assume(listed.float_keys)
    text = f"{price:f}"
    assert Decimal(repr(float(text))) == Decimal(text)


@pytest.mark.parametrize(
    ("tick", "maximum", "float_keys"),
    [
        ("1e-10", "99999", True),
        ("1e-10", "100000", False),
        ("1e-15", "0.001", True),
        ("1e-16", "0.001", False),
        ("0.25", "9999999999999", True),
        ("0.25", "99999999999999", False),
        ("1", "999999999999999", True),
        ("1", "1000000000000000", False),
        ("1e-6", None, True),
        ("1e-7", None, False),
    ],
)
def test_float_keys_end_at_fifteen_digits(tick: str, maximum: str | None, float_keys: bool) -> None:
    """The border lies between 15 and 16 digits of the largest price; without one it is below a billion."""
    rule = PriceRule(Decimal(tick), maximum=None if maximum is None else Decimal(maximum))
    assert instrument(rule=rule).float_keys is float_keys


def test_beyond_the_border_a_double_does_lose_prices() -> None:
    """With more digits two valid prices are one double: the reason for the border."""
    assert float("9007199254740993") == float("9007199254740992")
    assert not instrument(rule=PriceRule(Decimal(1), maximum=Decimal(9007199254740993))).float_keys


@pytest.mark.parametrize("rule", [BITFINEX, hyperliquid(PERPETUAL, 5), hyperliquid(SPOT, 0)])
def test_few_figures_make_float_keys(rule: PriceRule) -> None:
    """Five significant figures fit a double however fine the tick."""
    assert instrument(rule=rule).float_keys


def test_whole_numbers_without_a_bound_on_digits_are_bounded_by_the_largest_price() -> None:
    """Where whole numbers are always valid the figures prove nothing about them; the largest price does."""
    rule = evolve(hyperliquid(PERPETUAL, 5), maximum=Decimal(10) ** 17)
    assert rule.allows(Decimal(90071992547409931))
    assert not instrument(rule=rule).float_keys


def test_no_tick_and_no_figures_prove_nothing() -> None:
    """A rule that bounds no digits gives exact keys."""
    assert not instrument(rule=PriceRule(Decimal(0))).float_keys


TABLE = InstrumentTable(
    [
        instrument("BTC-USDT", rest="BTCUSDT", socket="btcusdt"),
        instrument("ETH-USDT", rest="ETHUSDT", socket="ethusdt"),
        instrument("ETH-BTC", rest="ETHBTC"),
    ]
)


def test_a_table_is_a_mapping_of_canonical_ids() -> None:
    """Look-up, membership, order and length go by our id, never by the venue's name."""
    assert TABLE["ETH-BTC"].native == {"rest": "ETHBTC"}
    assert list(TABLE) == ["BTC-USDT", "ETH-USDT", "ETH-BTC"]
    assert len(TABLE) == 3
    assert "BTC-USDT" in TABLE
    assert "BTCUSDT" not in TABLE
    assert dict(TABLE)["ETH-USDT"] is TABLE["ETH-USDT"]


def test_the_venues_names_lead_back_to_the_id() -> None:
    """Each use has names of its own; a use that no instrument has is empty, not an error."""
    assert TABLE.ids_by_native("rest") == {"BTCUSDT": "BTC-USDT", "ETHUSDT": "ETH-USDT", "ETHBTC": "ETH-BTC"}
    assert TABLE.ids_by_native("socket") == {"btcusdt": "BTC-USDT", "ethusdt": "ETH-USDT"}
    assert TABLE.ids_by_native("asset") == {}


def test_an_unknown_id_names_the_nearest_ones() -> None:
    """A misspelt id is our error, says how many there are, and offers what was probably meant."""
    with pytest.raises(UnknownInstrument, match=r"'ETH-USDC' among 3 .*did you mean ETH-USDT") as caught:
        TABLE["ETH-USDC"]
    assert isinstance(caught.value, LocalError)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_id_like_no_other_gets_no_hint() -> None:
    """Where nothing is near, nothing is suggested."""
    with pytest.raises(UnknownInstrument, match=r"'?????' among 3 of this venue$".replace("?", r"\?")):
        TABLE["?????"]


def test_get_gives_the_default() -> None:
    """`get` of a mapping raises for nothing."""
    assert TABLE.get("DOGE-USDT") is None
    assert TABLE.get("BTC-USDT") is TABLE["BTC-USDT"]


def test_two_instruments_of_one_name_are_refused() -> None:
    """Neither an id nor a venue's name of one use may mean two instruments: frames would reach the wrong book."""
    with pytest.raises(LocalError, match="BTC-USDT"):
        InstrumentTable([instrument("BTC-USDT", rest="A"), instrument("BTC-USDT", rest="B")])
    with pytest.raises(LocalError, match="BTCUSDT"):
        InstrumentTable([instrument("BTC-USDT", rest="BTCUSDT"), instrument("BTC-USDT-PERP", rest="BTCUSDT")])


def test_one_name_may_be_used_twice_for_two_uses() -> None:
    """A name is looked up within its use only (Bybit's spot and linear symbols are the same text)."""
    table = InstrumentTable([instrument("A-B", spot="AB"), instrument("A-B-PERP", linear="AB")])
    assert table.ids_by_native("spot")["AB"] == "A-B"
    assert table.ids_by_native("linear")["AB"] == "A-B-PERP"


def test_the_names_of_an_instrument_cannot_be_changed() -> None:
    """An instrument keeps a copy of its names, and nobody can write to it."""
    names = {"rest": "BTCUSDT"}
    listed = evolve(instrument(), native=names)
    names["rest"] = "changed"
    assert listed.native["rest"] == "BTCUSDT"
    with pytest.raises(TypeError):
        listed.native["rest"] = "changed"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]

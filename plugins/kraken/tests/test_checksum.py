"""The checksum: the venue's own vectors, and what may happen to the text of a number."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_kraken.checksum import book_checksum
from venuekit_kraken.instruments import instruments_of
from venuekit_kraken.payloads import AssetPair
from venuekit_spec import Instrument, InstrumentTable, LocalError

Make = Callable[[int, int], Instrument]
Rows = list[tuple[str, str]]


def rows(text: str) -> Rows:
    """``"price:size price:size"`` as rows."""
    return [(price, size) for price, _, size in (level.partition(":") for level in text.split())]


# https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
MATIC_BIDS = rows(
    "0.5666:4831.75496356 0.5665:6658.22734739 0.5664:18724.91513344 0.5663:11563.92544914 0.5662:14006.65365711 "
    "0.5661:17454.85679807 0.566:18097.1547 0.5659:33644.89175666 0.5658:148.3464 0.5657:606.70854372"
)
MATIC_ASKS = rows(
    "0.5668:4410.79769741 0.5669:4655.40412487 0.567:49844.89424998 0.5671:24306.41678 0.5672:29783.25223475 "
    "0.5673:57234.71239278 0.5674:45065.04744 0.5675:5912.76380354 0.5676:42514.92434778 0.5677:36304.0847022"
)
# https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2
BTC_ASKS = rows(
    "45285.2:0.00100000 45286.4:1.54571953 45286.6:1.54571109 45289.6:1.54560911 45290.2:0.15890660 "
    "45291.8:1.54553491 45294.7:0.04454749 45296.1:0.35380000 45297.5:0.09945542 45299.5:0.18772827"
)
BTC_BIDS = rows(
    "45283.5:0.10000000 45283.4:1.54582015 45282.1:0.10000000 45281.0:0.10000000 45280.3:1.54592586 "
    "45279.0:0.07990000 45277.6:0.03310103 45277.5:0.30000000 45277.3:1.54602737 45276.6:0.15445238"
)


def test_the_documented_book(markets: InstrumentTable) -> None:
    """The book of the reference page, whose numbers the wire had shortened (0.566, 18097.1547)."""
    assert book_checksum(MATIC_BIDS, MATIC_ASKS, markets["MATIC-USD"]) == 2439117997


def test_the_documented_update(markets: InstrumentTable) -> None:
    """The update of the reference page changes one size, and the checksum with it."""
    bids = [*MATIC_BIDS[:-1], ("0.5657", "1098.3947558")]
    assert book_checksum(bids, MATIC_ASKS, markets["MATIC-USD"]) == 2114181697


def test_the_documented_calculation(markets: InstrumentTable) -> None:
    """The worked example of the checksum guide."""
    assert book_checksum(BTC_BIDS, BTC_ASKS, markets["BTC-USD"]) == 3310070434


def test_only_the_best_ten_count(markets: InstrumentTable) -> None:
    """Deeper levels are no part of the checksum, whatever depth is subscribed to."""
    bids, asks = [*BTC_BIDS, ("45270.0", "1.0")], [*BTC_ASKS, ("45300.0", "1.0")]
    assert book_checksum(bids, asks, markets["BTC-USD"]) == 3310070434


def test_a_price_may_come_as_a_double(markets: InstrumentTable) -> None:
    """Rows with the price as a double give what the text gives."""
    bids, asks = ([(float(price), size) for price, size in side] for side in (BTC_BIDS, BTC_ASKS))
    assert book_checksum(bids, asks, markets["BTC-USD"]) == 3310070434


def test_a_short_book_is_taken_as_it_is(written: Make) -> None:
    """Fewer than ten levels: those there are; none at all: the checksum of nothing."""
    assert book_checksum([("1.5", "2")], [], written(1, 1)) == crc32(b"1520")
    assert book_checksum([], [], written(1, 1)) == 0


@pytest.mark.parametrize(
    ("price", "size", "digits"),
    [
        ("0.0000229", "5", "22900500000000"),
        ("2.29E-5", "5e0", "22900500000000"),
        ("0.00002290000", "5.000000000", "22900500000000"),
        ("1E-7", "1E-8", "1001"),
        ("1E+1", "1.2E+1", "100000000001200000000"),
    ],
)
def test_text_is_padded_and_cut_at_the_instruments_decimals(
    written: Make, price: str, size: str, digits: str
) -> None:
    """However a number is written, shortened, padded or with an exponent, its digits are the same."""
    assert book_checksum([(price, size)], [], written(9, 8)) == crc32(digits.encode())


def test_whole_prices_have_no_decimals(written: Make) -> None:
    """An instrument without decimals takes the whole part alone."""
    assert book_checksum([("45281.0", "3")], [("45282", "4")], written(0, 0)) == crc32(b"452824452813")


def test_an_instrument_without_decimals_is_refused() -> None:
    """Where the list does not tell the decimals no checksum is made up."""
    source = instruments_of({"ABUSD": AssetPair("ABUSD", 1, 8, wsname="AB/USD")})[0]
    unknown = Instrument(
        id=source.id,
        kind=source.kind,
        base="AB",
        quote="USD",
        native={},
        price=source.price,
        size=source.size,
    )
    with pytest.raises(LocalError):
        book_checksum([], [], unknown)


@given(
    st.lists(
        st.tuples(st.integers(1, 10**12), st.integers(1, 10**14)),
        min_size=1,
        max_size=10,
        unique_by=lambda row: row[0],
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([str, "{:f}".format, "{:e}".format, lambda number: str(number.normalize())]),
)
def test_the_digits_are_the_number_in_smallest_units(
    levels: list[tuple[int, int]], price_decimals: int, size_decimals: int, write: Callable[[Decimal], str]
) -> None:
    """For any numbers in any notation: what is summed are prices and sizes counted in their smallest units."""
    pair = AssetPair("ABUSD", price_decimals, size_decimals, wsname="AB/USD")
    instrument = instruments_of({"ABUSD": pair})[0]
    asks = [
        (write(Decimal(price).scaleb(-price_decimals)), write(Decimal(size).scaleb(-size_decimals)))
        for price, size in levels
    ]
    expected = crc32("".join(f"{price}{size}" for price, size in levels).encode())
    assert book_checksum([], asks, instrument) == expected

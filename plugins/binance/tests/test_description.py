from __future__ import annotations

import pytest

import venuekit_binance
from venuekit_binance.description import DESCRIPTION, limit_report
from venuekit_spec import (
    SECOND,
    Capability,
    Channel,
    HttpResponse,
    Ids,
    Join,
    LimitReport,
    PoolKind,
    SnapshotSource,
)

BAN = b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1659146400000."}'
EXCHANGE_INFO = "https://api.binance.com/api/v3/exchangeInfo"


def test_only_data_is_claimed() -> None:
    """The connector claims market data and nothing of trading."""
    assert venuekit_binance.describe().capabilities == {
        Capability.BOOKS,
        Capability.TRADES,
        Capability.TOP_OF_BOOK,
        Capability.SERVER_TIME,
    }


def test_play_money_is_told() -> None:
    """Only the test network, the demo mode and what runs on this machine are without real money."""
    assert {each.name for each in DESCRIPTION.environments if not each.real_money} == {
        "testnet",
        "demo",
        "local",
    }


def test_books_follow_the_documented_rule() -> None:
    """Id ranges joined to a REST snapshot where they span its next id; ids are the same on every connection."""
    [book] = [topic for topic in DESCRIPTION.topics if topic.channel is Channel.BOOK]
    assert book.sync is not None
    assert (book.sync.snapshot, book.sync.ids, book.sync.join) == (
        SnapshotSource.REST,
        Ids.RANGE,
        Join.SPANS_NEXT,
    )
    assert book.sync.global_ids
    assert book.sync.proofs == ("sequence", "audit")


def test_windows_are_aligned() -> None:
    """Weight is 6000 a minute and raw requests 300000 in five, whole again at each multiple of the window."""
    assert {pool.name: (pool.capacity, pool.period) for pool in DESCRIPTION.pools} == {
        "REQUEST_WEIGHT": (6_000, 60.0),
        "RAW_REQUESTS": (300_000, 300.0),
    }
    assert all(pool.kind is PoolKind.FIXED_WINDOW for pool in DESCRIPTION.pools)


def test_used_weight_is_reported() -> None:
    """The header of a success tells the weight used in this minute, and no pause."""
    report = limit_report(HttpResponse(200, b"{}", {"x-mbx-used-weight-1m": "251"}))
    assert report == LimitReport(used={"REQUEST_WEIGHT": 251.0})


@pytest.mark.parametrize("told", ["", "many", "-1", "1e3", "²"])
def test_a_strange_header_reports_nothing(told: str) -> None:
    """A header that is no number is left out and raises nothing."""
    assert limit_report(HttpResponse(200, b"{}", {"x-mbx-used-weight-1m": told})) == LimitReport()


@pytest.mark.parametrize(
    ("response", "ordered"),
    [
        (HttpResponse(429, b"", {"retry-after": "7"}), (7.0, False)),
        (HttpResponse(429, b"", received=90 * SECOND), (30.0, False)),
        (HttpResponse(418, b"", {"retry-after": "3600"}), (3_600.0, True)),
        (HttpResponse(418, BAN, received=1_659_146_390 * SECOND), (10.0, True)),
        (HttpResponse(418, b""), (120.0, True)),
        (HttpResponse(403, b"<html>"), (120.0, True)),
        (HttpResponse(403, b'{"code":-2015,"msg":"Invalid API-key"}'), (None, False)),
        (HttpResponse(503, b"", {"retry-after": "7"}), (None, False)),
    ],
)
def test_pauses(response: HttpResponse, ordered: tuple[float | None, bool]) -> None:
    """A limit, a ban and the firewall order a pause, from the best source there is; other failures do not."""
    report = limit_report(response)
    assert (report.penalty, report.banned) == ordered


def test_capacities_come_from_exchange_info() -> None:
    """The limits that exchangeInfo tells become the pools' capacities, where the window is the pool's."""
    body = (
        b'{"timezone":"UTC","rateLimits":['
        b'{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":1200},'
        b'{"rateLimitType":"RAW_REQUESTS","interval":"SECOND","intervalNum":30,"limit":10},'
        b'{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000},'
        b'{"rateLimitType":"NEW","interval":"CENTURY","intervalNum":1,"limit":1}],"symbols":[]}'
    )
    assert limit_report(HttpResponse(200, body, url=EXCHANGE_INFO)).capacities == {"REQUEST_WEIGHT": 1_200.0}
    assert limit_report(HttpResponse(200, body, url="https://api.binance.com/api/v3/depth")).capacities == {}


def test_an_unreadable_exchange_info_reports_no_capacities() -> None:
    """A body that cannot be decoded leaves the capacities as they are; the flow reports it."""
    assert limit_report(HttpResponse(200, b"<html>", url=EXCHANGE_INFO)) == LimitReport()

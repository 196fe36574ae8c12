"""The venue by itself: limits, times, signatures, nonsense, and the page that tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins.exchange_a.tests.local import limit

from venuekit_exchange_a.description import limit_report
from venuekit_exchange_a.dialect.server import ExchangeADialect
from venuekit_exchange_a.endpoints import ENDPOINTS
from venuekit_exchange_a.errors import raise_for_error
from venuekit_spec import (
    SECOND,
    ClockSkewed,
    HttpRequest,
    HttpResponse,
    RateLimited,
    Side,
)
from venuekit_testkit import Hand

PROTOCOL = Path(__file__).parent.parent / "PROTOCOL.md"


def test_the_fact_sheet_is_true() -> None:
    """PROTOCOL.md names every endpoint, with its request, its costs, and who may call it."""
    text = PROTOCOL.read_text(encoding="utf-8")
    for each in ENDPOINTS:
        cells = (each.name, f"{each.method} {each.path}", str(each.weight), str(each.orders or ""))
        flags = ("yes" if each.signed else "", "yes" if each.on_socket else "")
        row = "|" + "|".join(f" {cell} " if cell else " " for cell in (*cells, *flags)) + "|"
        assert row in text, row


def test_headers_tell_what_is_used(local: Hand) -> None:
    """The headers of an answer are the venue's count; of orders only where somebody signed."""
    public = local.send(HttpRequest("GET", "http://127.0.0.1:8701/v1/time"))
    assert limit_report(public).used == {"weight": 1, "raw": 1}
    local.run(local.market().place([limit("vk1", Side.BUY, "50000", "0.1")]))
    signed = local.send(HttpRequest("GET", "http://127.0.0.1:8701/v1/account/limits", signed=True))
    assert limit_report(signed).used == {"weight": 3, "raw": 3, "orders": 1}
    assert limit_report(signed).capacities["weight"] == 6_000


def test_above_the_limit_and_the_ban(local: Hand, dialect: ExchangeADialect) -> None:
    """A spent window is refused with the rest of it as pause; who goes on is banned; all is well afterwards."""
    flow = local.source.instruments
    for _ in range(600):
        local.run(flow())
    usage = dialect.usage
    assert (usage.largest["weight"], usage.refused["weight"]) == (6_000, 0)
    for _ in range(19):
        with pytest.raises(RateLimited) as limited:
            local.run(flow())
        assert (limited.value.retry_after, limited.value.banned) == (60.0, False)
    with pytest.raises(RateLimited) as banned:
        local.run(flow())
    assert (banned.value.retry_after, banned.value.banned) == (120.0, True)
    assert (usage.largest["weight"], usage.bans) == (6_000, 1)
    local.now += 120 * SECOND
    local.run(flow())


@pytest.mark.parametrize(
    ("seconds", "fine"), [(5.0, True), (5.001, False), (-1.0, True), (-1.001, False), (3_600.0, False)]
)
def test_the_receive_window(local: Hand, seconds: float, fine: bool) -> None:
    """What arrives more than five seconds after its timestamp, or a second before it, never acts: the clock is skewed."""
    request = next(local.market().place([limit("vk1", Side.BUY, "50000", "0.1")]))
    assert isinstance(request, HttpRequest)
    signed = local.signer.sign(request, local.now, 0)
    response = local.dialect.http(signed, local.now + round(seconds * SECOND))
    assert (response.status == 200) is fine
    assert len(local.engine.orders("alice")) == fine
    if not fine:
        with pytest.raises(ClockSkewed):
            raise_for_error(response, "")


def test_a_touched_request_is_refused(local: Hand) -> None:
    """A request whose query, signature or key is not what was signed is refused, and shows nothing."""
    request = HttpRequest("GET", "http://127.0.0.1:8701/v1/orders?symbols=%5B%5D", signed=True)
    signed = local.signer.sign(request, local.now, 0)
    for touched in (
        signed.replace(url=signed.url.replace("%5B", "%5b")),
        signed.replace(url=signed.url[:-1]),
        signed.replace(headers=(("x-api-key", "nobody"),)),
        request,
    ):
        response = local.dialect.http(touched, local.now)
        assert response.status == 401


@pytest.mark.parametrize("url", ["/v1/none", "/v1/depth", "/v1/depth?symbol=NONE", "/v1/depth?%ff=%ff&&"])
def test_nonsense_is_answered(local: Hand, url: str) -> None:
    """Whatever is asked, the venue answers with a code."""
    response = local.dialect.http(HttpRequest("GET", url), local.now)
    assert response.status in {400, 404}
    assert b'"code":-' in response.body


def test_too_many_frames_end_a_socket(local: Hand) -> None:
    """The twenty-first frame within a second closes the socket."""
    server = local.dialect.connect(HttpRequest("GET", "/v1/calls"), local.now)
    assert not isinstance(server, HttpResponse)
    for _ in range(20):
        [answer] = server.feed("nonsense", local.now)
        assert "-1100" in getattr(answer, "frame", "")
    [hangup] = server.feed("nonsense", local.now)
    assert getattr(hangup, "code", 0) == 1008

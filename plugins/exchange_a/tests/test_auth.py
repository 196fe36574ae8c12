from __future__ import annotations

import hashlib
import hmac

import pytest

from venuekit_exchange_a.auth import ExchangeAAuth
from venuekit_spec import (
    MILLISECOND,
    Credentials,
    HttpRequest,
    LocalError,
    Secret,
    SocketRequest,
)

KEY, SECRET = "the-key", "the-secret-that-is-never-shown"
NOW = 1_767_225_600_123 * MILLISECOND + 999_999
AUTH = ExchangeAAuth(Credentials({"api_key": Secret(KEY), "api_secret": Secret(SECRET)}))


def expected(text: str) -> str:
    """HMAC-SHA256 of a text, in hex."""
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("?symbol=BTCUSDT", "symbol=BTCUSDT&recvWindow=5000&timestamp=1767225600123"),
        ("", "recvWindow=5000&timestamp=1767225600123"),
        (
            "?symbol=%E7%8B%97%E5%B8%81USDT&b=2&a=1",
            "symbol=%E7%8B%97%E5%B8%81USDT&b=2&a=1&recvWindow=5000&timestamp=1767225600123",
        ),
    ],
)
def test_the_signed_bytes_are_the_sent_bytes(query: str, signed: str) -> None:
    """The query is signed as it is sent: its order and its percent-encoding are kept, the signature comes last."""
    request = AUTH.sign(HttpRequest("GET", f"http://127.0.0.1:1/v1/order{query}"), NOW, 0)
    assert request.url == f"http://127.0.0.1:1/v1/order?{signed}&signature={expected(signed)}"
    assert request.headers == (("x-api-key", KEY),)


def test_a_call_is_signed_in_the_order_of_names() -> None:
    """The parameters of a call are sorted and not encoded."""
    call = AUTH.sign_call(SocketRequest("1", "order.place", {"symbol": "狗币USDT", "a": "1"}), NOW, 0)
    signed = f"a=1&apiKey={KEY}&recvWindow=5000&symbol=狗币USDT&timestamp=1767225600123"
    assert call.params["signature"] == expected(signed)
    assert call.params["symbol"] == "狗币USDT"


def test_missing_fields_are_named() -> None:
    """A missing field is a mistake of ours, and a key that cannot stand in a header too."""
    with pytest.raises(LocalError, match="api_secret"):
        ExchangeAAuth(Credentials({"api_key": Secret(KEY)}))
    with pytest.raises(LocalError, match="plain text"):
        ExchangeAAuth(Credentials({"api_key": Secret("a\nb"), "api_secret": Secret(SECRET)}))

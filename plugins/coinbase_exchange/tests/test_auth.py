from __future__ import annotations

import json

import pytest

import venuekit_coinbase_exchange
from venuekit_coinbase_exchange.auth import CoinbaseExchangeAuth
from venuekit_coinbase_exchange.description import DESCRIPTION
from venuekit_spec import (
    SECOND,
    Auth,
    Channel,
    Credentials,
    HttpRequest,
    LocalError,
    NonceRule,
    Secret,
    SocketRequest,
    Topic,
    Unsupported,
)

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
NOW = 1_700_000_000 * SECOND
REST = "https://api.exchange.coinbase.com"
ORDER = b'{"type":"limit","side":"buy","product_id":"BTC-USD","price":"1.0","size":"1.0"}'


def credentials(**changed: str) -> Credentials:
    """Made-up ones; a field that is changed to nothing is left out."""
    fields = {"key": "a-key", "secret": SECRET, "passphrase": "open sesame", **changed}
    return Credentials({name: Secret(value) for name, value in fields.items() if value})


@pytest.fixture
def auth() -> Auth:
    """The signer of a made-up account."""
    return CoinbaseExchangeAuth(credentials())


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (HttpRequest("GET", f"{REST}/users/self/verify"), "4w5N81jN+R8BEl+8gu26Lel0jalXF5uTezix+T8v9eY="),
        (HttpRequest("POST", f"{REST}/orders", body=ORDER), "XS3l8Ui+JwG+uLIaUdPrubFk8m6E4b1onmqgSINY4OM="),
        (
            HttpRequest("GET", f"{REST}/orders?status=open&product_id=BTC-USD"),
            "mowh6614yt0MeNi8/GIaIGKjAFUP0YeONVd40tQEWII=",
        ),
    ],
    ids=["path", "body", "query"],
)
def test_requests_are_signed(auth: Auth, request_: HttpRequest, signature: str) -> None:
    """The signature covers time, method, path with query and body, and nothing of the request but its headers changes."""
    signed = auth.sign(request_.replace(headers=(("X-Other", "1"),)), NOW, 0)
    assert dict(signed.headers) == {
        "X-Other": "1",
        "CB-ACCESS-KEY": "a-key",
        "CB-ACCESS-SIGN": signature,
        "CB-ACCESS-TIMESTAMP": "1700000000",
        "CB-ACCESS-PASSPHRASE": "open sesame",
        "Content-Type": "application/json",
    }
    assert signed.replace(headers=()) == request_


def test_subscriptions_are_signed(auth: Auth) -> None:
    """A topic carries the signature of the fixed request, whatever it is."""
    fields = auth.topic_fields(Topic(Channel.ORDERS, "BTC-USD"), NOW, 0)
    assert fields == {
        "key": "a-key",
        "passphrase": "open sesame",
        "timestamp": "1700000000",
        "signature": "4w5N81jN+R8BEl+8gu26Lel0jalXF5uTezix+T8v9eY=",
    }
    assert json.dumps(dict(fields))


def test_the_secret_never_travels(auth: Auth) -> None:
    """Neither the secret nor its bytes are in what is sent, nor in what is shown of the signer."""
    shown = repr(auth) + repr(auth.sign(HttpRequest("GET", f"{REST}/accounts"), NOW, 0).headers)
    shown += repr(auth.topic_fields(Topic(Channel.ORDERS), NOW, 0))
    assert SECRET not in shown


@pytest.mark.parametrize("name", ["key", "secret", "passphrase"])
def test_a_missing_field_is_named(name: str) -> None:
    """Credentials without one of the three fields are refused, by its name and without the values of the others."""
    with pytest.raises(LocalError, match=name) as raised:
        CoinbaseExchangeAuth(credentials(**{name: ""}))
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("secret", ["not base64!", "ünicode", "AAA"])
def test_a_malformed_secret_is_not_shown(secret: str) -> None:
    """A secret that is not base64 is refused when the signer is made, without being told to anybody."""
    with pytest.raises(LocalError, match="base64") as raised:
        CoinbaseExchangeAuth(credentials(secret=secret))
    assert secret not in str(raised.value)
    assert raised.value.__cause__ is None


def test_there_is_no_nonce_no_login_and_no_call(auth: Auth) -> None:
    """Times are enough, sockets are not logged in, and the feed takes no calls."""
    assert auth.nonces is NonceRule.TIMESTAMP
    assert auth.login(NOW, 0) is None
    with pytest.raises(Unsupported):
        auth.sign_call(SocketRequest("1", "order.place"), NOW, 0)


def test_the_hook_makes_the_signer() -> None:
    """The hook takes what the description declares."""
    fields = {name: Secret(SECRET) for name in DESCRIPTION.credentials}
    made = venuekit_coinbase_exchange.auth(Credentials(fields), DESCRIPTION.environment())
    assert isinstance(made, CoinbaseExchangeAuth)

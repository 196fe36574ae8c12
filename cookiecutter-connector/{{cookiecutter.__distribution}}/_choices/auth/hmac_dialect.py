"""Who signed: the mirror of `auth`. The keys open accounts on this machine only, and nothing anywhere else."""

from __future__ import annotations

import hmac
from urllib.parse import {% if cookiecutter.auth == "hmac_query" %}parse_qs, {% endif %}urlsplit

from msgspec.json import Decoder
from venuekit_spec import MILLISECOND, UNREADABLE, Credentials, HttpRequest, Instant, Secret

from {{ cookiecutter.__package }}.auth import LoginFrame, signature
from {{ cookiecutter.__package }}.dialect.refusals import No

_SECRETS = {"alice": "alice-signs-on-this-machine-only", "bob": "bob-signs-on-this-machine-only"}

CREDENTIALS = {
    name: Credentials({"api_key": Secret(f"key-of-{name}"), "api_secret": Secret(secret)}, account=name)
    for name, secret in _SECRETS.items()
}
_NAMES = {f"key-of-{name}": name for name in _SECRETS}

OLD, AHEAD = 5_000, 1_000
"""Milliseconds by which a timestamp may be older than the venue's time, or ahead of it."""

_login = Decoder(LoginFrame)


class Keys:
    """The keys of all accounts."""

    names = tuple(_SECRETS)

    def account(self, request: HttpRequest, now: Instant) -> str:
        """The account that signed a request. Raises `No`."""
        headers = dict(request.headers)
{%- if cookiecutter.auth == "hmac_query" %}
        query, _, told = urlsplit(request.url).query.rpartition("&signature=")
        stamp = parse_qs(query).get("timestamp", [""])[-1]
        text = query + request.body.decode(errors="replace")
        return self._checked(headers.get("x-api-key", ""), text, told, stamp, now)
{%- else %}
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stamp = headers.get("x-timestamp", "")
        text = f"{stamp}{request.method}{path}{request.body.decode(errors='replace')}"
        return self._checked(headers.get("x-api-key", ""), text, headers.get("x-signature", ""), stamp, now)
{%- endif %}

    def login(self, frame: str | bytes, now: Instant) -> str:
        """The account that logs in. Raises `No`."""
        try:
            told = _login.decode(frame)
        except UNREADABLE as error:
            raise No("malformed", "not a login") from error
        text = f"{told.timestamp}login"
        return self._checked(told.key, text, told.signature, str(told.timestamp), now)

    def _checked(self, key: str, text: str, told: str, stamp: str, now: Instant) -> str:
        name = _NAMES.get(key)
        if name is None:
            raise No("key", "unknown key", 401)
        if not hmac.compare_digest(signature(_SECRETS[name].encode(), text).encode(), told.encode()):
            raise No("signature", "the signature is not that of the request", 401)
        if not (stamp.isascii() and stamp.isdecimal()):
            raise No("timestamp", "the timestamp is no number")
        age = now // MILLISECOND - int(stamp)
        if not -AHEAD <= age <= OLD:
            raise No("timestamp", f"the request is {age} ms old")
        return name

"""Who signed: the mirror of `auth`. The keys open accounts on this machine only, and nothing anywhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

from coincurve import PrivateKey, PublicKey
from msgspec.json import Decoder
from venuekit_spec import MILLISECOND, UNREADABLE, Credentials, HttpRequest, Instant, Secret

from {{ cookiecutter.__package }}.auth import LoginFrame, address_of, digest
from {{ cookiecutter.__package }}.dialect.refusals import No

_KEYS = {"alice": "a1" * 32, "bob": "b0" * 32}
_NAMES = {address_of(PrivateKey(bytes.fromhex(key)).public_key): name for name, key in _KEYS.items()}

CREDENTIALS = {
    name: Credentials({"address": Secret(address), "private_key": Secret(_KEYS[name])}, account=address)
    for address, name in _NAMES.items()
}

OLD, AHEAD = 5_000, 65_000
"""Milliseconds by which a nonce may be older than the venue's time, or ahead of it."""

_login = Decoder(LoginFrame)


class Keys:
    """The wallets of all accounts, and the nonces that were used."""

    names = tuple(_KEYS)

    def __init__(self) -> None:
        self._used: set[tuple[str, int]] = set()

    def account(self, request: HttpRequest, now: Instant) -> str:
        """The account that signed a request. Raises `No`."""
        headers = dict(request.headers)
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        told = headers.get("x-nonce", "")
        nonce = int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else 0
        data = digest(f"{request.method} {path}", request.body, nonce)
        return self._checked(headers.get("x-address", ""), data, headers.get("x-signature", ""), nonce, now)

    def login(self, frame: str | bytes, now: Instant) -> str:
        """The account that logs in. Raises `No`."""
        try:
            told = _login.decode(frame)
        except UNREADABLE as error:
            raise No("malformed", "not a login") from error
        data = digest("login", b"", told.nonce)
        return self._checked(told.address, data, told.signature, told.nonce, now)

    def _checked(self, address: str, data: bytes, told: str, nonce: int, now: Instant) -> str:
        if address not in _NAMES:
            raise No("key", "unknown account", 401)
        try:
            key = PublicKey.from_signature_and_message(bytes.fromhex(told), data, hasher=None)
        except Exception as error:  # the library raises bare exceptions of its C code
            raise No("signature", "not a signature", 401) from error
        if address_of(key) != address:
            raise No("signature", "another key has signed this", 401)
        age = now // MILLISECOND - nonce
        if not -AHEAD <= age <= OLD or (address, nonce) in self._used:
            raise No("nonce", f"the nonce is {age} ms old, or was used before")
        self._used.add((address, nonce))
        return _NAMES[address]

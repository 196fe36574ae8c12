"""Signing: a wallet signs each request as typed data (EIP-712, https://eips.ethereum.org/EIPS/eip-712), with a nonce.

========  =======================================================================================
digest    keccak256(0x19 0x01, domain separator, hash of the struct)
domain    EIP712Domain(string name,uint256 chainId)
struct    Request(string request,bytes body,uint64 nonce)
request   method and path with query, or "login"
========  =======================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak
from msgspec import Struct
from msgspec.json import encode
from venuekit_spec import (
    Credentials,
    ExternalSigner,
    HttpRequest,
    Instant,
    LocalError,
    NonceRule,
    Seconds,
    SocketRequest,
    Topic,
    Unsupported,
)

FIELDS: Final = ("address", "private_key")
"""What an account needs, by the names of `Credentials.fields`. An external signer stands for the key."""

LANDS_WITHIN: Final[Seconds] = 75.0
"""A request that has not arrived by then is refused: nonces are milliseconds that run ahead by a minute at most."""

NAME: Final = "{{ cookiecutter.name }}"
CHAIN: Final = 8710
"""Where a signature counts; elsewhere it is worthless."""


class VenueAuth:
    """The signer of one wallet. Raises `LocalError` where the address or what signs is missing, or is none."""

    nonces = NonceRule.WINDOW

    def __init__(self, credentials: Credentials) -> None:
        told = credentials.fields.get("address")
        self._address = told.reveal().lower() if told else credentials.account.lower()
        if not re.fullmatch("0x[0-9a-f]{40}", self._address):
            raise LocalError("the credentials lack an address: 0x and 40 hexadecimal digits")
        self._sign = credentials.signer or key_signer(credentials)

    def sign(self, request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
        """The request with address, nonce and signature in headers."""
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        signed = self._sign(digest(f"{request.method} {path}", request.body, nonce))
        told = (("x-address", self._address), ("x-nonce", str(nonce)), ("x-signature", signed.hex()))
        return request.replace(headers=(*request.headers, *told), nonce=nonce)

    def sign_call(self, request: SocketRequest, now: Instant, nonce: int) -> SocketRequest:
        """Raises `Unsupported`: no socket takes calls."""
        raise Unsupported("no socket takes calls")

    def login(self, now: Instant, nonce: int, challenge: str = "") -> str | bytes | None:
        """The frame that logs the user stream in."""
        signed = self._sign(digest("login", b"", nonce))
        return encode(LoginFrame(self._address, nonce, signed.hex())).decode()

    def topic_fields(self, topic: Topic, now: Instant, nonce: int) -> Mapping[str, str]:
        """Nothing: public topics need no key."""
        return {}


class LoginFrame(Struct, frozen=True):
    """``{"address":"0x7e5f...","nonce":1767225600123,"signature":"9f86d0..."}``"""

    address: str
    nonce: int
    signature: str


def keccak256(data: bytes) -> bytes:
    """The hash of Ethereum, 32 bytes."""
    found: bytes = keccak.new(digest_bits=256, data=data).digest()
    return found


_DOMAIN_TYPE: Final = keccak256(b"EIP712Domain(string name,uint256 chainId)")
_DOMAIN: Final = keccak256(_DOMAIN_TYPE + keccak256(NAME.encode()) + CHAIN.to_bytes(32))
_REQUEST: Final = keccak256(b"Request(string request,bytes body,uint64 nonce)")


def digest(request: str, body: bytes, nonce: int) -> bytes:
    """The 32 bytes that are signed."""
    struct = _REQUEST + keccak256(request.encode()) + keccak256(body) + nonce.to_bytes(32)
    return keccak256(b"\x19\x01" + _DOMAIN + keccak256(struct))


def key_signer(credentials: Credentials) -> ExternalSigner:
    """Signs with the field ``private_key``: r, s and v, 65 bytes. Raises `LocalError`, which does not show it."""
    told = credentials.fields.get("private_key")
    if told is None or not re.fullmatch("(0x)?[0-9a-fA-F]{64}", told.reveal()):
        raise LocalError("the credentials lack a private_key: 64 hexadecimal digits")
    try:
        key = PrivateKey(bytes.fromhex(told.reveal()[-64:]))
    except ValueError:
        raise LocalError("this private_key is no key of secp256k1") from None
    return lambda data: key.sign_recoverable(data, hasher=None)


def address_of(key: PublicKey) -> str:
    """The address of a public key: the last 20 bytes of its hash."""
    return f"0x{keccak256(key.format(compressed=False)[1:])[-20:].hex()}"

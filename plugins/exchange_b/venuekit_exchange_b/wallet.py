"""Wallets: a secp256k1 key, or a callable that keeps its key to itself, and who signed what.

A signature is 65 bytes: r and s of 32 bytes each, s in the lower half, and v, 27 or 28, which tells the two public keys apart
that r and s would fit (https://www.secg.org/sec1-v2.pdf 4.1.6). The nonce of the curve is derived from key and digest
(RFC 6979), so the same digest gives the same signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from coincurve import PrivateKey, PublicKey

from venuekit_exchange_b.typed_data import keccak256
from venuekit_spec import Credentials, ExternalSigner, LocalError

SIGNATURE_LENGTH: Final = 65
_V: Final = 27
_HALF_ORDER: Final = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0


class NoSigner(LocalError):
    """The credentials have neither a private key nor a signer, or a key that is none."""


class SignatureRefused(LocalError):
    """The external signer gave something that is no signature of a secp256k1 key."""


def key_signer(private_key: str) -> ExternalSigner:
    """Signs with a key: 64 hexadecimal digits, with or without ``0x``. Raises `NoSigner`, which does not show it."""
    if not re.fullmatch("(0x)?[0-9a-fA-F]{64}", private_key):
        raise NoSigner("a private key is 64 hexadecimal digits")
    try:
        key = PrivateKey(bytes.fromhex(private_key[-64:]))
    except ValueError:
        raise NoSigner("this private key is no key of secp256k1") from None

    def sign(digest: bytes) -> bytes:
        signature = key.sign_recoverable(digest, hasher=None)
        return signature[:-1] + bytes([signature[-1] + _V])

    return sign


def signer_of(credentials: Credentials, field: str = "private_key") -> Callable[[bytes], bytes]:
    """What signs for an account: its external signer where it has one, else its key. Raises `NoSigner`.

    What an external signer returns is checked: `SignatureRefused` tells of a wrong length, or of bytes that nobody can have
    signed with.
    """
    if credentials.signer is None:
        if field not in credentials.fields:
            raise NoSigner(f"the credentials have neither {field!r} nor a signer")
        return key_signer(credentials[field])
    external = credentials.signer

    def sign(digest: bytes) -> bytes:
        signature = external(digest)
        recover(digest, signature)
        return signature

    return sign


def recover(digest: bytes, signature: bytes) -> str:
    """The address that signed `digest`. Any well-formed signature has one: a wrong digest gives a wrong address.

    Raises `SignatureRefused` where there is none, also for an s in the upper half: each signature would else have a twin.
    """
    if len(signature) != SIGNATURE_LENGTH or signature[-1] not in {_V, _V + 1}:
        raise SignatureRefused("a signature is r, s and v of 27 or 28: 65 bytes")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise SignatureRefused("the s of a signature is in the lower half of the curve's order")
    plain = signature[:-1] + bytes([signature[-1] - _V])
    try:
        key = PublicKey.from_signature_and_message(plain, digest, hasher=None)
    except Exception as error:  # the library raises bare exceptions of its C code
        raise SignatureRefused("no key of secp256k1 can have made this signature") from error
    return address_of(key)


def address_of(key: PublicKey) -> str:
    """The address of a public key: the last 20 bytes of its hash, in lower case."""
    return f"0x{keccak256(key.format(compressed=False)[1:])[-20:].hex()}"


def address_of_signer(sign: ExternalSigner) -> str:
    """The address whose key `sign` uses, found by letting it sign a digest that means nothing."""
    digest = keccak256(b"whose key is this")
    return recover(digest, sign(digest))

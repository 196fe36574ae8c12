"""Typed data and wallets against published vectors: the standard's own example, and Hyperliquid's."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_exchange_b.typed_data import Domain, MalformedTypedData, TypedData, keccak256, type_text
from venuekit_exchange_b.wallet import (
    NoSigner,
    SignatureRefused,
    address_of_signer,
    key_signer,
    recover,
    signer_of,
)
from venuekit_spec import Credentials, Secret

MAIL_DOMAIN = Domain("Ether Mail", "1", 1, "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC")
MAIL_TYPES = {
    "Mail": (("from", "Person"), ("to", "Person"), ("contents", "string")),
    "Person": (("name", "string"), ("wallet", "address")),
}
MAIL = TypedData(
    "Mail",
    MAIL_TYPES,
    {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
)
"""The example of https://eips.ethereum.org/EIPS/eip-712; its key is the hash of "cow"."""

AGENT = {"Agent": (("source", "string"), ("connectionId", "bytes32"))}
AGENT_DOMAIN = Domain("Exchange", "1", 1337, "0x" + "0" * 40)
AGENT_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
PLAIN: dict[str, Any] = {
    "a": 1,
    "b": True,
    "p": "100",
    "s": "100",
    "r": False,
    "t": {"limit": {"tif": "Gtc"}},
}
ORDER: dict[str, Any] = {
    "type": "order",
    "orders": [PLAIN],
    "grouping": "na",
}
NAMED = {**ORDER, "orders": [{**PLAIN, "c": "0x00000000000000000000000000000001"}]}
STOP = {"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}
STOPPED = {**ORDER, "orders": [{**PLAIN, "t": STOP}]}
DUMMY = {"type": "dummy", "num": 100_000_000_000}
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
HYPERLIQUID: list[tuple[dict[str, Any], str, str, tuple[str, str, int]]] = [
    (
        DUMMY,
        "a",
        "",
        (
            "0x53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298",
            "0x755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8",
            27,
        ),
    ),
    (
        DUMMY,
        "b",
        "",
        (
            "0x542af61ef1f429707e3c76c5293c80d01f74ef853e34b76efffcb57e574f9510",
            "0x17b8b32f086e8cdede991f1e2c529f5dd5297cbe8128500e00cbaf766204a613",
            28,
        ),
    ),
    (
        DUMMY,
        "a",
        VAULT,
        (
            "0x3c548db75e479f8012acf3000ca3a6b05606bc2ec0c29c50c515066a326239",
            "0x4d402be7396ce74fbba3795769cda45aec00dc3125a984f2a9f23177b190da2c",
            28,
        ),
    ),
    (
        ORDER,
        "a",
        "",
        (
            "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
            "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
            28,
        ),
    ),
    (
        ORDER,
        "b",
        "",
        (
            "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
            "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
            27,
        ),
    ),
    (
        NAMED,
        "a",
        "",
        (
            "0x41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
            "0x3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da",
            27,
        ),
    ),
    (
        STOPPED,
        "a",
        "",
        (
            "0x98343f2b5ae8e26bb2587daad3863bc70d8792b09af1841b6fdd530a2065a3f9",
            "0x6b5bb6bb0633b710aa22b721dd9dee6d083646a5f8e581a20b545be6c1feb405",
            27,
        ),
    ),
    (
        {"type": "cancel", "cancels": [{"a": 0, "o": 12345}]},
        "a",
        "1700000000000",
        (
            "0xc301caf5befeaa397f775e09671cc9bc6665ed3a11ae72f849be31eef4eaffde",
            "0x71847b09f9a87edba4c5402ce8997d78ebc29ac01dc4bf02eee12a7a36b3e155",
            27,
        ),
    ),
]


def agent(action: dict[str, Any], source: str, vault: str, nonce: int) -> TypedData:
    """What Hyperliquid has signed for an action: the hash of its bytes, nonce and vault."""
    suffix = b"\x01" + bytes.fromhex(vault[2:]) if vault else b"\x00"
    connection = keccak256(msgspec.msgpack.encode(action) + nonce.to_bytes(8) + suffix)
    return TypedData("Agent", AGENT, {"source": source, "connectionId": connection})


def test_the_example_of_the_standard_is_reproduced() -> None:
    """Type text, digest, and signature of the example in EIP-712 come out as printed there."""
    assert (
        type_text("Mail", MAIL_TYPES)
        == "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    digest = MAIL.digest(MAIL_DOMAIN)
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    signature = key_signer(keccak256(b"cow").hex())(digest)
    assert signature[:32].hex() == "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    assert signature[32:64].hex() == "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    assert signature[64] == 28
    assert recover(digest, signature) == "0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"


@pytest.mark.parametrize(("action", "source", "extra", "expected"), HYPERLIQUID)
def test_published_signatures_of_hyperliquid_are_reproduced(
    action: dict[str, Any], source: str, extra: str, expected: tuple[str, str, int]
) -> None:
    """Signing typed data gives the signatures of Hyperliquid's own SDK tests."""
    vault, nonce = (extra, 0) if extra.startswith("0x") else ("", int(extra or 0))
    signature = key_signer(AGENT_KEY)(agent(action, source, vault, nonce).digest(AGENT_DOMAIN))
    r, s, v = expected
    assert (int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]) == (
        int(r, 16),
        int(s, 16),
        v,
    )


def test_a_signature_counts_for_its_chain_and_contract_only() -> None:
    """Another chain id or contract makes another digest, of which the same signature names a stranger."""
    sign = key_signer(AGENT_KEY)
    signature = sign(MAIL.digest(MAIL_DOMAIN))
    for other in (
        Domain("Ether Mail", "1", 2, MAIL_DOMAIN.contract),
        Domain("Ether Mail", "1", 1, "0x" + "1" * 40),
    ):
        assert recover(MAIL.digest(other), signature) != address_of_signer(sign)


def test_arrays_numbers_and_bytes_are_encoded() -> None:
    """Every kind of field takes part in the digest: a change of any of them changes it."""
    types = {
        "All": (
            ("list", "uint8[]"),
            ("pair", "int64[2]"),
            ("raw", "bytes"),
            ("word", "bytes4"),
            ("yes", "bool"),
        )
    }
    base: dict[str, Any] = {"list": [1, 2], "pair": [-1, 1], "raw": b"x", "word": b"abcd", "yes": True}
    others: dict[str, Any] = {"list": [2, 1], "pair": [1, -1], "raw": b"y", "word": b"abce", "yes": False}
    digests = {TypedData("All", types, base).digest(MAIL_DOMAIN)}
    for name, value in others.items():
        digests.add(TypedData("All", types, base | {name: value}).digest(MAIL_DOMAIN))
    assert len(digests) == 1 + len(others)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("uint8", True),
        ("uint8", "1"),
        ("address", "0x12"),
        ("bytes4", b"abc"),
        ("bool", 1),
        ("string", b"x"),
        ("uint8[]", "12"),
        ("uint8[2]", [1]),
        ("money", 1),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, value: object) -> None:
    """Nothing is signed that the types do not describe."""
    with pytest.raises(MalformedTypedData):
        TypedData("One", {"One": (("value", kind),)}, {"value": value}).digest(MAIL_DOMAIN)


def test_a_missing_or_foreign_field_is_refused() -> None:
    """Values and fields of a struct must be the same names."""
    with pytest.raises(MalformedTypedData, match="contents"):
        TypedData("One", {"One": (("value", "bool"), ("contents", "string"))}, {"value": True}).digest(
            MAIL_DOMAIN
        )


@given(st.binary(min_size=32, max_size=32))
def test_who_signed_is_found_out(digest: bytes) -> None:
    """A signature of any digest names the address of its key, and the same digest is signed the same way."""
    sign = key_signer(AGENT_KEY)
    signature = sign(digest)
    assert recover(digest, signature) == "0x14791697260e4c9a71f18484c9f997b308e59325"
    assert sign(digest) == signature


@pytest.mark.parametrize("signature", [b"", b"\0" * 65, b"\0" * 64 + b"\x1b", b"\xff" * 64 + b"\x1b"])
def test_bytes_that_are_no_signature_are_refused(signature: bytes) -> None:
    """Wrong length, wrong v, no point of the curve, an s in the upper half: each is a typed error."""
    with pytest.raises(SignatureRefused):
        recover(keccak256(b"x"), signature)


def test_a_wallet_may_keep_its_key_to_itself() -> None:
    """An external signer is used as a key is, and what it returns is checked."""
    inner = key_signer(AGENT_KEY)
    digest = keccak256(b"x")
    assert signer_of(Credentials(signer=inner))(digest) == inner(digest)
    with pytest.raises(SignatureRefused):
        signer_of(Credentials(signer=lambda _digest: b"no"))(digest)


@pytest.mark.parametrize("key", ["", "0x12", "0x" + "0" * 64, "0x" + "f" * 64, "g" * 64])
def test_a_key_that_is_none_is_refused_unseen(key: str) -> None:
    """The error for a malformed key does not show it."""
    with pytest.raises(NoSigner) as caught:
        signer_of(Credentials({"private_key": Secret(key)}))
    assert not key or key not in str(caught.value)


def test_credentials_without_a_key_sign_nothing() -> None:
    """Neither key nor signer: the error says what is missing."""
    with pytest.raises(NoSigner, match="private_key"):
        signer_of(Credentials())

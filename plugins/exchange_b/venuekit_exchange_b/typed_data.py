"""Typed data: what a wallet signs instead of opaque bytes (EIP-712, https://eips.ethereum.org/EIPS/eip-712).

    digest      keccak256(0x19 0x01, domain separator, hash of the message)
    hash        of a struct: keccak256(type hash, encoded fields in the order of the type)
    type hash   keccak256 of the type's text, followed by the texts of the structs it refers to, in order of their names
    fields      32 bytes each: numbers big-endian, ``bytesN`` padded at the end, an address at the front, text and ``bytes`` by
                their keccak256, a struct by its hash, an array by the keccak256 of its encoded elements

Everything is pure. Types are given as data, so the same few functions sign orders, cancels and logins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from attrs import field, frozen
from Crypto.Hash import keccak

from venuekit_spec import LocalError

Fields: TypeAlias = tuple[tuple[str, str], ...]
"""The fields of a struct in order: (name, type)."""

_WORD: Final = 32
_ARRAY: Final = re.compile(r"(?P<element>.+)\[(?P<length>\d*)\]")
_NUMBER: Final = re.compile(r"(?P<sign>u?)int(?P<bits>\d+)")
_BYTES: Final = re.compile(r"bytes(?P<length>\d+)")

_DOMAIN_FIELDS: Final[Fields] = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


class MalformedTypedData(LocalError):
    """A value does not fit the type that it is to be signed as."""


def keccak256(data: bytes) -> bytes:
    """The Keccak-256 hash, 32 bytes: the one of Ethereum, padded otherwise than SHA3-256."""
    digest: bytes = keccak.new(digest_bits=256, data=data).digest()
    return digest


@frozen
class Domain:
    """Where a signature counts: one application, on one chain, of one contract. Elsewhere it is worthless."""

    name: str
    version: str
    chain_id: int
    contract: str

    @property
    def separator(self) -> bytes:
        """The hash of the domain, 32 bytes."""
        values = {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }
        return hash_struct("EIP712Domain", values, {"EIP712Domain": _DOMAIN_FIELDS})


def _fixed(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A read-only view of a mapping."""
    return MappingProxyType(dict(mapping))


@frozen
class TypedData:
    """A message of the struct `primary`, whose fields and those of every struct in it are in `types`."""

    primary: str
    types: Mapping[str, Fields] = field(converter=_fixed, hash=False)
    message: Mapping[str, Any] = field(converter=_fixed, hash=False)

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed. Raises `MalformedTypedData`."""
        return keccak256(b"\x19\x01" + domain.separator + hash_struct(self.primary, self.message, self.types))


def hash_struct(name: str, values: Mapping[str, Any], types: Mapping[str, Fields]) -> bytes:
    """The hash of a struct, 32 bytes. Raises `MalformedTypedData` where values and fields do not match."""
    fields = types[name]
    if missing := {key for key, _ in fields} ^ values.keys():
        raise MalformedTypedData(f"{name} and its values differ in {', '.join(sorted(missing))}")
    encoded = b"".join(_encode(kind, values[key], types) for key, kind in fields)
    return keccak256(keccak256(type_text(name, types).encode()) + encoded)


def type_text(name: str, types: Mapping[str, Fields]) -> str:
    """A struct's type as text: itself first, then what it refers to, by name."""
    referred = sorted(_referred(name, types) - {name})
    return "".join(
        f"{struct}({','.join(f'{kind} {key}' for key, kind in types[struct])})"
        for struct in (name, *referred)
    )


def _referred(name: str, types: Mapping[str, Fields]) -> set[str]:
    """The structs that a struct is made of, itself included, to any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        struct = waiting.pop()
        if struct not in found:
            found.add(struct)
            kinds = (kind.partition("[")[0] for _, kind in types[struct])
            waiting += [kind for kind in kinds if kind in types]
    return found


def _encode(kind: str, value: Any, types: Mapping[str, Fields]) -> bytes:
    """One value as 32 bytes."""
    if kind in types:
        return hash_struct(kind, value, types)
    if found := _ARRAY.fullmatch(kind):
        return _encode_array(found["element"], found["length"], value, types)
    if kind == "string":
        return keccak256(_typed(value, str, kind).encode())
    if kind == "bytes":
        return keccak256(_typed(value, bytes, kind))
    if kind == "bool":
        return int(_typed(value, bool, kind)).to_bytes(_WORD)
    if kind == "address":
        return address_bytes(_typed(value, str, kind)).rjust(_WORD, b"\0")
    if found := _BYTES.fullmatch(kind):
        if len(_typed(value, bytes, kind)) != int(found["length"]):
            raise MalformedTypedData(f"{len(value)} bytes are no {kind}")
        return bytes(value).ljust(_WORD, b"\0")
    if found := _NUMBER.fullmatch(kind):
        return _encode_number(kind, int(found["bits"]), value, signed=not found["sign"])
    raise MalformedTypedData(f"{kind!r} is no type of EIP-712, and no struct of this message")


def _encode_array(element: str, length: str, value: Any, types: Mapping[str, Fields]) -> bytes:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise MalformedTypedData(f"an array of {element} is wanted, not a {type(value).__name__}")
    if length and len(value) != int(length):
        raise MalformedTypedData(f"{len(value)} elements are no {element}[{length}]")
    return keccak256(b"".join(_encode(element, each, types) for each in value))


def _encode_number(kind: str, bits: int, value: Any, *, signed: bool) -> bytes:
    number: int = _typed(value, int, kind)
    lowest, beyond = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    if isinstance(value, bool) or not lowest <= number < beyond:
        raise MalformedTypedData(f"{value!r} is no {kind}")
    return number.to_bytes(_WORD, signed=signed)


def _typed(value: Any, expected: type[Any], kind: str) -> Any:
    if not isinstance(value, expected):
        raise MalformedTypedData(f"a {kind} is wanted, not a {type(value).__name__}")
    return value


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address (``0x`` and 40 hexadecimal digits, of any case). Raises `MalformedTypedData`."""
    if not re.fullmatch("0x[0-9a-fA-F]{40}", address):
        raise MalformedTypedData(f"{address!r} is no address")
    return bytes.fromhex(address[2:])

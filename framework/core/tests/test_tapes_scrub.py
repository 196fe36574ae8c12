"""Scrubbing: no secret reaches a tape, and nothing else is lost."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from venuekit.tapes import REDACTED, Record, Scrubber
from venuekit.tapes.records import decode_record, encode_record, frame_line, line_middle
from venuekit.tapes.scrub import is_secret_header, is_secret_name
from venuekit_spec import LocalError, Secret

KEY = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnP"
PRIVATE = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99+AZtuZuj6F1huXg=="

surrounding = st.text(st.characters(exclude_categories=["Cs"]))
wire_secrets = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=-_", min_size=8, max_size=60
)
secrets = st.one_of(wire_secrets, st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40))

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": quote,
    "percent, slashes too": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote_plus(secret)),
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json, slashes too": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "json in json": lambda secret: json.dumps(json.dumps(secret))[1:-1],
}


def scrubber(*known: str) -> Scrubber:
    """A scrubber that knows these; the example is dropped where one of them is refused."""
    try:
        return Scrubber(known)
    except LocalError:
        reject()


@given(secrets, surrounding, surrounding, st.sampled_from(sorted(DISGUISES)))
def test_what_held_a_known_secret_holds_it_no_more(
    secret: str, before: str, after: str, disguise: str
) -> None:
    """Whatever text contains a known secret, in whichever form, its scrubbed line does not."""
    scrub = scrubber(secret)
    disguised = DISGUISES[disguise](secret)
    text = f"{before}{disguised}{after}"
    line = frame_line(5, line_middle("ws", "in", "ws.1", scrub.url(text)), scrub.frame(text.encode()))
    record = decode_record(line)
    assert record.payload is not None
    for shown in (record.payload.decode(), record.url, scrub.text(text)):
        assert secret not in shown
        assert disguised not in shown


@given(wire_secrets, surrounding)
def test_no_line_holds_a_secret(secret: str, text: str) -> None:
    """Of secrets in the characters that venues use the encoded line holds none, but for the digits of its instant."""
    scrub = scrubber(secret)
    payload = scrub.frame(f"{text}{secret}{text}{secret}".encode())
    line = encode_record(Record(5, "http", "in", "http", scrub.url(f"https://x/?q={secret}"), payload))
    assert secret.encode() not in line.replace(b"0.000000005", b"")


@given(st.lists(wire_secrets, min_size=1, max_size=4), st.data())
def test_secrets_that_overlap_all_go(known: list[str], data: st.DataObject) -> None:
    """Several secrets, one inside or beside another, leave nothing of each other behind."""
    scrub = scrubber(*known)
    text = "".join(data.draw(st.lists(st.sampled_from([*known, REDACTED, "x"]), max_size=12)))
    shown = scrub.text(text)
    assert not any(secret in shown for secret in known)


@given(secrets, st.binary(max_size=40), st.binary(max_size=40), st.booleans())
def test_base64_hides_no_secret(secret: str, before: bytes, after: bytes, url_safe: bool) -> None:
    """A secret inside of something that was base64 encoded is found at every alignment."""
    scrub = scrubber(secret)
    encode = urlsafe_b64encode if url_safe else b64encode
    packed = encode(before + secret.encode() + after)
    assert scrub.frame(b'{"authless":"' + packed + b'"}') != b'{"authless":"' + packed + b'"}'


@given(secrets, st.binary(), st.binary())
def test_binary_frames_are_searched(secret: str, before: bytes, after: bytes) -> None:
    """Bytes that are no text are searched for known secrets as well."""
    assert secret.encode() not in scrubber(secret).frame(before + secret.encode() + after)


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]],
    ids=["gzip", "zlib", "deflate"],
)
def test_compressed_frames_are_looked_into(compress: Callable[[bytes], bytes]) -> None:
    """A compressed frame that holds a secret is replaced whole; any other stays as it is."""
    scrub = Scrubber([KEY])
    assert scrub.frame(compress(b'{"echo":"%s"}' % KEY.encode())) == REDACTED.encode()
    assert scrub.frame(compress(b'{"listenKey":"pqia91ma19a5s61cv6a81va65"}')) == REDACTED.encode()
    harmless = compress(b'{"ping":1492420473027}')
    assert scrub.frame(harmless) is harmless


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    """What was scrubbed has nothing left to scrub."""
    scrub = Scrubber([KEY, PRIVATE])
    once = scrub.text(f"{text}{KEY}&signature={text}")
    assert scrub.text(once) == once


FRAMES = [
    (b'{"signature":"ab\\"c","n":1}', b'{"signature":"REDACTED","n":1}'),
    (b'{"signature" : {"r":"0x1","s":["0x2"],"v":27}, "n":1}', b'{"signature" : "REDACTED", "n":1}'),
    (b'{"otp":123456,"n":1}', b'{"otp":"REDACTED","n":1}'),
    (b'{"api_key":"k","API-Sign":"s","n":1}', b'{"api_key":"REDACTED","API-Sign":"s","n":1}'),
    (b'{"KEY":"k","SIGN":"s"}', b'{"KEY":"REDACTED","SIGN":"REDACTED"}'),
    (
        b'{"apiKey":"k","passphrase":"p q","timestamp":"1"}',
        b'{"apiKey":"REDACTED","passphrase":"REDACTED","timestamp":"1"}',
    ),
    (b'{"result":{"token":"abc","expires":900}}', b'{"result":{"token":"REDACTED","expires":900}}'),
    (
        b'{"data":"{\\"token\\":\\"a\\\\\\"b\\",\\"n\\":1}"}',
        b'{"data":"{\\"token\\":\\"REDACTED\\",\\"n\\":1}"}',
    ),
    (b'{"op":"auth","args":["k",1662350400000,"s"]}', b'{"op":"auth","args":"REDACTED"}'),
    (b'{"method":"public/auth","params":{"client_id":"c"}}', b'{"method":"public/auth","params":"REDACTED"}'),
    (
        b'{"method":"session.logon","params":{"x":1},"id":2}',
        b'{"method":"session.logon","params":"REDACTED","id":2}',
    ),
    (b"nonce=1&signature=abc&volume=2", b"nonce=1&signature=REDACTED&volume=2"),
    (b'{"link":"wss://x/?listenKey=abc&n=1"}', b'{"link":"wss://x/?listenKey=REDACTED&n=1"}'),
    (b'{"signature":"cut off', b'{"signature":"REDACTED"'),
]


@pytest.mark.parametrize(("frame", "scrubbed"), FRAMES)
def test_values_go_by_their_names(frame: bytes, scrubbed: bytes) -> None:
    """The value of a telling name is replaced; all around it stays as it was on the wire."""
    assert Scrubber().frame(frame) == scrubbed


HARMLESS = [
    b'{"e":"depthUpdate","b":[["61800.20","2.507"]]}',
    b'{"tokens":[{"name":"USDC","szDecimals":8}],"token":150,"key":5}',
    b'{"feeToken":"USDC","designation":"x","signal":"y","keywords":["z"],"monkey":1}',
    b'{"password":null,"secret":false}',
    b'{"op":"subscribe","args":["books"],"params":{}}',
    b'{"event":"authors","args":["x"]}',
    b"a=1&b==&symbol=BTCUSDT",
    b"",
    b"\xff\x00\xfe",
]


@pytest.mark.parametrize("frame", HARMLESS)
def test_harmless_frames_are_left_alone(frame: bytes) -> None:
    """Market data with similar names passes as the very same object."""
    assert Scrubber([KEY, PRIVATE]).frame(frame) is frame


def test_urls_lose_their_secrets() -> None:
    """Parameters go by name, a password goes, and of a URL declared secret every value and long segment."""
    scrub = Scrubber()
    assert scrub.url("https://x/order?symbol=A&signature=ab&apiKey=cd") == (
        "https://x/order?symbol=A&signature=REDACTED&apiKey=REDACTED"
    )
    assert scrub.url("https://me:pass@x/a") == "https://REDACTED@x/a"
    assert (
        scrub.url("wss://x/stream?streams=btcusdt@depth@100ms")
        == "wss://x/stream?streams=btcusdt@depth@100ms"
    )
    secret = "wss://x:9443/ws/pqia91ma19a5s61cv6a81va65sdf19v8?ticket=abc&one-more"
    assert scrub.url(secret, secret=True) == "wss://x:9443/ws/REDACTED?ticket=REDACTED&REDACTED"


def test_a_token_found_once_is_found_again() -> None:
    """A listen key of a response is a known secret afterwards: in a path, in a frame, percent-encoded."""
    scrub = Scrubber()
    listen_key = "pqia91ma19a5s61cv6a81va65+sdf19v8a65a1"
    assert listen_key in scrub.url(f"wss://x/ws/{listen_key}")
    assert scrub.frame(b'{"listenKey":"%s"}' % listen_key.encode()) == b'{"listenKey":"REDACTED"}'
    assert scrub.url(f"wss://x/ws/{listen_key}") == "wss://x/ws/REDACTED"
    assert scrub.url(f"wss://x/ws/{quote(listen_key)}") == "wss://x/ws/REDACTED"
    assert scrub.frame(f'["{listen_key}"]'.encode()) == b'["REDACTED"]'


def test_only_useful_headers_are_kept() -> None:
    """Of a response's headers the rate limits, the date and the type are kept, in lower case and without secrets."""
    kept = Scrubber([KEY]).headers(
        {
            "X-MBX-USED-WEIGHT-1M": "12",
            "Retry-After": "5",
            "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            "X-RateLimit-Key": "abc",
            "ratelimit-policy": f"60;{KEY}",
            "Set-Cookie": "session=abc",
            "Server": "nginx",
        }
    )
    assert kept == {
        "x-mbx-used-weight-1m": "12",
        "retry-after": "5",
        "date": "Wed, 21 Oct 2026 07:28:00 GMT",
        "x-ratelimit-key": "REDACTED",
        "ratelimit-policy": "60;REDACTED",
    }


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "API-Key",
        "API-Sign",
        "OK-ACCESS-PASSPHRASE",
        "X-MBX-APIKEY",
        "KC-API-SIGN",
        "Cookie",
        "KEY",
    ],
)
def test_headers_that_hold_secrets_are_known(name: str) -> None:
    """The headers in which venues take keys and signatures are telling."""
    assert is_secret_header(name)


@pytest.mark.parametrize(
    "name", ["signature", "apiKey", "api_key", "listenKey", "passphrase", "token", "Sign", "otp"]
)
def test_names_that_hold_secrets_are_known(name: str) -> None:
    """The parameters and members in which venues take keys and signatures are telling."""
    assert is_secret_name(name)


@pytest.mark.parametrize("secret", ["", "abc12", REDACTED, REDACTED[1:]])
def test_what_cannot_be_replaced_is_refused(secret: str) -> None:
    """A secret too short to be told from text, or part of the replacement itself, is refused without being shown."""
    with pytest.raises(LocalError) as caught:
        Scrubber([secret])
    assert len(secret) < 4 or secret in REDACTED or secret not in str(caught.value)


def test_a_scrubber_shows_nothing() -> None:
    """The repr tells how many forms are known, and none of them; `Secret` values are taken as they are."""
    scrub = Scrubber([Secret(KEY)])
    assert KEY not in repr(scrub)
    assert scrub.text(KEY) == REDACTED

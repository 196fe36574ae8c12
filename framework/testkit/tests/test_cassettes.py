"""The machinery of cassettes, proven on a small server of this machine that puts secrets wherever one can be."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import re
import secrets
import socket
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from time import time_ns
from typing import Any

import anyio
import httpx
import pytest
import vcr  # type: ignore[import-untyped]
import yaml  # type: ignore[import-untyped]
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]

from venuekit.clock import SystemClock
from venuekit.drivers.flows import FlowRunner
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit.faults import UnexpectedError
from venuekit.pacing import Pacer
from venuekit.tapes.scrub import Scrubber
from venuekit_spec import Flow, HttpRequest, HttpResponse, Instant, http
from venuekit_testkit.cassettes import (
    CassetteRules,
    NotInCassette,
    configure,
    findings,
    no_network,
    whole_urls,
)
from venuekit_testkit.cassettes.files import CassetteFile
from venuekit_testkit.cassettes.guard import cassette_findings

KEY = "toyKeyOf4lice77Shown"
SECRET = "toy-secret-of-alice-88"
SECRETS = (KEY, SECRET)
WRITTEN = "127.0.0.1:1"
"""Where the cassettes say that the toy is, and where nobody listens."""
RULES = CassetteRules(local=WRITTEN)


class Toy(BaseHTTPRequestHandler):
    """A venue that echoes keys, brings tokens that later stand in paths, and dates everything."""

    protocol_version = "HTTP/1.1"
    tokens: set[str]
    seen: list[str]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path.startswith("/stream/"):
            known = self.path.split("/")[2] in self.tokens
            return self.reply(200 if known else 403, {"path": self.path, "known": known})
        if self.path.startswith("/book"):
            return self.reply(200, {"bids": [["100.10", 0.10]], "asks": []}, packed=True)
        return self.reply(404, {"error": "no such page"})

    def do_POST(self) -> None:
        self.seen.append(self.path)
        body = self.rfile.read(int(self.headers["content-length"]))
        target, _, signature = self.path.rpartition("&signature=")
        if not hmac.compare_digest(signed(target, body), signature):
            return self.reply(401, {"error": "bad signature"})
        if target.startswith("/token"):
            token = secrets.token_urlsafe(24)
            self.tokens.add(token)
            return self.reply(200, {"token": token, "apiKey": self.headers["x-toy-key"]})
        return self.reply(200, {"order": 7, "size": json.loads(body)["size"], "note": f"by {KEY}"})

    def reply(self, status: int, content: Any, *, packed: bool = False) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        if packed:
            body = gzip.compress(body)
        self.send_response(status)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": secrets.token_hex(16),
            "x-toy-key": KEY,
            "x-toy-used-weight": "3",
            "set-cookie": f"session={secrets.token_hex(16)}",
        }
        for name, value in (headers | ({"content-encoding": "gzip"} if packed else {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def toy_venue() -> Iterator[tuple[str, type[Toy]]]:
    """A toy on a free port: its address, and what it has seen."""
    handler = type("ThisToy", (Toy,), {"tokens": set(), "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", handler
        finally:
            server.shutdown()
            thread.join()


def signed(target: str, body: bytes) -> str:
    """The toy's signature."""
    return hmac.new(SECRET.encode(), target.encode() + body, hashlib.sha256).hexdigest()


def sign(request: HttpRequest, now: Instant, nonce: int) -> HttpRequest:
    """Signs as the toy wants it: time and signature in the query, the key in a header."""
    target = f"/{request.url.split('/', 3)[3]}?timestamp={now}"
    url = f"{request.url}?timestamp={now}&signature={signed(target, request.body)}"
    return request.replace(url=url, headers=(*request.headers, ("X-Toy-Key", KEY)))


def conversation(base: str) -> Flow[list[HttpResponse]]:
    """A token, a use of it in a path, an order, an odd but exact target, a packed answer and an error."""
    first = yield from http(HttpRequest("POST", f"{base}/token", signed=True))
    token = json.loads(first.body)["token"]
    order = HttpRequest("POST", f"{base}/orders", body=b'{"nonce":%d,"size":"0.10"}' % time_ns(), signed=True)
    return [
        first,
        (yield from http(HttpRequest("GET", f"{base}/stream/{token}/info?x=1"))),
        (yield from http(order)),
        (yield from http(HttpRequest("GET", f"{base}/book?symbol=A%2fB&symbol=A/B"))),
        (yield from http(HttpRequest("GET", f"{base}/nowhere"))),
    ]


async def converse(flow: Flow[list[HttpResponse]]) -> list[HttpResponse]:
    """Runs a flow over the core's own driver."""
    clock = SystemClock()
    transport = HttpxTransport(clock)
    try:
        return await FlowRunner(transport, clock, Pacer([]), random=Random(1).random).run(flow, sign=sign)
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()


@contextmanager
def cassette(path: Path, mode: RecordMode) -> Iterator[None]:
    """Vcrpy with our configuration, as pytest-recording uses it."""
    recorder = vcr.VCR(record_mode=mode)
    configure(recorder, RULES, SECRETS)
    with recorder.use_cassette(str(path)), whole_urls():
        yield


async def record(path: Path) -> tuple[list[HttpResponse], type[Toy]]:
    """Records the conversation with a fresh toy."""
    with toy_venue() as (address, toy), cassette(path, RecordMode.ALL):
        return await converse(conversation(f"http://{address}")), toy


async def replay(path: Path, flow: Flow[list[HttpResponse]] | None = None) -> list[HttpResponse]:
    """Replays it, or another flow, with the network blocked."""
    with no_network(), cassette(path, RecordMode.NONE):
        return await converse(flow or conversation(f"http://{WRITTEN}"))


@frozen
class Recorded:
    """The conversation, recorded once for all tests that only read it."""

    path: Path
    responses: list[HttpResponse]
    toy: type[Toy]

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """One recording."""
    path = tmp_path_factory.mktemp("cassettes") / "toy.yaml"
    return Recorded(path, *anyio.run(record, path))


@pytest.mark.anyio
async def test_a_conversation_is_replayed_without_network(recorded: Recorded) -> None:
    """Statuses and bodies come back, the latter byte for byte but for what is secret, on both loops."""
    replayed = await replay(recorded.path)
    assert [each.status for each in replayed] == [200, 200, 200, 200, 404]
    assert [each.body for each in replayed[3:]] == [each.body for each in recorded.responses[3:]]
    assert replayed[3].body == b'{"bids":[["100.10",0.1]],"asks":[]}'
    assert json.loads(replayed[0].body) == {"token": "REDACTED", "apiKey": "REDACTED"}
    assert replayed[2].headers["x-toy-used-weight"] == "3"


def test_recording_sends_what_the_driver_sends(recorded: Recorded) -> None:
    """The bytes of the target reach the venue as they were given: signatures hold, and nothing is encoded anew."""
    assert [each.status for each in recorded.responses[:3]] == [200, 200, 200]
    assert recorded.toy.seen[3] == "/book?symbol=A%2fB&symbol=A/B"


def test_no_secret_is_in_the_file(recorded: Recorded) -> None:
    """Neither key, signature nor token is in the cassette, whether in a request, an answer or a path; nor is a date."""
    assert findings(recorded.path, (*SECRETS, *recorded.toy.tokens)) == []
    for volatile in ("date:", "x-request-id", "set-cookie", "127.0.0.1:5", "user-agent"):
        assert volatile not in recorded.text.lower()
    assert f"http://{WRITTEN}/stream/REDACTED/info?x=1" in recorded.text
    assert "timestamp=VOLATILE&signature=REDACTED" in recorded.text


def test_recording_again_changes_nothing(recorded: Recorded, tmp_path: Path) -> None:
    """Where the venue says the same, the file is the same, although port, token, dates and signatures are others."""
    path = tmp_path / "toy.yaml"
    path.write_text(recorded.text, encoding="utf-8")
    anyio.run(record, path)
    assert path.read_text(encoding="utf-8") == recorded.text


@settings(max_examples=20)
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(["[\n1\n]", "[ ", " ]", "\\", '"']),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_the_form_of_the_file_loses_nothing(content: Any) -> None:
    """Whatever a venue answers, JSON or not, is read byte for byte, by us and by any reader of YAML."""
    for separators in ((",", ":"), (", ", ": ")):
        body = json.dumps(content, separators=separators, ensure_ascii=False)
        for each in (body, f"{{{body}", f"[ {body} , \t x", body[:-1]):
            text = CassetteFile.serialize({"interactions": [interaction(each)]})
            for read in (CassetteFile.deserialize(text), yaml.safe_load(text)):
                (found,) = read["interactions"]
                assert (found["request"]["body"], found["response"]["body"]["string"]) == (each, each)


def interaction(body: str | bytes, **more: Any) -> dict[str, Any]:
    """An exchange as vcrpy has it, that tells the same in both directions."""
    request: dict[str, Any] = {"method": "GET", "uri": "http://x/", "headers": {}, "body": body}
    response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": body}}
    return {"request": request | more, "response": response}


def test_bytes_that_are_no_text_are_kept() -> None:
    """A body that is no UTF-8 comes back as it was."""
    text = CassetteFile.serialize({"interactions": [interaction(b"\x00\xff")]})
    assert CassetteFile.deserialize(text)["interactions"][0]["response"]["body"]["string"] == b"\x00\xff"


def test_any_vcrpy_reads_the_file(recorded: Recorded) -> None:
    """A cassette is vcrpy's own form: without our configuration it is read to the same bytes."""
    with vcr.VCR(record_mode=RecordMode.NONE).use_cassette(str(recorded.path)) as plain:
        bodies = [each["body"]["string"] for each in plain.responses]
    assert bodies[3:] == [each.body for each in recorded.responses[3:]]


def test_a_body_stands_in_lines(recorded: Recorded) -> None:
    """A body of JSON has a line for a member or a level, so that a difference shows what changed."""
    lines = [line.strip().replace("\\", "") for line in recorded.text.splitlines()]
    assert '"size":"0.10",' in lines
    assert '["100.10",0.1]' in lines


def unknown(base: str) -> Flow[list[HttpResponse]]:
    """Asks for something that was never recorded."""
    return [(yield from http(HttpRequest("GET", f"{base}/other?signature={KEY}")))]


def other_body(base: str) -> Flow[list[HttpResponse]]:
    """Places another order than was recorded."""
    return [(yield from http(HttpRequest("POST", f"{base}/orders", body=b'{"size":"9"}', signed=True)))]


def twice(base: str) -> Flow[list[HttpResponse]]:
    """Asks once more than was recorded."""
    request = HttpRequest("GET", f"{base}/nowhere")
    return [(yield from http(request)), (yield from http(request))]


@pytest.mark.parametrize("flow", [unknown, other_body, twice])
def test_what_was_not_recorded_fails(recorded: Recorded, flow: Any) -> None:
    """Another path, another body and one more repetition are refused, loudly, and without the query in the error."""
    with pytest.raises(UnexpectedError) as caught:
        anyio.run(replay, recorded.path, flow(f"http://{WRITTEN}"))
    cause = caught.value.__cause__
    assert isinstance(cause, NotInCassette)
    assert "signature" not in str(cause)
    assert KEY not in str(cause)


def test_a_recording_that_fails_leaves_the_old_one(recorded: Recorded) -> None:
    """A conversation that ends in an error is not written."""
    before = recorded.text

    async def broken() -> None:
        with toy_venue() as (address, _), cassette(recorded.path, RecordMode.ALL):
            await converse(conversation(f"http://{address}"))
            raise RuntimeError("a test failed")

    with pytest.raises(RuntimeError, match="a test failed"):
        anyio.run(broken)
    assert recorded.text == before


@pytest.mark.anyio
async def test_a_connection_fails_the_test_that_tries_it() -> None:
    """With the network blocked the core's driver reaches not even this machine, and nobody can take that for an outage."""
    with toy_venue() as (address, toy):
        with pytest.raises(BaseException) as caught, no_network():  # noqa: PT011 - pytest's own failure, perhaps in a group
            await converse(unknown(f"http://{address}"))
        assert "the network is blocked here" in repr(innermost(caught.value))
        assert toy.seen == []


def innermost(error: BaseException) -> BaseException:
    """What is inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_an_attempt_that_is_hushed_up_fails_at_the_end() -> None:
    """Code that catches everything hides no attempt to connect."""
    with (
        pytest.raises(BaseException, match="the network was tried"),
        no_network(),
        pytest.raises(BaseException, match="blocked here"),
        socket.socket() as opened,
    ):
        opened.connect(("127.0.0.1", 9))


LOOKED_UP: dict[str, Callable[[], object]] = {
    "getaddrinfo 'example.com'": lambda: socket.getaddrinfo(host="example.com", port=443),
    "gethostbyname 'example.com'": lambda: socket.gethostbyname("example.com"),
    "gethostbyname_ex 'example.com'": lambda: socket.gethostbyname_ex("example.com"),
    "gethostbyaddr '192.0.2.1'": lambda: socket.getfqdn("192.0.2.1"),
}


@pytest.mark.parametrize("told", LOOKED_UP)
def test_names_are_not_looked_up(told: str) -> None:
    """A look-up of a name or an address is network too, by whichever function it is made."""
    with pytest.raises(BaseException, match=re.escape(told)), no_network():
        LOOKED_UP[told]()


@pytest.mark.anyio
async def test_an_allowed_name_is_reached() -> None:
    """What an allowed name stands for may be connected to, and an open connection may send its buffers in any way."""
    with toy_venue() as (address, toy), no_network([r"localhost"]):
        port = int(address.rpartition(":")[2])
        async with await anyio.connect_tcp("localhost", port) as stream:
            await stream.send(b"GET /nowhere HTTP/1.1\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 404")
        with socket.create_connection(("localhost", port)) as opened:
            opened.sendmsg([b"GET /again HTTP/1.1\r\n", b"connection: close\r\n\r\n"])
            assert opened.recv(12) == b"HTTP/1.1 404"
        assert toy.seen == ["/nowhere", "/again"]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"nonce=7&pair=XBTUSD&otp=hushhush", b"nonce=VOLATILE&pair=XBTUSD&otp=REDACTED"),
        (b'{"timestamp": 7, "size": "1.0"}', b'{"timestamp": "VOLATILE", "size": "1.0"}'),
        (
            b'{"nonce":"7","apiKey":"abc","x":{"ts":1.5}}',
            b'{"nonce":"VOLATILE","apiKey":"REDACTED","x":{"ts":"VOLATILE"}}',
        ),
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
    ],
)
def test_what_is_left_of_a_body(body: bytes, kept: bytes) -> None:
    """Of forms and JSON bodies go the values that are volatile or secret, and nothing else."""
    assert CassetteRules().body(body, Scrubber()) == kept


def test_what_is_left_of_headers() -> None:
    """Of requests the type and the names of what is secret, of answers also limits and what the venue's rules name."""
    rules = CassetteRules(headers=frozenset({"x-page", "x-next-token"}))
    sent = {"User-Agent": "venuekit/1", "Content-Type": "text/plain", "X-Sign": "abc", "X-Timestamp": "7"}
    assert rules.request_headers(sent) == {"content-type": "text/plain", "x-sign": "REDACTED"}
    got = {"Date": "today", "X-Used-Weight": "3", "X-Page": "2", "X-Next-Token": "abc", "Via": "proxy"}
    assert rules.response_headers(got, Scrubber()) == {
        "x-next-token": "REDACTED",
        "x-page": "2",
        "x-used-weight": "3",
    }


RANDOM = "mF9s8Kd7Q2xPz4Lw0aYbN3vR"
PLANTED: dict[str, Any] = {
    "a request header": {"request": {"headers": {"x-toy-sign": ["abc"]}}},
    "a query": {"request": {"uri": "http://x/y?a=1&signature=abc"}},
    "a path": {"request": {"uri": f"http://x/stream/{RANDOM}/info"}},
    "a JSON body": {"request": {"body": '{"a":[{"listenKey":"abc"}]}'}},
    "a form": {"request": {"body": "nonce=VOLATILE&otp=hushhush"}},
    "an answer": {"response": {"body": {"string": f'{{"note":"by {KEY}"}}'}}},
    "an answer's hash": {"response": {"body": {"string": f'{{"x":"{hashlib.sha256(b"x").hexdigest()}"}}'}}},
    "an answer's header": {"response": {"headers": {"x-next-token": ["abc"]}}},
    "base64 of a known secret": {
        "request": {"headers": {"x-note": [b64encode(b"alice:" + SECRET.encode()).decode()]}}
    },
    "base64 of an unknown one": {
        "response": {"body": {"string": '{"x":"dGhpcyBpcyBhIHNpZ25hdHVyZSBvZiAzMg=="}'}}
    },
    "base64 of few bytes": {"response": {"body": {"string": '{"x":"6CNU+tYdvuNkVE7yaFl6yQ=="}'}}},
    "base64 with slashes": {
        "response": {"body": {"string": '{"x":"aB3/cD4+eF5\\/gH6/iJ7+kL8/mN9/oP0+qR1/sT2="}'}}
    },
    "a name in an answer": {"response": {"body": {"string": f'{{"{RANDOM}":1}}'}}},
    "a known name in an answer": {"response": {"body": {"string": f'{{"{KEY}":{{"otp":"hushhush"}}}}'}}},
    "who asks": {"request": {"uri": "http://me:hushhush@x/y"}},
    "hexadecimal in a path": {"request": {"uri": f"http://x/ws/{hashlib.sha256(b'x').hexdigest()}"}},
    "small letters": {"request": {"uri": "http://x/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a8"}},
    "a private key": {"response": {"body": {"string": "-----BEGIN EC PRIVATE KEY-----\nMHcC"}}},
    "a packed answer": {"response": {"body": {"string": gzip.compress(f'{{"x":"{RANDOM}"}}'.encode())}}},
}


@pytest.mark.parametrize("where", PLANTED)
def test_what_is_planted_in_a_cassette_is_found(where: str) -> None:
    """Known values, telling names, and what looks like a key, a signature or a token; told by place, never by value."""
    clean = interaction("")
    planted = {
        side: {**part, **PLANTED[where].get(side, {})} if side in PLANTED[where] else part
        for side, part in clean.items()
    }
    assert cassette_findings(CassetteFile.serialize({"interactions": [clean]}), SECRETS) == []
    found = cassette_findings(CassetteFile.serialize({"interactions": [planted]}), SECRETS)
    assert found
    assert all(each.startswith(("/interactions/0/", "a known secret")) for each in found)
    for value in (KEY, SECRET, RANDOM, "hushhush"):
        assert value not in repr(found)


FRAMES: dict[str, dict[str, Any]] = {
    "a frame": {"payload": '{"op":"sub","apiKey":"abc"}'},
    "a login": {"payload": '{"op":"login","args":["me","1700000000","abc"]}'},
    "a known secret": {"payload": f'{{"text":"{KEY}"}}'},
    "a token in JSON in JSON": {"payload": json.dumps({"data": json.dumps({"token": "abc"})})},
    "what looks drawn": {"payload": json.dumps({"data": RANDOM})},
    "an address": {"url": f"wss://x/ws/{RANDOM}", "payload": None},
    "a compressed frame": {
        "enc": "base64",
        "payload": b64encode(gzip.compress(b'{"listenKey":"abc"}')).decode(),
    },
    "what looks drawn, compressed": {
        "enc": "base64",
        "payload": b64encode(zlib.compress(f'{{"x":["{RANDOM}"]}}'.encode())[2:-4]).decode(),
    },
    "a frame in base64": {"enc": "base64", "payload": b64encode(b'\xff"signature":"abc"').decode()},
    "what is no record": {"tape": 1, "by": f"{SECRET}"},
}


@pytest.mark.parametrize("where", FRAMES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_is_planted_on_a_tape_is_found(where: str, compress: Any, tmp_path: Path) -> None:
    """Frames, logins, addresses and payloads that are packed: the line is told, the value is not."""
    clean = {
        "recv_ts": 1.5,
        "channel": "ws",
        "dir": "in",
        "conn": "ws.1",
        "url": "wss://x/ws",
        "payload": "{}",
    }
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(
        compress(b"\n".join(json.dumps(line).encode() for line in (clean, clean | FRAMES[where])))
    )
    found = findings(path, SECRETS)
    assert found
    assert all(each.startswith("line 2/") for each in found)
    for value in (KEY, SECRET, RANDOM):
        assert value not in repr(found)


@pytest.mark.parametrize(
    "harmless",
    [
        '{"signature":"REDACTED","token":7,"price":"100000.00000000"}',
        '{"id":"2f1e7a52-3c1d-4a7e-9d55-0b6c1f6a2c11"}',
        "http://127.0.0.1:8701/api/v1/instruments/BTC-USDT/open_orders",
        '{"time":1700000000000000000,"client_order_id":"vk-0000000000000007"}',
        f'{{"hash":"0x{"ab" * 32}","users":["0x{"1f" * 20}"]}}',
        '{"address":"dydx199tqg4wdlnu4qjlxchpd7seg454937hjrknju4"}',
        '{"quantums":"340282366920938463463374607431768211456"}',
        '{"op":"login","args":"REDACTED"}',
    ],
)
def test_what_is_harmless_is_not(harmless: str) -> None:
    """Replaced values, numbers, UUIDs, paths, our own order ids and what a chain shows to everybody are no secrets."""
    assert cassette_findings(CassetteFile.serialize({"interactions": [interaction(harmless)]}), SECRETS) == []


def test_what_has_a_public_name_is_harmless() -> None:
    """An id that looks like a key is none where the venue's names say so; a known secret is found there all the same."""
    shown, stolen = (
        CassetteFile.serialize({"interactions": [interaction(f'{{"order_id":"{value}"}}')]})
        for value in (RANDOM, KEY)
    )
    assert cassette_findings(shown, SECRETS)
    assert cassette_findings(shown, SECRETS, ["orderID"]) == []
    assert cassette_findings(stolen, SECRETS, ["orderID"])


def test_what_holds_a_secret_is_neither_written_nor_replayed(recorded: Recorded, tmp_path: Path) -> None:
    """The guard stands at both ends of a cassette: what a rule let through is not written, what is planted is not played."""
    path = tmp_path / "toy.yaml"
    path.write_text(recorded.text.replace(r"\"order\":7", r"\"order\":\"" + RANDOM + r"\""), encoding="utf-8")
    with pytest.raises(BaseException, match="is not replayed: it holds what looks secret") as caught:
        anyio.run(replay, path)
    assert RANDOM not in str(caught.value)
    fresh = tmp_path / "fresh.yaml"
    leaky = vcr.VCR(record_mode=RecordMode.ALL)
    configure(leaky, RULES, SECRETS)
    leaky.before_record_response = None
    before = httpx.AsyncHTTPTransport.handle_async_request
    with (
        toy_venue() as (address, _),
        pytest.raises(BaseException, match="is not written: it holds what looks secret"),
        leaky.use_cassette(str(fresh)),
        whole_urls(),
    ):
        anyio.run(converse, conversation(f"http://{address}"))
    assert not fresh.exists()
    assert httpx.AsyncHTTPTransport.handle_async_request is before, (
        "the next test has no cassette of this one"
    )

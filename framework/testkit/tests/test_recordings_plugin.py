"""What the pytest plugin does with recordings: in a project that switches it on, and nothing in any other."""

from __future__ import annotations

import gzip
import json
from importlib import import_module
from pathlib import Path

import pytest

from venuekit_testkit import plugin

ON = """
[pytest]
venuekit_cassettes = exchange_a
addopts = -p no:cacheprovider -p no:xdist --import-mode=importlib
"""
OFF = ON.replace("venuekit_cassettes = exchange_a", "")

NETWORK = """
import socket

import pytest


def reach():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        try:
            client.connect(server.getsockname())
        except Exception:
            pass


def test_reaches():
    reach()


@pytest.mark.block_network(allowed_hosts=[r"127\\."])
def test_may():
    reach()


@pytest.mark.block_network(allowed_hosts=[r"example\\.com"])
def test_may_elsewhere():
    reach()
"""

CONVERSATION = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import anyio
import pytest

from venuekit.clock import SystemClock
from venuekit.drivers.httpx_http import HttpxTransport
from venuekit_spec import HttpRequest

pytestmark = [pytest.mark.anyio, pytest.mark.vcr]
SERVED = []


class Venue(BaseHTTPRequestHandler):
    def do_GET(self):
        SERVED.append(self.path)
        body = b'{"token":"a-token-that-lasts","now":%d,"leak":LEAK}' % len(SERVED)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def venue(record_mode):
    if record_mode == "none":
        yield "127.0.0.1:8701"
        return
    with HTTPServer(("127.0.0.1", 0), Venue) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("pair", ["P1"])
async def test_asks(venue, pair, record_mode):
    transport = HttpxTransport(SystemClock())
    url = f"http://{venue}/{pair}?timestamp={id(transport)}&signature=abc"
    answer = await transport.send(HttpRequest("GET", url))
    await transport.aclose()
    told = json.loads(answer.body)
    assert told["token"] == ("REDACTED" if record_mode == "none" else "a-token-that-lasts")
    assert told["now"] == NOW
"""


@pytest.fixture(autouse=True)
def _loaded() -> None:
    """Half of PyYAML is C, and does not survive that pytester forgets what was imported inside."""
    import_module("venuekit_testkit.cassettes.recording")


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[dict[str, int], str]:
    """How many tests passed, failed and were deselected, and what was printed."""
    result = pytester.runpytest_inprocess("-rA", *arguments)
    return result.parseoutcomes(), str(result.stdout)


def planted(folder: Path) -> None:
    """A clean recording of each kind, one with a secret of each kind, and a file that is none."""
    folder.mkdir()
    exchange = "version: 1\ninteractions:\n- request: {{uri: 'http://x/?{}'}}\n"
    frame = {"recv_ts": 1, "channel": "ws", "dir": "in", "conn": "ws.1", "url": "wss://x", "payload": "{}"}
    folder.joinpath("clean.yaml").write_text(exchange.format("signature=REDACTED"), "utf-8")
    folder.joinpath("leaky.yaml").write_text(exchange.format("signature=hushhush"), "utf-8")
    folder.joinpath("other.yaml").write_text("password: hushhush", "utf-8")
    folder.joinpath("clean.jsonl").write_text(json.dumps(frame), "utf-8")
    login = frame | {"payload": json.dumps({"op": "login", "args": ["hushhush"]})}
    folder.joinpath("leaky.jsonl.gz").write_bytes(gzip.compress(json.dumps(login).encode()))


def test_where_it_is_on(pytester: pytest.Pytester) -> None:
    """Every test is blocked unless it says otherwise, whatever it catches; every recording is searched, and told by place."""
    pytester.makeini(ON)
    pytester.makepyfile(test_network=NETWORK)
    planted(pytester.path / "recorded")
    outcomes, printed = run(pytester)
    assert outcomes == {"passed": 3, "failed": 4, "errors": 2}
    assert "PASSED test_network.py::test_may\n" in printed
    assert printed.count("the network is blocked here: connect ('127.0.0.1'") >= 2
    for line in ("PASSED recorded/clean.yaml::secrets", "PASSED recorded/clean.jsonl::secrets"):
        assert line in printed
    assert "leaky.yaml: it holds what looks secret" in printed
    assert "/interactions/0/request/uri: a known secret, or a parameter with a telling name" in printed
    assert "line 1/payload: a known secret, or a login" in printed
    assert "hushhush" not in printed


def test_what_cannot_be_read_is_told_without_its_text(pytester: pytest.Pytester) -> None:
    """A damaged cassette is told by its line, and nothing of it is shown; what a crash has left is searched like the rest."""
    pytester.makeini(ON)
    planted(pytester.path / "recorded")
    folder = pytester.path / "recorded"
    folder.joinpath("damaged.yaml").write_text("interactions:\n- 'x: hushhush", "utf-8")
    folder.joinpath("leaky.yaml").rename(folder / "left.yaml.part")
    folder.joinpath("leaky.jsonl.gz").rename(folder / "left.jsonl.gz.part")
    _, printed = run(pytester, "recorded")
    assert "damaged.yaml: it is no YAML from line 2 on" in printed
    for name in ("left.yaml.part", "left.jsonl.gz.part"):
        assert f"{name}: it holds what looks secret" in printed
    assert "hushhush" not in printed


def test_the_template_of_the_scaffold_is_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the wheel the template lies beside the suite: what is called a test in there is not collected."""
    pytester.makeini(OFF)
    pytester.makepyfile(test_own="def test_own(): pass")
    template = pytester.mkdir("template")
    template.joinpath("test_choice.py").write_text("{% if trading %}", "utf-8")
    monkeypatch.setattr(plugin, "TEMPLATE", template)
    outcomes, _ = run(pytester)
    assert outcomes == {"passed": 1}


def test_where_it_is_off(pytester: pytest.Pytester) -> None:
    """A project that does not ask for it is left alone: nothing is blocked and nothing is searched."""
    pytester.makeini(OFF)
    pytester.makepyfile(test_network=NETWORK)
    planted(pytester.path / "recorded")
    outcomes, _ = run(pytester)
    assert outcomes == {"passed": 3}


def test_a_connector_records_and_replays(pytester: pytest.Pytester) -> None:
    """pytest-recording's modes, by our rules: one cassette for both loops, recorded once, without secrets and ports."""
    pytester.makeini(ON)
    text = CONVERSATION.replace("LEAK", "0")
    pytester.makepyfile(test_rest=text.replace("NOW", "1"))
    outcomes, _ = run(pytester, "--record-mode=all")
    assert outcomes == {"passed": 1, "deselected": 1}
    (file,) = (pytester.path / "cassettes" / "test_rest").iterdir()
    assert file.name == "test_asks[P1].yaml"
    recorded = file.read_text("utf-8")
    assert '"http://127.0.0.1:8701/P1?timestamp=VOLATILE&signature=REDACTED"' in recorded
    assert "a-token-that-lasts" not in recorded
    outcomes, printed = run(pytester)
    assert outcomes == {"passed": 3}
    for test in ("test_asks[asyncio-P1]", "test_asks[trio-P1]", "test_asks[P1].yaml::secrets"):
        assert test in printed
    pytester.makepyfile(test_rest=text.replace("NOW", "99"))
    outcomes, _ = run(pytester, "--record-mode=all")
    assert outcomes["failed"] == 1
    assert file.read_text("utf-8") == recorded, "a test that fails keeps its cassette"
    pytester.makepyfile(
        test_rest=CONVERSATION.replace("LEAK", '"mF9s8Kd7Q2xPz4Lw0aYbN3vR"').replace("NOW", "1")
    )
    outcomes, printed = run(pytester, "--record-mode=all")
    assert outcomes["errors"] == 1
    assert "test_asks[P1].yaml is not written: it holds what looks secret" in printed
    assert file.read_text("utf-8") == recorded


def test_only_the_command_line_records(pytester: pytest.Pytester) -> None:
    """A recording mode that a configuration or a mark names opens no network: nobody asked for a recording."""
    pytester.makeini(ON)
    mark = "\npytestmark = pytest.mark.vcr(record_mode='once')\n"
    pytester.makepyfile(test_network=NETWORK + mark)
    outcomes, printed = run(pytester)
    assert outcomes == {"passed": 1, "failed": 2, "errors": 2}
    assert "FAILED test_network.py::test_reaches" in printed


def test_a_mark_names_the_venue_of_one_module(pytester: pytest.Pytester) -> None:
    """In a repository of several venues the mark switches it on for a test, and off where it names none."""
    pytester.makeini(OFF)
    mark = "\npytestmark = pytest.mark.recordings({!r})\n"
    pytester.makepyfile(test_on=NETWORK + mark.format("exchange_a"), test_off=NETWORK)
    outcomes, printed = run(pytester)
    assert outcomes == {"passed": 4, "failed": 2, "errors": 2}
    assert "FAILED test_on.py::test_reaches" in printed
    assert "PASSED test_off.py::test_reaches" in printed


def test_without_its_extra_it_says_what_to_install(pytester: pytest.Pytester) -> None:
    """Where it is switched on and pytest-recording is missing, the run ends with what to install."""
    pytester.makeini(ON)
    result = pytester.runpytest_inprocess("-p", "no:recording")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pip install 'venuekit-testkit[cassettes]'" in str(result.stderr)

"""Pages that run: their Python, their console sessions and the files they show, from top to bottom as one program.

1. A block of ``python`` with a path behind the word is a file: ``python venuekit_tiny/session.py``. Any other language too.
2. Any other block of ``python`` is run, and may await at its top level, as in ``python -m asyncio``. All blocks of a page share
   their names. Each top-level awaiting block has an event loop of its own.
3. A block of ``console`` is a shell session. Its lines that begin with ``$`` are run: ``venuekit ...`` in this process,
   ``export NAME=value`` and ``chmod MODE FILE`` by their effect, ``pip install`` by whether there are such distributions.
   The lines below are its output; ``# exit code N`` behind a command is how it ends, 0 where nothing is said.
4. A block of ``text`` right behind one of ``python`` is what that prints.
5. In outputs ``...`` stands for anything, and white space counts as one blank.

A venue that a page starts (``venuekit venue start ...``) gets a free port, and the port that the page shows means that one.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import inspect
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from attrs import define, field, frozen

from venuekit.cli import main

SHOWN_PORT: Final = "8701"

_FENCE: Final = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LIKE: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_EXIT: Final = re.compile(r"\s+# exit code (\d+)$")


@frozen
class Block:
    """A fenced block of a page. `title` is what stands behind the language; `adjoining`: nothing stands before it."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    adjoining: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page that name a language, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        language, title, body = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        adjoining = bool(found) and not text[end : match.start()].strip()
        found.append(Block(page, line, language, title or "", body, adjoining))
        end = match.end()
    return found


def alike(wanted: str, got: str) -> bool:
    """Whether an output is the one that a page shows."""
    return doctest.OutputChecker().check_output(wanted.strip() + "\n", got.strip() + "\n", _LIKE)


@define
class Reader:
    """Somebody who follows a page to the letter, in an empty folder that is the current one."""

    loop: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    names: dict[str, Any] = field(factory=lambda: {"__name__": "page"})
    port: str = SHOWN_PORT
    printed: str = ""
    _venues: list[subprocess.Popen[str]] = field(factory=list)

    def follow(self, page: Path) -> int:
        """Do what the page says; how many blocks that were. Raises `AssertionError` where it is not as it says."""
        done = 0
        for block in blocks_of(page):
            if block.title:
                self._write(block)
            elif block.language == "python":
                self._run(block)
            elif block.language == "console":
                self._type(block)
            elif block.language == "text" and block.adjoining:
                assert alike(self._meant(block.text), self.printed), f"{block}: {self.printed}"
            else:
                continue
            done += 1
        return done

    def close(self) -> None:
        """End the venues that were started."""
        for venue in self._venues:
            venue.terminate()
            venue.communicate(timeout=20)

    def _meant(self, text: str) -> str:
        return text.replace(SHOWN_PORT, self.port)

    def _write(self, block: Block) -> None:
        path = self.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._meant(block.text), encoding="utf-8")
        path.chmod(0o644)
        if path.name == "pyproject.toml":
            self._install(path)

    def _install(self, project: Path) -> None:
        """What pip leaves behind of a project of this folder: its metadata on the path."""
        import tomllib

        told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        place = self.folder / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
        place.mkdir(exist_ok=True)
        groups: dict[str, dict[str, str]] = told.get("entry-points", {})
        lines = [
            line
            for group, entries in groups.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
        ]
        (place / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        needs = "".join(f"Requires-Dist: {each}\n" for each in told.get("dependencies", ()))
        (place / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n{needs}",
            encoding="utf-8",
        )
        self.monkeypatch.syspath_prepend(str(self.folder))

    def _run(self, block: Block) -> None:
        source = "\n" * block.line + self._meant(block.text)
        code = compile(
            source, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            if code.co_flags & inspect.CO_COROUTINE:

                async def awaited() -> None:
                    await eval(code, self.names)

                anyio.run(awaited, backend=self.loop)
            else:
                exec(code, self.names)
        self.printed = out.getvalue()

    def _type(self, block: Block) -> None:
        for command, shown in _sessions(block.text):
            typed = _EXIT.search(command)
            code, out = self._command(
                shlex.split(self._meant(command[: typed.start()] if typed else command))
            )
            assert code == (int(typed[1]) if typed else 0), f"{block}: {command}: exit code {code}\n{out}"
            assert not shown or alike(self._meant(shown), out), f"{block}: {command}\n{out}"

    def _command(self, words: list[str]) -> tuple[int, str]:
        match words:
            case ["export", setting]:
                self.monkeypatch.setenv(*setting.split("=", 1))
                return 0, ""
            case ["chmod", mode, file]:
                (self.folder / file).chmod(int(mode, 8))
                return 0, ""
            case ["pip", "install", *distributions]:
                for each in distributions:
                    metadata.distribution(each.partition("[")[0])
                return 0, ""
            case ["venuekit", "venue", "start", *more]:
                return 0, self._start(more)
            case ["venuekit", "check", venue]:  # the suite's own tests run it on both
                return self._venuekit(["check", venue, "--loop", self.loop])
            case ["venuekit", *arguments]:
                return self._venuekit(arguments)
            case _:
                raise AssertionError(f"a page types nothing like {shlex.join(words)}")

    def _start(self, arguments: list[str]) -> str:
        command = [sys.executable, "-m", "venuekit_simulator", "start", *arguments, "--port", "0"]
        venue = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=self.folder)
        self._venues.append(venue)
        assert venue.stdout is not None
        told = venue.stdout.readline()
        found = re.search(r":(\d+) ", told)
        assert found, told
        self.port = found[1]
        return told

    def _venuekit(self, arguments: list[str]) -> tuple[int, str]:
        out, code = io.StringIO(), 0
        self.monkeypatch.setattr(sys, "argv", ["venuekit", *arguments])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        return code, out.getvalue()


def _sessions(text: str) -> Iterator[tuple[str, str]]:
    """(command, what is shown below it), in order."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown

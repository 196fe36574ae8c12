"""The command line: ``venuekit connectors | describe | book | record | replay | order | balances | doctor``.

Each command is a module and is imported only when it is called; the help is written from the table below. Other distributions
add commands by an entry point of the group ``venuekit.commands``: its name is the command's, its value a module with an
attribute ``command``. One that cannot be loaded breaks nothing but itself.

An error that venuekit raises on purpose is one line on stderr and exit code 1, and so is a disk or a terminal that fails;
Ctrl-C ends any command quietly with exit code 130, except a server (`venue start`): stopping is what it is asked for by
Ctrl-C or SIGTERM, and it ends with 0. What is done with orders ends with 0 (done), 1 (surely not done) or 3
(nobody knows yet).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

import click

from venuekit_spec import VenuekitError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS: Final = {
    "connectors": "the connectors that are installed",
    "describe": "what a connector says of its venue",
    "book": "a live order book in the terminal",
    "record": "tape a session into a file",
    "replay": "play a tape through the same code as live",
    "order": "place, cancel, and look at orders",
    "balances": "what an account holds",
    "doctor": "clock, way, keys, limits and orders of a venue, examined",
}

PLUGINS: Final = "venuekit.commands"
"""Entry-point group of commands of other distributions."""

INSTALLABLE: Final = {
    "venue": "pip install 'venuekit[paper]'",
    "check": "pip install venuekit-testkit",
    "new": "pip install 'venuekit-testkit[new]'",
}
"""Commands that are known and come with another distribution: how to have them."""


class Commands(click.Group):
    """Commands that are modules of this package, and those of other distributions."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours in the order of the table, then others' by name."""
        return [*COMMANDS, *sorted(_plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is called. Raises a `click.ClickException` for a plugin that cannot be loaded."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"venuekit.cli.{cmd_name}").command
            return command
        plugins = _plugins()
        if cmd_name in plugins:
            return _load(plugins[cmd_name])
        if cmd_name in INSTALLABLE:
            raise click.UsageError(f"the command {cmd_name!r} is not installed; try: {INSTALLABLE[cmd_name]}")
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing any."""
        rows = list(COMMANDS.items())
        rows += [(name, f"of {_owner(entry)}") for name, entry in sorted(_plugins().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _plugins() -> Mapping[str, EntryPoint]:
    """The commands of other distributions, from metadata. Ours are not replaced; of two equal names the first wins."""
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=PLUGINS):
        if entry.name not in COMMANDS:
            found.setdefault(entry.name, entry)
    return found


def _load(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load().command
    except Exception as error:  # whatever a plugin's import raises is the plugin's fault
        raise click.ClickException(
            f"the command {entry.name!r} of {_owner(entry)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(command, click.Command):
        raise click.ClickException(
            f"the command {entry.name!r} of {_owner(entry)} cannot be loaded: {entry.value}.command is no command"
        )
    return command


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="venuekit")
def venuekit() -> None:
    """Live, proven order books of trading venues, and orders that are never lost."""


def main() -> None:
    """Run the command line, as the ``venuekit`` script does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no bars gets question marks
    try:
        code = venuekit(standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VenuekitError as error:
        click.echo(f"venuekit: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # whoever read it has enough; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        click.echo(f"venuekit: {error}", err=True)
        sys.exit(1)
    if isinstance(code, int):  # what `click.Context.exit` was given
        sys.exit(code)


__all__ = ["main", "venuekit"]

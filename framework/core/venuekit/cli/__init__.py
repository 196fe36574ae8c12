"""The command line: ``venuekit connectors | describe | book | record | replay``.

Each command is a module here and is imported only when it is called. An error that venuekit raises on purpose is one line on
stderr and exit code 1, and so is a disk or a terminal that fails; Ctrl-C ends any command quietly with exit code 130.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Final

import click

from venuekit_spec import VenuekitError

COMMANDS: Final = {
    "connectors": "the connectors that are installed",
    "describe": "what a connector says of its venue",
    "book": "a live order book in the terminal",
    "record": "tape a session into a file",
    "replay": "play a tape through the same code as live",
}


class Commands(click.Group):
    """Commands that are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is called."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"venuekit.cli.{cmd_name}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="venuekit")
def venuekit() -> None:
    """Live, proven order books of trading venues."""


def main() -> None:
    """Run the command line, as the ``venuekit`` script does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no bars gets question marks
    try:
        venuekit(standalone_mode=False)
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


__all__ = ["main", "venuekit"]

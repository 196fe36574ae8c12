"""``venuekit new``: a connector from the scaffold, which is a complete distribution that passes the suite.

The template is the one that ``cookiecutter`` bakes; its ``cookiecutter.json`` has the questions, so they are asked alike. Found
by the core through the entry point ``new`` of ``venuekit.commands``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

NEEDS: Final = "pip install 'venuekit-testkit[new]'"
"""What brings the engine of the template."""


def template() -> Path:
    """The template: part of the package, or at the root of the repository while this is installed editable."""
    packaged = Path(__file__).with_name("template")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "cookiecutter-connector"


def bake(answers: Mapping[str, str], output: Path) -> Path:
    """The folder of a new connector. Questions without an answer have the first one that the template offers.

    Raises `click.ClickException` where the engine is not installed, an answer is none, or the folder is already there.
    """
    try:
        from cookiecutter.exceptions import CookiecutterException
        from cookiecutter.generate import generate_context, generate_files
        from cookiecutter.prompt import prompt_for_config
    except ImportError as error:
        raise click.ClickException(f"the scaffold needs cookiecutter; try: {NEEDS}") from error
    source = template()
    try:
        context = generate_context(str(source / "cookiecutter.json"), extra_context=dict(answers))
        context["cookiecutter"] = prompt_for_config(context, no_input=True)
        return Path(generate_files(source, context, str(output)))
    except (CookiecutterException, ValueError) as error:
        raise click.ClickException(f"nothing was baked: {error}") from error


def questions() -> dict[str, Any]:
    """What the template asks, in its order: a default, or the choices with the first as the default."""
    asked: dict[str, Any] = json.loads((template() / "cookiecutter.json").read_text(encoding="utf-8"))
    return asked


def _prompt(key: str) -> str:
    """How a question reads, with what its choices mean."""
    told = questions()["__prompts__"][key]
    if isinstance(told, str):
        return told
    meanings = [f"  {meaning}" for choice, meaning in told.items() if choice != "__prompt__"]
    return "\n".join([told["__prompt__"], *meanings, "Choose"])


def _asked(question: str, choices: click.Choice[str] | None, first: str) -> str:
    """What somebody answers. Raises `ClickException` where nobody is there to ask."""
    try:
        answer: str = click.prompt(question, type=choices, default=first)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            raise click.ClickException(
                "nothing was baked: nobody answers; try --no-input, and options"
            ) from error
        raise
    return answer


def _options() -> list[click.Parameter]:
    """An option for each question but the venue."""
    return [
        click.Option(
            [f"--{key.replace('_', '-')}"],
            type=click.Choice(default) if isinstance(default, list) else str,
            help=_prompt(key).partition("\n")[0],
        )
        for key, default in questions().items()
        if not key.startswith("_") and key != "venue"
    ]


@click.command("new", short_help="a new connector from the scaffold")
@click.argument("venue")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=Path(), help="Where; here by default."
)
@click.option(
    "--no-input", is_flag=True, help="Ask nothing: what no option says is the template's first choice."
)
def command(venue: str, output: Path, *, no_input: bool, **told: str | None) -> None:
    """Bake a connector of VENUE: a distribution that installs, and passes the suite against a venue of its own.

    It asks what its options leave open.
    """
    answers = {"venue": venue.replace("-", "_").lower()}
    for key, default in questions().items():
        if key.startswith("_") or key == "venue":
            continue
        answer = told.get(key)
        if answer is None and not no_input:
            choices = click.Choice(default) if isinstance(default, list) else None
            first = default[0] if isinstance(default, list) else default
            shown = venue.replace("-", " ").replace("_", " ").title() if key == "name" else first
            answer = _asked(_prompt(key), choices, shown)
        if answer is not None:
            answers[key] = answer
    folder = bake(answers, output)
    click.echo(f"{folder}: a connector of {answers['venue']}. Next:")
    click.echo(f"  cd {folder} && pip install -e '.[dev]' && pytest -n auto")


command.params += _options()

"""What all verbs have in common: the global options, an example in every help, and `did you mean`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.codes import USAGE
from sophia_deployment.output.text import near

HERE = click.make_pass_decorator(Site)
"""Gives a verb the `Site` of its call as first argument."""


def _kept(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that notes a global option in the `Site`; given before or after the verb, it is the same."""

    def keep(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            setattr(ctx.ensure_object(Site), name, value)

    return keep


def _option(*names: str, to: str, help: str, **more: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_kept(to), help=help, is_eager=True, **more)


OPTIONS: list[click.Parameter] = [
    _option("-C", to="start", help="Find sophia.yaml in DIR or above it, instead of here.", metavar="DIR", type=Path),
    _option(
        "-o", to="form", help="What stdout carries: text for people, or JSON.", type=click.Choice(["text", "json"])
    ),
    _option("--no-color", to="colorless", help="No colours (as with NO_COLOR).", is_flag=True),
    _option("-q", "--quiet", to="quiet", help="No talk on stderr but errors.", is_flag=True),
]
"""Global options: before the verb or after it."""
EVENTS = _option(
    "--events", to="events", help="Print the run's ledger entries on stdout, one JSON a line.", is_flag=True
)


class Verb(click.Command):
    """A verb.

    `example` is shown at the end of its help, `answer` says what `-o json` prints (the name of a shape in `wire`, or
    the keys), `follows` that it follows a run and takes `--events`.
    """

    def __init__(self, *args: Any, example: str, answer: str = "", follows: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self.example = example
        self.answer = answer
        self.follows = follows
        self.own = list(self.params)
        self.params = [*self.params, *([EVENTS] if follows else []), *OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        common = [option for option in OPTIONS if option in self.params]
        own = [param for param in self.get_params(ctx) if param not in common]
        for title, params in (("Options", own), ("Options of every verb", common)):
            records = [record for param in params if (record := param.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Example"):
            for line in self.example.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")


class Verbs(click.Group):
    """A verb with verbs of its own, like `secrets`."""

    command_class = Verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = near(args[0], list(self.commands)) or f"`{ctx.command_path} --help` lists them"
            raise SophiaError(USAGE, f"there is no `{ctx.command_path} {args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)


def environment_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The optional ENVIRONMENT; its completion reads the names from sophia.yaml."""
    return click.argument("environment", required=False, shell_complete=_environments)(function)


def _environments(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ctx.ensure_object(Site).declared() if name.startswith(incomplete)]

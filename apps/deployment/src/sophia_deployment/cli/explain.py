"""`explain`: what an error code means."""

from __future__ import annotations

import textwrap
from dataclasses import asdict

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb
from sophia_deployment.output.text import near, table


@click.command(
    answer="`name`, `title`, `explanation`, `exit`; without CODE a list of these",
    cls=Verb,
    example="""
    sophia explain SPH-5001
    sophia explain                every code there is""",
)
@click.argument("code", required=False)
@HERE
def explain(site: Site, code: str | None) -> int:
    """What an error CODE, or a rule of `check`, means and what to do about it. Without CODE: all codes."""
    from sophia_deployment import explaining

    known = explaining.codes()
    if code is None:
        site.console.answer(
            [asdict(each) for each in known.values()], *table([[c.name, c.title] for c in known.values()])
        )
        return 0
    found = explaining.find(code)
    if found is None and (rule := _rule(code)) is not None:
        site.console.answer({"rule": code, "text": rule}, rule.rstrip("\n"))
        return 0
    if found is None:
        hint = near(code.upper(), known.keys()) or "`sophia explain` lists them"
        raise SophiaError(NOT_FOUND, f"there is no code `{code}`", hint=hint)
    head = f"{found.name}: {found.title}"
    lines = [
        site.console.on_out(head, "bold"),
        "",
        *textwrap.wrap(found.explanation, 90),
        "",
        f"exit code {found.exit}",
    ]
    site.console.answer(asdict(found), *lines)
    return 0


def _rule(name: str) -> str | None:
    """What a rule of `check` is about, with its examples."""
    from sophia_preflight.reference import explained

    return explained(name.lower())

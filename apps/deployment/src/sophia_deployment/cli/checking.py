"""`check`: what would stop a deployment of a repository. Needs no sophia.yaml, no engine and no network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, OPTIONS, Verb
from sophia_deployment.codes import USAGE

_FORMS = ["text", "json", "sarif", "github", "html"]


class _Check(Verb):
    """A verb whose `-o` knows more forms than the others'."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params = [each for each in self.params if each not in OPTIONS or "-o" not in each.opts]


@click.command(
    cls=_Check,
    example="""
    sophia check
    sophia check --since main
    sophia check ../other-repository -o sarif > check.sarif""",
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("-o", "form", type=click.Choice(_FORMS), default=None, help="The form of the report on stdout.")
@click.option("--since", metavar="REV", default="", help="Only what is new since a commit, branch or tag.")
@click.option("--fix", is_flag=True, help="Show the fixes that are surely right.")
@click.option("--write", is_flag=True, help="Apply them.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Findings that are accepted for a time.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule; may be given again.")
@click.option("--all", "everything", is_flag=True, help="Show what is low, too.")
@click.option("--no-cache", is_flag=True, help="Read every file anew.")
@HERE
def check(
    site: Site,
    path: Path | None,
    form: str | None,
    since: str,
    fix: bool,
    write: bool,
    baseline: Path | None,
    rules: tuple[str, ...],
    everything: bool,
    no_cache: bool,
) -> int:
    """Find what would break a deployment before it starts, in the repository at PATH (default: here).

    Reads scripts, Dockerfiles, compose files, workflows and what they call; runs nothing of the repository. Ends with 1
    while something blocks, with 7 if a check could not be completed.
    """
    from sophia_preflight.command import Misused, Request, run

    request = Request(
        path or site.start or Path.cwd(),
        form or site.form,
        since,
        fix,
        write,
        baseline,
        rules,
        everything,
        use_cache=not no_cache,
        color=sys.stdout.isatty() and not site.colorless,
    )
    try:
        return run(request, sys.stdout, sys.stderr)
    except Misused as error:
        raise SophiaError(USAGE, error.message, hint=error.hint or None) from None

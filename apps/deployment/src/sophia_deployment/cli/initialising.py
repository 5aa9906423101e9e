"""`init`: a first sophia.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb


@click.command(
    answer="`file`, and `todo`: how many lines are marked",
    cls=Verb,
    example="cd my-repository && sophia init && sophia up",
)
@click.option("--force", is_flag=True, help="Replace a sophia.yaml that is there.")
@HERE
def init(site: Site, force: bool) -> int:
    """Write a commented sophia.yaml from what stands in the repository here (or in -C DIR).

    Looks at compose files, Dockerfiles, Procfile, package.json and pyproject.toml; runs nothing. What it could not
    know is marked TODO.
    """
    from sophia_deployment import initialise

    path = initialise.write((site.start or Path.cwd()).absolute(), force=force)
    todo = sum("TODO" in line for line in path.read_text(encoding="utf-8").splitlines()[2:])
    site.console.answer({"file": str(path), "todo": todo}, str(path))
    more = f"{todo} lines are marked TODO; read them, then " if todo else "read it, then "
    site.console.say(f"{more}`sophia up` starts it")
    return 0

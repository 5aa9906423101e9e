"""`doctor`: what is in the way on this machine."""

from __future__ import annotations

from dataclasses import asdict

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb
from sophia_deployment.output.text import STATES, plain, table


@click.command(answer="a list of `what`, `verdict` (ok, warn, bad), `said`, `todo`", cls=Verb, example="sophia doctor")
@HERE
def doctor(site: Site) -> int:
    """Look for what is in the way on this machine: Python, Node, Envoy, disk, state, engine, sockets, ports, limits.

    Changes nothing. Exit code 1 if something is bad; a warning is none.
    """
    from sophia_deployment import doctor as examination

    try:
        found = list(examination.examine(site.root, site.places, site.engine))
    except SophiaError:
        found = list(examination.examine(None, None, None))
    paint = site.console.on_out
    rows = [[paint(each.verdict, STATES[each.verdict]), each.what, plain(each.said)] for each in found]
    lines = []
    for line, each in zip(table(rows), found, strict=True):
        lines += [line, *([f"      {paint('→', 'cyan')} {plain(each.todo)}"] if each.todo else [])]
    bad = sum(each.verdict == "bad" for each in found)
    site.console.answer([asdict(each) for each in found], *lines)
    return 1 if bad else 0

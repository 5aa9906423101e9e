"""`queue`, `cancel`, `resume`: runs that are under way, wait, need somebody or have ended."""

from __future__ import annotations

import time

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli import following
from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.output import cards

OPEN = frozenset({"queued", "running", "needs you"})
ENDED = frozenset({"done", "rolled back", "failed", "cancelled"})


@click.command(
    answer="a list of RunOut without steps; with `--follow` RunOut",
    cls=Verb,
    follows=True,
    example="""
    sophia queue                  the newest runs of every environment
    sophia queue production -n 5
    sophia queue --follow 17      follow a run from its beginning to its end""",
)
@environment_argument
@click.option(
    "-n",
    "count",
    metavar="N",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many runs at most.",
)
@click.option("--follow", "followed", metavar="RUN", help="Follow this run; the exit code is as of `deploy`.")
@HERE
def queue(site: Site, environment: str | None, count: int, followed: str | None) -> int:
    """Runs under way, waiting, and those that ended, newest first.

    Runs of an ENVIRONMENT that release something go one after another; a newer release supersedes older ones that
    wait.
    """
    if followed is not None:
        return following.see_through(site, site.engine.run(followed))
    runs = site.engine.runs(limit=count, environment=environment)
    if environment is not None and not runs:
        site.declared_environment(environment)
    lines = cards.queue_lines(runs, now_ms=time.time_ns() // 1_000_000, paint=site.console.on_out)
    site.console.answer(runs, *(lines or ["no runs so far"]))
    return 0


@click.command(
    answer="RunOut",
    cls=Verb,
    follows=True,
    example="""
    sophia cancel                 the run that is under way or waiting, if there is just one
    sophia cancel 17 --reason "wrong branch\"""",
)
@click.argument("run", required=False)
@click.option("--reason", help="Why; it stands in the report and the ledger.")
@click.option("--detach", is_flag=True, help="Do not wait until it is over.")
@HERE
def cancel(site: Site, run: str | None, reason: str | None, detach: bool) -> int:
    """Take a run back: what it began is undone, and what was live goes on serving.

    Waits until that is really over. RUN is a number (`17`), an id, or an id's beginning.
    """
    name = run or _only(site, OPEN, "to be cancelled")
    since_ms = time.time_ns() // 1_000_000
    asked = site.engine.cancel(name, reason=reason)
    return following.see_through(site, asked, detach=detach, good=ENDED, since_ms=since_ms)


@click.command(answer="RunOut", cls=Verb, follows=True, example='sophia resume 17 --reason "disk was full"')
@click.argument("run", required=False)
@click.option("--reason", help="What was done about it; it stands in the report and the ledger.")
@click.option("--detach", is_flag=True, help="Do not follow it.")
@HERE
def resume(site: Site, run: str | None, reason: str | None, detach: bool) -> int:
    """Go on with a run that needed you, after you did what it asked for.

    RUN is a number (`17`), an id, or an id's beginning; without it, the one run that needs somebody.
    """
    name = run or _only(site, frozenset({"needs you"}), "that needs you")
    since_ms = time.time_ns() // 1_000_000
    return following.see_through(site, site.engine.resume(name, reason=reason), detach=detach, since_ms=since_ms)


def _only(site: Site, states: frozenset[str], what: str) -> str:
    """The one run that can be meant. Raises `SophiaError` where there is none, or a choice."""
    found = [run for run in site.engine.runs(limit=1000) if run["status"] in states]
    if len(found) == 1:
        return str(found[0]["run"])
    if not found:
        raise SophiaError(NOT_FOUND, f"there is no run {what}", hint="`sophia queue` lists the runs")
    names = ", ".join(f"{cards.run_name(run)} ({run['environment']})" for run in found)
    raise SophiaError(NOT_FOUND, f"there are {len(found)} runs {what}: {names}", hint="name one")

"""`status` and `report`: how things stand, and what a run left behind."""

from __future__ import annotations

import time

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument, near
from sophia_deployment.output import cards


@click.command(
    cls=Verb,
    example="""
    sophia status                 every environment and its services
    sophia status production      with instances and what was live before
    sophia status -o json | jq -r '.environments[] | [.name, .state] | @tsv'""",
)
@environment_argument
@HERE
def status(site: Site, environment: str | None) -> int:
    """What is live where since when, and how it is. Of one ENVIRONMENT: its instances and its history too.

    steady: all is well · rolling out: a run has it · held: somebody must decide · degraded: instances are missing ·
    down: taken down · empty: nothing was ever live
    """
    answer = site.engine.status()
    now_ms = time.time_ns() // 1_000_000
    if environment is None:
        site.console.answer(answer, *cards.status_lines(answer, now_ms=now_ms, paint=site.console.on_out))
        return 0
    found = next((each for each in answer["environments"] if each["name"] == environment), None)
    if found is None:
        names = [each["name"] for each in answer["environments"]]
        hint = near(environment, names) or f"there are {', '.join(f'`{name}`' for name in names) or 'none'}"
        raise SophiaError(NOT_FOUND, f"there is no environment `{environment}`", hint=hint)
    lines = cards.environment_lines(found, now_ms=now_ms, paint=site.console.on_out)
    site.console.answer({**answer, "environments": [found]}, *lines)
    return 0


@click.command(
    cls=Verb,
    example="""
    sophia report                         of the newest run
    sophia report 17 --html > run17.html  one page that needs nothing else""",
)
@click.argument("run", required=False)
@click.option("--html", is_flag=True, help="A self-contained page instead of Markdown.")
@HERE
def report(site: Site, run: str | None, html: bool) -> int:
    """A run's report: timeline, traffic by release, each gate's verdict, what to do next.

    RUN is a number (`17`), an id, or an id's beginning.
    """
    form = "html" if html else "json" if site.console.as_json else "md"
    site.console.data(site.engine.report(run or _newest(site), form=form).rstrip("\n"))
    return 0


def _newest(site: Site) -> str:
    runs = site.engine.runs(limit=1)
    if not runs:
        raise SophiaError(NOT_FOUND, "there was no run so far", hint="`sophia up` makes the first")
    return str(runs[0]["run"])

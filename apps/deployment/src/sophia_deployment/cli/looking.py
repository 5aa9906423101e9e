"""`status` and `report`: how things stand, and what a run left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.codes import ENGINE_UNREACHABLE
from sophia_deployment.output import cards
from sophia_deployment.output.text import near


@click.command(
    answer="StatusOut",
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

    After `sophia down` no engine answers, and everything is told as down.
    """
    answer = _status(site)
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


def _status(site: Site) -> dict[str, Any]:
    """The engine's answer; without an engine, that everything was taken down, if it was."""
    try:
        return site.engine.status()
    except SophiaError as error:
        resting = _resting(site) if error.code is ENGINE_UNREACHABLE else None
        if resting is None:
            raise
        return resting


def _resting(site: Site) -> dict[str, Any] | None:
    from sophia_deployment import resting

    try:
        found = resting.status(site.places)
    except SophiaError:  # then that no engine answers is what there is to say
        return None
    return found.model_dump(mode="json") if found is not None else None


@click.command(
    answer="the report as data, with its version `v`; with `--html` `path`",
    cls=Verb,
    example="""
    sophia report                     of the newest run that somebody asked for, as Markdown
    sophia report 17
    xdg-open $(sophia report 17 --html)""",
)
@click.argument("run", required=False)
@click.option("--html", is_flag=True, help="Print the path of a page that needs nothing else.")
@HERE
def report(site: Site, run: str | None, html: bool) -> int:
    """A run's report: timeline, traffic by release, each gate's verdict, what to do next.

    RUN is a number (`17`), an id, or an id's beginning. Reports of runs that ended are kept in the state directory, so
    a number is enough when no engine answers.
    """
    number = (run or "").lstrip("#")
    if not number.isdigit():
        number = str((site.engine.run(run) if run else _newest(site))["number"])
    kept = _kept(site, number)
    if html:
        path = kept / "report.html" if kept is not None else _written(site, number)
        site.console.answer({"path": str(path)}, str(path))
    elif site.console.as_json:
        site.console.data(site.engine.report(number, form="json").rstrip("\n"))
    else:
        text = (kept / "report.md").read_text(encoding="utf-8") if kept is not None else site.engine.report(number)
        site.console.data(text.rstrip("\n"))
    return 0


def _kept(site: Site, number: str) -> Path | None:
    """The directory of a finished report."""
    found = list(site.places.reports.glob(f"{number}-*"))
    return found[0] if found and all((found[0] / name).is_file() for name in ("report.md", "report.html")) else None


def _written(site: Site, number: str) -> Path:
    """The page of a run that has not ended, put beside the finished ones."""
    text = site.engine.report(number, form="html")
    path = site.places.reports / f"{number}.html"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _newest(site: Site) -> dict[str, Any]:
    """The newest run that somebody asked for; what the engine does by itself counts where there is nothing else."""
    runs = sorted(site.engine.runs(limit=50), key=lambda run: run["by"] == "sophia")
    if not runs:
        raise SophiaError(NOT_FOUND, "there was no run so far", hint="`sophia up` makes the first")
    return runs[0]

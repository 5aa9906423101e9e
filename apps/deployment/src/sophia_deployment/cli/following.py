"""Submit a run, follow it to its end, and say how it ended.

The first Ctrl-C detaches: the run goes on in the engine, and the reader is told how to follow or cancel it.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.output import cards, live
from sophia_deployment.output.progress import Progress
from sophia_deployment.output.text import plain

EXITS = {"done": 0, "failed": 1, "rolled back": 4, "cancelled": 6, "needs you": 8}
"""Exit code by a run's state; a run that goes on without its follower has none of these."""
NOTHING: frozenset[str] = frozenset()
INTERRUPTED = 130
SUMMARY_BYTES = 900_000
"""GitHub refuses step summaries over 1 MiB."""


def new_id() -> str:
    """A UUIDv7: the run's id, correlation id and idempotency key."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def carry_out(site: Site, submission: dict[str, Any], *, detach: bool = False, good: frozenset[str] = NOTHING) -> int:
    """Submit and follow; the exit code. `good` are states that count as success beside `done`."""
    try:
        run = site.engine.submit(submission)
    except KeyboardInterrupt:
        site.console.insist("", "interrupted while it was submitted: `sophia queue` shows whether it arrived")
        return INTERRUPTED
    return see_through(site, run, detach=detach, good=good)


def see_through(
    site: Site, run: dict[str, Any], *, detach: bool = False, good: frozenset[str] = NOTHING, since_ms: int = 0
) -> int:
    """Follow a run that was submitted and tell how it ended; the exit code. `since_ms` as in `follow`."""
    if run["nothing_to_do"] or run["run"] is None:
        tell_end(site, run)
        return 0
    if detach:
        site.console.answer(run, f"{cards.run_name(run)} {run['status']}")
        site.console.say(*_ways(run))
        return 0
    try:
        run = follow(site, run, since_ms=since_ms)
    except KeyboardInterrupt:
        site.console.insist("", f"detached: run {cards.run_name(run)} goes on without you", *_ways(run))
        return INTERRUPTED
    tell_end(site, run, good=good)
    return 0 if run["status"] in good else EXITS.get(run["status"], 1)


def ended(site: Site, run: dict[str, Any]) -> int:
    """Follow one of several runs of a verb; the exit code. Only what went wrong is told of its end."""
    if run["nothing_to_do"] or run["run"] is None:
        return 0
    try:
        run = follow(site, run)
    except KeyboardInterrupt:
        site.console.insist("", f"detached: run {cards.run_name(run)} goes on without you", *_ways(run))
        raise click.exceptions.Exit(INTERRUPTED) from None
    if run["status"] != "done":
        site.console.insist("", *cards.failure_card(run, paint=site.console.on_err))
    return EXITS.get(run["status"], 1)


def _ways(run: dict[str, Any]) -> list[str]:
    number = run["number"] or run["run"]
    return [f"  follow it: `sophia queue --follow {number}`", f"  take it back: `sophia cancel {number}`"]


def follow(site: Site, run: dict[str, Any], *, since_ms: int = 0) -> dict[str, Any]:
    """Show what happens until the run ends or needs somebody; the run as it stands then.

    Lines of what happened before `since_ms` are left out. Raises `KeyboardInterrupt` when its reader has enough.
    """
    progress = Progress(run["number"], run["kind"], run["environment"], run["release"] or "", run["previous"] or "")
    progress.submitted_ms = run["submitted_ms"] or 0
    with live.view(site.console, progress, lambda: _counted(site, progress)) as view:
        for event in site.engine.events(run=run["run"], on_break=view.note):
            if site.events:
                site.console.document(event, indent=None)
            lines = progress.apply(event)
            view.lines(line for line in lines if line.at_ms >= since_ms)
            if progress.ended or (progress.held and _waits(site, run)):
                break
    return site.engine.run(run["run"])


def _counted(site: Site, progress: Progress) -> tuple[int, int] | None:
    """Requests and errors that the edge counted of the run's release, from the engine's figures."""
    labels = f'{{environment="{progress.environment}",release="{progress.release}"}} '
    try:
        lines = site.engine.metrics().splitlines()
    except SophiaError:
        return None
    found = dict(line.rsplit(" ", 1) for line in lines if labels in line)
    counted = [found.get(f"sophia_edge_{name}_total{labels.rstrip()}") for name in ("requests", "errors")]
    return (int(float(counted[0])), int(float(counted[1]))) if counted[0] and counted[1] else None


def _waits(site: Site, run: dict[str, Any]) -> bool:
    """Whether the run still needs somebody: the events may tell of an earlier time."""
    return bool(site.engine.run(run["run"])["status"] == "needs you")


def tell_end(site: Site, run: dict[str, Any], *, good: frozenset[str] = NOTHING) -> None:
    """The end of a run: on stdout its JSON or a card; what went wrong on stderr."""
    console = site.console
    well = run["status"] in ("done", *good)
    if console.as_json and not site.events:
        console.document(run)
    if not well:
        console.insist("", *cards.failure_card(run, paint=console.on_err))
    elif site.events:
        console.say("", *cards.end_card(run, url=url_of(site, run), paint=console.on_err))
    elif not console.as_json:
        if run["run"] is not None:
            console.say("")
        console.data(*cards.end_card(run, url=url_of(site, run), paint=console.on_out))
    _leave_summary(site, run, well=well)


def url_of(site: Site, run: dict[str, Any]) -> str | None:
    """Where the run's environment answers; None when the engine does not say."""
    try:
        environments = site.engine.status()["environments"]
    except SophiaError:
        return None
    found = next((each for each in environments if each["name"] == run["environment"]), None)
    return found["url"] if found else None


def _leave_summary(site: Site, run: dict[str, Any], *, well: bool) -> None:
    """In GitHub Actions: the run's report as the step's summary, and an annotation for what went wrong."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if os.environ.get("GITHUB_ACTIONS") and not well:
        site.console.insist(f"::error title=sophia {run['kind']}::{plain(cards.summary(run))}")
    if not path or run["run"] is None:
        return
    try:
        text = site.engine.report(run["run"], form="md").encode()
        if len(text) > SUMMARY_BYTES:
            text = text[:SUMMARY_BYTES].rsplit(b"\n", 1)[0] + b"\n\n(cut: the whole report is in the state directory)\n"
        with Path(path).open("ab") as file:
            file.write(text + b"\n")
    except (OSError, SophiaError) as error:
        site.console.say(f"the step's summary could not be written: {error}")

"""`logs`: what services print, read from their files."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.codes import USAGE
from sophia_deployment.output import logs as files
from sophia_deployment.output.text import near

if TYPE_CHECKING:
    from pathlib import Path

POLL_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 1.0


@click.command(
    answer="a line of JSON for each line: `service`, `workload`, `instance`, `line`",
    cls=Verb,
    example="""
    sophia logs                       every service of the first environment
    sophia logs production api -f     follow one
    sophia logs production edge       the edge proxy""",
)
@environment_argument
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, new instances too.")
@click.option(
    "-n",
    "count",
    metavar="N",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="Lines of each instance.",
)
@click.option("--instance", "number", metavar="N", type=click.IntRange(0), help="Only the instance with this number.")
@click.option("--since", help="From a time on (`2026-05-01T12:00`), or so long ago (`10m`). By the times in the lines.")
@HERE
def logs(
    site: Site,
    environment: str | None,
    service: str | None,
    follow: bool,
    count: int,
    number: int | None,
    since: str | None,
) -> int:
    """What the services of ENVIRONMENT print, or one SERVICE alone. Needs no engine.

    `sophia logs SERVICE` means the first environment. Secrets of the environment are masked, control codes are made
    visible. Of a service that has several versions, those are shown that wrote in its last hour.
    """
    name, service = _meant(site, environment, service)
    directory = site.places.logs(name)
    moment = parsed_since(since) if since else None
    found = files.sources(directory, service=service, number=number)
    if not found and not follow:
        raise _no_logs(directory, name, service, environments=site.declared())
    show = _printer(site, name)
    followers = {source.path: files.Follower.from_end(source) for source in found} if follow else {}
    for source in found:
        lines = files.last_lines(source, count, end=followers[source.path].at if follow else None)
        for line in files.since(lines, moment, written=source.written) if moment else lines:
            show(source, line)
    if follow:
        _follow(site, lambda: files.sources(directory, service=service, number=number), followers, show)
    return 0


def _meant(site: Site, environment: str | None, service: str | None) -> tuple[str, str | None]:
    """`sophia logs api`: one word that is no environment is a service of the first one."""
    declared = site.declared()
    if environment is None or service is not None or environment in declared:
        return site.environment(environment), service
    if site.places.logs(environment).is_dir():
        return environment, None
    return site.environment(None), environment


def _follow(
    site: Site,
    look: Callable[[], list[files.Source]],
    followers: dict[Path, files.Follower],
    show: Callable[[files.Source, str], None],
) -> None:
    """Until Ctrl-C, which is the ordinary way to end it."""
    looked = time.monotonic()
    try:
        while True:
            for follower in list(followers.values()):
                for line in follower.new_lines():
                    show(follower.source, line)
            if time.monotonic() - looked > LOOK_AGAIN_SECONDS:
                looked = time.monotonic()
                for source in look():
                    followers.setdefault(source.path, files.Follower(source, 0))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        site.console.say("")


def _printer(site: Site, environment: str) -> Callable[[files.Source, str], None]:
    console = site.console
    shown = files.Shown(_mask(site, environment), console.on_out)

    def show(source: files.Source, line: str) -> None:
        if console.as_json:
            told = {"service": source.service, "workload": source.workload, "instance": source.number}
            console.document({**told, "line": shown.harmless(line)}, indent=None)
        else:
            console.data(shown.line(source, line))

    return show


def _mask(site: Site, environment: str) -> Callable[[str], str]:
    """Masks every version of every secret of the environment."""
    if not (site.places.state / "secrets").exists():
        return lambda text: text
    from sophia_security.masking import Masker
    from sophia_security.secrets import LocalSecrets

    store = LocalSecrets(site.places.state)
    try:
        masker = Masker(store.values(environment))
    except SophiaError as error:
        site.console.insist(f"note: secrets are not masked, because the store cannot be read: {error.message}")
        return lambda text: text
    return lambda text: masker.feed(text) + masker.flush()


def _no_logs(directory: Path, environment: str, service: str | None, *, environments: list[str]) -> SophiaError:
    known = files.services(directory)
    if service is None or not known:
        said = f"nothing was logged in `{environment}` so far"
        return SophiaError(NOT_FOUND, said, hint="`sophia status` shows what runs")
    hint = near(service, [*known, *environments]) or f"there are logs of {', '.join(f'`{name}`' for name in known)}"
    return SophiaError(NOT_FOUND, f"there are no logs of `{service}` in `{environment}`", hint=hint)


def parsed_since(text: str) -> datetime:
    """A time, or a duration before now."""
    from sophia_deployment_core.units import duration_ms

    try:
        return datetime.now(UTC) - timedelta(milliseconds=duration_ms(text))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        said = f"`--since {text[:60]}` is neither a time nor a duration"
        raise SophiaError(USAGE, said, hint="for example `10m`, `2h` or `2026-05-01T12:00`") from error

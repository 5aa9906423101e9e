"""`up`, `down`, `engine`: the platform as a whole stands or does not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli import following
from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.codes import NOT_CONFIRMED
from sophia_deployment.output import cards
from sophia_deployment.output.text import near, plain, table

if TYPE_CHECKING:
    from pathlib import Path

STANDING = frozenset({"steady", "rolling out", "held"})


@click.command(
    answer="StatusOut",
    cls=Verb,
    follows=True,
    example="""
    sophia up                     what was live before, or a first deployment
    sophia up staging             this environment too, though it was taken down by name""",
)
@environment_argument
@click.option("--strict-port", is_flag=True, help="Refuse an edge port that is taken instead of the next free one.")
@HERE
def up(site: Site, environment: str | None, strict_port: bool) -> int:
    """Start the platform, or bring it back: the engine, then every environment that was live.

    An environment that was taken down by name stays down until it is named. Where nothing was ever live, the working
    tree is built and deployed to ENVIRONMENT (default: the first). A tree that changed is never deployed by `up`; it
    says so. An engine of another build is replaced. Calling it again changes nothing.
    """
    from sophia_deployment import starting

    name = site.declared_environment(environment)
    starting.ensure(site.places, site.engine, site.console)
    status = site.engine.status()
    known = {each["name"]: each for each in status["environments"]}
    sleeping = [each for each in known.values() if _is_to_start(each, named=environment)]
    exits = [_start(site, each["name"], strict_port=strict_port) for each in sleeping]
    first = known.get(name) is None or known[name]["live"] is None
    if first:
        exits.append(_first(site, name, strict_port=strict_port, busy=known.get(name)))
    _tell(site, name, compared=not first)
    return next((code for code in exits if code), 0)


def _is_to_start(environment: dict[str, Any], *, named: str | None) -> bool:
    if environment["live"] is None or environment["state"] in STANDING:
        return False
    return environment["name"] == named or not environment["alone"]


def _start(site: Site, name: str, *, strict_port: bool) -> int:
    submission = {"id": following.new_id(), "kind": "start", "environment": name, "strict_port": strict_port}
    return following.ended(site, site.engine.submit(submission))


def _first(site: Site, name: str, *, strict_port: bool, busy: dict[str, Any] | None) -> int:
    """The first deployment of an environment; one that is under way already is followed instead."""
    if busy is not None and busy["run"]:
        return following.ended(site, site.engine.run(busy["run"]))
    from sophia_deployment.cli.releasing import deployment

    site.console.say(f"nothing was ever live in `{name}`: building and deploying the working tree")
    submission = deployment(site, site.platform(), name)
    return following.ended(site, site.engine.submit({**submission, "strict_port": strict_port}))


def _tell(site: Site, name: str, *, compared: bool) -> None:
    """Where everything answers, what stays down and, when `compared`, whether the working tree is what is live."""
    from sophia_deployment import provenance

    status = site.engine.status()
    serving = [each for each in status["environments"] if each["live"] and each["state"] in (*STANDING, "degraded")]
    rows = [[plain(each["name"]), each["state"], plain(each["url"])] for each in serving]
    if not site.events:
        site.console.answer(status, *table(rows))
    for each in status["environments"]:
        if each["alone"] and each["state"] == "down":
            site.console.say(f"`{each['name']}` was taken down by name: `sophia up {each['name']}` brings it back")
    found = next((each for each in serving if each["name"] == name), None)
    said = difference(provenance.of(site.root).to_data(), origin(found)) if found is not None and compared else ""
    if said:
        more = f"`sophia deploy {name}` brings it live, `sophia plan {name}` shows what that would do"
        site.console.say(f"{said}; {more}")


def origin(environment: dict[str, Any]) -> dict[str, Any]:
    """The provenance of what is live. A rollback has none of its own: that of the deployment it went back to counts."""
    live = environment["live"]
    release = live["release"].split("+")[0]
    same = [entry for entry in environment["history"] if entry["release"].split("+")[0] == release]
    told = [entry["provenance"] for entry in (live, *same) if entry["provenance"]["commit"]]
    return dict(told[0]) if told else {}


def difference(tree: dict[str, Any], live: dict[str, Any]) -> str:
    """How the working tree differs from what is live, by commit; empty when it does not, or nobody knows."""
    if not tree.get("commit") or not live.get("commit"):
        return ""
    if tree["commit"] != live["commit"]:
        return f"the working tree is at {cards.provenance_words(tree)}, live is {cards.provenance_words(live)}"
    if tree["dirty"]:
        return "the working tree has uncommitted changes" + (", as had what is live" if live["dirty"] else "")
    return "what is live was built with uncommitted changes that are no longer here" if live["dirty"] else ""


@click.command(
    answer="`stopped`: environments, `deleted`: directories, `engine`: whether it ended",
    cls=Verb,
    follows=True,
    example="""
    sophia down                          everything, then the engine
    sophia down staging                  this environment; `up` leaves it down until it is named
    sophia down staging --delete-data    its services' data too""",
)
@environment_argument
@click.option("--delete-data", is_flag=True, help="Delete what its services keep in $DATA_DIR. Cannot be undone.")
@click.option("--yes", is_flag=True, help="Do not ask before data is deleted.")
@HERE
def down(site: Site, environment: str | None, delete_data: bool, yes: bool) -> int:
    """Take ENVIRONMENT down: requests under way are finished, then its instances stop. Data and releases stay.

    Without ENVIRONMENT all of them go down, and the engine ends. `sophia up` brings everything back.
    """
    from sophia_deployment import starting

    if not (site.places.state / "state.db").exists():
        site.console.say("nothing was ever started here")
        return 0
    if environment is not None:
        _refuse_unknown(site, environment)
    doomed = _doomed(site, environment) if delete_data else []
    if doomed:
        _confirm(site, environment or site.root.name, doomed, yes=yes)
    engine = starting.ensure(site.places, site.engine, site.console)
    names = _names(site, environment)
    exits = [_stop(site, name, alone=environment is not None) for name in names]
    failed = next((code for code in exits if code), 0)
    if failed:
        return failed
    for path in doomed:
        shutil.rmtree(path)
        site.console.say(f"deleted `{path}`")
    if environment is None:
        starting.stop(site.places, site.engine, engine)
        site.console.say("everything is down, the engine too; `sophia up` brings it back")
    if site.console.as_json:
        deleted = [str(path) for path in doomed]
        site.console.document({"stopped": names, "deleted": deleted, "engine": environment is None})
    return 0


def _refuse_unknown(site: Site, environment: str) -> None:
    """No engine is started for the sake of a name that was mistyped: what was ever open has a directory."""
    known = {*site.declared(), *(path.name for path in (site.places.state / "envoy").glob("*"))}
    if environment not in known:
        hint = near(environment, known) or f"there are {', '.join(f'`{name}`' for name in sorted(known)) or 'none'}"
        raise SophiaError(NOT_FOUND, f"there is no environment `{plain(environment)}`", hint=hint)


def _names(site: Site, environment: str | None) -> list[str]:
    """The environments to be stopped: all that are not down already."""
    found = {each["name"]: each["state"] for each in site.engine.status()["environments"]}
    if environment is not None and environment not in found:
        names = ", ".join(f"`{name}`" for name in found) or "none"
        raise SophiaError(NOT_FOUND, f"there is no environment `{plain(environment)}`", hint=f"there are {names}")
    wanted = list(found) if environment is None else [environment]
    return [name for name in wanted if found[name] != "empty" and (found[name] != "down" or environment is not None)]


def _stop(site: Site, name: str, *, alone: bool) -> int:
    submission = {"id": following.new_id(), "kind": "stop", "environment": name, "alone": alone}
    return following.ended(site, site.engine.submit(submission))


def _doomed(site: Site, environment: str | None) -> list[Path]:
    """The directories that `--delete-data` removes."""
    data = site.places.state / "data"
    return [path for path in sorted(data.glob("*")) if path.is_dir() and environment in (None, path.name)]


def _confirm(site: Site, name: str, doomed: Sequence[Path], *, yes: bool) -> None:
    """Ask for the name of what is deleted. Raises `SophiaError` if it is not given."""
    if yes:
        return
    if not site.is_terminal():
        raise SophiaError(NOT_CONFIRMED, "deleting data needs a yes", hint="add `--yes` if you mean it")
    site.console.insist("this deletes, and cannot be undone:", *(f"  {path}" for path in doomed))
    if click.prompt(f"type `{name}` to go on", err=True, default="", show_default=False) != name:
        raise SophiaError(NOT_CONFIRMED, "nothing was deleted, and nothing was taken down")


@click.command(cls=Verb, hidden=True, example="sophia engine")
@HERE
def engine(site: Site) -> int:
    """Run the engine in the foreground, for a supervisor (systemd, a container). SIGTERM ends it; what serves stays."""
    from sophia_deployment.engine.process import main

    return main(site.places.state)

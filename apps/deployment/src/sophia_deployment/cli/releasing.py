"""`build`, `plan`, `deploy`, `rollback`: from a working tree to what is live, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.cli import following
from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb, environment_argument
from sophia_deployment.codes import USAGE
from sophia_deployment.output import cards
from sophia_deployment.output.text import near, plain, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sophia_deployment_core.platform import Platform


@click.command(
    answer="`artifacts`: service -> bundle digest",
    cls=Verb,
    example="""
    sophia build                  every service
    sophia build api worker       these""",
)
@click.argument("services", nargs=-1)
@HERE
def build(site: Site, services: tuple[str, ...]) -> int:
    """Build SERVICES (default: all) into bundles and store them. Needs no engine.

    Turborepo builds where there is a turbo.json, otherwise each service's own `build` commands. A bundle's digest is
    the same for the same content.
    """
    platform = site.platform()
    for name in services:
        _refuse_unknown(name, platform.services, "service")
    digests = built(site, platform, list(services) or None)
    lines = table([[plain(name), digest[:12]] for name, digest in digests.items()], heads=("service", "bundle"))
    site.console.answer({"artifacts": digests}, *lines)
    return 0


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `plan` and `deploy` both take."""
    for option in (
        click.option(
            "--set",
            "assignments",
            metavar="SERVICE.env.KEY=VALUE",
            multiple=True,
            help="Override a variable; part of the revision, and recorded. Repeatable.",
        ),
        click.option(
            "--watch", metavar="DURATION", help="Watch so long after the switch (`30s`, `5m`; `0`: not at all)."
        ),
    ):
        function = option(function)
    return function


@click.command(answer="PlanOut", cls=Verb, example="sophia plan production --set api.env.LOG_LEVEL=debug")
@environment_argument
@_settings
@HERE
def plan(site: Site, environment: str | None, assignments: tuple[str, ...], watch: str | None) -> int:
    """Show what a deployment would do: each step, what changes and why, and the plan's hash.

    Builds the working tree; changes nothing that runs.
    """
    return _show_plan(site, _submission(site, environment, assignments, watch))


@click.command(
    answer="RunOut; with `--dry-run` PlanOut",
    cls=Verb,
    follows=True,
    example="""
    sophia deploy                         the first environment of sophia.yaml
    sophia deploy production --watch 10m --reason "spring release"
    sophia deploy --set api.env.LOG_LEVEL=debug""",
)
@environment_argument
@_settings
@click.option("--reason", help="Why; it stands in the report and the ledger.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing, as `sophia plan`.")
@click.option("--detach", is_flag=True, help="Do not follow the run.")
@click.option("--strict-port", is_flag=True, help="Refuse an edge port that is taken instead of the next free one.")
@click.option("--unchecked", metavar="REASON", help="Deploy though `sophia check` finds what blocks; recorded.")
@click.option("--tag", "tags", multiple=True, help="Mark the run with a word; `pinned` keeps its release.")
@HERE
def deploy(
    site: Site,
    environment: str | None,
    assignments: tuple[str, ...],
    watch: str | None,
    reason: str | None,
    dry_run: bool,
    detach: bool,
    strict_port: bool,
    unchecked: str | None,
    tags: tuple[str, ...],
) -> int:
    """Bring the working tree live in ENVIRONMENT without losing a request.

    Builds; starts what is new beside what is live; verifies it; moves all traffic at once; watches. If it is bad before
    the switch nobody notices, if it is bad afterwards traffic goes back by itself. Ctrl-C detaches, it does not cancel.

    Exit code: 0 live, 1 failed and nothing changed, 4 rolled back, 6 cancelled or superseded, 8 it needs you, 130
    detached.
    """
    if any(not tag.strip() for tag in tags):
        hint = "give a word to find the run by, or `pinned` to keep its release"
        raise SophiaError(USAGE, "a `--tag` is empty", hint=hint)
    if unchecked is not None and not unchecked.strip():
        raise SophiaError(USAGE, "`--unchecked` is empty", hint="say why: it stands in the report and the ledger")
    if dry_run:
        return _show_plan(site, _submission(site, environment, assignments, watch))
    submission = _submission(site, environment, assignments, watch, gated=True, unchecked=unchecked)
    more = {"reason": reason, "strict_port": strict_port, "tags": list(tags)}
    return following.carry_out(site, {**submission, **more}, detach=detach)


@click.command(
    answer="RunOut",
    cls=Verb,
    follows=True,
    example="""
    sophia rollback --reason "checkout is slow"
    sophia rollback production --to 3f2a9c41d0e1 --reason "known to be good\"""",
)
@environment_argument
@click.option("--to", metavar="RELEASE", help="A release, a revision or a run (`#12`). Default: what was live before.")
@click.option("--reason", required=True, help="Why; it stands in the report and the ledger.")
@click.option("--detach", is_flag=True, help="Do not follow the run.")
@HERE
def rollback(site: Site, environment: str | None, to: str | None, reason: str, detach: bool) -> int:
    """Put traffic back on what was live before, or on any release that is kept.

    At once where it is still warm, otherwise after it was started and verified. While a deployment is under way, that
    deployment is undone. Reads nothing of the working tree.
    """
    if not reason.strip():
        raise SophiaError(USAGE, "`--reason` is empty", hint="say why: it stands in the report and the ledger")
    name = site.environment(environment)
    submission = {"id": following.new_id(), "kind": "rollback", "environment": name, "to": to, "reason": reason}
    return following.carry_out(site, submission, detach=detach, good=frozenset({"rolled back", "cancelled"}))


# --- from the working tree to a submission --------------------------------------------------------------------------


def _submission(
    site: Site,
    environment: str | None,
    assignments: Sequence[str],
    watch: str | None,
    *,
    gated: bool = False,
    unchecked: str | None = None,
) -> dict[str, Any]:
    """What `plan` and `deploy` send. Everything that can be wrong is found before anything is built."""
    platform = site.platform()
    name = environment or platform.default_environment
    _refuse_unknown(name, platform.environments, "environment")
    overrides, watch_ms = parsed_overrides(assignments, platform), _watch_ms(watch)
    _greet(site)
    return {
        **deployment(site, platform, name, gated=gated, unchecked=unchecked),
        "overrides": overrides,
        "watch_ms": watch_ms,
    }


def deployment(
    site: Site,
    platform: Platform,
    environment: str,
    *,
    gated: bool = True,
    unchecked: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Check and build the working tree; the submission that brings it live. `quiet`: one line for the build."""
    from sophia_deployment import provenance
    from sophia_deployment.cli.gating import checked

    check = checked(site, platform, unchecked=unchecked) if gated else {}
    artifacts = built(site, platform, None, quiet=quiet)
    return {
        "id": following.new_id(),
        "kind": "deploy",
        "environment": environment,
        "release": {"platform": platform.to_canonical(), "artifacts": artifacts},
        "provenance": provenance.of(site.root).to_data(),
        "check": check,
    }


def built(site: Site, platform: Platform, services: list[str] | None, *, quiet: bool = False) -> dict[str, str]:
    """Service -> bundle digest, with a line for each thing that is done; `quiet`: one for all."""
    from sophia_deployment.build import build as build_bundles
    from sophia_deployment.output.live import building

    with building(site.console, quiet=quiet) as tell:
        return build_bundles(platform, site.root, services=services, state=site.places.state, on_progress=tell)


def _greet(site: Site) -> None:
    """Ask for the engine before minutes are spent on building; say so if it is of another build."""
    from sophia_deployment.versions import build_hash

    if site.engine.engine()["build"] != build_hash():
        site.console.say("note: the engine is of another build than this command; `sophia up` replaces it")


def _show_plan(site: Site, submission: dict[str, Any]) -> int:
    shown = site.engine.plan(submission)
    lines = cards.plan_lines(shown, environment=submission["environment"], paint=site.console.on_out)
    site.console.answer(shown, *lines)
    return 0


# --- options as values ----------------------------------------------------------------------------------------------


def parsed_overrides(assignments: Sequence[str], platform: Platform) -> dict[str, dict[str, str]]:
    """service -> variable -> value of `--set` options. Raises `SophiaError` for what cannot be meant."""
    from sophia_deployment_core.platform import injected
    from sophia_deployment_core.words import VARIABLE

    found: dict[str, dict[str, str]] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        service, _, rest = path.partition(".")
        word, _, key = rest.partition(".")
        if not equals or word != "env" or not VARIABLE.fullmatch(key) or "\0" in value:
            said = f"`--set {plain(text)}` is not `SERVICE.env.KEY=VALUE`"
            raise SophiaError(USAGE, said, hint="for example `--set api.env.LOG_LEVEL=debug`")
        _refuse_unknown(service, platform.services, "service")
        if injected(platform.services[service], [key]):
            raise SophiaError(USAGE, f"`{key}` of `{service}` is set by Sophia itself", hint="use another name")
        if key in platform.services[service].secrets:
            hint = "set it with `sophia secrets set`; a value on the command line can be read by everybody"
            raise SophiaError(USAGE, f"`{key}` of `{service}` is a secret", hint=hint)
        found.setdefault(service, {})[key] = value
    return found


def _watch_ms(text: str | None) -> int | None:
    from sophia_deployment_core.units import duration_ms

    try:
        return duration_ms(text) if text is not None else None
    except ValueError as error:
        raise SophiaError(USAGE, f"`--watch`: {error}", hint="`--watch 0` does not watch at all") from error


def _refuse_unknown(name: str, known: Mapping[str, object], noun: str) -> None:
    if name not in known:
        hint = near(name, known.keys()) or f"there are {', '.join(f'`{each}`' for each in known)}"
        raise SophiaError(NOT_FOUND, f"there is no {noun} `{plain(name)}`", hint=hint)

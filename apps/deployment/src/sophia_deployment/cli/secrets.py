"""`secrets`: set, list, unset. Works on the local store, without an engine; what runs changes with the next deployment.

A value comes from a prompt or from stdin. There is no option for it: a command line can be read by everybody on the
machine, and shells keep it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verbs
from sophia_deployment.codes import USAGE
from sophia_deployment.output.text import table

if TYPE_CHECKING:
    from sophia_security.secrets import LocalSecrets


@click.group(cls=Verbs)
def secrets() -> None:
    """Set, list and unset secrets of an environment.

    Values are encrypted in the state directory, reach a service as environment variables, and are masked in shown
    logs. Every new value is a new version; a release keeps using its own until the next deployment.
    """


@secrets.command(
    "set",
    answer="`environment`, `name`, `version`, and `changed`: whether it is a new version",
    example="""
    sophia secrets set production MODEL_KEY             asks for the value
    sophia secrets set production MODEL_KEY < key.txt   takes it from a file""",
)
@click.argument("environment")
@click.argument("name")
@HERE
def set_(site: Site, environment: str, name: str) -> int:
    """Store a value for NAME in ENVIRONMENT: from a prompt, or from stdin (one line break at its end is cut off).

    Nothing that runs changes until the next deployment.
    """
    wanted = site.declared_environment(environment)
    store = _store(site)
    before = store.versions(wanted).get(name)
    version = store.set(wanted, name, _value(site, name))
    if version == before:
        said = f"`{name}` in `{wanted}` has this value already (version {version})"
    else:
        said = f"`{name}` in `{wanted}` is version {version} now; pending: `sophia deploy {wanted}` uses it"
    site.console.answer({"environment": wanted, "name": name, "version": version, "changed": version != before}, said)
    return 0


@secrets.command(
    "list", answer="`environment`, and `secrets`: name -> newest version", example="sophia secrets list production"
)
@click.argument("environment", required=False)
@HERE
def list_(site: Site, environment: str | None) -> int:
    """Names and versions of what is set in ENVIRONMENT, never values."""
    wanted = site.declared_environment(environment)
    versions = dict(_store(site).versions(wanted))
    lines = table([[name, str(version)] for name, version in versions.items()], heads=("name", "version"))
    site.console.answer({"environment": wanted, "secrets": versions}, *(lines or [f"no secret is set in `{wanted}`"]))
    return 0


@secrets.command(
    "unset", answer="`environment`, `name`, `version`: null", example="sophia secrets unset production OLD_KEY"
)
@click.argument("environment")
@click.argument("name")
@HERE
def unset(site: Site, environment: str, name: str) -> int:
    """Take NAME from what new releases get in ENVIRONMENT. What runs keeps its value until the next deployment."""
    wanted = site.declared_environment(environment)
    _store(site).unset(wanted, name)
    site.console.answer(
        {"environment": wanted, "name": name, "version": None},
        f"`{name}` in `{wanted}` is unset; what runs keeps it until `sophia deploy {wanted}`",
    )
    return 0


def _store(site: Site) -> LocalSecrets:
    from sophia_infrastructure.state import directory
    from sophia_security.secrets import LocalSecrets

    directory.prepare(site.places.state)
    return LocalSecrets(site.places.state)


def _value(site: Site, name: str) -> str:
    if site.is_terminal():
        typed: str = click.prompt(f"value of {name}", hide_input=True, err=True)
        return typed
    try:
        text = sys.stdin.buffer.read(1_000_000).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SophiaError(USAGE, f"the value of `{name}` on stdin is not UTF-8") from error
    return text.removesuffix("\n").removesuffix("\r")

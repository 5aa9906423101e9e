"""The `sophia` command line: a thin client of the engine, and the verbs that need none.

    sophia      the group: verbs by name, each imported only when it is called      verb    options that all verbs have
    site        where the call takes place: sophia.yaml, state directory, engine    following   submit, follow, end
    starting    the engine's process                                                the rest    the verbs

stdout carries data, stderr talk. What a verb returns is the exit code; `SophiaError` carries its own.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from sophia_deployment_core.errors import INTERNAL, SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import OPTIONS
from sophia_deployment.codes import USAGE
from sophia_deployment.output.console import Unread
from sophia_deployment.output.text import near

INTERRUPTED = 130

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "check": ("checking", "find what would break a deployment, in any repository"),
        "init": ("initialising", "write a first sophia.yaml for a repository"),
        "up": ("standing", "start the platform, or bring it back"),
        "down": ("standing", "take environments down; data stays"),
        "demo": ("sophia_deployment.demo:command", "watch a good, a broken and a repaired release, with traffic on"),
    },
    "Release": {
        "build": ("releasing", "build every service into a bundle"),
        "plan": ("releasing", "show what a deployment would do, and why"),
        "deploy": ("releasing", "build, verify, switch, watch; back if it is bad"),
        "rollback": ("releasing", "go back to what was live before"),
        "cancel": ("runs", "take a run back"),
        "resume": ("runs", "go on with a run that needed you"),
    },
    "Look": {
        "status": ("looking", "what is live where, and how it is"),
        "logs": ("logs", "what services print"),
        "queue": ("runs", "runs under way, waiting and ended"),
        "report": ("looking", "a run's report"),
        "audit": ("audit", "verify or export the ledger"),
    },
    "Keep": {
        "secrets": ("secrets", "set, list and unset secrets"),
        "doctor": ("doctor", "look for what is in the way on this machine"),
        "explain": ("explain", "what an error code means"),
        "completion": ("completion", "completion for your shell"),
    },
}
"""Section -> verb -> module of this package (or `module:name`), what it is for."""
HIDDEN = {"engine": ("standing", "run the engine in the foreground, for supervisors")}
VERBS = {name: entry for verbs in (*SECTIONS.values(), HIDDEN) for name, entry in verbs.items()}


class Sophia(click.Group):
    """Verbs by name, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [name for verbs in SECTIONS.values() for name in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in VERBS:
            return None
        place, _, name = VERBS[cmd_name][0].partition(":")
        module = importlib.import_module(place if name else f"sophia_deployment.cli.{place}")
        found: click.Command = getattr(module, name or cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            hint = near(args[0], list(self.list_commands(ctx))) or "`sophia --help` lists them"
            raise SophiaError(USAGE, f"there is no verb `{args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, said) for name, (_, said) in verbs.items()], col_max=12)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a call and end the process with its exit code."""
    sys.exit(outcome(args))


def outcome(args: Sequence[str] | None = None) -> int:
    """Run a call; its exit code. Failures are told on stderr."""
    site = Site()
    try:
        returned = sophia.main(args, "sophia", standalone_mode=False, obj=site)
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        site.console.insist(error.format_message())
        return USAGE.exit
    except click.UsageError as error:
        site.console.error(_usage(error))
        return USAGE.exit
    except SophiaError as error:
        site.console.error(error)
        return error.code.exit
    except (click.Abort, KeyboardInterrupt):
        site.console.insist("interrupted; nothing was submitted")
        return INTERRUPTED
    except Unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        import traceback

        traceback.print_exc()
        hint = "traffic does not depend on this; `sophia doctor` shows what to report"
        site.console.error(SophiaError(INTERNAL, "a fault of Sophia itself", hint=hint))
        return INTERNAL.exit


def _usage(error: click.UsageError) -> SophiaError:
    """click's complaint in our words."""
    text = error.format_message().rstrip(".").replace("'", "`")
    possible = getattr(error, "possibilities", None)
    text = text.split(" Did you mean")[0].split(" (Did you mean")[0].rstrip(". ")
    hint = f"did you mean `{possible[0]}`?" if possible else None
    if hint is None:
        call = error.ctx.command_path if error.ctx is not None else "sophia VERB"
        hint = f"`{call} --help` shows how it is called"
    return SophiaError(USAGE, text[:1].lower() + text[1:], hint=hint)


@click.command(cls=Sophia, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sophia-deployment", prog_name="sophia")
def sophia() -> None:
    """Takes a commit to verified production, and puts traffic back by itself when the new version is bad.

    `sophia VERB --help` says more about each verb. Most take an ENVIRONMENT; without one the first in sophia.yaml is
    meant.
    """


sophia.params.extend(OPTIONS)

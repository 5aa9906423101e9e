"""The reference pages of the command line and of error codes, made from what they describe.

python -m sophia_deployment.reference DIRECTORY     writes command-line.md and errors.md there
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from sophia_deployment import explaining, wire
from sophia_deployment.cli import SECTIONS, sophia
from sophia_deployment.cli.verb import EVENTS, OPTIONS, Verb

SHAPES: tuple[type[wire.Wire], ...] = (
    *(wire.StatusOut, wire.EngineOut, wire.EnvironmentOut, wire.LiveOut, wire.ServiceOut, wire.InstanceOut),
    *(wire.RunOut, wire.StepOut, wire.ChangeOut, wire.PlanOut, wire.Provenance, wire.EventOut),
)
"""What the answers consist of, outermost first."""

_INTRODUCTION = """\
This page is made from the command line itself; `sophia VERB --help` says the same.

Most verbs take an ENVIRONMENT; without one the first in `sophia.yaml` is meant. stdout carries what was asked for,
stderr talk. With `-o json` stdout is one JSON document, whose shape stands with each verb; with `--events` it is the
ledger's entries of the run that is followed, one JSON a line (EventOut), and the end of the run is told on stderr.
Verbs that need no engine say so; the others are carried out by the engine, which `sophia up` starts."""

_EXITS = {
    0: "it went as asked; also: there was nothing to do",
    1: "it failed; before the switch nothing changed for users",
    2: "the call or `sophia.yaml` is wrong; nothing was done",
    3: "no engine answers, or it was lost; what serves goes on serving",
    4: "rolled back after the switch: the old version serves",
    5: "rejected, or an approval expired",
    6: "cancelled, or superseded by a newer release",
    7: "incomplete: a check could not be completed",
    8: "it needs you; the run waits, detached",
    130: "interrupted: detached from the run, which goes on",
}


_ANY = click.Context(click.Command("any"))


def command_line_markdown() -> str:
    parts = [
        "# Command line",
        _INTRODUCTION,
        "## Exit codes",
        _exit_table(),
        "## Options of every verb",
        _options(OPTIONS),
    ]
    parts.append(_options([EVENTS]) + "\n\nwhere a run is followed.")
    context = click.Context(sophia, info_name="sophia")
    for section, verbs in SECTIONS.items():
        parts.append(f"## {section}")
        for name in verbs:
            command = sophia.get_command(context, name)
            assert command is not None
            parts += _verb(command, click.Context(command, parent=context, info_name=name))
    parts += ["## Shapes", "Times are wall milliseconds since 1970 UTC (`_ms`).", *(_shape(each) for each in SHAPES)]
    return "\n\n".join(parts) + "\n"


def _exit_table() -> str:
    return "\n".join(["| code | when |", "|---|---|", *(f"| {code} | {when} |" for code, when in _EXITS.items())])


def _verb(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"### {context.command_path}"
    yield re.sub(r"(?m)^ +", "", command.help or "").strip()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _verb(inner, click.Context(inner, parent=context, info_name=name))
        return
    assert isinstance(command, Verb)
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}"
    own = [param for param in command.params if param not in (*OPTIONS, EVENTS) and isinstance(param, click.Option)]
    if own:
        yield _options(own)
    if command.follows:
        yield "Follows the run that it makes or names; takes `--events`."
    if command.answer:
        yield f"`-o json`: {_linked(command.answer)}."
    yield "\n".join(["```sh", *(line.strip() for line in command.example.strip().splitlines()), "```"])


def _options(options: list[Any]) -> str:
    rows = ["| option | what |", "|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        metavar = (
            "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}".replace("|", "\\|")
        )
        default = f" Default: {option.default}." if option.show_default else ""
        rows.append(f"| {names}{metavar} | {option.help}{default} |")
    return "\n".join(rows)


def _linked(text: str) -> str:
    return re.sub(r"\b([A-Z]\w+Out|Provenance)\b", lambda match: f"[{match[1]}](#{match[1].lower()})", text)


def _shape(shape: type[BaseModel]) -> str:
    rows = [f"### {shape.__name__}", "", *((shape.__doc__.strip(), "") if shape.__doc__ else ())]
    rows += ["| key | type | what |", "|---|---|---|"]
    for name, described in shape.model_json_schema()["properties"].items():
        rows.append(f"| `{name}` | {_type(described)} | {described.get('description', '')} |")
    return "\n".join(rows)


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return _linked(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "object"))


def main(directory: Path) -> None:
    """Write both pages."""
    (directory / "command-line.md").write_text(command_line_markdown())
    (directory / "errors.md").write_text(explaining.reference_markdown())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

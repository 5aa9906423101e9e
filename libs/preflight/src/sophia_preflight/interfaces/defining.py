"""What a source defines that callers of its program may say, by its text alone: options, and words.

This is far from an interface: what a text names may be anything. It serves to compare a source with itself: a name that
it defined before a change, and does not after it, is one that its callers can no longer say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

SOURCE = re.compile(r"\.(py|sh|bash|zsh|go|rs|[cm]?[jt]s|rb)$")
_REMARKS = re.compile(r"^\s*(#(?!\[)|//|\*(?!\))).*$", re.MULTILINE)
_DOCSTRING = re.compile(r"(\"{3}|'{3})[\s\S]*?\1")
_OPTION = re.compile(r"(?<=[\"'`])(--?[A-Za-z][\w-]*)(?:/(--[A-Za-z][\w-]*))?(?=[\"'`=,/ {])")
_CASE = re.compile(r"^[ \t]*\(?((?:[\"'\w-])[\w\"'*=| \t-]*)\)", re.MULTILINE)
_LONG = re.compile(r"(?:--long(?:options)?|-l)[ =][\"']?([\w:,-]+)")
_GETOPTS = re.compile(r"getopts[ \t]+[\"']?([A-Za-z:]+)")
_TESTED = re.compile(r"==?[ \t]*[\"']?(--?[A-Za-z][\w-]*)\b")
_QUOTED = re.compile(r"(?<=[\"'`])([a-z][\w-]*)(?=[\"'`])")
_PARAMETER = re.compile(r"^[ \t]*(?:def \w+\()?(\w+)[ \t]*:(?!=)[^=\n]+(?:=|,[ \t]*$|\)|$)", re.MULTILINE)
_OF_PARAMETERS = re.compile(
    r"\b(typer|cyclopts|tyro|fire|HfArgumentParser|simple_parsing|pydantic_settings|BaseSettings|"
    r"defopt|jsonargparse|clize)\b"
)
_FUNCTION = re.compile(r"^[ \t]*(?:async )?def (\w+)", re.MULTILINE)
_COMMAND = re.compile(r"(?:command|add_parser|add_typer|group|subcommand|Use:|name=|Name:)\(?\s*[\"'`]([A-Za-z][\w-]*)")
_COMMANDS = re.compile(
    r"\b(argparse|click|typer|optparse|cyclopts|tyro|docopt|fire|cleo|cliff|subparsers?|sys\.argv|process\.argv|os\.Args|"
    r"cobra|pflag|flag|urfave|kingpin|clap|structopt|yargs|commander|getopts?|commands?|choices|BaseCommand|usage)\b"
    r"|\$[{(]?[1@#*]",
    re.IGNORECASE,
)
"""What a source that takes commands or choices from its caller speaks of."""
_SCRIPTING = re.compile(r"\.[cm]?[jt]s$")
_READS_WORDS = re.compile(
    r"^#!|process\.argv|Deno\.args|Bun\.argv|\bparseArgs\b|\b(yargs|commander|minimist|oclif|meow|cac|citty|caporal|clipanion|"
    r"sade|vorpal|command-line-args)\b|\.(option|command|requiredOption)\("
)
"""What a program for Node does with what it is given."""
_CLASS = re.compile(r"^\s*(?:pub )?(?:struct|enum) |^[ \t]*(?:pub(?:\([\w:]+\))? )?(\w+)[ \t]*[:,({]", re.MULTILINE)
_TRAIT = re.compile(
    r"^[ \t]+(\w+)[ \t]*=[ \t]*(?:Unicode|Bool|Integer|Int|Float|List|Dict|Enum|Type|Instance)\(", re.MULTILINE
)


@dataclass(frozen=True)
class Defined:
    """Names without dashes: `options`, and `words` that may be commands and choices."""

    options: frozenset[str]
    words: frozenset[str]
    commands: frozenset[str]
    """Those words that it plainly calls a command, or a function."""


@dataclass(frozen=True)
class Lost:
    """A name that a part of a source no longer defines: an option, or a word; `commands` are those it was of, or none
    where the whole source knows it no more."""

    name: str
    option: bool
    commands: frozenset[str] = frozenset()


def lost(path: str, before: str, now: str) -> Iterator[Lost]:
    """What a source defined, and does not define any more."""
    if _SCRIPTING.search(path) and not _READS_WORDS.search(before):
        return  # what a browser loads is told nothing
    then, there = defined(path, before), defined(path, now)
    words = then.words - there.words if _COMMANDS.search(before) else frozenset[str]()
    for option, names in ((True, then.options - there.options), (False, words)):
        yield from (Lost(name, option) for name in sorted(names))
    lines, kept = _code(path, before).split("\n"), Counter(_code(path, now).split("\n"))
    parameters = _OF_PARAMETERS.search(before) is not None
    added = "\n".join((kept - Counter(lines)).elements())
    new, _ = _names(path, added, parameters=_OF_PARAMETERS.search(now) is not None)
    for index, line in enumerate(lines):
        kept[line] -= 1
        if kept[line] >= 0 or ("-" not in line and not parameters):
            continue
        options, _ = _names(path, line, parameters=parameters)
        for name in sorted((options & there.options) - new):
            if commands := _commands(lines, index):
                yield Lost(name, True, commands)


def _commands(lines: list[str], index: int) -> frozenset[str]:
    """The command that a line is of: the last one named above it, and the function that it decorates."""
    found: set[str] = set()
    for above in range(index, max(index - 60, -1), -1):
        named = _COMMAND.findall(lines[above]) + _FUNCTION.findall(lines[above])
        if named:
            found |= {_dashed(each) for each in named}
            break
    if lines[index].lstrip().startswith("@"):
        below = next((match for line in lines[index : index + 40] if (match := _FUNCTION.match(line))), None)
        found |= {_dashed(below[1])} if below else set()
    return frozenset(found)


def _code(path: str, text: str) -> str:
    """The text without what it tells people; each line stays where it is."""
    text = _REMARKS.sub("", text)
    return _DOCSTRING.sub(lambda match: "''" + "\n" * match[0].count("\n"), text) if path.endswith(".py") else text


def defined(path: str, text: str) -> Defined:
    """What a source of the language that its name or first line tells defines."""
    text = _code(path, text)
    options, words = _names(path, text, parameters=_OF_PARAMETERS.search(text) is not None)
    functions = _FUNCTION.findall(text) if path.endswith(".py") else ()
    commands = {_dashed(each) for each in (*_COMMAND.findall(text), *functions)}
    return Defined(frozenset(options - {""}), frozenset(words - {""}), frozenset(commands - {""}))


def _names(path: str, text: str, *, parameters: bool) -> tuple[set[str], set[str]]:
    """The options and the words of a source, or of some lines of it; `parameters` of its functions are options."""
    options = {each.lstrip("-") for pair in _OPTION.findall(text) for each in pair if each}
    words = set(_QUOTED.findall(text))
    if path.endswith(".py"):
        if parameters:
            options |= {_dashed(each) for each in _PARAMETER.findall(text)}
        words |= {_dashed(each) for each in _FUNCTION.findall(text)}
        options |= set(_TRAIT.findall(text))
    elif path.endswith((".go", ".rs", ".js", ".ts", ".mjs", ".cjs", ".mts", ".cts")):
        options |= words
        if path.endswith(".rs"):
            fields = {_dashed(each) for each in _CLASS.findall(text) if each}
            options, words = options | fields, words | fields
    elif not path.endswith(".rb"):
        for names in _CASE.findall(text):
            for each in re.split(r"[|\s]+", names):
                name = each.strip("\"'*=")
                (options if name.startswith("-") else words).add(name.lstrip("-"))
        for names in _LONG.findall(text):
            options |= {each.strip(":") for each in names.split(",")}
        for letters in _GETOPTS.findall(text):
            options |= set(letters) - {":"}
        options |= {each.lstrip("-") for each in _TESTED.findall(text)}
    return options, words


def _dashed(name: str) -> str:
    """How libraries call the option or command of a name: `dry_run` and `DryRun` are `dry-run`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-").strip("-")

"""Programs of ours that any text starts with options, whatever its language: templates, lists of a build, settings.

Scripts, workflows and pages are read by their grammar. What nobody here has a grammar for still names a program and
gives it words: behind it on its line, or as the texts of a list. Only what is surely meant for the program is taken:
it stands at the beginning of a command, and its words end where the text, the list or the line does.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from sophia_preflight.calls.documents import is_page
from sophia_preflight.facts import PythonFacts, ShellFacts
from sophia_preflight.mentions import acts
from sophia_preflight.readers.compose import ComposeFile
from sophia_preflight.readers.dockerfile import Dockerfile
from sophia_preflight.readers.makefile import Makefile
from sophia_preflight.readers.pipeline import Pipeline
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import PAD, UNKNOWN, Word, is_known

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
_MANIFEST = re.compile(r"^apiVersion:|^\s+(- )?image:", re.MULTILINE)
"""What starts its programs in images."""
_ENDING = re.compile(r"\.(?:sh|bash|py|[cm]?js|ts|ps1|rb|pl)(?![\w-]|\.\w)")
_PATH = re.compile(r"((?:[\w.@${}()-]*[/\\])*)([\w-]+)$")
_MODULE = re.compile(r"-m[\"']?[\s,]+[\"']?([A-Za-z_]\w*(?:\.\w+)+)(?![\w-])")
_SOURCE = re.compile(r"\.(py|pyw|pyi|[cm]?[jt]sx?|go|rs|java|kt|rb|php|cs|scala|groovy|lua|c|cc|cpp|h|hpp|swift)$")
"""Languages in whose texts people are told things: only what is surely run is taken from them."""
_RUNS = re.compile(
    r"(?<![\w-])(exec\w*|spawn\w*|fork|system|p?open\w*|Popen|run\w*|shell\w*|sh|bash|command|Command|Process\w*|check_(call|output)"
    r"|call|invoke|Start-Process|cmd)\b[\w.]*[(\[]\s*(\[\s*)?[frbu]?$"
)
_BEGINS = re.compile(
    r"(^|[\"'`]|&&|\|\|?|;|\$\(|(?<![-\w])\w+[:=]|[:>@]|\bdo|\bthen|\b(exec|sudo|nohup|time|env|command|npx|uvx|bunx|run|xargs)\b|\bpython[\d.]*|\b(ba|z)?sh|"
    r"\bnode|-{1,2}|\bpwsh( -File)?|[A-Z]\w*=\S+)\s*(- )?(?:[\w.${}/-]*/)?$"
)
"""What stands before a command's name; nothing else but a directory."""
_WITHIN = re.compile(r"[\w.-]")
_GOES_ON = re.compile(r"[\w-]|[./:]\w")
_CLOSED = re.compile(r"\)*[\"'`]\)*\s*,")
_BEGUN = re.compile(_CLOSED.pattern + r"(\s*\[|\s*[\"'](args|arguments|argv|parameters)[\"']\s*:\s*\[)?")
"""What stands between a program and its words: `spawn("shop", ["serve"])`, `"command": "shop", "args": ["serve"]`."""
_VARIABLE = re.compile(r"[)}%\]]*[\"'`]?(?:\s*[&+,]\s*|[ \t]+)[\"'`]?[ \t]*([a-z][\w-]+)(?![\w-])")
"""What stands between a variable that holds a program, and the first word that this is told."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_WRAPPED = re.compile(r"(?<![\w-])(make(Binary|Shell)?Wrapper|wrapProgram)\s")
"""Programs of builds with options of their own behind the program that they wrap."""
_TAGGED = re.compile(r"<(string|arg|argument)>([^<>\n]*)</\1>")
_WORD = re.compile(r"[\w-]+")
_INNER = re.compile(r"\w")
_OPENS = re.compile(r"[\"'`][^\s\"'`]*$")
_JOINING = re.compile(
    r"\b(join_paths|(os\.)?path\.(join|resolve)|files|Path|find_program|resolve)\((?:[^()]|\([^()]*\))*$"
)
_STARTS = re.compile(
    r"(?:\b(python\w*|PYTHON\w*|sys\.executable|node|process\.execPath|bash|sh|\w*interpreter)|[\"'](/usr/bin/)?(env|python[\d.]*|bash|sh|"
    r"node|tsx|sudo|uv|run|npx|uvx|exec|-[mu]|--|pwsh|-File|deno|bun|ruby|perl)[\"'])\s*,$"
)
"""What starts the text that follows it in a list."""
_ELEMENT = re.compile(
    r"\s*(?:,\s*)?(?:#[^\n]*\n\s*)*(?:[frb]?(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`\n]*`)|([^\s,\"'`\])}][^,\"'`\])}\n]*))"
)
_AFTER = re.compile(r"\s*(?:,\s*(?:(?:#|//)[^\n]*)?|(?=[\])}]))")
_HOLE = re.compile(
    r"\$\{\{.*?\}\}|\{\{.*?\}\}|\{%.*?%\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+|%\w+%|<[\w -]+>|\{\w*\}|@\w+@|__[A-Z_]+__"
)
_REMARKED = re.compile(r"\s*[\"']_\w*[\"']\s*:")
"""A key that no program reads."""
_SPACED = re.compile(r"\{\{.*?\}\}|\$\{[^}]*\}")
_ALONE = re.compile(r"[\"'`][\w.@${}()/\\-]*$")
"""What stands before a program that alone is in quotes."""
_ENDS = re.compile(r"(?<!\\)[;|&<>`]|\\n(?![A-Za-z0-9_.])|\s#\s|(?<!\S)[)\]}]")
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*(=.*)?", re.DOTALL)
_WITHIN_PATH = re.compile(r"[\w.${}@-]*/[\w./${}@-]*$|-[\w-]+=$")
_INSTALLED = re.compile(r"(^|/|\}|\w)(bin|Scripts)/$|^\$\{?\w+\}?/$|^\./$|@/$")
"""Directories that programs lie in once they are installed or built."""
_MOST_WORDS = 60
_USUAL = re.compile(
    r"(setup|conftest|__init__|index|main|manage|run|app|server|test|tests|build|cli|config|utils|models?|types)\.\w+"
)


@dataclass(frozen=True)
class Told:
    """What a text gives a program: `file` of ours, or a program by its `name`."""

    path: str
    line: int
    column: int
    name: str
    file: str
    words: tuple[Word, ...]
    listed: bool
    """Whether the words are texts of a list, each for itself."""


def told(context: Context) -> Iterator[Told]:
    """Every program of ours that a text starts with options."""
    yield from _Reader(context).found()


class _Reader:
    def __init__(self, context: Context) -> None:
        self.context, self.repository = context, context.repository

    @cached_property
    def names(self) -> list[str]:
        """Programs that are installed or built under a name."""
        return sorted(each for each in {*self.context.entries.names, *self.context.built.names} if len(each) > 1)

    def found(self) -> Iterator[Told]:
        for path in self.repository.entries:
            source = _SOURCE.search(path) is not None
            if is_page(path) or (source and (standing(path) is Standing.TEST or self.is_known(path))):
                continue
            text = self.context.mentions.text(path)
            if "--" in text or " -" in text:
                yield from self.of(path, text)

    def is_known(self, path: str) -> bool:
        """Whether the grammar of a file is read elsewhere, with all that decides whose programs it starts."""
        facts = self.context.facts.get(path)
        return facts is not None and isinstance(
            facts.data, (ShellFacts, PythonFacts, ComposeFile, Dockerfile, Makefile, Pipeline)
        )

    def is_read(self, path: str, text: str) -> bool:
        """Whether what a text starts is told by a grammar that is known, or lies in images."""
        facts = self.context.facts.get(path)
        if facts is not None and isinstance(facts.data, Workflow):
            return False
        return self.is_known(path) or _MANIFEST.search(text) is not None

    def of(self, path: str, text: str) -> Iterator[Told]:
        if "<!--" in text:
            text = _HIDDEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        text = _TAGGED.sub(_quoted, text) if "</" in text else text
        lines = text.split("\n")
        starts = list(accumulate((len(each) + 1 for each in lines), initial=0))
        source = _SOURCE.search(path) is not None
        facts = self.context.facts.get(path)
        called = {call.place.line for call in facts.trace.calls} if facts is not None else set()
        read = self.is_read(path, text)
        for start, end, name, file in (
            *(() if read else self.programs(path, text)),
            *(() if source else self.held(text)),
        ):
            index = bisect_right(starts, start) - 1
            column = start - starts[index]
            held = start == end
            if (
                (index + 1 in called and not held)
                or _REMARKED.match(lines[index])
                or len(lines[index]) > 2000
                or not acts(path, lines[index], column)
            ):
                continue
            if not file and lines[index][:column].endswith("./") and self.repository.is_file(name):
                continue  # a script that is called like the program
            if (
                not file
                and (outside := _WITHIN_PATH.search(lines[index][:column]))
                and not _INSTALLED.search(outside[0])
            ):
                continue
            at = _WORD.match(text, end).end() if held else end  # type: ignore[union-attr]  # a word begins there
            listed = _CLOSED.match(text, at) is not None and _OPENS.search(lines[index][:column]) is not None
            if _WRAPPED.search(_command(lines, index, column)):
                continue
            words = list(
                _listed(text, start - 1 if held else end, starts) if listed else _behind(text, start, end, starts)
            )
            before = _SPACED.sub("$x", lines[index][:column])
            if index and " " not in before.strip() and lines[index - 1].endswith("\\"):
                continue  # a word of the command above
            if not any(_OPTION.fullmatch(each.value) for each in words):
                continue
            if listed and not held and not _is_first(text, start):
                continue
            if (
                not listed
                and not held
                and (not _BEGINS.search(before) or (source and not _RUNS.search(before.rstrip("\"'`"))))
            ):
                continue
            yield Told(path, index + 1, column + 1, name, file, tuple(words), listed)

    def programs(self, path: str, text: str) -> Iterator[tuple[int, int, str, str]]:
        """Where programs are named: begin and end, the name, and the file if it is one."""
        for match in _ENDING.finditer(text):
            begin = max(text.rfind("\n", 0, match.start()) + 1, match.start() - 200)
            whole = _PATH.search(text[begin : match.start()])
            if whole is None or f"{whole[2]}{match[0]}" not in self.repository.by_name:
                continue
            if file := self.file(path, whole[1], f"{whole[2]}{match[0]}"):
                yield begin + whole.start(), match.end(), f"{whole[2]}{match[0]}", file
        for match in _MODULE.finditer(text) if "-m" in text else ():
            if file := self.module(match[1]):
                yield match.start(1), match.end(1), match[1], file
        for name in self.names:
            at = text.find(name)
            while at >= 0:
                end = at + len(name)
                if not _WITHIN.match(text[max(at - 1, 0) : at]) and not _GOES_ON.match(text, end):
                    yield at, end, name, ""
                at = text.find(name, end)

    def held(self, text: str) -> Iterator[tuple[int, int, str, str]]:
        """Where the first word is that a program is told, which a variable or a place named after it holds."""
        lower = text.lower()
        for name in self.context.entries.names:
            entry = self.context.entries.find(name)
            commands = entry[1].parser.commands if entry is not None else {}
            parts = re.split(r"[-_]", name.lower())
            at = lower.find(parts[0]) if commands else -1
            while at >= 0:
                start = at
                while start and _INNER.match(text[start - 1]):
                    start -= 1
                found = _WORD.match(text, start)
                at = lower.find(parts[0], max(at + len(parts[0]), found.end() if found is not None else 0))
                if found is None or found[0] == name or not _is_named_after(found[0], parts):
                    continue
                told = _VARIABLE.match(text, found.end())
                if told is not None and told[1] in commands:
                    yield told.start(1), told.start(1), name, ""

    def file(self, path: str, directory: str, name: str) -> str:
        """The one file of ours that is meant: no other has the name, or it lies where the path leads."""
        same = self.repository.by_name.get(name, [])
        if not same:
            return ""
        inner = re.sub(r"^.*[$}){@]+[/\\]|^(\.{0,2}[/\\])+", "", directory.replace("\\", "/"))
        fit = [each for each in same if f"/{each}".endswith(f"/{inner}{name}")]
        if inner and not directory.startswith("/") and f"{inner}{name}" in fit:
            return f"{inner}{name}"
        beside = posixpath.join(posixpath.dirname(path), name)
        if not inner and beside in same:
            return beside
        return fit[0] if len(fit) == 1 and (inner or not _USUAL.fullmatch(name)) else ""

    def module(self, name: str) -> str:
        """The file that `-m` starts by a name with dots, if it is ours."""
        return self.context.finder.only_module(name) if is_known(name) else ""


def _command(lines: list[str], index: int, column: int) -> str:
    """What stands before a column in a line, and the lines that it continues."""
    said = lines[index][:column]
    while index and lines[index - 1].rstrip().endswith("\\"):
        index -= 1
        said = f"{lines[index]} {said}"
    return said


def _is_named_after(variable: str, parts: list[str]) -> bool:
    """Whether a variable is called like a program, and something more: `__NX_BIN__`, `nxPath`."""
    words = [each.lower() for each in _PART.findall(variable)]
    more = "_" in variable or len(words) > len(parts)
    return more and any(words[index : index + len(parts)] == parts for index in range(len(words)))


def _quoted(match: re.Match[str]) -> str:
    """A text between tags as one of a list, in as many places."""
    pad = " " * (len(match[1]) + 1)
    return f"{pad}'{match[2]}',{pad} "


def _is_first(text: str, start: int) -> bool:
    """Whether a text of a list is what is run: the first, or what an interpreter or a runner before it starts."""
    before = text[max(0, start - 400) : start].rstrip("./").rstrip("\"'`").rstrip()
    if before.endswith(('"', "'", "`")):
        before = before[:-1].rstrip()
    before = _JOINING.sub("", before).rstrip()
    if before.endswith("("):
        return _RUNS.search(before) is not None
    return before[-1:] in ("", "[", "{", "=", ":") or _STARTS.search(before) is not None


def _listed(text: str, at: int, starts: list[int]) -> Iterator[Word]:
    """The texts of a list from one of them on."""
    begun = _BEGUN.match(text, at)
    at = begun.end() if begun is not None else at
    for _ in range(_MOST_WORDS):
        element = _ELEMENT.match(text, at)
        if element is None:
            return
        place = element.start(1) if element[1] is not None else element.start(2)
        index = bisect_right(starts, place) - 1
        value = _HOLE.sub(UNKNOWN, element[1][1:-1]) if element[1] is not None else UNKNOWN
        yield Word(value, index + 1, place - starts[index] + 1)
        after = _AFTER.match(text, element.end())
        if after is None or not after[0].strip():
            return
        at = after.end()


def _behind(text: str, start: int, end: int, starts: list[int]) -> Iterator[Word]:
    """The words on a program's line, and on those that continue it, up to the end of its command."""
    stop = text.find("\n", end)
    while stop > 0 and text[stop - 1] in "\\`^" and stop - end < 4000:
        stop = text.find("\n", stop + 1)
    rest = text[end : stop if stop >= 0 else len(text)]
    head = text[text.rfind("\n", 0, start) + 1 : start]
    opened = re.search(r"([\"'`])(?:[^\"'`]*)$", head)
    if rest[:1] and rest[0] in "\"'`":
        if not head.endswith(rest[0]) and not _ALONE.search(head):
            return  # the last of what is in quotes
        rest, end, opened = rest[1:], end + 1, None
    quote = opened[1] if opened is not None and head.count(opened[1]) % 2 else ""
    if quote:
        closed = re.search(rf"(?<!\\){quote}", rest)
        rest = rest[: closed.start()] if closed is not None else rest
    rest = _HOLE.sub(lambda match: UNKNOWN + PAD * (len(match[0]) - 1), rest)
    ended = _ENDS.search(rest)
    rest = rest[: ended.start()] if ended is not None else rest
    for match in re.finditer(r"(?:[^\s\"'\\]|\\.|\"[^\"\n]*\"|'[^'\n]*')+", rest):
        value = match[0].replace(PAD, "")
        if re.fullmatch(r"\\\s*", value):
            continue
        index = bisect_right(starts, end + match.start()) - 1
        yield Word(value.replace('\\"', "").strip("\"'"), index + 1, end + match.start() - starts[index] + 1)

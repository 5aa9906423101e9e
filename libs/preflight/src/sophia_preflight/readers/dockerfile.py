"""Dockerfiles: instructions with their places, stages, and variables expanded as BuildKit would.

Continued lines, comments between them, heredocs, the `escape` directive and both forms of commands are understood.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.readers.tree import Fault
from sophia_preflight.text import UNKNOWN, named

KNOWN = named(
    "FROM RUN CMD LABEL MAINTAINER EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG ONBUILD STOPSIGNAL "
    "HEALTHCHECK SHELL"
)
_VARIABLE = re.compile(r"\\(.)|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+?])([^}]*))?\})")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?\s*")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
PREDEFINED = named(
    "HTTP_PROXY HTTPS_PROXY FTP_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy ftp_proxy no_proxy all_proxy "
    "TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT "
    "BUILDKIT_INLINE_CACHE SOURCE_DATE_EPOCH BUILDKIT_SYNTAX BUILDKIT_CONTEXT_KEEP_GIT_DIR "
    "BUILDKIT_MULTI_PLATFORM TARGETSTAGE"
)


@dataclass(frozen=True)
class Held:
    """A variable: its value, and whether a builder may replace it."""

    value: str
    assumed: bool = False


@dataclass(frozen=True)
class Mounted:
    """A `--mount` of RUN; `source` is relative to the build context, or to the root of the stage or image `origin`."""

    kind: str
    source: str
    origin: str

    @classmethod
    def of(cls, text: str) -> Mounted:
        pairs = dict(pair.partition("=")[::2] for pair in text.split(","))
        source = pairs.get("source") or pairs.get("src") or "."
        return cls(pairs.get("type", "bind"), source, pairs.get("from", ""))


@dataclass
class Instruction:
    """`value` is the text after name and flags, lines joined as they were; `words` are those of the exec form."""

    name: str
    value: str
    line: int
    column: int
    flags: dict[str, str] = field(default_factory=dict)
    words: list[str] | None = None
    heredocs: list[tuple[str, str, int]] = field(default_factory=list)
    variables: dict[str, Held] = field(default_factory=dict)
    """In force before this instruction."""
    onbuild: bool = False
    mounted: list[str] = field(default_factory=list)
    """Values of `--mount`, of which there may be several."""

    @property
    def mounts(self) -> list[Mounted]:
        """What RUN is given beside its own file system."""
        return [Mounted.of(self.expanded(each)) for each in self.mounted]

    @property
    def flat(self) -> str:
        """The value on one line."""
        return re.sub(r"\\\n\s*", " ", self.value).strip()

    def expanded(self, text: str) -> str:
        return expand(text, self.variables)

    def snippet(self, path: str) -> Snippet:
        """The value as shell text."""
        return Snippet(path, self.value, self.line, self.column)

    def arguments(self) -> list[str]:
        """Words of COPY, ADD and the like, in either form, expanded."""
        words = self.words if self.words is not None else _split(self.flat)
        return [self.expanded(word) for word in words]


@dataclass
class Stage:
    index: int
    name: str
    base: str
    line: int
    column: int
    instructions: list[Instruction] = field(default_factory=list)
    platform: str = ""
    written: str = ""
    """The base as it is written, variables and all."""

    def last(self, name: str) -> Instruction | None:
        found = [each for each in self.instructions if each.name == name]
        return found[-1] if found else None


@dataclass
class Dockerfile:
    path: str
    stages: list[Stage] = field(default_factory=list)
    arguments: dict[str, Held] = field(default_factory=dict)
    """Declared before the first FROM."""
    declared: set[str] = field(default_factory=set)
    """Every ARG of every stage."""
    faults: list[Fault] = field(default_factory=list)

    def stage(self, name: str) -> Stage | None:
        """By name (any case) or index."""
        for each in self.stages:
            if each.name.lower() == name.lower() or str(each.index) == name:
                return each
        return None

    def chain(self, stage: Stage) -> list[Stage]:
        """A stage and those of the file that it begins with, itself first."""
        found = {stage.index: stage}
        while (below := self.stage(stage.base)) is not None and below.index not in found:
            found[below.index] = stage = below
        return list(found.values())

    @property
    def final(self) -> Stage | None:
        return self.stages[-1] if self.stages else None


def expand(text: str, variables: dict[str, Held]) -> str:
    """`$NAME`, `${NAME}`, `${NAME:-default}`; what has no value is unknown."""

    def put(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        held = variables.get(found[2] or found[3])
        operator = (found[4] or "").lstrip(":")
        if operator == "-":
            return held.value if held and held.value else expand(found[5], variables)
        if operator == "+":
            return expand(found[5], variables) if held and held.value else ""
        return held.value if held else UNKNOWN

    return _VARIABLE.sub(put, text) if "$" in text or "\\" in text else text


def parse(path: str, text: str) -> Dockerfile:
    """Read a Dockerfile; what is wrong with it is in `faults` and the rest is read on."""
    return _Reader(path, text).dockerfile()


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.found = Dockerfile(path)
        self.escape = "`" if re.match(r"(?:#\s*\w+=.*\n)*#\s*escape\s*=\s*`", text, re.IGNORECASE) else "\\"
        self.variables: dict[str, Held] = {}

    def dockerfile(self) -> Dockerfile:
        index = 0
        while index < len(self.lines):
            line = self.lines[index]
            if not line.strip() or line.lstrip().startswith("#"):
                index += 1
                continue
            index = self.instruction(index)
        if not self.found.stages and not self.found.faults:
            self.found.faults.append(Fault("syntax", "there is no FROM: nothing can be built from this file", 1, 1))
        return self.found

    def instruction(self, start: int) -> int:
        """Read the instruction that begins in line `start`; the line after it."""
        pieces, index = [self.lines[start]], start + 1
        while self.continues(pieces[-1]) and index < len(self.lines):
            line = self.lines[index]
            if not line.strip() or line.lstrip().startswith("#"):
                line = self.escape
            pieces.append(line)
            index += 1
        if self.escape == "`":
            pieces = [re.sub(r"`\s*$", "\\\\", piece) for piece in pieces]
        pieces = [re.sub(r"\\\s+$", "\\\\", piece) for piece in pieces]
        while len(pieces) > 1 and pieces[-1] == "\\":
            pieces.pop()
        text = "\n".join(pieces)
        match = re.match(r"(\s*)([A-Za-z]+)(\s+|\\\n|$)", text)
        if not match:
            said = f"`{text.strip().split()[0][:40]}` is no instruction"
            self.found.faults.append(Fault("syntax", said, start + 1, 1))
            return index
        column = match.end() + 1 if "\n" not in match[0] else 1
        name, rest = match[2].upper(), text[match.end() :]
        onbuild = name == "ONBUILD"
        if onbuild and (inner := re.match(r"([A-Za-z]+)(\s+)", rest)):
            name, rest, column = inner[1].upper(), rest[inner.end() :], column + inner.end()
        made = Instruction(name, rest, start + 1, column, onbuild=onbuild)
        if name not in KNOWN:
            self.found.faults.append(Fault("syntax", f"`{match[2]}` is no instruction", start + 1, len(match[1]) + 1))
            return index
        self.flags(made)
        if name in ("RUN", "COPY", "ADD") and (documents := list(_HEREDOC.finditer(made.value))):
            index = self.heredocs(made, [found[2] for found in documents], index)
        self.exec_form(made)
        self.effect(made)
        return index

    def continues(self, line: str) -> bool:
        return line.rstrip().endswith(self.escape) and not (line.lstrip().startswith("#"))

    def flags(self, made: Instruction) -> None:
        self.skip_breaks(made)
        while made.name in ("FROM", "RUN", "COPY", "ADD", "HEALTHCHECK") and made.value.startswith("--"):
            match = _FLAG.match(made.value)
            if not match:
                return
            said = match[2] or ""
            again = match[1] == "mount" and "mount" in made.flags
            made.flags[match[1]] = f"{made.flags['mount']} {said}" if again else said
            if match[1] == "mount":
                made.mounted.append((match[2] or "").strip("\"'"))
            made.value = made.value[match.end() :]
            made.column += match.end()
            self.skip_breaks(made)

    @staticmethod
    def skip_breaks(made: Instruction) -> None:
        while made.value.startswith("\\\n"):
            made.value = made.value[2:].lstrip(" \t")
            made.line += 1
            made.column = 1

    def heredocs(self, made: Instruction, names: list[str], index: int) -> int:
        for name in names:
            start, body = index, []
            while index < len(self.lines) and self.lines[index].strip() != name:
                body.append(self.lines[index])
                index += 1
            made.heredocs.append((name, "\n".join(body) + "\n", start + 1))
            index += 1
        return index

    def exec_form(self, made: Instruction) -> None:
        text = made.flat
        if made.name == "HEALTHCHECK" and (match := re.match(r"CMD\s+", text)):
            text = text[match.end() :]
        if text.startswith("[") and made.name in (
            "RUN", "CMD", "ENTRYPOINT", "COPY", "ADD", "VOLUME", "SHELL", "HEALTHCHECK"
        ):  # fmt: skip
            try:
                words = json.loads(text)
            except ValueError:
                return
            if isinstance(words, list) and all(isinstance(word, str) for word in words):
                made.words = words

    def effect(self, made: Instruction) -> None:
        made.variables = dict(self.variables)
        if made.name == "FROM":
            self.stage(made)
            return
        if made.name == "ARG":
            self.argument(made)
        if not self.found.stages:
            if made.name != "ARG":
                said = f"`{made.name}` stands before the first FROM"
                self.found.faults.append(Fault("syntax", said, made.line, 1))
            return
        self.found.stages[-1].instructions.append(made)
        if made.name == "ENV" and not made.onbuild:
            self.environment(made)

    def stage(self, made: Instruction) -> None:
        words = made.flat.split()
        if not words:
            self.found.faults.append(Fault("syntax", "FROM names no image", made.line, 1))
            words = [""]
        name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
        if len(words) not in (1, 3) or (len(words) == 3 and not name):
            said = "FROM takes one image, and `AS name` after it"
            self.found.faults.append(Fault("syntax", said, made.line, 1))
        base = expand(words[0], self.found.arguments)
        inherited = self.found.stage(base)
        self.variables = {}
        if inherited is not None:
            last = inherited.instructions[-1:] or []
            self.variables = {key: held for each in last for key, held in each.variables.items() if not held.assumed}
            self.variables.update(_environment(last[0]) if last and last[0].name == "ENV" else {})
        platform = made.flags.get("platform", "")
        self.found.stages.append(
            Stage(len(self.found.stages), name, base, made.line, made.column, [], platform, words[0])
        )

    def argument(self, made: Instruction) -> None:
        for word in _split(made.flat):
            name, equals, value = word.partition("=")
            self.found.declared.add(name)
            known = self.found.arguments.get(name)
            if equals:
                held = Held(expand(value, {**self.found.arguments, **self.variables}), True)
            else:
                held = known or Held(UNKNOWN, True)
            if self.found.stages:
                self.variables[name] = held
            else:
                self.found.arguments[name] = held

    def environment(self, made: Instruction) -> None:
        self.variables = {**self.variables, **_environment(made)}


def _environment(made: Instruction) -> dict[str, Held]:
    """What an ENV sets, in either form."""
    text = made.flat
    if re.match(r"[A-Za-z_]\w*=", text):
        pairs = [word.partition("=")[::2] for word in _split(text)]
    else:
        name, _, value = text.partition(" ")
        pairs = [(name, value.strip())]
    return {name: Held(made.expanded(value)) for name, value in pairs if name}


def environment_of(made: Instruction) -> dict[str, str]:
    """Names and values of an ENV."""
    return {name: held.value for name, held in _environment(made).items()}


def _split(text: str) -> list[str]:
    """Words, quotes removed; backslashes before quotes and spaces keep them."""
    words: list[str] = []
    current, quote, started, index = "", "", False, 0
    while index < len(text):
        char = text[index]
        if char == "\\" and index + 1 < len(text) and (text[index + 1] in "\"' " or quote == '"'):
            current += text[index + 1]
            started = True
            index += 2
            continue
        if quote:
            if char == quote:
                quote = ""
            else:
                current += char
        elif char in "\"'":
            quote, started = char, True
        elif char.isspace():
            if started:
                words.append(current)
            current, started = "", False
        else:
            current += char
            started = True
        index += 1
    return [*words, current] if started else words

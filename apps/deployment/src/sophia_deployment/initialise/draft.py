"""A service as far as it is known, and how it is written down: what could not be known is marked `# TODO`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sophia_deployment_core.yaml12 import scalar

_PLAIN = re.compile(r"[A-Za-z0-9_./$-][A-Za-z0-9_./$@%+=~^-]*(:[A-Za-z0-9_./$@%+=~^-]+)*")
_WIDEST = 100


@dataclass
class Draft:
    """What was found out about one service. `listens` is `None` as long as nothing tells."""

    name: str
    source: str
    origin: str
    command: list[str] | None = None
    static_root: str | None = None
    spa: bool = False
    build: list[list[str]] = field(default_factory=list)
    built: bool = False
    """something builds it: `build`, or Turborepo"""
    prepare: list[str] | None = None
    include: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    published: bool = False
    listens: bool | None = None
    health: str | None = None
    needs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    replicas: int = 1
    resources: dict[str, str] = field(default_factory=dict)
    grace: str | None = None
    dockerfile: str | None = None
    notes: dict[str, list[str]] = field(default_factory=dict)
    """what to look at, by the key it is about"""

    @property
    def worker(self) -> bool:
        return self.static_root is None and self.listens is False

    def note(self, key: str, *lines: str) -> None:
        self.notes.setdefault(key, []).extend(line for line in lines if line not in self.notes.get(key, []))


def word(text: str) -> str:
    """One word of YAML that reads back as this text, quoted only if it must be."""
    plain = _PLAIN.fullmatch(text) and scalar(text) == text and text.strip("-") != ""
    return text if plain else '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def listed(words: Iterable[str]) -> str:
    return "[" + ", ".join(word(each) for each in words) + "]"


def mapped(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {word(value)}" for key, value in values.items()) + "}"


def comment(text: str, indent: int, *, mark: str = "# ") -> Iterator[str]:
    """The text as comment lines that are not too wide; characters that would end a comment are left out."""
    line, lead = "", " " * indent + mark
    for part in "".join(character if character.isprintable() else " " for character in text).split():
        if line and len(lead) + len(line) + len(part) > _WIDEST:
            yield lead + line
            line, lead = "", " " * indent + "# "
        line = f"{line} {part}".strip()
    yield lead + line


def service_lines(draft: Draft) -> Iterator[str]:
    """The service's part of the file, indented under `services:`."""
    yield f"  {draft.name}:"
    yield from comment(f"from {draft.origin}", 4)
    yield from _noted(draft, "")
    for key, text in _keys(draft):
        yield from _noted(draft, key)
        if text:
            yield from (f"    {line}" for line in text)


def _noted(draft: Draft, key: str, indent: int = 4) -> Iterator[str]:
    for note in draft.notes.get(key, []):
        yield from comment(note, indent, mark="# TODO: ")


def _keys(draft: Draft) -> Iterator[tuple[str, list[str]]]:
    yield "source", [f"source: {word(draft.source)}"]
    yield "worker", ["worker: true"] if draft.worker else []
    yield "build", _build(draft.build)
    yield "bundle", ["bundle:", *_bundle(draft)]
    yield "routes", [f"routes: {listed(draft.routes)}"] if draft.routes else []
    yield "health", [f"health: {{path: {word(draft.health)}}}"] if draft.health and not draft.worker else []
    yield "needs", [f"needs: {listed(draft.needs)}"] if draft.needs else []
    yield "env", ["env:", *(f"  {key}: {word(value)}" for key, value in draft.env.items())] if draft.env else []
    yield "secrets", [f"secrets: {listed(draft.secrets)}"] if draft.secrets else []
    yield "replicas", [f"replicas: {draft.replicas}"] if draft.replicas > 1 else []
    yield "resources", [f"resources: {mapped(draft.resources)}"] if draft.resources else []
    yield "stop", [f"stop: {{grace: {draft.grace}}}"] if draft.grace else []


def _build(commands: list[list[str]]) -> list[str]:
    if len(commands) == 1:
        return [f"build: {listed(commands[0])}"]
    return ["build:", *(f"  - {listed(command)}" for command in commands)] if commands else []


def _bundle(draft: Draft) -> Iterator[str]:
    if draft.static_root is not None:
        spa = ", spa: true" if draft.spa else ""
        yield f"  static: {{root: {word(draft.static_root)}{spa}}}"
        return
    yield from _noted(draft, "include", 2)
    yield f"  include: {listed(draft.include)}"
    if draft.prepare:
        yield from _noted(draft, "prepare", 2)
        yield f"  prepare: {listed(draft.prepare)}"
    yield from _noted(draft, "run", 2)
    yield f"  run: {listed(draft.command or ['sh', '-c', 'echo no command is known; exit 1'])}"

"""Templates of Helm charts, read as they are written: nothing is rendered.

A `Template` is one document of a file under `templates/`. A `Listing` is a list in it, such as the volumes of its pods,
with what stands in it and whether a template adds more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sophia_preflight.model import Place
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import UNKNOWN

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

KIND = re.compile(r"^kind:[ \t]*(\w+)[ \t]*$", re.MULTILINE)
NAME = re.compile(r"^metadata:[ \t]*\n(?:[ \t]+(?!name:)\S.*\n)*?[ \t]+name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
BLOCK = re.compile(r"^\s*\{\{-?\s*(?:if|else|end|/\*)[^{}]*\}\}\s*$")
"""A line that decides whether others are there and adds none itself."""
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout", "ReplicaSet", "Pod"})


_HELPER = re.compile(r"\{\{-?\s*(?:include|template)\s+\"([^\"]+)\"\s+[.$]\s*(?:\|\s*(?:quote|trim)\s*)?-?\}\}")


_RELEASE = re.compile(r"\{\{-?\s*\$?\.Release\.Name\s*-?\}\}")
_PRINTED = re.compile(
    r"\{\{-?\s*printf\s+\"([a-z0-9.-]*%s[a-z0-9.-]*)\"\s+\(?((?:include|template)\s+\"[^\"]+\"\s+[.$]|\$?\.Release\.Name)\)?\s*-?\}\}"
)
RELEASE = "<.Release.Name>"
"""What the name of the release is in a common form."""


def normal(said: str) -> str:
    """A name with its helpers in a common form; empty where something else decides it too."""
    text = _PRINTED.sub(lambda found: found[1].replace("%s", f"{{{{ {found[2]} }}}}"), said.strip("\"' "))
    text = _RELEASE.sub(RELEASE, _HELPER.sub(lambda found: f"<{found[1]}>", text))
    return text if re.fullmatch(r"[a-z0-9.-]*(<[\w.-]+>)[a-z0-9.-]*", text) else ""


def as_written(name: str) -> str:
    """A name in its common form, as templates write it."""
    name = name.replace(RELEASE, "{{ .Release.Name }}")
    return re.sub(r"<([^>]+)>", r"{{ include \"\1\" . }}", name).replace("\\", "")


@dataclass
class Template:
    path: str
    text: str
    start: int
    kind: str
    name: str
    """As it is written; empty where it has none."""
    whole: str = field(repr=False, default="")

    @property
    def title(self) -> str:
        """For people."""
        return f"the {self.kind} of `{self.path}`"

    def place(self, at: int) -> Place:
        at += self.start
        return Place(self.path, self.whole.count("\n", 0, at) + 1, at - self.whole.rfind("\n", 0, at))


def templates(repository: Repository, directory: str, *, tests: bool = False) -> Iterator[Template]:
    """The documents of a chart that make an object; those of its tests, too, if they are asked for."""
    inside = f"{directory}/templates/" if directory else "templates/"
    for path in repository.inside(directory):
        if not path.startswith(inside) or not path.endswith((".yaml", ".yml")) or ("/tests/" in path and not tests):
            continue
        text = repository.text(path)
        start = 0
        for part in re.split(r"(?m)^(?=---)", text):
            kind, name = KIND.search(part), NAME.search(part)
            if kind is not None:
                yield Template(path, part, start, kind[1], name[1] if name else "", text)
            start += len(part)


_EXPRESSION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_VALUE = re.compile(r"\s*\$?\.Values((?:\.\w+)+)(?:\s*\|\s*(?:quote|squote|toString|int|int64|default\s+\S+))*\s*")
_ALONE = re.compile(r"[ \t]*(?:-[ \t]+)?(?:\{\{.*?\}\}[ \t]*)+")
_ITEM = re.compile(
    r"[ \t]*-[ \t]+\{\{-?\s*(?!(?:if|else|end|range|with|define|template|block)\b)"
    r"(?!.*(?:\btoYaml\b|indent\b))[^{}]*\}\}[ \t]*"
)
"""An item of a list that is one expression, and one word."""


def outlined(text: str, values: Node) -> str:
    """A template as what it makes would look, line by line: values of the chart put in, the rest of what is filled in
    unknown; lines that are nothing but expressions are blank, unless they are items of a list."""
    text = re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)

    def filled(found: re.Match[str]) -> str:
        said, node = _VALUE.fullmatch(found[1]), values
        for name in said[1].strip(".").split(".") if said is not None else ():
            node = node[name]
        plain = said is not None and node.is_scalar and not node.is_null and re.fullmatch(r"[\w./:@-]+", node.text)
        return node.text if plain else UNKNOWN

    blank = (_ALONE.fullmatch(line) is not None and _ITEM.fullmatch(line) is None for line in text.split("\n"))
    lines = (
        "" if alone else _EXPRESSION.sub(filled, line) for line, alone in zip(text.split("\n"), blank, strict=True)
    )
    return "\n".join(lines)


@dataclass
class Listing:
    """What is listed under a key: the names of the entries, where each stands, and whether a template adds others."""

    names: dict[str, int] = field(default_factory=dict)
    is_open: bool = False


_ENTRY = re.compile(r"^[ \t]*-[ \t]+(?=\S)")
_NAMED = re.compile(r"name:[ \t]*(\S.*?)[ \t]*$")


def listings(text: str, key: str, *, nested: bool = False) -> Iterator[Listing]:
    """Every list under a key; branches of a condition all count. With `nested`, names below the entries count too."""
    for header in re.finditer(rf"^([ \t]*)(?:-[ \t]+)?{key}:[ \t]*(\S.*)?$", text, re.MULTILINE):
        if header[2] and not header[2].startswith("#"):
            yield Listing(is_open="{{" in header[2])
        else:
            yield _listed(text, header.end() + 1, header[0].index(key), nested=nested)


def _listed(text: str, at: int, indent: int, *, nested: bool) -> Listing:
    """The entries below a key that stands at an indent."""
    found, column = Listing(), 0
    for line in text[at:].split("\n"):
        bare, depth = line.strip(), len(line) - len(line.lstrip())
        entry = _ENTRY.match(line)
        if bare.startswith("{{"):
            found.is_open = found.is_open or not BLOCK.match(line)
        elif bare and not bare.startswith("#"):
            if depth < indent or (depth == indent and entry is None):
                break
            start = entry.end() if entry is not None else depth
            column = column or start
            name = _NAMED.match(line, start)
            if name is not None and (nested or start == column):
                found.names.setdefault(re.sub(r"[ \t]+#.*$", "", name[1]).strip("\"'"), at + name.start(1))
        at += len(line) + 1
    return found

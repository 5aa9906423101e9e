"""The objects of a Helm chart as its own values make them, as far as templates can be read without running them.

Each line of a template stays the line it is, so that places hold. A value that `values.yaml` has is put in. A helper
stands for one word of its own, the same in every template, so that two names that call it are alike and a selector that
calls it finds the pods that do. Of conditions the first branch is taken, and what else is not known stays unknown: a
list to which a template adds something has an entry that says nothing.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sophia_preflight.clusters.cluster import Scope
from sophia_preflight.clusters.objects import Item, items_of
from sophia_preflight.model import Finding
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import NOTHING, Node
from sophia_preflight.text import UNKNOWN

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_REMARK = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_ALONE = re.compile(r"[ \t]*\{\{-?((?:(?!\}\}).)*?)-?\}\}[ \t]*")
_SEVERAL = re.compile(r"[ \t]*(?:\{\{(?:(?!\}\}).)*\}\}[ \t]*){2,}")
_OPENS = re.compile(r"\s*(if|with|range|define|block)\b\s*(.*?)\s*")
_ELSE = re.compile(r"\s*else\b.*")
_END = re.compile(r"\s*end\s*")
_VALUE = re.compile(r"\(?\s*\$?\.Values((?:\.\w+)+)\s*\)?")
_CALL = re.compile(r"\(?\s*(?:include|template)\s+\"([^\"]+)\"\s+[.$]\s*\)?")
_RELEASE = re.compile(r"\(?\s*\$?\.Release\.Name\s*\)?")
_PRINTED = re.compile(r"\s*printf\s+\"([^\"%]*(?:%[sdv][^\"%]*)+)\"\s+(.*)")
_ARGUMENT = re.compile(r"\((?:[^()]|\([^()]*\))*\)|\$?\.[\w.]+|\"[^\"]*\"")
_QUIET = re.compile(
    r"\s*(?:quote|squote|toString|toJson|toYaml|int|int64|trim|trunc\s+\d+|trimSuffix\s+\"-\"|lower|n?indent\s+\d+)\s*"
)
_DEFAULT = re.compile(r"\s*default\s+(.*)")
_INDENT = re.compile(r"n?indent\s+(\d+)")
_LABELS = re.compile(r"\s*(labels|matchLabels|selector):\s*")
_EACH = re.compile(r"[ \t]*-[ \t]+[\"']?\{\{-?\s*\.\s*(?:\|\s*quote\s*)?-?\}\}[\"']?[ \t]*")
_WORD = "zz"
"""How the word that stands for a helper begins and ends; no name that people give does."""
_SPOKEN = re.compile(rf"{_WORD}[a-z]+?{_WORD}")


@dataclass(frozen=True)
class Chart:
    """What a chart installs."""

    scope: Scope
    words: dict[str, str]
    """Words that stand for helpers, and how templates write them."""

    def told(self, finding: Finding) -> Finding:
        """A finding with the helpers as templates write them."""
        message, anchor, blocks = (
            _SPOKEN.sub(lambda found: self.words.get(found[0], found[0]), text)
            for text in (finding.message, finding.anchor, finding.blocks)
        )
        return replace(finding, message=message, anchor=anchor, blocks=blocks)


def chart_of(repository: Repository, directory: str) -> Chart:
    """What the chart of a directory installs with its own values."""
    values = _root(repository, posixpath.join(directory, "values.yaml"))
    chart = _root(repository, posixpath.join(directory, "Chart.yaml"))
    inside = f"{directory}/templates/" if directory else "templates/"
    reading = _Reading(values, chart["name"].text)
    items: list[Item] = []
    for path in repository.inside(directory):
        if path.startswith(inside) and path.endswith((".yaml", ".yml")):
            text = repository.text(path)
            if "{{" in text or "apiVersion" in text:
                items += items_of(path, yaml.parse(reading.made(text)))
    for each in items:
        each.templated = True
    return Chart(Scope(items, complete=False, closed=False), reading.words)


def is_decided(text: str) -> bool:
    """Whether a text is what a chart makes it, with nothing in it that a helper or somebody else decides."""
    return UNKNOWN not in text and _SPOKEN.search(text) is None


def _root(repository: Repository, path: str) -> Node:
    return yaml.root_of(repository.text(path)) if repository.is_file(path) else NOTHING


class _Reading:
    def __init__(self, values: Node, chart: str) -> None:
        self.values = values
        self.chart = chart
        self.words: dict[str, str] = {}

    def made(self, text: str) -> str:
        text = _REMARK.sub(lambda found: "\n" * found[0].count("\n"), text)
        text = _ACTION.sub(lambda found: found[0].replace("\n", " ") + "\n" * found[0].count("\n"), text)
        return self._lines(text.split("\n"))

    def _lines(self, lines: list[str]) -> str:
        found: list[str] = []
        open_: list[tuple[str, Node]] = []
        left = 0
        """How many blocks are open below a branch that is not taken."""
        for number, line in enumerate(lines):
            alone = _ALONE.fullmatch(line)
            said = alone[1] if alone is not None else ""
            opening = _OPENS.fullmatch(said) if alone is not None else None
            if left:
                if opening is not None:
                    left += 1
                elif _END.fullmatch(said) and alone is not None:
                    left -= 1
                    if not left and open_:
                        open_.pop()
                found.append("")
            elif opening is not None:
                open_.append((opening[1], self._node(opening[2])))
                found.append("")
            elif alone is not None and _ELSE.fullmatch(said):
                left = 1
                found.append("")
            elif alone is not None and _END.fullmatch(said):
                if open_:
                    open_.pop()
                found.append("")
            elif alone is not None:
                found.append(self._inserted(said, number, lines, open_))
            elif open_ and open_[-1][0] == "range" and _EACH.fullmatch(line):
                words = " ".join(each.text for each in open_[-1][1].elements())
                found.append(f"{line[: line.index('-')]}- {json.dumps(words or UNKNOWN)}")
            elif _SEVERAL.fullmatch(line):
                found.append("")
            else:
                found.append(_ACTION.sub(lambda inner: self._filled(inner[1]), line))
        return "\n".join(found)

    def _inserted(self, said: str, number: int, lines: list[str], open_: list[tuple[str, Node]]) -> str:
        """A line that is nothing but an expression: labels by a helper, a value with all that is below it, or what
        nobody knows."""
        depth = _INDENT.search(said)
        if depth is None:
            return ""
        before = next((each for each in reversed(lines[:number]) if each.strip() and not _ALONE.fullmatch(each)), "")
        pad, above = " " * int(depth[1]), len(before) - len(before.lstrip())
        first = re.split(r"\s*\|\s*", said)[0].strip()
        call = _CALL.fullmatch(first)
        if call is not None and (_LABELS.fullmatch(before) or re.fullmatch(r"\s*[\w./-]+:\s*\S.*", before)):
            after = before[:above] + "x" if _LABELS.fullmatch(before) else ""
            if after or above == len(pad):
                return f"{pad}{self._word(call[1])}: {self._word(call[1])}"
        node = self._node(re.sub(r"^toYaml\s+", "", first)) if not open_ or first[-1:] != "." else NOTHING
        alone = before.rstrip().endswith(":") and above < len(pad)
        if node and alone and not _continues(lines[number + 1 :], len(pad)):
            return f"{pad}{json.dumps(node.plain(), default=str)}"
        return f"{pad}- {UNKNOWN}" if re.match(r"\s*- ", before) and above == len(pad) else ""

    def _node(self, said: str) -> Node:
        """The value that an expression names; `NOTHING` for what is no value of the chart."""
        match = _VALUE.fullmatch(said.strip())
        node = self.values if match is not None else NOTHING
        for name in match[1].strip(".").split(".") if match is not None else ():
            node = node[name]
        return node

    def _filled(self, said: str) -> str:
        first, *rest = re.split(r"\s*\|\s*", said.strip())
        if not all(_QUIET.fullmatch(each) or _DEFAULT.fullmatch(each) for each in rest):
            return UNKNOWN
        text = self._text(first)
        for each in rest:
            if (match := _DEFAULT.fullmatch(each)) is not None and not text:
                text = self._text(match[1])
        return text or UNKNOWN

    def _text(self, said: str) -> str:
        """What an expression is, as far as anybody can tell; empty for a value that is not set."""
        said = re.sub(r"^(?:quote|toString|int|int64|toYaml|toJson)\s+", "", said.strip())
        if (call := _CALL.fullmatch(said)) is not None:
            return self._word(call[1])
        if _RELEASE.fullmatch(said):
            return self._word(".Release.Name")
        if re.fullmatch(r"\$?\.Chart\.Name", said):
            return self.chart or UNKNOWN
        if re.fullmatch(r"\"[^\"\\]*\"|\d+", said):
            return said.strip('"')
        if (printed := _PRINTED.fullmatch(said)) is not None:
            return self._printed(printed[1], printed[2])
        inner = re.sub(r"^\((.*)\)$", r"\1", said)
        if inner != said:
            return self._filled(inner)
        node = self._node(said)
        if _VALUE.fullmatch(said) is None:
            return UNKNOWN
        if node.is_scalar and not node.is_null:
            return node.text if "\n" not in node.text else UNKNOWN
        return json.dumps(node.plain(), default=str) if node.is_list else ""

    def _printed(self, form: str, rest: str) -> str:
        given = [self._filled(re.sub(r"^\((.*)\)$", r"\1", each)) for each in _ARGUMENT.findall(rest)]
        parts = re.split(r"%[sdv]", form)
        if len(given) != len(parts) - 1:
            return UNKNOWN
        return "".join(part + (given[at] if at < len(given) else "") for at, part in enumerate(parts))

    def _word(self, helper: str) -> str:
        word = _WORD + re.sub(r"[^a-z]", "", helper.lower()) + _WORD
        shown = "{{ .Release.Name }}" if helper.startswith(".") else f'{{{{ include "{helper}" . }}}}'
        self.words.setdefault(word, shown)
        return word


def _continues(lines: list[str], depth: int) -> bool:
    """Whether more stands below the key of a line at that depth."""
    following = next((each for each in lines if each.strip() and not _ALONE.fullmatch(each)), "")
    return len(following) - len(following.lstrip()) >= depth and bool(following)

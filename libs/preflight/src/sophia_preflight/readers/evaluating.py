"""Rules that a makefile makes of its own templates: `$(foreach …,$(eval $(call template,…)))` at its top.

Only the names of targets are of interest. What is put into a template is expanded as far as the text tells; where
that leaves nothing of a name, or templates make templates, nobody can tell which targets there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sophia_preflight.readers.expansion import arguments, expanded, references
from sophia_preflight.text import UNKNOWN

_FUNCTION = re.compile(r"\$[({]\s*([a-z-]+)\s+(.*)[)}]", re.DOTALL)
_HEAD = re.compile(r"([^:=#\t][^:=#]*?)\s*::?(?!=)(?!\s*[\w.-]+\s*[:?+]?=)")
_ASSIGNMENT = re.compile(r"\s*(export\s+|override\s+)*[\w.$(){}-]+\s*(::?:?|\?|\+|!)?=(?!=)")
_TEMPLATES = re.compile(r"\$[({]\s*(eval|call|foreach)\b|^\s*-?include\b", re.MULTILINE)
_SILENT = frozenset({"info", "warning", "error", "shell", "value", "origin", "flavor"})
MOST_WORDS = 60
DEEPEST = 5


class Unclear(Exception):
    """Nobody can tell what is made."""


def targets(text: str, variables: Mapping[str, str], here: str, depth: int = 0) -> Iterator[str]:
    """Names of the targets that a statement makes rules for; raises `Unclear`."""
    if depth > DEEPEST:
        raise Unclear
    for start, end in references(text):
        found = _FUNCTION.fullmatch(text[start:end])
        if found is None:
            continue
        name, rest = found[1], found[2]
        parts = arguments(rest)
        if name == "foreach" and len(parts) >= 3:
            words = expanded(parts[1], variables, here).split()
            for word in words if len(words) <= MOST_WORDS else [UNKNOWN]:
                bound = {**variables, expanded(parts[0], variables, here).strip(): word}
                yield from targets(",".join(parts[2:]), bound, here, depth + 1)
        elif name == "eval":
            yield from _made(rest, variables, here, depth)
        elif name == "call":
            yield from targets(*_template(parts, variables, here), here, depth + 1)
        elif name in ("if", "or", "and"):
            for part in parts:
                yield from targets(part, variables, here, depth + 1)
        elif name not in _SILENT and _TEMPLATES.search(rest):
            raise Unclear


def _template(parts: list[str], variables: Mapping[str, str], here: str) -> tuple[str, dict[str, str]]:
    """A template's text, and what its numbers stand for."""
    name = expanded(parts[0], variables, here).strip()
    if name not in variables:
        raise Unclear
    given = {str(number): expanded(part, variables, here).strip() for number, part in enumerate(parts[1:], 1)}
    return variables[name], {**variables, "0": name, **given}


def _made(text: str, variables: Mapping[str, str], here: str, depth: int) -> Iterator[str]:
    """What `$(eval …)` of a text makes: rules, unless it only sets a variable."""
    found = _FUNCTION.fullmatch(text.strip())
    if found is not None and found[1] == "call":
        text, variables = _template(arguments(found[2]), variables, here)
    elif found is not None or re.fullmatch(r"\s*\$[({][\w.-]+[)}]\s*", text):
        raise Unclear
    if _ASSIGNMENT.match(text) and "\n" not in text:
        return
    if depth > DEEPEST or _TEMPLATES.search(text):
        raise Unclear
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        masked = line
        for start, end in references(line):
            masked = masked[:start] + "$" * (end - start) + masked[end:]
        if head := _HEAD.match(masked):
            for name in expanded(expanded(line[: head.end(1)], variables, here), variables, here).split():
                if not re.search(r"\w", name.replace(UNKNOWN, "")):
                    raise Unclear
                yield name

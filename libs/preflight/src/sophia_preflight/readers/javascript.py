"""Imports of files of one's own in JavaScript and TypeScript: `import`, `export … from`, `require`, `import()`."""

from __future__ import annotations

import re
from dataclasses import dataclass

LARGEST = 400_000
"""Characters; longer files are bundles, which nobody writes."""
_STATEMENT = re.compile(
    r"^[ \t]*(?:import|export)\b(?:[^'\"`;(]*?\bfrom)?\s*(['\"])(\.{1,2}/[^'\"\n]+)\1", re.MULTILINE
)
_CALL = re.compile(r"\b(?:require|import)\(\s*(?:/\*.*?\*/\s*)?(['\"])(\.{1,2}/[^'\"\n]+)\1\s*\)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CAREFUL = re.compile(r"\btry\b|\?|\|\||\bif\b|\bcatch\b|jest\.mock|vi\.mock|@ts-(ignore|expect-error)|eslint-disable")
"""What stands before an import that may fail."""

_BUNDLE = re.compile(r"\bdefine\(\s*(?:\[|function|['\"])|\},\s*\{\s*['\"]\./|__webpack_require__|\bparcelRequire\b")
"""Modules in one file, which find each other there."""


@dataclass(frozen=True, slots=True)
class Import:
    specifier: str
    line: int
    column: int


@dataclass(frozen=True)
class Imports:
    """In the order of the text; without those whose failure is provided for."""

    all: tuple[Import, ...] = ()


def imports_of(text: str) -> Imports:
    if (
        len(text) > LARGEST
        or _BUNDLE.search(text)
        or ("import" not in text and "require(" not in text and "from" not in text)
    ):
        return Imports()
    text = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    found = [(match, False) for match in _STATEMENT.finditer(text)] + [(match, True) for match in _CALL.finditer(text)]
    kept: dict[int, Import] = {}
    for match, is_call in found:
        at = match.start(2)
        begin = text.rfind("\n", 0, at) + 1
        before = text[begin:at]
        if (
            "//" in before
            or (is_call and _CAREFUL.search(text[max(0, begin - 120) : at]))
            or _in_text(text, match.start())
        ):
            continue
        kept[at] = Import(match[2], text.count("\n", 0, at) + 1, at - begin + 1)
    return Imports(tuple(kept[at] for at in sorted(kept)))


def _in_text(text: str, at: int) -> bool:
    """Whether a place is within a template literal, which may hold source of another file."""
    return text.count("`", 0, at) % 2 == 1

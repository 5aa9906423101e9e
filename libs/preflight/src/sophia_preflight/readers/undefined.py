"""Names that a Python module uses and nothing gives: asking for one ends in a NameError.

The interpreter's own table of symbols says which names of which scope are looked for outside of it.
"""

from __future__ import annotations

import _symtable  # type: ignore[import-not-found]
import builtins
import re
import warnings
from dataclasses import dataclass
from typing import Any

_GIVEN = frozenset(dir(builtins)) | frozenset(
    {"__file__", "__path__", "__annotations__", "__builtins__", "__class__", "__module__", "__qualname__", "exit",
     "quit", "WindowsError", "reveal_type"}
)  # fmt: skip
_SCOPES = (_symtable.TYPE_MODULE, _symtable.TYPE_CLASS, _symtable.TYPE_FUNCTION)
"""Those that are run; what annotations ask for, no interpreter may ever look up."""
_OF_OTHERS = frozenset(
    {"unicode", "long", "basestring", "xrange", "raw_input", "unichr", "reduce", "reload", "file", "execfile", "cmp",
     "buffer", "apply", "intern", "get_ipython", "display", "In", "Out", "get_config", "snakemake", "spark", "dbutils",
     "profile", "tags", "Import", "Export", "Analysis", "PYZ", "EXE", "COLLECT", "load_subconfig"}
)  # fmt: skip
"""What Python 2 has, and those who run a module may put into it; so they may names of one or two letters."""
_OPENS = re.compile(
    r"\bimport\s+\*|\b(?:globals|locals|vars|exec|execfile)\(|NameError|__builtins__|\bbuiltins\b|__builtin__"
)
"""What may give a module names that its text does not show, or says that one may be missing."""


@dataclass(frozen=True, slots=True)
class Undefined:
    name: str
    line: int


def undefined_in(text: str, path: str) -> tuple[Undefined, ...]:
    """The names that nothing in a module gives, each where it is used first; none where others may give it some."""
    if _OPENS.search(text):
        return ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            top = _symtable.symtable(text, path, "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ()
    missing = _missing(top)
    found = (Undefined(name, _line_of(name, text, start)) for name, start in sorted(missing.items()))
    return tuple(each for each in found if each.line)


def _missing(top: Any) -> dict[str, int]:
    """Name -> the line on which the scope begins that looks for it."""
    given, used = set(_GIVEN | _OF_OTHERS), {}
    scopes = [top]
    while scopes:
        scope = scopes.pop()
        for name, flags in scope.symbols.items():
            place = (flags >> _symtable.SCOPE_OFF) & _symtable.SCOPE_MASK
            bound = flags & (_symtable.DEF_LOCAL | _symtable.DEF_PARAM | _symtable.DEF_IMPORT)
            outside = place in (_symtable.GLOBAL_IMPLICIT, _symtable.GLOBAL_EXPLICIT)
            if bound and (outside or scope is top):
                given.add(name)
            elif outside and flags & _symtable.USE and len(name) > 2 and scope.type in _SCOPES and "__" not in name:
                used[name] = scope.lineno
        scopes += scope.children
    return {name: line for name, line in used.items() if name not in given}


def _line_of(name: str, text: str, start: int) -> int:
    """The first line from one on whose code has a name, that of a text in quotes or a remark left out; 0 for none."""
    word = re.compile(rf"(?<![\w.\"'#]){re.escape(name)}(?![\w\"'])")
    for number, line in enumerate(text.split("\n"), 1):
        if number >= start and word.search(line.partition("#")[0]):
            return number
    return 0

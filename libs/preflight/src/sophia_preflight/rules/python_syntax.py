"""A Python file that does not parse, or not with the versions that its project says it runs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.facts import PythonFacts
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.python_version import Version
from sophia_preflight.readers.tree import Fault
from sophia_preflight.rendering import is_rendered
from sophia_preflight.standing import Standing, limited, standing

RULE = Rule(
    id="python-syntax",
    title="a Python file does not parse",
    severity=Severity.HIGH,
    why="Python ends with SyntaxError when the file is run or imported",
    fix="correct the line",
    family="python",
)
_NOT_PYTHON_ALONE = re.compile(r"^\s*[%!][\w.]|\{\{|\{%|<%|%\w+%|\$\{|<[A-Z_ ]{3,}>|@@\w+@@|__[A-Z_]+__\b.*\{")
_FOR_OTHERS = re.compile(r"(^|[/_.-])(py(thon)?_?3?\d{1,2}|py2|python2|invalid|bad|broken|syntax_?error)([/_.-]|$)")
_PYTHON_2_PROGRAM = re.compile(r"^#!.*python2")
_PYTHON_PROGRAM = re.compile(r"#!\s*\S+(\s+|/)python\s*\n")
_PYTHON_3 = re.compile(r"^\s*print\(|\bf[\"'][^\"'\n]*\{|\)\s*->\s*[\w\"']|\basync def\b|\bnonlocal\b", re.MULTILINE)
_PRINTED = re.compile(r"^\s*print\s+[\w\"'%]|^\s*except [\w.()]+, ?\w+:|^\s*raise \w+, ", re.MULTILINE)
"""Statements of Python 2 alone."""


def check(context: Context) -> Iterable[Finding]:
    for path, facts in context.modules.python.items():
        if facts.need is not None:
            yield from _too_young(context, path, facts)
        elif (
            facts.fault is not None
            and standing(path) is not Standing.TEMPLATE
            and not is_rendered(context.repository, path)
        ):
            yield _broken(context, path, facts, facts.fault)


def _broken(context: Context, path: str, facts: PythonFacts, fault: Fault) -> Finding:
    severity, blocks = context.modules.severity(path)
    confidence = Confidence.CERTAIN
    text = context.repository.text(path)
    lines = text.split("\n")
    line = lines[fault.line - 1] if fault.line <= len(lines) else ""
    reached = path in context.modules.reached or path in context.modules.imported
    says_two = _PYTHON_2_PROGRAM.match(text) is not None
    if facts.is_python_2 and (not reached or says_two or _is_old(context, path, text)):
        severity, blocks = limited(Severity.LOW if says_two else Severity.MEDIUM, path), ""
    elif not reached and (_NOT_PYTHON_ALONE.search(line) or _FOR_OTHERS.search(path)):
        severity, confidence, blocks = severity.at_most(Severity.LOW), Confidence.GUESS, ""
    what = "it is written for Python 2" if facts.is_python_2 else fault.message
    return RULE.found(
        f"`{path}` does not parse: {what}",
        Place(path, fault.line, fault.column),
        anchor=fault.message,
        severity=severity,
        confidence=confidence,
        blocks=blocks,
    )


def _is_old(context: Context, path: str, text: str) -> bool:
    """Whether a program is of Python 2 all through, and asks for `python`, which is that where it is still used."""
    if not _PYTHON_PROGRAM.match(text) or _PYTHON_3.search(text) or path in context.modules.imported:
        return False
    if len(_PRINTED.findall(text)) < 2:
        return False
    return not any("python3" in call.text for call in context.calls if context.modules.started(call) == path)


def _too_young(context: Context, path: str, facts: PythonFacts) -> Iterator[Finding]:
    """Grammar that the oldest version which the project allows does not know."""
    need = facts.need
    project = context.modules.projects.of(path)
    said = project.oldest_python if project is not None else None
    if need is None or said is None or said[0] >= need.version or _FOR_OTHERS.search(path):
        return
    severity, blocks = context.modules.severity(path)
    oldest, place = said
    yield RULE.found(
        f"{need.what} grammar of Python {_shown(need.version)}, and `{place.path}` allows {_shown(oldest)}",
        Place(path, need.line),
        Involved(place, "allowed versions"),
        anchor=f"needs {_shown(need.version)}",
        severity=severity,
        confidence=Confidence.LIKELY,
        why=f"Python {_shown(oldest)} ends with SyntaxError when the file is run or imported",
        fix=f"write it as Python {_shown(oldest)} knows it, or require {_shown(need.version)}",
        blocks=blocks,
    )


def _shown(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


BAD = [
    tree("""
        === app/main.py
        def start(:
            pass
    """),
    tree("""
        === app/main.py
        <<<<<<< HEAD
        PORT = 1
        =======
        PORT = 2
        >>>>>>> main
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "app"
        requires-python = ">=3.9"
        === app/main.py
        def kind(value):
            match value:
                case 1:
                    return "one"
    """),
    tree("""
        === run.py
        import legacy
        === legacy.py
        print "hello"
    """),
]
GOOD = [
    tree("""
        === pyproject.toml
        [project]
        name = "app"
        requires-python = ">=3.10"
        === app/main.py
        def kind(value):
            match value:
                case 1:
                    return "one"
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "app"
        requires-python = ">=3.14"
        === app/main.py
        type Pair[T] = tuple[T, T]
        === app/_py310.py
        match 1:
            case _:
                pass
        === templates/main.py
        class {{ name }}:
            pass
    """),
]

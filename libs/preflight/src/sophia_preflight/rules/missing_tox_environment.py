"""`tox -e NAME`: an environment that no file of tox has."""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.calls.model import Program
from sophia_preflight.calls.options import part
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers import toml
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="missing-tox-environment",
    title="tox is asked for an environment that it does not have",
    severity=Severity.HIGH,
    why="tox ends with an error: the environment is not in its configuration",
    fix="correct the name, or add a section `[testenv:NAME]`",
    family="targets",
)
_SECTION = re.compile(r"^\[testenv:([^\]]+)\]", re.MULTILINE)
_LIST = re.compile(r"^(?:envlist|env_list)\s*=\s*((?:.*\n)(?:[ \t]+.*\n|\s*\n)*)", re.MULTILINE)
_FACTOR = re.compile(r"^\s+([\w{},!.-]+):\s", re.MULTILINE)
_PYTHON = re.compile(r"(py|pypy|cpython|jython|graalpy)(\d[\d.]*t?)?")
_VALUED = named("-e -c --conf --workdir --root -x --override --result-json -f --develop --skip-env -m")


@dataclass(frozen=True)
class _Environments:
    path: str
    names: frozenset[str]
    factors: frozenset[str]

    def has(self, name: str) -> bool:
        pieces = name.split("-")
        return name in self.names or all(each in self.factors or _PYTHON.fullmatch(each) for each in pieces)


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if not isinstance(call.target, Program) or call.target.name.value != "tox":
            continue
        parted = part(call.target.arguments, _VALUED)
        asked = parted.all("-e")
        if not asked or parted.has("-c", "--conf", "--root"):
            continue
        known = _environments(context, call.site.path, call.site.directory)
        for word in asked if known is not None else ():
            for name in word.value.split(","):
                if known is None or not word.known or not re.fullmatch(r"[A-Za-z][\w.-]*", name) or known.has(name):
                    continue
                if name.upper() == "ALL":
                    continue
                near = get_close_matches(name, sorted(known.names), n=1)
                severity, blocks = consequence(call.site)
                yield RULE.found(
                    f"`{known.path}` has no environment `{name}`",
                    Involved(Place(call.site.path, word.line, word.column), "call"),
                    Involved(Place(known.path), "callee"),
                    anchor=f"{name} from {call.site.owner}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                    blocks=blocks,
                )


def _environments(context: Context, path: str, directory: str) -> _Environments | None:
    """Of the first file that tox reads where it is called; None where it cannot be told."""
    for base in context.finder.bases(path, directory):
        for name in ("tox.ini", "setup.cfg", "pyproject.toml", "tox.toml"):
            file = posixpath.normpath(posixpath.join(base, name))
            if not context.repository.is_file(file):
                continue
            text = context.repository.text(file)
            if name.endswith("toml"):
                found = _toml(file, text)
            elif name == "tox.ini" or "[tox:tox]" in text:
                found = _ini(file, text)
            else:
                found = None
            if found is not None:
                return found
    return None


def _ini(path: str, text: str) -> _Environments:
    text = textwrap.dedent(text)
    names: set[str] = set()
    for section in _SECTION.findall(text):
        names |= _expanded(section)
    for each in _LIST.findall(text):
        for line in re.split(r"[,\n](?![^{]*\})", re.sub(r"#.*", "", each)):
            names |= _expanded(line.strip())
    factors = {factor for name in names for factor in name.split("-")}
    for said in _FACTOR.findall(text):
        factors |= {factor.strip("!") for name in _expanded(said) for factor in re.split(r"[-,]", name)}
    return _Environments(path, frozenset(names), frozenset(factors))


def _toml(path: str, text: str) -> _Environments | None:
    root = toml.parse(text)
    tox = root if path.endswith("tox.toml") else toml.at(root, "tool", "tox")
    if not root or not isinstance(tox, dict):
        return None
    if isinstance(legacy := tox.get("legacy_tox_ini"), str):
        return _ini(path, legacy)
    environments, listed = tox.get("env"), tox.get("env_list")
    names = set(environments) if isinstance(environments, dict) else set()
    names |= {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()
    if any(not isinstance(each, str) for each in listed or ()) or "env_base" in tox:
        return None  # environments that are made of products
    return (
        _Environments(path, frozenset(names), frozenset(part for name in names for part in name.split("-")))
        if names
        else None
    )


def _expanded(text: str) -> set[str]:
    """`py{310,311}-{a,b}` as all that it stands for."""
    match = re.search(r"\{([^{}]*)\}", text)
    if match is None:
        return {text} if text else set()
    if re.fullmatch(r"\d+-\d+", match[1]):
        first, last = map(int, match[1].split("-"))
        choices = [str(number) for number in range(first, min(last, first + 50) + 1)]
    else:
        choices = [each.strip() for each in match[1].split(",")]
    return {one for each in choices for one in _expanded(text[: match.start()] + each + text[match.end() :])}


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            strategy: {matrix: {toxenv: [lint, check-versions]}}
            steps:
              - uses: actions/checkout@v4
              - run: python -m tox -e ${{ matrix.toxenv }}
        === tox.ini
        [tox]
        envlist = py{311,312}, lint
        [testenv:versions]
        commands = true
    """),
    tree("""
        === Makefile
        check:
        \ttox -e flake8,isort
        === pyproject.toml
        [tool.tox]
        env_list = ["flake8"]
        [tool.tox.env.imports]
        commands = [["isort", "."]]
    """),
]
GOOD = [
    tree("""
        === Makefile
        check:
        \ttox -e py,py313,py311-django42-cov,lint && tox -e $(ENV) && tox -e ALL && tox -c other.ini -e any
        === tox.ini
        [tox]
        envlist =
            py{311,312}-django{42,50}
            lint
        [testenv]
        deps =
            cov: coverage
        === other.ini
        [testenv:any]
    """),
    tree("""
        === Makefile
        check:
        \ttox -e lint
        === pyproject.toml
        [tool.tox]
        legacy_tox_ini = '''
            [tox]
            envlist = lint,py311
        '''
    """),
]

"""What commands name: targets, scripts, environments, options, functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from benchmarks.check.links.joining import (
    MANIFEST,
    PYTHON,
    At,
    Finder,
    Link,
    Named,
    joined,
    named,
    run,
    same_file,
    within,
)
from benchmarks.check.links.modules import module_file
from benchmarks.check.trees import MAKEFILE, SHELL, Line, Tree

_MAKE = re.compile(r"(?:\bmake|\$[({]MAKE[)}])(?: -[\w-]+(?: [\w./]+)?)* ([a-zA-Z][\w.-]*)(?=$|[\s&|;\"'`)])")
_TARGET = re.compile(r"^([a-zA-Z][\w./-]*)(?= *:(?!=))")
_NEEDED = re.compile(r"(?<=\s)([a-zA-Z][\w.-]*)(?=\s|$)")
_NPM = re.compile(r"\b(?:npm|pnpm|yarn|bun)(?: --?[\w-]+(?:[ =][\w./-]+)?)* run ([\w:.-]+)")
_TOX = re.compile(r"\btox (?:run |r )?(?:-\w+ )*-e[ =]?([\w.-]+)(?=$|[\s\"'])")
_TOX_ENVIRONMENT = re.compile(r"^\[testenv:([\w.-]+)\]")
_NOX = re.compile(r"\bnox (?:-\w+ )*(?:-s|--session)[ =]([\w]+)(?=$|[\s\"'])")
_EXTRA = re.compile(r"(?:(?<=[\w.\"'])\[|--extra[ =]|--group[ =]|--with[ =])([a-z][\w-]*)(?=\]|\s|$|\"|')")
_CALL = re.compile(r"(?:^|[\s&|;\"'`(])([a-z][\w-]+)(?=$|[\s\"'`,;|&)])")


def _make_targets(tree: Tree) -> Iterator[Link]:
    targets = list(named(_TARGET, tree.lines(MAKEFILE)))
    yield from joined("make target", targets, named(_MAKE, tree.run))
    needing = (Line(each.path, each.number, each.text) for each in run(tree, MAKEFILE) if _TARGET.match(each.text))
    needed = [(name, at) for name, at in named(_NEEDED, needing)]
    yield from joined("make prerequisite", targets, needed, same_file)


def _scripts(tree: Tree) -> Iterator[Link]:
    defined = [
        named
        for path in tree.by_name.get("package.json", [])
        for named in within(tree, path, r'^\s*"scripts"\s*:', r"^\s*\}", r'^\s*"([\w:.-]+)"\s*:')
    ]
    yield from joined("npm script", defined, named(_NPM, tree.run))


def _environments(tree: Tree) -> Iterator[Link]:
    yield from joined(
        "tox environment",
        named(_TOX_ENVIRONMENT, tree.lines(re.compile(r"tox\.ini$|setup\.cfg$"))),
        named(_TOX, tree.run),
    )
    sessions = named(re.compile(r"^def (\w+)(?=\(session)"), tree.lines(re.compile(r"noxfile\.py$")))
    yield from joined("nox session", sessions, named(_NOX, tree.run))


def _manifests(tree: Tree) -> list[str]:
    return [path for path in tree.texts if MANIFEST.search(path)]


def _extras(tree: Tree) -> Iterator[Link]:
    begin = r"\[(project\.optional-dependencies|dependency-groups|tool\.poetry\.extras|options\.extras_require)\]"
    defined = [
        named for path in _manifests(tree) for named in within(tree, path, begin, r"\[", r"^([\w-]+)(?= *=)")
    ] + list(named(re.compile(r"^\[tool\.poetry\.group\.([\w-]+)\.dependencies\]"), tree.lines(MANIFEST)))
    installs = [line for line in tree.run if re.search(r"\b(pip|uv|poetry|pdm|hatch)\b", line.text)]
    yield from joined("extra", defined, named(_EXTRA, installs))


def _console_scripts(tree: Tree) -> list[Named]:
    begin = r"\[(project\.(gui-)?scripts|tool\.poetry\.scripts|options\.entry_points)\]"
    return [
        named
        for path in _manifests(tree)
        for named in within(tree, path, begin, r"\[", r"""^\s*["']?([\w.-]+)["']?(?= *=.*:)""")
    ]


def _programs(tree: Tree) -> Iterator[Link]:
    def called(line: Line) -> Iterator[Named]:
        starts = re.finditer(
            r"(?:^\s*(?:\$ |- run: |run: |RUN |CMD \[\"|ENTRYPOINT \[\"|command: )?|&& |\| |; )([\w.-]+)(?=$|[\s\"])",
            line.text,
        )
        return ((match[1], At(line.path, line.number, *match.span(1))) for match in starts)

    uses = [named for line in tree.run for named in called(line)]
    yield from joined("console script", _console_scripts(tree), uses)


def _own_programs(tree: Tree) -> set[str]:
    """Words that stand for a program of the repository in a command."""
    files = {PurePosixPath(path).name for path in tree.paths if re.search(r"\.(py|sh|js|pl|rb)$", path)}
    packages = {str(PurePosixPath(path).parent.name) for path in tree.by_name.get("__main__.py", [])}
    return {name for name, _ in _console_scripts(tree)} | files | packages


_OPTION = re.compile(r"(?<=\s)(--[a-z][a-z0-9-]+)(?=$|[\s=\"'\\])")
_OPTION_DEFINED = re.compile(r"""(?<=["'|(\s/])(--[a-z][a-z0-9-]+)(?=["'|)=/,\s])""")
_SOURCE = re.compile(r"\.(py|sh|bash|js|ts|go|rs)$")


_NO_CALL = re.compile(r"(pip|uv|apt|poetry|pipx)3? (install|add|sync|pip)|\bcd |\bgit |://")


def _calls_of(tree: Tree) -> list[tuple[Line, int]]:
    """Commands that call a program of the repository, and where the words after it begin."""
    own = _own_programs(tree)
    found = []
    for line in tree.run:
        if _NO_CALL.search(line.text):
            continue
        for word in re.finditer(r"[\w.-]+", line.text):
            as_module = line.text[: word.start()].endswith("-m ") and module_file(tree, word[0], line.path)
            if word[0] in own or as_module:
                found.append((line, word.end()))
                break
    return found


def _options(tree: Tree) -> Iterator[Link]:
    sources = [
        line
        for line in tree.lines(_SOURCE)
        if re.search(r"""["']--[a-z]|^\s*(-\w *\| *)?--[a-z][\w-]*( *\| *-\w)?\)""", line.text)
    ]
    defined = [(name, at) for name, at in named(_OPTION_DEFINED, sources) if "test" not in at.path]
    uses = [
        (match[1], At(line.path, line.number, *match.span(1)))
        for line, after in _calls_of(tree)
        for match in _OPTION.finditer(line.text, after)
    ]
    yield from joined("option", defined, uses)


_SUBCOMMAND = re.compile(r"""(?:add_parser\(|\.command\((?:name=)?)\s*["']([a-z][\w-]+)["']""")


def _subcommands(tree: Tree) -> Iterator[Link]:
    defined = list(named(_SUBCOMMAND, tree.lines(PYTHON)))
    uses = []
    for line, after in _calls_of(tree):
        if word := re.match(r" +([a-z][\w-]+)(?=$|\s)", line.text[after:]):
            uses.append((word[1], At(line.path, line.number, after + word.start(1), after + word.end(1))))
    yield from joined("subcommand", defined, uses)


def _shell_functions(tree: Tree) -> Iterator[Link]:
    defined = list(named(re.compile(r"^\s*(?:function )?([a-zA-Z_][\w-]*)(?= ?\(\))"), tree.lines(SHELL)))
    uses = named(re.compile(r"^\s*(?:if |! )?([a-zA-Z_][\w-]*)(?=$| [^=(])(?! *\()"), run(tree, SHELL))
    yield from joined("shell function", defined, uses, same_file)


def _shell_variables(tree: Tree) -> Iterator[Link]:
    strict = {line.path for line in tree.lines(SHELL) if re.match(r"\s*set -\w*u|\s*set .*nounset", line.text)}
    lines = [line for line in run(tree, SHELL) if line.path in strict]
    defined = list(named(re.compile(r"^\s*(?:export |local |readonly )?([A-Za-z_]\w*)(?==)"), lines))
    uses = named(re.compile(r"\$\{?([A-Za-z_]\w*)\b(?![:-])"), lines)
    yield from joined("shell variable", defined, uses, same_file)


FINDERS: tuple[Finder, ...] = (
    _make_targets,
    _scripts,
    _environments,
    _extras,
    _options,
    _subcommands,
    _programs,
    _shell_functions,
    _shell_variables,
)

"""A path, or a module, that the last commits changed in the place where it is asked for, to one that is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.mentions import Mention, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.replaced import Replaced, is_import
from sophia_preflight.repository import Repository
from sophia_preflight.standing import consequence

RULE = Rule(
    id="changed-path",
    title="a path was changed to one that is not there",
    severity=Severity.HIGH,
    why="whoever asks for it found the file or folder of before, and finds none now",
    fix="write the path of before, or put there what is asked for",
    family="targets",
    resort=2,
)
_HEAD = re.compile(r"^(?:(?:\$\w+|\.{1,2}|~)?/)+")
_ENDS = re.compile(r"[:,.]+$")
_PATH = re.compile(r"[\w.@%+-]+(?:/[\w.@%+-]+)*/?")
_MODULE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?::[A-Za-z_][\w.]*)?")
_KEY = re.compile(r"\s*(?:-\s+)?[\"']?$")
_ALIKE = 0.6
_NEAR = 0.85
"""How alike two modules are of which one is misspelt: whoever imports another one wants another one."""


def check(context: Context) -> Iterable[Finding]:
    there = _There(context.repository)
    lacking = list(_lacking(context, there))
    known = context.mentions.of({path.rstrip("/") for _, _, paths in lacking for path in paths}, None)
    for each, was, paths in lacking:
        if not _is_made(context, paths, each, known):
            severity, blocks = consequence(site_of(each.path), held=True)
            yield RULE.found(
                f"`{each.new}` is not there; it was `{each.old}` before {context.changes.since}, which is",
                Involved(Place(each.path, each.line, each.column), "call"),
                Involved(Place(was), "was"),
                anchor=f"{each.old} {each.new}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                fix=f"write `{each.old}`",
                blocks=blocks,
            )


def _lacking(context: Context, there: _There) -> Iterator[tuple[Replaced, str, tuple[str, ...]]]:
    """What took the place of a path that is there, that path, and the paths it may mean, none of which is there."""
    for each in context.changes.replaced:
        paths = _asked(each.new)
        was = there.found(each.path, _asked(each.old)) if paths and _is_asked(each) else ""
        if was and not there.found(each.path, paths):
            yield each, was, paths


class _There:
    """Files and folders, and modules, by what their paths end with."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._by_last: dict[str, list[str]] = {}
        for path in (*repository.entries, *sorted(repository.directories)):
            self._by_last.setdefault(posixpath.basename(path).removesuffix(".py"), []).append(path)

    def found(self, asking: str, paths: tuple[str, ...]) -> str:
        """What one of some paths may mean that is there: seen from where it is asked for, from the root, or as the end
        of a longer one."""
        for path in paths:
            for base in (posixpath.dirname(asking), ""):
                whole = posixpath.normpath(posixpath.join(base, path))
                for each in (whole, f"{whole}.py"):
                    if self._repository.exists(each):
                        return each
        return next((longer for path in paths if re.search(r"[/.]", path) for longer in self._longer(path)), "")

    def _longer(self, path: str) -> Iterator[str]:
        path = path.rstrip("/")
        alike = self._by_last.get(posixpath.basename(path).removesuffix(".py"), [])
        return (each for each in alike if each.endswith((f"/{path}", f"/{path}.py")))


def _is_asked(each: Replaced) -> bool:
    """Whether a phrase is one that is asked for: not the key that names what follows, nor another entry of a list."""
    before, after = each.text[: each.column - 1], each.text[each.column - 1 + len(each.new) :]
    if each.new.endswith(":") or (_KEY.fullmatch(before) and re.match(r"[\"']?\s*[:=]", after)):
        return False
    alike = SequenceMatcher(None, each.old, each.new).ratio()
    return alike > _NEAR if is_import(each.path, each.text) else alike > _ALIKE or not each.is_alone


def _asked(phrase: str) -> tuple[str, ...]:
    """The paths that a phrase may ask for, in the form of the repository's: those of a module, too."""
    path = _ENDS.sub("", _HEAD.sub("", phrase))
    module = _MODULE.fullmatch(path)
    paths = [path] if _PATH.fullmatch(path) and re.search(r"[A-Za-z]", path) else []
    return (*paths, module[1].replace(".", "/")) if module else tuple(paths)


def _is_made(context: Context, paths: tuple[str, ...], each: Replaced, known: Mapping[str, Sequence[Mention]]) -> bool:
    """Whether there may be something of that name in the end: ignored, an output, or known to others as well."""
    base = posixpath.dirname(each.path)
    for path in paths:
        if any(context.repository.is_ignored(posixpath.normpath(posixpath.join(at, path))) for at in (base, "")):
            return True
        uses = known.get(path.rstrip("/"), ())
        others = [use for use in uses if (use.path, use.line) != (each.path, each.line) and context.changes.is_old(use)]
        if any(use.made or "/" in path or use.path == each.path for use in others):
            return True
    return False


_RUN = """
    === deploy/run.hcl
    exec "{0}"
    === deploy/run.hcl (before)
    exec "tools/warm.rb"
    === tools/warm.rb
    puts "warm"
"""
_SERVE = """
    === deploy/serve.hcl
    serve "{0}:app"
    === deploy/serve.hcl (before)
    serve "shop.web:app"
    === shop/web.py
    app = object()
    === shop/site.py
    app = object()
"""
BAD = [
    tree(_RUN.replace("{0}", "tool/warm.rb")),
    tree(_SERVE.replace("{0}", "shop.webs")),
    tree("""
        === docs/settings.mk
        SOURCES = src
        === docs/settings.mk (before)
        SOURCES = source
        === docs/source/index.md
        # Shop
    """),
]
GOOD = [
    tree(_RUN.replace("{0}", "tools/warm.rb")),
    tree(_SERVE.replace("{0}", "shop.site")),
    tree("""
        === deploy/run.hcl
        exec "dist/warm"
        === deploy/run.hcl (before)
        exec "tools/warm.rb"
        === deploy/build.hcl
        out "dist/warm"
        === tools/warm.rb
        puts "warm"
    """),
    tree("""
        === jobs.yaml
        checks:
          on: push
        === jobs.yaml (before)
        tools:
          on: push
        === tools/warm.rb
        puts "warm"
    """),
]

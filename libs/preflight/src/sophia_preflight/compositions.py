"""Compose files as they are used together: as calls and notes say, and otherwise by the conventions of Compose."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Composition
from sophia_preflight.readers.compose import COMPOSE_NAMES, ComposeFile, Project
from sophia_preflight.text import joined, upward
from sophia_preflight.together import bodies, is_another_way, lacking, offered

if TYPE_CHECKING:
    from sophia_preflight.context import Context

STARTING = frozenset({"up", "start", "create", "run", "deploy"})
"""Verbs of compose that start services."""
_TOGETHER = re.compile(r"(?:(?:-f|--file)[\"']?[ =,]+|[=:])[\"']?(?:\$\{?\w+\}?/)?([\w./-]+\.ya?ml)(?=[\s\"':`),;]|$)")
"""Files of a call of compose, or of `COMPOSE_FILE`, in a line of text."""
_SCRIPT = re.compile(r"\.(sh|bash)$|^(GNUm|m|M)akefile$|^justfile$")
_NOTE = re.compile(
    r"(readme|contributing|develop\w*|install\w*|hacking)\.(md|rst|adoc|txt)|readme|\.env\b|env\.(example|sample)",
    re.IGNORECASE,
)


class Compositions:
    """The projects of a repository."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def projects(self) -> list[Project]:
        """Compose files as they are used together: as calls say, and each file that no call names by its convention."""
        found: dict[tuple[object, ...], Project] = {}
        named: set[str] = set()
        composing = [(call, call.target) for call in self.context.typed if isinstance(call.target, Composition)]
        for call, target in sorted(composing, key=lambda pair: pair[1].verb not in STARTING):
            for project in self._called_project(call, target):
                key = (project.key, project.base, project.stack)
                whole = target.verb in STARTING and not project.partial
                if key not in found or (found[key].partial and whole):
                    found[key] = project
                named |= set(project.key)
        for path, file in self.context.composes.items():
            if path not in named and not file.is_fragment and path not in self._extended:
                files = self._usual(file)
                brought = self._brought(files, {file.path})
                project = Project(files, file.directory, self._is_stack(file), brought=brought)
                found.setdefault((project.key, project.base, project.stack), project)
        return list(found.values())

    @cached_property
    def _extended(self) -> set[str]:
        """Compose files that others take services from."""
        return {
            posixpath.normpath(posixpath.join(file.directory, node.at("extends", "file").text))
            for file in self.context.composes.values()
            for _, node in file.root["services"].items()
            if node.at("extends", "file").text
        }

    @cached_property
    def _included(self) -> dict[str, str]:
        """Compose files that others include, with what their paths are relative to."""
        found: dict[str, str] = {}
        for file in self.context.composes.values():
            for entry in file.root["include"].elements():
                for path in entry["path"].some() or entry.some():
                    place = posixpath.normpath(posixpath.join(file.directory, path.text))
                    base = entry["project_directory"].text or posixpath.dirname(path.text)
                    found[place] = posixpath.normpath(posixpath.join(file.directory, base))
        return found

    def including(self, file: ComposeFile) -> list[tuple[ComposeFile, ...]]:
        """The wholes that a file which others include is a part of: Compose looks for what it names in each of them."""
        wholes = (self._with_included((each,)) for each in self.context.composes.values() if each.root["include"])
        return [each for each in wholes if file in each[1:]]

    def _brought(self, files: tuple[ComposeFile, ...], named: set[str]) -> dict[str, str]:
        """Those of the files that only an `include` brings."""
        return {each.path: self._included[each.path] for each in files if each.path in self._included.keys() - named}

    def _with_included(self, files: tuple[ComposeFile, ...]) -> tuple[ComposeFile, ...]:
        """The files, and after each what it includes."""
        found: list[ComposeFile] = []
        waiting = list(reversed(files))
        while waiting and len(found) < 50:
            file = waiting.pop()
            if file in found:
                continue
            found.append(file)
            for entry in file.root["include"].elements():
                for path in entry["path"].some() or entry.some():
                    place = posixpath.normpath(posixpath.join(file.directory, path.text))
                    if place in self.context.composes:
                        waiting.append(self.context.composes[place])
        return tuple(found)

    def projects_with(self, path: str) -> list[Project]:
        """The projects that a file is a part of."""
        return [project for project in self.projects if path in project.key]

    def projects_of(self, call: Call) -> list[Project]:
        """The project that a call uses; empty where that cannot be told."""
        assert isinstance(call.target, Composition)
        return list(self._called_project(call, call.target))

    def _usual(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """A file alone, with its override; or, where it is not whole, on top of the files that have what it lacks."""
        base = self.context.composes.get(file.path.replace(".override.", "."))
        alone = self._with_included(self._overridden(base) if base is not None else (file,))
        if (base is not None and base is not file) or (
            posixpath.basename(file.path) in COMPOSE_NAMES and not bodies(lacking(alone))
        ):
            return alone
        if told := self._told_with(file):
            return self._with_included(told)
        others = [other for other in self.context.composes.values() if other is not file and not other.is_fragment]
        others.sort(
            key=lambda other: (other.directory != file.directory, posixpath.basename(other.path) not in COMPOSE_NAMES)
        )
        below: list[ComposeFile] = []
        for _ in range(4):
            missing = lacking(self._with_included((file,))) - {each for other in below for each in offered(other)}
            whole = bodies(missing)
            helper = next(
                (
                    other
                    for other in others
                    if other not in below
                    and (whole or (missing if self._is_added_to(file, other) else set())) & offered(other)
                ),
                None,
            )
            if helper is None:
                break
            below.insert(0, helper)
        return self._with_included((*below, file))

    def _told_with(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """Files of one call that a comment of this one tells of, or a note or script beside or above it."""
        above = [*upward("" if file.directory == "." else file.directory), ""]
        places = {file.path: False} | {path: is_script for path, is_script in self._tellers if _shelf(path) in above}
        partial = bool(lacking((file,)))
        told: list[tuple[ComposeFile, ...]] = []
        for path, is_script in places.items():
            text = self.context.repository.text(path).replace("\\\n", " ")
            if posixpath.basename(file.path) not in text or (is_script and not partial):
                continue
            for line in [text] if is_script else text.splitlines():
                names = dict.fromkeys(_TOGETHER.findall(line))
                hits = [self._compose_at(name, above) for name in names]
                found = [each for each in hits if each is not None]
                if file in found and len(found) > 1:
                    # a script may add to its first file whichever it needs of the others
                    told.append((found[0], file) if is_script and found[0] is not file else tuple(found))
        return min(told, key=lambda files: len(lacking(files)), default=())

    def _compose_at(self, name: str, bases: list[str]) -> ComposeFile | None:
        places = (posixpath.normpath(posixpath.join(base, name)) for base in bases)
        return next((self.context.composes[place] for place in places if place in self.context.composes), None)

    @cached_property
    def _tellers(self) -> list[tuple[str, bool]]:
        """Files that tell how compose files are used, and whether they are scripts."""
        names = ((path, posixpath.basename(path)) for path in self.context.repository.entries)
        return [
            (path, _SCRIPT.search(name) is not None)
            for path, name in names
            if _NOTE.match(name) or _SCRIPT.search(name)
        ]

    def _is_added_to(self, file: ComposeFile, other: ComposeFile) -> bool:
        """Whether a file may be used on top of another: of the usual one beside it, where there is one."""
        names = {posixpath.normpath(posixpath.join(file.directory, name)) for name in COMPOSE_NAMES}
        usual = names & self.context.composes.keys() or {other.path}
        return file.directory == other.directory and other.path in usual and not is_another_way(file, other)

    def _overridden(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """A file with the override that Compose takes by itself."""
        name = re.sub(r"\.(ya?ml)$", r".override.\1", file.path)
        return (file, self.context.composes[name]) if name in self.context.composes else (file,)

    def _is_stack(self, file: ComposeFile) -> bool:
        return bool(re.search(r"stack|swarm", posixpath.basename(file.path), re.IGNORECASE))

    def _called_project(self, call: Call, target: Composition) -> Iterator[Project]:
        yield from self.project_at(call.site.path, call.site.directory, target)

    def project_at(self, path: str, directory: str, target: Composition) -> Iterator[Project]:
        """The project that a call of compose uses which a file makes in a directory, if it can be told."""
        paths: list[str] = []
        for word in target.files:
            if not word.known:
                return
            places = list(self.context.finder.bases(path, joined(directory, word.value)))
            hit = next((place for place in places if place in self.context.composes), None)
            if hit is None:
                return
            paths.append(hit)
        if not target.files:
            for base in self.context.finder.bases(path, directory):
                hit = next(
                    (
                        p
                        for name in COMPOSE_NAMES
                        if (p := posixpath.normpath(posixpath.join(base, name))) in self.context.composes
                    ),
                    None,
                )
                if hit is not None:
                    paths = [each.path for each in self._overridden(self.context.composes[hit])]
                    break
            else:
                return
        files = self._with_included(tuple(self.context.composes[path] for path in paths))
        base = files[0].directory
        if target.base is not None:
            base = next(iter(self.context.finder.bases(path, target.base)), base)
        brought = self._brought(files, set(paths))
        yield Project(files, base, target.stack, True, self._is_partial(target, paths), brought)

    @staticmethod
    def _is_partial(target: Composition, paths: list[str]) -> bool:
        """Whether nobody starts all services at once; the root's own file alone is one that people start by hand."""
        return target.verb in STARTING and target.partial and not all(path in COMPOSE_NAMES for path in paths)


def _shelf(path: str) -> str:
    """The directory that a note or script is about: its own, or the one that has its folder of scripts."""
    directory = posixpath.dirname(path)
    return re.sub(r"(^|/)(scripts?|bin|tools|hack|dev|docs?|tests?|e2e)$", "", directory)

"""GitLab's pipelines of a repository: the entry and child pipelines, each with all that it includes from here."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sophia_preflight.calls.pipeline import ENTRY
from sophia_preflight.readers.pipeline import KEYWORDS, content, included, is_reference, jobs_of
from sophia_preflight.readers.tree import NOTHING, Documents, Node

if TYPE_CHECKING:
    from sophia_preflight.context import Context


@dataclass
class Whole:
    """A pipeline as GitLab puts it together; `open` where what is not here, or not readable, adds to it."""

    entry: str
    files: dict[str, Node] = field(default_factory=dict)
    """The entry and what it includes, what wins last."""
    open: bool = False

    @property
    def names(self) -> set[str]:
        """Jobs and templates."""
        return {name for root in self.files.values() for name, _ in root.items() if name not in KEYWORDS}

    @property
    def running(self) -> set[str]:
        """Jobs."""
        return {name for root in self.files.values() for name, _ in jobs_of(root) if not name.startswith(".")}

    def definitions(self, name: str) -> list[tuple[str, Node]]:
        """What files say of a job, the one that wins first."""
        return [(path, root[name]) for path, root in reversed(self.files.items()) if root[name]]

    def chain(self, name: str) -> Iterator[tuple[str, Node] | None]:
        """What a job consists of, the nearest first and each once; None for what is nowhere."""
        waiting, seen = [name], set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            definitions = self.definitions(name)
            yield from definitions
            if not definitions:
                yield None
            extends = next((job["extends"] for _, job in definitions if "extends" in job), NOTHING)
            waiting += [each.text for each in extends.some()]

    def find(self, name: str, key: str) -> tuple[str, Node] | None:
        """What a job has under a key, and the file that says it."""
        return next(((path, job[key]) for path, job in filter(None, self.chain(name)) if key in job), None)

    def is_known(self, name: str) -> bool:
        """Whether everything that a job consists of is here, in plain text."""
        chain = list(self.chain(name))
        return not self.open and None not in chain and not any(is_reference(job) for _, job in filter(None, chain))


def wholes(context: Context) -> list[Whole]:
    """The pipeline of the repository, and those that its jobs start as children."""
    if ENTRY not in context.pipelines:
        return []
    readable = {**context.documents, **{path: each.documents for path, each in context.pipelines.items()}}
    found: dict[str, Whole] = {}
    waiting = [ENTRY]
    while waiting:
        entry = waiting.pop()
        if entry not in found and entry in readable:
            whole = found[entry] = Whole(entry)
            _gather(readable, entry, whole, set())
            waiting += _children(whole)
    return list(found.values())


def _children(whole: Whole) -> Iterator[str]:
    for root in whole.files.values():
        for _, job in jobs_of(root):
            for each in included(job.at("trigger", "include")):
                if path := (each["local"] if each.is_map else each).text:
                    yield path.lstrip("/")


def _gather(readable: Mapping[str, Documents], path: str, whole: Whole, above: set[str]) -> None:
    documents = readable.get(path)
    if documents is None or any(fault.kind in ("syntax", "size") for fault in documents.faults):
        whole.open = True
    if documents is None or path in above:
        return
    root = content(documents)
    for each in included(root["include"]):
        local = (each["local"] if each.is_map else each).text.lstrip("/")
        if not local or "://" in local or "$" in local or "inputs" in each or "rules" in each or is_reference(each):
            whole.open = True
        for other in fnmatch.filter(readable, local) if "*" in local else [local]:
            _gather(readable, other, whole, {*above, path})
    whole.files.pop(path, None)
    whole.files[path] = root

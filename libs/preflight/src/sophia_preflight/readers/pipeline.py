"""GitLab pipelines: jobs, what they inherit by `extends`, and the lines that they run, as far as one file tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import NOTHING, Documents, Node

KEYWORDS = frozenset(
    {"default", "include", "stages", "variables", "workflow", "image", "services", "cache", "before_script",
     "after_script", "spec", "types"}
)  # fmt: skip
"""Keys at the top of a pipeline that are no jobs."""
DEEPEST = 11
"""GitLab follows no more levels of lists in lists."""
_NAME = re.compile(r"gitlab-ci[\w.-]*\.ya?ml$")
_PLACE = re.compile(r"(^|[/._-])(ci|cicd|pipelines?|gitlab)([/._-]|$)")
_RUNS = re.compile(r"^ {1,4}(script|extends|trigger):", re.MULTILINE)
_IS_JOB = re.compile(r"^ {1,4}(stage|rules|only|needs|artifacts|script|retry):", re.MULTILINE)
_OTHERS = re.compile(r"^(on|jobs|language|kind|apiVersion|runs|tasks|steps|pipelines|trigger|pool):", re.MULTILINE)


def looks_like(path: str, text: str) -> bool:
    """Whether a YAML file is a pipeline of GitLab or a part of one, by its name or by its place and text."""
    if _NAME.search(path):
        return True
    return bool(_PLACE.search(path) and _RUNS.search(text) and _IS_JOB.search(text) and not _OTHERS.search(text))


@dataclass(frozen=True)
class Lines:
    """What a script runs, in order; None stands for lines that this file does not tell."""

    nodes: tuple[Node | None, ...] = ()

    @property
    def known(self) -> list[Node]:
        return [each for each in self.nodes if each is not None]


@dataclass
class Pipeline:
    path: str
    documents: Documents
    root: Node
    lines: list[str] = field(default_factory=list)

    @property
    def jobs(self) -> Iterator[tuple[str, Node]]:
        """Jobs and, with a dot before their names, templates."""
        return jobs_of(self.root)

    @property
    def includes(self) -> list[Node]:
        return included(self.root["include"])

    def chain(self, job: Node) -> Iterator[Node | None]:
        """A job and what it extends, the nearest first and each once; None for what is not in this file."""
        waiting: list[Node | None] = [job]
        seen: set[int] = set()
        while waiting:
            each = waiting.pop()
            if id(each) not in seen:
                seen.add(id(each))
                yield each
                templates = [self.root[name.text] for name in each["extends"].some()] if each is not None else []
                waiting += [template if template.is_map else None for template in templates]

    def inherited(self, job: Node, key: str) -> tuple[Node, bool]:
        """What a job has under a key, and whether that is sure: nothing nearer may say it in another file."""
        for each in self.chain(job):
            if each is None or key in each:
                return (each[key], True) if each is not None else (NOTHING, False)
        return NOTHING, True

    def merged(self, job: Node, key: str) -> list[Node]:
        """Every mapping that a job inherits under a key, the nearest last: GitLab merges them."""
        return [each[key] for each in reversed(list(self.chain(job))) if each is not None and key in each]

    def lines_of(self, node: Node) -> Lines:
        """A script's lines: lists in lists and references of this file are followed."""
        return Lines(tuple(self._flat(node, 0)))

    def _flat(self, node: Node, depth: int) -> Iterator[Node | None]:
        if is_reference(node):
            target = self.root.at(*(each.text for each in node.elements()))
            yield from self._flat(target, depth + 1) if target and depth < DEEPEST else [None]
        elif node.is_list and depth < DEEPEST:
            for each in node.elements():
                yield from self._flat(each, depth + 1)
        elif node.text:
            yield node
        elif node.is_map or node.is_list:
            yield None


def is_reference(node: Node) -> bool:
    return node.tag == "!reference"


def jobs_of(root: Node) -> Iterator[tuple[str, Node]]:
    return ((name, node) for name, node in root.items() if name not in KEYWORDS and node.is_map)


def included(node: Node) -> list[Node]:
    """The entries of an `include`: one or many, paths or mappings."""
    return [node] if node.is_map else node.some()


def content(documents: Documents) -> Node:
    """The pipeline of a file, which may begin with a document that declares its inputs."""
    roots = documents.documents
    return roots[1] if len(roots) > 1 and "spec" in roots[0] else documents.root


def parse(path: str, text: str) -> Pipeline:
    documents = yaml.parse(text)
    return Pipeline(path, documents, content(documents), text.split("\n"))

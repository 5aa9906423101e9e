"""A repository as plain text: its files, and the lines of them that are run or built.

Nothing here knows how the check reads; what a line is for is told by the name of its file and by how it begins.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

MOST_BYTES = 300_000
_SKIPPED = re.compile(r"(^|/)(\.git|node_modules|vendor|third_party|\.venv|dist|__pycache__)/|\.(lock|min\.js|svg|po)$")
_HISTORY = re.compile(r"(?i)(^|/)(changelog|changes|history|news|release|upgrad|migrat|licen|author|contributors)")
_FENCE = re.compile(r"^\s*(```+|~~~+)\s*([\w+-]*)")
_INDENTED_BLOCK = re.compile(r"^(\s*)(\.\. (code-block|code|prompt|sourcecode)::.*|.*::)\s*$")
_PROMPT = re.compile(r"^\s*(?:\$|>|%|#) +(?=\S)")
_PROGRAMS = re.compile(
    r"^(sudo |[A-Z_]+=\S+ )*(python3?|pip3?|pipx|uv|uvx|poetry|pdm|hatch|tox|nox|pytest|make|just|docker|"
    r"docker-compose|podman|kubectl|helm|npm|npx|yarn|pnpm|node|bash|sh|source|cp|cd|cat|go|cargo|uvicorn|gunicorn|celery|flask|"
    r"\./\S+)( |$)"
)
_GUARDED = re.compile(r"\|\| *(true|:|echo)|2> ?/dev/null|continue-on-error|\bif \[|\[ -[efdx] |\btest -[efdx] ")
_SAID = re.compile(r"^\s*(#|//|;|@?echo\b|@?printf\b)")


@dataclass(frozen=True)
class Line:
    """A line of a file, counted from 1, that somebody runs or builds with."""

    path: str
    number: int
    text: str


@dataclass
class Tree:
    """The texts of a repository, as git lists them, by path."""

    root: Path
    texts: dict[str, list[str]] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, root: Path) -> Tree:
        """What git tracks below `root`; files that are large, locked, generated or no text have a path and no lines."""
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"], check=True, capture_output=True, text=True
        ).stdout.split("\0")
        tree = cls(root, paths=frozenset(path for path in listed if path))
        for path in sorted(tree.paths):
            if _SKIPPED.search(path) or not (root / path).is_file() or (root / path).is_symlink():
                continue
            content = (root / path).read_bytes()
            if len(content) > MOST_BYTES or b"\0" in content or b"\r" in content:
                continue
            try:
                tree.texts[path] = content.decode("utf-8").split("\n")
            except UnicodeDecodeError:
                continue
        return tree

    @cached_property
    def everything(self) -> str:
        """All there is, to ask whether a word is nowhere yet."""
        return "\n".join(["\n".join(lines) for lines in self.texts.values()] + sorted(self.paths))

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Paths by the last part of their names."""
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(PurePosixPath(path).name, []).append(path)
        return found

    @cached_property
    def run(self) -> list[Line]:
        """Every line that is a command, or of a file that is run or built, without comments and what is guarded."""
        return [line for path, lines in self.texts.items() for line in _run(path, lines)]

    def lines(self, pattern: re.Pattern[str]) -> Iterator[Line]:
        """All lines of the files whose path matches."""
        for path, lines in self.texts.items():
            if pattern.search(path):
                yield from (Line(path, number, text) for number, text in enumerate(lines, 1))

    def resolved(self, said: str, beside: str) -> str:
        """The file that a path means, said in the file `beside`; empty where none is, or more than one could be."""
        clean = str(PurePosixPath(said))
        folder = PurePosixPath(beside).parent
        for path in (clean, str(folder / clean)):
            if path in self.paths:
                return path
        within = [path for path in self.by_name.get(PurePosixPath(clean).name, []) if path.endswith("/" + clean)]
        return within[0] if len(within) == 1 and "/" in clean else ""


def is_dockerfile(path: str) -> bool:
    name = PurePosixPath(path).name
    return bool(re.match(r"(Dockerfile|Containerfile)", name)) or name.lower().endswith(".dockerfile")


def is_page(path: str) -> bool:
    return path.endswith((".md", ".rst", ".mdx"))


def is_history(path: str) -> bool:
    """A page that tells of other versions."""
    return is_page(path) and bool(_HISTORY.search(path))


COMPOSE = re.compile(r"(^|/)(docker-)?compose[^/]*\.ya?ml$")
WORKFLOW = re.compile(r"(^|/)\.github/(workflows|actions)/.+\.ya?ml$")
MAKEFILE = re.compile(r"(^|/)(GNU)?[Mm]akefile$|\.mk$")
SHELL = re.compile(r"\.(sh|bash)$")
YAML = re.compile(r"\.ya?ml$")
_RUN = re.compile(
    rf"{COMPOSE.pattern}|{WORKFLOW.pattern}|{MAKEFILE.pattern}|{SHELL.pattern}|(^|/)(\.gitlab-ci\.yml|tox\.ini|"
    r"justfile|Procfile|package\.json|\.pre-commit-config\.yaml|\.readthedocs\.ya?ml|Jenkinsfile|azure-pipelines\.yml)$"
    r"|\.service$|(^|/)(k8s|kubernetes|manifests|helm|charts?|deploy)/.*\.ya?ml$"
)


def _run(path: str, lines: list[str]) -> Iterator[Line]:
    if is_page(path):
        if not is_history(path):
            yield from _commands(path, lines)
    elif is_dockerfile(path) or _RUN.search(path) or (lines and lines[0].startswith("#!") and "sh" in lines[0]):
        for number, text in enumerate(lines, 1):
            if text.strip() and not _SAID.match(text) and not _GUARDED.search(text):
                yield Line(path, number, text)


def _commands(path: str, lines: list[str]) -> Iterator[Line]:
    fence, block = "", -1
    for number, text in enumerate(lines, 1):
        if opened := _FENCE.match(text):
            fence = "" if fence else opened[1]
            continue
        if path.endswith(".rst"):
            indent = len(text) - len(text.lstrip())
            if begins := _INDENTED_BLOCK.match(text):
                block = len(begins[1])
                continue
            if text.strip() and indent <= block:
                block = -1
        if not fence and block < 0:
            continue
        bare = _PROMPT.sub("", text).strip()
        if (_PROMPT.match(text) and not text.lstrip().startswith("#")) or _PROGRAMS.match(bare):
            yield Line(path, number, text)

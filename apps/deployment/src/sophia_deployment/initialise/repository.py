"""Looking at a repository, within bounds: few files, small ones, never what a tool made or what leads out of it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MADE = frozenset(
    [
        "node_modules",
        "dist",
        "build",
        "out",
        "target",
        "coverage",
        "htmlcov",
        "venv",
        "env",
        "__pycache__",
        "site-packages",
        "vendor",
        "bower_components",
    ]
)
NOT_SHIPPED = re.compile(
    r"tests?|__tests__|spec|docs?|data|readme.*|license.*|changelog.*|makefile|dockerfile.*|procfile|(docker-)?compose.*"
    r"|sophia\.yaml|.*\.(md|log|pyc|test\.js|test\.ts|spec\.js|spec\.ts|egg-info)",
    re.IGNORECASE,
)
MOST_BYTES = 200_000
MOST_FILES = 300
CODE = frozenset([".py", ".js", ".mjs", ".cjs", ".ts", ".go", ".rb", ".java", ".kt", ".rs", ".php", ".ex", ".exs"])


@dataclass(frozen=True)
class Line:
    """A line of code that says something: where it is, and what was found in it."""

    file: str
    number: int
    found: str


class Repository:
    """A directory, read-only. Paths are text relative to it, with `/`; nothing outside is ever opened."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def text(self, path: str) -> str:
        """The file's text; empty if there is none, or none that is worth reading."""
        place = self._place(path)
        try:
            if place is None or not place.is_file() or place.stat().st_size > MOST_BYTES:
                return ""
            return place.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def json(self, path: str) -> dict[str, Any]:
        try:
            found = json.loads(self.text(path))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def toml(self, path: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text(path))
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}

    def has(self, path: str) -> bool:
        place = self._place(path)
        return place is not None and place.exists()

    def is_directory(self, path: str) -> bool:
        place = self._place(path)
        return place is not None and place.is_dir()

    def first(self, *paths: str) -> str | None:
        return next((path for path in paths if self.has(path)), None)

    def names(self, directory: str) -> list[str]:
        """What stands in a directory, sorted, without hidden things and what tools made."""
        place = self._place(directory)
        try:
            found = sorted(entry.name for entry in place.iterdir()) if place and place.is_dir() else []
        except OSError:
            return []
        return [name for name in found if name.isprintable() and not name.startswith(".") and name not in MADE]

    def directories(self) -> Iterator[str]:
        """The root and what is at most two levels below it."""
        yield "."
        for first in self._below("."):
            yield first
            yield from self._below(first)

    def search(self, directory: str, pattern: re.Pattern[str]) -> Line | None:
        """The first line of code in a directory that matches; what was found is the first group."""
        for path in self._code(directory):
            for number, line in enumerate(self.text(path).splitlines(), start=1):
                if match := pattern.search(line):
                    return Line(path, number, match[match.lastindex or 0])
        return None

    def _below(self, directory: str) -> Iterator[str]:
        for name in self.names(directory):
            path = joined(directory, name)
            if self.is_directory(path) and not (self.root / path).is_symlink():
                yield path

    def _code(self, directory: str) -> Iterator[str]:
        """Files of code, near ones first, at most `MOST_FILES`."""
        waiting, seen = [directory], 0
        while waiting and seen < MOST_FILES:
            here = waiting.pop(0)
            for name in self.names(here):
                path = joined(here, name)
                if self.is_directory(path):
                    if not NOT_SHIPPED.fullmatch(name) and not (self.root / path).is_symlink():
                        waiting.append(path)
                elif Path(name).suffix in CODE and not NOT_SHIPPED.fullmatch(name):
                    seen += 1
                    yield path

    def _place(self, path: str) -> Path | None:
        if "\0" in path:
            return None  # no file system has such a name
        place = (self.root / path).resolve()
        return place if place.is_relative_to(self.root) else None


def joined(directory: str, name: str) -> str:
    """A path in the repository, without `.` and `..`; what would lead out stays at the root."""
    parts: list[str] = []
    for part in f"{directory}/{name}".split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or "."

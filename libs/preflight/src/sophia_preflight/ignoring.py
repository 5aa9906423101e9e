"""Patterns of .gitignore and .dockerignore, compiled to one regular expression each.

The two look alike and differ: in git a pattern without a slash matches at any depth and a file below an ignored
directory cannot be taken back; in Docker every pattern starts at the context's root and the last match decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class _Pattern:
    matches: re.Pattern[str]
    negated: bool
    directories_only: bool


def _expression(pattern: str) -> str:
    """The body of a regular expression for a pattern of `*`, `?`, `[…]` and `**`."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("/**", at) and at + 3 == len(pattern):
            out.append("/.+")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif char == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            out.append(f"[{'^' + inner[1:] if inner[0] == '!' else inner}]")
            at = end + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
            at += 1
    return "".join(out)


def _compiled(body: str) -> re.Pattern[str] | None:
    try:
        return re.compile(body + r"\Z", re.DOTALL)
    except re.error:
        return None


class GitIgnore:
    """The patterns of one .gitignore; asked with paths relative to its directory."""

    def __init__(self, text: str) -> None:
        self._patterns = [made for line in text.splitlines() if (made := self._pattern(line))]

    @staticmethod
    def _pattern(line: str) -> _Pattern | None:
        line = line.rstrip() if not line.endswith("\\ ") else line
        if not line or line.startswith("#"):
            return None
        negated = line.startswith("!")
        line = line[1:] if negated else line.removeprefix("\\")
        directory = line.endswith("/")
        body = line.rstrip("/")
        anchored = "/" in body
        compiled = _compiled(("" if anchored else "(?:.*/)?") + _expression(body.lstrip("/")))
        return _Pattern(compiled, negated, directory) if compiled and body else None

    def verdict(self, path: str, *, directory: bool) -> bool | None:
        """Ignored, taken back, or (None) not spoken of."""
        for each in reversed(self._patterns):
            if (directory or not each.directories_only) and each.matches.match(path):
                return not each.negated
        return None

    def covers(self, path: str) -> bool:
        """Whether a file is left out, by its own path or by that of a directory above it."""
        parts = path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        return any(self.verdict(each, directory=True) for each in above) or bool(self.verdict(path, directory=False))


class DockerIgnore:
    """The patterns of a .dockerignore; asked with files relative to the context."""

    def __init__(self, text: str) -> None:
        self._patterns = [made for line in text.splitlines() if (made := self._pattern(line.strip()))]

    @staticmethod
    def _pattern(line: str) -> _Pattern | None:
        if not line or line.startswith("#"):
            return None
        negated = line.startswith("!")
        body = line.lstrip("!").strip().strip("/")
        body = body.removeprefix("./") if body != "." else ""
        compiled = _compiled(_expression(body) + "(?:/.*)?")
        return _Pattern(compiled, negated, directories_only=False) if compiled and body else None

    def ignores(self, path: str) -> bool:
        """Whether the last pattern that matches the file, or a directory above it, leaves it out."""
        for each in reversed(self._patterns):
            if each.matches.match(path):
                return not each.negated
        return False


def any_ignores(rules: Iterable[tuple[str, GitIgnore]], path: str, *, directory: bool) -> bool:
    """What a chain of .gitignore files, outermost first, says of a path relative to the root; the innermost wins."""
    said = False
    for base, ignore in rules:
        inner = path[len(base) + 1 :] if base else path
        verdict = ignore.verdict(inner, directory=directory)
        said = said if verdict is None else verdict
    return said

"""Applying the fixes that are surely right: first as a difference to look at, then in place."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sophia_preflight import secrets
from sophia_preflight.model import Edit, Finding


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits; of two that overlap the first stands."""
    lines = text.split("\n")
    last: tuple[int, int] | None = None
    for each in sorted(set(edits), key=lambda edit: (edit.line, edit.start), reverse=True):
        if not 0 < each.line <= len(lines) or (last is not None and last[0] == each.line and each.end > last[1]):
            continue
        line = lines[each.line - 1]
        lines[each.line - 1] = line[: each.start - 1] + each.text + line[each.end - 1 :]
        last = (each.line, each.start)
    return "\n".join(lines)


def by_file(findings: Iterable[Finding]) -> dict[str, list[Edit]]:
    found: dict[str, list[Edit]] = {}
    for each in findings:
        for edit in each.edits:
            found.setdefault(edit.path, []).append(edit)
    return found


def difference(root: Path, findings: Iterable[Finding]) -> str:
    """What `write` would change, as a unified diff."""
    pieces = []
    for path, edits in sorted(by_file(findings).items()):
        before = (root / path).read_text(encoding="utf-8", errors="surrogateescape")
        after = edited(before, edits)
        hidden = secrets.values(before, secrets.suspects_in(path, before))
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
        )
        pieces.append(secrets.masked("".join(lines), hidden))
    return "".join(pieces)


def write(root: Path, findings: Iterable[Finding]) -> list[str]:
    """Change the files, each by one rename; returns which. A file that leads out of the repository is left alone."""
    changed = []
    for path, edits in sorted(by_file(findings).items()):
        target = root / path
        if target.is_symlink() or not target.resolve().is_relative_to(root.resolve()):
            continue
        before = target.read_text(encoding="utf-8", errors="surrogateescape")
        after = edited(before, edits)
        if after == before:
            continue
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".sophia-check-")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(after)
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
        changed.append(path)
    return changed

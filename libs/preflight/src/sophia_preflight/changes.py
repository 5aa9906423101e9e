"""What changed of late, as rules see it: files that are gone, and which lines are older than that.

A name that the last commits took away, and that others still use, needs no understanding of either end: whoever used
it was right before. What a check reads of the past is `history`'s; here is what follows from it.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from functools import cached_property

from sophia_preflight.history import Past
from sophia_preflight.mentions import TOLD, Mention
from sophia_preflight.model import Compared
from sophia_preflight.replaced import Replaced, replacements
from sophia_preflight.repository import Repository
from sophia_preflight.standing import Standing, standing

_ALIKE = 0.5
"""Share of lines that a file has in common with what became of it."""
_MOST_SUCCESSORS = 200


class Changes:
    """The difference between the tree of some commits ago and the one that is checked."""

    def __init__(self, repository: Repository, past: Callable[[], Past]) -> None:
        self.repository, self._past = repository, past

    @cached_property
    def past(self) -> Past:
        return self._past()

    @property
    def compared(self) -> Compared | None:
        """What the tree was compared with; None as long as nobody asked."""
        return self.past.compared if "past" in vars(self) else None

    @property
    def since(self) -> str:
        """The commit that is compared with, for people."""
        return self.past.compared.revision[:10]

    @cached_property
    def gone(self) -> dict[str, str]:
        """Path that is no more -> what it became, or nothing. What git ignores now is made, and not gone."""
        return {
            path: self._successor(path)
            for path in sorted(self.past.paths)
            if path in self.past.texts
            and not self.repository.is_file(path)
            and not os.path.lexists(self.repository.root / path)
            and not self.repository.is_ignored(path)
        }

    @cached_property
    def gone_directories(self) -> frozenset[str]:
        """Directories of which nothing is left."""
        found = {path[:at] for path in self.gone for at, char in enumerate(path) if char == "/"}
        return frozenset(
            each for each in found if not self.repository.is_directory(each) and not self.repository.is_ignored(each)
        )

    @cached_property
    def moved_directories(self) -> dict[str, str]:
        """Directory of which nothing is left -> where its files went, if those that went anywhere went to one."""
        found: dict[str, set[str]] = {}
        for old, new in self.gone.items():
            for at, char in enumerate(old if new else ""):
                if char == "/" and old[:at] in self.gone_directories and new.endswith(old[at + 1 :]):
                    found.setdefault(old[:at], set()).add(posixpath.normpath(new.removesuffix(old[at + 1 :])))
        return {path: places.pop() for path, places in found.items() if len(places) == 1}

    @cached_property
    def changed(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """Path as it was -> its texts then, and what stands there, or where it went, now."""
        found = {}
        for path, texts in self.past.texts.items():
            now = self.gone.get(path, path)
            if now and self.repository.is_file(now):
                found[path] = (texts, self.repository.glimpse(now))
        return found

    @cached_property
    def replaced(self) -> tuple[Replaced, ...]:
        """What changed lines of files that do something say in the place of what they said, as it stands now."""
        found: dict[Replaced, None] = {}
        for path, (versions, now) in self.changed.items():
            place = self.gone.get(path) or path
            if not TOLD.search(place) and standing(place) not in (Standing.ARCHIVED, Standing.VENDORED):
                found |= dict.fromkeys(replacements(place, versions, now))
        return tuple(found)

    def is_old(self, use: Mention) -> bool:
        """Whether a use is of the time that is compared with: its file, under its path or a former one, spoke of the
        name as often, and the same stood around it."""
        if use.path in self.past.paths and use.path not in self.past.texts:
            return True
        before = self.past.texts.get(use.path if use.path in self.past.texts else self._was.get(use.path, ""), ())
        now = self.repository.glimpse(use.path).count(use.name)
        around = [use.text[: use.column - 1].rstrip()[-1:], use.name, use.after.lstrip()[:1]]
        same = re.compile(r"[ \t]*".join(map(re.escape, filter(None, around))))
        return any(text.count(use.name) >= now and same.search(text) for text in before)

    @cached_property
    def _was(self) -> dict[str, str]:
        return {now: before for before, now in self.gone.items() if now}

    @cached_property
    def _added(self) -> dict[str, frozenset[str]]:
        """The lines of each file that is new."""
        paths = [path for path in self.repository.entries if path not in self.past.first]
        return {path: _lines(self.repository.glimpse(path)) for path in paths[:_MOST_SUCCESSORS]}

    def _successor(self, path: str) -> str:
        """The new file that says most of what a gone one said, if it says enough of it."""
        lines = _lines(self.past.texts[path][-1])
        ranked = sorted(
            ((len(lines & there) / max(len(lines | there), 1), new) for new, there in self._alike(path)), reverse=True
        )
        return ranked[0][1] if ranked and ranked[0][0] >= _ALIKE else ""

    def _alike(self, path: str) -> Iterator[tuple[str, frozenset[str]]]:
        ending = posixpath.splitext(path)[1]
        return ((new, lines) for new, lines in self._added.items() if posixpath.splitext(new)[1] == ending)


def _lines(text: str) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, text.splitlines())))

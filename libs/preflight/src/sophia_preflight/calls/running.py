"""A command that is being followed: where it is run, and where what is seen goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sophia_preflight.calls.model import Call, Produced, Site, Target, Trace
from sophia_preflight.model import Place
from sophia_preflight.text import Word, joined, shown

URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|[^/\s]+@[^/\s]+:")

Reader = Callable[[Sequence[Word], "Run"], None]


@dataclass(frozen=True)
class Run:
    """Where the words are run, and where what is seen goes. `shell` follows text as a script of its own."""

    site: Site
    trace: Trace
    shell: Callable[[Word, Run], None]
    interpret: Reader
    depth: int = 0

    def at(self, **changes: object) -> Run:
        return replace(self, site=replace(self.site, **changes))  # type: ignore[arg-type]  # fields of `Site`

    def command(self, words: Sequence[Word]) -> None:
        """Follows words that are a command of their own."""
        self.interpret(words, self)

    def deeper(self) -> Run:
        return replace(self, depth=self.depth + 1)

    def call(self, target: Target, words: Sequence[Word]) -> None:
        first = words[0]
        text = " ".join(shown(word.value) for word in words)
        place = Place(self.site.path, first.line, first.column)
        self.trace.calls.append(Call(target, self.site, place, text if len(text) <= 160 else text[:159] + "…"))

    def produces(self, word: Word, *, tree: bool = False, empty: bool = False, copied: bool = False) -> None:
        if word.value and not word.value.startswith(("&", "-")) and word.value not in ("/dev/null", "/dev/stderr"):
            self.trace.produced.append(Produced(joined(self.site.directory, word.value), tree, empty, copied))

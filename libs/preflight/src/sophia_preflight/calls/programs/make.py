"""make: which targets of which makefile, from which directory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from sophia_preflight.calls.model import (
    MakeTarget,
    Needed,
    Script,
)
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import Reader, Run
from sophia_preflight.text import Word, joined, named


def _make(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C --directory -f --file --makefile -I -o -W -l"))
    if any(re.fullmatch(r"-\w*p\w*|--print-data-base", each) for each in parted.flags):
        return  # what it knows is asked for, and nothing made
    operands = parted.operands
    for base in parted.all("-C", "--directory"):
        if base.known and base.value not in (".", ".."):
            run.call(Needed(base, "the directory that make works in", directory=True), words)
        run = run.at(directory=joined(run.site.directory, base.value))
    names = [word for word in operands if word.known and "=" not in word.value and not word.value.isdigit()]
    if any(not word.known for word in operands):
        names = [word for word in names if not word.assumed]
    given = {word.value.partition("=")[2] for word in operands if "=" in word.value}
    names = [word for word in names if word.value not in given]  # `PROGRAM=x.exe x.exe`: the name of a target is given
    run.call(MakeTarget(tuple(names), parted.first("-f", "--file", "--makefile"), _is_configured(run)), words)


def _is_configured(run: Run) -> bool:
    """Whether a command before makes a makefile in the directory."""
    here = (
        call for call in run.trace.calls if (call.site.path, call.site.directory) == (run.site.path, run.site.directory)
    )
    return any(
        isinstance(call.target, Script) and posixpath.basename(call.target.path.value) in ("configure", "Makefile.PL")
        for call in here
    )


READERS: dict[str, Reader] = {
    **dict.fromkeys(("make", "gmake"), _make),
}

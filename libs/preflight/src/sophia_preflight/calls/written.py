"""What a shell script writes down for later: units and scripts that it puts somewhere as text.

`cat > /usr/local/bin/start <<EOF` is no call of what stands there, but whoever starts the file makes one. Of where that
will be nothing is known: only programs by their names, and their words, are sure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from sophia_preflight.calls.model import Call, Module, Program, Script, System, Trace
from sophia_preflight.calls.running import Run
from sophia_preflight.readers.script import Simple, Text
from sophia_preflight.readers.units import commands
from sophia_preflight.text import UNKNOWN, Word

_WRITERS = frozenset({"cat", "tee", "sudo"})
_SCRIPT = re.compile(r"#!\S*(?:/|\benv +)(?:ba|da|z|k|a)?sh\b")
_HELD = re.compile(r"(?<!\\)\$\{?\w+\}?")


def is_written(command: Simple) -> bool:
    """Whether a command only writes what it reads: `cat > FILE`, `sudo tee FILE`."""
    program = command.words[0].bare if command.words else ""
    return program in _WRITERS and (program != "sudo" or any(each.bare == "tee" for each in command.words[1:3]))


def written(command: Simple, text: Word, run: Run, *, quoted: bool) -> None:
    """Follow a text that a command writes, if it is a unit of systemd or a script for a shell; what the writer puts
    into it is unknown unless it is quoted."""
    name, found = _target(command), Trace()
    outer, run = run, replace(run.at(system=System.UNKNOWN, directory=UNKNOWN), trace=found).deeper()
    value = text.value if quoted else _HELD.sub(UNKNOWN, text.value).replace("\\$", "$")
    if name.endswith((".service", ".service.j2")):
        for each in commands(value):
            line = text.line + each.line - 1
            run.command([Word(piece, line, each.column) for piece in each.pieces])
    elif _SCRIPT.match(value) or name.endswith((".sh", ".bash")):
        run.shell(Word(value, text.line, 0), run)
    outer.trace.calls += [each for each in found.calls if _is_named(each)]


def _is_named(call: Call) -> bool:
    """Whether a program is called by a name that is the same wherever it is."""
    target = call.target
    return isinstance(target, Program | Module) or (isinstance(target, Script) and "/bin/" in target.path.value)


def _target(command: Simple) -> str:
    """The name of the file that is written; empty where nobody can tell."""
    targets = [each.target for each in command.redirects if each.operator in (">", ">>", ">|") and each.target]
    word = targets[0] if targets and command.words[0].bare == "cat" else command.words[-1]
    parts: Sequence[object] = word.parts
    last = parts[-1] if parts else None
    return posixpath.basename(last.text) if isinstance(last, Text) else ""

"""What goes wrong, said once: a code, what and where in the reader's words, and a hint.

Every room declares its codes in its own range (1xxx core, 2xxx infrastructure, 3xxx security, 5xxx the command
line and engine); `sophia explain CODE` shows the text declared here. A `SophiaError` is something a person can act
on: it never shows a traceback. Anything else that escapes is our own fault and does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CATALOG: dict[str, Code] = {}


@dataclass(frozen=True)
class Code:
    """One kind of failure: `exit` is the command line's exit code for it, `explanation` what `explain` prints."""

    name: str
    title: str
    explanation: str
    exit: int = 1


def declare(name: str, title: str, explanation: str, *, exit: int = 1) -> Code:
    """Add a code to the catalog; declaring a name twice is a programming error."""
    assert name not in CATALOG, f"{name} is declared twice"
    code = Code(name, title, explanation.strip(), exit)
    CATALOG[name] = code
    return code


@dataclass
class SophiaError(Exception):
    """A failure that its reader can act on.

    `message` is lower case, with names in backticks; `hint` says what to try; `facts` are plain values for machines.
    """

    code: Code
    message: str
    hint: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


NOT_FOUND = declare(
    "SPH-1001",
    "what was named does not exist",
    "An environment, service, release or run was named that this platform does not have. `sophia status` lists the "
    "environments and releases, `sophia queue` the runs.",
    exit=2,
)
INTERNAL = declare(
    "SPH-1999",
    "a fault of Sophia itself",
    "Something happened that Sophia does not expect. Traffic is not affected: serving does not depend on the engine. "
    "Run `sophia doctor` and report what it prints.",
)

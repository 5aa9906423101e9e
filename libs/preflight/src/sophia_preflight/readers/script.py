"""What a shell script is made of: words and their parts, and commands of all kinds. `shell` makes it from text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

# --- words ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Text:
    text: str
    quoted: bool = False


@dataclass(slots=True)
class Variable:
    """`$name`, `${name}` and `${name<operator><argument>}`; `indexed` when it has `[…]`."""

    name: str
    quoted: bool = False
    operator: str = ""
    argument: ShellWord | None = None
    index: str = ""


@dataclass(slots=True)
class Substitution:
    """`$(…)` or backticks; `process` for `<(…)`."""

    body: list[Command]
    quoted: bool = False
    process: bool = False


@dataclass(slots=True)
class Opaque:
    """Arithmetic: some number."""

    quoted: bool = False


Part: TypeAlias = Text | Variable | Substitution | Opaque


@dataclass(slots=True)
class ShellWord:
    parts: list[Part]
    line: int
    column: int

    @property
    def bare(self) -> str | None:
        """The word where it is plain and unquoted, as reserved words must be."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text) and not self.parts[0].quoted:
            return self.parts[0].text
        return None


# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Heredoc:
    text: str
    line: int
    quoted: bool
    delimiter: str


@dataclass(slots=True)
class Redirect:
    operator: str
    target: ShellWord | None
    heredoc: Heredoc | None = None


@dataclass(slots=True)
class Assignment:
    name: str
    value: ShellWord | list[ShellWord]
    append: bool = False


@dataclass(slots=True)
class Simple:
    words: list[ShellWord]
    assignments: list[Assignment]
    redirects: list[Redirect]
    line: int
    column: int


@dataclass(slots=True)
class Pipeline:
    commands: list[Command]
    negated: bool = False


@dataclass(slots=True)
class Logic:
    operator: str
    left: Command
    right: Command


@dataclass(slots=True)
class Group:
    body: list[Command]
    subshell: bool
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class If:
    branches: list[tuple[list[Command], list[Command]]]
    otherwise: list[Command]


@dataclass(slots=True)
class Loop:
    """`for` has a variable and words; `while` and `until` a condition."""

    kind: str
    variable: str
    words: list[ShellWord] | None
    condition: list[Command]
    body: list[Command]
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    subject: ShellWord
    arms: list[tuple[list[ShellWord], list[Command]]]


@dataclass(slots=True)
class Function:
    name: str
    body: Command
    line: int


Command: TypeAlias = Simple | Pipeline | Logic | Group | If | Loop | Case | Function

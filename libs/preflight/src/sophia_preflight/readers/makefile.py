"""Makefiles: rules with their recipes, and variables expanded as far as their text tells.

Branches for Windows and macOS are left out; of other conditionals every branch is read as if it held, since what
decides them is not known, and a variable that differs is unknown. So are the automatic variables.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sophia_preflight.readers.expansion import expanded, references
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, PAD, ROOT, UNKNOWN, is_known, joined

_ASSIGNED = re.compile(
    r"\s*(?:export\s+|override\s+|private\s+)*([A-Za-z_.][\w.-]*)\s*(\?=|:{1,3}=|\+=|!=|=)\s*(.*)", re.DOTALL
)
_RULE = re.compile(r"([^:=#\t][^:=#]*?)\s*(::?)(?!=)\s*(.*)", re.DOTALL)
_CONDITION = re.compile(r"\s*(else\s+)?(ifeq|ifneq|ifdef|ifndef)\b(.*)")
_DIRECTIVE = re.compile(r"\s*(else|endif|export|unexport|vpath|undefine)\b")
LONGEST = 2000
"""Characters of a value that is followed as a part of the command that names it."""
_OTHER_SYSTEM = re.compile(r"Windows|Win32|MINGW|MSYS|CYGWIN|Darwin|ComSpec|SYSTEMROOT", re.IGNORECASE)
_PLACE = re.compile(r"\s*\$[({]\w*(DIR|DIRECTORY|PATH|FOLDER|ROOT|VENV|FILE|OUTPUT|BIN|BINARY)[)}]\s*", re.IGNORECASE)
"""A target that is a file or directory of which nothing is known: not one that somebody asks for by a name."""


@dataclass
class Recipe:
    """One logical line of a recipe: its own shell. `tolerated` when it begins with `-`."""

    snippet: Snippet
    tolerated: bool


@dataclass
class Target:
    name: str
    line: int
    needs: list[str]
    recipes: list[Recipe] = field(default_factory=list)


@dataclass
class Makefile:
    targets: list[Target] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    includes: list[tuple[str, int, bool]] = field(default_factory=list)
    """Path, line, whether a missing one is tolerated."""
    dynamic: bool = False
    """Targets may exist that the text does not name: `$(eval …)`, `$(call …)` at the top."""

    def names(self) -> set[str]:
        """As written; some are patterns, and of some only a part is known."""
        return {target.name for target in self.targets}

    def may_make(self, name: str) -> bool:
        """Whether there is, or may be, a rule for it in this very file."""
        return may_make(self.names(), name)


def may_make(names: Iterable[str], name: str) -> bool:
    """Whether one of the names of targets is, or fits, a name; of a target that is all unknown nobody can tell."""
    if name in names:
        return True
    patterns = [each for each in names if "%" in each or (not is_known(each) and re.search(r"\w", _known_part(each)))]
    return any(re.fullmatch(re.escape(each).replace("%", ".+").replace(UNKNOWN, ".*"), name) for each in patterns)


def _known_part(name: str) -> str:
    return name.replace(UNKNOWN, "")


def _rule(flat: str) -> tuple[str, str] | None:
    """What stands before and after the colon of a rule."""
    masked = flat
    for start, end in references(flat):
        masked = masked[:start] + "$" * (end - start) + masked[end:]
    found = _RULE.match(masked)
    return (flat[: found.end(1)], flat[found.start(3) :]) if found else None


def parse(path: str, text: str) -> Makefile:
    """Read a makefile; what is not understood is stepped over."""
    return _Reader(path, text).makefile()


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.replace("\r\n", "\n").split("\n")
        included, directory = path.endswith(".mk"), posixpath.dirname(path)
        self.here = CWD if included else joined(ROOT, directory or ".")
        listed = joined(ROOT, path)
        self.found = Makefile(variables={"MAKEFILE_LIST": f"{UNKNOWN} {listed}" if included else listed})
        if not included and not directory:
            self.found.variables["PWD"] = ROOT
        self.branches: list[bool | None] = []
        """Of the conditionals that are open: whether the branch holds, if that can be told."""
        self.prefix = "\t"
        self.open: list[Target] = []
        self.one_shell = False

    def makefile(self) -> Makefile:
        index = 0
        recipes: list[tuple[list[Target], int, str]] = []
        while index < len(self.lines):
            start, line = index, self.lines[index]
            is_recipe = line.startswith(self.prefix) and bool(self.open)
            while line.endswith("\\") and index + 1 < len(self.lines):
                index += 1
                line += "\n" + self.lines[index]
            index += 1
            if is_recipe:
                if not self.dead:
                    recipes.append((self.open, start, line))
            elif re.match(r"\s*define\s+\S", line):
                index = self.definition(line, index)
            else:
                self.statement(line, start)
        for targets, start, line in recipes:
            if made := self.recipe(start, line):
                for target in targets:
                    target.recipes.append(made)
        return self.found

    @property
    def dead(self) -> bool:
        return False in self.branches

    def expand(self, text: str) -> str:
        return expanded(text, self.found.variables, self.here)

    def definition(self, line: str, index: int) -> int:
        start = index
        while index < len(self.lines) and self.lines[index].strip() != "endef":
            index += 1
        name = re.sub(r"\s*(=|:=|\?=)\s*$", "", line.split(None, 1)[1].strip())
        self.found.variables[name] = "\n".join(self.lines[start:index])
        return index + 1

    def statement(self, line: str, start: int) -> None:
        flat = re.sub(r"\\\n\s*", " ", line)
        if not flat.strip() or flat.lstrip().startswith("#"):
            return
        if condition := _CONDITION.match(flat):
            self.condition(condition)
        elif assigned := _ASSIGNED.fullmatch(flat):
            if not self.dead:
                self.assign(assigned)
        elif included := re.match(r"\s*(-|s)?include\s+(.*)", flat):
            names = self.expand(included[2].partition("#")[0]).split() if not self.dead else []
            self.found.includes += [(name, start + 1, included[1] is not None) for name in names]
        elif directive := _DIRECTIVE.match(flat):
            self.turn(directive[1])
        elif (rule := _rule(flat)) is not None and not flat.startswith("\t"):
            self.rule(*rule, start)
        elif "$(eval" in flat or "$(call" in flat or "$(foreach" in flat:
            self.found.dynamic = True

    def condition(self, found: re.Match[str]) -> None:
        if found[1] and self.branches:
            self.branches.pop()
        other_system = _OTHER_SYSTEM.search(found[3]) is not None
        self.branches.append(found[2] in ("ifneq", "ifndef") if other_system else None)

    def turn(self, directive: str) -> None:
        """`else` and `endif`."""
        if directive in ("else", "endif") and self.branches:
            before = self.branches.pop()
            if directive == "else":
                self.branches.append(None if before is None else not before)

    def assign(self, found: re.Match[str]) -> None:
        name, operator, value = found[1], found[2], found[3].partition(" #")[0].strip()
        variables = self.found.variables
        before = variables.get(name)
        if name == ".RECIPEPREFIX" and value:
            self.prefix = value[0]
        if operator in (":=", "::=", ":::="):
            value = self.expand(value).replace("$", "$$")
        if operator == "!=":
            variables[name] = UNKNOWN
        elif operator == "+=":
            variables[name] = f"{before or ''} {value}".strip()
        elif before is not None and before != value and self.branches:
            variables[name] = UNKNOWN
        elif operator != "?=" or before is None:
            variables[name] = value

    def rule(self, before: str, after: str, start: int) -> None:
        rest, _, inline = after.partition(";")
        if re.match(r"\s*((export|override|private)\s+)*[\w.-]+\s*(:{1,3}|\?|\+|!)?=", rest):
            return  # a variable for one target
        names = [self.local(name) for name in self.expand(before).split()]
        if any(not re.search(r"\w", _known_part(name)) for name in names if not is_known(name)):
            self.found.dynamic |= not _PLACE.fullmatch(before)
        needs = [self.local(name) for name in self.expand(rest.partition("#")[0]).split()] if not self.dead else []
        self.open = [Target(name, start + 1, needs) for name in names]
        self.found.targets += self.open
        if ".ONESHELL" in names:
            self.one_shell = True
        if inline.strip() and (made := self.recipe(start, inline)):
            for target in self.open:
                target.recipes.append(made)

    def local(self, name: str) -> str:
        """A target in make's own directory, without saying so."""
        return name.removeprefix(f"{self.here}/") if name != self.here else "."

    def recipe(self, start: int, line: str) -> Recipe | None:
        body = line.removeprefix(self.prefix)
        stripped = body.lstrip(" \t@-+")
        marks = body[: len(body) - len(stripped)]
        if not stripped.strip() or stripped.startswith("#"):
            return None
        snippet = Snippet(self.path, stripped, start + 1, len(line) - len(stripped) + 1)
        self.place_references(snippet)
        return Recipe(snippet, "-" in marks)

    def place_references(self, snippet: Snippet) -> None:
        """Values of make take their places; `$$` becomes the shell's `$`."""
        for start, end in reversed(references(snippet.text)):
            reference = snippet.text[start:end]
            if reference == "$$":
                snippet.text = snippet.text[:start] + PAD + "$" + snippet.text[end:]
                continue
            value = self.expand(reference)
            if not re.search(r"[\s'\"]", value):
                snippet.put(start, end, value)
            elif "\n" not in value and len(value) < LONGEST:
                words = (MANY if each == UNKNOWN else each for each in value.split(" "))
                snippet.text = snippet.text[:start] + " ".join(words) + snippet.text[end:]
            else:
                snippet.put(start, end, UNKNOWN)

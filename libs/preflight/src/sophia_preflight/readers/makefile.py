"""Makefiles: rules with their recipes, and variables expanded as far as their text tells.

Branches for Windows and macOS are left out; of other conditionals every branch is read as if it held, since what
decides them is not known, and a variable that differs is unknown. So are the automatic variables.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sophia_preflight.readers import evaluating
from sophia_preflight.readers.expansion import expanded, references
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, PAD, ROOT, UNKNOWN, is_known, joined

_ASSIGNED = re.compile(
    r"\s*(?:export\s+|override\s+|private\s+)*([A-Za-z_.][\w.-]*)\s*(\?=|:{1,3}=|\+=|!=|=)\s*(.*)", re.DOTALL
)
_RULE = re.compile(r"([^:=#\t][^:=#]*?)\s*(::?)(?!=)\s*(.*)", re.DOTALL)
_CONDITION = re.compile(r"\s*(else\s+)?(ifeq|ifneq|ifdef|ifndef)\b(.*)")
_DIRECTIVE = re.compile(r"\s*(else|endif|export|unexport|vpath|undefine)\b")
MAKEFILE_NAMES = ("GNUmakefile", "makefile", "Makefile")
"""What make looks for where no file is named, in its order."""
MOST_TARGETS = 12
"""Targets of one rule whose recipe is read for each of them."""
DEEPEST_CHAIN = 2
"""Rules of patterns that may stand one behind the other."""
LONGEST = 2000
"""Characters of a value that is followed as a part of the command that names it."""
_OTHER_SYSTEM = re.compile(r"Windows|Win32|MINGW|MSYS|CYGWIN|Darwin|ComSpec|SYSTEMROOT", re.IGNORECASE)
_PLACE = re.compile(r"\s*\$[({]\w*(DIR|DIRECTORY|PATH|FOLDER|ROOT|VENV|FILE|OUTPUT|BIN|BINARY)[)}]\s*", re.IGNORECASE)
"""A target that is a file or directory of which nothing is known: not one that somebody asks for by a name."""


@dataclass
class Recipe:
    """One logical line of a recipe: its own shell. `tolerated` where it begins with `-`, or asks for a file."""

    snippet: Snippet
    tolerated: bool


@dataclass
class Target:
    name: str
    path: str
    line: int
    needs: list[str]
    rule: str
    """The first target of its rule, for which the others stand too."""
    recipes: list[Recipe] = field(default_factory=list)


@dataclass(frozen=True)
class Include:
    """An `include`: what it names, where, and whether make goes on without it."""

    name: str
    path: str
    line: int
    tolerated: bool


@dataclass(frozen=True)
class Included:
    """The makefiles that an `include` reads, with their text; one of them, where `either`."""

    files: Sequence[tuple[str, str]] = ()
    either: bool = False


Find: TypeAlias = Callable[[str, str], Included]
"""The makefiles that a name means in the `include` of a makefile."""


@dataclass
class Makefile:
    here: str
    """The directory in which make reads it, as a value."""
    targets: list[Target] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    includes: list[Include] = field(default_factory=list)
    """Those that are not read with it."""
    files: list[str] = field(default_factory=list)
    """The paths of what is read: its own, and those of what it includes."""
    dynamic: bool = False
    """Targets may exist that the text does not name: `$(eval …)`, `$(call …)` at the top."""
    asked: list[tuple[str, Snippet]] = field(default_factory=list)
    """Commands whose output is taken, each with the target that does so; without one, make does it at once."""


class Targets:
    """What a makefile has rules for; `exists` says whether a file is there that a rule may need."""

    def __init__(self, targets: Iterable[Target], exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self.names: set[str] = set()
        """As written, but for patterns."""
        self._patterns: list[tuple[re.Pattern[str], list[str]]] = []
        for each in targets:
            if "%" not in each.name:
                self.names.add(each.name)
            if "%" in each.name or (not is_known(each.name) and re.search(r"\w", _known_part(each.name))):
                pattern = re.escape(each.name).replace("%", "(.+)", 1).replace(UNKNOWN, ".*")
                self._patterns.append((re.compile(pattern), each.needs))

    def may_make(self, name: str, depth: int = 0) -> bool:
        """Whether there is, or may be, a rule for it; of a target that is all unknown nobody can tell.

        A pattern's rule is one only where what it needs is there or can be made too."""
        name = name.removeprefix("./")
        if name in self.names or ".DEFAULT" in self.names:
            return True
        for pattern, needs in self._patterns:
            if found := pattern.fullmatch(name):
                stem = found[1] if found.groups() else ""
                if all(self._may_have(need.replace("%", stem), depth) for need in needs if "%" in need):
                    return True
        return False

    def _may_have(self, need: str, depth: int) -> bool:
        if not is_known(need) or self._exists(need):
            return True
        return depth < DEEPEST_CHAIN and self.may_make(need, depth + 1)


_MARKS = ("", "@", "+")
"""What a variable may hold that says how a line is run, and nothing of what."""
_PYTHON = re.compile(r"\$[({](?:VENV_?)?PYTHON[23]?(?:_?(?:BIN|EXE|CMD))?[)}]")
"""A variable that only the environment sets, and that people set to a Python."""
_QUIETING = re.compile(r"\$[({]?(Q|AT|AM_V_\w+|\w*(verbose|quiet|silent)\w*)[)}]?", re.IGNORECASE)


def _known_part(name: str) -> str:
    return name.replace(UNKNOWN, "")


def _rule(flat: str) -> tuple[str, str] | None:
    """What stands before and after the colon of a rule."""
    masked = flat
    for start, end in references(flat):
        masked = masked[:start] + "$" * (end - start) + masked[end:]
    found = _RULE.match(masked)
    return (flat[: found.end(1)], flat[found.start(3) :]) if found else None


def parse(path: str, text: str, find: Find | None = None, *, part: bool = False) -> Makefile:
    """Read a makefile; what is not understood is stepped over. With `find`, what it includes is read where it does so.

    A `part` is one that others include: it is not known from which directory."""
    if path.endswith(".in"):
        text = re.sub(r"@\w+@", UNKNOWN, text)  # what configure puts in
    return _Reader(path, text, find, part=part).makefile()


class _Reader:
    def __init__(self, path: str, text: str, find: Find | None, *, part: bool) -> None:
        self.path, self.find = path, find
        self.lines: list[str] = []
        included, directory = part or path.endswith(".mk"), posixpath.dirname(path)
        self.here = CWD if included else joined(ROOT, directory or ".")
        self.found = Makefile(self.here, variables={"MAKEFILE_LIST": UNKNOWN} if included else {})
        if not included and not directory:
            self.found.variables["PWD"] = ROOT
        self.branches: list[bool | None] = []
        self.guarded: set[tuple[str, int]] = set()
        """Lines of recipes that only count where files are."""
        self.asking: list[bool] = []
        """For each condition around a line: whether it asks for files, so that what is done needs them there."""
        """Of the conditionals that are open: whether the branch holds, if that can be told."""
        self.prefix = "\t"
        self.open: list[Target] = []
        self.recipes: list[tuple[list[Target], str, int, str]] = []
        self.options: dict[str, set[str]] = {}
        """Options of which one branch or another sets some."""
        self.text = text

    def makefile(self) -> Makefile:
        self.read(self.path, self.text)
        for targets, path, start, line in self.recipes:
            self.add_recipes(targets, path, start, line)
        return self.found

    def add_recipes(self, targets: Sequence[Target], path: str, start: int, line: str) -> None:
        """A line of a recipe, for each of its targets with the target's own name."""
        variables = self.found.variables
        if "$" not in line or len(targets) > MOST_TARGETS:
            if made := self.recipe(path, start, line):
                for target in targets:
                    target.recipes.append(made)
            return
        for target in targets:
            self.found.variables = {**variables, **_automatic(target)}
            self.ask(path, start, line, target.rule)
            if made := self.recipe(path, start, line):
                target.recipes.append(made)
            for name in self.options.keys() & set(re.findall(r"\$[({]([\w.-]+)[)}]", line)):
                for value in sorted(self.options[name]):
                    self.found.variables = {**variables, **_automatic(target), name: value}
                    if made := self.recipe(path, start, line):
                        target.recipes.append(made)
        self.found.variables = variables

    def ask(self, path: str, start: int, line: str, owner: str = "") -> None:
        """Note the commands whose output the line takes: `$(shell …)`."""
        for found in re.finditer(r"\$[({]shell\s+", line):
            _, length = references(line[found.start() :])[0]
            before, text = line[: found.end()], line[found.end() : found.start() + length - 1]
            column = len(before) - (before.rfind("\n") + 1) + 1
            snippet = Snippet(path, text, start + 1 + before.count("\n"), column)
            self.place_references(snippet)
            self.found.asked.append((owner, snippet))

    def read(self, path: str, text: str) -> None:
        """A file from its first line to its last; the one that includes it goes on afterwards."""
        around = self.path, self.lines, self.open
        self.path, self.lines, self.open = path, text.replace("\r\n", "\n").split("\n"), []
        self.found.files.append(path)
        listed = self.found.variables.get("MAKEFILE_LIST", "")
        self.found.variables["MAKEFILE_LIST"] = f"{listed} {joined(ROOT, path)}".lstrip()
        index = 0
        while index < len(self.lines):
            start, line = index, self.lines[index]
            is_recipe = line.startswith(self.prefix) and bool(self.open)
            while line.endswith("\\") and index + 1 < len(self.lines):
                index += 1
                line += "\n" + self.lines[index]
            index += 1
            if is_recipe:
                if not self.dead:
                    self.recipes.append((self.open, path, start, line))
                    self.guarded |= {(path, start)} if any(self.asking) else set()
            elif re.match(r"\s*define\s+\S", line):
                index = self.definition(line, index)
            else:
                self.statement(line, start)
        self.path, self.lines, self.open = around

    def include(self, include: Include) -> None:
        found = self.find(include.name, self.path) if self.find else Included()
        if not found.files:
            self.found.includes.append(include)
        if found.either:
            self.branches.append(None)
        for path, text in found.files:
            if path not in self.found.files:
                self.read(path, text)
        if found.either:
            self.branches.pop()

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
        if not self.dead and "shell" in line:
            self.ask(self.path, start, line)
        if condition := _CONDITION.match(flat):
            self.condition(condition)
        elif assigned := _ASSIGNED.fullmatch(flat):
            if not self.dead:
                self.assign(assigned)
        elif included := re.match(r"\s*(-|s)?include\s+(.*)", flat):
            names = self.expand(included[2].partition("#")[0]).split() if not self.dead else []
            for name in names:
                self.include(Include(name, self.path, start + 1, included[1] is not None))
        elif directive := _DIRECTIVE.match(flat):
            self.turn(directive[1])
        elif (rule := _rule(flat)) is not None and not flat.startswith("\t"):
            self.rule(*rule, start)
        elif "$(eval" in flat or "$(call" in flat or "$(foreach" in flat:
            self.evaluate(flat, start)

    def evaluate(self, flat: str, start: int) -> None:
        """Rules that are made of templates: their targets, if anybody can tell them."""
        if self.dead:
            return
        try:
            names = [self.local(each) for each in evaluating.targets(flat, self.found.variables, self.here)]
        except evaluating.Unclear:
            self.found.dynamic = True
            return
        self.found.targets += [Target(each, self.path, start + 1, [], each) for each in dict.fromkeys(names)]

    def condition(self, found: re.Match[str]) -> None:
        if found[1] and self.branches:
            self.branches.pop()
        if found[1] and self.asking:
            self.asking.pop()
        self.asking.append("wildcard" in found[3])
        if _OTHER_SYSTEM.search(found[3]):
            self.branches.append(found[2] in ("ifneq", "ifndef"))
        elif found[2] in ("ifdef", "ifndef") and is_known(value := self.found.variables.get(found[3].strip(), "")):
            self.branches.append(found[2] == "ifdef" if value and not self.branches else None)
        else:
            self.branches.append(None)

    def turn(self, directive: str) -> None:
        """`else` and `endif`."""
        if directive == "endif" and self.asking:
            self.asking.pop()
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
            if all(re.fullmatch(r"(--?\w[^$]*)?", each) for each in (before, value)):
                self.options[name] = {each for each in (before, value) if each}
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
        self.open = [Target(name, self.path, start + 1, needs, names[0]) for name in names]
        self.found.targets += self.open
        if inline.strip():
            self.add_recipes(self.open, self.path, start, inline)

    def local(self, name: str) -> str:
        """A target in make's own directory, without saying so."""
        return name.removeprefix(f"{self.here}/").removeprefix("./") if name != self.here else "."

    def recipe(self, path: str, start: int, line: str) -> Recipe | None:
        body = line.removeprefix(self.prefix)
        stripped = body.lstrip(" \t@-+")
        marks = body[: len(body) - len(stripped)]
        if not stripped.strip() or stripped.startswith("#"):
            return None
        snippet = Snippet(path, stripped, start + 1, len(line) - len(stripped) + 1)
        self.place_references(snippet)
        return Recipe(snippet, "-" in marks or (path, start) in self.guarded)

    def place_references(self, snippet: Snippet) -> None:
        """Values of make take their places; `$$` becomes the shell's `$`."""
        for start, end in reversed(references(snippet.text)):
            reference = snippet.text[start:end]
            if reference == "$$":
                snippet.text = snippet.text[:start] + PAD + "$" + snippet.text[end:]
                continue
            value = self.expand(reference)
            if start == 0 and (value in _MARKS or (value == UNKNOWN and self.is_quieting(snippet, reference, end))):
                snippet.text = PAD * end + snippet.text[end:]
            elif value == UNKNOWN and _PYTHON.fullmatch(reference):
                snippet.put(start, end, "python")
            elif not re.search(r"[\s'\"]", value):
                snippet.put(start, end, value)
            elif "\n" not in value and len(value) < LONGEST:
                words = (MANY if each == UNKNOWN else each for each in value.split(" "))
                snippet.text = snippet.text[:start] + " ".join(words) + snippet.text[end:]
            else:
                snippet.put(start, end, UNKNOWN)

        if snippet.text.startswith(("@", "+")):
            snippet.text = PAD + snippet.text[1:]

    @staticmethod
    def is_quieting(snippet: Snippet, reference: str, end: int) -> bool:
        """Whether what a line begins with may only say how loud the command after it is: `$(Q)python …`."""
        if _QUIETING.fullmatch(reference):
            return True
        following = snippet.text[end : end + 1]
        put = snippet.placeholders.get(following)
        return (put.value[:1] if put else following).isalpha()


def _automatic(target: Target) -> dict[str, str]:
    """The variables that make sets for a recipe, as far as they are known."""
    found = {}
    if is_known(target.name) and "%" not in target.name:
        directory, name = posixpath.split(target.name)
        found = {"@": target.name, "@D": directory or ".", "@F": name}
        if target.needs and is_known(target.needs[0]):
            found["<"] = target.needs[0]
    return found

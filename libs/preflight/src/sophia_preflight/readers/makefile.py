"""Makefiles: rules with their recipes, and variables expanded as far as their text tells.

Conditionals are read as if every branch held, since what decides them is not known. Nothing is run: `$(shell …)` and
the automatic variables are unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import PAD, UNKNOWN, is_known

_ASSIGNED = re.compile(
    r"\s*(?:export\s+|override\s+|private\s+)*([A-Za-z_.][\w.-]*)\s*(\?=|:{1,3}=|\+=|!=|=)\s*(.*)", re.DOTALL
)
_RULE = re.compile(r"([^:=#\t][^:=#]*?)\s*(::?)(?!=)\s*(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif|export|unexport|vpath|undefine)\b")
_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\)|\{([^{}$]*)\}|([@<^+?*%|A-Za-z]))")
DEEPEST = 12


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
        return {target.name for target in self.targets}


def parse(path: str, text: str) -> Makefile:
    """Read a makefile; what is not understood is stepped over."""
    return _Reader(path, text).makefile()


def expanded(text: str, variables: dict[str, str], depth: int = 0) -> str:
    """Text with its references replaced; what is not known is `UNKNOWN`."""
    if "$" not in text or depth > DEEPEST:
        return text if "$" not in text else UNKNOWN

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = (found[1] or found[2] or "").strip()
        if name == "MAKE":
            return "make"
        if name == "CURDIR":
            return "."
        if name in variables:
            return expanded(variables[name], variables, depth + 1)
        return UNKNOWN

    for _ in range(DEEPEST):
        replaced = _REFERENCE.sub(put, text)
        if replaced == text or "$(" not in replaced:
            return replaced
        text = replaced
    return UNKNOWN


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.found = Makefile()
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
        if assigned := _ASSIGNED.fullmatch(flat):
            self.assign(assigned)
        elif included := re.match(r"\s*(-|s)?include\s+(.*)", flat):
            for name in expanded(included[2].partition("#")[0], self.found.variables).split():
                self.found.includes.append((name, start + 1, included[1] is not None))
        elif _DIRECTIVE.match(flat):
            return
        elif (rule := _RULE.match(flat)) and not flat.startswith("\t"):
            self.rule(rule, start)
        elif "$(eval" in flat or "$(call" in flat or "$(foreach" in flat:
            self.found.dynamic = True

    def assign(self, found: re.Match[str]) -> None:
        name, operator, value = found[1], found[2], found[3].partition(" #")[0].strip()
        variables = self.found.variables
        if name == ".RECIPEPREFIX" and value:
            self.prefix = value[0]
        if operator == "!=":
            variables[name] = UNKNOWN
        elif operator == "+=":
            variables[name] = f"{variables.get(name, '')} {value}".strip()
        elif name in variables and operator != "?=" and variables[name] != value:
            variables[name] = UNKNOWN if operator == "=" else value
        elif operator != "?=" or name not in variables:
            variables[name] = value

    def rule(self, found: re.Match[str], start: int) -> None:
        rest, _, inline = found[3].partition(";")
        if re.match(r"\s*((export|override|private)\s+)*[\w.-]+\s*(:{1,3}|\?|\+|!)?=", rest):
            return  # a variable for one target
        names = expanded(found[1], self.found.variables).split()
        if any(not is_known(name) for name in names):
            self.found.dynamic = True
        needs = expanded(rest.partition("#")[0], self.found.variables).split()
        self.open = [Target(name, start + 1, needs) for name in names]
        self.found.targets += self.open
        if ".ONESHELL" in names:
            self.one_shell = True
        if inline.strip() and (made := self.recipe(start, inline)):
            for target in self.open:
                target.recipes.append(made)

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
        for start, end in reversed(_references(snippet.text)):
            reference = snippet.text[start:end]
            if reference == "$$":
                snippet.text = snippet.text[:start] + PAD + "$" + snippet.text[end:]
                continue
            value = expanded(reference, self.found.variables)
            if re.search(r"[ '\"]", value) and is_known(value) and len(value) < 400:
                snippet.text = snippet.text[:start] + value + snippet.text[end:]
            else:
                snippet.put(start, end, value if "\n" not in value else UNKNOWN)


def _references(text: str) -> list[tuple[int, int]]:
    """Where `$…` of make stand, nested ones as part of the outer."""
    found, at = [], 0
    while (at := text.find("$", at)) >= 0:
        following = text[at + 1 : at + 2]
        if following in ("(", "{"):
            closing = {"(": ")", "{": "}"}[following]
            depth, end = 0, at + 1
            while end < len(text):
                depth += (text[end] == following) - (text[end] == closing)
                end += 1
                if depth == 0:
                    break
        else:
            end = at + 2
        found.append((at, end))
        at = end
    return found

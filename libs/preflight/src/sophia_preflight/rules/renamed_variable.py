"""A variable that the last commits renamed where it is set, while the same text goes on to use it by its old name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.documents import is_page
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.mentions import PROGRAM, acts, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.outside import is_of_script
from sophia_preflight.replaced import Replaced
from sophia_preflight.standing import consequence

RULE = Rule(
    id="renamed-variable",
    title="a variable was renamed where it is set, and not where it is used",
    severity=Severity.HIGH,
    why="the old name is empty now, or unbound where the script asks for that",
    fix="use the new name",
    family="contradictions",
    resort=1,
)
_BEFORE = re.compile(
    r"(?:^|[;&|(]|\b(?:do|then|else|export|local|readonly|declare|ARG|ENV)\b)\s*(?:-\w+\s+)*-?\s*[\"']?$"
)
_AFTER = re.compile(r"[\"']?\s*[:?+!]?=(?!=)|[\"']?:\s|\s*$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FROM = re.compile(r"FROM\s", re.IGNORECASE)
_IMAGE = re.compile(r"(?:^|/)[^/]*(?:Docker|Container)file[^/]*$|\.[Dd]ockerfile$")


def check(context: Context) -> Iterable[Finding]:
    told: set[tuple[str, str]] = set()
    for each in context.changes.replaced:
        word = each.word
        if word is None or PROGRAM.search(each.path) or is_page(each.path) or not _sets(word):
            continue
        lines = context.repository.glimpse(each.path).split("\n")
        uses = list(_uses(word, lines)) if not _is_still_set(word.old, lines) else []
        if uses and (word.path, word.old) not in told:
            told.add((word.path, word.old))
            severity, blocks = consequence(site_of(each.path), held=True)
            yield RULE.found(
                f"`{word.old}` is used here; where it was set before {context.changes.since}, `{word.new}` is set now",
                *(Involved(place, "call") for place in uses),
                Involved(Place(each.path, word.line, word.column), "set"),
                anchor=f"{word.old} {word.new}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                fix=f"use `{word.new}`",
                blocks=blocks,
            )


def _sets(word: Replaced) -> bool:
    """Whether the line that changed gives a variable its value."""
    if not (_NAME.fullmatch(word.old) and _NAME.fullmatch(word.new)) or is_of_script(word.old):
        return False
    before, after = word.text[: word.column - 1], word.text[word.column - 1 + len(word.new) :]
    return _BEFORE.search(before) is not None and _AFTER.match(after) is not None


def _is_still_set(name: str, lines: list[str]) -> bool:
    """Whether another line of the text gives the variable a value, in whatever way."""
    given = re.compile(
        rf"(?<![\w${{(.-]){name}[\"']?(?:\s*[:?+!]?=(?!=)|\s*:(?:\s|$))"
        rf"|\b(?:read|for|local|mapfile|readarray|getopts|ARG|foreach|as|export|declare|unset)\b[^\n$]*\b{name}\b"
    )
    return any(given.search(line) for line in lines)


def _uses(word: Replaced, lines: list[str]) -> Iterator[Place]:
    """Where what follows uses the variable and says nothing for the case that it has no value; in a Dockerfile, as far
    as its stage goes."""
    used = re.compile(rf"(?:\$[{{(]?|\benv\.){word.old}\b(?!:?[-+=?])")
    for number, line in enumerate(lines[word.line :], word.line + 1):
        if _IMAGE.search(word.path) and _FROM.match(line) and not used.search(line):
            return
        match = used.search(line)
        if match and acts(word.path, line, match.start()):
            yield Place(word.path, number, match.start() + 1)


_FETCH = """
    === fetch.job
    {0}=$(shop latest)
    shop get "${1}"
    === fetch.job (before)
    LATEST_NAME=$(shop latest)
    shop get "$LATEST_NAME"
"""
_STACK = """
    === stack.yaml
    shop:
      environment:
        {0}: music
      command: shop get $${1}
    === stack.yaml (before)
    shop:
      environment:
        SHOP_SHELF: music
      command: shop get $$SHOP_SHELF
"""
BAD = [
    tree(_FETCH.format("LAST_NAME", "LATEST_NAME")),
    tree(_STACK.format("SHOP_PLACE", "SHOP_SHELF")),
]
GOOD = [
    tree(_FETCH.format("LAST_NAME", "LAST_NAME")),
    tree(_FETCH.format("LAST_NAME", "{LATEST_NAME:-music}")),
    tree(_STACK.format("SHOP_PLACE", "SHOP_PLACE")),
    tree("""
        === fetch.job
        if shop is-new; then
          LAST_NAME=$(shop latest)
        fi
        read LATEST_NAME
        shop get "$LATEST_NAME"
        === fetch.job (before)
        if shop is-new; then
          LATEST_NAME=$(shop latest)
        fi
        read LATEST_NAME
        shop get "$LATEST_NAME"
    """),
]

"""Misspelt names that can be put right: one slip of a key away from the only name that may be meant."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.model import Edit
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import named

_SHORTEST = 4
"""Shorter names are alike by chance."""


def respelt(path: str, node: Node, known: Iterable[str]) -> tuple[Edit, ...]:
    """The edit that makes a name in YAML or JSON the one of `known` that it is a slip away from; none if there are
    several, if it is short, or if what differs is a number, which is no slip."""
    name = node.text
    near = [each for each in known if is_slip(name, each)]
    if len(near) != 1 or len(name) < _SHORTEST or node.style in ("|", ">") or "\n" in name:
        return ()
    start = node.column + (1 if node.style else 0)
    return (Edit(path, node.line, start, start + len(name), near[0]),)


def is_slip(one: str, other: str) -> bool:
    """Whether texts differ by one letter that is missing, added, another, or in the place of its neighbour."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    if any(char.isdigit() for char in (a[:1] + b[:1])):
        return False
    if len(a) == len(b):
        return a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
    shorter, longer = sorted((a, b), key=len)
    return longer[1:] == shorter


def differ_in_a_word(one: str, other: str) -> bool:
    """Whether names have as many words (`LIKE_THESE`), all but one of which are the same and in the same place."""
    words, others = one.split("_"), other.split("_")
    return len(words) == len(others) > 1 and sum(a != b for a, b in zip(words, others, strict=True)) == 1


_ALIKE = (
    named("URL URI DSN ADDR ADDRESS HOST HOSTNAME SERVER ENDPOINT"),
    named("KEY TOKEN SECRET APIKEY"),
    named("PASSWORD PASS PASSWD PWD"),
    named("DIR DIRECTORY PATH FOLDER ROOT"),
    named("USER USERNAME LOGIN"),
    named("DB DATABASE NAME"),
)
"""Words that people use for the same."""


def may_be_one(one: str, other: str) -> bool:
    """Whether names in capitals may be two names of one variable: a slip or an underscore apart, a word longer, or the
    same but for a word that people use for the same."""
    if is_slip(one, other) or one.replace("_", "") == other.replace("_", ""):
        return True
    shorter, longer = sorted((one.split("_"), other.split("_")), key=len)
    if len(longer) == len(shorter) + 1 > 2:
        return any(longer[:index] + longer[index + 1 :] == shorter for index in range(len(longer)))
    differing = [{a, b} for a, b in zip(shorter, longer, strict=False) if a != b]
    return differ_in_a_word(one, other) and any(differing[0] <= group for group in _ALIKE)

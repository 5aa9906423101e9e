"""Command lines cut into options and operands, by what the program's options take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sophia_preflight.text import Word


@dataclass
class Parted:
    """Options by name (`-f`, `--file`), with their values in order, and the operands."""

    options: dict[str, list[Word]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    operands: list[Word] = field(default_factory=list)
    rest: list[Word] = field(default_factory=list)
    """With `stop`: everything from the first operand on."""
    uncertain: bool = False
    """A word of unknown count or content stood among them: what follows may be anything."""

    def all(self, *names: str) -> list[Word]:
        return [word for name in names for word in self.options.get(name, [])]

    def first(self, *names: str) -> Word | None:
        found = self.all(*names)
        return found[0] if found else None

    def has(self, *names: str) -> bool:
        return any(name in self.flags or name in self.options for name in names)


def part(words: Sequence[Word], valued: Collection[str] = (), *, stop: bool = False) -> Parted:
    """Cut `words` (without the program). `valued` options take a value; `stop` ends at the first operand."""
    found = Parted()
    waiting = iter(range(len(words)))
    for index in waiting:
        word = words[index]
        value = word.value
        if value == "--":
            found.operands += words[index + 1 :]
            found.rest = list(words[index + 1 :])
            break
        if word.many and not value.startswith("-"):
            found.uncertain = True
        if not value.startswith("-") or value == "-":
            if stop:
                found.rest = list(words[index:])
                found.operands = found.rest
                break
            found.operands.append(word)
            continue
        _option(found, words, index, waiting, valued)
    return found


def _option(found: Parted, words: Sequence[Word], index: int, waiting: Iterator[int], valued: Collection[str]) -> None:
    word = words[index]
    name, equals, _ = word.value.partition("=")
    if equals and name.startswith("--"):
        found.options.setdefault(name, []).append(_cut(word, len(name) + 1))
        return
    if word.value in valued:
        following = next(waiting, None)
        if following is not None:
            found.options.setdefault(word.value, []).append(words[following])
        return
    if not name.startswith("--") and len(word.value) > 2:
        if word.value[:2] in valued:
            found.options.setdefault(word.value[:2], []).append(_cut(word, 3 if word.value[2] == "=" else 2))
            return
        if equals:
            found.options.setdefault(name, []).append(_cut(word, len(name) + 1))
            return
        for char in word.value[1:-1]:
            found.flags.add("-" + char)
        last = "-" + word.value[-1]
        if last in valued and (following := next(waiting, None)) is not None:
            found.options.setdefault(last, []).append(words[following])
            return
        found.flags.add(last)
    found.flags.add(word.value)


def _cut(word: Word, length: int) -> Word:
    return Word(word.value[length:], word.line, word.column + length, word.assumed, word.glob)

"""Real repositories with one link broken at a time: which share of what can break is found, by kind of link.

A mutant is drawn, not thought of: a link (`links`), then a coin. Heads, its use says another name, as after a slip of
the keyboard or a change elsewhere; tails, its definition has another name and its uses were forgotten. Kinds with many
links are drawn more often, though less than in proportion, so that none crowds out the others.

Each mutant is checked as a repository of one commit and, where that finds nothing, as a second commit on the plain
tree.
Found is what a blocking finding tells that the plain tree has not, and that shows an end of the link or names it. Some
mutants break nothing after all, so that 100 % is not to be had; the figures are for comparing versions and kinds.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from benchmarks.check.corpus import Spot
from benchmarks.check.links import At, Link, links
from benchmarks.check.running import check
from benchmarks.check.scoring import Found
from benchmarks.check.trees import Tree

SIDES = ("use", "definition")
LONGEST_SECONDS = 60
_MOST_BESIDE = 3
"""So many other findings of one mutant are shown."""
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "mutants"), ("EMAIL", "mutants@localhost"), ("DATE", "2026-01-01T00:00:00Z"))
}


@dataclass(frozen=True)
class Mutant:
    """A link with another name at one side; `ends` are all lines that have the name as well."""

    link: Link
    side: str
    name: str
    ends: frozenset[Spot]

    @property
    def file(self) -> str:
        """What a file that bears the name is called now."""
        return str(PurePosixPath(self.link.file).with_name(self.name + PurePosixPath(self.link.file).suffix))

    @property
    def renames(self) -> bool:
        return self.side == "definition" and bool(self.link.file)


@dataclass(frozen=True)
class Answer:
    """What the check said of a mutant: `told` is `found`, `with history`, `below` (not blocking), or nothing."""

    repository: str
    mutant: Mutant
    text: str
    told: str = ""
    beside: tuple[str, ...] = ()


def measure(directory: Path, *, only: str = "", each: int, seed: int, details: bool) -> None:
    """Draw `each` mutants of every repository in a directory, or of those whose names have `only`; print the table."""
    answers: list[Answer] = []
    for root in sorted(path for path in directory.iterdir() if path.is_dir() and only in path.name):
        with tempfile.TemporaryDirectory(prefix="check-mutants-") as scratch:
            for answer in asked(root, Path(scratch), each=each, seed=seed):
                answers.append(answer)
                if details:
                    print(*_details(answer), sep="", end="", flush=True)
    print("\n".join(table(answers)))


# --- drawing ----------------------------------------------------------------------------------------------------------


def drawn(tree: Tree, *, number: int, seed: int) -> list[Mutant]:
    """So many mutants of a repository, or all that it has; the same ones for the same seed."""
    chance = random.Random(f"{seed} {tree.root.name}")
    by_kind: dict[str, list[Link]] = {}
    for link in links(tree):
        by_kind.setdefault(link.kind, []).append(link)
    for found in by_kind.values():
        chance.shuffle(found)
    weights = {kind: len(found) ** 0.5 for kind, found in by_kind.items()}
    made: dict[tuple[object, ...], Mutant] = {}
    while len(made) < number and (left := [kind for kind in by_kind if by_kind[kind]]):
        kind = chance.choices(left, [weights[each] for each in left])[0]
        link = by_kind[kind].pop()
        side = chance.choice(SIDES if link.file or len(link.definitions) == 1 else SIDES[:1])
        if name := _another(link, tree, chance):
            key = (side, link.use) if side == "use" else (side, link.file, link.definitions)
            made.setdefault(key, Mutant(link, side, name, _ends(link)))
    return list(made.values())


def _ends(link: Link) -> frozenset[Spot]:
    ends = {Spot(at.path, at.line) for at in (link.use, *link.definitions)}
    return frozenset(ends | {Spot(link.file, 1)} if link.file else ends)


def _another(link: Link, tree: Tree, chance: random.Random) -> str:
    """A name that the repository has nowhere; empty where none comes to mind. Neither name begins with the other, as
    programs take beginnings of options for the whole."""
    old = _written(link, tree)
    for _ in range(20):
        new = (
            str(int(old) + chance.randint(1, 99)) if old.isdigit() else chance.choice((_slipped, _renamed))(old, chance)
        )
        apart = not new.startswith(old) and not old.startswith(new)
        if apart and new not in tree.everything:
            return new
    return ""


def _written(link: Link, tree: Tree) -> str:
    """The part of the name that is changed: of a file the stem, of an option what follows the dashes."""
    text = tree.texts[link.use.path][link.use.line - 1][link.use.start : link.use.end]
    return PurePosixPath(text).stem if link.file and not text.startswith(".") else text.lstrip("-")


def _slipped(old: str, chance: random.Random) -> str:
    at = chance.randrange(len(old))
    if len(old) > 3 and chance.random() < 0.5:
        return old[:at] + old[at + 1 :]
    return old[:at] + old[at : at + 2][::-1] + old[at + 2 :]


def _renamed(old: str, chance: random.Random) -> str:
    parts = re.split(r"([-_.])", old)
    separator = parts[1] if len(parts) > 1 else "_" if old.isidentifier() and "_" in old else ""
    if len(parts) > 2 and chance.random() < 0.5:
        return "".join([*parts[2:], parts[1], parts[0]])
    return f"{chance.choice(('new', 'my', 'base', 'run'))}{separator}{old}"


# --- asking -----------------------------------------------------------------------------------------------------------


def asked(root: Path, scratch: Path, *, each: int, seed: int) -> Iterator[Answer]:
    """Draw mutants of a repository and check each, in a directory that may be written."""
    copy, caches = scratch / root.name, scratch / "caches"
    shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    _git(copy, "init", "-q")
    _git(copy, "add", "-Af")
    _git(copy, "commit", "-qm", "plain")
    _git(copy, "tag", "plain")
    tree = Tree.of(copy)
    known = {_key(found) for found in _found(copy, caches) or ()}
    for mutant in drawn(tree, number=each, seed=seed):
        line = tree.texts[mutant.link.use.path][mutant.link.use.line - 1].strip()
        apply(mutant, copy)
        _git(copy, "commit", "-qa", "--amend", "-m", "alone")
        answer = _answer(mutant, known, _found(copy, caches))
        if answer[0] != "found":
            _git(copy, "reset", "-q", "--soft", "plain")
            _git(copy, "commit", "-qam", "changed")
            later = _answer(mutant, known, _found(copy, caches))
            answer = ("with history", later[1]) if later[0] == "found" else (answer[0] or later[0], later[1])
        _git(copy, "reset", "-q", "--hard", "plain")
        yield Answer(root.name, mutant, line, *answer)


def apply(mutant: Mutant, root: Path) -> None:
    """Change a working tree. Lines stay where they are."""
    if mutant.renames:
        _git(root, "mv", mutant.link.file, mutant.file)
        return
    at = mutant.link.use if mutant.side == "use" else mutant.link.definitions[0]
    file = root / at.path
    lines = file.read_text(encoding="utf-8").split("\n")
    lines[at.line - 1] = _replaced(lines[at.line - 1], at, mutant.name, stem=bool(mutant.link.file))
    file.write_text("\n".join(lines), encoding="utf-8")


def _replaced(text: str, at: At, name: str, *, stem: bool) -> str:
    old = text[at.start : at.end]
    begin = re.match("-*", old)
    new = name + PurePosixPath(old).suffix if stem and not old.startswith(".") else f"{begin[0] if begin else ''}{name}"
    return text[: at.start] + new + text[at.end :]


def _found(root: Path, caches: Path) -> list[Found] | None:
    """What is found; None where the check fails or takes too long."""
    try:
        return check(root, caches=caches, longest_seconds=LONGEST_SECONDS)[0]
    except RuntimeError:
        return None


def _key(found: Found) -> tuple[str, str, int]:
    return (found.said, found.spots[0].path, found.spots[0].line)


def _answer(
    mutant: Mutant, known: set[tuple[str, str, int]], found: Sequence[Found] | None
) -> tuple[str, tuple[str, ...]]:
    if found is None:
        return "failed", ()
    new = [each for each in found if _key(_as_before(each, mutant)) not in known]
    meant = [each for each in new if _touches(each, mutant)]
    beside = tuple(each.said for each in new if each.blocking and each not in meant)
    if any(each.blocking for each in meant):
        return "found", beside
    return "below" if meant else "", beside


def _as_before(found: Found, mutant: Mutant) -> Found:
    if not mutant.renames:
        return found
    spots = tuple(Spot(mutant.link.file, at.line) if at.path == mutant.file else at for at in found.spots)
    return Found(found.blocking, found.said.replace(mutant.file, mutant.link.file), spots, found.severity)


def _touches(found: Found, mutant: Mutant) -> bool:
    names = (mutant.name, PurePosixPath(mutant.link.name).name)
    if any(re.search(rf"(?<![\w]){re.escape(name)}(?!\w)", found.said) for name in names):
        return True
    return any(abs(spot.line - end.line) <= 1 and spot.path == end.path for spot in found.spots for end in mutant.ends)


def _git(root: Path, *words: str) -> None:
    environment = {**os.environ, **_AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "-C", str(root), *words], check=True, env=environment, capture_output=True)


# --- telling ----------------------------------------------------------------------------------------------------------


@dataclass
class _Count:
    drawn: int = 0
    told: dict[str, int] = field(default_factory=dict)


def table(answers: Sequence[Answer]) -> list[str]:
    """By kind and side, the most drawn first."""
    counts: dict[tuple[str, str], _Count] = {}
    for answer in answers:
        for key in ((answer.mutant.link.kind, answer.mutant.side), ("all", answer.mutant.side), ("all", "both")):
            count = counts.setdefault(key, _Count())
            count.drawn += 1
            count.told[answer.told] = count.told.get(answer.told, 0) + 1
    rows = sorted(counts.items(), key=lambda each: (each[0][0] == "all", each[0][1] == "both", -each[1].drawn, each[0]))
    head = ["| link | broken at its | drawn | found | with history | told, not blocking |", "|---|---|---|---|---|---|"]
    return head + [_row(kind, side, count) for (kind, side), count in rows]


def _row(kind: str, side: str, count: _Count) -> str:
    found = count.told.get("found", 0)
    later = found + count.told.get("with history", 0)
    shares = (f"{each} ({each / count.drawn:.0%})" for each in (found, later))
    return f"| {kind} | {side} | {count.drawn} | {' | '.join(shares)} | {count.told.get('below', 0)} |"


def _details(answer: Answer) -> Iterator[str]:
    if answer.told not in ("found", "with history"):
        yield f"{_told(answer)}\n"
    yield from (f"beside   {answer.repository} {said}\n" for said in answer.beside[:_MOST_BESIDE])


def _told(answer: Answer) -> str:
    mutant = answer.mutant
    link, use = mutant.link, mutant.link.use
    where = link.file or ", ".join(f"{at.path}:{at.line}" for at in link.definitions[:2])
    return (
        f"{answer.told or 'missed':8} {answer.repository} {link.kind}/{mutant.side} `{link.name}` -> `{mutant.name}` "
        f"{use.path}:{use.line} <- {where} | {answer.text[:140]}"
    )

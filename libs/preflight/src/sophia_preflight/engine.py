"""One check from beginning to end: files, their facts, the rules over all of them, the report."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from sophia_preflight import facts as reading
from sophia_preflight import history, secrets
from sophia_preflight import settings as configuration
from sophia_preflight.cache import Cache
from sophia_preflight.context import Context
from sophia_preflight.facts import Facts
from sophia_preflight.history import Past
from sophia_preflight.ignoring import GitIgnore
from sophia_preflight.linters import lint, merged
from sophia_preflight.memory import uncollected
from sophia_preflight.model import Compared, Finding, Lacking, NotAssessed, Report, Resort, settled
from sophia_preflight.readers.python_version import Version
from sophia_preflight.repository import Repository, Trouble
from sophia_preflight.rules import all_checks
from sophia_preflight.settings import Settings
from sophia_preflight.standing import regarding
from sophia_preflight.using import in_use, shared

HEAD = 65_536
FEWEST_TO_SHARE = 150
PIECE = 25
MOST_PROCESSES = 4
MOST_FILE_BYTES = 2_000_000
_UNCOMPARED: Mapping[Lacking | None, str] = {
    Lacking.GIT: "git does not answer: is it installed, and may it read this repository (its `safe.directory`)?",
    Lacking.FETCHED: "this clone has one commit; fetch more of them (`fetch-depth: 50` of actions/checkout)",
    Lacking.ALIKE: f"more than {history.MOST_CHANGED} files differ from each; name what to compare with by `--since`",
}


def check(
    root: Path,
    *,
    rules: Sequence[str] = (),
    cache: Cache | None = None,
    linters: bool = False,
    tracked: frozenset[str] | None = None,
    since: str = "",
    past: Past | None = None,
) -> Report:
    """Check a repository: run nothing of it, write nothing into it, need no network, never raise for its contents.

    With `linters`, those of others run too, unless only some rules are asked for. `tracked` are files that git has
    of a tree that is no working tree of its own. What the last commits changed is looked at, or what was changed
    `since` a revision; `past` says it where git does not."""
    started = time.monotonic()
    with uncollected():
        return _checked(Repository(root, tracked), rules, cache or Cache.none(), linters, started, since, past)


def _checked(
    repository: Repository,
    rules: Sequence[str],
    cache: Cache,
    linters: bool,
    started: float,
    since: str,
    past: Past | None,
) -> Report:
    settings = _settings(repository)
    facts = _facts(repository, _wanted(repository, settings), cache)
    then = (lambda: history.past(repository, since)) if past is None else (lambda: past)
    context = Context(repository, facts, settings, then)
    chosen = set(rules or settings.rules)
    then_is = f"{since} {history.commits(repository.root)}" if past is None else repr(past)
    found, failed, compared = _answers(context, chosen, cache, then_is)
    hidden = _hidden(context)
    if linters and not chosen:
        linting = lint(context, cache, hidden)
        found = merged(found, linting.said)
        failed += linting.not_assessed
    cache.save()
    findings = settled(found)
    if hidden:
        findings = tuple(_without(each, hidden) for each in findings)
    shown = {involved.place.path for each in findings for involved in each.places}
    return Report(
        str(repository.root),
        findings,
        tuple(failed),
        files=len(repository.entries),
        seconds=time.monotonic() - started,
        cached=cache.complete,
        compared=compared,
        sources={path: _shown(context, path) for path in shown if repository.is_file(path)},
    )


def _answers(
    context: Context, chosen: set[str], cache: Cache, past: str
) -> tuple[list[Finding], list[NotAssessed], Compared | None]:
    """What the rules say of the tree, and what they compared it with: as it was remembered, where nothing at all has
    changed since, nor what can be had of the `past`."""
    key = f"rules {context.repository.state} {sorted(chosen)} {context.settings!r} {past}"
    if cache.complete and (known := cache.recalled(key)) is not None:
        return list(known[0]), list(known[1]), known[2]
    found, failed = _asked(context, chosen)
    compared = context.changes.compared
    not_assessed = [*_too_new(context), *_not_compared(compared), *failed]
    if not failed:
        cache.remember(key, (tuple(found), tuple(not_assessed), compared))
    return found, not_assessed, compared


def _asked(context: Context, chosen: set[str]) -> tuple[list[Finding], list[NotAssessed]]:
    """What the rules find, all of them or those that are chosen, and which of them failed."""
    found: list[Finding] = []
    failed: list[NotAssessed] = []
    used: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    try:
        used, others = in_use(context), shared(context)
    except Exception as error:  # nor must what only weighs findings
        failed.append(_failed("files in use", error))
    with regarding(used, others):
        for check in all_checks().values():
            if chosen and check.rule.id not in chosen:
                continue
            try:
                found += check.check(context)
            except Exception as error:  # one broken rule must not hide what the others found
                failed.append(_failed(check.rule.id, error))
    return list(_once(found)), failed


def _once(found: list[Finding]) -> Iterator[Finding]:
    """Findings without those that a rule of a lower resort tells of the same place."""
    resorts = {each.rule.id: each.rule.resort for each in all_checks().values()}
    told: set[tuple[str, int]] = set()
    for resort, findings in groupby(
        sorted(found, key=lambda each: resorts[each.rule]), lambda each: resorts[each.rule]
    ):
        left = [kept for each in findings if (kept := _untold(each, told, resort))]
        yield from left
        told |= {at for each in left if each.blocking for at in _lines(each)}


def _untold(found: Finding, told: set[tuple[str, int]], resort: Resort) -> Finding | None:
    """What is left of a finding of some resort where others have told."""
    if resort == 0 or told.isdisjoint(_lines(found)):
        return found
    places = [each for each in found.places if each.role != "call" or (each.place.path, each.place.line) not in told]
    asking = any(each.role == "call" for each in places)
    return replace(found, places=tuple(places)) if asking and resort < 3 else None


def _lines(found: Finding) -> set[tuple[str, int]]:
    """The lines that a finding tells of."""
    return {(each.place.path, each.place.line) for each in found.places}


def _failed(what: str, error: Exception) -> NotAssessed:
    return NotAssessed(what, f"the rule failed: {type(error).__name__}: {error}", required=True)


def _too_new(context: Context) -> Iterator[NotAssessed]:
    """Python files whose grammar this Python does not know: what they say and call was not looked at."""
    needing: dict[Version, list[str]] = {}
    for path, facts in context.modules.python.items():
        if facts.fault is not None and facts.need is not None:
            needing.setdefault(facts.need.version, []).append(path)
    here = ".".join(map(str, sys.version_info[:2]))
    for version, paths in sorted(needing.items()):
        others = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        because = f"they have grammar of Python {version[0]}.{version[1]}, and this check runs on {here}"
        yield NotAssessed(f"Python files: `{paths[0]}`{others}", because)


def _not_compared(compared: Compared | None) -> Iterator[NotAssessed]:
    """What the reader can do something about: a first commit, or no repository, has nothing that was taken away."""
    if compared is not None and (because := _UNCOMPARED.get(compared.lacking)):
        yield NotAssessed("what the last commits took away", because)


def _hidden(context: Context) -> set[str]:
    """Values that no output may show."""
    return {
        value
        for path, facts in context.facts.items()
        if facts.suspects
        for value in secrets.values(context.repository.glimpse(path), facts.suspects)
    }


def _without(each: Finding, hidden: Iterable[str]) -> Finding:
    return replace(
        each,
        message=secrets.masked(each.message, hidden),
        why=secrets.masked(each.why, hidden),
        fix=secrets.masked(each.fix, hidden),
        blocks=secrets.masked(each.blocks, hidden),
    )


def _shown(context: Context, path: str) -> str:
    facts = context.facts.get(path)
    return secrets.masked_text(context.repository.text(path), facts.suspects if facts else ())


def settings_of(root: Path) -> Settings:
    """What the repository's own `sophia.yaml` says about checking."""
    return _settings(Repository(root))


def _settings(repository: Repository) -> Settings:
    path = repository.root / configuration.FILE
    return configuration.read(repository.text(configuration.FILE)) if path.is_file() else Settings()


def _wanted(repository: Repository, settings: Settings) -> list[str]:
    """Paths that are looked at: what is too large for a source and what settings leave out are not."""
    ignore = GitIgnore("\n".join(settings.ignore))
    return [
        path for path, entry in repository.entries.items() if entry.size <= MOST_FILE_BYTES and not ignore.covers(path)
    ]


def _facts(repository: Repository, paths: Iterable[str], cache: Cache) -> dict[str, Facts]:
    found: dict[str, Facts] = {}
    unknown: list[str] = []
    for path in paths:
        known = cache.known(repository.entries[path])
        if known is None:
            unknown.append(path)
        elif known.kind or known.suspects:
            found[path] = known
    for path, made in _read_all(repository, unknown):
        cache.keep(repository.entries[path], made)
        if made.kind or made.suspects:
            found[path] = made
    return found


def _read_all(repository: Repository, paths: list[str]) -> Iterator[tuple[str, Facts]]:
    """Read files, on all processors where there are many; a process with threads is never forked."""
    count = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MOST_PROCESSES)
    if len(paths) < FEWEST_TO_SHARE or count < 2 or threading.active_count() > 1:
        yield from ((path, _read(repository, path)) for path in paths)
        return
    pieces = [paths[start : start + PIECE] for start in range(0, len(paths), PIECE)]
    with multiprocessing.get_context("fork").Pool(count, _begin, (repository,)) as pool:
        for read, troubles in pool.imap(_read_piece, pieces):
            repository.troubles += troubles
            yield from read


_shared: list[Repository] = []
"""In a forked process: what it reads from."""


def _begin(repository: Repository) -> None:
    gc.disable()
    _shared.append(repository)


def _read_piece(paths: list[str]) -> tuple[list[tuple[str, Facts]], list[Trouble]]:
    repository = _shared[0]
    before = len(repository.troubles)
    return [(path, _read(repository, path)) for path in paths], repository.troubles[before:]


def _read(repository: Repository, path: str) -> Facts:
    try:
        made = _parsed(repository, path)
    except Exception as error:  # whatever a file holds, the others are still looked at
        said = f"this check could not read it, which is a fault of the check: {type(error).__name__}: {error}"
        repository.troubles.append(Trouble(path, said))
        made = Facts("")
    if secrets.is_scanned(path):
        made.suspects = secrets.suspects_in(path, repository.glimpse(path))
    return made


def _parsed(repository: Repository, path: str) -> Facts:
    kind = reading.kind_of(path, "")
    if not kind:
        name = path.rpartition("/")[2]
        named = name.endswith((".yml", ".yaml", ".json", ".jsonc"))
        if ("." in name and not named) or not (named or repository.glimpse(path)):
            return Facts("")
    text = repository.text(path)
    kind = reading.kind_of(path, text[:HEAD])
    return reading.read(kind, path, text) if kind else Facts("")

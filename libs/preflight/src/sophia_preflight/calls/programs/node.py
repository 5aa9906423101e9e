"""Package managers of Node: which script of which package they run, and what an installation insists on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sophia_preflight.calls.model import (
    Needed,
    PackageScript,
    Script,
)
from sophia_preflight.calls.options import Parted, part
from sophia_preflight.calls.running import Run
from sophia_preflight.text import Word, is_known, joined, named

LOCK = "the lock file"
"""How the purpose begins of a file that an installation insists on."""
MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
_NPM_VALUED = named(
    "--prefix -C --dir --cwd -w --workspace --filter -F --registry --cache --loglevel --omit --include --tag "
    "--access --network-timeout --mutex --modules-folder --cache-folder --store-dir --otp --concurrency"
)
_YARN_OWN = named(
    "add audit autoclean bin cache config create dlx exec generate-lock-entry global help import info init "
    "install licenses link list login logout node outdated owner pack plugin policies prune publish rebuild "
    "remove run set stage tag team test unlink unplug up upgrade upgrade-interactive version versions why "
    "workspace workspaces dedupe constraints explain npm patch search ci i start stop restart exec fetch store "
    "env deploy rm ls approve-builds update x build"
)
_RUNNING = ("run", "run-script")
_USUAL_SCRIPTS = named("build check dev e2e fmt format lint preview serve start test typecheck type-check")
"""Names that scripts have and hardly any program."""
_ONE = re.compile(r"@?[\w.-]+(/[\w.-]+)*/?|\./[\w./-]*[\w-]/?")
"""The name or the path of one package."""
_INSTALLING = {"ci", "install", "i", "clean-install", "install-clean"}


def package_manager(words: Sequence[Word], run: Run) -> None:
    manager = words[0].value
    parted = part(words[1:], _NPM_VALUED, stop=True)
    before = parted
    rest = list(parted.rest)
    base = before.first("--prefix", "-C", "--dir", "--cwd")
    if manager == "yarn" and len(rest) > 1 and rest[0].value == "workspace":
        _yarn_workspace(rest[1:], words, run)
        return
    told = before.has("-v", "--version", "-h", "--help")
    verb = rest[0].value if rest else ("install" if manager == "yarn" and not told else "")
    inner = part(rest[1:], _NPM_VALUED)
    base = base or inner.first("--prefix", "-C", "--dir", "--cwd")
    elsewhere = before.has("-w", "--workspace", "--workspaces", "-ws", "--filter", "-F", "-r", "--recursive")
    elsewhere = elsewhere or inner.has(
        "-w", "--workspace", "--workspaces", "-ws", "--filter", "-F", "-r", "--recursive"
    )
    chosen = {"npm": ("-w", "--workspace"), "pnpm": ("-F", "--filter")}.get(manager, ())
    workspaces = [*before.all(*chosen), *inner.all(*chosen)] if chosen else []
    if len(workspaces) == 1 and _ONE.fullmatch(workspaces[0].value) and _is_script(manager, verb, inner):
        name = inner.operands[0] if verb in _RUNNING and inner.operands else rest[0]
        if name.known and not (before.has("--if-present") or inner.has("--if-present")):
            run.call(PackageScript(name, manager, (), workspace=workspaces[0].value), words)
        return
    if elsewhere or before.has("-g", "--global") or inner.has("-g", "--global"):
        return
    if base is not None:
        run = run.at(directory=joined(run.site.directory, base.value))
    optional = before.has("--if-present") or inner.has("--if-present")
    if verb in ("run", "run-script", "rum", "urn"):
        if inner.operands:
            name, arguments = inner.operands[0], _script_arguments(rest[1:], inner.operands[0], manager)
            _package_script(name, manager, arguments, words, run, optional=optional)
    elif verb in ("test", "t", "start", "stop", "restart") or (verb == "build" and manager in ("yarn", "pnpm")):
        name = replace(rest[0], value="test" if verb == "t" else verb)
        if verb != "restart" and not (verb == "start" and manager == "npm"):
            _package_script(name, manager, rest[1:], words, run, optional=optional)
    elif verb in _INSTALLING:
        _install(manager, verb, before, inner, words, run)
    elif verb in ("exec", "x", "dlx") and len(rest) > 1:
        inner_words = part(rest[1:], _NPM_VALUED, stop=True).rest
        if inner_words and "/" not in inner_words[0].value:
            run.deeper().command(inner_words)
    elif manager in ("yarn", "pnpm") and verb and verb not in _YARN_OWN and is_known(verb):
        _package_script(rest[0], manager, rest[1:], words, run, optional=":" not in verb)  # no program has one
    elif manager == "bun" and re.search(r"\.[cm]?[jt]sx?$", verb):
        run.call(Script(rest[0], "node", tuple(rest[1:])), words)


def _is_script(manager: str, verb: str, inner: Parted) -> bool:
    """Whether a verb, given for one package of several, runs a script of it."""
    if verb in _RUNNING:
        return bool(inner.operands)
    return verb == "test" or (manager == "pnpm" and verb in _USUAL_SCRIPTS)


def _yarn_workspace(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    """`yarn workspace NAME [run] SCRIPT`."""
    workspace, *more = rest
    if more and more[0].value in _RUNNING:
        more = part(more[1:], _NPM_VALUED).operands
    elif not more or more[0].value not in _USUAL_SCRIPTS:
        return
    if more and more[0].known and _ONE.fullmatch(workspace.value):
        run.call(PackageScript(more[0], "yarn", (), workspace=workspace.value), words)


def _script_arguments(rest: Sequence[Word], name: Word, manager: str) -> Sequence[Word]:
    after = list(rest[rest.index(name) + 1 :])
    if manager == "npm":
        dashes = next((index for index, word in enumerate(after) if word.value == "--"), None)
        return after[dashes + 1 :] if dashes is not None else []
    return after


def _package_script(
    name: Word, manager: str, arguments: Sequence[Word], words: Sequence[Word], run: Run, *, optional: bool
) -> None:
    if name.known:
        run.call(PackageScript(name, manager, tuple(arguments), optional), words)


def _install(manager: str, verb: str, before: Parted, inner: Parted, words: Sequence[Word], run: Run) -> None:
    first = words[0]
    if verb in ("install", "i") and inner.operands:
        return  # adds packages
    run.call(Needed(Word("package.json", first.line, first.column), f"the package that {manager} installs"), words)
    frozen = before.has("--frozen-lockfile", "--immutable") or inner.has("--frozen-lockfile", "--immutable")
    locks = {
        "npm": ("package-lock.json", ("npm-shrinkwrap.json",)) if verb not in ("install", "i") else None,
        "yarn": ("yarn.lock", ()) if frozen else None,
        "pnpm": ("pnpm-lock.yaml", ()) if frozen else None,
        "bun": ("bun.lockb", ("bun.lock",)) if frozen else None,
    }[manager]
    if locks:
        lock = Word(locks[0], first.line, first.column)
        run.call(Needed(lock, f"{LOCK} that `{manager} {verb}` insists on", either=locks[1]), words)

"""Running linters: side by side, for a bounded time, with nothing of this process' environment, results kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from sophia_preflight.cache import Cache
from sophia_preflight.context import Context
from sophia_preflight.linters.speaking import LINTERS, NO_SETTINGS, Linter, Said, Unreadable
from sophia_preflight.model import NotAssessed
from sophia_preflight.secrets import masked

SECONDS = 60.0
BATCH = 100
_MOST_OUTPUT = 40_000_000
_SILENT = "ignored: []\n"


class _Failed(Exception):
    """A run that did not come to its end; the message says why."""


@dataclass(frozen=True)
class Linting:
    """What linters said, and what no linter looked at."""

    said: tuple[Said, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()


def program(name: str) -> Path | None:
    """Where a linter is: beside this Python, as its wheel puts it, or on the path."""
    beside = Path(sys.executable).parent / name
    if beside.is_file() and os.access(beside, os.X_OK):
        return beside
    found = shutil.which(name)
    return Path(found) if found else None


def lint(context: Context, cache: Cache, hidden: Iterable[str] = (), *, seconds: float = SECONDS) -> Linting:
    """Run every linter that has something to look at; each has so many seconds. Those that `sophia.yaml` requires must
    be there. Values in `hidden` are neither kept nor returned."""
    required = set(context.settings.require)
    with tempfile.TemporaryDirectory(prefix="sophia-lint-") as home, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        (Path(home) / "settings.yaml").write_text(_SILENT, encoding="utf-8")
        runs = [
            pool.submit(_one, context, cache, each, each.name in required, home, hidden, seconds) for each in LINTERS
        ]
        outcomes = [each.result() for each in runs]
    return Linting(
        tuple(said for outcome in outcomes for said in outcome.said),
        tuple(missing for outcome in outcomes for missing in outcome.not_assessed),
    )


def _one(
    context: Context,
    cache: Cache,
    linter: Linter,
    required: bool,
    home: str,
    hidden: Iterable[str],
    seconds: float,
) -> Linting:
    paths = [path for path, facts in context.facts.items() if linter.looks_at(path, facts)]
    paths = [path for path in paths if not context.repository.is_foreign(path)]
    if not paths and not required:
        return Linting()
    what = f"{len(paths)} {linter.noun} by {linter.name}"
    binary = program(linter.name)
    if binary is None:
        because = f"it is not installed; the extra `linters` brings it, and so does `{linter.package}`"
        because += ", and `sophia.yaml` requires it" if required else ""
        return Linting(not_assessed=(NotAssessed(what, because, required),))
    key = _key(context, linter, binary, paths)
    known = cache.recalled(key)
    if known is not None:
        return Linting(tuple(known))
    try:
        heard = _run(context.repository.root, linter, binary, paths, home, seconds)
        said = tuple(replace(each, message=masked(each.message, hidden)) for each in heard)
    except _Failed as error:
        return Linting(not_assessed=(NotAssessed(what, str(error), required=True),))
    cache.remember(key, said)
    return Linting(said)


def _key(context: Context, linter: Linter, binary: Path, paths: Iterable[str]) -> str:
    """Names everything that a linter's answer depends on: itself, its command, and its files as they are now."""
    status = binary.stat()
    entries = (context.repository.entries[path] for path in paths)
    files = [(each.path, each.size, each.modified_ns) for each in entries]
    said = repr((str(binary), status.st_size, status.st_mtime_ns, linter.command, files))
    return f"{linter.name} {hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _run(root: Path, linter: Linter, binary: Path, paths: Sequence[str], home: str, seconds: float) -> Iterable[Said]:
    deadline = time.monotonic() + seconds
    for at in range(0, len(paths), BATCH):
        words = [word.replace(NO_SETTINGS, f"{home}/settings.yaml") for word in linter.command]
        command = [str(binary), *words, *(f"./{path}" for path in paths[at : at + BATCH])]
        output = _output(command, root, home, linter, deadline)
        try:
            yield from linter.read(output)
        except (Unreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            raise _Failed(f"its output cannot be read: {error}") from error


def _output(command: list[str], root: Path, home: str, linter: Linter, deadline: float) -> str:
    environment = {"PATH": os.defpath, "HOME": home, "XDG_CONFIG_HOME": home, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise _Failed(f"it cannot be started: {error.strerror or error}") from error
        try:
            code = process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise _Failed("it did not end in time") from None
        if code not in linter.ends:
            raise _Failed(f"it ended with {code}: {_first_line(err)}")
        if out.seek(0, os.SEEK_END) > _MOST_OUTPUT:
            raise _Failed("it says more than can be looked at")
        out.seek(0)
        return out.read().decode("utf-8", "replace")


def _first_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read(4096).decode("utf-8", "replace").strip().splitlines()
    return lines[0][:200] if lines else "it says nothing"

"""Turborepo's part of a build: what it would build, emptied outputs, and how it went.

It is asked first (`--dry=json`) which packages there are and where their outputs lie. Outputs are emptied before it
runs: it puts files back from its cache and removes none, so a `dist` could hold assets of an earlier page. Only
directories that git ignores and where it tracks nothing are emptied; nobody's sources can be lost.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sophia_deployment_core.errors import SophiaError

from sophia_deployment.build.processes import Processes, last_lines
from sophia_deployment.codes import BUILD_FAILED
from sophia_deployment.provenance import git

SETTINGS = "turbo.json"
NO_COMMAND = "<NONEXISTENT>"
SILENT = {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1", "TURBO_NO_UPDATE_NOTIFIER": "1"}
_WILD = re.compile(r"[*?\[{]")


@dataclass(frozen=True)
class Package:
    """A package that has a `build` task; `directory` and `outputs` are relative to the root, written with `/`."""

    name: str
    directory: str
    command: str
    outputs: tuple[str, ...]
    kept: tuple[str, ...]
    """outputs that are excluded again (`!.next/cache/**`): a cache of the tool's own"""


@dataclass(frozen=True)
class Task:
    """How one package's build went; `took_ms` is 0 for one that never began."""

    package: str
    directory: str
    command: str
    cached: bool
    exit: int
    took_ms: int
    log: str


def program(root: Path) -> list[str]:
    """How Turborepo is called here: as the repository has it installed, else through npx."""
    own = root / "node_modules/.bin/turbo"
    return [str(own)] if own.exists() else ["npx", "--yes", "turbo"]


def dry_command(turbo: Sequence[str]) -> list[str]:
    return [*turbo, "run", "build", "--dry=json"]


def run_command(turbo: Sequence[str], packages: Iterable[str]) -> list[str]:
    return [*turbo, "run", "build", "--summarize", "--no-color", *(f"--filter={name}" for name in sorted(packages))]


# --- what there is --------------------------------------------------------------------------------------------------


def packages(root: Path, *, running: Processes, env: Mapping[str, str], log: Path) -> list[Package]:
    """Every package of the repository with a `build` task. Raises `SophiaError` if Turborepo cannot say."""
    command = dry_command(program(root))
    said = log.with_suffix(".json")
    try:
        if (code := running.run(command, cwd=root, env=env, log=log, said=said)) == 0:
            return read_packages(json.loads(said.read_bytes()))
    except (ValueError, KeyError, TypeError):
        code = 0
    finally:
        said.unlink(missing_ok=True)
    lines = last_lines(log)
    shown = "".join(f"\n   | {line}" for line in lines)
    raise SophiaError(
        BUILD_FAILED,
        f"Turborepo cannot say what it would build (exit code {code}){shown}",
        hint=f"does `npx turbo run build` work in `{root}`? the whole log is in `{log}`",
        facts={"command": command, "exit": code, "log": lines, "log_path": str(log)},
    )


def read_packages(answer: Mapping[str, Any]) -> list[Package]:
    """The packages in what `--dry=json` printed."""
    return [
        Package(
            task["package"],
            task["directory"],
            task["command"],
            tuple(_inside(task["directory"], task.get("outputs"))),
            tuple(_inside(task["directory"], task.get("excludedOutputs"))),
        )
        for task in answer["tasks"]
        if task["taskId"].endswith("#build") and task["command"] not in (NO_COMMAND, "")
    ]


def _inside(directory: str, patterns: Sequence[str] | None) -> list[str]:
    """The directories that the patterns are about, if they lie inside the package and are not all of it."""
    found = []
    for pattern in patterns or ():
        parts = PurePosixPath(pattern.removeprefix("!")).parts
        fixed = next((parts[:at] for at, part in enumerate(parts) if _WILD.search(part)), parts)
        if fixed and ".." not in parts and not pattern.startswith("/"):
            found.append(str(PurePosixPath(directory, *fixed)))
    return found


def package_of(source: str, known: Iterable[Package]) -> Package | None:
    """The package that a service's source is, or lies in."""
    places = [source, *(str(parent) for parent in PurePosixPath(source).parents if str(parent) != ".")]
    by_directory = {package.directory or ".": package for package in known}
    return next((by_directory[place] for place in places if place in by_directory), None)


# --- outputs --------------------------------------------------------------------------------------------------------


def empty_outputs(root: Path, emptied: Iterable[Package]) -> list[str]:
    """Empty the output directories of these packages; those that had to be left alone are returned."""
    wanted = {output: package for package in emptied for output in package.outputs if (root / output).is_dir()}
    ours = _only_outputs(root, list(wanted))
    for output in ours:
        _empty(root / output, [root / kept for kept in wanted[output].kept])
    return sorted(wanted.keys() - ours)


def _only_outputs(root: Path, directories: list[str]) -> set[str]:
    """Those that git ignores and in which it tracks nothing; none where there is no git."""
    if not directories:
        return set()
    ignored = git(root, "check-ignore", "-z", "--stdin", told="\0".join(directories))
    tracked = git(root, "ls-files", "-z", "--", *directories)
    if ignored is None or tracked is None:
        return set()
    used = [PurePosixPath(name) for name in tracked.split("\0") if name]
    return {
        name
        for name in ignored.split("\0")
        if name in directories
        and not any(file.is_relative_to(name) for file in used)
        and not (root / name).is_symlink()
        and (root / name).resolve().is_relative_to(root)
    }


def _empty(directory: Path, kept: Sequence[Path]) -> None:
    for path in directory.iterdir():
        if path in kept:
            continue
        if any(each.is_relative_to(path) for each in kept):
            _empty(path, kept)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


# --- how it went ----------------------------------------------------------------------------------------------------


def run(
    root: Path, wanted: Iterable[Package], *, running: Processes, env: Mapping[str, str], log: Path
) -> tuple[int, list[Task]]:
    """Build these packages and what they depend on: Turborepo's exit code, and how each task went."""
    before = _summaries(root)
    command = run_command(program(root), [package.name for package in wanted])
    code = running.run(command, cwd=root, env=env, log=log)
    tasks: list[Task] = []
    for summary in _summaries(root) - before:
        with suppress(OSError, ValueError, KeyError, TypeError):
            tasks = read_summary(json.loads(summary.read_bytes()))
        summary.unlink(missing_ok=True)
    return code, tasks


def _summaries(root: Path) -> set[Path]:
    return set((root / ".turbo/runs").glob("*.json"))


def read_summary(summary: Mapping[str, Any]) -> list[Task]:
    """The tasks in what `--summarize` wrote."""
    return [
        Task(
            task["package"],
            task["directory"],
            task["command"],
            cached=task["cache"]["status"] == "HIT",
            exit=execution.get("exitCode", 0),
            took_ms=execution.get("endTime", 0) - execution.get("startTime", 0),
            log=task.get("logFile", ""),
        )
        for task in summary["tasks"]
        for execution in [task.get("execution") or {}]
    ]

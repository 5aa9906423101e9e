"""The field's linters, one after another on the same repository, each on the files that it is for.

Generous to them: whatever they say about the line of a planted defect counts, at any level, and what names no
line (schemas, `docker compose config`) counts for one defect of the file it refuses. What they say elsewhere is counted
as said beside.
A linter that is not installed is left out, and named.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.check.corpus import Planted, Spot
from benchmarks.check.running import run

_AT = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+)(?::\d+)?:", re.MULTILINE)


@dataclass
class Said:
    """By one linter or by all: lines that it names, files that it refuses without a line, seconds."""

    spots: set[Spot] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    seconds: float = 0.0


@dataclass(frozen=True)
class Linter:
    program: str
    files: Callable[[Path], list[str]]
    run: Callable[[str, list[str], Path], Said]


def installed(directory: Path | None) -> dict[str, str]:
    """Program by linter: from `directory`, from beside this Python, or from the path."""
    places = [str(each) for each in (directory, Path(sys.executable).parent) if each]
    path = os.pathsep.join([*places, os.environ.get("PATH", "")])
    return {each.program: found for each in LINTERS if (found := shutil.which(each.program, path=path))}


def look(root: Path, programs: dict[str, str]) -> Said:
    """What all installed linters say of a repository."""
    everything = Said()
    for linter in LINTERS:
        files = linter.files(root)
        if linter.program not in programs or not files:
            continue
        said = linter.run(programs[linter.program], files, root)
        everything.spots |= said.spots
        everything.files |= said.files
        everything.seconds += said.seconds
    return everything


def found_by(planted: Planted, said: Said) -> tuple[list[str], int]:
    """The blocking defects that were named, and how many lines were named that have none."""
    names = [each.name for each in planted.blocking if any(spot in said.spots for spot in each.spots)]
    for path in sorted(said.files):
        of_file = [each for each in planted.blocking if each.spots[0].path == path and each.name not in names]
        names += [each.name for each in of_file[:1]]
    labelled = {spot for each in planted.defects.values() for spot in each.spots}
    return names, len(said.spots - labelled)


# --- which files ----------------------------------------------------------------------------------------------------


def _all(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not {"node_modules", ".git"} & set(path.parts):
            yield path


def _matching(*patterns: str) -> Callable[[Path], list[str]]:
    wanted = re.compile("|".join(f"(?:{each})" for each in patterns))

    def chosen(root: Path) -> list[str]:
        names = (str(each.relative_to(root)) for each in _all(root))
        return [each for each in names if wanted.search(each)]

    return chosen


_dockerfiles = _matching(r"(^|/)Dockerfile(\.[\w.]+)?$", r"\.Dockerfile$")
_workflows = _matching(r"^\.github/workflows/[^/]+\.ya?ml$")
_shell = _matching(r"\.(sh|bash)$", r"^bin/run$")
_compose = _matching(r"(^|/)(docker-)?compose[\w.-]*\.ya?ml$", r"^(compose|stacks)/[^/]+\.ya?ml$")

# --- how ------------------------------------------------------------------------------------------------------------


def _lines(root: Path, out: str) -> set[Spot]:
    names = ((match["path"], int(match["line"])) for match in _AT.finditer(out))
    return {Spot(str(Path(path).relative_to(root)) if path.startswith("/") else path, line) for path, line in names}


def _hadolint(program: str, files: list[str], root: Path) -> Said:
    ran = run([program, "--no-fail", "-f", "gnu", *files], root)
    return Said(_lines(root, re.sub(r"^hadolint: ?", "", ran.out + ran.err, flags=re.MULTILINE)), set(), ran.seconds)


def _shellcheck(program: str, files: list[str], root: Path) -> Said:
    ran = run([program, "-f", "gcc", *files], root)
    return Said(_lines(root, ran.out), set(), ran.seconds)


def _actionlint(program: str, files: list[str], root: Path) -> Said:
    ran = run([program, "-oneline", "-no-color", *files], root)
    return Said(_lines(root, ran.out), set(), ran.seconds)


def _zizmor(program: str, _files: list[str], root: Path) -> Said:
    ran = run([program, "--offline", "--no-progress", "--no-exit-codes", "--format", "json", "."], root)
    spots = set()
    for finding in json.loads(ran.out or "[]"):
        for location in finding["locations"]:
            key = location["symbolic"]["key"]["Local"]
            name = key.get("verbatim_path") or key.get("given_path", "")
            line = location["concrete"]["location"]["start_point"]["row"] + 1
            spots.add(Spot(str(Path(name)), line))
    return Said(spots, set(), ran.seconds)


def _check_jsonschema(program: str, _files: list[str], root: Path) -> Said:
    said = Said()
    for schema, of in (("compose-spec", _compose(root)), ("github-workflows", _workflows(root))):
        for name in of:
            ran = run([program, "--builtin-schema", f"vendor.{schema}", name], root)
            said.seconds += ran.seconds
            if ran.code:
                said.files.add(name)
    return said


def _compose_config(program: str, files: list[str], root: Path) -> Said:
    said = Said()
    for name in files:
        ran = run([program, "-f", name, "config", "-q"], root)
        said.seconds += ran.seconds
        if ran.code:
            said.files.add(name)
    return said


LINTERS = (
    Linter("hadolint", _dockerfiles, _hadolint),
    Linter("actionlint", _workflows, _actionlint),
    Linter("zizmor", _workflows, _zizmor),
    Linter("shellcheck", _shell, _shellcheck),
    Linter("check-jsonschema", lambda root: _compose(root) + _workflows(root), _check_jsonschema),
    Linter("docker-compose", _compose, _compose_config),
)

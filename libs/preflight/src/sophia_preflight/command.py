"""The command line of the check: `sophia-check` where it is installed alone, the verb `check` of `sophia` otherwise.

stdout carries the report, stderr talk. Exit code 0 clean, 1 blocking findings, 2 usage, 7 incomplete.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

from sophia_preflight import baseline, engine, fixing, history, outputs
from sophia_preflight.cache import Cache
from sophia_preflight.history import Past
from sophia_preflight.model import USAGE_EXIT, Report
from sophia_preflight.outputs import text
from sophia_preflight.rules import all_checks

FORMS = tuple(outputs.FORMS)


class Misused(Exception):
    """The call makes no sense; `hint` says what would."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Request:
    """What is asked for. `since` leaves only what is new; `write` applies the fixes that `fix` would only show."""

    path: Path
    form: str = "text"
    since: str = ""
    fix: bool = False
    write: bool = False
    baseline: Path | None = None
    rules: tuple[str, ...] = ()
    everything: bool = False
    use_cache: bool = True
    color: bool = False
    linters: bool = True


def run(request: Request, out: TextIO, err: TextIO, *, today: date | None = None) -> int:
    """Check, print, and return the exit code. Raises `Misused`."""
    report = report_of(request, today or datetime.now(UTC).date())
    if request.fix or request.write:
        return _fix(request, report, out, err)
    if request.form == "text":
        out.write(text.rendered(report, color=request.color, everything=request.everything))
    else:
        out.write(outputs.FORMS[request.form](report))
    return report.exit


def report_of(request: Request, today: date) -> Report:
    """The report that a request is answered with."""
    if not request.path.is_dir():
        raise Misused(f"`{request.path}` is no directory", "name the repository's directory")
    for rule in request.rules:
        if rule not in all_checks():
            near = get_close_matches(rule, all_checks(), n=1)
            raise Misused(f"there is no rule `{rule}`", f"did you mean `{near[0]}`?" if near else "")
    cache = Cache.of(request.path) if request.use_cache else Cache.none()
    report = engine.check(request.path, rules=request.rules, cache=cache, linters=request.linters, since=request.since)
    if request.since:
        report = _only_new(request, report)
    return _with_baseline(request, report, today)


def _only_new(request: Request, report: Report) -> Report:
    with tempfile.TemporaryDirectory(prefix="sophia-check-") as directory:
        try:
            tracked = history.lay_out(request.path, request.since, Path(directory))
        except history.NoSuchRevision as error:
            raise Misused(
                f"`{request.since}` cannot be compared with: {error}", "name a commit, a branch or a tag"
            ) from None
        before = engine.check(
            Path(directory), rules=request.rules, linters=request.linters, tracked=tracked, past=Past()
        )
    known = {each.id for each in before.findings}
    return replace(report, findings=tuple(each for each in report.findings if each.id not in known))


def _with_baseline(request: Request, report: Report, today: date) -> Report:
    path = request.baseline
    if path is None:
        said = engine.settings_of(request.path).baseline
        path = request.path / said if said else None
    if path is None:
        return report
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"the baseline `{path}` cannot be read: {error}") from None
    applied = baseline.apply(content, path.name, report.findings, today)
    findings = tuple(sorted(applied.findings, key=lambda each: each.order))
    return replace(report, findings=findings, suppressed=applied.suppressed)


def _fix(request: Request, report: Report, out: TextIO, err: TextIO) -> int:
    if request.write:
        out.writelines(f"{path}\n" for path in fixing.write(request.path, report.findings))
        return 0
    shown = fixing.difference(request.path, report.findings)
    out.write(shown)
    err.write("nothing was changed; --write changes it\n" if shown else "nothing here can be fixed by itself\n")
    return report.exit


def main(arguments: Sequence[str] | None = None) -> int:
    """The program `sophia-check`."""
    parser = argparse.ArgumentParser("sophia-check", description="What would stop a deployment of this repository?")
    parser.add_argument("path", nargs="?", default=".", type=Path, help="the repository (default: here)")
    parser.add_argument("-o", dest="form", choices=FORMS, default="text", help="the form of the report")
    parser.add_argument("--since", default="", metavar="REV", help="only what is new since a commit, branch or tag")
    parser.add_argument("--fix", action="store_true", help="show the fixes that are surely right")
    parser.add_argument("--write", action="store_true", help="apply them")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="findings that are accepted for a time")
    parser.add_argument(
        "--rule", dest="rules", action="append", default=[], metavar="ID", help="only this rule; repeatable"
    )
    parser.add_argument("--all", dest="everything", action="store_true", help="show what is low, too")
    parser.add_argument("--no-cache", dest="use_cache", action="store_false", help="read every file anew")
    given = parser.parse_args(arguments)
    request = Request(
        given.path, given.form, given.since, given.fix, given.write, given.baseline, tuple(given.rules),
        given.everything, given.use_cache, sys.stdout.isatty(),
    )  # fmt: skip
    try:
        return run(request, sys.stdout, sys.stderr)
    except Misused as error:
        print(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)  # noqa: T201
        return USAGE_EXIT


if __name__ == "__main__":
    sys.exit(main())

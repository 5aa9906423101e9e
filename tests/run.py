"""Runs the checks of this checkout: what `./sophia test` does.

First it decides which steps there are (`steps_for`, pure), then runs them two at a time, then tells. A step that finds
something wrong stops no other: all failures are shown. A skipped test is named with its reason, and is a failure where
`CI` is set, for there everything a test could need is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "test-results"
BIN = Path(sys.prefix) / "bin"
SIDE_BY_SIDE = 2
LINES_SHOWN = 400

# --- what to run -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    name: str
    commands: tuple[tuple[str, ...], ...]
    limit_seconds: int = 300
    junit: bool = False
    """Whether pytest runs here, and so whether tests are counted."""

    again: bool = False
    """Whether a few tests that failed are tried once more: real processes on a machine that others use too."""

    alone: bool = False
    """Whether nothing else may run beside it, because it measures times."""

    first: bool = False
    """Whether others need what it makes, and so wait for it."""

    absent: str = ""
    """Why it cannot run; empty when it can."""


@dataclass(frozen=True)
class Wish:
    """What the caller asked for."""

    quick: bool = False
    all: bool = False
    only: tuple[str, ...] = ()
    matching: str = ""
    seed: int = 0
    pytest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkout:
    """What there is to check, and to check with."""

    suites: frozenset[str] = frozenset()
    frontend_scripts: tuple[str, ...] = ()
    npm: str | None = None
    packages_stale: bool = False
    """Whether `node_modules` is missing, or older than the lock."""


def look(root: Path) -> Checkout:
    package = root / "apps/frontend/package.json"
    scripts = json.loads(package.read_text()).get("scripts", {}) if package.exists() else {}
    return Checkout(
        suites=frozenset(p.parent.name for p in root.glob("tests/*/") for p in p.glob("test_*.py")),
        frontend_scripts=tuple(name for name in ("lint", "typecheck", "test") if name in scripts),
        npm=shutil.which("npm", path=_path()),
        packages_stale=_stale(root / "node_modules/.package-lock.json", root / "package-lock.json"),
    )


def _stale(written: Path, locked: Path) -> bool:
    return locked.exists() and not (written.exists() and written.stat().st_mtime >= locked.stat().st_mtime)


def steps_for(wish: Wish, checkout: Checkout) -> list[Step]:
    steps = [_pytest(wish, "unit", "apps", "libs", "tests", *_ignored(), workers=2, limit_seconds=600)]
    if not wish.matching:
        steps += [*_static(), _pytest(wish, "promises", "tests/test_promises.py")]
    if not wish.quick:
        steps += _slow(wish, checkout)
    wanted = [step for step in steps if not wish.only or step.name in wish.only]
    return [*_packages(wanted, checkout), *wanted]


NEEDS_PACKAGES = {"frontend", "integration", "acceptance"}
"""The steps that use `node_modules`: the front end's own, and those with browser tests or builds."""


def _packages(wanted: Sequence[Step], checkout: Checkout) -> list[Step]:
    """`npm ci` before all that needs it, if it is due: it would take the packages away under a step beside it."""
    due = checkout.packages_stale and checkout.npm is not None and NEEDS_PACKAGES & {step.name for step in wanted}
    return [Step("packages", (("npm", "ci", "--no-audit", "--no-fund"),), first=True)] if due else []


def _static() -> list[Step]:
    return [
        Step("types", (("mypy",),)),
        Step("format", (("ruff", "format", "--check", "--quiet", "--diff", "."),)),
        Step("lint", (("ruff", "check", "--output-format", "concise", "."),)),
        Step("contracts", (("lint-imports", "--no-logo"),)),
    ]


def _slow(wish: Wish, checkout: Checkout) -> list[Step]:
    extent, limit = ("all", 3600) if wish.all else ("sample", 900)
    suites = [
        _pytest(wish, "integration", "tests/integration", limit_seconds=1200, again=True),
        _pytest(wish, "acceptance", "tests/acceptance", limit_seconds=1200, alone=True, again=True),
        _pytest(
            wish, "faults", "tests/faults", f"--faults={extent}", workers=2, limit_seconds=limit, alone=True, again=True
        ),
    ]
    frontend = [] if wish.matching or not checkout.frontend_scripts else [_frontend(checkout)]
    return frontend + [suite for suite in suites if suite.name in checkout.suites]


def _frontend(checkout: Checkout) -> Step:
    if checkout.npm is None:
        return Step("frontend", (), absent="no npm on this machine and none in .venv")
    runs = tuple(("npm", "run", "--silent", "--workspace", "apps/frontend", name) for name in checkout.frontend_scripts)
    return Step("frontend", runs, limit_seconds=600)


def _ignored() -> list[str]:
    suites = ("acceptance", "integration", "faults")
    return [*(f"--ignore=tests/{suite}" for suite in suites), "--ignore=tests/test_promises.py"]


def _pytest(
    wish: Wish,
    name: str,
    *arguments: str,
    workers: int = 0,
    limit_seconds: int = 300,
    alone: bool = False,
    again: bool = False,
) -> Step:
    command = ["pytest", "-q", "-ra", "--no-header", f"--junitxml={RESULTS / name}.xml", *arguments]
    command += ["-o", f"cache_dir={RESULTS / f'cache-{name}'}"] if again else []
    command += [f"--seed={wish.seed}", f"--hypothesis-seed={wish.seed}"]
    command += ["--numprocesses", str(workers), "--dist", "worksteal"] if workers else []
    command += ["-m", "not slow", "--hypothesis-profile=quick"] if wish.quick else []
    command += ["-k", wish.matching] if wish.matching else []
    return Step(name, ((*command, *wish.pytest),), limit_seconds=limit_seconds, junit=True, alone=alone, again=again)


# --- running it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    step: Step
    ok: bool
    seconds: float = 0.0
    output: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    skips: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    """Tests that failed once and passed when they were tried again."""


FAILURES = 1
"""pytest's exit code when tests failed."""
MOST_AGAIN = 3
"""More failures than that are no accident."""
NOTHING_MATCHED = 5
"""pytest's exit code when no test was selected."""


def run(step: Step) -> Outcome:
    if step.absent:
        return Outcome(step, ok=True, skips=(f"{step.name}: {step.absent}",))
    began = time.monotonic()
    report, log = RESULTS / f"{step.name}.xml", RESULTS / f"{step.name}.log"
    report.unlink(missing_ok=True)
    with log.open("wb") as out, _own_place(step) as place:
        commands = [(*command, f"--basetemp={place}/t") if place else command for command in step.commands]
        codes = [_call(command, out.fileno(), until=began + step.limit_seconds) for command in commands]
    done = Outcome(step, ok=not any(codes), seconds=time.monotonic() - began, output=log.read_text(errors="replace"))
    if not step.junit:
        return done
    nothing = codes == [NOTHING_MATCHED]
    counts, skips = counted(report, crashed=not done.ok and not nothing)
    done = replace(done, ok=done.ok or nothing, counts=counts, skips=skips)
    bad = counts["failed"] + counts["error"]
    return _tried_again(done, report) if step.again and codes == [FAILURES] and bad <= MOST_AGAIN else done


@contextlib.contextmanager
def _own_place(step: Step) -> Iterator[str]:
    """A directory for the tests of a step alone: of pytest's own it keeps three, whoever else still works in them."""
    if not step.junit:
        yield ""
        return
    place = tempfile.mkdtemp(prefix=f"sophia-{step.name}-")
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _tried_again(done: Outcome, report: Path) -> Outcome:
    """The outcome after the failed tests ran once more. What passes then is told as unstable, never in silence."""
    names = tuple(name for name, result in _results(report) if result in ("failed", "error"))
    command = (*done.step.commands[0], "--last-failed", "--last-failed-no-failures", "none")
    second = run(
        replace(done.step, name=f"{done.step.name}-again", commands=(_renamed(command, done.step.name),), again=False)
    )
    output, seconds = done.output + second.output, done.seconds + second.seconds
    if not second.ok:
        return replace(done, output=output, seconds=seconds)
    counts = done.counts + Counter(passed=done.counts["failed"] + done.counts["error"])
    del counts["failed"], counts["error"]
    return replace(done, ok=True, output=output, seconds=seconds, counts=counts, unstable=names)


def _renamed(command: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(word.replace(f"{RESULTS / name}.xml", f"{RESULTS / name}-again.xml") for word in command)


def _call(command: Sequence[str], out: int, *, until: float) -> int:
    """Runs one command in a process group of its own; after `until` the group is killed and the answer is 124."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        start_new_session=True,
    ) as process:
        _groups.add(process.pid)
        try:
            return process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.write(
                out, f"\n`{' '.join(command[:3])}` was still running at the step's limit and was killed\n".encode()
            )
            return 124
        finally:
            _groups.discard(process.pid)
            _kill(process.pid)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What steps run in. Where nobody may leave byte code beside sources it goes to `.venv`: the tests start thousands
    of programs, and each would compile every module of ours anew."""
    made = dict(given) | {"PATH": _path(), "PYTHONUNBUFFERED": "1"}
    if made.pop("PYTHONDONTWRITEBYTECODE", ""):
        made.setdefault("PYTHONPYCACHEPREFIX", str(BIN.parent / "bytecode"))
    return made


_groups: set[int] = set()
"""The process groups under way."""


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _stop(number: int, _: object) -> None:
    """Ends what runs, and us: a pool of threads would wait for its steps first."""
    for group in tuple(_groups):
        _kill(group)
    print("\ninterrupted", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _path() -> str:
    return f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def counted(report: Path, *, crashed: bool) -> tuple[Counter[str], tuple[str, ...]]:
    """Counts and skips of one pytest report; a run that failed without a report is an error of its own."""
    cases = _cases(report)
    counts: Counter[str] = Counter(_result(case) for case in cases)
    if crashed and not counts["failed"] + counts["error"]:
        counts["error"] += 1
    skips = [
        f"{case.get('classname')}::{case.get('name')}: {_reason(case)}" for case in cases if _result(case) == "skipped"
    ]
    return counts, tuple(skips)


def _cases(report: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(report).iter("testcase")) if report.exists() else []


def _results(report: Path) -> list[tuple[str, str]]:
    return [(f"{case.get('classname')}::{case.get('name')}", _result(case)) for case in _cases(report)]


def _result(case: ElementTree.Element) -> str:
    for tag, result in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            return "xfailed" if found.get("type") == "pytest.xfail" else result
    return "passed"


def _reason(case: ElementTree.Element) -> str:
    found = case.find("skipped")
    return "" if found is None else found.get("message", "")


# --- telling ---------------------------------------------------------------------------------------


def closing_line(outcomes: Sequence[Outcome], *, seconds: float) -> str:
    """The sum of all pytest runs in the words of pytest's last line."""
    total: Counter[str] = sum((outcome.counts for outcome in outcomes), Counter())
    words = {"failed": "failed", "passed": "passed", "skipped": "skipped", "xfailed": "xfailed", "error": "errors"}
    parts = [f"{total[result]} {word}" for result, word in words.items() if total[result]]
    return f" {', '.join(parts) or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [("step", "result", "passed", "failed", "skipped", "seconds")]
    for outcome in outcomes:
        counts = outcome.counts
        numbers = (
            [counts["passed"], counts["failed"] + counts["error"], counts["skipped"]] if outcome.step.junit else []
        )
        cells = [str(number) for number in numbers] or ["", "", ""]
        rows.append((outcome.step.name, _word(outcome), cells[0], cells[1], cells[2], f"{outcome.seconds:.1f}"))
    return "\n".join(f"{a:<12} {b:<8} {c:>7} {d:>7} {e:>8} {f:>8}" for a, b, c, d, e, f in rows)


def _word(outcome: Outcome) -> str:
    return "skipped" if outcome.step.absent else "ok" if outcome.ok else "FAILED"


def tell(outcomes: Sequence[Outcome], *, seconds: float, seed: int, skips_fail: bool) -> int:
    """Prints the whole picture, the closing line last; the exit code."""
    for outcome in outcomes:
        if not outcome.ok:
            lines = outcome.output.splitlines()
            print(f"\n--- {outcome.step.name} failed; all of it: test-results/{outcome.step.name}.log ---")
            print("\n".join(lines[-LINES_SHOWN:]))
    skips = [skip for outcome in outcomes for skip in outcome.skips]
    print(f"\n{table(outcomes)}\n")
    for name in (name for outcome in outcomes for name in outcome.unstable):
        print(f"unstable {name}: failed once, passed when it was tried again")
    for skip in skips:
        print(f"skipped  {skip}")
    if skips and skips_fail:
        print(f"error: {len(skips)} skipped, and nothing may be skipped where CI is set")
    failed = [outcome.step.name for outcome in outcomes if not outcome.ok]
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(f"seed {seed}: the same again with `--seed {seed}`")
    print(closing_line(outcomes, seconds=seconds), flush=True)
    return int(bool(failed) or bool(skips and skips_fail))


def run_all(steps: Sequence[Step]) -> list[Outcome]:
    outcomes = [_announce(run(step)) for step in steps if step.first]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for future in as_completed(pool.submit(run, step) for step in steps if not (step.first or step.alone)):
            outcomes.append(_announce(future.result()))
    outcomes += [_announce(run(step)) for step in steps if step.alone]
    return sorted(outcomes, key=lambda outcome: steps.index(outcome.step))


def _announce(outcome: Outcome) -> Outcome:
    print(f"{_word(outcome):<8} {outcome.step.name:<12} {outcome.seconds:6.1f} s", flush=True)
    return outcome


def wish_from(arguments: Sequence[str]) -> Wish:
    parser = argparse.ArgumentParser(
        prog="./sophia test", description="Check this checkout.", epilog="What follows `--` goes to pytest."
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="static checks and unit tests only, under 30 s")
    extent.add_argument("--all", action="store_true", help="the whole kill matrix instead of a sample")
    parser.add_argument("--only", default="", metavar="STEP,…", help="these steps only, as the table names them")
    parser.add_argument(
        "-k", dest="matching", default="", metavar="EXPRESSION", help="tests that match, as pytest's -k"
    )
    parser.add_argument("--seed", type=int, default=None, help="what samples and random instants are drawn with")
    own, _, rest = _split(list(arguments))
    options = parser.parse_args(own)
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    only = tuple(filter(None, options.only.split(",")))
    return Wish(options.quick, options.all, only, options.matching, seed, tuple(rest))


def _split(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at : at + 1], arguments[at + 1 :]


def main(arguments: Sequence[str]) -> int:
    wish = wish_from(arguments)
    steps = steps_for(wish, look(ROOT))
    unknown = set(wish.only) - {step.name for step in steps}
    if unknown:
        print(
            f"error: no step `{'`, `'.join(sorted(unknown))}` here\nhint: look at the table of a whole run",
            file=sys.stderr,
        )
        return 2
    RESULTS.mkdir(exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    began = time.monotonic()
    print(f"seed {wish.seed}: " + ", ".join(step.name for step in steps), flush=True)
    outcomes = run_all(steps)
    return tell(outcomes, seconds=time.monotonic() - began, seed=wish.seed, skips_fail=bool(os.environ.get("CI")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A program, run as a user would run it: its output, its seconds, and the most memory it held."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.check.corpus import Spot
from benchmarks.check.scoring import Found

LONGEST_SECONDS = 600


@dataclass(frozen=True)
class Ran:
    """What a program left; `busy_seconds` are those of processors, `megabytes` the peak of its largest process."""

    code: int
    out: str
    err: str
    seconds: float
    busy_seconds: float
    megabytes: float


def run(
    command: Sequence[str | Path],
    cwd: Path,
    environment: dict[str, str] | None = None,
    longest_seconds: float = LONGEST_SECONDS,
) -> Ran:
    """Run to the end, however it ends; killed after ten minutes, or what is said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(each) for each in command], cwd=cwd, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            env={**_as_installed(), **(environment or {})},
        )  # fmt: skip
        status, usage = _wait(process, began + longest_seconds)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        texts = [each.read().decode("utf-8", "replace") for each in (out, err)]
    return Ran(
        os.waitstatus_to_exitcode(status),
        texts[0],
        texts[1],
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )


def _as_installed() -> dict[str, str]:
    """The environment, but that programs find the byte code that an installation has and a bare checkout has not."""
    found = dict(os.environ)
    if found.pop("PYTHONDONTWRITEBYTECODE", ""):
        found.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "bytecode"))
    return found


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[int, resource.struct_rusage]:
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return status, usage
        if time.monotonic() > until:
            process.kill()
        time.sleep(0.005)


def check(
    root: Path, *more: str, caches: Path | None = None, longest_seconds: float = LONGEST_SECONDS
) -> tuple[list[Found], dict[str, Any], Ran]:
    """`sophia check` on a repository: what it found, its whole report, and what it took. Raises when it crashed."""
    environment = {"XDG_CACHE_HOME": str(caches)} if caches else {}
    command = [sys.executable, "-m", "sophia_preflight", str(root), "-o", "json", *more]
    ran = run(command, root, environment, longest_seconds)
    if ran.code not in (0, 1, 7):
        raise RuntimeError(f"the check of {root} ended with {ran.code}: {ran.err}")
    report = json.loads(ran.out)
    found = [
        Found(
            each["blocking"],
            f"{each['rule']}: {each['message']}",
            tuple(Spot(place["path"], place["line"]) for place in each["places"]),
            each["severity"],
        )
        for each in report["findings"]
    ]
    return found, report, ran

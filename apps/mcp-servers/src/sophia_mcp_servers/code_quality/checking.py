"""Runs ruff and bandit on a text of Python that somebody gave us.

Neither runs the code. Still it comes from outside, so each run has a directory of its own, an empty environment, a
Python that looks at nothing around it (`-I`), a limit on memory, output and time, and a process group that is killed
as one when the time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CODE_BYTES = 100_000
OUTPUT_BYTES = 4_000_000
MEMORY_BYTES = 1024**3
FINDINGS = 200
TIME_LIMIT_SECONDS = 10.0
END_SECONDS = 2.0
FILE = "given.py"

Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Finding:
    tool: str
    rule: str
    severity: Severity
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A tool that could not look at all of the code, and why. Its silence is no verdict."""

    tool: str
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """`findings` by line. The code was looked at completely only where `incomplete` is empty."""

    findings: tuple[Finding, ...]
    incomplete: tuple[Incomplete, ...]


class Unfinished(Exception):
    """A tool gave no usable answer; the message says why."""


def ruff_command() -> list[str]:
    """Ruff with a fixed set of rules: likely mistakes, not taste. It never reads a configuration."""
    rules = "--select=E4,E7,E9,F,B,C4,SIM,PLE,PLW,RET,UP"
    ours = [sys.executable, "-I", "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format=json"]
    return [*ours, "--exit-zero", "--target-version=py311", rules, FILE]


def bandit_command() -> list[str]:
    return [sys.executable, "-I", "-m", "bandit", "--quiet", "--exit-zero", "--format=json", FILE]


async def check(code: str, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> Checked:
    """Both tools at once. Raises `ValueError` for code that is too long; a tool that fails is named in the answer."""
    given = code.encode(errors="replace")
    if len(given) > CODE_BYTES:
        raise ValueError(f"the code has {len(given)} bytes; up to {CODE_BYTES} are looked at")
    with tempfile.TemporaryDirectory(prefix="sophia-code-quality-") as directory:
        Path(directory, FILE).write_bytes(given)  # noqa: ASYNC240 -- 100 kB at most, into a cache
        ruff, bandit = await asyncio.gather(
            _looked("ruff", ruff_command(), directory, time_limit_seconds),
            _looked("bandit", bandit_command(), directory, time_limit_seconds),
        )
    findings = sorted((*ruff.findings, *bandit.findings), key=lambda found: (found.line, found.column, found.rule))
    incomplete = (*ruff.incomplete, *bandit.incomplete)
    if len(findings) > FINDINGS:
        left_out = Incomplete("all", f"{len(findings) - FINDINGS} more findings were left out")
        return Checked(tuple(findings[:FINDINGS]), (*incomplete, left_out))
    return Checked(tuple(findings), incomplete)


async def _looked(tool: str, command: list[str], directory: str, time_limit_seconds: float) -> Checked:
    try:
        answer = json.loads(await run(command, directory, time_limit_seconds))
        return ruff_findings(answer) if tool == "ruff" else bandit_findings(answer)
    except (Unfinished, ValueError, KeyError, TypeError) as error:
        why = str(error) if isinstance(error, Unfinished) else "its answer could not be read"
        return Checked((), (Incomplete(tool, why),))


def ruff_findings(answer: list[dict[str, Any]]) -> Checked:
    """Ruff's JSON. A syntax error is its own kind of finding, which has no rule's code."""
    return Checked(tuple(_ruff_finding(each) for each in answer), ())


def _ruff_finding(each: dict[str, Any]) -> Finding:
    rule = each["code"] or "invalid-syntax"
    severity: Severity = "high" if rule == "invalid-syntax" else "medium" if rule[0] in "FB" else "low"
    return Finding("ruff", rule, severity, each["location"]["row"], each["location"]["column"], each["message"])


def bandit_findings(answer: dict[str, Any]) -> Checked:
    """Bandit's JSON. What it could not parse it lists under `errors`."""
    findings = [_bandit_finding(each) for each in answer["results"]]
    return Checked(tuple(findings), tuple(Incomplete("bandit", each["reason"]) for each in answer["errors"]))


def _bandit_finding(each: dict[str, Any]) -> Finding:
    severities: dict[str, Severity] = {"LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
    severity = severities.get(each["issue_severity"], "low")
    return Finding("bandit", each["test_id"], severity, each["line_number"], each["col_offset"] + 1, each["issue_text"])


async def run(command: list[str], directory: str, time_limit_seconds: float) -> bytes:
    """What the command prints. Raises `Unfinished`; afterwards nothing of its process group is left."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env={"HOME": directory, "TMPDIR": directory, "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _limit(process.pid, time_limit_seconds)
        async with asyncio.timeout(time_limit_seconds):
            async with asyncio.TaskGroup() as reading:
                printed = reading.create_task(_bounded(process.stdout))
                complained = reading.create_task(_bounded(process.stderr))
            status = await process.wait()
    except TimeoutError:
        raise Unfinished(f"it took longer than {time_limit_seconds:g} s") from None
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        await _end(process)
    if status != 0:
        lines = complained.result().decode(errors="replace").strip().splitlines()
        raise Unfinished(f"it ended with status {status}: {lines[-1][:200] if lines else 'it said nothing'}")
    return printed.result()


def _limit(pid: int, time_limit_seconds: float) -> None:
    """Memory and processor time of one process, where the system can set another's (Linux)."""
    if not hasattr(resource, "prlimit"):
        return
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        seconds = int(time_limit_seconds) + 1
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds))
    except (ProcessLookupError, PermissionError):
        return  # it is over already, or a sandbox forbids it: the time limit stands anyway


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    content = bytearray()
    while stream is not None and (piece := await stream.read(65536)):
        content += piece
        if len(content) > OUTPUT_BYTES:
            raise Unfinished(f"it printed more than {OUTPUT_BYTES} bytes")
    return bytes(content)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the whole group: a tool's own children must not outlive the request either.

    What is still in the pipes is thrown away first, for asyncio calls a process ended only when its pipes are. One
    that left the group and holds a pipe open is not waited for.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(65536):
                    pass
            await process.wait()

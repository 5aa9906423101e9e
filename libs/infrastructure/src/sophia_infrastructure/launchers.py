"""The engine's hold on launchers: it asks them for effects, and sees from locks and files what they keep.

The engine is nobody's parent and remembers nothing: every call is a short-lived process of its own (`launcher.py`),
and `look` reads what is there now. So an engine that starts anew finds everything, and one that was replaced is
refused (`Fenced`) by everything.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import py_compile
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Fenced, InstanceState

from sophia_infrastructure.codes import DISK_FULL, LAUNCHER_BUSY, LAUNCHER_FAILED, NOT_STOPPED
from sophia_infrastructure.copies import Copies
from sophia_infrastructure.launcher.resource import Resource, grace_seconds, main_process
from sophia_infrastructure.places import Places

START = """\
import sys

sys.path.insert(0, __file__.rpartition("/")[0])  # isolated Python does not look beside its script

from launcher.program import main

main(*sys.argv[1:])
"""
HELPER_SECONDS = 60.0
"""Beyond the waits that the helper itself bounds: for a machine that is short of everything."""
CANCELLED_SECONDS = 15.0
"""Who is cancelled waits so long for what cannot be interrupted, so that it is over when it says so."""
LOG_BYTES = 50_000_000
TOLD_BY_LAUNCHERS = ("running", "waiting", "stopping")


@dataclass(frozen=True)
class Program:
    """What a launcher runs. `env` is complete but for `secrets`, which reach it by standard input only.

    `argv[0]` without a slash is looked up on `env`'s PATH, with one it is relative to `cwd`. Standard output and error
    are appended to `log`, which together with its older parts (`.1` to `.3`) stays below `log_bytes`.
    `stop_signal` goes to the program first, then to what it leaves behind; after `grace_ms` all of it is killed.
    `resources` are `memory_bytes` and `cpu_millicores`. `about` is kept with it, for who looks later; a copy that it is
    started from is named there as `program`, because between two starts nothing else names it.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop_signal: str = "SIGTERM"
    grace_ms: int = 10_000
    resources: Mapping[str, int] = field(default_factory=dict)
    about: Mapping[str, str | int | None] = field(default_factory=dict)
    log_bytes: int = LOG_BYTES
    gathers: bool = True
    """What it starts is part of it and ends with it. Not so for the engine, whose launchers outlive it."""

    def to_data(self) -> dict[str, Any]:
        return {**asdict(self), "cwd": str(self.cwd), "log": str(self.log)}


@dataclass(frozen=True)
class Kept:
    """A resource as it is now. `started_ms` is wall time, `restarts` since the launcher began.

    `exit` is the last exit status, negative for a signal. `limits` says how the declared limits are enforced:
    `cgroup`, `rlimit` or `none`, by resource where that differs, empty if none are declared.
    """

    resource: str
    state: InstanceState
    pid: int | None = None
    launcher_pid: int | None = None
    started_ms: int | None = None
    restarts: int = 0
    exit: int | None = None
    limits: str = ""
    about: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Write:
    """The file has this content, by one atomic rename; durable. Its directory is made if it is missing."""

    path: Path
    text: str = field(repr=False)
    mode: int = 0o600
    do: Literal["write"] = "write"


@dataclass(frozen=True)
class Rename:
    """One atomic, durable rename, which needs no space. Done already (nothing at `path`, something at `to`) is fine."""

    path: Path
    to: Path
    do: Literal["rename"] = "rename"


@dataclass(frozen=True)
class Remove:
    """Remove a file, a link or a whole directory. Nothing there is fine."""

    path: Path
    do: Literal["remove"] = "remove"


Effect = Write | Rename | Remove


class Launchers:
    """The launchers of one state directory.

    A resource is named by words joined with `/` (`instance/local/3f2a9c-0`, `routes/local`).
    Every verb with an effect raises `Fenced` if a newer epoch was seen anywhere in this state directory, and does
    nothing then. It raises `SophiaError` for what this machine refuses. Cancelling the caller does not undo what was
    begun: ask again.
    """

    def __init__(self, places: Places) -> None:
        self._run = places.run
        self.copies = Copies(places.code)
        self._sources = _sources()
        self._digest = _digest(self._sources)
        self._waiting: dict[str, subprocess.Popen[bytes]] = {}
        weakref.finalize(self, _dismiss, self._waiting)

    # --- effects ----------------------------------------------------------------------------------------------------

    async def keep(self, resource: str, program: Program, *, epoch: int) -> Kept:
        """Returns once a launcher holds the resource and has started the program. Kept already: as it is.

        One that is being stopped is waited for, then started anew. An orphan is returned as it is. A program that
        cannot be started is `waiting`, with exit status 127; its log says why.
        """
        document = {"epoch": epoch, "program": program.to_data()}
        record = await self._ask("keep", resource, document, seconds=self._grace(resource) + HELPER_SECONDS)
        kept = _kept(resource, str(record.get("standing")), record)
        if kept.state == "gone":
            raise SophiaError(
                LAUNCHER_FAILED,
                f"the launcher of `{resource}` ended before it had started anything",
                hint=f"see the end of `{program.log}`",
            )
        return kept

    async def end(self, resource: str, *, epoch: int) -> int | None:
        """Stop signal, grace, SIGKILL to all that is left, an orphan too. Returns once nothing of it is left.

        The exit status, negative for a signal; None if nothing ran, its launcher cannot say, or it was kept anew
        meanwhile. What was known of the resource is forgotten; its log stays. Ending it again does nothing.
        """
        seconds = 2 * self._grace(resource) + HELPER_SECONDS
        answer = await self._ask("end", resource, {"epoch": epoch}, seconds=seconds)
        exit = answer["exit"]
        return None if exit is None else int(exit)

    async def once(self, resource: str, effects: Sequence[Effect], *, epoch: int) -> None:
        """Do these effects in order, as one change of the resource. Without effects: later calls of older epochs are
        refused, and those that were under way are over."""
        listed = [{**asdict(effect), "path": str(effect.path)} for effect in effects]
        for data in listed:
            if "to" in data:
                data["to"] = str(data["to"])
        document = {"epoch": epoch, "effects": listed}
        waiting = self._waiting.pop(resource, None)
        said, trouble = await asyncio.to_thread(_tell, waiting, document) if waiting else (b"", b"")
        if said:
            _answer("once", resource, said, trouble)
        else:  # there was none, or it died as it waited; done twice, these effects are done once
            await self._ask("once", resource, document)

    async def ready(self, resource: str) -> None:
        """Have a helper wait for the next `once` of this resource, which then does not wait for a Python to start.

        It compares epochs when it acts, not now. It ends with us, having done nothing.
        """
        waiting = self._waiting.get(resource)
        if waiting is None or waiting.poll() is not None:
            self._waiting[resource] = await asyncio.to_thread(self._start_waiting, resource)

    async def prepare(
        self, resource: str, *, source: Path, target: Path, marker: Path, program: Program | None, epoch: int, ms: int
    ) -> int | None:
        """Copy the tree `source` to `target`, run `program` there, then make the file `marker`; wipes what has none.

        The exit status of the program, or None if it was killed because it took longer than `ms`. Does nothing if the
        marker is there. When the caller is cancelled or dies, all that runs is killed.
        """
        document = {
            "epoch": epoch,
            "source": str(source),
            "target": str(target),
            "marker": str(marker),
            "program": program.to_data() if program else None,
            "seconds": ms / 1000,
        }
        answer = await self._ask("prepare", resource, document, seconds=ms / 1000 + HELPER_SECONDS)
        exit = answer["exit"]
        return None if exit is None else int(exit)

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, resource: str) -> Kept:
        """The resource as it is now, from its locks and its launcher's record; `gone` also if it never was."""
        return _kept(resource, *Resource(str(self._run), resource).look())

    def list(self, prefix: str) -> list[Kept]:
        """All that is kept under names that begin with `prefix`, by name; `gone` is what ended without being ended."""
        try:
            names = os.listdir(self._run)
        except FileNotFoundError:
            return []
        known, locked = (
            {unquote(name.removesuffix(suffix)) for name in names if name.endswith(suffix) and not name.startswith(".")}
            for suffix in (".json", ".lock")
        )
        found = [self.look(each) for each in sorted(known | locked) if each.startswith(prefix)]
        return [kept for kept in found if kept.resource in known or kept.state != "gone"]

    @property
    def code(self) -> Path:
        """A copy of our standard-library programs that no change of the checkout reaches; made if it is not there.

        `python -I -S CODE/launcher.py` is the launcher, `python -I -S CODE/static_server.py` the server of files.
        """
        try:
            return self.copies.hold(self._digest, self._write_code)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise _failed("the launcher's program cannot be stored", error.errno, why) from error

    def _write_code(self, fresh: Path, final: Path) -> None:
        for name, source in self._sources.items():
            _compile(fresh / name, source, final / name)

    def prune_code(self) -> Sequence[str]:
        """Remove the copies of programs that nothing uses any more, but not those used last; their names."""
        kept = [str(each.about.get("program")) for each in self.list("") if each.state != "gone"]
        return self.copies.prune(kept)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _grace(self, resource: str) -> float:
        """How long the program that is there now may take to stop."""
        return grace_seconds(Resource(str(self._run), resource).record())

    async def _ask(
        self, operation: str, resource: str, document: Mapping[str, Any], *, seconds: float = HELPER_SECONDS
    ) -> dict[str, Any]:
        """Run the helper. Its standard input stays open: closing it, as our death would, calls a preparation off."""
        command = [*await asyncio.to_thread(self._command), operation, str(self._run), resource]
        helper = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )
        assert helper.stdin and helper.stdout and helper.stderr
        try:
            helper.stdin.write(json.dumps(document).encode() + b"\n")
            async with asyncio.timeout(seconds):
                said, trouble = await asyncio.gather(helper.stdout.read(), helper.stderr.read())
                await helper.wait()
        except asyncio.CancelledError:
            helper.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(helper.wait(), CANCELLED_SECONDS)
            raise
        except TimeoutError as error:
            helper.kill()
            raise SophiaError(
                LAUNCHER_BUSY,
                f"`{resource}`: {operation} took longer than {seconds:.0f} s",
                hint="is the machine out of memory, or its disk not answering?",
            ) from error
        finally:
            helper.stdin.close()
        return _answer(operation, resource, said, trouble)

    def _start_waiting(self, resource: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command(), "once", str(self._run), resource],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )

    def _command(self) -> Sequence[str]:
        return [sys.executable, "-I", "-S", "-X", "utf8", str(self.code / "launcher.py")]


def _environment() -> dict[str, str]:
    """What a helper's Python may need to start; it takes nothing else from the engine."""
    return {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}


def _tell(helper: subprocess.Popen[bytes], document: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """What a helper that waited said and complained of; it said nothing if it had died, or took too long."""
    try:
        return helper.communicate(json.dumps(document).encode() + b"\n", timeout=HELPER_SECONDS)
    except subprocess.TimeoutExpired:
        helper.kill()
        helper.communicate()
        return b"", b""


def _dismiss(helpers: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for helper in helpers.values():
        assert helper.stdin
        helper.stdin.close()


def _sources() -> dict[str, bytes]:
    """Path in the copy -> source."""
    here = resources.files("sophia_infrastructure")
    modules = sorted(each.name for each in (here / "launcher").iterdir() if each.name.endswith(".py"))
    copied = [f"launcher/{name}" for name in modules]
    return {"launcher.py": START.encode()} | {
        name: (here / name).read_bytes() for name in [*copied, "static_server.py"]
    }


def _digest(sources: Mapping[str, bytes]) -> str:
    """Names the copy: by what is in it, and by the Python that it was compiled for."""
    parts = [sys.version.encode(), *(part for name, source in sources.items() for part in (name.encode(), source))]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()[:16]


def _compile(path: Path, source: bytes, final: Path) -> None:
    """The source, and in its cache what Python runs without looking at it. Tracebacks name the final place."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(source)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(path), dfile=str(final), doraise=True, invalidation_mode=unchecked)


def _answer(operation: str, resource: str, said: bytes, trouble: bytes) -> dict[str, Any]:
    """What the helper did, or an exception for why it did nothing."""
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        last = trouble.decode(errors="replace").strip().rpartition("\n")[2] or "it was killed"
        raise SophiaError(LAUNCHER_FAILED, f"`{resource}`: {operation} failed: {last}", hint="try again") from error
    if "fenced" in answer:
        raise Fenced(f"epoch {answer['fenced']} was seen")
    if "busy" in answer:
        raise SophiaError(LAUNCHER_BUSY, answer["busy"], hint="try again; `ps` shows it by the resource's name")
    if "stuck" in answer:
        raise SophiaError(NOT_STOPPED, answer["stuck"], hint="the kernel's log may say what it waits for")
    if "failed" in answer:
        raise _failed(f"`{resource}`: {operation} failed", answer.get("errno"), answer["failed"])
    done: dict[str, Any] = answer["ok"]
    return done


def _failed(what: str, number: int | None, why: str) -> SophiaError:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return SophiaError(DISK_FULL, f"{what}: {why}", hint="free some space on its file system")
    return SophiaError(LAUNCHER_FAILED, f"{what}: {why}", hint="look at the limits and permissions of this machine")


def _kept(resource: str, standing: str, record: Mapping[str, Any]) -> Kept:
    """One word for what locks and record say together; a damaged record costs what it would have said, no more."""
    state: InstanceState = "gone" if standing == "gone" else "orphaned"
    pid = main_process(dict(record))
    if standing == "kept":
        told = record.get("state")
        state = cast(InstanceState, told) if told in TOLD_BY_LAUNCHERS else "starting"
    return Kept(
        resource=resource,
        state=state,
        pid=pid[0] if pid else None,
        launcher_pid=record.get("launcher_pid") if standing == "kept" else None,
        started_ms=record.get("started_ms"),
        restarts=record.get("restarts", 0),
        exit=record.get("exit"),
        limits=record.get("limits", ""),
        about=record.get("about", {}),
    )

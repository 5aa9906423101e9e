"""Instances as processes on this machine: the `Runtime` port on launchers.

prepared/<digest>-<platform>/             a bundle's copy that nothing had to be done to
prepared/<digest>-<platform>-<command>/   one made ready by a command, where it stays (virtual environments hold paths)
prepared/….ready                          written last: without it the tree beside it is half a preparation, or none
logs/prepare-<digest>.log                 what the newest preparation of the bundle said
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import re
import socket
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Instance, InstanceSpec, Surroundings

from sophia_infrastructure.codes import NOT_PREPARED, PREPARE_FAILED
from sophia_infrastructure.launchers import Effect, Kept, Launchers, Program, Remove
from sophia_infrastructure.places import Places

PREPARE_MS = 30 * 60_000
TAIL_LINES = 20
SHOWN = 60
"""Of a command in a message: a whole script may stand in its words."""
TAIL_BYTES = 64 * 1024
OLD_LOGS_BYTES = 256 << 20
"""A failed release is looked into after it is gone."""
PLATFORM = f"{platform.machine()}-{sys.implementation.cache_tag}"

_PASSED_ON = re.compile(
    r"HOME|TMPDIR|USER|LOGNAME|LANG|LC_\w+|XDG_CACHE_HOME|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    r"|(https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY|(PIP|UV|NPM_CONFIG|npm_config|CARGO|GOPROXY|GOFLAGS)(_\w+)?"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOG = re.compile(r"(.+-[0-9a-f]{12}-[0-9]+\.log)(?:\.[0-9])?")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*[mK]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]")


class LocalRuntime:
    """The `Runtime` port on this machine."""

    def __init__(self, places: Places, launchers: Launchers) -> None:
        self._places = places
        self._launchers = launchers
        self._preparing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # --- bundles ----------------------------------------------------------------------------------------------------

    async def prepare(self, digest: str, *, prepare: Sequence[str] | None, epoch: int) -> None:
        """Make a bundle ready to run, once per digest, command and platform; half a preparation is none.

        The command finds what belongs to Sophia's own Python (`python3`, `uv`) first on its PATH, and your caches,
        proxies and package indexes; nothing else of your environment. Cancelled, it and all it started are killed.
        Raises `SophiaError` with its last lines if it fails.
        """
        log = self.prepare_log(digest)
        tree = self._tree(digest, prepare)
        program = Program(tuple(prepare), tree, preparing_environment(os.environ), log) if prepare else None
        async with self._preparing[digest]:
            exit = await self._launchers.prepare(
                _preparation(digest),
                source=self._places.artifacts / digest,
                target=tree,
                marker=_marker(tree),
                program=program,
                epoch=epoch,
                ms=PREPARE_MS,
            )
        if exit != 0:
            raise self._unprepared(digest, prepare or (), exit)

    def prepare_log(self, digest: str) -> Path:
        """What the last preparation of this bundle said. Beside the directories of environments, which have no dot."""
        return self._places.state / "logs" / f"prepare-{digest[:12]}.log"

    async def prune(self, keep: Collection[str], *, epoch: int) -> Sequence[str]:
        """Remove what was prepared of bundles that are not in `keep`; their digests. Never what an instance uses.

        Of instances that are gone, the oldest logs go too, beyond `OLD_LOGS_BYTES` in an environment; and copies of
        programs that nothing runs from.
        """
        kept = await asyncio.to_thread(self._launchers.list, "instance/")
        old = await asyncio.to_thread(self._old_logs, {self._log_of(each) for each in kept if each.state != "gone"})
        await self._launchers.once("logs", [Remove(path) for path in old], epoch=epoch)
        await asyncio.to_thread(self._launchers.prune_code)
        used = {each.about.get("artifact") for each in kept if each.state != "gone"}
        removed = []
        for digest in await asyncio.to_thread(self._prepared):
            if digest not in keep and digest not in used:
                async with self._preparing[digest]:
                    await self._launchers.once(_preparation(digest), self._discard(digest), epoch=epoch)
                removed.append(digest)
        return removed

    def _log_of(self, kept: Kept) -> Path:
        one = _instance(kept)
        return self.log_path(one.environment, one.service, one.workload, one.number)

    def _old_logs(self, used: Collection[Path]) -> list[Path]:
        """All but the newest, of each environment so many bytes."""
        total: Counter[Path] = Counter()
        oldest = []
        logs = [path for path in self._places.state.glob("logs/*/*.log*") if _LOG.fullmatch(path.name)]
        old = [path for path in logs if path.with_name(_LOG.sub(r"\1", path.name)) not in used]
        for path, found in sorted(((each, each.stat()) for each in old), key=lambda each: -each[1].st_mtime_ns):
            total[path.parent] += found.st_size
            if total[path.parent] > OLD_LOGS_BYTES:
                oldest.append(path)
        return oldest

    def _tree(self, digest: str, prepare: Sequence[str] | None) -> Path:
        """Another command makes another tree of the same bundle."""
        command = f"-{hashlib.sha256(json.dumps(list(prepare)).encode()).hexdigest()[:12]}" if prepare else ""
        return self._places.prepared / f"{digest}-{PLATFORM}{command}"

    def _prepared(self) -> list[str]:
        try:
            found = {name[:64] for name in os.listdir(self._places.prepared)}
        except FileNotFoundError:
            return []
        return sorted(name for name in found if _DIGEST.fullmatch(name))

    def _discard(self, digest: str) -> list[Effect]:
        """Of every platform; the markers first, so that what is half removed is not taken for prepared."""
        found = sorted(self._places.prepared.glob(f"{digest}-*"), key=lambda path: path.suffix != ".ready")
        return [Remove(path) for path in (*found, self.prepare_log(digest))]

    def _unprepared(self, digest: str, prepare: Sequence[str], exit: int | None) -> SophiaError:
        log = self.prepare_log(digest)
        lines = tail(log)
        said = "it took too long" if exit is None else f"it ended with {exit}"
        last = f', last line: "{lines[-1]}"' if lines else ""
        line = " ".join(" ".join(prepare).split())
        command = line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
        return SophiaError(
            PREPARE_FAILED,
            f"`{command}` did not make bundle `{digest[:12]}` ready: {said}{last}",
            hint=f"all it said is in `{log}`",
            facts={"digest": digest, "exit": exit, "log": lines, "log_path": str(log)},
        )

    # --- instances --------------------------------------------------------------------------------------------------

    async def start(self, spec: InstanceSpec, *, epoch: int) -> Instance:
        """Return once its launcher holds the instance's lock and spawned it. Running already: as it is."""
        resource = _resource(spec.environment, spec.workload, spec.number)
        tree = self._tree(spec.artifact, spec.prepare)
        if self._launchers.look(resource).state == "gone" and not _marker(tree).exists():
            raise SophiaError(
                NOT_PREPARED,
                f"`{spec.service}`: bundle `{spec.artifact[:12]}` is not prepared on this machine",
                hint="`sophia up` prepares what is missing",
                facts={"digest": spec.artifact},
            )
        data = Path(spec.env.get("DATA_DIR") or self.data_path(spec.environment, spec.service))
        program = await asyncio.to_thread(self._program, spec, tree, data)
        return _instance(await self._launchers.keep(resource, program, epoch=epoch))

    async def stop(self, environment: str, workload: str, number: int, *, epoch: int) -> int | None:
        """Stop signal, grace, SIGKILL on all that is left of it; the exit status once nothing is."""
        return await self._launchers.end(_resource(environment, workload, number), epoch=epoch)

    async def observe(self, environment: str) -> Sequence[Instance]:
        """Every instance that was started and not stopped. `gone`: it ended with its launcher, nobody restarts it."""
        kept = await asyncio.to_thread(self._launchers.list, f"instance/{environment}/")
        return [_instance(each) for each in kept]

    def surroundings(
        self, environment: str, service: str, artifact: str, *, prepare: Sequence[str] | None
    ) -> Surroundings:
        """Where instances of a service run; it is there while one does."""
        home = self.data_path(environment, service)
        return Surroundings(self._tree(artifact, prepare), instance_environment(os.environ, home=home))

    def is_free(self, port: int) -> bool:
        """Whether we could listen on 127.0.0.1:`port` now, which nobody can while another listens there."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    def first_port(self) -> int:
        return 20_000 + zlib.crc32(os.fsencode(self._places.state)) % 10_000

    def _program(self, spec: InstanceSpec, tree: Path, data: Path) -> Program:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Program(
            argv=spec.argv if spec.argv is not None else self._file_server(spec.static or {}),
            cwd=tree,
            env=instance_environment(os.environ, home=data) | dict(spec.env),
            secrets=dict(spec.secrets),
            log=self.log_path(spec.environment, spec.service, spec.workload, spec.number),
            stop_signal=spec.stop_signal,
            grace_ms=spec.grace_ms,
            resources=dict(spec.resources),
            about={
                "environment": spec.environment,
                "service": spec.service,
                "workload": spec.workload,
                "number": spec.number,
                "artifact": spec.artifact,
                "port": spec.port,
            },
        )

    def _file_server(self, static: Mapping[str, object]) -> tuple[str, ...]:
        script = self._launchers.code / "static_server.py"
        return (sys.executable, "-I", "-S", "-X", "utf8", str(script), json.dumps(dict(static), sort_keys=True))

    # --- what they leave --------------------------------------------------------------------------------------------

    def data_path(self, environment: str, service: str) -> Path:
        return self._places.data(environment, service)

    def log_path(self, environment: str, service: str, workload: str, number: int) -> Path:
        return self._places.logs(environment) / f"{service}-{workload[:12]}-{number}.log"

    def log_tail(self, environment: str, service: str, workload: str, number: int) -> Sequence[str]:
        return tail(self.log_path(environment, service, workload, number))


def instance_environment(ours: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """What every instance starts from. Output is not buffered, so that the last line before an end is in the log."""
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": _path(ours),
        "PYTHONUNBUFFERED": "1",
    }


def preparing_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What a preparation may know of our environment: where caches and indexes are, and how to get there."""
    passed_on = {name: value for name, value in ours.items() if _PASSED_ON.fullmatch(name)}
    return {"LANG": "C.UTF-8", **passed_on, "PATH": _path(ours)}


def _path(ours: Mapping[str, str]) -> str:
    """Sophia's own Python and its tools first: a bundle's `python3` is the one that its wheels were built for."""
    return os.pathsep.join([str(Path(sys.executable).parent), ours.get("PATH") or os.defpath])


def tail(log: Path) -> list[str]:
    """The last lines of a log and of its last older part, colours dropped and control codes made visible."""
    text = b""
    for part in (log, log.with_name(log.name + ".1")):
        if text.count(b"\n") < TAIL_LINES:
            text = _end_of(part) + text
    lines = text.decode(errors="replace").rstrip("\n").split("\n")[-TAIL_LINES:]
    return [_harmless(line) for line in lines] if text else []


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(-min(TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
            return file.read()
    except OSError:
        return b""


def _harmless(line: str) -> str:
    line = _COLOUR.sub("", line.rstrip("\r")).replace("\t", "    ")
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], line)


def _marker(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.ready")


def _preparation(digest: str) -> str:
    """The resource of a bundle's preparations: one after the other, and what a dead one left is ended."""
    return f"prepared/{digest}-{PLATFORM}"


def _resource(environment: str, workload: str, number: int) -> str:
    return f"instance/{environment}/{workload}-{number}"


def _instance(kept: Kept) -> Instance:
    """A record that was damaged has lost what it was about; the name of the resource still says the rest."""
    _, environment, name = kept.resource.split("/", 2)
    workload, _, number = name.rpartition("-")
    return Instance(
        environment=environment,
        service=str(kept.about.get("service", "")),
        workload=workload,
        number=int(number),
        state=kept.state,
        port=cast("int | None", kept.about.get("port")),
        pid=kept.pid,
        launcher_pid=kept.launcher_pid,
        started_ms=kept.started_ms,
        restarts=kept.restarts,
        exit=kept.exit,
        limits=kept.limits,
    )

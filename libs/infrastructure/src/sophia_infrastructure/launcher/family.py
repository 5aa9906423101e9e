"""A program and everything it starts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time

from .limits import Limits
from .locks import until
from .processes import libc, pids, stat
from .resource import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .logs import Log
    from .resource import Resource

KILL_SECONDS = 10.0
"""How long who was killed may take to be gone."""
INHERITED_FD = 64
"""Lowest number under which a program finds the lock it inherits: out of the way of those that count descriptors."""
PR_SET_CHILD_SUBREAPER = 36
EXEC_FAILED = 127


class Family:
    """A program and everything it starts: what loses its parent becomes our child, so that nobody gets away.

    Of one that does not gather (the engine: what it starts must outlive it) only the program itself.
    """

    def __init__(self, program: dict[str, Any], resource: Resource, held: int) -> None:
        self._program, self._held = program, held
        self._env = {**program["env"], **program["secrets"], "SOPHIA_KEPT": resource.mark}
        self._limits = Limits(program["resources"], f"sophia-{file_name(resource.name)}-{os.getpid()}")
        self.pid: int | None = None
        self.start: int | None = None
        self.exit: int | None = None
        """the program's last exit status; negative: the signal that killed it"""
        self.limits = ""
        if program["gathers"]:
            libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def spawn(self, log: Log) -> None:
        """Start the program. One that cannot be started ends with 127, if it is a process at all; the log says why."""
        output = log.open()
        try:
            self._fork(output, log)
        except OSError as error:  # the machine has no more processes or files to give
            log.say(f"cannot start a process: {error.strerror}")
            self.exit, self.pid, self.start = EXEC_FAILED, None, None

    def _fork(self, output: int, log: Log) -> None:
        hear, say = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(hear)
            os.close(say)
            raise
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
        self.pid, self.start = pid, int((stat(pid) or [b"0"] * 20)[19])

    def _become(self, output: int, say: int) -> None:
        os.setsid()
        os.chdir(self._program["cwd"])
        os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        fcntl.fcntl(self._held, fcntl.F_DUPFD, INHERITED_FD)  # not closed by exec
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
                self._kill_group()
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
            if (fields := stat(pid)) and int(fields[1]) == os.getpid():
                with contextlib.suppress(OSError):  # of another user
                    os.kill(pid, number)

    def kill(self) -> bool:
        """Kill the program and all it has started, generation by generation; whether nobody is left."""
        self._kill_group()

        def done() -> bool:
            self.reap(kill_group=True)
            if self.empty():
                return True
            self.tell(signal.SIGKILL)
            return False

        return until(done, seconds=KILL_SECONDS)

    def _kill_group(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def stop(self, number: int, grace: float) -> None:
        """Ask the program, then those it leaves behind, then kill. Returns when nobody is left, or immortal."""
        give_up = time.monotonic() + grace
        rest_asked = self.pid is None
        if self.pid:
            with contextlib.suppress(OSError):
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

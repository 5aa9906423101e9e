"""Where everything of one state directory lies: one value that all adapters share. Makes nothing by itself but sockets.

.sophia/  format · state.db · secrets · artifacts/ · prepared/ · data/ · envoy/ · run/ · logs/ · reports/ · code/
TMPDIR/sophia-UID-HASH/   sockets, because their paths may have 107 bytes only; `.sophia/run/sockets` says where,
                          so that a shell with another TMPDIR finds them too
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sophia_deployment_core.errors import SophiaError

from sophia_infrastructure.codes import STATE_UNWRITABLE


@dataclass(frozen=True)
class Places:
    """`state` is absolute and real (no symbolic links), so that every process names it alike."""

    state: Path

    @classmethod
    def of(cls, directory: Path) -> Places:
        """The places of a state directory, which need not exist."""
        return cls(Path(os.path.realpath(directory)))

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def prepared(self) -> Path:
        return self.state / "prepared"

    @property
    def run(self) -> Path:
        """Locks, and what launchers say of themselves."""
        return self.state / "run"

    @property
    def code(self) -> Path:
        return self.state / "code"

    @property
    def reports(self) -> Path:
        return self.state / "reports"

    @property
    def engine_log(self) -> Path:
        return self.state / "logs" / "engine.log"

    @property
    def build_lock(self) -> Path:
        """Held by the one build that works in this checkout."""
        return self.state / "build.lock"

    def build_log(self, name: str) -> Path:
        """What the last build of a service printed; beside the directories of environments, whose names have no dot."""
        return self.state / "logs" / f"build-{name}.log"

    def data(self, environment: str, service: str) -> Path:
        """A service's own directory (`$DATA_DIR`), shared by its old and new versions."""
        return self.state / "data" / environment / service

    def envoy(self, environment: str) -> Path:
        return self.state / "envoy" / environment

    def logs(self, environment: str) -> Path:
        return self.state / "logs" / environment

    @property
    def engine_socket(self) -> Path:
        return self._sockets / "engine.sock"

    def admin_socket(self, environment: str) -> Path:
        """Envoy's admin interface; short, whatever the environment is called."""
        return self._sockets / f"{hashlib.sha256(environment.encode()).hexdigest()[:12]}.admin"

    @property
    def _sockets(self) -> Path:
        """Where the note says, if it was written for this directory: in a copied one it leads to the original's."""
        name = f"sophia-{os.getuid()}-{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]}"
        try:
            noted = Path((self.run / "sockets").read_text())
        except OSError:
            noted = Path()
        return noted if noted.name == name else Path(tempfile.gettempdir()) / name

    def make_sockets(self) -> None:
        """The directory of the sockets, ours alone. Raises `SophiaError` if somebody else got there first."""
        directory = self._sockets
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
        except OSError:  # what was noted is gone with its file system: choose again
            (self.run / "sockets").unlink(missing_ok=True)
            directory = self._sockets
            directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise SophiaError(
                STATE_UNWRITABLE,
                f"`{directory}` is not a directory that only you can enter",
                hint="remove it, or set TMPDIR to a directory of your own",
            )
        self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.run / "sockets").write_text(str(directory))

    def leave_sockets(self) -> None:
        """Remove the engine's socket, and their directory unless an edge still has one there. For its owner."""
        with contextlib.suppress(OSError):
            self.engine_socket.unlink(missing_ok=True)
            self._sockets.rmdir()

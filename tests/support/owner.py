"""The owner of a repository at a shell: calls `sophia` in it, reads what it prints, and looks at what answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

SOPHIA = Path(sys.prefix) / "bin" / "sophia"
LIMIT_SECONDS = 180


@dataclass(frozen=True)
class Said:
    """One call: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Owner:
    """`root` is the repository. Nothing of the caller's environment reaches `sophia` but PATH, HOME and caches."""

    root: Path
    program: Path = SOPHIA

    def call(self, *words: str, stdin: str = "", **environment: str) -> Said:
        done = subprocess.run(
            [str(self.program), *words],
            cwd=self.root,
            env=_environment() | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def does(self, *words: str, code: int = 0, **more: str) -> Said:
        """The same, and it has to end with `code`."""
        said = self.call(*words, **more)
        assert said.code == code, f"`sophia {' '.join(words)}`: {said}"
        return said

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A call that goes on beside the test; whoever starts it waits for it."""
        pipe = subprocess.PIPE
        command = [str(self.program), *words]
        return subprocess.Popen(command, cwd=self.root, env=_environment(), stdout=pipe, stderr=pipe, text=True)

    def environment(self, name: str = "local") -> dict[str, Any]:
        """One environment of `sophia status`."""
        found = self.does("status", "-o", "json").json["environments"]
        environment: dict[str, Any] = next(each for each in found if each["name"] == name)
        return environment

    def live(self, name: str = "local") -> str:
        return str(self.environment(name)["live"]["release"])

    def get(self, url: str) -> tuple[int, dict[str, str], str]:
        """Status, headers in lower case, body."""
        with urlopen(url, timeout=10) as answer:
            headers = {key.lower(): value for key, value in answer.headers.items()}
            return answer.status, headers, answer.read().decode()

    @property
    def state(self) -> Path:
        return self.root / ".sophia"

    def journal(self) -> list[dict[str, Any]]:
        """Every entry of the ledger, bodies parsed."""
        lines = self.does("audit", "export").out.splitlines()
        entries = [json.loads(line) for line in lines]
        return [{**entry, "body": json.loads(entry["text"])} for entry in entries if "seq" in entry]

    def end(self) -> None:
        """Whatever happened, nothing of it goes on running."""
        self.call("down", "--delete-data", "--yes")


def _environment() -> dict[str, str]:
    kept = ("HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE")
    passed = {name: os.environ[name] for name in kept if name in os.environ}
    ours = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "npm_config_"))}
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**passed, **ours, "PATH": path, "NO_COLOR": "1"}


def until(what: Callable[[], Any], *, seconds: float = 30) -> Any:
    """What `what` returns once it is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come within {seconds:g} s")
        time.sleep(0.05)
    return found

"""The load in a process of its own, so that it does not share an interpreter with the test that waits for it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.load.result import Answers, Mix, Result

ROOT = Path(__file__).parents[3]


class LoadProcess:
    """Load from `with` (every client was answered once) to its end; then `result`, and `answers` if it had a path."""

    def __init__(
        self,
        url: str,
        mix: Mix | None = None,
        *,
        http2_url: str = "",
        seconds: float = 600,
        count: int = 5_000_000,
        answers_path: Path | None = None,
    ) -> None:
        self._mix = mix or Mix()
        self._answers_path = answers_path
        self._result: Result | None = None
        self._command = [
            *(sys.executable, "-m", "tests.support.load", url, "--with-parent", "--mix", self._mix.render()),
            *("--seconds", str(seconds), "--count", str(count)),
            *(["--http2-url", http2_url] if http2_url else []),
            *(["--answers", str(answers_path)] if answers_path else []),
        ]

    @property
    def result(self) -> Result:
        """Of a load that was stopped."""
        assert self._result is not None, "the load is still running: stop it first"
        return self._result

    @property
    def answers(self) -> Answers:
        assert self._answers_path is not None, "no `answers_path` was given"
        return Answers.read(self._answers_path)

    def start(self) -> None:
        """Returns when requests flow; raises TimeoutError when not every client had an answer, good or bad, in time."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self._mix.timeout_seconds + 10)
        if not ready or self._process.stdout.readline().strip() != b"flowing":
            self._process.kill()
            self._process.wait()
            raise TimeoutError("the load did not start to flow")

    def stop(self) -> Result:
        """Let it finish what is under way; what it found."""
        if self._result is None:
            output, _ = self._process.communicate(timeout=self._mix.timeout_seconds + 60)
            self._result = Result.from_json(output.decode().strip().splitlines()[-1])
        return self._result

    def wait(self, seconds: float) -> Result:
        """What it found once it ended by itself, at its `seconds` or `count`."""
        until = time.monotonic() + seconds
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError(f"the load did not end within {seconds:g} s")
        return self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except BaseException:
            self._process.kill()
            self._process.wait()
            if kind is None:
                raise

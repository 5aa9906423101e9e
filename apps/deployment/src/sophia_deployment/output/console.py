"""The two streams: stdout carries data, stderr talk. Colours and the live view are for terminals only."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import IO, Any

from sophia_deployment_core.errors import SophiaError

from sophia_deployment.output.text import paint, plain

_COMMAND = "##["
"""What GitHub's runner takes for a command wherever it stands in a line."""


class Unread(Exception):
    """Whoever read stdout has seen enough."""


@dataclass
class Console:
    """`as_json`: stdout carries one JSON document. `quiet`: stderr carries errors only."""

    as_json: bool = False
    quiet: bool = False
    color_wanted: bool = True

    # --- stdout ------------------------------------------------------------------------------------------------------

    def data(self, *lines: str) -> None:
        """Text that was asked for. Raises `Unread`."""
        self._print(*(_no_command(line) for line in lines))

    def document(self, value: Any, *, indent: int | None = 2) -> None:
        """One JSON document; `indent` None: on one line. Raises `Unread`."""
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        self._print(text.replace(_COMMAND, _COMMAND.replace("[", "\\u005b")))

    def _print(self, *lines: str) -> None:
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise Unread from error

    def answer(self, value: Any, *lines: str) -> None:
        """The document where JSON is wanted, else the lines."""
        if self.as_json:
            self.document(value)
        else:
            self.data(*lines)

    # --- stderr ------------------------------------------------------------------------------------------------------

    def say(self, *lines: str) -> None:
        """Talk, left out by `-q`."""
        if not self.quiet:
            self.insist(*lines)

    def insist(self, *lines: str) -> None:
        """Talk that even `-q` does not leave out."""
        for line in lines:
            sys.stderr.write(f"{_no_command(line)}\n")
        sys.stderr.flush()

    def hint(self, text: str) -> None:
        self.say(f"{self.on_err('hint:', 'cyan')} {text}")

    def error(self, error: SophiaError) -> None:
        """`error:` with its code, then `hint:`; of a message of several lines the code comes first."""
        self.insist(*error_lines(error, color=self.color(sys.stderr)))

    # --- colours -----------------------------------------------------------------------------------------------------

    def color(self, stream: IO[str]) -> bool:
        if not self.color_wanted or os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"

    def on_out(self, text: str, style: str) -> str:
        return paint(text, style, color=self.color(sys.stdout))

    def on_err(self, text: str, style: str) -> str:
        return paint(text, style, color=self.color(sys.stderr))

    @property
    def live(self) -> bool:
        """Whether a live region makes sense: a terminal that a person looks at."""
        is_ci = bool(os.environ.get("CI"))
        return sys.stderr.isatty() and not is_ci and not self.quiet and os.environ.get("TERM", "") != "dumb"


def _no_command(line: str) -> str:
    return line.replace(_COMMAND, "## [")


def error_lines(error: SophiaError, *, color: bool) -> list[str]:
    """An error as it is shown. Its message may have lines of its own (`sophia.yaml` with all its problems)."""
    first, *more = error.message.split("\n")
    mark = paint("error:", "red", color=color)
    code = paint(f"[{error.code.name}]", "dim", color=color)
    if more:
        head = [f"{mark} {error.code.title} {code}", *(plain(line) for line in (first, *more))]
    else:
        head = [f"{mark} {plain(first)} {code}"]
    return [*head, f"{paint('hint:', 'cyan', color=color)} {plain(error.hint)}"] if error.hint else head

"""The commands of a build, seen from one thread; tests/integration/test_build.py interrupts whole builds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sophia_deployment.build.processes import LAST_LINES, Ended, Processes, last_lines

ENV = {"PATH": os.environ["PATH"]}


def test_what_commands_print_follows_each_other_in_the_log(tmp_path: Path) -> None:
    log, running = tmp_path / "log", Processes()
    assert running.run(["echo", "a b"], cwd=tmp_path, env=ENV, log=log) == 0
    assert running.run(["sh", "-c", "kill -9 $$"], cwd=tmp_path, env=ENV, log=log) == 128 + 9
    assert running.run([str(tmp_path)], cwd=tmp_path, env=ENV, log=log) == 126
    assert log.read_text().splitlines()[:3] == ["$ echo 'a b'", "a b", "$ sh -c 'kill -9 $$'"]


def test_standard_output_may_go_elsewhere(tmp_path: Path) -> None:
    said, script = tmp_path / "said", "echo data; echo talk >&2"
    assert Processes().run(["sh", "-c", script], cwd=tmp_path, env=ENV, log=tmp_path / "log", said=said) == 0
    assert said.read_text() == "data\n"
    assert (tmp_path / "log").read_text().splitlines()[-1] == "talk"


def test_nothing_is_started_after_the_end(tmp_path: Path) -> None:
    running = Processes()
    running.end()
    running.end()
    with pytest.raises(Ended):
        running.run(["touch", "made"], cwd=tmp_path, env=ENV, log=tmp_path / "log")
    assert not (tmp_path / "made").exists()


def test_the_last_lines_of_a_log_can_be_printed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000 + b"\n" + b"".join(b"%d\n" % number for number in range(50)))
    assert last_lines(log) == [str(number) for number in range(50 - LAST_LINES, 50)]
    log.write_bytes(b"\x1b[1;31mred\x1b[0m\r\n\n\x1b]0;title\x07caf\xe9\tx\x08\n")
    assert last_lines(log) == ["red", "caf\ufffd x"]
    assert last_lines(tmp_path / "gone") == []

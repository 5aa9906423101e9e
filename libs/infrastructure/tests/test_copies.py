"""Copies of programs: who uses one keeps it, and what nobody uses goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sophia_infrastructure.copies import LEFT_SECONDS, Copies


def fill(fresh: Path, final: Path) -> None:
    (fresh / "program.py").write_text(f"# {final.name}\nprint('ready', flush=True)\ninput()\n")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Five copies that were used one after the other, the last one first by name; nobody holds any."""
    for age, name in enumerate(["a", "b", "c", "d", "e"]):
        path = Copies(tmp_path).hold(name, fill)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return tmp_path


def names(code: Path) -> set[str]:
    return {path.name for path in code.iterdir()}


def test_of_what_nobody_uses_the_two_used_last_stay(code):
    assert sorted(Copies(code).prune([])) == ["c", "d", "e"]
    assert names(code) == {"a", "b"}
    assert Copies(code).prune([]) == []


def test_an_old_copy_that_is_used_again_is_a_new_one(code):
    Copies(code).hold("e", fill)
    Copies(code).prune([])
    assert names(code) == {"e", "a"}


def test_what_somebody_holds_stays_until_they_are_gone(code):
    holder = Copies(code)
    os.utime(holder.hold("d", fill), (1, 1))
    Copies(code).prune([])
    assert names(code) == {"a", "b", "d"}
    del holder
    assert Copies(code).prune([]) == ["d"]


def test_what_a_process_was_started_from_stays_as_long_as_it_runs(code):
    command = [sys.executable, "-I", "-S", str(code / "d" / "program.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            Copies(code).prune([])
            assert names(code) == {"a", "b", "d"}
        finally:
            process.kill()
    assert Copies(code).prune([]) == ["d"]


def test_what_is_named_as_used_stays(code):
    Copies(code).prune([f"{code}/e/envoy"])
    assert names(code) == {"a", "b", "e"}


def test_envoys_and_our_own_programs_are_counted_apart(code):
    for age, name in enumerate(["envoy-3", "envoy-2", "envoy-1"]):
        os.utime(Copies(code).hold(name, fill), (500_000 - age, 500_000 - age))
    Copies(code).prune([])
    assert names(code) == {"a", "b", "envoy-3", "envoy-2"}


def test_a_copy_that_was_removed_in_spite_of_its_holder_is_made_again(code):
    holder = Copies(code)
    path = holder.hold("a", fill)
    path.rename(code / "elsewhere")
    assert (holder.hold("a", fill) / "program.py").exists()


def test_what_the_dead_left_half_made_goes_and_what_is_being_made_stays(code):
    for name, seconds_ago in ((".new-old", LEFT_SECONDS + 60), (".new-now", 0)):
        (code / name).mkdir()
        past = (code / name).stat().st_mtime - seconds_ago
        os.utime(code / name, (past, past))
    Copies(code).prune([])
    assert names(code) == {"a", "b", ".new-now"}

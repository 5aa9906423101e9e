"""What bad input leaves behind: one clear error that says what to do, and everything as it was."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterator

from tests.support.launching import proc, processes_of
from tests.support.owner import Owner, Said, until

SETTLED_SECONDS = 20


def refused(said: Said, code: str, *, exit: int) -> str:
    """It ended with `exit` and one error that has `code` and says what to try; what it said."""
    errors = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert said.code == exit and said.out == "", said
    assert len(errors) == 1 and f"[{code}]" in errors[0], said
    assert re.search(r"^ *hint: \S", said.err, re.MULTILINE) and "Traceback" not in said.err, said
    assert not commands(said.err), said
    return said.err


def commands(text: str) -> list[str]:
    """What a terminal would obey instead of showing it, colours included."""
    return [each for each in text if each != "\n" and unicodedata.category(each) in ("Cc", "Cf")]


@contextlib.contextmanager
def unchanged(owner: Owner) -> Iterator[str]:
    """The live release, which is the same after it; no run is open, no process more or less, no bundle half stored."""
    before, processes, files = owner.environment(), lasting(owner), _files(owner)
    yield str(before["live"]["release"])
    after = owner.environment()
    assert after["live"] == before["live"] and after["state"] == "steady", after
    assert after["run"] is None and after["queued"] == [], after
    until(lambda: lasting(owner) == processes, seconds=SETTLED_SECONDS)
    assert _files(owner) - files == set(), "something was left behind"


def lasting(owner: Owner) -> set[int]:
    """What runs for the owner's state directory, without helpers that come, wait for a switch, and go."""
    return {pid for pid in processes_of(owner.state) if b"once" not in proc(pid, "cmdline").split(b"\0")}


def _files(owner: Owner) -> set[str]:
    """What lies in the state directory itself and beside its bundles. Whole bundles may stay, and logs do."""
    whole = re.compile(r"[0-9a-f]{64}(\.json)?")
    stored = (name for name in os.listdir(owner.state / "artifacts") if not whole.fullmatch(name))
    return {*os.listdir(owner.state), *stored}

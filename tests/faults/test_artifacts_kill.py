"""SIGKILL while a bundle is stored: it is whole or it is not there, and what was begun is cleared away by the next."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.places import Places

FILES = 150
KILLS = 10
STORE = """
import sys
from pathlib import Path
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.places import Places

tree = [(path.name, path) for path in Path(sys.argv[1]).iterdir()]
store = FileArtifacts(Places.of(Path(sys.argv[2])))
print("storing", flush=True)
print(store.store(tree), flush=True)
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number}").write_bytes(random.Random(number).randbytes(3000))
    return directory


def start(sources: Path, state: Path) -> subprocess.Popen[str]:
    """A store that has begun."""
    command = [sys.executable, "-c", STORE, str(sources), str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "storing\n"
    return process


def test_a_store_that_is_killed_leaves_nothing_that_counts(sources: Path, tmp_path: Path, pytestconfig) -> None:
    chance = random.Random(pytestconfig.option.seed)
    began = time.monotonic()
    digest = start(sources, tmp_path / "whole").communicate(timeout=60)[0].strip()
    usual_seconds = time.monotonic() - began
    store = FileArtifacts(Places.of(tmp_path / "state"))
    broken_off = 0
    for _ in range(KILLS):
        process = start(sources, tmp_path / "state")
        time.sleep(chance.random() ** 3 * usual_seconds)  # rather early: nobody knows how long this one takes
        process.kill()
        process.communicate(timeout=60)
        if store.has(digest):
            store.check(digest)
            store.remove(digest)
        else:
            broken_off += 1
    assert broken_off, "no kill came early enough to show anything"
    assert start(sources, tmp_path / "state").communicate(timeout=60)[0].strip() == digest
    store.check(digest)
    assert sorted(os.listdir(tmp_path / "state/artifacts")) == [digest, f"{digest}.json"]

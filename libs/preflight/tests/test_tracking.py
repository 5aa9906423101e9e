"""What git tracks is checked, whatever .gitignore says; the index is read, git is not run."""

from __future__ import annotations

import os
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sophia_preflight import command, engine
from sophia_preflight.command import Request
from sophia_preflight.repository import Repository
from sophia_preflight.tracking import tracked

SECRET = "API_" + "TOKEN=ghp" + "_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17\n"
IGNORED = ".env\nkeys/\n*.log\n"


def git(root: Path, *words: str) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, env=environment, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "keys/old").mkdir(parents=True)
    git(root, "init", "-q")
    (root / ".gitignore").write_text(IGNORED)
    for path in (".env", "keys/old/token.txt", "keys/mine.txt", "all.log"):
        (root / path).write_text(SECRET)
    git(root, "add", ".gitignore")
    git(root, "add", "-f", ".env", "keys/old/token.txt")
    return root


def test_a_secret_in_a_file_that_is_ignored_and_tracked_is_found(repository: Path) -> None:
    found = engine.check(repository, rules=("committed-secret",)).findings
    assert [each.place.path for each in found] == [".env", "keys/old/token.txt"]


def test_it_is_nothing_new_since_the_commit_that_has_it(repository: Path) -> None:
    git(repository, "commit", "-q", "-m", "one")
    request = Request(repository, since="HEAD", rules=("committed-secret",), use_cache=False)
    assert not command.report_of(request, date(2026, 1, 1)).findings


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_every_version_of_the_index_is_read(version: str, repository: Path) -> None:
    long = f"late/{'r' * 200}.txt"
    (repository / "late").mkdir()
    for path in (long, "later.txt"):
        (repository / path).write_text("x")
        git(repository, "add", "--intent-to-add", path)
    git(repository, "update-index", "--index-version", version)
    assert tracked(repository) == {".env", ".gitignore", "keys/old/token.txt", long, "later.txt"}
    assert tracked(repository / "keys") == {"old/token.txt"}


def test_a_working_tree_of_another_repository_and_longer_digests_are_read(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "-m", "one")
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"))
    assert ".env" in tracked(tmp_path / "other")
    longer = tmp_path / "longer"
    longer.mkdir()
    git(longer, "init", "-q", "--object-format=sha256")
    (longer / "a.txt").write_text("x")
    git(longer, "add", "a.txt")
    assert tracked(longer) == {"a.txt"}


@example(rest=bytes(62), version=4, count=1)
@given(rest=st.binary(max_size=200), version=st.sampled_from([2, 3, 4]), count=st.integers(0, 2**32 - 1))
def test_a_damaged_index_tracks_nothing_and_harms_nothing(
    rest: bytes, version: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("damaged")
    (root / ".git").mkdir()
    (root / ".git/index").write_bytes(b"DIRC" + version.to_bytes(4, "big") + count.to_bytes(4, "big") + rest)
    (root / "a.txt").write_text("x")
    tracked(root)
    assert list(Repository(root).entries) == ["a.txt"]

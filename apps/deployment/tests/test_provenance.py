from __future__ import annotations

from pathlib import Path

from sophia_deployment.provenance import Provenance, of

from tests.support.repository import commit, git, make_repository


def test_a_commit_is_told_with_its_branch_author_and_subject(tmp_path: Path) -> None:
    make_repository(tmp_path)
    (tmp_path / "file").touch()
    made = commit(tmp_path, "Ship it, ünder way\n\nbecause")
    inside = tmp_path / "apps"
    inside.mkdir()
    owner = "An Owner <owner@example.org>"
    assert of(tmp_path) == of(inside) == Provenance(made, "main", False, owner, "Ship it, ünder way")
    assert of(tmp_path).to_data()["commit"] == made


def test_whatever_was_changed_makes_it_dirty_and_ignored_files_do_not(tmp_path: Path) -> None:
    make_repository(tmp_path)
    (tmp_path / ".gitignore").write_text("dist\n")
    (tmp_path / "file").touch()
    commit(tmp_path, "first")
    (tmp_path / "dist").touch()
    assert not of(tmp_path).dirty
    (tmp_path / "new").touch()
    assert of(tmp_path).dirty
    (tmp_path / "new").unlink()
    (tmp_path / "file").write_text("changed")
    assert of(tmp_path).dirty


def test_a_checkout_without_a_branch_or_a_commit_tells_what_there_is(tmp_path: Path) -> None:
    make_repository(tmp_path)
    assert of(tmp_path) == Provenance(branch="main")
    (tmp_path / "file").touch()
    assert of(tmp_path) == Provenance(branch="main", dirty=True)
    commit(tmp_path, "first")
    git(tmp_path, "checkout", "--quiet", "--detach")
    assert of(tmp_path).branch is None


def test_without_git_nothing_is_told(tmp_path: Path, monkeypatch) -> None:
    assert of(tmp_path) == Provenance()
    assert of(tmp_path / "gone") == Provenance()
    make_repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert of(tmp_path) == Provenance()


def test_a_hooks_variables_do_not_lead_to_another_repository(tmp_path: Path, monkeypatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_repository(tmp_path / name)
        commit(tmp_path / name, name)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two/.git"))
    assert of(tmp_path / "one").subject == "one"

"""Linters of others: absent, crashed, slow, required, and what they say merged with what our rules say.

Programs of that name are written here, so that the tests need none of the real ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sophia_preflight import engine, settings
from sophia_preflight.cache import Cache
from sophia_preflight.linters import merged, running
from sophia_preflight.linters.speaking import LINTERS, Said
from sophia_preflight.model import Confidence, Place, Report, Rule, Severity, Verdict

DOCKERFILE = "FROM python:3.12-slim\nUSER nobody\nRUN echo ok\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which linters are looked for; empty at first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setattr(running, "program", lambda name: found if (found := directory / name).is_file() else None)
    return directory


def repository(tmp_path: Path, **files: str) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    for name, text in {"Dockerfile": DOCKERFILE, **files}.items():
        (root / name).write_text(text)
    return root


def put(directory: Path, name: str, body: str) -> None:
    path = directory / name
    path.write_text(f"#!{sys.executable}\nimport sys, time, json\n{body}\n")
    path.chmod(0o755)


def answer(**remark: object) -> str:
    said = {"code": "DL3042", "column": 1, "file": "./Dockerfile", "level": "error", "line": 3, "message": "no cache"}
    return f"print({json.dumps([{**said, **remark}])!r})"


def check(root: Path) -> Report:
    return engine.check(root, linters=True)


def test_what_an_absent_linter_would_look_at_is_not_assessed_and_the_check_is_still_clean(
    tmp_path: Path, programs: Path
) -> None:
    report = check(repository(tmp_path))
    assert [each.what for each in report.not_assessed] == ["1 Dockerfiles by hadolint"]
    assert report.verdict is Verdict.CLEAN


def test_a_required_linter_that_is_missing_makes_the_check_incomplete(tmp_path: Path, programs: Path) -> None:
    report = check(repository(tmp_path, **{"sophia.yaml": "check:\n  linters: [hadolint]\n"}))
    assert (report.verdict, report.exit) == (Verdict.INCOMPLETE, 7)


@pytest.mark.parametrize("body", ["sys.exit(3)", "print('no json')", "print('{\"comments\": 7}')", "print('[{}]')"])
def test_a_linter_that_crashes_or_talks_nonsense_makes_the_check_incomplete(
    tmp_path: Path, programs: Path, body: str
) -> None:
    put(programs, "hadolint", body)
    assert check(repository(tmp_path)).exit == 7


def test_a_linter_that_does_not_end_is_ended_and_the_check_is_incomplete(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(programs, "hadolint", "time.sleep(60)")
    monkeypatch.setattr(running, "SECONDS", 0.3)
    monkeypatch.setattr(running.lint, "__kwdefaults__", {"seconds": 0.3})
    report = check(repository(tmp_path))
    assert report.exit == 7
    assert report.seconds < 20


def test_a_remark_becomes_a_finding_and_is_remembered(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, kept = repository(tmp_path), tmp_path / "kept"
    put(programs, "hadolint", answer())
    for _ in range(2):
        report = engine.check(root, cache=Cache(kept), linters=True)
        assert [each.rule for each in report.findings if each.rule.startswith("hadolint")] == ["hadolint/DL3042"]
        (programs / "hadolint").write_bytes((programs / "hadolint").read_bytes())  # another time: asked anew
    assert report.verdict is Verdict.CLEAN


def test_a_secret_in_a_remark_is_not_shown(tmp_path: Path, programs: Path) -> None:
    value = "vT9#kq" + "L2zR8w"
    put(programs, "hadolint", answer(message=f"odd word {value}"))
    root = repository(
        tmp_path,
        **{"compose.prod.yaml": f"services:\n  a:\n    image: a\n    environment:\n      DB_PASSWORD: {value}\n"},
    )
    report = check(root)
    assert "committed-secret" in {each.rule for each in report.findings}
    assert value not in repr(report) + repr(report.sources)


def test_nothing_of_the_environment_reaches_a_linter(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "mine")
    put(programs, "hadolint", "import os\nsys.exit(9 if 'GH_TOKEN' in os.environ else 0)")
    assert check(repository(tmp_path)).exit == 0


OWN = Rule("unpinned-image", "t", Severity.MEDIUM, "w", "f", "dockerfiles")


def said(code: str, line: int = 1, severity: Severity = Severity.MEDIUM, linter: str = "hadolint") -> Said:
    return Said(linter, code, "Dockerfile", line, 1, severity, Confidence.LIKELY, code)


def test_a_defect_that_a_rule_of_ours_has_found_is_not_told_again() -> None:
    own = OWN.found("m", Place("Dockerfile", 1), anchor="a")
    assert [each.rule for each in merged([own], [said("DL3006"), said("DL3008")])] == [
        "unpinned-image",
        "hadolint/DL3008",
    ]
    assert len(merged([own], [said("DL3006", line=2)])) == 2


def test_what_two_linters_say_of_one_line_is_one_finding() -> None:
    remarks = [said("expression", linter="actionlint"), said("template-injection", 2, linter="zizmor")]
    assert [each.rule for each in merged([], remarks)] == ["actionlint/expression"]


def test_every_linter_has_a_name_that_settings_know() -> None:
    assert tuple(each.name for each in LINTERS) == settings.LINTERS

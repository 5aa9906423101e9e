"""The command line: forms of the report, exit codes, baselines, what is new since a commit, fixes."""

from __future__ import annotations

import io
import json
import os
import subprocess
from datetime import date
from pathlib import Path

import pytest
from sophia_preflight import command
from sophia_preflight.command import Misused, Request

BROKEN = "deploy:\n\tbash scripts/release.sh\n"
TODAY = date(2026, 1, 1)


def checked(request: Request) -> tuple[int, str]:
    out = io.StringIO()
    return command.run(request, out, io.StringIO(), today=TODAY), out.getvalue()


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "repository"
    root.mkdir()
    (root / "Makefile").write_text(BROKEN)
    return root


def test_a_clean_repository_ends_with_0_and_a_broken_one_with_1(tmp_path: Path, broken: Path) -> None:
    assert checked(Request(tmp_path / "repository" / "..", rules=("missing-make-target",)))[0] == 0
    code, text = checked(Request(broken))
    assert code == 1
    assert "scripts/release.sh" in text
    assert "make deploy" in text


def test_json_says_where_and_the_id_survives_a_moved_line(broken: Path) -> None:
    first = json.loads(checked(Request(broken, "json"))[1])["findings"][0]
    assert first["places"][0] == {"path": "Makefile", "line": 2, "column": 7, "role": "here"}
    (broken / "Makefile").write_text("# moved\n\n" + BROKEN)
    second = json.loads(checked(Request(broken, "json"))[1])["findings"][0]
    assert (second["id"], second["places"][0]["line"]) == (first["id"], 4)


def test_sarif_names_blocking_findings_errors(broken: Path) -> None:
    (result,) = json.loads(checked(Request(broken, "sarif"))[1])["runs"][0]["results"]
    assert (result["level"], result["properties"]["severity"]) == ("error", "critical")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_github_annotations_and_the_page_escape_foreign_text(broken: Path) -> None:
    (broken / "Makefile").write_text("deploy:\n\tbash 'scripts/<b>\x1b[31m.sh'\n")
    assert checked(Request(broken, "github"))[1].startswith("::error file=Makefile,line=2")
    assert "<b>" not in checked(Request(broken, "html"))[1].partition("<body>")[2].replace("<b>Fix:</b>", "").replace(
        "<p><b>", ""
    )
    assert "\x1b" not in checked(Request(broken))[1]


def test_a_baseline_accepts_until_it_expires(broken: Path) -> None:
    found = json.loads(checked(Request(broken, "json"))[1])["findings"][0]["id"]
    accepted = broken / "accepted.yaml"
    accepted.write_text(f"- {{id: '{found}', reason: moves, owner: ana, expires: 2026-02-01}}\n")
    code, text = checked(Request(broken, baseline=accepted))
    assert code == 0
    assert "accepted until 2026-02-01 by ana (moves)" in text
    accepted.write_text(f"- {{id: '{found}', reason: moves, owner: ana, expires: 2025-02-01}}\n")
    code, text = checked(Request(broken, baseline=accepted))
    assert code == 1
    assert "expired" in text


def test_only_what_is_new_since_a_commit(broken: Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=broken, check=True, env=environment)
    assert checked(Request(broken, since="HEAD"))[0] == 0
    (broken / "Makefile").write_text(BROKEN + "again:\n\tbash scripts/other.sh\n")
    code, text = checked(Request(broken, since="HEAD"))
    assert code == 1
    assert "other.sh" in text
    assert "release.sh" not in text
    with pytest.raises(Misused):
        checked(Request(broken, since="no-such-revision"))


def test_a_second_check_knows_what_the_first_read(broken: Path) -> None:
    first = command.report_of(Request(broken), TODAY)
    second = command.report_of(Request(broken), TODAY)
    assert (first.cached, second.cached) == (False, True)
    assert [each.id for each in first.findings] == [each.id for each in second.findings]


def test_a_rule_that_does_not_exist_is_misuse(broken: Path) -> None:
    with pytest.raises(Misused, match="no rule"):
        checked(Request(broken, rules=("missing-scripts",)))

"""SARIF reports fit the schema of SARIF 2.1.0, whatever is found."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from sophia_preflight import engine
from sophia_preflight.examples import parted
from sophia_preflight.model import NotAssessed, Report
from sophia_preflight.outputs import sarif
from sophia_preflight.rules import all_checks

SCHEMA = Path(__file__).parent / "schemas/sarif-2.1.0-rtm.5.json"


@cache
def validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA.read_text()))


def faults(report: Report) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in validator().iter_errors(json.loads(sarif.rendered(report)))]


def report_of(root: Path, files: dict[str, str]) -> Report:
    now, past = parted(files)
    for path, text in now.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return engine.check(root, past=past)


@pytest.mark.parametrize("rule", sorted(all_checks()))
def test_a_report_of_each_rule_fits_the_schema(rule: str, tmp_path: Path) -> None:
    report = report_of(tmp_path, dict(all_checks()[rule].bad[0]))
    assert report.findings
    assert faults(report) == []


def test_an_empty_and_an_incomplete_report_fit_the_schema(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"a b/ü \n\x1b.sh": "python gone.py\n", "Makefile": "x:\n\tbash gone.sh\n"})
    assert report.findings
    assert faults(replace(report, findings=())) == []
    missing = (NotAssessed("1 script by shellcheck", "it crashed", required=True),)
    assert faults(replace(report, not_assessed=missing)) == []

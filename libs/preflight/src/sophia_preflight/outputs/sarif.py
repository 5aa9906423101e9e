"""SARIF 2.1.0 for code scanning, within GitHub's limits: 5,000 results of 25,000, 10 MB gzipped, 1,000 related places.

Blocking findings have the level `error`; ours is in `properties.severity` and `properties.confidence`.
"""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any
from urllib.parse import quote

from sophia_preflight.model import Confidence, Finding, Involved, Report, Rule, Severity
from sophia_preflight.rules import all_checks

MOST_RESULTS = 5_000
MOST_TEXT = 1_000
MOST_RELATED = 50
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SECURITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.5",
}
_PRECISION = {Confidence.CERTAIN: "very-high", Confidence.LIKELY: "high", Confidence.GUESS: "low"}


def rendered(report: Report) -> str:
    return json.dumps(plain(report), indent=1, ensure_ascii=True) + "\n"


def plain(report: Report) -> dict[str, Any]:
    kept = report.findings[:MOST_RESULTS]
    used = sorted({each.rule for each in kept})
    checks = all_checks()
    index = {rule: number for number, rule in enumerate(used)}
    notes = [f"not assessed: {each.what}: {each.because}" for each in report.not_assessed]
    if len(report.findings) > len(kept):
        notes.append(f"{len(report.findings) - len(kept)} lighter findings are left out")
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "sophia-check",
                        "semanticVersion": _version(),
                        "rules": [_rule(checks[rule].rule) if rule in checks else {"id": rule} for rule in used],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, index[each.rule]) for each in kept],
                "invocations": [
                    {
                        "executionSuccessful": not any(each.required for each in report.not_assessed),
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": note[:MOST_TEXT]}} for note in notes
                        ],
                    }
                ],
            }
        ],
    }


def _version() -> str:
    try:
        return metadata.version("sophia-preflight")
    except metadata.PackageNotFoundError:
        return "0.0.0"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": "error" if rule.severity.rank <= Severity.HIGH.rank else "warning"},
        "properties": {"tags": [rule.family], "problem.severity": "error" if rule.severity.rank < 2 else "warning"},
    }


def _result(each: Finding, rule: int) -> dict[str, Any]:
    level = "error" if each.blocking else "warning" if each.severity is Severity.MEDIUM else "note"
    result: dict[str, Any] = {
        "ruleId": each.rule,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": f"{each.message}. {each.why}. Fix: {each.fix}"[:MOST_TEXT]},
        "locations": [_location(each.places[0])],
        "partialFingerprints": {"sophia/v1": each.id},
        "properties": {
            "severity": str(each.severity),
            "confidence": str(each.confidence),
            "security-severity": _SECURITY[each.severity],
            "precision": _PRECISION[each.confidence],
        },
    }
    if len(each.places) > 1:
        result["relatedLocations"] = [
            {**_location(involved), "id": number, "message": {"text": involved.role}}
            for number, involved in enumerate(each.places[1:MOST_RELATED], 1)
        ]
    return result


def _location(involved: Involved) -> dict[str, Any]:
    place = involved.place
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.path), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": max(1, place.line), "startColumn": max(1, place.column)},
        }
    }

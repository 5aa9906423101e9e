"""For programs: one stable schema, `version` 1."""

from __future__ import annotations

import json
from typing import Any

from sophia_preflight.model import Compared, Finding, Report


def rendered(report: Report) -> str:
    return json.dumps(plain(report), indent=2, ensure_ascii=True) + "\n"


def plain(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "version": 1,
        "verdict": str(report.verdict),
        "root": report.root,
        "files": report.files,
        "seconds": round(report.seconds, 3),
        "compared": _compared(report.compared) if report.compared is not None else None,
        "findings": [finding(each) for each in report.findings],
        "suppressed": [
            {"finding": finding(each.finding), "reason": each.reason, "owner": each.owner, "expires": each.expires}
            for each in report.suppressed
        ],
        "not_assessed": [
            {"what": each.what, "because": each.because, "required": each.required} for each in report.not_assessed
        ],
    }


def _compared(each: Compared) -> dict[str, Any]:
    return {"revision": each.revision, "commits": each.commits, "lacking": str(each.lacking or "")}


def finding(each: Finding) -> dict[str, Any]:
    return {
        "id": each.id,
        "rule": each.rule,
        "severity": str(each.severity),
        "confidence": str(each.confidence),
        "blocking": each.blocking,
        "message": each.message,
        "why": each.why,
        "fix": each.fix,
        "blocks": each.blocks,
        "places": [
            {
                "path": involved.place.path,
                "line": involved.place.line,
                "column": involved.place.column,
                "role": involved.role,
            }
            for involved in each.places
        ],
    }

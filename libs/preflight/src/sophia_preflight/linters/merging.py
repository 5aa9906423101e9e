"""What linters said as findings of ours, one for each defect."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.linters.speaking import Said
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import limited

_SAME: dict[str, frozenset[str]] = {
    "hadolint DL1000": frozenset({"dockerfile-syntax", "unknown-build-stage", "copy-from-unknown-stage"}),
    "hadolint DL3002": frozenset({"image-runs-as-root"}),
    "hadolint DL3006": frozenset({"unpinned-image"}),
    "hadolint DL3007": frozenset({"unpinned-image"}),
    "hadolint DL3022": frozenset({"copy-from-unknown-stage", "unknown-build-stage"}),
    "hadolint DL3023": frozenset({"copy-from-unknown-stage"}),
    "actionlint syntax-check": frozenset({"workflow-schema"}),
    "actionlint job-needs": frozenset({"unknown-needs"}),
    "actionlint workflow-call": frozenset({"reusable-workflow"}),
    "actionlint if-cond": frozenset({"job-never-runs"}),
    "actionlint action": frozenset({"retired-by-github"}),
    "actionlint deprecated-commands": frozenset({"retired-by-github"}),
    "actionlint runner-label": frozenset({"retired-by-github"}),
    "actionlint credentials": frozenset({"committed-secret"}),
    "zizmor unpinned-uses": frozenset({"unpinned-action"}),
    "zizmor hardcoded-container-credentials": frozenset({"committed-secret"}),
    "zizmor insecure-commands": frozenset({"retired-by-github"}),
}
"""Remark -> rules of ours that tell the same defect when they stand on the same line."""
_ALIKE: dict[str, str] = {
    "zizmor template-injection": "actionlint expression",
    "zizmor hardcoded-container-credentials": "actionlint credentials",
}
"""Remark -> remark of another linter that tells the same defect on nearly the same line, and is kept."""
_WHOLE_FILE = frozenset({"hadolint DL1000", "actionlint syntax-check"})
_NEAR = 3
_TEXTS = {
    "hadolint": ("the image is built otherwise than its author thinks, or not at all", "see https://github.com/hadolint/hadolint/wiki/"),
    "shellcheck": ("the shell reads the line otherwise than its author thinks", "see https://www.shellcheck.net/wiki/"),
    "actionlint": ("GitHub refuses the workflow, or it does something else", "correct what the message names"),
    "zizmor": ("others may make the workflow do what it should not", "see https://docs.zizmor.sh/audits/#"),
}  # fmt: skip


def merged(own: Iterable[Finding], said: Iterable[Said]) -> list[Finding]:
    """Our findings, and after them what only a linter found."""
    kept = list(own)
    lines = {(each.place.path, each.place.line, each.rule) for each in kept}
    blocking = {(each.place.path, each.place.line) for each in kept if each.blocking}
    files = {(each.place.path, each.rule) for each in kept}
    remarks = list(said)
    heard = {(f"{each.linter} {each.code}", each.path, line) for each in remarks
             for line in range(each.line - _NEAR, each.line + _NEAR + 1)}  # fmt: skip
    told: set[tuple[str, str, int]] = set()
    for each in remarks:
        name = f"{each.linter} {each.code}"
        rules = _SAME.get(name, frozenset())
        finding = _finding(each)
        if (
            any((each.path, each.line, rule) in lines for rule in rules)
            or (name in _WHOLE_FILE and any((each.path, rule) in files for rule in rules))
            or (finding.blocking and (each.path, each.line) in blocking)
            or (name in _ALIKE and (_ALIKE[name], each.path, each.line) in heard)
            or (name, each.path, each.line) in told
        ):
            continue
        told.add((name, each.path, each.line))
        kept.append(finding)
    return kept


def _finding(said: Said) -> Finding:
    why, fix = _TEXTS[said.linter]
    fix += f"{said.code}" if fix.endswith(("/", "#")) else ""
    severity = limited(Severity(said.severity), said.path)
    rule = Rule(f"{said.linter}/{said.code}", said.message, severity, why, fix, "linters")
    return rule.found(
        said.message,
        Involved(Place(said.path, said.line, max(1, said.column)), "here"),
        anchor=said.message,
        confidence=Confidence(said.confidence),
        blocks=f"`{said.path}`" if severity.rank <= Severity.HIGH.rank else "",
    )

"""Annotations for a GitHub Actions log: one workflow command a finding; GitHub shows ten of each kind a step."""

from __future__ import annotations

from sophia_preflight.model import Finding, Report, Severity


def rendered(report: Report) -> str:
    lines = [_line(each) for each in report.findings if each.severity.rank <= Severity.MEDIUM.rank]
    lines += [
        f"::{'warning' if each.required else 'notice'} title=not assessed::{_data(f'{each.what}: {each.because}')}"
        for each in report.not_assessed
    ]
    return "".join(line + "\n" for line in lines)


def _line(each: Finding) -> str:
    kind = "error" if each.blocking else "warning"
    place = each.place
    where = f"file={_value(place.path)},line={place.line},col={place.column}"
    title = _value(f"{each.severity}: {each.rule}")
    return f"::{kind} {where},title={title}::{_data(f'{each.message}. {each.why}. Fix: {each.fix}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""For people: what blocks first, grouped by what it blocks, each with its line of code, its reason and its fix."""

from __future__ import annotations

from collections.abc import Iterator

from sophia_preflight.model import Compared, Finding, Report, Severity, Verdict
from sophia_preflight.outputs.escaping import printable

WIDEST = 140
MOST_PLACES = 6
MOST_PER_LINE = 400
_COLORS = {
    Severity.CRITICAL: "31;1",
    Severity.HIGH: "31",
    Severity.MEDIUM: "33",
    Severity.LOW: "36",
    Severity.INFO: "2",
}


def rendered(report: Report, *, color: bool = False, everything: bool = False) -> str:
    """The whole report; without `everything`, what is low or a mere note is only counted."""
    return "\n".join(_Text(report, color).lines(everything=everything)) + "\n"


class _Text:
    def __init__(self, report: Report, color: bool) -> None:
        self.report, self.color = report, color

    def paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.color and code else text

    def lines(self, *, everything: bool) -> Iterator[str]:
        groups: dict[str, list[Finding]] = {}
        for each in self.report.blocking:
            groups.setdefault(each.blocks, []).append(each)
        for blocks, found in groups.items():
            if blocks:
                count = "this stops" if len(found) == 1 else f"these {len(found)} stop"
                yield self.paint(printable(f"{count} {blocks}"), "1")
                yield ""
            for each in found:
                yield from self.whole(each)
        rest = [each for each in self.report.findings if not each.blocking]
        shown = [each for each in rest if everything or each.severity.rank <= Severity.MEDIUM.rank]
        if shown:
            yield self.paint("not blocking", "1")
            yield from (self.line(each) for each in shown)
            yield ""
        yield from self.summary(len(rest) - len(shown))

    def line(self, each: Finding) -> str:
        severity = self.paint(f"{each.severity:<8}", _COLORS[each.severity])
        guess = " (a guess)" if each.confidence.value == "guess" else ""
        return f"  {severity} {printable(str(each.place))}  {printable(each.message)}{guess}  [{each.rule}]"

    def whole(self, each: Finding) -> Iterator[str]:
        severity = self.paint(str(each.severity), _COLORS[each.severity])
        sure = "" if each.confidence.value == "certain" else f" ({each.confidence})"
        yield f"{severity}{sure}: {printable(each.message)}  [{each.rule} {each.id}]"
        for involved in each.places[:MOST_PLACES]:
            role = "" if involved.role == "here" else f"  ({involved.role})"
            yield f"  --> {printable(str(involved.place))}{role}"
            yield from self.frame(involved.place.path, involved.place.line, involved.place.column)
        if len(each.places) > MOST_PLACES:
            yield f"  --> and {len(each.places) - MOST_PLACES} places more"
        yield f"  why: {printable(each.why)}"
        yield f"  fix: {printable(each.fix)}"
        yield ""

    def frame(self, path: str, line: int, column: int) -> Iterator[str]:
        lines = self.report.sources.get(path, "").split("\n")
        if not 0 < line <= len(lines) or not lines[line - 1].strip():
            return
        raw = lines[line - 1].rstrip("\r")[:MOST_PER_LINE]
        start = max(0, column - 1 - WIDEST + 30) if len(raw) > WIDEST else 0
        piece = raw[start : start + WIDEST]
        before = printable(piece[: max(0, column - 1 - start)].replace("\t", "    "))
        yield f"  {line:>5} | {printable(piece.replace(chr(9), '    '))}"
        yield f"        | {' ' * len(before)}{self.paint('^', '31')}"

    def summary(self, hidden: int) -> Iterator[str]:
        report = self.report
        for each in report.suppressed:
            said = f"accepted until {each.expires} by {each.owner} ({each.reason})"
            yield self.paint(printable(f"{said}: {each.finding.place} {each.finding.message}"), "2")
        for missing in report.not_assessed:
            said = f"not assessed: {missing.what}: {missing.because}"
            yield self.paint(printable(said), "33" if missing.required else "2")
        counts = [
            f"{number} {severity}"
            for severity in Severity
            if (number := sum(each.severity is severity for each in report.findings))
        ]
        said = ", ".join(counts) or "nothing found"
        verdict = {
            Verdict.CLEAN: self.paint("clean", "32"),
            Verdict.BLOCKED: self.paint(f"{len(report.blocking)} blocking", "31;1"),
            Verdict.INCOMPLETE: self.paint("incomplete", "33;1"),
        }[report.verdict]
        hint = f" ({hidden} not shown; --all shows them)" if hidden else ""
        yield f"{verdict}: {said} in {report.files:,} files{_past(report.compared)}, {report.seconds:.1f} s{hint}"


def _past(compared: Compared | None) -> str:
    if compared is None or compared.lacking is not None:
        return ""
    if not compared.commits:
        return f" compared with {compared.revision[:10]}"
    return f" compared with the last {'commit' if compared.commits == 1 else f'{compared.commits} commits'}"

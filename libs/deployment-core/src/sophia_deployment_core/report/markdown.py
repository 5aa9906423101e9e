"""The report as Markdown (GitHub's): for a pull request, a step summary, a terminal. Pure.

Everything that was not written here is escaped, so that it can neither end a table's cell nor become a link or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sophia_deployment_core.report import timeline
from sophia_deployment_core.report.facts import Facts, Failure, Gate
from sophia_deployment_core.report.text import count, duration, latency, moment, parts, share
from sophia_deployment_core.report.wording import ANSWERS, OUTCOMES, figures, origin, proof, what_failed

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#~!&])")


def escaped(text: str) -> str:
    """A sentence: names in backticks become code, all else is what it says."""
    return "".join(code(part) if in_code else _plain(part) for part, in_code in parts(text))


def _plain(text: str) -> str:
    # A bar as its number: whether a backslash saves it in a table depends on who reads.
    return _SPECIAL.sub(r"\\\1", text).replace("|", "&#124;")


def code(text: str) -> str:
    """Text as code, also in a table's cell."""
    if not text.strip():
        return _plain(text)
    if "|" in text or "`" in text:
        return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in text)}</code>"
    pad = " " if text[0] == text[-1] == " " else ""
    return f"`{pad}{text}{pad}`"


def block(lines: Iterable[str]) -> str:
    """Lines as they are, in a fence that none of them can close."""
    body = "\n".join(lines)
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", body)), default=0) + 1)
    return f"{fence}text\n{body}\n{fence}"


def page(facts: Facts) -> str:
    """The whole report; every section only where there is something to say."""
    return "\n\n".join(section for section in _sections(facts) if section) + "\n"


def _sections(facts: Facts) -> Iterator[str]:
    mark = OUTCOMES[facts.state].mark
    yield f"# {mark} #{facts.number} {escaped(facts.kind)} {code(facts.environment)}: {facts.state}"
    yield f"**{escaped(facts.summary)}.**"
    yield _table(("", "", ""), [(f"**{f.title}**", escaped(f.value), escaped(f.detail)) for f in figures(facts)])
    if facts.next:
        yield f"**Next:** {escaped(facts.next)}"
    for failure in facts.failures:
        yield _failure(failure)
    if facts.bars:
        yield "## Timeline\n\n" + block(timeline.text(facts))
    if not facts.never_begun:
        yield _section("Gates", ("gate", "verdict", "what was seen"), map(_gate, facts.gates))
    yield _traffic(facts)
    yield _section(
        "What changed",
        ("service", "", "why"),
        ((code(service), action, escaped(because)) for service, action, because in facts.changes),
    )
    if not facts.never_begun:
        yield _section("Steps", ("step", "", "attempt", "took", "outcome", "note"), _steps(facts))
    yield _section(
        "Moments", ("when", "entry", "what"), ((moment(m.at_ms), str(m.seq), escaped(m.text)) for m in facts.moments)
    )
    yield _section("Who and why", ("", ""), [(name, escaped(value)) for name, value in (*origin(facts), *proof(facts))])


def _section(title: str, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = _table(columns, lines)
    return f"## {title}\n\n{body}" if body else ""


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(line)} |" for line in lines]
    if not body:
        return ""
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *body])


def _failure(failure: Failure) -> str:
    lines = [f"## {escaped(what_failed(failure))}", ""]
    lines.append(f"{escaped(failure.message)} {f'({escaped(failure.code)})' if failure.code else ''}".rstrip())
    told = (
        ("service", failure.service),
        ("asked", failure.url),
        ("answer", failure.answer),
        ("body", failure.body),
        ("exit status", failure.exit),
        ("serving then", failure.serving),
        ("hint", failure.hint),
    )
    lines += ["", *(f"- {name}: {escaped(value)}" for name, value in told if value)]
    if failure.log:
        lines += ["", "Last lines of its log:", "", block(failure.log)]
    return "\n".join(lines)


def _gate(gate: Gate) -> tuple[str, str, str]:
    name = f"{gate.gate} {code(gate.service)}" if gate.service else gate.gate
    return name, f"{ANSWERS[gate.answer].mark} {gate.answer}", escaped(gate.detail)


def _traffic(facts: Facts) -> str:
    watched = facts.watched
    if not watched.answers and not watched.loads:
        return ""
    answers = _table(
        ("release", "requests", "share", "5xx", "never answered"),
        (
            (
                code(a.release),
                count(a.requests),
                share(a.requests, watched.requests),
                count(a.errors_5xx),
                count(a.lost),
            )
            for a in watched.answers
        ),
    )
    loads = _table(
        ("service", "requests", "errors", "restarts", "p95"),
        (
            (code(load.service), *(_number(n) for n in (load.requests, load.errors, load.restarts)), _p95(load.p95_us))
            for load in watched.loads
        ),
    )
    lasted = f" (watched for {duration(watched.lasted_ms)})" if watched.lasted_ms is not None else ""
    return "\n\n".join(part for part in (f"## Traffic as the edge saw it{lasted}", answers, loads) if part)


def _number(number: int | None) -> str:
    return count(number) if number is not None else "–"


def _p95(p95_us: int | None) -> str:
    return latency(p95_us) if p95_us is not None else "–"


def _steps(facts: Facts) -> Iterator[tuple[str, ...]]:
    for bar in facts.bars:
        phase = "undo" if bar.phase == "undo" else ""
        yield code(bar.step), phase, str(bar.attempt), duration(bar.took_ms), bar.outcome, escaped(bar.note)
    for step in facts.untouched:
        yield code(step), "", "–", "–", "not begun", ""

"""The report as one HTML file: nothing is loaded, nothing is executed, light and dark, fit for paper. Pure.

Every text goes through `escape` or `sentence`; the page also forbids scripts and every address by its own policy, so
that even a mistake here could do no more than look wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from sophia_deployment_core.report import timeline
from sophia_deployment_core.report.facts import Facts, Failure, Gate, Load
from sophia_deployment_core.report.sentences import Answers
from sophia_deployment_core.report.style import PAGE
from sophia_deployment_core.report.text import count, duration, latency, moment, parts, share
from sophia_deployment_core.report.wording import ANSWERS, OUTCOMES, figures, origin, proof, what_failed

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(facts: Facts) -> str:
    """The whole document."""
    outcome = OUTCOMES[facts.state]
    title = escape(f"#{facts.number} {facts.kind} {facts.environment}: {facts.state}")
    body = "\n".join(section for section in _sections(facts) if section)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{PAGE}</style>
</head>
<body class="{outcome.tone}">
<main>
{body}
</main>
</body>
</html>
"""


def sentence(text: str) -> str:
    """Text with names in backticks as code."""
    return "".join(f"<code>{escape(part)}</code>" if in_code else escape(part) for part, in_code in parts(text))


def _sections(facts: Facts) -> Iterator[str]:
    yield _head(facts)
    yield "".join(_failure(failure) for failure in facts.failures)
    yield _timeline(facts)
    if not facts.never_begun:
        yield _gates(facts)
    yield _traffic(facts)
    yield _changes(facts)
    if not facts.never_begun:
        yield _steps(facts)
    yield _moments(facts)
    yield _who(facts)


def _head(facts: Facts) -> str:
    outcome = OUTCOMES[facts.state]
    place = f"<code>{escape(facts.environment)}</code>"
    tiles = "".join(
        f"<div><dt>{escape(f.title)}</dt><dd>{sentence(f.value)}<small>{sentence(f.detail)}</small></dd></div>"
        for f in figures(facts)
    )
    after = f'<p class="next"><strong>Next</strong> {sentence(facts.next)}</p>' if facts.next else ""
    return f"""<header>
<p class="run">Run #{facts.number} · {escape(facts.kind)} · {place} · {moment(facts.submitted_ms)}</p>
<h1><span class="badge {outcome.tone}"><span aria-hidden="true">{outcome.mark}</span> {escape(facts.state)}</span></h1>
<p class="summary">{sentence(_capital(facts.summary))}.</p>
<dl class="figures">{tiles}</dl>
{after}
</header>"""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _section(title: str, body: str, note: str = "") -> str:
    if not body:
        return ""
    note = f'<p class="note">{sentence(note)}</p>' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{note}{body}\n</section>"


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Cells are HTML already; `numbers` are the columns that are set to the right."""

    def kind(index: int) -> str:
        return ' class="number"' if index in numbers else ""

    body = "\n".join(
        f"<tr>{''.join(f'<td{kind(index)}>{cell}</td>' for index, cell in enumerate(line))}</tr>" for line in lines
    )
    if not body:
        return ""
    head = "".join(f'<th scope="col"{kind(index)}>{escape(column)}</th>' for index, column in enumerate(columns))
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{sentence(value)}</dd></div>" for name, value in pairs if value)
    return f'<dl class="pairs">{inner}</dl>' if inner else ""


# --- sections -------------------------------------------------------------------------------------------------------


def _failure(failure: Failure) -> str:
    code = f' <span class="code">{escape(failure.code)}</span>' if failure.code else ""
    told = _pairs(
        (
            ("service", f"`{failure.service}`" if failure.service else ""),
            ("asked", f"`{failure.url}`" if failure.url else ""),
            ("answer", failure.answer),
            ("body", failure.body),
            ("exit status", failure.exit),
            ("serving then", f"`{failure.serving}`" if failure.serving else ""),
            ("hint", failure.hint),
        )
    )
    log = ""
    if failure.log:
        lines = "\n".join(escape(line) for line in failure.log)
        log = f'<p class="label">last lines of its log</p><pre tabindex="0">{lines}</pre>'
    return f"""<section class="failure">
<h2>{sentence(what_failed(failure))}{code}</h2>
<p class="cause">{sentence(_capital(failure.message))}</p>
{told}{log}
</section>
"""


def _timeline(facts: Facts) -> str:
    picture = timeline.svg(facts)
    if not picture:
        return ""
    used = {timeline.tone(bar) for bar in facts.bars}
    legend = "".join(
        f'<li><span class="swatch {tone}"></span>{escape(word)}</li>'
        for tone, word in timeline.LEGEND.items()
        if tone in used
    )
    return _section("Timeline", f'<div class="wide" tabindex="0">{picture}</div><ul class="legend">{legend}</ul>')


def _gates(facts: Facts) -> str:
    return _section("Gates", _table(("gate", "verdict", "what was seen"), map(_gate, facts.gates)))


def _gate(gate: Gate) -> tuple[str, str, str]:
    mark = ANSWERS[gate.answer]
    name = f"{escape(gate.gate)} <code>{escape(gate.service)}</code>" if gate.service else escape(gate.gate)
    verdict = (
        f'<span class="verdict {mark.tone}"><span aria-hidden="true">{mark.mark}</span> {escape(gate.answer)}</span>'
    )
    return name, verdict, sentence(gate.detail)


def _traffic(facts: Facts) -> str:
    watched = facts.watched
    if not watched.answers and not watched.loads:
        return ""
    lasted = (
        f"Counted while it was watched, for {duration(watched.lasted_ms)}. " if watched.lasted_ms is not None else ""
    )
    probes = f"Sophia's own probes: {watched.probes[0]} sent, {watched.probes[1]} failed." if watched.probes else ""
    return _section("Traffic as the edge saw it", _answers(facts) + _loads(watched.loads), lasted + probes)


def _answers(facts: Facts) -> str:
    answers, whole = facts.watched.answers, facts.watched.requests
    if not answers:
        return ""
    lines = (
        (
            f'<span class="swatch {_release_tone(facts, a)}"></span><code>{escape(a.release)}</code>',
            count(a.requests),
            share(a.requests, whole),
            _errors(a.errors_5xx),
            _errors(a.lost),
        )
        for a in answers
    )
    return _shares(facts) + _table(
        ("release", "requests", "share", "5xx", "never answered"), lines, numbers=(1, 2, 3, 4)
    )


def _shares(facts: Facts) -> str:
    """Requests by release as one bar, with those that failed in their own colour."""
    whole = facts.watched.requests
    if not whole:
        return ""
    left, parts_ = 0.0, []
    for answers in facts.watched.answers:
        failed = min(answers.failed, answers.requests)
        for number, tone in ((answers.requests - failed, _release_tone(facts, answers)), (failed, "bad")):
            width = 1000 * number / whole
            if number:
                parts_.append(f'<rect class="{tone}" x="{left:.1f}" y="0" width="{max(width, 2):.1f}" height="22"/>')
            left += width
    words = "; ".join(
        f"{a.release}: {count(a.requests)} requests, {count(a.failed)} failed" for a in facts.watched.answers
    )
    return (
        f'<svg class="shares" viewBox="0 0 1000 22" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts_)}</svg>'
    )


def _release_tone(facts: Facts, answers: Answers) -> str:
    return "new" if answers.release == facts.release else "old"


def _errors(number: int) -> str:
    return f'<strong class="bad">{count(number)}</strong>' if number else "0"


def _loads(loads: Iterable[Load]) -> str:
    return _table(
        ("service", "requests", "errors", "restarts", "p95"),
        (
            (
                f"<code>{escape(load.service)}</code>",
                _number(load.requests),
                _errors(load.errors) if load.errors is not None else "–",
                _errors(load.restarts) if load.restarts is not None else "–",
                latency(load.p95_us) if load.p95_us is not None else "–",
            )
            for load in loads
        ),
        numbers=(1, 2, 3, 4),
    )


def _number(number: int | None) -> str:
    return count(number) if number is not None else "–"


def _changes(facts: Facts) -> str:
    lines = (
        (
            f"<code>{escape(service)}</code>",
            f'<span class="action {escape(action)}">{escape(action)}</span>',
            sentence(because),
        )
        for service, action, because in facts.changes
    )
    return _section("What changed, and why", _table(("service", "", "because"), lines))


def _steps(facts: Facts) -> str:
    start = facts.started_ms if facts.started_ms is not None else facts.submitted_ms
    lines = [
        (
            f"<code>{escape(bar.step)}</code>{' <em>undo</em>' if bar.phase == 'undo' else ''}",
            f"+{duration(bar.started_ms - start)}",
            duration(bar.took_ms),
            str(bar.attempt),
            f'<span class="{timeline.tone(bar)}">{escape(bar.outcome)}</span>',
            sentence(bar.note),
        )
        for bar in facts.bars
    ]
    lines += [(f"<code>{escape(step)}</code>", "–", "–", "–", "not begun", "") for step in facts.untouched]
    return _section("Steps", _table(("step", "began", "took", "attempt", "outcome", "note"), lines, numbers=(1, 2, 3)))


def _moments(facts: Facts) -> str:
    lines = ((moment(m.at_ms), str(m.seq), sentence(m.text)) for m in facts.moments)
    return _section("Moments", _table(("when", "entry", "what"), lines, numbers=(1,)))


def _who(facts: Facts) -> str:
    note = "All of this was read from the ledger, whose entries cannot be changed without it being noticed."
    return _section("Who, why, and the proof", _pairs(origin(facts)) + _pairs(proof(facts)), note)

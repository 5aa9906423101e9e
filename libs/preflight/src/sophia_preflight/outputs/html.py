"""One self-contained page: no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sophia_preflight.model import Finding, Report, Severity
from sophia_preflight.outputs.escaping import printable

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--critical:#c1121f;--high:#d9480f;--medium:#b08900;--low:#2b6cb0;--info:#777}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}
article{border:1px solid var(--line);border-left:4px solid var(--c);border-radius:4px;padding:.6rem 1rem;margin:.6rem 0}
article.critical{--c:var(--critical)}article.high{--c:var(--high)}article.medium{--c:var(--medium)}
article.low{--c:var(--low)}article.info{--c:var(--info)}
pre{overflow:auto;background:#8881;padding:.4rem .6rem;margin:.4rem 0}small{color:#777}p{margin:.3rem 0}
"""


def rendered(report: Report) -> str:
    body = "\n".join(_body(report))
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>sophia check: {_text(str(report.verdict))}</title><style>{_STYLE}</style>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _text(text: str) -> str:
    return escape(printable(text))


def _body(report: Report) -> Iterator[str]:
    counts = ", ".join(
        f"{number} {severity}"
        for severity in Severity
        if (number := sum(f.severity is severity for f in report.findings))
    )
    yield f"<h1>{_text(str(report.verdict))}</h1>"
    yield f"<p>{_text(counts or 'nothing found')} in {report.files:,} files of <code>{_text(report.root)}</code></p>"
    groups: dict[str, list[Finding]] = {}
    for each in report.findings:
        groups.setdefault(f"stops {each.blocks}" if each.blocking else "not blocking", []).append(each)
    for title, found in groups.items():
        yield f"<h2>{_text(title)} <small>{len(found)}</small></h2>"
        for each in found:
            yield from _article(report, each)
    for missing in report.not_assessed:
        yield f"<p><small>not assessed: {_text(missing.what)}: {_text(missing.because)}</small></p>"
    for accepted in report.suppressed:
        said = f"accepted until {accepted.expires} by {accepted.owner}: {accepted.finding.message} ({accepted.reason})"
        yield f"<p><small>{_text(said)}</small></p>"


def _article(report: Report, each: Finding) -> Iterator[str]:
    yield f'<article class="{each.severity}" id="{each.id}"><p><b>{_text(each.message)}</b></p>'
    for involved in each.places:
        lines = report.sources.get(involved.place.path, "").split("\n")
        yield f"<p><code>{_text(str(involved.place))}</code> <small>{_text(involved.role)}</small></p>"
        if 0 < involved.place.line <= len(lines) and lines[involved.place.line - 1].strip():
            yield f"<pre>{_text(lines[involved.place.line - 1][:300])}</pre>"
    yield f"<p>{_text(each.why)}. <b>Fix:</b> {_text(each.fix)}</p>"
    yield f"<p><small>{each.severity}, {each.confidence} · {_text(each.rule)} · {each.id}</small></p></article>"

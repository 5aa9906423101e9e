"""How the HTML report and its picture look: one palette for both, system fonts, light, dark and paper."""

from __future__ import annotations

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
_LIGHT = """
  --page: #f5f6f8; --card: #fff; --ink: #1c2128; --muted: #5c6673; --line: #dfe3e8; --code: #eef0f4;
  --good: #1a7f4b; --bad: #c62b2b; --warn: #a84f00; --quiet: #5c6673;
  --old: #c9d2dc; --new: #5b3fd6; --on-new: #fff;
  --work: #7d8b9c; --check: #0f8a7e; --switch: #5b3fd6; --watch: #3b82d6; --undo: #d9730d;
  --failed: #c62b2b; --lost: #a3a3a3;
"""
_DARK = """
  --page: #0c0f14; --card: #12161c; --ink: #e6e9ee; --muted: #9aa6b2; --line: #2c343e; --code: #1d242d;
  --good: #4cc38a; --bad: #f26d6d; --warn: #f0a04b; --quiet: #9aa6b2;
  --old: #3b4653; --new: #7459e3; --on-new: #fff;
  --work: #8492a3; --check: #2bb3a5; --switch: #a592ff; --watch: #5ea1ee; --undo: #f39a3d;
  --failed: #f26d6d; --lost: #6f7781;
"""


def palette(selector: str) -> str:
    """The colours as variables of `selector`: by the reader's scheme, on paper always light."""
    return (
        f"{selector} {{{_LIGHT}}}\n"
        f"@media (prefers-color-scheme: dark) {{ {selector} {{{_DARK}}} }}\n"
        f"@media print {{ {selector} {{{_LIGHT}  --page: #fff; }} }}\n"
    )


PAGE = (
    palette(":root")
    + "* { box-sizing: border-box }\n"
    + f"body {{ margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 {FONT} }}\n"
    + """
body { border-top: 5px solid var(--tone) }
.good { --tone: var(--good) }
.bad { --tone: var(--bad) }
.warn { --tone: var(--warn) }
.quiet { --tone: var(--quiet) }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px }
header, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
header, section { padding: 22px 26px; margin: 0 0 18px }
h1, h2, p, dl, ul { margin: 0 }
h1 { margin: 12px 0 14px; line-height: 1 }
h2 { font-size: 17px; margin: 0 0 14px }
.run { color: var(--muted); font-size: 14px }
.badge { display: inline-block; padding: 7px 14px; border-radius: 7px; color: var(--card); background: var(--tone) }
.badge { font-size: 18px; font-weight: 650 }
.summary { font-size: 21px; line-height: 1.4 }
code, pre { font: .88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
code { background: var(--code); padding: .12em .38em; border-radius: 4px; overflow-wrap: anywhere }
dt { color: var(--muted); font-size: 13px }
dd { margin: 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 1px; overflow: hidden }
.figures { background: var(--line); border: 1px solid var(--line); border-radius: 8px; margin: 20px 0 0 }
.figures div { background: var(--card); padding: 13px 16px }
.figures dd { font-size: 20px; font-weight: 600; line-height: 1.3; margin-top: 3px; overflow-wrap: anywhere }
.figures dd > code { background: none; padding: 0; font-size: .78em }
.figures small { display: block; font-size: 13px; font-weight: 400; color: var(--muted); margin-top: 3px }
.next { margin: 18px 0 0; padding: 11px 16px; background: var(--page); border-radius: 0 6px 6px 0 }
.next { border-left: 4px solid var(--tone) }
.next strong { margin-right: 8px }
.note { color: var(--muted); font-size: 14px; margin: -6px 0 14px }
.failure { border-left: 5px solid var(--bad) }
.failure h2 .code { float: right; color: var(--muted); font-weight: 400; font-size: 14px }
.cause { font-size: 17px; margin: 0 0 14px }
.label { color: var(--muted); font-size: 13px; margin: 16px 0 5px }
pre { margin: 0; padding: 12px 14px; background: var(--code); border-radius: 6px; overflow: auto; max-height: 32em }
.pairs { display: grid; gap: 6px }
.pairs + .pairs { margin-top: 14px; padding-top: 14px; border-top: 1px solid var(--line) }
.pairs div { display: grid; grid-template-columns: 150px minmax(0, 1fr); gap: 14px }
.pairs dd { overflow-wrap: anywhere }
.wide { overflow-x: auto }
.wide + .wide { margin-top: 18px }
.timeline { display: block; width: 100%; min-width: 720px; height: auto }
.legend { list-style: none; padding: 0; margin: 12px 0 0; display: flex; flex-wrap: wrap; gap: 4px 20px }
.legend { color: var(--muted); font-size: 13px }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 7px }
.swatch { background: var(--swatch) }
.swatch.work { --swatch: var(--work) }
.swatch.check { --swatch: var(--check) }
.swatch.switch { --swatch: var(--switch) }
.swatch.watch { --swatch: var(--watch) }
.swatch.undo { --swatch: var(--undo) }
.swatch.failed { --swatch: var(--failed) }
.swatch.lost { --swatch: var(--lost) }
.swatch.old { --swatch: var(--old) }
.swatch.new { --swatch: var(--new) }
.shares { display: block; width: 100%; height: 22px; border-radius: 5px; margin: 0 0 14px }
.shares .old { fill: var(--old) }
.shares .new { fill: var(--new) }
.shares .bad { fill: var(--bad) }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; color: var(--muted); font-weight: 500; font-size: 13px }
th, td { padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap }
tbody tr:last-child td { border-bottom: 0 }
td:last-child, th:last-child { padding-right: 0; width: 100%; min-width: 16em; white-space: normal }
.number, .number:last-child { text-align: right; font-variant-numeric: tabular-nums; width: auto; min-width: 0 }
.verdict { color: var(--tone); font-weight: 600 }
strong.bad, td .failed { color: var(--bad) }
td .undo, td em { color: var(--undo) }
td em { font-style: normal; font-size: 13px }
td .lost, .action.unchanged { color: var(--muted) }
.verdict.quiet { font-weight: 400 }
.action { font-weight: 600 }
.action.unchanged { font-weight: 400 }
@media (max-width: 560px) {
  main { padding: 12px 8px 40px }
  header, section { padding: 16px }
  .summary { font-size: 18px }
  .pairs div { grid-template-columns: 1fr; gap: 0 }
}
@media print {
  body { font-size: 12px; -webkit-print-color-adjust: exact; print-color-adjust: exact }
  main { max-width: none; padding: 0 }
  header, section { border: 0; padding: 10px 0 }
  tr, header, svg { break-inside: avoid }
  h2 { break-after: avoid }
  pre { max-height: none; white-space: pre-wrap; overflow-wrap: anywhere }
  .timeline { min-width: 0 }
  .wide { overflow: visible }
  th, td { white-space: normal }
}
"""
)

PICTURE = (
    palette(".timeline")
    + f".timeline {{ font: 12px {FONT} }}\n"
    + """
.timeline text { fill: var(--ink) }
.timeline .quiet { fill: var(--muted) }
.timeline .over { paint-order: stroke; stroke: var(--card); stroke-width: 4px }
.timeline .strong { font-weight: 600 }
.timeline .grid { stroke: var(--line) }
.timeline .work { fill: var(--work) }
.timeline .check { fill: var(--check) }
.timeline .switch { fill: var(--switch) }
.timeline .watch { fill: var(--watch) }
.timeline .undo { fill: var(--undo) }
.timeline .failed { fill: var(--failed) }
.timeline .lost { fill: var(--lost) }
.timeline .old { fill: var(--old) }
.timeline .new { fill: var(--new) }
.timeline .on-new { fill: var(--on-new) }
.timeline .mark { fill: none; stroke: var(--switch); stroke-width: 1.5 }
.timeline .mark.undo { stroke: var(--undo) }
.timeline .break { fill: none; stroke: var(--muted) }
.timeline .gap, .timeline .ground { fill: var(--card) }
"""
)

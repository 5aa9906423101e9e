import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import report
from sophia_deployment_core.environment import Standing
from sophia_deployment_core.plan import Plan
from sophia_deployment_core.report import style

from tests.support.examples import at_most
from tests.support.runs import HIDDEN, NEW, OLD, RUNS, START_MS, Journal, held, releasing, rolled_back, watched_quietly

TAGS = {
    *("meta", "path", "rect"),
    *("html", "head", "title", "style", "body", "main", "header", "section", "h1", "h2", "p", "span", "code", "strong"),
    *("dl", "div", "dt", "dd", "small", "svg", "text", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("pre", "em"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "role", "aria-label", "aria-hidden", "scope", "d"),
    *("tabindex", "xmlns", "viewbox", "x", "y", "width", "height", "rx", "text-anchor", "preserveaspectratio"),
}
HARMFUL = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg></title>",
    "a | b \\| c",
    "`` ` ``` ~~~ | `",
    "[click](javascript:alert(1)) ![x](http://e.vil/x.png)",
    "# heading\n\n---\n| a | b |",
    "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\0",
    "\u202egnp.exe\u2066 \ud800 \u2028",
    "&lt;b&gt; &#60;",
]


class Page(HTMLParser):
    """Collects what a browser would see; fails on markup that the report does not use."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text = [], []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in TAGS and {name for name, _ in attrs} <= ATTRIBUTES, (tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def tables(markdown):
    """The tables outside of fenced blocks, as lists of rows of raw cells."""
    outside, fence = [], ""
    for line in markdown.split("\n"):
        opening = re.match(r"`{3,}", line)
        if fence or opening:
            fence = "" if fence and line == fence else fence or opening[0]
            outside.append("")
        else:
            outside.append(line)
    groups = re.split(r"\n(?!\|)", "\n".join(outside))
    return [[row.split("|")[1:-1] for row in group.split("\n") if row.startswith("|")] for group in groups]


def check(told):
    """What holds for every report, whatever it is about."""
    html, markdown = told.to_html(), told.to_markdown()
    Page(html)
    for text in (html, markdown, told.facts.summary, told.facts.next):
        assert not re.search(
            "[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text
        )
    for rows in tables(markdown):
        assert len({len(row) for row in rows}) <= 1, rows
    prose = re.sub(r"^(`{3,})text\n.*?\n\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<(?!/?code>)", re.sub(r"`[^`\n]*`", "", prose))
    assert "url(" not in html and "@import" not in html
    assert json.loads(json.dumps(told.to_data())) == told.to_data()


def of(run, **more):
    return report.of(run.view, run.events, now_ms=run.now_ms, provenance=run.provenance, after=run.after, **more)


# --- every run, however strange -------------------------------------------------------------------------------------

texts = st.text(max_size=40) | st.sampled_from(NASTY)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
KNOWN = ["attempts", "took_ms", "url", "status", "checks", "verdict", "numbers", "edge", "probes", "watched_ms", "hold"]
results = st.dictionaries(st.sampled_from(KNOWN) | texts, values, max_size=6)
errors = st.fixed_dictionaries(
    {},
    optional={
        "code": texts | st.just("SPH-1231"),
        "message": texts,
        "hint": texts,
        "hold": st.booleans(),
        "facts": st.dictionaries(
            st.sampled_from(["service", "url", "answer", "exit", "log", "serving", *KNOWN]), values, max_size=6
        ),
    },
)
plans = st.sampled_from(
    [releasing(), releasing(first=True), releasing("rollback", watch=False)]
    + [RUNS[name]().journal.plan for name in ("nothing to do", "retired", "started", "stopped", "restarted")]
)


@st.composite
def journals(draw):
    """A run of a real plan whose steps end in any way, with any facts, at any time; foreign text everywhere."""
    journal = Journal(draw(plans), number=draw(st.integers(1, 10**6)), by=draw(texts), reason=draw(texts))
    journal.submit(
        taken_ms=draw(st.none() | st.integers(0, 10**9)), provenance=draw(results), tags=draw(st.lists(texts))
    )
    at_ms = 10**9
    for step in journal.plan.steps:
        phases = draw(st.lists(st.sampled_from(["do", "do", "undo"]), max_size=2))
        for phase in phases:
            at_ms += draw(st.integers(0, 10**7))
            journal.epoch += draw(st.sampled_from([0, 0, 0, 1]))
            about = {"step": step.id, "phase": phase, "attempt": draw(st.integers(1, 9))}
            journal.write(at_ms, "step started", about | {"with": {}})
            outcome = draw(st.sampled_from(["done", "failed", "lost"]))
            if outcome == "done":
                journal.write(at_ms + draw(st.integers(0, 10**5)), "step done", about | {"result": draw(results)})
            elif outcome == "failed":
                journal.write(at_ms, "step failed", about | {"error": draw(errors), "again": draw(st.booleans())})
    for kind, body in draw(st.lists(st.sampled_from([
        ("held", {"because": NASTY[0]}),
        ("resumed", {"by": NASTY[3]}),
        ("cancel asked", {"by": NASTY[4], "reason": NASTY[5]}),
        ("undo decided", {"kind": "failure", "message": NASTY[7]}),
        ("note", {"message": NASTY[1]}),
        ("note", {NASTY[8]: NASTY[2]}),
    ]), max_size=3)):  # fmt: skip
        at_ms += draw(st.integers(0, 10**8))
        journal.write(at_ms, kind, body)
    ending = draw(st.sampled_from([None, "done", "rolled back", "failed", "cancelled"]))
    if ending:
        journal.end(at_ms + draw(st.integers(0, 10**6)), ending, draw(texts))
    return journal


@pytest.mark.slow
@at_most(60)
@given(journals(), st.integers(-(2**40), 2**61), st.sampled_from([None, Standing("production"), RUNS["held"]().after]))
def test_any_run_is_told_and_nothing_of_it_gets_out_of_its_place(journal, now_ms, after):
    check(report.of(journal.view, journal.events, now_ms=now_ms, after=after))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_every_prefix_of_a_run_is_told(name):
    run = RUNS[name]()
    for length in range(1, len(run.events) + 1):
        journal = Journal(run.journal.plan, events=run.events[:length])
        check(report.of(journal.view, journal.events, now_ms=run.now_ms))


@pytest.mark.parametrize("nasty", NASTY)
def test_foreign_text_is_shown_and_not_obeyed(nasty):
    journal = Journal(releasing(), by=nasty, reason=nasty)
    journal.submit(provenance={"subject": nasty})
    error = {
        "code": "SPH-1210",
        "message": nasty,
        "hint": nasty,
        "facts": {"log": [nasty], "url": nasty, "body": nasty},
    }
    journal.steps(("verify api", 10, 20, error))
    journal.end(30, "failed", nasty)
    told = report.of(journal.view, journal.events, now_ms=START_MS)

    check(told)
    shown = report.text.plain(nasty).replace("`", "")
    assert shown in "".join(Page(told.to_html()).text).replace("`", "")


def test_a_log_cannot_end_the_block_it_stands_in():
    journal = Journal(releasing())
    journal.submit()
    journal.steps(("verify api", 10, 20, {"code": "SPH-1210", "facts": {"log": ["```", "# not a heading", "````"]}}))
    markdown = report.of(journal.view, journal.events, now_ms=START_MS).to_markdown()

    assert "`````text\n```\n# not a heading\n````\n`````" in markdown


# --- what may not be in it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_values_of_variables_and_secrets_are_left_out(name):
    told = of(RUNS[name]())

    assert HIDDEN not in told.to_html() + told.to_markdown() + json.dumps(told.to_data())
    assert "api.env.LOG_LEVEL" in told.to_html()


def test_secrets_in_foreign_text_are_masked_before_anything_else():
    journal = Journal(releasing(), by="ada", reason="uses s3cr3t-token")
    journal.submit()
    error = {"code": "SPH-1210", "message": "got s3cr3t-token", "facts": {"log": ["token=s3cr3t-token"]}}
    journal.steps(("verify api", 10, 20, error))
    journal.end(30, "failed", "got s3cr3t-token")
    told = report.of(
        journal.view, journal.events, now_ms=START_MS, mask=lambda text: text.replace("s3cr3t-token", "***")
    )

    assert "s3cr3t" not in told.to_html() + told.to_markdown() + json.dumps(told.to_data())
    assert "token=***" in told.to_html()


# --- what must be in it ---------------------------------------------------------------------------------------------


def test_a_manager_sees_outcome_time_users_and_what_serves():
    facts = of(rolled_back()).facts

    assert facts.state == "rolled back"
    assert facts.took_ms == 9_690
    assert (facts.users.failed, facts.users.headline) == (96, "96 of 411")
    assert facts.serving == OLD.name


def test_unknown_is_not_told_as_good():
    without_watch = RUNS["rollback"]()
    assert of(without_watch).facts.users.failed is None
    assert [gate.answer for gate in of(held()).facts.gates if gate.gate == "watch"] == ["hold"]


def test_without_users_the_probes_are_told_apart_from_them():
    facts = of(watched_quietly()).facts

    assert facts.users.headline == "none seen"
    assert "of 30 probes of Sophia's own none failed" in facts.users.detail


def test_the_ledger_range_and_its_head_are_given_for_proof():
    run = rolled_back()
    told = of(run)

    assert told.facts.proof.first == 41 and told.facts.proof.last == run.events[-1].seq
    assert f"sophia audit verify --head {run.events[-1].seq}:{run.events[-1].hash}" in told.to_html()


def test_a_step_that_was_ended_because_the_run_went_back_is_no_failure():
    facts = of(RUNS["cancelled"]()).facts

    assert facts.failures == ()
    assert [bar.outcome for bar in facts.bars if bar.step == "smoke api"] == ["ended"]


def test_events_of_other_runs_are_passed_over():
    run, other = rolled_back(), Journal(releasing(), id="another", number=18)
    other.submit()

    told = report.of(run.view, [*other.events, *run.events, *other.events], now_ms=run.now_ms)
    assert told.facts.proof.entries == len(run.events)


def test_what_serves_is_known_without_the_environment():
    for name, live in (("deployed", NEW), ("rolled back", OLD), ("never healthy", OLD), ("cancelled", OLD)):
        run = RUNS[name]()
        assert report.of(run.view, run.events, now_ms=run.now_ms).facts.serving == live.name


def test_very_many_steps_are_drawn_one_verb_a_row():
    plan = releasing()
    steps = tuple(type(plan.steps[0])(f"start s{number}", "start", {}) for number in range(300))
    journal = Journal(Plan("deploy", "production", plan.basis, steps, {}, NEW, OLD.name))
    journal.submit()
    journal.steps(*((step.id, number, number + 5, {}) for number, step in enumerate(steps)))
    html = report.of(journal.view, journal.events, now_ms=START_MS).to_html()

    assert ">start × 300</text>" in html


# --- looks ----------------------------------------------------------------------------------------------------------


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_schemes(scheme):
    blocks = re.findall(r":root \{(.*?)\}", style.PAGE, flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", blocks[scheme]))
    pairs = [(text, ground) for text in ("ink", "muted") for ground in ("card", "page")]
    pairs += [(text, "card") for text in ("good", "bad", "warn", "quiet", "failed")] + [("ink", "code"), ("ink", "old")]
    pairs += [("on-new", "new")]

    assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == []

"""Answers that are composed without a model."""

from __future__ import annotations

from sophia_api.composing import Found, Memory, Outcome, composed


def outcome(tool: str, value: dict[str, object] | None = None, *, ok: bool = True, text: str = "") -> Outcome:
    return Outcome("t1", tool, ok, value, text, 1.0)


def test_an_answer_says_that_no_model_wrote_it_and_what_is_remembered() -> None:
    found = Found(looked=True, memories=[Memory(1, "The train leaves on Thursdays.", 0.5)])
    assert composed(found) == (
        "Composed without a model.\n\nWhat I remember about this:\n- The train leaves on Thursdays."
    )


def test_why_the_model_did_not_write_it_is_in_the_first_line() -> None:
    assert composed(Found(), because="the model could not be asked (connection refused)") == (
        "Composed without a model: the model could not be asked (connection refused)."
    )


def test_nothing_found_is_not_the_same_as_nobody_asked() -> None:
    assert "I remember nothing about this." in composed(Found(looked=True))
    down = composed(Found(unavailable={"ai-memory": "connection refused"}))
    assert "I could not ask `ai-memory`: connection refused." in down
    assert "I remember nothing" not in down


def test_findings_are_listed_with_their_lines_and_who_did_not_look() -> None:
    finding = {"tool": "bandit", "rule": "B602", "severity": "high", "line": 3, "message": "shell"}
    value = {"findings": [finding], "incomplete": [{"tool": "ruff", "why": "it took longer than 10 s"}]}
    text = composed(Found(outcomes=[outcome("code-quality.check", value)]))
    assert "ruff and bandit found 1:\n- line 3: shell (bandit B602, high)" in text
    assert "- ruff did not look at all of it: it took longer than 10 s" in text


def test_silence_of_a_tool_is_not_told_as_a_clean_verdict() -> None:
    value = {"findings": [], "incomplete": [{"tool": "bandit", "why": "x"}]}
    assert "found nothing:\n- bandit did not look" in composed(Found(outcomes=[outcome("code-quality.check", value)]))
    assert "found nothing." in composed(Found(outcomes=[outcome("code-quality.check", {"findings": []})]))


def test_a_failed_call_names_who_is_down_once() -> None:
    failed = outcome("code-quality.check", ok=False, text="`code-quality` is down: connection refused")
    text = composed(Found(outcomes=[failed], unavailable={"code-quality": "connection refused"}))
    assert text.count("connection refused") == 1


def test_a_tool_that_is_not_known_here_is_quoted_but_not_without_end() -> None:
    text = composed(Found(outcomes=[outcome("weather.today", text="x" * 5000)]))
    assert text.endswith("x…") and len(text) < 2200

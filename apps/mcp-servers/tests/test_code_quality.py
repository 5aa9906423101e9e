"""`code-quality` with the real ruff and the real bandit."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from mcp import Client
from sophia_mcp_servers.code_quality import checking
from sophia_mcp_servers.code_quality.checking import CODE_BYTES, Incomplete, Unfinished, check, run
from sophia_mcp_servers.code_quality.server import server
from sophia_mcp_servers.serving import new_registry

pytestmark = pytest.mark.slow
"""Real processes: they take seconds."""


async def test_both_tools_report_with_their_rules_and_lines() -> None:
    checked = await check("import os\nimport subprocess\nsubprocess.call(command, shell=True)\n")
    found = {(each.tool, each.rule, each.line) for each in checked.findings}
    assert {("ruff", "F401", 1), ("ruff", "F821", 3), ("bandit", "B602", 3)} <= found
    assert checked.incomplete == ()
    assert [each.line for each in checked.findings] == sorted(each.line for each in checked.findings)


async def test_code_without_faults_has_no_findings() -> None:
    checked = await check("def double(number: int) -> int:\n    return 2 * number\n")
    assert (checked.findings, checked.incomplete) == ((), ())


async def test_code_that_does_not_parse_is_found_by_one_tool_and_not_passed_by_the_other() -> None:
    checked = await check("def broken(:\n")
    assert "invalid-syntax" in {each.rule for each in checked.findings}
    assert [each.tool for each in checked.incomplete] == ["bandit"]


async def test_a_configuration_beside_the_checkout_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ruff.toml").write_text('[lint.per-file-ignores]\n"*" = ["F401"]\n')
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert (await check("import os\n")).findings[0].rule == "F401"
    assert os.listdir(tmp_path) == ["ruff.toml"]


async def test_too_much_code_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match=r"100001 bytes; up to 100000"):
        await check("x" * (CODE_BYTES + 1))


async def test_lone_surrogates_and_nulls_are_looked_at_like_any_nonsense() -> None:
    checked = await check("x = '\ud800'\n\x00")
    assert checked.findings or checked.incomplete


async def test_a_tool_that_takes_too_long_is_named_and_its_whole_group_is_killed(tmp_path: Path) -> None:
    sleep = "import time; time.sleep(60)"
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}]); {sleep}"
    began = time.monotonic()
    with pytest.raises(Unfinished, match=r"longer than 0\.5 s"):
        await run([sys.executable, "-c", child], str(tmp_path), 0.5)
    assert time.monotonic() - began < 5
    assert _processes_in(tmp_path) == []


def _processes_in(directory: Path) -> list[str]:
    """Living processes that work in the directory; a killed one that nobody has waited for has none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(directory):
                found.append(process.name)
        except OSError:
            continue
    return found


async def test_a_tool_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match="printed more than"):
        await run([sys.executable, "-c", "while True: print('x' * 100000)"], str(tmp_path), 20)


async def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match="status 3: so it is"):
        await run(
            [sys.executable, "-c", "import sys; print('so it is', file=sys.stderr); sys.exit(3)"], str(tmp_path), 20
        )


async def test_a_tool_gets_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_KEY", "secret")
    output = await run([sys.executable, "-c", "import os; print(sorted(os.environ))"], str(tmp_path), 20)
    assert b"MODEL_KEY" not in output


async def test_a_missing_verdict_is_told_over_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "bandit_command", lambda: [sys.executable, "-c", "print('no JSON')"])
    registry = new_registry()
    async with Client(server(registry)) as client:
        result = await client.call_tool("check", {"code": "import os\n"})
    answer = result.structured_content or {}
    assert answer["complete"] is False
    assert answer["incomplete"] == [{"tool": "bandit", "why": "its answer could not be read"}]
    assert [each["rule"] for each in answer["findings"]] == ["F401"]
    assert registry.get_sample_value("code_quality_checks_total", {"outcome": "incomplete"}) == 1


async def test_more_findings_than_fit_are_counted() -> None:
    checked = await check("import os\n" * 201)
    assert len(checked.findings) == 200
    assert checked.incomplete[0].tool == "all"
    assert isinstance(checked.incomplete[0], Incomplete)

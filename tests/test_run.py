import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests import run
from tests.run import Checkout, Outcome, Step, Wish, closing_line, counted, steps_for, tell, wish_from

WHOLE = Checkout(frozenset({"acceptance", "integration", "faults"}), ("typecheck", "test"), npm="/usr/bin/npm")
STATIC = ["unit", "types", "format", "lint", "contracts", "promises"]


def names(wish: Wish, checkout: Checkout = WHOLE) -> list[str]:
    return [step.name for step in steps_for(wish, checkout)]


def command_of(name: str, wish: Wish) -> tuple[str, ...]:
    return next(step for step in steps_for(wish, WHOLE) if step.name == name).commands[0]


def test_quick_is_what_needs_no_engine() -> None:
    assert names(Wish(quick=True)) == STATIC
    assert "not slow" in command_of("unit", Wish(quick=True))


def test_a_whole_run_has_every_suite_and_a_sample_of_the_faults() -> None:
    assert names(Wish()) == [*STATIC, "frontend", "integration", "acceptance", "faults"]
    assert "--faults=sample" in command_of("faults", Wish())


def test_all_means_the_whole_kill_matrix_with_the_callers_seed() -> None:
    assert {"--faults=all", "--seed=7"} <= set(command_of("faults", Wish(all=True, seed=7)))


def test_suites_that_are_not_there_yet_are_no_steps() -> None:
    assert names(Wish(), Checkout()) == STATIC


def test_an_expression_selects_tests_and_leaves_the_static_checks_out() -> None:
    assert names(Wish(matching="switch")) == ["unit", "integration", "acceptance", "faults"]
    assert command_of("unit", Wish(matching="switch"))[-2:] == ("-k", "switch")


def test_only_the_named_steps_run() -> None:
    assert names(Wish(only=("lint", "types"))) == ["types", "lint"]


def test_stale_packages_are_installed_before_all_that_needs_them_and_for_nothing_else() -> None:
    stale = replace(WHOLE, packages_stale=True)
    assert names(Wish(), stale)[0] == "packages"
    assert steps_for(Wish(), stale)[0].first
    assert names(Wish(only=("integration",)), stale) == ["packages", "integration"]
    assert names(Wish(only=("types",)), stale) == ["types"]
    assert names(Wish(quick=True), stale) == STATIC
    assert "packages" not in names(Wish(), replace(stale, npm=None))


def test_a_step_that_others_wait_for_is_over_before_they_start(results: Path) -> None:
    made = results / "made"
    steps = [Step("after", (("test", "-e", str(made)),)), Step("before", (("touch", str(made)),), first=True)]
    assert [outcome.ok for outcome in run.run_all(steps)] == [True, True]


def test_a_front_end_without_npm_is_skipped_with_its_reason() -> None:
    step = next(step for step in steps_for(Wish(), Checkout(frontend_scripts=("test",))) if step.name == "frontend")
    assert run.run(step).skips == ("frontend: no npm on this machine and none in .venv",)


def test_the_command_line_is_read() -> None:
    wish = wish_from(["--all", "--only", "faults,unit", "--seed", "5", "--", "-x", "--pdb"])
    assert wish == Wish(all=True, only=("faults", "unit"), seed=5, pytest=("-x", "--pdb"))


def test_every_command_of_a_step_runs_though_an_earlier_one_failed(results: Path) -> None:
    outcome = run.run(Step("some", (("sh", "-c", "echo one; exit 3"), ("echo", "two"))))
    assert (outcome.ok, outcome.output) == (False, "one\ntwo\n")


def test_a_step_that_hangs_is_killed_with_what_it_started(results: Path) -> None:
    outcome = run.run(Step("some", (("sh", "-c", "sleep 60 & sleep 60"),), limit_seconds=0))
    assert not outcome.ok
    assert "was killed" in outcome.output
    assert outcome.seconds < 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "arguments", "ok", "counts"),
    [
        ("assert True", (), True, Counter(passed=1)),
        ("assert False", (), False, Counter(failed=1)),
        ("assert True", ("-k", "other"), True, Counter()),
        ("(", (), False, Counter(error=1)),
    ],
)
def test_a_pytest_step_is_judged_by_its_exit_code_and_counted_by_its_report(
    results: Path, body: str, arguments: tuple[str, ...], ok: bool, counts: Counter[str]
) -> None:
    (results / "test_inner.py").write_text(f"def test_inner():\n    {body}\n")
    command = (
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={results}",
        "-c",
        "/dev/null",
        f"{results}/test_inner.py",
    )
    outcome = run.run(Step("some", ((*command, f"--junitxml={results}/some.xml", *arguments),), junit=True))
    assert (outcome.ok, outcome.counts) == (ok, counts)


def test_a_report_is_counted_and_its_skips_keep_their_reasons(tmp_path: Path) -> None:
    report = tmp_path / "some.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="a" name="b"/>'
        '<testcase classname="a" name="c"><skipped type="pytest.skip" message="no root"/></testcase>'
        '<testcase classname="a" name="d"><skipped type="pytest.xfail" message="known"/></testcase>'
        '<testcase classname="a" name="e"><failure message="no"/></testcase></testsuite></testsuites>'
    )
    counts, skips = counted(report, crashed=True)
    assert counts == Counter(passed=1, skipped=1, xfailed=1, failed=1)
    assert skips == ("a::c: no root",)


def test_a_pytest_that_left_no_report_is_an_error(tmp_path: Path) -> None:
    assert counted(tmp_path / "none.xml", crashed=True) == (Counter(error=1), ())


def test_the_closing_line_sums_all_runs_in_pytests_words() -> None:
    step = Step("some", (), junit=True)
    outcomes = [Outcome(step, True, counts=Counter(passed=3)), Outcome(step, False, counts=Counter(passed=1, failed=2))]
    assert closing_line(outcomes, seconds=1.5).strip("=") == " 2 failed, 4 passed in 1.50s "


@pytest.mark.parametrize(("skips_fail", "code"), [(False, 0), (True, 1)])
def test_a_skip_is_shown_and_fails_only_where_nothing_may_be_skipped(
    skips_fail: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(Step("some", (), junit=True), True, counts=Counter(passed=1, skipped=1), skips=("a::c: no root",))
    assert tell([outcome], seconds=1, seed=0, skips_fail=skips_fail) == code
    told = capsys.readouterr().out
    assert "skipped  a::c: no root" in told
    assert ("error: 1 skipped" in told) == skips_fail


def test_all_failures_are_shown_and_the_closing_line_is_last(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [Outcome(Step(name, ()), False, output=f"what {name} said") for name in ("one", "two")]
    assert tell(outcomes, seconds=1, seed=0, skips_fail=False) == 1
    told = capsys.readouterr().out
    assert "what one said" in told
    assert "what two said" in told
    assert "\nfailed: one, two\n" in told
    assert "no tests ran in 1.00s" in told.splitlines()[-1]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("second", "ok", "unstable"), [("passes", True, 1), ("fails", False, 0)])
def test_a_test_that_failed_once_is_tried_again_and_told(second: str, ok: bool, unstable: int, results: Path) -> None:
    file = results / "test_some.py"
    passes_later = "assert seen.exists() or seen.touch()" if second == "passes" else "assert False"
    file.write_text(
        "from pathlib import Path\n"
        f"seen = Path({str(results / 'seen')!r})\n"
        "def test_it():\n"
        f"    {passes_later}\n"
        "def test_other():\n    pass\n"
    )
    command = ["pytest", "-q", f"--junitxml={results / 'some'}.xml", "-o", f"cache_dir={results / 'cache'}", str(file)]
    outcome = run.run(Step("some", (tuple(command),), junit=True, again=True))
    assert (outcome.ok, len(outcome.unstable)) == (ok, unstable)
    assert outcome.counts == (Counter(passed=2) if ok else Counter(passed=1, failed=1))


def test_byte_code_is_kept_though_nobody_may_leave_it_beside_sources() -> None:
    made = run.environment({"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert made["PYTHONPYCACHEPREFIX"].startswith(sys.prefix)
    assert "PYTHONPYCACHEPREFIX" not in run.environment({})
    assert run.environment({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/x"})["PYTHONPYCACHEPREFIX"] == "/x"

"""GitLab pipelines: where their jobs run, what they have there, and what GitLab puts them together from."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from sophia_preflight import engine
from sophia_preflight.model import Finding, Severity

ENTRY = ".gitlab-ci.yml"


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(dedent(text))
    return root


def blocking(root: Path, files: dict[str, str]) -> list[Finding]:
    return [each for each in engine.check(laid_out(root, files)).findings if each.blocking]


def lines(root: Path, text: str, **more: str) -> list[int]:
    """The lines of the entry in which something blocks; there is a `web/run.py` and a `scripts/check.sh`."""
    there = {"web/run.py": "print(1)\n", "scripts/check.sh": "true\n"}
    return sorted(each.place.line for each in blocking(root, {**there, ENTRY: text, **more}))


@pytest.mark.parametrize(
    "before",
    [
        "default: {before_script: [cd web]}\njob:",
        "before_script: [cd web]\njob:",
        ".base: {before_script: [cd web]}\njob:\n  extends: .base",
        ".setup: {script: [cd web]}\njob:\n  before_script: [!reference [.setup, script]]",
        ".cd: &cd [cd web]\njob:\n  before_script: [*cd]",
        "variables: {WHERE: web}\njob:\n  before_script: ['cd $WHERE']",
        "job:\n  variables: {WHERE: web}\n  before_script: ['cd $CI_PROJECT_DIR/$WHERE']",
        (
            ".base: {variables: {WHERE: web}}\nvariables: {WHERE: scripts}\n"
            "job:\n  extends: .base\n  variables: {OTHER: x}\n  before_script: ['cd $WHERE']"
        ),
    ],
)
def test_a_job_runs_where_the_lines_before_it_went(before: str, tmp_path: Path) -> None:
    text = f"{before}\n  script:\n    - python run.py\n    - python web/run.py\n"
    assert lines(tmp_path, text) == [text[: text.index("web/run.py")].count("\n") + 1]


@pytest.mark.parametrize(
    "before",
    [
        "default: {before_script: [cd web]}\njob:\n  inherit: {default: false}",
        "default: {before_script: [cd web]}\njob:\n  before_script: []",
        "include: [{template: Security/SAST.gitlab-ci.yml}]\njob:",
    ],
)
def test_a_job_without_such_lines_runs_in_the_root(before: str, tmp_path: Path) -> None:
    text = f"{before}\n  script: [python web/run.py, python run.py]\n"
    assert len(lines(tmp_path, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "include: [{project: acme/ci, file: all.yml}]\njob: {script: [python run.py]}",
        "job: {extends: .elsewhere, script: [python run.py]}\ninclude: [{remote: 'https://example.org/x.yml'}]",
        "include: [{project: a/b, file: c.yml}]\njob: {script: [!reference [.clone, script], ./tools/run.sh]}",
        "job: {variables: {GIT_STRATEGY: none}, script: [./gone.sh]}",
        "job: {script: [./gone.sh], tags: [windows]}",
        "job: {script: ['.\\build.ps1', 'python gone.py']}",
        "job: {script: ['if [ -f gone.py ]; then', 'python gone.py', 'fi']}",
        "job: {script: ['test -f gone.py || exit 0', 'python gone.py']}",
        "job: {needs: [{project: acme/other, job: x, artifacts: true}], script: [./gone.sh]}",
        "one: {script: ['true'], artifacts: {paths: [out/]}}\njob: {script: [python out/gone.py]}",
        "one: {script: ['true'], artifacts: {untracked: true}}\njob: {script: [./gone.sh]}",
        "one: {script: ['true'], cache: [{paths: ['*.sh']}]}\njob: {script: [./gone.sh]}",
        (
            ".keep: {artifacts: {paths: [out]}}\none: {extends: .keep, artifacts: {expire_in: 1d}, script: ['true']}\n"
            "job: {script: [python out/gone.py]}"
        ),
        "job: {script: ['true'], after_script: [./gone.sh]}",
        "job: {script: [./gone.sh], allow_failure: true}",
        "job: {script: [python $WHICH/x.py], parallel: {matrix: [{WHICH: [web]}]}}",
        "job: {script: [python $WHICH/x.py], rules: [{if: $X, variables: {WHICH: web}}]}",
        "include: [{local: gone.yml, rules: [{exists: [gone.yml]}]}]\njob: {script: ['true']}",
        "include: [{local: '/ci/$WHICH.yml'}]\njob: {script: ['true']}",
    ],
)
def test_what_cannot_be_known_is_not_wrong(text: str, tmp_path: Path) -> None:
    assert lines(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "job: {script: [./gone.sh]}",
        "job: {script: [python web/run.py, ./gone.sh]}",
        "one: {script: ['true'], artifacts: {paths: ['*.log']}}\njob: {script: [./gone.sh]}",
        "include: ci/gone.yml\njob: {script: ['true']}",
        "include: [{local: /ci/gone.yml}]\njob: {script: ['true']}",
        "job: {trigger: {include: ci/gone.yml}}",
        "job: {trigger: {include: [{local: ci/gone.yml}]}}",
    ],
)
def test_what_is_missing_is_told(text: str, tmp_path: Path) -> None:
    assert len(lines(tmp_path, text)) == 1


def test_included_files_run_in_the_root_and_what_nobody_includes_is_not_looked_at(tmp_path: Path) -> None:
    job = "job-{}:\n  script: [bash scripts/check.sh, bash scripts/gone.sh]\n"
    there = {"scripts/check.sh": "true\n", ENTRY: "include: {local: 'ci/*.yml'}\nchild: {trigger: {include: c/ci.yml}}"}
    parts = {f"{path}.yml": job.format(number) for number, path in enumerate(("ci/a", "c/ci", "other/ci/b"))}
    found = blocking(tmp_path, {**there, **parts, "lib/.gitlab-ci.yml": job.format("x")})
    assert {each.place.path for each in found} == {"ci/a.yml", "c/ci.yml"}


def test_a_deployment_that_fails_is_critical(tmp_path: Path) -> None:
    (found,) = blocking(tmp_path, {ENTRY: "deploy-production: {script: [./gone.sh]}"})
    assert found.severity is Severity.CRITICAL
    assert found.blocks == "the job `deploy-production` of `.gitlab-ci.yml`"


@pytest.mark.parametrize(
    "text",
    [
        "include: {local: b.yml}\njob: {stage: mine, script: x}",
        "include: {local: b.yml}\nmerged: {stage: build}",
        "stages: [build]\njob: {stage: build, needs: ['$NAME'], script: x}",
        "stages: [build]\ninclude: {project: a/b, file: c.yml}\njob: {extends: .x}",
        "job: {extends: .a}\n.a: {extends: .b}\n.b: {script: x}",
        "job: {stage: .post, script: x, needs: [{job: other, optional: true}]}",
        "stages: !reference [.s, stages]\njob: {stage: anything, script: x}",
        "spec: {inputs: {stage: {default: x}}}\n---\njob: {stage: '$[[ inputs.stage ]]', script: x}",
        "a: {script: x, only: [branches]}\nb: {script: x, needs: [a]}",
        "a: {script: x, rules: [{if: $X}, {when: on_success}]}\nb: {script: x, needs: [a]}",
        "image: x\nservices: [y]\nvariables: {scripts: z}\npages: {script: x, publish: public}",
    ],
)
def test_pipelines_that_gitlab_takes_are_not_refused(text: str, tmp_path: Path) -> None:
    part = "stages: [build, mine]\nmerged: {stage: build, script: x}\n"
    report = engine.check(laid_out(tmp_path, {ENTRY: text, "b.yml": part}), rules=("broken-pipeline",))
    assert not report.findings


def test_what_wins_is_what_the_entry_says(tmp_path: Path) -> None:
    files = {ENTRY: "include: b.yml\nstages: [one]\njob: {stage: one}\n", "b.yml": "job: {stage: two, script: x}\n"}
    assert not blocking(tmp_path, files)
    laid_out(tmp_path, {ENTRY: "include: b.yml\nstages: [one]\njob: {retry: 1}\n"})
    (found,) = engine.check(tmp_path, rules=("broken-pipeline",)).findings
    assert (found.place.path, found.place.line) == ("b.yml", 1)


def test_a_circle_of_includes_and_templates_ends(tmp_path: Path) -> None:
    circle = "include: .gitlab-ci.yml\n.b: {extends: .a}\n"
    laid_out(tmp_path, {ENTRY: "include: b.yml\n.a: {extends: .b}\njob: {extends: .a}\n", "b.yml": circle})
    assert not engine.check(tmp_path).not_assessed

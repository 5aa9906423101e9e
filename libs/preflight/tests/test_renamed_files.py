"""Files that are called by a name that they no longer have, in the ways in which people write paths and conditions."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree


def blocking(root: Path, text: str) -> set[str]:
    for path, content in tree(dedent(text)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return {each.rule for each in engine.check(root).blocking}


@pytest.mark.parametrize(
    "text",
    [
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            strategy:
              matrix:
                python: ["3.13"]
                kind: [unit, pages]
                include:
                  - {python: "3.10", kind: unit}
            steps:
              - uses: actions/checkout@v4
              - if: matrix.kind == 'pages'
                run: pip install -r browser-requirements.txt
        === ui-requirements.txt
        playwright
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            strategy:
              matrix:
                suite: [fast, slow]
                include:
                  - suite: fast
                    runner: small
            steps:
              - uses: actions/checkout@v4
              - run: pip install -r ci/${{ matrix.suite }}.txt
        === ci/fast.txt
        click
        === ci/slowest.txt
        click
        """,
        """
        === Dockerfile
        FROM python:3.13
        RUN mkdir -p /shop
        COPY requirements.txt /shop
        COPY requirements/*.txt /shop/requirements/
        ENV VIRTUAL_ENV=/opt/venv
        RUN python3 -m venv $VIRTUAL_ENV
        WORKDIR /shop
        RUN pip install gunicorn -r requirements.txt -r /shop/requirements/dev.txt
        === requirements.txt
        === requirements/develop.txt
        === requirements/test.txt
        """,
        """
        === Dockerfile
        FROM python:3.13-slim
        RUN mkdir -p /srv && pip install wheel
        WORKDIR /srv
        ADD deps/requirements-*.txt ./
        RUN pip install -r requirements-base.txt
        === deps/requirements-core.txt
        === deps/requirements-test.txt
        """,
    ],
)
def test_requirements_that_were_renamed_are_missing(text: str, tmp_path: Path) -> None:
    assert blocking(tmp_path, text) == {"missing-file"}


def test_requirements_that_a_pattern_may_bring_are_not_missing(tmp_path: Path) -> None:
    text = """
    === Dockerfile
    FROM python:3.13
    RUN mkdir -p /shop
    COPY requirements/*.txt /shop/requirements/
    WORKDIR /shop
    RUN pip-compile -o requirements/made.txt requirements/core.in
    RUN pip install -r requirements/made.txt -r requirements/test.txt -c requirements/limits.cfg
    === requirements/develop.txt
    === requirements/test.txt
    === .github/workflows/ci.yml
    on: push
    jobs:
      test:
        runs-on: ubuntu-24.04
        strategy:
          matrix:
            suite: [develop, test, never]
            exclude:
              - suite: never
            include:
              - {suite: test, runner: small}
        steps:
          - uses: actions/checkout@v4
          - run: pip install -r requirements/${{ matrix.suite }}.txt
    """
    assert blocking(tmp_path, text) == set()


@pytest.mark.parametrize(
    "text",
    [
        """
        === plugins/till/justfile
        repo_root := "../.."
        check:
            python3 {{repo_root}}/scripts/validate_till.py .
        === scripts/validate.py
        === scripts/release.py
        === plugins/till/plugin.yaml
        """,
        """
        === services/till/run.sh
        #!/bin/sh
        TOP=../..
        bash $TOP/tools/wait_for_it.sh
        === tools/wait.sh
        === tools/build.sh
        """,
        """
        === services/till/check.sh
        #!/bin/sh
        python3 ../../tools/wait_for.py
        === tools/wait_for_it.py
        """,
        """
        === examples/threads/agent.config.yaml
        mcp:
          servers:
            words: {command: uv, args: [run, word_count.py]}
        === examples/threads/word_count_server.py
        """,
        """
        === samples/agents/words/.mcp.json
        {"mcpServers": {"words": {"command": "python", "args": ["samples/agents/words/count.py"]}}}
        === samples/agents/words/counting.py
        """,
        """
        === deploy/shop.service
        [Service]
        WorkingDirectory=%h/repositories/shop
        ExecStart=%h/repositories/shop/venv/bin/python %h/repositories/shop/scripts/server/run_http.py
        === scripts/server/serve_http.py
        """,
        """
        === deploy/shop.service
        [Service]
        WorkingDirectory=%h/shop
        ExecStart=/usr/bin/python3 bin/serve.py
        === bin/serve_http.py
        """,
        """
        === deploy/shop.service
        [Service]
        ExecStartPre=-/bin/true
        ExecStart=%h/src/shop/bin/serve.sh --all
        === bin/serve_http.sh
        """,
    ],
)
def test_scripts_that_were_renamed_are_missing(text: str, tmp_path: Path) -> None:
    assert blocking(tmp_path, text) == {"missing-script"}


def test_paths_that_may_lead_anywhere_are_not_missing(tmp_path: Path) -> None:
    text = """
    === plugins/till/justfile
    repo_root := "../.."
    check:
        python3 {{repo_root}}/scripts/validate.py .
        python3 {{repo_root}}/other/validate.py .
        python3 {{repo_root}}/build/made.py .
        python3 ../../../scripts/none.py
        python3 ../../top.py
    === scripts/validate.py
    === scripts/release.py
    === deploy/shop.service
    [Service]
    WorkingDirectory=%h/shop
    ExecStart=%h/.local/bin/shop --all
    ExecStartPre=%h/shop/scripts/validate.py
    ExecStartPost=%h/tools/start.sh
    ExecStop=%t/scripts/none.py
    """
    assert blocking(tmp_path, text) == set()

"""What grown repositories of agents, servers of tools and data platforms do, beside what would be wrong in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_FRAGMENTS = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli/__init__.py
        import argparse
        from pathlib import Path
        from shop.routing import add_routing
        for name in ("parser.py",):
            {load}
        === shop/routing.py
        def add_routing(parser):
            parser.add_argument("--route")
        === shop/cli/parser.py
        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--shelf")
            add_routing(parser)
            parser.parse_args()
        === run.sh
        shop --shelf 3
"""
_MOUNTED = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:app"
        === shop/__init__.py
        === shop/main.py
        import typer
        try:
            from shop.cloud import app as cloud_app
        except Exception:
            cloud_app = typer.Typer()
        app = typer.Typer()
        @app.command()
        def local(): ...
        app.add_typer(cloud_app, name="cloud")
        === shop/cloud.py
        import typer
        app = typer.Typer()
        @app.command()
        def deploy(): ...
        @app.command()
        def login(): ...
        === run.sh
        shop cloud {verb}
"""
_COMPLETED = """
        === shop.py
        import argparse
        def add_shelf(parser):
            return parser.add_argument("shelf")
        parser = argparse.ArgumentParser()
        add_shelf(parser).complete = dict
        parser.add_argument("--from").completer = print
        parser.parse_args()
"""
_KEY = "sk-" + "ocieShae9ebah5ohphahT3BlbkFJzaiy0ohxahw0au5zoeWi"
_NEWER = """
        === pyproject.toml
        [project]
        name = "shop"
        requires-python = ">=3.12"
        [project.scripts]
        shop = "shop.main:app"
        === shop/__init__.py
        === shop/app.py
        import typer
        app = typer.Typer()
        @app.command()
        def local(): ...
        @app.command()
        def sell(): ...
        === shop/main.py
        from shop.app import app
        from shop.commands import wiki
        === shop/commands/__init__.py
        === shop/commands/wiki.py
        import typer
        from shop.app import app
        wiki_app = typer.Typer()
        app.add_typer(wiki_app, name="wiki")
        {line}
        @wiki_app.command()
        def status(): ...
        === run.sh
        shop {command}
"""
PAIRS = {
    "a command whose module may be missing": (_MOUNTED.format(verb="deploy"), _MOUNTED.format(verb="deply")),
    "files that are executed into a package": (
        _FRAGMENTS.format(load="exec(Path(__file__).with_name(name).read_text(), globals())"),
        _FRAGMENTS.format(load="print(name)"),
    ),
    "a line of a justfile that goes on in the next": (
        """
        === justfile
        migrate:
            @cd shop/migrations && \\
            DATABASE=shop \\
            alembic -c alembic.ini upgrade head
        test:
            uv run pytest -q \\
                tests/test_shop.py::test_sale
        === shop/migrations/alembic.ini
        === tests/test_shop.py
        """,
        """
        === justfile
        migrate:
            @cd shop/migrations && \\
            DATABASE=shop \\
            alembic -c alembic.ini upgrade head
        === shop/alembic.ini
        """,
    ),
    "a variable of a makefile that holds nothing": (
        """
        === Makefile
        MORE ?=
        clean:
        \tpython clean.py $(MORE)
        === clean.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--all")
        parser.parse_args()
        """,
        """
        === Makefile
        MORE ?=
        clean:
        \tpython clean.py "$(MORE)"
        === clean.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--all")
        parser.parse_args()
        """,
    ),
    "an image that is told the rest by who starts it": (
        """
        === Dockerfile
        FROM python:3.13-slim
        COPY quality.py /quality.py
        ENTRYPOINT ["python", "/quality.py"]
        === quality.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("directory")
        parser.parse_args()
        """,
        """
        === Dockerfile
        FROM python:3.13-slim
        COPY quality.py /quality.py
        CMD ["python", "/quality.py"]
        === quality.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("directory")
        parser.parse_args()
        """,
    ),
    "reports that pytest writes": (
        """
        === .github/workflows/test.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  pytest --cov=shop --cov-report=json --cov-report=xml:reports/shop.xml --junitxml=units.xml
                  mv coverage.json base.json
                  mv reports/shop.xml units.xml /tmp
        """,
        """
        === .github/workflows/test.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  pytest --cov=shop --cov-report=html
                  mv coverage.json base.json
        """,
    ),
    "values of a chart that lists services": (
        """
        === values.yaml
        services:
          default:
            image: python:3.13-slim
            workingDir: /shop
        allowDomains: ["*"]
        """,
        """
        === sandbox.yaml
        services:
          default:
            image: python:3.13-slim
            work_dir: /shop
        """,
    ),
    "a part of a project that others include": (
        """
        === servers/compose.yaml
        services:
          files: {image: "owncloud:10", networks: [inner]}
        === tasks/one/compose.yaml
        include: [{path: ../../servers/compose.yaml}]
        services:
          web: {image: "nginx:1.29", networks: [inner]}
        networks: {inner: {}}
        """,
        """
        === servers/compose.yaml
        services:
          files: {image: "owncloud:10", networks: [inner]}
        === tasks/one/compose.yaml
        include: [{path: ../../servers/compose.yaml}]
        services:
          web: {image: "nginx:1.29"}
        networks: {outer: {}}
        """,
    ),
    "what an agent is told to do elsewhere": (
        """
        === skills/debugging/SKILL.md
        ```bash
        pytest tests/test_sales.py -v
        docker build -t app -f Dockerfile.prod .
        ```
        === tests/test_shop.py
        """,
        """
        === .claude/skills/debugging/SKILL.md
        ```bash
        pytest tests/test_sales.py -v
        ```
        === tests/test_shop.py
        """,
    ),
    "a test that stands for any": (
        "=== README.md\n```bash\npytest tests/test_module.py::test_name\n```\n=== tests/test_shop.py\n",
        "=== README.md\n```bash\npytest tests/test_sales.py::test_name\n```\n=== tests/test_shop.py\n",
    ),
    "what a command prints, in words": (
        """
        === README.md
        ```bash
        Copy/paste this URL into your browser when you connect for the first time,
        to login with a token:
        ```
        """,
        """
        === README.md
        ```bash
        scripts/paste this
        ```
        === scripts/other.sh
        """,
    ),
    "a package of Node that is made elsewhere": (
        """
        === install.sh
        cd sidecar && npm ci
        === sidecar/README.md
        """,
        """
        === install.sh
        cd sidecar && npm ci
        === sidecar/package.json
        {}
        """,
    ),
    "a secret that says that it is none": (
        '=== shop/base.py\n# fake\n_API_KEY = "BWrlnsXGCqIhm5lXvogoFMRFul4ZTsoNguzudlcvL"\n',
        '=== shop/base.py\n# for sales\n_API_KEY = "BWrlnsXGCqIhm5lXvogoFMRFul4ZTsoNguzudlcvL"\n',
    ),
    "a package in a folder of its name, on a host": (
        """
        === shop.service
        [Service]
        WorkingDirectory=/opt/shop/src/ca
        ExecStart=/opt/shop/.venv/bin/gunicorn ca.wsgi:application
        === ca/manage.py
        === ca/ca/__init__.py
        === ca/ca/wsgi.py
        application = None
        """,
        """
        === shop.service
        [Service]
        WorkingDirectory=/opt/shop/src/ca
        ExecStart=/opt/shop/.venv/bin/gunicorn ca.web:application
        === ca/manage.py
        === ca/ca/__init__.py
        === ca/ca/wsgi.py
        application = None
        """,
    ),
    "arguments that say how they are completed": (
        _COMPLETED + "        === run.sh\n        python shop.py --from cellar upper\n",
        _COMPLETED + "        === run.sh\n        python shop.py --of cellar upper\n",
    ),
    "statements of a template in files that are named like none": (
        """
        === base/python/Makefile
        {%- if cookiecutter.live %}
        serve: build
        \tcd frontend && npm start
        {%- endif %}
        === base/python/app.py
        import os
        {%- if cookiecutter.live %}
        import sys
        {%- endif %}
        === base/python/Dockerfile
        FROM python:3.13-slim
        {%- if cookiecutter.live %}
        COPY frontend /frontend
        {%- endif %}
        COPY app.py /
        === docs/guide.md
        ```bash
        make serve
        ```
        === Makefile
        test:
        \ttrue
        """,
        """
        === base/python/Makefile
        serve: build
        \tcd frontend && npm start
        === base/python/Dockerfile
        FROM python:3.13-slim
        COPY frontend /frontend
        COPY app.py /
        === docs/guide.md
        ```bash
        make serve
        ```
        === Makefile
        test:
        \ttrue
        """,
    ),
    "a Dockerfile that is built from somewhere else": (
        """
        === targets/go/Dockerfile
        FROM golang:1.25
        COPY go.mod go.sum ./
        COPY main.go ./
        """,
        """
        === targets/go/Dockerfile
        FROM golang:1.25
        COPY go.* ./
        COPY main.go ./
        === targets/go/go.mod
        """,
    ),
    "what editors are told about Dockerfiles": (
        "=== contrib/Dockerfile.nanorc\nsyntax Dockerfile\nicolor red run\n",
        "=== contrib/Dockerfile\nsyntax Dockerfile\nicolor red run\n",
    ),
    "a comment between lines of a command of Windows": (
        """
        === Dockerfile.windows
        # escape=`
        FROM mcr.microsoft.com/windows/servercore:ltsc2022
        RUN New-Item C:\\shop; `
          # the directories that we need
          $srcDir = "C:\\shop"
        """,
        """
        === Dockerfile.windows
        # escape=`
        FROM mcr.microsoft.com/windows/servercore:ltsc2022
        RUN New-Item C:\\shop;
          $srcDir = "C:\\shop"
        """,
    ),
    "a directory of a stage that holds what others made": (
        """
        === Dockerfile
        FROM example/kit:1 AS kit
        FROM scratch AS kits
        COPY --from=kit /kit /build/kit.x86_64
        FROM alpine:3.22
        COPY --from=kits /build/ /usr/local/bin/
        """,
        """
        === Dockerfile
        FROM example/kit:1 AS kit
        FROM scratch AS kits
        COPY --from=kit /kit /build/kit.x86_64
        FROM alpine:3.22
        COPY --from=kits /built/ /usr/local/bin/
        """,
    ),
    "a file among the packages of a wheel": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        version = "1"
        [tool.hatch.build.targets.wheel]
        packages = ["shop", "llm.txt"]
        === shop/__init__.py
        === llm.txt
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        version = "1"
        [tool.hatch.build.targets.wheel]
        packages = ["shop", "llms.txt"]
        === shop/__init__.py
        === llm.txt
        """,
    ),
    "an example in the description of an interface": (
        """
        === api/swagger.yaml
        swagger: "2.0"
        paths: {}
        example:
          JoinToken: "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-7p73s1dx5in4tatdymyhg9hu2"
        """,
        """
        === api/swarm.yaml
        JoinToken: "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-7p73s1dx5in4tatdymyhg9hu2"
        """,
    ),
    "a Dockerfile of the reader's": (
        """
        === docs/reference/build.md
        ```console
        $ docker build -f dockerfiles/Dockerfile.prod -t app:prod .
        ```
        """,
        """
        === docs/reference/build.md
        ```console
        $ docker build -f dockerfiles/Dockerfile.prod -t app:prod .
        ```
        === dockerfiles/Dockerfile.debug
        FROM alpine:3.22
        """,
    ),
    "a command that is shown as a warning": (
        """
        === README.md
        ```bash
        # Correct
        python shop.py --name=x
        # Incorrect
        python shop.py --name x y
        ```
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--name")
        parser.parse_args()
        """,
        """
        === README.md
        ```bash
        # Correct
        python shop.py --name x y
        ```
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--name")
        parser.parse_args()
        """,
    ),
    "a compose file that tests of a reader are given": (
        """
        === loader/full-example.yml
        services:
          web:
            image: nginx:1.29
            networks: [inner]
        === loader/loader_test.go
        package loader
        var file = "full-example.yml"
        """,
        """
        === loader/full-example.yml
        services:
          web:
            image: nginx:1.29
            networks: [inner]
        === loader/loader_test.go
        package loader
        var file = "other.yml"
        """,
    ),
    "braces in a text of an expression": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - run: echo "$MORE"
                env:
                  MORE: >-
                    ${{ github.ref != '' && format('{{"View Run": {0}}}', github.run_id) || '' }}
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - run: echo "$MORE"
                env:
                  MORE: >-
                    ${{ githu.ref != '' && format('{{"View Run": {0}}}', github.run_id) || '' }}
        """,
    ),
    "a permission that GitHub has added since": (
        """
        === .github/workflows/ci.yml
        on: push
        permissions: {code-quality: write, agent-tasks: read}
        jobs:
          test:
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
        """,
        """
        === .github/workflows/ci.yml
        on: push
        permissions: {pull-request: write}
        jobs:
          test:
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
        """,
    ),
    "services of a cluster under another name": (
        """
        === agent.yaml
        services:
          default:
            image: python:3.13-slim
            runtimeClassName: gvisor
            env: [{name: SHOP, value: "1"}]
        """,
        """
        === agent.yaml
        services:
          default:
            image: python:3.13-slim
            env: [{name: SHOP, value: "1"}]
        """,
    ),
    "a compose file whose places a program fills": (
        """
        === arena/compose-template.yml
        services:
          web:
            build: {context: {web_path}}
        """,
        """
        === arena/compose.yml
        services:
          web:
            build: {context: {web_path}}
        """,
    ),
    "a secret that agents are to find": (
        '=== settings/shop_arena/base/filesystem/opt/app.conf\napi_key = "BWrlnsXGCqIhm5lXvogoFMRFul4ZTsoNguzudlcvL"\n',
        '=== settings/shop/base/filesystem/opt/app.conf\napi_key = "BWrlnsXGCqIhm5lXvogoFMRFul4ZTsoNguzudlcvL"\n',
    ),
    "a program that a recipe compiles where nothing is": (
        """
        === chip/Makefile
        build:
        \tverilator --cc --exe --build top.v
        run:
        \t./obj_dir/Vtop
        === chip/top.v
        """,
        """
        === chip/Makefile
        build:
        \tverilator --cc --exe --build top.v
        run:
        \t./obj_dir/top.sh
        === chip/top.v
        """,
    ),
    "commands in a file of a newer Python than the one that reads it": (
        _NEWER.format(line="type Name = str", command="wiki status"),
        _NEWER.format(line="Name = str", command="wikis status"),
    ),
    "a module of others, named like a package within ours": (
        """
        === shop/__init__.py
        === shop/checks/__init__.py
        === shop/checks/bench/__init__.py
        === shop/checks/bench/main.py
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "bench.harness.run"], check=True)
        """,
        """
        === checks/bench/__init__.py
        === checks/bench/main.py
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "bench.harness.run"], check=True)
        """,
    ),
    "a key that documents a field": (
        '=== shop/schema.py\nkey = Field(\n    examples=["' + _KEY + '"],\n)\n',
        '=== shop/schema.py\nkey = Field(\n    default=["' + _KEY + '"],\n)\n',
    ),
    "services that run": (
        """
        === compose.yaml
        services: {db: {image: "postgres:17"}}
        === scripts/backup.sh
        docker compose ps --services --filter "status=running"
        """,
        """
        === compose.yaml
        services: {db: {image: "postgres:17"}}
        === scripts/backup.sh
        docker compose ps --services database
        """,
    ),
    "a workflow that follows one written in other letters": (
        """
        === .github/workflows/ci.yml
        name: ci
        on: push
        jobs: {test: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
        === .github/workflows/scan.yml
        on: {workflow_run: {workflows: [CI], types: [completed]}}
        jobs: {scan: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
        """,
        """
        === .github/workflows/ci.yml
        name: ci
        on: push
        jobs: {test: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
        === .github/workflows/scan.yml
        on: {workflow_run: {workflows: [tests], types: [completed]}}
        jobs: {scan: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
        """,
    ),
    "a script of an image that is looked for first": (
        """
        === Dockerfile
        FROM python:3.13-slim
        COPY . /shop
        WORKDIR /shop
        RUN if [[ -f "prepare.py" ]]; then \\
            python -u prepare.py; \\
            fi
        """,
        """
        === Dockerfile
        FROM python:3.13-slim
        COPY . /shop
        WORKDIR /shop
        RUN python -u prepare.py
        """,
    ),
    "the name of a key that releases are signed with": (
        "=== Makefile\nSIGNING_KEY=53E66E1D2CABEFCDB1D3B83E106164552E8D8149\n",
        "=== Makefile\nSIGNING_KEY=53e66E1D2cABEFCDb1D3B83E106164552e8D8149xYq\n",
    ),
    "a password that is long by being repeated": (
        '=== shop/hsm.py\npassword = "topSekr3tAndMoreOf9it7" * 16\n',
        '=== shop/hsm.py\npassword = "topSekr3tAndMoreOf9it7"\n',
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_not_wrong_is_said_nothing_of(name: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[name][0]) == []


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_wrong_beside_it_is_still_found(name: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[name][1]) != []


def test_a_script_that_many_targets_lack_is_one_defect(blocking: Callable[[str], list[str]]) -> None:
    found = blocking("""
        === Makefile
        test:
        \tpython tools/run.py --all
        deploy:
        \tpython tools/run.py --deploy
        lint:
        \tpython tools/check.py
    """)
    assert sorted(each.partition(": ")[2].partition(" is")[0] for each in found) == [
        "`tools/check.py`",
        "`tools/run.py`",
    ]

"""What linters, charts, packages and configurations name has to be there: each with a thing that is, and one that is
not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

THERE = """
=== shop/web/__init__.py
=== charts/web/Chart.yaml
apiVersion: v2
name: web
version: 1.0.0
=== ui/web/package.json
{"name": "web"}
=== ui/web.json
{}
"""
PROJECT = '[project]\nname = "shop"\nversion = "1"\n'
CASES = [
    ("run.sh", "mypy --cache-dir made/NAME shop/{}"),
    ("run.sh", "ruff check --output-format github shop/{}"),
    ("run.sh", "flake8 --max-line-length 100 shop/{} && pylint shop/web"),
    ("run.sh", "helm lint charts/{}"),
    ("run.sh", "helm dependency update charts/{}"),
    ("run.sh", "helm upgrade --install web charts/{} --namespace web"),
    ("pyproject.toml", PROJECT + '[tool.uv.sources]\nweb = {{path = "shop/{}"}}'),
    ("pyproject.toml", PROJECT + '[tool.setuptools.packages.find]\nwhere = ["shop/{}"]'),
    ("alembic.ini", "[alembic]\nscript_location = shop/{}"),
    ("alembic.ini", "[alembic]\nscript_location = %(here)s/shop/{}"),
    ("shop/web/alembic.ini", "[alembic]\nscript_location = {}"),
    ("shop/alembic.ini", "[alembic]\nscript_location = shop/{}"),
    ("tsconfig.json", '{{"extends": "./ui/{}.json"}}'),
    ("tsconfig.build.json", '// the build\n{{"extends": ["./ui/{}"], "references": [{{"path": "./ui/web"}}]}}'),
    ("tsconfig.json", '{{"references": [{{"path": "./ui/{}"}}]}}'),
    ("package.json", '{{"name": "shop", "dependencies": {{"web": "file:./ui/{}"}}}}'),
]


@pytest.mark.parametrize(("path", "text"), CASES)
def test_what_is_named_has_to_be_there(path: str, text: str, blocking: Callable[[str], list[str]]) -> None:
    (said,) = blocking(f"{THERE}=== {path}\n{text.format('webs')}")
    assert said.startswith(f"{path}:") and "webs" in said


@pytest.mark.parametrize(("path", "text"), CASES)
def test_what_is_there_may_be_named(path: str, text: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(f"{THERE}=== {path}\n{text.format('web')}") == []


@pytest.mark.parametrize(
    "line",
    [
        "mypy --html-report made/report -p shop",
        "helm upgrade --install web bitnami/webs",
        "helm dependency update",
        "pylint --output made/report.txt shop",
        "black .",
    ],
)
def test_what_may_be_something_else_is_not_told(line: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(f"{THERE}=== run.sh\n{line}") == []


def test_a_command_that_lacks_most_of_what_it_lists_is_one_finding(blocking: Callable[[str], list[str]]) -> None:
    files = " ".join(f"shop/{name}.py" for name in ("one", "two", "three", "four", "five"))
    (said,) = blocking(f"{THERE}=== run.sh\nmypy {files}")
    assert said.startswith("run.sh:1:6: ") and "nor are 4 others" in said

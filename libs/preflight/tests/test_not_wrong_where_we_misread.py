"""Findings that would be about our reading of a program rather than about its callers, each beside one that is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_SHOP = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop.cli:app"
=== shop/__init__.py
=== shop/cli.py
import typer
app = typer.Typer()
{shared}


@app.callback()
def callback(): ...


@app.command()
def serve(place: str = {default}, port: int = 8000): ...


@app.command()
def clear(): ...
=== README.md
```bash
{typed}
```
{more}
"""


def _shop(typed: str, *, shared: str = "", default: str = '"x"', more: str = "") -> str:
    return _SHOP.format(typed=typed, shared=shared, default=default, more=more)


_KEPT = '_PLACE = typer.Option(\n    None,\n    "--shelf",\n    "-s",\n)'
_CLICK = """
=== box.py
import click


@click.command()
@click.option("--box", type=(float,) * 4)
def main(box): ...


if __name__ == "__main__":
    main()
=== Makefile
box:
\tpython box.py --box {values}
"""
_PARSED = """
=== fill.py
import argparse
from shelves import ROWS
parser = argparse.ArgumentParser()
parser.add_argument("--name")
{more}
parser.parse_args()
=== shelves.py
{shelves}
=== Makefile
fill:
\tpython fill.py --name x --row 3
"""
_BUILDING = """
=== etc/Makefile
all:
\tcp -r kernels ../build
\t{copying}
=== etc/launchers/cluster/scripts/launch_all.py
print(1)
=== etc/kernels/python/bin/run.sh
SCRIPTS="$(cd "`dirname "$0"`"/../scripts; pwd)"
python ${{SCRIPTS}}/launch_all.py
"""
_WRAPPED = """
=== install.sh
cat > "$HOME/.shop/bin/{name}" << 'EOF'
#!/bin/sh
case "$1" in upgrade) exec pip install -U shop ;; esac
exec "$HOME/.shop/venv/bin/shop" "$@"
EOF
"""
PAIRS = {
    "an option that a variable holds": (
        _shop("shop serve --shelf 3", shared=_KEPT, default="_PLACE"),
        _shop("shop serve --place 3", shared=_KEPT, default="_PLACE"),
    ),
    "a program that an installer puts another in the place of": (
        _shop("shop upgrade", more=_WRAPPED.format(name="shop")),
        _shop("shop upgrade", more=_WRAPPED.format(name="till")),
    ),
    "a program of which most callers would be wrong": (
        _shop("shop sell\nshop buy\nshop return\nshop serve", more="=== run.sh\nshop sell\nshop serve"),
        _shop("shop sell\nshop buy\nshop return\nshop serve", more="=== run.sh\nshop serve\nshop clear"),
    ),
    "a type that is four numbers": (_CLICK.format(values="1 2 3 4"), _CLICK.format(values="1 2 3 4 5")),
    "an option that a source names where nobody looks": (
        _PARSED.format(more="ROWS.add(parser)", shelves='ROWS = Rows("--row", default=3)'),
        _PARSED.format(more="", shelves='import subprocess\nROWS = subprocess.run(["fetch", "--row", "3"])'),
    ),
    "folders that a makefile puts together": (
        _BUILDING.format(copying="@echo ../build/kernels/python | xargs -t -n 1 cp -r launchers/cluster/*"),
        _BUILDING.format(copying="cp -r launchers/local ../build"),
    ),
    "a file that the reader chooses": (
        "=== tests/test_one.py\n=== README.md\n```sh\npytest tests/the-tests-file.py\npytest tests/X/ -n auto\n```",
        "=== tests/test_one.py\n=== README.md\n```sh\npytest tests/test_two.py\n```",
    ),
    "a plan of what is to be": (
        _shop("shop serve", more="=== docs/SPEED_PLAN.md\n```sh\nshop measure --fast\n```"),
        _shop("shop serve", more="=== docs/speed.md\n```sh\nshop measure --fast\n```"),
    ),
    "an extra of the project around": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        [project.optional-dependencies]
        till = ["shop-till"]
        === extensions/till/pyproject.toml
        [project]
        name = "shop-till"
        === extensions/till/README.md
        From the project root:
        ```sh
        uv sync --extra till
        ```
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        === extensions/till/pyproject.toml
        [project]
        name = "shop-till"
        === extensions/till/README.md
        ```sh
        uv sync --extra till
        ```
        """,
    ),
    "a part of a larger repository": (
        """
        === pyproject.toml
        [project]
        name = "shop-till"
        === deploy/Dockerfile
        FROM debian:13
        === deploy/fly.toml
        [build]
        dockerfile = "deploy/Dockerfile"
        === deploy/railway.json
        {"build": {"dockerfilePath": "packages/shop-till/deploy/Dockerfile"}}
        """,
        """
        === pyproject.toml
        [project]
        name = "shop-till"
        === deploy/Dockerfile
        FROM debian:13
        === deploy/railway.json
        {"build": {"dockerfilePath": "packages/shop-box/deploy/Dockerfile"}}
        """,
    ),
    "a script that the program writes": (
        _shop("shop serve\n./run-shop.sh", more='=== shop/make.py\n(place / "run-shop.sh").write_text("x")\n=== a.sh'),
        _shop("shop serve\n./run-shop.sh", more='=== shop/make.py\n(place / "run-till.sh").write_text("x")\n=== a.sh'),
    ),
    "an option that whoever starts a program may keep for itself": (
        _shop("shop clear -- --all"),
        _shop("shop clear all"),
    ),
    "tests of the reader's own program": (
        """
        === tests/test_one.py
        === docs/use.md
        ```python
        from myapp.adapters import Till
        ```
        ```sh
        pytest tests/test_till.py
        ```
        """,
        """
        === tests/test_one.py
        === docs/use.md
        ```python
        from shop.adapters import Till
        ```
        ```sh
        pytest tests/test_till.py
        ```
        """,
    ),
    "what settings leave out by a table, and members that uv passes over": (
        """
        === pyproject.toml
        [tool.ruff.lint.per-file-ignores]
        "shop/server.py" = ["E501"]
        [tool.uv.workspace]
        members = [
            "examples/02-alone-tool-call",
        ]
        === shop/servers.py
        === examples/02-durable-tool-call/pyproject.toml
        """,
        """
        === jobs.toml
        [jobs]
        start = ["shop/server.py"]
        === shop/servers.py
        """,
    ),
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])

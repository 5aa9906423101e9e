"""One cause is told once, with every place that it shows at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

TOLD_ONCE = {
    "a job that was renamed": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          resolve:
            runs-on: ubuntu-24.04
            outputs: {version: "${{ github.sha }}"}
            steps:
              - run: "true"
          build:
            needs: prepare
            runs-on: ubuntu-24.04
            steps:
              - run: docker pull shop:${{ needs.resolve.outputs.version }}
        """,
        "`build` needs `prepare`",
    ),
    "a compose file that an action is told": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: hoverkraft-tech/compose-action@v2
                with: {compose-file: docker/compose.yml}
        === docker/compose.prod.yml
        services: {}
        """,
        "`docker/compose.yml`",
    ),
    "a directory that is installed": (
        """
        === Makefile
        install:
        \tpip install -e ./plugins/till
        === plugins/shop/pyproject.toml
        """,
        "the package that pip installs",
    ),
    "a context that is wrong": (
        """
        === compose.yaml
        services: {shop: {build: {context: deploy, dockerfile: ../Dockerfile}}}
        === deploy/notes.txt
        === Dockerfile
        FROM debian:13
        COPY begin.sh /
        COPY shop.conf /etc/
        COPY till.conf /etc/
        === begin.sh
        === shop.conf
        === till.conf
        """,
        "nor 2 others that it copies",
    ),
    "a name that is gone": (
        """
        === shop/__init__.py
        === shop/clock.py
        def later(): ...
        === shop/one.py
        from shop.clock import now
        === shop/two.py
        from shop.clock import now
        === Makefile
        all:
        \tpython -m shop.one && python -m shop.two
        """,
        "and 1 more import it",
    ),
    "a script that several pages name": (
        """
        === README.md
        ```bash
        python tools/fill_all.py
        ```
        === docs/start.md
        ```bash
        python tools/fill_all.py
        ```
        === tools/fill.py
        """,
        "and 1 more call it",
    ),
    "options that a program no longer has": (
        """
        === scripts/README.md
        ```bash
        python scripts/fill.py --rows 3 --columns 2
        python scripts/fill.py --columns 2 --name "till"
        ```
        === scripts/fill.py
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--weeks")
        p.parse_args()
        """,
        "it does not accept `--rows`, and it does not accept `--columns`, and it does not accept `--name`",
    ),
    "scripts of a folder that is not there": (
        """
        === stage/made/build.sh
        bash "$(dirname "$0")/../own/stage/first.sh"
        bash "$(dirname "$0")/../own/stage/second.sh"
        === stage/made/start.sh
        bash "$(dirname "$0")/../own/stage/third.sh"
        === stage/own/first.sh
        echo
        """,
        "nor do 2 more of that folder",
    ),
    "what several files give a program alike": (
        """
        === Makefile
        all:
        \tpython fill.py --row 3
        === run.sh
        python fill.py --row 4
        === README.md
        ```sh
        python fill.py --row 5
        python fill.py --row 6
        ```
        === fill.py
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--shelf")
        p.parse_args()
        """,
        "it does not accept `--row`, and so for 3 more calls",
    ),
    "an option that was renamed and is required": (
        """
        === Makefile
        all:
        \tpython fill.py --row 3
        === fill.py
        import argparse
        p = argparse.ArgumentParser()
        p.add_argument("--shelf", required=True)
        p.parse_args()
        """,
        "it does not accept `--row`, and it needs `--shelf`",
    ),
    "neighbours that a project is built with": (
        """
        === apps/till/pyproject.toml
        [project]
        name = "till"
        dependencies = ["one", "two", "three", "four"]
        [tool.uv.sources]
        one = { path = "../../one", editable = true }
        two = { path = "../../two", editable = true }
        three = { path = "../../three", editable = true }
        four = { path = "../../four", editable = true }
        """,
        "nor are 3 others",
    ),
}


@pytest.mark.parametrize("what", TOLD_ONCE)
def test_it_is_one_finding(what: str, blocking: Callable[[str], list[str]]) -> None:
    example, said = TOLD_ONCE[what]
    found = blocking(example)
    assert len(found) == 1
    assert said in found[0]

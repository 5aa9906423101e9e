"""Lines of pages that nobody types, or types elsewhere, beside lines that somebody does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PAIRS = {
    "programs of an environment that is made right here": (
        """
        === README.rst
        Set up::

            $ git clone https://example.com/shop/shop.git
            $ cd shop
            $ python3 -m venv .
            $ ./bin/pip install .

        Watch::

            $ ./bin/watch-all shop
        === bin/keep.sh
        """,
        """
        === README.rst
        Watch::

            $ ./bin/watch-all shop
        === bin/keep.sh
        """,
    ),
    "files that an agent is pointed at": (
        """
        === docs/QUICK.md
        ```bash
        # 1. Start with context
        @tests/test_store.py
        @src/store/hybrid.py  # one file
        ```
        === tests/test_stores.py
        === src/store/hybrids.py
        """,
        """
        === docs/QUICK.md
        ```bash
        # 1. Start with context
        python tests/test_store.py
        ```
        === tests/test_stores.py
        """,
    ),
    "what another command is replaced with, and what is only an idea": (
        """
        === README.md
        Edit `hooks/pre-commit` and replace `other` commands with:
        ```bash
        python tools/bridge.py
        ```

        **Idea:** Show what changed

        ```bash
        bash tools/changed.sh
        ```
        === tools/bridge.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("prompt")
        parser.parse_args()
        """,
        """
        === README.md
        Start the bridge with:
        ```bash
        python tools/bridge.py
        ```
        === tools/bridge.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("prompt")
        parser.parse_args()
        """,
    ),
    "an ellipsis in a line that continues a command": (
        """
        === README.md
        ```bash
        python speak.py \\
            --text "well… then?" \\
            --output said.wav
        ```
        === speak.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--text", required=True)
        parser.add_argument("--output")
        parser.parse_args()
        """,
        """
        === README.md
        ```bash
        python speak.py \\
            --output said.wav
        ```
        === speak.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--text", required=True)
        parser.add_argument("--output")
        parser.parse_args()
        """,
    ),
    "what a command puts where it is told": (
        """
        === tools/SWEEPING.md
        ```bash
        python3 tools/make.py --sweep-out-dir sweep
        ./sweep/run.sh
        ```
        === tools/make.py
        import sys
        === tools/sweep/__init__.py
        """,
        """
        === tools/SWEEPING.md
        ```bash
        python3 tools/make.py --sweep-of sweep
        ./sweep/run.sh
        ```
        === tools/make.py
        import sys
        === tools/sweep/__init__.py
        """,
    ),
    "what is in a file that the reader makes": (
        """
        === README.md
        Make a `requirements.txt` file with something like this:

        ```sh
        ./shop
        ```
        === till.sh
        """,
        """
        === README.md
        Make it with something like this:

        ```sh
        ./shop
        ```
        === till.sh
        """,
    ),
    "a Dockerfile that the reader writes": (
        """
        === README.md
        Create `Dockerfile.nginx`:

        ```bash
        docker build . -f Dockerfile.nginx -t lb
        ```
        === shop.py
        """,
        """
        === README.md
        Run it:

        ```bash
        docker build . -f Dockerfile.nginx -t lb
        ```
        === shop.py
        """,
    ),
    "a project that is installed from above the repository": (
        """
        === README.md
        ```bash
        pip install -e ./shop
        ```
        === setup.cfg
        [metadata]
        name = shop
        === setup.py
        === shop/__init__.py
        """,
        """
        === README.md
        ```bash
        pip install -e ./till
        ```
        === setup.cfg
        [metadata]
        name = shop
        === setup.py
        === till/__init__.py
        """,
    ),
    "a page about how everything was made modern": (
        """
        === MODERNIZATION.md
        ```bash
        make compile
        ```
        === Makefile
        build:
        """,
        """
        === DEVELOPMENT.md
        ```bash
        make compile
        ```
        === Makefile
        build:
        """,
    ),
    "an option with its other name": (
        """
        === README.md
        ```bash
        python shop.py --version, -v    # says which
        ```
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--version", "-v", action="store_true")
        parser.parse_args()
        """,
        """
        === README.md
        ```bash
        python shop.py --version -w    # says which
        ```
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--version", "-v", action="store_true")
        parser.parse_args()
        """,
    ),
    "what curl has printed": (
        """
        === README.md
        ```bash
        curl -I localhost
        HTTP/1.1 200 OK
        ```
        === HTTP/2.1
        """,
        """
        === README.md
        ```bash
        curl -I localhost
        HTTP/say.sh 200 OK
        ```
        === HTTP/told.sh
        """,
    ),
    "a row of a table": (
        """
        === README.md
        ```bash
        docker images
        shop/till     latest     a94428dd9c64   1 second ago   810MB
        ```
        === shop/post
        """,
        """
        === README.md
        ```bash
        docker images
        shop/till latest
        ```
        === shop/post
        """,
    ),
    "a blank behind the backslash": (
        "=== README.md\n```bash\ndocker run --publish 80:80 \\ \n  shop/till\n```\n=== shop/post\n",
        "=== README.md\n```bash\ndocker run --publish 80:80 shop\nshop/till\n```\n=== shop/post\n",
    ),
    "comments of what another prompt has printed": (
        """
        === README.md
        Say it:

            3> redbug:start("erlang:demonitor->return").
            % redbug/block_a_little.sh
        === redbug/start.sh
        """,
        """
        === README.md
        Say it:

            % redbug/block_a_little.sh
        === redbug/start.sh
        """,
    ),
    "a program that the reader has": (
        """
        === tools/tracing/README.md
        ```bash
        opentelemetry-instrument python shop-client.py
        ```
        === tools/tracing/setup.sh
        """,
        """
        === tools/tracing/README.md
        ```bash
        opentelemetry-instrument python shop-client.py
        ```
        === tools/tracing/shop-server.py
        """,
    ),
    "a reader above the repository": (
        """
        === setup.cfg
        [metadata]
        name = shop
        === shop/__init__.py
        === images/README.md
        ```bash
        cd shop/images
        pip install -r requirements.txt
        ```
        === images/requirements.txt
        """,
        """
        === setup.cfg
        [metadata]
        name = shop
        === shop/__init__.py
        === images/README.md
        ```bash
        cd shop/image
        pip install -r requirements.txt
        ```
        === images/requirements.txt
        """,
    ),
}
"""What nobody types, and what is like it that people do."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])

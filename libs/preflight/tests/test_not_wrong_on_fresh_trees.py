"""What looks wrong in repositories as they are: texts of other systems, what waits to be switched on, what hands on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_COPIED = """
        === pyproject.toml
        [project]
        name = "shop"
        === shop/__init__.py
        === shop/hooks/__init__.py
        === shop/begin.py
        from shop.hooks import __name__
        === drivers/till.py
        from shop.hooks import %s
        === drivers/drawer.py
        === Makefile
        all:
        \tpython drivers/till.py
        """
_LIST = """
        === start.py
        import subprocess, sys

        def run(command, place):
            subprocess.run(command, cwd=place, check=True)

        def begin(place):
            command = [sys.executable, "tools/sell.py"]
            run(command, %s)

        begin(sys.argv[1])
        === tools/count.py
        """
_PASSED = """
        === shop/move.py
        import sys
        import alembic.config
        def main(argv=None):
            args = list(sys.argv[1:] if argv is None else argv) or ["up"]
            alembic.config.main(%s)
        WORDS = ["current", "down", "up"]
        === Makefile
        all:
        \tpython shop/move.py up
        \tpython shop/move.py down
        \tpython shop/move.py current
        \tpython shop/move.py history
        """
_SERVICE = """
        === deploy/shop.yaml
        apiVersion: v1
        kind: Service
        metadata: {name: shop}
        spec:
          ports:
            - port: 7700
            %s
          selector: {app: shop}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: till}
        data:
          SHOP: "shop:7701"
        """
_JOBS = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          allowed:
            if: github.event_name == 'workflow_dispatch'
            runs-on: ubuntu-24.04
            steps: [{run: "true"}]
          build:
            needs: allowed
            if: always() && %s
            runs-on: ubuntu-24.04
            steps: [{run: "true"}]
        """
_OWN = """
        === shop/__init__.py
        === shop/plugins/%s
        === shop/plugins/phoenix/__init__.py
        === shop/plugins/phoenix/till.py
        === shop/plugins/phoenix/README.md
        ```bash
        python -m phoenix.server.main serve
        ```
        """
_MEMBER = """
        === PKG-INFO
        Metadata-Version: 2.1
        === pyproject.toml
        [project]
        name = "till"
        [build-system]
        requires = ["hatchling"]
        %s
        === shop.sh
        true
        === Makefile
        all:
        \tsh start/begin.sh
        """
_STORE = """
        === compose.yaml
        services:
          db:
            image: postgres:16
            environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: shop, POSTGRES_DB: shop}
          app:
            build: .
            environment:
              DATABASE_URL: postgresql://till:secret@db:5432/shop
              OTHER_URL: postgresql://%s:shop@db:5432/shop
        === Dockerfile
        FROM debian:13
        """
_SPOOLED = """
        === spool.sh
        #!/bin/sh
        cd "$(dirname "$0")"
        %s
        weigh "$1" > /dev/null
        mv weights.txt "$2"
        === %s
        """
_NAMESPACE = """
        === pyproject.toml
        [project]
        name = "%s"
        [project.scripts]
        lamp = "shop.till.lamp:main"
        === src/shop/till/__init__.py
        === src/shop/till/drawer.py
        === src/shop/till/lamp.py
        from shop.till import drawer
        from shop import prices
        def main(): ...
        """
_ROLE = """
        === play.yml
        - hosts: all
          roles: [shop]
        === roles/shop/tasks/main.yml
        - include_tasks: read_key.yml
        === roles/shop/%s
        - debug:
        """
_LOOKS = """
        === shop.py
        import argparse, subprocess, sys
        def work(args):
            if "--worker" in %s:
                sys.exit(0)
        def main():
            work(sys.argv[1:])
            parser = argparse.ArgumentParser()
            parser.add_argument("--all")
            parser.parse_args()
        if __name__ == "__main__":
            main()
        === Makefile
        all:
        \tpython shop.py --worker
        """
_ASKED = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop:main"
        === shop.py
        import argparse
        def main():
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers(dest="command", required=True)
            commands.add_parser("sell")
            parser.parse_args()
        === ask.py
        import subprocess
        subprocess.call([%s])
        """
_CLOSURE = """
        === shop.py
        import argparse
        def build():
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers(dest="command", required=True)
            def command(name, summary):
                return commands.add_parser(name, help=summary)
            sell = command("sell", "sells")
            sell.add_argument("--all", action="store_true")
            count = command("count", "counts")
            return parser
        def main():
            other = {}
            def command(name):
                other[name] = 1
            command("buy")
            args = build().parse_args()
        if __name__ == "__main__":
            main()
        === Makefile
        all:
        \tpython shop.py count
        \tpython shop.py %s --all
        """
_PROMPT = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop:main"
        === shop.py
        import argparse
        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--all", action="store_true")
            parser.parse_args()
        === steps.yaml2
        prompt: "If in doubt:\\n- shop --all%s pylint --output-format=text"
        """
PAIRS = {
    "what a text says lines below a command": (_PROMPT % "\\n-", _PROMPT % ""),
    "commands that a function within adds": (_CLOSURE % "sell", _CLOSURE % "buy"),
    "a user that is made by the one who is set up": (_STORE % "shop", _STORE % "tills"),
    "a file that a program made before it is moved": (
        _SPOOLED % ("", "other.csv"),
        _SPOOLED % ("", "weight.txt"),
    ),
    "a part of a namespace that others bring": (_NAMESPACE % "shop-till", _NAMESPACE % "till"),
    "tasks at the top of a role": (_ROLE % "read_key.yml", _ROLE % "read_keys.yml"),
    "an argument that a program looks for before it parses": (_LOOKS % "args", _LOOKS % "('a', 'b')"),
    "a program that is only asked how it is used": (_ASKED % '"shop"', _ASKED % '"shop", "buy"'),
    "what tsc builds by default": (
        """
        === package.json
        {"scripts": {"types": "tsc -b --noEmit"}}
        === tsconfig.json
        {}
        """,
        """
        === package.json
        {"scripts": {"types": "tsc -b apps --noEmit"}}
        === tsconfig.json
        {}
        """,
    ),
    "a command that is shown to fail": (
        _ASKED % '"shop"' + "=== README.md\n        ```bash\n        shop buy     # ❌ (unknown)\n        ```\n",
        _ASKED % '"shop"' + "=== README.md\n        ```bash\n        shop buy     # (quickly)\n        ```\n",
    ),
    "a module that is copied into a package with the one that imports it": (_COPIED % "drawer", _COPIED % "drawers"),
    "a list that a function runs in the directory that it is given": (_LIST % "place", _LIST % "'.'"),
    "words that are handed to another program": (
        _PASSED % '["-c", "x.ini", *args]',
        _PASSED % '["-c", "x.ini", args[0]]',
    ),
    "a port that waits to be switched on": (_SERVICE % "# - port: 7701", _SERVICE % "# - port: 7702"),
    "a job that others reckon may be skipped": (
        _JOBS % "needs.allowed.result == 'skipped'",
        _JOBS % "needs.allowed.result == 'success'",
    ),
    "a module that is called like a package within ours": (_OWN % "__init__.py", _OWN % "notes.txt"),
    "what the checkout of a workspace has": (
        _MEMBER % "[tool.uv.sources]\n        shop = {workspace = true}",
        _MEMBER % '[tool.uv.sources]\n        shop = {path = "../shop"}',
    ),
    "what DevStack brings": (
        """
        === devstack/README.md
        ```bash
        ./stack.sh
        ```
        === devstack/plugin.sh
        """,
        """
        === devstack/README.md
        ```bash
        ./pluggin.sh
        ```
        === devstack/plugin.sh
        """,
    ),
}
"""What is no defect, and the defect that it could be taken for."""
_WINDOWS = {
    "README.md": "```bash\npython -m shop.sell --all\npython -m shop.sell\n```\n",
    "shop/__init__.py": "",
    "shop/sell.py": 'import argparse\np = argparse.ArgumentParser()\np.add_argument("--all", action="store_true")\n'
    "p.parse_args()\n",
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])


def test_lines_may_end_as_on_windows(blocking: Callable[[str], list[str]]) -> None:
    files = "".join(f"=== {path}\n" + text.replace("\n", "\r\n") for path, text in _WINDOWS.items())
    assert blocking(files) == []

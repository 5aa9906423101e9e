"""Commands of our own that stand in the text of something else: each refused beside one that is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_SHOP = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/__main__.py
        from shop.cli import main
        main()
        === shop/wsgi.py
        app = None
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--config")
            commands = parser.add_subparsers(dest="command")
            serve = commands.add_parser("serve")
            serve.add_argument("--port", type=int)
            parser.parse_args()
"""
_BUILT = """
        === Dockerfile
        FROM python:3.12
        COPY . /app
        RUN pip install /app
        ENTRYPOINT ["shop"]
"""
TEXTS = {
    "a here-string": """
        === run.sh
        IFS=$'\\n' read -r -d '' -a found <<< "$(shop serve --port "${more[@]}")"
""",
    "a heredoc that another host reads": """
        === run.sh
        ssh root@host <<EOF
        shop serve --port 80
        EOF
""",
    "a unit that a script writes": """
        === install.sh
        #!/bin/bash
        sudo tee /etc/systemd/system/shop.service > /dev/null <<EOF
        [Service]
        ExecStart=$PLACE/bin/shop --config "$CONFIG" \\
          serve --port 80
        EOF
        cat > /etc/motd <<EOF
        shop serve --ports 80
        EOF
""",
    "a script that a script writes": """
        === install.sh
        #!/bin/bash
        cat > "$PLACE/start" <<'EOF'
        #!/bin/sh
        python missing.py
        exec shop serve --port 80
        EOF
""",
    "a crontab": """
        === etc/cron.d/shop
        0 * * * * root /usr/local/bin/shop serve --port 80
""",
    "a command whose page leaves the rest to its reader": """
        === docs/index.rst
        Use it
        ======

        .. code-block:: bash

            shop serve --port=80 ...
            shop serve --something ...and so on
""",
    "a client's configuration": """
        === README.md
        ```json
        {"mcpServers": {"shop": {"command": "/home/YOU/.local/bin/shop", "args": ["serve", "--port", "80"]}}}
        ```
""",
    "a client's configuration with an image": _BUILT
    + """
        === README.md
        ```json
        {"mcpServers": {"shop": {"command": "docker", "args": ["run", "-i", "sellers/shop", "serve", "--port", "80"]}}}
        ```
""",
    "a debugger": """
        === Makefile
        debug:
        \tpython -m debugpy --listen 5678 --wait-for-client -m shop serve --port 80
""",
    "a package in an image": _BUILT
    + """
        === compose.yaml
        services:
          shop:
            build: .
            entrypoint: ["/bin/sh", "-c"]
            command:
              - |
                set -e
                export TOKEN=$$(python3 -m shop serve --port 80 2>/dev/null)
""",
    "a script for the shell that a service starts by another file": """
        === compose.yaml
        services:
          shop:
            image: sellers/shop
            command:
              - |
                set -e
                shop serve --port 80
""",
    "a container that a page goes into": """
        === README.md
        ```bash
        docker exec -it shop shop serve --port 80
        kubectl exec deploy/shop -- psql --anything
        ```
""",
    "a pod that a page starts": """
        === docs/run.md
        ```bash
        kubectl run shop --image=sellers/shop --rm -it -- shop serve --port 80
        ```
""",
    "a file that a command is given": """
        === run.sh
        diff <(shop serve --port 80) expected.txt
""",
    "the step that installs it": """
        === Dockerfile
        FROM python:3.12
        COPY . /app
        RUN pip install /app \\
            && shop serve --port 80
""",
    "a probe": """
        === k8s/shop.yaml
        apiVersion: v1
        kind: Pod
        metadata: {name: shop}
        spec:
          containers:
            - name: shop
              image: sellers/shop
              lifecycle: {preStop: {exec: {command: [shop, serve, --port, "80"]}}}
              readinessProbe: {exec: {command: [shop, serve]}}
""",
    "a terminal that goes on by itself": """
        === run.sh
        screen -dmS shop shop serve --port 80
""",
}
SERVERS = {
    "words that a module makes its own": """
        === shop/serve.py
        import sys
        from gunicorn.app.wsgiapp import run


        def serve():
            sys.argv = ["gunicorn", "shop.wsgi:app", "-c", "shop.py"]
            run()
""",
    "a program that takes the place of this one": """
        === serve.py
        import os
        os.execlp("uvicorn", "uvicorn", "shop.wsgi:app", "--port", "80")
""",
}


def refused(text: str, root: Path) -> list[str]:
    for path, content in tree(_SHOP + text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    rules = ("unknown-argument", "missing-argument", "wrong-choice", "missing-script", "missing-module")
    return [each.rule for each in engine.check(root).blocking if each.rule in rules]


@pytest.mark.parametrize("where", TEXTS)
def test_a_command_is_read_in(where: str, tmp_path: Path) -> None:
    assert refused(TEXTS[where], tmp_path / "good") == []
    assert refused(TEXTS[where].replace("--port", "--ports", 1), tmp_path / "bad") == ["unknown-argument"]


@pytest.mark.parametrize("where", SERVERS)
def test_an_application_is_read_in(where: str, tmp_path: Path) -> None:
    assert refused(SERVERS[where], tmp_path / "good") == []
    assert refused(SERVERS[where].replace("shop.wsgi", "shop.entry"), tmp_path / "bad") == ["missing-module"]

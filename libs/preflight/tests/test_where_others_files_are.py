"""Files of others where ours could be looked for: what is cloned, checked out below, downloaded, or of another time."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_COMPOSED = """
        === docker-compose.yml
        services:
          shop:
            build:
              context: .
              dockerfile: shop.Dockerfile
        === shop.Dockerfile
        FROM python:3.12
        === .devcontainer/docker-compose.yml
        services:
          shop:
            command: sleep infinity
"""
_BUILT = """
        === docker/Dockerfile
        FROM python:3.12
        WORKDIR /app
        COPY . .
        CMD ["python", "shop.py"]
        === shop.py
        print()
        === build.sh
        docker build -f docker/Dockerfile -t shop/shop:latest .
        docker build -f docker/Dockerfile -t shop .
"""

PAIRS = {
    "a clone into the directory of an image": (
        """
        === Dockerfile
        FROM golang:1.24 AS build
        WORKDIR /src
        RUN apt-get update && apt-get install -y git
        RUN git clone --depth 1 --branch "v1" https://github.com/shop/till.git .
        RUN go build -o /out/till ./cmd/till
        """,
        """
        === Dockerfile
        FROM golang:1.24 AS build
        WORKDIR /src
        RUN apt-get update && apt-get install -y git
        RUN git clone --depth 1 --branch "v1" https://github.com/shop/till.git /till
        COPY . .
        RUN go build -o /out/till ./cmd/till
        === cmd/shop/main.go
        package main
        """,
    ),
    "a checkout of CircleCI below the job's directory": (
        """
        === .circleci/config.yml
        jobs:
          test:
            steps:
              - checkout: {path: shop}
              - run: ./shop/scripts/test.sh
              - run: {command: npm run test, working_directory: shop/web}
        === scripts/test.sh
        echo
        === package.json
        {"scripts": {"lint": "eslint"}}
        """,
        """
        === .circleci/config.yml
        jobs:
          test:
            steps:
              - checkout
              - run: ./shop/scripts/test.sh
        === scripts/test.sh
        echo
        """,
    ),
    "compose files of a development container": (
        _COMPOSED
        + """
        === .devcontainer/devcontainer.json
        {"dockerComposeFile": ["../docker-compose.yml", "docker-compose.yml"], "service": "shop"}
        """,
        _COMPOSED
        + """
        === .devcontainer/devcontainer.json
        {"dockerComposeFile": ["../docker-compose.yaml", "docker-compose.yml"], "service": "shop"}
        """,
    ),
    "a block that the page forgot to end": (
        """
        === README.md
        ```bash
        ./start.sh

        ## Words
        - Some `words` here.

        ```bash path=null start=null
        ./stop.sh
        ```
        === start.sh
        echo
        === stop.sh
        echo
        """,
        """
        === README.md
        ```bash
        ./start.sh

        ## Words

        ```bash path=null start=null
        ./stopped.sh
        ```
        === start.sh
        echo
        === stop.sh
        echo
        """,
    ),
    "an example with a release of an image": (
        """
        === Dockerfile
        FROM golang:1.24
        COPY . .
        RUN go build -o /bin/shop ./cmd/shop
        ENTRYPOINT ["/bin/shop"]
        === cmd/shop/main.go
        package main

        import "flag"

        func main() {
            metrics := flag.String("metrics", "", "")
            flag.Parse()
        }
        === go.mod
        module example.com/shop
        === build.sh
        docker build -t example.com/shop .
        === examples/start/README.md
        ```bash
        docker compose up
        ```
        === examples/start/docker-compose.yml
        services:
          shop:
            image: example.com/shop:1.51
            command: ["-m", "prometheus"]
        """,
        """
        === Dockerfile
        FROM golang:1.24
        COPY . .
        RUN go build -o /bin/shop ./cmd/shop
        ENTRYPOINT ["/bin/shop"]
        === cmd/shop/main.go
        package main

        import "flag"

        func main() {
            metrics := flag.String("metrics", "", "")
            flag.Parse()
        }
        === go.mod
        module example.com/shop
        === build.sh
        docker build -t example.com/shop .
        === examples/start/README.md
        ```bash
        docker compose up
        ```
        === examples/start/docker-compose.yml
        services:
          shop:
            image: example.com/shop:latest
            command: ["-m", "prometheus"]
        """,
    ),
    "an image of another name than the one that is built": (
        _BUILT
        + """
        === docker-compose.yml
        services:
          shop:
            image: others/shop
            healthcheck:
              test: ["CMD-SHELL", "python scripts/probe.py"]
        """,
        _BUILT
        + """
        === docker-compose.yml
        services:
          shop:
            image: shop/shop
            healthcheck:
              test: ["CMD-SHELL", "python scripts/probe.py"]
        """,
    ),
    "a script that a heredoc in a heredoc writes": (
        """
        === Dockerfile
        FROM python:3.12-slim AS build
        WORKDIR /app
        COPY . .
        FROM python:3.12-slim
        COPY --from=build /app /app
        RUN <<EOF
          python -mvenv venv
          cat >'/app/start.sh' <<EOENTRY
        #!/bin/sh
        exit 0
        EOENTRY
          chmod 755 /app/start.sh
        EOF
        ENTRYPOINT ["/app/start.sh"]
        === shop.py
        print()
        """,
        """
        === Dockerfile
        FROM python:3.12-slim AS build
        WORKDIR /app
        COPY . .
        FROM python:3.12-slim
        COPY --from=build /app /app
        RUN <<EOF
          cat >'/app/begin.sh' <<EOENTRY
        #!/bin/sh
        exit 0
        EOENTRY
          chmod 755 /app/begin.sh
        EOF
        ENTRYPOINT ["/app/start.sh"]
        === shop.py
        print()
        """,
    ),
    "a module that a script of a step requires": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - run: echo "WANTED=${{ github.repository }}" >> $GITHUB_ENV
              - uses: actions/checkout@v4
                with:
                  repository: ${{ env.WANTED }}
              - uses: actions/github-script@v7
                with:
                  script: |
                    const fs = require('fs')
                    const path = require('node:fs/promises')
                    const script = require('./.github/scripts/summary')
                    const other = require(`${process.env.GITHUB_WORKSPACE}/.github/scripts/other.js`)
                    // require('./gone.js')
        === .github/scripts/summary.js
        module.exports = 1
        === .github/scripts/other.js
        module.exports = 1
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - run: echo "WANTED=${{ github.repository }}" >> $GITHUB_ENV
              - uses: actions/checkout@v4
                with:
                  repository: ${{ env.WANTED }}
              - uses: actions/github-script@v7
                with:
                  script: |
                    const script = require('./.github/scripts/summary.js')
        === .github/scripts/other.js
        module.exports = 1
        """,
    ),
    "an artifact of several files": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/upload-artifact@v4
                with: {name: tools, path: tools/}
          one:
            needs: build
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: actions/download-artifact@v4
                with: {name: tools}
              - run: ./push $ALL
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/upload-artifact@v4
                with: {name: tools, path: out/images.tar}
          one:
            needs: build
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: actions/download-artifact@v4
                with: {name: tools}
              - run: ./push $ALL
        """,
    ),
    "a directory that only those with a program go to": (
        """
        === scripts/test.sh
        #!/bin/sh
        if type realpath >/dev/null 2>&1; then
          cd "$(realpath -- $(dirname -- "$0"))"
        fi
        python3 lint.py
        === scripts/lint.py
        print()
        """,
        """
        === scripts/test.sh
        #!/bin/sh
        if type realpath >/dev/null 2>&1; then
          cd "$(realpath -- $(dirname -- "$0"))"
        fi
        python3 check.py
        === scripts/lint.py
        print()
        """,
    ),
    "arguments that are changed once they are parsed": (
        """
        === release.py
        import argparse
        import sys


        def main():
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers(dest="command")
            commands.add_parser("release")
            args = parser.parse_args()

            if not args.command and len(sys.argv) > 1:
                sys.argv.insert(1, "release")
                args = parser.parse_args()


        if __name__ == "__main__":
            main()
        === Makefile
        all:
        \tpython release.py release
        """,
        """
        === release.py
        import argparse
        import sys


        def main():
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers(dest="command")
            commands.add_parser("release")
            args = parser.parse_args()

            if not args.command and len(sys.argv) > 1:
                sys.argv.insert(1, "release")
                args = parser.parse_args()


        if __name__ == "__main__":
            main()
        === Makefile
        all:
        \tpython release.py publish
        """,
    ),
}


def told(text: str, root: Path) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [each.message for each in engine.check(root).blocking]


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, tmp_path: Path) -> None:
    assert told(PAIRS[what][0], tmp_path) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, tmp_path: Path) -> None:
    assert told(PAIRS[what][1], tmp_path)

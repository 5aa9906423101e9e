"""Fuzzes the readers with atheris, where it is installed; what fails is a text that made a reader raise.

    python libs/preflight/tests/fuzz.py -max_total_time=60 [directory of files to begin with]

The first byte of an input says which kind of file it is, the rest is its text. `hypothesis` tries the same readers in
`test_readers_never_fail.py`, without coverage to go by.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["sophia_preflight"]):
    from sophia_preflight import facts

NAMES = (
    "run.py", "run.sh", "Dockerfile", "Makefile", "Makefile.in", "tox.ini", "package.json", "compose.yaml",
    ".github/workflows/ci.yml", "action.yml", ".gitlab-ci.yml", "README.md", "README.rst", "README.adoc",
    "x.service", "Procfile", "crontab", ".mcp.json", "pyproject.toml", "supervisord.conf", ".circleci/config.yml",
    "justfile", "Jenkinsfile", "docker-bake.hcl", "fly.toml", "serverless.yml", "Taskfile.yml", "server.ts",
    "setup.py", "values.yaml",
)  # fmt: skip


def once(data: bytes) -> None:
    """One text, read as a file of one kind."""
    if not data:
        return
    name = NAMES[data[0] % len(NAMES)]
    text = data[1:].decode("utf-8", "replace")
    if kind := facts.kind_of(name, text[:2000]):
        facts.read(kind, name, text)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()

"""Words of shell scripts, by what they tell whoever follows one."""

from __future__ import annotations

import re

FILE_TESTS = frozenset({"-f", "-e", "-d", "-x", "-s", "-r", "-L", "-h", "-w"})
SILENT = frozenset(
    {"echo", "printf", "true", "false", ":", "set", "[", "[[", "test", "wait", "shopt", "ulimit", "umask", "sleep",
     "alias", "let", "type", "hash", "kill", "log", "info", "warn", "error"}
)  # fmt: skip
READING = frozenset(
    {"rm", "ls", "cat", "grep", "find", "chmod", "chown", "du", "stat", "file", "wc", "head", "tail", "diff", "source",
     ".", "bash", "sh", "make", "npm", "yarn", "pnpm", "pytest", "ruff", "mypy", "black", "flake8", "isort", "pylint",
     "docker", "kubectl", "helm", "python", "python3"}
)  # fmt: skip
"""Commands that make nothing of what they are given; others may."""
DECLARING = frozenset({"export", "declare", "local", "readonly", "typeset"})
INTERPRETER = re.compile(
    r"(?:\w+_)?PYTHON[23]?(?:_?(?:BIN|BINARY|EXE|CMD|EXEC|EXECUTABLE|INTERPRETER|COMMAND))?|PY3?", re.IGNORECASE
)
"""Names of variables that people set to a Python; their own is as good."""
TEMPLATED = re.compile(r"\{\{.*?(\}\}|$)|\{%.*?(%\}|$)|.*\}\}|.*%\}|@[A-Za-z_]\w*@")
"""What somebody else's template engine fills in before the script is one."""
ENDING = frozenset({"exit", "return", "die", "fail", "abort", "error_exit", "break", "continue"})

WRITTEN = re.compile(r"\w\.(sql|ya?ml|json|conf|cfg|ini|toml|xml|sh|py|tpl|tmpl|template|j2)$")
"""Files that people write and that commands are given as their input; others are mostly data."""

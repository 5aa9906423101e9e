"""Commands as lists of words, and the ports that are written into them."""

from __future__ import annotations

import json
import re
import shlex

_SHELL = re.compile(r"[;&|<>`*?(){}\n]|\$\(")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_PORT_FLAGS = frozenset(
    [
        "-p",
        "--port",
        "--http-port",
        "--server.port",
        "-P",
        "-l",
        "--listen",
        "--bind",
        "-b",
        "--addr",
        "--address",
        "-a",
    ]
)
_HOST_FLAGS = frozenset(["--host", "-H", "--hostname", "--ip", "--server.address"])
_VARIABLE = r"\$\{?PORT(?::?-[^}]*)?\}?"
_ADDRESS = re.compile(r"(?P<scheme>tcp://|http://)?(?P<host>[A-Za-z0-9_.\[\]:]*?)?:?(?P<port>\d{2,5}|\$PORT)")
_EVERYWHERE = frozenset(("", "0.0.0.0", "[::]", "::", "*", "localhost"))
_NEED_PORT = {
    "uvicorn": ["--port", "$PORT"],
    "fastapi": ["--port", "$PORT"],
    "flask": ["--port", "$PORT"],
    "gunicorn": ["--bind", "127.0.0.1:$PORT"],
    "hypercorn": ["--bind", "127.0.0.1:$PORT"],
    "streamlit": ["--server.port", "$PORT"],
}
"""What makes a server listen where it is told to, if its command does not say."""
_WITHOUT_PORT = re.compile(
    r"\b(celery|rq|dramatiq|huey|arq|sidekiq|bullmq|resque|temporal|cron|beat|consumer|worker|mailer|scheduler|queue)\b"
)


def split(text: str) -> list[str]:
    """A command as words; what only a shell understands stays one word of `sh -c`."""
    text = text.strip()
    try:
        words = shlex.split(text)
    except ValueError:
        return ["sh", "-c", text]
    if words and words[0] == "exec":
        words, text = words[1:], text.removeprefix("exec ").lstrip()
    if not words or _SHELL.search(text.replace("${", "$").replace("}", "")) or _ASSIGNMENT.fullmatch(words[0]):
        return ["sh", "-c", text] if words else []
    return words


def from_json(text: str) -> list[str]:
    """A Dockerfile's or a file's command: a JSON list of words, or a line for a shell."""
    try:
        found = json.loads(text)
    except ValueError:
        return split(text)
    return [str(each) for each in found] if isinstance(found, list) else split(text)


def program(command: list[str]) -> str:
    """What is run: `uvicorn` of `python -m uvicorn …` and of `.venv/bin/uvicorn …`."""
    names = [each.rsplit("/", 1)[-1] for each in command]
    if len(names) > 2 and names[0].startswith("python") and names[1] == "-m":
        return names[2]
    return names[0] if names else ""


def says_worker(*texts: str) -> bool:
    """Whether a name or a command is one of those that serve nobody."""
    return any(_WITHOUT_PORT.search(text.lower().replace("_", " ").replace("-", " ")) for text in texts)


def on_given_port(command: list[str]) -> tuple[list[str], list[str]]:
    """The command as it listens on `$PORT` of 127.0.0.1, and the ports that were written into it."""
    if command[:2] == ["sh", "-c"] and len(command) == 3:
        return _shell_on_given_port(command)
    found: list[str] = []
    words: list[str] = []
    for index, each in enumerate(command):
        before = command[index - 1] if index else ""
        flag, equals, value = each.partition("=")
        if equals and flag in _PORT_FLAGS | _HOST_FLAGS:
            words.append(f"{flag}={_given(flag, value, found)}")
        else:
            words.append(_given(before, each, found))
    return words + _missing(words), found


def _given(flag: str, value: str, found: list[str]) -> str:
    if flag in _HOST_FLAGS:
        return "127.0.0.1" if value in _EVERYWHERE else value
    value = re.sub(_VARIABLE, "$PORT", value)
    positional = flag in ("runserver", "http.server") or (":" in value and not flag.startswith("-"))
    match = _ADDRESS.fullmatch(value)
    if not match or not (flag in _PORT_FLAGS or positional) or (":" not in value and not _is_port_place(flag)):
        return value
    if match["port"].isdigit():
        found.append(match["port"])
    host = match["host"].rstrip(":")
    if ":" not in value.removeprefix(match["scheme"] or ""):
        return f"{match['scheme'] or ''}$PORT"
    return f"{match['scheme'] or ''}{'127.0.0.1' if host in _EVERYWHERE else host}:$PORT"


def _is_port_place(flag: str) -> bool:
    return flag in _PORT_FLAGS or flag in ("runserver", "http.server")


def _missing(words: list[str]) -> list[str]:
    """What must be added to a server that otherwise listens on a port of its own."""
    if any("$PORT" in each for each in words):
        return []
    if program(words) == "flask" and "run" not in words:
        return []
    if "runserver" in words:
        return ["127.0.0.1:$PORT"]
    return ["$PORT"] if program(words) == "http.server" else _NEED_PORT.get(program(words), [])


def _shell_on_given_port(command: list[str]) -> tuple[list[str], list[str]]:
    found: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        found.append(match[2])
        return f"{match[1]}$PORT"

    text = re.sub(r"\$\{PORT:?-\d+\}", "$PORT", command[2])
    text = re.sub(r"((?:--port|--bind|-b|-p|runserver|http\.server)[ =](?:[\w.]+:)?)(\d{2,5})\b", replaced, text)
    return ["sh", "-c", text], found

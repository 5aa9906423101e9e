"""Commands in settings of programs that nobody here knows: `{"name": "unit", "command": ["pytest", "tests/unit"]}`.

A key that is called after commands, with words that begin with a program that runs files of the repository, is a
command, whatever program reads it. Where it begins nobody says; so it may be anywhere above the file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from sophia_preflight.calls.docker import interpreted
from sophia_preflight.calls.model import Caller, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, UNKNOWN, Word

LOOKS = re.compile(r"[\"']?\b\w*(command|cmd|run|exec|script|start|up|entry_?point)\w*[\"']?\s*:", re.IGNORECASE)
"""What such a key looks like in the text of a file."""
_KEY = re.compile(
    r"(\w*[_-])?(commands?|cmds?|run|exec|scripts?|start|up|check)|entry_?point|(pre|post)_?\w+_?cmd", re.IGNORECASE
)
_PROGRAM = re.compile(
    r"(\./)?([\w.-]+/)*[\w-]+\.(sh|py)|python\d?(\.\d+)?|bash|sh|node|tsx?|pytest|uv|uvx|poetry|pdm|npm|pnpm|yarn|make|just|"
    r"go|docker|docker-compose|podman|uvicorn|gunicorn|alembic|celery"
)
"""Programs that run or read files of a repository, and scripts of its own."""
_TOLD = re.compile(r"\s(--?\w|[\w.-]*[/.]\w)")
"""An option or a path: what a command has and a sentence has not."""
_LOOKS_INTO = re.compile(r"python\d?(\.\d+)?\s+-c\b")
"""A program in a text: what it reads is where the one that nobody knows has put it."""
_MOVES = re.compile(r"\s*(cd|pushd|git|wget|curl|tar|unzip)\b")
"""What makes the place of the commands after it another one."""
_FILLED = re.compile(r"\$\{\{.*?\}\}|\{\{.*?\}\}|\$\{[^}]*\}|<[\w -]+>|(?<![\w$])\{\w+\}")
_IMAGE = re.compile(r"(\w+[_-])?image([_-](name|uri))?", re.IGNORECASE)
_MANIFEST = ("apiVersion", "kind", "openapi", "swagger", "$schema", "services", "jobs", "tasks", "stages", "mcpServers")
"""Keys of files whose commands others read, or whose commands are run elsewhere."""


def commands(path: str, root: Node, lines: list[str], found: Trace) -> None:
    """Calls of the commands of a document, if it is one of settings."""
    if any(key in root for key in _MANIFEST):
        return
    for owner, node in _under(root, ""):
        site = Site(path, Caller.TASK, CWD, owner=owner or posixpath.basename(path))
        if isinstance(node.value, str) and _LOOKS_INTO.match(node.text):
            continue
        if node.is_list:
            words = [Word(_FILLED.sub(UNKNOWN, each.text), each.line, each.column) for each in node.elements()]
            if words and all(each.is_scalar for each in node.elements()) and _PROGRAM.fullmatch(words[0].value):
                interpreted(words, site, found)
        elif isinstance(node.value, str) and re.fullmatch(r"[\w./-]+/[\w-]+\.sh", node.text):
            interpreted([Word("bash", node.line, node.column), Word(node.text, node.line, node.column)], site, found)
        elif isinstance(node.value, str) and _PROGRAM.fullmatch(node.text.split(" ")[0]) and _TOLD.search(node.text):
            snippet = of_node(path, node, lines)
            for match in reversed(list(_FILLED.finditer(snippet.text))):
                snippet.put(match.start(), match.end(), UNKNOWN)
            follow(snippet, site, found)


def _is_in_image(node: Node, depth: int = 0) -> bool:
    """Whether something is run in an image that stands beside its commands, which has files of its own."""
    named = any(_IMAGE.fullmatch(key) and value.is_scalar and "/" in value.text for key, value in node.items())
    return named or (depth < 2 and any(_is_in_image(each, depth + 1) for _, each in node.items() if each.is_map))


def _under(node: Node, owner: str, depth: int = 0) -> Iterator[tuple[str, Node]]:
    """The commands below a node, each with the name of what it belongs to."""
    if depth > 20:
        return
    name = (node["name"] or node["id"]).text if node.is_map else ""
    inside = _is_in_image(node)
    for key, value in node.items():
        if _KEY.fullmatch(key) and inside:
            continue
        if _KEY.fullmatch(key) and not value.is_map:
            together = key.endswith("s") and value.is_list
            if not together:
                yield name or owner, value
            elif not any(_MOVES.match(each.text) for each in value.elements()):
                yield from ((name or owner, each) for each in value.elements())
        else:
            yield from _under(value, name or (key if value.is_map else owner), depth + 1)
    for each in node.elements():
        yield from _under(each, owner, depth + 1)

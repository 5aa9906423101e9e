"""Calls of compose files: what a service runs instead of its image's own command, and what probes it."""

from __future__ import annotations

from sophia_preflight.calls.docker import combined, interpreted
from sophia_preflight.calls.model import Caller, Site, System, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers.compose import ComposeFile, command_words, interpolated
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, joined


def trace_of(file: ComposeFile) -> Trace:
    """`CWD` is the working directory of the service's image."""
    found = Trace()
    for name, node in file.root["services"].items():
        _service(file, name, node, found)
    return found


def service_key(path: str, service: str) -> str:
    return f"{path}::{service}"


def _service(file: ComposeFile, name: str, node: Node, found: Trace) -> None:
    directory = interpolated(node["working_dir"].text)[0]
    base = joined(CWD, directory) if directory else CWD
    search: tuple[str, ...] = ()
    for variable, value in node["environment"].items():
        if variable == "PYTHONPATH":
            search = tuple(joined(base, each) for each in interpolated(value.text)[0].split(":") if each)
    site = Site(file.path, Caller.COMPOSE, base, System.IMAGE, service_key(file.path, name), owner=name, search=search)
    for words in combined(command_words(node["entrypoint"]) or None, command_words(node["command"]) or None):
        interpreted(words, site, found)
    _probe(file, node.at("healthcheck", "test"), site, found)


def _probe(file: ComposeFile, test: Node, site: Site, found: Trace) -> None:
    words = command_words(test)
    if not words:
        return
    if test.is_list and words[0].value == "CMD":
        interpreted(words[1:], site, found)
    elif test.is_list and words[0].value == "CMD-SHELL" and len(words) > 1:
        follow(Snippet(file.path, words[1].value, words[1].line, words[1].column + 1), site, found)
    elif not test.is_list:
        text = interpolated(test.text)[0]
        line = test.line + (1 if test.style in ("|", ">") else 0)
        follow(Snippet(file.path, text, line, test.column + (1 if test.style else 0)), site, found)

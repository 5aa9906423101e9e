"""Calls of files that say how something is started: package.json, Procfile, systemd units, crontabs, agents' tools."""

from __future__ import annotations

import posixpath
import re
import shlex

from sophia_preflight.calls.commands import interpret
from sophia_preflight.calls.model import Call, Caller, Guard, Needed, Site, System, Trace
from sophia_preflight.calls.running import Run
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers import json, units, yaml
from sophia_preflight.readers.snippet import Snippet, of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, ROOT, UNKNOWN, Word, joined


def directory_of(path: str) -> str:
    """The value of the directory that a file stands in."""
    return joined(ROOT, posixpath.dirname(path) or ".")


def _interpret(words: list[Word], site: Site, found: Trace) -> None:
    def shell(word: Word, run: Run) -> None:
        follow(Snippet(site.path, word.value, word.line, word.column + 1), run.site, found)

    interpret(words, Run(site, found, shell, interpret))


# --- package.json ---------------------------------------------------------------------------------------------------


def package_trace(path: str, text: str) -> Trace:
    """Scripts run in the package's directory, with the binaries of its dependencies on PATH."""
    found = Trace()
    root = json.parse(text).root
    lines = text.split("\n")
    for name, node in root["scripts"].items():
        site = Site(path, Caller.NPM, directory_of(path), owner=name)
        follow(of_node(path, node, lines), site, found)
    site = Site(path, Caller.NPM, directory_of(path), owner="install")
    for key in ("dependencies", "devDependencies"):
        for node in (node for _, node in root[key].items()):
            place = re.match(r"(?:file|link):(?=\.)", node.text)
            if place is not None and not node.text.endswith((".tgz", ".gz")):
                needed = Needed(Word(node.text[place.end() :], node.line, node.column), "a package that npm links")
                found.calls.append(Call(needed, site, node.place(path), node.text))
    for node in [root["bin"], *(node for _, node in root["bin"].items())]:
        if node.text and re.search(r"\.[cm]?js$", node.text):
            site = Site(path, Caller.NPM, directory_of(path), owner="bin")
            needed = Needed(Word(node.text, node.line, node.column), "the command that the package brings")
            found.calls.append(Call(needed, site, node.place(path), node.text))
    return found


# --- Procfile -------------------------------------------------------------------------------------------------------


def procfile_trace(path: str, text: str) -> Trace:
    """Commands of a Procfile; one that is not at the top may well be started from there, as `goreman -f` does."""
    found = Trace()
    directory = CWD if "/" in path else ROOT
    for number, line in enumerate(text.split("\n"), 1):
        if match := re.match(r"([A-Za-z0-9_-]+):\s*(.*\S)", line):
            site = Site(path, Caller.PROCFILE, directory, owner=match[1])
            follow(Snippet(path, match[2], number, match.start(2) + 1), site, found)
    return found


# --- systemd --------------------------------------------------------------------------------------------------------


def systemd_trace(path: str, text: str) -> Trace:
    """Commands of a unit. They run on some host: its paths are not ours, though what they name may well be."""
    found = Trace()
    directory = next((value for name, value, _, _ in units.settings(text) if name == "WorkingDirectory"), "")
    for each in units.commands(text):
        site = Site(
            path, Caller.SYSTEMD, directory or UNKNOWN, System.REMOTE, owner=posixpath.basename(path),
            guard=Guard(each.tolerated),
        )  # fmt: skip
        _interpret([Word(piece, each.line, each.column) for piece in each.pieces], site, found)
    return found


# --- supervisor -----------------------------------------------------------------------------------------------------


def supervisor_trace(path: str, text: str) -> Trace:
    """Commands of the programs of supervisord; like those of a unit, they run in some image or on some host."""
    found = Trace()
    owner = ""
    for number, line in enumerate(text.split("\n"), 1):
        if section := re.match(r"\s*\[(?:program|fcgi-program|eventlistener):([^\]]+)\]", line):
            owner = section[1]
        elif match := re.match(r"\s*command\s*=\s*(.*\S)", line):
            command = re.sub(r"%\([^)]*\)[sd]", UNKNOWN, re.sub(r"\s;.*", "", match[1]))
            site = Site(path, Caller.SUPERVISOR, UNKNOWN, System.REMOTE, owner=owner)
            try:
                pieces = shlex.split(command)
            except ValueError:
                continue
            _interpret([Word(piece, number, match.start(1) + 1) for piece in pieces], site, found)
    return found


# --- crontabs -------------------------------------------------------------------------------------------------------

_CRON = re.compile(r"\s*(?:@\w+|(?:[\d*/,A-Za-z-]+\s+){4}[\d*/,A-Za-z-]+)\s+(.*\S)")


def crontab_trace(path: str, text: str) -> Trace:
    """Lines of a crontab; those below cron.d name a user before the command."""
    found = Trace()
    with_user = "cron.d/" in path or posixpath.basename(path) == "crontab"
    for number, line in enumerate(text.split("\n"), 1):
        match = _CRON.match(line)
        if not match or line.lstrip().startswith("#"):
            continue
        command, column = match[1], match.start(1) + 1
        if with_user and (user := re.match(r"[a-z_][a-z0-9_-]*\s+(?=\S)", command)):
            command, column = command[user.end() :], column + user.end()
        site = Site(path, Caller.CRON, UNKNOWN, System.REMOTE, owner="crontab")
        follow(Snippet(path, command, number, column), site, found)
    return found


# --- tool servers of AI agents --------------------------------------------------------------------------------------


def agents_trace(path: str, text: str) -> Trace:
    """`mcpServers` of Claude, Cursor and others, `servers` of VS Code: a command, its words, a directory."""
    found = Trace()
    root = (json.parse(text, comments=True) if path.endswith(".json") else yaml.parse(text)).root
    tool_servers(path, root, ROOT, found)
    return found


def tool_servers(path: str, root: Node, start: str, found: Trace) -> None:
    """The servers of a configuration that agents read who are at `start`."""
    servers = root["mcpServers"] or root["mcp_servers"] or root["mcp"]["servers"] or root["servers"]
    for name, node in servers.items():
        command = node["command"]
        if not command.text:
            continue
        words = [command, *node["args"].elements()]
        directory = _agent_text(node["cwd"].text)
        base = joined(ROOT, directory) if directory else start
        site = Site(path, Caller.AGENT, base, System.REPOSITORY, owner=name)
        _interpret([_agent_word(each) for each in words], site, found)


def _agent_word(node: Node) -> Word:
    return Word(_agent_text(node.text), node.line, node.column)


def _agent_text(text: str) -> str:
    text = re.sub(r"\$\{(workspaceFolder|workspaceRoot|CLAUDE_PROJECT_DIR)\}", ROOT, text)
    return re.sub(r"\$\{[^}]*\}", UNKNOWN, text)

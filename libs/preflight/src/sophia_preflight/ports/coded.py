"""The port that a program's own source tells: of the script that an image starts, or the configuration of its server.

Only one number that the source passes to what listens is taken, or the default beside the variable that it asks first;
a source that has it from anywhere else tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sophia_preflight.calls.docker import working_directory
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.text import is_known, joined

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_SCRIPT = re.compile(
    r"(?:^|[\s;&])(?:python3?(?:\.\d+)?(?:\s+-[uBO])*|node|nodejs)\s+((?:[\w.-]+/|/)*[\w.-]+\.(?:py|m?js|cjs))\b"
)
_SETTINGS = re.compile(r"\bgunicorn\b.*?\s(?:-c|--config)(?:=|\s+)((?:[\w.-]+/|/)*[\w.-]+\.py)\b")
_NUMBER = (
    r"(?:int\(\s*)?(?:(?:os\.)?(?:environ\.get|getenv)\(\s*[\"'](?P<name>\w+)[\"']\s*,\s*)?"
    r"[\"']?(?P<port>\d{2,5})[\"']?[\s)]*"
)
_PYTHON = (
    re.compile(r"(?:\.run|\brun|\bserve)\((?:[^()]|\([^()]*\))*?\bport\s*=\s*" + _NUMBER, re.DOTALL),
    re.compile(r"(?:HTTPServer|TCPServer|make_server)\(\s*\(?\s*[\"'][^\"']*[\"']\s*,\s*" + _NUMBER),
)
_BIND = re.compile(r"^bind\s*=\s*\[?\s*[\"'][^\"':]*:(?P<port>\d{2,5})[\"']", re.MULTILINE)
_ASKED = r"(?:process\.env\.(?P<name>\w+)\s*(?:\|\||\?\?)\s*)?[\"']?(?P<port>\d{2,5})\b"
_LISTEN = re.compile(r"\.listen\(\s*" + _ASKED)
_NAMED = re.compile(r"\.listen\(\s*(?P<of>[A-Za-z_]\w*)\s*[,)]")
_PROGRAM = re.compile(r"(?:exec\s+)?((?:/|[\w.-]+/)*[\w.-]+)(?=\s|$)")
_GO_LISTENS = re.compile(
    r"(?:\bListenAndServe(?:TLS)?\(|\.(?:Run|Start|Listen)\(|\bnet\.Listen\(\s*\"tcp[46]?\",|\bAddr:)\s*"
    r"\"(?:0\.0\.0\.0|\[::\])?:(?P<port>\d{2,5})\""
)
_GO_FLAG = re.compile(
    r"\.(?:String|Int|Uint)(?:Var)?P?\((?:\s*&[\w.]+,)?\s*\"(?P<flag>[\w.-]*(?:addr|address|listen|port|bind)[\w.-]*)\",\s*"
    r"(?:\"\w\",\s*)?\"?(?:0\.0\.0\.0|\[::\])?:?(?P<port>\d{2,5})\"?\s*,"
)
_GO_ELSEWHERE = re.compile(
    r"(?:Getenv|LookupEnv)\(\s*\"\w*(?:PORT|ADDR|LISTEN|BIND)|\bviper\b|envconfig|koanf|\byaml:\""
)
"""Whence a program has its port that is not written in it."""
_MOST_SOURCE = 3_000_000
_COMMENT = re.compile(r"(?m)(^|\s)(#|//).*$")


_LISTENS = re.compile(r"(?:^|[{;])\s*listen\s+(?:\[[^\]]*\]:|[\d.*]+:)?([^\s;:]+)[^;\n]*;", re.MULTILINE)
_NGINX = re.compile(r"(^|/)(nginx|nginx-unprivileged|openresty)(:|@|$)")
_ALL = re.compile(r"/etc/nginx/(nginx\.conf|(conf\.d|templates)(/default\.conf(\.template)?)?/?)")
"""Where a configuration takes the place of the one that the image brings."""


@dataclass(frozen=True)
class Coded:
    """The port, the file that tells it, and all that this file says."""

    port: str
    path: str
    text: str


def coded(
    context: Context, made: Dockerfile, stage: Stage, directory: str, start: str, environment: Mapping[str, str]
) -> Coded | None:
    """What the source tells of which `start` is the command; `directory` is what the image is built from."""
    settings, script = _SETTINGS.search(start), _SCRIPT.search(start)
    named = settings or script
    if named is None and (program := _PROGRAM.match(start)) is not None:
        return _of_go(context, context.built.source(program[1]), start)
    if named is None or re.search(r"\s--?(p|port|bind|b)\b", start):
        return None
    files = context.images.filesystem(made, stage, directory)
    path = files.find(joined(working_directory(made, stage), named[1]))
    if path is None or not context.repository.is_file(path):
        return None
    text = context.repository.text(path)
    bare = _COMMENT.sub("", text)
    if settings is not None:
        ports = {match["port"] for match in _BIND.finditer(bare)}
    elif path.endswith(".py"):
        ports = {_told(match, environment) for pattern in _PYTHON for match in pattern.finditer(bare)}
    else:
        ports = {_told(match, environment) for match in _LISTEN.finditer(bare)}
        for match in _NAMED.finditer(bare):
            said = re.compile(rf"(?:const|let|var)\s+{match['of']}\s*=\s*{_ASKED}")
            ports |= {_told(each, environment) for each in said.finditer(bare)} or {""}
    return Coded(ports.pop(), path, text) if len(ports) == 1 and "" not in ports else None


def _of_go(context: Context, paths: list[str], start: str) -> Coded | None:
    """The one port that the source of a program in Go listens to, or the default of the one flag that says it."""
    texts = {path: context.repository.glimpse(path) for path in paths}
    whole = "\n".join(texts.values())
    if len(whole) > _MOST_SOURCE or _GO_ELSEWHERE.search(whole):
        return None
    flags = {match["flag"]: match["port"] for match in _GO_FLAG.finditer(whole)}
    if any(re.search(rf"\s--?{re.escape(flag)}\b", f" {start}") for flag in flags):
        return None
    ports = {match["port"] for match in _GO_LISTENS.finditer(whole)} | set(flags.values())
    if len(ports) != 1:
        return None
    port = ports.pop()
    return Coded(port, next(path for path, text in texts.items() if port in text), whole)


def _told(match: re.Match[str], environment: Mapping[str, str]) -> str:
    """The number, or what the variable that is asked first is set to; empty where nobody can tell."""
    value = environment.get(match["name"] or "", match["port"])
    return value if is_known(value) and value.isdigit() else ""


def served(context: Context, image: str, given: Mapping[str, str]) -> Coded | None:
    """What an nginx listens to that is given these files: by their place in the image, their paths here."""
    configurations = {place: path for place, path in given.items() if place.startswith("/etc/nginx/")}
    if _NGINX.search(image) is None or not any(_ALL.fullmatch(place) for place in configurations):
        return None
    paths = [
        inner
        for path in configurations.values()
        for inner in ([path] if context.repository.is_file(path) else context.repository.inside(path))
        if inner.endswith((".conf", ".template"))
    ]
    text = "\n".join(context.repository.text(path) for path in paths)
    ports = set(_LISTENS.findall(re.sub(r"(?m)#.*$", "", text)))
    if "include /etc/nginx/conf.d" in text and "/etc/nginx/nginx.conf" in configurations and len(configurations) == 1:
        return None
    return Coded(ports.pop(), paths[0], text) if len(ports) == 1 and all(port.isdigit() for port in ports) else None

"""Compose and stack files: services with their places, interpolation, and several files merged as their callers do.

A file is one `ComposeFile`; what one call uses together is a `Project`, in which later files override earlier ones by
the rules of the Compose specification: mappings merge, most lists append, the rest is replaced.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.text import UNKNOWN, Word

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""What Compose looks for where no file is named, in its order."""
NAMED = re.compile(r"(^|/)(docker-)?compose[^/]*\.ya?ml$|(^|/)[^/]*(stack|compose|swarm)[^/]*\.ya?ml$", re.IGNORECASE)
_OVERLAID = re.compile(
    r"^ +(ports|environment|command|depends_on|restart|networks|volumes|deploy|profiles|extends|healthcheck|env_file|"
    r"replicas|mem_limit|labels|logging):",
    re.MULTILINE,
)
"""Settings that an overlay may have where the image is named elsewhere."""
_INTERPOLATED = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*))?\})")


def interpolated(text: str, variables: Mapping[str, str] | None = None) -> tuple[str, bool]:
    """Text with `${…}` replaced, and whether a default was assumed; `$$` is a `$`."""
    assumed = False

    def put(found: re.Match[str]) -> str:
        nonlocal assumed
        if found[1]:
            return "$"
        name, operator = found[2] or found[3], (found[4] or "").lstrip(":")
        if variables and name in variables:
            assumed = True
            return variables[name]
        if operator == "-":
            assumed = True
            return interpolated(found[5], variables)[0]
        return UNKNOWN

    return (_INTERPOLATED.sub(put, text), assumed) if "$" in text else (text, False)


@dataclass
class ComposeFile:
    path: str
    documents: Documents

    @property
    def root(self) -> Node:
        return self.documents.root

    @property
    def directory(self) -> str:
        return posixpath.dirname(self.path) or "."

    def service_at(self, line: int) -> tuple[str, range] | None:
        """The service that a line is of, and the lines that are its own."""
        services = self.root["services"]
        heads = sorted(key.line for node in (self.root, services) for key in node.keys.values())
        for name, key in services.keys.items():
            end = next((head for head in heads if head > key.line), sys.maxsize)
            if key.line <= line < end:
                return name, range(key.line, end)
        return None

    @property
    def is_fragment(self) -> bool:
        """Meant to be extended or included: no file that anybody starts."""
        return not self.root["services"].is_map


def parse(path: str, text: str) -> ComposeFile:
    return ComposeFile(path, yaml.parse(text))


_SAYS = re.compile(
    r"^(version|include|networks|volumes|secrets|configs|name|x-[\w-]+):|^\s+(image|build|depends_on):", re.MULTILINE
)
"""What a compose file says beside its services, or says of services that stand at its top."""


_OTHERS = re.compile(r"(^|[/_.-])values[\w.-]*\.ya?ml$")
"""Values of charts, which may well list services and images."""


_OF_CLUSTERS = re.compile(
    r"^[ ]+(imagePullPolicy|imagePullSecrets|runtimeClassName|tolerations|nodeSelector|securityContext|workingDir|"
    r"readinessProbe|livenessProbe|volumeMounts):",
    re.MULTILINE,
)
"""What services of Kubernetes have, and those of Compose have not."""


_LIST = re.compile(r"(?:[ \t]*(?:#.*|---.*)?\n)*- ")
"""How a list begins, like that of the tasks of a playbook."""


def looks_like(path: str, text: str) -> bool:
    """Whether a YAML file is a compose file: by name, or by services that have images or builds. A list is none."""
    if _LIST.match(text):
        return False
    if not re.search(r"^services:", text, re.MULTILINE):
        named = re.search(r"(^|/)(docker-)?compose[\w.-]*\.ya?ml$", path) is not None
        others = re.search(r"^(apiVersion|kind):", text, re.MULTILINE)
        says = _SAYS.search(text) or not re.search(r"^[\w-]+:", text, re.MULTILINE)
        return named and others is None and bool(says)
    if re.search(r"^(apiVersion|kind|jobs|platform|environments|stages|openapi):", text, re.MULTILINE):
        return False
    if NAMED.search(path):
        return True
    if _OTHERS.search(path) or _OF_CLUSTERS.search(text):
        return False
    if re.search(r"^\s+([\w-]+: *\{ *)?(image|build):", text, re.MULTILINE):
        return True
    return len(set(_OVERLAID.findall(text))) > 1 and not re.search(r"^(parameters|imports):", text, re.MULTILINE)


# --- services -------------------------------------------------------------------------------------------------------


@dataclass
class Part:
    """A value with the file that it stands in."""

    file: ComposeFile
    node: Node

    @property
    def text(self) -> str:
        return interpolated(self.node.text)[0]


@dataclass
class Service:
    """A service as its files declare it together; `parts` from the first to the last."""

    name: str
    parts: list[Part] = field(default_factory=list)

    @property
    def first(self) -> Part:
        return self.parts[0]

    def get(self, *path: str) -> Part | None:
        """The last declaration of a setting."""
        for part in reversed(self.parts):
            if found := part.node.at(*path):
                return Part(part.file, found)
        return None

    def has(self, *path: str) -> bool:
        return self.get(*path) is not None

    def listed(self, key: str) -> list[Part]:
        """Entries of a list that the files append to, or the keys of a mapping that they merge."""
        found: list[Part] = []
        for part in self.parts:
            node = part.node[key]
            if node.tag in ("!reset", "!override"):
                found = []
            if node.is_list:
                found += [Part(part.file, each) for each in node.elements()]
            elif node.is_map:
                found += [Part(part.file, node.key(name)) for name, _ in node.items()]
            elif node.text:
                found.append(Part(part.file, node))
        return found

    def mapping(self, *path: str) -> dict[str, Part]:
        """Pairs of a mapping, or of a list of `KEY=VALUE`."""
        found: dict[str, Part] = {}
        for part in self.parts:
            node = part.node.at(*path)
            for name, value in node.items():
                found[name] = Part(part.file, value)
            for each in node.elements():
                name, _, text = each.text.partition("=")
                found[name] = Part(part.file, Node(text, each.line, each.column, each.style))
        return found

    @property
    def environment(self) -> dict[str, Part]:
        return self.mapping("environment")


@dataclass
class Project:
    """Files that are used together. `base` is what relative paths are relative to."""

    files: tuple[ComposeFile, ...]
    base: str
    stack: bool = False
    called: bool = False
    """Somebody really uses these files together; otherwise it is the usual way."""
    partial: bool = False
    """And only some of their services."""
    brought: Mapping[str, str] = field(default_factory=dict)
    """Files that others include, with what their own paths are relative to."""

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)

    def base_of(self, file: ComposeFile) -> str:
        """What the paths of a file are relative to: those of included and extended files to that file."""
        return self.brought.get(file.path, self.base if file in self.files else file.directory)

    def services(self, others: Mapping[str, ComposeFile]) -> dict[str, Service]:
        """By name; `extends` is followed into `others`, the compose files of the repository by path."""
        found: dict[str, Service] = {}
        for file in self.files:
            for name, node in file.root["services"].items():
                service = found.setdefault(name, Service(name))
                service.parts += list(_extended(file, name, node, others, 0))
        return found

    def top(self, kind: str) -> dict[str, Part]:
        """`networks`, `volumes`, `secrets` or `configs` at the top."""
        return {name: Part(file, node) for file in self.files for name, node in file.root[kind].items()}


def _extended(
    file: ComposeFile, name: str, node: Node, others: Mapping[str, ComposeFile], depth: int
) -> Iterator[Part]:
    """The parts of a service: what it extends first, then itself."""
    extends = node["extends"]
    if extends and depth < 10:
        path = extends["file"].text
        target = extends["service"].text or extends.text
        source = file if not path else others.get(posixpath.normpath(posixpath.join(file.directory, path)))
        if source is not None and (target != name or source is not file):
            inner = source.root["services"][target]
            if inner:
                yield from _extended(source, target, inner, others, depth + 1)
    yield Part(file, node)


# --- values of services ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """`build:` in either form; paths are values relative to the project's base."""

    context: str
    dockerfile: str
    stage: str
    inline: bool
    assumed: bool
    foreign: bool
    """From a URL, or with contexts that are not of this repository."""


def build_of(service: Service) -> Build | None:
    """How a service is built; None where it is not."""
    part = service.get("build")
    if part is None or part.node.is_null:
        return None
    context = service.get("build", "context")
    text, assumed = interpolated(context.node.text) if context else ("", False)
    for each in reversed(service.parts):
        if each.node["build"].is_scalar and each.node["build"].text:
            if context is None:
                text, assumed = interpolated(each.node["build"].text)
            break
    dockerfile = service.get("build", "dockerfile")
    stage = service.get("build", "target")
    file, also = interpolated(dockerfile.node.text) if dockerfile else ("Dockerfile", False)
    inline = service.has("build", "dockerfile_inline")
    foreign = "://" in text or text.startswith("git@") or service.has("build", "additional_contexts")
    return Build(text or ".", file, interpolated(stage.node.text)[0] if stage else "", inline, assumed or also, foreign)


@dataclass(frozen=True)
class Port:
    """A published port; `host` is empty where Docker chooses."""

    host: str
    container: str
    address: str
    protocol: str
    mode: str = ""


def port_of(node: Node) -> Port | None:
    """Short and long form; None where it is neither."""
    if node.is_map:
        return Port(
            interpolated(node["published"].text)[0],
            interpolated(node["target"].text)[0],
            interpolated(node["host_ip"].text)[0],
            node["protocol"].text or "tcp",
            node["mode"].text,
        )
    text = interpolated(node.text)[0]
    match = re.fullmatch(r"(?:(\[[^\]]*\]|[^:\[\]]*):)?(?:([^:]*):)?([^:/]+)(?:/(tcp|udp|sctp))?", text)
    if not match:
        return None
    address, host, container, protocol = match.groups()
    if host is None and address is not None:
        address, host = "", address
    return Port(host or "", container, (address or "").strip("[]"), protocol or "tcp")


@dataclass(frozen=True)
class Mount:
    """A volume of a service; `source` is a name, a path, or empty. `kind`: volume, bind, tmpfs, …"""

    source: str
    target: str
    kind: str
    read_only: bool
    assumed: bool = False


def mount_of(node: Node) -> Mount | None:
    if node.is_map:
        source, assumed = interpolated(node["source"].text)
        return Mount(
            source,
            interpolated(node["target"].text)[0],
            node["type"].text or "volume",
            node["read_only"].value is True,
            assumed,
        )
    text, assumed = interpolated(node.text)
    if not text:
        return None
    pieces = re.split(r":(?![\\/]{2})", text)
    if len(pieces) == 1:
        return Mount("", pieces[0], "volume", False)
    source, target, *mode = pieces
    bind = source.startswith((".", "/", "~", UNKNOWN)) or "/" in source
    return Mount(source, target, "bind" if bind else "volume", "ro" in ",".join(mode).split(","), assumed)


def command_words(node: Node) -> list[Word]:
    """`command:` or `entrypoint:` as the words that are run; no shell reads them."""
    if node.is_list:
        return [
            Word(interpolated(each.text)[0], each.line + (each.style in ("|", ">")), each.column)
            for each in node.elements()
        ]
    text, assumed = interpolated(node.text)
    if not text:
        return []
    line = node.line + (1 if node.style in ("|", ">") else 0)
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    if not node.written:
        return [Word(each, line, node.column, assumed) for each in words]
    return [Word(each, at, node.column, assumed) for each, at in zip(words, _lines(node, words, line), strict=True)]


def _lines(node: Node, words: Sequence[str], first: int) -> Iterator[int]:
    """The lines that words of a text stand in which goes on for several."""
    index, column = first - node.line, 0
    for word in words:
        for here in range(index, len(node.written)):
            at = node.written[here].find(word, column if here == index else 0)
            if at >= 0:
                index, column = here, at + len(word)
                break
        yield node.line + index

"""Where services of compose projects listen, and under which names others reach them.

Ports come with what they rest on: `started` from the command or a variable that names the port, `usual` from what an
image does by itself, `declared` from EXPOSE, `expose` and `ports`. A service of which nothing is known has none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sophia_preflight.calls.docker import final_environment, start_words, working_directory
from sophia_preflight.composing import Used
from sophia_preflight.context import BuildContext, Context
from sophia_preflight.images import Filesystem
from sophia_preflight.model import Place
from sophia_preflight.ports.coded import Coded, coded, served
from sophia_preflight.ports.defaults import default_port, listeners, variable_port
from sophia_preflight.readers.compose import Part, Service, command_words, interpolated, mount_of, port_of
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import is_known, joined, named

_FLAG = re.compile(
    r"(?:^|\s)(?:--(?:port|http-port|server[.-]port|listen-port|bind|listen|listen-address|address|addr|server-port)"
    r"(?:=|\s+)|-b\s*|--web\.listen-address=|-p\s+)(?:[\w.*\[\]]*:)?:*(\d{2,5})\b"
)
_PLACE = re.compile(r"\b(?:runserver|http\.server|-S)\s+(?:[\w.\[\]]*:)?(\d{2,5})\b|\b0\.0\.0\.0:(\d{2,5})\b")
_SERVERS = re.compile(
    r"\b(uvicorn|gunicorn|hypercorn|daphne|granian|flask|runserver|http\.server|fastapi|streamlit|waitress-serve|"
    r"next|vite|serve|http-server|php|puma|rails|node|python\d?|java)\b"
)
_EVERYBODY = re.compile(r"\s(?:--host|--bind|--ip|--address|--listen|-H)(?:=|\s+)(?:0\.0\.0\.0|::|\[::\]|\*)(?=\s|$)")
"""A program that listens to all addresses is a server, whatever its name."""
USUAL = {
    "postgres": named("5432"), "pgvector": named("5432"), "postgis": named("5432"), "redis": named("6379"),
    "valkey": named("6379"), "mysql": named("3306 33060"), "mariadb": named("3306"), "mongo": named("27017"),
    "rabbitmq": named("5672 15672 15692 25672 4369 5671 15671"), "memcached": named("11211"),
    "elasticsearch": named("9200 9300"), "opensearch": named("9200 9300 9600 9650"), "kibana": named("5601"),
    "nats": named("4222 8222 6222"), "grafana": named("3000"), "prometheus": named("9090"),
    "alertmanager": named("9093 9094"), "node-exporter": named("9100"), "cadvisor": named("8080"),
    "loki": named("3100 9096 9095"), "qdrant": named("6333 6334"), "ollama": named("11434"),
    "pgadmin4": named("80 443"), "neo4j": named("7474 7473 7687"), "phoenix": named("6006 4317 9090"),
    "clickhouse-server": named("8123 9000 9004 9005 9009 9440 8443"), "influxdb": named("8086 8088"),
    "cassandra": named("9042 7000 7001 7199 9160"), "solr": named("8983"), "meilisearch": named("7700"),
    "mailhog": named("1025 8025"), "mailpit": named("1025 8025 1110"), "zipkin": named("9411"),
    "redis_exporter": named("9121"), "postgres-exporter": named("9187"), "redis-stack": named("6379 8001"),
    "falkordb": named("6379 3000"), "phpmyadmin": named("80 443"), "adminer": named("8080"),
    "mongo-express": named("8081"), "couchdb": named("5984 4369"), "localstack": named("4566 443"),
}  # fmt: skip
"""What well-known images listen to as long as nothing tells them otherwise."""
PORT = re.compile(r"\d{2,5}")
_SEVERAL = re.compile(
    r"\b(nginx|supervisord|caddy|haproxy|apache2?|apachectl|httpd|envoy|traefik|s6-svscan|honcho|foreman)\b"
    r"|(?<![&>])&(?![&>\d])|127\.0\.0\.1:|localhost:"
)
"""A command that starts another server as well, or one that only another one on the same machine reaches."""
STARTS = ("ENTRYPOINT", "CMD")
"""What an image starts with."""


@dataclass
class Ports:
    started: set[str] = field(default_factory=set)
    usual: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)
    published: set[str] = field(default_factory=set)
    """On the host, where nobody inside the project's network finds them."""
    place: Place | None = None
    """Where the port is said best."""
    words: str = ""
    """All that is said of the service: a port in it may well be listened to."""
    built: bool = False
    exposed: set[str] = field(default_factory=set)
    """Those that the image declares by EXPOSE."""
    told: set[str] = field(default_factory=set)
    """Those that options or settings of a program tell of which nothing else is known."""
    measured: set[str] = field(default_factory=set)
    """Those of them that tell what the program measures."""

    @property
    def all(self) -> set[str]:
        return self.started | self.usual | self.declared | self.told

    @property
    def answering(self) -> set[str]:
        """The ports that may answer: where none that are declared is one that the program is told, those are wrong."""
        if not self.started or self.started & self.declared or is_several(self.words):
            return self.all
        return self.started | self.usual

    def is_beside(self, port: str, kind: str) -> bool:
        """Whether a port is not the one that the program is told, but was: they differ in one digit, or only one is
        for what is asked."""
        if kind == "scrape" and self.measured:
            return True
        return any(is_near(port, each) for each in self.told)

    def mentions(self, port: str) -> bool:
        return re.search(rf"(?<!\d){port}(?!\d)", self.words) is not None


def is_near(port: str, other: str) -> bool:
    """Whether ports differ in one digit."""
    return len(port) == len(other) > 2 and sum(one != two for one, two in zip(port, other, strict=True)) == 1


def is_slip(port: str, other: str) -> bool:
    """Whether a port is another with two digits swapped."""
    if len(port) != len(other) or len(port) < 4:
        return False
    differing = [at for at, (one, two) in enumerate(zip(port, other, strict=True)) if one != two]
    first, last = differing[0] if differing else 0, differing[-1] + 1 if differing else 0
    return len(differing) == 2 and last == first + 2 and port[first:last] == other[first:last][::-1]


def is_several(words: str) -> bool:
    """Whether more than one server may be started, or one for others on the same machine."""
    return _SEVERAL.search(words) is not None


def of_image(
    made: Dockerfile, stage: Stage, settings: Mapping[str, str] | None = None, *, starts: tuple[str, ...] = STARTS
) -> Ports:
    """The ports of an image by itself, or with the variables that a container of it gets, and what it still starts."""
    found = Ports(built=True)
    environment = {name: held.value for name, held in final_environment(stage).items()} | dict(settings or {})
    for each in made.chain(stage):
        for instruction in each.instructions:
            if instruction.name == "EXPOSE":
                words = (instruction.expanded(word).partition("/")[0] for word in instruction.flat.split())
                found.exposed |= {word for word in words if PORT.fullmatch(word)}
                found.place = found.place or Place(made.path, instruction.line)
    found.declared |= found.exposed
    for start in (stage.last(each) for each in starts):
        if start is None:
            continue
        text = said(start)
        ports = started(text, environment)
        if ports:
            found.started |= ports
            found.place = Place(made.path, start.line)
        found.words += " " + text
    arguments = stage.last("CMD")
    if not found.started and len(starts) > 1 and arguments is not None and stage.last("ENTRYPOINT") is not None:
        # one command: what ENTRYPOINT starts is told what stands in CMD
        found.started = started(found.words, environment)
        found.place = Place(made.path, arguments.line) if found.started else found.place
    if not found.started and start_words(stage):
        found.started |= {value for name, value in environment.items() if name == "PORT" and PORT.fullmatch(value)}
    replaced = " ".join(said(start) for each in STARTS if each not in starts and (start := stage.last(each)))
    idle = {name for name in environment if name not in (settings or {}) and re.search(rf"\$\{{?{name}\b", replaced)}
    found.words += " " + _values({name: value for name, value in environment.items() if name not in idle}, found)
    return found


_OUTSIDE = re.compile(r"(BASE|PUBLIC|EXTERNAL|SITE|ROOT|FRONTEND)_?URL|ORIGIN|CORS|CSRF|ALLOWED|CALLBACK|REDIRECT")
_ELSEWHERE = re.compile(r"://(?!localhost|127\.|0\.0\.0\.0|\[::)(?:[^@/\s]*@)?[\w.-]+:\d{2,5}\b")
"""The address of another, or the one under which others find this service."""
_HOME = re.compile(r"(?:[\[\"',\s]*https?://(?:localhost|127\.0\.0\.1)(?::\d+)?/?[\]\"']*)+")


def _values(environment: Mapping[str, str], ports: Ports) -> str:
    """What variables say of ports inside the container.

    The one for the port says nothing to a program that is told its port otherwise, and how browsers call a service
    nothing of where it listens."""
    return " ".join(
        _ELSEWHERE.sub("", value)
        for name, value in environment.items()
        if (name != "PORT" or not ports.started) and not (_OUTSIDE.search(name) and _HOME.fullmatch(value))
    )


def said(start: Instruction) -> str:
    """What an instruction starts, as one text."""
    return " ".join(start.words) if start.words is not None else start.flat


def started(text: str, environment: Mapping[str, str]) -> set[str]:
    """Ports that a command of a server names; variables are looked up."""
    text = re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: environment.get(m[1]) or m[2] or "", text)
    serving = {
        port
        for each in re.split(r"&&|\|\||[;|\n]", text)
        if _EVERYBODY.search(each)
        for port in re.findall(r"\s--port(?:=|\s+)(\d{2,5})\b", each)
    }
    if serving or not _SERVERS.search(text):
        return serving
    if re.search(r"\bnode\b|\bjava\b|\bpython\d?\b", text) and not re.search(r"--(server\.)?port|-m\s|runserver", text):
        return set()
    return {port for found in (_FLAG, _PLACE) for match in found.finditer(text) for port in match.groups() if port}


@dataclass(frozen=True)
class _Start:
    """How a service starts: the `command` that it gives itself, as `text`, after that of its image which it leaves."""

    used: Used
    built: tuple[str, BuildContext] | None
    stage: Stage | None
    command: Part | None
    text: str
    environment: Mapping[str, str]
    left: tuple[str, ...]
    """What of an image starts all the same."""

    @property
    def whole(self) -> str:
        kept = [self.stage.last(name) for name in self.left] if self.stage is not None else []
        before = " ".join(said(each) for each in kept if each is not None)
        return f"{before} {self.text}".strip()

    @property
    def foreign(self) -> str:
        """The image that somebody else makes; empty where there is none."""
        image = self.used.service.get("image")
        return image.text if image is not None and not self.used.service.has("build") else ""


def of_service(context: Context, each: Used) -> Ports:
    """The ports of a service: what it says itself, else what its image says."""
    start, service = _start(context, each), each.service
    found = Ports()
    if start.built is not None and start.stage is not None:
        made = context.dockerfiles[start.built[0]]
        found = of_image(made, start.stage, start.environment, starts=start.left)
    _take_command(start, found)
    if not found.started:
        _take_variables(context, start, found)
    if not found.started:
        _take_source(context, start, found)
    if not found.started and not service.has("env_file"):
        usual = default_port(start.whole, start.environment, context.repository)
        found.usual |= {usual} if usual else set()
    if start.built is not None and start.command is None and not found.started | found.usual:
        found.usual |= _of_base(context, start.built)
    _take_declared(service, found)
    if not found.started:
        _take_told(context, each, start.text, found)
    if start.built is None and start.command is None:
        name = posixpath.basename(start.foreign).partition(":")[0].partition("@")[0]
        found.usual |= USUAL.get(name, frozenset())
    found.words += " " + _values(start.environment, found)
    found.words += " " + " ".join(part.text for part in service.listed("labels"))
    return found


def _start(context: Context, each: Used) -> _Start:
    service = each.service
    built = context.service_build(each.project, service)
    command = service.get("command") or service.get("entrypoint")
    return _Start(
        each,
        built,
        context.stage_of(context.dockerfiles[built[0]], built[1]) if built is not None else None,
        command,
        " ".join(word.value for word in command_words(command.node)) if command is not None else "",
        {name: interpolated(part.text)[0] for name, part in service.environment.items()},
        () if service.has("entrypoint") else STARTS[:1] if service.has("command") else STARTS,
    )


def _take_command(start: _Start, ports: Ports) -> None:
    if start.command is not None:
        ports.words += " " + start.text
        ports.started = started(start.whole, start.environment)
        if ports.started:
            ports.place = _line_of(start.command, ports.started)


def _take_variables(context: Context, start: _Start, ports: Ports) -> None:
    """What the variables of a service tell its program, as far as they are for the port."""
    service, environment = start.used.service, start.environment
    ports.started |= {value for name, value in environment.items() if name == "PORT" and PORT.fullmatch(value)}
    image = service.get("image")
    if not ports.started and start.built is None and image is not None:
        ports.started |= listeners(environment, image.text, start.text)
    if ports.started:
        return
    written = {key: part.text for key, part in service.environment.items() if "$" not in part.node.text}
    if start.stage is not None:
        written = {key: held.value for key, held in final_environment(start.stage).items()} | written
    directory = start.built[1].directory if start.built is not None else None
    projects = (project.name for project in context.modules.projects.by_directory.values())
    names = [service.name, *(name for name in projects if name)]
    told = variable_port(names, start.foreign, directory, written, context.repository)
    if told:
        ports.started.add(told)
        said_by = (part for key, part in service.environment.items() if key.endswith("PORT") and part.text == told)
        ports.place = next((part.node.place(part.file.path) for part in said_by), ports.place)


def _take_source(context: Context, start: _Start, ports: Ports) -> None:
    """What a program, a configuration or a script tells that the service starts."""
    if start.command is None:
        take(ports, _by_source(context, start.used, start.built, start.environment))
    elif start.built is not None and start.stage is not None:
        made, directory = context.dockerfiles[start.built[0]], start.built[1].directory
        take(ports, scripted(context, made, start.stage, directory, start.text, start.environment))


def _take_declared(service: Service, ports: Ports) -> None:
    for part in service.listed("ports"):
        port = port_of(part.node)
        if port is not None and PORT.fullmatch(port.container):
            ports.declared.add(port.container)
            ports.place = ports.place or part.node.place(part.file.path)
            if PORT.fullmatch(port.host):
                ports.published.add(port.host)
        elif port is None or "-" in port.container or not is_known(port.container):
            ports.words += " " + part.text
    ports.declared |= {part.text for part in service.listed("expose") if PORT.fullmatch(part.text)}


_TOLD_BY = re.compile(r"(?:^|\s)--?([A-Za-z][\w.-]*?)[= ](?:[\w.*\[\]]*:)?(\d{2,5})(?=\s|$)")
_OF_PORTS = re.compile(r"(^|[._-]|[a-z])([Pp]ort|[Aa]ddr(ess)?|[Ll]isten|[Bb]ind)$")
_MEASURES = re.compile(r"metric|prom|telemetry|exporter", re.IGNORECASE)
_BESIDES = re.compile(r"console|admin|debug|grpc|peer|cluster|advertise|public|proxy|redirect|\bui\b", re.IGNORECASE)
"""Ports that a program has beside the one that it is for, and those of others."""
_SET_TO = re.compile(
    r"^[ \t]*[\"']?([\w.-]+)[\"']?[ \t]*[:=][ \t]*[\"']?(?:https?://)?(?:0\.0\.0\.0|\[::\]|\*):(\d{2,5})"
    r"[\"']?[ \t]*,?$",
    re.MULTILINE,
)
_SETS = re.compile(r"\.(cfg|conf|ya?ml|toml|ini|json|properties|hcl)$")


def _take_told(context: Context, each: Used, command: str, ports: Ports) -> None:
    """What a program of which nothing is known is told: by options that end like those for ports, and by settings that
    it is given for all addresses; of both, those that its service publishes, or that are beside one that it does."""
    options = [(name, port) for name, port in _TOLD_BY.findall(command) if _OF_PORTS.search(name)]
    for path in {target: path for path, target in mounted(each)}.values():
        if _SETS.search(path) and context.repository.is_file(path):
            options += _SET_TO.findall(context.repository.text(path))
    for name, port in options:
        if _MEASURES.search(name):
            ports.measured.add(port)
        elif _BESIDES.search(name):
            continue
        elif port in ports.declared:
            ports.told.add(port)
        elif stale := {other for other in ports.declared if is_near(other, port)}:
            ports.told.add(port)
            ports.declared -= stale - ports.told
            ports.published -= stale - ports.told


def _of_base(context: Context, built: tuple[str, BuildContext]) -> set[str]:
    """What the public image listens to that an image is made from, where it starts what that starts."""
    made = context.dockerfiles[built[0]]
    stage = context.stage_of(made, built[1])
    seen: set[int] = set()
    while stage is not None and stage.index not in seen:
        seen.add(stage.index)
        told = " ".join(each.flat for each in stage.instructions if each.name in ("COPY", "ADD", "RUN", "ENV"))
        if any(stage.last(start) is not None for start in STARTS) or _TOLD.search(told):
            return set()
        below = made.stage(stage.base)
        if below is None:
            name = posixpath.basename(stage.base).partition(":")[0].partition("@")[0]
            return set(USUAL.get(name, _SERVING.get(name, ())))
        stage = below
    return set()


_TOLD = re.compile(r"\.(conf|cfg|template)\b|PORT|/etc/")
_SERVING = {"nginx": named("80"), "httpd": named("80"), "caddy": named("80 443"), "nginx-unprivileged": named("8080")}
"""What images of web servers listen to as long as nothing tells them otherwise."""


def _line_of(command: Part, ports: set[str]) -> Place:
    """Where a command names a port: in a block of several lines, the line that does."""
    for node in command.node.elements() or [command.node]:
        lines = node.text.split("\n") if node.style == "|" else []
        for number, line in enumerate(lines, 1):
            if any(re.search(rf"(?<!\d){port}(?!\d)", line) for port in ports):
                return Place(command.file.path, node.line + number)
    return command.node.place(command.file.path)


def take(ports: Ports, told: Coded | None) -> None:
    """What a source tells, with all that stands in it: a port in it may well be listened to."""
    if told is not None:
        ports.started = {told.port}
        ports.place = Place(told.path)
        ports.words += " " + told.text


def mounted(each: Used) -> Iterator[tuple[str, str]]:
    """What of the repository is mounted into a service: its path, and where it is there."""
    for part in each.service.listed("volumes"):
        mount = mount_of(part.node)
        if mount is not None and mount.source.startswith(".") and is_known(mount.source):
            yield posixpath.normpath(posixpath.join(each.project.base, mount.source)), mount.target


def _by_source(
    context: Context, each: Used, built: tuple[str, BuildContext] | None, environment: Mapping[str, str]
) -> Coded | None:
    """What the program or the configuration of a service tells that starts as its image says."""
    given = {target: path for path, target in mounted(each)}
    image = each.service.get("image")
    if built is None:
        return served(context, image.text, given) if image is not None and not each.service.has("build") else None
    path, build = built
    made = context.dockerfiles[path]
    stage = context.stage_of(made, build)
    return by_source(context, made, stage, build.directory, environment, given) if stage is not None else None


def by_source(
    context: Context,
    made: Dockerfile,
    stage: Stage,
    directory: str,
    settings: Mapping[str, str],
    given: Mapping[str, str],
) -> Coded | None:
    """What the program or the configuration tells that an image starts with."""
    environment = {name: held.value for name, held in final_environment(stage).items()} | dict(settings)
    start = " ".join(said(each) for name in STARTS if (each := stage.last(name)) is not None)
    if start:
        told = coded(context, made, stage, directory, start, environment)
        return told or scripted(context, made, stage, directory, start, environment)
    files = dict(given)
    for each in stage.instructions:
        if each.name == "COPY" and "from" not in each.flags and len(each.arguments()) == 2:
            source, target = each.arguments()
            files.setdefault(target, posixpath.normpath(posixpath.join(directory, source.lstrip("/"))))
    return served(context, stage.base, files)


_OF_SHELL = re.compile(
    r"(?:^|\s)((?:/|\.{0,2}/)?(?:[\w.-]+/)*[\w-]*(?:\.(?:sh|bash)|entrypoint[\w-]*|start[\w-]*))(?=\s|$)"
)
_REMARKS = re.compile(r"(?m)(^|\s)#.*$")


def scripted(
    context: Context, made: Dockerfile, stage: Stage, directory: str, start: str, environment: Mapping[str, str]
) -> Coded | None:
    """The one port that a shell script tells its server, where the script is what starts in the image."""
    match = _OF_SHELL.search(start)
    if match is None:
        return None
    files = context.images.filesystem(made, stage, directory)
    path = files.find(joined(working_directory(made, stage), match[1]))
    if path is None or not context.repository.is_file(path):
        return None
    text = _REMARKS.sub("", context.repository.text(path)).replace("\\\n", " ")
    serving = [line for line in text.split("\n") if _SERVERS.search(line)]
    if is_several(text) or len(serving) != 1 or re.search(r"\$[@*]|\$\{[@*]|\bPORT=", text):
        return None
    ports = started(serving[0], environment)
    return Coded(ports.pop(), path, text) if len(ports) == 1 else None


def names_of(each: Used) -> set[str]:
    """Names under which others reach the service."""
    found = {each.service.name}
    for key in ("container_name", "hostname"):
        part = each.service.get(key)
        if part is not None:
            found.add(part.text)
    for part in each.service.parts:
        for network in (node for _, node in part.node["networks"].items()):
            found |= {alias.text for alias in network["aliases"].elements()}
    return found


_PROSE = re.compile(
    r"\.(md|mdx|rst|txt|lock|sum|svg|csv|ipynb|map|min\.\w+|po|html?)$|(^|/)[\w-]*lock\.(json|ya?ml)$", re.IGNORECASE
)
_MOST_BYTES = 400_000
_MATTER = re.compile(r"(^|/)(vendor|static|assets|locales?|ui-tests)/|\.(jsonl|css|tsv|xml|snap|example)$")
"""What an image is given beside what runs in it."""


def may_matter(path: str) -> bool:
    """Whether a file is part of what may run, and no page of it."""
    told = _MATTER.search(path) is None and _PROSE.search(path) is None
    return told and standing(path) is Standing.PRODUCT


def image_of(context: Context, path: str, build: BuildContext) -> Filesystem | None:
    """What is in the image that a build makes."""
    made = context.dockerfiles[path]
    stage = context.stage_of(made, build)
    return context.images.filesystem(made, stage, build.directory) if stage is not None else None


def line_with(node: Node, place: Place, port: str) -> Place:
    """The line of a probe that names a port."""
    for each in node.elements():
        if port in each.text:
            return Place(place.path, each.line)
    return place


def image_of_service(context: Context, each: Used) -> Filesystem | None:
    """All that a service may run, where it is only what its image is given."""
    built = context.service_build(each.project, each.service)
    mounts = any(posixpath.splitext(path)[1] in ("", ".py", ".js", ".sh") for path, _ in mounted(each))
    return image_of(context, *built) if built is not None and not mounts else None


def is_said(context: Context, port: str, asker: Place, *, below: str = "", within: Filesystem | None = None) -> bool:
    """Whether the number stands anywhere else in what programs read: whoever listens may have it from there.

    `below` is a directory, where only what lies in it counts; of an image `within` which it is asked, its programs."""
    number = re.compile(rf"(?<![\w.]){port}(?![\w.])")
    for path, entry in context.repository.entries.items():
        if entry.size > _MOST_BYTES or _PROSE.search(path) or (below and not path.startswith(f"{below}/")):
            continue
        if within is not None and path != asker.path and not (may_matter(path) and within.ships(path)):
            continue
        text = context.repository.glimpse(path)
        if port in text and any(
            path != asker.path or text.count("\n", 0, match.start()) + 1 != asker.line
            for match in number.finditer(text)
        ):
            return True
    return False

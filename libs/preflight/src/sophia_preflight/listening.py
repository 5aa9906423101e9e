"""Where services of compose projects listen, under which names others reach them, and who asks for them.

Ports come with what they rest on: `started` from the command or a variable that names the port, `usual` from what an
image does by itself, `declared` from EXPOSE, `expose` and `ports`. A service of which nothing is known has none.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sophia_preflight.calls.docker import final_environment, start_words
from sophia_preflight.coded import Coded, coded, served
from sophia_preflight.composing import Used
from sophia_preflight.context import BuildContext, Context
from sophia_preflight.model import Place
from sophia_preflight.readers.compose import Part, command_words, interpolated, mount_of, port_of
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.text import is_known, named

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
    "postgres": named("5432"), "redis": named("6379"), "valkey": named("6379"), "mysql": named("3306 33060"),
    "mariadb": named("3306"), "mongo": named("27017"), "rabbitmq": named("5672 15672 15692 25672 4369 5671 15671"),
    "memcached": named("11211"), "elasticsearch": named("9200 9300"), "nats": named("4222 8222 6222"),
    "grafana": named("3000"), "prometheus": named("9090"), "alertmanager": named("9093 9094"),
    "node-exporter": named("9100"), "cadvisor": named("8080"), "loki": named("3100 9096 9095"),
    "qdrant": named("6333 6334"), "ollama": named("11434"), "pgadmin4": named("80 443"),
}  # fmt: skip
"""What well-known images listen to as long as nothing tells them otherwise."""
_PORT = re.compile(r"\d{2,5}")
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

    @property
    def all(self) -> set[str]:
        return self.started | self.usual | self.declared

    def mentions(self, port: str) -> bool:
        return re.search(rf"(?<!\d){port}(?!\d)", self.words) is not None


def of_image(
    made: Dockerfile, stage: Stage, settings: Mapping[str, str] | None = None, *, starts: tuple[str, ...] = STARTS
) -> Ports:
    """The ports of an image by itself, or with the variables that a container of it gets, and what it still starts."""
    found = Ports(built=True)
    environment = {name: held.value for name, held in final_environment(stage).items()} | dict(settings or {})
    chain = [stage]
    while (below := made.stage(chain[-1].base)) is not None and below not in chain:
        chain.append(below)
    for each in chain:
        for instruction in each.instructions:
            if instruction.name == "EXPOSE":
                words = (instruction.expanded(word).partition("/")[0] for word in instruction.flat.split())
                found.declared |= {word for word in words if _PORT.fullmatch(word)}
                found.place = found.place or Place(made.path, instruction.line)
    for start in (stage.last(each) for each in starts):
        if start is None:
            continue
        text = _said(start)
        ports = started(text, environment)
        if ports:
            found.started |= ports
            found.place = Place(made.path, start.line)
        found.words += " " + text
    if not found.started and start_words(stage):
        found.started |= {value for name, value in environment.items() if name == "PORT" and _PORT.fullmatch(value)}
    replaced = " ".join(_said(start) for each in STARTS if each not in starts and (start := stage.last(each)))
    idle = {name for name in environment if name not in (settings or {}) and re.search(rf"\$\{{?{name}\b", replaced)}
    found.words += " " + _values({name: value for name, value in environment.items() if name not in idle}, found)
    return found


_OUTSIDE = re.compile(r"(BASE|PUBLIC|EXTERNAL|SITE|ROOT|FRONTEND)_?URL|ORIGIN|CORS|CSRF|ALLOWED|CALLBACK|REDIRECT")
_HOME = re.compile(r"https?://(localhost|127\.0\.0\.1)(:\d+)?/?")


def _values(environment: Mapping[str, str], ports: Ports) -> str:
    """What variables say of ports inside the container.

    The one for the port says nothing to a program that is told its port otherwise, and how browsers call a service
    nothing of where it listens."""
    return " ".join(
        value
        for name, value in environment.items()
        if (name != "PORT" or not ports.started) and not (_OUTSIDE.search(name) and _HOME.fullmatch(value))
    )


def _said(start: Instruction) -> str:
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


def of_service(context: Context, each: Used) -> Ports:
    """The ports of a service: what it says itself, else what its image says."""
    service = each.service
    found = Ports()
    environment = {name: interpolated(part.text)[0] for name, part in service.environment.items()}
    built = context.service_build(each.project, service)
    command = service.get("command") or service.get("entrypoint")
    starts = () if service.has("entrypoint") else STARTS[:1] if service.has("command") else STARTS
    before = ""
    if built is not None:
        path, build = built
        stage = context.stage_of(context.dockerfiles[path], build)
        if stage is not None:
            found = of_image(context.dockerfiles[path], stage, environment, starts=starts)
            before = " ".join(_said(start) for name in starts if (start := stage.last(name)) is not None)
    if command is not None:
        text = " ".join(word.value for word in command_words(command.node))
        found.words += " " + text
        ports = started(f"{before} {text}".strip(), environment)
        found.started = ports
        if ports:
            found.place = _line_of(command, ports)
    if not found.started:
        said = {value for name, value in environment.items() if name == "PORT" and _PORT.fullmatch(value)}
        found.started |= said
    if not found.started and command is None:
        take(found, _by_source(context, each, built, environment))
    for part in service.listed("ports"):
        port = port_of(part.node)
        if port is not None and _PORT.fullmatch(port.container):
            found.declared.add(port.container)
            found.place = found.place or part.node.place(part.file.path)
            if _PORT.fullmatch(port.host):
                found.published.add(port.host)
        elif port is None or "-" in port.container or not is_known(port.container):
            found.words += " " + part.text
    found.declared |= {part.text for part in service.listed("expose") if _PORT.fullmatch(part.text)}
    image = service.get("image")
    if image is not None and built is None and not service.has("build"):
        name = posixpath.basename(image.text).partition(":")[0].partition("@")[0]
        if command is None and name in USUAL:
            found.usual |= USUAL[name]
    found.words += " " + _values(environment, found)
    found.words += " " + " ".join(part.text for part in service.listed("labels"))
    return found


def _line_of(command: Part, ports: set[str]) -> Place:
    """Where a command names a port: in a block of several lines, the line that does."""
    for node in command.node.elements() or [command.node]:
        lines = node.text.split("\n") if node.style == "|" else []
        for number, line in enumerate(lines, 1):
            if any(re.search(rf"(?<!\d){port}(?!\d)", line) for port in ports):
                return Place(command.file.path, node.line + number)
    return command.node.place(command.file.path)


def take(ports: Ports, said: Coded | None) -> None:
    """What a source tells, with all that stands in it: a port in it may well be listened to."""
    if said is not None:
        ports.started = {said.port}
        ports.place = Place(said.path)
        ports.words += " " + said.text


def _by_source(
    context: Context, each: Used, built: tuple[str, BuildContext] | None, environment: Mapping[str, str]
) -> Coded | None:
    """What the program or the configuration of a service tells that starts as its image says."""
    given = {}
    for mount in (mount_of(part.node) for part in each.service.listed("volumes")):
        if mount is not None and is_known(mount.source) and mount.source.startswith("."):
            given[mount.target] = posixpath.normpath(posixpath.join(each.project.base, mount.source))
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
    start = " ".join(_said(each) for name in STARTS if (each := stage.last(name)) is not None)
    if start:
        return coded(context, made, stage, directory, start, environment)
    files = dict(given)
    for each in stage.instructions:
        if each.name == "COPY" and "from" not in each.flags and len(each.arguments()) == 2:
            source, target = each.arguments()
            files.setdefault(target, posixpath.normpath(posixpath.join(directory, source.lstrip("/"))))
    return served(context, stage.base, files)


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


# --- who asks for whom ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """Somebody inside the project asks for a host, and mostly for a port of it."""

    host: str
    port: str
    place: Place
    by: str
    kind: str
    """`variable`, `proxy` or `scrape`."""
    scheme: str = ""
    assumed: bool = False


_URL = re.compile(r"\b([a-z][a-z0-9+.]*)://(?:[^@/\s'\"]*@)?([A-Za-z0-9][\w.-]*)(?::(\d{2,5}))?(?=[/?#,;\s'\"]|$)")
_STORES = named("postgres postgresql mysql mariadb redis amqp mongodb")
"""Schemes of addresses that are asked for and never shown."""
_HOST = re.compile(r"[a-z][a-z0-9_-]*")
_BROWSER = re.compile(r"CORS|ORIGIN|ALLOWED|ISSUER|REDIRECT|NO_PROXY|PUBLIC|CALLBACK|SCHEMA|NAMESPACE", re.IGNORECASE)
_SET = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)")
_UPSTREAM = re.compile(r"upstream\s+([\w.-]+)\s*\{(.*?)\}", re.DOTALL)
_SERVER = re.compile(r"^\s*server\s+([A-Za-z0-9_.-]+)(?::(\d{2,5}))?[^;\n]*;", re.MULTILINE)
_PASS = re.compile(r"\b(?:proxy|grpc|uwsgi|fastcgi|scgi)_pass\s+(?:\w+://)?([A-Za-z0-9_.-]+)(?::(\d{2,5}))?(?=[/;\s])")
_CADDY = re.compile(r"^\s*reverse_proxy\s+(?:\S+\s+)?(?:h2c://|https?://)?([A-Za-z0-9_.-]+):(\d{2,5})", re.MULTILINE)


def asked(context: Context, each: Used) -> Iterator[Asked]:
    """All that a service asks for: by its variables, and by the configurations that it is given."""
    yield from _by_variables(each)
    yield from _by_variable_files(context, each)
    yield from _by_command(each)
    image = each.service.get("image")
    for path in _configurations(context, each):
        name = posixpath.basename(path)
        if re.search(r"prometheus", name) and path in context.documents:
            if image is None or "prom" in image.text:
                yield from _scraped(context, path)
        elif re.search(r"\.conf(\.\w+)?$|^Caddyfile|\.caddy$", name):
            yield from _proxied(path, context.repository.text(path))


def _by_variables(each: Used) -> Iterator[Asked]:
    environment = each.service.environment
    for name, part in environment.items():
        if _BROWSER.search(name):
            continue
        text, assumed = interpolated(part.node.text)
        place = part.node.place(part.file.path)
        for found in _URL.finditer(text):
            if _HOST.fullmatch(found[2]):
                yield Asked(found[2], found[3] or "", place, f"`{name}`", "variable", found[1], assumed)
        if name.endswith(("_HOST", "_HOSTNAME")) and _HOST.fullmatch(text):
            other = environment.get(re.sub(r"_HOST(NAME)?$", "_PORT", name))
            port = interpolated(other.node.text)[0] if other is not None else ""
            yield Asked(text, port if _PORT.fullmatch(port) else "", place, f"`{name}`", "variable", "", assumed)


def _by_variable_files(context: Context, each: Used) -> Iterator[Asked]:
    """By the files of variables that the repository has; what the service sets itself wins over them."""
    own = each.service.environment
    for part in each.service.listed("env_file"):
        said = part.node.text or part.node["path"].text
        path = posixpath.normpath(posixpath.join(each.project.base_of(part.file), said))
        if not said or not is_known(said) or not context.repository.is_file(path):
            continue
        for number, line in enumerate(context.repository.text(path).split("\n"), 1):
            match = _SET.match(line)
            if match is None or match[1] in own or _BROWSER.search(match[1]) or "$" in match[2]:
                continue
            for found in _URL.finditer(match[2]):
                if _HOST.fullmatch(found[2]):
                    place = Place(path, number, match.start(1) + 1)
                    yield Asked(found[2], found[3] or "", place, f"`{match[1]}`", "variable", found[1])


def _by_command(each: Used) -> Iterator[Asked]:
    """By addresses among the words of its command; its own, and those of pages without a port, may be anything."""
    own = names_of(each)
    for key in ("entrypoint", "command"):
        part = each.service.get(key)
        for word in command_words(part.node) if part is not None else ():
            for found in _URL.finditer(word.value):
                told = found[3] or found[1] in _STORES
                if part is not None and told and found[2] not in own and _HOST.fullmatch(found[2]):
                    place = part.node.place(part.file.path)
                    yield Asked(
                        found[2], found[3] or "", place, f"the {key} of `{each.service.name}`", "variable", found[1]
                    )


def _configurations(context: Context, each: Used) -> Iterator[str]:
    seen: set[str] = set()
    for part in each.service.listed("volumes"):
        mount = mount_of(part.node)
        if mount is None or not mount.source.startswith(".") or not is_known(mount.source):
            continue
        path = posixpath.normpath(posixpath.join(each.project.base, mount.source))
        if context.repository.is_file(path):
            seen.add(path)
        elif re.search(r"nginx|caddy|prometheus", path + mount.target) and context.repository.is_directory(path):
            seen |= {
                inner for inner in context.repository.inside(path) if inner.endswith((".conf", ".yml", ".template"))
            }
    built = context.service_build(each.project, each.service)
    if built is not None:
        path, build = built
        stage = context.stage_of(context.dockerfiles[path], build)
        for instruction in stage.instructions if stage is not None else ():
            if instruction.name == "COPY" and "from" not in instruction.flags:
                for source in instruction.arguments()[:-1]:
                    inner = posixpath.normpath(posixpath.join(build.directory, source.lstrip("/")))
                    if re.search(r"\.conf|Caddyfile", source) and context.repository.is_file(inner):
                        seen.add(inner)
    yield from sorted(seen)


def _proxied(path: str, text: str) -> Iterator[Asked]:
    text = re.sub(r"(?m)#[^\n]*", lambda m: " " * len(m[0]), text)
    if "{{" in text:
        return
    upstreams = {found[1] for found in _UPSTREAM.finditer(text)}
    bodies = [(found.start(2), found[2]) for found in _UPSTREAM.finditer(text)]
    hits = [(start + m.start(1), m[1], m[2]) for start, body in bodies for m in _SERVER.finditer(body)]
    passed = [(m.start(1), m[1], m[2]) for pattern in (_PASS, _CADDY) for m in pattern.finditer(text)]
    hits += [hit for hit in passed if hit[1] not in upstreams]
    for start, host, port in hits:
        if not _HOST.fullmatch(host) or host == "unix":
            continue
        line = text.count("\n", 0, start) + 1
        yield Asked(host, port or "", Place(path, line, start - text.rfind("\n", 0, start)), f"`{path}`", "proxy")


def _scraped(context: Context, path: str) -> Iterator[Asked]:
    for job in context.documents[path].root["scrape_configs"].elements():
        if job["relabel_configs"].elements():
            continue
        for each in job["static_configs"].elements():
            for target in each["targets"].elements():
                host, _, port = target.text.partition(":")
                if _HOST.fullmatch(host):
                    by = f"the job `{job['job_name'].text}`"
                    yield Asked(host, port if _PORT.fullmatch(port) else "", target.place(path), by, "scrape")

"""Who asks for whom inside a compose project: by variables, commands and scripts, and by configurations."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.calls.docker import working_directory
from sophia_preflight.calls.model import Script
from sophia_preflight.composing import Used
from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.ports.listening import PORT, mounted, names_of, said
from sophia_preflight.readers.compose import Part, command_words, interpolated
from sophia_preflight.text import is_known, joined, named


@dataclass(frozen=True)
class Asked:
    """Somebody inside the project asks for a host, and mostly for a port of it."""

    host: str
    port: str
    place: Place
    by: str
    kind: str
    """`variable`, `setting`, `proxy`, `scrape`, `wait`; `listen` where whoever says it means itself; or `word` where a
    host is meant if there is one so named."""
    scheme: str = ""
    assumed: bool = False
    tolerant: bool = False
    """Whoever asks goes on without an answer."""


_URL = re.compile(
    r"\b([a-z][a-z0-9+.]*)://(?:[^@/\s'\"]*@)?([A-Za-z0-9][\w.-]*)(?::(\d{2,5})|:[^\w/:\s]+)?(?=[/?#,;\s'\"]|$)"
)
_FROM_OUTSIDE = re.compile(r"\$\{[^}]*\}|\$\w+")
_STORES = named("postgres postgresql mysql mariadb redis amqp mongodb")
"""Schemes of addresses that are asked for and never shown."""
_HOST = re.compile(r"[a-z][a-z0-9_.-]*")
_BROWSER = re.compile(r"CORS|ORIGIN|ALLOWED|ISSUER|REDIRECT|NO_PROXY|PUBLIC|CALLBACK|SCHEMA|NAMESPACE", re.IGNORECASE)
_SET = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)")
_NAMED = re.compile(r"(?<![\w./:@$-])([a-z][a-z0-9_-]*):(80|443|\d{3,5})(?![\w.:/-])")
_NO_ADDRESS = re.compile(r"(chown|chgrp|install|--?(user|image|volume)|-[uv])\b[^&|;\n]*$")
"""What stands before words that look like an address and are an owner, an image or a mount."""
_ADDRESSED = re.compile(r"(ADDR(ESS(ES)?)?|SERVERS?|BROKERS?|ENDPOINTS?|HOSTS?|UPSTREAMS?|BACKENDS?|TARGETS?|NODES?)$")
_OPTION = re.compile(r"(?:^|\s)--?([A-Za-z][\w.-]*)[ =][\"']?$")
_LISTENING = re.compile(r"(listen|bind)([-_.]?addr(ess)?)?$", re.IGNORECASE)
_ASKING = re.compile(
    r"(^|[._-])(addr(ess(es)?)?|host|server|node|peer|brokers?|connect|endpoint|upstream|target|backend)$",
    re.IGNORECASE,
)
"""Options for an address at which a program listens, and for one that it asks."""
_HOST_OF = re.compile(r"_(HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$")
_TRIED = re.compile(
    r"\b(?:nc|wait[-_]for(?:[-_]it)?(?:\.sh)?)\s+(?:-\w+\s+(?:\d+\s+)?)*(?P<host>[a-z][a-z0-9_-]*)\s+(?P<port>\d{2,5})\b"
    r"|/dev/tcp/(?P<other>[a-z][a-z0-9_-]*)/(?P<number>\d{2,5})\b"
)
_CLIENT = re.compile(
    r"\b(?:(?:pg_isready|psql|redis-cli|valkey-cli)\s(?=[^&|;\n]*\s-p[ =]?(?P<port>\d{2,5})\b)"
    r"|(?:mysqladmin|mysql|mariadb|mariadb-admin)\s(?=[^&|;\n]*\s(?:-P[ =]?|--port[ =])(?P<other>\d{2,5})\b))"
    r"[^&|;\n]*?(?:-h[ =]?|--host[ =])(?P<host>[a-z][a-z0-9_-]*)\b"
)
_WAITS = re.compile(
    r"\b(?:wait[-_]for(?:[-_]it)?(?:\.sh)?|dockerize\s[^&|;\n]*-wait)\s+(?:-\S+\s+(?:\d+\s+)?)*(?:tcp://)?$"
)
_LENIENT = re.compile(r"\bwait[-_]for[-_]it(\.sh)?\b(?![^&|;\n]*?\s(--strict|-\w*s)\b)[^&|;\n]*$")
"""A program that gives up waiting, and then starts what it was told to start."""
_STARTED = re.compile(
    r"(?:^|[\s;&])((?:[\w.-]+/|/)*[\w.-]+\.(?:sh|bash))\b|^\s*((?:[\w.-]+/|/)+[\w-]*(?:entry|start|run)[\w-]*)\b"
)
_UPSTREAM = re.compile(r"upstream\s+([\w.-]+)\s*\{(.*?)\}", re.DOTALL)
_SERVER = re.compile(r"^\s*server\s+([A-Za-z0-9_.-]+)(?::(\d{2,5}))?[^;\n]*;", re.MULTILINE)
_SPARE = re.compile(r"\bbackup\b")
"""A server for when the others do not answer: which then may be on ports where nobody listens."""
_PASS = re.compile(
    r"\b(?:proxy|grpc|uwsgi|fastcgi|scgi)_pass\s+(?:\w+://)?([A-Za-z0-9_.-]+)(?::(?:(\d{2,5})|\$\{?\w+\}?))?(?=[/;\s])"
)
_SET_ASIDE = re.compile(
    r"^\s*set\s+\$\w+\s+[\"']?(?:(?:https?|grpc)://)?([A-Za-z0-9_-]+):(\d{2,5})[/\"']*;", re.MULTILINE
)
"""An address in a variable: nginx looks for the host only when somebody asks, and starts without it."""
_CADDY = re.compile(
    r"^\s*reverse_proxy\s+(?:\S+\s+)?(?:h2c://|https?://)?([A-Za-z0-9_.-]+):(?:(\d{2,5})\b|\{\$?\w[\w.]*\})",
    re.MULTILINE,
)
_FILLED = re.compile(r"\{\$\w+:([\w.-]+)\}")
"""A variable in a file for Caddy, with what is taken where it is not set."""


def asked(context: Context, each: Used) -> Iterator[Asked]:
    """All that a service asks for: by its variables, and by the configurations that it is given."""
    yield from _by_variables(each)
    yield from _by_variable_files(context, each)
    yield from _by_command(each)
    yield from _by_words(each)
    yield from _by_script(context, each)
    image = each.service.get("image")
    for path in _configurations(context, each):
        name = posixpath.basename(path)
        if re.search(r"prometheus", name) and path in context.documents:
            if image is None or "prom" in image.text:
                yield from _scraped(context, path)
        elif re.search(r"\.conf(\.\w+)?$|^Caddyfile|\.caddy$", name):
            yield from _proxied(path, context.repository.text(path))
    yield from _by_files(context, each)


def is_whole_default(context: Context, one: Asked) -> bool:
    """Whether what is taken where nobody says otherwise is the whole address of a store, and not a host alone."""
    line = context.repository.text(one.place.path).split("\n")[one.place.line - 1]
    whole = re.search(rf"-{re.escape(one.scheme)}://[^$}}]*{re.escape(one.host)}\b", line)
    return one.scheme.partition("+")[0] in _STORES and whole is not None


def _by_variables(each: Used) -> Iterator[Asked]:
    environment, own = each.service.environment, names_of(each)
    for name, part in environment.items():
        if _BROWSER.search(name):
            continue
        text, assumed = interpolated(part.node.text)
        place = part.node.place(part.file.path)
        written = _FROM_OUTSIDE.sub("", part.node.text)
        for found in _URL.finditer(text):
            if _HOST.fullmatch(found[2]):
                where = found[2] + (f":{found[3]}" if found[3] else "")
                known = re.search(rf"(?<![\w.-]){re.escape(where)}(?![\w-])", written) is not None
                yield Asked(found[2], found[3] or "", place, f"`{name}`", "variable", found[1], assumed and not known)
        kind = "variable" if _ADDRESSED.search(name) else "word"
        pieces = re.split(r"[,;\s]+", text)
        for address in filter(None, map(_NAMED.fullmatch, pieces)):
            if address[1] not in own:  # of several, a client takes those that answer
                yield Asked(address[1], address[2], place, f"`{name}`", kind, "", assumed, len(pieces) > 1)
        if (named_by := _HOST_OF.search(name)) and _HOST.fullmatch(text):
            kind = "variable" if named_by[1].startswith("HOST") else "word"
            yield Asked(text, "", place, f"`{name}`", kind, "", assumed)
            other = environment.get(f"{name[: named_by.start()]}_PORT")
            port = interpolated(other.node.text)[0] if other is not None else ""
            if other is not None and PORT.fullmatch(port):
                yield Asked(
                    text,
                    port,
                    other.node.place(other.file.path),
                    f"`{name[: named_by.start()]}_PORT`",
                    "word",
                    "",
                    assumed,
                )


def _by_variable_files(context: Context, each: Used) -> Iterator[Asked]:
    """By the files of variables that the repository has; what the service sets itself wins over them."""
    own = each.service.environment
    for part in each.service.listed("env_file"):
        told = part.node.text or part.node["path"].text
        path = posixpath.normpath(posixpath.join(each.project.base_of(part.file), told))
        if not told or not is_known(told) or not context.repository.is_file(path):
            continue
        lines = enumerate(context.repository.text(path).split("\n"), 1)
        told_here = {match[1]: (number, match) for number, line in lines if (match := _SET.match(line)) is not None}
        for name, (number, match) in told_here.items():
            if name in own or _BROWSER.search(name) or "$" in match[2]:
                continue
            place = Place(path, number, match.start(1) + 1)
            for found in _URL.finditer(match[2]):
                if _HOST.fullmatch(found[2]):
                    yield Asked(found[2], found[3] or "", place, f"`{name}`", "variable", found[1])
            value = match[2].strip().strip("\"'")
            if (address := _NAMED.fullmatch(value)) is not None:
                yield Asked(address[1], address[2], place, f"`{name}`", "word")
            named_by = _HOST_OF.search(name)
            other = f"{name[: named_by.start()]}_PORT" if named_by else ""
            if other in told_here and other not in own and _HOST.fullmatch(value):
                line, port = told_here[other][0], told_here[other][1][2].strip().strip("\"'")
                if PORT.fullmatch(port):
                    yield Asked(value, port, Place(path, line), f"`{other}`", "word")


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


def _by_words(each: Used) -> Iterator[Asked]:
    """By `HOST:PORT` in its command, and by what it waits for there."""
    own = names_of(each)
    for key in ("entrypoint", "command"):
        part = each.service.get(key)
        if part is None:
            continue
        for first, text, assumed in _texts(part):
            for start, host, port, kind, tolerant in waited(text):
                if host not in own:
                    place = Place(part.file.path, first + text.count("\n", 0, start), part.node.column)
                    yield Asked(host, port, place, f"the {key} of `{each.service.name}`", kind, "", assumed, tolerant)


def _texts(part: Part) -> Iterator[tuple[int, str, bool]]:
    """A command as text: its line, and whether a default was assumed; each word of its own where one is a script."""
    words = part.node.elements()
    if not words or any("\n" in word.text for word in words):
        yield from ((word.line, *interpolated(word.text)) for word in words or [part.node])
    else:
        yield (words[0].line, *interpolated(" ".join(word.text for word in words)))


def waited(text: str) -> Iterator[tuple[int, str, str, str, bool]]:
    """Hosts and ports that commands name: where, of which kind, and whether the command goes on without an answer."""
    for match in _NAMED.finditer(text):
        before = text[: match.start()]
        if not _NO_ADDRESS.search(before):
            kind = "wait" if _WAITS.search(before) else _told(before)
            yield match.start(), match[1], match[2], kind, _LENIENT.search(before) is not None
    for match in _TRIED.finditer(text):
        yield match.start(), match["host"] or match["other"], match["port"] or match["number"], "wait", False
    for match in _CLIENT.finditer(text):
        yield match.start(), match["host"], match["port"] or match["other"], "wait", False


def _told(before: str) -> str:
    """What a word is that looks like an address, by the option before it."""
    option = _OPTION.search(before)
    if option is None or _LISTENING.search(option[1]):
        return "word" if option is None else "listen"
    return "variable" if _ASKING.search(option[1]) else "word"


def _by_script(context: Context, each: Used) -> Iterator[Asked]:
    """By the scripts that wait for others: those that it starts itself, or that its image starts with."""
    own = names_of(each)
    for path in sorted(_scripts(context, each)):
        text = re.sub(r"(?m)^\s*#.*$", lambda comment: " " * len(comment[0]), context.repository.text(path))
        for position, host, port, kind, tolerant in waited(text):
            if host not in own:
                line = text.count("\n", 0, position) + 1
                yield Asked(host, port, Place(path, line), f"`{path}`", kind, "", False, tolerant)


def _scripts(context: Context, each: Used) -> set[str]:
    found: set[str] = set()
    site = each.site
    for call in context.traces[site.path].calls if site.path in context.traces else ():
        if call.site.image == site.image and isinstance(call.target, Script):
            location = context.script(call)
            if location.found and re.search(r"\.(ba)?sh$|(^|/)[\w-]+$", location.path):
                found.add(location.path)
    built = context.service_build(each.project, each.service)
    if built is None or each.service.has("entrypoint"):
        return found
    made = context.dockerfiles[built[0]]
    stage = context.stage_of(made, built[1])
    start = (stage.last("ENTRYPOINT") or stage.last("CMD")) if stage is not None else None
    match = _STARTED.search(said(start)) if start is not None else None
    if stage is not None and match is not None:
        files = context.images.filesystem(made, stage, built[1].directory)
        path = files.find(joined(working_directory(made, stage), match[1] or match[2]))
        if path is not None and context.repository.is_file(path):
            found.add(path)
    return found


_SETTINGS = re.compile(r"\.(conf|cfg|ya?ml|toml|ini|json|properties|hcl|alloy|river|xml)(\.\w+)?$")
_ANY_URL = re.compile(
    r"(?<![\w.])[a-z][a-z0-9+.]*://(?:[^@/\s'\"]*@)?([a-z][a-z0-9_.-]*):(\d{2,5})(?=[/?#,;\s'\"<)]|$)"
)
_PLAIN_URL = re.compile(r"(?<![\w.])https?://([a-z][a-z0-9_-]*)(?=/|[,;\s'\"]|$)")
_REMARK = re.compile(r"(?m)^\s*(#|//|;).*$")
_OF_NGINX = re.compile(r"\bproxy_pass\b|\bupstream\s+[\w.-]+\s*\{|^\s*server\s*\{|scrape_configs:", re.MULTILINE)
"""What is read by its own grammar."""
_MOST_FILES = 60


def _by_files(context: Context, each: Used) -> Iterator[Asked]:
    """By addresses in the settings that the service is given, whatever reads them."""
    own = names_of(each)
    for path in _given_files(context, each):
        yield from _sources(context, path)
        text = _REMARK.sub(lambda match: " " * len(match[0]), context.repository.text(path))
        if _OF_NGINX.search(text):
            continue
        hits = [(match.start(), match[1], match[2]) for match in _ANY_URL.finditer(text)]
        hits += [(match.start(), match[1], match[2]) for match in _NAMED.finditer(text) if "{{" not in text]
        hits += [(match.start(), match[1], "") for match in _PLAIN_URL.finditer(text)]
        for start, host, port in hits:
            if host not in own:
                place = Place(path, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
                yield Asked(host, port, place, f"`{path}`", "word" if port else "setting")


def _sources(context: Context, path: str) -> Iterator[Asked]:
    """By the sources of data that Grafana is given."""
    for source in context.documents[path].root["datasources"].elements() if path in context.documents else ():
        found = _ANY_URL.search(source["url"].text)
        if found is not None:
            by = f"the source `{source['name'].text}`"
            yield Asked(found[1], found[2], source["url"].place(path), by, "variable", "http")


def _given_files(context: Context, each: Used) -> list[str]:
    """Settings of the repository that a service has in its container: mounted, or copied by name."""
    found: dict[str, None] = {}
    for path, _ in mounted(each):
        if context.repository.is_file(path):
            found[path] = None
        elif path not in (".", each.project.base) and context.repository.is_directory(path):
            inside = [inner for inner in context.repository.inside(path) if _SETTINGS.search(inner)]
            found |= dict.fromkeys(inside if len(inside) <= _MOST_FILES else ())
    built = context.service_build(each.project, each.service)
    if built is not None and (stage := context.stage_of(context.dockerfiles[built[0]], built[1])) is not None:
        copies = [each for each in stage.instructions if each.name in ("COPY", "ADD") and "from" not in each.flags]
        for source in (source for each in copies for source in each.arguments()[:-1]):
            found[posixpath.normpath(posixpath.join(built[1].directory, source.lstrip("/")))] = None
    composes = context.composes
    return [
        path for path in found if _SETTINGS.search(path) and context.repository.is_file(path) and path not in composes
    ]


def _configurations(context: Context, each: Used) -> Iterator[str]:
    seen: set[str] = set()
    for path, target in mounted(each):
        if context.repository.is_file(path):
            seen.add(path)
        elif re.search(r"nginx|caddy|prometheus", path + target) and context.repository.is_directory(path):
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
    text = _FILLED.sub(lambda m: m[1] or m[0], text)
    upstreams = {found[1] for found in _UPSTREAM.finditer(text)}
    bodies = [(found.start(2), found[2]) for found in _UPSTREAM.finditer(text)]
    hits = [
        (start + m.start(1), m[1], "" if _SPARE.search(body) and not _SPARE.search(m[0]) else m[2])
        for start, body in bodies
        for m in _SERVER.finditer(body)
    ]
    passed = [(m.start(1), m[1], m[2]) for pattern in (_PASS, _CADDY) for m in pattern.finditer(text)]
    hits += [hit for hit in passed if hit[1] not in upstreams]
    kinds = [(*hit, "proxy") for hit in hits]
    kinds += [(found.start(1), found[1], found[2], "variable") for found in _SET_ASIDE.finditer(text)]
    for start, host, port, kind in kinds:
        if not _HOST.fullmatch(host) or host == "unix":
            continue
        line = text.count("\n", 0, start) + 1
        yield Asked(host, port or "", Place(path, line, start - text.rfind("\n", 0, start)), f"`{path}`", kind)


def _scraped(context: Context, path: str) -> Iterator[Asked]:
    root = context.documents[path].root
    for manager in root["alerting"]["alertmanagers"].elements():
        for target in (one for each in manager["static_configs"].elements() for one in each["targets"].elements()):
            host, _, port = target.text.partition(":")
            if _HOST.fullmatch(host):
                by = "the configuration of alerts"
                yield Asked(host, port if PORT.fullmatch(port) else "", target.place(path), by, "scrape")
    for job in root["scrape_configs"].elements():
        if job["relabel_configs"].elements():
            continue
        for each in job["static_configs"].elements():
            for target in each["targets"].elements():
                host, _, port = target.text.partition(":")
                if _HOST.fullmatch(host):
                    by = f"the job `{job['job_name'].text}`"
                    yield Asked(host, port if PORT.fullmatch(port) else "", target.place(path), by, "scrape")

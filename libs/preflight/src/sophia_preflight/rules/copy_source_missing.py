"""COPY and ADD of what the build context does not have, or its .dockerignore leaves out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Needed, Site
from sophia_preflight.context import BuildContext, Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause
from sophia_preflight.ignoring import DockerIgnore
from sophia_preflight.images import in_context, matches
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import is_known, joined

RULE = Rule(
    id="copy-source-missing",
    title="a Dockerfile copies what its build context does not have",
    severity=Severity.HIGH,
    why='the build ends with "not found", since only files of the context can be copied',
    fix="correct the path (it is relative to the build context, not to the Dockerfile), or build from another context",
    family="dockerfiles",
)
_KEYS = re.compile(r"\.(pem|key|crt|cer|cert|pub|p12)$")
_KEPT = re.compile(r"\.(sh|bash|conf|cfg|ini|service|j2|tmpl|tpl|sql|toml|ya?ml|cnf|spec|rules)$")
"""Files that people write, and that no build makes."""


_FILE = re.compile(r"(?:\./)?[\w.-]+")
_OUTPUT = re.compile(r"\.(css|js|map|html|wasm|so|a|jar|whl|mo)$")
_BUILDS = re.compile(r"\b(npm|yarn|pnpm|bun)\b(?! install\s*$)|\b(npx|make|cargo|gradle|mvn|build|compile\w*)\b")
_MANY = 3
_SHORTEST = 4
_OF_SYSTEM = re.compile(r"/(usr/(local/)?)?(s?bin|lib\w*|share|include|etc|var|run|proc|dev)/")
"""Where packages put files whose names nobody says."""
_RELEASER = re.compile(r"(^|/)\.?goreleaser[\w.-]*\.ya?ml$")


def check(context: Context) -> Iterable[Finding]:
    told = ((tuple(each.places[1:]) or each.place, each) for each in _told(context))
    named = (((each.place.path, cause), each) for cause, each in told)
    return by_cause(named, "nor {} others that it copies, so that it may be the context that is wrong", least=_MANY)


def _told(context: Context) -> Iterator[Finding]:
    released = _released(context)
    for path, made in context.dockerfiles.items():
        if path in released:
            continue
        builds = _plausible(context, made, context.builds(path))
        if not builds:
            yield from _renamed(context, made)
        for stage in made.stages:
            for index, each in enumerate(stage.instructions):
                if each.onbuild or each.heredocs:
                    continue
                if each.name in ("COPY", "ADD") and "from" not in each.flags:
                    yield from _copies(context, made, each, each.arguments()[:-1], builds)
                elif each.name == "RUN":
                    bound = [mount.source for mount in each.mounts if mount.kind == "bind" and not mount.origin]
                    yield from _copies(context, made, each, bound, builds)
                elif each.name == "COPY":
                    yield from _copies_of_stage(context, made, stage, index, builds)
                elif each.name == "WORKDIR" and _works_in(stage, index):
                    yield from _left_out(context, made, stage, index, builds)


def _released(context: Context) -> set[str]:
    """Dockerfiles that goreleaser builds, in a directory of its own with what it has built."""
    released = (each for each in context.calls if isinstance(each.target, Needed) and _RELEASER.search(each.site.path))
    needed = (each.target.path.value for each in released if isinstance(each.target, Needed))
    return {path for path in map(posixpath.normpath, needed) if not any(each.certain for each in context.builds(path))}


def _plausible(context: Context, made: Dockerfile, builds: list[BuildContext]) -> list[BuildContext]:
    """The ways in which a Dockerfile may be built; where nobody says, those that have most of what it copies."""
    sources = [
        source
        for stage in made.stages
        for each in stage.instructions
        if each.name in ("COPY", "ADD") and "from" not in each.flags and not each.heredocs
        for source in each.arguments()[:-1]
        if is_known(source) and source.strip("./")
    ]
    having = [sum(bool(matches(context.repository, _inside(build, source))) for source in sources) for build in builds]
    if len(set(sources)) > 1 and not any(having) and not any(build.certain for build in builds):
        return []  # it is built from somewhere else
    return [build for build, count in zip(builds, having, strict=True) if build.certain or count == max(having)]


def _renamed(context: Context, made: Dockerfile) -> Iterator[Finding]:
    """What a Dockerfile that is built from somewhere else copies, and by another name lies beside it: its directory is
    put into that context."""
    folder = posixpath.dirname(made.path)
    repository = context.repository
    beside = [posixpath.basename(each) for each in repository.inside(folder) if posixpath.dirname(each) == folder]
    for each in (each for stage in made.stages for each in stage.instructions):
        if each.name not in ("COPY", "ADD") or "from" in each.flags or each.heredocs or each.onbuild:
            continue
        for source in each.arguments()[:-1]:
            stem, ending = posixpath.splitext(source)
            if not _FILE.fullmatch(source) or not _KEPT.search(source) or source in repository.by_name:
                continue
            first = re.split(r"[-_.]", stem)[0]
            alike = [name for name in beside if name.endswith(ending) and re.split(r"[-_.]", name)[0] == first]
            near = get_close_matches(source, alike, n=1, cutoff=0.7)
            place = posixpath.join(folder, source)
            if near and not context.finder.is_made(place) and not repository.is_ignored(place):
                build = BuildContext(folder)
                why = f"there is no `{source}` beside the Dockerfile, only `{near[0]}`"
                yield from _finding(made, each, source, [(build, why)], 1)


def _inside(build: BuildContext, source: str) -> str:
    return posixpath.normpath(posixpath.join(build.directory, in_context(source)))


def _copies(
    context: Context, made: Dockerfile, each: Instruction, sources: list[str], builds: list[BuildContext]
) -> Iterator[Finding]:
    for source in sources:
        if "://" in source or source.startswith("git@") or not is_known(source):
            continue
        named = _named(each, source)
        failing = [
            (build, why)
            for build in builds
            if not _may_say(context, build, named) and (why := _fails(context, made.path, build, source))
        ]
        yield from _finding(made, each, source, failing, len(builds))


def _named(each: Instruction, source: str) -> dict[str, str]:
    """Arguments that a source is made of, with defaults that a builder may replace."""
    held = {name: each.variables[name] for name in re.findall(r"\$\{?(\w+)", each.flat) if name in each.variables}
    return {name: one.value for name, one in held.items() if one.assumed and one.value in source}


def _may_say(context: Context, build: BuildContext, names: dict[str, str]) -> bool:
    """Whether a build gives one of these arguments; if nobody says how it is built, one without a sensible default."""
    if build.certain:
        return bool(names) and any(each in names or not is_known(each) for each in build.arguments)
    return any(not context.repository.exists(_inside(build, value)) for value in names.values())


def _copies_of_stage(
    context: Context, made: Dockerfile, stage: Stage, index: int, builds: list[BuildContext]
) -> Iterator[Finding]:
    """What a stage would have if the build context brought it, and nothing else makes."""
    each = stage.instructions[index]
    origin = made.stage(each.expanded(each.flags["from"]))
    if origin is None or origin.index >= stage.index:
        return
    for source in each.arguments()[:-1]:
        if is_known(source) and not any(char in source for char in "*?["):
            failing = [(build, why) for build in builds if (why := _lacks(context, made, origin, build, source))]
            if not failing and (near := _nearly_named(made, origin, source, each)):
                why = f"the stage `{origin.name or origin.index}` has `{near}`, and nothing there speaks of `{source}`"
                failing = [(build, why) for build in builds]
            yield from _finding(made, each, source, failing, len(builds))


def _works_in(stage: Stage, index: int) -> bool:
    """Whether commands are run in the directory that an instruction goes to, with nothing put there before."""
    after = (each.name for each in stage.instructions[index + 1 :])
    return next((name for name in after if name in ("RUN", "WORKDIR", "COPY", "ADD")), "") == "RUN"


def _left_out(
    context: Context, made: Dockerfile, stage: Stage, index: int, builds: list[BuildContext]
) -> Iterator[Finding]:
    """A directory of the repository that commands work in, and that .dockerignore leaves out with all that is in it."""
    each = stage.instructions[index]
    failing: list[tuple[BuildContext, str]] = []
    for build in builds:
        files = context.images.filesystem(made, stage, build.directory, index)
        lost = files.lost(joined(files.workdir, each.expanded(each.flat.strip("\"'"))))
        if lost and context.repository.is_directory(lost):
            where = "the repository" if build.directory in ("", ".") else f"`{build.directory}`"
            failing.append((build, f"the .dockerignore of {where} leaves `{lost}` out"))
    yield from _finding(made, each, each.flat, failing, len(builds))


def _lacks(context: Context, made: Dockerfile, stage: Stage, build: BuildContext, source: str) -> str:
    """Why a stage does not have a file that only the build context can bring; empty where it may have it."""
    files = context.images.filesystem(made, stage, build.directory)
    path = joined("/", source)
    if files.find(path) != "":
        return ""
    if (lost := files.lost(path)) and not _is_built(stage, lost):
        return f"the .dockerignore of `{build.directory}` leaves `{lost}` out"
    if files.is_nowhere(path):
        return f"nothing puts `{path}` into the stage `{stage.name or stage.index}`"
    place = files.home(path)
    if not place or not _KEPT.search(place) or context.finder.is_made(place) or posixpath.dirname(place) == "":
        return ""
    return f"there is no `{place}`, which the stage would get it from"


def _nearly_named(made: Dockerfile, stage: Stage, source: str, copied: Instruction) -> str:
    """A path that a stage speaks of, or that a copy from it goes to, and of which the source is surely a misspelling:
    beside it, of nearly its name, and spoken of nowhere else. Empty where there is none."""
    path = source.rstrip("/")
    directory, name = posixpath.split(path)
    if not path.startswith("/") or len(name) < _SHORTEST or _OF_SYSTEM.match(path):
        return ""
    others = [each for one in made.stages for each in one.instructions if each is not copied]
    if any(name in each.flat for each in others):
        return ""
    inside = rf"{re.escape(directory.rstrip('/'))}/([\w.@+-]+)"
    told = [each.flat for each in stage.instructions if each is not copied] + copied.arguments()[-1:]
    beside = {found for text in told for found in re.findall(rf"(?<![\w./$}}-]){inside}", text)}
    near = get_close_matches(name, sorted(beside - {name}), n=1, cutoff=0.75)
    return f"{directory.rstrip('/')}/{near[0]}" if near and not _is_longer(name, near[0]) else ""


def _is_longer(one: str, other: str) -> bool:
    """Whether one name is the other with something put behind it, or differs in its numbers: another thing."""
    short, long = sorted((one, other), key=len)
    more = long[len(short) :] if long.startswith(short) else ""
    return bool(re.match(r"[-_.\d]", more)) or re.sub(r"\d+", "0", one) == re.sub(r"\d+", "0", other)


def _is_built(stage: Stage, path: str) -> bool:
    """Whether a stage makes it anew, which is why the old one is left out: what bundlers and compilers write."""
    runs = (each.flat for each in stage.instructions if each.name == "RUN")
    return _OUTPUT.search(path) is not None and any(_BUILDS.search(each) for each in runs)


def _finding(
    made: Dockerfile, each: Instruction, source: str, failing: list[tuple[BuildContext, str]], builds: int
) -> Iterator[Finding]:
    certain = [pair for pair in failing if pair[0].certain]
    if not failing or (not certain and len(failing) < builds):
        return
    build, why = (certain or failing)[0]
    severity, blocks = consequence(Site(made.path, Caller.BUILD))
    places = [Involved(Place(made.path, each.line, each.column), "here")]
    if build.place is not None:
        places.append(Involved(build.place, "build"))
        if standing(build.caller) is Standing.PRODUCT:
            severity = RULE.severity  # wherever the Dockerfile lies: who builds it is no test
    said = f"{each.name} --mount=source={source}" if each.name == "RUN" else f"{each.name} {source}"
    yield RULE.found(
        f"`{said}`: {why}",
        *places,
        anchor=said,
        severity=severity,
        confidence=Confidence.CERTAIN if build.certain else Confidence.LIKELY,
        blocks=blocks,
    )


def _fails(context: Context, dockerfile: str, build: BuildContext, source: str) -> str:
    """Why the source cannot be copied from a context; empty where it can, or where nobody can tell."""
    repository = context.repository
    inner = in_context(source)
    where = f"the build context `{build.directory}`" if build.directory != "." else "the repository"
    path = posixpath.normpath(posixpath.join(build.directory, inner))
    found = matches(repository, path)
    if not found:
        if any(char in inner for char in "*?["):
            base = posixpath.dirname(path) or "."
            made = context.finder.is_made(path) or (not repository.is_directory(base) and context.finder.is_made(base))
            return "" if made or _is_lenient(inner) else f"nothing in {where} matches"
        if source.startswith(".."):
            return "it lies outside the build context"
        if _is_beside(context, dockerfile, inner, path):
            return f"there is no `{inner}` in {where}, only beside the Dockerfile"
        return "" if _may_come(context, path) else f"there is no `{inner}` in {where}"
    ignore = context.images.ignore_of(dockerfile, build.directory)
    files = [one for one in found if repository.is_file(one)]
    if files and len(files) == len(found):
        relative = [posixpath.relpath(one, build.directory) for one in files]
        if all(ignore.ignores(one) for one in relative):
            return f"the .dockerignore of {where} leaves it out"
    elif not files and inner != "." and all(_empty(context, ignore_path, build, ignore) for ignore_path in found):
        return f"the .dockerignore of {where} leaves it out"
    return ""


def _is_beside(context: Context, dockerfile: str, inner: str, path: str) -> bool:
    """Whether a file is where the Dockerfile lies, as if that were the context, and nothing puts it there."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(dockerfile), inner))
    put = {*context.finder.made_paths, *context.finder.made_trees}
    made = any(f"{path}/".startswith(f"{each}/") for each in put)
    return beside != path and context.repository.is_file(beside) and not made


def _may_come(context: Context, path: str) -> bool:
    """Whether the file may be there when the image is built; keys are made by hand, unless others are kept beside."""
    name, directory = posixpath.basename(path), posixpath.dirname(path)
    if not _KEYS.search(name) or context.repository.is_ignored(path) or name in context.finder.made_names:
        return context.finder.is_made(path)
    ending = posixpath.splitext(name)[1]
    return not any(
        each.endswith(ending) and posixpath.dirname(each) == directory for each in context.repository.inside(directory)
    )


def _is_lenient(pattern: str) -> bool:
    """`package-lock.json*`: written so that a missing file does no harm, beside one that is there."""
    return pattern.endswith("*") or "[" in pattern


def _empty(context: Context, directory: str, build: BuildContext, ignore: DockerIgnore) -> bool:
    """Whether a directory is left out itself; one that only loses its files comes without them."""
    if not ignore.ignores(posixpath.relpath(directory, build.directory)):
        return False
    files = list(context.repository.inside(directory))
    return bool(files) and all(ignore.ignores(posixpath.relpath(one, build.directory)) for one in files)


BAD = [
    tree("""
        === docker/compose.yaml
        services: {shop: {build: {context: .., dockerfile: docker/Dockerfile}}}
        === docker/Dockerfile
        FROM caddy:2.10
        COPY Caddyfile /etc/caddy/
        === docker/Caddyfile
        === install.sh
        write() { cat > "$1/Caddyfile" <<< "$2"; }
    """),
    tree("""
        === Makefile
        image:
        \tdocker build -t shop -f docker/Dockerfile .
        === docker/Dockerfile
        FROM debian:13
        COPY ./settings.toml /etc/shop/
        === docker/settings.toml
        === install.sh
        shop --defaults > $HOME/.shop/settings.toml
    """),
    tree("""
        === images/till/Dockerfile
        FROM example/base:1
        COPY start-application.sh /usr/local/bin
        COPY till*.whl /tmp/
        === images/till/start-app.sh
        === Makefile
        define IMAGE
        image-$1:
        \tcp -r $$(DOCKER_$1)/* dist/*.whl build/$1
        \tcd build/$1 && docker build -t $1 .
        endef
    """),
    tree("""
        === docker/api/Dockerfile
        FROM nginx:1.29
        ADD made.tar /srv
        COPY nginx-default.conf /etc/nginx/conf.d/
        === docker/api/nginx-defaults.conf
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25
        ADD . /app
        WORKDIR /app/proxy
        RUN go get && go build
        === proxy/main.go
        === .dockerignore
        proxy
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /src
        COPY . .
        RUN CGO_ENABLED=0 go build -o /out/server ./cmd/api
        FROM gcr.io/distroless/static-debian12
        COPY --from=build /out/api /server
        ENTRYPOINT ["/server"]
        === go.mod
        === cmd/api/main.go
    """),
    tree("""
        === docker-compose.yml
        services: {api: {build: ./api}}
        === api/Dockerfile
        FROM python:3.12-slim
        COPY api/requirements.txt .
        === api/requirements.txt
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY config/ /etc/app/
        === .dockerignore
        config
        === config/app.toml
    """),
    tree("""
        === compose.yaml
        services: {api: {build: ./api}}
        === api/Dockerfile
        FROM python:3.12-slim
        COPY ../shared ./shared
        === shared/x.py
    """),
    tree("""
        === .dockerignore
        *.md
        === Dockerfile
        FROM node:22 AS build
        WORKDIR /shop
        COPY . .
        RUN npm run build
        FROM nginx:1.29
        COPY --from=build /shop/dist /usr/share/nginx/html
        COPY --from=build /shop/NEWS.md /usr/share/nginx/html/
        === NEWS.md
        === package.json
        {"scripts": {"build": "vite build"}}
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /src
        COPY . .
        RUN go build -o /bin/shop .
        FROM debian:13-slim
        COPY --from=build /src/docker/begin.sh /
        === docker/start.sh
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        RUN --mount=type=bind,source=requirements.txt,target=/r.txt pip install -r /r.txt
        === .dockerignore
        *.txt
        === requirements.txt
    """),
    tree("""
        === Makefile
        test-names:
        \tdocker build -t names tests/names
        === tests/names/Dockerfile
        FROM debian:13
        COPY named.conf certs/server.key /etc/bind/
        === tests/names/certs/client.key
        === tests/names/bind.conf
    """),
    tree("""
        === compose.yaml
        services:
          door: {build: door}
        === door/Dockerfile
        FROM nginx:1.29
        COPY begin.sh door.conf /
        ENTRYPOINT ["/begin.sh"]
        === door/begin.sh
        sed "s/NAME/$NAME/" /door.conf > /etc/nginx/door.conf
        exec nginx
        === door/conf/door.conf
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /src
        COPY . .
        RUN go build -o /bin/shop .
        FROM debian:13-slim
        COPY --from=build /src/etc/shop.toml /etc/
        === etc/sample.toml
    """),
    tree("""
        === Dockerfile
        FROM python:3.13-slim AS build
        RUN python -m venv /opt/venv && /opt/venv/bin/pip install requests
        FROM python:3.13-slim
        COPY --from=build /opt/vnev /opt/venv
    """),
    tree("""
        === Dockerfile
        FROM ghcr.io/astral-sh/uv:0.9-python3.13 AS build
        WORKDIR /app
        COPY . .
        RUN uv sync
        FROM python:3.13-slim
        COPY --from=build /app/.vnv /app/.venv
    """),
]
GOOD = [
    tree("""
        === Makefile
        image:
        \tcp docker/Caddyfile docker/conf/* .
        \tdocker build -t shop -f docker/Dockerfile .
        === docker/Dockerfile
        FROM caddy:2.10
        COPY Caddyfile /etc/caddy/
        === docker/Caddyfile
        === docker/conf/other
    """),
    tree("""
        === images/till/Dockerfile
        FROM example/base:1
        COPY start-application.sh begin.sh ended.sh /usr/local/bin
        COPY till*.whl /tmp/
        === images/till/start-app.sh
        === images/till/start.py
        === other/ending.sh
        === Makefile
        all:
        \tsed s/a/b/ images/till/start-app.sh > build/start-application.sh
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25
        COPY . /app
        WORKDIR /app/made
        COPY proxy/main.go ./
        RUN go build -o /server .
        WORKDIR /app/proxy
        RUN go build
        === proxy/main.go
        === made/old.go
        === .dockerignore
        made
        !proxy/main.go
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /src
        COPY . .
        RUN go build -o /out/server ./cmd/api && make install DESTDIR=/out
        FROM golang:1.25 AS other
        WORKDIR /src
        COPY . .
        RUN mkdir -p /out && go build -o /out/ ./cmd/...
        FROM golang:1.25 AS third
        COPY . .
        RUN cd /out && go build -o server ./cmd/api && go install ./cmd/api
        FROM gcr.io/distroless/static-debian12
        COPY --from=build /out/api /
        COPY --from=other /out/api /
        COPY --from=third /go/bin/api /out/server /bin/
        COPY --from=third /etc/ssl/certs /etc/ssl/certs
        ENTRYPOINT ["/api"]
        === Makefile
        install:
        === go.mod
        === cmd/api/main.go
    """),
    tree("""
        === build.sh
        cd "$(dirname "$0")"
        docker build -f api/Dockerfile -t api .
        === api/Dockerfile
        FROM node:22 AS build
        COPY package.json package-lock.json* ./
        COPY api/src ./src
        COPY dist/ ./dist/
        RUN npm ci && npm run generate > /src/made.conf
        FROM node:22-slim
        COPY --from=build /src/none ./none
        COPY --from=nginx:1.29 /etc/nginx /etc/nginx
        COPY --from=build /src/generated/site.yaml /src/made.conf ./
        COPY own/tls.key /tls.key
        RUN --mount=type=bind,source=package.json,target=/p.json --mount=type=secret,id=x,source=gone.txt cat /p.json
        ADD https://example.org/x.tar.gz /x
        COPY $WHAT /y
        === api/src/index.js
        === package.json
        {"name": "x", "scripts": {"generate": "true"}}
        === package-lock.json
        {}
        === .dockerignore
        *
        !api
        !package*.json
        !dist
        === .gitignore
        dist
    """),
    tree("""
        === Dockerfile
        FROM debian:13
        ARG program=set-me
        COPY $program /usr/bin/service
        COPY ./reports ./reports
        === .dockerignore
        reports/*
        === reports/keep.txt
    """),
    tree("""
        === build.sh
        docker build --build-arg program=shop.sh .
        === Dockerfile
        FROM debian:13
        ARG program=set-me
        COPY ${program} /usr/bin/service
        === shop.sh
    """),
    tree("""
        === Dockerfile
        FROM node:24 AS build
        WORKDIR /app
        COPY . .
        RUN build /app/server /opt/tools && install -D uv /srv/bin/tool1
        FROM debian:13
        COPY --from=build /app/server-linux /app/server
        COPY --from=build /srv/bin/tool2 /srv/bin/tool
        COPY --from=build /app/dist /usr/share/nginx/html
        COPY --from=build /usr/local/bin/uvxx /usr/local/bin/uvx
        COPY --from=build /opt/toolz /opt/
        RUN ls /opt/toolz
    """),
]

"""An image that is built here under one name and started under another, so that nobody ever makes what is started."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from sophia_preflight.calls.model import ImageBuild, Program, Script, Started
from sophia_preflight.calls.options import part
from sophia_preflight.composing import used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.naming_images import Orphan, orphans
from sophia_preflight.readers.compose import interpolated
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import MANY, UNKNOWN, Word, is_known, named, shown

RULE = Rule(
    id="image-under-another-name",
    title="an image is built under one name and started under another",
    severity=Severity.CRITICAL,
    why="nobody makes an image of the name that is started: there is none, or an old one",
    fix="use one name where the image is built, pushed and started",
    family="compose",
)
_OFFICIAL = named(
    "adminer aerospike almalinux alpine alt amazoncorretto amazonlinux api-firewall arangodb archlinux backdrop bash "
    "bonita buildpack-deps busybox caddy cassandra chronograf cirros clearlinux clefos clickhouse clojure composer "
    "consul convertigo couchbase couchdb crate dart debian docker drupal eclipse-mosquitto eclipse-temurin "
    "elasticsearch elixir erlang express-gateway fedora flink fluentd friendica gazebo gcc geonetwork ghost golang "
    "gradle groovy haproxy haskell haxe hello-world hitch httpd hylang ibmjava influxdb irssi jetty joomla jruby "
    "julia kapacitor kibana kong krakend lightstreamer liquibase logstash mageia mariadb matomo maven mediawiki "
    "memcached mongo mongo-express monica mono mysql nats nats-streaming neo4j neurodebian nextcloud nginx node "
    "notary nuxeo odoo open-liberty openjdk openresty oraclelinux orientdb percona perl photon php php-zendserver "
    "phpmyadmin plone postfixadmin postgres pypy python r-base rabbitmq rakudo-star rapidoid redis redmine registry "
    "rethinkdb rocket.chat rockylinux ros ruby rust sapmachine satosa scratch silverpeas sl solr sonarqube "
    "sourcemage spark spiped storm swift swipl teamspeak telegraf thrift tomcat tomee traefik ubuntu unit varnish "
    "vault websphere-liberty wordpress xwiki yourls znc zookeeper"
)
"""Names without an owner that Docker Hub has: the repository's own image of such a name says nothing about them."""
_PUBLIC = named("docker.io ghcr.io quay.io gcr.io public.ecr.aws mcr.microsoft.com registry.gitlab.com registry.k8s.io")
_BUILT_ELSEWHERE = re.compile(
    r"(^|/)(skaffold\.ya?ml|\.goreleaser\.ya?ml|docker-bake\.[\w.]+|[^/]*cloudbuild[^/]*|buildspec[^/]*\.ya?ml|"
    r"\.circleci/.*|\.drone\.yml|Jenkinsfile[^/]*|azure-pipelines[^/]*|bitbucket-pipelines\.yml|"
    r"\.travis\.yml|pom\.xml|build\.gradle(\.kts)?|build\.sbt|BUILD(\.bazel)?|Earthfile|Tiltfile|werf\.ya?ml)$"
)
"""Files that build images in ways that are not followed here."""
_BUILDERS = named("pack ko skaffold werf earthly bazel bazelisk s2i jib nix img tilt kaniko executor copa depot crane")
MOST_BYTES = 200_000
_VERSION = re.compile(r"v?\d+([._-]|$)")


@dataclass(frozen=True)
class Name:
    """An image's name: a host (empty where none is said), a path, a tag."""

    host: str
    path: tuple[str, ...]
    tag: str

    @classmethod
    def of(cls, text: str) -> Name | None:
        """None for what is only known in part, or by its digest."""
        if not text or not is_known(text) or "@" in text or "$" in text or text != text.strip():
            return None
        *above, last = text.removeprefix("index.").removeprefix("docker.io/").removeprefix("library/").split("/")
        host = above.pop(0) if above and re.search(r"[.:]|^localhost$", above[0]) else ""
        name, _, tag = last.partition(":")
        return cls(host, (*above, name), tag or "latest")

    @property
    def whole(self) -> str:
        return f"{'/'.join((self.host or 'docker.io', *self.path))}:{self.tag}"

    @property
    def is_bare(self) -> bool:
        return not self.host and len(self.path) == 1


@dataclass(frozen=True)
class Made:
    """An image that somebody makes: its name as a value, and where that is said."""

    value: str
    place: Place

    @cached_property
    def name(self) -> Name | None:
        """None where more than the tag is unknown."""
        return Name.of(re.sub(f":[^/:]*[{UNKNOWN}{MANY}][^/:]*$", ":", self.value))

    def may_be(self, name: Name) -> bool:
        """Whether what is unknown in this name may stand for what the other has there."""
        if self.name is not None and is_known(self.value):
            return self.name.whole == name.whole
        value = self.value if re.search(rf":[^/]*$|[{UNKNOWN}{MANY}]$", self.value) else f"{self.value}:latest"
        pattern = "".join(".*" if char in (UNKNOWN, MANY) else re.escape(char) for char in value)
        return re.fullmatch(f"(docker\\.io/)?{pattern}", name.whole) is not None


def check(context: Context) -> Iterable[Finding]:
    made = list(_made(context))
    yield from _composed(context, made)
    yield from _typed(context, made)


def _typed(context: Context, made: list[Made]) -> Iterator[Finding]:
    """What commands ask for that nobody makes, where what is built before them is asked for by nobody."""
    for each in orphans(context):
        name = Name.of(each.asked.value)
        path = each.call.site.path
        line = Place(path, each.asked.line, each.asked.column)
        near = [one for one in made if (one.name is not None or one.place.path == path) and one.place != line]
        if name is None or _is_to_be_had(name, each) or any(one.may_be(name) for one in near):
            continue
        if _is_tag_elsewhere(context, name.path[-1]):
            continue
        severity, blocks = consequence(each.call.site)
        yield RULE.found(
            f"`{each.asked.value}` is asked for, and what is built before it is `{each.built}`",
            Involved(line, "start"),
            Involved(each.place, "build"),
            anchor=f"{each.call.site.owner} {each.asked.value}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            blocks=blocks,
        )


def _is_to_be_had(asked: Name, each: Orphan) -> bool:
    """Whether an image may come from a registry: unless it has no owner, or the name of what is built and another tag,
    or is given to those who need it on this machine."""
    built = Name.of(each.built)
    if asked.is_bare:
        return asked.path[0] in _OFFICIAL
    if built is not None and (built.host, built.path) == (asked.host, asked.path):
        return _VERSION.match(asked.tag) is not None
    return isinstance(each.call.target, Started)


def _composed(context: Context, made: list[Made]) -> Iterator[Finding]:
    """What services start."""
    own = [each for each in made if each.name is not None and standing(each.place.path) is Standing.PRODUCT]
    if not own:
        return
    elsewhere = any(_BUILT_ELSEWHERE.search(path) for path in context.repository.entries)
    for each in used(context):
        part_ = each.service.get("image")
        if part_ is None or each.service.has("build"):
            continue
        text, assumed = interpolated(part_.node.text)
        pulled = Name.of(text)
        if pulled is None or assumed or any(one.may_be(pulled) for one in made):
            continue
        found = sorted(
            ((confidence, one) for one in own if one.name and (confidence := _kinship(one.name, pulled))),
            key=lambda pair: (pair[0].rank, pair[1].place),
        )
        if not found or _is_named_elsewhere(context, text):
            continue
        confidence, builder = found[0]
        severity, blocks = each.consequence
        yield RULE.found(
            f"`{each.service.name}` starts `{text}`, and what is built here is `{shown(builder.value)}`",
            Involved(part_.node.place(part_.file.path), "start"),
            Involved(builder.place, "build"),
            anchor=f"{each.service.name} {text}",
            severity=severity,
            confidence=Confidence.GUESS if elsewhere else confidence,
            blocks=blocks,
        )


def _kinship(built: Name, pulled: Name) -> Confidence | None:
    """How sure it is that both are meant to be one image; None for two that have nothing to do with each other."""
    if pulled.is_bare and pulled.path[0] in _OFFICIAL:
        return None
    if (built.host, built.path) == (pulled.host, pulled.path):
        private = pulled.is_bare or (pulled.host and pulled.host not in _PUBLIC)
        versions = not pulled.is_bare and _VERSION.match(pulled.tag)
        return Confidence.LIKELY if private and not versions else Confidence.GUESS
    shorter, longer = sorted((built.path, pulled.path), key=len)
    one_owner = shorter[0] == longer[0] and len(shorter) > 1 and longer[-len(shorter) + 1 :] == shorter[1:]
    if longer[-len(shorter) :] != shorter and not one_owner:
        return None
    if pulled.is_bare:
        return Confidence.LIKELY
    if built.host == pulled.host:
        return Confidence.LIKELY if built.host and (one_owner or built.host not in _PUBLIC) else None
    if built.host and pulled.host and (len(shorter) > 1 or _domain(built.host) == _domain(pulled.host)):
        return Confidence.LIKELY
    return Confidence.GUESS if len(shorter) > 1 else None


def _domain(host: str) -> str:
    return ".".join(host.partition(":")[0].split(".")[-2:])


def _made(context: Context) -> Iterator[Made]:
    """Every image that something of the repository makes, or gives a name."""
    for call in context.calls:
        if isinstance(call.target, ImageBuild):
            yield from (_by(word, call.place) for word in call.target.tags)
        elif isinstance(call.target, Program):
            program = posixpath.basename(call.target.name.value)
            if program in ("docker", "podman", "nerdctl", "buildah"):
                yield from (_by(word, call.place) for word in _named_by(call.target.arguments))
            elif program in _BUILDERS:
                yield Made(UNKNOWN, call.place)
        elif isinstance(call.target, Script) and posixpath.basename(call.target.path.value) in _BUILDERS:
            yield Made(UNKNOWN, call.place)
    for each in used(context):
        build, image = each.service.get("build"), each.service.get("image")
        if build is None:
            continue
        place = (image or build).node.place((image or build).file.path)
        values = [image.text] if image else [f"{UNKNOWN}{mark}{each.service.name}" for mark in "-_"]
        tags = each.service.get("build", "tags")
        values += [interpolated(tag.text)[0] for tag in (tags.node.elements() if tags else ())]
        yield from (Made(value, place) for value in values)


def _by(word: Word, place: Place) -> Made:
    value = UNKNOWN if word.many else word.value
    return Made(value, Place(place.path, word.line, word.column) if word.line > 1 else place)


def _named_by(arguments: tuple[Word, ...]) -> Iterator[Word]:
    """Names that commands other than a plain build give to images; unknown where they may give any."""
    words = list(arguments[1:] if arguments and arguments[0].value in ("image", "buildx", "builder") else arguments)
    verb = words[0].value if words else ""
    parted = part(words[1:], named("-t --tag -f --file --build-arg --target --platform -a --author -m --message -c"))
    if verb in ("tag", "commit") and len(parted.operands) > 1:
        yield parted.operands[1]
    elif verb in ("build", "bud", "b", "imagetools"):
        yield from parted.all("-t", "--tag")
    elif verb in ("push", "manifest"):
        yield from parted.operands
    elif verb in ("load", "import", "bake") or not is_known(verb):
        yield Word(UNKNOWN)


def _is_tag_elsewhere(context: Context, name: str) -> bool:
    """Whether a file that is not followed here gives the name to an image."""
    tagged = re.compile(rf"\b(image|tags?|-t)\b[\"']?\W{{1,4}}(?:[\w.-]+/)*{re.escape(name)}(?![\w-])")
    return any(
        name in context.repository.glimpse(path) and tagged.search(context.repository.glimpse(path))
        for path, entry in context.repository.entries.items()
        if entry.size < MOST_BYTES and _BUILT_ELSEWHERE.search(path)
    )


def _is_named_elsewhere(context: Context, text: str) -> bool:
    """Whether a file that is not followed here names the image: the tools it is for may well make it."""
    return any(
        text in context.repository.glimpse(path)
        for path, entry in context.repository.entries.items()
        if entry.size < MOST_BYTES and not path.endswith((".md", ".rst", ".txt")) and path not in context.composes
        if path not in context.traces or not context.traces[path].calls
    )


_BY_HAND = """
    === Dockerfile
    FROM alpine:3.22
    === Makefile
    image:
    \tdocker build -t %s .
    \tmkdir -p out
    \t%s
    === docs/README.md
    # Shop

    ```bash
    docker build -t shop-page .
    docker pull acme/base
    ```

    ```bash
    docker run --rm -p 80:80 %s
    ```
"""
BAD = [
    tree(_BY_HAND % ("shop-build", "docker run --rm shop-made sleep 3", "shop-page")),
    tree(_BY_HAND % ("acme/shop:test", "docker run acme/shop:ci", "shop-page")),
    tree(_BY_HAND % ("acme/shop:1.0", "docker push acme/shops:1.0", "shop-page")),
    tree(_BY_HAND % ("shop", "kind load docker-image shop:dev", "shop-page")),
    tree(_BY_HAND % ("shop", "docker run shop", "shop-pages")),
    tree("""
        === scripts/release.sh
        docker build -t registry.acme.example/platform/api:latest .
        docker push registry.acme.example/platform/api:latest
        === stack.yml
        services:
          api:
            image: registry.acme.example/api:latest
        === Dockerfile
        FROM alpine:3.22
    """),
    tree("""
        === Makefile
        image:
        \tdocker build -t billing:latest .
        === docker-compose.yml
        services:
          billing:
            image: billing:prod
        === Dockerfile
        FROM alpine:3.22
    """),
    tree("""
        === .github/workflows/image.yml
        on: push
        jobs:
          image:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - id: meta
                uses: docker/metadata-action@v5
                with:
                  images: ghcr.io/acme/api
              - uses: docker/build-push-action@v6
                with:
                  push: true
                  tags: ${{ steps.meta.outputs.tags }}
        === docker-compose.yml
        services:
          api:
            image: registry.acme.example/acme/api:1
        === Dockerfile
        FROM alpine:3.22
    """),
]
GOOD = [
    tree(_BY_HAND % ("shop-build", "docker run --rm shop-build sleep 3", "acme/base")),
    tree(_BY_HAND % ("shop", "docker tag shop acme/shop:1.0 && docker push acme/shop:1.0", "shop-page:latest")),
    tree(_BY_HAND % ("shop", "docker run -v .:/src node make", "shop-page")),
    tree(_BY_HAND % ("shop", "docker run -v .:/src acme/other make", "acme/base")),
    tree(_BY_HAND % ("shop:1", "docker build -t other . && docker run other", "shop-page")),
    tree(_BY_HAND % ("$(NAME)", "docker run other", "shop-page")),
    tree("""
        === scripts/release.sh
        docker build -t "$REGISTRY/api:$TAG" .
        docker build -t acme/worker .
        docker tag acme/worker registry.acme.example/worker:stable
        docker build -t acme/nginx:2 proxy
        docker build -t web .
        === stack.yml
        services:
          api: {image: "registry.acme.example/api:1"}
          worker: {image: "registry.acme.example/worker:stable"}
          again: {image: "docker.io/acme/worker:latest"}
          proxy: {image: "nginx:1.29"}
          other: {image: "grafana/web:1"}
          shop: {image: "platform-shop"}
          computed: {image: "${IMAGE:-web:2}"}
          pinned: {image: "web@sha256:0000000000000000000000000000000000000000000000000000000000000000"}
        === docker-compose.yml
        services:
          shop: {build: .}
        === Dockerfile
        FROM alpine:3.22
        === proxy/Dockerfile
        FROM nginx:1.29
    """),
    tree("""
        === Makefile
        image:
        \tdocker build -t app:latest .
        \tdocker buildx bake
        === docker-compose.yml
        services:
          app: {image: "app:prod"}
        === Dockerfile
        FROM alpine:3.22
    """),
]

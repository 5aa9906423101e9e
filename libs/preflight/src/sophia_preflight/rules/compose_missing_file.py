"""Files that a compose file names and that are not there: environment, secrets, configs, included and mounted files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.composing import Used, located, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.compose import ComposeFile, Part, Project, interpolated, mount_of
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import is_known

RULE = Rule(
    id="compose-missing-file",
    title="a compose file names a file that does not exist",
    severity=Severity.CRITICAL,
    why="Compose ends with an error; a mounted file that is missing becomes an empty directory in its place",
    fix="correct the path, or add the file",
    family="compose",
)
_FILE = re.compile(
    r"\.(ya?ml|json|toml|ini|conf|cfg|cnf|sql|sh|py|js|xml|properties|tmpl|template|txt|html|lua|rules|hcl)$"
)
_SETTINGS = re.compile(r"(^|/)\.?env($|[._-])|\.env$")
_OWN = re.compile(r"(^|/)\.?env($|[._-])|local|secret|private", re.IGNORECASE)
"""Files of settings that everybody makes for himself, whatever the others are."""
_EXAMPLE = re.compile(r"\.(example|sample|defaults?|template|dist)$")

_READ = re.compile(r"initdb|^/etc/|/conf|/provisioning|/dashboards|/rules|/templates|/migrations|/entrypoint")
"""Where a container reads what somebody has written for it."""


def check(context: Context) -> Iterable[Finding]:
    for each in used(context):
        yield from _of_service(context, each)
    for project in context.projects:
        for file in project.files:
            yield from _of_file(context, project, file)
    for file in context.composes.values():
        yield from _of_others(context, file)


def _of_service(context: Context, each: Used) -> Iterator[Finding]:
    severity, blocks = each.consequence
    for part in each.service.listed("env_file"):
        node = part.node["path"] if part.node.is_map else part.node
        if part.node["required"].value is False or _is_made_by_hand(context, each, part, interpolated(node.text)[0]):
            continue
        yield from _missing(
            context, each.project, part, node, "the environment file", severity, blocks, each.service.name
        )
    for part in each.service.listed("volumes"):
        mount = mount_of(part.node)
        if mount is not None and mount.kind == "bind" and not mount.assumed:
            yield from _directory(context, each, part, mount.source, mount.target)
        if mount is None or mount.kind != "bind" or mount.assumed or not _FILE.search(mount.source):
            continue
        if posixpath.splitext(mount.source)[1] == posixpath.splitext(mount.target)[1]:
            node = part.node["source"] if part.node.is_map else part.node
            said = "the mounted file"
            yield from _missing(
                context, each.project, part, node, said, severity, blocks, each.service.name, mount.source
            )


def _directory(context: Context, each: Used, part: Part, source: str, target: str) -> Iterator[Finding]:
    """A mounted directory that is not there, where one of its name or nearly its name is: it was renamed or moved."""
    if "." in posixpath.basename(source).lstrip(".") and not source.endswith(".d"):
        return
    location = located(context, each.project, part.file, source, directory=True)
    if not location.missing or not _READ.search(target):
        return
    above, name = posixpath.split(location.path)
    directories = context.repository.directories
    beside = [posixpath.basename(other) for other in directories if posixpath.dirname(other) == above]
    near = get_close_matches(name, beside, n=1, cutoff=0.75)
    if near:
        severity, blocks = each.consequence
        yield RULE.found(
            f"the mounted directory `{source}` does not exist",
            part.node.place(part.file.path),
            anchor=f"{each.service.name} {source}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            why="Docker makes an empty directory in its place: what the service should read is not there",
            fix=RULE.fix + f": there is `{posixpath.join(above, near[0])}`",
            blocks=blocks,
        )


def _is_made_by_hand(context: Context, each: Used, part: Part, path: str) -> bool:
    """Whether whoever starts the project writes the environment file: not where the others of its kind are here."""
    location = located(context, each.project, part.file, path)
    if not location.missing or not _SETTINGS.search(path) or _EXAMPLE.search(path):
        return False
    name = posixpath.basename(path)
    if _OWN.search(path) or name in context.written:
        return True
    stem = name.removesuffix(".env")
    models = (other for other in context.repository.by_name if stem in other and "env" in other and other != name)
    if any(re.search(r"example|sample|template|dist|default", other) for other in models):
        return True
    beside = context.repository.inside(posixpath.dirname(location.path))
    others = (other for used in each.project.services(context.composes).values() for other in used.listed("env_file"))
    return not (
        name in context.repository.by_name
        or any(other.endswith(".env") for other in beside)
        or any(located(context, each.project, other.file, other.text).found for other in others)
    )


def _of_file(context: Context, project: Project, file: ComposeFile) -> Iterator[Finding]:
    for kind in ("secrets", "configs"):
        for name, node in file.root[kind].items():
            path = node["file"]
            if path.text and (kind == "configs" or re.search(r"\.(example|sample)$", path.text)):
                users = [
                    u
                    for u in used(context)
                    if u.project is project
                    and any((p.node["source"].text or p.text) == name for p in u.service.listed(kind))
                ]
                severity, blocks = users[0].consequence if users else (Severity.MEDIUM, "")
                yield from _missing(
                    context, project, Part(file, node), path, f"the {kind[:-1]}'s file", severity, blocks, name
                )


def _of_others(context: Context, file: ComposeFile) -> Iterator[Finding]:
    """Files whose content is taken; also of a file that has nothing but an `include`."""
    own = Project((file,), file.directory)
    for entry in file.root["include"].elements():
        for path in entry["path"].some() or entry.some():
            yield from _missing(
                context,
                own,
                Part(file, entry),
                path,
                "the included file",
                Severity.CRITICAL,
                f"`{file.path}`",
                "include",
            )
    for name, node in file.root["services"].items():
        path = node.at("extends", "file")
        if path.text:
            yield from _missing(
                context,
                own,
                Part(file, node),
                path,
                "the file that is extended",
                Severity.CRITICAL,
                f"`{file.path}`",
                name,
            )


def _is_put_beside(context: Context, path: str, said: str) -> bool:
    """Whether something copies a compose file to where it puts a file of that name too: that is where it is used."""
    name, wanted = posixpath.basename(path), posixpath.basename(said)
    for trace in context.traces.values():
        copies = [posixpath.split(each.path) for each in trace.produced if each.copied]
        homes = {directory for directory, base in copies if base == name and directory != posixpath.dirname(path)}
        if any(directory in homes and base == wanted for directory, base in copies):
            return True
    return False


def _missing(
    context: Context,
    project: Project,
    part: Part,
    node: Node,
    what: str,
    severity: Severity,
    blocks: str,
    owner: str,
    path: str = "",
) -> Iterator[Finding]:
    text, assumed = interpolated(path or node.text)
    if not text or not is_known(text):
        return
    location = located(context, project, part.file, text)
    if location.missing and not _is_put_beside(context, part.file.path, text):
        yield RULE.found(
            f"{what} `{text}` does not exist in {location.where}",
            Place(part.file.path, node.line, node.column),
            anchor=f"{text} for {owner}",
            severity=severity,
            confidence=Confidence.LIKELY if assumed else location.confidence,
            blocks=blocks,
        )


BAD = [
    tree("""
        === compose.yaml
        services:
          db:
            image: mysql:9
            volumes: ["./sql/mysql-initdb.d:/docker-entrypoint-initdb.d"]
        === sql/mysql-init.d/tables.sql
    """),
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            volumes: ["./nginx/site.conf:/etc/nginx/conf.d/default.conf:ro"]
        configs:
          rules: {file: ./rules.yml}
    """),
    tree("""
        === compose.yaml
        include: [database/compose.yaml]
        services:
          web:
            extends: {file: common.yml, service: web}
    """),
    tree("""
        === compose.yaml
        services:
          web: {image: "shop:1", env_file: [settings/web.env]}
          store: {image: "mariadb:12", env_file: [settings/store.env]}
        === settings/web.env
        PORT=80
    """),
    tree("""
        === trials/loki/compose.yml
        include: [../base-compose.yml]
        === trials/base.yml
        services: {store: {image: "store:1"}}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            env_file: [.env, {path: more.env, required: false}]
            volumes: ["./nginx/site.conf:/etc/nginx/conf.d/default.conf:ro", "./data:/data", "${X:-./n.conf}:/x.conf"]
        secrets:
          token: {file: ./secrets/token.txt}
        === nginx/site.conf
    """),
    tree("""
        === compose.yaml
        services:
          web: {image: "shop:1", env_file: [web.env, .env.local, mail.env, queue.env, key-secret.env]}
        === web.env
        PORT=80
        === mail.env.example
        PASSWORD=
        === README.md
        Create `queue.env` with the address of the queue.
    """),
    tree("""
        === compose.yaml
        services:
          web: {image: "shop:1", env_file: web.env}
    """),
]

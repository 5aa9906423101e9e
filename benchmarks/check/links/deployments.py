"""What workflows, containers, environments and charts name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from benchmarks.check.links.joining import (
    PYTHON,
    At,
    Finder,
    Link,
    Named,
    children,
    dockerfiles,
    joined,
    named,
    run,
    same_file,
)
from benchmarks.check.trees import COMPOSE, WORKFLOW, YAML, Line, Tree, is_page

# --- pipelines --------------------------------------------------------------------------------------------------------


def _jobs(tree: Tree) -> Iterator[Link]:
    jobs = list(children(tree, WORKFLOW, "jobs"))
    lines = run(tree, WORKFLOW)
    needs = [line for line in lines if re.match(r"\s+needs:", line.text)]
    words = ((name, at) for name, at in named(re.compile(r"([\w-]+)(?=[\s,\]]|$)"), needs) if name != "needs")
    yield from joined("job", jobs, words, same_file)
    yield from joined("job", jobs, named(re.compile(r"\bneeds\.([\w-]+)\."), lines), same_file)
    steps = named(re.compile(r"^\s+(?:- )?id: *([\w-]+)"), lines)
    yield from joined("step", steps, named(re.compile(r"\bsteps\.([\w-]+)\."), lines), same_file)


def _pipeline_values(tree: Tree) -> Iterator[Link]:
    lines = run(tree, WORKFLOW)
    keys = list(named(re.compile(r"^\s+(?:- )?([\w-]+)(?=:)"), lines))
    for kind, pattern in (("matrix value", r"\bmatrix\.([\w-]+)"), ("input", r"\binputs\.([\w-]+)")):
        yield from joined(kind, keys, named(re.compile(pattern), lines), same_file)
    handed_on = named(re.compile(r"^\s+([\w-]+)(?=: *[\"']?\$\{\{ *(?:steps|needs|jobs)\.)"), lines)
    outputs = [*handed_on, *named(re.compile(r"([\w-]+)(?==.*GITHUB_OUTPUT)"), lines)]
    yield from joined("output", outputs, named(re.compile(r"\.outputs\.([\w-]+)"), lines), same_file)
    shown = [*keys, *named(re.compile(r"(\w+)(?==.*GITHUB_ENV)"), lines)]
    yield from joined("workflow variable", shown, named(re.compile(r"\$\{\{ *env\.(\w+)"), lines), same_file)


_ARTIFACT = re.compile(r"^\s+name: *[\"']?([\w.-]+)[\"']?$")


def _artifacts(tree: Tree) -> Iterator[Link]:
    made: list[Named] = []
    asked: list[Named] = []
    step = ""
    for line in run(tree, WORKFLOW):
        if uses := re.search(r"uses: *actions/(upload|download)-artifact", line.text):
            step = uses[1]
        elif re.match(r"\s+- ", line.text):
            step = ""
        elif step:
            (made if step == "upload" else asked).extend(named(_ARTIFACT, [line]))
    yield from joined("artifact", made, asked, same_file)


# --- containers -------------------------------------------------------------------------------------------------------


def _stages(tree: Tree) -> Iterator[Link]:
    lines = dockerfiles(tree)
    stages = list(named(re.compile(r"^FROM .* [Aa][Ss] +([\w.-]+)"), lines))
    uses = [
        *named(re.compile(r"--from=([\w.-]+)(?= )"), lines),
        *named(re.compile(r"^FROM (?:--\S+ )?([\w.-]+)(?= |$)"), lines),
    ]
    yield from joined("stage", stages, uses, same_file)
    outside = [
        *named(re.compile(r"--target[ =]([\w.-]+)"), tree.run),
        *named(re.compile(r"^\s+target: *([\w.-]+)$"), run(tree, COMPOSE)),
    ]
    yield from joined("stage", stages, outside)


def _arguments(tree: Tree) -> Iterator[Link]:
    lines = dockerfiles(tree)
    defined = list(named(re.compile(r"^(?:ARG|ENV) +([A-Za-z_]\w*)"), lines))
    yield from joined("build argument", defined, named(re.compile(r"\$\{?([A-Za-z_]\w*)\b"), lines), same_file)


_TEMPLATE = re.compile(r"(^|/)templates/.*\.(ya?ml|tpl)$")
_DOCKER_COMPOSE = re.compile(
    r"\bdocker[- ]compose(?: -\w+ \S+| --\S+)* (?:up|exec|run|logs|build|restart|start|stop|pull)"
    r"(?: -\w+| --\S+)* ([a-z][\w-]*)(?=$|\s)"
)


def _services(tree: Tree) -> Iterator[Link]:
    services = list(children(tree, COMPOSE, "services"))
    lines = run(tree, COMPOSE)
    waiting: list[Named] = []
    indent = -1
    for line in lines:
        deep = len(line.text) - len(line.text.lstrip())
        if re.match(r"\s+depends_on:", line.text):
            indent = deep
            waiting += ((n, a) for n, a in named(re.compile(r"([\w-]+)(?=[,\]\s]|$)"), [line]) if n != "depends_on")
        elif indent >= 0 and deep > indent:
            waiting += named(
                re.compile(rf"^\s{{{indent + 1},{indent + 4}}}(?:- )?[\"']?([\w-]+)[\"']?(?=:? *$)"), [line]
            )
        elif not line.text.lstrip().startswith("- "):
            indent = -1
    yield from joined("compose service", services, waiting, same_file)
    yield from joined("compose service", services, named(_DOCKER_COMPOSE, tree.run))


def _shared_of_compose(tree: Tree) -> Iterator[Link]:
    lines = run(tree, COMPOSE)
    volumes = list(children(tree, COMPOSE, "volumes"))
    yield from joined("compose volume", volumes, named(re.compile(r"^\s+- [\"']?([\w-]+)(?=:/)"), lines), same_file)
    networks = list(children(tree, COMPOSE, "networks", "secrets", "configs"))
    yield from joined("compose network", networks, named(re.compile(r"^\s+- ([\w-]+)$"), lines), same_file)


def _hosts(tree: Tree) -> Iterator[Link]:
    services = list(children(tree, COMPOSE, "services"))
    host = re.compile(r"(?://|@)([a-z][\w-]*)(?=:\d{2,5})|_HOST(?:NAME)?[\"']?[=:] *[\"']?([a-z][\w-]*)(?=[\"']?\s*$)")
    lines = [
        *run(tree, COMPOSE),
        *tree.lines(re.compile(r"(^|/)(\.?env[^/]*|[^/]*\.(conf|env))$|prometheus[^/]*\.ya?ml$")),
    ]
    yield from joined("host", services, ((n, a) for n, a in named(host, lines) if n != "localhost"))


_LISTENS = re.compile(
    r"(?:--port[ =]|-p |--bind[ =][\w.]+:|-b [\w.]+:|EXPOSE |port=|PORT[=:] ?|containerPort: |targetPort: |listen\("
    r"|\b\d+:)[\"']?(\d{4,5})\b"
)
_MAPPED = re.compile(r"[\"' :](\d{4,5})(?=:\d{2,5})")
_ASKED = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|//[a-z][\w-]*):(\d{4,5})\b")


def _ports(tree: Tree) -> Iterator[Link]:
    sources = [line for line in tree.lines(PYTHON) if "test" not in line.path]
    built = [line for line in tree.run if not is_page(line.path)]
    defined = [*named(_LISTENS, [*built, *sources]), *named(_MAPPED, built)]
    yield from joined("port", defined, named(_ASKED, tree.run))


_BUILT = re.compile(r"(?:docker|podman|buildx|nerdctl) (?:buildx )?build.*? (?:-t|--tag)[ =]([\w./:-]+)")
_STARTED = re.compile(
    r"(?:docker|podman|nerdctl) (?:run|push|save|tag|scout cves)(?: -\S+(?: [\w:./=]+(?= ))?)* ([a-z][\w./:-]*)(?=$|\s)"
    r"|load docker-image ([\w./:-]+)"
)


def _images(tree: Tree) -> Iterator[Link]:
    built = list(named(_BUILT, tree.run))
    yield from joined(
        "image",
        built,
        [*named(_STARTED, tree.run), *named(re.compile(r"^\s+image: *([\w./:-]+)$"), run(tree, YAML))],
    )


# --- environment ------------------------------------------------------------------------------------------------------


def _variables(tree: Tree) -> Iterator[Link]:
    needed = named(
        re.compile(r"""os\.environ\[["'](\w+)["']\](?! *=[^=])"""),
        (line for line in tree.lines(PYTHON) if "test" not in line.path),
    )
    given = re.compile(r"^\s*(?:- |ENV |export )?[\"']?([A-Z][A-Z0-9_]{2,})[\"']?(?=[=:])|^ENV ([A-Z]\w+)(?= )")
    files = re.compile(r"(^|/)\.env(\.\w+)?$")
    defined = list(named(given, [*run(tree, COMPOSE), *dockerfiles(tree), *tree.lines(files)]))
    yield from joined("variable", defined, needed)
    filled = named(re.compile(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]+)(?:\}|\b(?![:-]))(?!:)"), run(tree, COMPOSE))
    yield from joined("variable", list(named(given, tree.lines(files))), filled)


# --- charts and manifests ---------------------------------------------------------------------------------------------


def _chart(path: str) -> str:
    return path.split("/templates/")[0] if "/templates/" in path else str(PurePosixPath(path).parent)


def _chart_values(tree: Tree) -> Iterator[Link]:
    defined: list[Named] = []
    for path in tree.by_name.get("values.yaml", []):
        above: list[tuple[int, str]] = []
        for number, text in enumerate(tree.texts.get(path, []), 1):
            if key := re.match(r"( *)([A-Za-z_]\w*):", text):
                above = [each for each in above if each[0] < len(key[1])]
                above.append((len(key[1]), key[2]))
                defined.append((".".join(name for _, name in above), At(path, number, *key.span(2))))
    lines = [
        line for line in tree.lines(_TEMPLATE) if not re.search(r"\b(default|if|with|hasKey|dig|coalesce)\b", line.text)
    ]
    uses = named(re.compile(r"\.Values\.([\w.]+)"), lines)
    for link in joined("chart value", defined, uses, lambda at: _chart(at.path)):
        at, last = link.use, link.name.rpartition(".")[2]
        yield Link(link.kind, last, At(at.path, at.line, at.end - len(last), at.end), link.definitions)


def _chart_templates(tree: Tree) -> Iterator[Link]:
    defined = named(re.compile(r"define \"([\w.-]+)\""), tree.lines(_TEMPLATE))
    uses = named(re.compile(r"(?:include|template) \"([\w.-]+)\""), tree.lines(_TEMPLATE))
    yield from joined("chart template", defined, uses, lambda at: _chart(at.path))


_REFERENCES = re.compile(
    r"\b(configMapRef|secretRef|configMapKeyRef|secretKeyRef|scaleTargetRef|roleRef|configMap|service):\s*$"
)


def _objects(tree: Tree) -> Iterator[Link]:
    defined: list[Named] = []
    uses: list[Named] = []
    manifests = {line.path for line in tree.lines(YAML) if re.match(r"apiVersion: ", line.text)}
    before = Line("", 0, "")
    for line in tree.lines(YAML):
        if line.path in manifests and not line.text.lstrip().startswith("#"):
            names = list(named(re.compile(r"^\s+name: *([a-z][\w.-]*)\s*$"), [line]))
            if re.match(r"metadata:\s*$", before.text):
                defined += names
            elif _REFERENCES.search(before.text):
                uses += names
            uses += named(re.compile(r"(?:claimName|serviceAccountName|secretName): *([a-z][\w.-]*)\s*$"), [line])
        before = line
    yield from joined("object", defined, uses)


FINDERS: tuple[Finder, ...] = (
    _jobs,
    _pipeline_values,
    _artifacts,
    _stages,
    _arguments,
    _services,
    _shared_of_compose,
    _hosts,
    _ports,
    _images,
    _variables,
    _chart_values,
    _chart_templates,
    _objects,
)

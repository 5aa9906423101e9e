"""A service that is started with a command of the project that it no longer brings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, Caller, Program
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.packaging import PROJECT_FILES, PythonProject, normal_name
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word

RULE = Rule(
    id="missing-command",
    title="a service is started with a command that the project does not bring",
    severity=Severity.HIGH,
    why='the container ends at once with "executable file not found"',
    fix="correct the name, or add the command to the project's entry points",
    family="targets",
)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_STARTING = (Caller.START, Caller.COMPOSE, Caller.KUBERNETES)
_NEAR = 0.7


def check(context: Context) -> Iterable[Finding]:
    for call in context.begun:
        if isinstance(call.target, Program) and call.site.caller in _STARTING and call.site.inside is None:
            yield from _missing(context, call, call.target)
    yield from _called_otherwise(context)


# --- commands that are typed ------------------------------------------------------------------------------------------


def _called_otherwise(context: Context) -> Iterator[Finding]:
    """Calls of a command that the project had under another name before, or has under nearly that name."""
    if not (lost := _lost(context)) and not context.entries.names:
        return
    calls: dict[str, list[Call]] = {}
    for call in context.typed:
        said = _called(call) if call.site.inside is None else None
        if said is not None and _NAME.fullmatch(said.value):
            calls.setdefault(said.value, []).append(call)
    for name, made in calls.items():
        if name in context.entries or context.entries.script(name) or name in context.repository.by_name:
            continue
        if normal_name(name) in context.modules.projects.needs:
            continue
        near = next((each for each in sorted(context.entries.names & calls.keys()) if is_slip(name, each)), "")
        if not near and all(_is_by_path(call) for call in made):
            near = next((each for each in sorted(context.entries.names) if each.startswith(f"{name}-")), "")
        if name not in lost and (len(near) < _SHORTEST or len(made) > 1):
            continue
        for call in {each.site.path: each for each in reversed(made)}.values():
            word = _called(call)
            severity, blocks = consequence(call.site)
            since = f"`{lost[name]}` brings no command `{name}` since {context.changes.since}" if name in lost else ""
            yield RULE.found(
                since or f"no project here brings a command `{name}`",
                Involved(Place(call.site.path, word.line, word.column) if word else call.place, "call"),
                *((Involved(Place(lost[name]), "declaration"),) if name in lost else ()),
                anchor=f"{name} from {call.site.owner}",
                severity=severity,
                confidence=Confidence.LIKELY,
                fix=RULE.fix + (f": there is `{near}`" if near else ""),
                blocks=blocks,
            )


_INSTALLED = re.compile(r"(?:[~/]\S*)?/(?:bin|Scripts)/([\w.-]+-[\w.-]+)")
"""A command of several words where commands are installed, on whoever's machine."""


def _called(call: Call) -> Word | None:
    """The name of the command that a call makes, by itself or where commands are installed."""
    if not isinstance(call.target, Program):
        return None
    name = call.target.name
    found = _INSTALLED.fullmatch(name.value)
    return replace(name, value=found[1]) if found else name


def _is_by_path(call: Call) -> bool:
    return isinstance(call.target, Program) and _INSTALLED.fullmatch(call.target.name.value) is not None


_SHORTEST = 5
"""Shorter names are alike by chance."""


def _lost(context: Context) -> dict[str, str]:
    """Command that a project had before the last commits, and that none has now -> the file that named it."""
    found: dict[str, str] = {}
    for path, (texts, _) in context.changes.changed.items():
        name = posixpath.basename(path)
        if name in PROJECT_FILES:
            for text in texts:
                points = PythonProject(posixpath.dirname(path), {name: text}).entry_points
                found |= {each.name: path for each in points if each.is_command and each.name not in context.entries}
    return found


# --- commands that images start ---------------------------------------------------------------------------------------


def _missing(context: Context, call: Call, target: Program) -> Iterator[Finding]:
    name = target.name.value
    if not _NAME.fullmatch(name) or name in context.entries or context.entries.script(name):
        return
    for project in context.modules.projects.by_directory.values():
        whole = normal_name(name) == normal_name(project.name)
        commands = [each for each in project.entry_points if each.is_command]
        points = [each for each in commands if whole or _is_of(project, each.name) or _begin_alike(each.name, name)]
        near = get_close_matches(name, [each.name for each in points], n=1, cutoff=_NEAR)
        alone = len(points) < 2 and not whole
        ours = _is_of(project, name) or (bool(near) and _begin_alike(near[0], name))
        if alone or not near or not ours or not _holds(context, call, project, name):
            continue
        (there,) = (each for each in points if each.name == near[0])
        severity, blocks = consequence(call.site)
        yield RULE.found(
            f"the project `{project.name}` brings no command `{name}`",
            Involved(Place(call.site.path, target.name.line, target.name.column), "call"),
            Involved(there.place, "callee"),
            anchor=f"{name} from {call.site.owner}",
            severity=severity,
            confidence=Confidence.LIKELY,
            fix=f"{RULE.fix}: there is `{near[0]}`",
            blocks=blocks,
        )
        return


def _is_of(project: PythonProject, name: str) -> bool:
    """Whether a command begins with the name of its project."""
    own = normal_name(project.name)
    return own != "" and f"{normal_name(name)}_".startswith(f"{own}_")


def _begin_alike(one: str, other: str) -> bool:
    """Whether commands have their first word in common, and are of several: `shop-server`, `shop-serve`."""
    first = re.split(r"[-_]", one)[0]
    return len(first) > 3 and first == re.split(r"[-_]", other)[0] and first != other


def _holds(context: Context, call: Call, project: PythonProject, name: str) -> bool:
    """Whether the call is made in images into which the project, and nothing else of that name, is put."""
    named = {path for ending in ("", ".sh", ".py") for path in context.repository.by_name.get(name + ending, ())}
    files = [view.files for view in context.filesystems(call.site)]
    sources = [posixpath.join(project.directory, each) for each in ("pyproject.toml", "setup.py", "setup.cfg")]
    sources = [each for each in sources if context.repository.is_file(each)]
    put = any(each.ships(source) for each in files for source in sources) or _is_built_in(context, call)
    return not named and bool(files) and put and not any(each.has_program(name) for each in files)


_TAKES = re.compile(r"(?m)^\s*COPY\s+(?!--from)[^\n]*(?:\bpyproject\.toml|\bsetup\.py|\s\.\s)")
_INSTALLS = re.compile(r"\b(?:uv\s+sync|poetry\s+install)\b|\bpip3?\s+(?:install|wheel)\b[^\n]*\s[\"']?\.")


def _is_built_in(context: Context, call: Call) -> bool:
    """Whether a stage of the same Dockerfile installs the project that lies beside it, and hands on what it made."""
    text = context.repository.text(call.site.path) if call.site.path in context.dockerfiles else ""
    return bool(_TAKES.search(text) and _INSTALLS.search(text) and re.search(r"(?m)^\s*COPY\s+--from", text))


_STAGED = """
    === Dockerfile
    FROM python:3.13 AS builder
    WORKDIR /app
    COPY pyproject.toml uv.lock* ./
    COPY shop ./shop
    RUN uv sync --frozen
    FROM python:3.13-slim
    COPY --from=builder /app/.venv /app/.venv
    ENV PATH="/app/.venv/bin:$PATH"
    ENTRYPOINT ["%s"]
    === pyproject.toml
    [project]
    name = "shop"
    [project.scripts]
    %s = "shop:main"
    === shop/__init__.py
    def main(): pass
"""
_TYPED = """
    === pyproject.toml
    [project]
    name = "shopper"
    [project.scripts]
    %s = "shopper:main"
    === shopper/__init__.py
    def main(): pass
    === run.sh
    #!/bin/sh
    shopper list
    === more.sh
    #!/bin/sh
    %s check
"""
_CLIENT = """
    === pyproject.toml
    [project]
    name = "shop-mcp-server"
    [project.scripts]
    shop-mcp-server = "shop:main"
    === shop/__init__.py
    def main(): pass
    === README.md
    ```json
    {"mcpServers": {"shop": {"command": "%s", "args": []}}}
    ```
"""
BAD = [
    tree(_CLIENT % "/home/YOU/.local/bin/shop-mcp"),
    tree(_TYPED % ("shopper", "shpoper")),
    tree(
        _TYPED % ("shopctl", "shopper")
        + """
    === pyproject.toml (before)
    [project]
    name = "shopper"
    [project.scripts]
    shopper = "shopper:main"
    """
    ),
    tree(_STAGED % ("shop", "shopd")),
    tree("""
        === compose.yaml
        services:
          worker: {build: ., command: shop-worker}
          listener: {build: ., command: "shop-listener --all"}
        === Dockerfile
        FROM debian:13
        COPY . /src
        RUN apt-get update && apt-get install -y python3-pip && cd /src && pip install .
        === setup.py
        from setuptools import setup
        setup(name="shop", entry_points={"console_scripts": [
            "shop=shop.run:main", "shop-worker=shop.run:work", "shop-ci-listener=shop.run:listen"]})
        === shop/__init__.py
        === shop/run.py
        def main(): pass
        def work(): pass
        def listen(): pass
    """),
    *(
        tree(
            f"""
        === Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY pyproject.toml ./
        COPY till_desk ./till_desk
        RUN pip install .
        CMD ["till-desk-serve", "--port", "80"]
        === pyproject.toml
        [project]
        name = "{name}"
        version = "1"
        [project.scripts]
        till-desk-server = "till_desk:main"
        till-desk-admin = "till_desk:admin"
        === till_desk/__init__.py
        def main(): pass
        def admin(): pass
    """
        )
        for name in ("till-desk", "cash")
    ),
]
GOOD = [
    *(
        tree(_CLIENT % each)
        for each in ("/opt/bin/shop-mcp-server", "/usr/local/bin/shop", "shop-mcp", "/bin/mcp-server")
    ),
    tree(_TYPED % ("shopper", "shopping")),
    tree(_TYPED % ("shopper", "other")),
    tree(_STAGED % ("shop", "shop")),
    tree(_STAGED % ("shop", "other")),
    tree("""
        === compose.yaml
        services:
          worker: {build: ., command: shop-worker}
          other: {image: "example.com/shop-tools:1.0", command: shop-works}
          made: {build: ., command: shop-runner}
          far: {build: ., command: shop-xyz}
        === Dockerfile
        FROM debian:13
        COPY . /src
        COPY bin/run /usr/local/bin/shop-runner
        RUN apt-get update && apt-get install -y python3-pip && cd /src && pip install .
        === bin/run
        === setup.py
        from setuptools import setup
        setup(name="shop", entry_points={"console_scripts": [
            "shop=shop.run:main", "shop-worker=shop.run:work", "shop-ci-run=shop.run:listen"]})
        === shop/__init__.py
        === shop/run.py
        def main(): pass
        def work(): pass
        def listen(): pass
    """),
]

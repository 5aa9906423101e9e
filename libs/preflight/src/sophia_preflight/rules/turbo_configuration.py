"""`turbo.json`: what the installed Turborepo refuses, tasks that are not there, acts that come from a cache."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Program
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers import json
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.standing import consequence, limited

RULE = Rule(
    id="turbo-configuration",
    title="Turborepo refuses its configuration, or leaves out what it should do",
    severity=Severity.HIGH,
    why="`turbo run` ends with an error before any task begins",
    fix="write it as the installed version has it",
    family="clusters",
)
_ACT = re.compile(r"(^|[:#/_-])(deploy|release|publish|migrate|rollout|push|provision|destroy)([:_-]|$)")
_PROJECT = re.compile(r"^name\s*=\s*[\"']([\w.-]+)", re.MULTILINE)
_ONLY_LOOKS = re.compile(r"(dry|check|plan|preview|verify|build|prepare|test|lint|generate)", re.IGNORECASE)


def check(context: Context) -> Iterable[Finding]:
    files = {
        path: json.parse(context.repository.text(path), comments=True)
        for name in ("turbo.json", "turbo.jsonc")
        for path in context.repository.by_name.get(name, ())
    }
    for path, made in files.items():
        yield from _faults(path, made)
        if made.root.is_map:
            major = _major(context, path)
            yield from _version(path, made.root, major)
            yield from _dependencies(context, files, path, made.root)
            yield from _acts(context, path, made.root)
    yield from _run(context, files)


def _faults(path: str, made: Documents) -> Iterator[Finding]:
    for fault in made.faults:
        if fault.kind == "syntax":
            yield _found(
                path, Place(path, fault.line, fault.column), f"`{path}` does not parse: {fault.message}", "syntax"
            )


def _tasks(root: Node) -> Node:
    return root["tasks"] or root["pipeline"]


def _major(context: Context, path: str) -> int | None:
    """The major version of turbo that the package.json here, or above, asks for; None where none does."""
    directory = posixpath.dirname(path)
    while True:
        package = context.packages.get(posixpath.join(directory, "package.json"))
        if package is not None:
            for key in ("devDependencies", "dependencies"):
                text = package.documents.root[key]["turbo"].text
                if text in ("latest", "*", "canary", "next"):
                    return 2
                if found := re.match(r"[\^~>=v ]*(\d+)", text):
                    return int(found[1])
        if not directory:
            return None
        directory = posixpath.dirname(directory)


def _version(path: str, root: Node, major: int | None) -> Iterator[Finding]:
    if "pipeline" in root and (major or 2) >= 2:
        yield _found(
            path,
            root.key("pipeline").place(path),
            "`pipeline` is called `tasks` since Turborepo 2, which refuses it",
            "pipeline",
            confidence=Confidence.CERTAIN if major else Confidence.LIKELY,
            fix="rename `pipeline` to `tasks`",
        )
    if "tasks" in root and "pipeline" not in root and major == 1:
        yield _found(
            path, root.key("tasks").place(path), "Turborepo 1 calls `tasks` `pipeline`, and refuses this", "tasks",
            fix="rename `tasks` to `pipeline`, or install Turborepo 2",
        )  # fmt: skip
    if (major or 0) >= 2:
        for name, task in _tasks(root).items():
            for old, new in (("outputMode", "outputLogs"), ("dotEnv", "inputs")):
                if old in task:
                    said = f"`{old}` of the task `{name}` was replaced by `{new}` in Turborepo 2"
                    yield _found(path, task.key(old).place(path), said, f"{old} {name}", fix=f"use `{new}`")


def _dependencies(context: Context, files: dict[str, Documents], path: str, root: Node) -> Iterator[Finding]:
    tasks = _tasks(root)
    if not tasks.is_map:
        return
    known = {name for made in files.values() for name, _ in _tasks(made.root).items()}
    names = known | {name.rpartition("#")[2] for name in known}
    packages = {each.documents.root["name"].text for each in context.packages.values()} | {"//", ""}
    if "futureFlags" in root:  # members of other languages have names of their own
        projects = (context.repository.text(each) for each in context.repository.by_name.get("pyproject.toml", ()))
        packages |= {found[1] for text in projects if (found := _PROJECT.search(text))}
    for name, task in tasks.items():
        for each in task["dependsOn"].elements():
            text = each.text.removeprefix("^")
            if not text or text.startswith("$") or "{" in text or text in known:
                continue
            package, mark, inner = text.rpartition("#")
            if mark and package in packages and inner in names:
                continue
            if not mark and text in names:
                continue
            what = f"the package `{package}`" if mark and package not in packages else f"the task `{inner or text}`"
            near = get_close_matches(inner or text, sorted(names), n=1)
            yield _found(
                path,
                each.place(path),
                f"`{name}` depends on `{each.text}`, and {what} is not there",
                f"{name} on {each.text}",
                confidence=Confidence.LIKELY if "extends" in root else Confidence.CERTAIN,
                fix="correct the name, or define the task" + (f": there is `{near[0]}`" if near else ""),
            )


def _run(context: Context, files: dict[str, Documents]) -> Iterator[Finding]:
    """Tasks that `turbo run` is asked for: Turborepo 2 refuses those that no configuration has."""
    if not files or any("extends" in made.root and len(files) == 1 for made in files.values()):
        return
    path = min(files, key=len)
    known = {name.rpartition("#")[2] for made in files.values() for name, _ in _tasks(made.root).items()}
    if not known or (_major(context, path) or 2) < 2 or any("$" in name for name in known):
        return
    for call in context.calls:
        if not isinstance(call.target, Program) or call.target.name.value != "turbo":
            continue
        words = list(call.target.arguments)
        if not words or words[0].value != "run":
            continue
        for word in words[1:]:
            if not word.known or word.value.startswith("-"):
                break
            name = word.value.rpartition("#")[2]
            if name not in known:
                severity, blocks = consequence(call.site)
                near = get_close_matches(name, sorted(known), n=1)
                yield RULE.found(
                    f"`{path}` has no task `{name}`",
                    Involved(Place(call.site.path, word.line, word.column), "call"),
                    Involved(_tasks(files[path].root).place(path), "callee"),
                    anchor=f"{name} from {call.site.owner}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix="correct the name, or define the task" + (f": there is `{near[0]}`" if near else ""),
                    blocks=blocks,
                )


def _acts(context: Context, path: str, root: Node) -> Iterator[Finding]:
    for name, task in _tasks(root).items():
        if not _ACT.search(name) or _ONLY_LOOKS.search(name) or not task.is_map:
            continue
        if task["cache"].value is False or task["persistent"].value is True or "extends" in root:
            continue
        inner = name.rpartition("#")[2]
        scripts = [
            Involved(each.documents.root["scripts"].key(inner).place(file), "script")
            for file, each in context.packages.items()
            if inner in each.scripts and not re.match(r"turbo\b", each.documents.root["scripts"][inner].text)
        ]
        if not scripts and not task["command"]:
            continue
        yield RULE.found(
            f"`{name}` comes from the cache when nothing changed: then it is not done",
            Involved(_key(root, name, path), "task"),
            *scripts[:3],
            anchor=f"cached {name}",
            severity=limited(Severity.HIGH, path),
            confidence=Confidence.LIKELY,
            why="turbo replays the log of the last time and ends well, and nothing is deployed",
            fix='set `"cache": false` for it',
            blocks=f"`turbo run {inner}`",
        )


def _key(root: Node, name: str, path: str) -> Place:
    return _tasks(root).key(name).place(path)


def _found(
    path: str,
    place: Place,
    message: str,
    anchor: str,
    *,
    confidence: Confidence = Confidence.CERTAIN,
    fix: str | None = None,
) -> Finding:
    return RULE.found(
        message,
        place,
        anchor=anchor,
        severity=limited(Severity.HIGH, path),
        confidence=confidence,
        fix=fix,
        blocks=f"`turbo run` with `{path}`",
    )


BAD = [
    tree("""
        === package.json
        {"name": "root", "scripts": {"ship": "turbo run ship --filter=web"}, "devDependencies": {"turbo": "^2.3.0"}}
        === turbo.json
        {"tasks": {"build": {}}}
    """),
    tree("""
        === package.json
        {"name": "shop", "devDependencies": {"turbo": "^2.5.0"}}
        === turbo.json
        {"pipeline": {"build": {"dependsOn": ["^build"]}}}
    """),
    tree("""
        === package.json
        {"name": "shop", "devDependencies": {"turbo": "^2.5.0"}}
        === turbo.json
        {"tasks": {"build": {"dependsOn": ["^build", "codegen"]}, "code-gen": {}}}
    """),
    tree("""
        === package.json
        {"name": "shop", "scripts": {"deploy": "wrangler deploy"}, "devDependencies": {"turbo": "^2.5.0"}}
        === turbo.json
        {"tasks": {"build": {}, "deploy": {"dependsOn": ["build"]}}}
    """),
]
GOOD = [
    tree("""
        === package.json
        {"name": "shop", "scripts": {"deploy": "wrangler deploy"}, "devDependencies": {"turbo": "^2.5.0"}}
        === turbo.json
        {
          // what is built
          "tasks": {
            "build": {"dependsOn": ["^build", "//#codegen"]},
            "//#codegen": {},
            "deploy": {"dependsOn": ["build"], "cache": false},
          },
        }
    """),
    tree("""
        === package.json
        {"name": "shop", "devDependencies": {"turbo": "1.13.4"}}
        === turbo.json
        {"pipeline": {"build": {"dependsOn": ["^build", "$CI"]}}}
    """),
]

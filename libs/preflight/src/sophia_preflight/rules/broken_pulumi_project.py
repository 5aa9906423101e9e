"""Pulumi projects whose program, settings or stacks do not fit together."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import limited
from sophia_preflight.text import named

RULE = Rule(
    id="broken-pulumi-project",
    title="a Pulumi project cannot be run",
    severity=Severity.CRITICAL,
    why="`pulumi up` ends with an error before it changes anything",
    fix="correct the project file, or add what it names",
    family="clusters",
)
_RUNTIMES = named("nodejs python go dotnet java yaml bun hcl")
_PROGRAMS = {"python": ("__main__.py",), "nodejs": ("package.json", "index.ts", "index.js"), "bun": ("package.json",)}
_STACK_KEYS = named("secretsprovider encryptedkey encryptionsalt config environment")


def check(context: Context) -> Iterable[Finding]:
    for path, documents in context.documents.items():
        name = posixpath.basename(path)
        if name in ("Pulumi.yaml", "Pulumi.yml") and documents.root.is_map:
            yield from _project(context, path, documents.root)
        elif re.fullmatch(r"Pulumi\.[\w.-]+\.ya?ml", name) and documents.root.is_map:
            for key in documents.root.keys:
                if key not in _STACK_KEYS:
                    said = f"`{key}` is no setting of a stack"
                    place = documents.root.key(key).place(path)
                    yield _found(path, place, said, key, severity=Severity.MEDIUM, fix="put it under `config`")


def _project(context: Context, path: str, root: Node) -> Iterator[Finding]:
    runtime = root["runtime"]["name"] if root["runtime"].is_map else root["runtime"]
    for key in ("name", "runtime"):
        if not root[key]:
            yield _found(path, Place(path), f"the project lacks `{key}`", f"no {key}")
    if runtime.text and runtime.text not in _RUNTIMES:
        yield _found(
            path, runtime.place(path), f"there is no runtime `{runtime.text}`", "runtime", confidence=Confidence.LIKELY
        )
    directory = posixpath.dirname(path)
    main = root["main"].text
    if "$" in main or "{" in main:
        return
    program = posixpath.normpath(posixpath.join(directory, main)) if main else directory
    repository = context.repository
    if main and not repository.exists(program):
        yield _found(path, root["main"].place(path), f"`main` names `{main}`, and there is no `{program}`", "main")
        return
    wanted = _PROGRAMS.get(runtime.text, ())
    if wanted and not repository.is_file(program):
        there = [each for each in wanted if repository.is_file(posixpath.normpath(posixpath.join(program, each)))]
        outer = [each for each in wanted[:1] if repository.is_file(posixpath.normpath(posixpath.join(directory, each)))]
        if not there and not (runtime.text != "python" and outer):
            said = f"there is no `{wanted[0]}` in `{program or '.'}`"
            yield _found(path, runtime.place(path), said, "program")
    yield from _settings(context, path, root)


def _settings(context: Context, path: str, root: Node) -> Iterator[Finding]:
    """Settings that the project requires, and that a stack beside it does not have."""
    directory, project = posixpath.dirname(path), root["name"].text
    required = {
        name: value
        for name, value in root["config"].items()
        if value.is_map and "type" in value and "default" not in value and "value" not in value and ":" not in name
    }
    for other, documents in context.documents.items():
        name = posixpath.basename(other)
        if posixpath.dirname(other) != directory or not re.fullmatch(r"Pulumi\.[\w.-]+\.ya?ml", name):
            continue
        known = {key.removeprefix(f"{project}:") for key in documents.root["config"].keys}
        if documents.root["environment"]:
            continue
        for key in required.keys() - known:
            yield _found(
                path,
                documents.root.key("config").place(other),
                f"the stack `{name.split('.')[1]}` lacks `{key}`, which the project requires",
                f"{key} of {name}",
                fix=f"`pulumi config set {key} VALUE --stack {name.split('.')[1]}`, or give it a default",
                also=[Involved(root["config"].key(key).place(path), "declaration")],
            )


def _found(
    path: str,
    place: Place,
    message: str,
    anchor: str,
    *,
    fix: str | None = None,
    severity: Severity = Severity.CRITICAL,
    confidence: Confidence = Confidence.CERTAIN,
    also: Iterable[Involved] = (),
) -> Finding:
    return RULE.found(
        message,
        place,
        *also,
        anchor=anchor,
        severity=limited(severity, path),
        confidence=confidence,
        fix=fix,
        blocks=f"`pulumi up` of `{posixpath.dirname(path) or '.'}`",
    )


BAD = [
    tree("""
        === infra/Pulumi.yaml
        name: infra
        runtime: python
        === infra/main.py
        print("nothing")
    """),
    tree("""
        === infra/Pulumi.yaml
        name: infra
        runtime: python
        config:
          region: {type: string}
          size: {type: integer, default: 1}
        === infra/Pulumi.production.yaml
        config:
          infra:size: 3
        === infra/__main__.py
        import pulumi
    """),
]
GOOD = [
    tree("""
        === infra/Pulumi.yaml
        name: infra
        runtime: {name: python, options: {virtualenv: venv}}
        config:
          region: {type: string}
        === infra/Pulumi.production.yaml
        config:
          infra:region: eu-central-1
        === infra/__main__.py
        import pulumi
    """),
]

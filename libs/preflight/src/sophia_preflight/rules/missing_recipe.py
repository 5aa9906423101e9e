"""`just`, `task`, `nox -s`, `mise run`: a recipe, task or session that the runner's file does not have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, Caller, Recipe, System
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.recipes import Offer
from sophia_preflight.standing import consequence

RULE = Rule(
    id="missing-recipe",
    title="a recipe is run that the task runner does not have",
    severity=Severity.HIGH,
    why="the runner ends with an error before it does anything: it knows no such recipe, task or session",
    fix="correct the name, or add the recipe",
    family="targets",
)
_KINDS = {"just": "recipe", "task": "task", "nox": "session", "mise": "task"}


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if isinstance(call.target, Recipe) and call.site.system is System.REPOSITORY:
            yield from _missing(context, call, call.target)


def _missing(context: Context, call: Call, target: Recipe) -> Iterator[Finding]:
    name, runner = target.name.value, target.runner
    found: list[tuple[str, Offer]] = []
    for path in _files(context, call, target):
        offer = context.recipes.offer(runner, path)
        if offer.open or offer.has(name):
            return
        found.append((path, offer))
    if not found or _is_told_elsewhere(context, call, target, [path for path, _ in found]):
        return
    path, offer = found[0]
    near = get_close_matches(name, sorted(each for each in offer.names if "*" not in each), n=1)
    severity, blocks = consequence(call.site)
    yield RULE.found(
        f"`{path}` has no {_KINDS[runner]} `{name}`",
        Involved(Place(call.site.path, target.name.line, target.name.column), "call"),
        Involved(Place(path), "callee"),
        anchor=f"{name} of {runner} from {call.site.owner}",
        severity=severity,
        confidence=Confidence.LIKELY,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


def _files(context: Context, call: Call, target: Recipe) -> Iterator[str]:
    """The file that the runner reads, for each directory that the caller may be in."""
    if target.file is not None:
        location = context.path_of(target.file, call)
        if location.found:
            yield location.path
        return
    seen: set[str] = set()
    for base in context.finder.bases(call.site.path, call.site.directory):
        path = next(context.recipes.nearest(target.runner, base), None)
        if path is not None and path not in seen:
            seen.add(path)
            yield path


def _is_told_elsewhere(context: Context, call: Call, target: Recipe, files: list[str]) -> bool:
    """Whether a file that the call is not seen to reach has the recipe: pages say `cd`, and parts are brought in."""
    runner = target.runner
    others = [path for path in context.recipes.everywhere(runner) if path not in files]
    if call.site.caller is Caller.DOCUMENT:
        return any(_may(context.recipes.offer(runner, path), target.name.value) for path in others)
    if call.site.path in files:  # what a part needs may be in the file that brings it in
        name = posixpath.basename(call.site.path)
        users = [path for path in others if name in context.repository.text(path)]
        return any(_may(context.recipes.offer(runner, path), target.name.value) for path in users)
    return False


def _may(offer: Offer, name: str) -> bool:
    return offer.open or offer.has(name)


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: extractions/setup-just@v4
              - run: |
                  just typecheck
        === justfile
        lint:
            ruff check
        type-check: lint
            mypy src
    """),
    tree("""
        === .github/workflows/plugins.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: just --justfile plugins/shop/justfile --working-directory plugins/shop verify
        === plugins/shop/justfile
        check:
            true
    """),
    tree("""
        === justfile
        default: build (deploy "staging")
        build target="all":
            echo {{target}}
    """),
    tree("""
        === Taskfile.yml
        version: "3"
        tasks:
          build: {cmds: [go build ./...]}
          ship:
            deps: [compile]
            cmds: [docker push api]
    """),
    tree("""
        === scripts/release.sh
        nox -s tests lint-3.12 && task docker:push && mise run publish
        === noxfile.py
        import nox
        @nox.session(python=["3.12"])
        def tests(session): ...
        @nox.session(name="type-check")
        def types(session): ...
        === Taskfile.yml
        includes: {docker: ./docker/Taskfile.yml}
        tasks: {build: {cmds: ["true"]}}
        === docker/Taskfile.yml
        tasks: {build: {cmds: ["true"]}}
        === mise.toml
        [tasks.release]
        run = "true"
    """),
    tree("""
        === README.md
        ```sh
        just dev-up
        ```
        === justfile
        up:
            docker compose up
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: just && just --list && just t version=1 && just FLAG=1 test a b && just web build
              - run: just web::build
              - run: just web/ && cd web && just build && just --show nothing
              - {run: just fmt, working-directory: web}
              - run: nox -s tests-3.12 "tests(a)" -- -k slow && nox
              - run: task && task build -- more && task docker:anything
        === justfile
        set shell := ["bash", "-uc"]
        import 'just/more.just'
        import? 'local.just'
        mod web
        alias t := test
        FLAG := "0"
        test *args="": (_prepare "a:b" FLAG) && fmt
            pytest {{args}}
        _prepare what flag='x':
            #!/usr/bin/env bash
            just fmt
            echo {{what}} {{flag}}
        === just/more.just
        fmt:
            ruff format
        again: test
            true
        === web/justfile
        build:
            true
        fmt:
            true
        === noxfile.py
        import nox
        @nox.session(python=["3.12"])
        @nox.parametrize("x", ["a"])
        def tests(session, x): ...
        === Taskfile.yml
        includes: {docker: {taskfile: "https://example.com/Taskfile.yml"}}
        tasks: {build: {deps: ["gen-x"], cmds: [{task: ":all"}]}, "gen-*": {}, default: {}}
    """),
    tree("""
        === docs/start.md
        ```sh
        cd web
        just build
        ```
        === justfile
        test:
            true
        === web/justfile
        build:
            true
    """),
]

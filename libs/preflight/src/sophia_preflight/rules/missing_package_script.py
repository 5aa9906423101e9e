"""`npm run`, `yarn`, `pnpm`: a script that package.json does not have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.locations import Location, State
from sophia_preflight.calls.model import Call, PackageScript
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word

RULE = Rule(
    id="missing-package-script",
    title="a package script is run that package.json does not have",
    severity=Severity.HIGH,
    why='the package manager ends with "missing script"',
    fix="correct the name, or add the script to package.json",
    family="targets",
)


_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if isinstance(call.target, PackageScript) and not call.target.optional:
            yield from _missing(context, call, call.target)


def _missing(context: Context, call: Call, target: PackageScript) -> Iterator[Finding]:
    word = target.name
    if target.workspace:
        location = _workspace(context, target.workspace)
    else:
        location = context.path_of(Word("package.json", word.line, word.column), call)
    name = word.value
    severity, blocks = consequence(call.site)
    if location.missing:
        yield RULE.found(
            f"`{target.manager}` runs `{name}` here and there is no package.json in {location.where}",
            call.place,
            anchor=f"package.json for {name} from {call.site.owner}",
            severity=severity,
            confidence=location.confidence,
            blocks=blocks,
        )
        return
    package = context.packages.get(location.path) if location.found else None
    if package is None or not package.documents.documents or name in package.scripts:
        return
    if target.manager in ("yarn", "bun", "pnpm") and _is_program(context, package.documents.root, name):
        return
    if ":" in name and any(name in each.scripts for each in context.packages.values()):
        return  # yarn looks for such a name in every workspace
    near = get_close_matches(name, package.scripts, n=1)
    yield RULE.found(
        f"`{location.path}` has no script `{name}`",
        Involved(Place(call.site.path, word.line, word.column), "call"),
        Involved(package.documents.root.key("scripts").place(location.path), "callee"),
        anchor=f"{name} in {location.path} from {call.site.owner}",
        severity=severity,
        confidence=Confidence.LIKELY if word.assumed else location.confidence,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


def _is_program(context: Context, package: Node, name: str) -> bool:
    """Whether yarn or bun finds a program of that name, which a dependency of the package or of one above it brings."""
    roots = [package, *(each.documents.root for each in context.packages.values() if each.documents.root["workspaces"])]
    named = {key for root in roots for kind in _DEPENDENCIES for key, _ in root[kind].items()}
    return any(name in (each, each.rpartition("/")[2].removesuffix("-cli")) for each in named)


def _workspace(context: Context, workspace: str) -> Location:
    """The package.json of a workspace, by its folder or by the package's name."""
    for path, package in context.packages.items():
        folder = posixpath.dirname(path)
        if workspace == package.documents.root["name"].text or workspace.removeprefix("./").rstrip("/") == folder:
            return Location(State.FOUND, path)
    return Location(State.UNKNOWN)


BAD = [
    tree("""
        === samples/timer/README.md
        # Timer

        ```bash
        cd web
        yarn install
        yarn build
        ```
        === samples/timer/web/package.json
        {"scripts": {"start": "x", "bundle": "y"}}
        === samples/clock/web/package.json
        {"scripts": {"start": "x", "build": "y"}}
    """),
    tree("""
        === apps/till/README.md
        # Till

            $ cd ui && npm run watch
        === apps/till/ui/package.json
        {"scripts": {"dev": "x"}}
        === apps/shop/ui/package.json
        {"scripts": {"watch": "x"}}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - shell: bash -l {0}
                run: |
                  cd frontend
                  yarn install
                  yarn gettext:compile
        === frontend/package.json
        {"name": "front", "scripts": {"i18n:compile": "gettext"}}
    """),
    tree("""
        === Makefile
        texts:
        \tcd frontend && pnpm texts:make --all
        === frontend/package.json
        {"name": "front", "scripts": {"texts:build": "gettext"}}
    """),
    tree("""
        === package.json
        {"scripts": {"turn": "yarn run rtlcs a.css && npm run rtlcss"}, "dependencies": {"rtlcss": "^3"}}
    """),
    tree("""
        === package.json
        {"scripts": {"build": "tsc", "deploy": "npm run bild && npm run push"}}
    """),
    tree("""
        === Dockerfile
        FROM node:22-slim
        WORKDIR /app
        COPY package.json ./
        RUN npm install
        CMD ["npm", "run", "serve"]
        === package.json
        {"scripts": {"start": "node index.js"}}
        === index.js
    """),
    tree("""
        === web/README.md
        # The pages

        ```sh
        npm run preview
        ```
        === web/package.json
        {"scripts": {"build": "vite build"}}
    """),
]
GOOD = [
    tree("""
        === docs/README.md
        # All

        ```bash
        cd web
        yarn build
        ```
        === web/package.json
        {"scripts": {"build": "y"}}
        === docs/web/package.json
        {"scripts": {"build": "y"}}
        === samples/README.md
        # Timer

        ```bash
        cd ../apps/web
        yarn build
        ```
        === apps/web/package.json
        {"scripts": {"build": "y"}}
    """),
    tree("""
        === package.json
        {"workspaces": ["front"], "scripts": {"all": "yarn texts:make && yarn eslint && node_modules/.bin/a:b"}}
        === front/package.json
        {"name": "front", "scripts": {"texts:make": "gettext"}}
    """),
    tree("""
        === package.json
        {"scripts": {"build": "tsc", "all": "npm run build && npm run lint --if-present && yarn eslint ."}}
    """),
    tree("""
        === package.json
        {"scripts": {"turn": "yarn run rtlcss a.css && yarn run postcss b.css"},
         "dependencies": {"rtlcss": "^3"}, "devDependencies": {"postcss-cli": "^9"}}
    """),
    tree("""
        === README.md
        # All of it

        ```sh
        cd web && npm run build
        ```

        ```sh
        npm run check
        npm run lint
        ```
        === package.json
        {"scripts": {"check": "eslint ."}}
        === web/package.json
        {"scripts": {"build": "vite build", "lint": "eslint ."}}
    """),
]

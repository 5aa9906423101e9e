"""A file or directory that a command reads, and that is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from sophia_preflight.built import GO
from sophia_preflight.calls.model import Call, Caller, Needed, Program, System
from sophia_preflight.calls.options import part
from sophia_preflight.calls.programs.files import EDITED, OWNED
from sophia_preflight.calls.programs.node import LOCK
from sophia_preflight.calls.programs.python import PROJECT
from sophia_preflight.calls.programs.tools import PAGES
from sophia_preflight.calls.settings import DOCKERFILE
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.owning import meant
from sophia_preflight.readers import toml
from sophia_preflight.standing import consequence
from sophia_preflight.text import CWD, Word, shown

RULE = Rule(
    id="missing-file",
    title="a command reads a file or directory that does not exist",
    severity=Severity.HIGH,
    why="the command ends with an error",
    fix="correct the path, or add what is missing",
    family="targets",
)
_MANY = 4
_PUT = (
    "the file that is copied", "the file that is moved", "the file that is installed", "the file that is linked",
    "the file that is read",
)  # fmt: skip
_FORM = r"(json|html|xml|csv|sarif|o|(\w+-)*(out\w*|report\w*|save\w*|write\w*|dest\w*)(-\w+)*)"
"""Options that say where a program writes, be it by the form of what it writes."""
_PACKED = ("what is packed", "what is given to the image")
_PROGRAMS = re.compile(
    r"\.(go|py|sh|bash|js|ts|mk|rb|pl)$|(^|/)(GNUm|m|M)akefile$|(^|/)(mage|task|just)file", re.IGNORECASE
)
_FRAGILE = (*_PUT, "the tests that pytest runs")
"""Purposes whose failure somebody may have meant to live with."""
_CONTENT = ("the package that yarn installs", "the package that npm installs")
"""What an image does without that nothing was put into, as it is given its files by a mount: nothing is installed."""
_BUILDS_PROJECT = (PROJECT, "the project that uv installs", "the project that poetry installs")
_BUILDS_NONE = re.compile(
    r"--(no-install-(project|workspace|package)|no-root|only\b|only-[\w-]+|no-directory|package\b|group\b)"
)
"""Options with which what a project needs is installed, and not the project."""
_PAGES_OF = re.compile(r"(^|/)\.?readthedocs\.ya?ml$")
"""Read the Docs builds the pages of a repository by the file at its top."""


def check(context: Context) -> Iterable[Finding]:
    told: list[tuple[object, Finding]] = []
    for call in context.begun:
        if isinstance(call.target, Needed):
            place = call.place if call.site.caller is not Caller.PROJECT else Place(call.site.path)
            key = (place, call.target.purpose, call.site.owner)
            told += [(key, each) for each in _missing(context, call, call.target)]
        elif isinstance(call.target, Program) and call.target.name.value == "go":
            yield from _package(context, call, call.target.arguments)
    yield from by_cause(told, "nor are {} others that the command lists", least=_MANY)
    yield from _of_documentation(context)
    yield from _readmes(context)


def _readmes(context: Context) -> Iterator[Finding]:
    """Readmes that a project's build asks for in an image, and that are here but not brought there."""
    seen: set[tuple[str, str]] = set()
    for call in context.calls:
        target = call.target
        if not isinstance(target, Needed) or target.purpose not in _BUILDS_PROJECT or call.site.system != System.IMAGE:
            continue
        project = context.path_of(target.path, call)
        if not project.found or _BUILDS_NONE.search(call.text):
            continue
        name = _readme(toml.parse(context.repository.text(project.path)))
        key = (call.site.path, project.path)
        if not name or key in seen or not context.repository.is_file(_beside(project.path, name)):
            continue
        location = context.path_of(replace(target.path, value=_beside(target.path.value, name)), call)
        if location.missing:
            seen.add(key)
            severity, blocks = consequence(call.site)
            yield RULE.found(
                f"the readme that `{project.path}` names does not exist: `{name}` is not in {location.where}",
                call.place,
                Involved(Place(project.path), "project"),
                anchor=f"{name} of {project.path} from {call.site.owner}",
                severity=severity,
                confidence=Confidence.LIKELY,
                why="the build of the project ends with an error, since its readme is part of it",
                fix="copy the readme before the project is installed, and keep it out of .dockerignore",
                blocks=blocks,
            )


def _readme(root: dict[str, Any]) -> str:
    """The readme that a project cannot be built without; setuptools goes on without it."""
    backend = toml.at(root, "build-system", "build-backend")
    if not isinstance(backend, str) or backend.startswith("setuptools"):
        return ""
    project, poetry = toml.at(root, "project"), toml.at(root, "tool", "poetry")
    for said in (toml.at(project, "readme"), toml.at(project, "readme", "file"), toml.at(poetry, "readme")):
        if isinstance(said, str):
            return said
    return ""


def _beside(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _package(context: Context, call: Call, words: Sequence[Word]) -> Iterator[Finding]:
    """A package of this repository by its import path: `go run example.com/shop/cmd/till`."""
    verb = words[0].value if words else ""
    if verb not in ("run", "build", "install", "vet"):
        return
    operands = part(words[1:], GO).operands
    for word in operands[:1] if verb == "run" else operands:
        name = re.sub(r"@[\w.-]+$|/\.\.\.$", "", word.value)
        directory = context.built.go.directory(name) if word.known and re.match(r"[\w-]+\.[\w.-]+/", name) else None
        if directory is None or re.match(r"v\d+(/|$)", directory) or context.repository.is_directory(directory or "."):
            continue
        severity, blocks = consequence(call.site)
        yield RULE.found(
            f"the package that go builds does not exist: `{name}` would be in `{directory}`",
            Place(call.site.path, word.line, word.column),
            anchor=f"{name} from {call.site.owner}",
            severity=severity,
            confidence=Confidence.LIKELY,
            blocks=blocks,
        )


def _missing(context: Context, call: Call, target: Needed) -> Iterator[Finding]:
    if _is_runtime(target.path.value) and not target.directory:
        return
    if target.purpose == OWNED:
        yield from _unowned(context, call, target)
        return
    location = context.path_of(target.path, call, directory=target.directory, written=target.written)
    if not location.missing or _is_excused(context, call, target, location.path):
        return
    severity, blocks = consequence(call.site)
    if target.purpose in _FRAGILE:
        severity = severity.at_most(Severity.HIGH)
    if target.purpose == PAGES:
        severity, blocks = Severity.HIGH, "the build of the pages"
    unsure = target.path.assumed or target.mentioned
    confidence = location.confidence.at_most(Confidence.LIKELY) if unsure else location.confidence
    path = shown(target.path.value)
    yield RULE.found(
        f"{target.purpose} does not exist: `{path}` is not in {location.where}",
        Place(call.site.path, target.path.line, target.path.column),
        anchor=f"{path} from {call.site.owner}",
        severity=severity,
        confidence=confidence,
        blocks=blocks,
    )


def _is_excused(context: Context, call: Call, target: Needed, path: str) -> bool:
    """Whether a path that is not there may be meant for something else, be made, or be asked for in vain."""
    if target.mentioned and not context.is_among_its_like(call.site, path):
        return True
    if target.purpose == EDITED and not _has_neighbour(context, path):
        return True
    if target.purpose.startswith((LOCK, PROJECT)) and _is_of_nothing(context, call, target):
        return True
    if target.purpose == DOCKERFILE and context.repository.is_file(posixpath.normpath(target.path.value)):
        return True  # from the root, as whoever deploys chooses
    if target.purpose in _CONTENT and all(view.files.is_untouched() for view in context.filesystems(call.site)):
        return True
    others = (replace(target.path, value=other) for other in target.either)
    if not all(context.path_of(other, call, directory=target.directory).missing for other in others):
        return True
    return _may_be_put(context, call, target, path) or _may_be_packed(context, target, path)


def _is_of_nothing(context: Context, call: Call, target: Needed) -> bool:
    """Whether what a lock file or project would be of is missing as well."""
    of = "package.json" if target.purpose.startswith(LOCK) else posixpath.dirname(target.path.value)
    return bool(of) and context.path_of(replace(target.path, value=of), call).missing


def _may_be_put(context: Context, call: Call, target: Needed, path: str) -> bool:
    """Whether something that is moved or copied may come from elsewhere."""
    moved = target.purpose == "the file that is moved" and call.site.caller is Caller.SHELL
    if moved and not _is_nearly_there(context, target, path):
        return True
    if target.purpose not in _PUT:
        return False
    if _is_elsewhere(context, call, path) or _is_told_before(context, call, target.path.value):
        return True
    return call.site.system is System.IMAGE and not _is_written(context, call, path)


def _may_be_packed(context: Context, target: Needed, path: str) -> bool:
    """Whether something that is packed may be made: all of its directory by a hook, or it by what else names it."""
    if target.purpose not in _PACKED:
        return False
    made = not context.repository.is_directory(posixpath.dirname(path) or ".")
    return made or _is_named(context, posixpath.basename(path))


def _unowned(context: Context, call: Call, target: Needed) -> Iterator[Finding]:
    """A path that a Dockerfile gives an owner and makes nowhere, though it makes one that may be meant."""
    path = target.path.value.rstrip("/")
    if near := meant(context.dockerfiles.get(call.site.path), call.place.line, path):
        severity, blocks = consequence(call.site)
        yield RULE.found(
            f"{target.purpose} does not exist: no step of `{call.site.path}` makes `{path}`",
            Place(call.site.path, target.path.line, target.path.column),
            anchor=f"{path} from {call.site.owner}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            fix=f"{RULE.fix}: `{near}` is made",
            blocks=blocks,
        )


def _has_neighbour(context: Context, path: str) -> bool:
    """Whether another file of its ending is beside it."""
    directory, name = posixpath.split(path)
    ending = posixpath.splitext(name)[1]
    return bool(ending) and any(each.endswith(ending) for each in context.repository.beside(directory))


def _is_nearly_there(context: Context, target: Needed, path: str) -> bool:
    """Whether a file has nearly the name of one that is moved: what is named alone, a program made before."""
    name, home = posixpath.basename(path), posixpath.dirname(path)
    beside = [posixpath.basename(each) for each in context.repository.inside(home or ".")]
    return "/" in target.path.value or bool(get_close_matches(name, beside, n=1, cutoff=0.7))


def _is_elsewhere(context: Context, call: Call, path: str) -> bool:
    """Whether a script that is in nobody knows which directory takes a file from a folder that is not here."""
    folder = posixpath.dirname(path)
    return call.site.directory.startswith(CWD) and folder != "" and not context.repository.is_directory(folder)


def _is_named(context: Context, name: str) -> bool:
    """Whether a program names it, which then may make it."""
    paths = (each for each in context.repository.entries if _PROGRAMS.search(each))
    return any(name in context.repository.glimpse(each) for each in paths)


def _is_told_before(context: Context, call: Call, name: str) -> bool:
    """Whether a line above lets a program write the file by an option: `scan --json found.json`."""
    above = context.repository.text(call.site.path).split("\n")[: call.place.line - 1]
    told = re.compile(rf"\s--?{_FORM}[ =][\"']?(\./)?{re.escape(name)}(?![\w./-])")
    return any(told.search(line) and not line.lstrip().startswith("#") for line in above)


def _is_written(context: Context, call: Call, path: str) -> bool:
    """Whether a file of an image is one that people write, rather than one that an earlier command makes: there is one
    of its name elsewhere, or it would be in a directory of the repository."""
    homes = (view.files.home(path) for view in context.filesystems(call.site))
    return posixpath.basename(path) in context.repository.by_name or any("/" in home for home in homes)


def _is_runtime(path: str) -> bool:
    """Settings that a person or a secret store provides, and that nobody commits."""
    name = posixpath.basename(path)
    return name.startswith(("my-", "my_")) or (
        name.startswith(".env") and not name.endswith((".example", ".sample", ".template", ".dist"))
    )


def _of_documentation(context: Context) -> Iterator[Finding]:
    """What Read the Docs is told to install, and to build with: from the top of the repository."""
    for path, documents in context.documents.items():
        root = documents.root
        if not _PAGES_OF.match(path):
            continue
        named = [
            (each["requirements"], "the requirements of the pages") for each in root["python"]["install"].elements()
        ]
        named += [
            (root["sphinx"]["configuration"], "the configuration of Sphinx"),
            (root["mkdocs"]["configuration"], "the configuration of MkDocs"),
            (root["conda"]["environment"], "the environment of the pages"),
        ]
        for node, what in named:
            place = posixpath.normpath(node.text)
            if not node.text or node.text.startswith("/") or context.repository.exists(place):
                continue
            if not context.finder.is_made(place):
                yield RULE.found(
                    f"{what} does not exist: `{node.text}` is not in the repository",
                    node.place(path),
                    anchor=f"{node.text} of the pages",
                    severity=Severity.HIGH,
                    blocks="the build of the pages",
                )


_OWNED = """
    === Dockerfile
    FROM example.com/base:1 AS other
    RUN mkdir -p /data/shop
    FROM example.com/base:1
    WORKDIR /srv/shop
    COPY tools/start-shop.sh /usr/local/bin/
    COPY . /opt/shop
    RUN useradd shop && mkdir -p /data/index %s \\
        && chown -R shop:shop %s && chmod 755 %s
    ENV DATA=/data/shop
    === tools/start-shop.sh
    === shop.py
"""


BAD = [
    tree(_OWNED % ("", "/opt/shop /data/shop", "/srv/shop")),
    tree(_OWNED % ("", "/data/index /opt/shop", "/usr/local/bin/start_shop.sh")),
    *(
        tree(f"""
        === tools/install.sh
        #!/bin/bash
        here="$(cd "$(dirname "$0")" && pwd)"
        {command}
        === tools/scripts/a.sh
    """)
        for command in (
            'cp "$here"/hooks/*.sh /usr/local/bin/',
            'for each in "$here/hooks/"*.sh; do bash "$each"; done',
            "cd $here && chmod +x script/a.sh; cp script/*.sh /usr/local/bin",
        )
    ),
    *(
        tree(f"""
        === Makefile
        all:
        \t{command}
        === src/shop.py
        === tests/unit/test_shop.py
        === docs/source/conf.py
        === shop.spec
    """)
        for command in (
            "ruff check --fix src/ test/",
            "black --check srcs tests",
            "mypy src tst && ls",
            "pytest -v test",
            "pyinstaller packaging/shop.spec",
            "sphinx-build -W -b html docs/src docs/build",
        )
    ),
    tree("""
        === docs/Makefile
        SPHINXBUILD ?= sphinx-build
        SOURCEDIR = src
        BUILDDIR = build
        %: Makefile
        \t@$(SPHINXBUILD) -M $@ "$(SOURCEDIR)" "$(BUILDDIR)" $(O)
        === docs/source/conf.py
    """),
    tree("""
        === scripts/pack.sh
        #!/bin/bash
        cd "$(dirname "$0")/.."
        REQUIRED=(
          "scripts/import_images.sh"
          "scripts/restore_models.sh"
        )
        for item in "${REQUIRED[@]}"; do
          if [ ! -f "$item" ]; then
            echo "Missing: $item" >&2
            exit 1
          fi
        done
        === scripts/import_images.sh
        === scripts/restore_all_models.sh
    """),
    tree("""
        === tools/bench.sh
        die() { echo "$1" >&2; exit 2; }
        cd "$(dirname "$0")"
        [ -f measure_server.py ] || die "no measure_server.py"
        python measure_server.py
        === tools/measure_servers.py
    """),
    tree("""
        === config/suites.json
        {"suites": [
          {"name": "modes", "command": ["pytest", "tests/unit/test_run_mode_fixtures.py", "-q"]},
          {"name": "cli", "command": "pytest tests/unit/test_cli.py"}
        ]}
        === tests/unit/test_cli.py
        === tests/unit/test_run_modes.py
    """),
    tree("""
        === shop/store.py
        from pathlib import Path
        HERE = Path(__file__).resolve().parent
        def create(connection):
            script = HERE / "migrations" / "create_tables.sql"
            if not script.exists():
                raise RuntimeError(f"{script} is missing")
            connection.executescript(script.read_text())
        === shop/migrations/tables.sql
        === shop/migrations/indexes.sql
    """),
    tree("""
        === shop/reader.py
        import os
        import yaml
        def settings():
            return yaml.safe_load(open(os.path.join(os.path.dirname(__file__), "defaults.yaml")))
        === shop/default.yaml
        a: 1
    """),
    tree("""
        === shop/starter.py
        from pathlib import Path
        def adapter() -> str:
            return str(Path(__file__).with_name("pay_adapter.py"))
        def start(run):
            run(["python", adapter()])
        === shop/payment_adapter.py
        === shop/mail_adapter.py
    """),
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          release:
            runs-on: ubuntu-24.04
            steps:
              - uses: googleapis/release-please-action@v4
                with: {config-file: release-please-config.json}
        === .release-please-config.json
        {}
    """),
    tree("""
        === set_up.sh
        cd "$(dirname "$0")"
        cp .env.example .env
        === .env.production.example
    """),
    tree("""
        === tools/pack.sh
        cp tools/restore_data.sh "$OUT/"
        tar xf "$ARCHIVE" -C .
        === tools/restore_all.sh
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: curl -L https://example.org/a.tar.gz | tar xz -C web
              - run: kubectl apply -f web/ingress-staging.yaml
        === web/ingress-stage.yaml
        kind: Ingress
    """),
    tree("""
        === .github/workflows/publish.yml
        on: push
        jobs:
          publish:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  jq --arg v "$VERSION" '
                    .version = $v
                    | .packages |= map(.version = $v)
                  ' server.json > server.json.tmp && mv server.json.tmp server.json
        === registry.json
        {}
    """),
    tree("""
        === Makefile
        stamp:
        \tsed -e "s/VERSION/$(VERSION)/" deploy/chart.yaml > deploy/chart.yaml.new
        \tmv deploy/chart.yaml.new deploy/chart.yaml
        === deploy/values.yaml
        a: 1
    """),
    tree("""
        === package.json
        {"scripts": {"lint": "eslint --ext .js src/ test/commons/"}}
        === src/shop.js
        === test/common/shop.js
    """),
    tree("""
        === ansible/site.yml
        - import_playbook: database.yml
        - hosts: web
          tasks:
            - ansible.builtin.include_tasks: tasks/install.yml
            - ansible.builtin.template: {src: shop.conf.j2, dest: /etc/shop.conf}
        === ansible/databases.yml
        - hosts: db
        === ansible/tasks/install.yml
        - ansible.builtin.command: "true"
        === ansible/templates/shop.conf.j2
    """),
    tree("""
        === roles/shop/tasks/main.yml
        - name: set up
          block:
            - import_tasks: set_up.yml
        === roles/shop/tasks/setup.yml
        - command: "true"
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: weigher --rules checks/weights.yaml --into report.txt
        === checks/colours.yaml
        === checks/sizes.yaml
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: actions/download-artifact@v4
                with: {path: "${{ env.WHERE }}"}
              - run: shellcheck tools/identify
        === tools/identify-host
        #!/bin/sh
    """),
    tree("""
        === .github/workflows/sort.yml
        on: push
        jobs:
          sort:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: example/sorter@v3
                with:
                  configuration-path: .github/sorting.yml
        === .github/sorting_new.yml
        === .github/sorting_old.yml
    """),
    tree("""
        === release.sh
        cd "$(dirname "$0")"
        cp conf/defaults.py settings.py
        cp deploy/macros ~/.macros
        === conf/default.py
        === deploy/macros-rpm
    """),
    tree("""
        === .cirrus.yml
        linux_task:
          container: {image: "debian:13"}
          prepare_script:
            - pip install -r requirements-test.txt
        === requirements.txt
    """),
    tree("""
        === .zuul.yaml
        - job:
            name: shop
            run: playbooks/shop.yaml
        === playbooks/shop/run.yaml
    """),
    tree("""
        === package.json
        {"name": "shop", "version": "1.0.0", "bin": {"shop": "./bin/shop.js", "till": "./dist/till.js"}}
        === bin/store.js
        #!/usr/bin/env node
    """),
    tree("""
        === Makefile
        build:
        \tgo build -o bin/server ./cmd/server
        === go.mod
        module shop
        === cmd/api/main.go
        package main
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: actions/setup-node@v4
                with:
                  node-version: 22
                  cache: npm
                  cache-dependency-path: |
                    frontend/package-lock.json
        === web/package-lock.json
        {}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: pip install -r requirements-dev.txt
        === requirements.txt
        click
    """),
    tree("""
        === Makefile
        PLUGIN = ./plugins/mail
        plugins:
        \t$(MAKE) -C $(PLUGIN) build
        === plugins/post/Makefile
        build:
        \ttrue
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /app
        COPY src ./src
        RUN pip install -r requirements.txt
        === requirements.txt
        === src/main.py
    """),
    tree("""
        === Dockerfile
        FROM debian:13-slim AS install
        RUN mkdir -p /out && make install DESTDIR=/out
        COPY docker/rootfs/ /out/
        RUN chmod +x /out/usr/local/bin/begin.sh
        === docker/rootfs/usr/local/bin/start.sh
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY . ./
        RUN mkdir /archive && mv ./config.yaml /archive/
        === conf/config.yaml
    """),
    tree("""
        === Dockerfile
        FROM debian:13
        WORKDIR /srv
        COPY deploy/ deploy/
        RUN cp deploy/nginx.conf /etc/nginx.conf
        === deploy/web.conf
    """),
    tree("""
        === deploy.sh
        cd "$(dirname "$0")"
        kubectl apply -f k8s/api.yaml
        === k8s/web.yaml
        kind: Service
    """),
    tree("""
        === Makefile
        front:
        \tcd frontend && npm ci
        === frontend/package.json
        {"name": "front"}
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        pip install -r requirements/dev.txt
        ```
        === requirements/test.txt
    """),
    tree("""
        === deploy.sh
        modal deploy cloud/serving.py
        === cloud/service.py
        print("serving")
    """),
    tree("""
        === .readthedocs.yaml
        version: 2
        python: {install: [{requirements: pages.txt}, {method: pip, path: .}]}
        === docs/pages.txt
    """),
    tree("""
        === README.md
        ```bash
        go install example.com/shop/cmd/till@latest
        ```
        === go.mod
        module example.com/shop
        === cmd/shop/main.go
        package main
        func main() {}
    """),
    tree("""
        === Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY . .
        RUN pip install .
        === .dockerignore
        *.md
        === pyproject.toml
        [project]
        name = "shop"
        readme = "README.md"
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        === README.md
        === shop/__init__.py
    """),
]
GOOD = [
    tree(_OWNED % ("", "/data /opt/shop/shop.py", "/usr/local/bin/start-shop.sh")),
    tree(_OWNED % ("/data/shop", "/data/shop", "/srv/shop /usr/local/bin/other")),
    tree(_OWNED % ("", "/data/index /data/others /home/shop", "/srv/shop")),
    tree("""
        === tools/install.sh
        #!/bin/bash
        here="$(cd "$(dirname "$0")" && pwd)"
        cp "$here"/scripts/*.sh "$here"/dist/*.whl "$MORE"/hooks/*.sh /usr/local/bin/
        for each in "$here"/hooks/*.sh; do [ -e "$each" ] || continue; bash "$each"; done
        for each in "$here"/hooks/*.sh; do if [[ -x $each ]]; then bash "$each"; fi; done
        mkdir -p "$here/made" && cp "$here"/made/* /tmp
        for each in hooks/*.sh scripts/*.sh; do bash "$each"; done
        === tools/scripts/a.sh
    """),
    *(
        tree(f"""
        === Makefile
        all:
        \t{command}
        === src/shop.py
        === tests/unit/test_shop.py
        === docs/source/conf.py
        === shop.spec
    """)
        for command in (
            "ruff check --fix src/ tests && black src tests/unit",
            "pytest --suite test tests && mypy --package srcs src",
            "mypy other && pytest elsewhere",
            "pyi-makespec till.py; pyinstaller --name till shop.spec",
            "sphinx-build -W -b html docs/source docs/build && sphinx-build -b man . out",
        )
    ),
    tree("""
        === Dockerfile
        FROM python:3.13-slim
        COPY pyproject.toml docker/list_needs.py /tmp/needs/
        RUN python /tmp/needs/list_needs.py /tmp/needs/pyproject.toml && pip install -r /tmp/needs/requirements.txt
        === pyproject.toml
        === docker/list_needs.py
    """),
    tree("""
        === tools/bench.sh
        cd "$(dirname "$0")"
        if [ ! -f setting.yaml ]; then
          echo "Please copy settings.yaml to setting.yaml"
          exit 1
        fi
        if [ ! -f measures.py ]; then
          exit 0
        fi
        if [ ! -f "$1/measures.py" ]; then
          exit 1
        fi
        if [ -f measured.py ]; then
          exit 1
        fi
        === tools/settings.yaml
        === tools/measure.py
    """),
    tree("""
        === config/suites.yaml
        suites:
          - name: there
            command: [pytest, tests/unit/test_cli.py]
          - name: another's
            command: python /srv/tools/other.py
          - name: filled
            cmd: "python {directory}/start.py && bash ${HOME}/start.sh"
          - name: prose
            run: python is run here
        === tests/unit/test_cli.py
    """),
    tree("""
        === shop/store.py
        import os
        from pathlib import Path
        HERE = Path(__file__).parent
        SETTINGS = HERE / "settings.yaml"
        OPTIONAL = HERE / "optional.yaml"
        LOG = HERE / "report.html"
        STATE = HERE / "state.yaml"
        MANY = [HERE / "one.yaml", HERE / "two.yaml"]
        def read():
            return SETTINGS.read_text()
        def more():
            if OPTIONAL.exists():
                return OPTIONAL.read_text()
            try:
                return (HERE / "tried.yaml").read_text()
            except FileNotFoundError:
                return ""
        def write(text):
            STATE.write_text(text)
            return STATE.read_text(), LOG
        def found(name):
            return load(HERE / "loaded.yaml"), open(HERE / f"{name}.yaml"), open(os.path.join(HERE, "out.yaml"), "w")
        def load(path):
            return path.read_text() if path.is_file() else ""
        === shop/settings.yaml
        === shop/other.yaml
    """),
    tree("""
        === .github/workflows/publish.yml
        on: push
        jobs:
          publish:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  ask --all > answer.json
                  jq '.a = 1' answer.json > answer.json.tmp && mv answer.json.tmp answer.json
                  jq '.a = 1' made.toml > made.toml.tmp && mv made.toml.tmp made.toml
                  jq '.a = 1' zebra.json > first.json.tmp && mv first.json.tmp first.json
                  jq '.a = 2' there.json > there.json.tmp && mv there.json.tmp there.json && cat first.json
        === there.json
        {}
    """),
    tree("""
        === ansible/site.yml
        - hosts: web
          vars_files: ["{{ settings }}.yml", vars/shop.yml]
          roles: [shop]
          tasks:
            - include_tasks: "{{ kind }}.yml"
            - template: {src: "{{ item }}.j2", dest: /etc/x}
            - copy: {src: /srv/made.conf, dest: /etc/made.conf}
            - copy: {src: there.conf, dest: /etc/there.conf, remote_src: true}
        === ansible/vars/shop.yml
        name: shop
        === ansible/roles/shop/tasks/main.yml
        - import_tasks: install.yml
        - template: {src: shop.conf.j2, dest: /etc/shop.conf}
        - include_tasks: {file: more/last.yml}
        === ansible/roles/shop/tasks/install.yml
        - command: "true"
        === ansible/roles/shop/tasks/more/last.yml
        - import_tasks: install.yml
        === ansible/roles/shop/templates/shop.conf.j2
    """),
    tree("""
        === build.sh
        #!/bin/bash
        cd "$(dirname "$0")"
        draw --output charts/third.yaml charts/first.yaml
        keep_it charts/fourth.yaml
        echo charts/fifth.yaml
        draw "$KIND" var/run/shop.yaml out/made.yaml
        protoc --go_out=api api/shop.proto && gofmt -w api/shop.pb.go
        grep -q charts/sixth.yaml charts/first.yaml
        cp udev/rules.d /tmp/
        === charts/first.yaml
        === charts/second.yaml
        === api/shop.proto
        === api/till.go
        === api/cart.go
        === var/run/.gitkeep
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: example/scanner@v3
                with:
                  output-file: charts/seventh.yaml
                  sarif_file: charts/eighth.yaml
    """),
    tree("""
        === Makefile
        build:
        \tgo build -o bin/server ./cmd/server
        \tgo run tools/gen.go && go vet ./... && go build .
        \tgolangci-lint run -c .golangci.yml ./... && psql -f made.sql "$(URL)"
        made.sql:
        \tgo run ./tools > made.sql
        === go.mod
        module shop
        === .golangci.yml
        === cmd/server/main.go
        package main
        === tools/gen.go
        package main
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: windows-2025
            steps:
              - uses: actions/checkout@v4
              - uses: actions/setup-python@v5
                with: {python-version-file: pyproject.toml, cache-dependency-path: "**/requirements*.txt"}
              - run: |
                  $files = Get-ChildItem
                  .\\tools\\build.ps1 -Fast
                  python tools/check.py $files
        === pyproject.toml
        === tools/build.ps1
        === requirements.txt
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  if [ -f requirements.txt ]; then pip install -r requirements.txt; fi
                  pip install -r <(pip-compile)
                  pip install -r "$EXTRA"
                  echo "Yarn $(yarn --version)"
                  mkdir -p out && cd out
    """),
    tree("""
        === deploy.sh
        cd "$(dirname "$0")"
        envsubst < k8s/api.template > k8s/api.yaml
        kubectl apply -f k8s/api.yaml -f https://example.org/x.yaml
        helm template . > rendered.yaml
        kubectl apply -f rendered.yaml
        === k8s/api.template
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        COPY . .
        RUN go run ./tools/make-settings && mv settings.json /etc/ && cd /src && curl -O https://example.org/a.conf
        RUN mv a.conf /etc/
        FROM example/base:1
        COPY start.sh /usr/local/bin/
        RUN chmod +x /usr/local/bin/wait.sh
        === start.sh
        === tools/make-settings/main.go
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        cd shop
        pip install -r requirements/test.txt
        curl -LO https://example.org/data.tar.gz && tar xf data.tar.gz
        cd data
        ```

        In a project of your own:

        ```bash
        pip install -r path/to/requirements.txt
        cp config.toml settings.toml
        ```
        === requirements/test.txt
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /app
        COPY pyproject.toml README.md ./
        COPY src ./src
        RUN pip install .
        USER 1000
        === pyproject.toml
        === README.md
        ```bash
        python manage.py collectstatic
        ```
        === src/shop/__init__.py
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: example/shared-steps@v2
              - uses: ./.github/shared-steps/actions/prepare
        === external/queue/.github/workflows/lint.yml
        on: push
        jobs:
          lint: {uses: ./.github/workflows/base-lint.yml}
    """),
    tree("""
        === README.md
        ```bash
        go install example.com/shop/cmd/till@latest
        go run example.com/shop/v2/cmd/other
        go run example.com/other/cmd/other
        go build example.com/shop/...
        go build -o till example.com/shop/cmd/till
        ```
        === go.mod
        module example.com/shop
        === cmd/till/main.go
        package main
        func main() {}
    """),
    tree("""
        === Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY pyproject.toml ./
        RUN uv sync --no-install-project
        COPY shop shop
        COPY README.* ./
        RUN uv sync
        === pyproject.toml
        [project]
        name = "shop"
        readme = "README.md"
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        === README.md
        === shop/__init__.py
        === old/Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY pyproject.toml ./
        RUN pip install .
        === old/pyproject.toml
        [project]
        name = "old"
        readme = "README.md"
        === old/README.md
    """),
]

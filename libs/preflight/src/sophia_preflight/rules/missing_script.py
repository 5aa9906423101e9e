"""A script that is called and is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, Caller, Program, Script
from sophia_preflight.calls.rooted import below_variable
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause, together
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import is_known, shown

RULE = Rule(
    id="missing-script",
    title="a script is called that does not exist",
    severity=Severity.HIGH,
    why="the interpreter ends with an error as soon as the call is reached",
    fix="correct the path, or add the script",
    family="targets",
)


_MANY = 3
"""So many scripts of one folder, which files of one folder call, are missing for one reason."""


def check(context: Context) -> Iterable[Finding]:
    told: dict[tuple[object, Place], Finding] = {}
    folders: dict[tuple[str, str], list[Finding]] = {}
    for call in context.begun:
        if isinstance(call.target, Script):
            found = list(_missing(context, call, call.target))
            if call.site.caller is Caller.DOCUMENT:
                told |= {(each.message, each.place): each for each in found}
            elif folder := _missing_folder(context, call):
                folders.setdefault((folder, posixpath.dirname(call.site.path)), []).extend(found)
            else:
                yield from found
        elif isinstance(call.target, Program) and call.site.caller in (Caller.START, Caller.COMPOSE):
            yield from _missing_command(context, call, call.target)
    yield from by_cause(((message, each) for (message, _), each in told.items()), "and {} more call it")
    for group in folders.values():
        several = len(group) >= _MANY and len({each.place.path for each in group}) > 1
        yield from [together(group, "nor do {} more of that folder, which is not there")] if several else group


def _missing_folder(context: Context, call: Call) -> str:
    """The folder that a script would be in, where that is not there either."""
    folder = posixpath.dirname(context.script(call).path)
    return "" if not folder or context.repository.is_directory(folder) else folder


def _missing(context: Context, call: Call, target: Script) -> Iterator[Finding]:
    if _is_environment(target):
        return
    location = context.script(call)
    location = location if location.found or location.missing else below_variable(context, call)
    if call.site.caller is Caller.DOCUMENT and _is_written(context, posixpath.basename(location.path)):
        return
    if not location.missing or _is_told_to_compile(context, call, target) or _is_compiled(context, call, location.path):
        return
    severity, blocks = consequence(call.site)
    confidence = location.confidence.at_most(Confidence.LIKELY) if target.path.assumed else location.confidence
    if call.site.caller is Caller.DOCUMENT and _is_left_with_pages(context, call.site.path, location.path):
        confidence = Confidence.GUESS
    path = shown(target.path.value)
    yield RULE.found(
        f"`{path}` is called here and does not exist in {location.where}",
        Place(call.site.path, target.path.line, target.path.column),
        anchor=f"{path} from {call.site.owner}",
        severity=severity,
        confidence=confidence,
        fix=f"{RULE.fix}{_near(context, target.path.value)}",
        blocks=blocks,
    )


def _is_left_with_pages(context: Context, page: str, script: str) -> bool:
    """Whether a script would lie beside its page, where nothing else does: whoever copied the repository took only
    the pages of that folder."""
    folder = posixpath.dirname(page)
    beside = [each for each in context.repository.beside(folder) if not re.search(r"\.(mdx?|rst|adoc|txt)$", each)]
    return bool(folder) and not beside and posixpath.dirname(script) in ("", folder)


def _missing_command(context: Context, call: Call, target: Program) -> Iterator[Finding]:
    """A script that an image starts by its name alone: somebody puts it where programs are, or it is not there."""
    name = target.name.value
    if not re.fullmatch(r"[\w.-]+\.(sh|bash)", name) or call.site.inside is not None:
        return
    views = list(context.filesystems(call.site))
    usual = re.search(r"\bPATH\b", context.repository.text(call.site.path)) is None
    files = [view.files for view in views]
    renamed = (
        usual and any(each.has_renamed(name) for each in files) and not any(each.has_program(name) for each in files)
    )
    if not files or not (renamed or all(each.lacks_program(name) for each in files)):
        return
    severity, blocks = consequence(call.site)
    yield RULE.found(
        f"`{name}` is started here and no file of that name is put into the image",
        Place(call.site.path, target.name.line, target.name.column),
        anchor=f"{name} from {call.site.owner}",
        severity=severity,
        confidence=Confidence.LIKELY,
        fix=f"{RULE.fix}{_near(context, name)}",
        blocks=blocks,
    )


def _is_environment(target: Script) -> bool:
    """`activate` of a virtual environment and files of settings, which nobody commits."""
    name = posixpath.basename(target.path.value)
    return target.interpreter == "source" and (name in ("activate", "env") or name.startswith(".") or ".env" in name)


def _is_compiled(context: Context, call: Call, path: str) -> bool:
    """Whether a makefile starts a program without an ending in a directory that only its own recipes can make."""
    directory, name = posixpath.split(path)
    started = call.site.caller is Caller.MAKE and isinstance(call.target, Script) and not call.target.interpreter
    return started and "." not in name and directory not in ("", ".") and not context.repository.is_directory(directory)


def _is_written(context: Context, name: str) -> bool:
    """Whether a program of the project names a script that pages speak of by its last name alone: it makes it."""
    quoted = re.compile(rf"/ *[\"']{re.escape(name)}[\"']")
    programs = (path for path in context.modules.python if standing(path) is Standing.PRODUCT)
    return bool(name) and any(quoted.search(context.repository.glimpse(path)) for path in programs)


def _is_told_to_compile(context: Context, call: Call, target: Script) -> bool:
    """Whether the page that tells to run a program speaks of the source that it is made of."""
    name = posixpath.basename(target.path.value)
    if call.site.caller is not Caller.DOCUMENT or "." in name or not is_known(name):
        return False
    text = context.repository.text(call.site.path)
    return re.search(rf"\b{re.escape(name)}\.(c|cc|cpp|cxx|go|rs|hs|zig|nim|java|f90)\b", text) is not None


def _near(context: Context, path: str) -> str:
    """Where a script of that name, or nearly, is."""
    name = posixpath.basename(path)
    same = context.repository.by_name.get(name, [])
    if same:
        return f": there is `{same[0]}`"
    alike = get_close_matches(
        name, [each for each in context.repository.by_name if each.endswith(name[-3:])], n=1, cutoff=0.8
    )
    return f": there is `{context.repository.by_name[alike[0]][0]}`" if alike else ""


BAD = [
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          fetch:
            runs-on: ubuntu-latest
            steps:
              - run: curl -L https://example.com/all.tgz | tar xz
          check:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  set -euo pipefail
                  work=$(mktemp -d)
                  bash packaging/brew/render.sh 1.2 "$work/sums" > "$work/shop.rb"
        === packaging/homebrew/render.sh
        echo "$1"
        === packaging/arch/PKGBUILD
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /app
        COPY . .
        === main.py
        print(1)
        === Makefile
        image:
        \tdocker build -t registry.example.com/shop:1.0 .
        === k8s/shop.yaml
        apiVersion: batch/v1
        kind: Job
        metadata: {name: shop}
        spec:
          template:
            spec:
              restartPolicy: Never
              containers:
                - name: shop
                  image: registry.example.com/shop:1.0
                  command: ["python", "worker.py"]
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: windows-2025
            steps:
              - uses: actions/checkout@v4
              - run: .\\tools\\build.ps1 -Fast
        === tools/make.ps1
    """),
    tree("""
        === Dockerfile
        FROM node:22-slim
        COPY deploy/begin.sh /usr/local/bin/
        ENTRYPOINT ["/usr/local/bin/start.sh"]
        === deploy/begin.sh
    """),
    tree("""
        === deploy.sh
        if ! python check_first.py; then
          exit 1
        fi
    """),
    tree("""
        === scripts/deploy.sh
        #!/bin/bash
        set -e
        cd "$(dirname "$0")/.."
        python scripts/migrate.py --all
        === scripts/build.py
        print("built")
    """),
    tree("""
        === deploy.py
        import subprocess, sys


        def main():
            subprocess.run([sys.executable, "tools/push.py"], check=True)


        main()
    """),
    tree("""
        === Makefile
        deploy:
        \tbash scripts/release.sh
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: python scripts/run_tests.py
                working-directory: backend
        === backend/app.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /app
        COPY app.py .
        CMD ["python", "server.py"]
        === app.py
    """),
    tree("""
        === compose.yaml
        services:
          web: {build: ., image: shop-dev, volumes: [".:/code"], command: python web.py}
          prepare: {image: shop-dev, volumes: [".:/code"], command: ["sh", "-c", "./docker/wait.sh && python web.py"]}
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /code
        COPY . .
        === web.py
        === docker/wait_for.sh
    """),
    tree("""
        === Dockerfile
        FROM debian:13-slim AS files
        COPY image/ /out/
        FROM debian:13-slim
        COPY --from=files /out/ /
        ENTRYPOINT ["begin.sh"]
        CMD ["--all"]
        === image/usr/local/bin/start.sh
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY docker/entry.sh /usr/local/bin/
        ENTRYPOINT ["entrypoint.sh"]
        === docker/entry.sh
    """),
    tree("""
        === Dockerfile
        FROM python:3.12 AS builder
        RUN mkdir -p /opt/shop/code
        COPY . /opt/shop/code
        RUN python -m venv /opt/shop/venv
        FROM python:3.12-slim
        COPY --from=builder /opt/shop /opt/shop
        WORKDIR /opt/shop
        RUN ["python", "/opt/shop/code/bin/warm-up.cache"]
        === bin/warm_up.cache
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY . /srv/shop/
        COPY docker/start.sh /usr/local/bin/shop-start.sh
        CMD ["start.sh"]
        === docker/start.sh
    """),
    tree("""
        === Dockerfile
        FROM debian:13-slim
        COPY --chmod=755 docker/start.sh /usr/bin/begin.sh
        COPY docker /docker
        ENTRYPOINT ["start.sh", "--all"]
        === docker/start.sh
    """),
    tree("""
        === .mcp.json
        {"mcpServers": {"memory": {"command": "python", "args": ["servers/memory.py"]}}}
    """),
    tree("""
        === package.json
        {"scripts": {"start": "node server/index.js"}}
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        git clone https://example.org/team/shop.git
        cd shop
        ./scripts/setup.sh
        ```
        === scripts/set_up.sh
    """),
    tree("""
        === Makefile
        VERSION := $(shell sh -c './version.sh' | cut -c1-8)
        PYTHON := $(shell which python3 || which python)
        all: tables.h
        tables.h: tables.json
        \t$(QUIET)$(PYTHON) tools/tables.py $< > $@
        === tables.json
        {}
        === tools/tabulate.py
        print("made")
    """),
    tree("""
        === Makefile
        package-deb:
        \t./package/deb.sh
        package-rpm:
        \t./package/build-rpm.sh
        === package/deb.sh
        cp "$WORK/shop_$VERSION.deb" ./package
    """),
]
BAD += [
    tree("""
        === container/Dockerfile
        FROM ubuntu:24.04
        COPY ./ /opt/shop/
        COPY ./container/start_service.sh /usr/local/bin/shop_start.sh
        CMD ["start_service.sh"]
        === container/start_service.sh
    """),
    tree("""
        === .packit.yaml
        specfile_path: shop.spec
        actions:
          pre-sync:
            - python3 plans/reference.py
            - bash -c "git log -1"
          changelog-entry: ./plans/changes.sh
        === shop.spec
        === plans/changes.sh
        true
        === plans/git_reference.py
    """),
    tree("""
        === devstack/plugin.sh
        source ${SHOP_DIR}/devstack/lib/database.sh
        source "${SHOP_DIR}"/devstack/lib/profile.sh
        === devstack/lib/database.sh
        === devstack/lib/shell_profile.sh
    """),
    tree("""
        === ci/start.sh
        . "$TOP/ci/lib/one.sh" && . "$TOP/ci/lib/two.sh"
        bash $TOP/ci/lib/three.sh
        sudo -E python3 $TOP/ci/tools/report.py --all
        === ci/lib/one.sh
        === ci/lib/two.sh
        === ci/lib/three.sh
        === ci/tools/summary.py
    """),
]
GOOD = [
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          check:
            runs-on: ubuntu-latest
            steps:
              - run: curl -L https://example.com/all.tgz | tar xz
              - run: bash other/tools/render.sh && bash packaging/brew/fill.sh && bash render/run.sh
        === packaging/homebrew/render.sh
        echo "$1"
        === packaging/arch/fill.sh
        === packaging/deb/fill.sh
        === run.sh
    """),
    tree("""
        === ci/start.sh
        . "$TOP/ci/lib/one.sh"
        [ -f "$TOP/ci/lib/once.sh" ] && . "$TOP/ci/lib/once.sh"
        bash $OTHER/ci/lib/ones.sh
        bash $TOP/ci/lib/two.sh; bash $TOP/etc/one.sh
        bash $MIXED/ci/lib/one.sh; bash $MIXED/ci/lib/ones.sh; bash $MIXED/lib/a.sh; bash $MIXED/lib/b.sh
        === ci/lib/one.sh
        === etc/ones.sh
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY . /srv/shop/
        ENV PATH=/srv/shop/docker:$PATH
        COPY docker/start.sh /usr/local/bin/shop-start.sh
        CMD ["start.sh"]
        === linked/Dockerfile
        FROM python:3.12-slim
        COPY docker/start.sh /usr/local/bin/shop-start.sh
        RUN ln -s shop-start.sh /usr/local/bin/start.sh
        CMD ["start.sh"]
        === docker/start.sh
        === linked/docker/start.sh
    """),
    tree("""
        === .github/workflows/pages.yml
        on: push
        jobs:
          pages:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
                with: {ref: gh-pages}
              - run: ./documentation-generator/run.py
        === documentation/index.md
        # Shop
    """),
    tree("""
        === Dockerfile
        FROM node:22-slim
        COPY deploy/begin.sh /usr/local/bin/
        ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh", "/usr/local/bin/begin.sh"]
        === deploy/begin.sh
    """),
    tree("""
        === Makefile
        CC = gcc
        try: try.c
        \t$(CC) $(CFLAGS) try.c $(LIBS)
        \techo 1 | ./a.out
        both: $(OBJECTS)
        \t$(LINK) && ./count
        === try.c
        int main() { return 0; }
        === count.c
        int main() { return 0; }
        === README.md
        # Try

        After building [meter](src/meter.c):

            ./src/meter
    """),
    tree("""
        === start.sh
        #!/bin/bash
        source {{ settings_file }}
        exec ./{{ name }}/run.sh
    """),
    tree("""
        === api/run.sh
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            strategy:
              matrix:
                app: [api, web]
            steps:
              - uses: actions/checkout@v4
              - run: bash ${{ matrix.app }}/run.sh
                if: matrix.app == 'api'
    """),
    tree("""
        === scripts/deploy.sh
        #!/bin/bash
        cd "$(dirname "$0")/.."
        python scripts/migrate.py
        if [ -f scripts/extra.sh ]; then
          bash scripts/extra.sh
        fi
        cat > run.sh <<'EOF'
        echo hi
        EOF
        bash run.sh
        echo "python scripts/none.py"
        ssh host 'python /srv/app/x.py'
        curl -sSL https://example.org/get.sh -o get.sh
        sh get.sh
        === scripts/migrate.py
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
                  cd backend
                  python manage.py test
        === backend/manage.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /srv
        COPY src/ ./
        RUN echo 'print(1)' > made.py && python made.py
        CMD ["python", "main.py"]
        === src/main.py
        === own/Dockerfile
        FROM example/base:1
        COPY start.sh /usr/local/bin/
        ENTRYPOINT ["docker-entrypoint.sh"]
        === own/start.sh
        === path/Dockerfile
        FROM debian:13-slim
        ENV PATH=/opt/bin:$PATH
        COPY wait.sh /usr/local/bin/
        COPY first.sh /opt/bin/begin.sh
        COPY <<EOF /usr/local/bin/inline.sh
        exec sleep 1
        EOF
        RUN curl -o /usr/local/bin/fetched.sh https://example.org/x
        ENTRYPOINT ["begin.sh"]
        CMD ["inline.sh", "fetched.sh"]
        FROM debian:13-slim
        COPY wait.sh /usr/local/bin/
        COPY <<EOF /usr/local/bin/inline.sh
        exec sleep 1
        EOF
        CMD ["inline.sh"]
        === path/wait.sh
        === path/first.sh
        === named/Dockerfile
        FROM alpine:3.22
        COPY ./start.sh /usr/local/bin/begin.sh
        COPY ./bin /usr/local/bin/
        ENTRYPOINT ["begin.sh"]
        CMD ["other.sh"]
        === named/start.sh
        === named/bin/other.sh
        === node/Dockerfile
        FROM node:22
        COPY start.sh /usr/local/bin/
        ENTRYPOINT ["docker-entrypoint.sh"]
        === node/start.sh
        === shared/Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /src
        COPY . .
        RUN make install DESTDIR=/out && ./tools/fetch.sh
        FROM debian:13-slim
        WORKDIR /app
        COPY --from=build /out/server .
        COPY --from=build /src/ /srv/
        RUN ./server --check && python3 /srv/bin/made && bash /usr/lib/init/vars.sh
        === tools/fetch.sh
        === Makefile
        install:
        \ttrue
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        cd api
        python tools/<name>.py
        python tools/load.py
        ```

        Write `mine.py`, then:

            $ python mine.py
            scripts/printed.sh: done

        Another program:

        ```bash
        git clone https://github.com/others/engine
        cd engine
        ./scripts/build.sh
        ```

        ## Legacy

        ```bash
        ./scripts/old.sh
        ```

        <!--
        ```bash
        ./scripts/hidden.sh
        ```
        -->
        === api/tools/load.py
        === scripts/new.sh
    """),
    tree("""
        === tools/cluster/Procfile
        node: tools/cluster/run.sh one
        === tools/cluster/run.sh
        exec tools/cluster/bridge/bridge --port 1
        === tools/cluster/bridge/main.go
        package main
        === docker/side/Dockerfile
        FROM node:22
        RUN git clone https://github.com/others/sidecar
        COPY entrypoint.sh /entrypoint.sh
        CMD ["/entrypoint.sh"]
        === docker/side/entrypoint.sh
        #!/bin/bash
        node sidecar/server.mjs
        === .github/workflows/preview.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  generate --preview
                  cd sdk/.preview/typescript
                  ./check.sh
        === sdk/openapi.json
        {}
        === README.md
        ```bash
        ./tools/cluster/run.sh list
        +------+-----------------------+
        | one  | http://127.0.0.1:2380 |
        | two  | ./started/here.sh     |
        +------+-----------------------+
        ```
    """),
]

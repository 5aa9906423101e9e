"""`make`: a target that the makefile does not have, or no makefile at all."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from sophia_preflight.calls.locations import Location, State
from sophia_preflight.calls.model import Call, Caller, MakeTarget, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import together
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.makefile import MAKEFILE_NAMES, Targets
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word, is_known, joined

RULE = Rule(
    id="missing-make-target",
    title="make is asked for a target that its makefile does not have",
    severity=Severity.HIGH,
    why='make ends with "no rule to make target"',
    fix="correct the name, or add the target",
    family="targets",
)

_MANY = 5
"""So many targets that one page asks for are missing for one reason."""


def check(context: Context) -> Iterable[Finding]:
    of_pages: dict[tuple[str, str], list[Finding]] = {}
    for call in context.typed:
        if isinstance(call.target, MakeTarget):
            found = list(_missing(context, call, call.target))
            if call.site.caller is Caller.DOCUMENT and found:
                of_pages.setdefault((call.site.path, found[0].places[-1].place.path), []).extend(found)
            else:
                yield from found
    for (_, makefile), group in of_pages.items():
        yield from _of_page(context, makefile, group)
    for path in context.makefiles:
        yield from _needed(context, path)


def _of_page(context: Context, makefile: str, found: list[Finding]) -> list[Finding]:
    """What a page asks of a makefile that has it not: one finding for many targets, which are meant for the makefile
    of the whole where that is not here."""
    if len({each.anchor for each in found}) < _MANY:
        return found
    one = together(found, "nor {} others that this page asks for")
    elsewhere = posixpath.dirname(makefile) and not any(map(context.repository.is_file, MAKEFILE_NAMES))
    return [replace(one, confidence=Confidence.GUESS) if elsewhere else one]


def _needed(context: Context, path: str) -> Iterator[Finding]:
    """Prerequisites that have no rule and are no file."""
    user = context.making.user(path)
    known = _targets(context, user) if user and not user.endswith((".mk", ".in")) else None
    if known is None:
        return
    for target in context.making.whole(user).targets:
        if target.path != path:
            continue
        for name in target.needs:
            is_source = re.search(r"\.(py|sh|bash|pl|rb)$", name) is not None
            plain = is_source or re.fullmatch(r"[A-Za-z][\w-]*", name)
            place = posixpath.normpath(posixpath.join(posixpath.dirname(user), name))
            if not plain or target.name.startswith(".") or "%" in target.name or known.may_make(name):
                continue
            if context.repository.exists(place) or context.finder.is_made(place):
                continue
            site = Site(path, Caller.MAKE, context.making.whole(user).here, owner=target.name)
            if is_source and not context.finder.path(Word(name), site).missing:
                continue
            near = get_close_matches(name, known.names, n=1)
            severity, blocks = consequence(site)
            yield RULE.found(
                f"`{target.name}` needs `{name}`, for which `{path}` has no rule",
                Place(path, target.line),
                anchor=f"{target.name} needs {name}",
                severity=severity,
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                blocks=blocks,
            )


def _missing(context: Context, call: Call, target: MakeTarget) -> Iterator[Finding]:
    names = (
        [target.file] if target.file else [Word(name, call.place.line, call.place.column) for name in MAKEFILE_NAMES]
    )
    locations = [context.path_of(name, call) for name in names]
    found = next((each for each in locations if each.found), None) or _in_image(context, call, names)
    severity, blocks = consequence(call.site)
    if found is None:
        if all(each.missing for each in locations):
            yield RULE.found(
                f"make is called here and there is no makefile in {locations[-1].where}",
                call.place,
                anchor=f"makefile from {call.site.owner}",
                severity=severity,
                confidence=locations[-1].confidence,
                blocks=blocks,
            )
        return
    known = _targets(context, found.path, fresh=call.site.caller in (Caller.WORKFLOW, Caller.PIPELINE))
    if known is None or (target.configured and not _configures(context, posixpath.dirname(found.path))):
        return
    for word in target.names:
        name = word.value
        if known.may_make(name) or context.repository.exists(posixpath.join(posixpath.dirname(found.path), name)):
            continue
        near = get_close_matches(name, known.names, n=1)
        yield RULE.found(
            f"`{found.path}` has no target `{name}`",
            Involved(Place(call.site.path, word.line, word.column), "call"),
            Involved(Place(found.path), "callee"),
            anchor=f"{name} of {found.path} from {call.site.owner}",
            severity=severity,
            confidence=found.confidence,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


def _configures(context: Context, directory: str) -> bool:
    """Whether what makes a makefile is in a directory; else another project's is told of."""
    names = ("configure", "configure.ac", "configure.in", "Makefile.PL")
    return any(context.repository.is_file(posixpath.join(directory, each)) for each in names)


def _in_image(context: Context, call: Call, names: list[Word]) -> Location | None:
    """The one makefile of ours that images have where a script goes to: `cd /srv/shop && make`."""
    directory = call.site.directory
    if call.site.caller is not Caller.SHELL or not directory.startswith("/") or not is_known(directory):
        return None
    found: set[str] = set()
    for path, made in context.dockerfiles.items():
        for stage in made.stages:
            for build in context.builds(path):
                files = context.images.filesystem(made, stage, build.directory)
                places = (files.find(joined(directory, name.value)) for name in names if name.known)
                found |= {each for each in places if each}
    return Location(State.FOUND, found.pop(), Confidence.LIKELY) if len(found) == 1 else None


def _targets(context: Context, path: str, *, fresh: bool = False) -> Targets | None:
    """Targets of a makefile and of what it includes; None where nobody can tell.

    In a `fresh` checkout nobody has put files of their own that git ignores."""
    if path not in context.makefiles:
        return None
    made = context.making.whole(path)
    if made.dynamic:
        return None
    for each in made.includes:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), each.name))
        if not each.tolerated or not is_known(each.name):
            return None
        own = (
            fresh
            and context.repository.is_ignored(beside)
            and posixpath.basename(beside) not in context.finder.made_names
        )
        if not own and context.finder.is_made(beside):
            return None
    return context.making.targets(path)


BAD = [
    tree("""
        === Makefile
        release: build publish
        build:
        \ttrue
    """),
    tree("""
        === Makefile
        -include local.mk
        release: publish
        .PHONY: release
        === .github/workflows/release.yml
        on: push
        jobs:
          release:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: make relase
    """),
    tree("""
        === Makefile
        all: build
        build:
        \techo built
        === .github/workflows/ci.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: make lint build
    """),
    tree("""
        === Makefile
        install:
        \ttrue
        === CONTRIBUTING.md
        # Contributing

            $ make setup
    """),
    tree("""
        === Makefile
        HERE := $(shell cd $(dir $(lastword $(MAKEFILE_LIST))) && pwd)
        TOOLS := $(HERE)/tools
        PARTS = api web
        SYSTEM ?= $(shell uname -s | tr 'A-Z' 'a-z')
        include $(HERE)/make/$(SYSTEM).mk
        $(TOOLS):
        \tmkdir -p $@
        $(CACHE_DIR):
        \tmkdir -p $@
        $(addprefix build-,$(PARTS)): $(TOOLS)
        \techo $@
        === make/linux.mk
        archive:
        \ttrue
        === release.sh
        cd "$(dirname "$0")"
        make build-api archive release
    """),
    tree("""
        === Makefile
        check-style:
        \ttrue
        === .github/workflows/make.yml
        on:
          workflow_call:
            inputs:
              target: {type: string, required: true}
        jobs:
          make:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: make ${{ inputs.target }}
        === .github/workflows/lint.yml
        on: push
        jobs:
          style:
            uses: ./.github/workflows/make.yml
            with: {target: checkstyle}
    """),
    tree("""
        === Makefile
        include parts/*.mk services/*/Makefile
        release: image publish
        === parts/shared.mk
        shared-tidy:
        \ttrue
        %: shared-% ;
        === services/api/Makefile
        image: base
        \t./services/api/pack.sh
        === services/api/pack.sh
        true
        === publish.sh
        cd "$(dirname "$0")"
        make tidy
        make tody
    """),
    tree("""
        === Makefile
        tables.h: tools/make-tables.py
        \ttouch $@
        === tools/tables.py
        print("made")
    """),
]
GOOD = [
    tree("""
        === Makefile
        include common.mk
        -include local.mk
        run-%:
        \techo $*
        === common.mk
        lint:
        \techo lint
        === deploy.sh
        cd "$(dirname "$0")"
        make lint run-api VERSION=1 -j4
    """),
    tree("""
        === Makefile
        SOURCES := $(shell find shop/ | grep -E '^shop/(a|b).+\\.py$$')
        ifeq ($(OS), Windows_NT)
        \tTOP = $(shell (Get-Location).Path)
        else
        \tTOP ?= $(shell pwd)
        endif
        NAMES = api web
        include $(TOP)/make/common.mk
        bundle.js: $(SOURCES)
        \ttouch $@
        all: $(foreach name,$(NAMES),build-$(name)) $(NAMES:%=test-%)
        build-%:
        \techo $@
        $(patsubst %,test-%,$(NAMES)):
        \techo $@
        $(KINDS:%=check-%): $(info reading: all)
        \techo $@
        === make/common.mk
        lint:
        \techo lint
        === ship.sh
        cd "$(dirname "$0")"
        make test-api check-all lint
    """),
    tree("""
        === Makefile
        install:
        \ttrue
        === web/Makefile
        serve:
        \ttrue
        === CONTRIBUTING.md
        # Contributing

        ```
        make install
        cd web
        make serve
        ```

        1. First

            make sure that nothing else runs
    """),
    tree("""
        === docs/Makefile
        html:
        \ttrue
        === docs/developing.rst
        Developing
        ==========

        In the repository of the tools::

            $ make virtualenv
    """),
    tree("""
        === Makefile
        lint:
        \ttrue
        === .github/actions/make/action.yml
        name: make
        inputs:
          target: {required: true, description: what}
          fast: {description: how}
        runs:
          using: composite
          steps:
            - run: make ${{ inputs.target }}
              shell: bash
            - run: make ${{ inputs.fast }}
              if: inputs.fast != 'no'
              shell: bash
        === .github/workflows/lint.yml
        on: push
        jobs:
          style:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/make
                with: {target: lint, fast: "no"}
    """),
    tree("""
        === configure.ac
        AC_INIT
        === Makefile.am
        all: nothing-that-is-here
        === database/Makefile.in
        all: all-am
        \tcd @top_builddir@ && ./run.sh
        === web/Makefile
        COMPOSE = docker compose -f $(FILE)
        BIG = if test -n "$$one"; then first="two"; fi
        up:
        \t$(COMPOSE) up
        \t$(BIG); cd @srcdir@
        === build.sh
        ./configure && make release
        cd database && make all-recursive
    """),
    tree("""
        === Makefile
        IMAGE := shop/api
        include build/*.mk services/*/Makefile
        ship: api-image tidy
        %: shared-%
        \t@echo $@
        === build/rules.mk
        shared-tidy:
        \ttrue
        === services/api/Makefile
        api-image: clean
        \tdocker build -t $(IMAGE) -f services/api/Dockerfile services/api
        clean:
        \t./services/api/clean.sh && $(MAKE) tidy
        === services/api/clean.sh
        true
        === services/api/Dockerfile
        FROM alpine:3.22
        COPY clean.sh /
        === services/load/Makefile
        load-up:
        \tdocker compose -f base.yml up
        === services/load/base.yml
        services:
          load: {image: "shop/load:1"}
        === ship.sh
        cd "$(dirname "$0")"
        make ship
    """),
    tree("""
        === Makefile
        .DEFAULT:
        \tcd server && $(MAKE) $@
        === server/Makefile
        BIN = ./served
        $(BIN): main.c
        \t$(CC) -o $@ main.c
        include $(TOOLS)
        === worker/Makefile
        BIN = ./worked
        all: worked
        $(BIN): main.c
        \t$(CC) -o $@ main.c
        PROGRAM = worker
        $(PROGRAM): main.c
        \t$(CC) -o $@ main.c
        windows:
        \t$(MAKE) "PROGRAM=worker.exe" worker.exe
        === server/main.c
        int main() { return 0; }
        === worker/main.c
        int main() { return 0; }
        === ship.sh
        cd "$(dirname "$0")"
        make anything
        make -C server install
        make -C worker worked
    """),
]

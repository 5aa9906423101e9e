"""`make`: a target that the makefile does not have, or no makefile at all."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, Caller, MakeTarget, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.makefile import Makefile, may_make
from sophia_preflight.standing import consequence
from sophia_preflight.text import CWD, ROOT, UNKNOWN, Word, is_known

RULE = Rule(
    id="missing-make-target",
    title="make is asked for a target that its makefile does not have",
    severity=Severity.HIGH,
    why='make ends with "no rule to make target"',
    fix="correct the name, or add the target",
    family="targets",
)
_NAMES = ("GNUmakefile", "makefile", "Makefile")


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if isinstance(call.target, MakeTarget):
            yield from _missing(context, call, call.target)
    for path in context.makefiles:
        yield from _needed(context, path)


def _needed(context: Context, path: str) -> Iterator[Finding]:
    """Prerequisites that have no rule and are no file."""
    known = _targets(context, path, set()) if not path.endswith(".mk") else None
    if known is None:
        return
    for target in context.makefiles[path].targets:
        for name in target.needs:
            plain = re.fullmatch(r"[A-Za-z][\w-]*", name)
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            if not plain or target.name.startswith(".") or "%" in target.name or may_make(known, name):
                continue
            if context.repository.exists(place) or context.finder.is_made(place):
                continue
            near = get_close_matches(name, known, n=1)
            severity, blocks = consequence(Site(path, Caller.MAKE, owner=target.name))
            yield RULE.found(
                f"`{target.name}` needs `{name}`, for which `{path}` has no rule",
                Place(path, target.line),
                anchor=f"{target.name} needs {name}",
                severity=severity,
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                blocks=blocks,
            )


def _missing(context: Context, call: Call, target: MakeTarget) -> Iterator[Finding]:
    names = [target.file] if target.file else [Word(name, call.place.line, call.place.column) for name in _NAMES]
    locations = [context.path_of(name, call) for name in names]
    found = next((each for each in locations if each.found), None)
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
    known = _targets(context, found.path, set())
    if known is None:
        return
    for word in target.names:
        name = word.value
        if may_make(known, name) or context.repository.exists(posixpath.join(posixpath.dirname(found.path), name)):
            continue
        near = get_close_matches(name, known, n=1)
        yield RULE.found(
            f"`{found.path}` has no target `{name}`",
            Involved(Place(call.site.path, word.line, word.column), "call"),
            Involved(Place(found.path), "callee"),
            anchor=f"{name} of {found.path} from {call.site.owner}",
            severity=severity,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


def _targets(context: Context, path: str, seen: set[str]) -> set[str] | None:
    """Targets of a makefile and of what it includes; None where nobody can tell."""
    made: Makefile | None = context.makefiles.get(path)
    if made is None or made.dynamic:
        return None
    seen.add(path)
    found = made.names()
    for name, _, optional in made.includes:
        inner = _included(context, posixpath.dirname(path), name)
        if not inner:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            if not optional or not is_known(name) or context.finder.is_made(beside):
                return None
        for each in inner - seen:
            more = _targets(context, each, seen)
            if more is None:
                return None
            found |= more
    return found


def _included(context: Context, directory: str, name: str) -> set[str]:
    """The makefiles that an `include` may mean: make looks from where it runs, which the text may leave open."""
    if name.startswith(ROOT):
        places = [posixpath.normpath(name[1:].lstrip("/"))]
    else:
        places = [posixpath.normpath(posixpath.join(base, name.removeprefix(f"{CWD}/"))) for base in (directory, "")]
    for place in places:
        if place in context.makefiles:
            return {place}
        if (not is_known(name) or "*" in name) and (posixpath.dirname(place).strip(UNKNOWN) or place.endswith(".mk")):
            pattern = re.escape(place).replace(r"\*", "[^/]*").replace(UNKNOWN, ".*")
            if found := {each for each in context.makefiles if re.fullmatch(pattern, each)}:
                return found
    return set()


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
]

"""Targets that makefiles make of templates: which there are, and where nobody can tell."""

from __future__ import annotations

from textwrap import dedent

import pytest
from sophia_preflight.readers.makefile import Targets, parse

TEMPLATES = """
    BINARIES = api worker
    OUT := out
    MODULES := $(shell find . -name go.mod)
    FILES := $(foreach each,$(shell find cmd),./cmd/$(each)/$(each))

    define build
    .PHONY: $(2)/$(1)
    $(2)/$(1):
    \tgo build -o $(2)/$(1) ./cmd/$(1)
    build-$(1): $$(OUT)/$(1)
    endef

    define depends
    $(dir $(1)).done: $(1)
    endef

    all: lint
    lint:
"""


def makefile(more: str) -> tuple[bool, Targets]:
    made = parse("Makefile", dedent(TEMPLATES).replace("\\t", "\t") + dedent(more))
    return made.dynamic, Targets(made.targets, lambda name: False)


@pytest.mark.parametrize(
    ("more", "there", "absent"),
    [
        ("$(foreach one,$(BINARIES),$(eval $(call build,$(one),$(OUT))))", "build-worker out/api all", "build-other"),
        ("$(eval $(call build,till,bin))", "bin/till build-till", "build-api"),
        ("$(foreach one, $(MODULES), $(eval $(call build,$(one),mod)))", "build-any mod/x", "built lint-any"),
        ("$(foreach one,$(FILES),$(eval $(call depends,$(one))))", "cmd/a/.done", "check"),
        ("$(eval VERSION := $(shell git describe))", "lint", "version"),
        ("$(if $(CI),$(eval $(call build,ci,out)))", "build-ci", "build-cd"),
        ("$(info $(BINARIES))\n$(foreach one,$(BINARIES),$(info $(one)))", "lint", "api"),
    ],
)
def test_targets_of_templates_are_those_that_make_has(more: str, there: str, absent: str) -> None:
    dynamic, targets = makefile(more)
    assert not dynamic
    assert all(targets.may_make(name) for name in there.split())
    assert not any(targets.may_make(name) for name in absent.split())


@pytest.mark.parametrize(
    "more",
    [
        "$(eval $(call missing,a))",
        "$(eval $(RULES))",
        "$(foreach one,$(MODULES),$(eval $(one): lint))",
        "define twice\n$$(eval $$(call build,$(1),out))\nendef\n$(eval $(call twice,a))",
        "$(eval include $(MODULES))",
    ],
)
def test_nobody_can_tell_targets_of_what_is_not_here(more: str) -> None:
    assert makefile(more)[0]

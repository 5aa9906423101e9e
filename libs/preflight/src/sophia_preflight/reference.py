"""The rules in words, for `explain` and for the reference page: made from the rules themselves, examples included."""

from __future__ import annotations

from collections.abc import Iterator

from sophia_preflight.model import Tree
from sophia_preflight.rules import FAMILIES, Check, all_checks

_INTRODUCTION = """\
What `sophia check` looks for; `sophia explain RULE` shows one of these. This page is made from the rules, and each
rule's examples are its tests. The severity is the usual one: what really happens at a place decides (a call that a
deployment depends on is critical, one in a test blocks nothing)."""


def explained(rule: str) -> str | None:
    """A rule with why, fix, a bad and a good example; None where there is no such rule."""
    check = all_checks().get(rule)
    return "\n".join(_explained(check)) + "\n" if check else None


def _explained(check: Check) -> Iterator[str]:
    rule = check.rule
    yield f"{rule.id}: {rule.title}"
    yield ""
    yield f"{rule.severity}, {FAMILIES[rule.family].lower()}"
    yield f"why: {rule.why}"
    yield f"fix: {rule.fix}"
    for title, trees in (("found here", check.bad), ("nothing wrong here", check.good)):
        for tree in trees[:1]:
            yield ""
            yield f"{title}:"
            yield from (f"  {line}" for line in _files(tree))


def _files(tree: Tree) -> Iterator[str]:
    for path, text in tree.items():
        yield f"--- {path}"
        yield from text.rstrip("\n").split("\n") if text.strip() else ()


def reference_markdown() -> str:
    """The reference page of all rules."""
    parts = ["# Rules of `sophia check`", _INTRODUCTION]
    for family, title in FAMILIES.items():
        checks = [check for check in all_checks().values() if check.rule.family == family]
        if checks:
            parts.append(f"## {title}")
            parts += ["\n".join(_section(check)) for check in checks]
    return "\n\n".join(parts) + "\n"


def _section(check: Check) -> Iterator[str]:
    rule = check.rule
    yield f"### {rule.id}"
    yield ""
    yield f"{rule.title[:1].upper()}{rule.title[1:]} ({rule.severity}): {rule.why}. Fix: {rule.fix}."
    for title, trees in (("Found here:", check.bad), ("Nothing wrong here:", check.good)):
        for tree in trees[:1]:
            yield ""
            yield title
            yield ""
            yield "````text"
            yield from _files(tree)
            yield "````"


if __name__ == "__main__":
    print(reference_markdown(), end="")  # noqa: T201  # the page itself

"""What a user set: the `check:` section of `sophia.yaml`, and the words of the call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Node

FILE = "sophia.yaml"
LINTERS = ("hadolint", "actionlint", "zizmor", "shellcheck")
_KEYS = frozenset({"ignore", "rules", "baseline", "linters"})


@dataclass(frozen=True)
class Wrong:
    """A setting that is not valid, with its place."""

    message: str
    line: int
    column: int


@dataclass(frozen=True)
class Settings:
    """`ignore`: paths left out (patterns as in .gitignore); `rules`: those to run, all if empty; `require`: linters
    that must be there (`linters:` in the file)."""

    ignore: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    baseline: str = ""
    require: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = field(default_factory=tuple)


def read(text: str) -> Settings:
    """The settings in a `sophia.yaml`; what is wrong with them is in `wrong` and the rest holds."""
    section = yaml.root_of(text)["check"]
    if not section or section.is_null:
        return Settings()
    wrong = list(_wrong(section))
    return Settings(
        tuple(each.text for each in section["ignore"].some() if each.text),
        tuple(each.text for each in section["rules"].some() if each.text),
        section["baseline"].text,
        tuple(each.text for each in section["linters"].some() if each.text in LINTERS),
        tuple(wrong),
    )


def _wrong(section: Node) -> Iterator[Wrong]:
    if not section.is_map:
        yield Wrong("`check` is a mapping", section.line, section.column)
        return
    for name, value in section.items():
        key = section.key(name)
        if name not in _KEYS:
            yield Wrong(f"`check.{name}` is no setting; there are {', '.join(sorted(_KEYS))}", key.line, key.column)
        elif name == "baseline" and not value.text:
            yield Wrong("`check.baseline` is the path of a file", value.line, value.column)
        elif name != "baseline" and not all(each.is_scalar and each.text for each in value.some() or [value]):
            yield Wrong(f"`check.{name}` is a list of words", value.line, value.column)
        elif name == "linters":
            for each in value.some():
                if each.text not in LINTERS:
                    yield Wrong(f"`{each.text}` is no linter; there are {', '.join(LINTERS)}", each.line, each.column)

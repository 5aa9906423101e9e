"""What editors and readers are told about `sophia.yaml`, made from the models: JSON Schema and reference page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sophia_deployment_core import units
from sophia_deployment_core.platform import Platform, Shape

_WRITTEN: dict[str, Callable[[int], str]] = {
    "_ms": units.duration_text,
    "_us": lambda value: units.duration_text(value // 1000),
    "_permille": lambda value: f"{value / 10:g}%",
    "_percent": lambda value: f"{value}%",
}
_INTRODUCTION = """\
This page is made from the models that read the file. Unknown keys are refused; so are keys that are planned but not
available yet (marked *not yet*). YAML 1.2: `no` is a text, `012` is twelve. Anchors, aliases and merge keys (`<<`)
work. Durations have a unit (`500ms`, `30s`, `5m`, `1h30m`, `30d`), sizes too (`64MB`, `512Mi`), shares are percentages
(`1%`)."""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `sophia.yaml`, with descriptions. Keys that are not yet available match nothing."""
    made = Platform.model_json_schema(by_alias=True, mode="validation")
    shapes = {shape.__name__: shape for shape in _shapes(Platform)}
    for name, described in [("Platform", made), *made["$defs"].items()]:
        for key, because in shapes[name].NOT_YET.items():
            described["properties"][key] = {"not": {}, "description": f"Not yet: {because}.", "doNotSuggest": True}
    _tidy(made)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "sophia.yaml"}


def _tidy(part: Any) -> None:
    """Without names that fit no pattern, generated titles, and defaults, which are in the canonical form's units."""
    if isinstance(part, dict):
        if part.get("type") or "$ref" in part or "anyOf" in part:
            part.pop("title", None)
            part.pop("default", None)
        if "patternProperties" in part:
            part["additionalProperties"] = False
        for inner in part.values():
            _tidy(inner)
    elif isinstance(part, list):
        for inner in part:
            _tidy(inner)


def reference_markdown() -> str:
    """The reference page: one table for each shape, in the order in which a file is read."""
    parts = ["# sophia.yaml", _INTRODUCTION]
    for shape, path in _places():
        parts += [f"## {path}", (shape.__doc__ or "").strip(), _table(shape)]
    return "\n\n".join(parts) + "\n"


def _table(shape: type[Shape]) -> str:
    rows = ["| key | default | what |", "|---|---|---|"]
    for name, info in shape.model_fields.items():
        key = str(info.validation_alias or name)
        default = "**required**" if info.is_required() else _default(name, info.default)
        rows.append(f"| `{key}` | {default} | {info.description} |")
    rows += [f"| `{key}` | *not yet* | {because[0].upper()}{because[1:]}. |" for key, because in shape.NOT_YET.items()]
    return "\n".join(rows)


def _default(name: str, value: Any) -> str:
    if value is None or value in ((), {}) or isinstance(value, Shape):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    for ending, text in _WRITTEN.items():
        if name.endswith(ending):
            return f"`{text(value)}`"
    return f"`{value}`"


def _places() -> list[tuple[type[Shape], str]]:
    """Every shape with the path at which it stands first, as people write it."""
    found: dict[type[Shape], str] = {}
    _visit(Platform, "", found)
    return [(shape, f"`{path}`" if path else "The file") for shape, path in found.items()]


def _visit(shape: type[Shape], path: str, found: dict[type[Shape], str]) -> None:
    if shape in found:
        return
    found[shape] = path
    for name, info in shape.model_fields.items():
        for inner, suffix in _within(info.annotation):
            key = str(info.validation_alias or name)
            _visit(inner, f"{path}.{key}{suffix}".removeprefix("."), found)


def _within(annotation: Any) -> Iterator[tuple[type[Shape], str]]:
    """The shapes that an annotation holds, with what stands for an entry's name in a path."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        yield annotation, ""
    origin = getattr(annotation, "__origin__", None)
    for inner in getattr(annotation, "__args__", ()):
        suffix = "[]" if origin is tuple else ".NAME" if origin is not None else ""
        yield from ((shape, suffix + more) for shape, more in _within(inner))


def _shapes(shape: type[Shape]) -> set[type[Shape]]:
    found: dict[type[Shape], str] = {}
    _visit(shape, "", found)
    return set(found)

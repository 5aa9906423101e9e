"""Files and modules, and the names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from benchmarks.check.links.joining import MANIFEST, PYTHON, At, Finder, Link, named
from benchmarks.check.trees import Line, Tree

_TOKEN = re.compile(r"(?<![\w./$@{%*:~-])(?:\./)?([\w][\w.-]*(?:/[\w.-]+)*|\.[\w-]+(?:/[\w.-]+)+)(?![\w/*$@{(-])")
_MADE = re.compile(
    r"\b(rm|mkdir|touch|tee|chmod|chown|unlink|echo|printf|git add|gitignore)\b|^\s*-\s+[\"']?[\w./-]+[\"']?$"
)
_OUT = re.compile(r"(>+|-o|--output|--out|--outfile|--dest)[ =]*$")


def _paths(tree: Tree) -> Iterator[Link]:
    for line in tree.run:
        if _MADE.search(line.text):
            continue
        tokens = list(_TOKEN.finditer(line.text))
        if re.match(r"\s*(COPY|ADD|cp|mv|ln) ", line.text):
            tokens = tokens[:-1]
        for token in tokens:
            said = token[1]
            if ("/" not in said and "." not in said) or _OUT.search(line.text[: token.start()]):
                continue
            file = tree.resolved(said, line.path)
            if file and file != line.path:
                base = token.end(1) - len(PurePosixPath(said).name)
                yield Link("path", said, At(line.path, line.number, base, token.end(1)), file=file)


_FROM = re.compile(r"^from (\.*[\w.]*) import (.+)$")
_RUN_MODULE = re.compile(
    r"(?:\bpython3? -m|\bcelery (?:-A|--app)|\b(?:uvicorn|gunicorn|hypercorn|granian)(?: -[\w-]+(?:[ =][\w.:/]+)?)*)"
    r" +([\w.]+)(?::(\w+))?"
)
_ENTRY = re.compile(r"""^\s*["']?[\w.-]+["']? *= *["']?([a-zA-Z_][\w.]*):(\w+)["']?\s*,?$""")


def module_file(tree: Tree, dotted: str, beside: str) -> str:
    """The file of a module; empty where it is not the repository's, or two could be meant."""
    depth = len(dotted) - len(dotted.lstrip("."))
    parts = [part for part in dotted.lstrip(".").split(".") if part]
    if depth:
        folder = PurePosixPath(beside).parent
        for _ in range(depth - 1):
            folder = folder.parent
        candidates = [str(folder.joinpath(*parts))]
    else:
        candidates = [str(PurePosixPath(root, *parts)) for root in ("", "src", str(PurePosixPath(beside).parent))]
        name = parts[-1] if parts else ""
        ends = (f"/{'/'.join(parts)}.py", f"/{'/'.join(parts)}/__init__.py")
        near = [p for n in (f"{name}.py", "__init__.py") for p in tree.by_name.get(n, []) if ("/" + p).endswith(ends)]
        if len(parts) > 1 and len(near) == 1:
            return near[0]
    for candidate in candidates:
        for path in (f"{candidate}.py", f"{candidate}/__init__.py"):
            if path in tree.paths:
                return path
    return ""


def _defined(tree: Tree, file: str, name: str) -> tuple[At, ...]:
    """Where a module gives itself a name at its top level; empty where it may do so in other ways as well."""
    pattern = re.compile(rf"^(?:(?:async )?def |class )?({re.escape(name)})\b(?= *[(:=])")
    lines = tree.texts.get(file, [])
    if any("__getattr__" in text or "import *" in text for text in lines):
        return ()
    found = list(named(pattern, (Line(file, number, text) for number, text in enumerate(lines, 1))))
    bound = sum(bool(re.match(rf"\s*(from|import)\b.*\b{re.escape(name)}\b", text)) for text in lines)
    return (found[0][1],) if len(found) == 1 and not bound else ()


def _module_link(tree: Tree, kind: str, dotted: str, at: At) -> Iterator[Link]:
    file = module_file(tree, dotted, at.path)
    if file and file != at.path:
        part = dotted.rpartition(".")[2]
        if part and not file.endswith("__init__.py"):
            yield Link(kind, dotted, At(at.path, at.line, at.end - len(part), at.end), file=file)


def _imports(tree: Tree) -> Iterator[Link]:
    for line in tree.lines(PYTHON):
        if not (match := _FROM.match(line.text)):
            continue
        start, end = match.span(1)
        yield from _module_link(tree, "imported module", match[1], At(line.path, line.number, start, end))
        file = module_file(tree, match[1], line.path)
        for name in re.finditer(r"(?<![\w.])(?<!as )(\w+)", match[2].split("#")[0]):
            if file and name[1] != "as" and (defined := _defined(tree, file, name[1])):
                start, end = (match.start(2) + each for each in name.span(1))
                yield Link("imported name", name[1], At(line.path, line.number, start, end), defined)


def _entries(tree: Tree) -> Iterator[Link]:
    run = [(line, _RUN_MODULE) for line in tree.run]
    for line, pattern in [*run, *((line, _ENTRY) for line in tree.lines(MANIFEST))]:
        for match in pattern.finditer(line.text):
            yield from _module_link(tree, "started module", match[1], At(line.path, line.number, *match.span(1)))
            file = module_file(tree, match[1], line.path)
            if file and match[2] and (defined := _defined(tree, file, match[2])):
                yield Link("started name", match[2], At(line.path, line.number, *match.span(2)), defined)


_SCRIPT_IMPORT = re.compile(
    r"""^(?:import|export)\b.*?from ["'](\.{1,2}/[\w./-]+)["']|require\(["'](\.{1,2}/[\w./-]+)["']\)"""
)


def _script_imports(tree: Tree) -> Iterator[Link]:
    for line in tree.lines(re.compile(r"\.(js|jsx|ts|tsx|mjs|cjs|vue)$")):
        for match in _SCRIPT_IMPORT.finditer(line.text):
            group = match.lastindex or 1
            target = PurePosixPath(line.path).parent / match[group]
            parts: list[str] = []
            for part in target.parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            said = "/".join(parts)
            ends = ("", ".js", ".ts", ".tsx", ".jsx", ".mjs", ".vue", ".json")
            if file := next((said + end for end in ends if said + end in tree.paths), ""):
                end = match.end(group)
                at = At(line.path, line.number, end - len(PurePosixPath(match[group]).name), end)
                yield Link("script import", match[group], at, file=file)


FINDERS: tuple[Finder, ...] = (
    _imports,
    _entries,
    _script_imports,
    _paths,
)

"""A command or plugin that a project brings, and whose module or name does not exist."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.modules import Modules
from sophia_preflight.packaging import PROJECT_FILES, EntryPoint, PythonProject, normal_name
from sophia_preflight.readers.imports import Import, Imported
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-entry-point",
    title="an entry point of a package names what does not exist",
    severity=Severity.HIGH,
    why="the installed command ends with an error whenever somebody runs it",
    fix="name what the package has, or add it",
    family="python",
)
_REFERENCE = re.compile(r"^([A-Za-z_][\w.]*)(?:\s*:\s*([A-Za-z_][\w.]*))?\s*(?:\[.*\])?$")


_RENAMED = re.compile(r"\bpackage_dir\s*=\s*\{?\s*(?![\"'\s]{2}|=)[\w\"'.]+\s*[:=]")


def check(context: Context) -> Iterable[Finding]:
    for project in context.modules.projects.by_directory.values():
        for point in project.entry_points:
            yield from _wrong(context, project, point)


def _wrong(context: Context, project: PythonProject, point: EntryPoint) -> Iterator[Finding]:
    match = _REFERENCE.match(point.value.strip())
    if match is None:
        return
    module, attribute = match[1], (match[2] or "").partition(".")[0]
    modules = context.modules
    top = module.partition(".")[0]
    # the outermost first: what is said is the same in every run, and of the project's own package
    roots = sorted(
        (each for each in context.module_roots(top) if _inside(each, project.directory)),
        key=lambda each: (len(each), each),
    )
    if top in sys.stdlib_module_names or normal_name(top) in project.needs - {project.name}:
        return
    if _is_taken_in(context, project, module):
        return
    if not roots:
        yield from _nowhere(context, project, point, module)
        return
    if _is_put_elsewhere(context, project, module):
        return
    names = (Imported(attribute, 1, 1),) if attribute else ()
    wanted = Import(module, 0, 1, 1, names)
    lacking = [found for root in roots if (found := modules.lack_in(root, wanted)) is not None]
    if len(lacking) != len(roots):
        return
    path, is_name = min(lacking, key=lambda each: (not each[1], each[0].count("/")))
    there = [Involved(Place(path), "module")] if is_name and context.python(path) else []
    said = f"`{module}` has no `{attribute}`" if is_name else f"there is no `{path}`"
    yield _finding(point, said, Confidence.CERTAIN, there)


def _is_put_elsewhere(context: Context, project: PythonProject, module: str) -> bool:
    """Whether the build is told to put a directory of another name where the module, or a package of it, will be."""
    files = [posixpath.join(project.directory, each) for each in PROJECT_FILES]
    texts = [context.repository.text(each) for each in files if context.repository.is_file(each)]
    parts = module.split(".")
    for end in range(2, len(parts) + 1):
        path, dotted = "/".join(parts[:end]), ".".join(parts[:end])
        put = re.compile(rf"[=:]\s*[\"']{re.escape(path)}(\.py)?/?[\"']|[\"']{re.escape(dotted)}[\"']\s*[=:]")
        if any(put.search(text) for text in texts):
            return True
    return any(re.search(rf"\bto\s*=\s*[\"']{re.escape(parts[0])}/?[\"']", text) for text in texts)


def _is_taken_in(context: Context, project: PythonProject, module: str) -> bool:
    """Whether a build takes a file or directory of the project for that module."""
    source = project.source(module)
    return bool(source) and any(context.repository.exists(each) for each in (source, f"{source}.py"))


def _inside(root: str, directory: str) -> bool:
    return not directory or root == directory or root.startswith(directory + "/")


def _nowhere(context: Context, project: PythonProject, point: EntryPoint, module: str) -> Iterator[Finding]:
    """A package that is nowhere in the repository, where the project is sure to bring its own modules."""
    top = module.partition(".")[0]
    if (
        not point.is_command
        or normal_name(top) in context.modules.projects.needs
        or context.module_roots(top)
        or project.is_compiled
        or _is_made(context.modules, project, top)
        or _is_called_otherwise(context, project)
    ):
        return
    if any(path.endswith(".py") for path in context.repository.inside(project.directory)):
        yield _finding(point, f"there is no module `{top}`", Confidence.LIKELY, [])


def _is_called_otherwise(context: Context, project: PythonProject) -> bool:
    """Whether directories of the project's packages have other names than these."""
    texts = (context.repository.text(posixpath.join(project.directory, each)) for each in ("setup.py", "setup.cfg"))
    return any(_RENAMED.search(text) for text in texts)


def _is_made(modules: Modules, project: PythonProject, top: str) -> bool:
    base = f"{project.directory}/{top}" if project.directory else top
    repository = modules.repository
    left_out = repository.is_ignored(base) or repository.is_left_out(base)
    return left_out or repository.exists(base) or modules.is_elsewhere(top)


def _finding(point: EntryPoint, said: str, confidence: Confidence, there: list[Involved]) -> Finding:
    what = "the command" if point.is_command else f"the entry point of `{point.group}`"
    return RULE.found(
        f"{what} `{point.name}` is `{point.value}`, and {said}",
        point.place,
        *there,
        anchor=f"{point.group} {point.name}",
        severity=limited(RULE.severity, point.place.path),
        confidence=confidence,
        blocks=f"{what} `{point.name}`",
    )


BAD = [
    tree("""
        === pyproject.toml
        [project]
        name = "tool"
        [project.scripts]
        tool = "tool.cli:main"
        === src/tool/__init__.py
        === src/tool/cli.py
        def run():
            pass
    """),
    tree("""
        === setup.cfg
        [options.entry_points]
        console_scripts =
            tool = tool.command:main
        === tool/__init__.py
    """),
    tree("""
        === setup.py
        from setuptools import setup
        setup(name="x", entry_points={"console_scripts": ["tool = tool.cli:start"]})
        === tool/__init__.py
        === tool/cli.py
        def main(): ...
    """),
    tree("""
        === pyproject.toml
        [tool.poetry]
        name = "svc"
        [tool.poetry.scripts]
        svc = "svcs.main:run"
        === svc/main.py
        def run(): ...
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "tool"
        [project.scripts]
        tool = "tool.cli:main"
        === tool/__init__.py
        === tool/cli.py
        def run():
            pass
        === tool/backends/__init__.py
        === tool/backends/tool.py
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "tool"
        [project.optional-dependencies]
        test = ["pytest"]
        dev = ["tool[test]", "ruff"]
        [project.scripts]
        tool-server = "tool.net.server:main"
        === python/tool/__init__.py
        === python/tool/net/__init__.py
        === python/tool/net/server.py
        def run(): ...
    """),
]
GOOD = [
    tree("""
        === pyproject.toml
        [project]
        name = "tool"
        dependencies = ["uvicorn"]
        [project.scripts]
        tool = "tool.cli:App.main"
        serve = "uvicorn.main:main"
        star = "tool.more:anything"
        [project.entry-points.pytest11]
        plugin = "tool.plugin"
        === src/tool/__init__.py
        === src/tool/cli.py
        class App:
            def main(self): ...
        === src/tool/more.py
        from elsewhere import *
        === src/tool/plugin/__init__.py
    """),
]

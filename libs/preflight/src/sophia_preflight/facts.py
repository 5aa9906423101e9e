"""What one file says, by its kind: a pure function of path and text, so that it can be kept until the text changes."""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from sophia_preflight.calls import compose as compose_calls
from sophia_preflight.calls import docker, documents, make, starting, tox
from sophia_preflight.calls import pipeline as pipeline_calls
from sophia_preflight.calls import python as python_calls
from sophia_preflight.calls import workflow as workflow_calls
from sophia_preflight.calls.documents import Page
from sophia_preflight.calls.model import Trace
from sophia_preflight.calls.shell import follow, script_site
from sophia_preflight.interfaces import python as python_interfaces
from sophia_preflight.interfaces import shell as shell_interfaces
from sophia_preflight.interfaces.model import Interface
from sophia_preflight.interfaces.programs import ADDS, SPEAKS
from sophia_preflight.readers import compose, dockerfile, json, makefile, pipeline, shell, workflow, yaml
from sophia_preflight.readers.compose import ComposeFile
from sophia_preflight.readers.dockerfile import Dockerfile
from sophia_preflight.readers.imports import Outline, outline_of
from sophia_preflight.readers.makefile import Makefile
from sophia_preflight.readers.pipeline import Pipeline
from sophia_preflight.readers.python import nodes_of
from sophia_preflight.readers.python_version import Need, is_python_2, newer_need
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.readers.tree import Documents, Fault
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.secrets import Suspect

_DOCKERFILE = re.compile(r"(^|/)(Dockerfile|Containerfile)([.\-_][\w.-]+)?$|\.[Dd]ockerfile$")
_NOT_DOCKERFILE = re.compile(r"\.(md|txt|j2|jinja2?|tmpl|tpl|template|erb|dockerignore|sh|py|ya?ml|json|bak|orig|in)$")
_MAKEFILE = re.compile(r"(^|/)(GNUm|M|m)akefile([.\-][\w-]+)?$|\.mk$")
_WORKFLOW = re.compile(r"\.(github|gitea|forgejo)/workflows/[^/]+\.ya?ml$")
_OF_ANOTHER = re.compile(r".*/" + _WORKFLOW.pattern)
"""Workflows of a project that was put into this one: they are run in its own repository only."""
_ACTION = re.compile(r"(^|/)action\.ya?ml$")
_AGENT = re.compile(r"mcp|claude|cursor|agents?[._-]", re.IGNORECASE)
_TEMPLATE = re.compile(r"\.(j2|jinja2?|tmpl|tpl|template|erb|mustache|hbs|gotmpl|in|am)$|\{\{|/templates/.*\.ya?ml$")


@dataclass
class PythonFacts:
    """Of a module: what it defines at its top, how it is called, or why it is none."""

    fault: Fault | None = None
    names: frozenset[str] = frozenset()
    open: bool = False
    """It may have names that its text does not show: `import *`, `__getattr__`, `globals()`."""
    interface: Interface = field(default_factory=lambda: Interface("unknown"))
    is_program: bool = False
    outline: Outline = field(default_factory=Outline)
    need: Need | None = None
    """Where its grammar is younger than Python 3.9; with a `fault`, younger than the Python that checks it."""
    is_python_2: bool = False
    speaks: bool = False
    """Its text speaks of arguments."""
    adds: bool = False
    """It may add commands to what other modules make."""


@dataclass
class ShellFacts:
    interface: Interface


@dataclass
class PackageFacts:
    documents: Documents

    @property
    def scripts(self) -> set[str]:
        return {name for name, _ in self.documents.root["scripts"].items()}


@dataclass
class DataFacts:
    """A YAML or JSON file that nobody here reads further."""

    documents: Documents


Data = (
    PythonFacts
    | ShellFacts
    | Makefile
    | PackageFacts
    | Workflow
    | Pipeline
    | ComposeFile
    | Dockerfile
    | DataFacts
    | Page
    | None
)


@dataclass
class Facts:
    kind: str
    trace: Trace = field(default_factory=Trace)
    data: Data = None
    suspects: tuple[Suspect, ...] = ()
    """Places in the text that look like secrets."""


def kind_of(path: str, head: str) -> str:
    """The kind of a file by its name, and by its first lines where the name says nothing; empty for none of ours."""
    name = posixpath.basename(path)
    if _TEMPLATE.search(path):
        return ""
    if name.endswith((".py", ".pyw")):
        return "python"
    if name.endswith((".sh", ".bash", ".zsh", ".ksh")):
        return "shell"
    if _DOCKERFILE.search(path) and not _NOT_DOCKERFILE.search(name):
        return "dockerfile"
    if _MAKEFILE.search(path):
        return "make"
    if name.endswith((".md", ".mdx", ".markdown", ".rst")):
        return "document" if documents.is_page(path) else ""
    if name == "tox.ini":
        return "tox"
    if name == "package.json":
        return "package"
    if name.endswith((".yml", ".yaml")):
        return _yaml_kind(path, head)
    if name.endswith((".json", ".jsonc")):
        return "agents" if "mcpServers" in head or (_AGENT.search(path) and '"command"' in head) else ""
    if name == "Procfile" or name.startswith("Procfile."):
        return "procfile"
    if name.endswith((".service", ".service.j2")):
        return "systemd"
    if name in ("crontab", "cronjobs") or name.endswith((".cron", ".crontab")) or "/cron.d/" in f"/{path}":
        return "crontab"
    if "." not in name and re.fullmatch(r"(exec )?\./[\w./-]+( .*)?\s*", head):
        return "shell"  # one line that starts another program
    if "." not in name and head.startswith("#!"):
        first = head.split("\n", 1)[0]
        return "python" if "python" in first else "shell" if re.search(r"\b(ba|da|z|k|a)?sh\b", first) else ""
    return ""


def _yaml_kind(path: str, head: str) -> str:
    if _WORKFLOW.match(path):
        return "workflow"
    if _OF_ANOTHER.match(path):
        return ""
    if _ACTION.search(path) and "runs:" in head:
        return "workflow"
    if pipeline.looks_like(path, head):
        return "pipeline"
    if compose.looks_like(path, head):
        return "compose"
    return "yaml"


def read(kind: str, path: str, text: str) -> Facts:
    """The facts of a file of a kind."""
    return _READERS[kind](path, text)


def _python(path: str, text: str) -> Facts:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, path)
    except SyntaxError as error:
        fault = Fault("syntax", error.msg or "invalid syntax", error.lineno or 1, max(1, error.offset or 1))
        line = text.split("\n")[fault.line - 1] if fault.line <= text.count("\n") + 1 else ""
        old = is_python_2(fault.message, line)
        need = None if old else newer_need(fault.message, line, fault.line)
        return Facts("python", data=PythonFacts(fault, open=True, need=need, is_python_2=old))
    except (ValueError, RecursionError, MemoryError) as error:
        return Facts("python", data=PythonFacts(Fault("syntax", str(error) or "it cannot be parsed", 1, 1)))
    trace = Trace()
    try:
        makes_calls = bool(python_calls.HINTS.search(text))
        is_program = "__main__" in text or text.startswith("#!") or path.endswith("__main__.py") or _parses(tree, text)
        nodes = nodes_of(tree) if makes_calls or is_program else []
        if makes_calls:
            trace = python_calls.trace_of(path, tree, nodes)
        interface = python_interfaces.interface_of(tree, text, nodes) if is_program else Interface("unknown")
        outline = outline_of(tree, text)
    except RecursionError:
        return Facts("python", data=PythonFacts(open=True, outline=Outline(opaque=True, spreads=True)))
    is_open = outline.opaque or bool(outline.stars)
    made = PythonFacts(None, outline.names, is_open, interface, is_program, outline, outline.need)
    made.speaks, made.adds = bool(SPEAKS.search(text)), bool(ADDS.search(text))
    return Facts("python", trace, made)


def _parses(tree: ast.Module, text: str) -> bool:
    """Whether the module parses its arguments as soon as it is run or imported."""
    if "parse_args" not in text:
        return False
    at_once = (node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)))
    return any(
        isinstance(each, ast.Attribute) and each.attr == "parse_args" for node in at_once for each in ast.walk(node)
    )


def _shell(path: str, text: str) -> Facts:
    trace = Trace()
    commands = shell.parse(text)
    follow(Snippet(path, text), script_site(path), trace)
    return Facts("shell", trace, ShellFacts(shell_interfaces.interface_of(commands, text)))


def _make(path: str, text: str) -> Facts:
    made = makefile.parse(path, text)
    return Facts("make", make.trace_of(path, made), made)


def _package(path: str, text: str) -> Facts:
    return Facts("package", starting.package_trace(path, text), PackageFacts(json.parse(text)))


def _workflow(path: str, text: str) -> Facts:
    made = workflow.parse(path, text)
    return Facts("workflow", workflow_calls.trace_of(made), made)


def _pipeline(path: str, text: str) -> Facts:
    made = pipeline.parse(path, text)
    return Facts("pipeline", pipeline_calls.trace_of(made), made)


def _compose(path: str, text: str) -> Facts:
    made = compose.parse(path, text)
    return Facts("compose", compose_calls.trace_of(made), made)


def _dockerfile(path: str, text: str) -> Facts:
    made = dockerfile.parse(path, text)
    return Facts("dockerfile", docker.trace_of(made), made)


def _document(path: str, text: str) -> Facts:
    trace, page = documents.read(path, text)
    return Facts("document", trace, page)


_READERS: dict[str, Callable[[str, str], Facts]] = {
    "python": _python,
    "shell": _shell,
    "make": _make,
    "tox": lambda path, text: Facts("tox", tox.trace_of(path, text)),
    "package": _package,
    "workflow": _workflow,
    "pipeline": _pipeline,
    "compose": _compose,
    "dockerfile": _dockerfile,
    "document": _document,
    "yaml": lambda _, text: Facts("yaml", data=DataFacts(yaml.parse(text))),
    "procfile": lambda path, text: Facts("procfile", starting.procfile_trace(path, text)),
    "systemd": lambda path, text: Facts("systemd", starting.systemd_trace(path, text)),
    "crontab": lambda path, text: Facts("crontab", starting.crontab_trace(path, text)),
    "agents": lambda path, text: Facts(
        "agents", starting.agents_trace(path, text), DataFacts(json.parse(text, comments=True))
    ),
}

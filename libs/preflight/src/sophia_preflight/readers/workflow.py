"""GitHub workflows and composite actions: jobs, steps, where they run, and expressions as far as they are constant."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product

from sophia_preflight.readers import yaml
from sophia_preflight.readers.snippet import Snippet, of_node
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.text import ROOT, UNKNOWN, is_known

EXPRESSION = re.compile(r"\$\{\{((?:'[^']*'|[^'])*?)\}\}", re.DOTALL)
"""Braces within quotes do not end one."""
MOST_VARIANTS = 24
_SEVERAL = re.compile(r"[^\s]\s+[^\s]")
"""A value of several words: a shell sees each of them, and what they are to it."""
_SINGLE = re.compile(
    r"github\.(sha|ref|ref_name|run_id|run_number|run_attempt|repository|repository_owner|actor|event_name|job)"
    r"|runner\.(os|arch|temp)"
)
"""What is one word wherever it is used."""
_MANY = re.compile(r"args?\b|arguments|flags|opts|options|params|command|extra|list|s$", re.IGNORECASE)
"""Names of inputs that may be several words."""
_COMPARED = re.compile(r"matrix\.([\w.-]+)\s*(==|!=)\s*'([^']*)'")


@dataclass
class Scope:
    """What `env.…`, `matrix.…` and a few others stand for; a missing name is unknown."""

    values: dict[str, str] = field(default_factory=dict)
    single: frozenset[str] = frozenset()
    """Names of what is one word, though nobody can tell which."""

    def with_env(self, node: Node) -> Scope:
        added = {f"env.{name.lower()}": self.text(value.text) for name, value in node.items() if value.is_scalar}
        return self.and_of(added)

    def and_of(self, values: Mapping[str, str]) -> Scope:
        return Scope({**self.values, **values}, self.single)

    def is_single(self, text: str) -> bool:
        """Whether an expression is one word for certain."""
        name = text.strip().lower()
        return _SINGLE.fullmatch(name) is not None or name.removeprefix("github.event.") in self.single

    def text(self, text: str) -> str:
        """Text with its expressions evaluated."""
        return EXPRESSION.sub(lambda found: self.expression(found[1])[0], text)

    def expression(self, text: str) -> tuple[str, bool]:
        """An expression's value, and whether it is a default that something else may replace."""
        text = text.strip()
        if (literal := re.fullmatch(r"'((?:[^']|'')*)'", text)) is not None:
            return literal[1].replace("''", "'"), False
        if re.fullmatch(r"[0-9.]+|true|false", text):
            return text, False
        name = re.sub(r"\[\s*'([^']+)'\s*\]", r".\1", text).lower()
        if name == "github.workspace":
            return ROOT, False
        if name in self.values:
            return self.values[name], False
        left, operator, right = text.rpartition("||")
        if operator and "&&" not in left:
            value, _ = self.expression(right)
            return (value, True) if is_known(value) else (UNKNOWN, False)
        return UNKNOWN, False


@dataclass
class Step:
    node: Node
    run: Node
    uses: Node
    with_: Node
    env: Node
    condition: str
    tolerated: bool
    directory: Node
    shell: str


@dataclass
class Job:
    """`directory` is the default of its `run` steps; `called` the reusable workflow that takes the place of steps."""

    name: str
    node: Node
    key: Node
    steps: list[Step]
    needs: list[Node]
    directory: Node
    shell: str
    env: Node
    matrix: Node
    condition: str
    called: Node


@dataclass
class Workflow:
    path: str
    documents: Documents
    root: Node
    jobs: list[Job]
    env: Node
    action: bool = False
    lines: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    """Inputs that are known, as somebody passes them."""

    @property
    def name(self) -> str:
        return self.root["name"].text or self.path.rpartition("/")[2]


def parse(path: str, text: str) -> Workflow:
    documents = yaml.parse(text)
    root = documents.root
    action = "runs" in root and "jobs" not in root
    made = Workflow(path, documents, root, [], root["env"], action, text.split("\n"))
    if action:
        steps = [_step(each, "") for each in root.at("runs", "steps").elements()]
        none = root["nothing"]
        made.jobs = [Job("action", root["runs"], root.key("runs"), steps, [], none, "", none, none, "", none)]
        return made
    defaults = root.at("defaults", "run")
    for name, node in root["jobs"].items():
        own = node.at("defaults", "run")
        shell = own["shell"].text or defaults["shell"].text
        windows = "windows" in node["runs-on"].text.lower()
        shell = shell or ("pwsh" if windows else "bash")
        directory = own["working-directory"] or defaults["working-directory"]
        steps = [_step(each, shell) for each in node["steps"].elements()]
        made.jobs.append(
            Job(
                name,
                node,
                root["jobs"].key(name),
                steps,
                node["needs"].some(),
                directory,
                shell,
                node["env"],
                node.at("strategy", "matrix"),
                node["if"].text,
                node["uses"],
            )
        )
    return made


def _step(node: Node, shell: str) -> Step:
    tolerated = node["continue-on-error"].text.lower() == "true"
    return Step(
        node,
        node["run"],
        node["uses"],
        node["with"],
        node["env"],
        node["if"].text,
        tolerated,
        node["working-directory"],
        node["shell"].text or shell,
    )


def variants(workflow: Workflow, job: Job, texts: str, condition: str = "") -> Iterator[Scope]:
    """One scope for each combination of the matrix values that `texts` mentions, if `condition` may hold.

    Where the condition asks the matrix what cannot be answered here, its values are unknown.
    """
    inputs = {f"inputs.{name.lower()}": value for name, value in workflow.given.items()}
    scope = Scope(inputs, _single_inputs(workflow)).with_env(workflow.env).with_env(job.env)
    if "matrix." not in condition:
        yield from _variants(job, texts, scope)
    elif "matrix." in _COMPARED.sub("", condition):
        yield scope
    else:
        yield from (each for each in _variants(job, f"{texts} {condition}", scope) if _may_run(condition, each))


def _may_run(condition: str, scope: Scope) -> bool:
    """Whether comparisons with the matrix leave a chance; anything else in a condition does."""
    if "||" in condition:
        return "(" in condition or any(_may_run(each, scope) for each in condition.split("||"))
    if "!" in condition.replace("!=", ""):
        return True
    for name, operator, wanted in _COMPARED.findall(condition):
        value = scope.values.get(f"matrix.{name.lower()}", UNKNOWN)
        if is_known(value) and (value.lower() == wanted.lower()) != (operator == "=="):
            return False
    return True


def _variants(job: Job, texts: str, scope: Scope) -> Iterator[Scope]:
    used = {name.lower() for name in re.findall(r"matrix\.([\w.-]+)", texts)}
    axes: dict[str, list[str]] = {}
    for name, values in job.matrix.items():
        if name in ("include", "exclude"):
            continue
        for value in values.elements():
            for inner, text in _flat(f"matrix.{name.lower()}", value):
                if inner.removeprefix("matrix.") in used:
                    axes.setdefault(inner, []).append(text)
    objects = _objects(job.matrix, used)
    if objects:
        plain = [[(name, value) for value in axes[name]] for name in sorted(axes) if name.count(".") == 1]
        several = (
            {**dict(chosen), **each}
            for each, included in objects
            for chosen in (product(*plain) if not included else [()])
        )
        yield from (scope.and_of(each) for each in islice(several, MOST_VARIANTS))
        named = {name.removeprefix("matrix.") for name in axes}
        if not named.issuperset(used) or not all(included for _, included in objects):
            return  # what is included then only adds to the combinations of the axes
    names = sorted(axes)
    excluded = [dict(_flat("matrix", each)) for each in job.matrix["exclude"].elements()]
    for count, chosen in enumerate(product(*(axes[name] for name in names))):
        if count >= MOST_VARIANTS:
            return
        entry = dict(zip(names, chosen, strict=True))
        if not any(each and all(entry.get(name) == value for name, value in each.items()) for each in excluded):
            yield scope.and_of(entry)


def _single_inputs(workflow: Workflow) -> frozenset[str]:
    """Inputs that a caller has to give, and that by their names and types are one word."""
    found: set[str] = set()
    for event in ("workflow_dispatch", "workflow_call"):
        for name, node in workflow.root["on"].at(event, "inputs").items():
            kind = node["type"].text or "string"
            if node["required"].text == "true" and kind in ("string", "choice", "number", "environment"):
                found |= {f"inputs.{name.lower()}"} if not _MANY.search(name) else set()
    return frozenset(found)


def _objects(matrix: Node, used: set[str]) -> list[tuple[dict[str, str], bool]]:
    """Values that belong together: entries of `include`, which is said beside them, and mappings of an axis."""
    found: list[tuple[dict[str, str], bool]] = []
    for name, values in matrix.items():
        for each in values.elements():
            if not each.is_map:
                continue
            base = "matrix" if name == "include" else f"matrix.{name.lower()}"
            entry = dict(_flat(base, each))
            if any(key.removeprefix("matrix.") in used for key in entry):
                found.append((entry, name == "include"))
    return found


def _flat(name: str, node: Node) -> Iterator[tuple[str, str]]:
    if node.is_map:
        for key, value in node.items():
            yield from _flat(f"{name}.{key.lower()}", value)
    elif node.is_scalar:
        yield name, node.text if "${{" not in node.text else UNKNOWN


def snippet(workflow: Workflow, node: Node, scope: Scope) -> Snippet:
    """A `run:` text with the values of its expressions in place."""
    made = of_node(workflow.path, node, workflow.lines)
    for found in reversed(list(EXPRESSION.finditer(made.text))):
        value, assumed = scope.expression(found[1])
        if _SEVERAL.search(value) and "\n" not in value and not assumed:
            made.text = made.text[: found.start()] + value + made.text[found.end() :]
            continue
        value = value if "\n" not in value else UNKNOWN
        made.put(found.start(), found.end(), value, assumed=assumed, single=scope.is_single(found[1]))
    return made


def own(used: str) -> str:
    """The path of what `uses` names in the repository itself; empty where it is another's.

    `./…` lies in the directory of the job, into which it has to be checked out; `$/…` is taken from the commit that
    runs."""
    return posixpath.normpath(used[2:]) if used.startswith(("./", "$/")) else ""


def local_action(workflows: Mapping[str, Workflow], used: str) -> Workflow | None:
    """The repository's own action that a step's `uses: ./…` names, out of all workflows and actions by path."""
    path = own(used)
    if not path:
        return None
    places = (posixpath.normpath(posixpath.join(path, name)) for name in ("action.yml", "action.yaml"))
    return next((workflows[each] for each in places if each in workflows and workflows[each].action), None)

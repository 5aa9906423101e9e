"""An expression of a workflow that asks for a step, an output or an input which does not exist: it is empty."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from itertools import product

from sophia_preflight.actions import uses
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.clusters.objects import scalars
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import EXPRESSION, Job, Step, Workflow, own
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import consequence

RULE = Rule(
    id="unknown-output",
    title="an expression asks for an output or input that does not exist",
    severity=Severity.HIGH,
    why="GitHub puts an empty text in its place and says nothing: what is run with it fails, or does something else",
    fix="name what the step, job or action declares, or declare it",
    family="workflows",
)
_ASKED = re.compile(
    r"(?<![\w.-])(?:(?P<kind>steps|needs)\.(?P<owner>[\w-]+)(?:\.(?P<field>[\w-]+)(?:\.(?P<name>[\w-]+))?)?"
    r"|(?:github\.event\.)?inputs\.(?P<input>[\w-]+)"
    r"|job\.services\.(?P<service>[\w-]+)(?:\.ports(?:\[\s*|\.)(?P<port>\d+))?"
    r"|env\.(?P<env>[\w-]+)|matrix\.(?P<matrix>[\w-]+)(?:\.[\w-]+)*)(?![\w-]|\s*\()"
)
_NAMING = ("name", "if", "key", "restore-keys", "ref")
"""Names of steps, artifacts and caches, conditions, and what is checked out: nothing breaks where they are empty."""
_WANTED = ("name", "input", "port", "service", "matrix", "env", "owner")
_WRITTEN = re.compile(r"^\s*(?:echo|printf)\s+(?:-\w+\s+)?[\"']?([A-Za-z_][\w-]*)(?:=|<<)")
_OTHERS = re.compile(
    r"(^|[\s;&|(])(\./|\.\./|bash|sh|source|\.|python\d?|node|npx|npm|uv|make|pwsh|cat|jq|go|cargo|tee)\s", re.MULTILINE
)
"""Programs that may write outputs of their own."""
_NEAR = 0.7
_NEVER = re.compile(r"(?:\(*\s*)(?P<asked>[\w.-]+)(?:\s*==\s*(?:'(?P<wanted>[^']+)'|true))?(?:\s*\)*)", re.IGNORECASE)
"""A part of a condition that is false where what it asks for is empty."""
_PASSED_ON = ("run", "with", "outputs", "runs-on", "strategy", "working-directory", "uses")
"""What an empty text in breaks something; a condition, a name a variable or a group is only another one then."""


@dataclass(frozen=True)
class _Asked:
    """An expression's part: what it asks for, where, and whether an empty answer is passed on to something."""

    match: re.Match[str]
    place: Place
    used: bool
    never: str = ""
    """The job or step that is left out whenever the answer is empty, in the reader's words."""


_SECRET = re.compile(r"(?<![\w.-])secrets(?:\.|\[\s*')([A-Za-z_]\w*)")
_TOKEN = "GITHUB_TOKEN"


def check(context: Context) -> Iterable[Finding]:
    actions = {id(use.step): use.action for use in uses(context)}
    for workflow in context.workflows.values():
        yield from _written_otherwise(workflow)
        yield from _tokens(workflow)
        for job in workflow.jobs:
            owner = workflow.name if workflow.action else f"{workflow.name} / {job.name}"
            severity, blocks = consequence(Site(workflow.path, Caller.WORKFLOW, owner=owner))
            told: set[str] = set()
            for asked in _asked(workflow, job):
                wrong = _wrong(context, workflow, job, asked.match, actions)
                if wrong is None or (asked.match[0] in told):
                    continue
                told.add(asked.match[0])
                said, known, there = wrong
                name = next(filter(None, map(asked.match.group, _WANTED)))
                near = get_close_matches(name, known, n=1)
                if asked.match["matrix"] and "GITHUB_ENV" in workflow.lines[asked.place.line - 1]:
                    asked = replace(asked, used=False)  # a variable that may be empty in other jobs' matrices
                then = f", so that {asked.never} never runs" if asked.never else ""
                yield RULE.found(
                    f"`{asked.match[0]}` is empty: {said}{then}",
                    Involved(asked.place, "here"),
                    *([Involved(there, "declaration")] if there is not None else []),
                    anchor=f"{job.name} {asked.match[0]}",
                    severity=severity if asked.used else severity.at_most(Severity.MEDIUM),
                    confidence=Confidence.LIKELY,
                    fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                    blocks=blocks if asked.used else "",
                )


def _written_otherwise(workflow: Workflow) -> Iterator[Finding]:
    for job in workflow.jobs:
        severity, blocks = consequence(Site(workflow.path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
        for step in job.steps:
            for name, asked, place in _otherwise(workflow, job, step):
                yield RULE.found(
                    f"the output `{name}` is written here, and nothing asks for it; in another branch it is `{asked}`",
                    Involved(place, "here"),
                    anchor=f"{job.name} {name}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix=f"write `{asked}`",
                    blocks=blocks,
                )


def _tokens(workflow: Workflow) -> Iterator[Finding]:
    """Slips of `GITHUB_TOKEN`: nobody can make a secret that begins with `GITHUB_`; `GITHUBTOKEN` is possible."""
    declared = {name.upper() for name, _ in workflow.root["on"]["workflow_call"]["secrets"].items()}
    severity, blocks = consequence(Site(workflow.path, Caller.WORKFLOW, owner=workflow.name))
    told: set[str] = set()
    for node in () if workflow.action or not workflow.path.startswith(".github/") else scalars(workflow.root):
        for expression in EXPRESSION.finditer(node.text):
            for match in _SECRET.finditer(expression[1]):
                name = match[1]
                if not is_slip(name.upper(), _TOKEN) or name.upper() in declared | {"GITHUBTOKEN"} or name in told:
                    continue
                told.add(name)
                at = expression.start(1) + match.start()
                line = node.text.count("\n", 0, at) + 1
                place = of_node(workflow.path, node, workflow.lines).place(line, at - node.text.rfind("\n", 0, at))
                yield RULE.found(
                    f"`secrets.{name}` is empty: GitHub gives a job the secret `{_TOKEN}`",
                    Involved(place, "here"),
                    anchor=f"secret {name}",
                    severity=severity,
                    confidence=Confidence.CERTAIN if name.upper().startswith("GITHUB_") else Confidence.LIKELY,
                    fix=f"write `secrets.{_TOKEN}`",
                    blocks=blocks,
                )


# --- what is asked for -----------------------------------------------------------------------------------------------


def _asked(workflow: Workflow, job: Job) -> list[_Asked]:
    """All that the expressions of a job ask for, what matters most first."""
    found = [each for node, used in _texts(job.node, used=False) for each in _parts(workflow, node, used=used)]
    if not workflow.action:
        found += _conditions(workflow, job.node["if"], f"the job `{job.name}`")
    for step in job.steps:
        found += _conditions(workflow, step.node["if"], "the step")
        needed = (value for name, value in step.env.items() if value.is_scalar and _needs(step.run.text, name))
        found += [each for value in needed for each in _parts(workflow, value, used=True) if each.match["input"]]
    return sorted(found, key=lambda each: (not each.used, each.place))


def _needs(script: str, name: str) -> bool:
    """Whether a script puts a variable somewhere, and nowhere looks whether it is empty."""
    variable = rf"\$(?:{name}\b|\{{{name}\}})"
    looks = rf"-[nz]\s+\"?{variable}|\[\s*\"?{variable}|\$\{{{name}[:?=+-]|\bcase\s+\"?{variable}|{variable}\"?\s*[=!]="
    return re.search(variable, script) is not None and re.search(looks, script) is None


def _conditions(workflow: Workflow, node: Node, owner: str) -> Iterator[_Asked]:
    """What a condition must be told to be true at all; what is only one way for it to be true is nothing of that."""
    text = re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", node.text, flags=re.DOTALL)
    if not node.is_scalar or "||" in text or re.search(r"!\s*\(|\$\{\{", text):
        return
    snippet = of_node(workflow.path, node, workflow.lines)
    for clause in text.split("&&"):
        never = _NEVER.fullmatch(re.sub(r"\[\s*'([\w-]+)'\s*\]", r".\1", clause.strip()))
        match = _ASKED.fullmatch(never["asked"]) if never is not None else None
        if match is None or match["input"] or match["matrix"] or match["env"] or match["service"]:
            continue
        at = max(node.text.find(match[0]), 0)
        line = node.text.count("\n", 0, at) + 1
        yield _Asked(match, snippet.place(line, at - node.text.rfind("\n", 0, at)), used=True, never=owner)


def _texts(node: Node, *, used: bool) -> Iterator[tuple[Node, bool]]:
    """Scalars below a node, and whether what they hold is passed on to what runs."""
    for key, value in node.items():
        yield from _texts(value, used=key in _PASSED_ON or (used and key not in _NAMING))
    for each in node.elements():
        yield from _texts(each, used=used)
    if node.is_scalar and "${{" in node.text:
        yield node, used


def _parts(workflow: Workflow, node: Node, *, used: bool) -> Iterator[_Asked]:
    snippet = of_node(workflow.path, node, workflow.lines)
    for expression in EXPRESSION.finditer(node.text):
        text = re.sub(r"\[\s*'([\w-]+)'\s*\]", r".\1", expression[1])
        bare = re.sub(r"'(?:[^']|'')*'", lambda found: " " * len(found[0]), text)
        for match in _ASKED.finditer(bare):
            at = expression.start(1) + min(match.start(), len(expression[1]) - 1)
            line = node.text.count("\n", 0, at) + 1
            place = snippet.place(line, at - node.text.rfind("\n", 0, at))
            passed = used or match["service"] is not None
            yield _Asked(match, place, passed and not re.search(r"\|\||&&|==|!=|\bcontains\(", bare))


# --- whether it is there ---------------------------------------------------------------------------------------------


_Wrong = tuple[str, list[str], Place | None]


def _wrong(
    context: Context, workflow: Workflow, job: Job, match: re.Match[str], actions: dict[int, Workflow]
) -> _Wrong | None:
    """What is not there, what is there instead, and where that is declared; None where nothing is known to be wrong."""
    if match["input"]:
        return _input(workflow, match["input"])
    if match["service"]:
        return None if workflow.action else _service(workflow, job, match)
    if match["matrix"]:
        return _axis(workflow, job, match["matrix"])
    if match["env"]:
        return None if workflow.action else _variable(workflow, job, match["env"])
    if match["kind"] == "needs":
        return _needed(context, workflow, job, match)
    return _step(job, match, actions)


def _input(workflow: Workflow, name: str) -> _Wrong | None:
    on = workflow.root["on"]
    called, started = (on[kind]["inputs"] for kind in ("workflow_call", "workflow_dispatch"))
    parts = [workflow.root["inputs"]] if workflow.action else [called, started]
    known = [each for part in parts for each, _ in part.items()]
    if name.lower() in (each.lower() for each in known):
        return None
    what = "this action" if workflow.action else "this workflow"
    said = f"{what} has no input `{name}`" + ("" if known else ", nor any other")
    part = next((part for part in parts if part), None)
    return said, known, part.place(workflow.path) if part is not None else None


def _service(workflow: Workflow, job: Job, match: re.Match[str]) -> _Wrong | None:
    services = job.node["services"]
    known = [name for name, _ in services.items()]
    if (services and not services.is_map) or any("${{" in name for name in known):
        return None
    if match["service"] not in known:
        place = job.node.key("services").place(workflow.path) if known else None
        return f"the job `{job.name}` has no service `{match['service']}`", known, place
    ports = services[match["service"]]["ports"]
    said = [port.text.partition("/")[0].rpartition(":")[2] for port in ports.elements()]
    if not match["port"] or not all(port.isdigit() for port in said) or match["port"] in said:
        return None
    return f"the service `{match['service']}` publishes no port `{match['port']}`", said, ports.place(workflow.path)


def _axis(workflow: Workflow, job: Job, name: str) -> _Wrong | None:
    if workflow.action or job.node["strategy"].text or job.matrix.text or job.matrix["include"].text:
        return None
    known = {key for key, _ in job.matrix.items()} - {"include", "exclude"}
    known |= {key for entry in job.matrix["include"].elements() for key, _ in entry.items()}
    if name.lower() in {each.lower() for each in known}:
        return None
    place = job.matrix.place(workflow.path) if job.matrix else None
    return (
        f"the matrix of `{job.name}` has no `{name}`" if known else f"`{job.name}` has no matrix",
        sorted(known),
        place,
    )


def _variable(workflow: Workflow, job: Job, name: str) -> _Wrong | None:
    """A variable that nothing sets, though one of nearly that name is set: steps may set others for the next."""
    owners = (workflow.env, job.env, *(step.env for step in job.steps))
    known = {key for owner in owners for key, _ in owner.items()}
    ran = "\n".join(step.run.text for step in job.steps)
    known |= set(_SET_FOR_OTHERS.findall(ran)) if "GITHUB_ENV" in ran else set()
    said = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", ran) is not None
    if said or any(owner.text for owner in owners) or name.lower() in (each.lower() for each in known):
        return None
    words = sorted(name.split("_"))
    near = [each for each in sorted(known) if is_slip(name, each) or sorted(each.split("_")) == words]
    near += get_close_matches(name, known, n=1, cutoff=0.85)
    asked = "\n".join(each.text for each in scalars(workflow.root))
    near += [
        each
        for each in sorted(known)
        if _is_longer(name, each) and not re.search(rf"(?<!\w){re.escape(each)}(?!\w)", asked)
    ]
    return (f"no `env` that is in force here sets `{name}`", near[:1], None) if near else None


_SET_FOR_OTHERS = re.compile(r"(?<![\w$])([A-Za-z_]\w*)(?==|<<)")


def _is_longer(one: str, other: str) -> bool:
    """Whether a name is another with words before or after it."""
    shorter, longer = sorted((one.lower(), other.lower()), key=len)
    return len(shorter) > 2 and (longer.startswith(shorter) or longer.endswith(shorter))


def _needed(context: Context, workflow: Workflow, job: Job, match: re.Match[str]) -> _Wrong | None:
    if workflow.action or any("${{" in each.text for each in job.needs):
        return None
    owner = match["owner"]
    if {each.text for each in job.needs} - {each.name for each in workflow.jobs}:
        return None  # what it needs is told to be wrong
    if owner not in {each.text for each in job.needs}:
        return f"`{job.name}` does not need a job `{owner}`", [each.text for each in job.needs], None
    other = next((each for each in workflow.jobs if each.name == owner), None)
    if other is None or match["field"] != "outputs" or not match["name"]:
        return None
    if other.called:
        callee = context.workflows.get(own(other.called.text))
        if callee is None:
            return None
        outputs, place = callee.root["on"]["workflow_call"]["outputs"], Place(callee.path, callee.root.key("on").line)
    else:
        outputs, place = other.node["outputs"], other.key.place(workflow.path)
    if outputs.text:
        return None
    return _lacking(f"the job `{owner}`", match["name"], [name for name, _ in outputs.items()], place)


def _lacking(owner: str, name: str, known: list[str], place: Place) -> _Wrong | None:
    if name.lower() in (each.lower() for each in known):
        return None
    return f"{owner} has no output `{name}`" + ("" if known else ", nor any other"), known, place


def _step(job: Job, match: re.Match[str], actions: dict[int, Workflow]) -> _Wrong | None:
    owner = match["owner"].lower()
    steps = {step.node["id"].text.lower(): step for step in job.steps if step.node["id"].text}
    step = steps.get(owner)
    if step is None:
        if not job.steps or any("${{" in name for name in steps):
            return None
        return f"no step has the id `{match['owner']}`", sorted(steps), None
    if match["field"] != "outputs" or not match["name"]:
        return None
    action = actions.get(id(step))
    if action is not None and action.root["runs"]["using"].text == "composite":
        known = [name for name, _ in action.root["outputs"].items()]
        return _lacking(f"`{action.path}`", match["name"], known, Place(action.path, action.root.key("outputs").line))
    written, is_all = _written(step)
    if match["name"] in step.run.text:
        return None
    said = f"the step `{match['owner']}` writes no `{match['name']}`"
    if not is_all:
        written = {each for each in written if not _is_asked(job, match["owner"], each)}
        written = set(get_close_matches(match["name"], written, n=1, cutoff=0.75))
    return (said, sorted(written), None) if written else None


def _written(step: Step) -> tuple[set[str], bool]:
    """The outputs that a script writes itself, and whether nothing else may write more."""
    lines = [line for line in step.run.text.split("\n") if "GITHUB_OUTPUT" in line]
    found = [match[1] for line in lines if (match := _WRITTEN.match(line))]
    return set(found), len(found) == len(lines) and not _OTHERS.search(step.run.text)


_STATED = re.compile(
    r"^[ \t]*(?:echo|printf)\s+(?:-\w+\s+)?[\"']?(?P<name>[A-Za-z_][\w-]*)=(?P<value>[^\n\"'>]*)[^\n]*GITHUB_OUTPUT",
    re.MULTILINE,
)
_OTHERWISE = re.compile(r"^\s*(?:else|elif\b.*|;;|exit\b.*)\s*(?:#.*)?$", re.MULTILINE)


def _otherwise(workflow: Workflow, job: Job, step: Step) -> Iterator[tuple[str, str, Place]]:
    """Outputs that nobody asks for, which a script writes in one branch where another branch writes one that somebody
    asks for and that has nearly its name: the one, the other, and where."""
    owner, text = step.node["id"].text, step.run.text
    stated = list(_STATED.finditer(text)) if owner else []
    names = Counter(each["name"] for each in stated)
    for one, other in product(stated, stated):
        apart = text[min(one.end(), other.end()) : max(one.start(), other.start())]
        if names[one["name"]] > 1 or names[other["name"]] > 1 or not _OTHERWISE.search(apart):
            continue
        opposite = {one["value"].strip(), other["value"].strip()} == {"true", "false"}
        near = is_slip(one["name"], other["name"]) or (
            opposite and SequenceMatcher(None, one["name"], other["name"]).ratio() >= _NEAR
        )
        if near and _is_asked(job, owner, other["name"]) and not _is_asked(job, owner, one["name"]):
            line = text.count("\n", 0, one.start()) + 1
            yield one["name"], other["name"], of_node(workflow.path, step.run, workflow.lines).place(line, 1)


def _is_asked(job: Job, owner: str, name: str) -> bool:
    """Whether anything of the job asks for an output: one that nobody does was asked for by another name."""
    asked = re.compile(rf"\bsteps\.{re.escape(owner)}\.outputs\.{re.escape(name)}(?![\w-])", re.IGNORECASE)
    return any(asked.search(each.text) for each in scalars(job.node))


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          lint:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - id: look
                run: |
                  if [ -n "$(git status --porcelain)" ]; then
                    echo "change=true" >> $GITHUB_OUTPUT
                  else
                    echo "changes=false" >> $GITHUB_OUTPUT
                  fi
              - if: steps.look.outputs.changes == 'true'
                run: git push
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env: {IMAGE_NAME: shop}
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - uses: docker/build-push-action@v6
                with: {tags: "registry.example.com/${{ env.IMAGE_NMAE }}:latest"}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - run: echo "RELEASE_TAG=$(date +%s)" >> "$GITHUB_ENV"
              - uses: docker/build-push-action@v6
                with: {tags: "registry.example.com/shop:${{ env.TAG_RELEASE }}"}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env: {NEW_REGISTRY: registry.example.com}
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - uses: docker/build-push-action@v6
                with: {tags: "${{ env.REGISTRY }}/shop:latest"}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            strategy:
              matrix: {python-version: ["3.12", "3.13"]}
            steps:
              - uses: actions/setup-python@v5
                with: {python-version: "${{ matrix.python }}"}
    """),
    tree("""
        === .github/actions/plan/action.yml
        name: plan
        outputs:
          target-host: {value: "${{ steps.choose.outputs.host }}"}
        runs:
          using: composite
          steps:
            - {id: choose, shell: bash, run: "echo host=a >> $GITHUB_OUTPUT"}
        === .github/workflows/ship.yml
        on: push
        jobs:
          ship:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - {id: plan, uses: ./.github/actions/plan}
              - run: ssh ${{ steps.plan.outputs.host }} true
    """),
    tree("""
        === .github/workflows/ship.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-latest
            outputs: {digest: "${{ steps.push.outputs.digest }}"}
            steps:
              - {id: push, uses: docker/build-push-action@v6}
          ship:
            needs: build
            runs-on: ubuntu-latest
            steps:
              - run: docker pull registry.example.com/api@${{ needs.build.outputs.sha }}
    """),
    tree("""
        === .github/actions/ship/action.yml
        name: ship
        inputs: {where: {required: true}}
        runs:
          using: composite
          steps:
            - {shell: bash, run: "kubectl --context ${{ inputs.environment }} apply -f ."}
    """),
    tree("""
        === .github/workflows/ship.yml
        on: push
        jobs:
          ship:
            runs-on: ubuntu-latest
            steps:
              - id: version
                run: echo "number=$(git describe)" >> "$GITHUB_OUTPUT"
              - run: docker build -t api:${{ steps.version.outputs.tag }} .
        === Dockerfile
        FROM scratch
    """),
    tree("""
        === .github/workflows/test.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            services:
              cache: {image: redis, ports: [6379/tcp]}
            steps:
              - run: redis-cli -p "$REDIS_PORT" ping
                env: {REDIS_PORT: "${{ job.services.redis.ports[6379] }}"}
    """),
    tree("""
        === .github/workflows/test.yml
        on: push
        jobs:
          test:
            runs-on: ${{ matrix.platform }}
            strategy: {matrix: {os: [ubuntu-latest], include: [{os: macos-latest, extra: true}]}}
            steps: [{run: echo}]
    """),
    tree("""
        === .github/workflows/ship.yml
        on: {workflow_dispatch: {inputs: {version: {type: string}}}}
        jobs:
          ship:
            runs-on: ubuntu-latest
            steps: [{run: "docker pull api:${{ github.event.inputs.tag }}"}]
    """),
    tree("""
        === .github/workflows/test.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            services:
              db: {image: postgres, ports: ["5433:5433"]}
            steps:
              - run: psql -h localhost -p ${{ job.services.db.ports['5432'] }}
    """),
]
BAD += [
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          release:
            runs-on: ubuntu-24.04
            steps:
              - id: version
                run: |
                  NEXT=$(uv run semantic-release version --print)
                  if [ -n "$NEXT" ]; then
                    echo "new_version=$NEXT" >> $GITHUB_OUTPUT
                    echo "is_due=true" >> $GITHUB_OUTPUT
                  else
                    echo "is_due=false" >> $GITHUB_OUTPUT
                  fi
              - if: steps.version.outputs.is_due == 'true'
                run: git tag "v${{ steps.version.outputs.next_version }}"
    """),
    tree("""
        === .github/workflows/test.yml
        on: push
        jobs:
          changes:
            runs-on: ubuntu-latest
            outputs: {code: "${{ steps.filter.outputs.code }}"}
            steps: [{id: filter, uses: dorny/paths-filter@v3}]
          test:
            needs: changes
            if: needs.changes.outputs.src == 'true'
            runs-on: ubuntu-latest
            steps: [{run: make test}]
        === Makefile
        test:
        \ttrue
    """),
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          release:
            runs-on: ubuntu-latest
            steps:
              - {id: guard, run: 'echo skip=false >> "$GITHUB_OUTPUT"'}
              - if: ${{ steps.guard.outputs.skip != 'true' && steps.bump.outcome == 'success' }}
                run: docker push registry.example.com/api
    """),
]
BAD += [
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          release:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: gh release create v1
                env: {GH_TOKEN: "${{ secrets.GITHUB_TOKEM }}"}
    """),
    tree("""
        === .github/workflows/image.yml
        on: {workflow_call: {inputs: {version: {type: string, required: true}}}}
        jobs:
          image:
            runs-on: ubuntu-latest
            steps:
              - run: docker pull "registry.example.com/api:$VERSION"
                env: {VERSION: "${{ inputs.verison }}"}
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          lint:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - id: look
                run: |
                  if [ -n "$(git status --porcelain)" ]; then
                    echo "changes=true" >> $GITHUB_OUTPUT
                  else
                    echo "changes=false" >> $GITHUB_OUTPUT
                  fi
              - if: steps.look.outputs.changes == 'true'
                run: git push
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          lint:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - id: look
                run: |
                  if [ -n "$(git status --porcelain)" ]; then
                    echo "changes=true" >> $GITHUB_OUTPUT
                  else
                    echo "lacking=false" >> $GITHUB_OUTPUT
                  fi
              - if: steps.look.outputs.changes == 'true'
                run: git push
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env: {IMAGE_NAME: shop, IMAGE: "shop:1"}
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - run: echo "TAG=$(date +%s)" >> "$GITHUB_ENV"
              - uses: example/sets-variables@v1
              - uses: docker/build-push-action@v6
                with: {tags: "${{ env.IMAGE_NAME }}:${{ env.TAG }}", labels: "${{ env.LABELS }}"}
              - run: docker push ${{ env.IMAGE }} ${{ env.image_name }} ${{ env.IMAGE_TAG }}
    """),
    tree("""
        === .github/workflows/either.yml
        on: {workflow_call: {}, push: {}}
        jobs:
          changes:
            runs-on: ubuntu-latest
            outputs: {code: "${{ steps.filter.outputs.code }}"}
            steps: [{id: filter, uses: dorny/paths-filter@v3}]
          test:
            needs: changes
            if: needs.changes.outputs.code == 'true' && !(needs.changes.outputs.none)
            runs-on: ubuntu-latest
            steps:
              - {id: look, run: "true"}
              - if: always() && steps.look.outcome == 'failure' || steps.gone.outcome == 'success'
                run: "true"
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ${{ matrix.target.os }}
            strategy:
              matrix:
                target: [{os: ubuntu-24.04}]
                include: [{target: {os: macos-15}, extra: "yes"}]
            steps:
              - run: echo "${{ matrix.extra }}"
          made:
            runs-on: ubuntu-24.04
            strategy: {matrix: "${{ fromJSON(vars.MATRIX) }}"}
            steps:
              - run: echo "${{ matrix.any }}"
          given:
            runs-on: ubuntu-24.04
            strategy: "${{ fromJSON(vars.STRATEGY) }}"
            steps:
              - run: echo "${{ matrix.any }}"
    """),
    tree("""
        === .github/workflows/ship.yml
        on:
          workflow_dispatch: {inputs: {Where: {type: string}}}
          workflow_call: {inputs: {level: {type: string}}}
        jobs:
          build:
            runs-on: ubuntu-latest
            outputs: {sha: "${{ steps.push.outputs.anything }}", tag: "${{ steps['version'].outputs.tag }}"}
            steps:
              - uses: actions/checkout@v4
              - {id: push, uses: docker/build-push-action@v6}
              - {id: version, run: "python version.py >> $GITHUB_OUTPUT"}
              - {id: more, run: "echo a=1 | tee -a $GITHUB_OUTPUT"}
              - run: echo ${{ steps.more.outputs.a }} ${{ inputs.where }} ${{ inputs.level }} ${{ steps.push.outcome }}
          called: {uses: example/flows/.github/workflows/x.yml@v1}
          ship:
            needs: [build, called]
            runs-on: ubuntu-latest
            steps:
              - run: docker pull ${{ needs.build.outputs.sha }} ${{ needs.called.outputs.any }}
              - run: echo ${{ format('{0} inputs.x', 1) }}
              - run: echo "${{ toJSON(needs) }} ${{ needs.build.result }} ${{ github.event.inputs.where }}"
          many:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: {os: [ubuntu-latest], include: [{os: ubuntu-24.04, extra: true}]}}
            steps: [{run: "echo ${{ matrix.extra }}"}]
          computed:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: "${{ fromJSON(needs.build.outputs.tag) }}"}
            needs: build
            steps: [{run: echo}]
          test:
            runs-on: ubuntu-latest
            strategy: {matrix: {port: [5432]}}
            services:
              db: {image: postgres, ports: ["5432"]}
              cache: {image: redis, ports: ["16379:6379/tcp"]}
              mail: {image: mailpit}
            steps:
              - if: job.services.other.id
                run: wait ${{ job.services.db.ports[5432] }} ${{ job.services.cache.ports['6379'] }}
              - run: docker logs ${{ job.services.mail.id }} && echo ${{ job.services.db.ports[matrix.port] }}
        === version.py
        print("tag=1")
        === Dockerfile
        FROM scratch
    """),
    tree("""
        === .github/workflows/release.yml
        on:
          workflow_call:
            inputs: {version: {type: string}}
            secrets: {GITHUB_TOKENS: {required: true}}
        jobs:
          release:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: gh release create "v$VERSION"
                env:
                  GH_TOKEN: ${{ secrets.GITHUBTOKEN || secrets.GITHUB_TOKENS || secrets.github_token }}
                  VERSION: ${{ inputs.version }}
    """),
]

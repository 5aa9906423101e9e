"""Quoted heredocs whose text is written as if its variables were replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.workflow import Job, Step, Workflow
from sophia_preflight.standing import limited

RULE = Rule(
    id="heredoc-not-expanded",
    title="a quoted heredoc holds variables that are meant to be replaced",
    severity=Severity.MEDIUM,
    why="the quotes around the heredoc's end word keep `$NAME` as it stands: the file or the remote host gets the "
    "name, not the value",
    fix="drop the quotes (`<<EOF`), and escape with `\\$` what must stay",
    family="workflows",
)
_HEREDOC = re.compile(r"^(.*?)<<-?\s*(['\"])(\w+)\2(.*)$")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            for step in job.steps:
                if "<<" in step.run.text:
                    yield from _quoted(path, workflow, job, step)


def _quoted(path: str, workflow: Workflow, job: Job, step: Step) -> Iterator[Finding]:
    known = {name for node in (workflow.env, job.env, step.env) for name, _ in node.items()}
    snippet = of_node(path, step.run, workflow.lines)
    lines = snippet.text.split("\n")
    for number, line in enumerate(lines, 1):
        found = _HEREDOC.match(line)
        if not found or not _writes_data(line):
            continue
        for offset, inner in enumerate(lines[number:], number + 1):
            if inner.strip() == found[3]:
                break
            used = [name for name in re.findall(r"(?<!\\)\$\{?([A-Z_][A-Z0-9_]*)\}?", inner) if name in known]
            if used:
                place = snippet.place(offset, inner.index(used[0]))
                yield RULE.found(
                    f"`${used[0]}` stays as it is in this quoted heredoc",
                    Place(path, place.line, place.column),
                    anchor=f"{job.name} {used[0]}",
                    severity=limited(Severity.HIGH if re.search(r"\bssh\b", line) else Severity.MEDIUM, path),
                    confidence=Confidence.LIKELY,
                    blocks=f"the workflow `{workflow.name} / {job.name}`" if re.search(r"\bssh\b", line) else "",
                )
                break


def _writes_data(line: str) -> bool:
    """Into a file that no shell runs, or to another host; a script that is written keeps its variables on purpose."""
    if re.search(r"\bssh\b", line):
        return True
    target = re.search(r">>?\s*([^\s<>|]+)", line)
    return bool(target) and not re.search(r"\.(sh|bash|py|rb|pl|service)$|/bin/", target[1] if target else "")


BAD = [
    tree("""
        === .github/workflows/deploy.yml
        on: push
        jobs:
          go:
            runs-on: ubuntu-latest
            env: {HOST: example.org, TAG: "1"}
            steps:
              - run: |
                  cat > config.yml <<'EOF'
                  image: app:$TAG
                  EOF
    """),
]
GOOD = [
    tree("""
        === .github/workflows/deploy.yml
        on: push
        jobs:
          go:
            runs-on: ubuntu-latest
            env: {HOST: example.org, TAG: "1"}
            steps:
              - run: |
                  cat > config.yml <<EOF
                  image: app:$TAG
                  EOF
                  cat > run.sh <<'EOF'
                  echo $TAG
                  EOF
                  cat > other.yml <<'EOF'
                  image: app:${{ env.TAG }} and $LATER
                  EOF
    """),
]

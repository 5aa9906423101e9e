"""A pipeline that GitLab refuses: jobs that need, extend or stand in what is not there, or that run nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.pipelines import Whole
from sophia_preflight.readers.pipeline import is_reference
from sophia_preflight.readers.tree import NOTHING, Node
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="broken-pipeline",
    title="a GitLab pipeline names a stage, job, template or key that does not exist",
    severity=Severity.HIGH,
    why="GitLab refuses the whole pipeline: none of its jobs runs",
    fix="name what is there",
    family="workflows",
)
_USUAL_STAGES = ("build", "test", "deploy")
_KEYS = named(
    "after_script allow_failure artifacts before_script cache coverage dast_configuration dependencies environment "
    "except extends hooks id_tokens identity image inherit interruptible manual_confirmation needs only pages parallel "
    "publish release resource_group retry rules run script secrets services stage start_in tags timeout trigger "
    "variables when inputs"
)
_SLIP = 0.9
_RUNNING = ("script", "trigger", "run")


@dataclass(frozen=True)
class _Wrong:
    path: str
    node: Node
    message: str
    hint: str = ""
    fragile: bool = False
    """Only some pipelines are refused."""


def check(context: Context) -> Iterable[Finding]:
    for whole in context.wholes:
        for path in whole.files:
            pipeline = context.pipelines.get(path)
            for fault in pipeline.documents.faults if pipeline is not None else ():
                if fault.kind == "syntax":
                    at = Node(None, fault.line, fault.column)
                    yield _found(whole, "", _Wrong(path, at, f"`{path}` does not parse: {fault.message}"))
        for name in sorted(whole.names):
            for each in _wrong(whole, name):
                yield _found(whole, name, each)


def _found(whole: Whole, job: str, wrong: _Wrong) -> Finding:
    severity, _ = consequence(Site(whole.entry, Caller.PIPELINE, owner=job))
    return RULE.found(
        wrong.message,
        Place(wrong.path, wrong.node.line, wrong.node.column),
        anchor=f"{job}: {wrong.message}",
        severity=severity if not wrong.fragile else Severity.MEDIUM,
        confidence=Confidence.CERTAIN if not wrong.fragile else Confidence.LIKELY,
        why=RULE.why if not wrong.fragile else "GitLab refuses every pipeline that has the one and not the other",
        fix=RULE.fix + wrong.hint,
        blocks=f"the pipeline of `{whole.entry}`",
    )


def _wrong(whole: Whole, name: str) -> Iterator[_Wrong]:
    for path, job in whole.definitions(name):
        for each in job["extends"].some():
            if _is_plain(each) and each.text not in whole.names and _is_told(whole, each.text, whole.names):
                said = f"`{name}` extends `{each.text}`, which does not exist"
                yield _Wrong(path, each, said, _near(each.text, whole.names))
    if name in whole.running:
        yield from _wrong_keys(whole, name)
        yield from _wrong_stage(whole, name)
        yield from _wrong_needs(whole, name)


def _is_told(whole: Whole, name: str, there: Collection[str]) -> bool:
    """Whether it can be told that a name is wrong: nothing is included that cannot be read, or it is a slip."""
    return not whole.open or bool(get_close_matches(name, there, n=1, cutoff=_SLIP))


def _wrong_keys(whole: Whole, name: str) -> Iterator[_Wrong]:
    for path, job in whole.definitions(name):
        for key in job.keys:
            if key not in _KEYS and (near := get_close_matches(key, _KEYS, n=1, cutoff=0.8)):
                yield _Wrong(path, job.key(key), f"`{name}` has the unknown key `{key}`", f": there is `{near[0]}`")
                return
    if whole.is_known(name) and not any(whole.find(name, key) for key in _RUNNING):
        path, _ = whole.definitions(name)[0]
        yield _Wrong(path, whole.files[path].key(name), f"`{name}` runs nothing: it has no `script` and no `trigger`")


def _wrong_stage(whole: Whole, name: str) -> Iterator[_Wrong]:
    stages = _stages(whole)
    found = whole.find(name, "stage")
    if stages is None or (found is None and not whole.is_known(name)):
        return
    if found is None and "test" not in stages:
        path, _ = whole.definitions(name)[0]
        said = f"`{name}` names no stage and so is in `test`, which `stages` does not have"
        yield _Wrong(path, whole.files[path].key(name), said)
    elif found is not None and _is_plain(found[1]) and found[1].text not in stages:
        said = f"`{name}` is in the stage `{found[1].text}`, which `stages` does not have"
        yield _Wrong(*found, said, _near(found[1].text, set(stages)))


def _wrong_needs(whole: Whole, name: str) -> Iterator[_Wrong]:
    stages, running = _stages(whole), whole.running
    for path, each, key in _needed(whole, name):
        if each.text not in running and not _is_told(whole, each.text, running):
            continue
        if each.text not in running:
            said = f"`{name}` needs `{each.text}`, which is no job of this pipeline"
            yield _Wrong(path, each, said, _near(each.text, running))
            continue
        here, there = (_rank(whole, stages, job) for job in (name, each.text))
        if here is not None and there is not None and there > here:
            yield _Wrong(path, each, f"`{name}` needs `{each.text}`, which is in a later stage")
        elif key == "needs" and _is_always(whole, name) and _is_sometimes(whole, each.text):
            said = f"`{name}` is in every pipeline and needs `{each.text}`, which is only in some"
            yield _Wrong(path, each, said, ", give both the same `rules`, or say `optional: true`", fragile=True)


def _needed(whole: Whole, name: str) -> Iterator[tuple[str, Node, str]]:
    """Names of jobs of the same pipeline that a job cannot be without."""
    for key in ("needs", "dependencies"):
        path, node = whole.find(name, key) or ("", NOTHING)
        for each in node.some():
            needed = each if each.is_scalar else each["job"]
            elsewhere = any(other in each for other in ("pipeline", "project", "parallel"))
            if _is_plain(needed) and not elsewhere and each["optional"].value is not True:
                yield path, needed, key


def _stages(whole: Whole) -> list[str] | None:
    """The stages in their order: those of the entry, which win, else those of the one file that has any."""
    said = [root["stages"] for root in whole.files.values() if root["stages"]]
    own = whole.files[whole.entry]["stages"]
    if not own and (whole.open or len(said) > 1):
        return None
    chosen = own or (said[0] if said else NOTHING)
    known = chosen.is_list and not is_reference(chosen) and all(_is_plain(each) for each in chosen.elements())
    if chosen and not known:
        return None
    return [".pre", *([each.text for each in chosen.elements()] if chosen else _USUAL_STAGES), ".post"]


def _rank(whole: Whole, stages: list[str] | None, name: str) -> int | None:
    found = whole.find(name, "stage")
    stage = found[1].text if found else "test"
    return stages.index(stage) if stages and stage in stages and (found or whole.is_known(name)) else None


def _is_always(whole: Whole, name: str) -> bool:
    """Whether a job is in every pipeline of branches and tags."""
    conditional = any(whole.find(name, key) for key in ("rules", "only", "except"))
    limited = any("rules" in root["workflow"] for root in whole.files.values())
    return whole.is_known(name) and not conditional and not limited


def _is_sometimes(whole: Whole, name: str) -> bool:
    """Whether there are pipelines of branches that a job is not in."""
    rules = (whole.find(name, "rules") or ("", NOTHING))[1]
    only = (whole.find(name, "only") or ("", NOTHING))[1]
    if rules.is_list and not any(is_reference(each) or each.is_list for each in rules.elements()):
        return not any(not {"if", "changes", "exists"} & set(each.value or ()) for each in rules.elements())
    return any(_is_plain(each) and each.text not in ("branches", "pushes") for each in only.some()[:1])


def _is_plain(node: Node) -> bool:
    """A name as it stands: no variable, no input, no reference."""
    return bool(node.text) and "$" not in node.text and not is_reference(node)


def _near(name: str, names: set[str]) -> str:
    near = get_close_matches(name, sorted(names), n=1)
    return f": there is `{near[0]}`" if near else ""


_OPEN = """
    === .gitlab-ci.yml
    include: [{remote: "https://example.com/scans.yml"}]
    images:
      script: "true"
    smoke:
      needs: [WORD]
      script: "true"
"""
BAD = [
    tree(_OPEN.replace("WORD", "image")),
    tree("""
        === .gitlab-ci.yml
        stages: [build, deploy]
        include: ci/templates.yml
        build:
          stage: build
          script: "true"
        deploy:
          stage: release
          needs: [biuld]
          extends: .with-retry
          script: "true"
        === ci/templates.yml
        .with-retries:
          retry: 2
    """),
    tree("""
        === .gitlab-ci.yml
        test:
          script: ["true"
    """),
    tree("""
        === .gitlab-ci.yml
        stages: [build, check, publish]
        unit:
          script: "true"
    """),
    tree("""
        === .gitlab-ci.yml
        build:
          scripts:
            - "true"
    """),
    tree("""
        === .gitlab-ci.yml
        build:
          stage: build
          needs: [test]
          script: "true"
        test:
          script: "true"
    """),
    tree("""
        === .gitlab-ci.yml
        build:
          stage: build
          script: "true"
          rules:
            - if: $CI_COMMIT_BRANCH == "main"
        test:
          needs: [build]
          script: "true"
    """),
    tree("""
        === .gitlab-ci.yml
        child:
          trigger:
            include:
              - local: services/api/pipeline.yml
        === services/api/pipeline.yml
        work:
          stage: work
          script: "true"
    """),
]
GOOD = [
    tree(_OPEN.replace("WORD", "scan")),
    tree("""
        === .gitlab-ci.yml
        include:
          - local: /ci/*.yml
        stages: [build, test, deploy]
        build:
          stage: build
          script: "true"
        check:
          stage: .pre
          extends: [.with-retry]
          needs: [{job: maybe, optional: true}, {job: there, pipeline: $PARENT}]
          script: "true"
        bridge:
          trigger: {project: acme/other}
        again:
          extends: .base
        .base:
          extends: [.with-retry, .script]
        .odd:
          scripts: anything
        === ci/templates.yml
        .with-retry:
          stage: deploy
          retry: 2
        .script:
          script: "true"
        deploy:
          stage: deploy
          needs: [build]
          script: "true"
        only-sometimes:
          rules: [{if: $CI_COMMIT_TAG}]
          needs: [build]
          script: "true"
    """),
    tree("""
        === .gitlab-ci.yml
        include:
          - template: Jobs/Build.gitlab-ci.yml
        test:
          extends: .from-there
          needs: [build]
        more:
          stage: $STAGE
          script: "true"
          artifact_name: x
        === other/.gitlab-ci.yml
        test:
          stage: of-another-project
          script: ./gone.sh
    """),
]

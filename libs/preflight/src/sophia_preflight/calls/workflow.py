"""Calls of GitHub workflows and composite actions: `run:` steps, local actions, image builds, remote scripts.

A job starts with an empty directory. Only after `actions/checkout` are there files of the repository, and only where it
put them; that is followed step by step.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace

from sophia_preflight.calls.docker import interpreted, running
from sophia_preflight.calls.embedded import python_text
from sophia_preflight.calls.model import (
    Call,
    Caller,
    Composition,
    Guard,
    ImageBuild,
    Needed,
    Produced,
    Site,
    System,
    Trace,
)
from sophia_preflight.calls.operands import looks_like_file
from sophia_preflight.calls.shell import follow
from sophia_preflight.calls.states import Held
from sophia_preflight.readers import workflow as reader
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import EXPRESSION, Job, Scope, Step, Workflow
from sophia_preflight.text import ROOT, UNKNOWN, Word, is_known, joined

_SHELLS = re.compile(r"(bash|sh)\b")
_RUNNING = {
    "nick-fields/retry": "command",
    "nick-invision/retry": "command",
    "wandalen/wretry.action": "command",
    "coactions/setup-xvfb": "run",
    "gabrielbb/xvfb-action": "run",
    "reactivecircus/android-emulator-runner": "script",
}
"""Actions that run a script, and the input that has it."""
_PLAIN = re.compile(r"(& )?[\w.\\/-]+( +[\w.\\/:=@,-]+)*\s*")
_OTHER_BRANCH = re.compile(r"(refs/heads/)?(gh-pages|pages|website|assets|badges|data|orphan[\w-]*|[\w-]*-pages)$")
"""Branches that by their names hold something else than the source."""
_OWN_REPOSITORY = re.compile(r"github\.repository\b|\bpull_request\.head\.repo\.full_name")
"""How a checkout names this repository, or a fork that asks to be merged into it."""
_LOCAL = re.compile(r"(^|/)\.(github|gitea|forgejo)/")
_REQUIRES = re.compile(
    r"""\b(?:require\(\s*['"`]\./|(?:require|import)\(\s*['"`]"""
    r"""(?:\$\{\{\s*github\.workspace\s*\}\}|\$\{process\.env\.GITHUB_WORKSPACE\})/)([\w./-]*\w)['"`]\s*\)"""
)
"""A module of the checkout, in a script of actions/github-script."""
_MAKES_FILES = re.compile(r"actions/(download-artifact|cache)|dawidd6/action-download-artifact")


_OF_RELEASES = ("config-file", "manifest-file")
_FILES = {
    "actions/setup-python": ("python-version-file", "cache-dependency-path"),
    "actions/setup-node": ("node-version-file", "cache-dependency-path"),
    "actions/setup-go": ("go-version-file",),
    "actions/setup-java": ("java-version-file", "cache-dependency-path"),
    "actions/setup-dotnet": ("global-json-file",),
    "astral-sh/setup-uv": ("version-file",),
    "docker/bake-action": ("files",),
    "hadolint/hadolint-action": ("dockerfile", "config"),
    "golangci/golangci-lint-action": ("working-directory",),
    "goreleaser/goreleaser-action": ("workdir",),
    "googleapis/release-please-action": _OF_RELEASES,
    "google-github-actions/release-please-action": _OF_RELEASES,
    "helm/kind-action": ("config",),
    "azure/k8s-deploy": ("manifests",),
    "pulumi/actions": ("work-dir",),
    "cloudflare/wrangler-action": ("workingDirectory",),
    "aws-actions/amazon-ecs-render-task-definition": ("task-definition",),
}
"""Inputs of well-known actions that are a file or directory of the checkout, without which the step fails."""

_READ = re.compile(r"file|path|config|manifest|values|template|script|requirements|spec|schema|policy|chart")
_WRITTEN = re.compile(
    r"out|report|dest|save|sarif|result|artifact|cache|target|exclude|ignore|skip|log|db|include|allow"
)
"""Inputs of actions that nobody knows here, by whose names they may be read, or are made."""


_MADE_FILE = re.compile(r"^(output|out|dest|destination|result|report|changelog)[-_]?(file|path|dir|directory|name)")
"""Inputs of actions that say where something is written."""


@dataclass
class Workspace:
    """What a job's directory holds at this point: `base` is what its top stands for."""

    base: str = UNKNOWN
    mounted: dict[str, str] = field(default_factory=dict)
    opaque: bool = False
    actions: set[str] = field(default_factory=set)
    """Names of the repositories whose actions have run: some put their other actions below a directory of that name."""
    checked_out: bool = False

    def directory(self, path: str) -> str:
        """A value for a directory below the job's top."""
        if not is_known(path):
            return UNKNOWN
        clean = posixpath.normpath(path) if path else "."
        for mount, value in self.mounted.items():
            if clean == mount or clean.startswith(mount + "/"):
                return joined(value, clean[len(mount) :].lstrip("/") or ".")
        return joined(self.base, clean)


def trace_of(workflow: Workflow) -> Trace:
    found = Trace()
    for job in workflow.jobs:
        _job(workflow, job, found)
    return found


def as_if_checked_out(workflow: Workflow, job: Job) -> Trace:
    """What a job would do if the repository lay in its directory from the beginning."""
    found = Trace()
    _job(workflow, job, found, Workspace(ROOT, checked_out=True))
    return found


def _job(workflow: Workflow, job: Job, found: Trace, workspace: Workspace | None = None) -> None:
    workspace = workspace or (Workspace(ROOT, checked_out=True) if _is_local(workflow) else Workspace())
    owner = workflow.name if workflow.action else f"{workflow.name} / {job.name}"
    if reader.own(job.called.text):
        _needed(workflow, job.called, "the reusable workflow", owner, found, file=True)
    for step in job.steps:
        if step.uses:
            _action(workflow, job, step, workspace, owner, found)
        elif step.run and _SHELLS.match(step.shell or "bash"):
            _run(workflow, job, step, workspace, owner, found)
        elif step.run and step.shell in ("pwsh", "powershell"):
            _powershell(workflow, job, step, workspace, owner, found)
        elif step.run and step.shell.startswith("python"):
            _python(workflow, job, step, workspace, owner, found)


def _is_local(workflow: Workflow) -> bool:
    """Whether it is an action for workflows of this repository; others are used by others, in their directories."""
    return workflow.action and bool(_LOCAL.search(workflow.path))


def _needed(workflow: Workflow, node: Node, purpose: str, owner: str, found: Trace, *, file: bool) -> None:
    path = reader.own(node.text)
    site = Site(workflow.path, Caller.WORKFLOW, ROOT, owner=owner)
    either = () if file else (f"{path}/action.yaml", f"{path}/Dockerfile")
    target = path if file else f"{path}/action.yml"
    needed = Needed(Word(target, node.line, node.column), purpose, either=either)
    found.calls.append(Call(needed, site, node.place(workflow.path), f"uses: {node.text}"))


def _action(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    name = step.uses.text.partition("@")[0].lower()
    workspace.actions.update(name.split("/")[1:2] if not name.startswith(("./", "$/", "actions/", "docker:")) else ())
    if file := step.with_["compose-file"] or step.with_["compose_file"]:
        _compose(workflow, job, step, file, workspace, owner, found)
    if name == "actions/checkout":
        _checkout(workflow, job, step, workspace, found)
    elif reader.own(name):
        brought = workspace.opaque or not workspace.actions.isdisjoint(name.split("/"))
        if name.startswith("$") or (workspace.checked_out and workspace.base == ROOT and not brought):
            _needed(workflow, step.uses, "the local action", owner, found, file=False)
    elif name == "actions/download-artifact" and (only := _only_file(workflow, step)):
        directory = workspace.directory(step.with_["path"].text or ".")
        found.produced.append(Produced(joined(directory, posixpath.basename(only))))
    elif name == "actions/github-script":
        _required(workflow, step, workspace, owner, found)
    elif _MAKES_FILES.match(name):
        workspace.opaque |= not name.endswith("cache")
        if path := step.with_["path"].text:
            for line in path.splitlines():
                found.produced.append(Produced(workspace.directory(line.strip()), tree=True))
    elif (script := step.with_[_RUNNING.get(name, "")]) and script.is_scalar and step.with_["shell"].text[:1] != "p":
        again = step.with_["working-directory"] or step.with_["current_path"] or step.with_["cwd"]
        _run(
            workflow, replace(job, directory=again), replace(step, run=script, directory=again), workspace, owner, found
        )
    elif name == "docker/build-push-action":
        _image(workflow, job, step, workspace, owner, found)
    elif "ssh-action" in name or name.endswith("/ssh"):
        script = step.with_["script"] or step.with_["command"]
        if script and script.is_scalar:
            site = Site(workflow.path, Caller.WORKFLOW, UNKNOWN, System.REMOTE, owner=owner)
            follow(of_node(workflow.path, script, workflow.lines), site, found)
    elif workspace.checked_out or _FILES.get(name) is _OF_RELEASES:
        _outputs(step, workspace, found)
        _inputs(workflow, step, name, workspace, owner, found)


def _only_file(workflow: Workflow, step: Step) -> str:
    """The file that an artifact of the same run consists of; empty where it may be others."""
    name = step.with_["name"].text
    paths = [
        each.with_["path"].text.strip()
        for job in workflow.jobs
        for each in job.steps
        if each.uses.text.startswith("actions/upload-artifact@") and each.with_["name"].text == name
    ]
    elsewhere = any(key in step.with_ for key in ("run-id", "repository", "pattern", "github-token"))
    if not name or "${{" in name or elsewhere or len(set(paths)) != 1:
        return ""
    return paths[0] if re.fullmatch(r"[\w./-]*\w\.\w+", paths[0]) else ""


def _required(workflow: Workflow, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    """Modules of the checkout that a script in a step requires; paths begin in the job's directory."""
    script = step.with_["script"]
    if not workspace.checked_out or re.search(r"\btry\s*\{|\bexistsSync\b|\bchdir\b", script.text):
        return
    site = _site(workflow, step, workspace, owner)
    for number, line in enumerate(script.text.split("\n"), 1):
        if (match := _REQUIRES.search(line)) and not line.lstrip().startswith(("//", "*", "/*")):
            at = of_node(workflow.path, script, workflow.lines).place(number, match.start(1) + 1)
            path = match[1]
            either = tuple(path + each for each in (".js", ".cjs", ".mjs", ".json", "/index.js", "/package.json"))
            needed = Needed(Word(path, at.line, at.column), "the module that the script requires", either=either)
            found.calls.append(Call(needed, site, at, line.strip()))


def _outputs(step: Step, workspace: Workspace, found: Trace) -> None:
    """Files that an action by the names of its inputs writes: those that it is told, or any where a caller says."""
    for key, node in step.with_.items():
        if key.startswith("out") and _MADE_FILE.search(key) and "${{" in node.text:
            workspace.opaque = True
        elif _MADE_FILE.search(key) and re.fullmatch(r"[\w./-]+", node.text):
            found.produced.append(
                Produced(workspace.directory(node.text), tree="." not in posixpath.basename(node.text))
            )


def _inputs(workflow: Workflow, step: Step, name: str, workspace: Workspace, owner: str, found: Trace) -> None:
    """Files that an action is told to read."""
    site = _site(workflow, step, workspace, owner)
    certain = _FILES.get(name, ())
    if certain is _OF_RELEASES:
        site = replace(site, directory=ROOT)  # it asks GitHub for them
    for key, node in step.with_.items():
        composes = key in ("compose-file", "compose_file")  # which is told of what it starts
        if composes or (key not in certain and (not _READ.search(key) or _WRITTEN.search(key))):
            continue
        for number, line in enumerate(node.text.splitlines(), 1):
            path = line.strip()
            if not (key in certain or looks_like_file(path)):
                continue
            if path and "${{" not in path and not re.search(r"[*?{}$\[]|://", path):
                at = of_node(workflow.path, node, workflow.lines).place(number, 1)
                word, directory = Word(path, at.line, at.column), "dir" in key.lower()
                needed = Needed(word, f"the `{key}` of {name}", directory, mentioned=key not in certain)
                found.calls.append(Call(needed, site, node.place(workflow.path), f"{key}: {path}"))


def _compose(
    workflow: Workflow, job: Job, step: Step, file: Node, workspace: Workspace, owner: str, found: Trace
) -> None:
    """An action that starts services of a compose file: some of them, as far as anybody can tell."""
    scope = next(reader.variants(workflow, job, file.text, step.condition), Scope())
    paths = [line.strip() for line in scope.text(file.text).splitlines() if line.strip()]
    site = Site(workflow.path, Caller.WORKFLOW, workspace.directory("."), owner=owner, opaque=workspace.opaque)
    composed = Composition(tuple(Word(path, file.line, file.column) for path in paths), verb="up", partial=True)
    found.calls.append(Call(composed, site, step.uses.place(workflow.path), f"docker compose -f {file.text} up"))


def _checkout(workflow: Workflow, job: Job, step: Step, workspace: Workspace, found: Trace) -> None:
    path, repository = step.with_["path"].text.removeprefix("./").strip("/"), step.with_["repository"].text
    if variable := re.fullmatch(r"\$\{\{\s*env\.(\w+)\s*\}\}", repository):
        told = "\n".join(re.findall(rf"\b{variable[1]}=(.*)", "\n".join(each.run.text for each in job.steps)))
        repository = job.env[variable[1]].text or workflow.env[variable[1]].text or told or repository
    foreign = (repository and not _OWN_REPOSITORY.search(repository)) or _OTHER_BRANCH.match(step.with_["ref"].text)
    workspace.checked_out |= not foreign
    value = UNKNOWN if foreign else ROOT
    if path:
        workspace.mounted[path] = value
        found.produced.append(Produced(f"{ROOT}/{path}", tree=True))
    elif not (foreign and workspace.base == ROOT):
        workspace.base = value


def _image(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    inputs = step.with_
    said = " ".join(value.text for _, value in inputs.items())
    for scope in reader.variants(workflow, job, said, step.condition):
        scope = scope.with_env(step.env)
        context = scope.text(inputs["context"].text or ".").strip()
        if "://" in context or not is_known(context):
            return
        site = Site(workflow.path, Caller.WORKFLOW, workspace.directory("."), owner=owner, opaque=workspace.opaque)
        at = inputs["context"] or step.uses
        file = inputs["file"]
        stage = inputs["target"]
        arguments = tuple(
            Word(scope.text(line.strip()), inputs["build-args"].line, inputs["build-args"].column)
            for line in inputs["build-args"].text.splitlines()
            if line.strip()
        )
        tags = tuple(
            Word(tag, inputs["tags"].line, inputs["tags"].column)
            for tag in re.split(r"[\s,]+", scope.text(_with_names(job, scope, inputs["tags"].text)))
            if tag
        )
        build = ImageBuild(
            Word(context, at.line, at.column),
            Word(scope.text(file.text), file.line, file.column) if file else None,
            Word(scope.text(stage.text), stage.line, stage.column) if stage else None,
            arguments,
            tags,
        )
        found.calls.append(Call(build, site, step.uses.place(workflow.path), f"docker build {context}"))


def _with_names(job: Job, scope: Scope, tags: str) -> str:
    """Tags, with those that docker/metadata-action makes put in as far as they are known: its images."""

    def named(found: re.Match[str]) -> str:
        for step in job.steps:
            if step.node["id"].text == found[1] and step.uses.text.startswith("docker/metadata-action@"):
                images = re.split(r"[\s,]+", scope.text(step.with_["images"].text))
                names = [image.removeprefix("name=") for image in images]
                return " ".join(f"{name}:{UNKNOWN}" for name in names if name and "=" not in name) or UNKNOWN
        return UNKNOWN

    return re.sub(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.tags\s*\}\}", named, tags)


def _run(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    place = step.directory or job.directory
    mentioned = f"{step.run.text} {place.text} {' '.join(value.text for _, value in step.env.items())}"
    tested = tuple(f"{ROOT}/{path}" for path in re.findall(r"hashFiles\('([^']+)'\)", step.condition))
    for scope in reader.variants(workflow, job, mentioned, step.condition):
        scope = scope.with_env(step.env)
        if workflow.action:
            scope.values["github.action_path"] = joined(ROOT, posixpath.dirname(workflow.path) or ".")
        directory = workspace.directory(scope.text(place.text) if place else ".")
        site = Site(
            workflow.path, Caller.WORKFLOW, directory, System.REPOSITORY, owner=owner,
            guard=Guard(step.tolerated, tested), opaque=workspace.opaque,
        )  # fmt: skip
        if place and workspace.checked_out and is_known(place.text) and place.text.strip("./"):
            _directory(site, workspace, place, found)
        variables = {
            name.removeprefix("env."): Held(value) for name, value in scope.values.items() if name.startswith("env.")
        }
        exact = {**_env_names(workflow.env), **_env_names(job.env), **_env_names(step.env)}
        named = {name: variables[name.lower()] for name in exact if name.lower() in variables}
        if workflow.action:
            named["GITHUB_ACTION_PATH"] = Held(scope.values["github.action_path"])
        follow(reader.snippet(workflow, step.run, scope), site, found, named)


def _site(workflow: Workflow, step: Step, workspace: Workspace, owner: str, directory: str = ".") -> Site:
    """Where a step works."""
    return Site(
        workflow.path, Caller.WORKFLOW, workspace.directory(directory), owner=owner,
        guard=Guard(step.tolerated), opaque=workspace.opaque,
    )  # fmt: skip


def _plain_site(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str) -> Site | None:
    """Where a step runs its text; None where an expression says its directory."""
    place = step.directory or job.directory
    if not is_known(place.text) or "${{" in place.text:
        return None
    return _site(workflow, step, workspace, owner, place.text or ".")


def _python(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    """A step whose text is a program in Python."""
    site = _plain_site(workflow, job, step, workspace, owner)
    if site is None:
        return
    at = of_node(workflow.path, step.run, workflow.lines).place(1, 1)
    text = Word(EXPRESSION.sub(UNKNOWN, step.run.text), at.line, at.column)
    python_text(text, [text], running(site, found))


def _powershell(workflow: Workflow, job: Job, step: Step, workspace: Workspace, owner: str, found: Trace) -> None:
    """Lines of PowerShell that are plain commands: words without any of its syntax."""
    site = _plain_site(workflow, job, step, workspace, owner)
    if site is None:
        return
    for number, line in enumerate(step.run.text.split("\n"), 1):
        if _PLAIN.fullmatch(line):
            at = of_node(workflow.path, step.run, workflow.lines).place(number, 1)
            words = [Word(each.replace("\\", "/"), at.line, at.column) for each in line.removeprefix("& ").split()]
            interpreted(words, site, found)


def _directory(site: Site, workspace: Workspace, place: Node, found: Trace) -> None:
    above = Site(
        site.path, site.caller, workspace.directory("."), owner=site.owner, opaque=site.opaque, guard=site.guard
    )
    needed = Needed(Word(place.text, place.line, place.column), "the working directory", directory=True)
    if "${{" not in place.text:
        found.calls.append(Call(needed, above, place.place(site.path), f"working-directory: {place.text}"))


def _env_names(node: Node) -> dict[str, Scope]:
    return {name: Scope() for name, _ in node.items()}

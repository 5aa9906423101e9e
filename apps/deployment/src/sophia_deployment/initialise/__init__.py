"""`sophia init`: a first `sophia.yaml` for a repository, from what stands in it.

    compose file, else Procfile, else directories ─► drafts ─► completed from Dockerfiles and sources ─► text

The text loads without problems whatever was found; what could not be known is marked `# TODO`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.loading import FILE_NAME, problems
from sophia_deployment_core.words import NAME
from sophia_deployment_core.yaml12 import scalar

from sophia_deployment.initialise import commands, compose, languages
from sophia_deployment.initialise.draft import Draft, comment, service_lines
from sophia_deployment.initialise.repository import Repository, joined

NOT_OVERWRITTEN = declare(
    "SPH-5010",
    "a file that exists is not overwritten",
    "`sophia init` writes a first `sophia.yaml` and never replaces one. Move the old one away, or call it with "
    "`--force` to lose what it says.",
    exit=2,
)

_PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
_MARKS = (
    "Dockerfile",
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "go.mod",
    "index.html",
    "public/index.html",
)
_ENVIRONMENTS = """\
environments:
  local:
    runtime: local
    edge: {port: 8080}
    strategy: {blue_green: {watch: 15s, quiet: probes, warm: 5m}}
  # production:
  #   runtime: local
  #   edge: {port: 8082}
  #   services: {NAME: {replicas: 2, env: {LOG_LEVEL: warning}}}
"""


def propose(root: Path) -> str:
    """The text of a `sophia.yaml` for the repository at `root`. Reads, writes nothing, runs nothing."""
    repository = Repository(root)
    drafts, remarks = _drafts(repository)
    for draft in drafts:
        _without_the_impossible(draft)
        languages.complete(draft, repository)
    drafts = _with_unique_names(_worth_it(drafts, remarks))
    _needs_that_exist(drafts)
    _routes(drafts, repository)
    text = _written(_name(repository), drafts, remarks)
    assert problems(text) == [], problems(text)
    return text


def write(root: Path, *, force: bool = False) -> Path:
    """Write the proposal beside the repository's files; raises `SophiaError` if there is a `sophia.yaml` already."""
    path = root / FILE_NAME
    if not force and (path.exists() or path.is_symlink()):
        raise SophiaError(
            NOT_OVERWRITTEN, f"`{path}` is already there", "change it by hand, or write a new one with `--force`"
        )
    text = propose(root)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SophiaError(
            NOT_OVERWRITTEN, f"`{path}` cannot be written: {error.strerror}", "may you write here?"
        ) from error
    return path


# --- finding --------------------------------------------------------------------------------------------------------


def _drafts(repository: Repository) -> tuple[list[Draft], list[str]]:
    """What probably is a service, and remarks about what was passed over."""
    remarks: list[str] = []
    composed = compose.read(repository)
    if composed is not None:
        remarks += [composed.trouble] if composed.trouble else []
        remarks += [
            f"`{name}` ({image}) in {composed.file} is an image that is not built here; Sophia runs none so far"
            for name, image in composed.foreign.items()
        ]
        if composed.drafts:
            return list(composed.drafts.values()), remarks
    processes = _processes(repository, remarks)
    return processes or _directories(repository), remarks


def _processes(repository: Repository, remarks: list[str]) -> list[Draft]:
    """One draft for each line of a Procfile; only `web` is told a port there."""
    drafts = []
    for line in repository.text("Procfile").splitlines():
        match = _PROCESS.fullmatch(line.strip())
        if not match:
            continue
        if match[1] == "release":
            remarks.append(f"the Procfile's `release` command is not run by Sophia so far: {match[2]}")
            continue
        source, command = _from_directory(match[2])
        draft = Draft(match[1], source if repository.is_directory(source) else ".", f"`{match[1]}` in Procfile")
        draft.command = command
        if match[1] == "web":
            draft.listens = draft.published = True
        drafts.append(draft)
    return drafts


def _from_directory(command: str) -> tuple[str, list[str]]:
    """(`api`, command) of `cd api && command`."""
    match = re.fullmatch(r"cd\s+([\w./-]+)\s*&&\s*(.+)", command.strip())
    return (joined(".", match[1]), commands.split(match[2])) if match else (".", commands.split(command))


def _directories(repository: Repository) -> list[Draft]:
    drafts: list[Draft] = []
    for directory in repository.directories():
        inside = any(directory.startswith(draft.source + "/") for draft in drafts)
        mark = next((mark for mark in _MARKS if repository.has(joined(directory, mark))), None)
        if mark is None or inside or not _starts(directory, repository):
            continue
        name = repository.root.name if directory == "." else directory.rsplit("/", 1)[-1]
        draft = Draft(name, directory, joined(directory, mark))
        draft.dockerfile = joined(directory, "Dockerfile") if mark == "Dockerfile" else None
        drafts.append(draft)
        if directory == ".":
            break
    return drafts


def _starts(directory: str, repository: Repository) -> bool:
    """Whether a directory holds something that runs or is served: a library, a workspace's root does not."""
    if repository.has(joined(directory, "Dockerfile")) or languages.pages_root(directory, repository):
        return True
    draft = Draft("x", directory, "")
    languages.complete(draft, repository)
    return draft.command is not None


# --- deciding -------------------------------------------------------------------------------------------------------


def _worth_it(drafts: list[Draft], remarks: list[str]) -> list[Draft]:
    if drafts:
        return drafts
    remarks.append("nothing was found that looks like a service; the one below is an example")
    example = Draft("app", ".", "nothing: this is an example", include=["."])
    example.listens = True
    example.note("run", "write the command that starts it; it must listen on 127.0.0.1 at $PORT")
    return [example]


def _without_the_impossible(draft: Draft) -> None:
    """Nothing that no process can be given: an empty command, a NUL character."""
    if draft.command is not None and (draft.command[:1] in ([], [""]) or any("\0" in each for each in draft.command)):
        draft.command = None
    draft.env = {key: value for key, value in draft.env.items() if "\0" not in value}


def _name(repository: Repository) -> str:
    """What the repository calls itself, else its directory's name."""
    project = repository.toml("pyproject.toml").get("project")
    named = repository.json("package.json").get("name") or (project.get("name") if isinstance(project, dict) else None)
    return _slug(str(named or repository.root.name))


def _slug(name: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")[:40].rstrip("-")
    return text if NAME.fullmatch(text) and scalar(text) == text else "app"


def _with_unique_names(drafts: list[Draft]) -> list[Draft]:
    """Every name one that the file allows, none twice; `needs` follow."""
    names: dict[str, str] = {}
    for draft in drafts:
        name, number = _slug(draft.name), 2
        while name in names.values():
            name, number = f"{_slug(draft.name)[:36]}-{number}", number + 1
        names.setdefault(draft.name, name)
        draft.name = name
    for draft in drafts:
        draft.needs = list(dict.fromkeys(names.get(need, need) for need in draft.needs))
    return drafts


def _needs_that_exist(drafts: list[Draft]) -> None:
    """Files need nobody, nobody can need a worker, and nobody itself, by whatever way."""
    known = {draft.name: draft for draft in drafts}
    for draft in drafts:
        if draft.static_root is not None:
            draft.needs = []
            draft.notes.pop("needs", None)
        for need in [need for need in draft.needs if need not in known or known[need].worker or need == draft.name]:
            draft.needs.remove(need)
            if need in known and need != draft.name:
                draft.note("needs", f"it waited for `{need}`, which listens nowhere; nobody can need that")
    _without_circles(known)


def _without_circles(known: dict[str, Draft]) -> None:
    while True:
        try:
            TopologicalSorter({name: draft.needs for name, draft in known.items()}).prepare()
        except CycleError as error:
            needed, needing = error.args[1][0], error.args[1][1]
            known[needing].needs.remove(needed)
            known[needing].note("needs", f"it named `{needed}`, which needs it too; one of them must do without")
        else:
            return


def _routes(drafts: list[Draft], repository: Repository) -> None:
    """Who answers which public path: said by labels and web servers' settings, otherwise guessed and marked."""
    serving = {draft.name: draft for draft in drafts if not draft.worker}
    for draft in serving.values():
        for prefix, name in languages.proxied(draft, repository) if draft.static_root is not None else ():
            if name in serving and prefix.rstrip("/"):
                serving[name].routes.append(prefix.rstrip("/"))
    taken: set[str] = set()
    for draft in drafts:
        wanted = dict.fromkeys(re.sub(r"/+$", "", route) or "/" for route in draft.routes)
        draft.routes = [route for route in wanted if route not in taken and not draft.worker and _is_route(route)]
        taken.update(draft.routes)
    _guessed_routes([draft for draft in serving.values() if not draft.routes], taken)


def _guessed_routes(drafts: list[Draft], taken: set[str]) -> None:
    """The root to the pages, else to the first that is public; a prefix of its own to each other one.

    Where nothing tells who is published, public is who is needed by nobody.
    """
    needed = {need for draft in drafts for need in draft.needs}
    told = bool(taken) or any(draft.published for draft in drafts)
    public = [draft for draft in drafts if draft.published or draft.static_root is not None]
    if not told:
        public += [draft for draft in drafts if draft not in public and draft.name not in needed]
    public.sort(key=lambda draft: draft.static_root is None)
    for draft in public:
        draft.routes = [route for route in ("/", f"/{draft.name}") if route not in taken][:1]
        taken.update(draft.routes)
        if draft.routes != ["/"] or len(public) > 1:
            draft.note("routes", "which public paths does it answer? paths reach it whole, without anything cut off")


def _is_route(route: str) -> bool:
    return bool(re.fullmatch(r"/|(/[A-Za-z0-9._~-]+)+", route)) and not {".", ".."} & set(route.split("/"))


# --- writing --------------------------------------------------------------------------------------------------------


def _written(name: str, drafts: Iterable[Draft], remarks: Iterable[str]) -> str:
    lines = [
        "# What runs on this platform, and where. Written by `sophia init` from what it found here; it is yours now.",
        "# What it could not know is marked TODO. `sophia up` starts it, `sophia plan` shows what a deployment does.",
    ]
    for remark in remarks:
        lines += comment(remark, 0, mark="# TODO: ")
    lines += ["", f"platform: {name}", "", "services:"]
    for draft in drafts:
        lines += [*service_lines(draft), ""]
    return "\n".join(lines) + "\n" + _ENVIRONMENTS

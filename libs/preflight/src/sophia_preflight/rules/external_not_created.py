"""External secrets, configs, networks and volumes that nothing in the repository creates."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls.model import Program
from sophia_preflight.composing import file_consequence, is_external, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.text import UNKNOWN, is_known

RULE = Rule(
    id="external-not-created",
    title="something external is used that nothing here creates",
    severity=Severity.HIGH,
    why="the deployment is refused until somebody creates it by hand",
    fix="create it where its siblings are created, or say where it comes from",
    family="compose",
)
_KINDS = ("secret", "config", "network", "volume")


def check(context: Context) -> Iterable[Finding]:
    created = _created(context)
    for project in context.projects:
        needed = {
            (kind, (part.node["source"].text if part.node.is_map else part.text))
            for each in used(context)
            if each.project is project
            for kind in ("secret", "config", "network")
            for part in each.service.listed(f"{kind}s")
        }
        for kind in _KINDS:
            made = created[kind]
            if UNKNOWN in made:
                continue
            for name, part in project.top(f"{kind}s").items():
                said = part.node["name"].text or part.node.at("external", "name").text or name
                if not is_external(part) or not is_known(said) or "$" in said or said in made:
                    continue
                if kind != "volume" and (kind, name) not in needed:
                    continue
                if kind != "secret" and _is_of_a_project(context, kind, said):
                    continue
                severity, blocks = file_consequence(part.file.path)
                sibling = bool(made)
                yield RULE.found(
                    f"the external {kind} `{said}` is created by nothing in this repository"
                    + (f", which creates `{min(made)}`" if sibling else ""),
                    part.file.root[f"{kind}s"].key(name).place(part.file.path),
                    anchor=f"{kind} {said}",
                    severity=severity if sibling else severity.at_most(Severity.MEDIUM),
                    confidence=Confidence.LIKELY if sibling else Confidence.GUESS,
                    blocks=blocks if sibling else "",
                )


def _is_of_a_project(context: Context, kind: str, said: str) -> bool:
    """Whether another file's project makes it: under `PROJECT_NAME`, or under the `name` it gives."""
    for file in context.composes.values():
        for name, node in file.root[f"{kind}s"].items():
            if node["external"] and node["external"].text.lower() != "false":
                continue
            if said == node["name"].text or said.endswith(f"_{name}"):
                return True
    return False


def _created(context: Context) -> dict[str, set[str]]:
    """Names that `docker secret create` and its kin are called with; `UNKNOWN` is among them if one is computed."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for call in context.calls:
        if not isinstance(call.target, Program) or call.target.name.value not in ("docker", "podman"):
            continue
        words = [word.value for word in call.target.arguments]
        if len(words) > 2 and words[0] in found and words[1] == "create":
            names = [word for word in words[2:] if not word.startswith("-")]
            kind = words[0]
            name = names[0] if kind in ("secret", "config") and names else names[-1] if names else UNKNOWN
            found[kind].add(name if is_known(name) else UNKNOWN)
    return found


BAD = [
    tree("""
        === setup.sh
        printf x | docker secret create db_password -
        === stack.yml
        version: "3.8"
        services:
          api: {image: "api:1", secrets: [db_password, api_token]}
        secrets:
          db_password: {external: true}
          api_token: {external: true}
    """),
]
GOOD = [
    tree("""
        === setup.sh
        printf x | docker secret create db_password -
        docker network create --driver overlay public
        === stack.yml
        version: "3.8"
        services:
          api: {image: "api:1", secrets: [db_password], networks: [public]}
        secrets:
          db_password: {external: true}
          unused: {external: true}
        networks:
          public: {external: true}
    """),
    tree("""
        === setup.sh
        docker network create --driver overlay public
        === platform.yml
        services:
          api:
            image: api:1
            networks: [inner]
        networks: {inner: {}}
        === tools/docker-compose.yml
        services:
          tool: {image: "tool:1", networks: [platform_inner]}
        networks:
          platform_inner: {external: true}
    """),
]

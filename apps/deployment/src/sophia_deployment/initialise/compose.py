"""What a compose file tells about the services that it builds, and which others it only names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core import units
from sophia_deployment_core.platform import INJECTED, url_variable
from sophia_deployment_core.words import VARIABLE
from sophia_deployment_core.yaml12 import Unreadable, parse

from sophia_deployment.initialise import commands
from sophia_deployment.initialise.draft import Draft
from sophia_deployment.initialise.repository import Repository, joined

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE|CREDENTIAL|_KEY$|_PASS$", re.IGNORECASE)
_SUBSTITUTED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+]([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_URL_PATH = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::[^/\s'\"]+)?(/[^\s'\")\]|;,]*)?")
_ROUTE_RULE = re.compile(r"PathPrefix\(\s*[`'\"](/[^`'\"]*)")
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


@dataclass
class Composed:
    """`drafts` by the compose file's names; `foreign` runs an image that nobody builds here: name -> image."""

    file: str
    drafts: dict[str, Draft] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


def read(repository: Repository) -> Composed | None:
    """What the compose file tells; `None` if there is none."""
    file = repository.first(*FILES)
    if file is None:
        return None
    composed = Composed(file)
    try:
        data = parse(repository.text(file)).data
    except Unreadable as error:
        composed.trouble = f"{file} could not be read (line {error.place.line}: {error.message})"
        return composed
    found = data.get("services") if isinstance(data, dict) else None
    services = (
        {name: given for name, given in found.items() if isinstance(given, dict)} if isinstance(found, dict) else {}
    )
    for name, given in services.items():
        _add(composed, name, given, repository)
    for name in composed.drafts:
        _connect(composed, name, services[name], services)
    return composed


def health_path(test: object) -> str | None:
    """The path that a health check's command asks for on this machine."""
    text = " ".join(map(str, test)) if isinstance(test, list) else str(test or "")
    match = _URL_PATH.search(text)
    return (match[1] or "/") if match else None


def _add(composed: Composed, name: str, given: dict[str, Any], repository: Repository) -> None:
    build = given.get("build")
    if build is None:
        composed.foreign[name] = str(given.get("image", "an image"))
        return
    context, dockerfile = _places(build, repository)
    draft = Draft(name, _source(context, dockerfile, repository), f"`{name}` in {composed.file}", dockerfile=dockerfile)
    draft.command = _command(given)
    _ports(draft, given)
    check = given.get("healthcheck")
    draft.health = health_path(check.get("test")) if isinstance(check, dict) else None
    draft.routes = _ROUTE_RULE.findall(str(given.get("labels", "")))
    _limits(draft, given)
    if given.get("profiles"):
        draft.note("", f"it is only started in the profile {given['profiles']}; remove it if you do not deploy it")
    composed.drafts[name] = draft


def _places(build: object, repository: Repository) -> tuple[str, str | None]:
    context = build if isinstance(build, str) else build.get("context", ".") if isinstance(build, dict) else "."
    context = joined(".", str(context))
    named = str(build.get("dockerfile", "Dockerfile")) if isinstance(build, dict) else "Dockerfile"
    dockerfile = joined(context, named)
    return context, dockerfile if repository.has(dockerfile) else None


def _source(context: str, dockerfile: str | None, repository: Repository) -> str:
    """The context, unless a Dockerfile further down stands beside what it packs."""
    if dockerfile is None or not repository.is_directory(context):
        return context if repository.is_directory(context) else "."
    beside = dockerfile.rsplit("/", 1)[0] if "/" in dockerfile else "."
    marks = ("package.json", "pyproject.toml", "requirements.txt", "go.mod", "index.html", "main.py", "app.py")
    return beside if beside != context and any(repository.has(joined(beside, mark)) for mark in marks) else context


def _command(given: dict[str, Any]) -> list[str] | None:
    words: list[str] = []
    for key in ("entrypoint", "command"):
        value = given.get(key)
        if isinstance(value, str):
            words += commands.split(_resolved(value)[0])
        elif isinstance(value, list):
            words += [_resolved(str(each))[0] for each in value]
    return words or None


def _ports(draft: Draft, given: dict[str, Any]) -> None:
    ports, exposed = given.get("ports") or [], given.get("expose") or []
    draft.published = bool(ports)
    if ports or exposed:
        draft.listens = True


def _limits(draft: Draft, given: dict[str, Any]) -> None:
    grace = str(given.get("stop_grace_period", ""))
    if grace and _measures(units.duration_ms, grace):
        draft.grace = grace
    deploy = given.get("deploy")
    deploy = deploy if isinstance(deploy, dict) else {}
    replicas = deploy.get("replicas", 1)
    draft.replicas = replicas if isinstance(replicas, int) and 1 <= replicas <= 1000 else 1
    resources = deploy.get("resources")
    limits = resources.get("limits") if isinstance(resources, dict) else None
    for ours, theirs, read in (("cpu", "cpus", units.processors_millicores), ("memory", "memory", units.size_bytes)):
        value = str(limits.get(theirs, "")) if isinstance(limits, dict) else ""
        if value and _measures(read, value):
            draft.resources[ours] = value


def _measures(read: Any, text: str) -> bool:
    try:
        return bool(read(text))
    except ValueError:
        return False


# --- what services say about each other -----------------------------------------------------------------------------


def _connect(composed: Composed, name: str, given: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    draft = composed.drafts[name]
    wanted = given.get("depends_on") or []
    for need in [str(each) for each in wanted] if isinstance(wanted, list | dict) else []:
        if need in composed.drafts:
            draft.needs.append(need)
        elif need in composed.foreign:
            draft.note(
                "needs",
                f"it needs `{need}` ({composed.foreign[need]}), which is not run by Sophia so far; "
                "run it beside, and give its address in `env` or `secrets`",
            )
    _environment(draft, composed, given)
    _volumes(draft, given, services)


def _environment(draft: Draft, composed: Composed, given: dict[str, Any]) -> None:
    if given.get("env_file"):
        draft.note(
            "env", f"its env_file ({given['env_file']}) was not read: put plain settings here, the rest into `secrets`"
        )
    for key, raw in _variables(given.get("environment")):
        if not VARIABLE.fullmatch(key) or key.startswith("SOPHIA_"):
            continue
        if key in INJECTED:
            draft.listens = True if key == "PORT" else draft.listens
            continue
        value, unknown = _resolved(raw)
        address = next((need for need in composed.drafts if _names(value, need)), None)
        if address is not None and address != draft.name:
            _address(draft, key, value, address)
        elif _SECRET.search(key) or _PASSWORD_IN_URL.search(value):
            draft.secrets.append(key)
        else:
            draft.env[key] = value
            if strange := next((name for name in composed.foreign if _names(value, name)), None):
                draft.note("env", f"`{key}` names `{strange}` of {composed.file}; write the address at which it is")
            if unknown:
                draft.note("env", f"`{key}` was {raw}, and nothing says what that is")
    if draft.secrets:
        first = draft.secrets[0]
        draft.note("secrets", f"values are not kept in this file; set each one: `sophia secrets set local {first}`")


def _names(value: str, service: str) -> bool:
    """Whether a value is an address of a service: `http://api:8000/x`, `amqp://user@api`, `api:8000`."""
    return bool(re.search(rf"(//|@){re.escape(service)}(:\d+)?(/|$)|^{re.escape(service)}:\d+$", value))


def _address(draft: Draft, key: str, value: str, need: str) -> None:
    if need not in draft.needs:
        draft.needs.append(need)
    if key != url_variable(need):
        draft.note(
            "needs", f"`{key}` was {value}; the address of `{need}` comes as `{url_variable(need)}`, so read that"
        )


def _variables(given: object) -> Iterator[tuple[str, str]]:
    if isinstance(given, dict):
        for key, value in given.items():
            text = str(value).lower() if isinstance(value, bool) else f"${{{key}}}" if value is None else str(value)
            yield str(key), text
    for entry in given if isinstance(given, list) else ():
        key, equals, value = str(entry).partition("=")
        yield key, value if equals else f"${{{key}}}"


def _resolved(text: str) -> tuple[str, bool]:
    """The text with `${NAME:-default}` replaced by its default, and whether something had none."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        unknown = unknown or match[2] is None
        return match[2] or ""

    kept = text.replace("$$", "\0")
    return _SUBSTITUTED.sub(value, kept).replace("\0", "$"), unknown


def _volumes(draft: Draft, given: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for volume in _named_volumes(given):
        others = [name for name, other in services.items() if name != draft.name and volume in _named_volumes(other)]
        if others:
            shared = ", ".join(f"`{name}`" for name in others)
            draft.note(
                "env",
                f"it shares the volume `{volume}` with {shared}; `$DATA_DIR` is each service's "
                "own, so give both a path or let one ask the other",
            )
        else:
            draft.note(
                "",
                f"the volume `{volume}` becomes `$DATA_DIR`: kept over releases, shared by the old and the "
                "new one; if two may not use it at once, set `single: true`",
            )


def _named_volumes(given: dict[str, Any]) -> list[str]:
    found = []
    volumes = given.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        source = volume.get("source", "") if isinstance(volume, dict) else str(volume).split(":")[0]
        if source and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", str(source)):
            found.append(str(source))
    return found

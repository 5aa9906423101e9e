"""An environment for Python that an image makes, or is given, in one folder and looks for in another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.standing import consequence
from sophia_preflight.text import UNKNOWN, is_known, joined

RULE = Rule(
    id="environment-elsewhere",
    title="an image uses an environment for Python in a folder where it has none",
    severity=Severity.CRITICAL,
    why="its programs and packages are not found: the build or the container ends with an error",
    fix="name one folder where the environment is made, copied and used",
    family="dockerfiles",
)
_MAKES = re.compile(r"(-m\s+venv|(?:^|[;&|(]\s*)virtualenv|\buv\s+venv)(?=[\s;]|$)([^;&|\n)]*)")
_VALUED = re.compile(r"\s(--python|-p|--prompt|--cache-dir|--index-url)[= ]\S+")
_SYNC = re.compile(r"\buv\s+sync\b(?![^&;|\n]*--(active|project|directory|dry-run))")
_USED = re.compile(r"(?<![\w.}$/-])((?:/[\w.-]+)+)/bin(?:/(?:activate|python[\d.]*|pip[\d.]*|[\w-]+)\b|(?=[:\"'\s]|$))")
_NEAR = re.compile(r"(?:^|(?<=[\s;&|(\"']))(?:\./)?((?:\.|[\w-]*)v?env)/bin/(?:activate|python[\d.]*|pip[\d.]*)\b")
_SETS = re.compile(r"\b(UV_PROJECT_ENVIRONMENT|VIRTUAL_ENV)[= ]\S+")
_PLAIN = re.compile(
    r"(docker\.io/)?(library/)?(python|debian|ubuntu|alpine|fedora|rockylinux|almalinux)(:|@|$)"
    r"|(ghcr\.io/astral-sh/uv|registry\.access\.redhat\.com/ubi\d+(/[\w-]+)?|nvidia/cuda)(:|@|$)"
)
"""Images that bring no environment, under whatever name."""
_INTERPRETS = re.compile(r"\s+-m\s+(venv|virtualenv)\b")
"""What stands after an interpreter that only makes the environment."""
_CALLED = re.compile(
    r"(^|[;&|(]|\b(source|exec|then|do|else|env)|(^|\s)\.|--python[ =])\s*[\"']?$|\bPATH=[\"']?([^\s\"']*:)?$"
)
"""What stands before a program that is called, or a folder of programs."""
_SYSTEM = re.compile(
    r"/(usr|root/\.(local|cargo|bun)|home/\w+/\.local|bin|sbin|nix|lib|etc)(/|$)|.*(pyenv|conda|mamba|forge)"
)


@dataclass
class _Made:
    """The environments that a stage has, by their folders, and where; those that it asks for; all its other words."""

    environments: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    """Those of them of which a program is called by its path."""
    copied: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    """Folders that it takes from stages: of which, in which line, and where they are put."""
    words: str = ""
    directory: str = UNKNOWN
    """Where it works."""


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        seen: dict[int, _Made] = {}
        for stage in made.stages:
            seen[stage.index] = _read(made, stage, seen)
            yield from _lost(path, made, stage, seen)


def _read(made: Dockerfile, stage: Stage, seen: dict[int, _Made]) -> _Made:
    below = made.stage(stage.base)
    under = seen.get(below.index) if below is not None else None
    found = _Made()
    if under is not None:
        found = _Made(dict(under.environments), words=under.words, directory=under.directory)
    for each in stage.instructions:
        text = each.expanded(each.flat)
        if each.name == "WORKDIR":
            found.directory = joined(found.directory, text)
        elif each.name in ("COPY", "ADD"):
            _copy(made, each, found, seen)
        else:
            _run(each, text, found)
    return found


def _copy(made: Dockerfile, each: Instruction, found: _Made, seen: dict[int, _Made]) -> None:
    *sources, target = each.arguments() or [""]
    told = each.expanded(each.flags.get("from", ""))
    origin = made.stage(told)
    place = joined(found.directory, target)
    taken = seen[origin.index].environments if origin is not None and origin.index in seen else {}
    for source in (joined("/", one) for one in sources):
        if origin is not None:
            found.copied.setdefault(source, (origin.name or str(origin.index), each.line, place))
        inside = [folder for folder in taken if f"{folder}/".startswith(f"{source}/")]
        found.environments |= {joined(place, folder[len(source) + 1 :]): each.line for folder in inside}
        if not inside:  # what lies in the context is no environment, unless it is called by its very name
            found.words += f" {place} " if told else f" {place}: "


def _run(each: Instruction, text: str, found: _Made) -> None:
    rest = text
    if each.name == "RUN":
        for match in _MAKES.finditer(text):
            folders = [word for word in _VALUED.sub("", match[2]).split() if word[0] != "-"]
            usual = [".venv"] if match[1].startswith("uv") else []
            found.environments |= {joined(found.directory, folder): each.line for folder in folders[-1:] or usual}
            rest = rest.replace(match[0], "")
        told = re.search(r"\bUV_PROJECT_ENVIRONMENT=(\S+)", text)
        if _SYNC.search(text) and told is None:
            held = each.variables.get("UV_PROJECT_ENVIRONMENT")
            found.environments.setdefault(
                joined(found.directory, held.value if held is not None else ".venv"), each.line
            )
    for match in _USED.finditer(text):
        called = each.name != "RUN" or _CALLED.search(text[: match.start()])
        if called and not _SYSTEM.match(match[1]) and not _INTERPRETS.match(text, match.end()):
            found.asked.setdefault(match[1], each.line)
            if not match[0].endswith("/bin"):
                found.called.add(match[1])
    for match in _NEAR.finditer(text):
        folder = joined(found.directory, match[1])
        if is_known(folder):
            found.asked.setdefault(folder, each.line)
            found.called.add(folder)
    found.words += " " + _SETS.sub("", _NEAR.sub("", _USED.sub("", rest)))


def _lost(path: str, made: Dockerfile, stage: Stage, seen: dict[int, _Made]) -> Iterator[Finding]:
    """What a stage asks for and does not have, beside an environment that nobody asks for."""
    mine = seen[stage.index]
    idle = {
        folder: line
        for folder, line in mine.environments.items()
        if is_known(folder) and _is_idle(folder, mine, made, stage)
    }
    wanted = [folder for folder in mine.asked if not _has(folder, mine)]
    plain = len(mine.environments) == 1 and _PLAIN.match(made.chain(stage)[-1].base) is not None
    if len(wanted) == 1 and (len(idle) == 1 or (plain and wanted[0] in mine.called)):
        ((there, line),) = (idle if len(idle) == 1 else mine.environments).items()
        severity, blocks = consequence(Site(path, Caller.BUILD))
        yield RULE.found(
            f"`{wanted[0]}` is asked for its programs, and the environment of this stage is `{there}`",
            Involved(Place(path, mine.asked[wanted[0]]), "use"),
            Involved(Place(path, line), "made"),
            anchor=f"{wanted[0]} {there}",
            severity=severity,
            confidence=Confidence.LIKELY,
            blocks=blocks,
        )
    for source, (name, line, place) in mine.copied.items():
        origin = made.stage(name)
        theirs = seen.get(origin.index) if origin is not None else None
        if theirs is None or origin is None or len(theirs.environments) != 1:
            continue
        if not _is_environment(source, mine) and place not in mine.asked:
            continue
        ((there, at),) = theirs.environments.items()
        if there != source and is_known(there + source) and not _has(source, theirs) and source not in theirs.asked:
            severity, blocks = consequence(Site(path, Caller.BUILD))
            yield RULE.found(
                f"`{source}` is copied from the stage `{name}`, and its environment is `{there}`",
                Involved(Place(path, line), "use"),
                Involved(Place(path, at), "made"),
                anchor=f"{source} {there} from {name}",
                severity=severity,
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )


def _is_environment(folder: str, stage: _Made) -> bool:
    """Whether a folder is called like an environment, or programs of it are asked for."""
    return re.search(r"(^|[/.-])v?env$", folder) is not None or folder in stage.asked


def _is_idle(folder: str, mine: _Made, made: Dockerfile, stage: Stage) -> bool:
    """Whether nobody speaks of an environment but who makes it: neither its stage nor one that copies from it."""
    spoken = re.compile(rf"{re.escape(folder)}(?![\w.-])")
    return folder not in mine.asked and folder not in _given(made, stage) and spoken.search(mine.words) is None


def _given(made: Dockerfile, stage: Stage) -> set[str]:
    """The folders that other stages take from a stage, or from one that is made from it."""
    takes = [
        (origin, each)
        for other in made.stages
        for each in other.instructions
        if each.name == "COPY" and (origin := made.stage(each.expanded(each.flags.get("from", "")))) is not None
    ]
    return {
        joined("/", source)
        for origin, each in takes
        if origin.index == stage.index or made.stage(origin.base) is stage
        for source in each.arguments()[:-1]
    }


def _has(folder: str, stage: _Made) -> bool:
    """Whether anything in a stage may have made a folder."""
    if folder in stage.environments or any(f"{folder}/".startswith(f"{each}/") for each in stage.environments):
        return True
    above = folder.rsplit("/", 1)[0]
    spoken = re.compile(
        rf"(?<![\w/]){re.escape(folder)}(?![\w.-])" + (rf"|(?<![\w/]){re.escape(above)}/?\s" if above else "")
    )
    return spoken.search(stage.words + " ") is not None


_SHOP = """
    === Dockerfile
    FROM python:3.13-slim AS build
    WORKDIR /src
    COPY . .
    RUN %s
    RUN %s/bin/pip install --no-cache-dir .
    FROM python:3.13-slim
    COPY --from=build %s %s
    ENV PATH="%s/bin:$PATH"
    CMD ["shop"]
    === pyproject.toml
    [project]
    name = "shop"
    [project.scripts]
    shop = "shop:main"
    === shop/__init__.py
    def main(): ...
"""
_V = "/opt/shop"
BAD = [
    tree(_SHOP % ("python -m venv /opt/sohp", _V, _V, _V, _V)),
    tree(_SHOP % ("uv venv /opt/shop", _V, _V, "/srv/shop", _V)),
    tree(_SHOP % ("python -m venv /opt/shop", _V, _V, _V, "/opt/venv")),
    tree(_SHOP % ("uv sync --frozen && true", "/src/.venv", "/app/.venv", "/app/.venv", "/app/.venv")),
]
GOOD = [
    tree(_SHOP % ("python -m venv /opt/shop", _V, _V, _V, _V)),
    tree(_SHOP % ("uv venv --python 3.12 /opt/shop", _V, _V, _V, _V)),
    tree(_SHOP % ("python -m venv --copies /opt/shop", _V, _V, "/srv/shop", "/srv/shop")),
    tree(_SHOP % ("uv sync --frozen", "/src/.venv", "/src/.venv", "/app/.venv", "/app/.venv")),
    tree(_SHOP % ("python -m venv /opt/shop && ln -s /opt/shop /opt/venv", "/opt/venv", _V, _V, _V)),
    tree(_SHOP % ("python -m venv /opt/shop", _V, "/src", "/src", "/src/.venv")),
]

"""A Dockerfile names a user that neither its image nor any of its commands makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from sophia_preflight.base_images import users
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity, Tree
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="unknown-user",
    title="a Dockerfile names a user that nothing makes",
    severity=Severity.HIGH,
    why="the user is not found: the build fails, or what starts in the image",
    fix="make the user before, or name one that there is",
    family="dockerfiles",
)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_OWNS = re.compile(
    r"""(?:^|&&|\|\||[;(\n]|\bsudo\b)\s*chown\s+(?:-[\w-]+\s+)*["']?([A-Za-z_][\w-]*)(?=[:\s"'])(?![^&;\n]*\|\|)"""
)
_MAKES = re.compile(r"\b(useradd|adduser)\b")
_MAKES_OTHERWISE = re.compile(r"\b(newusers|usermod|sysusers|luseradd|homectl)\b|/etc/(passwd|group|shadow)\b")
_ADDS = re.compile(r"\b(?:useradd|adduser)\b((?:[^;&|)\n\"']|\"[^\"]*\"|'[^']*')*)")
_VALUED = named(
    "-b --base-dir -c --comment -d --home-dir --home -e --expiredate -f --inactive -g --gid -G --groups -k --skel -K "
    "--key -p --password -r -s --shell -u --uid --gecos --ingroup -h --firstuid --lastuid -Z --conf"
) - {"-r"}
_RUNS_MORE = re.compile(
    r"\.(sh|bash|pl|rb|run|deb|rpm)\b|\|\s*(sudo\s+)?(\w+\s+)?(ba|da)?sh\b|\bdpkg\s+(-i|--install)|\brpm\s+-\w*[iU]"
    r"|\b(ansible|puppet|chef|salt|debootstrap|chroot|nix)\b|\b(source|\.)\s+(?!\S*activate)\S"
    r"|(^|&&|\|\||[;\n]|\bsudo\b)\s*((ba|da|z|a)?sh\s+[^-\s]|make\b|\.?/(?!\S*/bin/(python|pip|uv))\S)"
)
"""What may do anything."""
_HANDLES = re.compile(r"(^|&&|\|\||[;\n])\s*(?:chmod|chown|chgrp|ln|cp|mv|rm|mkdir|touch|cat|ls|test)\s[^&|;\n]*")
"""Commands that start none of the files that they name."""
_INSTALLS = re.compile(r"\b(apt|apt-get|apk|yum|dnf|microdnf|tdnf|zypper|aptitude)\b")
_OF_PACKAGES = named(
    "mysql messagebus sshd ssh git polkitd avahi ntp chrony docker www-data apache http squid named bind postfix "
    "tomcat jenkins munge slurm ftp vcap tss dbus rtkit pulse systemd-network systemd-resolve uuidd _chrony openvpn"
)
"""Users that packages of other names bring."""


@dataclass
class _Known:
    """Who is there in a stage."""

    names: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    """All that stands in commands that make users in other ways."""
    packages: set[str] = field(default_factory=set)
    open: bool = False
    base: str = ""
    is_known: bool = False


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        if not made.faults:
            for stage in made.stages:
                yield from _of_stage(path, made, stage)


def _of_stage(path: str, made: Dockerfile, stage: Stage) -> Iterator[Finding]:
    asked = [(each, name) for each in stage.instructions if not each.onbuild for name in dict.fromkeys(_asked(each))]
    known = _known(made, stage) if asked else _Known()
    if known.open:
        return
    seen: set[str] = set()
    for each, name in asked:
        if (
            name in seen
            or name in known.names | known.words
            or any(package.startswith(name) for package in known.packages)
        ):
            continue
        near = [other for other in known.made if _is_near(name, other)]
        if not known.is_known and (len(known.made) != 1 or not near):
            continue
        seen.add(name)
        severity, blocks = consequence(Site(path, Caller.BUILD, owner="build"))
        yield RULE.found(
            f"nothing makes the user `{name}`"
            + (f" in `{known.base}`" if known.is_known else f": there is `{near[0]}`"),
            Place(path, each.line, 1),
            anchor=f"{name} in {stage.name or stage.index}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY if known.is_known else Confidence.GUESS,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


def _is_near(name: str, other: str) -> bool:
    return bool(get_close_matches(name, [other], cutoff=0.7)) or name.startswith(other) or other.startswith(name)


def _asked(each: Instruction) -> Iterator[str]:
    """The users that an instruction names, where they are written out."""
    if each.name in ("COPY", "ADD"):
        names = [each.flags.get("chown", "").partition(":")[0]]
    elif each.name == "USER":
        names = [each.flat.partition(":")[0].strip("\"' ")]
    elif each.name == "RUN":
        names = _OWNS.findall(_text(each))
    else:
        return
    yield from (name for name in names if _NAME.fullmatch(name))


def _text(each: Instruction) -> str:
    """The commands of RUN."""
    said = " ".join(each.words) if each.words is not None else each.flat
    return "\n".join([said, *(body for _, body, _ in each.heredocs)])


def _known(made: Dockerfile, stage: Stage) -> _Known:
    """Who is there at the end of a stage."""
    below = made.stage(stage.base)
    if below is not None and below.index < stage.index:
        found = _known(made, below)
    else:
        there = users(stage.base) if "$" not in stage.written.partition(":")[0] else None
        found = _Known(set(there or ()), base=stage.base, is_known=there is not None)
    for each in stage.instructions:
        if each.name == "RUN":
            _add(found, _text(each), each)
        elif each.name in ("COPY", "ADD"):
            target = each.arguments()[-1:] or [""]
            is_system = target[0].rstrip("/") in ("", "/etc") or "/etc/passwd" in each.flat or "/etc/group" in each.flat
            found.open |= is_system
    return found


def _add(found: _Known, text: str, each: Instruction) -> None:
    """What a RUN does to who is there."""
    installs = [part for part in re.split(r"&&|[;\n]", each.expanded(text)) if _INSTALLS.search(part)]
    if installs:
        found.packages.update(re.findall(r"[\w.-]+", " ".join(installs)))
        found.names |= _OF_PACKAGES
    if _MAKES_OTHERWISE.search(text):
        found.words.update(re.findall(r"[\w-]+", each.expanded(text)))
        found.open |= "$" in text
    if _MAKES.search(text):
        adds = _ADDS.findall(text)
        names = [name for said in adds for name in _names(said)]
        found.open |= any("$" in name or "`" in name for name in names)
        found.made.update(names)
        found.names |= found.made
    found.open |= bool(_RUNS_MORE.search(_HANDLES.sub(r"\1true", text)))


def _names(said: str) -> Iterator[str]:
    """The names among the words of useradd or adduser, those among them that a shell expands."""
    words = [word.strip("\"'") for word in said.split()]
    for before, word in zip(["", *words], words, strict=False):
        if before not in _VALUED and (_NAME.fullmatch(word) or re.match(r"[$`]", word)):
            yield word


_FILE = """
    === Dockerfile
    FROM {0}
    RUN groupadd -r app && useradd -r -g app -d /srv app
    WORKDIR /srv
    COPY --chown={1} . .
    USER app
    CMD ["python", "-m", "http.server"]
"""


def _file(base: str, owner: str, run: str = "") -> Tree:
    return tree(_FILE.replace("{0}", base).replace("{1}", owner).replace("    WORKDIR", f"    {run}\n    WORKDIR"))


BAD = [
    _file("python:3.12-slim", "appuser:app"),
    _file("registry.example.com/python:3", "appuser"),
    _file("python:3.12-slim", "shop", "RUN chmod +x /srv/start.sh && chown app: /srv"),
    _file("python:3.12-slim", "shop", 'RUN useradd --uid "$ID" --create-home --shell /bin/sh clerk'),
    _file("python:3.12-slim", "staff", "RUN groupadd staff && useradd -m -g staff clerk"),
    tree("""
        === Dockerfile
        FROM node:22-alpine AS base
        WORKDIR /srv
        FROM base
        COPY . .
        RUN npm ci \\
          && chown -R nodejs:nodejs /srv
        USER node
        CMD ["node", "index.js"]
    """),
    tree("""
        === Dockerfile
        FROM ubuntu:22.04
        COPY . /srv
        USER ubuntu
        CMD ["/srv/start"]
    """),
]
GOOD = [
    _file("python:3.12-slim", "app:app"),
    _file("python:3.12-slim", "1000"),
    _file("python:3.12-slim", "$OWNER"),
    _file("python:3.12-slim", "www-data"),
    _file("registry.example.com/python:3", "shop"),
    _file("python:3.12-slim", "shop", 'RUN useradd --uid "$ID" --create-home "$OWNER"'),
    _file("python:3.12-slim", "shop", "RUN adduser --disabled-password --gecos '' shop"),
    _file("python:3.12-slim", "shop", "RUN apt-get install -y shop-server"),
    _file("python:3.12-slim", "shop", "RUN echo 'shop:x:10:10::/:/bin/sh' >> /etc/passwd"),
    _file("python:3.12-slim", "shop", "COPY --from=registry.example.com/base /etc/passwd /etc/passwd"),
    _file("python:3.12-slim", "shop", "RUN wget -qO- https://shop.example.com/get | sh"),
    _file("python:3.12-slim", "app", "RUN chown shop /srv || true"),
    _file("node:22", "node"),
    _file("ubuntu:24.04", "ubuntu"),
    _file("nginx:1.27", "nginx"),
]

"""Paths that a step of a Dockerfile gives an owner or rights: whether any step makes them.

What an image brings is not known, so a path is only missed where the file makes another one that may be meant: of
nearly its name in the same folder, or beside it in the same step and without an owner.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from difflib import get_close_matches

from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage

_ABSOLUTE = re.compile(r"(?<![\w.$/}:-])/[\w.-]+(?:/[\w.-]+)+(?=[\s\"',:;\]/*]|$)")
_RIGHTS = re.compile(r"\b(?:chown|chmod)\s[^;&|\n]*")
_MAKES = re.compile(r"\bmkdir\s[^;&|\n]*")
_OF_SYSTEMS = re.compile(r"/(usr|etc|var|home|root|tmp|run|lib|bin|proc|sys|dev)(/[^/]+)?")
"""Folders in which an image has some of its own, so that a name there needs a slip to be missed."""
_FILE = re.compile(r"[\w./-]*[\w-]\.(?!tar|tgz|zip)\w{1,5}")
_BRINGS = re.compile(r"(?:^|[;&|({])\s*(?:sudo\s+)?(tar|unzip|wget|curl|git|make|cmake|rsync|dpkg|rpm)\s")
"""What may put files anywhere."""
_MAKING = frozenset({"RUN", "COPY", "ADD", "WORKDIR", "VOLUME"})
_NEAR = 0.85


def meant(made: Dockerfile | None, line: int, path: str) -> str:
    """The path that a step of a file, which stands at a line, means by one that the file makes nowhere; empty where
    the path may be there."""
    stage, step = _step(made, line) if made is not None else (None, None)
    if made is None or stage is None or step is None or step.heredocs:
        return ""
    every = (each for one in made.chain(stage) for each in one.instructions)
    steps = [each for each in every if each.line <= step.line and each.name in _MAKING]
    said = _RIGHTS.sub("", _said(steps))
    known = {each.rstrip("/") for each in _ABSOLUTE.findall(said)}
    folder, name = posixpath.split(path)
    relative = (
        rf"\b(?:mkdir|touch|mv|cp|ln|clone|install|rsync)\b[^;&|\n]*\s(?:[\w-][\w.-]*/)*{re.escape(name)}(?![\w.-])"
    )
    if any(f"{each}/".startswith(f"{path}/") for each in known) or re.search(relative, said) or _may_hold(steps, path):
        return ""
    beside = sorted(posixpath.basename(each) for each in known if posixpath.dirname(each) == folder)
    near = get_close_matches(name, beside, n=1, cutoff=_NEAR)
    if not near and not _OF_SYSTEMS.fullmatch(folder):
        near = [posixpath.basename(each) for each in _unowned(step) if posixpath.dirname(each) == folder]
    return f"{folder}/{near[0]}" if near else ""


def _unowned(step: Instruction) -> list[str]:
    """The folders that a step makes, and gives no owner or rights, neither by themselves nor with one around them."""
    text = step.expanded(step.flat)
    given = [each.rstrip("/") for rights in _RIGHTS.findall(text) for each in _ABSOLUTE.findall(rights)]
    made = {each.rstrip("/") for making in _MAKES.findall(text) for each in _ABSOLUTE.findall(making)}
    return [each for each in sorted(made) if not any(f"{each}/".startswith(f"{one}/") for one in given)]


def _step(made: Dockerfile, line: int) -> tuple[Stage | None, Instruction | None]:
    """The RUN that a line is in, and its stage."""
    above = [
        (stage, each)
        for stage in made.stages
        for each in stage.instructions
        if each.name == "RUN" and each.line <= line
    ]
    return max(above, key=lambda each: each[1].line, default=(None, None))


def _may_hold(steps: Sequence[Instruction], path: str) -> bool:
    """Whether anything that is copied or fetched may bring a path along: folders, patterns, parts of other stages."""
    for each in steps:
        *sources, target = each.arguments() if each.name in ("COPY", "ADD") else [""]
        below = f"{path}/".startswith(f"{target.rstrip('/')}/") if target else False
        if below and ("from" in each.flags or not all(_FILE.fullmatch(one) for one in sources)):
            return True
        if each.name == "RUN" and _BRINGS.search(each.flat):
            return True
    return False


def _said(steps: Sequence[Instruction]) -> str:
    """All that steps say, with what they copy under its own name."""
    said: list[str] = []
    for each in steps:
        said.append(each.expanded(each.flat))
        *sources, target = each.arguments() if each.name in ("COPY", "ADD") else [""]
        said += [posixpath.join(target, posixpath.basename(one.rstrip("/"))) for one in sources]
    return "\n".join(said)

"""Which files a service's bundle holds: `bundle.include` against what lies on the disk after the build.

    dist/*.whl        relative to `source`; in the bundle as `dist/…`
    //shared/config   relative to the root, where `sophia.yaml` lies; in the bundle as `shared/config/…`
    ../common/*.json  leads above `source`: the same as with `//`, so in the bundle under its path from the root

A directory stands for all it holds. `*` and `?` stop at a `/`, `**` does not; all match names that begin with a dot.
What no bundle wants (`LEFT_OUT`) is passed over unless the pattern names it. A link is shipped as a link; patterns do
not look behind links.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path, PurePosixPath

from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.artifacts import shown

from sophia_deployment.codes import BUNDLE_INCOMPLETE

LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".sophia", ".turbo", ".venv", "__pycache__", "node_modules", ".DS_Store"}
    | {".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
ANYWHERE = "**"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Pattern:
    """One pattern of `include`: `parts` are matched below `base`, and what matches lands below `base` in the bundle."""

    text: str
    base: Path
    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, root: Path, source: str) -> Pattern:
        """Raises `ValueError` for a pattern that leads out of `root`."""
        beside = PurePosixPath(source).parts
        parts = _normal([*(() if text.startswith("//") else beside), *text.split("/")])
        if not text.startswith("//") and parts[: len(beside)] == beside:
            return cls(text, root / source, parts[len(beside) :])
        return cls(text, root, parts)

    def wanted(self, name: str) -> bool:
        """Whether what is called so is shipped where nobody asked for it by name."""
        return name not in LEFT_OUT or name in self.parts


def _normal(parts: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for part in parts:
        if part == "..":
            if not found:
                raise ValueError("leads out")
            found.pop()
        elif part not in ("", "."):
            found.append(part)
    return tuple(part for at, part in enumerate(found) if found[at : at + 2] != [ANYWHERE, ANYWHERE])


def collect(service: str, *, root: Path, source: str, patterns: Sequence[str]) -> dict[str, Path]:
    """Path in the bundle -> file or link on the disk, sorted by path.

    Raises `SophiaError` that names a pattern that matches nothing, two files that would lie in one place, or a link
    whose target is there and not shipped. `patterns` lead nowhere out of `root`: loading `sophia.yaml` saw to that.
    """
    found: dict[str, Path] = {}
    for pattern in (Pattern.of(text, root=root, source=source) for text in patterns):
        matched = dict(_matching(pattern, pattern.base, pattern.parts))
        if not matched:
            raise _incomplete(
                service,
                f"`{pattern.text}` matches no file in `{_place(pattern, root)}`",
                "does the build write it there? patterns are relative to `source`, or to `sophia.yaml` with `//`",
            )
        for path in matched.keys() & found.keys():
            if matched[path] != found[path]:
                both = " and ".join(f"`{shown(file.relative_to(root))}`" for file in (found[path], matched[path]))
                raise _incomplete(service, f"{both} would both be `{shown(path)}`", "ship one of them, or rename it")
        found |= matched
    _refuse_half_links(service, found)
    return dict(sorted(found.items()))


def _place(pattern: Pattern, root: Path) -> str:
    return str(pattern.base.relative_to(root))


# --- matching -------------------------------------------------------------------------------------------------------


def _matching(pattern: Pattern, place: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Files and links at or below `place` that match `parts`; some may come twice."""
    if not parts:
        yield from _all(pattern, place)
        return
    first, rest = parts[0], parts[1:]
    if first == ANYWHERE:
        yield from _matching(pattern, place, rest)
        for name in _names(pattern, place):
            if _is_directory(place / name):
                yield from _matching(pattern, place / name, parts)
    elif _WILD.search(first):
        matches = re.compile(translate(first)).match
        for name in _names(pattern, place):
            if matches(name) and (not rest or _is_directory(place / name)):
                yield from _matching(pattern, place / name, rest)
    elif not rest or _is_directory(place / first):
        yield from _matching(pattern, place / first, rest)


def _all(pattern: Pattern, place: Path) -> Iterator[tuple[str, Path]]:
    if _is_directory(place):
        for name in _names(pattern, place):
            yield from _all(pattern, place / name)
    elif os.path.lexists(place):
        yield place.relative_to(pattern.base).as_posix(), place


def _names(pattern: Pattern, place: Path) -> list[str]:
    try:
        return sorted(filter(pattern.wanted, os.listdir(place))) if _is_directory(place) else []
    except OSError as error:
        raise SophiaError(
            BUNDLE_INCOMPLETE,
            f"`{shown(place)}` cannot be read: {(error.strerror or str(error)).lower()}",
            hint="who owns it?",
        ) from error


def _is_directory(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


# --- links ----------------------------------------------------------------------------------------------------------


def _refuse_half_links(service: str, found: Mapping[str, Path]) -> None:
    """A link to something that exists here and is not shipped would lead nowhere there."""
    shipped = {*found, *(str(parent) for path in found for parent in PurePosixPath(path).parents)}
    for path, file in found.items():
        if not file.is_symlink() or not file.exists():
            continue
        target = os.readlink(file)
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
        leads_out = inside.startswith(("/", "../")) or inside == ".."  # refused when it is stored
        behind_a_link = not found.keys().isdisjoint(map(str, PurePosixPath(inside).parents))
        if not leads_out and not behind_a_link and inside not in shipped:
            raise _incomplete(
                service,
                f"`{shown(path)}` is a link to `{shown(target)}`, which is not shipped",
                f"add `{shown(target)}` to `include` as well",
            )


def _incomplete(service: str, message: str, hint: str) -> SophiaError:
    return SophiaError(
        BUNDLE_INCOMPLETE, f"the bundle of `{service}` cannot be put together: {message}", hint, {"service": service}
    )

"""The gate in front of every deployment: what is about to be released is checked, and refused while something blocks.

The whole repository is read, because defects lie between files; what counts are findings that touch sophia.yaml or the
sources of the platform's services. What lies in image and compose files is told, not counted: no service is made from
them so far. `--unchecked REASON` goes past the gate, and the reason stands in the ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import FILE, Site
from sophia_deployment.codes import CHECK_BLOCKS, CHECK_INCOMPLETE
from sophia_deployment.output.text import plain, several

if TYPE_CHECKING:
    from collections.abc import Collection

    from sophia_deployment_core.platform import Platform
    from sophia_preflight.model import Finding, Report

SHOWN = 8
OF_CONTAINERS = ("*dockerfile*", "*containerfile*", "*compose*.y*ml", "*.dockerignore")
"""Files that no runtime reads so far, by their names in lower case."""


def checked(site: Site, platform: Platform, *, unchecked: str | None) -> dict[str, Any]:
    """What is recorded of the check with the run. Raises `SophiaError` while something blocks."""
    if unchecked is not None:
        return {"unchecked": unchecked}
    from sophia_preflight.command import Misused, Request, report_of

    try:
        report = report_of(Request(site.root), datetime.now(UTC).date())
    except Misused as error:
        raise SophiaError(CHECK_INCOMPLETE, error.message, hint=error.hint or None) from error
    sources = {service.source for service in platform.services.values()}
    blocking = [each for each in report.blocking if _touches(each, sources)]
    if blocking:
        raise _refused(blocking)
    missing = [each for each in report.not_assessed if each.required]
    if missing:
        said = "; ".join(f"{each.what}: {each.because}" for each in missing)
        raise SophiaError(CHECK_INCOMPLETE, said, hint="`sophia check` says more; `--unchecked REASON` goes past it")
    _tell(site, report)
    return {"checked": {"files": report.files, "blocking": 0, "accepted": len(report.suppressed)}}


def _touches(finding: Finding, sources: Collection[str]) -> bool:
    """Whether the finding lies in what is released, or in what makes it."""
    if any(fnmatchcase(PurePosixPath(finding.place.path).name.lower(), pattern) for pattern in OF_CONTAINERS):
        return False
    paths = [involved.place.path for involved in finding.places]
    return any(
        path in (FILE, source) or source == "." or path.startswith(f"{source}/") for path in paths for source in sources
    )


def _refused(blocking: list[Finding]) -> SophiaError:
    lines = [f"{plain(str(each.place))}: {plain(each.message)} [{each.rule}]" for each in blocking[:SHOWN]]
    more = [f"… and {len(blocking) - SHOWN} more"] if len(blocking) > SHOWN else []
    return SophiaError(
        CHECK_BLOCKS,
        "\n".join([f"{several(len(blocking), 'finding')} would break what is about to be released", *lines, *more]),
        hint="`sophia check` shows each with its reason and what to do; `--unchecked REASON` deploys all the same",
        facts={"findings": [each.id for each in blocking]},
    )


def _tell(site: Site, report: Report) -> None:
    blocking = len(report.blocking)
    if blocking:
        site.console.say(
            f"note: {several(blocking, 'finding')} in what is not released here; `sophia check` shows them"
        )

"""`audit`: prove that the ledger is what was written, or take it elsewhere. Needs no engine."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sophia_deployment_core.errors import SophiaError

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verbs
from sophia_deployment.codes import LEDGER_BROKEN, USAGE

if TYPE_CHECKING:
    from sophia_deployment_core.ledger import Head

_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@click.group(cls=Verbs)
def audit() -> None:
    """Prove that the ledger is what was written, or take it elsewhere.

    The ledger holds every run, every step, and who asked for it. Each entry carries a hash of itself and of the one
    before it.
    """


@audit.command(
    answer="`ok`, `seq`, and `head` or `because`",
    example="""
    sophia audit verify                              this platform's ledger
    sophia audit verify ledger.ndjson                an exported one
    sophia audit verify --head 812:9f31…             against a head that was kept elsewhere""",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--head", metavar="SEQ:HASH", help="A head kept elsewhere: shows a cut tail and a rewritten history.")
@HERE
def verify(site: Site, file: Path | None, head: str | None) -> int:
    """Walk the chain of hashes and name the first entry that is not what was written. Prints the head.

    A chain does not see that its end was cut off. Keep the printed head elsewhere and give it back with --head.
    """
    from sophia_deployment_core.ledger import Broken
    from sophia_infrastructure.state import audit as auditing

    source = file or site.places.state
    found = auditing.verify(source, head=_parsed_head(head))
    if isinstance(found, Broken):
        site.console.answer({"ok": False, "seq": found.seq, "because": found.because})
        raise SophiaError(
            LEDGER_BROKEN,
            f"entry {found.seq} of `{source}`: {found.because}",
            hint="keep the file as it is, and compare it with an export or a backup",
        )
    lines = [f"{found.seq:,} entries, the chain is whole", f"head {found.seq}:{found.hash}"]
    site.console.answer({"ok": True, "seq": found.seq, "head": f"{found.seq}:{found.hash}"}, *lines)
    return 0


@audit.command(answer="the export itself", example="sophia audit export > ledger.ndjson")
@HERE
def export(site: Site) -> int:
    """Write every entry to stdout as it is stored, one JSON a line, then the head. Verifies nothing.

    `audit verify FILE` does, anywhere: it needs neither the engine nor this machine.
    """
    from sophia_infrastructure.codes import NOT_A_LEDGER
    from sophia_infrastructure.state import audit as auditing

    database = site.places.state / "state.db"
    if not database.is_file():
        raise SophiaError(NOT_A_LEDGER, f"there is no ledger in `{site.places.state}`", hint="`sophia up` begins one")
    head = auditing.export(database, sys.stdout)
    site.console.say(f"{head.seq:,} entries, head {head.seq}:{head.hash}")
    return 0


def _parsed_head(text: str | None) -> Head | None:
    from sophia_deployment_core.ledger import Head

    if text is None:
        return None
    match = _HEAD.fullmatch(text)
    if match is None:
        raise SophiaError(USAGE, f"`{text[:80]}` is no head", hint="`SEQ:HASH`, as `sophia audit verify` prints it")
    return Head(int(match[1]), match[2])

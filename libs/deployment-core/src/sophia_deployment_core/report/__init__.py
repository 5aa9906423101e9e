"""What a run leaves for people: one account of it for a manager's first look and an engineer's last. Pure.

    told = report.of(view, events, now_ms=…, provenance=…, after=standing)
    told.to_html()       one file that needs nothing else: no script, no font, no address; prints, light and dark
    told.to_markdown()   the same for a pull request or a step summary
    told.to_data()       the same as JSON

Works for every kind of run in every state, with any fact missing. Foreign text is made harmless and escaped; values of
variables are left out, and `mask` is asked to take secrets out of everything else. `summary`, `next_step` and `serving`
say the same in a few words to whoever shows runs elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.report import markdown, webpage
from sophia_deployment_core.report.facts import Facts
from sophia_deployment_core.report.gathering import gather
from sophia_deployment_core.report.sentences import next_step, serving, summary
from sophia_deployment_core.report.text import Mask
from sophia_deployment_core.run import View

VERSION = 1

__all__ = ["Facts", "Report", "next_step", "of", "serving", "summary"]


@dataclass(frozen=True)
class Report:
    facts: Facts

    def to_markdown(self) -> str:
        return markdown.page(self.facts)

    def to_html(self) -> str:
        return webpage.page(self.facts)

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values; `v` grows when the meaning of one changes."""
        data: dict[str, Any] = json.loads(json.dumps({"v": VERSION, **asdict(self.facts)}))
        return data


def of(
    view: View,
    events: Iterable[Event],
    *,
    now_ms: int,
    provenance: Mapping[str, Any] | None = None,
    before: Standing | None = None,
    after: Standing | None = None,
    mask: Mask = str,
) -> Report:
    """The report of a run: `events` are its own, `before` and `after` what stood in its environment, as far as known.

    `provenance` is where its release came from; without it what was submitted with the run counts. `now_ms` is the end
    of the picture while the run has none.
    """
    facts = gather(view, events, now_ms=now_ms, provenance=provenance, before=before, after=after, mask=mask)
    return Report(facts)

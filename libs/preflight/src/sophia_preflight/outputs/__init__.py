"""A report in the form that its reader wants: people, programs, GitHub, browsers.

Names and lines of a checked repository are foreign text: whatever could move a cursor or end a line is escaped.
"""

from __future__ import annotations

from collections.abc import Callable

from sophia_preflight.model import Report
from sophia_preflight.outputs import github, html, json, sarif, text

FORMS: dict[str, Callable[[Report], str]] = {
    "text": text.rendered,
    "json": json.rendered,
    "sarif": sarif.rendered,
    "github": github.rendered,
    "html": html.rendered,
}

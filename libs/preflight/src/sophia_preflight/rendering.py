"""Files of projects that are made from templates: what stands in them is put together before anybody reads it.

`agents/shop/app.py` of a generator may have the name of a program and statements of Jinja between its lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_NAMES = re.compile(
    r"\.(py|sh|bash|mk|toml)$|(^|/)(GNUm|m|M)akefile$|(Docker|Container)file[^/]*$|compose[^/]*\.ya?ml$"
)
_STATEMENT = re.compile(
    r"^[ \t]*(?:#[ \t]*)?\{%-?[ \t]*(if|for|set|endif|endfor|else|elif|raw|macro|block|include|import|extends)\b"
    r"[^\n]*%\}",
    re.MULTILINE,
)


def is_rendered(repository: Repository, path: str) -> bool:
    """Whether lines of a file are statements of a template, though its name says that it is none."""
    if not _NAMES.search(path):
        return False
    text = repository.glimpse(path)
    return "{%" in text and _STATEMENT.search(text) is not None

"""How many examples a property is tried with: what its test asks for, and fewer in a quick run.

Numbers that a test gives itself would otherwise stand against every profile, the quick one too.
"""

from __future__ import annotations

from hypothesis import settings

USUAL = 100
"""What the profiles of a whole run have."""


def at_most(number: int) -> settings:
    """So many examples, and in a run of fewer than usual as many as others have, or this number's share."""
    share = settings().max_examples
    return settings(max_examples=max(min(number, share), number * share // USUAL))

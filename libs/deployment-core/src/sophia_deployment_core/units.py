"""Durations, sizes and shares: as people write them, and as the integers that are kept.

    1s  500ms  1h30m    milliseconds        512Mi  1Gi  64MB   bytes
    0.5  2  250m        thousandths of a processor        99.9%  1%      parts per thousand

Every reader raises `ValueError` with a sentence for people; what is written back reads to the same integer.
"""

from __future__ import annotations

import re
from decimal import Decimal

MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BYTES = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("", 1000), ("B", 1000), ("i", 1024), ("iB", 1024))
}
LONGEST_MS = 3650 * MILLISECONDS["d"]
LARGEST_BYTES = 2**60
MOST_MILLICORES = 1_000_000

_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d)", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h|d))+|0", re.ASCII)
_SIZE = re.compile(rf"({_NUMBER})([KMGT]?(?:iB|i|B)?)", re.ASCII)
_PROCESSORS = re.compile(rf"({_NUMBER})(m?)", re.ASCII)
_SHARE = re.compile(rf"({_NUMBER})%", re.ASCII)


def duration_ms(text: str) -> int:
    """`1h30m` -> 5_400_000. A bare `0` needs no unit; everything else does."""
    if not _DURATION.fullmatch(text):
        raise ValueError(
            f"`{text[:40]}` is not a duration; write a number and a unit: `500ms`, `30s`, `5m`, `24h`, `30d`"
        )
    total = sum((Decimal(number) * MILLISECONDS[unit] for number, unit in _PART.findall(text)), Decimal(0))
    milliseconds = _whole(total, f"`{text}` is not a whole number of milliseconds")
    if milliseconds > LONGEST_MS:
        raise ValueError(f"`{text}` is longer than ten years")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """The shortest text that `duration_ms` reads back: `90000` -> `1m30s`."""
    if milliseconds == 0:
        return "0s"
    parts = []
    for unit, size in sorted(MILLISECONDS.items(), key=lambda item: -item[1]):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def size_bytes(text: str) -> int:
    """`512Mi` -> 536_870_912 (powers of 1024), `64MB` and `64M` -> 64_000_000 (powers of 1000)."""
    match = _SIZE.fullmatch(text)
    if not match or not match[2]:
        raise ValueError(f"`{text[:40]}` is not a size; write a number and a unit: `64MB`, `512Mi`, `1Gi`")
    size = _whole(Decimal(match[1]) * BYTES[match[2]], f"`{text}` is not a whole number of bytes")
    if size > LARGEST_BYTES:
        raise ValueError(f"`{text}` is more than any machine has")
    return size


def size_text(size: int) -> str:
    """The shortest text that `size_bytes` reads back: `536870912` -> `512Mi`."""
    fitting = [(size // factor, unit) for unit, factor in BYTES.items() if unit and size % factor == 0]
    count, unit = min(fitting, key=lambda item: (len(str(item[0])), len(item[1])))
    return f"{count}{unit}"


def processors_millicores(text: str) -> int:
    """`0.5` -> 500, `2` -> 2000, `250m` -> 250."""
    match = _PROCESSORS.fullmatch(text)
    if not match:
        raise ValueError(f"`{text[:40]}` is not a number of processors; write for example `0.5`, `2` or `250m`")
    factor = 1 if match[2] else 1000
    millicores = _whole(Decimal(match[1]) * factor, f"`{text}` is finer than a thousandth of a processor")
    if not 1 <= millicores <= MOST_MILLICORES:
        raise ValueError(f"`{text}` processors: must be between 0.001 and {MOST_MILLICORES // 1000}")
    return millicores


def share_permille(text: str) -> int:
    """`1%` -> 10, `0.5%` -> 5, `300%` -> 3000."""
    match = _SHARE.fullmatch(text)
    if not match:
        raise ValueError(f"`{text[:40]}` is not a share; write a percentage: `1%`, `0.5%`")
    permille = _whole(Decimal(match[1]) * 10, f"`{text}` is finer than a tenth of a percent")
    if permille > 1_000_000:
        raise ValueError(f"`{text}` is out of range")
    return permille


def factor_percent(text: str) -> int:
    """`200%` -> 200: twice as much."""
    return _whole(Decimal(share_permille(text)) / 10, f"`{text}` is finer than a percent")


def _whole(value: Decimal, otherwise: str) -> int:
    if value != value.to_integral_value():
        raise ValueError(otherwise)
    return int(value)

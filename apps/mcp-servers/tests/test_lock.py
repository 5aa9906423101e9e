"""What the bundle installs is what the checkout was tested with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

MEMBER = Path(__file__).resolve().parents[1]
ROOT = MEMBER.parents[1]


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", file.read_text(), re.MULTILINE))


def test_the_bundles_lock_pins_the_checkouts_versions_with_hashes_and_without_addresses() -> None:
    text = (MEMBER / "requirements.lock").read_text()
    own, all_ = pins(MEMBER / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert own.items() <= all_.items(), "run `./sophia relock`"
    assert "://" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert all("--hash=sha256:" in block for block in blocks) and len(blocks) == len(own)


def test_every_declared_dependency_is_in_the_bundles_lock() -> None:
    declared = tomllib.loads((MEMBER / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[A-Za-z0-9._-]+", each)[0].lower() for each in declared}
    assert names <= pins(MEMBER / "requirements.lock").keys(), "run `./sophia relock`"

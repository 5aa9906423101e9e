"""The foreign repository runs as its owner would run it, and knows nothing of us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.support.foreign import make_foreign
from tests.support.ports import free_port
from tests.support.repository import git

pytestmark = pytest.mark.slow
"""Real processes: they take seconds."""


@contextmanager
def process(command: list[str], directory: Path, **environment: str) -> Iterator[None]:
    settings = {"PATH": os.environ["PATH"], **environment}
    started = subprocess.Popen(command, cwd=directory, env=settings, start_new_session=True)
    try:
        yield
    finally:
        started.terminate()
        assert started.wait(10) in (0, -15)


def fetch(url: str, body: bytes | None = None, *, seconds: float = 10) -> dict[str, str]:
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, body, timeout=5) as answer:
                value: dict[str, str] = json.load(answer)
                return value
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def test_nothing_of_ours_is_in_it_and_it_is_clean(tmp_path: Path) -> None:
    foreign = make_foreign(tmp_path)
    files = git(foreign.root, "ls-files").splitlines()
    assert ".gitignore" in files and "site/public/index.html" in files
    assert not [name for name in files if "sophia" in name or "turbo" in name]
    assert "sophia" not in "".join((foreign.root / name).read_text() for name in files).lower()
    assert git(foreign.root, "status", "--porcelain") == ""


def test_an_order_goes_through_api_notifier_and_mailer(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("this machine has no Node")
    root = make_foreign(tmp_path).root
    api, notify, data = free_port(), free_port(), str(tmp_path / "data")
    with ExitStack() as running:
        running.enter_context(process(["node", "notify/server.js"], root, PORT=str(notify)))
        fetch(f"http://127.0.0.1:{notify}/healthz")
        settings = {"PORT": str(api), "NOTIFY_URL": f"http://127.0.0.1:{notify}", "DATA_DIR": data}
        running.enter_context(process([sys.executable, "-m", "shop_api"], root / "api", **settings))
        running.enter_context(process([sys.executable, "worker/mailer.py"], root, DATA_DIR=data))
        assert fetch(f"http://127.0.0.1:{api}/api/health") == {"status": "ok"}
        assert fetch(f"http://127.0.0.1:{api}/api/orders", b'{"customer": "Ada"}') == {"message": "Thanks, Ada!"}
        mailed = tmp_path / "data/mailed.jsonl"
        until = time.monotonic() + 10
        while not mailed.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert "Ada" in mailed.read_text()


def test_a_new_build_of_the_site_has_no_old_chunk(tmp_path: Path) -> None:
    foreign = make_foreign(tmp_path)
    foreign.new_site(title="Coffee, too", mark="0d9b3e51")
    assets = sorted(path.name for path in (foreign.root / "site/public/assets").iterdir())
    assert assets == ["app.0d9b3e51.js", "cart.0d9b3e51.js", "style.c41d09af.css"]
    assert "cart.0d9b3e51.js" in (foreign.root / "site/public/assets/app.0d9b3e51.js").read_text()
    assert "Coffee, too" in (foreign.root / "site/public/index.html").read_text()

"""A real Chromium for tests: the only way in which this project drives a browser.

The machine's own Chromium (Debian's package `chromium`), driven by `playwright-core` from the npm workspace: 10 MB that
come with `npm ci`, where the Python package would bring a second Node into every checkout. `browser.mjs` beside this
file holds the browser; a `Page` here passes on what it is asked, under Playwright's own names in Python's spelling:

    with open_page(url) as page:
        page.get_by_label("Message").fill("hello")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("Hello!").wait_for()

Words of Playwright: https://playwright.dev/docs/api/class-page. Keyword arguments become its options. Every call is
bounded; one that fails raises `BrowserError` with Playwright's own explanation.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALL_LIMIT_SECONDS = 45
STEP_LIMIT_MS = 15_000


class BrowserError(Exception):
    """What Playwright said about a call that failed."""


def program(*names: str) -> str | None:
    """The first of these on PATH; this environment's own programs go first, as a Node from a wheel is there."""
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def why_no_browser() -> str:
    """What is missing for browser tests, with what to do about it; empty if nothing is."""
    if program("chromium", "chromium-browser") is None:
        return "no Chromium on this machine: `apt-get install chromium`"
    if program("node") is None:
        return "no Node on this machine and none in .venv"
    if not (ROOT / "node_modules/playwright-core").is_dir():
        return "no playwright-core: run `npm ci`"
    return ""


needs_browser = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())


# Names that lead on to a locator; every other name is a call that is made at once.
_LEADS_ON = re.compile(r"get_by_\w+|locator|first|last|nth|filter")


class Target:
    """Something in the browser, by the way that leads to it. Names are Playwright's, in Python's spelling."""

    def __init__(self, browser: _Browser, on: str, chain: tuple[list[Any], ...] = ()) -> None:
        self._browser, self._on, self._chain = browser, on, chain

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any, **options: Any) -> Any:
            named = {_camel(key): value for key, value in options.items()}
            chain = (*self._chain, [_camel(name), *words, *([named] if named else [])])
            if _LEADS_ON.fullmatch(name):
                return Target(self._browser, self._on, chain)
            return self._browser.call(self._on, chain)

        return call


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() if word != "url" else "URL" for word in rest)


class Page(Target):
    """The page that was opened."""

    def press(self, *keys: str) -> None:
        """Presses keys one after the other, wherever the focus is: `page.press("Tab", "Enter")`."""
        for key in keys:
            self._browser.call("keyboard", (["press", key],))

    def install_clock(self) -> None:
        """Timers that the page starts from now on obey `forward`; until then their time passes as it does."""
        self._browser.call("clock", (["install"],))

    def forward(self, seconds: int) -> None:
        """Makes timers due as if this time had passed, each at most once."""
        self._browser.call("clock", (["fastForward", seconds * 1000],))

    def stop_clock(self) -> None:
        """No timer of an installed clock becomes due any more, except by `forward`."""
        self._browser.call("clock", (["pauseAt", self.evaluate("Date.now()") + 500],))

    def problems(self) -> list[str]:
        """Errors of scripts and of the console since the last call."""
        told: list[str] = self._browser.call("problems", (["read"],))
        return told


class _Browser:
    """The process that holds Chromium; ends with its input."""

    def __init__(self, context: dict[str, Any]) -> None:
        options = json.dumps({"context": context, "timeout_ms": STEP_LIMIT_MS})
        node, chromium = program("node"), program("chromium", "chromium-browser")
        assert node is not None and chromium is not None, why_no_browser()
        script = Path(__file__).with_name("browser.mjs")
        self._process = subprocess.Popen(
            [node, str(script), chromium, options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = str(self._answer())

    def call(self, on: str, chain: tuple[list[Any], ...]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"on": on, "chain": chain}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], CALL_LIMIT_SECONDS)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise BrowserError(f"the browser said nothing for {CALL_LIMIT_SECONDS} s" if not readable else "it ended")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def open_page(url: str, **context: Any) -> Iterator[Page]:
    """A page of a fresh browser, with nothing kept from others, that has loaded `url`.

    `context` goes to Playwright's `newContext`: `colorScheme="dark"`, `viewport={"width": 390, "height": 844}`.
    """
    browser = _Browser(context)
    try:
        page = Page(browser, "page")
        page.goto(url)
        yield page
    finally:
        browser.close()

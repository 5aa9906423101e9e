"""The report's page in a real Chromium: it fits, asks for nothing, and tells those who do not see it as much."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_deployment_core import report

from tests.support.browser import needs_browser, open_page
from tests.support.runs import RUNS

pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture
def page_of(tmp_path: Path):
    """Writes the page of a typical run; returns its address."""

    def write(name: str) -> str:
        run = RUNS[name]()
        told = report.of(run.view, run.events, now_ms=run.now_ms, provenance=run.provenance, after=run.after)
        path = tmp_path / "report.html"
        path.write_text(told.to_html(), encoding="utf-8")
        return path.as_uri()

    return write


def test_the_first_screen_answers_a_manager_and_the_rest_an_engineer(page_of) -> None:
    with open_page(page_of("rolled back"), viewport={"width": 1280, "height": 720}) as page:
        first = page.locator("header").inner_text()
        bottom = page.evaluate("document.querySelector('header').getBoundingClientRect().bottom")

        assert bottom < 720
        for answer in ("rolled back", "9.7 s", "96 of 411", "serves again", "Next"):
            assert answer in first
        assert page.get_by_role("heading", level=2).all_inner_texts() == [
            "Step watch failed\nSPH-1220",
            "Timeline",
            "Gates",
            "Traffic as the edge saw it",
            "What changed, and why",
            "Steps",
            "Moments",
            "Who, why, and the proof",
        ]


def test_the_picture_tells_in_words_what_it_shows(page_of) -> None:
    with open_page(page_of("rolled back")) as page:
        words = page.locator("svg.timeline").get_attribute("aria-label")

        assert "Traffic was moved after 5.0 s. It was moved back after 8.8 s. Failed: watch." in words
        assert page.locator("svg.timeline").get_by_text("SWITCH", exact=True).count() == 1
        assert page.locator("svg.timeline").get_by_text("BACK", exact=True).count() == 1


@pytest.mark.parametrize("width", [360, 1280], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_window_and_nothing_is_wrong(page_of, width: int) -> None:
    with open_page("about:blank", viewport={"width": width, "height": 800}) as page:
        for name in RUNS:
            page.goto(page_of(name))
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.problems() == [], name


def test_it_is_dark_where_its_reader_likes_it_dark(page_of) -> None:
    address = page_of("deployed")
    with open_page(address, colorScheme="dark") as dark, open_page(address, colorScheme="light") as light:
        ground = "getComputedStyle(document.body).backgroundColor"

        assert (dark.evaluate(ground), light.evaluate(ground)) == ("rgb(12, 15, 20)", "rgb(245, 246, 248)")

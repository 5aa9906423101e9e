"""The chat page in a real Chromium.

The first part plays the backend itself, to cut, hold and switch at a chosen instant; the last part talks to the real
one. The page is the built one, in two builds that differ in their label.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Page, needs_browser, open_page, program
from tests.support.chat_site import Site, serving

ROOT = Path(__file__).resolve().parents[2]
GREEN = "sha256:" + "b2" * 32

pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two builds of the page, as two releases would have them."""
    return _built(tmp_path_factory.mktemp("blue"), "blue"), _built(tmp_path_factory.mktemp("green"), "green")


def _built(out: Path, label: str) -> Path:
    vite = [str(program("node")), str(ROOT / "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"]
    environment = os.environ | {"VITE_LABEL": label}
    subprocess.run([*vite, "--outDir", str(out)], cwd=ROOT / "apps/frontend", env=environment, check=True, timeout=60)
    return out


@pytest.fixture
def site(pages: tuple[Path, Path]) -> Iterator[Site]:
    with serving(Site(pages[0])) as served:
        yield served


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with open_page(site.url) as opened:
        yield opened


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message").fill(question)
    page.press("Enter")


def look_now(page: Page) -> None:
    """The page asks for the release without waiting for its next turn, as when a network comes back."""
    page.evaluate("dispatchEvent(new Event('online'))")


def test_an_answer_streams_and_shows_its_memories_tools_and_release(page: Page, site: Site) -> None:
    ask(page, "When does the train leave?")
    answer = site.asked(1).event("release", {"release": site.release})
    answer.event("memory", {"text": "The train leaves on Thursdays."})
    answer.event("tool", {"name": "recall", "state": "running"}).say("It leaves")
    page.get_by_text("It leaves").wait_for()
    page.get_by_text("running").wait_for()
    answer.event("tool", {"name": "recall", "result": "1 found"}).say("on Thursday.").finish()
    page.get_by_text("answered by release a1a1a1a1").wait_for()
    page.get_by_text("1 memory").click()
    page.get_by_text("The train leaves on Thursdays.").wait_for()
    assert page.locator("[data-state=done]").count() == 1
    assert page.get_by_test_id("label").text_content() == "blue"
    assert page.problems() == []


def test_the_second_question_belongs_to_the_conversation_of_the_first(page: Page, site: Site) -> None:
    ask(page, "first")
    site.asked(1).finish()
    page.get_by_role("button", name="Send").wait_for()
    ask(page, "second")
    assert site.asked(1).body == {"message": "first", "conversation": None}
    assert site.asked(2).body == {"message": "second", "conversation": "c-1"}


def test_a_cut_answer_is_told_and_is_sent_again_only_by_the_person(page: Page, site: Site) -> None:
    ask(page, "Order a pizza")
    site.asked(1).say("Ordering a").cut()
    page.get_by_text("This answer was cut off").wait_for()
    page.get_by_text("Ordering a").wait_for()
    look_now(page)
    page.reload()
    page.get_by_text("This answer was cut off").wait_for()
    assert len(site.answers) == 1
    page.get_by_role("button", name="Send again").click()
    assert site.asked(2).body["message"] == "Order a pizza"


def test_a_stream_that_falls_silent_is_taken_for_cut_after_a_minute(page: Page, site: Site) -> None:
    page.install_clock()
    ask(page, "hello?")
    site.asked(1).say("one two")
    page.get_by_text("one two").wait_for()
    page.forward(55)
    site.asked(1).say("three")
    page.get_by_text("one two three").wait_for()
    page.forward(55)
    assert page.get_by_text("This answer was cut off").count() == 0
    page.forward(10)
    page.get_by_text("nothing was heard for a minute").wait_for()


def test_a_question_that_the_edge_never_answered_is_not_repeated_either(page: Page, site: Site) -> None:
    page.get_by_test_id("release").wait_for()
    site.down = True
    ask(page, "hello?")
    page.get_by_text("This answer was cut off").wait_for()
    page.get_by_text("Reconnecting…").wait_for()
    site.down = False
    page.get_by_test_id("release").wait_for()
    assert site.answers == []


def test_an_answer_that_is_a_503_is_a_failure_and_may_be_tried_again(page: Page, site: Site) -> None:
    site.status = 503
    ask(page, "hello?")
    page.get_by_text("no instance can answer right now (503)").wait_for()
    site.status = 200
    page.get_by_role("button", name="Try again").click()
    site.asked(2).say("hello!").finish()
    page.get_by_text("hello!").wait_for()


def test_a_stream_goes_on_over_a_switch_and_what_was_typed_stays(
    page: Page, site: Site, pages: tuple[Path, Path]
) -> None:
    ask(page, "Tell me a story")
    answer = site.asked(1).event("release", {"release": site.release}).say("Once upon")
    page.get_by_label("Message").fill("half a sentence")
    site.take_over(pages[1], release=GREEN, label="green")
    look_now(page)
    page.get_by_text("took over").wait_for()
    assert page.get_by_test_id("label").text_content() == "green"
    answer.say("a time.").finish()
    page.get_by_text("Once upon a time.").wait_for()
    page.get_by_text("answered by release a1a1a1a1").wait_for()
    page.get_by_role("button", name="Reload").click()
    page.get_by_text("Once upon a time.").wait_for()
    assert page.get_by_label("Message").input_value() == "half a sentence"
    assert len(site.answers) == 1


def test_a_release_is_noticed_by_its_first_answer_not_only_by_asking_for_it(
    page: Page, site: Site, pages: tuple[Path, Path]
) -> None:
    page.install_clock()
    page.reload()
    page.get_by_test_id("release").wait_for()
    page.stop_clock()  # so the page's next turn to ask never comes
    site.take_over(pages[1], release=GREEN, label="green")
    ask(page, "hello?")
    site.asked(1).finish()
    page.get_by_text("Release b2b2b2b2 (green) took over").wait_for()


def test_a_page_from_before_a_switch_loads_its_chunks_after_it(
    page: Page, site: Site, pages: tuple[Path, Path]
) -> None:
    page.get_by_test_id("release").wait_for()
    site.take_over(pages[1], release=GREEN, label="green")
    page.get_by_title("About this release").click()
    page.get_by_role("heading", name="Seen since this page was loaded").wait_for()
    assert page.problems() == []


def test_a_chunk_that_is_gone_is_told_and_takes_nothing_else_down(
    page: Page, site: Site, pages: tuple[Path, Path]
) -> None:
    page.get_by_test_id("release").wait_for()
    page.get_by_label("Message").fill("half a sentence")
    site.pages = [pages[1]]
    page.get_by_title("About this release").click()
    page.get_by_text("could not be loaded").wait_for()
    page.get_by_role("button", name="Close").click()
    assert page.get_by_label("Message").input_value() == "half a sentence"


def test_stop_ends_the_stream_and_keeps_what_had_come(page: Page, site: Site) -> None:
    ask(page, "Count to a million")
    answer = site.asked(1).say("one two three")
    page.get_by_text("one two three").wait_for()
    page.press("Escape")
    page.get_by_text("You stopped this answer.").wait_for()
    for _ in range(200):  # a closed connection is seen by the second write at the latest
        answer.say("four")
        if answer.left.wait(0.05):
            break
    assert answer.left.is_set()


def test_the_keyboard_is_enough(page: Page, site: Site) -> None:
    page.get_by_test_id("release").wait_for()
    page.press("Tab", "Enter")
    page.get_by_role("dialog").wait_for()
    page.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.title") == "About this release"
    page.press("Tab", "Tab", "Tab", "Tab")
    assert page.evaluate("document.activeElement.id") == "message"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(site: Site, scheme: str) -> None:
    with open_page(site.url, colorScheme=scheme, reducedMotion="reduce", bypassCSP=True) as page:
        page.get_by_test_id("release").wait_for()
        assert _violations(page) == []
        ask(page, "Check `x`")
        answer = site.asked(1).event("memory", {"text": "a memory"}).event("tool", {"name": "lint", "error": "down"})
        answer.say("Some `code`:\n```py\nimport os\n```\n").cut()
        page.get_by_text("This answer was cut off").wait_for()
        page.get_by_text("1 memory").click()
        site.release = GREEN
        look_now(page)
        page.get_by_text("took over").wait_for()
        assert _violations(page) == []
        page.get_by_title("About this release").click()
        page.get_by_role("dialog").wait_for()
        assert _violations(page) == []


def _violations(page: Page) -> list[str]:
    page.add_script_tag(path=str(ROOT / "node_modules/axe-core/axe.min.js"))
    found = page.evaluate(
        "axe.run().then(({violations}) => violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`))"
    )
    return list(found)

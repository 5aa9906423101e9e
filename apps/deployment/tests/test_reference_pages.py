"""The reference pages are what the code says, and every code that is declared can be explained."""

import re
from pathlib import Path

import pytest
from sophia_deployment import explaining, reference
from sophia_deployment_core.errors import CATALOG

PAGES = Path(__file__).parents[3] / "docs" / "reference"
AGAIN = "run `python -m sophia_deployment.reference docs/reference`"


@pytest.mark.parametrize(
    ("page", "made"),
    [("command-line.md", reference.command_line_markdown), ("errors.md", explaining.reference_markdown)],
)
def test_the_page_is_what_the_code_says(page, made):
    assert (PAGES / page).read_text() == made(), AGAIN


def test_both_pages_are_written(tmp_path):
    reference.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"command-line.md", "errors.md"}


def test_every_imported_code_is_found_in_the_source_as_it_is():
    known = explaining.codes()
    assert len(known) > 40
    assert {name: code for name, code in CATALOG.items() if name != "SPH-9999"}.items() <= known.items()


def test_every_code_belongs_to_a_room_and_says_something():
    for name, code in explaining.codes().items():
        assert re.fullmatch(r"SPH-[1235]\d{3}", name)
        assert len(code.explanation) > 60 and not code.title[0].isupper()
        assert code.exit in reference._EXITS


def test_every_link_leads_somewhere():
    text = reference.command_line_markdown()
    heads = {head.lower().replace(" ", "-") for head in re.findall(r"(?m)^#+ (.+)$", text)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= heads

"""Whole reports of typical runs. `SNAPSHOTS=write pytest …` writes them anew; read what changed before committing."""

import json
import os
from pathlib import Path

import pytest
from sophia_deployment_core import report

from tests.support.runs import RUNS

SNAPSHOTS = Path(__file__).with_name("snapshots")


def told(name):
    run = RUNS[name]()
    return report.of(run.view, run.events, now_ms=run.now_ms, provenance=run.provenance, after=run.after)


def is_as_recorded(name, text):
    path = SNAPSHOTS / name
    if os.environ.get("SNAPSHOTS") == "write":
        path.write_text(text, encoding="utf-8")
    return text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RUNS)
def test_each_kind_of_run_reads_as_recorded(name):
    assert is_as_recorded(f"{name.replace(' ', '-')}.md", told(name).to_markdown())


@pytest.mark.parametrize("name", ["rolled back", "resumed"])
def test_the_page_is_as_recorded(name):
    assert is_as_recorded(f"{name.replace(' ', '-')}.html", told(name).to_html())


def test_the_data_is_as_recorded():
    data = told("rolled back").to_data()

    assert is_as_recorded("rolled-back.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def test_each_run_is_told_in_a_sentence_and_what_to_do():
    lines = [f"{name}\n  {told(name).facts.summary}\n  > {told(name).facts.next}\n" for name in RUNS]

    assert is_as_recorded("sentences.txt", "".join(lines))

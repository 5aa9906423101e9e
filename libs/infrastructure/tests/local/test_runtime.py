"""What instances and preparations are told, and how logs are read; no process is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sophia_infrastructure.launchers import Kept
from sophia_infrastructure.runtime import (
    TAIL_BYTES,
    TAIL_LINES,
    _instance,
    instance_environment,
    preparing_environment,
    tail,
)

TOOLS = str(Path(sys.executable).parent)


def test_an_instance_starts_from_five_words_at_most(tmp_path):
    ours = {"PATH": "/usr/bin", "HOME": "/home/me", "LD_PRELOAD": "x", "DATABASE_URL": "x", "VIRTUAL_ENV": "x"}
    told = instance_environment(ours, home=tmp_path)
    assert told == {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PATH": f"{TOOLS}:/usr/bin", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "no_proxy", "PIP_INDEX_URL", "UV_CACHE_DIR", "npm_config_registry"])
def test_a_preparation_knows_how_to_get_packages(name):
    assert preparing_environment({name: "x"})[name] == "x"


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "VIRTUAL_ENV", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "MY_UV", "HOMEPAGE"]
)
def test_a_preparation_knows_nothing_else_of_us(name):
    assert name not in preparing_environment({name: "x"})


def test_a_machine_without_a_path_has_the_usual_one():
    assert preparing_environment({})["PATH"] == f"{TOOLS}:/bin:/usr/bin"


def test_the_tail_of_a_log_is_its_last_lines_made_harmless(tmp_path):
    log = tmp_path / "api.log"
    log.write_bytes(b"old\n" * 100 + b"\x1b[31mred\x1b[0m \x1b[2J\x07\ttab\r\n\xff half\xe2\x80\xae")
    lines = tail(log)
    assert len(lines) == TAIL_LINES
    assert lines[-2:] == ["red \\x1b[2J\\x07    tab", "\ufffd half\\u202e"]


def test_the_tail_goes_on_in_the_older_part(tmp_path):
    log = tmp_path / "api.log"
    log.with_name("api.log.1").write_text("first\nsecond\n")
    log.write_text("third\n")
    assert tail(log) == ["first", "second", "third"]


def test_a_log_that_says_nothing_has_no_tail(tmp_path):
    log = tmp_path / "api.log"
    assert tail(log) == []
    log.touch()
    assert tail(log) == []


def test_a_line_without_end_is_cut(tmp_path):
    log = tmp_path / "api.log"
    log.write_text("x" * 10 * TAIL_BYTES)
    assert [len(line) for line in tail(log)] == [TAIL_BYTES]


def test_an_instance_whose_record_is_lost_keeps_its_name():
    instance = _instance(Kept("instance/local/single-counter-12", "starting"))
    assert (instance.environment, instance.workload, instance.number) == ("local", "single-counter", 12)
    assert (instance.service, instance.port, instance.state) == ("", None, "starting")

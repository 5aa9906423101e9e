"""Where a finding about a port shows that the port is told."""

from __future__ import annotations

from pathlib import Path

from sophia_preflight.engine import check
from sophia_preflight.examples import tree


def test_a_port_in_a_block_of_lines_is_shown_where_it_stands(tmp_path: Path) -> None:
    text = """
    === compose.yaml
    services:
      web:
        image: example/web:1
        ports: ["5000:5000"]
        command:
          - sh
          - -c
          - |
            web upgrade
            gunicorn --bind 0.0.0.0:8080 web:app
    """
    (tmp_path / "compose.yaml").write_text(tree(text)["compose.yaml"])
    (found,) = [each for each in check(tmp_path).findings if each.rule == "unreachable-port"]
    assert [each.place.line for each in found.places] == [4, 10]


def test_a_wait_that_gives_up_and_goes_on_blocks_nothing(tmp_path: Path) -> None:
    text = """
    === compose.yaml
    services:
      one: {image: "example/web:1", command: "wait-for-it web:8001 -- work"}
      two: {image: "example/web:1", command: "wait-for-it -t 30 --strict web:8002 -- work"}
      web: {image: "example/web:1", command: "gunicorn -b :8000 web:app"}
    """
    (tmp_path / "compose.yaml").write_text(tree(text)["compose.yaml"])
    found = [each for each in check(tmp_path).findings if each.rule == "wrong-host-or-port"]
    assert sorted((each.places[0].place.line, each.severity.value) for each in found) == [(2, "medium"), (3, "high")]

from pathlib import Path

from sophia_deployment.node import node_home


def with_programs(place: Path, *names: str) -> Path:
    place.mkdir(parents=True)
    for name in names:
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    return place


def test_the_environments_own_node_wins(tmp_path: Path) -> None:
    own = with_programs(tmp_path / "env/bin", "node", "npm")
    machine = with_programs(tmp_path / "usr", "node", "npm")
    assert node_home(environment=tmp_path / "env", path=str(machine)) == own


def test_else_the_first_place_on_the_path_that_has_both(tmp_path: Path) -> None:
    half = with_programs(tmp_path / "half", "node")
    whole = with_programs(tmp_path / "whole", "node", "npm")
    assert node_home(environment=tmp_path / "env", path=f"{half}::{whole}") == whole


def test_there_may_be_none(tmp_path: Path) -> None:
    assert node_home(environment=tmp_path, path=str(tmp_path)) is None

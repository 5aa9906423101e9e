from pathlib import Path

import pytest
from sophia_deployment.node import node_home, node_version


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


@pytest.mark.parametrize(
    ("script", "version"),
    [("echo v12.22.9", (12, 22, 9)), ("echo nonsense", ()), ("exit 1", ()), ("echo", ())],
)
def test_a_version_is_numbers_and_an_unknown_one_is_older_than_any(
    tmp_path: Path, script: str, version: tuple[int, ...]
) -> None:
    place = with_programs(tmp_path / "bin", "node")
    (place / "node").write_text(f"#!/bin/sh\n{script}\n")
    assert node_version(place) == version < (20,)
    assert node_version(tmp_path / "nowhere") == ()

import shutil
import tempfile

import pytest
from sophia_infrastructure.places import Places


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The sockets' directory is made in here."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_a_copied_state_directory_has_sockets_of_its_own(tmp_path):
    original = Places.of(tmp_path / "original")
    original.make_sockets()
    shutil.copytree(original.state, tmp_path / "copy")

    assert Places.of(tmp_path / "copy").engine_socket != original.engine_socket


def test_a_shell_with_another_tmpdir_finds_the_sockets(tmp_path, monkeypatch):
    places = Places.of(tmp_path / "state")
    places.make_sockets()
    before = places.engine_socket
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert places.engine_socket == before

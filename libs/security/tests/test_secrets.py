import json
import os
import threading
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_security import secrets as module
from sophia_security.secrets import VALUE_BYTES, LocalSecrets


@pytest.fixture
def store(tmp_path: Path) -> LocalSecrets:
    return LocalSecrets(tmp_path)


def refused(code: str, call, *args) -> SophiaError:
    with pytest.raises(SophiaError) as caught:
        call(*args)
    assert caught.value.code.name == code
    assert caught.value.hint
    return caught.value


def test_versions_are_counted_per_environment_and_name(store):
    assert store.set("staging", "A", "one") == 1
    assert store.set("staging", "A", "two") == 2
    assert store.set("production", "A", "three") == 1
    assert store.set("staging", "B", "four") == 1
    assert store.versions("staging") == {"A": 2, "B": 1}
    assert store.versions("production") == {"A": 1}
    assert store.versions("nowhere") == {}


def test_an_old_version_keeps_its_value(store):
    store.set("staging", "A", "old")
    store.set("staging", "A", "new\nof two lines äöü")
    assert store.value("staging", "A", 1) == "old"
    assert store.value("staging", "A", 2) == "new\nof two lines äöü"


def test_setting_the_same_value_twice_is_one_version(store):
    assert store.set("staging", "A", "same") == 1
    assert store.set("staging", "A", "same") == 1
    assert store.versions("staging") == {"A": 1}


def test_unset_takes_it_from_new_revisions_but_not_from_old_ones(store):
    store.set("staging", "A", "value")
    store.unset("staging", "A")
    assert store.versions("staging") == {}
    assert store.value("staging", "A", 1) == "value"


def test_unsetting_twice_says_that_it_is_not_set(store):
    store.set("staging", "A", "value")
    store.unset("staging", "A")
    refused("SPH-3001", store.unset, "staging", "A")


def test_a_number_is_never_given_out_twice(store):
    store.set("staging", "A", "value")
    store.unset("staging", "A")
    assert store.keep([]) == [("staging", "A", 1)]
    assert store.set("staging", "A", "value") == 2


def test_keep_prunes_what_no_revision_refers_to_and_never_the_current_version(store):
    for value in ("one", "two", "three"):
        store.set("staging", "A", value)
    assert store.keep([("staging", "A", 1)]) == [("staging", "A", 2)]
    assert store.keep([("staging", "A", 1)]) == []
    assert [store.value("staging", "A", version) for version in (1, 3)] == ["one", "three"]
    assert "no longer kept" in refused("SPH-3001", store.value, "staging", "A", 2).message


def test_what_was_never_set_has_no_value(store):
    refused("SPH-3001", store.value, "staging", "A", 1)
    store.set("staging", "A", "value")
    assert "the newest is 1" in refused("SPH-3001", store.value, "staging", "A", 7).message


def test_the_files_are_private_and_hold_no_value(store, tmp_path):
    os.umask(0)
    store.set("staging", "A", "correct horse")
    os.umask(0o022)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "secrets": 0o600,
        "secrets.key": 0o600,
        "secrets.lock": 0o600,
    }
    assert b"correct horse" not in (tmp_path / "secrets").read_bytes()


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "Ä", "A\n"])
def test_a_name_that_is_no_environment_variable_is_refused(store, name):
    refused("SPH-3002", store.set, "staging", name, "value")


@pytest.mark.parametrize("value", ["", "a\0b", "x" * (VALUE_BYTES + 1), "ä" * VALUE_BYTES, "\ud800"])
def test_a_value_that_cannot_be_in_an_environment_is_refused(store, tmp_path, value):
    refused("SPH-3002", store.set, "staging", "A", value)
    assert not (tmp_path / "secrets").exists()


def test_the_longest_value_comes_back(store):
    store.set("staging", "A", "x" * VALUE_BYTES)
    assert store.value("staging", "A", 1) == "x" * VALUE_BYTES


def test_a_missing_key_is_not_made_anew(store, tmp_path):
    store.set("staging", "A", "value")
    (tmp_path / "secrets.key").unlink()
    assert "is missing" in refused("SPH-3003", store.value, "staging", "A", 1).message
    refused("SPH-3003", store.set, "staging", "A", "other")
    assert not (tmp_path / "secrets.key").exists()


def test_a_wrong_key_is_named_and_changes_nothing(store, tmp_path):
    store.set("staging", "A", "value")
    right = (tmp_path / "secrets.key").read_bytes()
    before = (tmp_path / "secrets").read_bytes()
    other = LocalSecrets(tmp_path / "other")
    other.set("staging", "A", "value")
    (tmp_path / "secrets.key").write_bytes((tmp_path / "other/secrets.key").read_bytes())
    assert "not the key" in refused("SPH-3003", store.value, "staging", "A", 1).message
    refused("SPH-3003", store.set, "staging", "A", "new")
    assert (tmp_path / "secrets").read_bytes() == before
    (tmp_path / "secrets.key").write_bytes(right)
    assert store.value("staging", "A", 1) == "value"


@pytest.mark.parametrize("content", [b"", b"no key", b"AAAA"])
def test_a_file_that_is_no_key_is_refused(store, tmp_path, content):
    store.set("staging", "A", "value")
    (tmp_path / "secrets.key").write_bytes(content)
    assert "does not hold a key" in refused("SPH-3003", store.value, "staging", "A", 1).message


@pytest.mark.parametrize("name", ["secrets", "secrets.key"])
def test_a_file_that_others_can_read_is_refused(store, tmp_path, name):
    store.set("staging", "A", "value")
    (tmp_path / name).chmod(0o640)
    error = refused("SPH-3003", store.value, "staging", "A", 1)
    assert "chmod 600" in error.hint


def test_a_value_cannot_be_moved_to_another_version_or_environment(store, tmp_path):
    store.set("staging", "A", "old")
    store.set("staging", "A", "new")
    path = tmp_path / "secrets"
    document = json.loads(path.read_text())
    versions = document["environments"]["staging"]["A"]["versions"]
    versions["2"] = versions["1"]
    path.write_text(json.dumps(document))
    assert "was changed" in refused("SPH-3004", store.value, "staging", "A", 2).message


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b'{"v":1}', b'{"v":2}', b'{"v":1,"check":"","environments":[]}']
)
def test_a_damaged_store_is_refused_and_left_alone(store, tmp_path, content):
    store.set("staging", "A", "value")
    (tmp_path / "secrets").write_bytes(content)
    refused("SPH-3004", store.versions, "staging")
    refused("SPH-3004", store.set, "staging", "A", "other")
    assert (tmp_path / "secrets").read_bytes() == content


def test_a_failed_write_leaves_the_old_store(store, tmp_path, monkeypatch):
    store.set("staging", "A", "value")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    assert "no space left" in refused("SPH-3004", store.set, "staging", "A", "other").message
    monkeypatch.undo()
    assert store.versions("staging") == {"A": 1}
    assert store.set("staging", "A", "other") == 2


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    def write(number: int) -> None:
        for turn in range(5):
            LocalSecrets(tmp_path).set("staging", f"NAME_{number}", f"value {turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert LocalSecrets(tmp_path).versions("staging") == {f"NAME_{number}": 5 for number in range(4)}


def test_a_lock_that_is_held_too_long_is_an_error(store, tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(module, "LOCK_SECONDS", 0.0)
    with open(tmp_path / "secrets.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "locked" in refused("SPH-3004", store.set, "staging", "A", "value").message


def test_the_key_may_lie_elsewhere(tmp_path):
    key = tmp_path / "elsewhere.key"
    LocalSecrets(tmp_path / "state", key_file=key).set("staging", "A", "value")
    assert LocalSecrets(tmp_path / "state", key_file=key).value("staging", "A", 1) == "value"
    assert not (tmp_path / "state/secrets.key").exists()


def test_every_kept_value_is_known_for_masking_old_and_unset_ones_too(store):
    store.set("staging", "A", "first")
    store.set("staging", "A", "second")
    store.set("staging", "B", "third")
    store.set("production", "A", "elsewhere")
    store.unset("staging", "B")
    assert set(store.values("staging")) == {"first", "second", "third"}
    assert set(store.values("nowhere")) == set()

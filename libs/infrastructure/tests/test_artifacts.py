"""Bundles are what they hold, are stored whole or not at all, and nobody changes one unnoticed."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure import artifacts as module
from sophia_infrastructure.artifacts import FileArtifacts, leads_out
from sophia_infrastructure.places import Places


@pytest.fixture
def store(tmp_path: Path) -> FileArtifacts:
    return FileArtifacts(Places.of(tmp_path / "state"))


def tree(root: Path) -> list[tuple[str, Path]]:
    """Everything below `root`, in no particular order."""
    found = [(str(path.relative_to(root)), path) for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    random.shuffle(found)
    return found


def made(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def refused(store: FileArtifacts, root: Path) -> str:
    with pytest.raises(SophiaError) as caught:
        store.store(tree(root))
    assert caught.value.code.name == "SPH-2303"
    assert store.digests() == []
    return caught.value.message


# --- digests --------------------------------------------------------------------------------------------------------

names = st.text("aäZ0.- ", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def _placeable(files: dict[str, bytes]) -> bool:
    return not any(str(parent) in files for path in files for parent in Path(path).parents)


files_ = st.dictionaries(paths, st.binary(max_size=40), min_size=1, max_size=6).filter(_placeable)


@pytest.mark.slow
@given(files=files_, executable=st.sets(st.integers(0, 5)), umask=st.sampled_from([0o000, 0o022, 0o077]))
def test_the_same_content_has_the_same_digest_whatever_the_times_the_order_and_the_umask(files, executable, umask):
    with tempfile.TemporaryDirectory() as place:
        first, second = (FileArtifacts(Places.of(Path(place) / name)) for name in ("one", "two"))
        one = made(Path(place) / "a", files)
        before = os.umask(umask)
        try:
            two = made(Path(place) / "b", dict(reversed(files.items())))
            (two / "empty").mkdir(exist_ok=True) if "empty" not in files else None
            for number, path in enumerate(files):
                os.utime(two / path, (number, number))
                for root in (one, two):
                    (root / path).chmod(0o700 if number in executable else 0o604)
            digest = second.store(tree(two))
        finally:
            os.umask(before)
        assert first.store(tree(one)) == digest
        second.check(digest)
        kept = {str(path.relative_to(second.path(digest))): path for path in second.path(digest).rglob("*")}
        assert {path: file.read_bytes() for path, file in kept.items() if file.is_file()} == files
        modes = {path: stat.S_IMODE(kept[path].stat().st_mode) for path in files}
        assert modes == {path: 0o555 if number in executable else 0o444 for number, path in enumerate(files)}


@pytest.mark.slow
@given(files=files_, data=st.data())
def test_any_other_content_has_another_digest(files, data):
    with tempfile.TemporaryDirectory() as place:
        store, root = FileArtifacts(Places.of(Path(place) / "state")), made(Path(place) / "a", files)
        first = store.store(tree(root))
        changed = root / data.draw(st.sampled_from(sorted(files)))
        how = data.draw(st.sampled_from(["content", "executable", "name", "link"]))
        if how == "content":
            changed.write_bytes(changed.read_bytes() + b"!")
        elif how == "executable":
            changed.chmod(0o755)
        elif how == "name":
            changed.rename(changed.with_name("another name"))
        else:
            changed.unlink()
            changed.symlink_to("another")
        assert store.store(tree(root)) != first


def test_a_digest_is_the_same_on_every_machine_and_in_every_version(store, tmp_path):
    root = made(tmp_path / "a", {"bin/run": b"#!/bin/sh\n", "data.txt": b"1\n"})
    (root / "bin/run").chmod(0o755)
    (root / "current").symlink_to("data.txt")
    text = (
        '{"entries":['
        '{"executable":true,"kind":"file","path":"bin/run",'
        '"sha256":"a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf","size":10},'
        '{"kind":"link","path":"current","target":"data.txt"},'
        '{"executable":false,"kind":"file","path":"data.txt",'
        '"sha256":"4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865","size":2}'
        '],"v":1}'
    )
    assert store.store(tree(root)) == hashlib.sha256(text.encode()).hexdigest()


# --- storing --------------------------------------------------------------------------------------------------------


def test_storing_twice_is_storing_once(store, tmp_path, monkeypatch):
    root = made(tmp_path / "a", {"x": b"1"})
    digest = store.store(tree(root))
    monkeypatch.setattr(store, "_write", lambda *_: pytest.fail("it was there already"))
    assert store.store(tree(root)) == digest
    assert store.digests() == [digest] and store.has(digest)


def test_many_may_store_the_same_bundle_at_once(store, tmp_path):
    root = made(tmp_path / "a", {f"{number}/file": os.urandom(100) for number in range(20)})
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: store.store(tree(root)), range(16)))
    assert store.digests() == sorted(digests) and len(digests) == 1
    store.check(*digests)
    assert sorted(each.name for each in store.path(*digests).parent.iterdir()) == [*digests, f"{min(digests)}.json"]


def test_a_workspace_that_another_store_sweeps_before_it_is_locked_is_made_again(store, tmp_path, monkeypatch):
    make, made_so_far = tempfile.mkdtemp, []

    def swept(**options):
        made_so_far.append(make(**options))
        if len(made_so_far) == 1:
            os.rmdir(made_so_far[0])
        return made_so_far[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", swept)
    store.check(store.store(tree(made(tmp_path / "a", {"x": b"1"}))))
    assert len(made_so_far) == 2


def test_progress_is_told_to_its_end(store, tmp_path):
    told = []
    root = made(tmp_path / "a", {"x": bytes(3 << 20), "y": b"1"})
    store.store(tree(root), on_progress=lambda done, total: told.append((done, total)))
    assert len(told) > 2 and told[-1] == ((3 << 20) + 1, (3 << 20) + 1)


def test_a_file_that_changes_while_it_is_stored_is_noticed(store, tmp_path, monkeypatch):
    root = made(tmp_path / "a", {"x": b"1"})
    copy = module._copy

    def late(entry, source, destination):
        source.write_bytes(b"2")
        copy(entry, source, destination)

    monkeypatch.setattr(module, "_copy", late)
    assert "changed while it was stored" in refused(store, root)
    assert list((tmp_path / "state/artifacts").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_half_done_and_says_so(store, tmp_path, monkeypatch, number):
    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_write_all", full)
    with pytest.raises(SophiaError) as caught:
        store.store(tree(made(tmp_path / "a", {"x": b"1", "y": b"2"})))
    assert caught.value.code.name == "SPH-2002" and "no space left" in caught.value.message
    assert list((tmp_path / "state/artifacts").iterdir()) == []


def test_removing_is_done_at_once_and_may_be_done_twice(store, tmp_path):
    digest = store.store(tree(made(tmp_path / "a", {"deep/x": b"1"})))
    store.remove(digest)
    store.remove(digest)
    assert not store.has(digest)
    assert list((tmp_path / "state/artifacts").iterdir()) == []
    with pytest.raises(SophiaError, match="SPH-2301"):
        store.path(digest)


def test_only_a_digest_is_a_name(store, tmp_path):
    store.store(tree(made(tmp_path / "a", {"x": b"1"})))
    assert not store.has("../artifacts") and not store.has("")
    with pytest.raises(SophiaError, match="SPH-2301"):
        store.check("..")


def test_what_was_left_behind_is_swept_and_what_is_being_made_is_not(store, tmp_path):
    root = made(tmp_path / "a", {"x": b"1"})
    store.store(tree(root))
    made(tmp_path / "state/artifacts/.new-dead", {"tree/x": b"1"})
    with store._workspace() as place:
        (place / "file").write_text("being made")
        store.store(tree(made(tmp_path / "a", {"x": b"2"})))
        assert (place / "file").exists()
    assert list((tmp_path / "state/artifacts").glob(".new-*")) == []


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "path"),
    [
        ({"a": "/etc/passwd"}, "a"),
        ({"a": "../x"}, "a"),
        ({"d/a": "../../x"}, "d/a"),
        ({"a": "d/../../x"}, "a"),
        ({"p/q/l": "../../top", "x": "p/q/l/../../z"}, "x"),  # `..` behind a link: by words alone it would stay inside
        ({"a": "b", "b": "c//", "c": "./../x"}, "a"),
        ({"a": "b/x", "b": "/etc"}, "a"),
    ],
)
def test_a_link_that_leads_out_is_refused(store, tmp_path, links, path):
    assert leads_out(path, links)
    root = made(tmp_path / "a", {"d/file": b"", "top/file": b""})
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    assert "leads out of the bundle" in refused(store, root)


@pytest.mark.parametrize(
    "links", [{"a": "d/file"}, {"d/a": "../top/./file"}, {"a": "b", "b": "d", "d/c": ".."}, {"a": "a"}, {"a": "gone"}]
)
def test_a_link_that_stays_inside_is_kept_as_it_is(store, tmp_path, links):
    root = made(tmp_path / "a", {"d/file": b"", "top/file": b""})
    for name, target in links.items():
        (root / name).symlink_to(target)
    digest = store.store(tree(root))
    assert {name: os.readlink(store.path(digest) / name) for name in links} == links
    store.check(digest)


segment = st.sampled_from(["a", "b", "c", "..", ".", ""])
targets = st.lists(segment, min_size=1, max_size=5).map("/".join).filter(bool)


@given(links=st.dictionaries(st.sampled_from(["a", "b/a", "b/c", "c/b/a", "c/c"]), targets, min_size=1))
def test_no_link_that_is_let_in_leads_out_in_the_file_system(links):
    with tempfile.TemporaryDirectory() as place:
        root = Path(os.path.realpath(place)) / "around/root"
        made(root, {f"{directory}file": b"" for directory in ("", "b/", "c/b/")})
        for path, target in links.items():
            (root / path).symlink_to(target)
        for path in links:
            if not leads_out(path, links):
                real = Path(os.path.realpath(root / path))
                assert real.is_relative_to(root) or _in_circles(root / path), (path, real)


def _in_circles(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno in (errno.ELOOP, errno.ENOENT, errno.ENOTDIR)
    return False


def test_what_is_neither_file_nor_link_is_refused(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path / "pipe", "a named pipe"), (Path("/dev/null"), "a device"), (tmp_path, "a directory")):
        with pytest.raises(SophiaError, match=said):
            store.store([("x", path)])
    with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryDirectory() as place:
        server.bind(f"{place}/s")
        with pytest.raises(SophiaError, match="a socket"):
            store.store([("x", Path(place) / "s")])


def test_names_that_are_not_utf8_are_refused_and_control_codes_are_not_printed(store, tmp_path):
    (tmp_path / "a").mkdir()
    os.close(os.open(os.fsencode(tmp_path) + b"/a/caf\xe9\x1b", os.O_CREAT))
    assert refused(store, tmp_path / "a") == "the name of `caf\\udce9\\x1b` is not UTF-8"


@pytest.mark.parametrize("path", ["/x", "../x", "a//b", "./a", "", "a/..", "a\0b"])
def test_paths_that_lie_outside_are_refused(store, tmp_path, path):
    with pytest.raises(SophiaError, match="not a path inside a bundle"):
        store.store([(path, tmp_path)])


def test_two_files_in_one_place_and_an_empty_bundle_are_refused(store, tmp_path):
    root = made(tmp_path / "a", {"x": b"", "y": b""})
    for listing in ([("x", root / "x"), ("x", root / "y")], [("x", root / "x"), ("x/y", root / "y")], []):
        with pytest.raises(SophiaError, match="SPH-2303"):
            store.store(listing)


def test_a_file_that_cannot_be_read_is_named(store, tmp_path):
    with pytest.raises(SophiaError, match=r"`.*gone` cannot be read: no such file"):
        store.store([("x", tmp_path / "gone")])


# --- tampering ------------------------------------------------------------------------------------------------------


def _grow(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"11")


def _replace_by_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("y")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_grow, "`d/x` was changed (1 bytes, now 2)"),
        (lambda file: file.unlink(), "`d/x` is missing"),
        (lambda file: (file.parent / "new").touch(), "`d/new` was added"),
        (lambda file: (file.parent / "new").mkdir(), "`d/new` was added"),
        (lambda file: file.chmod(0o755), "`d/x` became executable"),
        (_replace_by_link, "`d/x` was a file and is a link"),
        (lambda file: os.mkfifo(file.parent / "p"), "is a named pipe"),
    ],
)
def test_whatever_was_changed_is_named_and_building_again_mends_it(store, tmp_path, act, said):
    root = made(tmp_path / "a", {"d/x": b"1", "d/y": b"2"})
    digest = store.store(tree(root))
    act(store.path(digest) / "d/x")
    with pytest.raises(SophiaError) as caught:
        store.check(digest)
    assert caught.value.code.name == "SPH-2302" and said in caught.value.message
    assert store.store(tree(root)) == digest
    store.check(digest)


def test_tampering_with_the_list_as_well_hides_nothing(store, tmp_path):
    digest = store.store(tree(made(tmp_path / "a", {"x": b"1", "y": b"2"})))
    _grow(store.path(digest) / "x")
    note = store.path(digest).with_name(f"{digest}.json")
    for text in (note.read_text().replace('"size":1', '"size":2'), "[", "{}"):
        note.write_text(text)
        with pytest.raises(SophiaError, match="SPH-2302"):
            store.check(digest)

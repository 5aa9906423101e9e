"""What `bundle.include` ships, and where it lands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment.build.collecting import Pattern, collect
from sophia_deployment_core.checks import escapes
from sophia_deployment_core.errors import SophiaError


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(
        tmp_path,
        "apps/api/dist/api.whl",
        "apps/api/dist/old/api.whl",
        "apps/api/dist/notes.txt",
        "apps/api/.env.example",
        "apps/api/server.js",
        "apps/api/node_modules/x/index.js",
        "apps/api/node_modules/x/node_modules/y/index.js",
        "apps/api/node_modules/x/__pycache__/z.pyc",
        "apps/api/lib/__pycache__/a.pyc",
        "apps/api/lib/a.py",
        "shared/logo.svg",
        "README.md",
        ".git/HEAD",
    )
    return tmp_path


def shipped(root: Path, *patterns: str, source: str = "apps/api") -> list[str]:
    found = collect("api", root=root, source=source, patterns=patterns)
    assert all(file.is_file() or file.is_symlink() for file in found.values())
    return list(found)


def refused(root: Path, *patterns: str) -> str:
    with pytest.raises(SophiaError) as caught:
        collect("api", root=root, source="apps/api", patterns=patterns)
    assert caught.value.code.name == "SPH-5102"
    return caught.value.message


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("dist/*.whl", ["dist/api.whl"]),
        ("dist/**/*.whl", ["dist/api.whl", "dist/old/api.whl"]),
        ("dist/**/**/*.whl", ["dist/api.whl", "dist/old/api.whl"]),
        ("**/*.py", ["lib/a.py"]),
        ("dist/[an]*", ["dist/api.whl", "dist/notes.txt"]),
        ("dist/a?i.whl", ["dist/api.whl"]),
        ("./dist//old/", ["dist/old/api.whl"]),
        ("dist", ["dist/api.whl", "dist/notes.txt", "dist/old/api.whl"]),
        ("dist/**", ["dist/api.whl", "dist/notes.txt", "dist/old/api.whl"]),
        ("*.example", [".env.example"]),
        ("l*", ["lib/a.py"]),
        ("//README.md", ["README.md"]),
        ("//shared", ["shared/logo.svg"]),
        ("../../shared/*", ["shared/logo.svg"]),
        ("../api/server.js", ["server.js"]),
        ("//apps/api/server.js", ["apps/api/server.js"]),
    ],
)
def test_a_pattern_ships_these_files_under_these_paths(root, pattern, found):
    assert shipped(root, pattern) == found


def test_a_directory_is_all_it_holds_but_what_no_bundle_wants(root):
    everything = [".env.example", "dist/api.whl", "dist/notes.txt", "dist/old/api.whl", "lib/a.py", "server.js"]
    assert shipped(root, ".") == everything
    assert shipped(root, "**") == everything
    assert not [path for path in shipped(root, ".", source=".") if ".git/" in path]


def test_what_is_named_is_shipped_with_all_of_its_kind_inside(root):
    inside = ["node_modules/x/index.js", "node_modules/x/node_modules/y/index.js"]
    assert shipped(root, "node_modules") == inside
    assert shipped(root, "node_modules/**/*.js") == inside
    assert shipped(root, "lib/__pycache__") == ["lib/__pycache__/a.pyc"]
    assert shipped(root, "//.git/HEAD") == [".git/HEAD"]


def test_patterns_add_up_and_may_name_the_same_file(root):
    assert shipped(root, "dist/*.whl", "dist", "//README.md") == [
        "README.md",
        "dist/api.whl",
        "dist/notes.txt",
        "dist/old/api.whl",
    ]


def test_a_pattern_that_matches_nothing_is_named(root):
    (root / "apps/api/empty").mkdir()
    for pattern in ("dist/*.jar", "empty", "server.js/x", "gone/*", "//nothing"):
        assert f"`{pattern}` matches no file" in refused(root, "dist", pattern)
    assert refused(root, "dist/*.jar") == (
        "the bundle of `api` cannot be put together: `dist/*.jar` matches no file in `apps/api`"
    )


def test_two_files_for_one_place_are_named(root):
    make(root, "apps/api/README.md")
    assert "`README.md` and `apps/api/README.md` would both be `README.md`" in refused(root, "//README.md", "*.md")


def test_links_are_shipped_as_links_and_not_looked_behind(root):
    (root / "apps/api/current").symlink_to("dist")
    (root / "apps/api/dist/latest.whl").symlink_to("api.whl")
    (root / "apps/api/broken").symlink_to("nowhere")
    assert shipped(root, "dist/*.whl", "current", "broken", "dist/old") == [
        "broken",
        "current",
        "dist/api.whl",
        "dist/latest.whl",
        "dist/old/api.whl",
    ]
    assert "`current/*` matches no file" in refused(root, "current/*")


def test_a_link_without_what_it_leads_to_is_named(root):
    (root / "apps/api/dist/latest.whl").symlink_to("api.whl")
    message = refused(root, "dist/latest.whl")
    assert "`dist/latest.whl` is a link to `api.whl`, which is not shipped" in message


def test_a_directory_that_cannot_be_read_is_named(root, monkeypatch):
    listdir = os.listdir

    def locked(place):
        if Path(place).name == "dist":
            raise PermissionError(13, "Permission denied")
        return listdir(place)

    monkeypatch.setattr(os, "listdir", locked)
    with pytest.raises(SophiaError, match="dist` cannot be read: permission denied"):
        shipped(root, "dist")


words = st.sampled_from(["a", "b", "..", ".", "", "**", "*"])


@given(
    text=st.builds(
        lambda prefix, parts: prefix + "/".join(parts), st.sampled_from(["", "//"]), st.lists(words, min_size=1)
    ),
    source=st.sampled_from([".", "a", "a/b"]),
)
def test_every_pattern_that_was_let_in_stays_in_the_repository(text, source):
    root = Path("/repository")
    if text.startswith("/") and not text.startswith("//"):
        return
    if escapes(text, source):
        with pytest.raises(ValueError, match="leads out"):
            Pattern.of(text, root=root, source=source)
    else:
        pattern = Pattern.of(text, root=root, source=source)
        assert pattern.base.is_relative_to(root) and ".." not in pattern.parts

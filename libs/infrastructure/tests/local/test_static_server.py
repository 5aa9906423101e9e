"""What the server of files answers, without a socket."""

from __future__ import annotations

import gzip
import os
import time

import pytest
from sophia_infrastructure import static_server
from sophia_infrastructure.static_server import Bad, Request, Site, is_hashed, may_be_hashed, parsed, segments

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip, deflate, br"}
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "dist"
    for name, text in {
        "index.html": "<h1>home</h1>",
        "assets/index-BfX3kd9a.js": "let a = 1\n" * 500,
        "docs/index.html": "<h1>docs</h1>",
        "file.bin": "0123456789",
        ".env": "SECRET=1",
        ".well-known/security.txt": "contact",
        "sub/.git/config": "hidden",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "outside.txt").write_text("not ours")
    return root


def site(root, *, spa=False, kept=None):
    return Site(str(root), index="index.html", spa=spa, kept=str(kept) if kept else None)


def get(site, target, *, method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.answer(Request(method, target, fields, keep_alive=True))


def body(answer):
    if not answer.path:
        return answer.body
    with open(answer.path, "rb") as file:
        file.seek(answer.start)
        return file.read(answer.size)


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "index-BfX3kd9a.js",  # Vite
        "index-B-X3kd9_.js",
        "style-D1wrgTda.css.map",
        "main.3f2a1b9c.chunk.css",  # webpack
        "3f2a1b9c4d5e.js",
        "chunk-5GHJ2KLM.js",  # esbuild
        "logo_1a2b3c4d.svg",
    ],
)
def test_names_with_a_hash_are_told(name):
    assert is_hashed(name) and may_be_hashed(name)


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "settings.js",
        "app-settings.js",
        "apple-touch-icon.png",
        "icon-1024x768.png",
        "photo-20240131.jpg",
        "service-worker.js",
        "app.DataGrid.js",
        "jquery.min.js",
        "LICENSE",
        "",
        "BfX3kd9a",
    ],
)
def test_words_dates_and_sizes_are_no_hashes(name):
    assert not is_hashed(name)


@pytest.mark.parametrize("name", ["index-qwertyui.js", "style-DiwrgTda.css", "chunk-12345678.js", "main.99999999.js"])
def test_a_hash_that_looks_like_a_word_is_kept_all_the_same(name):
    assert may_be_hashed(name) and not is_hashed(name)


# --- paths ----------------------------------------------------------------------------------------------------------


def test_a_path_is_taken_apart_before_it_is_decoded():
    assert segments("/a%20b//c/?x=/../y#z") == ["a b", "c"]
    assert segments("http://host/a?x") == ["a"]
    assert segments("/.well-known/x") == [".well-known", "x"]


@pytest.mark.parametrize(
    "target",
    ["/../x", "/a/../x", "/%2e%2e/x", "/a%2f..%2fx", "/.env", "/a/.git/config", "/a/.well-known", "/%00", "/%ff"],
)
def test_paths_that_lead_elsewhere_or_are_hidden_are_not_found(root, target):
    with pytest.raises(Bad):
        segments(target)
    assert get(site(root, spa=True), target, **BROWSER).status == 404


def test_links_are_followed_inside_and_not_out(root):
    (root / "in.txt").symlink_to("file.bin")
    (root / "out.txt").symlink_to(root.parent / "outside.txt")
    (root / "up").symlink_to(root.parent)
    assert body(get(site(root), "/in.txt")) == b"0123456789"
    assert get(site(root), "/out.txt").status == 404
    assert get(site(root), "/up/outside.txt").status == 404


def test_a_directory_whose_name_begins_alike_is_outside(root):
    twin = root.parent / "dist-secret"
    twin.mkdir()
    (twin / "x").write_text("not ours")
    (root / "twin").symlink_to(twin)
    assert get(site(root), "/twin/x").status == 404


def test_what_is_no_plain_file_is_not_found(root):
    os.mkfifo(root / "pipe")
    assert get(site(root), "/pipe").status == 404


# --- pages ----------------------------------------------------------------------------------------------------------


def test_a_directory_is_its_index_page_under_a_path_with_a_slash(root):
    assert body(get(site(root), "/")) == b"<h1>home</h1>"
    assert body(get(site(root), "/docs/")) == b"<h1>docs</h1>"
    moved = get(site(root), "/docs?q=1")
    assert (moved.status, moved.headers["location"]) == (301, "/docs/?q=1")
    assert get(site(root), "//docs").headers["location"] == "/docs/", "never to another host"
    assert get(site(root), "/assets/").status == 404


def test_a_navigation_in_a_single_page_application_gets_the_page(root):
    page = get(site(root, spa=True), "/orders/17", **BROWSER)
    assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
    assert body(page) == b"<h1>home</h1>"
    assert get(site(root), "/orders/17", **BROWSER).status == 404, "only where it is one"


def test_a_missing_file_is_missing_in_a_single_page_application_too(root):
    for target in ("/assets/gone-BfX3kd9a.js", "/logo.png", "/robots.txt"):
        assert get(site(root, spa=True), target, **BROWSER).status == 404
    assert get(site(root, spa=True), "/api/orders", accept="application/json").status == 404


def test_a_site_may_have_a_page_for_what_is_missing(root):
    (root / "404.html").write_text("<h1>lost</h1>")
    lost = get(site(root), "/nowhere", **BROWSER, if_none_match="*", range="bytes=0-1")
    assert (lost.status, body(lost)) == (404, b"<h1>lost</h1>")


def test_health_is_answered_unless_the_site_does(root):
    assert get(site(root, spa=True), "/health", **BROWSER).body == b"ok\n"
    (root / "health").write_text("mine")
    assert body(get(site(root), "/health")) == b"mine"


def test_other_methods_are_refused(root):
    refused = get(site(root), "/", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a.webmanifest", "application/manifest+json; charset=utf-8"),
        ("a.PNG", "image/png"),
        ("html", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
    ],
)
def test_files_say_what_they_are(root, name, media_type):
    (root / name).write_text("x")
    assert get(site(root), f"/{name}").headers["content-type"] == media_type


# --- caching --------------------------------------------------------------------------------------------------------


def test_hashed_files_are_cached_for_ever_and_pages_are_asked_for_again(root):
    assert get(site(root), "/assets/index-BfX3kd9a.js").headers["cache-control"] == FOR_EVER
    assert get(site(root), "/").headers["cache-control"] == "no-cache"


def test_who_has_a_file_already_does_not_get_it_again(root):
    served = site(root)
    first = get(served, "/file.bin")
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for known in ({"if_none_match": f'"x", W/{tag}'}, {"if_none_match": "*"}, {"if_modified_since": modified}):
        again = get(served, "/file.bin", **known)
        assert (again.status, again.headers["etag"], body(again)) == (304, tag, b"")
    assert get(served, "/file.bin", if_none_match='"x"', if_modified_since=modified).status == 200


def test_the_same_content_has_the_same_tag_in_every_copy(root, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "file.bin").write_text("0123456789")
    os.utime(copy / "file.bin", (1, 1))
    tags = {get(site(each), "/file.bin").headers["etag"] for each in (root, copy)}
    assert len(tags) == 1
    (copy / "file.bin").write_text("012345678X")
    assert get(site(copy), "/file.bin").headers["etag"] not in tags


def test_text_is_compressed_for_who_accepts_it(root):
    served, target = site(root), "/assets/index-BfX3kd9a.js"
    packed, flat = get(served, target, **BROWSER), get(served, target)
    assert gzip.decompress(packed.body) == body(flat) == b"let a = 1\n" * 500
    assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"] == flat.headers["vary"]
    assert packed.headers["etag"] != flat.headers["etag"]
    assert get(served, target, **BROWSER).body is packed.body, "compressed once"
    for tag in (packed.headers["etag"], flat.headers["etag"]):
        assert get(served, target, **BROWSER, if_none_match=tag).status == 304
    for refusal in ("gzip;q=0", "identity", "br", ""):
        assert "content-encoding" not in get(served, target, accept_encoding=refusal).headers
    assert "content-encoding" not in get(served, "/file.bin", **BROWSER).headers


def test_compressed_files_do_not_fill_the_memory(root, monkeypatch):
    monkeypatch.setattr(static_server, "GZIPPED_BYTES", 3_000)
    served = site(root)
    for number in range(5):
        (root / f"{number}.txt").write_bytes(os.urandom(1_000) + b"x" * 1_000)
        assert get(served, f"/{number}.txt", **BROWSER).headers["content-encoding"] == "gzip"
    assert served._gzipped._size <= 3_000


# --- ranges ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "said", "content"),
    [
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=-99", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=8-99", 206, "bytes 8-9/10", b"89"),
        ("bytes=10-", 416, "bytes */10", None),
        ("bytes=-0", 416, "bytes */10", None),
        ("bytes=0-1,4-5", 200, None, b"0123456789"),
        ("bytes=4-2", 200, None, b"0123456789"),
        ("bytes=-", 200, None, b"0123456789"),
        ("lines=1-2", 200, None, b"0123456789"),
    ],
)
def test_one_range_is_served(root, asked, status, said, content):
    answer = get(site(root), "/file.bin", range=asked)
    assert (answer.status, answer.headers.get("content-range")) == (status, said)
    if content is not None:
        assert body(answer) == content and answer.length == len(content)


def test_a_range_of_another_version_gets_all_of_this_one(root):
    served = site(root)
    tag = get(served, "/file.bin").headers["etag"]
    assert get(served, "/file.bin", range="bytes=0-1", if_range=tag).status == 206
    assert get(served, "/file.bin", range="bytes=0-1", if_range='"older"').status == 200


# --- older versions' assets -----------------------------------------------------------------------------------------


def test_an_asset_of_an_older_version_is_found_by_pages_that_were_loaded_before(root, tmp_path):
    kept = tmp_path / "data" / "assets-kept"
    site(root, kept=kept).keep_assets()
    newer = tmp_path / "newer"
    (newer / "assets").mkdir(parents=True)
    (newer / "index.html").write_text("newer")
    after = site(newer, spa=True, kept=kept)
    found = get(after, "/assets/index-BfX3kd9a.js", **BROWSER)
    assert (found.status, found.headers["cache-control"]) == (200, FOR_EVER)
    assert gzip.decompress(found.body) == b"let a = 1\n" * 500
    assert get(after, "/assets/never-BfX3kd9b.js").status == 404
    assert get(after, "/docs/", **BROWSER).headers["content-type"] == "text/html; charset=utf-8"
    assert sorted(path.name for path in kept.rglob("*") if path.is_file()) == ["index-BfX3kd9a.js"]


def test_assets_are_forgotten_when_they_are_too_old_or_too_many(root, tmp_path, monkeypatch):
    kept = tmp_path / "assets-kept"
    site(root, kept=kept).keep_assets()
    old = kept / "assets" / "old-BfX3kd9a.js"
    old.write_text("old")
    os.utime(old, (1, time.time() - static_server.KEPT_SECONDS - 60))
    used = kept / "assets" / "index-BfX3kd9a.js"
    os.utime(used, (1, time.time() - static_server.KEPT_SECONDS - 60))
    site(root, kept=kept).keep_assets()
    assert not old.exists() and used.exists(), "what this version has is as good as new"
    monkeypatch.setattr(static_server, "KEPT_FILES", 2)
    for number in range(4):
        (kept / f"{number}-BfX3kd9a.js").write_text("x")
        os.utime(kept / f"{number}-BfX3kd9a.js", (1, time.time() - number - 1))
    site(root, kept=kept).keep_assets()
    assert sorted(path.name for path in kept.rglob("*.js")) == ["0-BfX3kd9a.js", "index-BfX3kd9a.js"]


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_is_read():
    request = parsed(b"GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: a\r\naccept: b")
    assert request == Request("GET", "/a?b", {"host": "x", "accept": "a, b"}, keep_alive=True)


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nconnection: close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive", True),
        (b"GET / HTTP/1.1\r\ncontent-length: 5", False),
        (b"GET / HTTP/1.1\r\ncontent-length: 0", True),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked", False),
    ],
)
def test_a_connection_lives_on_unless_somebody_wants_otherwise_or_a_body_is_in_the_way(head, keeps):
    assert parsed(head).keep_alive is keeps


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /", 400),
        (b"GET / HTTP/2.0", 505),
        (b"\x16\x03\x01", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"GET / HTTP/1.1\r\nname : x", 400),
    ],
)
def test_what_is_no_request_is_refused(head, status):
    with pytest.raises(Bad) as bad:
        parsed(head)
    assert bad.value.status == status

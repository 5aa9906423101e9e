"""Serves a directory of files on 127.0.0.1:$PORT, so that a static site is a service like any other.

    python -I -S static_server.py '{"root": "dist", "index": "index.html", "spa": true}'

GET and HEAD over HTTP/1.1 with keep-alive: entity tags, one range, gzip, caching for ever of files whose names carry a
hash of their content, `no-cache` for all others. With `spa`, a navigation to a path that is no file gets the index
page; a missing script is 404, so that a page never runs another page's text.
A page loaded before a new version came asks for chunks of the old one: what has a hashed name is kept in
$DATA_DIR/assets-kept for 30 days after the last start of a version that has it, and served from there when it is
missed. `/health` is answered here if the site has no such file. Hidden files and links that lead out are not served.
SIGTERM: what is under way is finished, then it leaves. It needs the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import sys
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

IDLE_SECONDS = 10.0
"""Longer than the edge keeps an unused connection (4 s), so that it never meets one that we are just closing."""
HEAD_SECONDS, HEAD_BYTES = 10.0, 32 * 1024
SEND_SECONDS = 30.0
QUIET_SECONDS = 0.2
CONNECTIONS = 1000
HASHED_WHOLE_BYTES = 16 << 20
"""Larger files are named by size and time instead of content, so that nobody waits for their hash."""
GZIP_BYTES = (1024, 8 << 20)
"""Smaller files gain nothing, larger ones keep others waiting."""
GZIPPED_BYTES = 32 << 20
"""Compressed files that are kept in memory."""
KEPT_SECONDS, KEPT_FILES, KEPT_BYTES = 30 * 86_400, 5_000, 512 << 20

TYPES = {
    "avif": "image/avif",
    "css": "text/css",
    "csv": "text/csv",
    "eot": "application/vnd.ms-fontobject",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "zip": "application/zip",
}
TEXT = {"application/json", "application/manifest+json", "application/xml", "image/svg+xml"}
"""Text though it is not called so: gets a charset, and is compressed."""
COMPRESSED_TOO = {"application/wasm", "application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/x-icon"}
REASONS = {
    200: "OK",
    206: "Partial Content",
    301: "Moved Permanently",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Range Not Satisfiable",
    431: "Request Header Fields Too Large",
    505: "HTTP Version Not Supported",
}

_HEX = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")
_WORDS = re.compile(r"[a-z_-]+|[a-z]*([A-Z][a-z]+)+|[0-9_-]+|[0-9]+x[0-9]+")
"""`settings`, `DataGrid`, `20240131`, `1024x768`: eight characters and no hash"""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


# --- what is asked for ----------------------------------------------------------------------------------------------


class Request(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    keep_alive: bool

    def accepts(self, header: str, word: str) -> bool:
        """Whether a list such as `accept-encoding` names the word, and not with weight 0."""
        for item in self.headers.get(header, "").lower().split(","):
            name, *parameters = (part.strip() for part in item.split(";"))
            if name == word:
                weights = [part[2:].strip() for part in parameters if part.startswith("q=")]
                return not weights or weights[0].strip("0.") != ""
        return False


class Bad(Exception):
    """No request that we understand; `status` says so."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parsed(head: bytes) -> Request:
    """The request of these lines. One that has a body ends its connection: we read none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise Bad(400)
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Bad(505)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Bad(400)
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    wish = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower()
    return Request(method, target, headers, keep_alive="close" not in wish and not has_body)


def segments(target: str) -> list[str]:
    """The decoded parts of the path; raises Bad for a path that names no file of ours."""
    path = urlsplit(target).path if "://" in target[:8] else target.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        raise Bad(400)
    try:
        parts = [unquote(part, errors="strict") for part in path.split("/") if part]
    except UnicodeDecodeError as error:
        raise Bad(404) from error
    for number, part in enumerate(parts):
        hidden = part.startswith(".") and not (number == 0 and part == ".well-known")
        if hidden or "/" in part or "\0" in part:
            raise Bad(404)
    return parts


def is_hashed(name: str) -> bool:
    """Whether a file's name surely carries a hash of its content: `index-BfX3kd9a.js`, `main.3f2a1b9c.chunk.css`.

    Words, dates and sizes do not count. One hash in twenty looks like a word; that file is asked for again, no more.
    """
    pieces = name.split(".")[:-1]
    return any(_is_hash(end) for number, piece in enumerate(pieces) for end in _ends(piece, whole=number > 0)) or bool(
        pieces and _HEX.fullmatch(pieces[0])
    )


def may_be_hashed(name: str) -> bool:
    """Whether a file's name may carry a hash: what is kept for pages of older versions must miss none."""
    pieces = name.split(".")[:-1]
    return is_hashed(name) or any(
        _TOKEN.fullmatch(end) for number, piece in enumerate(pieces) for end in _ends(piece, whole=number > 0)
    )


def _ends(piece: str, *, whole: bool) -> Iterator[str]:
    """What may be a hash: of `name-hash` the end, of `name.hash.js` a whole piece."""
    if whole:
        yield piece
    for separator in "-_":
        if separator in piece:
            yield piece.rpartition(separator)[2]
    if piece[-9:-8] in ("-", "_"):
        yield piece[-8:]  # in base64, which has `-` and `_` itself


def _is_hash(text: str) -> bool:
    if _HEX.fullmatch(text):
        return True
    return len(text) == 8 and bool(_TOKEN.fullmatch(text)) and not _WORDS.fullmatch(text)


# --- files ----------------------------------------------------------------------------------------------------------


class File(NamedTuple):
    """A file as it was when we looked. `tag` is its entity tag without quotes."""

    path: str
    size: int
    modified: float
    tag: str
    media_type: str

    @property
    def is_compressible(self) -> bool:
        smallest, largest = GZIP_BYTES
        kind = self.media_type
        is_text = kind.startswith("text/") or kind in TEXT or kind in COMPRESSED_TOO
        return smallest <= self.size <= largest and is_text


class Files:
    """Files below a directory, and nothing that a link would reach outside of it."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._known: dict[tuple[str, int, int], File] = {}

    def find(self, parts: Sequence[str]) -> File | None:
        path = self._inside(parts)
        try:
            found = os.stat(path) if path else None
        except (OSError, ValueError):
            return None
        if path is None or found is None or not stat.S_ISREG(found.st_mode):
            return None
        key = (path, found.st_size, found.st_mtime_ns)
        if key not in self._known:
            try:
                self._known[key] = File(path, found.st_size, found.st_mtime, _tag(path, found), _media_type(path))
            except OSError:
                return None
        return self._known[key]

    def is_directory(self, parts: Sequence[str]) -> bool:
        path = self._inside(parts)
        return path is not None and os.path.isdir(path)

    def _inside(self, parts: Sequence[str]) -> str | None:
        path = os.path.realpath(os.path.join(self.root, *parts))
        return path if path == self.root or path.startswith(self.root.rstrip("/") + "/") else None


def _tag(path: str, found: os.stat_result) -> str:
    if found.st_size > HASHED_WHOLE_BYTES:
        return f"{found.st_size:x}-{found.st_mtime_ns:x}"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def _media_type(path: str) -> str:
    return TYPES.get(os.path.splitext(path)[1][1:].lower(), "application/octet-stream")


class Gzipped:
    """Compressed files, each compressed once, the least used forgotten when there are too many."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def body(self, file: File) -> bytes:
        with self._lock:
            if file.tag in self._bodies:
                self._bodies.move_to_end(file.tag)
                return self._bodies[file.tag]
            with open(file.path, "rb") as source:
                packer = zlib.compressobj(6, zlib.DEFLATED, 31)
                body = packer.compress(source.read()) + packer.flush()
            self._bodies[file.tag] = body
            self._size += len(body)
            while self._size > GZIPPED_BYTES:
                self._size -= len(self._bodies.popitem(last=False)[1])
            return body


class Kept:
    """Files with hashed names of versions that were here before."""

    def __init__(self, directory: str) -> None:
        self.files = Files(directory)

    def keep(self, root: str) -> None:
        """Copy what may have a hashed name below `root`, or note that it is still in use; forget what is too old."""
        for path in _below(root):
            if may_be_hashed(os.path.basename(path)):
                self._take(path, os.path.join(self.files.root, os.path.relpath(path, root)))
        self._prune()

    def _take(self, path: str, copy: str) -> None:
        try:
            if os.stat(copy).st_size == os.stat(path).st_size:
                os.utime(copy)
                return
        except FileNotFoundError:
            os.makedirs(os.path.dirname(copy), exist_ok=True)
        fresh = f"{copy}.{os.getpid()}.new"
        shutil.copyfile(path, fresh)
        os.rename(fresh, copy)

    def _prune(self) -> None:
        newest = sorted(((os.stat(path), path) for path in _below(self.files.root)), key=lambda each: -each[0].st_mtime)
        size = 0
        for number, (found, path) in enumerate(newest):
            size += found.st_size
            if time.time() - found.st_mtime > KEPT_SECONDS or number >= KEPT_FILES or size > KEPT_BYTES:
                os.unlink(path)


def _below(directory: str) -> Iterator[str]:
    """Every plain file, hidden ones left out; links are not followed."""
    for place, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in files:
            path = os.path.join(place, name)
            if not name.startswith(".") and not os.path.islink(path):
                yield path


# --- answers --------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """Status, headers, and as body some bytes or a part of a file."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    path: str = ""
    start: int = 0
    size: int = 0

    @property
    def length(self) -> int:
        return self.size if self.path else len(self.body)


def plain(status: int, text: str = "", **headers: str) -> Answer:
    body = (text or REASONS[status]).encode() + b"\n"
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", **fields}, body)


class Site:
    """What is answered to which request."""

    def __init__(self, root: str, *, index: str, spa: bool, kept: str | None) -> None:
        self.files = Files(root)
        self._kept = Kept(kept) if kept else None
        self._index, self._spa = [part for part in index.split("/") if part], spa
        self._gzipped = Gzipped()

    def keep_assets(self) -> None:
        """For pages that are loaded from us now and ask for their chunks when we are gone."""
        if self._kept:
            self._kept.keep(self.files.root)

    def answer(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return plain(405, allow="GET, HEAD")
        try:
            parts = segments(request.target)
        except Bad as bad:
            return plain(bad.status)
        file = self.files.find(parts)
        if file:
            return self._file(request, file, for_ever=is_hashed(parts[-1]))
        if self.files.is_directory(parts):
            return self._directory(request, parts)
        if self._kept and parts and may_be_hashed(parts[-1]) and (file := self._kept.files.find(parts)):
            return self._file(request, file, for_ever=is_hashed(parts[-1]))
        if parts == ["health"]:
            return plain(200, "ok")
        return self._missing(request, parts)

    def _directory(self, request: Request, parts: Sequence[str]) -> Answer:
        file = self.files.find([*parts, *self._index])
        if file is None:
            return self._missing(request, parts)
        path, question, query = request.target.partition("?")
        if parts and not path.endswith("/"):
            return plain(301, location="/" + "/".join(quote(part) for part in parts) + "/" + question + query)
        return self._file(request, file)

    def _missing(self, request: Request, parts: Sequence[str]) -> Answer:
        if not request.accepts("accept", "text/html"):
            return plain(404)
        is_route = not parts or "." not in parts[-1]
        if self._spa and is_route and (page := self.files.find(self._index)):
            return self._file(request, page)
        if page := self.files.find(["404.html"]):
            unconditional = request._replace(headers={"accept-encoding": request.headers.get("accept-encoding", "")})
            return self._file(unconditional, page)._replace(status=404)
        return plain(404)

    def _file(self, request: Request, file: File, *, for_ever: bool = False) -> Answer:
        is_text = file.media_type.startswith("text/") or file.media_type in TEXT
        modified = http_date(file.modified)
        headers = {
            "content-type": f"{file.media_type}; charset=utf-8" if is_text else file.media_type,
            "cache-control": "public, max-age=31536000, immutable" if for_ever else "no-cache",
            "last-modified": modified,
            "x-content-type-options": "nosniff",
        }
        packed = file.is_compressible and request.accepts("accept-encoding", "gzip") and "range" not in request.headers
        if file.is_compressible:
            headers["vary"] = "accept-encoding"
        headers["etag"] = f'"{file.tag}-gzip"' if packed else f'"{file.tag}"'
        if _is_known(request, file, modified):
            return Answer(304, headers)
        if packed:
            return Answer(200, {**headers, "content-encoding": "gzip"}, self._gzipped.body(file))
        headers["accept-ranges"] = "bytes"
        return _part(request, file, headers)


def _is_known(request: Request, file: File, modified: str) -> bool:
    """Whether the client has it already; its entity tags, if it sends any, decide alone."""
    if (tags := request.headers.get("if-none-match")) is not None:
        known = {tag.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for tag in tags.split(",")}
        return file.tag in known or "*" in known
    return request.headers.get("if-modified-since") == modified


def _part(request: Request, file: File, headers: Mapping[str, str]) -> Answer:
    """The file, or the one range of it that was asked for; several ranges get all of it."""
    whole = Answer(200, headers, path=file.path, size=file.size)
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if (
        not match
        or not any(match.groups())
        or request.headers.get("if-range", headers["etag"])
        not in (
            headers["etag"],
            headers["last-modified"],
        )
    ):
        return whole
    first, last = match.groups()
    start = int(first) if first else max(0, file.size - int(last))
    end = min(int(last), file.size - 1) if first and last else file.size - 1
    if first and last and int(last) < start:
        return whole
    if start > end:
        return plain(416, content_range=f"bytes */{file.size}")
    ranged = {**headers, "content-range": f"bytes {start}-{end}/{file.size}"}
    return Answer(206, ranged, path=file.path, start=start, size=end - start + 1)


def http_date(seconds: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))  # English: no locale was ever set


# --- connections ----------------------------------------------------------------------------------------------------


class Server:
    """Accepts connections and gives each a thread, until it is told to leave."""

    def __init__(self, site: Site, port: int) -> None:
        self._site = site
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._under_way = 0
        self._last = time.monotonic()
        self.draining = False

    def serve(self) -> None:
        """Returns when it was told to leave and nothing is under way any more."""
        self._listener.setblocking(False)
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while not (self.draining and self._is_idle()):
            if poll.poll(50 if self.draining else 500):
                self._accept()

    def _accept(self) -> None:
        if not self._room.acquire(timeout=0.5):
            return
        try:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()
        except (OSError, RuntimeError):  # it is gone again, or there are no descriptors or threads: others free some
            self._room.release()
            time.sleep(0.01)

    def _is_idle(self) -> bool:
        return self._under_way == 0 and time.monotonic() - self._last > QUIET_SECONDS

    def _count(self, change: int) -> None:
        with self._lock:
            self._under_way += change
            self._last = time.monotonic()

    def _connection(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            buffer = b""
            while True:
                head, buffer = _head(connection, buffer)
                if not head or not self._exchange(connection, head):
                    break
            _close_gently(connection)
        except (OSError, ValueError):
            pass  # the other side is gone
        finally:
            connection.close()
            self._room.release()

    def _exchange(self, connection: socket.socket, head: bytes) -> bool:
        """One answer; whether the connection lives on."""
        self._count(+1)
        try:
            try:
                request = parsed(head)
                answer = self._site.answer(request)
            except Bad as bad:
                request, answer = Request("GET", "", {}, keep_alive=False), plain(bad.status)
            keep = request.keep_alive and not self.draining
            connection.settimeout(SEND_SECONDS)
            _send(connection, answer, keep=keep, body=request.method != "HEAD")
            return keep
        finally:
            self._count(-1)


def _head(connection: socket.socket, buffer: bytes) -> tuple[bytes, bytes]:
    """The next request's lines, and what came after them; no lines when the other side has no more to ask."""
    give_up = time.monotonic() + (HEAD_SECONDS if buffer else IDLE_SECONDS)
    while b"\r\n\r\n" not in buffer:
        if len(buffer) > HEAD_BYTES:
            return b"", b""
        connection.settimeout(max(0.001, give_up - time.monotonic()))
        data = connection.recv(65536)
        if not data:
            return b"", b""
        if not buffer:
            give_up = time.monotonic() + HEAD_SECONDS
        buffer = (buffer + data).lstrip(b"\r\n") if not buffer else buffer + data
    head, _, rest = buffer.partition(b"\r\n\r\n")
    return head, rest


def _send(connection: socket.socket, answer: Answer, *, keep: bool, body: bool) -> None:
    fields = {"date": http_date(time.time()), **answer.headers}
    if answer.status != 304:
        fields["content-length"] = str(answer.length)
    if not keep:
        fields["connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\n{lines}\r\n".encode("latin-1")
    if not body or answer.status == 304 or not answer.path:
        connection.sendall(head + (answer.body if body and answer.status != 304 else b""))
        return
    with open(answer.path, "rb") as file:
        connection.sendall(head, socket.MSG_MORE if answer.size else 0)
        if answer.size and connection.sendfile(file, answer.start, answer.size) != answer.size:
            raise OSError("the file became shorter")


def _close_gently(connection: socket.socket) -> None:
    """Read a little of what was sent and not read, else the kernel would reset and the answer might be lost."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1)
    for _ in range(16):
        if not connection.recv(65536):
            break


def main(settings: str) -> None:
    wanted = json.loads(settings)
    data = os.environ.get("DATA_DIR")
    site = Site(
        wanted["root"],
        index=wanted.get("index", "index.html"),
        spa=wanted.get("spa", False),
        kept=os.path.join(data, "assets-kept") if data else None,
    )
    threading.stack_size(256 * 1024)
    server = Server(site, int(os.environ["PORT"]))

    def leave(*_: object) -> None:
        server.draining = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    threading.Thread(target=keep_assets, args=(site,), daemon=True).start()
    print(f"serving {site.files.root} on 127.0.0.1:{os.environ['PORT']}", flush=True)  # noqa: T201  # its log
    server.serve()
    os._exit(0)  # threads of idle connections need not be waited for


def keep_assets(site: Site) -> None:
    try:
        site.keep_assets()
    except OSError as error:
        print(f"hashed files are not kept for later: {error}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])

"""Programs that copy, move, fetch, unpack and make files: what they need, and what is there afterwards."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sophia_preflight.calls.model import (
    Caller,
    Needed,
    Program,
    Script,
    System,
)
from sophia_preflight.calls.operands import folders
from sophia_preflight.calls.options import Parted, part
from sophia_preflight.calls.running import Reader, Run
from sophia_preflight.text import UNKNOWN, Word, is_known, named

EDITED = "the file that is written anew"
"""The purpose of a file that a command reads, and whose place what it makes of it takes."""


OWNED = "what gets its owner or its rights"
"""The purpose of a path in an image that `chown` or `chmod` is told."""


def _chown(words: Sequence[Word], run: Run) -> None:
    operands = part(words[1:], named("--reference --from")).operands
    for word in operands[1:] if run.site.system is System.IMAGE else ():
        if word.known and not word.glob and re.fullmatch(r"/[\w./-]+", word.value):
            run.call(Needed(word, OWNED, mentioned=True), words)


def _chmod(words: Sequence[Word], run: Run) -> None:
    _chown(words, run)
    parted = part(words[1:])
    for word in parted.operands[1:]:
        if word.known and re.search(r"\.(sh|py|bash|pl|rb)$", word.value):
            run.call(Needed(word, "the script that is made executable"), words)


def _source(words: Sequence[Word], run: Run) -> None:
    if len(words) > 1:
        run.call(Script(words[1], "source", tuple(words[2:])), words)


def _copy(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-t --target-directory -S -m -o -g"))
    operands = parted.operands
    verb = {"cp": "copied", "mv": "moved", "install": "installed", **_linked(words, run)}.get(
        posixpath.basename(words[0].value)
    )
    if verb and len(operands) > 1 and not parted.has("-n", "--no-clobber", "-d", "--directory"):
        for needed in folders(operands[:-1]):
            run.call(needed, words)
        for word in operands[:-1]:
            placed = run.site.system is System.IMAGE and re.fullmatch(r"/[\w./-]*[\w-]", word.value)
            certain = placed or re.search(r"\.[a-z]{2,10}$|\.example$", word.value)
            if word.known and (certain or re.fullmatch(r"[\w./-]*\w", word.value)):
                run.call(Needed(word, f"the file that is {verb}", mentioned=not certain), words)
    if len(operands) > 1:
        destination = operands[-1]
        if _is_put_back(operands):
            return
        if verb == "moved" and (edited := _edited(operands, run)) is not None:
            run.call(Needed(replace(edited, assumed=True), EDITED), words)
            return
        names = [posixpath.basename(word.value.rstrip("/")) for word in operands[:-1]]
        if not destination.value.endswith("/") or not all(_is_plain_file(word) for word in operands[:-1]):
            run.produces(destination, tree=True, copied=posixpath.basename(destination.value) in names)
        for base in names:
            path = f"{destination.value.rstrip('/')}/{base}"
            run.produces(replace(destination, value=path), tree=True, copied=True)


def _edited(operands: Sequence[Word], run: Run) -> Word | None:
    """`jq … FILE > FILE.tmp && mv FILE.tmp FILE`: the word by which a command before was told to read the file."""
    source, target = operands[0].value, operands[-1].value
    if len(operands) != 2 or not source.startswith(target) or not operands[-1].known or run.site.system is System.IMAGE:
        return None
    for call in reversed(run.trace.calls):
        if call.site.path == run.site.path and call.site.directory == run.site.directory:
            told = call.target.arguments if isinstance(call.target, Program) else ()
            for word in told:
                if word.value == target:
                    return word
    return None


def _linked(words: Sequence[Word], run: Run) -> dict[str, str]:
    """A link in an image leads from one absolute path to another: what it leads to has to be there."""
    absolute = len(words) > 2 and all(word.value.startswith(("/", "-")) for word in words[1:])
    return {"ln": "linked"} if run.site.system is System.IMAGE and absolute else {}


_WRITTEN = re.compile(r"\w\.(in|sql|ya?ml|json|conf|cfg|ini|toml|xml|sh|py|tpl|tmpl|template|j2|service)$")


def _reads(words: Sequence[Word], run: Run) -> None:
    """`sed` and `cat`: files that people write, and that they read."""
    parted = part(words[1:], named("-e --expression -f --file -n -l"))
    operands = parted.operands
    if posixpath.basename(words[0].value) == "sed" and not parted.has("-e", "--expression", "-f", "--file"):
        operands = operands[1:]
    for word in operands:
        if word.known and _WRITTEN.search(word.value):
            run.call(Needed(word, "the file that is read"), words)
    run.call(Program(words[0], tuple(words[1:])), words)


def _is_put_back(operands: Sequence[Word]) -> bool:
    """`mv FILE.bak FILE`: what was there before."""
    source, target = operands[0].value, operands[-1].value
    return source.startswith(target) and source[len(target) :] in (".bak", ".orig", ".old", ".backup", ".save", "~")


def _is_plain_file(word: Word) -> bool:
    return word.known and not word.glob and re.search(r"\w\.[a-z]{2,10}$", word.value) is not None


def _unpack(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C --directory -f --file -d --strip-components"))
    program = posixpath.basename(words[0].value)
    packs = program == "tar" and (parted.has("-c", "--create") or (len(words) > 1 and words[1].value[:1] == "c"))
    if packs:
        for word in parted.all("-f", "--file"):
            run.produces(word)
        return
    into = parted.first("-C", "--directory") if program == "tar" else parted.first("-d")
    members = _members(words, parted) if program == "tar" else []
    for word in members:
        run.produces(replace(word, value=posixpath.join(into.value if into else ".", word.value)), tree=True)
    if members:
        return
    run.produces(into or Word("."), tree=True)


def _members(words: Sequence[Word], parted: Parted) -> list[Word]:
    """The files of an archive that tar is told to unpack, where it is told: `tar xz shop`, `tar -xzf shop.tgz shop`."""
    bundle = words[1].value if len(words) > 1 else ""
    rest = parted.operands if bundle.startswith("-") else parted.operands[1:]
    if re.fullmatch(r"-?\w*x\w*", bundle) is None or any(
        each.startswith("--") for each in (*parted.flags, *parted.options) if each not in ("--file", "--directory")
    ):
        return []
    named = "f" in bundle and not parted.has("-f", "--file")
    members = rest[1:] if named else rest
    return members if all(word.known and re.fullmatch(r"[\w./-]*\w", word.value) for word in members) else []


def _download(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named("-o --output -O -P --directory-prefix -H -d -X -u --data --header -T"),
    )
    run.call(Program(words[0], tuple(words[1:])), words)
    wget = posixpath.basename(words[0].value) == "wget"
    for word in parted.all("-o", "--output", "-O") if wget else parted.all("-o", "--output"):
        run.produces(word)
        if "." in (name := word.value.partition(UNKNOWN)[0]) and name != word.value:
            run.produces(replace(word, value=name))  # what is put together may be several words
    for word in [*parted.operands, *(parted.all("-O") if not wget else [])]:
        name = posixpath.basename(word.value.partition("?")[0])
        if name and (wget or parted.has("-O", "--remote-name") or parted.all("-O")):
            run.produces(replace(word, value=name))


def _git(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], named("-C -c -b --branch --depth -o --reference"))
    operands = parted.operands
    if operands and operands[0].value == "clone" and len(operands) > 1:
        name = posixpath.basename(operands[1].value).removesuffix(".git")
        run.produces(operands[2] if len(operands) > 2 else replace(operands[1], value=name), tree=True)
        if len(operands) == 2 and not is_known(name) and run.site.caller in (Caller.PYTHON, Caller.SHELL):
            run.produces(replace(operands[1], value="."), tree=True)
    elif operands and operands[0].value == "worktree" and len(operands) > 2:
        run.produces(operands[2], tree=True)


def _above(path: str) -> Iterator[str]:
    """The directories that `mkdir -p` makes on the way, as far as they are known."""
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        above = "/".join(parts[:end])
        if is_known(above) and re.search(r"\w", parts[end - 1]):
            yield above


def _makes(words: Sequence[Word], run: Run) -> None:
    tree = posixpath.basename(words[0].value) == "mkdir"
    parted = part(words[1:], frozenset(("-m", "--mode", "-d", "-t", "-r")))
    for word in parted.operands:
        run.produces(word, tree=tree, empty=tree)
        if tree and parted.has("-p", "--parents"):
            for above in _above(word.value):
                run.produces(replace(word, value=above), empty=True)


READERS: dict[str, Reader] = {
    **dict.fromkeys(("sed", "cat"), _reads),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("cp", "mv", "ln", "install"), _copy),
    **dict.fromkeys(("tar", "unzip", "bsdtar"), _unpack),
    **dict.fromkeys(("curl", "wget"), _download),
    **dict.fromkeys(("mkdir", "touch", "tee", "mktemp"), _makes),
    "chmod": _chmod,
    "chown": _chown,
    "git": _git,
}

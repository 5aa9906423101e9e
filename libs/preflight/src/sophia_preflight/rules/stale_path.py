"""A file that the last commits moved or deleted, and that something still asks for by its old name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause
from sophia_preflight.mentions import Mention, lists_files
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.modules import place_of
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named

RULE = Rule(
    id="stale-path",
    title="a file that was moved or deleted is still asked for by its old name",
    severity=Severity.HIGH,
    why="whoever asks for the file does not find it any more",
    fix="use the new name, or remove the use",
    family="targets",
    resort=1,
)
_GENERAL = named(
    "main app index setup config settings utils util test tests run build deploy start install init server client cli "
    "__init__ __main__ README LICENSE Dockerfile Makefile Cargo package pyproject requirements compose docker-compose "
    "values Chart action conftest common helpers types constants version models base data schema env"
)
"""Names, without their endings, that many files have: of these the directory has to be told, too."""
_PART = re.compile(r"[\w.@%+-]+")
_HEAD = re.compile(r"[\w.@%+~$(){}\[\]/<>:-]*$")
_UNKNOWN = re.compile(r".*(?:\$\w+|[$(){}\[\]<>~%:@])")
"""What of a path nobody can tell here; what follows it is told."""


_MANY = 4
"""So many files of one folder, that files of one folder ask for, went for one reason."""


def check(context: Context) -> Iterable[Finding]:
    changes = context.changes
    files, directories = changes.gone, changes.gone_directories
    by_name: dict[str, list[str]] = {}
    for path in (*files, *directories):
        by_name.setdefault(posixpath.basename(path), []).append(path)
        if "/" in path and posixpath.basename(path).partition(".")[0] in _GENERAL:
            by_name.setdefault("/".join(path.split("/")[-2:]), []).append(path)  # of which not so many files speak
    for path in files:
        if path.endswith(".py") and (module := _module(path)):
            by_name.setdefault(module, []).append(path)
    mentions = context.mentions.of([each for each in by_name if len(each) > 3])
    asked: dict[str, dict[tuple[str, int], Mention]] = {}
    for name, uses in mentions.items():
        if not all(map(changes.is_old, uses)):
            continue
        for path in by_name[name]:
            if any(use.made and not _is_beside_another(use, path) for use in uses):
                continue  # somebody sees to it that there is something of that name
            asking = {(use.path, use.line): use for use in uses if _asks(context, use, path)}
            if asking:
                asked.setdefault(_moved_as_a_whole(context, path), {}).update(asking)
    told = [
        ((posixpath.dirname(path), posixpath.dirname(found.place.path)), found)
        for path, uses in asked.items()
        for found in [_of_path(context, path, list(uses.values()))]
    ]
    yield from by_cause(told, "and so are {} more of its folder that others beside ask for", least=_MANY)


def _moved_as_a_whole(context: Context, path: str) -> str:
    """The outermost folder that went to one place with all that is in it, a file or folder among that; or itself."""
    moved = context.changes.moved_directories
    around = [path[:at] for at, char in enumerate(path) if char == "/"]
    return next((each for each in around if each in moved), path)


def _of_path(context: Context, path: str, uses: list[Mention]) -> Finding:
    new = context.changes.gone.get(path, "") or context.changes.moved_directories.get(path, "")
    weighed = sorted(
        ((_weight(use, new), use) for use in uses), key=lambda each: (each[0][0].rank, each[1].path, each[1].line)
    )
    severity, blocks = weighed[0][0]
    return RULE.found(
        f"`{path}` is asked for here and is gone since {context.changes.since}"
        + (f": it became `{new}`" if new else ""),
        *(Involved(Place(use.path, use.line, use.column), "call") for _, use in weighed),
        *([Involved(Place(new), "callee")] if new and context.repository.is_file(new) else []),
        anchor=path,
        severity=severity,
        confidence=Confidence.LIKELY,
        fix=f"write `{new}`" if new else RULE.fix,
        blocks=blocks,
    )


def _weight(use: Mention, new: str) -> tuple[Severity, str]:
    severity, blocks = consequence(use.site)
    sure = new or standing(use.path) is Standing.PRODUCT
    return (severity if sure else severity.at_most(Severity.MEDIUM)), blocks


def _module(path: str) -> str:
    """The end of a module's name, which nothing else is called by: itself and the package that it is in."""
    parts = _program(path).split("/")
    return ".".join(parts[-2:]) if len(parts) > 1 and all(map(str.isidentifier, parts[-2:])) else ""


def _program(path: str) -> str:
    """Where the module lies that runs or imports a file."""
    return place_of(path).removesuffix("/__main__")


def _asks(context: Context, use: Mention, path: str) -> bool:
    """Whether a use of a file's name means the file of that path, and needs it."""
    if use.optional or lists_files(use.lines[0]):
        return False
    if use.name == _module(path) and use.name != posixpath.basename(path):
        return _names_module(context, use, path)
    head = _HEAD.search(use.text[: use.column - 1])
    said = (head[0] if head else "") + use.name
    if use.text[: use.column - 1].removesuffix(head[0] if head else "").endswith(("*", "?")):
        return False  # one of many, of which others are left
    unsure = _UNKNOWN.match(said)
    told = said[unsure.end() :] if unsure else said
    absolute = bool(unsure) or told.startswith("/")
    told = told.lstrip("/")
    if "://" in use.text[: use.column] and re.search(r"https?://\S*$", use.text[: use.column - 1]):
        return False
    here = posixpath.dirname(use.path)
    exact = not absolute and path in (posixpath.normpath(told), posixpath.normpath(posixpath.join(here, told)))
    parts, old = [each for each in told.split("/") if each not in (".", "..")], path.split("/")
    same = next((n for n, (a, b) in enumerate(zip(reversed(parts), reversed(old), strict=False)) if a != b), None)
    same = min(len(parts), len(old)) if same is None else same
    is_directory = path in context.changes.gone_directories
    followed = use.after.startswith("/")
    if is_directory:
        if not exact and any(f"/{each}".endswith(f"/{told}") for each in context.repository.directories):
            return False  # what it is told below went with it
        as_path = followed or said.startswith("./") or re.match(r"[\"']/\*", use.after) is not None
        beside = exact or (unsure is not None and len(parts) == 1 and posixpath.dirname(path) == here)
        return same > 1 or (beside and as_path and len(use.name) > 3)
    name = posixpath.basename(use.name)
    others = context.repository.by_name.get(name, [])
    general = name.split(".")[0] in _GENERAL or "." not in name.strip(".")
    if len(parts) == 1 and not exact and standing(use.path) is Standing.TEST:
        return False  # tests write files of their own
    beside = not absolute and path == posixpath.normpath(posixpath.join(here, told))
    if beside and not context.repository.is_file(posixpath.normpath(told)):
        return True
    if others or general:
        tail = "/".join(old[-same:]) if same else ""
        free = not context.repository.ending_with(tail) if tail else False
        return free and (same > 1 or exact) and (exact or same == len(parts))
    return exact or same == len(parts) or (absolute and same >= 1)


def _is_beside_another(use: Mention, path: str) -> bool:
    """Whether a use names a folder that what it means lies in, and the path lies in another."""
    head = re.search(r"([\w.-]*)/$", use.text[: use.column - 1])
    return head is not None and head[1].strip(".") != "" and head[1] != posixpath.basename(posixpath.dirname(path))


def _names_module(context: Context, use: Mention, path: str) -> bool:
    """Whether the dotted name around a use is that of the module that a file was."""
    before = re.search(r"[\w.]*$", use.text[: use.column - 1])
    whole = (before[0] if before else "") + use.name
    file = whole.replace(".", "/")
    if "/" in file and _is_in_an_image(context, posixpath.dirname(file)):
        return False  # an image has a folder of that name
    there = context.repository.ending_with(f"{file}.py") or context.repository.ending_with(f"{file}/__init__.py")
    return f"/{_program(path)}".endswith(f"/{file}") and not there


def _is_in_an_image(context: Context, folder: str) -> bool:
    """Whether a Dockerfile puts something into a folder of that path, or below it."""
    put = re.compile(rf"^\s*(?:COPY|ADD)\s.*[\s/]{re.escape(folder)}(?:/|[\"\]\s]|$)", re.MULTILINE | re.IGNORECASE)
    return any(put.search(context.repository.glimpse(path)) for path in context.dockerfiles)


_WORDS = """
    {file}
    === tools/word_count.py
    import sys
    print(len(sys.stdin.read().split()))
    === tools/words.py (before)
    import sys
    print(len(sys.stdin.read().split()))
"""
BAD = [
    tree("""
        === config/tools.toml
        [tools.words]
        start = ["{root}/bin/words", "tools/words.py"]
        === tools/word_count.py
        import sys
        print(len(sys.stdin.read().split()))
        === tools/words.py (before)
        import sys
        print(len(sys.stdin.read().split()))
    """),
    tree(_WORDS.format(file='=== tools/run.toml\n    start = "words.py"')),
    tree(_WORDS.format(file='=== words.toml\n    start = ["%h/shop/tools/words.py"]')),
    tree(_WORDS.format(file='=== lib/start.js\n    run(`${root}/tools/words.py`, "--all")')),
    tree(_WORDS.format(file='=== jobs.toml\n    job = ["tools.words"]')),
    tree("""
        === jobs.conf
        job docker/base/start
        === docker/spark/start.txt
        echo
        === docker/base/start.txt (before)
        echo
    """),
]
GOOD = [
    tree(_WORDS.format(file='=== lib/start.js\n    say("the file words.py is no more")\n    // words.py')),
    tree(_WORDS.format(file='=== run.toml\n    start = "other/words.py"')),
    tree(_WORDS.format(file="=== make.conf\n    cp tools/word_count.py bin/words.py\n    start bin/words.py")),
    tree(_WORDS.format(file="=== get.conf\n    fetch https://example.com/tools/words.py")),
    tree(_WORDS.format(file="=== make.conf\n    rm -f tools/words.py\n    start --output words.py")),
    tree(_WORDS.format(file='=== .gitignore\n    tools/words.py\n    === run.toml\n    start = "tools/words.py"')),
    tree("""
        === config/tools.toml
        # tools/words.py was here
        start = ["tools/word_count.py"]
        ignore = ["tools/words.py"]
        === CHANGELOG.md
        `tools/words.py` is `tools/word_count.py` now.
        === tools/word_count.py
        import sys
        print(len(sys.stdin.read().split()))
        === tools/words.py (before)
        import sys
        print(len(sys.stdin.read().split()))
    """),
    tree(_WORDS.format(file='=== tests/test_start.py\n    (tmp_path / "words.py").write_text("")')),
    tree(_WORDS.format(file="=== docs/migration-guide/v1-v2.md\n    ```sh\n    python tools/words.py\n    ```")),
    tree("""
        === client.conf
        get /_next/static/chunks/app.js
        === server/ui/_next/static/chunks/app.js
        x
        === ui/_next/static/chunks/app.js (before)
        x
    """),
    tree("""
        === Dockerfile
        FROM example.org/base:1
        COPY jobs/count.py /app/tools/words.py
        CMD ["python", "-m", "tools.words"]
        === jobs/count.py
        print(1)
        === tools/word_count.py
        print(2)
        === tools/words.py (before)
        print(2)
    """),
    tree(_WORDS.format(file='=== lib/start.py\n    module = sys.modules.get("tools.words")')),
]

"""An option, command or choice that the last commits took from a program, and that a caller still gives it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import takewhile

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.defining import SOURCE, Defined, Lost, defined, lost
from sophia_preflight.mentions import Mention
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named

RULE = Rule(
    id="stale-argument",
    title="a program is given an option or a command that it had, and has no more",
    severity=Severity.HIGH,
    why="the program ends with a usage error, or goes on without what the argument was for",
    fix="give it what it takes now",
    family="arguments",
    resort=1,
)
_PLAIN = named(
    "src cmd cli internal pkg lib libs app apps bin scripts script tools main index api core server client utils "
    "common commands command management packages services run test tests python go rust js ts"
)
"""Names of directories and files that say nothing of a program."""
_WORD = re.compile(r"[^\s\"',\[\]()`]+")
_END = re.compile(r"\s[|;&]{1,2}\s|[;|]\s|\$\(|(?<!\\)\n\s*(?:-\s*)?(?:name|run|uses):")
_FILE = re.compile(r"(?<![\w-])[\w./-]+\.(?:py|sh|bash|[cm]?[jt]s|rb)(?![\w-])")
_LOGGED = re.compile(
    r"\s*(STEP \d|Step \d+/\d+|#\d+ |\[\d+/\d+\]|--->|===>|\+ \S|Running command|COMMIT |\d{4}-\d\d-\d\d[T ]\d\d:|"
    r"Successfully |Collecting |\[?(INFO|DEBUG|WARN(ING)?|ERROR)\b)"
)
"""How what programs print begins."""
_PROGRAM = {
    "go.mod": re.compile(r"^module\s+(\S+?)(?:/v\d+)?\s*$", re.MULTILINE),
    "Cargo.toml": re.compile(r"^name\s*=\s*\"([\w-]+)\"", re.MULTILINE),
    "package.json": re.compile(r"\"name\"\s*:\s*\"([\w@/.-]+)\""),
}
_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "go.mod", "Cargo.toml", "package.json")


@dataclass(frozen=True)
class _Source:
    """A source that no longer defines something, with the names that its program goes by."""

    path: str
    lost: tuple[Lost, ...]
    past: tuple[Defined, ...]
    """What each text that it had defined."""
    now: Defined
    pattern: re.Pattern[str]


def check(context: Context) -> Iterable[Finding]:
    by_word: dict[str, list[tuple[_Source, Lost]]] = {}
    for source in _sources(context):
        for each in source.lost:
            for word in _spelt(each):
                by_word.setdefault(word, []).append((source, each))
    told: set[tuple[str, int, int]] = set()
    options = [word for word in by_word if word.startswith("-")]
    uses = context.mentions.of(options, most=None)
    uses |= context.mentions.of([word for word in by_word if word[0] != "-"], most=None, in_sources=False)
    for word, each_use in uses.items():
        for use in each_use:
            if (use.path, use.line, use.column) in told or not context.changes.is_old(use):
                continue
            found = (_of_use(context, use, source, each) for source, each in by_word[word])
            if finding := next(filter(None, found), None):
                told.add((use.path, use.line, use.column))
                yield finding


def _spelt(each: Lost) -> tuple[str, ...]:
    """How a name is given to a program."""
    if not each.option:
        return (each.name,)
    return (f"--{each.name}", f"-{each.name}") if len(each.name) > 1 else (f"-{each.name}",)


def _of_use(context: Context, use: Mention, source: _Source, each: Lost) -> Finding | None:
    name = each.name
    now = context.changes.gone.get(source.path) or source.path
    if use.path in (source.path, now) or _defines_its_own(use, name):
        return None
    said = _said_to(use, source)
    if said is None and _is_plain(each) and _is_named_beside(context, use, source):
        said = ""
    if said is not None and _is_told_to_another(context, use, source, name):
        return None
    if said is None or not re.match(r"$|[\s\"',=\])`:;]", use.after):
        return None
    option = use.name.startswith("-")
    words = _WORD.findall(said)
    before = words[-1] if words else ""
    kind = "option" if option else "choice" if before.startswith("-") or said.endswith("=") else "command"
    commands = [each for each in words if re.fullmatch(r"[A-Za-z][\w-]*", each)]
    if kind == "command" and (commands[3:] or (words and not any(name in then.commands for then in source.past))):
        return None  # what comes after another word is a command only if the source calls it one
    if each.commands and not each.commands & {one.replace("_", "-") for one in commands}:
        return None
    if each.commands and any(
        _is_for(context, path, source, commands) for path in _definers(context, source, name, option)
    ):
        return None
    if not each.commands and any(
        not _is_of_another(context, source, path, commands) for path in _definers(context, source, name, option)
    ):
        return None
    severity, blocks = consequence(use.site)
    near = get_close_matches(name, sorted(source.now.options if option else source.now.words), n=1)
    return RULE.found(
        f"`{now}` no longer has the {kind} `{use.name}`, which it had before {context.changes.since}",
        Involved(Place(use.path, use.line, use.column), "call"),
        Involved(Place(now), "callee"),
        anchor=f"{use.name} of {now}",
        severity=severity,
        confidence=Confidence.LIKELY,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


def _defines_its_own(use: Mention, name: str) -> bool:
    """Whether a use gives a program of its own the option: `parser.add_argument("--shelf")`."""
    return SOURCE.search(use.path) is not None and name in defined(use.path, use.text).options


def _is_told_to_another(context: Context, use: Mention, source: _Source, name: str) -> bool:
    """Whether the command names a file of ours that defines the argument; or a page only shows what was printed."""
    for word in _FILE.findall(use.before):
        for path in context.repository.ending_with(re.sub(r"^(\.{0,2}/)+", "", word)):
            there = _defined(context, path)
            if path != source.path and name in there.options | there.words:
                return True
    return use.page and _is_printed(context.mentions.lines(use.path), use.line)


def _is_printed(lines: Sequence[str], line: int) -> bool:
    """Whether a line of a page is of a log: one of those around it, up to an empty one, is what only a program says."""
    above = takewhile(str.strip, reversed(lines[: line - 1]))
    below = takewhile(str.strip, lines[line - 1 :])
    return any(_LOGGED.match(each) for each in (*above, *below))


def _is_plain(each: Lost) -> bool:
    """Whether a name is that of one option, wherever it stands."""
    return each.option and not each.commands and len(each.name) > 6 and re.search(r"[-_]", each.name) is not None


def _is_named_beside(context: Context, use: Mention, source: _Source) -> bool:
    """Whether the file that speaks of an option starts the program elsewhere: it keeps what it gives it."""
    started = re.search(rf"^\s*(?:- )?[\"']?{re.escape(use.name)}\b|[=(\[]\s*[\"']? *{re.escape(use.name)}\b", use.text)
    return bool(started) and source.pattern.search(context.mentions.text(use.path)) is not None


def _said_to(use: Mention, source: _Source) -> str | None:
    """What the command says between the program and a use; None where another program is started, or none of ours."""
    before = use.before
    at = [match.end() for match in source.pattern.finditer(before)]
    if not at:
        return None
    said = before[at[-1] :]
    return None if _END.search(said) or not re.match(r"$|[\s\"',:\])@}]", said) else said


def _definers(context: Context, source: _Source, name: str, option: bool) -> Iterator[str]:
    """Other sources of the project that define what one lost."""
    ending = posixpath.splitext(source.path)[1]
    for path in context.repository.inside(_project(context, source.path)):
        if (
            path != source.path
            and path.endswith(ending)
            and _is_source(context, path)
            and standing(path) is Standing.PRODUCT
        ):
            there = _defined(context, path)
            if name in (there.options if option else there.words):
                yield path


def _is_of_another(context: Context, source: _Source, path: str, commands: list[str]) -> bool:
    """Whether a source is of another command than the one that is called, which is of the source that changed."""
    if path in context.changes.past.texts or path not in context.changes.past.paths:
        return False  # it may have gone there
    ours = [
        each for each in commands for then in source.past if each in then.words or _is_about(source.path, then, each)
    ]
    return bool(ours) and not any(_is_about(path, _defined(context, path), each) for each in ours)


def _is_for(context: Context, path: str, source: _Source, commands: list[str]) -> bool:
    """Whether a command that is called is of another source, and of the one that changed it is not."""
    there = _defined(context, path)
    return any(
        _is_about(path, there, each) and not any(_is_about(source.path, then, each) for then in source.past)
        for each in commands
    )


def _is_about(path: str, there: Defined, command: str) -> bool:
    name = command.replace("_", "-")
    stem = posixpath.basename(path).partition(".")[0].replace("_", "-")
    return name in there.commands or name in stem.split("-") or name in (stem, *path.split("/")[:-1])


def _defined(context: Context, path: str) -> Defined:
    known = context.defined_by
    if path not in known:
        known[path] = defined(path, context.repository.glimpse(path))
    return known[path]


def _sources(context: Context) -> Iterator[_Source]:
    for path, (before, now) in context.changes.changed.items():
        lives = standing(path) in (Standing.PRODUCT, Standing.EXAMPLE) or "pytest_addoption" in now
        if not _is_source(context, path) or not lives:
            continue
        if found := tuple(dict.fromkeys(each for text in before for each in lost(path, text, now))):
            past = tuple(defined(path, text) for text in before)
            yield _Source(path, found, past, defined(path, now), _pattern(_names(context, path)))


def _is_source(context: Context, path: str) -> bool:
    if SOURCE.search(path):
        return True
    return "." not in posixpath.basename(path) and context.repository.glimpse(path)[:2] == "#!"


def _project(context: Context, path: str) -> str:
    """The directory of the project that a source belongs to."""
    directory = posixpath.dirname(path)
    while not any(context.repository.is_file(posixpath.join(directory, each)) for each in _MANIFESTS):
        if not directory:
            return posixpath.dirname(path)
        directory = posixpath.dirname(directory)
    return directory or "."


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(set(names))))})(?![\w-])")


def _names(context: Context, path: str) -> Iterator[str]:
    """How callers name the program of a source: its file, its module, commands of its package, its directory."""
    name = posixpath.basename(path)
    stem = name.partition(".")[0]
    if stem not in _PLAIN and not stem.startswith("__"):
        yield name
    if "/management/commands/" in path:
        yield stem
    if "pytest_addoption" in context.repository.glimpse(path):
        yield "pytest"
    directories = path.split("/")[:-1]
    if path.endswith(".py"):
        if stem not in _PLAIN and not stem.startswith("__"):
            yield ".".join((*directories[-1:], stem))
        for project in context.modules.projects.by_directory.values():
            for point in project.entry_points:
                top = point.value.strip().partition(":")[0].split(".")[0]
                if point.is_command and (top in directories or (project.directory or ".") == _project(context, path)):
                    yield point.name
    yield from _projects_name(context, path)
    for part in directories:
        if part not in _PLAIN and not part.startswith("."):
            yield part
            yield part.replace("_", "-")


_SHOP = """
    === Makefile
    sync:
    \tshop sync {given}
    === shop/commands.py
    OPTIONS = {{"sync": ["--row"]}}
    === shop/commands.py (before)
    OPTIONS = {{"sync": ["--shelf"]}}
"""


def _projects_name(context: Context, path: str) -> Iterator[str]:
    """What a project of Go, Rust or for Node calls its program, by default."""
    directory = _project(context, path)
    for manifest, said in _PROGRAM.items():
        if match := said.search(context.repository.glimpse(posixpath.join(directory, manifest))):
            yield match[1].rpartition("/")[2]


BAD = [
    tree(_SHOP.format(given="--shelf 3")),
    tree(_SHOP.format(given="--all \\\n    \t  --shelf=3")),
    tree("""
        === compose.yaml
        services:
          shop:
            image: example/shop-tool
            command:
              - sync
              - --shelf-name
              - music
        === shop_tool/serve.go
        package main
        var names = []string{"row-name"}
        === shop_tool/serve.go (before)
        package main
        var names = []string{"shelf-name"}
    """),
    tree("""
        === deploy.sh
        ARGUMENTS+=" --shelf-name $SHELF"
        shop-tool $ARGUMENTS
        === shop_tool/cli.rb
        option "--row-name"
        === shop_tool/cli.rb (before)
        option "--shelf-name"
    """),
    tree("""
        === docs/use.md
        ```sh
        shoptool put --name x
        ```
        === shoptool/cli.rb
        command("get") { option "--name" }
        command("put") { option "--title" }
        === shoptool/cli.rb (before)
        command("get") { option "--name" }
        command("put") { option "--name" }
    """),
    tree("""
        === ci.sh
        shoptool --mode quick
        shoptool restock now
        === shoptool/cli.rb
        modes = ["fast", "slow"]
        commands = ["refill"]
        === shoptool/cli.rb (before)
        modes = ["quick", "slow"]
        commands = ["restock"]
    """),
    tree("""
        === README.md
        ```sh
        shop sync --shelf=3
        ```
        === shop/commands.py
        OPTIONS = {"sync": ["--row"]}
        === shop/commands.py (before)
        OPTIONS = {"sync": ["--shelf"]}
    """),
]
GOOD = [
    tree(_SHOP.format(given="--row 3") + "    # ./bin/shop sync --shelf 3\n"),
    tree(_SHOP.format(given="&& other --shelf 3")),
    tree(_SHOP.format(given="| other --shelf 3")),
    tree("""
        === ci.sh
        echo "shoptool --shelf is gone"
        shelves --shelf 3
        === CHANGELOG.md
        ```sh
        shoptool --shelf 3
        ```
        === shoptool/cli.rb
        option "--row"
        === shoptool/cli.rb (before)
        option "--shelf"
    """),
    tree("""
        === README.md
        ```sh
        shop sync --shelf=3
        ```
        === shop/commands.py
        OPTIONS = {"sync": ["--row"]}
        === shop/shelves.py
        OPTIONS = add_parser("sync", ["--shelf"])
        === shop/commands.py (before)
        OPTIONS = {"sync": ["--shelf"]}
    """),
    tree("""
        === install.sh
        info_green "shop keeps the old working name"
        === PKG-INFO
        shop working
        === shop/commands.py
        commands = ["refill"]
        === shop/commands.py (before)
        commands = ["working"]
    """),
    tree("""
        === docs/use.md
        ```sh
        $ celery shop --columns='name,args'
        ```
        === shop/static/shop.js
        $.ajax("command", {tasks: "name"});
        === shop/static/shop.js (before)
        $.ajax("command", {args: "args"});
    """),
    tree("""
        === run.sh
        python shop/training/train.py --run-name x
        === shop/training/train.py
        parser.add_argument("--run-name")
        === shop/training/settings.py
        parser.add_argument("--name")
        === shop/training/settings.py (before)
        parser.add_argument("--run-name")
    """),
    tree("""
        === docs/use.md
        ```sh
        shop till show --shelf 3
        shop secrets set KEY value
        ```
        === shop/boxes.py
        @app.command("show")
        def show(): pass
        keys = {"command": "x"}
        === shop/till.py
        @app.command("show")
        @option("--shelf")
        def show(shelf): pass
        === shop/boxes.py (before)
        @app.command("show")
        @option("--shelf")
        def show(shelf): pass
        @app.command("list")
        @option("--shelf")
        def list(shelf): pass
        keys = {"command": "value"}
    """),
    tree("""
        === docs/use.md
        ```
        $ shoptool build
        Running command:
          shoptool pack --shelf 3
        ```
        === shoptool/cli.rb
        option "--row"
        === shoptool/cli.rb (before)
        option "--shelf"
    """),
]

"""Commands that pages tell people to type: blocks of code in READMEs and guides.

Only what surely is meant to be typed is taken: text of a block that says it is a shell's, lines after a prompt, and
blocks without a language in which every line begins like a command. Placeholders are unknown; output, usage lines and
blocks that are told as wrong or past are left out. A page does not say where it is read: its directory is `CWD`, and
where an earlier block left its reader somewhere, that is noted beside it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sophia_preflight.calls.model import Call, Caller, Module, Program, Script, Site, Started, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.calls.starting import agents_trace
from sophia_preflight.readers import pages
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, PAD, UNKNOWN, plain

_FRONT = re.compile(r"(README|CONTRIBUTING)[^/]*\.(mdx?|markdown|rst|adoc|asciidoc)", re.IGNORECASE)
_NAMED = re.compile(
    r"(DEVELOP|HACKING|INSTALL|DEPLOY|RUNBOOK|GETTING|QUICK|SETUP|TESTING|OPERATI|RELEASING|USAGE|AGENTS|CLAUDE)[^/]*"
    r"\.(mdx?|markdown|rst|adoc|asciidoc)"
)
_LOUD = re.compile(
    r"(?!.*(TODO|PLAN|DESIGN|MODERNI|AUDIT|REVIEW|SUMMARY|ANALYSIS|STATUS|SPEC|NOTES|PROPOSAL|PROMPT|TASK|IDEA|RFC|DRAFT|HISTORY))[A-Z][A-Z0-9_-]{3,}\.(mdx?|markdown|rst|adoc|asciidoc)"
)
"""Pages that speak for the directory that they lie in, whatever they are about."""
_PAGES = re.compile(
    r"(^|/)(docs?([_-]?(src|source|site))?|documentation|guides?|runbooks?|handbook|wiki|manuals?|tutorials?|how-?tos?"
    r"|cookbook)/.*\.(mdx?|markdown|rst|adoc|asciidoc)$",
    re.IGNORECASE,
)
_OF_THE_FORGE = re.compile(r"\.github/(?!(CONTRIBUTING|copilot-instructions)\.md$)")
"""What a forge shows by itself, apart from how one works on the repository."""
_FOR_AGENTS = re.compile(
    r"(^|/)\.(claude|agents|cursor|codex|opencode|gemini|windsurf)/.*\.mdc?$|^\.github/copilot-instructions\.md$"
)
"""What agents are told to do in this repository."""
_INSTRUCTING = re.compile(r"(^|/)\.\w+/(agents|commands|skills|rules)/(?!.*\b(archived?|deprecated|legacy)\b)")
"""Pages of agents that say what is done, be it about releases, plans or decisions."""
_PAST = re.compile(
    r"(^|/)[^/]*(decision|adrs?/|rfcs?/|\b(specs|keps?|ceps?|cips?)/|proposal|archive|change-?log|release|blog|news|history|post-?mortem|"
    r"deprecat|legacy|plans?/|roadmap|upgrad|whats-?new)"
    r"|(^|/)[^/]*migrat[^/]*(/v?\d+([._-]\d+)*\.\w+|[_ -]?(log|notes?|summary|status)\.\w+"
    r"|[_ -](to|from)?[_ -]?v\d[^/]*)$",
    re.IGNORECASE,
)
_MIGRATION = re.compile(r"(^|/)[^/]*migrat", re.IGNORECASE)
"""How data is moved, or users are: that is done now, though what there was before is told beside it."""
_SHELLS = frozenset({"bash", "sh", "shell", "zsh", "shellscript", "ksh"})
_SESSIONS = frozenset({"console", "shell-session", "shellsession", "terminal", "sh-session", "bash-session"})
_DATA = frozenset({"json", "jsonc", "json5"})
_PLAIN = frozenset({"", "text", "txt", "plaintext"})
_PROMPT = re.compile(r"^\s*(\([\w.-]+\)\s*)?[$%❯➜]\s+(?=\S)")
_OTHER_PROMPT = re.compile(r"\s*(\d+>|>>>|In \[\d+\]:|(irb|iex|sqlite|mysql|\w+=)[^\s>]*[>#])\s")
"""The prompt of another program: what follows a `%` there may be its comment."""
_COMMAND = re.compile(
    r"\s*(#|$|((sudo|uv run|poetry run|pipenv run|npx)\s+)?(cd|make(?! (?:sure|it|an?|the|your|any|use)\b)|npm|yarn|"
    r"pnpm|python3?|pip3?|bash|sh|docker|git|docker-compose|uvicorn|gunicorn|pytest|node|cp|mkdir|source|chmod|kubectl|"
    r"helm|terraform|\.{1,2}/[\w./-]+)(\s|$))"
)
_BARE = re.compile(
    r"\s*(make|npm run|yarn|pnpm|docker([ -]compose| build| buildx build)|kubectl (apply|create|replace)|"
    r"helm (install|upgrade)|python3? [\w./-]+\.py|bash [\w./-]+|sh [\w./-]+|\.{1,2}/[\w./-]+)\b"
)
_INVOKED = re.compile(r"(?:[A-Z][A-Z0-9_]*=\S+\s+)*([a-z][a-z0-9]*(?:[-_][a-z0-9]+)*)\s")
"""How a line begins that only gives a program its arguments."""
_GIVEN = re.compile(r"\s--?[A-Za-z](?:[\w-]*[^\s.:,;])?(=|\s|$)(?!.*[^.][.:,;]$)")
"""An option, in a line that does not end like a sentence."""
_FEW = re.compile(r"[a-z][\w./-]*(?: [\w./:=-]+){0,5}(?:\s*(?:>|#|\|).*)?")
"""A command of a few words, among others that are given options."""
_HOLE = re.compile(
    r"<[A-Za-z][^<>\n]*>|<\d+[-_ ][A-Za-z][\w -]*>"
    r"|(?<!\$)\{\{?[^{}\n]*\}?\}|(?<![\w$./{\"'=-])[A-Z][A-Z0-9_]{2,}(?![\w=./-])"
    r"|\b(your|YOUR|my)[-_][\w-]+|\bxxx+\b",
)
_SKILL = re.compile(
    r"(?:\$\{?(?:CLAUDE_)?(?:SKILL|PLUGIN)_(?:DIR|ROOT|PATH)\}?|\bSKILL_(?:DIR|ROOT|PATH)|\{baseDir\}|<skill[_-]dir>)/",
    re.IGNORECASE,
)
"""The directory of the skill that a page belongs to, as agents are told it: one above the page, or its own."""
_VALUE_HOLE = re.compile(r"<[A-Za-z][^<>\n]*>|\b(your|YOUR|my)[-_][\w-]+|\.\.\.")
_USAGE = re.compile(r"\.\.\.|…|(?<!\S)\[[-A-Za-z<|]|\w\|\w|(?<!\S)--?\w[\w-]*,\s")
"""What nobody types: places for anything, and options with other names for them (`--version, -v`)."""
_AND_SO_ON = re.compile(r"(?<=[\w\"'}>])\s+(?:\.\.\.|…)(?=\s*\\?$)")
"""What a page leaves to its reader, behind all that the command is surely given."""
_SYNOPSIS = re.compile(r"\s*[a-z./][\w./-]*( [\w./-]+| <[^<>]*>)*( \[-[^][|]*\])+( \[?<?[\w.-]+>?\]?(\.\.\.)?)*\s*")
"""What a page says that a command may be given: `shop serve NAME [--port PORT] [--secure]`."""
_PLACE = re.compile(r"[^\s\"'=]*(?:\bpath/to\b|/path/)[^\s\"']*")
"""A path that every reader has another one for; who goes there is taken to be where the page is."""
_WINDOWS = re.compile(r"[\w.]\\\w")
"""A path of another shell, in a block that says it is a shell's."""
_LISTED = re.compile(r"\s*[\w./-]+/\s*")
"""A directory alone on its line: a tree of files is shown."""
_ROW = re.compile(
    r"\s*([|+│┌├└╭╰]|[=-]{4,}|\[?\d{4}[-/.]\d\d?[-/.]\d\d?([T ]|$)|\[?\d\d?:\d\d:\d\d\b|[-dl]([r-][w-][xsStT-]){3}"
    r"|[A-Z][a-z]+(/[a-z]+)*( [\w',-]+){4,}[.:;!]?\s*$"
    r"|[\w./-]*/[\w./-]+:\d+:|\[?(INFO|DEBUG|WARN|WARNING|ERROR|FATAL)\b|HTTP/\d"
    r"|[^\s#]+( [^\s#]+)*(\s{2,}[^\s#]+( [^\s#]+)*){3,}\s*$)"
)
"""How a line begins that a program has printed: of a table, of a log, of a listing, of a compiler."""
_SPOKEN_OF = re.compile(r"\s*@[\w.-]+/")
"""A file as agents are pointed at it in what they are told."""
_FLAG = re.compile(r"\s*--?[A-Za-z][\w.-]*(=|\s|$)")
"""An option alone at the beginning of a line: an argument of the command above, whose end of line says otherwise."""
_ELSEWHERE = re.compile(
    r"\bgit (checkout|switch) (?!-|main\b|master\b|\.)\w|\bbranch\]\([^)\s]*/tree/(?!main\b|master\b|develop\b)",
)
"""A page that leads its reader to another branch."""
_TOLD_AGAINST = re.compile(
    r"\b((do|does|did|will|would|should|must|can|could) not|"
    r"(?!(is|are|was|were|has|have|had)n't)\w+n't|cannot|never|no longer|used to|instead of|"
    r"previously|formerly|before this|will fail|fails with|removed|deprecated|legacy|obsolete|planned|future|not yet|"
    r"for example, if|wrong|outputs?|prints?|would|replace\b.*\bwith|idea(?=\W{0,2}:))\b",
    re.IGNORECASE,
)
_AWAY = re.compile(r"\s*#+\s*(?:from|in|inside|within)\s+[`'\"]?(?:~|\$HOME)/[\w.-]", re.IGNORECASE)
"""A comment that says where on its reader's machine what follows is typed."""
_INCORRECT = re.compile(
    r"\s*#\W*(incorrect|wrong|bad|invalid|don't|do not|avoid|never)\b|\s*#\s*(❌|✗|✘|✖)", re.IGNORECASE
)
"""A comment above a command that is shown as a warning."""
_SHOWN_TO_FAIL = re.compile(r"\S\s+#\s*(❌|✗|✘|✖)")
"""A comment behind such a command."""
_TOLD_TO = re.compile(
    r"\b(run(ning)?|us(e|ing)|execut(e|ing)|invok(e|ing)|try|type|start(ed)?( \w+)?( with)?|via|with|call)"
    r"(:| (it|this|them|the (command|script)))?\s+[\"(*_]*$",
    re.IGNORECASE,
)
"""What a sentence says right before a command that its reader is to run."""
_THOUGHTS = re.compile(r"(^|/)(research|notes?|designs?|ideas|investigations?|internals?|drafts?)/", re.IGNORECASE)
"""Where pages think about what there may be one day."""
_LISTED_FIRST = re.compile(r"\s*(?:[-*+]|\d+\.|\|)\s+(?:\*\*)?")
"""What stands before a command that an item of a list, or a row of a table, begins with."""
_WITH_OPTION = re.compile(r"[a-z./][\w./-]*(?:\s+\S+)*?\s--[a-z][\w-]+(?=[\s=]|$)")
_TASK = re.compile(
    r"(?:make(?: -C [\w./-]+)?|just|(?:npm|pnpm|yarn|bun|hatch|mise) run|tox -e|nox -s|poe|invoke|inv|task)"
    r" [a-z][\w:.-]*"
    r"|(?:(?:bash|sh|python3?) (?:\./)?|\./)[\w-]+/[\w./-]*\w\.(?:sh|py)"
)
"""A task by its name, or a script by its path, as sentences tell their readers to run it."""
_FILE_NAME = re.compile(r"(?<![\w./-])(?:[\w.-]+/)*([\w-]+\.[a-z]{1,5})\b")
_CONTENT = re.compile(
    r"\b(creat|writ|add|put|mak)\w*\b.*`[\w./-]+\.(txt|toml|ya?ml|cfg|ini|py|json|in)`.*\b(with|like|contain\w*)\b",
    re.IGNORECASE,
)
"""What is said before a block that shows what is in a file, whatever its language."""
_INSTALLED = re.compile(r"[~/]\S*/(?:bin|Scripts)/[\w.-]+")
_CREATED = re.compile(r"\b(creat|writ|sav|add|put|nam|call|past|mak|edit|follow|content|fill)\w*", re.IGNORECASE)


def is_page(path: str) -> bool:
    """Whether a file is a page whose commands people type."""
    if (_PAST.search(path) and not _INSTRUCTING.search(path)) or _OF_THE_FORGE.match(path):
        return False
    name = posixpath.basename(path)
    told = _PAGES.search(path) or _FOR_AGENTS.search(path)
    return bool(_FRONT.fullmatch(name) or _NAMED.fullmatch(name) or _LOUD.fullmatch(name) or told)


def is_about_migration(path: str) -> bool:
    """Whether a page tells of what there was before as well, so that only what is there is called for certain."""
    return _MIGRATION.search(path) is not None and not _INSTRUCTING.search(path)


def is_front(path: str) -> bool:
    """Whether a page speaks of the very repository, or the part of it that it lies in."""
    return bool(_FRONT.fullmatch(posixpath.basename(path)) or _NAMED.fullmatch(posixpath.basename(path)))


@dataclass
class Page:
    """What a page says beside its commands: names of files that its reader writes, its words, what it has cloned."""

    written: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    clones: dict[str, bool] = field(default_factory=dict)
    """By the directory that a clone makes: whether its address is only a placeholder."""
    branch: bool = False
    """Whether it leads to another branch, of whose files nothing is known."""
    spoken: Trace = field(default_factory=Trace)
    """Commands with options that its sentences tell people to run; what they name may be told in short."""
    tasks: Trace = field(default_factory=Trace)
    """Tasks and scripts that its sentences tell people to run."""


def read(path: str, text: str) -> tuple[Trace, Page]:
    """The commands of a page, and what else decides about them."""
    text = plain(text)
    page = pages.parse(path, text)
    found = Trace()
    carried = CWD
    clones: dict[str, bool] = {}
    for block in page.blocks:
        if block.past or _TOLD_AGAINST.search(block.lead):
            continue
        if block.language in _DATA and "ervers" in "".join(block.lines):
            _tools(path, block, found)
            continue
        script = _script(block) if not _CONTENT.search(block.lead) else ""
        if not script.strip():
            _programs(path, block, found)
            continue
        for match in re.finditer(r"\bgit clone\s+(?:-\S+\s+(?:\d+\s+)?)*(\S+)(?:[ \t]+([\w.-]+))?", script):
            name = match[2] or posixpath.basename(match[1].rstrip("/")).removesuffix(".git")
            clones[name] = bool(re.search(rf"{UNKNOWN}|your|example\.(com|org)", match[1], re.IGNORECASE))
        carried = _follow(path, script, block, carried, found)
    words = frozenset(re.findall(r"[\w.-]+", text))
    return found, Page(_written(page), words, clones, bool(_ELSEWHERE.search(text)), *_spoken(path, page))


def _spoken(path: str, page: pages.Text) -> tuple[Trace, Trace]:
    """Commands with options, and tasks, that sentences tell people to run."""
    found, tasks = Trace(), Trace()
    for span in page.spoken if _THOUGHTS.search(path) is None else ():
        text = span.lines[0]
        against = _TOLD_AGAINST.search(span.lead) or _TOLD_AGAINST.search(re.split(r"[.;`]", span.title)[0])
        if span.past or against or not (_TOLD_TO.search(span.lead) or _LISTED_FIRST.fullmatch(span.lead)):
            continue
        line = _HOLE.sub(_unknown, _PLACE.sub(_unknown, text))
        snippet = Snippet(path, line, span.line, span.indent + 1, span.indent)
        if _TASK.fullmatch(text):
            follow(snippet, Site(path, Caller.DOCUMENT, CWD), tasks)
        elif path.endswith(".rst"):
            continue
        elif _WITH_OPTION.match(text) and not _USAGE.search(text) and not _WINDOWS.search(text):
            follow(snippet, Site(path, Caller.DOCUMENT, CWD), found)
    return found, tasks


def _follow(path: str, script: str, block: pages.Block, carried: str, found: Trace) -> str:
    """Follow a block from where a reader begins, and from where the blocks before left them; where it ends."""
    fresh, after = Trace(), Trace()
    snippet = Snippet(path, script, block.line, block.indent + 1, block.indent)
    end = follow(snippet, Site(path, Caller.DOCUMENT, CWD), fresh).directory
    found.produced += fresh.produced
    if carried == CWD:
        found.calls += fresh.calls
        return end
    later = follow(replace(snippet), Site(path, Caller.DOCUMENT, carried), after).directory
    if len(fresh.calls) == len(after.calls):
        found.calls += [_either(one, other) for one, other in zip(fresh.calls, after.calls, strict=True)]
    return later


def _programs(path: str, block: pages.Block, found: Trace) -> None:
    """Programs with options that a block shows without saying that it is a shell's: only what they are given counts."""
    typed = [_shown(line) for line in block.lines]
    lines = [_HOLE.sub(_unknown, _PLACE.sub(_unknown, _ended(line))) for line in typed]
    commands = [each for each in _joined(typed) if each and not each.startswith("#")]
    names = {match[1] if (match := _INVOKED.match(each)) else "" for each in commands}
    if block.language not in _PLAIN or "" in names:
        return
    several = not block.sure and len(names) > 1
    if any(_USAGE.search(each) or _ROW.match(each) for each in commands):
        return
    if not all(_GIVEN.search(each) or (several and _FEW.fullmatch(each)) for each in commands):
        return
    shown = Trace()
    follow(
        Snippet(path, "\n".join(lines), block.line, block.indent + 1, block.indent), Site(path, Caller.DOCUMENT), shown
    )
    found.calls += [call for call in shown.calls if isinstance(call.target, Program)]


def _joined(lines: list[str]) -> list[str]:
    """Lines with what continues them."""
    return [each.strip() for each in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).split("\n")]


def _tools(path: str, block: pages.Block, found: Trace) -> None:
    """Programs that a client of agents' tools is told to start; paths are those of its reader's machine."""
    text = "\n" * (block.line - 1) + "\n".join(_VALUE_HOLE.sub(_unknown, line) for line in block.lines)
    site = Site(path, Caller.DOCUMENT, CWD)
    try:
        calls = agents_trace(f"{path}.json", text).calls
    except (ValueError, RecursionError):
        return
    for call in calls:
        installed = isinstance(call.target, Script) and _INSTALLED.fullmatch(call.target.path.value)
        if installed or isinstance(call.target, Program | Started | Module):
            found.calls.append(replace(call, site=site, place=replace(call.place, path=path)))


def _either(one: Call, other: Call) -> Call:
    elsewhere = (other.site.directory,) if other.site.directory != one.site.directory else ()
    return replace(one, site=replace(one.site, elsewhere=elsewhere))


# --- blocks ---------------------------------------------------------------------------------------------------------


def _script(block: pages.Block) -> str:
    """The block as a script of the same lines; what is not typed is blank."""
    if block.language not in _SHELLS | _SESSIONS | _PLAIN or any(_LISTED.fullmatch(line) for line in block.lines):
        return ""
    prompted = any(_PROMPT.match(line) for line in block.lines)
    if prompted and not block.language and any(_OTHER_PROMPT.match(line) for line in block.lines):
        return ""
    if prompted or (block.language in _SESSIONS and not _is_bare(block)):
        lines = list(_typed(block.lines))
    elif block.language in _SHELLS | _SESSIONS or (
        all(_COMMAND.match(line) for line in _begun(block.lines)) and any(_BARE.match(line) for line in block.lines)
    ):
        lines = block.lines
    else:
        return ""
    return "\n".join(
        f"cd {UNKNOWN}"
        if _AWAY.match(line)
        else _anything(before, line)
        if _is_for_nobody(line, before) or _is_row(line, before) or _goes_anywhere(line)
        else _HOLE.sub(_unknown, _PLACE.sub(_unknown, _SKILL.sub(_nothing, _ended(line.replace("\xa0", " "))))) + more
        for before, line, more in zip(["", *lines], map(_shown, lines), _continued(lines), strict=False)
    )


def _shown(line: str) -> str:
    """The line as it may be typed: a synopsis with all that it says may be given, and with whatever else there is; so
    a command with options that ends in dots."""
    line = _AND_SO_ON.sub(rf" {MANY}", line) if _GIVEN.search(line.rstrip("\\").rstrip(". ")) else line
    if not _SYNOPSIS.fullmatch(line):
        return line
    at = line.index(" [-")
    given = re.sub(r" \[(-[^][|]*)\](?!\S)", rf"{PAD} \1{PAD}", line[at:])
    cut = _USAGE.search(given)
    return f"{line[:at]} {MANY}{given[: cut.start()] if cut is not None else given}"


def _begun(lines: list[str]) -> list[str]:
    """Lines that begin a command, rather than continue the one above."""
    return [line for before, line in zip(["", *lines], lines, strict=False) if not before.rstrip().endswith("\\")]


def _ended(line: str) -> str:
    """The line without blanks after a backslash, which was meant to continue it."""
    return line.rstrip() if line.rstrip().endswith("\\") else line


def _is_for_nobody(line: str, before: str) -> bool:
    """Whether a line is no command that is typed as it stands, or shown as a warning."""
    return any(
        (
            _USAGE.search(line),
            _WINDOWS.search(line),
            _INCORRECT.match(before),
            _SHOWN_TO_FAIL.search(line),
            _SPOKEN_OF.match(line),
        )
    )


def _goes_anywhere(line: str) -> bool:
    return line.lstrip().startswith(("cd ", "pushd ")) and _PLACE.search(line) is not None


def _is_bare(block: pages.Block) -> bool:
    """Whether a session shows commands only, without a prompt: each line begins with the name of the same program."""
    lines = [line for line in block.lines if line.strip() and not line.lstrip().startswith("#")]
    names = {line.split()[0] for line in lines}
    return len(names) == 1 and re.fullmatch(r"[a-z][\w]*(-[\w]+)+", names.pop()) is not None


def _is_row(line: str, before: str) -> bool:
    """Whether a line is what a command prints, or options of one that ended above; not the rest of a command."""
    continues = before.rstrip().endswith(("\\", "|")) and not _ROW.match(before)
    return (_ROW.match(line) is not None or _FLAG.match(line) is not None) and not continues


def _continued(lines: list[str]) -> Iterator[str]:
    """What to read at the end of each line: any words where options follow that nothing ties to it."""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        forgotten = _FLAG.match(after) and line.strip() and not line.rstrip().endswith(("\\", "|"))
        yield f" {MANY}" if forgotten else ""


def _anything(before: str, line: str) -> str:
    """What is read for a line that nobody types: nothing, or any words where it continues a command."""
    more = " \\" if line.rstrip().endswith("\\") else ""
    return f" {MANY}{more}" if before.rstrip().endswith("\\") else ""


def _nothing(match: re.Match[str]) -> str:
    return PAD * len(match[0])


def _unknown(match: re.Match[str]) -> str:
    return UNKNOWN + PAD * (len(match[0]) - 1)


def _typed(lines: list[str]) -> Iterator[str]:
    """Lines after a prompt and what continues them; the prompt is blank."""
    continued = False
    for line in lines:
        prompt = re.match(r"\s*>\s", line) if continued else _PROMPT.match(line)
        typed = continued or prompt is not None
        yield " " * prompt.end() + line[prompt.end() :] if prompt else line if typed else ""
        continued = typed and line.rstrip().endswith("\\")


def _written(page: pages.Text) -> frozenset[str]:
    """Names of files that the page lets its reader write: named where it says so, or as the title of a block."""
    found: set[str] = set()
    for block in page.blocks:
        found.update(_FILE_NAME.findall(block.title))
        if block.lines and block.lines[0].lstrip().startswith(("# ", "// ")):
            found.update(_FILE_NAME.findall(block.lines[0]))
    for line in page.prose:
        if _CREATED.search(line) or line.rstrip().endswith(":") or line.startswith(("**", "`")):
            found.update(_FILE_NAME.findall(line))
    return frozenset(found)

"""A path in whatever text does something, whose directory is there, and the files that it would be one of, but not it.

No grammar is needed for that: a rule of last resort, for all the places that no reader knows a command in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause
from sophia_preflight.mentions import Mention, lists_files
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named, upward

RULE = Rule(
    id="unmet-path",
    title="a path is spoken of where something is done, and leads to no file",
    severity=Severity.HIGH,
    why="whoever asks for the file does not find it",
    fix="correct the path, or add what is missing",
    family="targets",
    resort=1,
)
_PATH = re.compile(
    r"(?<![\w.@%+~:/*$(){}\[\]<>^\\-])(?<!://)"
    r"((?:(?:\$\{?\w+\}?|\$\(\w+\)|\{\{ ?[\w.]+ ?\}\}|\{\w+\}|%h)/|(?:\.{1,2}/)+)?[\w.@+-]+(?:/[\w.@+-]+)+)"
    r"(?![\w/*?{}<>$()\[\]%@+:=-]|\.\w)"
)
_ENDING = re.compile(
    r"\.(sh|bash|zsh|py|ya?ml|toml|json|cfg|conf|ini|sql|ps1|bat|[cm]?js|ts|j2|mk|env|txt|proto|tf|tfvars|hcl|properties|"
    r"xml|service|tmpl|tpl|template|rb|pl|lua|go)$"
)
_HEAD = re.compile(r"\$\{?\w+\}?/|\$\(\w+\)/|\{\{ ?[\w.]+ ?\}\}/|\{\w+\}/|%h/")
_SET = re.compile(r"(?<![\w$])[A-Za-z_]\w*=[\"']?([\w-][\w.-]*\.[a-z]\w{0,4})(?![\w/$*.-])")
_SCRIPT = re.compile(r"\.(sh|bash|zsh|mk)$|(^|/)([Mm]akefile|[^/.]+)$")
_HOME = re.compile(r"root|repo|proj|dir|base|here|top|src|source|workspace|script|self|pwd|cwd|%h", re.IGNORECASE)
"""Words of variables that lead to the repository, or below it."""
_CHECKOUT = re.compile(r"root|repo|proj|playbook|role|here|top|source|src|workspace|checkout", re.IGNORECASE)
"""Words of a template's variable that do: its other folders are those of the machine that is set up."""
_SYSTEM = re.compile(r"(etc|usr|var|s?bin|lib|opt|tmp|home)/")
_SOUGHT = re.compile(r"\b(grep|sed|awk|find)\s+(-\S+\s+)*[\"']?$")
_IMAGE = re.compile(r"(^|/)[^/]*(Docker|Container)file[^/]*$|\.[Dd]ockerfile$")
"""Whose rules know what is in it."""
_LEGAL = re.compile(
    r"(^|/)(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$|\.(c|cc|cpp|cxx|h|hpp|el|swift|dart|json5?|jsonl)$"
)
_LINTING = re.compile(
    r"(^|/)\.?(golangci|flake8|pylintrc|eslintrc|yamllint|codespellrc|coveragerc|codecov|sonar|mypy|ruff|semgrep|licenserc)[^/]*$"
)
"""Settings of what looks at files, which it need not find."""
_EDITED = re.compile(r"\s*(\$ )?(vim?|nano|code|emacs|open|cat|less|ls|cd|git)\s")
"""Commands of pages that only look at a file, or open it to be written."""
_OTHERS = re.compile(r"(^|/)(SKILL\.md|\.?(agents?|claude|cursor|gemini|codex)/|prompts?/|skills?/|\.\w*rules$)")
"""Pages for helpers that work in any repository."""
_INVENTED = re.compile(
    r"_version\.|your|path_?to|relevant|(^|[/_-])(my|foo|bar|example|some|new|xxx?)([/_.-])", re.IGNORECASE
)
"""What a page writes for a name that its reader has to choose; and what a build writes its version to."""
_DATA = re.compile(r"\.(ya?ml|toml|json|cfg|conf|ini|sql|env|j2)$")
_ACTING = re.compile(
    r"deploy|k8s|kube|chart|docker|compose|ansible|tasks|playbook|infra|ops|(^|/)ci($|/)|pipeline|workflow"
)
_NAMED = re.compile(
    r"\b(image|uses|repo(sitory)?|branch(es)?|tags?|module|package|from|import|go get)[\"']?\s*[: =]\s*[\"']?\S*$"
)
"""What stands before names that look like paths."""
_CD = re.compile(r"(?:^|[\s;&(])(?:cd|pushd)\s+[\"']?(?:\./)?([^\s\"';&)]+)")
_SHORT = 5
_SERIES = 4
"""So many files of settings in one folder are data that something else reads."""
_ALTERNATIVE = re.compile(r"\s*\|\s*[^\s|]+\s*$")
"""A line of a pattern of several, of which each only has to fit where there is something to fit."""
_USUAL = named("test tests run main file util utils base common config")
_MANY = 8
"""So many paths of one file that lead nowhere are meant for another place."""


def check(context: Context) -> Iterable[Finding]:
    found: dict[str, dict[str, list[Mention]]] = {}
    folders = {posixpath.basename(each) for each in context.repository.directories}
    for use in context.mentions.matching(_PATH, lambda name: posixpath.basename(posixpath.dirname(name)) in folders):
        if standing(use.path) is not Standing.PRODUCT or _IMAGE.search(use.path) or _LEGAL.search(use.path):
            continue
        if (
            _ALTERNATIVE.match(use.text)
            or _LINTING.search(use.path)
            or _INVENTED.search(use.name)
            or _is_one_of_a_series(context, use.path)
        ):
            continue
        if target := _unmet(context, use):
            found.setdefault(use.path, {}).setdefault(target, []).append(use)
    for use, target in _assigned(context):
        found.setdefault(use.path, {}).setdefault(target, []).append(use)
    for path, targets in found.items():
        if len(targets) < _MANY:
            told = ((posixpath.dirname(target), _told(path, target, uses)) for target, uses in targets.items())
            yield from by_cause(told, "nor {} others")


def _told(path: str, target: str, uses: list[Mention]) -> Finding:
    severity, blocks = consequence(uses[0].site)
    return RULE.found(
        f"`{uses[0].name}` is asked for here, and `{posixpath.dirname(target)}` has no such file",
        *(Involved(Place(path, use.line, use.column), "call") for use in uses),
        anchor=target,
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        blocks=blocks,
    )


def _unmet(context: Context, use: Mention) -> str:
    """Where the file would be that a path names and that is nowhere; empty if it may be somewhere."""
    if use.optional or use.made or any(map(lists_files, (use.text, *_heads(context, use)))):
        return ""
    if _OTHERS.search(use.path) or (use.page and _EDITED.match(use.text)):
        return ""
    if _is_away(context, use):
        return ""
    repository, finder = context.repository, context.finder
    head = _HEAD.match(use.name)
    inner = use.name[head.end() :] if head else use.name
    if head and head[0].startswith("{{") and not _CHECKOUT.search(head[0]):
        return ""
    if (head and (not _HOME.search(head[0]) or _SYSTEM.match(inner))) or _SOUGHT.search(use.before):
        return ""
    tail = re.sub(r"^(\.\.?/)+", "", inner)
    if "/" not in tail or repository.ending_with(tail) or _is_tested(context, use, posixpath.basename(tail)):
        return ""
    bases = [""] if head else ["", *upward(posixpath.dirname(use.path))]
    places = dict.fromkeys(posixpath.normpath(posixpath.join(base, inner)) for base in bases)
    there = [each for each in places if not each.startswith("..") and repository.is_directory(posixpath.dirname(each))]
    if not there or any(repository.exists(each) for each in places) or any(finder.is_made(each) for each in there):
        return ""
    target = there[0]
    if not _ENDING.search(target):
        return target if _is_nearly_there(context, target) and not _NAMED.search(use.before) else ""
    doubtful = use.page or use.site.caller in (Caller.COMPOSE, Caller.KUBERNETES) or _DATA.search(target)
    if doubtful:
        return target if _has_namesake(context, target) else ""
    return target if finder.is_among_its_like(target) or _has_namesake(context, target) else ""


def _is_away(context: Context, use: Mention) -> bool:
    """Whether the lines above go to a directory that is none of the repository's."""
    whole = context.mentions.lines(use.path)
    if use.path.endswith((".yml", ".yaml")) and _changes_directory(whole, use.line):
        return True
    lines = whole[: use.line]
    if use.path.endswith((".yml", ".yaml")) and (place := _working_directory(lines)):
        return "$" not in place and not any(f"/{each}".endswith(f"/{place}") for each in context.repository.directories)
    width = _width(use.text)
    for line in reversed(lines):
        if line.strip() and _width(line) < width:
            return False
        if went := list(_CD.finditer(line)):
            to = went[-1][1].rstrip("/")
            known = to in ("", ".", "..", "-") or _HOME.search(to) or to.startswith("$(")
            return not known and not any(f"/{each}".endswith(f"/{to}") for each in context.repository.directories)
    return False


def _changes_directory(lines: list[str], line: int) -> bool:
    """Whether the task of Ansible that a line is of works in a directory that only its variables tell."""
    for each in lines[line:]:
        if re.match(r"\s*- ", each) or not each.strip():
            return False
        if re.match(r"\s*chdir:\s*[\"']?\{\{", each):
            return True
    return False


def _working_directory(lines: list[str]) -> str:
    """Where the step works whose command the last line is of, as far as it says so above; empty for nothing else."""
    for line in reversed(lines):
        if match := re.match(r"\s*(?:- )?working-directory:\s*[\"']?(?:\./)?([^\s\"'#]+)", line):
            return match[1].strip("/.")
        if re.match(r"\s*- (name|uses|run|id|if):", line):
            break
    return ""


def _is_nearly_there(context: Context, path: str) -> bool:
    """Whether a folder, or a file without an ending, has nearly the name of one that would be."""
    directory, name = posixpath.split(path)
    elsewhere = any(each.endswith(f"/{name}") for each in context.repository.directories)
    if not directory or "." in name or len(name) < _SHORT or elsewhere:
        return False
    folders = (each for each in context.repository.directories if posixpath.dirname(each) == directory)
    beside = [posixpath.basename(each) for each in (*context.repository.beside(directory), *folders)]
    return bool(get_close_matches(name, [each for each in beside if "." not in each], n=1, cutoff=0.75))


def _is_one_of_a_series(context: Context, path: str) -> bool:
    directory, ending = posixpath.dirname(path), posixpath.splitext(path)[1]
    if not _DATA.search(path) or not directory or directory.startswith("."):
        return False
    beside = context.repository.beside(directory)
    return sum(each.endswith(ending) for each in beside) >= _SERIES and not _ACTING.search(directory)


def _assigned(context: Context) -> Iterator[tuple[Mention, str]]:
    """Names of files that a variable is set to, which a path is made with whose directory has others of its names."""
    uses: dict[tuple[str, str], list[Mention]] = {}
    for use in context.mentions.matching(_SET):
        if _SCRIPT.search(use.path) and standing(use.path) is Standing.PRODUCT and not use.optional:
            variable = re.split(r"[=\s]+", use.text[: use.column - 1].strip().rstrip("\"'= "))[-1]
            uses.setdefault((use.path, variable), []).append(use)
    for (path, variable), several in uses.items():
        if not variable.isidentifier():
            continue
        text = context.repository.glimpse(path)
        for match in re.finditer(rf"(?<![\w./-])(?:\$\{{?\w+\}}?/)?([\w./-]+)/\$\{{?{variable}\b\}}?(?![\w/.-])", text):
            places = [f"{posixpath.normpath(match[1].lstrip('/'))}/{use.name}" for use in several]
            if any(map(context.repository.is_file, places)):
                for use, place in zip(several, places, strict=True):
                    gone = not context.repository.exists(place) and not context.finder.is_made(place)
                    if gone and context.finder.is_among_its_like(place, moved=False):
                        yield use, place


def _has_namesake(context: Context, path: str) -> bool:
    """Whether a file beside it has its ending and nearly its name, or a word of it."""
    directory, name = posixpath.split(path)
    stem, ending = posixpath.splitext(name)
    same = (each for each in context.repository.beside(directory) if each.endswith(ending))
    beside = [posixpath.splitext(posixpath.basename(each))[0] for each in same]
    words = _words(stem)
    return bool(get_close_matches(stem, beside, n=1, cutoff=0.7)) or any(words & _words(each) for each in beside)


def _words(stem: str) -> set[str]:
    return {each for each in re.split(r"[^a-z0-9]+", stem.lower()) if len(each) > 3} - _USUAL


def _heads(context: Context, use: Mention) -> Iterator[str]:
    """The lines above that a line is indented below, from the nearest on."""
    lines = context.mentions.lines(use.path)
    if use.path.endswith((".toml", ".cfg", ".ini")):
        table = next((line for line in reversed(lines[: use.line]) if line.startswith("[")), "").strip("[] ")
        yield f"{table.rpartition('.')[2]}:"
        if table == "tool.uv.workspace":
            yield "paths:"  # members that are not there are none
    width, item = _width(use.text), use.text.lstrip().startswith("- ")
    for line in reversed(lines[: use.line - 1]):
        own = _width(line)
        if line.strip() and (own < width or (own == width and item and not line.lstrip().startswith("-"))):
            yield line
            if own == 0:
                return
            width, item = own, line.lstrip().startswith("- ")


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_tested(context: Context, use: Mention, name: str) -> bool:
    """Whether the file that speaks of a path asks first whether it is there."""
    tested = re.compile(rf"(-[efrsx]\s+\S*|exists\S*|isfile\S*|hashFiles\S*|Test-Path\s\S*){re.escape(name)}")
    return tested.search(context.repository.glimpse(use.path)) is not None


_RUN = """
    === scripts/run.sh
    case "$1" in
      cpu) FILE="cpu.yaml" ;;
      memory) FILE="{file}" ;;
    esac
    kubectl apply -f "$ROOT/k8s/scenarios/$FILE"
    === k8s/scenarios/cpu.yaml
    kind: Pod
    === k8s/scenarios/memory.yaml
    kind: Pod
"""
BAD = [
    tree(_RUN.format(file="mem.yaml")),
    tree("""
        === deploy/jobs.toml
        [nightly]
        start = ["{root}/tools/count_words.py", "--all"]
        === tools/word_count.py
        import sys
        === tools/line_count.py
        import sys
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  git clone https://example.com/other.git
                  cd other
                  python3 tools/count_words.py
        === tools/count_lines.py
        import sys
        === tools/word_count.py
        import sys
    """),
    tree(_RUN.format(file="memory.yaml")),
    tree("""
        === deploy/jobs.toml
        [nightly]
        start = ["{root}/tools/count_words.py", "--all"]
        === tools/count_words.py
        import sys
    """),
    tree("""
        === .coveragerc
        [run]
        omit = shop/tests/*,
               shop/drawer.py
        === shop/till.py
        === shop/sell.py
        === shop/draw.py
    """),
    tree("""
        === tools.toml
        [tool.ruff]
        extend-exclude = ["scripts/draft_*.py", "scripts/old_draft.py"]
        === scripts/sell.py
        === scripts/count.py
        === scripts/weigh.py
    """),
    tree("""
        === pyproject.toml
        [tool.tidy]
        exclude = '''
        (
          tools/made/
          | tools/count_words.py
        )
        '''
        === tools/count_lines.py
        import sys
        === tools/word_count.py
        import sys
    """),
]

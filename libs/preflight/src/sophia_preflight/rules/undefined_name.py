"""A shell script uses a function or a variable by a name that it has not given it, though nearly."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Set
from difflib import SequenceMatcher

from sophia_preflight.calls.shell import script_site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.facts import ShellFacts
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.outside import is_of_script
from sophia_preflight.readers import shell
from sophia_preflight.readers.script_names import Named, ScriptNames, names_of
from sophia_preflight.spelling import differ_in_a_word, is_slip
from sophia_preflight.standing import consequence

RULE = Rule(
    id="undefined-name",
    title="a script uses a function or a variable that it calls otherwise",
    severity=Severity.HIGH,
    why="the shell knows no command of that name, and puts an empty text in the place of such a variable",
    fix="use the name that the script gives it",
    family="targets",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_COMMANDS = re.compile(
    r"alias|awk|base64|basename|bash|brew|bzip2|cargo|chgrp|chmod|chown|clang|clear|cmake|cmp|comm|command|"
    r"continue|createdb|createuser|crontab|curl|date|dirname|disown|docker|dropdb|echo|enable|envsubst|eval|"
    r"exec|exit|expand|export|expr|fail2ban|false|fetch|find|flock|fold|fuser|getent|getopts|grep|groups|gunzip|"
    r"gzip|hash|head|helm|history|host|hostname|info|install|ionice|jobs|join|jose|just|kill|killall|last|let|"
    r"link|local|locate|logger|login|logname|logout|look|mail|make|mapfile|md5sum|mkdir|mkfifo|mktemp|mount|"
    r"nice|node|nohup|nproc|open|openssl|pack|paste|patch|perl|pgrep|php|pidof|ping|pip|pkill|popd|print|"
    r"printenv|printf|pushd|python|python3|rake|readarray|readlink|readonly|realpath|reboot|rename|renice|reset|"
    r"resize|restore|return|rsync|ruby|runuser|screen|script|seq|serve|service|set|setsid|sha256sum|shift|shopt|"
    r"shred|shuf|shutdown|sleep|sort|source|split|ssh|stat|stop|strings|strip|sudo|suspend|sync|systemctl|tail|"
    r"tar|tee|test|time|timeout|top|touch|trap|true|trust|type|typeset|ulimit|umask|umount|uname|unlink|unset|"
    r"unzip|update|uptime|users|vercel|wait|watch|wget|whereis|which|who|whoami|write|xargs|yarn|yes|zcat|zip"
)
"""Short words that are programs, and could be taken for functions of nearly that name."""
_NEAR = 0.75
_CODE = re.compile(r"\.(py|go|rs|rb|java|[cm]?[jt]sx?)$")
"""Files that name variables of the environment in quotes only; the same word without any is their own."""


def check(context: Context) -> Iterable[Finding]:
    scripts = {path: each.data.names for path, each in context.facts.items() if isinstance(each.data, ShellFacts)}
    functions = {name for names in scripts.values() for name, _ in names.functions}
    former = {path: _former(context, path) for path in scripts}
    lost = {name for names in former.values() for name, _ in names.functions} - functions
    for path, names in scripts.items():
        text = context.repository.glimpse(path)
        yield from _functions(context, path, names, functions, lost, text)
        yield from _functions_read_in(context, path, names, functions, text)
        yield from _variables(context, path, names, former[path], text)


def _former(context: Context, path: str) -> ScriptNames:
    """The names that a script had before the last commits."""
    texts, _ = context.changes.changed.get(path, ((), ""))
    return names_of(shell.parse(texts[-1])) if texts else ScriptNames()


# --- functions --------------------------------------------------------------------------------------------------------


def _functions(
    context: Context, path: str, names: ScriptNames, functions: Set[str], lost: Set[str], text: str
) -> Iterator[Finding]:
    own = dict(names.functions)
    guest = _is_guest(context, names, functions)
    for each in _once(names.called):
        name = each.name
        if guest and name not in lost:
            continue
        if name in functions or not _NAME.fullmatch(name) or _COMMANDS.fullmatch(name) or _is_program(context, name):
            continue
        if re.search(rf"(?m)\balias\s+{re.escape(name)}=|\b(command -v|which|type|hash)\s+{re.escape(name)}\b", text):
            continue
        if name in lost:
            since = f", and since {context.changes.since} no script here defines such a function"
            yield _found(path, each, f"`{name}` is called here{since}", _near(name, own, text, names), own)
        elif len(name) > 3 and (near := _near(name, own, text, names)):
            yield _found(path, each, f"`{name}` is called here, and the function is called `{near}`", near, own)


_READ_IN = re.compile(
    r"(?m)^[ \t]*(?:\.|source)[ \t]+[\"']?(?:[^\s\"'#;]|\$\([^)\n]*\))*?([\w.-]+)[\"']?[ \t]*(?:$|[;#&|])"
)
"""The name of a script that another reads in."""


def _functions_read_in(
    context: Context, path: str, names: ScriptNames, functions: Set[str], text: str
) -> Iterator[Finding]:
    """Calls of a function by nearly the name that it has in a script which this one reads in."""
    brought: dict[str, tuple[str, int]] = {}
    for file in _files_read_in(context, path, text):
        for name, line in names_of(shell.parse(context.repository.glimpse(file))).functions:
            brought.setdefault(name, (file, line))
    own, code = {name for name, _ in names.functions}, re.sub(r"(?m)(?:^|\s)#.*", "", text)
    for each in _once(names.called) if brought and not _is_guest(context, names, functions) else ():
        name = each.name
        if name in own or name in functions or name in brought or len(name) < _SHORTEST:
            continue
        if not _NAME.fullmatch(name) or _COMMANDS.fullmatch(name) or _is_program(context, name):
            continue
        idle = [other for other in brought if not re.search(rf"(?<![\w-]){re.escape(other)}(?![\w.-])", code)]
        alike = [each for each in idle if each[0] == name[0] and (_is_alike(name, each) or _has_stem_of(name, each))]
        near = next((other for other in (*brought, *alike) if other in alike or is_slip(name, other)), "")
        if near:
            file, line = brought[near]
            said = f"`{name}` is called here, and the function in `{file}` is called `{near}`"
            yield _found(path, each, said, near, {}, Place(file, line))


_SHORTEST = 5
_MANY = 4


def _is_guest(context: Context, names: ScriptNames, functions: Set[str]) -> bool:
    """Whether a script calls many functions that nothing here defines: what reads it in brings them."""
    strange = {
        each.name
        for each in names.called
        if "_" in each.name and each.name not in functions and not _COMMANDS.fullmatch(each.name)
        if not _is_program(context, each.name)
    }
    return len(strange) >= _MANY


def _has_stem_of(name: str, other: str) -> bool:
    """Whether two words differ in their endings only: `retry`, `retries`."""
    stem = len(posixpath.commonprefix([name, other]))
    return stem > 3 and min(len(name), len(other)) - stem < 2 and max(len(name), len(other)) - stem < 4


def _files_read_in(context: Context, path: str, text: str) -> list[str]:
    """The scripts here that a script reads in, and those that they do: each the only one of its name, or beside it."""
    found: list[str] = []
    waiting = [(path, text)]
    while waiting and len(found) < _MOST_READ_IN:
        by, said = waiting.pop()
        for name in _READ_IN.findall(said):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(by), name))
            same = context.repository.by_name.get(name, [])
            file = beside if beside in same else same[0] if len(same) == 1 else ""
            if file and file != path and file not in found:
                found.append(file)
                waiting.append((file, context.repository.glimpse(file)))
    return found


_MOST_READ_IN = 20


def _is_program(context: Context, name: str) -> bool:
    by_name = context.repository.by_name
    return name in by_name or f"{name}.sh" in by_name or f"{name}.py" in by_name or name in context.entries


def _near(name: str, known: Collection[str], text: str, names: ScriptNames) -> str:
    """The one that is meant: a slip away from it, or one that nothing else uses and that has nearly the same words."""
    known = [each for each in known if each.strip("_") != name.strip("_")]
    words = set(name.split("_"))
    for each in known:
        more = "_" in each and not names.opaque and set(each.split("_")) <= words
        if more or (is_slip(name, each) and len(each) > 3):
            return each
    for each in known:
        if _is_alike(name, each) and len(re.findall(rf"(?<![\w-]){re.escape(each)}(?![\w-])", text)) == 1:
            return each
    return ""


def _is_alike(name: str, other: str) -> bool:
    """Whether names have the same words in another order, or one has all those of the other, or nearly its letters. A
    lone word may be a program whose functions are called after it."""
    words, others = (set(re.split(r"[_-]", each)) for each in (name, other))
    lone = len(words) == 1 < len(others)
    contained = min(len(name), len(other)) > 3 and (name in other or other in name)
    whole = len(words & others) > 1 or (contained and not lone)
    near = len(name) > 4 and not name.isupper() and SequenceMatcher(None, name, other).ratio() >= _NEAR
    return near or (whole and (words <= others or others <= words or len(words) == len(others) == 1))


# --- variables --------------------------------------------------------------------------------------------------------


def _variables(context: Context, path: str, names: ScriptNames, former: ScriptNames, text: str) -> Iterator[Finding]:
    if names.evaluates:
        return
    lines = {name: number for number, line in enumerate(text.split("\n"), 1) for name in _ASSIGNED.findall(line)}
    for each in _once(names.read):
        name = each.name
        if name in names.given or not _NAME.fullmatch(name) or is_of_script(name):
            continue
        near = _near_variable(name, names, text) or _meant(name, names, text)
        lost = name in former.given
        alone = names.strict and not names.opaque and name.islower() and not name.endswith("_proxy")
        if near or lost or alone:
            if not _is_given_elsewhere(context, name, path, text):
                said = f": what is set is `{near}`" if near else ""
                said = said or (f": since {context.changes.since} it is set no more" if lost else "")
                yield _found(path, each, f"`{name}` is set nowhere in this script{_ends(names)}{said}", near, lines)
        elif (asked := _asked_beside(name, names, text)) and not _is_spoken_of(context, name, path):
            yield _found(path, each, f"`{name}` is set nowhere, and this script asks for `{asked}`", asked, {})


def _ends(names: ScriptNames) -> str:
    return ", which ends it (`set -u`)" if names.strict else ""


_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*)\+?=")


def _near_variable(name: str, names: ScriptNames, text: str) -> str:
    read = {each.name for each in names.read}
    for each in sorted(names.given):
        unused = each not in read and len(_spoken(each, text)) == 1
        turned = "_" in name and sorted(name.split("_")) == sorted(each.split("_"))
        sure = names.strict or (len(each) > 3 and (unused or not name.isupper() or len(each) > 5))
        if turned or (sure and len(each) > 2 and is_slip(name, each)):
            return each
        if unused and _NAME.fullmatch(each) and _is_alike(name, each):
            return each
    return ""


def _meant(name: str, names: ScriptNames, text: str) -> str:
    """The one variable with a word of a name that is set for nothing; or, where a missing one ends the script and it
    speaks of this name only where it uses it, the one of the same kind that it sets at all."""
    if names.opaque or len(_spoken(name, text)) > sum(each.name == name for each in names.read):
        return ""
    kin = [each for each in names.given if differ_in_a_word(name, each) and name.isupper() == each.isupper()]
    unused = [each for each in kin if each not in names.exported and not _is_used(each, text)]
    ends = name.rpartition("_")[2]
    found = unused or [each for each in kin if names.strict and each.endswith(f"_{ends}")]
    return found[0] if len(found) == 1 else ""


def _is_used(name: str, text: str) -> bool:
    """Whether a text speaks of a variable but where it sets it."""
    sets = re.findall(rf"(?m)(?:^|[;&|({{]|\b(?:then|do|else|local|readonly)\b)[ \t]*{re.escape(name)}=", text)
    return len(_spoken(name, text)) > len(sets)


def _asked_beside(name: str, names: ScriptNames, text: str) -> str:
    """The longer or shorter name after which a script asks before it uses this one, though it sets neither."""
    if len(_spoken(name, text)) > 1:
        return ""
    words = set(name.split("_"))
    for each in sorted({each.name for each in names.read} - names.given - {name}):
        others = set(each.split("_"))
        near = len(words & others) > 1 and (words < others or others < words)
        if near and re.search(rf"\s-[nz]\s+\"?\$\{{?{each}\b", text):
            return each
    return ""


def _spoken(name: str, text: str) -> list[str]:
    return re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", text)


def _is_spoken_of(context: Context, name: str, script: str) -> bool:
    """Whether any other file speaks of a variable."""
    texts = (context.repository.glimpse(path) for path in context.repository.entries if path != script)
    return any(name in text and _spoken(name, text) for text in texts)


def _is_given_elsewhere(context: Context, name: str, script: str, text: str) -> bool:
    """Whether another file speaks of the variable, so that it may come with the environment; a script that neither
    exports it nor has to do with this one keeps it to itself."""
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    quoted = re.compile(rf"[\"'`\s]{re.escape(name)}[\"'`=]")
    for path, facts in context.facts.items():
        other = context.repository.glimpse(path) if path != script else ""
        if name in other and (quoted if _CODE.search(path) else pattern).search(other):
            meets = posixpath.basename(script) in other or posixpath.basename(path) in text
            handed_on = re.search(
                rf"\b(export|declare -x|typeset -x)\s[^\n]*(?<!\w){re.escape(name)}|\bset -a\b", other
            )
            if not isinstance(facts.data, ShellFacts) or (name in facts.data.names.given and (meets or handed_on)):
                return True
    return False


# --- both -------------------------------------------------------------------------------------------------------------


def _once(uses: Iterable[Named]) -> list[Named]:
    """The first use of each name."""
    return list({each.name: each for each in reversed(list(uses))}.values())


def _found(path: str, use: Named, said: str, near: str, known: dict[str, int], defined: Place | None = None) -> Finding:
    severity, blocks = consequence(script_site(path))
    defined = Place(path, known[near]) if near in known else defined
    there = (Involved(defined, "declaration"),) if defined is not None else ()
    return RULE.found(
        said,
        Involved(Place(path, use.line, use.column), "call"),
        *there,
        anchor=use.name,
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        fix=RULE.fix + (f": `{near}`" if near else ""),
        blocks=blocks,
    )


BAD = [
    tree("""
        === tools/build.sh
        #!/bin/bash
        set -e
        . "$(dirname "$0")/retry.sh"
        # to retry is better than to give up
        retries 5 curl --retry 3 https://example.com
        === tools/retry.sh
        retry() {
          "$@"
        }
        other() { retry "$@"; }
    """),
    tree("""
        === tools/generate.sh
        #!/bin/bash
        source lib/all  # what follows
        make_set_of_parts all
        make_setof_parts all
        === lib/all
        function make_set_of_parts {
          echo "$1"
        }
    """),
    tree("""
        === fetch.sh
        #!/bin/bash
        set -euo pipefail
        TAG=$(cat VERSION)
        echo "$TAG" && curl -fsSLO "https://example.com/download/${TAGS}/shop.tar"
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        check_host() { ping -c 1 "$1"; }
        chek_host example.com && check_host example.org
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        host_check() {
          ping -c 1 example.com
        }
        if check_host; then echo up; fi
    """),
    tree("""
        === lib.sh
        say_more() { echo "$1"; }
        === lib.sh (before)
        say_hello() { echo "$1"; }
        === deploy.sh
        . ./lib.sh
        say_hello world
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -eu
        target_folder=/srv/shop
        mkdir -p "$target_floder"
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -euo pipefail
        NEW_RELEASE=$(date +%s)
        ln -sfn "/srv/$RELEASE_NEW" /srv/current
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        release=$(date +%s)
        ln -sfn "/srv/$tag" /srv/current
        === deploy.sh (before)
        #!/bin/bash
        tag=$(date +%s)
        ln -sfn "/srv/$tag" /srv/current
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -eu
        for release in a b; do
          ln -sfn "/srv/$releases" /srv/current
        done
        === other.sh
        releases=3
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        PARENT=$(dirname "$0")
        source "$PARNET/functions.sh"
        === functions.sh
        ask_host() { ping -c 1 "$1"; }
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        check_host() { ping -c 1 "$1"; }
        check_host a && run_check_host b
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -eu
        REPO_ROOT="$(dirname "$0")/.."
        ls "$PROJECT_ROOT/.venv" && . "$REPO_ROOT/.venv/bin/activate"
    """),
    tree("""
        === deploy.sh
        #!/bin/sh
        if [ -n "$DEBUG" ]; then
          CONFIG_FILE=debug.yaml
        else
          CONFIG_FILE=shop.yaml
        fi
        exec ./shop --config "$CONFIG_PATH"
    """),
    tree("""
        === deploy.sh
        #!/bin/sh
        if [ -n "$SHOP_DATA_MOUNT_PATH" ]; then
          chmod 777 "$SHOP_DATA_MOUNT"
        fi
    """),
]
GOOD = [
    tree("""
        === plugin.sh
        install_client() {
            pip_install client
        }
        install_clients
        start_service client
        echo_summary "started"
        is_service_enabled client && run_process client
    """),
    tree("""
        === tools/build.sh
        #!/bin/bash
        set -e
        . "$(dirname "$0")/lib.sh"
        retry ls
        retries 5 curl https://example.com
        retools; others
        === tools/lib.sh
        . ./more.sh
        retry() {
          "$@"
        }
        other() { retry "$@"; }
        === tools/more.sh
        others() { ls; }
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -eu
        . ./settings.sh
        export target=/srv; export TRACK=a
        echo "$folder $http_proxy"
        PERL5LIB=$GITPERLLIB perl -v
        bash ./lay.sh
        === settings.sh
        folder=/srv
        === lay.sh
        #!/bin/bash
        set -eu
        mkdir -p "$target" "$TRACKS"
    """),
    tree("""
        === lib.sh
        check_hosts() { ping -c 1 "$1"; }
        === deploy.sh
        #!/bin/bash
        . ./lib.sh
        fail() { exit 1; }
        begin() { exit 0; }
        _begin
        check_host() { ping -c 1 "$1"; }
        check_hosts example.com && check_host example.org | tail -n 3 || fail
        command -v chec_host && chec_host
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        set -eu
        DB_HOST=db
        for each in a b; do read -r each_line; echo "$each $each_line"; done
        perf_report() { perf record; }
        psql -h "$DB_HOST" -p "$DB_PORT" -U "${DB_USERS:-shop}" "$HOME" "$DB_HOSTS"
        === compose.yaml
        services: {shop: {image: "shop:1", environment: {DB_HOSTS: a}}}
    """),
    tree("""
        === deploy.sh
        #!/bin/bash
        # Give APP_ROOT: the folder of the installed shop.
        set -eu
        . ./settings.sh
        REPO_ROOT="$(dirname "$0")/.."
        ls "$SHOP_ROOT" "$APP_ROOT" "$REPO_ROOT"
        === settings.sh
        SHOP_NAME=shop
    """),
    tree("""
        === deploy.sh
        #!/bin/sh
        export SHOP_DIR=/srv/shop
        shop --config "$DATA_DIR"
    """),
]

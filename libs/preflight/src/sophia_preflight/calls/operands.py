"""What any command is told that looks like a file of the repository, whatever the command makes of it.

Nobody can know the options of every program. But a path with the ending of its neighbours, in a directory that people
write files into, is hardly ever anything else than one of them: whether it has such neighbours is for
`Finder.is_among_its_like` to say, here words are only picked.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sophia_preflight.calls.model import Needed, Target
from sophia_preflight.calls.running import Run
from sophia_preflight.text import ROOT, Word, is_known, named

_PATH = re.compile(r"(\.{1,2}/)*[\w.+-]+(/[\w.+-]+)*/?")
_FILE = re.compile(
    r"[\w-]\.(ya?ml|json5?|jsonnet|libsonnet|toml|ini|cfg|cnf|conf|properties|env|sh|bash|py|rb|pl|php|lua|ps1|[cm]?js|"
    r"jsx|tsx?|sql|tpl|tmpl|template|j2|jinja2?|mustache|in|txt|md|rst|adoc|xml|xsd|xsl|html|css|scss|less|proto|graphql|"
    r"hcl|tf|tfvars|spec|rules|service|timer|socket|target|mk|gradle|kts|csproj|sln|go|rs|patch|diff|list|example|sample|"
    r"dist|ldif|cue|rego|plist)$"
)
"""Endings of files that people write."""
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*|[\w.-]+\.(py|sh|bash|js|ts|rb|pl)")
"""Names of programs; one with an underscore is mostly a function of the script."""
_SILENT = named(
    "echo printf rm rmdir rimraf del-cli trash shred unlink mkdir mktemp touch tee git hg svn find fd test "
    "[ [[ export read trap exit "
    "return kill pkill curl wget tar zip unzip gzip bsdtar ssh scp rsync cd pushd popd alias unset "
    "unalias chown chmod cp mv ln install docker podman nerdctl buildah skopeo kubectl oc helm compose "
    "docker-compose gh glab aws gcloud gsutil az ls dir set local declare typeset readonly shift eval "
    "complete dpkg dpkg-deb apt apt-get apk dnf yum pacman brew dig type which command pwd env sudo true "
    "false : return sleep wait logger say print info log warn warning error die fail usage make gmake "
    "cmake ninja basename dirname realpath readlink truncate dd openssl ssh-keygen xargs npx npm yarn "
    "pnpm pip pip3 jsdoc mockgen gettext xgettext expect mount umount ln useradd usermod systemctl "
    "service journalctl vi vim nano emacs code less more tree man open edit "
)
"""Commands that name files to make them, remove them, or to speak of them; and those with a reader of their own."""
_FILTERED = named("playwright vitest jest cypress ava")
"""Runners of tests that take any part of the paths of those that are meant."""
_FIRST_IS_TEXT = named("grep egrep fgrep zgrep rg ag awk gawk sed jq yq perl ruby")
_WRITES = re.compile(
    r"out|report|log|dest|save|writ|junit|cov|tmp|temp|cache|result|target|into|dir$|prefix|pid|sock|exclu|ignor|skip|omit|"
    r"includ|match|pattern|filter|name|tag|label|message|title|to$|snapshot|record|dump|export|store|database|db|image|"
    r"ref|branch|base|head|url|user|key|cert|pem|socket|trace|profile|stat|history|state|artifact|archive|backup|mount|volume",
    re.IGNORECASE,
)
"""Options by whose names their values may be made rather than read, or be no file at all."""
_SEARCHES = re.compile(r"-I|--?([\w-]+[_-])?(paths?|includes?|include[_-]dirs?|search[_-]\w+|root|chdir|cwd)")
"""Options whose values are directories that what a command is told may be in."""


def looks_like_file(value: str) -> bool:
    """Whether a word by its look may be a file or directory that people write."""
    value = value.rstrip("/")
    plain = "." not in posixpath.basename(value) and "/" in value.removeprefix("./")
    return plain or _FILE.search(value) is not None


def mentioned(words: Sequence[Word], run: Run, since: int) -> None:
    """Calls for the words of a command that look like files, but for those that calls from `since` on are about."""
    program = posixpath.basename(words[0].value)
    if program in _SILENT or program in _FILTERED or not _PROGRAM.fullmatch(program):
        return
    known = {
        (word.line, word.column, word.value) for call in run.trace.calls[since:] for word in _subjects(call.target)
    }
    roots = list(_roots(words))
    for word in _read(words, program):
        fresh = word.known and (word.line, word.column, word.value) not in known and _PATH.fullmatch(word.value)
        if fresh and looks_like_file(word.value) and all(map(is_known, roots)):
            either = tuple(posixpath.join(root, word.value) for root in roots if root != word.value)
            run.call(Needed(word, f"the file that `{program}` is told", either=either, mentioned=True), words)


_FLAGS = named(
    "-v -vv -vvv -q -qq -s -x -xvs -vs -sv -l -W -a -E -T -n -f --verbose --quiet --check --check-only --diff --fix "
    "--strict --statistics --show-fixes --preview --unsafe-fixes --no-cache --exit-zero --show-source --pretty "
    "--ignore-missing-imports --install-types --non-interactive --no-incremental --exitfirst --lf --ff --recursive -r "
    "--keep-going --color --count --no-header --disable-warnings --showlocals --no-cov --tb=short --force-exclude"
)
"""Options that take no value, of linters and runners of tests."""


def bare(words: Sequence[Word], operands: Sequence[Word]) -> Iterator[Word]:
    """Operands that are directories by a name alone, where nothing before them may be an option that they belong to."""
    for before, word in itertools.pairwise(words):
        option = before.value.startswith("-") and "=" not in before.value and before.value not in _FLAGS
        if any(each is word for each in operands) and not option and re.fullmatch(r"[A-Za-z_][\w-]*", word.value):
            yield word


def folders(words: Sequence[Word]) -> Iterator[Needed]:
    """The folders that words with wildcards take their files from. One that is named from where the script lies is
    sure; another is missing only where there is one of nearly its name."""
    for word in words:
        folder, _, wild = word.value.rpartition("/")
        if (
            word.glob
            and is_known(folder)
            and re.search(r"\w", folder)
            and "*" in wild
            and not re.search(r"[*?\[{]", folder)
        ):
            sure = folder.startswith(ROOT)
            yield Needed(replace(word, value=folder, glob=False), FOLDER, directory=True, mentioned=not sure)


FOLDER = "the folder of the files that are used"


def _roots(words: Sequence[Word]) -> Iterator[str]:
    """Directories that a command is told to look in: `--proto_path=DIR`, `-I DIR`, `-IDIR`."""
    for word, after in itertools.pairwise((*words, Word(""))):
        name, equals, value = word.value.partition("=")
        if match := re.fullmatch(r"-I(.+)", word.value, re.DOTALL):
            yield match[1]
        elif _SEARCHES.fullmatch(name):
            yield value if equals else after.value


def _subjects(target: Target) -> Iterator[Word]:
    for name in target.__dataclass_fields__:
        value = getattr(target, name)
        if isinstance(value, Word):
            yield value
        elif isinstance(value, tuple) and name != "arguments":
            yield from (each for each in value if isinstance(each, Word))


def _read(words: Sequence[Word], program: str) -> Iterator[Word]:
    """Operands and values of options, but for those that by their option are made."""
    option = ""
    text_first = program in _FIRST_IS_TEXT
    for word in words[1:]:
        name, equals, value = word.value.partition("=")
        if word.value.startswith("-") and word.value != "-":
            option = ""
            if text_first and re.fullmatch(r"-\w*[ef]|--(regexp|expression|file)(=.*)?", word.value):
                text_first = False
            if equals and name.startswith("--"):
                if not _WRITES.search(name):
                    yield replace(word, value=value, column=word.column + len(name) + 1)
            else:
                option = name
            continue
        if option and (_WRITES.search(option) or option in ("-o", "-O", "-t", "-d", "-l", "-x")):
            option = ""
            continue
        option = ""
        if text_first:
            text_first = False
            continue
        yield word

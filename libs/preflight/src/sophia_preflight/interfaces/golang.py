"""What programs in Go accept, read from the source of their package and of all that it imports from its module.

The libraries that are known: `flag`, pflag and cobra, kingpin, urfave/cli, go-flags, kong. Where flags come from
packages that are not here, nothing is said.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.interfaces.written import kebab
from sophia_preflight.text import named

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_PACKAGE = re.compile(r"^package[ \t]+(\w+)", re.MULTILINE)
_MAIN = re.compile(r"^func main\(\)", re.MULTILINE)
_IMPORTS = re.compile(r"^import\s*(?:\(([^)]*)\)|((?:[\w.]+[ \t]+)?\"[^\"\n]+\"))", re.MULTILINE)
_IMPORT = re.compile(r"(?:([\w.]+)[ \t]+)?\"([^\"\n]+)\"")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|(\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|'(?:\\.|[^'\\\n])+')", re.DOTALL)
_SPEAKS = re.compile(r"lag|ommand|long:\"|kong")
_LIBRARIES = re.compile(
    r"flag|github\.com/spf13/(pflag|cobra)|(github\.com/urfave|github\.com/codegangsta|gopkg\.in/urfave)/cli.*"
    r"|(gopkg\.in|github\.com)/alecthomas/(kingpin|kong).*|github\.com/jessevdk/go-flags"
)
_VALUES = (
    r"(?:Bool|Int(?:8|16|32|64)?|Uint(?:8|16|32|64)?|Float(?:32|64)?|String|Duration|IP|IPMask|IPNet|BytesHex"
    r"|BytesBase64|Count|Func|BoolFunc|Text|Time)(?:Slice|Array|ToString|ToInt(?:64)?)?"
)
_DEFINED = re.compile(rf"\.({_VALUES})?(Var)?(P|PF)?\(")
_STRING = re.compile(r"\"((?:\\.|[^\"\\\n])*)\"|`([^`]*)`")
_NAME = re.compile(r"[A-Za-z0-9][\w.:-]*")
_CONSTANT = re.compile(r"\b(\w+)(?:[ \t]+string)?[ \t]*:?=[ \t]*\"([A-Za-z0-9][\w.-]*)\"")
_USE = re.compile(r"\bUse\s*:\s*([^\n]+)")
_COMMAND = re.compile(r"\.Command\(\s*([^,)]+)\s*,")
_LETTER = re.compile(r"\.Short\('(.)'\)")
_NAMED = re.compile(r"\b(Name|Aliases)\s*:\s*(\[\]string\{[^}]*\}|\"[^\"]*\"|`[^`]*`|[\w.]+)")
_TAG = re.compile(r"\b(long|short|name|alias|aliases):\"([^\"]*)\"")
_FIELD = re.compile(r"^[ \t]+([A-Z]\w*)[ \t]+[\w.*\[\]{}]+[ \t]+`", re.MULTILINE)
_LITERAL = re.compile(r"(?<=[\"`])-{0,2}([A-Za-z0-9][\w.-]*)(?=[\"`=, ])|(?<=[, ])([A-Za-z0-9][\w.-]*)(?=[\"`])")
_COMPOSED = re.compile(r"[\"`]-{0,2}((?:[\w.-]|%[sv])*(?:%[sv])(?:[\w.-]|%[sv])*)[\"`]")
_AFFIX = re.compile(r"\+\s*[\"`]([.:_-]?[A-Za-z][\w.-]*)[\"`]|[\"`]([A-Za-z][\w.-]*[.:_-]?)[\"`]\s*\+")
_FLAGGING = re.compile(
    r"\b(\w+)(?:\.\w+|\(\))*\.((?:[Aa]dd|[Bb]ind|[Rr]egister|[Ii]nit|[Ii]nstall|[Ss]etup)\w*Flags\w*)\("
)
_LISTED = re.compile(r"\b(\w+)\.[A-Z]\w*Flags?(?=\s*(?:\.\.\.|[,)}]))")
"""Flags that are one value of a package: `append(remote.Flags, own...)`."""
_OWN = re.compile(r"Bind(P?Flags|FlagValues)|Add(Go)?FlagSet|AddPFlags|RegisterFlagCompletionFunc")
"""What the libraries of flags call their own."""
_FUNCTION = re.compile(r"\bfunc[ \t]+(?:\([^)]*\)[ \t]*)?(\w+)\(([^{]*)\{|(\w+)[ \t]*:?=[ \t]*func\(([^{]*)\{")
_EXTRA: tuple[tuple[str, str], ...] = (
    ("sigs.k8s.io/controller-runtime", "zap-devel zap-encoder zap-log-level zap-stacktrace-level zap-time-encoding"),
    ("github.com/prometheus/exporter-toolkit", "web.listen-address web.systemd-socket web.config.file"),
    ("github.com/prometheus/common", "log.level log.format"),
    ("k8s.io/klog", "legacy_stderr_threshold_behavior"),
)
"""Packages, and the flags that they add where they are asked to."""
_BRING = re.compile(
    r"k8s\.io/(component-base|apiserver|cli-runtime|kubectl|kubernetes|sample-)|knative\.dev/|istio\.io/"
    r"|github\.com/(grafana/dskit|weaveworks/common|fluxcd/pkg|openshift/library-go|kubernetes-sigs|cosmos|ethereum)/"
    r"|sigs\.k8s\.io/(apiserver-runtime|custom-metrics)|go\.opentelemetry\.io/collector/(service|otelcol)"
)
"""Packages that bring flags or commands which nobody here can name."""
_MADE = re.compile(r"\b(\w+)(?:,[ \t]*\w+)?[ \t]*:?=[ \t]*(\w+)\.[A-Z]\w*\(")
_RUN = re.compile(
    r"\b(\w+)(?:\.New\w*\([^()\n]*\))?\.(?:Run|RunContext)\([^\n]*\bos\.Args\b"
    r"|\b(\w+)(?:\.New\w*\([^()\n]*\))?\.Execute(?:C|Context|ContextC)?\("
)
_FLAG_SETS = re.compile(r"\bNewFlagSet\(\s*\"([a-z][\w-]*)\"")
"""Commands of a program that has nothing but `flag`: each has a set of its own."""
_ADDED = re.compile(r"\bAddCommand\(([^;]*?)\)\n")
_LOGGING = re.compile(r"\b(\w+log)\.Init\(")
"""Loggers that are begun by a call, and may take flags by it."""
_ALWAYS = named(
    "v vmodule logtostderr alsologtostderr stderrthreshold log_dir log_backtrace_at log_file log_file_max_size "
    "skip_headers skip_log_headers add_dir_header one_output log-backtrace-at log-dir log-file log-file-max-size "
    "skip-headers skip-log-headers add-dir-header one-output help-long help-man completion-script-bash "
    "completion-script-zsh completion-bash generate-bash-completion kubeconfig"
)
"""Flags that packages add wherever they are, and nobody can see which are."""
_LENIENT = re.compile(r"\b(?:(UnknownFlags|DisableFlagParsing|SkipFlagParsing)\s*[:=]+\s*true|(IgnoreUnknown))\b")
_HANDING_ON = re.compile(
    r"SetInterspersed\(false\)|syscall\.Exec\("
    r"|\bexec\.Command(Context)?\((\w+, )?(flag\.Arg|os\.Args|\w*\.?[aA]rgs\b|(cmd|command)\[0\])"
)
"""Programs that start what they are told to, with what follows."""
_PLACE = re.compile(r"[\[<](?!(flags|command|subcommand|commands|options|global)\b)", re.IGNORECASE)
_MOST_FILES = 3000


class GoPrograms:
    """The main packages of a repository, and what they accept."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._known: dict[str, Vocabulary | None] = {}
        self._codes: dict[str, str] = {}
        self._imports: dict[str, list[tuple[str, str]]] = {}
        self._literals: dict[str, frozenset[str]] = {}
        self._libraries: dict[str, bool] = {}

    @cached_property
    def packages(self) -> dict[str, list[str]]:
        """Directories with source in Go, and their files."""
        found: dict[str, list[str]] = {}
        for path in self.repository.entries:
            if path.endswith(".go") and not path.endswith("_test.go"):
                found.setdefault(posixpath.dirname(path), []).append(path)
        return found

    @cached_property
    def mains(self) -> dict[str, str]:
        """Directories of programs, and the file that each begins in."""
        found: dict[str, str] = {}
        for directory, files in self.packages.items():
            for path in files:
                text = self.repository.glimpse(path)
                if (match := _PACKAGE.search(text)) and match[1] == "main" and _MAIN.search(text):
                    found[directory] = path
                    break
        return found

    @cached_property
    def modules(self) -> dict[str, str]:
        """Import paths of modules, and their directories."""
        found: dict[str, str] = {}
        for path in self.repository.by_name.get("go.mod", []):
            if match := re.search(r"^module[ \t]+\"?([^\s\"]+)", self.repository.glimpse(path), re.MULTILINE):
                found[match[1]] = posixpath.dirname(path)
        return found or self._guessed()

    def _guessed(self) -> dict[str, str]:
        """The import path of a repository without modules, by what its programs import."""
        prefixes: Counter[str] = Counter()
        for path in list(self.mains.values())[:20]:
            for _, name in imports(self.repository.glimpse(path)):
                parts = name.split("/")
                for end in range(1, len(parts)):
                    if "/".join(parts[end:]) in self.packages:
                        prefixes["/".join(parts[:end])] += 1
        return {prefixes.most_common(1)[0][0]: ""} if prefixes else {}

    def name_of(self, directory: str) -> str:
        """What `go build` calls the program of a directory."""
        module = next((name for name, place in self.modules.items() if place == directory), "")
        name = posixpath.basename(module) if module else posixpath.basename(directory)
        return posixpath.basename(posixpath.dirname(module)) if module and re.fullmatch(r"v\d+", name) else name

    def vocabulary(self, directory: str, file: str = "") -> Vocabulary | None:
        """What the program of a directory, or of one file in it, accepts; None where nobody can tell."""
        key = file or directory
        if key not in self._known:
            files = [file] if file else self.packages.get(directory, [])
            self._known[key] = self._read(file or self.mains.get(directory, ""), files) if files else None
        return self._known[key]

    def files(self, directory: str) -> list[str]:
        """The files of the program of a directory, and of what it imports of ours."""
        return self._closure(self.packages.get(directory, []))[0]

    def directory(self, name: str) -> str | None:
        """The directory of a package of ours, by its import path."""
        around = (each for each in self.modules if f"{name}/".startswith(f"{each}/"))
        best = max(around, key=len, default=None)
        if best is None:
            return None
        place = posixpath.normpath(posixpath.join(self.modules[best], name[len(best) :].lstrip("/") or "."))
        return "" if place == "." else place

    def _closure(self, files: list[str]) -> tuple[list[str], dict[str, str]]:
        """The files of a program and of what it imports of ours; and what else it imports, by the names used for it."""
        found: list[str] = list(files)
        foreign: dict[str, str] = {}
        seen: set[str] = set()
        waiting = list(files)
        while waiting and len(found) <= _MOST_FILES:
            for alias, name in self._imported(waiting.pop()):
                directory = self.directory(name)
                if directory is None or directory not in self.packages:
                    if "." in name.partition("/")[0] or _LIBRARIES.fullmatch(name):
                        foreign[alias or _short(name)] = name
                elif self._is_library(directory):
                    foreign[alias or _short(name)] = "flag"
                elif directory not in seen:
                    seen.add(directory)
                    found += self.packages[directory]
                    waiting += self.packages[directory]
        return found, foreign

    def _is_library(self, directory: str) -> bool:
        """Whether a package of ours is a copy of `flag`."""
        if directory not in self._libraries:
            texts = map(self.repository.glimpse, self.packages[directory])
            self._libraries[directory] = any("\ntype FlagSet struct" in text for text in texts)
        return self._libraries[directory]

    def _imported(self, path: str) -> list[tuple[str, str]]:
        if path not in self._imports:
            self._imports[path] = list(imports(self.repository.glimpse(path)))
        return self._imports[path]

    def _code(self, path: str) -> str:
        """The text of a file that may speak of flags, without comments."""
        if path not in self._codes:
            text = self.repository.glimpse(path)
            self._codes[path] = _COMMENT.sub(lambda match: match[1] or " ", text) if _SPEAKS.search(text) else ""
        return self._codes[path]

    def _literal(self, path: str) -> frozenset[str]:
        """Everything in the texts of a file that may be the name of an option."""
        if path not in self._literals:
            found = _LITERAL.findall(self.repository.glimpse(path))
            self._literals[path] = frozenset(start or end for start, end in found)
        return self._literals[path]

    def _read(self, main: str, files: list[str]) -> Vocabulary | None:
        paths, foreign = self._closure(files)
        if len(paths) > _MOST_FILES or any(_BRING.match(name) for name in foreign.values()):
            return None
        if not any(_LIBRARIES.fullmatch(name) for name in foreign.values()):
            return None
        texts = (self._literal(path) for path in paths)
        return _Reading(main, [code for path in paths if (code := self._code(path))], foreign, texts).vocabulary()


def imports(text: str) -> Iterator[tuple[str, str]]:
    """What a file imports, and by what name where it says one."""
    for match in _IMPORTS.finditer(text[:20_000]):
        yield from _IMPORT.findall(match[1] or match[2] or "")


def _short(name: str) -> str:
    last = posixpath.basename(name)
    return posixpath.basename(posixpath.dirname(name)) if re.fullmatch(r"v\d+", last) else last.partition(".")[0]


class _Reading:
    """One program."""

    def __init__(
        self, main: str, codes: list[str], foreign: dict[str, str], literals: Iterable[frozenset[str]]
    ) -> None:
        self.main, self.codes, self.foreign, self.literals = main, codes, foreign, literals
        self.libraries = {name for name in foreign.values() if _LIBRARIES.fullmatch(name)}
        self.options: set[str] = set()
        self.flags: set[str] = set()
        self.valued: set[str] = set()
        self.letters: set[str] = set()
        self.plain = True
        """Whether every option was seen by its name."""
        self.wrappers: set[str] = set()
        self.constants: dict[str, set[str]] = {}

    def vocabulary(self) -> Vocabulary | None:
        whole = "\n".join(self.codes)
        if _is_lenient(whole) or self._brings(whole) or any(map(self._is_begun_elsewhere, self.codes)):
            return None
        for code in self.codes:
            for name, value in _CONSTANT.findall(code):
                self.constants.setdefault(name, set()).add(value)
        for code in self.codes:
            self._file(code)
        self._through()
        if not self.options:
            return None
        for package, names in _EXTRA:
            if any(each.startswith(package) for each in self.foreign.values()):
                self.options |= set(names.split())
        words, pieces = (None, ()) if self.plain else self._words()
        commands = self._commands(whole)
        pflags = any(re.search("pflag|cobra", each) for each in self.libraries)
        single = not pflags and not any(re.search("kingpin|kong|go-flags", each) for each in self.libraries)
        return Vocabulary(
            language="Go",
            path=self.main,
            options=frozenset(self.options) | _ALWAYS,
            valued=frozenset(self.valued - self.flags),
            words=words,
            pieces=pieces,
            letters=frozenset(self.letters) if pflags and self.plain and "flag" not in self.libraries else None,
            single=single,
            commands=commands | set(_FLAG_SETS.findall(whole)),
            refuses=bool(commands) and self._is_refusing(whole),
            negates=not single,
            hands_on=_HANDING_ON.search(whole) is not None,
        )

    def _brings(self, whole: str) -> bool:
        """Whether flags come from packages that are not here."""
        if any(receiver in self.foreign for receiver in _LOGGING.findall(whole)):
            return True
        listed = (self.foreign.get(receiver, "") for receiver in _LISTED.findall(whole))
        if any(library and not _LIBRARIES.fullmatch(library) for library in listed):
            return True
        own = set(re.findall(r"\bfunc[ \t]+(?:\([^)]*\)[ \t]*)?(\w*Flags\w*)[\[(]", whole))
        known = {name for name, _ in _EXTRA if any(each.startswith(name) for each in self.foreign.values())}
        flagging = "\n".join(line for line in whole.split("\n") if "Flags" in line)
        for receiver, method in _FLAGGING.findall(flagging):
            library = self.foreign.get(receiver, "")
            if _OWN.fullmatch(method) or (method in own and not library):
                continue
            if library and not _LIBRARIES.fullmatch(library) and not any(library.startswith(name) for name in known):
                return True
            if not library and not known:
                return True
        return False

    def _is_begun_elsewhere(self, code: str) -> bool:
        """Whether a program, or a command of it, is made by a package that is not here: `app := app.New()`."""
        others = {name for name in self.foreign.values() if not _LIBRARIES.fullmatch(name)}
        aliases = {alias or _short(name) for alias, name in imports(code) if name in others}
        if not aliases:
            return False
        run = {one or two for one, two in _RUN.findall(code)}
        added = {name for each in _ADDED.findall(code) for name in re.findall(r"(?<![.\w])(\w+)\.[A-Z]", each)}
        if aliases & (run | added - {"version", "completion"}):
            return True
        return any(maker in aliases and name in run for name, maker in _MADE.findall(code))

    def _commands(self, whole: str) -> frozenset[str]:
        """Commands of cobra and kingpin; none where some are not plain."""
        found: set[str] = set()
        for pattern in (_USE, _COMMAND):
            for argument in pattern.findall(whole):
                literal = _STRING.match(argument)
                if literal is None:
                    return frozenset()
                found.add((literal[1] or literal[2] or "").partition(" ")[0])
        for listed in re.findall(r"\bAliases\s*:\s*\[\]string\{([^}]*)\}|\.Alias\(([^)]*)\)", whole):
            found |= {one or two for one, two in _STRING.findall("".join(listed))}
        added = _ADDED.findall(whole)
        foreign = any(name in self.foreign for each in added for name in re.findall(r"\b(\w+)\.", each))
        return frozenset(found | {"help", "completion"}) if found and not foreign else frozenset()

    def _is_refusing(self, whole: str) -> bool:
        """Whether a word that is no command is refused: by kingpin, and by cobra's first command if it takes none."""
        if _COMMAND.search(whole) and any("kingpin" in each for each in self.libraries):
            return True
        uses = _USE.findall(whole)
        adds = "AddCommand(" in whole and "cobra.ArbitraryArgs" not in whole
        return adds and bool(uses) and not any(_PLACE.search(each) for each in uses[:1])

    # --- options -----------------------------------------------------------------------------------------------------

    def _file(self, code: str) -> None:
        names = {name for _, name in imports(code)}
        if any("kingpin" in each for each in names):
            self._kingpin(code)
        if any("/cli" in each for each in names):
            self._fields(code)
        if any("kong" in each for each in names):
            self.plain = False
            self.options |= {kebab(name) for name in _FIELD.findall(code)}
        tagged = any(re.search("kong|go-flags", each) for each in self.libraries)
        for kind, value in _TAG.findall(code) if tagged else ():
            (self.letters if kind == "short" else self.options).add(value)
        speaks = any(_LIBRARIES.fullmatch(each) or re.search("flag|cmd", each) for each in names)
        if speaks or "Flags()" in code or ".Flag." in code or any(alias == "flag" for alias, _ in imports(code)):
            self._calls(code)

    def _calls(self, code: str) -> None:
        for match in _DEFINED.finditer(code):
            kind, var, short = match.groups()
            if not kind and not var:
                continue
            arguments = list(_arguments(code, match.end()))
            if len(arguments) < (2 if kind == "Count" and not short and not var else 3):
                continue
            valued = None if kind is None else kind not in ("Bool", "BoolFunc", "Count")
            self._option(arguments, code, match.start(), valued=valued, short=bool(short))

    def _option(
        self, arguments: list[str], code: str, at: int, *, valued: bool | None = None, short: bool = False
    ) -> None:
        """One call that defines an option, whose name is the first of its arguments that is a text."""
        for index, argument in enumerate(arguments[:4]):
            if names := self._named(argument):
                self.options |= names
                letter = _STRING.fullmatch(arguments[index + 1]) if short and len(arguments) > index + 1 else None
                letters = {letter[1] or letter[2]} - {None, ""} if letter is not None else set()
                self.letters |= letters
                if valued is not None:
                    (self.valued if valued else self.flags).update(names | letters)
                return
        self._wrapped(arguments[:3], code, at)

    def _named(self, argument: str) -> set[str]:
        """The name that an argument is; several where a name stands for one of them."""
        if literal := _STRING.fullmatch(argument):
            name = literal[1] or literal[2] or ""
            return {name} if _NAME.fullmatch(name) else set()
        return self.constants.get(argument.rpartition(".")[2], set()) if re.fullmatch(r"[\w.]+", argument) else set()

    def _wrapped(self, arguments: list[str], code: str, at: int) -> None:
        """A definition whose name is a parameter of the function around it: what calls that function defines."""
        around = next(iter(deque(_FUNCTION.finditer(code, 0, at), maxlen=1)), None)
        name = (around[1] or around[3]) if around else ""
        parameters = set(re.findall(r"\w+", (around[2] or around[4] or "") if around else ""))
        if name and any(each in parameters for each in arguments):
            self.wrappers.add(name)
        else:
            self.plain = False

    def _through(self) -> None:
        """What is defined through functions of the program's own."""
        done: set[str] = set()
        while new := self.wrappers - done:
            done |= new
            pattern = re.compile(rf"(?<!func )(?<!\) )\b(?:{'|'.join(sorted(new))})\(")
            for code in self.codes:
                for match in pattern.finditer(code):
                    if arguments := list(_arguments(code, match.end())):
                        self._option(arguments, code, match.start())

    def _kingpin(self, code: str) -> None:
        for match in re.finditer(r"\.Flag\(", code):
            self._option(list(_arguments(code, match.end()))[:1], code, match.start())
        self.letters |= set(_LETTER.findall(code))

    def _fields(self, code: str) -> None:
        for kind, value in _NAMED.findall(code):
            literals = [one or two for one, two in _STRING.findall(value)]
            if kind == "Name" and not literals:
                names = self._named(value)
                self.options |= names
                self.plain = self.plain and bool(names)
            for literal in literals:
                self.options |= {each.strip() for each in literal.split(",")}

    def _words(self) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
        """Everything that may be the name of an option, and what names may be put together like where options are."""
        found = frozenset().union(*self.literals)
        composed: set[str] = set()
        for code in self.codes:
            if not any(_LIBRARIES.fullmatch(name) or "flag" in name for _, name in imports(code)):
                continue
            composed |= {re.sub(r"%[sv]|[^%]+", _piece, each) for each in _COMPOSED.findall(code)}
            for after, before in _AFFIX.findall(code):
                composed.add(r"[\w.-]+" + re.escape(after) if after else re.escape(before) + r"[\w.-]+")
        return found, tuple(map(re.compile, sorted(composed)))


def _is_lenient(whole: str) -> bool:
    """Whether what nobody knows is passed over; a first set of flags may be, where others read everything again."""
    lenient = _LENIENT.findall(whole)
    others = any(name != "UnknownFlags" for name, _ in lenient)
    return others or bool(lenient and len(lenient) >= whole.count("NewFlagSet("))


def _piece(match: re.Match[str]) -> str:
    return r"[\w.-]+" if match[0] in ("%s", "%v") else re.escape(match[0])


def _arguments(code: str, start: int) -> Iterator[str]:
    """The arguments of a call, from behind its parenthesis; at most the first five."""
    depth, begin, index, count = 1, start, start, 0
    while index < len(code) and depth and count < 5 and index - start < 4000:
        char = code[index]
        if char in '"`':
            literal = _STRING.match(code, index)
            index = literal.end() if literal else index + 1
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if (char == "," and depth == 1) or depth == 0:
            if text := code[begin:index].strip():
                yield text
                count += 1
            begin = index + 1
        index += 1

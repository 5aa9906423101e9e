"""Options that the source of a program in Python speaks of, where nobody can tell how it puts its parser together.

Parsers are made in classes, in loops, by functions of other modules; what they are made of is written down somewhere
all the same. An option that stands in none of a program's files is refused by it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any

from sophia_preflight.interfaces.vocabulary import Vocabulary

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_SPEAKS = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(argparse|click|typer|optparse|asyncclick|rich_click|configargparse)\b"
    r"|\.add_(?:argument|parser|option|command|typer)\(",
    re.MULTILINE,
)
_OTHERS = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:fire|tyro|simple_parsing|cliff|cement|plac|cleo|knack|docopt|cyclopts|oslo_config"
    r"|gflags|absl|jsonargparse|hydra|defopt|argh|pyrallis|datargs|clize|invoke|tap|click_plugins|duty|nubia|django)\b"
    r"|\b(?:HfArgumentParser|LightningCLI|add_argparse_args|CliApp|cli_parse_args|CliSettingsSource"
    r"|execute_from_command_line|load_entry_point|with_plugins|MultiCommand|prefix_chars)\b"
    r"|(?<![\"'] in )(?<![\"'] not in )\bsys\.argv\b"
    r"(?!\[\d\](?!\.)|\[\w+:\]|\)|\.index\(|[ \t]*=[ \t]*\[[\"']|[ \t]*$)",
    re.MULTILINE,
)
"""What makes options of names that are none in the source, or brings commands of others."""
_CENTRAL = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:oslo_config|absl\.flags|gflags|tornado\.options)\b", re.MULTILINE
)
"""What keeps the options of a whole program in one place, to which any of its modules adds some."""
_FLASK = frozenset(
    {"app", "debug", "env-file", "host", "port", "cert", "key", "reload", "debugger", "with-threads", "extra-files",
     "exclude-patterns", "sort", "all-methods", "directory", "message", "autogenerate", "sql", "head", "splice",
     "branch-label", "version-path", "rev-id", "tag", "x-arg", "resolve-dependencies", "verbose", "purge", "multidb",
     "template", "package", "indicate-current", "rev-range"}
)  # fmt: skip
"""Options of the commands that Flask and Flask-Migrate give a `FlaskGroup`."""
_PASSES_OVER = re.compile(r"^[^\n#]*(?:=|\breturn\b)[^\n#=]*\.parse_known(?:_intermixed)?_args\(", re.MULTILINE)
_LOOKS_AGAIN = re.compile(
    r"\.parse_(?:intermixed_)?args\(|(unrecogni[sz]ed|unknown|unexpected) (argument|option|flag)", re.IGNORECASE
)
"""What shows that options which are not known are refused after all."""
_PARSES = re.compile(r"\.parse(?:_known)?(?:_intermixed)?_args\(")
_LENIENT = {
    "argparse": re.compile(r"\bREMAINDER\b|nargs=[\"']\.\.\.[\"']"),
    "click": re.compile(r"ignore_unknown_options|allow_extra_args|\bUNPROCESSED\b|allow_interspersed_args"),
    "optparse": re.compile(r"disable_interspersed_args|allow_interspersed_args|\.rargs\b|\b_process_args\b"),
}
"""What takes options that are not known, for a command of which that is all there is to say."""
_MARKED = re.compile(r"(?<=\w)\.set_defaults\([^()]*=\s*(?:[\"']|True\b)")
"""What a command is marked by, of which the program looks whether it takes what its parser does not."""
_DYNAMIC = re.compile(
    r"\b(import_module|__import__|iter_modules|walk_packages|iter_entry_points|exec_module|spec_from_file|pluggy|runpy)\b"
    r"|(?<![\w.])exec\("
)
_LITERAL = re.compile(r"""(?<=["'])(--?[A-Za-z][\w-]*)(?:/(--[A-Za-z][\w-]*))?(?=["'=,/ {])""")
_COMPOSED = re.compile(
    r"""f["'](--[\w-]*\{[^"'\n]*)["']|["'](--[\w-]*%[sr][\w%-]*)["']|["'](--[\w-]*\{\w*\}[^"'\n]*)["']\.format"""
)
_JOINED = re.compile(r"""["'](--(?:[\w-]*-)?)["']\s*\+|["'](--)["']\.join""")
_COMPUTED = re.compile(
    r"""\.add_(?:argument|option)\(\s*(?!["'])|\bclick\.(?:option|Option)\(\s*(?!["'\[])|\b[Oo]ption\(\s*(?:f["']|\*)"""
)
"""A definition of an option whose name is no plain text."""
_FROM_OTHERS = re.compile(r"(?:\.add_(?:argument|option)|\bclick\.[oO]ption|\boption)\(\s*\*?(?!self\b|cls\b)\w+\.\w+")
"""Such a one by what some object holds."""
_BRINGS = re.compile(
    r"\b((?:add|register|setup|configure|create|build|fill|define|inject|init|populate|make|extend|append)\w*)\("
    r"[^()\n]*\b(?:\w*parsers?|\w*subparser|argparser|arg_group|ap)\b(?!\.)"
)
_OWN = re.compile(
    r"add_(argument|argument_group|mutually_exclusive_group|parser|subparsers|option|option_group|options)"
)
_ADDED = re.compile(r"\.(?:add_command|add_typer)\(\s*([\w.]+)|\bparents\s*=\s*\[([^\]]*)\]")
_DECORATED = re.compile(
    r"^[ \t]*@([\w.]*(?:option|options|opts|opt|flag|flags|params|(?<!magic_)arguments))(?![\w.])", re.MULTILINE
)
_PARSER = re.compile(
    r"\b(\w+)\.(?:ArgumentParser|OptionParser)\("
    r"|\bclass \w+\((?!argparse\.|optparse\.|click\.|typer\.)(\w+\.\w*(?:Parser|Group))\)"
)
_CALLED_ARGPARSE = re.compile(r"\bimport[ \t]+(?:argparse|optparse)[ \t]+as[ \t]+(\w+)")
_DEFINED = re.compile(
    r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^[ \t]*(\w+)(?:[ \t]*:[^=\n]+)?[ \t]*=(?!=)|\bfor[ \t]+(\w+)",
    re.MULTILINE,
)
_DOCSTRING = re.compile(
    r"""(\A\s*|^[ \t]*(?:class\b|(?:async[ \t]+)?def\b|\))[^\n]*:[ \t]*\n\s*)[rRuU]?("{3}|'{3})[\s\S]*?\2""",
    re.MULTILINE,
)
_TESTS = re.compile(r"(^|/)(tests?|testing|docs|examples?|management/commands)/|(^|/)(test_[^/]*|conftest)\.py$")
_MOST_FILES = 3000


class Spoken:
    """Vocabularies of programs in Python."""

    def __init__(self, context: Context) -> None:
        self.context, self.repository = context, context.repository
        self._known: dict[str, Vocabulary | None] = {}
        self._imports: dict[str, list[str]] = {}
        self._texts: dict[tuple[str, bool], str] = {}
        self._answers: dict[tuple[Hashable, ...], Any] = {}

    def vocabulary(self, path: str) -> Vocabulary | None:
        """What the program that begins in a file speaks of; None where that does not decide what it accepts."""
        if path not in self._known:
            self._known[path] = self._read(path)
        return self._known[path]

    def files(self, path: str) -> list[str]:
        """The files of ours that a program is made of."""
        return self._closure(path)

    def _read(self, path: str) -> Vocabulary | None:
        files = self._closure(path)
        texts = [self._text(each, path) for each in files] if len(files) < _MOST_FILES else []
        speaking = [text for text in texts if self._once(_SPEAKS.search, text)]
        if not speaking:
            return None
        whole = "\n".join(speaking)
        library = next((match[1] for text in speaking if (match := _SPEAKS.search(text)) and match[1]), "argparse")
        kind = library if library in ("argparse", "optparse") else "argparse" if "argparse" in library else "click"
        first = [text for text in speaking[:1] if text is texts[0]]
        looks = first if kind == "click" or any(map(_PARSES.search, first)) else speaking
        if (
            any(self._once(_CENTRAL.search, text) for text in texts)
            or any(self._once(_OTHERS.search, text) for text in speaking)
            or any(self._once(_is_lenient, text) for text in looks)
            or self._brings(speaking, texts)
        ):
            return None
        loose = {each for text in speaking for each in self._once(_lenient_commands, text, _LENIENT[kind])}
        if _PASSES_OVER.search(whole):
            loose |= {each for text in speaking for each in self._once(_lenient_commands, text, _MARKED)}
        names = {each for text in texts for each in self._once(_literals, text)}
        others = re.search(r"\bFlaskGroup\b", whole) is not None
        if others:
            names |= _FLASK
        pieces = self._pieces(whole)
        if pieces is None or not names:
            return None
        if re.search(r"^[ \t]*(?:import|from)[ \t]+typer\b", whole, re.MULTILINE):
            names |= {each.replace("_", "-") for each in re.findall(r"\b([a-z]\w*)[ \t]*:(?!=)", whole)}
            names |= {"install-completion", "show-completion"}
        both = {each.replace("_", "-") for each in names} | {each.replace("-", "_") for each in names} | names
        return Vocabulary(
            language="Python",
            path=path,
            options=frozenset(names),
            words=frozenset(both),
            pieces=pieces,
            negates=True,
            abbreviates=kind != "click",
            commands=frozenset(_called(whole)) if loose or others else frozenset(),
            hands_on=bool(loose) or others,
            lenient=frozenset(loose),
        )

    def _text(self, path: str, started: str) -> str:
        """The text of a file without comments and docstrings, nor what only happens if another than this starts."""
        key = (path, path == started)
        if key not in self._texts:
            text = re.sub(r"^[ \t]*#[^\n]*", "", self.repository.glimpse(path), flags=re.MULTILINE)
            text = _DOCSTRING.sub(r"\1", text)
            own = path == started
            parts = [text] if own else re.split(r"^if __name__ == ", text, maxsplit=1, flags=re.MULTILINE)
            self._texts[key] = parts[0]
        return self._texts[key]

    def _once(self, ask: Callable[..., Any], *about: Hashable) -> Any:
        """An answer about a text, asked once: programs of one project share most of what they import."""
        key = (ask, *about)
        if key not in self._answers:
            answer = ask(*about)
            self._answers[key] = tuple(answer) if isinstance(answer, Iterator) else answer
        return self._answers[key]

    # --- which files -------------------------------------------------------------------------------------------------

    def _closure(self, path: str) -> list[str]:
        """A file and what it imports of ours; where it looks for modules while it runs, all of their packages."""
        found, seen, waiting = [path], {path}, [path]
        while waiting and len(found) < _MOST_FILES:
            current = waiting.pop(0)
            for other in self._imported(current):
                if other not in seen:
                    seen.add(other)
                    found.append(other)
                    waiting.append(other)
            if not waiting and any(_DYNAMIC.search(self.repository.glimpse(each)) for each in found):
                tops = {self._top(each) for each in found} - {""}
                more = [
                    each
                    for each in self.repository.entries
                    if each.endswith(".py") and each not in seen and any(each.startswith(f"{top}/") for top in tops)
                ]
                found += more
                seen |= set(more)
        return [each for each in found if each == path or not _TESTS.search(each)]

    def _top(self, path: str) -> str:
        directory = posixpath.dirname(path)
        while self.repository.is_file(posixpath.join(posixpath.dirname(directory), "__init__.py")):
            directory = posixpath.dirname(directory)
        return directory

    def _imported(self, path: str) -> list[str]:
        if path not in self._imports:
            self._imports[path] = list(dict.fromkeys(self._targets(path)))
        return self._imports[path]

    def _targets(self, path: str) -> Iterator[str]:
        for match in _IMPORT.finditer(self.repository.glimpse(path)):
            dots, module, names, plain = match.groups()
            if plain:
                for each in plain.split(","):
                    yield from self._files(path, each.split()[0] if each.split() else "", 0)
                continue
            yield from self._files(path, module, len(dots))
            for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", names):
                yield from self._files(path, f"{module}.{name}" if module else name, len(dots))

    def _files(self, path: str, name: str, level: int) -> Iterator[str]:
        """The file of a module, and those of the packages around it, which are run before."""
        if not name and not level:
            return
        parts = name.split(".") if name else []
        if level:
            base = posixpath.dirname(path)
            for _ in range(level - 1):
                base = posixpath.dirname(base)
            roots = [base]
        else:
            roots = [("" if each == "." else each) for each in self.context.module_roots(parts[0])]
        for root in roots:
            for end in range(len(parts) + 1):
                inner = posixpath.join(root, *parts[:end])
                places = [posixpath.join(inner, "__init__.py")] if end or level else []
                places += [f"{inner}.py"] if end == len(parts) and parts else []
                yield from (each for each in places if each in self.repository.entries)

    # --- what they say -----------------------------------------------------------------------------------------------

    def _brings(self, speaking: list[str], texts: list[str]) -> bool:
        """Whether options or commands come from packages that are not here."""

        def all_of(pattern: re.Pattern[str]) -> Iterator[Any]:
            return (each for text in speaking for each in self._once(pattern.findall, text))

        own = {name for text in texts for name in self._once(_defined, text)}
        own |= {name for text in texts for name in self._once(self._renamed, text)}
        for name in all_of(_BRINGS):
            if name not in own and not _OWN.fullmatch(name):
                return True
        for one, listed in all_of(_ADDED):
            for name in [one] if one else re.findall(r"[\w.]+", listed):
                if name.rpartition(".")[2] not in own and name.partition(".")[0] not in own and name != "self":
                    return True
        own |= {"click", "typer", "rich_click", "asyncclick", "option"}
        for name in all_of(_DECORATED):
            if name.partition(".")[0] not in own and name.rpartition(".")[2] not in own:
                return True
        usual = {"argparse", "optparse", "configargparse", "", *all_of(_CALLED_ARGPARSE)}
        return any(one not in usual or two for one, two in all_of(_PARSER))

    def _renamed(self, text: str) -> set[str]:
        """What modules of ours are imported as, and what is in them."""
        found: set[str] = set()
        for dots, module, names, plain in _IMPORT.findall(text):
            for top, listed in [(module.partition(".")[0], names)] if not plain else []:
                if dots or self.context.module_roots(top):
                    found |= set(re.findall(r"\bas[ \t]+(\w+)", listed))
        return found

    @staticmethod
    def _pieces(whole: str) -> tuple[re.Pattern[str], ...] | None:
        """What names may be put together like; None where that is like anything."""
        found: set[str] = set()
        if not _COMPUTED.search(whole):
            return ()
        if _FROM_OTHERS.search(whole):
            return None
        for groups in _COMPOSED.findall(whole):
            fixed = re.split(r"\{[^}]*\}|%[sr]", next(filter(None, groups)).lstrip("-"))
            if not "".join(fixed).strip("-_= "):
                return None
            found.add(r"[\w.-]+".join(re.escape(each.partition("=")[0]) for each in fixed))
        for before, _ in _JOINED.findall(whole):
            if not before.strip("-"):
                return None
            found.add(re.escape(before.lstrip("-")) + r"[\w.-]+")
        return tuple(map(re.compile, sorted(found)))


def _literals(text: str) -> frozenset[str]:
    """What a text holds that may be the name of an option."""
    found = {each.lstrip("-") for both in _LITERAL.findall(text) for each in both}
    return frozenset(found - {""})


def _defined(text: str) -> frozenset[str]:
    return frozenset(next(filter(None, each)) for each in _DEFINED.findall(text))


def _is_lenient(text: str) -> bool:
    """Whether what a file's parser does not know is passed over, or handed to somebody."""
    return _PASSES_OVER.search(text) is not None and _LOOKS_AGAIN.search(text) is None


def _called(text: str) -> Iterator[str]:
    """What commands of a program may be named."""
    yield from re.findall(r"[\"'](\w[\w-]*)[\"']", text)
    yield from (name.replace("_", "-") for name in re.findall(r"\bdef (\w+)\(", text))


def _lenient_commands(text: str, taking: re.Pattern[str]) -> Iterator[str]:
    """The commands of a file that take what they do not know; all that it names where nobody can tell which."""
    for match in taking.finditer(text):
        added = re.findall(r"\.add_parser\(\s*[\"']([\w-]+)[\"']", text[: match.start()])
        start = text.rfind("\ndef ", 0, match.start())
        decorated = re.search(r"\n(?:async )?def (\w+)\(", text[match.end() :])
        if added:
            yield added[-1]
        elif "@" in text[start : match.start()] and decorated:
            block = text[start + 1 : match.end() + decorated.end()]
            yield from (decorated[1], decorated[1].replace("_", "-"))
            yield from re.findall(r"command\(\s*(?:name\s*=\s*)?[\"']([\w-]+)", block)
        else:
            yield from _called(text)

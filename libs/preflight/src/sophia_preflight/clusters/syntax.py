"""What Helm cannot parse in a template, and fields of its built-in objects that there are not.

Only the actions between braces are read, in order: which blocks are open, and which variables are declared in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.spelling import is_slip
from sophia_preflight.text import named

_ACTION = re.compile(r"\{\{-?\s*(?:/\*.*?\*/|(?:\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|\}(?!\})|[^\"`}])*)\}\}", re.DOTALL)
_TEXT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|'(?:\\.|[^'\\\n])'", re.DOTALL)
_KEYWORD = re.compile(r"\{\{-?\s*(if|with|range|define|block|else|end)\b")
_DECLARED = re.compile(r"\$(\w+)(?:\s*,\s*\$(\w+))?\s*:=")
_VARIABLE = re.compile(r"\$(\w+)")
_WORD = re.compile(r"(?<![\w.$])[A-Za-z_]\w*")
_FIELD = re.compile(r"(?<![\w.)\]$])(?:\$)?\.(Chart|Release|Template|Capabilities)\.(\w+)")
_FIELDS = {
    "Chart": named(
        "Name Version AppVersion Description Keywords Home Sources Maintainers Icon APIVersion Condition Tags "
        "Deprecated Annotations KubeVersion Dependencies Type IsRoot"
    ),
    "Release": named("Name Namespace IsUpgrade IsInstall Revision Service"),
    "Template": named("Name BasePath"),
    "Capabilities": named("APIVersions KubeVersion HelmVersion"),
}
_EMPTY = frozenset({"Release", "Template"})
"""Objects of which a field that is not there is empty; of the others it is an error."""
_FUNCTIONS = named(
    "abbrev abbrevboth adler32sum ago append atoi base bcrypt biggest block break buildCustomCert call camelcase ceil "
    "chunk clean coalesce compact concat contains continue date dateInZone dateModify date_in_zone date_modify "
    "decryptAES deepCopy deepEqual default define derivePassword dict duration durationRound else empty encryptAES env "
    "expandenv fail false first float64 floor fromJson fromJsonArray fromToml fromYaml fromYamlArray genCA "
    "genCAWithKey genPrivateKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey "
    "getHostByName hasKey hasPrefix hasSuffix hello html htmlDate htmlDateInZone htpasswd include indent index "
    "initial initials int64 isAbs join kebabcase keys kindIs kindOf last list lookup lower maxf merge mergeOverwrite "
    "minf mulf mustAppend mustChunk mustCompact mustDateModify mustDeepCopy mustFirst mustFromJson mustHas "
    "mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush mustRegexFind mustRegexFindAll "
    "mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice "
    "mustToDate mustToJson mustToPrettyJson mustToRawJson mustToToml mustToYaml mustUniq mustWithout must_date_modify "
    "nindent nospace omit osBase osClean osDir osExt osIsAbs pick pluck plural prepend print printf println push "
    "quote randAlpha randAlphaNum randAscii randBytes randInt randNumeric range regexFind regexFindAll regexMatch "
    "regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit repeat replace required rest reverse round "
    "semver semverCompare sha1sum sha256sum sha512sum shuffle slice snakecase sortAlpha split splitList splitn squote "
    "subf divf addf add1f substr swapcase template ternary title toDate toDecimal toJson toPrettyJson toRawJson "
    "toString toStrings toToml toYaml toYamlPretty trim trimAll trimPrefix trimSuffix trimall true trunc tuple typeIs "
    "typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper urlJoin urlParse urlquery uuidv4 values with "
    "without wrap wrapWith b32dec b32enc b64dec b64enc js"
)
_SHORTEST = 4
"""Shorter names of functions are alike by chance."""


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place in a text, and the name that is meant, if there is one; some is only empty."""

    at: int
    message: str
    near: str = ""
    parses: bool = False
    fails: bool = True


@dataclass
class _Block:
    keyword: str
    at: int
    known: set[str]


def faults(text: str) -> Iterator[Fault]:
    """Everything that keeps a template from being parsed, or asks built-in objects for what they have not."""
    open_ = [_Block("", 0, set())]
    over: set[str] = set()
    for action in _ACTION.finditer(text):
        inside = _TEXT.sub(lambda found: '"' + " " * (len(found[0]) - 2) + '"', action[0])
        found = _KEYWORD.match(inside)
        keyword = found[1] if found is not None else ""
        if keyword == "end":
            if len(open_) == 1:
                yield Fault(action.start(), "an `end` closes nothing")
                return
            over |= open_.pop().known
            continue
        if keyword and keyword != "else":
            open_.append(_Block(keyword, action.start(), set()))
        declared = {name for each in _DECLARED.findall(inside) for name in each if name}
        open_[-1].known |= declared
        yield from _variables(action.start(), inside, open_, over)
        yield from _functions(action.start(), inside)
        yield from _fields(action.start(), inside)
    if len(open_) > 1:
        yield Fault(open_[-1].at, f"a block of `{open_[-1].keyword}` has no `end`")


def _variables(start: int, inside: str, open_: list[_Block], over: set[str]) -> Iterator[Fault]:
    outermost = max((at for at, each in enumerate(open_) if each.keyword in ("define", "block")), default=0)
    known = {name for each in open_[outermost:] for name in each.known}
    if open_[outermost].keyword == "block":
        known |= {name for each in open_ for name in each.known}  # what it is given is read outside
    for found in _VARIABLE.finditer(inside):
        if found[1] in known:
            continue
        near = next((each for each in sorted(known) if is_slip(found[1], each)), "")
        near = near or next(iter(get_close_matches(found[1], known, n=1)), "")
        ended = ", only in a block that has ended" if found[1] in over and not near else ""
        said = f"the variable `${found[1]}` is declared nowhere here{ended}"
        yield Fault(start + found.start(), said, near and f"${near}")


def _functions(start: int, inside: str) -> Iterator[Fault]:
    for found in _WORD.finditer(inside):
        if len(found[0]) < _SHORTEST or found[0] in _FUNCTIONS:
            continue
        near = [each for each in sorted(_FUNCTIONS) if len(each) >= _SHORTEST and is_slip(found[0], each)]
        if near:
            yield Fault(start + found.start(), f"there is no function `{found[0]}`", near[0])


def _fields(start: int, inside: str) -> Iterator[Fault]:
    """Only what is nearly a field: what else is asked for may be of a value that is called so, too."""
    for found in _FIELD.finditer(inside):
        known = {each.lower(): each for each in _FIELDS[found[1]]}
        if found[2] in known.values():
            continue
        near = get_close_matches(found[2].lower(), known, n=1, cutoff=0.8)
        if near:
            yield Fault(
                start + found.start(),
                f"`.{found[1]}` has no `{found[2]}`" + (": it is empty" if found[1] in _EMPTY else ""),
                known[near[0]],
                parses=True,
                fails=found[1] not in _EMPTY,
            )

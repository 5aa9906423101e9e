"""A name or a number that the last commits changed in one place, while others go on to say what it was.

What two places have to agree on is changed in both or breaks. Nothing has to be understood of either: a word became
another, nothing else in the repository says the new one, and something that is run still says the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from sophia_preflight.calls.documents import is_page
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.defining import SOURCE
from sophia_preflight.mentions import PROGRAM, TOLD, Mention, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.naming import kind_of, line_of
from sophia_preflight.ports.speaking import SERVED, is_outside
from sophia_preflight.replaced import Replaced
from sophia_preflight.standing import Standing, consequence, standing

RULE = Rule(
    id="lone-change",
    title="a name was changed in one place, and another still says what it was",
    severity=Severity.HIGH,
    why="one of the two means something that is not there",
    fix="say the same in both",
    family="contradictions",
    resort=3,
)
_VERSION = re.compile(r"v?\d+(\.\w+)+[\w.-]*|[0-9a-f]{7,}|\d{4}-\d\d-\d\d|.*\d+\.\d+.*")
_PORT = re.compile(r"\d{4,5}")
_PORTS = re.compile(r"port|listen|bind|expose|addr|publish|serve|host|url|curl|:\d{4,5}", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
_NAME = re.compile(r"(?=.*[a-z])(?:.*[\w][-_.][A-Za-z].*|--?[a-z].*)", re.IGNORECASE)
"""What nobody writes who does not mean one thing: words that are joined."""
_FOREIGN = re.compile(
    r"^\s*(- )?(\.PHONY|runs-on|uses|os|runner|FROM|from|RUN (apk|apt)|ubuntu|license|locale|lang(uage)?|charset|"
    r"encoding|color|theme|model|level|log\w*)\b[\s:=\"']|\b(install|add|get|upgrade)\s|[~^><=]=|python_requires|\bimage:"
    r"|[\"']:\s*[\"'][~^v]?\d",
    re.IGNORECASE,
)
"""Lines whose names somebody else gave: those of packages, images, runners, models."""
_ENDS = re.compile(r"^(?:(?:\$\w+|\.{1,2}|~)/)+|[/:.]+$")
_JOINED = re.compile(r"\w[/:@]+[\w.$]|[\w$]/|^\.{1,2}/")
_ADDRESS = re.compile(r"(?:\w+://)?(?:[\w.-]+@)?[A-Za-z][\w.-]*:\d{2,5}(?:/[\w/.-]*)?")
_EXPRESSION = re.compile(r"\{\{[^}]*\}\}|\$\{[^}]*\}")
_ABROAD = re.compile(r"https?://[\w-]+(\.[\w-]+)*\.(com|org|io|net|dev|ai|app|cloud|co|eu|de|cn)(?![\w.-])[^\s\"'<>)]*")
"""An address of what others keep."""
_HERE = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0")
_STORE = re.compile(r"\b(postgres\w*|mysql|mariadb|mongodb|redis|amqp|mqtt|ldap)s?(\+\w+)?://\S*$")
"""What stands before the port of a store, which each reader has where he likes."""
_MOST_PAIRS = 150
_MOST_FILES = 40
_FEWEST = 4
_MOST_SHOWN = 6
_MOST_WORDS = 8
"""What a line has more of is a sentence, where a single word is but a word."""
_ALIKE = 0.6
_NEAR = 0.85


def check(context: Context) -> Iterable[Finding]:
    pairs: dict[tuple[str, str], list[Replaced]] = {}
    for each in context.changes.replaced:
        if standing(each.path) is not Standing.TEST and not _FOREIGN.search(each.text):
            for one in _meant(each):
                pairs.setdefault((one.old, one.new), []).append(one)
    alone = {pair: changed for pair, changed in pairs.items() if len({each.path for each in changed}) == 1}
    if not alone or len(alone) > _MOST_PAIRS:
        return
    alone = {pair: changed for pair, changed in alone.items() if not any(map(_defines_function, changed))}
    said = _lines_saying(context, {new for _, new in alone})
    alone = {pair: changed for pair, changed in alone.items() if said[pair[1]] <= len(changed)}
    uses = context.mentions.of({_bare(old) for old, _ in alone}, _MOST_FILES)
    told: set[tuple[str, int]] = set()
    for (old, _), (first, *_) in alone.items():
        others = [use for use in uses.get(_bare(old), ()) if _still(context, use, first)]
        given: list[Place] = []
        if _VARIABLE.fullmatch(old):
            meant = any(PROGRAM.search(use.path) for use in others)
        elif _PORT.fullmatch(old):
            meant = bool(others) and not (_is_served(first.text, first.new) and any(map(_serves, others)))
        else:
            given = list(_givers(context, _bare(old)))
            meant = bool(given) or len({use.path for use in others}) > 1 or any(_agrees(use, first) for use in others)
        bound = not is_page(first.path) or (given and not _is_chosen(first)) or _binds_reader(first)
        if meant and bound and (first.path, first.line) not in told:
            told.add((first.path, first.line))
            yield _told(context, first, others, given)


def _defines_function(each: Replaced) -> bool:
    """Whether a line gives a function its name, by which its own file calls it."""
    return (
        re.search(rf"\bfunction\s+{re.escape(each.new)}\b|(?:^|\s){re.escape(each.new)}\s*\(\)", each.text) is not None
    )


def _meant(each: Replaced) -> Iterator[Replaced]:
    """The phrase that changed, and the word of it, as far as others may have to say the same."""
    if each.is_alone and _joints(each.old) != _joints(each.new):
        return  # another entry of a list
    word = each.word
    if word and not _is_expressed(word) and _means(word.old, word.new, word.text) and _asks(word):
        yield word
    if (
        _is_joined(each.old)
        and not _is_expressed(each)
        and not PROGRAM.search(each.path)
        and _bare(each.old) != _bare(each.new)
        and (_plain(each.old) != _plain(each.new) or _ADDRESS.fullmatch(each.old))
    ):
        yield each


def _agrees(use: Mention, each: Replaced) -> bool:
    """Whether one other use is enough: one that gives a word its meaning, or says the same in the same file."""
    whole = _is_joined(each.old) or re.search(r"\w[-_]\w", each.old) is not None
    return (whole and use.path == each.path) or (not _is_joined(each.old) and _is_definition(use))


def _is_expressed(each: Replaced) -> bool:
    """Whether it stands within an expression, or in the address of what others keep."""
    spans = (match.span() for pattern in (_EXPRESSION, _ABROAD) for match in pattern.finditer(each.text))
    return any(start <= each.column - 1 < end for start, end in spans)


def _bare(phrase: str) -> str:
    """A phrase without what a path may begin or end with."""
    return _ENDS.sub("", phrase)


def _is_joined(phrase: str) -> bool:
    """Whether a phrase is more than a word: a path, an address, an image with its tag."""
    return _JOINED.search(phrase) is not None


def _joints(phrase: str) -> str:
    """What parts the names of which a phrase is made."""
    return re.sub(r"[\w-]", "", phrase)


def _plain(phrase: str) -> str:
    """A phrase without its numbers, in which versions and amounts differ."""
    return re.sub(r"\d+", "", phrase)


def _binds_reader(each: Replaced) -> bool:
    """Whether whoever reads a page has to say what changed there as others do: he may choose all other values."""
    if _PORT.fullmatch(each.old) is None:
        return each.old.startswith("-")
    return _HERE.search(each.text) is not None and not _STORE.search(each.text[: each.column - 1])


def _is_chosen(each: Replaced) -> bool:
    """Whether a page's command gives the name to something of its reader's."""
    return re.search(r"(?<!\S)(--name|-n)[ =][\"']?$", each.text[: each.column - 1]) is not None


def _givers(context: Context, name: str) -> Iterator[Place]:
    """What is called so: files, and things that settings name."""
    yield from (Place(path) for path in context.repository.entries if path.endswith(f"/{name}") or path == name)
    for path, text in context.mentions.orders.items():
        if name in text and (line := line_of(text, name)):
            yield Place(path, line)


def _serves(use: Mention) -> bool:
    return _is_served(use.text, use.name)


def _is_served(line: str, port: str) -> bool:
    """Whether a line says that something listens on a port, or is published there."""
    return re.search(SERVED.format(port), line, re.IGNORECASE) is not None


def _is_definition(use: Mention) -> bool:
    """Whether the name that is used elsewhere is given here."""
    return bool(kind_of(use)) or (use.name.startswith("-") and SOURCE.search(use.path) is not None)


def _told(context: Context, each: Replaced, others: list[Mention], given: list[Place]) -> Finding:
    """A change that stands alone, with who still says what was there, or is called so."""
    sites = [site_of(each.path), *(use.site for use in others)]
    severity, blocks = min((consequence(each, held=True) for each in sites), key=lambda one: one[0].rank)
    places = dict.fromkeys([*(Place(use.path, use.line, use.column) for use in others), *given])
    return RULE.found(
        f"`{each.new}` is said here alone; it was `{each.old}` before {context.changes.since}, as others still say",
        Involved(Place(each.path, each.line, each.column), "changed"),
        *(Involved(place, "other") for place in list(places)[:_MOST_SHOWN]),
        anchor=f"{each.old} {each.new}",
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        fix=f"write `{each.old}` here, or `{each.new}` there",
        blocks=blocks,
    )


def _still(context: Context, use: Mention, each: Replaced) -> bool:
    as_path = use.after.startswith("/") or use.before.endswith("/")
    return (
        (use.path, use.line) != (each.path, each.line)
        and (as_path or not _is_joined(each.old) or _is_joined(_bare(each.old)))
        and standing(use.path) not in (Standing.ARCHIVED, Standing.VENDORED, Standing.TEST)
        and not use.optional
        and (not _PORT.fullmatch(each.old) or _PORTS.search(use.text) is not None)
        and context.changes.is_old(use)
    )


def _asks(each: Replaced) -> bool:
    """Whether the line that changed uses the name: what gives it to something makes others lose it, and what asks the
    environment for it may have both; other rules tell that. A variable is given to programs of the repository."""
    here = Mention(each.path, each.line, each.column, each.new, (each.text,), 0, page=False)
    if _VARIABLE.fullmatch(each.new):
        return not PROGRAM.search(each.path) and not is_page(each.path) and _is_near(each.old, each.new)
    return _PORT.fullmatch(each.new) is not None or not _is_definition(here)


def _is_near(old: str, new: str) -> bool:
    """Whether one name is another but for what separates its parts, or for a letter or two."""
    return SequenceMatcher(None, old, new).ratio() > _NEAR


def _means(old: str, new: str, line: str) -> bool:
    """Whether a word is one that others may have to say as well."""
    if old == new or _VERSION.fullmatch(old) or _VERSION.fullmatch(new) or min(len(old), len(new)) < _FEWEST:
        return False
    if _PORT.fullmatch(old) and _PORT.fullmatch(new):
        return _PORTS.search(line) is not None and int(old) < 65536 and not is_outside(line, new)
    if old.isdigit() or new.isdigit():
        return False
    if _NAME.fullmatch(old):
        return True
    return len(line.split()) <= _MOST_WORDS and SequenceMatcher(None, old, new).ratio() > _ALIKE


def _lines_saying(context: Context, words: set[str]) -> dict[str, int]:
    """How many lines of the repository say each word."""
    found = dict.fromkeys(words, 0)
    patterns = {word: re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])") for word in words}
    for path, entry in context.repository.entries.items():
        if entry.size > 1_000_000 or entry.target or TOLD.search(path):
            continue
        name = path.rpartition("/")[2]
        text = context.repository.glimpse(path)
        for word, pattern in patterns.items():
            if word in text:
                found[word] += len({text.count("\n", 0, match.start()) for match in pattern.finditer(text)})
            if word in name or f"/{word}/" in f"/{path}":
                found[word] += 1
    return found


_CACHE = """
    === deploy/stack.conf
    hostname = "cache-store"
    === shop/settings.rb
    CACHE = "redis://{0}:6379"
    === shop/settings.rb (before)
    CACHE = "redis://cache-store:6379"
"""
_PORT_OF = """
    === shop/run.hcl
    targets = ["http://shop:{0}"]
    === shop/run.hcl (before)
    targets = ["http://shop:9102"]
    === deploy/shop.ini
    metrics_port = {1}
"""
_FILE_OF = """
    === hooks/start.hcl
    exec = "{0}"
    === hooks/start.hcl (before)
    exec = "warm-up"
    === tools/warm-up
    puts "warm"
"""
_PAGE = """
    === README.md
    ```sh
    {1}{0}
    ```
    === README.md (before)
    ```sh
    {1}9102
    ```
    === deploy/shop.ini
    metrics_port = 9102
"""
_BUILT = """
    === build.mk
    \tship build --as {0} .
    \tship run {1}
    === build.mk (before)
    \tship build --as shop-image .
    \tship run shop-image
"""
_ASKED = """
    === stack.conf
    first = "http://shop.local:{0}"
    second = "http://shop.local:{1}"
    === stack.conf (before)
    first = "http://shop.local:8080"
    second = "http://shop.local:8080"
"""
_KEPT = """
    === image.conf
    run make "{0}/a" "{0}/b"
    run keep {1}
    === image.conf (before)
    run make "/data/shop/a" "/data/shop/b"
    run keep /data/shop/a
"""
_VARIABLE_OF = """
    === chart.yaml
    env:
      - name: {0}
    === chart.yaml (before)
    env:
      - name: SHOP_IN_CLUSTER
    === shop.rb
    ENV.fetch("SHOP_IN_CLUSTER")
"""
_LISTED = """
    === fields.yaml
    - first
    - {0}
    === fields.yaml (before)
    - first
    - shop-name
    === other.yaml
    shop-name:
      - shop-name
"""
_FOLDER = """
    === build.conf
    wheel --into={0}
    keep {1}/*.whl
    === build.conf (before)
    wheel --into=dist/
    keep dist/*.whl
"""
BAD = [
    tree(_PAGE.replace("{0}", "9103").replace("{1}", "curl http://localhost:")),
    tree(_CACHE.replace("{0}", "cachestore")),
    tree(_PORT_OF.replace("{0}", "9103").replace("{1}", "9102")),
    tree(_FILE_OF.replace("{0}", "warm-ups")),
    tree(_BUILT.replace("{0}", "shop-built").replace("{1}", "shop-image")),
    tree(_ASKED.replace("{0}", "8000").replace("{1}", "8080")),
    tree(_FOLDER.replace("{0}", "wheels/").replace("{1}", "dist")),
    tree(_KEPT.replace("{0}", "/data/store").replace("{1}", "/data/shop/a")),
    tree(_VARIABLE_OF.replace("{0}", "SHOP_INCLUSTER")),
]
GOOD = [
    tree(_FOLDER.replace("{0}", "wheels/").replace("{1}", "wheels")),
    tree("""
        === README.md
        ```sh
        ship to green-shop
        ```
        === README.md (before)
        ```sh
        ship to blue-shop
        ```
        === one.conf
        to blue-shop
        === two.conf
        to blue-shop
    """),
    tree(_CACHE.replace("{0}", "cache-store")),
    tree(_PORT_OF.replace("{0}", "9103").replace("{1}", "9103")),
    tree("""
        === ci/build.hcl
        runs-on: "large-runner"
        === ci/build.hcl (before)
        runs-on: "small-runner"
        === ci/test.hcl
        runs-on: "small-runner"
    """),
    tree("""
        === deploy/play.yaml
        - items: "{{ second_pass.results }}"
        - items: "{{ first_pass.results }}"
        === deploy/play.yaml (before)
        - items: "{{ first_pass.results }}"
        - items: "{{ first_pass.results }}"
    """),
    tree("""
        === deploy/README.md
        See [the gateway](https://github.com/old-incubator/gateway), or the pages of old-incubator.
        ```sh
        curl https://example.com/old-incubator/gateway
        ```
        === deploy/README.md (before)
        See [the gateway](https://github.com/new-server/gateway), or the pages of new-server.
        ```sh
        curl https://example.com/new-server/gateway
        ```
        === compose.yaml
        services: {new-server: {image: "shop"}}
        === run.conf
        open new-server
    """),
    tree(_BUILT.replace("{0}", "shop-built").replace("{1}", "shop-built")),
    tree(_ASKED.replace("{0}", "8000").replace("{1}", "8000")),
    tree(_KEPT.replace("{0}", "/data/store").replace("{1}", "/data/store/a")),
    tree(_VARIABLE_OF.replace("{0}", "SHOP_REGION")),
    tree(_LISTED.replace("{0}", "shop-name.first")),
    tree(
        _FOLDER.replace("={0}", "=../dist/x")
        .replace("=dist/", "=./dist/x")
        .replace("{1}", "dist")
        .replace("dist/*", "dist/x/*")
    ),
    tree("""
        === ship.sh
        function on_push_failed {
            exit 1
        }
        ship || on_push_failed
        === ship.sh (before)
        function push_failed {
            exit 1
        }
        ship || push_failed
        === build.sh
        push_failed() { exit 2; }
        build || push_failed
        === other.sh
        push_failed() { exit 3; }
        other || push_failed
    """),
    tree("""
        === build.mk
        .PHONY: test-once
        test-one:
        \ttrue
        === build.mk (before)
        .PHONY: test-one
        test-one:
        \ttrue
    """),
]

"""A name that the last commits took away, of a service, a script, a target, a template, a variable, and that something
still uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_file
from sophia_preflight.mentions import Mention
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.modules import place_of
from sophia_preflight.naming import kind_of, names_of
from sophia_preflight.standing import Standing, consequence, standing

RULE = Rule(
    id="stale-name",
    title="something is used by a name that it had, and has no more",
    severity=Severity.HIGH,
    why="whoever uses the name finds nothing that is called so",
    fix="use the new name",
    family="contradictions",
    resort=1,
)
_STAGED = re.compile(r"[Dd]ockerfile|Containerfile|compose|bake|\bFROM\b|--target|\btarget\b|--from")
"""Where a name may be that of a stage."""
_FILE = re.compile(
    r"\.(ya?ml|json|toml|cfg|ini|conf|env|tpl|mk|just|hcl|tf|properties)$|(^|/)([^/]*[Dd]ockerfile[^/]*|[Mm]akefile|"
    r"GNUmakefile|[Jj]ustfile|setup\.py|\.env[^/]*|[^/]*\.env(\.\w+)?|Procfile)$"
)
"""Files that give things names."""
_FOR_BEFORE = re.compile(
    r"\b(backwards?|compat\w*|deprecat\w*|fall ?back|old (name|key|field|format)|migrat\w*)\b"
    r"|(?<![a-z])legacy(?![a-z])",
    re.IGNORECASE,
)
"""What says of a name that it is there for those who have not changed yet."""
_REFERENCE = re.compile(
    r"[\s-]*(configMap|configMapRef|configMapKeyRef|secretRef|secretKeyRef|secret|persistentVolumeClaim|roleRef|"
    r"service|scaleTargetRef|issuerRef|ingressClassRef|imagePullSecrets):\s*$"
)
_PLAIN = re.compile(r"[a-z]{1,14}|[A-Z]\w{0,4}|\w{1,3}")
"""A name that is a word as well: only where it stands as a name is it one."""
_STARTS = (
    r"(?:npm|pnpm|yarn|bun)(?:\s+-\S+(?:[ =]\S+)?)*(?:\s+run)?\s+"
    r"|(?:\$\(MAKE\)|make|just|task)(?:\s+-\S+|\s+\w+=\S+)*\s+"
)
_SERVICES = r"(?:docker[ -]compose)(?:\s+-\S+(?:[ =]\S+)?)*\s+(?:exec|run|logs|up|restart|stop|build)(?:\s+-\S+)*\s+"
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]")
_REQUIRED = re.compile(r"(\[[\w, -]+\])?\s*(===?|[<>~!]=|>\s*\d|<\s*\d|@\s*(git|https?|file)|\^)")
_INSTALLS = re.compile(
    r"\b(pip3?|uv|poetry|pdm|conda|mamba|pipx|npm|pnpm|yarn|brew|apt|apt-get|apk|dnf|cargo|go|gem)\s+([\w-]+\s+){0,2}"
    r"(install|add|get)\s[^|;&]*$|\b(uvx|npx)\s+(-\S+\s+)*$"
)
_TOP_LEVEL = re.compile(r"^(?:async def |def |class )?([A-Za-z_]\w*)(?=\s*(?:[(:=]|$))", re.MULTILINE)
_CODE = re.compile(r"\.(py|pyw|[cm]?[jt]sx?|go|rs|rb|java|kt|php|cs|sh|bash|ex|exs)$")
_MOST_LOST = 400


def check(context: Context) -> Iterable[Finding]:
    lost = _lost(context)
    if len(lost) > _MOST_LOST:
        return
    for name, uses in context.mentions.of(lost).items():
        if _VARIABLE.fullmatch(name):
            continue
        path, kind = lost[name]
        kinds = ["" if _refers(context, use) else kind_of(use) for use in uses]
        if kind in kinds or (kind != "script" and any(kinds)):
            continue
        free = [
            use
            for use, each in zip(uses, kinds, strict=True)
            if not each and _is_use(use) and not _is_kept(context, use)
        ]
        staged = re.search(r"[Dd]ockerfile|Containerfile", path) is not None
        meant = [use for use in free if not staged or _STAGED.search(f"{use.path} {use.text}")]
        yield from _of_name(context, name, path, meant, optional=kind == "key")
    yield from _variables(context)
    yield from _attributes(context)


def _of_name(
    context: Context, name: str, source: str, uses: list[Mention], *, optional: bool = False
) -> Iterator[Finding]:
    """Uses of a name that `source` lost; what is `optional` there may be gone for good, while code looks for it."""
    now = context.changes.gone.get(source) or source
    text = context.repository.glimpse(now)
    near = get_close_matches(name, sorted(names_of(text)), n=1, cutoff=0.5)
    if optional and not near:
        uses = [use for use in uses if not _CODE.search(use.path)]
    for file, here in by_file(use for use in uses if context.changes.is_old(use)).items():
        severity, blocks = consequence(here[0].site)
        yield RULE.found(
            f"`{name}` is used here, and since {context.changes.since} `{now}` has nothing of that name",
            *(Involved(Place(file, use.line, use.column), "call") for use in here),
            Involved(Place(now), "declaration"),
            anchor=f"{name} of {now}",
            severity=severity,
            confidence=Confidence.LIKELY,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


def _lost(context: Context) -> dict[str, tuple[str, str]]:
    """Name that a file gave something, and that no changed file gives anything now -> that file, and what has it."""
    found: dict[str, tuple[str, str]] = {}
    given: set[tuple[str, str]] = set()
    for path, (before, now) in context.changes.changed.items():
        if _FILE.search(path) and standing(path) is not Standing.TEST and _names_things(path, now):
            names = names_of(now)
            given |= names.items()
            for text in before:
                found |= {name: (path, kind) for name, kind in names_of(text).items() if name not in names}
    for path in context.repository.entries:
        if path not in context.changes.past.paths and _FILE.search(path):
            given |= names_of(context.repository.glimpse(path)).items()
    named = {name for name, _ in given}
    return {
        name: (path, kind)
        for name, (path, kind) in found.items()
        if len(name) > 1
        and not _still_gives(context, path, name)
        and (name, kind) not in given
        and (kind == "script" or name not in named)
    }


def _still_gives(context: Context, path: str, name: str) -> bool:
    """Whether a file has the name as a key still, whatever it gives it."""
    key = re.compile(rf"^\s*(?:-\s+)?[\"']?{re.escape(name)}[\"']?\s*[:=]", re.MULTILINE)
    return key.search(context.repository.glimpse(context.changes.gone.get(path) or path)) is not None


def _names_things(path: str, text: str) -> bool:
    """Whether a `setup.py` is what packs a project, rather than a part of a program."""
    return not path.endswith("setup.py") or re.search(r"\bsetup\(", text) is not None


def _is_kept(context: Context, use: Mention) -> bool:
    """Whether what is said above a use tells that it is there for those who have not changed yet."""
    lines = context.mentions.lines(use.path)[max(use.line - 4, 0) : use.line]
    return "migrat" in use.path.lower() or any(map(_FOR_BEFORE.search, lines))


def _refers(context: Context, use: Mention) -> bool:
    """Whether `name:` stands below a key that refers to an object of another manifest."""
    lines = context.mentions.lines(use.path)
    line = lines[use.line - 1]
    width = len(line) - len(line.lstrip())
    above = next(
        (each for each in lines[use.line - 2 :: -1] if each.strip() and len(each) - len(each.lstrip(" -")) < width), ""
    )
    return use.path.endswith((".yaml", ".yml")) and _REFERENCE.match(above) is not None


def _is_use(use: Mention) -> bool:
    """Whether a name means the thing that was called so."""
    name = re.escape(use.name)
    before, after = use.text[: use.column - 1], use.after
    if re.search(r"https?://[\w.-]*$", before) and re.match(r"[:/\"'\s]|$", after):
        return True
    if re.match(r":\d{2,5}\b", after) and re.search(r"(?:^|[@\"'\s=,/])$", before):
        return True
    if re.search(rf"(?:{_STARTS}|{_SERVICES}){name}$", before + use.name):
        return True
    return _PLAIN.fullmatch(use.name) is None and re.search(r"[-_.:]", use.name) is not None and not _is_another(use)


def _is_another(use: Mention) -> bool:
    """Whether what is called by a name is a folder or file by its path, or a package that is installed or required."""
    before, after = use.text[: use.column - 1], use.after
    path = re.match(r"/[\w.*{$-]", after) or re.search(r"(?<!/)/$|\.\./$", before)
    return bool(path or _REQUIRED.match(after) or _INSTALLS.search(before))


def _attributes(context: Context) -> Iterator[Finding]:
    """What servers start by `module:attribute`, of a module that has no such attribute any more."""
    gone: dict[str, dict[str, str]] = {}
    for path, (before, now) in context.changes.changed.items():
        if path.endswith(".py"):
            module = place_of(path)
            there = set(_TOP_LEVEL.findall(now))
            for name in {name for text in before for name in _TOP_LEVEL.findall(text)} - there:
                gone.setdefault(f"{module.rpartition('/')[2]}:{name}", {})[module] = path
    for name, uses in context.mentions.of(sorted(gone)).items():
        for use in uses:
            dotted = re.search(r"[\w.]*$", use.text[: use.column - 1])
            whole = ((dotted[0] if dotted else "") + name.partition(":")[0]).replace(".", "/")
            for module, path in gone[name].items():
                if f"/{module}".endswith(f"/{whole}"):
                    yield from _of_name(context, name, path, [use])


def _variables(context: Context) -> Iterator[Finding]:
    """Variables that files still give under a name that the code no longer reads, and not under its new one."""
    gone: dict[str, tuple[str, set[str]]] = {}
    for path, (before, now) in context.changes.changed.items():
        if _CODE.search(path) and standing(path) is Standing.PRODUCT:
            then, there = {each for text in before for each in _VARIABLE.findall(text)}, set(_VARIABLE.findall(now))
            new = there - then
            if new:
                gone |= dict.fromkeys(then - there, (path, new))
    for name, uses in context.mentions.of(list(gone)).items():
        path, new = gone[name]
        near = get_close_matches(name, sorted(new), n=1, cutoff=0.5)
        if not near or any(_CODE.search(use.path) and standing(use.path) is Standing.PRODUCT for use in uses):
            continue
        for use in uses:
            text = context.mentions.text(use.path)
            if use.page or near[0] in text or not _gives(use) or not context.changes.is_old(use):
                continue
            severity, blocks = consequence(use.site)
            yield RULE.found(
                f"`{name}` is given here, and since {context.changes.since} `{path}` reads `{near[0]}`",
                Involved(Place(use.path, use.line, use.column), "call"),
                Involved(Place(context.changes.gone.get(path) or path), "read"),
                anchor=f"{name} of {path}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                fix=f"name it `{near[0]}`",
                blocks=blocks,
            )


def _gives(use: Mention) -> bool:
    before = use.text[: use.column - 1]
    return (
        re.match(r"[\"']?\s*[:=]", use.after) is not None
        and re.search(r"^\s*(?:-\s+|export\s+|ENV\s+|-e\s+)?[\"']?$", before) is not None
    )


BAD = [
    tree("""
        === proxy.conf
        upstream http://catalogue/api
        === deploy/services.toml
        [services.catalog]
        hostname = "catalog"
        === deploy/services.toml (before)
        [services.catalog]
        hostname = "catalogue"
    """),
    tree("""
        === proxy.toml
        upstream = "db:5432"
        === deploy/services.toml
        hostname = "database"
        === deploy/services.toml (before)
        hostname = "db"
    """),
    tree("""
        === jobs.conf
        job shop-restock now
        === setup.cfg.toml
        scripts = ["shop-refill = shop.jobs:main"]
        === setup.cfg.toml (before)
        scripts = ["shop-restock = shop.jobs:main"]
    """),
    tree("""
        === jobs.conf
        job shop-restock now
        === compose.toml
        [services]
        shop-restock = {}
        === setup.cfg.toml
        scripts = ["shop-refill = shop.jobs:main"]
        === setup.cfg.toml (before)
        scripts = ["shop-restock = shop.jobs:main"]
    """),
    tree("""
        === deploy.toml
        SHOP_QUEUE_ADDRESS = "amqp://queue"
        === shop.ex
        System.get_env("SHOP_QUEUE_URL")
        === shop.ex (before)
        System.get_env("SHOP_QUEUE_ADDRESS")
    """),
]
GOOD = [
    tree("""
        === jobs.conf
        job shop-restock now
        === other/setup.cfg.toml
        scripts = ["shop-restock = other.jobs:main"]
        === setup.cfg.toml
        scripts = ["shop-refill = shop.jobs:main"]
        === setup.cfg.toml (before)
        scripts = ["shop-restock = shop.jobs:main"]
    """),
    tree("""
        === proxy.conf
        # http://catalogue/api
        upstream http://catalog/api
        catalogue of songs
        === deploy/services.toml
        hostname = "catalog"
        === deploy/services.toml (before)
        hostname = "catalogue"
    """),
    tree("""
        === proxy.conf
        upstream http://catalogue/api
        === other/services.toml
        hostname = "catalogue"
        === deploy/services.toml
        hostname = "catalog"
        === deploy/services.toml (before)
        hostname = "catalogue"
    """),
    tree("""
        === deploy.toml
        SHOP_QUEUE_ADDRESS = "amqp://queue"
        === other.ex
        System.get_env("SHOP_QUEUE_ADDRESS")
        === shop.ex
        System.get_env("SHOP_QUEUE_URL")
        === shop.ex (before)
        System.get_env("SHOP_QUEUE_ADDRESS")
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        dependencies = ["till-drawer>=2"]
        === pyproject.toml (before)
        [tool.poetry]
        name = "shop"
        [tool.poetry.dependencies]
        till-drawer = "^2.0"
        === Makefile
        all:
        \ttill-drawer open
    """),
    tree("""
        === shop.py
        # those who have not changed yet: fall back to the old key
        text = settings.get("text-of-shop") or settings.get("shop-text")
        === shop.toml
        shop-text = "hello"
        === shop.toml (before)
        text-of-shop = "hello"
    """),
    tree("""
        === services.toml
        [catalog]
        songs = ["catalogue-of-songs"]
        === deploy.toml
        hostname = "catalog"
        === deploy.toml (before)
        hostname = "catalogue-of-songs"
        === services.toml (before)
        [catalogue-of-songs]
        songs = []
    """),
    tree("""
        === shop/codex.py
        servers = data.get("till_servers")
        === shop/setup.py
        SERVERS = dict(
            till_serves=[]
        )
        === shop/setup.py (before)
        SERVERS = dict(
            till_servers=[]
        )
    """),
    tree("""
        === shop/runner.py
        address = settings.get("address-of-till")
        === shop/settings.json
        {"timeout": 3}
        === shop/settings.json (before)
        {
        "address-of-till": "x",
        "timeout": 3}
    """),
    tree("""
        === shop/install.py
        LEGACY_BEGIN = "# >>> shop-tool block"
        === shop/tools.toml
        shop-tools = {}
        === shop/tools.toml (before)
        shop-tool = {}
    """),
    tree("""
        === updates.yaml
        one:
          ignore:
            - package-name: "*"
        === updates.yaml (before)
        one:
          ignore:
            - package-name: "*"
        two:
          ignore:
            - package-name: "shop"
    """),
    tree("""
        === build.toml
        folder = "build-pages/html"
        packages = ["till-core>=1.2"]
        === ci.toml
        [jobs]
        name = "pages"
        === ci.toml (before)
        [jobs]
        build-pages = {}
        till-core = {}
    """),
]

"""JavaScript and TypeScript: an import of a file beside that is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.javascript import Import, Imports
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-relative-import",
    title="a file of JavaScript or TypeScript imports a file that does not exist",
    severity=Severity.HIGH,
    why="the build or the start ends with an error: the module cannot be found",
    fix="correct the path, or add the file",
    family="targets",
)
_ENDINGS = (
    "", ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".d.ts", ".d.mts", ".json", ".vue", ".svelte",
    ".astro", ".mdx", ".css", ".scss", ".coffee", ".es6", ".native.ts", ".native.js", ".web.ts", ".web.tsx", ".ios.js",
    ".android.js",
)  # fmt: skip
_WRITTEN_AS = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
"""TypeScript imports a file by the name that its compiler gives it."""
_INDEX = (
    "index.ts",
    "index.tsx",
    "index.js",
    "index.jsx",
    "index.mjs",
    "index.cjs",
    "index.d.ts",
    "index.vue",
    "package.json",
)
_MANY = 4
_OF_TOOLS = re.compile(
    r"\$types|\+types|\.(wasm|node|graphql|gql|proto|pb|grpc)\b|_pb\b|\$\{|[*#]|generated|\.gen\b|/gen/"
)
"""What tools of a framework or a compiler make on the way."""


def check(context: Context) -> Iterable[Finding]:
    for path, facts in context.facts.items():
        if isinstance(facts.data, Imports):
            missing = [(each, place) for each in facts.data.all if (place := _missing(context, path, each.specifier))]
            if len(missing) < _MANY:  # a file that lacks so many is made for another place
                for each, place in missing:
                    yield _finding(context, path, each, place)


def _missing(context: Context, path: str, said: str) -> str:
    """Where an import would lead to a file that is not there; empty where it is there, or may be made."""
    specifier = said.partition("?")[0]
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), specifier))
    if place.startswith("..") or _OF_TOOLS.search(specifier) or _is_there(context, place):
        return ""
    made = any(context.finder.is_made(place + ending) for ending in ("", ".js", ".ts"))
    is_there = context.repository.is_directory(posixpath.dirname(place) or ".")
    return "" if made or not is_there or context.repository.is_foreign(place) else place


def _finding(context: Context, path: str, each: Import, place: str) -> Finding:
    """Surer where a file of like name is there: it was renamed."""
    directory, name = posixpath.split(place)
    beside = (other for other in context.repository.inside(directory) if posixpath.dirname(other) == directory)
    names = {posixpath.basename(other).partition(".")[0]: other for other in beside}
    stem = name.partition(".")[0]
    near = [names[one] for one in get_close_matches(stem, names, n=1, cutoff=0.6)]
    moved = [path for ending in _ENDINGS for path in context.repository.by_name.get(stem + ending, ())]
    return RULE.found(
        f"`{each.specifier}` is imported here, and there is no such file in `{directory or '.'}`",
        Place(path, each.line, each.column),
        anchor=each.specifier,
        severity=limited(RULE.severity, path),
        confidence=Confidence.LIKELY if near else Confidence.GUESS,
        fix=RULE.fix + (f": there is `{(near or moved)[0]}`" if near or moved else ""),
        blocks=f"the build or start of what imports `{path}`",
    )


def _is_there(context: Context, place: str) -> bool:
    repository = context.repository
    if any(repository.is_file(place + ending) for ending in _ENDINGS):
        return True
    base, ending = posixpath.splitext(place)
    if any(repository.is_file(base + other) for other in _WRITTEN_AS.get(ending, ())):
        return True
    return any(repository.is_file(posixpath.join(place, name)) for name in _INDEX)


BAD = [
    tree("""
        === package.json
        {"scripts": {"start": "node server.js"}}
        === server.js
        const routes = require("./routes/users");
        === routes/user.js
        module.exports = {};
    """),
    tree("""
        === src/server.ts
        import {
          connect,
        } from "./store/database";
        export * from './store/index.js';
        === src/store/index.ts
        === src/store/data.ts
    """),
]
GOOD = [
    tree("""
        === src/server.ts
        // import x from "./gone";
        /* import y from "./gone"; */
        import { connect } from "./database.js";
        import config from "../config.json";
        import * as store from './store';
        import type { PageData } from "./$types";
        import made from "./generated/client";
        const text = `
        import other from "./gone";
        `;
        let extra;
        try {
          extra = require("./optional");
        } catch {}
        === src/bundled.js
        !function e(t){}({1:[function(require,module,exports){ require("./stre"); },{"./stre":2}]},{},[1]);
        === src/database.ts
        === src/store/index.ts
        === config.json
        {}
    """),
]

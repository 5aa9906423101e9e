"""`module:attribute` of a server, where the module has no such name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Attribute
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="missing-attribute",
    title="a server is told to start a name that its module does not have",
    severity=Severity.HIGH,
    why="the server imports the module, does not find the name and ends",
    fix="name what the module defines, or define it",
    family="targets",
)


def _has_elsewhere(context: Context, module: str, attribute: str) -> bool:
    """Whether another module of that name, in another directory, has it: which of them is meant is hard to tell."""
    roots = context.module_roots(module.partition(".")[0])
    files = (context.finder.module_file(root, module.replace(".", "/")) for root in roots)
    return any(file and not context.finder.lacks(file, attribute) for file in files)


def check(context: Context) -> Iterable[Finding]:
    for call in context.calls:
        if not isinstance(call.target, Attribute) or ":" not in call.target.name.value:
            continue
        word = call.target.name
        module, _, attribute = word.value.partition(":")
        location = context.finder.module(module, call.site, call.target.search or (call.site.directory,))
        path = location.path if location.found else "" if location.missing else context.finder.only_module(module)
        lacks = path.endswith(".py") and context.finder.lacks(path, attribute)
        if not lacks or _has_elsewhere(context, module, attribute):
            continue
        is_import = call.target.server == "python"
        if is_import and context.finder.module(f"{module}.{attribute}", call.site, call.target.search).found:
            continue
        severity, blocks = consequence(call.site)
        facts = context.python(path)
        near = get_close_matches(attribute, facts.names if facts else (), n=1)
        yield RULE.found(
            f"`{call.target.server}` {'imports' if is_import else 'starts'} `{attribute}` of `{module}`, "
            "which has no such name",
            Involved(Place(call.site.path, word.line, word.column), "call"),
            Involved(Place(path), "callee"),
            anchor=f"{word.value} from {call.site.owner}",
            severity=severity,
            confidence=Confidence.CERTAIN if location.found else Confidence.LIKELY,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


BAD = [
    tree("""
        === Procfile
        web: gunicorn service.wsgi:application --bind 0.0.0.0:$PORT
        === service/wsgi.py
        app = object()
    """),
    tree("""
        === entrypoint.sh
        #!/bin/sh
        python <<'PYTHON'
        import asyncio

        from service.moving import move

        asyncio.run(move())
        PYTHON
        exec python -m service.web
        === service/__init__.py
        === service/web.py
        print("serving")
        === service/moving.py
        def move_all(): ...
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/shop:1.4
            command: sh -c "./manage.py rqworker --worker-class shop.work.Worker --queue-class shop.work.Fair"
        === shop/__init__.py
        === shop/work.py
        class Worker: ...
        class FairQueue: ...
    """),
]
GOOD = [
    tree("""
        === compose.yaml
        services:
          web: {build: ., command: "flask --app 'shop.start:create(1)' run --host 0.0.0.0"}
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /srv
        COPY . .
        === shop/__init__.py
        === shop/start.py
        def create(number): ...
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/shop:1.4
            command: ./manage.py rqworker --worker-class=shop.work.Worker --queue-class others.work.Queue
        === shop/__init__.py
        === shop/work.py
        class Worker: ...
    """),
    tree("""
        === Procfile
        web: gunicorn "service.wsgi:create()" --bind 0.0.0.0:$PORT
        api: uvicorn service.star:anything
        late: uvicorn service.late:app
        === try.sh
        python -c "from service import wsgi; from service.wsgi import create; from os import anything"
        python -c "from service.late import $NAME"
        python - <<EOF
        import sys
        sys.path.insert(0, "others")
        from service.late import other
        EOF
        python - <<EOF
        try:
            from service.wsgi import other
        except ImportError:
            other = None
        EOF
        === service/__init__.py
        === service/wsgi.py
        def create():
            return object()
        === service/star.py
        from service.wsgi import *
        === service/late.py
        try:
            from fast import app
        except ImportError:
            app = None
    """),
]

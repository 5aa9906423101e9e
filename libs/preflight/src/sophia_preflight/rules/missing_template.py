"""A template that another one includes, or that a program renders, and that is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import limited
from sophia_preflight.text import named

RULE = Rule(
    id="missing-template",
    title="a template is named that does not exist",
    severity=Severity.HIGH,
    why="whatever renders it ends with TemplateNotFound, or TemplateDoesNotExist",
    fix="correct the name, or add the template",
    family="targets",
)
_NAME = r"[\"'](?P<name>[\w./@-]+\.\w+)[\"']"
_INCLUDED = re.compile(r"\{%-?\s*(?:include|extends|import|from)\s+" + _NAME + r"(?P<rest>[^%]*)%\}")
_RENDERED = re.compile(
    r"\b(?:get_template|render_template|render_to_string|TemplateResponse|render)\(\s*(?:request\s*,\s*)?(?:name\s*=\s*)?"
    + _NAME
    + r"(?P<rest>)"
)
_TEMPLATE = re.compile(r"\.(html?|j2|jinja2?|tmpl|tpl|txt|xml|conf|cfg|ya?ml|sql|md|mako)$")
_OTHERS = named(
    "admin rest_framework django registration account accounts allauth socialaccount security wagtailadmin wagtail cms "
    "drf_spectacular drf_yasg debug_toolbar oauth2_provider two_factor flask_admin appbuilder unfold jazzmin"
)
"""Directories of templates that libraries bring."""
_PAGES = re.compile(
    r"(^|/)(overrides|_templates|_layouts|_includes|themes?|tests?|docs?|examples?|node_modules|vendor)/"
)
"""Where templates of generators of pages lie, which bring others, and what nobody renders."""
_MOST = 200_000
_HINTS = ("{%", "emplate(", "TemplateResponse", "render_to_string", "render(")


def check(context: Context) -> Iterable[Finding]:
    repository = context.repository
    for path, entry in repository.entries.items():
        if entry.size > _MOST or _PAGES.search(path):
            continue
        pattern = _RENDERED if path.endswith(".py") else _INCLUDED if _TEMPLATE.search(path) else None
        if pattern is None:
            continue
        text = repository.glimpse(path)
        if any(hint in text for hint in _HINTS):
            yield from _missing(context, path, text, pattern)


def _missing(context: Context, path: str, text: str, pattern: re.Pattern[str]) -> Iterator[Finding]:
    told: set[str] = set()
    for found in pattern.finditer(text):
        name = found["name"].lstrip("/")
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()].lstrip()
        if name in told or line.startswith(("#", ">>>", "{#")) or "ignore missing" in found["rest"]:
            continue
        if name.split("/")[0] in _OTHERS or context.repository.ending_with(name):
            continue
        near = _near(context, path, name, rendered=pattern is _RENDERED)
        if not near or context.finder.is_made(near):
            continue
        told.add(name)
        at = found.start("name")
        yield RULE.found(
            f"the template `{name}` is named here and does not exist in `{posixpath.dirname(near)}`",
            Place(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)),
            anchor=f"{name} from {path}",
            severity=limited(Severity.HIGH, re.sub(r"(^|/)templates/", r"\1", path)),
            confidence=Confidence.LIKELY,
            fix=f"{RULE.fix}: there is `{near}`",
            blocks=f"what `{path}` renders",
        )


def _near(context: Context, path: str, name: str, *, rendered: bool) -> str:
    """The template of nearly that name in a directory where it would be looked for; empty without one."""
    directory, base = posixpath.split(name)
    repository, home = context.repository, posixpath.dirname(path)
    if directory:
        roots = [each for each in repository.directories if each == directory or each.endswith(f"/{directory}")]
    elif rendered:
        roots = [each for each in repository.directories if posixpath.basename(each) == "templates"]
    else:
        roots = [home]
    ending = posixpath.splitext(base)[1]
    alike = {
        posixpath.basename(each): each
        for root in roots
        if not _PAGES.search(f"{root}/")
        for each in repository.inside(root)
        if posixpath.dirname(each) == root and each.endswith(ending) and each != path
    }
    close = get_close_matches(base, alike, n=1, cutoff=0.7)
    return alike[close[0]] if close else ""


BAD = [
    tree("""
        === shop/templates/balance.cfg.j2
        {% for each in fronts %}
        {% include "front-mode-http.j2" %}
        {% endfor %}
        === shop/templates/front-http.j2
        === shop/templates/front-mode-tcp.j2
    """),
    tree("""
        === shop/views.py
        from django.shortcuts import render
        def cart(request):
            return render(request, "shop/cart_details.html", {})
        === shop/templates/shop/cart_detail.html
        {% extends "shop/base.html" %}
        === shop/templates/shop/base.html
    """),
]
GOOD = [
    tree("""
        === shop/views.py
        from django.shortcuts import render
        def cart(request):
            return render(request, "shop/cart.html", {}), render(request, "till/card.html")
        def pet(request):
            return render(request, "admin/cat.html")
        === shop/templates/shop/cart.html
        {% extends "admin/base_site.html" %}
        {% include "shop/cards.html" ignore missing %}
        {% include name %}
        === shop/templates/shop/base.html
        === shop/templates/admin/base.html
    """),
]

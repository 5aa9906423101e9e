"""`args.NAME` of what argparse made, where no argument of the module's parsers is called so."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.namespaces import Unset
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="unknown-namespace-attribute",
    title="a program asks its parsed arguments for one that its parser does not have",
    severity=Severity.HIGH,
    why="Python ends with AttributeError as soon as the line is reached",
    fix="use the name of the argument, or add one of that name",
    family="python",
)


def check(context: Context) -> Iterable[Finding]:
    for path in context.facts:
        python = context.python(path)
        for each in python.unset if python is not None else ():
            if _is_given_elsewhere(context, path, each):
                continue
            severity, blocks = consequence(Site(path, Caller.PYTHON, owner=posixpath.basename(path)))
            near = get_close_matches(each.name, each.near, n=1, cutoff=0.6)
            yield RULE.found(
                f"`{each.holder}` has no `{each.name}`: no argument of the parser is called so",
                Place(path, each.line, each.column),
                anchor=f"{each.holder}.{each.name}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.GUESS if each.handed else Confidence.CERTAIN,
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                blocks=blocks,
            )


def _is_given_elsewhere(context: Context, path: str, each: Unset) -> bool:
    """Whether another module that speaks of this one, or that it is handed to, gives such an attribute."""
    name = re.escape(each.name).replace("_", "[-_]")
    adds = re.compile(rf"\b(add_argument|set_defaults|setattr|Namespace)\b(?s:.*)[\"'(, ]-{{0,2}}{name}\b")
    sets = re.compile(rf"(?<!\bself)\.{each.name}\s*=[^=]")
    stem = posixpath.basename(posixpath.dirname(path) if path.endswith("/__init__.py") else path).removesuffix(".py")
    for other in context.facts:
        if not other.endswith(".py") or other == path:
            continue
        text = context.repository.glimpse(other)
        is_near = (each.handed or stem in text) and (each.name in text or each.name.replace("_", "-") in text)
        if is_near and (sets.search(text) or adds.search(text)):
            return True
    return False


_PROGRAM = """
    === pyproject.toml
    [project]
    name = "shop"
    [project.scripts]
    shop = "shop:main"
    === shop/__init__.py
    import argparse

    def parse_args():
        parser = argparse.ArgumentParser()
        parser.add_argument("shelf")
        parser.add_argument("--out", "--output", help="where to")
        parser.add_argument("--dry-run", action="store_true")
        return parser.parse_args()

    def main() -> None:
        args = parse_args()
        if not args.dry_run:
            print(args.shelf, {0})
"""
_COMMANDS = """
    === shop.py
    import argparse

    def sell(args):
        print(args.shelf, args.price)

    def main():
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers(dest="command", required=True)
        one = commands.add_parser("sell")
        one.add_argument("shelf")
        {0}
        one.set_defaults(func=sell)
        args = parser.parse_args()
        args.func(args)

    if __name__ == "__main__":
        main()
"""
_KEPT = """
    === shop.py
    from argparse import ArgumentParser

    class Shop:
        def __init__(self):
            parser = ArgumentParser()
            group = parser.add_argument_group("shelves")
            group.add_argument("-s", "--shelf-name")
            self.args = parser.parse_args()

        def run(self):
            return self.args.{0}

    if __name__ == "__main__":
        Shop().run()
"""
BAD = [
    tree(_PROGRAM.replace("{0}", "args.output")),
    tree(_COMMANDS.replace("{0}", 'one.add_argument("--prize", dest="prise")')),
    tree(_KEPT.replace("{0}", "shelf")),
]
GOOD = [
    tree(_PROGRAM.replace("{0}", "args.out")),
    tree(_PROGRAM.replace("{0}", 'getattr(args, "output", ""), args.output')),
    tree(_PROGRAM.replace("{0}", "args.output").replace("return parser", "extend(parser); return parser")),
    tree(_PROGRAM.replace("{0}", "args.output").replace("args = parse", "args = found or parse")),
    tree(_PROGRAM.replace("{0}", "args.output").replace("if not", "args.output = 1; print(args)\n        if not")),
    tree(_PROGRAM.replace("{0}", "args.output").replace('"--dry-run",', '"--dry-run", *MORE,')),
    tree(_PROGRAM.replace("{0}", "args.output").replace('"shelf"', "SHELF")),
    tree(_PROGRAM.replace("{0}", "args.output") + "    === add.py\n    import shop\n    p.add_argument('--output')\n"),
    tree(_COMMANDS.replace("{0}", 'one.add_argument("--price", type=int)')),
    tree(_COMMANDS.replace("{0}", "one.set_defaults(price=1)")),
    tree(_COMMANDS.replace("{0}", "args = load(); sell(args)")),
    tree(_KEPT.replace("{0}", "shelf_name")),
]

"""Arguments for a program that reads none."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls import matching
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.model import Problem
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="ignored-argument",
    title="a program is given arguments and reads none",
    severity=Severity.MEDIUM,
    why="the program does the same whatever it is told, which is seldom what its caller means",
    fix="read the argument in the program, or leave it out",
    family="arguments",
)


def check(context: Context) -> Iterable[Finding]:
    return matching.findings(context, RULE, Problem.IGNORED)


BAD = [
    tree("""
        === scripts/deploy.py
        def main():
            print("deploying everything")


        if __name__ == "__main__":
            main()
        === Makefile
        deploy:
        \tpython scripts/deploy.py --only api
    """),
]
GOOD = [
    tree("""
        === scripts/deploy.py
        import sys
        if __name__ == "__main__":
            print(sys.argv[1:])
        === scripts/delegate.py
        from package.cli import main
        if __name__ == "__main__":
            main()
        === Makefile
        deploy:
        \tpython scripts/deploy.py --only api
        \tpython scripts/delegate.py --only api
    """),
]

"""Trees of Python modules, gone over once: `ast.walk` costs more than parsing, and several readers want every node."""

from __future__ import annotations

import ast


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """The tree and everything below it, breadth first, without the marks of loading and storing."""
    found: list[ast.AST] = [tree]
    for node in found:  # grows while it is gone over
        for value in node.__dict__.values():
            if isinstance(value, list):
                found.extend([each for each in value if isinstance(each, ast.AST)])
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                found.append(value)
    return found

"""Programs in Python that are given as text: `python -c`, `python - <<EOF`, a workflow's step with `shell: python`.

They are short and straight, so only what stands there plainly is taken: what they import, the files that they read and
write, the commands that they run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sophia_preflight.calls.model import Attribute, Needed
from sophia_preflight.calls.running import Run
from sophia_preflight.interfaces.literals import name_of
from sophia_preflight.text import Word, is_known

_RUNS = frozenset(
    {"subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen",
     "os.system", "os.popen"}
)  # fmt: skip
_PARSES = frozenset({"pandas.read_csv", "pd.read_csv", "runpy.run_path"})
_READS = frozenset({"read_text", "read_bytes"})
_WRITES = frozenset({"write_text", "write_bytes"})


def python_text(text: Word, words: Sequence[Word], run: Run) -> None:
    """What the text needs and makes; its lines are those from its word's on."""
    try:
        tree = ast.parse(text.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    _imports(tree.body, text, words, run)
    _Reader(text, run).block(tree.body)


def _imports(body: Sequence[ast.stmt], text: Word, words: Sequence[Word], run: Run) -> None:
    """What it imports before anything else."""
    search = (run.site.directory, *run.site.search)
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                line = text.line + alias.lineno - 1
                column = alias.col_offset + (text.column if alias.lineno == 1 else 1)
                name = Word(f"{node.module}:{alias.name}", line, column)
                if alias.name != "*":
                    run.call(Attribute(name, "python", search), [replace(words[0], line=line, column=column)])
        if any(isinstance(each, ast.Name) and each.id == "sys" for each in ast.walk(node)):
            return  # may change where modules are looked for


@dataclass
class _Reader:
    text: Word
    run: Run

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Statements that are surely run, one after the other; a change of directory ends what is known."""
        for node in body:
            if isinstance(node, (ast.If, ast.Try, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue  # may never be reached, or may fail
            inner = node.body if isinstance(node, (ast.With, ast.For)) else []
            heads: list[ast.AST] = [node]
            if isinstance(node, ast.With):
                heads = [each.context_expr for each in node.items]
            elif isinstance(node, ast.For):
                heads = [node.iter]
            for each in (call for head in heads for call in _calls(head)):
                if name_of(each.func) == "os.chdir":
                    return
                self.call(each)
            self.block(inner)

    def call(self, node: ast.Call) -> None:
        name = name_of(node.func)
        first = node.args[0] if node.args else None
        if name in ("open", "io.open", *_PARSES):
            if first is not None:
                self.file(first, written=_writes(node, 1))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in (*_READS, *_WRITES, "open"):
            holder = node.func.value
            if (
                isinstance(holder, ast.Call)
                and name_of(holder.func) in ("Path", "pathlib.Path")
                and len(holder.args) == 1
            ):
                self.file(holder.args[0], written=node.func.attr in _WRITES or _writes(node, 0))
        elif name in _RUNS and not any(each.arg == "cwd" for each in node.keywords):
            if isinstance(first, ast.List):
                words = [self.word(each) for each in first.elts]
                if all(each is not None for each in words) and words:
                    self.run.command([each for each in words if each is not None])
            elif first is not None and (word := self.word(first)) is not None and "\n" not in word.value:
                self.run.shell(word, self.run.deeper())

    def file(self, node: ast.expr, *, written: bool) -> None:
        word = self.word(node)
        if word is None or not word.value or "://" in word.value:
            return
        if written:
            self.run.produces(word)
        elif not word.value.startswith("/"):
            self.run.call(Needed(word, "the file that is read"), [word])

    def word(self, node: ast.expr) -> Word | None:
        if not (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and is_known(node.value)
            and "$" not in node.value
        ):
            return None
        column = node.col_offset + (self.text.column if node.lineno == 1 else 1)
        return Word(node.value, self.text.line + node.lineno - 1, column)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Calls, the inner ones first."""
    for each in ast.iter_child_nodes(node):
        if not isinstance(each, ast.Lambda):
            yield from _calls(each)
    if isinstance(node, ast.Call):
        yield node


def _writes(node: ast.Call, position: int) -> bool:
    """Whether a file is opened for writing, as far as that is told."""
    told = node.args[position] if len(node.args) > position else None
    mode = told or next((each.value for each in node.keywords if each.arg == "mode"), None)
    return mode is not None and not (isinstance(mode, ast.Constant) and str(mode.value).strip("bt") == "r")

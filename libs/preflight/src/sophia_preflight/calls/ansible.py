"""Files that Ansible's playbooks and roles name: other playbooks, lists of tasks, variables, templates, roles.

Where Ansible looks for a file depends on who asks: a role looks into its own directories, a play beside itself (see
"Search paths in Ansible" in its documentation). A path that a template engine fills in is left alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from sophia_preflight.calls.model import Call, Caller, Needed, Site, Trace
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.text import ROOT, Word

_ROLE = re.compile(r"^(?P<role>(?:.*/)?roles/[^/]+)/(?:tasks|handlers)/")
_PLAY = ("hosts", "import_playbook", "ansible.builtin.import_playbook")
_BLOCKS = ("block", "rescue", "always")
_LISTS = ("tasks", "pre_tasks", "post_tasks", "handlers")
_TASKS = re.compile(r"(ansible\.builtin\.)?(import_tasks|include_tasks)")
_FILES = {"template": ("templates", "the template"), "copy": ("files", "the file that is copied to the host")}


def looks_like(path: str, documents: Documents) -> bool:
    """Whether a YAML file is a playbook, or the tasks of a role."""
    elements = documents.root.elements()
    if not elements or not all(each.is_map for each in elements):
        return False
    return _ROLE.match(path) is not None or any(key in each for each in elements for key in _PLAY)


def trace_of(path: str, documents: Documents) -> Trace:
    found = Trace()
    site = Site(path, Caller.TASK, ROOT, owner=posixpath.basename(path))
    for node, purpose, places in _needed(path, documents.root.elements()):
        first, *others = places
        word = Word(first, node.line, node.column)
        needed = Needed(word, purpose, either=tuple(others), written=True)
        found.calls.append(Call(needed, site, node.place(path), node.text))
    return found


def _needed(path: str, elements: list[Node]) -> Iterator[tuple[Node, str, list[str]]]:
    """What is named, what for, and where it may be."""
    match = _ROLE.match(path)
    role, here = match["role"] if match else "", posixpath.dirname(path)
    for each in elements:
        for key in ("import_playbook", "ansible.builtin.import_playbook"):
            if _is_plain(each[key]):
                yield each[key], "the playbook that is imported", _places(each[key], [here])
        for node in each["vars_files"].elements():
            if _is_plain(node):
                yield node, "the variables that the play reads", _places(node, [here, posixpath.join(here, "vars")])
        for key in _LISTS:
            yield from _of_tasks(each[key].elements(), role, here)
    if role:
        yield from _of_tasks(elements, role, here)


def _of_tasks(tasks: list[Node], role: str, here: str) -> Iterator[tuple[Node, str, list[str]]]:
    for task in tasks:
        for key in _BLOCKS:
            yield from _of_tasks(task[key].elements(), role, here)
        for key, value in task.items():
            if _TASKS.fullmatch(key):
                node = value["file"] if value.is_map else value
                if _is_plain(node):
                    roots = [
                        here,
                        *((posixpath.join(role, "tasks"), role) if role else (posixpath.join(here, "tasks"),)),
                    ]
                    yield node, "the tasks that are included", _places(node, roots)
                continue
            known = _FILES.get(key.removeprefix("ansible.builtin."))
            if known and value.is_map and _is_plain(value["src"]) and "remote_src" not in value and _is_local(task):
                folder, purpose = known
                roots = [posixpath.join(role or here, folder), role or here, here, posixpath.join(here, folder)]
                yield value["src"], purpose, _places(value["src"], roots)


def _is_local(task: Node) -> bool:
    """Whether a task's file is one of ours: no loop, no condition on what is there."""
    return not any(key in task for key in ("loop", "with_items", "with_first_found", "ignore_errors", "failed_when"))


def _is_plain(node: Node) -> bool:
    return bool(node.text) and node.is_scalar and re.fullmatch(r"[\w.-][\w./-]*\.\w+", node.text) is not None


def _places(node: Node, roots: list[str]) -> list[str]:
    return list(dict.fromkeys(posixpath.normpath(posixpath.join(root, node.text)) for root in roots))

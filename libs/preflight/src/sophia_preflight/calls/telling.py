"""Which calls in Python are those that run something, by their names."""

from __future__ import annotations

import ast
import re

from sophia_preflight.text import named

HINTS = re.compile(
    r"uvicorn\.run|nox|\binvoke\b|subprocess|os\.(?:system|popen|exec|spawn)|\bsys\.argv\s*=(?!=)|runpy|create_subprocess|run_command|run_cmd|execute_command|run_shell"
    r"|spec_from_file_location|Stdio|MCP\w*(?:Server|Client|Tool)|\bsession\.run\(|\.write_text\(|\bopen\([^)\n]*['\"][wax]b?\+?['\"]"
)
"""A text without any of these makes no calls that would be found here."""
RUNS = frozenset(
    f"subprocess.{name}"
    for name in ("run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput")
) | {"asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "os.system", "os.popen"}
AS_SHELL = frozenset({"os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput",
                       "subprocess.getstatusoutput"})  # fmt: skip
FOREIGN_WRAPPERS = frozenset(
    {"run_command", "run_cmd", "execute_command", "run_shell", "run_shell_command", "exec_cmd"}
)

CONCERNING = named(
    "run call check_call check_output Popen getoutput getstatusoutput create_subprocess_exec create_subprocess_shell "
    "system popen chdir run_path run_module execl execlp execv execvp execve execvpe open write_text write_bytes touch "
    "spec_from_file_location"
)
_SERVERS = re.compile(r"Stdio\w*(Param|Transport|Connection|Server|Client)|MCP\w*(Server|Client|Tool|Stdio)|Stdio$")
"""Classes that start a tool server and speak with it through its input and output."""


def is_of_servers(name: str) -> bool:
    return _SERVERS.search(name) is not None


def servers(node: ast.Call) -> list[list[ast.expr]]:
    """The commands of tool servers that a call is told: each program with its words, in keywords or in dictionaries."""
    given = {each.arg: each.value for each in node.keywords if each.arg}
    if node.args and "args" in given and isinstance(node.args[0], ast.Constant):
        given.setdefault("command", node.args[0])
    told: list[dict[str, ast.expr]] = [given]
    for each in ast.walk(node):
        if isinstance(each, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else "" for key in each.keys]
            told.append({str(key): value for key, value in zip(keys, each.values, strict=True)})
    whole = [each for each in told if "command" in each and "args" in each]
    return [[each["command"], ast.copy_location(ast.Starred(each["args"], ast.Load()), each["args"])] for each in whole]

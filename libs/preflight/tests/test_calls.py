"""What is followed in scripts: directories, variables, functions, tests, wrappers, and where a target then is."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from sophia_preflight.calls import python
from sophia_preflight.calls.model import Call, ImageBuild, Module, Needed, Script, System, Trace
from sophia_preflight.calls.shell import follow, script_site
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, joined


def shell_calls(text: str, path: str = "scripts/deploy.sh") -> list[Call]:
    found = Trace()
    follow(Snippet(path, dedent(text)), script_site(path), found)
    return found.calls


def python_calls(text: str, path: str = "scripts/deploy.py") -> list[Call]:
    tree = ast.parse(dedent(text))
    return python.trace_of(path, tree, list(ast.walk(tree))).calls


def scripts(calls: list[Call]) -> list[str]:
    """Where each script that is run would be."""
    return [joined(call.site.directory, call.target.path.value) for call in calls if isinstance(call.target, Script)]


def test_the_directory_of_a_script_is_known_from_its_own_name() -> None:
    calls = shell_calls("""
        HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
        ROOT_DIR="$(dirname "$HERE")"
        bash "$HERE/one.sh"
        (cd "$ROOT_DIR/tools" && ./two.sh)
        python "$ROOT_DIR"/three.py
    """)
    assert scripts(calls) == [f"{ROOT}/scripts/one.sh", f"{ROOT}/tools/two.sh", f"{ROOT}/three.py"]


def test_a_script_whose_syntax_is_checked_is_not_run() -> None:
    call = shell_calls("bash -n a.sh b.sh")[0]
    assert isinstance(call.target, Needed)
    assert call.target.path.value == "a.sh"


def test_the_directories_above_are_always_there() -> None:
    calls = shell_calls("cd ../ && ./x.sh\ncd ../../\ncd ../api/\n")
    assert [call.target.path.value for call in calls if isinstance(call.target, Needed)] == ["../api/"]


def test_a_subshell_gives_its_directory_back() -> None:
    assert scripts(shell_calls("(cd a && ./x.sh)\n./y.sh\n")) == [f"{CWD}/a/x.sh", f"{CWD}/y.sh"]


def test_a_function_does_only_what_its_words_decide() -> None:
    calls = shell_calls("""
        import() {
          name=default
          if [ "$#" -ne 0 ]; then name="$1"; else ./plain.sh; fi
          [ "$#" = 2 ] && ./both.sh
          if [ -z "$1" ]; then ./none.sh "$name"; elif [ -n "$2" ]; then ./second.sh; fi
        }
        import
        import a b
    """)
    assert scripts(calls) == [f"{CWD}/{each}.sh" for each in ("plain", "both", "none", "both", "second")]
    assert [word.value for call in calls if isinstance(call.target, Script) for word in call.target.arguments] == [
        "default"
    ]


def test_a_function_is_followed_with_its_words() -> None:
    calls = shell_calls("""
        run() { python "tools/$1.py" "${@:2}"; }
        run one
        run two --fast
    """)
    assert scripts(calls) == [f"{CWD}/tools/one.py", f"{CWD}/tools/two.py"]


def test_a_loop_over_known_words_is_followed_for_each() -> None:
    assert scripts(shell_calls('for f in a b; do python "$f.py"; done')) == [f"{CWD}/a.py", f"{CWD}/b.py"]


def test_options_that_a_branch_adds_to_an_array_are_kept_and_any_words_may_follow() -> None:
    (call,) = shell_calls("""
        words=(--to notes.md)
        if [ -n "$VERSION" ]; then
          words+=(--version "$VERSION")
        fi
        words+=(--quiet)
        python x.py "${words[@]}"
    """)
    assert isinstance(call.target, Script)
    assert [word.value for word in call.target.arguments] == [
        "--to",
        "notes.md",
        "--version",
        UNKNOWN,
        MANY,
        "--quiet",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "if [ -f x.sh ]; then ./x.sh; fi",
        "[ -f x.sh ] && ./x.sh",
        "[[ -x ./x.sh ]] || exit 1\n./x.sh",
        "if [ ! -e x.sh ]; then exit 0; fi\n./x.sh",
        "test -s x.sh && { ./x.sh; }",
    ],
)
def test_a_tested_path_is_remembered(text: str) -> None:
    (call,) = [each for each in shell_calls(text) if isinstance(each.target, Script)]
    assert f"{CWD}/x.sh" in call.site.guard.tested


def test_a_caught_failure_is_tolerated_and_one_that_ends_the_script_is_not() -> None:
    caught, ending = shell_calls("./a.sh || true\n./b.sh || { echo no; exit 1; }\n")
    assert (caught.site.guard.tolerated, ending.site.guard.tolerated) == (True, False)


def test_text_of_echo_and_of_heredocs_is_no_call() -> None:
    assert shell_calls("echo python x.py\nprintf '%s' 'bash y.sh'\ncat > z.sh <<'EOF'\npython w.py\nEOF\n")[1:] == []


def test_what_ssh_runs_is_on_another_host() -> None:
    calls = shell_calls('ssh host "cd /srv && ./run.sh"\nssh host <<EOF\n./more.sh\nEOF\n')
    assert {call.site.system for call in calls} == {System.REMOTE}


@pytest.mark.parametrize(
    "wrapped",
    [
        "sudo -E -u app python3 x.py",
        "env A=1 B=2 python x.py",
        "nohup timeout 30 python -u x.py",
        "uv run --with click python x.py",
        "poetry run python x.py",
        "bash -euo pipefail -c 'exec python x.py'",
        "coverage run x.py",
        "xargs -n 1 python x.py",
        "doppler run -- python x.py",
    ],
)
def test_wrappers_are_seen_through(wrapped: str) -> None:
    assert scripts(shell_calls(wrapped)) == [f"{CWD}/x.py"]


def test_python_follows_paths_lists_and_wrapping_functions() -> None:
    calls = python_calls("""
        import os, subprocess, sys
        from pathlib import Path

        BASE = Path(__file__).resolve().parents[1]

        def run(command, cwd=None):
            subprocess.run(command, shell=True, cwd=cwd, check=True)

        def main():
            words = [sys.executable, str(BASE / "tools" / "a.py")]
            words += ["--fast"]
            subprocess.check_call(words)
            run("python b.py", cwd=BASE / "infra")
            os.system(f"bash {os.path.join(os.path.dirname(__file__), 'c.sh')}")
            for name in ("d", "e"):
                subprocess.Popen(["python", f"{name}.py"])
            subprocess.run([sys.executable, "-m", "pack.age"])
    """)
    assert scripts(calls) == [
        f"{ROOT}/tools/a.py",
        f"{ROOT}/infra/b.py",
        f"{ROOT}/scripts/c.sh",
        f"{CWD}/d.py",
        f"{CWD}/e.py",
    ]
    assert [call.target.name.value for call in calls if isinstance(call.target, Module)] == ["pack.age"]


def test_words_that_python_chooses_or_computes_are_known_in_part() -> None:
    (call,) = python_calls("""
        import nox

        @nox.session
        def build(session, fast, more):
            session.run("python", "x.py", "--mode=one" if fast else "--mode=two", *(f"-C{each}" for each in more))
    """)
    assert isinstance(call.target, Script)
    assert [word.value for word in call.target.arguments] == [f"--mode={UNKNOWN}", MANY]


def test_python_that_computes_a_command_makes_no_known_call() -> None:
    calls = python_calls("import subprocess\ndef go(name):\n    subprocess.run(['python', name, *more()])\n")
    assert [call.target.path.known for call in calls if isinstance(call.target, Script)] == [False]


@pytest.mark.parametrize(
    "line",
    [
        "uv --offline run --no-sync x.py",
        "poetry --directory . run ./x.py",
        "su - someone -c './x.py'",
        "runuser -u someone -- ./x.py",
        "s6-setuidgid someone ./x.py",
        "./wait-for-it.sh db:5432 -t 30 -- ./x.py",
        "torchrun --nproc_per_node=2 --master_port 29500 x.py",
        "accelerate launch --num_processes 2 x.py",
        "watchmedo auto-restart -d src -- ./x.py",
    ],
)
def test_a_program_that_only_runs_another_is_looked_through(line: str) -> None:
    (call,) = [each for each in shell_calls(f"{line[:-1]} --fast'" if line.endswith("'") else f"{line} --fast")
               if isinstance(each.target, Script) and "wait" not in each.target.path.value]  # fmt: skip
    assert isinstance(call.target, Script)
    assert call.target.path.value.removeprefix("./") == "x.py"
    assert [word.value for word in call.target.arguments] == ["--fast"]


@pytest.mark.parametrize(
    "line",
    [
        'docker build . -f x.Dockerfile "${ARGUMENTS[@]}"',
        'docker build "${ARGUMENTS[@]}" -f x.Dockerfile .',
        "podman build $ARGUMENTS --file=x.Dockerfile .",
        "buildah bud -f x.Dockerfile --layers .",
    ],
)
def test_words_of_unknown_number_hide_no_dockerfile(line: str) -> None:
    (call,) = shell_calls(line)
    assert isinstance(call.target, ImageBuild)
    assert call.target.dockerfile is not None
    assert (call.target.context.value, call.target.dockerfile.value) == (".", "x.Dockerfile")


def test_a_program_that_starts_another_again_runs_what_it_is_told_to() -> None:
    assert scripts(shell_calls('nodemon --watch "**/*.go" --ext go --signal SIGTERM --exec "./serve.sh"')) == [
        f"{CWD}/serve.sh"
    ]

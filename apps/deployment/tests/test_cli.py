"""The command line as a whole: help, mistakes, global options, and what it costs to start."""

import os
import re
import subprocess
import sys

import click
import pytest
from sophia_deployment import cli
from sophia_deployment.cli import HIDDEN, SECTIONS, VERBS
from sophia_deployment.cli.verb import Verb

from apps.deployment.tests.scripted import RUN, environment_out, run_out

HEAVY = ("pydantic", "fastapi", "starlette", "uvicorn", "rich", "yaml", "sqlalchemy", "structlog", "cryptography")


def commands_of(group: click.Group, path: str = "sophia"):
    context = click.Context(group, info_name=path)
    for name in {*group.list_commands(context), *(HIDDEN if group is cli.sophia else ())}:
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(commands_of(cli.sophia))


def test_every_verb_that_was_asked_for_is_there():
    wanted = (
        "up down init build plan deploy rollback cancel resume status logs report queue audit doctor explain secrets"
    )
    assert set(wanted.split()) | {"engine", "demo", "completion"} <= VERBS.keys()


def test_help_lists_the_verbs_in_sections(sophia):
    called = sophia("--help")
    assert called.exit == 0
    for section, verbs in SECTIONS.items():
        assert f"\n{section}:\n" in called.out
        for name, (_, said) in verbs.items():
            assert re.search(rf"\n  {name} +{re.escape(said)}\n", called.out)
    assert "engine" not in called.out


@pytest.mark.parametrize("path", sorted(ALL))
def test_every_verb_explains_itself_its_options_and_shows_an_example(sophia, path):
    called = sophia(*path.split()[1:], "--help")
    command = ALL[path]
    assert called.exit == 0
    assert isinstance(command, Verb)
    assert command.help and command.help.strip()[0].isupper()
    assert f"\nExample:\n  {command.example.strip().splitlines()[0].strip()}" in called.out
    assert "Options of every verb:\n" in called.out
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help and param.help.endswith("."), param.opts
    assert max(len(line) for line in called.out.splitlines()) <= 100


@pytest.mark.parametrize("path", sorted({path.rsplit(" ", 1)[0] for path in ALL if path.count(" ") == 2}))
def test_a_group_of_verbs_lists_them(sophia, path):
    called = sophia(*path.split()[1:], "--help")
    assert called.exit == 0
    assert "Commands:" in called.out


HOW = " shows how it is called\n"


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["dploy"],
            "error: there is no verb `dploy` [SPH-5000]\nhint: did you mean `deploy`?\n",
        ),
        (
            ["xyzzy"],
            "error: there is no verb `xyzzy` [SPH-5000]\nhint: `sophia --help` lists them\n",
        ),
        (
            ["deploy", "--resaon", "x"],
            "error: no such option `--resaon` [SPH-5000]\nhint: did you mean `--reason`?\n",
        ),
        (
            ["rollback"],
            "error: missing option `--reason` [SPH-5000]\nhint: `sophia rollback --help` shows how it is called\n",
        ),
        (
            ["status", "-o", "xml"],
            "error: invalid value for `-o`: `xml` is not one of `text`, `json` [SPH-5000]\nhint: `sophia status --help`"
            + HOW,
        ),
        (
            ["secrets", "st", "local", "X"],
            "error: there is no `sophia secrets st` [SPH-5000]\nhint: did you mean `set`?\n",
        ),
    ],
)
def test_a_mistake_is_told_with_what_may_have_been_meant(sophia, args, said):
    called = sophia(*args)
    assert (called.exit, called.out, called.err) == (2, "", said)


def test_without_a_verb_the_help_is_shown(sophia):
    called = sophia()
    assert called.exit == 2
    assert "Usage: sophia" in called.out + called.err


def test_without_a_sophia_yaml_the_way_to_one_is_shown(sophia, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    called = sophia("status")
    assert called.exit == 2
    assert re.search(r"error: no `sophia.yaml` in `.*` or above it \[SPH-1011\]\nhint: `sophia init`", called.err)


def test_a_fault_of_ours_shows_its_traceback_and_exits_1(sophia, monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("sophia_deployment.cli.site.Site.engine", property(broken))
    called = sophia("status")
    assert called.exit == 1
    assert "ZeroDivisionError" in called.err
    assert "error: a fault of Sophia itself [SPH-1999]" in called.err


# --- global options -------------------------------------------------------------------------------------------------


def test_global_options_mean_the_same_before_and_after_the_verb(sophia, commands, engine, root, monkeypatch):
    commands.known[RUN] = run_out()
    inside = root / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir("/")
    before = sophia("-C", str(inside), "-o", "json", "-q", "queue")
    after = sophia("queue", "-C", str(inside), "-o", "json", "-q")
    assert before == after
    assert before.exit == 0 and before.out.startswith("[")


def test_colours_are_for_those_who_want_them(sophia, commands, engine, monkeypatch):
    commands.environments = [environment_out(0)]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32msteady\x1b[0m" in sophia("status").out
    assert "\x1b" not in sophia("status", "--no-color").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in sophia("status").out


# --- what a start costs ---------------------------------------------------------------------------------------------


def imported(*args: str, cwd: object) -> set[str]:
    """The top-level packages that a call imports."""
    program = (
        "import sys; from sophia_deployment.cli import outcome; code = outcome(sys.argv[1:]); "
        "print('\\n'.join({name.split('.')[0] for name in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *args], cwd=str(cwd), capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("args", [["--help"], ["status"], ["queue"], ["deploy", "--help"]])
def test_nothing_heavy_is_imported_to_ask_or_to_help(root, commands, engine, args):
    found = imported(*args, cwd=root)
    assert "click" in found
    assert not found & set(HEAVY)


def test_rich_is_for_terminals_only(root, commands, engine):
    commands.known[RUN] = run_out()
    commands.tell(RUN, [(0, "run ended", {"state": "done"})])
    assert not imported("queue", "--follow", "17", cwd=root) & {"rich", "pydantic"}


# --- small verbs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_asks_sophia(sophia, shell):
    called = sophia("completion", shell)
    assert called.exit == 0
    assert "_SOPHIA_COMPLETE" in called.out


def test_completion_knows_verbs_and_environments(root):
    def completed(words: str, at: int) -> str:
        env = {**os.environ, "_SOPHIA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        command = [sys.executable, "-c", "from sophia_deployment.cli import main; main()"]
        return subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, timeout=30, check=False
        ).stdout

    assert "plain,deploy" in completed("sophia dep", 1)
    assert completed("sophia deploy pro", 2) == "plain,production\n"


def test_explain_shows_a_code_however_it_is_written(sophia):
    called = sophia("explain", "sph5001")
    assert called.exit == 0
    assert called.out.startswith("SPH-5001: no engine answers\n\nVerbs that change something")
    assert called.out.endswith("\nexit code 3\n")
    assert sophia("explain", "5001").out == called.out


def test_explain_of_an_unknown_code_names_a_near_one(sophia):
    called = sophia("explain", "SPH-5091")
    assert called.exit == 2
    assert re.fullmatch(
        r"error: there is no code `SPH-5091` \[SPH-1001\]\nhint: did you mean `SPH-5\d\d\d`\?\n", called.err
    )


def test_init_writes_a_file_and_says_what_to_do(sophia, tmp_path_factory):
    place = tmp_path_factory.mktemp("fresh")
    (place / "Procfile").write_text("web: python app.py\n")
    called = sophia("init", "-C", str(place))
    assert (called.exit, called.out) == (0, f"{place / 'sophia.yaml'}\n")
    assert "`sophia up` starts it" in called.err
    assert sophia("init", "-C", str(place)).exit == 2
    assert sophia("init", "-C", str(place), "--force", "-q").exit == 0

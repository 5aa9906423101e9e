"""Words for our programs that are told in other places: sentences, agents, images of our name, texts in programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Blocking = Callable[[str], list[str]]
TOOL = """
    === tool.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--input")
    parser.add_argument("--selection")
    parser.parse_args()
"""
SHOP = """
    === pyproject.toml
    [project]
    name = "shop-tool"
    version = "1"
    [project.scripts]
    shop = "shop.cli:app"
    === shop/__init__.py
    === shop/cli.py
    import typer
    app = typer.Typer()
    @app.command()
    def serve(port: int = typer.Option(1, "--port")): pass
    @app.command()
    def stop(): pass
    if __name__ == "__main__": app()
"""


@pytest.mark.parametrize(
    ("sentence", "count"),
    [
        ("Run `uv run python tool.py --input 10 --selected 5` once.", 1),
        ("You can start it with `python3 ./tool.py --selected 5`.", 1),
        ("Run `python tool.py --selection 5`, using `--selected` for more.", 0),
        ("Before, it was `python tool.py --selected 5`.", 0),
        ("This would run `python tool.py --selected 5`.", 0),
        ("Do not run `python tool.py --selected 5`.", 0),
        ("Run `python tool.py --selected 5` no longer.", 0),
        ("Use `python tool.py [--selected N]`.", 0),
        ("- `python tool.py --selected 5` starts it.", 1),
        ("| `python tool.py --selected 5` | starts it |", 1),
        ("- `python tool.py --selected 5` was removed.", 0),
        ("It says so, `python tool.py --selected 5` for one.", 0),
        ("Run `python other.py --selected 5`.", 0),
    ],
)
def test_sentences_tell_people_what_to_run(sentence: str, count: int, blocking: Blocking) -> None:
    assert len(blocking(f"{TOOL}    === README.md\n    # Tool\n    {sentence}\n")) == count


def test_what_agents_are_told_to_start_is_called(blocking: Blocking) -> None:
    page = "    === README.md\n    ```bash\n    %s mcp add --scope user tool -- python tool.py --selected 3\n    ```\n"
    assert len(blocking(TOOL + page % "claude")) == 1
    assert not blocking(TOOL + (page % "codex").replace("selected", "selection"))


@pytest.mark.parametrize("program", ["claude", "another"])
def test_other_words_of_agents_are_theirs(program: str, blocking: Blocking) -> None:
    assert not blocking(f"{TOOL}    === README.md\n    ```bash\n    {program} -- python tool.py --selected\n    ```\n")


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("{image: 'ghcr.io/us/shop:latest', command: [serve, --prt, '3']}", "--prt"),
        ("{image: 'ghcr.io/us/shop-tool:latest', command: [shop, serve, --prt, '3']}", "--prt"),
        ("{image: '${IMAGE:?say which}', command: [serve, --prt, '3']}", "--prt"),
        ("{image: 'ghcr.io/us/shop:latest', command: [serve, --port, '3']}", ""),
        ("{image: 'ghcr.io/us/other:latest', command: [serve, --prt, '3']}", ""),
        ("{image: 'ghcr.io/us/shop:latest', command: [sleep, --prt]}", ""),
        ("{image: 'ghcr.io/us/other:latest', command: [shop, serve, --prt]}", ""),
    ],
)
def test_images_of_our_name_are_told_what_our_program_takes(service: str, said: str, blocking: Blocking) -> None:
    found = blocking(f"{SHOP}    === compose.yaml\n    services:\n      shop: {service}\n")
    assert len(found) == bool(said) and all(said in each for each in found)


def test_containers_of_clusters_are_told_what_our_program_takes(blocking: Blocking) -> None:
    found = blocking(
        SHOP
        + """
    === k8s.yaml
    apiVersion: v1
    kind: Pod
    metadata: {name: shop}
    spec:
      containers: [{name: shop, image: "ghcr.io/us/shop:latest", args: [serve, --nope]}]
    """
    )
    assert len(found) == 1 and "--nope" in found[0]


RUNNING = [
    """
    def tool(words, cwd):
        return subprocess.run([sys.executable, "tool.py", *words], cwd=cwd)
    tool(WORDS, ".")
    """,
    """
    def tool(*words):
        return subprocess.run([sys.executable, "tool.py", *words], check=True)
    tool(*WORDS)
    """,
    """
    def tool(words):
        command = [sys.executable, "tool.py"] + list(words)
        subprocess.run(command)
    tool(WORDS)
    """,
    """
    class Tool:
        def run(self, words):
            subprocess.run([sys.executable, "tool.py"] + words)
        def go(self):
            self.run(WORDS)
    """,
]


@pytest.mark.parametrize("function", RUNNING)
def test_functions_put_words_behind_the_program_that_they_run(function: str, blocking: Blocking) -> None:
    for words, count in (('["--input", "x"]', 0), ('["--selected", "x"]', 1)):
        script = f"    import subprocess, sys{function.replace('WORDS', words)}\n"
        assert len(blocking(f"{TOOL}    === work.py\n{script}")) == count


def test_a_program_in_a_text_is_not_the_one_that_holds_it(blocking: Blocking) -> None:
    held = TOOL.replace(
        "    parser = ", '    OTHER = """\n    import sys\n    print(sys.argv[2])\n    """\n    parser = '
    )
    found = blocking(f"{held}    === run.sh\n    python tool.py --selected 3\n")
    assert len(found) == 1 and "--selected" in found[0]


GROUPS = """
    === pyproject.toml
    [project]
    name = "shop"
    version = "1"
    [project.scripts]
    shop = "shop.start:run"
    === shop/__init__.py
    === shop/start.py
    import typer
    from shop.groups import Shown
    try:
        from shop.cloud.main import app as cloud
    except Exception:
        cloud = typer.Typer(help="not there")
    app = typer.Typer(cls=Shown)
    app.add_typer(cloud, name="cloud")
    @app.command()
    def here(): pass
    def run(): app()
    === shop/groups.py
    import click
    from typer.core import TyperGroup
    class Shown(TyperGroup):
        def %s(self, ctx, args):
            try:
                return super().resolve_command(ctx, %s)
            except click.UsageError:
                click.echo("no")
    === shop/cloud/__init__.py
    === shop/cloud/main.py
    import typer
    from shop.cloud.logs import tail
    app = typer.Typer()
    app.command(name="tail")(tail)
    @app.command()
    def off(): pass
    === shop/cloud/logs/__init__.py
    from .tail import tail
    === shop/cloud/logs/tail.py
    import typer
    def tail(stream: bool = typer.Option(False, "--stream", "-f")): pass
    === run.sh
    shop %s
"""


@pytest.mark.parametrize(
    ("method", "given", "words", "wrong"),
    [
        ("resolve_command", "args", "cloud off", False),
        ("resolve_command", "args", "cloud tail --stream", False),
        ("resolve_command", "args", "cloud tail --follow", True),
        ("resolve_command", "args", "cloud tails", True),
        ("resolve_command", "[each.lower() for each in args]", "CLOUD off", False),
    ],
)
def test_what_is_imported_wins_over_what_stands_in_for_it(
    method: str, given: str, words: str, wrong: bool, blocking: Blocking
) -> None:
    assert bool(blocking(GROUPS % (method, given, words))) == wrong


@pytest.mark.parametrize(
    "choice",
    [
        "if command -v python3; then PY=python3; elif command -v python; then PY=python; else exit 1; fi",
        'PY=python3\nif [ -x .venv/bin/python ]; then PY=".venv/bin/python"; fi',
        'SUDO=""\nif [ "$(id -u)" -ne 0 ]; then SUDO=sudo; fi\nPY="python3"',
    ],
)
def test_a_program_is_the_same_whichever_way_it_is_found(choice: str, blocking: Blocking) -> None:
    start = "$SUDO python3" if "SUDO" in choice else '"$PY"'
    script = f"{choice}\n{start} tool.py --selected 3\n".replace("\n", "\n    ")
    found = blocking(f"{TOOL}    === run.sh\n    {script}\n")
    assert len(found) == 1 and "--selected" in found[0]


def test_programs_that_take_other_words_stay_unknown(blocking: Blocking) -> None:
    script = 'RUN=python3\n    if [ -n "$OTHER" ]; then RUN=other; fi\n    $RUN tool.py --selected 3\n'
    assert not blocking(f"{TOOL}    === run.sh\n    {script}")


def test_options_that_a_branch_adds_to_an_array_are_read(blocking: Blocking) -> None:
    script = 'ARGS=(--input x)\n    if [ -n "$X" ]; then ARGS+=(%s "$X"); fi\n    python tool.py "${ARGS[@]}" %s\n'
    assert not blocking(f"{TOOL}    === run.sh\n    {script % ('--selection', '')}")
    assert len(blocking(f"{TOOL}    === run.sh\n    {script % ('--selected', '')}")) == 1


SKILL = """
    === skills/shop/SKILL.md
    # Shop
    ```bash
    python3 %s/scripts/find.py --%s x
    ```
    === skills/shop/scripts/find.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--query")
    parser.parse_args()
"""


@pytest.mark.parametrize("directory", ["SKILL_DIR", "${CLAUDE_SKILL_DIR}", "$SKILL_ROOT", "{baseDir}"])
def test_skills_name_their_own_directory(directory: str, blocking: Blocking) -> None:
    assert not blocking(SKILL % (directory, "query"))
    assert len(blocking(SKILL % (directory, "search"))) == 1


def test_commands_that_stand_indented_among_those_of_others_are_read(blocking: Blocking) -> None:
    page = "    === docs/start.md\n    # Start\n\n    With the `--port` flag:\n\n"
    page += (
        "        shop serve --%s 3   # or so\n        terraform init          # once\n        terraform plan -out x\n"
    )
    assert not blocking(SHOP + page % "port")
    assert len(blocking(SHOP + page % "prt")) == 1


def test_what_runs_once_the_words_are_read_changes_nothing_about_them(blocking: Blocking) -> None:
    program = """
    === shop.py
    import click, sys
    @click.group()
    def shop():
        if "--locked" in sys.argv: print("locked")
    @shop.command()
    @click.option("--port")
    def serve(port): pass
    %sif __name__ == "__main__": shop()
    === run.sh
    python shop.py serve --prt 3
    """
    assert len(blocking(program % "")) == 1
    assert not blocking(program % "sys.argv.remove('--prt')\n    ")


CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: shop
    version: 1.0.0
    === chart/values.yaml
    image: {repository: ghcr.io/us/shop, tag: latest}
    port: 8000
    %s
    === chart/templates/deployment.yaml
    {{- /* What runs.
           */ -}}
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ .Release.Name }}
    spec:
      selector: {matchLabels: {app: shop}}
      template:
        metadata: {labels: {app: shop}}
        spec:
          containers:
            - name: shop
              image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
              %s
              {{- with .Values.resources }}
              resources: {{- toYaml . | nindent 16 }}
              {{- end }}
"""


@pytest.mark.parametrize(
    ("values", "container", "said"),
    [
        ("level: 1", 'command: ["shop", "serve", "--prt={{ .Values.port }}"]', "deployment.yaml:15"),
        ("level: 1", 'args: ["serve", "--prt", {{ .Values.port | quote }}]', "deployment.yaml:15"),
        ("level: 1", 'args: ["serve", "--port", {{ .Values.port | quote }}]', ""),
        ("level: 1", 'args: ["serve", {{ .Values.option }}]', ""),
        ("command: [shop, serve, --prt, '3']", "command: {{ toJson .Values.command }}", "values.yaml:3"),
        ("command: [shop, serve, --port, '3']", "command: {{ toJson .Values.command }}", ""),
        ("args: [serve, --prt, '3']", "args: {{ toJson .Values.args }}", "values.yaml:3"),
        ("worker: {image: {repository: other}, args: [serve, --prt, '3']}", "workingDir: /", ""),
    ],
)
def test_charts_tell_containers_what_our_program_takes(
    values: str, container: str, said: str, blocking: Blocking
) -> None:
    found = [each for each in blocking(SHOP + CHART % (values, container)) if "prt" in each or "port" in each]
    assert len(found) == bool(said) and all(said in each for each in found)


SERVES = """
    === bin/data.sh
    #!/bin/bash
    %s
    === Makefile
    data:
    \t./bin/data.sh %s
"""
KINDS = 'case "$%s" in\n      one|"two") echo yes;;\n      *) echo "unknown" >&2; exit 1;;\n    esac'


@pytest.mark.parametrize(
    ("script", "good", "bad"),
    [
        ('ACTION="$1"; shift\n    ' + KINDS % "ACTION", "one", "three"),
        ('KIND="${2:-one}"\n    ' + KINDS % "KIND", "x two", "x three"),
        (': "${1:?}"\n    KIND=$2\n    ' + KINDS % "KIND", "x one", "x three"),
        (KINDS % "3", "x y one", "x y three"),
    ],
)
def test_scripts_take_only_some_words_in_a_place(script: str, good: str, bad: str, blocking: Blocking) -> None:
    assert not blocking(SERVES % (script, good))
    assert len(blocking(SERVES % (script, bad))) == 1


@pytest.mark.parametrize("change", ["shift", "KIND=other", "set -- a b"])
def test_words_that_a_script_changes_may_be_any(change: str, blocking: Blocking) -> None:
    script = f'{change}\n    KIND="${{2:-one}}"\n    {change}\n    ' + KINDS % "KIND"
    assert not blocking(SERVES % (script, "x three"))


def test_supervisor_starts_our_program(blocking: Blocking) -> None:
    told = "    === deploy/supervisord.conf\n    [program:shop]\n    command=shop serve --%s 3\n"
    assert not blocking(SHOP + told % "port")
    assert len(blocking(SHOP + told % "prt")) == 1


@pytest.mark.parametrize("default", ['"all"', "'all'", "arch()", 'env("X", "y")', "all"])
def test_recipes_of_just_have_parameters_with_defaults(default: str, blocking: Blocking) -> None:
    recipe = "    === justfile\n    go kind scope=%s:\n        python tool.py --%s {{scope}}\n"
    assert not blocking(TOOL + recipe % (default, "input"))
    assert len(blocking(TOOL + recipe % (default, "selected"))) == 1


@pytest.mark.parametrize(
    ("words", "wrong"), [("--port -3", 0), ("--port -x", 0), ("--port", 1), ("--port --port 3", 1), ("--port 3 -x", 1)]
)
def test_values_may_look_like_options_that_are_none(words: str, wrong: int, blocking: Blocking) -> None:
    shop = SHOP.replace("port: int = typer.Option(1", "port: str = typer.Option('1'")
    assert bool(blocking(f"{shop}    === run.sh\n    shop serve {words}\n")) == bool(wrong)


@pytest.mark.parametrize(
    ("program", "good", "bad"),
    [
        ("import sys\n    if len(sys.argv) != 3:\n        sys.exit('usage')", "one two", "one"),
        (
            """import sys, click
    @click.command()
    @click.option("--go")
    def work(go): pass
    if __name__ == "__main__": work()""",
            "--go x",
            "--stop x",
        ),
        (
            """import argparse, click
    @click.group()
    def work(): pass
    @work.command()
    @click.option("--go")
    def one(go): pass
    def main(): work()
    def other(): argparse.ArgumentParser().parse_args()
    if __name__ == "__main__": main()""",
            "one --go x",
            "one --stop x",
        ),
    ],
)
def test_programs_begin_in_more_than_one_way(program: str, good: str, bad: str, blocking: Blocking) -> None:
    example = f"    === work.py\n    {program}\n    === run.sh\n    python work.py %s\n"
    assert not blocking("\n" + example % good)
    assert len(blocking("\n" + example % bad)) == 1


def test_a_command_may_be_left_out_where_all_know_it(blocking: Blocking) -> None:
    page = "    === README.md\n    # Shop\n    Run `shop --%s 3` for it.\n"
    assert not blocking(SHOP + page % "port")
    assert len(blocking(SHOP + page % "prt")) == 1


def test_what_follows_any_words_may_be_for_a_command_among_them(blocking: Blocking) -> None:
    assert not blocking(f'{SHOP}    === run.sh\n    shop "$@" --port 3\n')


def test_pages_of_thoughts_tell_of_what_there_is_not(blocking: Blocking) -> None:
    assert not blocking(f"{TOOL}    === docs/research/next.md\n    Run `python tool.py --selected 5`.\n")


def test_files_of_a_drive_are_those_of_its_reader(blocking: Blocking) -> None:
    assert not blocking(
        '    === .mcp.json\n    {"mcpServers": {"shop": {"command": "python", "args": ["C:/SHOP/scripts/tool.py"]}}}\n'
    )

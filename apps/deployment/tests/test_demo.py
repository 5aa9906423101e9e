"""What the demonstration says beside its runs: a line for each build, and what it printed only where it failed."""

import re
from types import SimpleNamespace

import pytest
from sophia_deployment import demo
from sophia_deployment.build import Progress
from sophia_deployment.codes import BUILD_FAILED
from sophia_deployment.output.console import Console
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.platform import Platform

PLATFORM = Platform.model_validate(
    {
        "platform": "shop",
        "services": {"api": {"source": ".", "bundle": {"include": ["*"], "run": ["serve"]}}},
        "environments": {"local": {"edge": {"port": 8080}}},
    }
)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    def build(platform, root, *, services, state, on_progress):
        for phase, said in (
            ("waiting", "another build works here"),
            ("building", "building `api`"),
            ("built", "built"),
        ):
            on_progress(Progress(phase, said))
        if (root / "broken").exists():
            raise SophiaError(BUILD_FAILED, "`api` was not built\n   | its last line", hint="see its log")
        return {"api": "ab" * 32}

    monkeypatch.setattr("sophia_deployment.build.build", build)
    monkeypatch.setattr("sophia_deployment.cli.gating.checked", lambda site, platform, unchecked: {})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    engine = SimpleNamespace(submit=lambda submission: {"run": None, **submission})
    site = SimpleNamespace(root=tmp_path, places=SimpleNamespace(state=tmp_path), console=Console(), engine=engine)
    return demo._Stage(site, "local", "api", 1_000)


def test_a_build_is_one_line_with_its_seconds_under_the_title_of_its_act(stage, capsys):
    run = stage.good(PLATFORM)
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"== a new version takes over\n *\d+\.\d s  another build works here\n *\d+\.\d s  built\n\n", said
    )
    assert run["overrides"]["api"].keys() == {"DEMO_LABEL"} and run["tags"] == ["demo"]


def test_a_build_that_fails_says_what_it_printed_last(stage, tmp_path, capsys):
    (tmp_path / "broken").touch()
    with pytest.raises(SophiaError, match="its last line"):
        stage.good(PLATFORM)
    assert " built\n" not in capsys.readouterr().err

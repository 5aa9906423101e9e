"""What the environment may say."""

from __future__ import annotations

import pytest
from sophia_api.__main__ import main
from sophia_api.settings import Misconfigured, Model, Settings


def test_a_port_is_enough() -> None:
    assert Settings.read({"PORT": "8000"}) == Settings(port=8000)


def test_addresses_lose_their_last_slash_and_the_key_is_not_shown() -> None:
    environ = {"PORT": "1", "AI_MEMORY_URL": "http://m/", "MODEL_URL": "https://x/v1/", "MODEL_NAME": "n"}
    settings = Settings.read(environ | {"MODEL_KEY": "s3cret", "DEMO_LABEL": "green"})
    assert settings.memory_url == "http://m"
    assert settings.model == Model("https://x/v1", "n", "s3cret")
    assert settings.label == "green"
    assert "s3cret" not in repr(settings)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as error:
        Settings.read({"PORT": "http", "AI_MEMORY_URL": "m:1", "MCP_GATEWAY_URL": "//g", "MODEL_URL": "http://x"})
    for name in ("`PORT`", "`AI_MEMORY_URL`", "`MCP_GATEWAY_URL`", "`MODEL_NAME`"):
        assert name in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("PORT", "none"), ("DEMO_FAULT", "nonsense")])
def test_a_wrong_environment_ends_with_status_2_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.setenv(name, value)
    assert main() == 2
    assert f"error: `api` cannot start: `{name}`" in capsys.readouterr().err

"""A key that opens nothing but what a test starts is told and does not block; what somebody issued blocks anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.rules import committed_secret

_KEY = str(committed_secret.BAD[2]["service/account.json"])
_TOKEN = str(committed_secret.BAD[0]["deploy/settings.py"])


def _blocks(root: Path, path: str, text: str) -> bool:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    (found,) = engine.check(root).findings
    return found.blocking


def _all_blocking(root: Path, texts: dict[str, str]) -> list[str]:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return [each.message for each in engine.check(root).blocking]


@pytest.mark.parametrize(
    "path",
    [
        "pkg/e2eutil/ca.json",
        "devstack/keys/ca.json",
        "pkg/fuzz/ca.json",
        "contrib/web-integration/ssl/ca.json",
        "certs/localhost-key.json",
        "example_conf/a.json",
        "tuf/testutils/keys/a.json",
    ],
)
def test_a_private_key_of_a_test_does_not_block(path: str, tmp_path: Path) -> None:
    assert not _blocks(tmp_path, path, _KEY)


@pytest.mark.parametrize("path", ["certs/server-key.json", "contest/ca.json"])
def test_another_private_key_blocks(path: str, tmp_path: Path) -> None:
    assert _blocks(tmp_path, path, _KEY)


@pytest.mark.parametrize(("user", "blocks"), [("serve_test.go", False), ("serve.go", True)])
def test_a_key_that_only_tests_use_does_not_block_be_it_through_settings(
    user: str, blocks: bool, tmp_path: Path
) -> None:
    texts = {
        "server/configs/certs/key.pem": json.loads(_KEY)["private_key"],
        "server/configs/tls.conf": 'key_file: "./configs/certs/key.pem"\n',
        f"server/{user}": 'conf := "./configs/tls.conf"\n',
    }
    assert bool(_all_blocking(tmp_path, texts)) is blocks


def test_a_key_that_an_example_has_by_where_it_is_installed_does_not_block(tmp_path: Path) -> None:
    key = json.loads(_KEY)["private_key"]
    texts = {"misc/ca/user/user-privkey.pem": key, "misc/examples/one.cfg": 'key = "/etc/shop/user-privkey.pem"\n'}
    assert _all_blocking(tmp_path, texts) == []
    assert _all_blocking(tmp_path / "two", {"misc/ca/user/user-privkey.pem": key})


@pytest.mark.parametrize(("user", "blocks"), [("server/a_test.go", False), ("tests/a_test.go", True)])
def test_a_password_in_settings_below_the_tests_that_use_them_does_not_block(
    user: str, blocks: bool, tmp_path: Path
) -> None:
    texts = {
        "server/configs/one.toml": 'session_secret = "{}"\n'.format("Zq7KaXFstRKI9hTdWM7" + "DQq56GglRHf2HW7"),
        user: 'conf := "configs/one.toml"\n',
    }
    assert bool(_all_blocking(tmp_path, texts)) is blocks


def test_an_issued_token_blocks_in_a_setting_for_integration_too(tmp_path: Path) -> None:
    assert _blocks(tmp_path, "web-integration/settings.py", _TOKEN)


def test_a_password_of_a_development_configuration_does_not_block(tmp_path: Path) -> None:
    text = 'session_secret = "{}"\n'.format("Zq7KaXFstRKI9hTdWM7" + "DQq56GglRHf2HW7")
    assert not _blocks(tmp_path, "dev_config.toml", text)


def test_a_password_of_another_configuration_blocks(tmp_path: Path) -> None:
    text = 'session_secret = "{}"\n'.format("Zq7KaXFstRKI9hTdWM7" + "DQq56GglRHf2HW7")
    assert _blocks(tmp_path, "config.toml", text)


@pytest.mark.parametrize("path", ["setup/download_test_settings.py", "scripts/run_tests.sh"])
def test_an_issued_token_blocks_in_a_program_that_works_for_tests(path: str, tmp_path: Path) -> None:
    assert _blocks(tmp_path, path, _TOKEN)


@pytest.mark.parametrize("path", ["setup/test_download.py", "tests/download_test_data.py", "examples/run_example.py"])
def test_an_issued_token_of_a_test_does_not_block(path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(_TOKEN)
    assert [each for each in engine.check(tmp_path).findings if each.blocking] == []

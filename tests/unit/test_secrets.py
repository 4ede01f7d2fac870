"""Passwords that stand in the configuration are shown nowhere: not by commands, not in errors, not in tracebacks."""

from __future__ import annotations

import json
import traceback

import pytest

from foliod.base.config import Settings
from foliod.base.errors import ConfigError
from foliod.base.sources import load
from foliod.ollama.inference import Inference

PASSWORD = "hunter2pw"
DATABASE = f"postgresql://alice:{PASSWORD}@127.0.0.1:9/db"
OLLAMA = f"http://bob:{PASSWORD}@127.0.0.1:9"


def test_no_command_prints_a_password(foliod, monkeypatch):
    """With passwords in every address, no command shows one, whether it works or fails."""
    monkeypatch.setenv("FOLIOD_DATABASE__URL", DATABASE)
    monkeypatch.setenv("FOLIOD_OLLAMA__URL", OLLAMA)
    for command in (
        ["config"], ["config", "--json"], ["doctor"], ["doctor", "--json"], ["doctor", "--deep"], ["status"], ["token"],
        ["search", "x"], ["ask", "x"], ["documents"], ["explain", "/x"], ["reembed", "--list"],
    ):  # fmt: skip
        told = foliod(*command)
        assert PASSWORD not in told.out + told.err, command
        assert told.out + told.err


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://alice:{PASSWORD}/x@127.0.0.1:9/db",
        f"postgresql://alice:{PASSWORD}@127.0.0.1:{PASSWORD}/db",
        f"postgresql://127.0.0.1:9/db?password={PASSWORD}&sslmode=wrong{PASSWORD}",
        f"postgresql://alice:{PASSWORD}@[::1/db",
        f"mysql://alice:{PASSWORD}@h/db",
        f"{PASSWORD}",
    ],
)
def test_a_broken_database_address_is_not_repeated(foliod, monkeypatch, url):
    """An address that can't be read is refused without showing it, for its parts are not where they should be."""
    monkeypatch.setenv("FOLIOD_DATABASE__URL", url)
    for command in (["doctor"], ["config"], ["doctor", "--deep"]):
        told = foliod(*command)
        assert PASSWORD not in told.out + told.err, command


@pytest.mark.parametrize(
    "text",
    [
        f'[ollama]\nurl = ["ftp://bob:{PASSWORD}@h"]\n',
        f'ollama = "http://bob:{PASSWORD}@h"\n',
        f'database = "postgresql://bob:{PASSWORD}@h"\n',
        f'[database]\nurl = "mysql://bob:{PASSWORD}@h"\n',
        f'[database]\nurl = ["postgresql://bob:{PASSWORD}@h"]\n',
        f'[database]\npool_size = "postgresql://bob:{PASSWORD}@h"\n',
        f'[ollama]\nurl = "http://bob:{PASSWORD}@h\n',
        f'[ollama]\nnum_ctx = "http://bob:{PASSWORD}@h"\n',
        f'[server]\nhttp = "bob:{PASSWORD}@h"\n',
    ],
)
def test_a_wrong_configuration_is_told_without_its_passwords(tmp_path, text):
    """What is wrong is told by key and line; a value that may hold a login is left out, in tracebacks too."""
    path = tmp_path / "foliod.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path, environ={})
    assert PASSWORD not in refused.value.message
    shown = "".join(traceback.format_exception(refused.value))
    assert PASSWORD not in shown


def test_settings_can_be_printed_by_accident():
    """A debugger, a log line or an assertion that prints the settings shows no password."""
    settings = Settings(database={"url": DATABASE}, ollama={"url": OLLAMA})
    for shown in (
        repr(settings),
        str(settings),
        f"{settings.database!r} {settings.ollama}",
        json.dumps(settings.printable()),
    ):
        assert PASSWORD not in shown


async def test_ollama_s_address_is_told_without_its_login():
    """Errors and the health of Ollama name its address, not the login in it."""
    from foliod.base.errors import OllamaError

    settings = Settings(ollama={"url": [OLLAMA, OLLAMA.replace(":9", ":10")], "connect_seconds": 0.5})
    async with Inference(settings.ollama) as inference:
        health = await inference.health()
        assert PASSWORD not in str(health)
        assert "127.0.0.1:9" in health.url
        with pytest.raises(OllamaError) as failed:
            await inference.describe("m")
        assert PASSWORD not in str(failed.value)
        assert "127.0.0.1:10" in str(failed.value)
    with pytest.raises(ConfigError) as refused:
        async with Inference(Settings(ollama={"url": f"http://bob:1@h:{PASSWORD}"}).ollama):
            pass
    assert PASSWORD not in "".join(traceback.format_exception_only(refused.value))

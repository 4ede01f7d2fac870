"""Secrets never reach the log, whoever logs them and wherever they stand."""

import json
import logging
import time

import pytest
import structlog

from foliod.base import logs, redact
from foliod.base.config import HIDDEN, Settings
from foliod.base.errors import DatabaseUnavailableError
from foliod.base.redact import Secrets, hide_secrets_of


@pytest.fixture
def logged(monkeypatch, stream):
    """A log as the daemon writes it, secrets of its own."""
    monkeypatch.setattr(redact, "SECRETS", Secrets())
    monkeypatch.setattr(logs, "SECRETS", redact.SECRETS)
    return stream


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("postgresql://foliod:s3cr3t-word@db.example/foliod is away", ["postgresql://", "db.example/foliod is away"]),
        ("postgresql://foliod:a@s3cr3t-word/b?c@db.example/foliod", ["db.example/foliod"]),
        ("http://s3cr3t-word@ollama:11434/api", ["ollama:11434/api"]),
        ("host=db user=foliod password=s3cr3t-word sslmode=require", ["host=db", "sslmode=require"]),
        ("host=db password = 's3cr3t-word x' port=1", ["host=db", "port=1"]),
        ("postgresql://db/foliod?user=f&password=s3cr3t-word&sslmode=require", ["sslmode=require"]),
        ('{"token": "s3cr3t-word", "model": "m"}', ['"model": "m"']),
        ("{'api_key': 's3cr3t-word', 'n': 1}", ["'n': 1"]),
        ("Authorization: Bearer s3cr3t-word", ["Authorization: "]),
        ("sent authorization bearer s3cr3t-word to it", ["to it"]),
        ("FOLIOD_BETTERSTACK__TOKEN=s3cr3t-word", ["FOLIOD_BETTERSTACK__TOKEN="]),
    ],
)
def test_what_is_written_like_a_secret_is_hidden(told, kept):
    """Logins in addresses, passwords and tokens by name, and bearer tokens are cut out; the rest stays."""
    shown = Secrets().text(told)
    assert "s3cr3t" not in shown
    assert HIDDEN in shown
    assert all(part in shown for part in kept), shown


@pytest.mark.parametrize(
    "harmless",
    [
        "http://127.0.0.1:11434 did not answer within 2 s",
        "PostgreSQL at db.example:5432/foliod does not answer",
        "chunk_tokens = 220, token_file = /var/lib/foliod/token",
        "it is tried again when the file that passwords_file names changes",
        "this address needs the bearer token; it stands in <state_dir>/token",
        "/home/me/inbox/password list.pdf",
        "a@b.example wrote: see http://c.example/",
    ],
)
def test_what_is_no_secret_stays(harmless):
    """Messages that only speak of passwords, tokens and addresses are told as they are."""
    assert Secrets().text(harmless) == harmless


def test_secrets_of_the_configuration_are_hidden_by_their_value(logged):
    """The password of the database is not told, not even where nothing says what it is."""
    hide_secrets_of(Settings.model_validate({"database": {"url": "postgresql://f:pl%40nted%2Fword@h/d"}}))
    log = structlog.get_logger("foliod.test")
    log.warning(
        "waiting", reason="can't log in as f with pl@nted/word", more=["pl%40nted%2Fword", {"x": "pl@nted/word"}]
    )
    logging.getLogger("asyncpg").warning("sent %s", "pl@nted/word")
    try:
        fail(DatabaseUnavailableError("pl@nted/word is wrong"))
    except DatabaseUnavailableError:
        log.exception("broken")
    text = logged.getvalue()
    assert text.count(HIDDEN) == 6
    assert "nted" not in text


def test_fields_that_hold_secrets_by_name_are_hidden(logged):
    """A field called password or token never shows its value, at any depth."""
    structlog.get_logger("foliod.test").info("x", password="abc", more={"token": "abc", "deep": [{"dsn": "abc"}]})
    assert "abc" not in logged.getvalue()
    assert json.loads(logged.getvalue())["more"] == {"token": HIDDEN, "deep": [{"dsn": HIDDEN}]}


def test_what_asyncio_complains_about_is_told_without_content(logged):
    """A task whose error nobody took is told, and not what was in the error."""
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=ValueError('ill')>")
    assert json.loads(logged.getvalue())["event"] == "Task exception was never retrieved"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000 + " = @",
        "a://" * 50_000 + " @",
        "password" * 25_000,
        'token="' * 30_000,
        "bearer " * 30_000,
        "a.b-" * 50_000 + "://@",
    ],
)
def test_long_texts_take_no_time(text):
    """Whatever a library or a file name brings into the log, looking for secrets in it takes no time."""
    started = time.thread_time()
    Secrets().text(text)
    assert time.thread_time() - started < 2

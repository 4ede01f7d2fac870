"""`foliod doctor` on a database of one's own: what leads there, who answers, and what to do."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from foliod.base.config import Settings
from foliod.start.doctor_database import examine_database
from foliod.store import address as address_module
from foliod.store.privileges import summary
from pgbouncer import MISSING, PROGRAM, PgBouncer
from tls_server import authority, needs_openssl, tls_before


async def examined(**database: str) -> dict[str, tuple[str, str, str | None]]:
    settings = Settings.model_validate({"database": database})
    return {c.name: (c.status, c.message, c.fix) async for c in examine_database(settings, None)}


async def test_a_server_of_ones_own_is_sound(dsn):
    """A direct server with all rights is one good line."""
    found = await examined(url=dsn)
    assert [status for status, *_ in found.values()] == ["ok"]
    assert "with pgvector" in found["database"][1]


async def test_a_wrong_address_is_told_without_the_password():
    """What can't be used is named with the reason, and no secret."""
    status, message, _ = (await examined(url="postgresql://u:hunter2@127.0.0.1/x?require_auth=none"))["database"]
    assert status == "fail"
    assert "require_auth" in message
    assert "hunter2" not in message


async def test_a_server_that_runs_is_not_said_to_be_away(dsn):
    """A database that is not there is to be made, a server that does not answer to be looked for; nothing is tried again."""
    parts = urlsplit(dsn)
    status, message, fix = (await examined(url=parts._replace(path="/nowhere").geturl()))["database"]
    assert (status, 'database "nowhere" does not exist' in message) == ("fail", True)
    assert "CREATE DATABASE" in str(fix)
    assert "runs" not in str(fix)
    status, message, fix = (await examined(url="postgresql://u@127.0.0.1:1/x"))["database"]
    assert (status, "that the server runs" in str(fix), "tried again" in message) == ("fail", True, False)


async def test_a_wrong_role_is_not_a_server_that_is_away(dsn):
    """Who may not log in is told to correct user and password."""
    parts = urlsplit(dsn)
    url = parts._replace(netloc=f"nobody_of_this_name@{parts.netloc.rpartition('@')[2]}").geturl()
    status, _, fix = (await examined(url=url))["database"]
    assert (status, "the server runs: correct user and password" in str(fix)) == ("fail", True)


def test_many_missing_rights_are_one_short_sentence():
    """What is missing on many tables is said once, with one of them."""
    missing = [f"it may not {verb} foliod.t{n}" for n in range(21) for verb in ("select", "insert")]
    missing += [f"it may not use the sequence foliod.s{n}" for n in range(5)]
    missing += ["it may not use the schema foliod", "it does not own foliod.embeddings, whose indexes it makes"]
    assert summary(missing) == (
        "it may not select 21 tables, such as foliod.t0; it may not insert 21 tables, such as foliod.t0; it may not use "
        "5 sequences, such as foliod.s0; it may not use the schema foliod; it does not own foliod.embeddings, whose "
        "indexes it makes"
    )
    assert summary(["it may not update foliod.a", "it may not update foliod.b"]) == (
        "it may not update foliod.a; it may not update foliod.b"
    )


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
async def test_a_pooler_wants_a_direct_address(dsn, empty_dsn, short_dir):
    """Behind a pooler doctor asks for direct_url, and checks that it leads past the pooler to the same database."""
    with PgBouncer(short_dir, dsn, pool_size=2) as pooler:
        status, message, fix = (await examined(url=pooler.url))["database pooler"]
        assert (status, "backups" in message, "direct_url" in str(fix)) == ("warn", True, True)
        assert (await examined(url=pooler.url, direct_url=dsn))["database pooler"][0] == "ok"
        wrong = (await examined(url=pooler.url, direct_url=empty_dsn))["database pooler"]
        assert (wrong[0], "another database" in wrong[1]) == ("fail", True)
        pooled = (await examined(url=pooler.url, direct_url=pooler.url))["database pooler"]
        assert (pooled[0], "a pooler too" in pooled[1]) == ("fail", True)
        gone = (await examined(url=pooler.url, direct_url="postgresql://u@127.0.0.1:1/x"))["database pooler"]
        assert (gone[0], "can't be reached" in gone[1]) == ("fail", True)


@needs_openssl
async def test_a_server_that_is_not_verified_is_warned_about(dsn, short_dir, monkeypatch):
    """sslmode=require is warned about, with whether the certificate could be checked as things are."""
    monkeypatch.setattr(address_module, "elsewhere", lambda host: host == "localhost")
    address_module.parse.cache_clear()
    monkeypatch.setenv("HOME", str(short_dir))
    ours = authority(short_dir, "ours")
    with tls_before(dsn, *ours.sign("DNS:localhost")) as port:
        url = f"postgresql://foliod@localhost:{port}/{dsn.split('?')[0].rpartition('/')[2]}"
        status, message, fix = (await examined(url=f"{url}?sslmode=require"))["database TLS"]
        assert (status, "does not check who answers" in message) == ("warn", True)
        assert "sslrootcert=FILE" in str(fix)
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
        address_module.parse.cache_clear()
        assert "can be checked" in str((await examined(url=f"{url}?sslmode=require"))["database TLS"][2])
        assert (await examined(url=url))["database TLS"][0] == "ok"
    address_module.parse.cache_clear()

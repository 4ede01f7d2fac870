"""`foliod doctor` on a database of one's own: what leads there, who answers, and what to do."""

from __future__ import annotations

import pytest

from foliod.base.config import Settings
from foliod.start.doctor_database import examine_database
from foliod.store import address as address_module
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

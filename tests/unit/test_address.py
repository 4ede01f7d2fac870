"""What is written in [database] url: each of libpq's parameters is held, without effect, or refused with its reason."""

from __future__ import annotations

import pytest

from foliod.base.errors import ConfigError
from foliod.store.address import parse

NEON = "postgresql://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/db?sslmode=require&channel_binding=require"


def test_an_address_as_neon_gives_it_is_verified_in_full():
    """Channel binding can't be had from asyncpg; what it protects from is held by checking the certificate in full."""
    address = parse(NEON)
    assert (address.mode, address.verified, address.pooled) == ("verify-full", True, True)
    assert address.tls.check_hostname
    assert address.tls.cert_store_stats()["x509_ca"] > 50
    assert "channel_binding" not in address.dsn
    assert "channel_binding" in address.notes[0]
    assert address.weak is None


@pytest.mark.parametrize(
    ("dsn", "mode"),
    [
        ("postgresql://u@db.example/x", "verify-full"),
        ("postgresql://u@10.0.0.5/x", "verify-full"),
        ("postgresql://u@[2001:db8::1]:5433/x", "verify-full"),
        ("postgresql://u@127.0.0.1,db.example/x", "verify-full"),
        ("postgresql:///x?host=db.example", "verify-full"),
        ("postgresql://u@localhost/x", "prefer"),
        ("postgresql://u@127.0.0.2:6432/x", "prefer"),
        ("postgresql://u@[::1]/x", "prefer"),
        ("postgresql:///x?host=/run/postgresql", "prefer"),
        ("postgresql:///x", "prefer"),
        ("postgresql://u@db.example/x?sslmode=disable", "disable"),
        ("postgresql://u@db.example/x?sslmode=require", "require"),
        ("postgresql://u@localhost/x?sslrootcert=system", "verify-full"),
        ("postgresql://u@db.example/x?ssl=true", "verify-full"),
    ],
)
def test_who_is_on_the_network_is_verified_unless_the_address_says_otherwise(dsn, mode, monkeypatch):
    """Remote hosts are verified in full by default; weaker is what somebody wrote."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    address = parse(dsn)
    assert address.mode == mode
    assert address.verified == (mode == "verify-full")
    assert (address.weak is None) == (mode == "verify-full" or not address.remote)


def test_what_changes_nothing_is_not_sent_to_the_server():
    """Parameters that libpq keeps to itself never become settings that the server would refuse."""
    address = parse(
        "postgresql://u:p@db.example/x?connect_timeout=15&keepalives_idle=60&keepalives_count=9&tcp_user_timeout=0"
        "&gssencmode=prefer&sslcompression=0&application_name=a&client_encoding=UTF8&target_session_attrs=read-write"
        "&sslsni=1&sslcertmode=allow&options=endpoint%3Dep-cool-1&channel_binding=prefer&load_balance_hosts=disable"
    )
    assert address.dsn == "postgresql://u:p@db.example/x?target_session_attrs=read-write"
    assert address.settings == {"options": "endpoint=ep-cool-1"}
    assert (address.connect_seconds, address.answer_seconds) == (15, 15)
    assert address.keep_alive == {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 9}
    assert parse("postgresql://u@localhost/x?keepalives=0").keep_alive == {}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("channel_binding=require&sslmode=disable", "does not go with sslmode=disable"),
        ("channel_binding=maybe", "channel_binding must be one of"),
        ("gssencmode=require", "encrypts with TLS only"),
        ("sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
        ("sslrootcert=/nowhere/ca.pem", "sslrootcert=/nowhere/ca.pem"),
        ("sslcert=/nowhere/me.pem", "sslcert=/nowhere/me.pem"),
        ("sslmode=verify", "sslmode must be one of disable, allow"),
        ("require_auth=scram-sha-256", "can't use require_auth"),
        ("service=mine", "write the whole address"),
        ("hostaddr=10.0.0.1", "write the number as the host"),
        ("client_encoding=LATIN1", "client_encoding must be UTF8"),
        ("connect_timeout=soon", "connect_timeout must be a number"),
        ("ssl_min_protocol_version=SSLv3", "must be one of TLSv1"),
    ],
)
def test_what_can_not_be_held_is_refused_with_its_name(parameters, told):
    """A demand that foliod could only ignore is told, never ignored."""
    with pytest.raises(ConfigError, match=rf"\[database\] url: .*{told}"):
        parse(f"postgresql://u:secret@db.example/x?{parameters}")


def test_no_login_shows():
    """An address prints without user and password."""
    assert "secret" not in repr(parse("postgresql://u:secret@localhost/x?sslmode=disable"))

"""The least rights: a daemon that owns nothing but the vectors, migrations by another role, extensions elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from asked import asked
from foliod.base.assets import asset
from foliod.store.lodging import installation
from live import Daemon, running
from ollama_process import Ollama, ollama_running
from pgbouncer import MISSING, PROGRAM, PgBouncer

SAMPLES = Path(__file__).parents[1] / "samples"
pytestmark = pytest.mark.timeout(300)
ARTICLE = SAMPLES / "PMC7068164.pdf"


class Roles(NamedTuple):
    admin: str
    owner: str
    runtime: str
    owner_url: str
    runtime_url: str

    def psql(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installation() / "bin/psql"), "-X", "-q", self.admin, *args, "-f", str(asset("sql/grants.sql"))],
            capture_output=True, text=True, check=False, env={"PATH": os.defpath},
        )  # fmt: skip

    def grant(self) -> str:
        """Run sql/grants.sql as the README says."""
        done = self.psql("-v", f"owner={self.owner}", "-v", f"runtime={self.runtime}")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def roles(empty_dsn) -> Iterator[Roles]:
    """Two roles that may do nothing yet, in a database of their own."""
    parts = urlsplit(empty_dsn)
    number = parts.path[1:].removeprefix("foliod_test_")
    names = [f"owner_{number}", f"runtime_{number}"]
    host = parts.netloc.rpartition("@")[2]
    urls = [parts._replace(netloc=f"{name}:secret@{host}").geturl() for name in names]
    for name in names:
        asked(empty_dsn, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    try:
        yield Roles(empty_dsn, *names, *urls)
    finally:
        asked(empty_dsn, "DROP SCHEMA IF EXISTS foliod CASCADE")
        for name in reversed(names):
            asked(empty_dsn, f"DROP OWNED BY {name}")
        for name in names:
            asked(empty_dsn, f"DROP ROLE {name}")


def over(url: str, ollama: Ollama | None = None, more: str = "", **options: Any) -> Any:
    # However busy the machine is, questions are embedded.
    search = "\n[search]\nembed_seconds = 60\n"
    return running(f'[database]\nurl = "{url}"\n{more}{search}', ollama=ollama.url if ollama else None, **options)


def works(daemon: Daemon) -> None:
    """Documents go the whole way: read, embedded, found by meaning, and one is given up again."""
    path = daemon.drop(ARTICLE)
    daemon.drop(SAMPLES / "PMC7079436.pdf")
    daemon.wait_states(ready=2)
    assert daemon.search("incubation period", mode="vector")["hits"]
    path.unlink()
    daemon.wait_states(ready=1)


def test_a_daemon_works_with_the_rights_of_the_script_and_no_more(roles):
    """sql/grants.sql: the owner migrates, the daemon does all its work as another role, and can't alter the schema."""
    told = roles.psql()
    assert told.returncode != 0
    assert "name the role that owns the schema" in told.stderr
    assert asked(roles.admin, "SELECT to_regnamespace('foliod')") is None
    with over(roles.runtime_url, start=False) as daemon:
        check = next(c for c in doctor(daemon) if c["name"] == "database rights")
        assert (check["status"], "may not set up" in check["message"]) == ("fail", True)
        assert "foliod migrate" in check["fix"]
    assert f"as {roles.owner}" in roles.grant()
    with (
        ollama_running() as ollama,
        over(roles.runtime_url, ollama, "\n[ingest]\ngrace_seconds = 0.5\n", start=False) as daemon,
    ):
        # Before the owner has migrated, the daemon says who has to.
        told = daemon.cli("run", "--config", str(daemon.config))
        assert told.returncode == 1
        assert "foliod migrate" in told.stderr
        assert "sql/grants.sql" in told.stderr
        done = daemon.cli("migrate", "--json", env={"FOLIOD_DATABASE__URL": roles.owner_url})
        assert done.returncode == 0, done.stderr
        assert '"applied": 1' in done.stdout
        assert roles.runtime in roles.grant()
        daemon.start()
        works(daemon)
        database = next(c for c in doctor(daemon) if c["name"] == "database")
        assert database["status"] == "ok", database
        for forbidden in (
            "ALTER TABLE foliod.documents ADD COLUMN x integer",
            "DROP TABLE foliod.chunks",
            "TRUNCATE foliod.documents CASCADE",
            "INSERT INTO foliod.migrations VALUES (99, 'x', 'x')",
            "CREATE OR REPLACE FUNCTION foliod.note_title() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
            f"SET ROLE {roles.owner}",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidFunctionDefinitionError)):
                asked(roles.runtime_url, forbidden)
        # The owner may alter what the daemon owns, as later migrations will.
        asked(roles.owner_url, "ALTER TABLE foliod.embeddings ADD COLUMN later integer")


def doctor(daemon: Daemon) -> list[dict[str, Any]]:
    import json

    return json.loads(daemon.cli("doctor", "--json").stdout)["checks"]


def test_a_missing_right_is_named_with_the_script(roles):
    """A right that was taken away ends the start with what is missing and the script that grants it; doctor says it too."""
    roles.grant()
    with over(roles.runtime_url, start=False) as daemon:
        assert daemon.cli("migrate", env={"FOLIOD_DATABASE__URL": roles.owner_url}).returncode == 0
        roles.grant()
        asked(roles.admin, f"REVOKE UPDATE, DELETE ON foliod.lexicon FROM {roles.runtime}")
        told = daemon.cli("run", "--config", str(daemon.config))
        assert told.returncode == 1
        for words in ("may not update foliod.lexicon", "may not delete foliod.lexicon", "sql/grants.sql"):
            assert words in told.stderr
        check = next(c for c in doctor(daemon) if c["name"] == "database rights")
        assert check["status"] == "fail"
        assert "sql/grants.sql" in check["fix"]


def test_the_owner_migrates_by_the_direct_address(roles):
    """With the owner's address as direct_url the daemon migrates with it by itself, and works as the other role."""
    roles.grant()
    asked(roles.admin, f"GRANT {roles.runtime} TO {roles.owner}")
    with (
        ollama_running() as ollama,
        over(roles.runtime_url, ollama, f'direct_url = "{roles.owner_url}"\n', start=False) as daemon,
    ):
        assert daemon.cli("migrate").returncode == 0
        roles.grant()
        daemon.start()
        daemon.drop(ARTICLE)
        daemon.wait_states(ready=1)
        shown = daemon.cli("config", "--json").stdout
        assert "secret" not in shown
        assert "secret" not in daemon.log_text()


@pytest.mark.parametrize(
    "pooled", [False, pytest.param(True, marks=pytest.mark.skipif(PROGRAM is None, reason=MISSING))]
)
def test_an_extension_that_exists_in_another_schema_is_used(empty_dsn, short_dir, pooled):
    """Managed services keep pgvector in a schema of its own, which is in nobody's search_path."""
    asked(empty_dsn, "CREATE SCHEMA extensions")
    asked(empty_dsn, "CREATE EXTENSION vector SCHEMA extensions")
    (folder := short_dir / "pgbouncer").mkdir()
    folder.chmod(0o755)
    with ollama_running() as ollama:
        if not pooled:
            with over(empty_dsn, ollama, "\n[ingest]\ngrace_seconds = 0.5\n") as daemon:
                works(daemon)
            return
        with PgBouncer(folder, empty_dsn, pool_size=3) as pooler:
            more = f'direct_url = "{empty_dsn}"\n[ingest]\ngrace_seconds = 0.5\n'
            with over(pooler.url, ollama, more) as daemon:
                works(daemon)
                # Its index is built by the direct address.
                assert daemon.cli("reembed", "--model", "mxbai-embed-large", "--wait").returncode == 0
                assert daemon.search("incubation period", mode="vector")["hits"]


def test_the_owner_restores_a_backup(roles, short_dir):
    """With the script's rights the owner puts a backup back, and the daemon runs again; the daemon's role is told who may."""
    roles.grant()
    owner, file = {"FOLIOD_DATABASE__URL": roles.owner_url}, str(short_dir / "store.backup")
    with ollama_running() as ollama, over(roles.runtime_url, ollama, start=False) as daemon:
        assert daemon.cli("migrate", env=owner).returncode == 0
        roles.grant()
        daemon.start()
        daemon.drop(ARTICLE)
        daemon.wait_states(ready=1)
        assert daemon.cli("backup", file).returncode == 0
        daemon.stop()
        told = daemon.cli("restore", file, "--replace")
        assert told.returncode == 1
        assert "use the owner's URL" in told.stderr
        asked(roles.owner_url, "CREATE VIEW foliod.mine AS SELECT * FROM foliod.documents")
        done = daemon.cli("restore", file, "--replace", env=owner)
        assert done.returncode == 0, done.stderr
        assert "Exception" not in done.stderr
        roles.grant()
        daemon.start()
        assert daemon.search("incubation period", mode="vector")["hits"]
        daemon.drop(SAMPLES / "PMC7079436.pdf")
        daemon.wait_states(ready=2)
        daemon.stop()
        asked(roles.admin, "DROP SCHEMA foliod CASCADE")
        told = daemon.cli("restore", file, env=owner)
        assert told.returncode == 1
        assert f"GRANT CREATE ON DATABASE … TO {roles.owner}" in told.stderr

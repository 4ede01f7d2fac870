"""What the files of a service say on this machine, and the steps in which they are written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from foliod.base.config import Settings
from foliod.base.config_logs import Betterstack
from foliod.base.errors import ConfigError, ConflictError
from foliod.start import service_units as units
from foliod.start.service_steps import Steps, signature


def settings(database="embedded", *ollama):
    """Settings with a database and an Ollama."""
    more = {"ollama": {"url": ollama}} if ollama else {}
    return Settings.model_validate({"database": {"url": database}, **more})


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/opt/foliod/bin/foliod", "/opt/foliod/bin/foliod"),
        ("/home/a b/foliod", '"/home/a b/foliod"'),
        ("/100%/foliod", "/100%%/foliod"),
        ('/a"b\\c', '"/a\\"b\\\\c"'),
    ],
)
def test_paths_stand_in_units_as_systemd_reads_them(path, line):
    """Spaces are quoted, and a per cent sign is no specifier."""
    assert units.quoted(path) == line


@pytest.mark.parametrize("user", [False, True])
def test_units_start_this_installation(user, monkeypatch, tmp_path):
    """The command is that of the environment that runs, and the configuration's path may hold anything."""
    script = tmp_path / "foliod"
    script.write_text("")
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    text = units.service(user=user, config=Path("/etc/my $files/foliod.toml"))
    assert f'ExecStart={script} run --config "/etc/my $$files/foliod.toml"\n' in text
    assert text.count("ExecStart=") == 1
    script.unlink()
    assert f"ExecStart={tmp_path}/python -m foliod run" in units.service(user=user, config=Path("/c"))


def test_a_socket_of_ones_own_is_listened_on():
    """Where the configuration names another socket, systemd listens there."""
    assert "ListenStream=%t/foliod.sock\n" in units.socket(user=False, path=None)
    assert "ListenStream=/srv/100%%.sock\n" in units.socket(user=True, path=Path("/srv/100%.sock"))


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        (settings(), []),
        (settings("postgresql:///foliod?host=/run/postgresql"), []),
        (settings("postgresql://u:p%40ss@db.example:5433/foliod?sslmode=require"), ["db.example"]),
        (settings("postgresql://a.example,10.0.0.7:6432,localhost/foliod"), ["10.0.0.7", "a.example"]),
        (settings("embedded", "http://127.0.0.1:11434", "https://[2001:db8::1]:443"), ["2001:db8::1"]),
    ],
)
def test_servers_elsewhere_are_found_in_the_configuration(given, hosts):
    """Other hosts are named, and this machine in any of its forms is not."""
    assert units.remote_hosts(given) == hosts


def test_better_stack_is_reached_only_with_a_token():
    """Its host has a default, which means nothing without a token."""
    given = settings().model_copy(update={"betterstack": Betterstack(token="s3cret", host="logs.example")})
    assert units.remote_hosts(given) == ["logs.example"]


def test_an_address_that_is_none_is_told():
    """What can't be an address ends in a sentence."""
    with pytest.raises(ConfigError, match="no address"):
        units.remote_hosts(settings("embedded", "http://[2001:db8"))


def drop_in(**more):
    """The drop-in of a machine where nothing is peculiar but what is given."""
    usual = {
        "user": False,
        "state": units.SYSTEM_STATE,
        "version": 252,
        "hosts": [],
        "data_home": None,
        "namespaces": True,
    }
    return units.drop_in(**usual | more)


def test_the_drop_in_holds_what_is_peculiar():
    """Nothing where all is usual; addresses as such, names as any address, since theirs may change."""
    assert drop_in() is None
    assert "IPAddressAllow=10.0.0.7 2001:db8::1\n" in drop_in(hosts=["10.0.0.7", "2001:db8::1"])
    assert "IPAddressAllow=any\n" in drop_in(hosts=["10.0.0.7", "db.example"])
    assert "IPAddressAllow" not in (drop_in(hosts=["db.example"], user=True, state=Path("/s")) or "")
    assert "RestartSteps=" in drop_in(version=254)
    assert 'ReadWritePaths="/srv/my data"\n' in drop_in(state=Path("/srv/my data"))
    assert "PrivateUsers=no\n" in drop_in(user=True, state=Path("/s"), namespaces=False)


def test_a_new_configuration_is_the_sample_with_the_folders():
    """It can be read, watches what was named, and all else is at its default."""
    text = units.sample([Path('/srv/a "b"\\c'), Path("/srv/ü")], user=False)
    found = Settings.model_validate(tomllib.loads(text))
    assert [str(watch.path) for watch in found.watch] == ['/srv/a "b"\\c', "/srv/ü"]
    assert str(found.server.socket) == "/run/foliod.sock"
    assert found.ingest == Settings().ingest
    assert Settings.model_validate(tomllib.loads(units.sample([], user=True))) == Settings()


def test_files_of_ours_are_known_and_those_of_others_kept(tmp_path):
    """What we wrote is renewed and removed; what anybody wrote or changed is not, and is named."""
    told: list[str] = []
    steps = Steps(told.append)
    ours, theirs = tmp_path / "units/ours", tmp_path / "theirs"
    assert steps.sign(ours, "a\n")
    assert not steps.sign(ours, "a\n")
    assert steps.sign(ours, "b\n")
    assert ours.read_text() == signature("b\n") + "b\n"
    assert list(ours.parent.iterdir()) == [ours]
    theirs.write_text("theirs\n")
    with pytest.raises(ConflictError, match="was not written by foliod"):
        steps.sign(theirs, "b\n")
    ours.write_text(ours.read_text() + "c\n")
    with pytest.raises(ConflictError, match="was changed after foliod wrote it"):
        steps.sign(ours, "b\n")
    assert not steps.unsign(theirs)
    assert not steps.unsign(ours)
    assert (theirs.read_text(), ours.read_text()) == ("theirs\n", signature("b\n") + "b\nc\n")
    assert told[-1].startswith(f"kept {ours} (was changed after foliod wrote it")
    linked = tmp_path / "masked"
    linked.symlink_to("/dev/null")
    with pytest.raises(ConflictError, match="is a link to /dev/null"):
        steps.sign(linked, "b\n")


def test_a_rehearsal_writes_nothing(tmp_path):
    """Steps are told as what would be done."""
    told: list[str] = []
    steps = Steps(told.append, rehearsal=True)
    assert steps.sign(tmp_path / "new", "a\n")
    (tmp_path / "old").write_text(signature("a\n") + "a\n")
    assert steps.unsign(tmp_path / "old")
    steps.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert told == [f"would write {tmp_path}/new", f"would remove {tmp_path}/old", f"would remove {tmp_path}"]

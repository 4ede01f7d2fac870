"""The configuration: where it comes from, what wins, and how mistakes are told."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from foliod.base import sources
from foliod.base.assets import asset
from foliod.base.config import HIDDEN, Settings
from foliod.base.config_errors import SECTIONS
from foliod.base.errors import ConfigError
from foliod.base.sources import find, load


@pytest.fixture
def write(tmp_path):
    """Write a configuration file and return its path."""

    def write(text: str, name: str = "foliod.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write


def wrong(path: Path | None, environ: dict[str, str] | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, environ=environ or {})
    assert caught.value.exit_code == 2
    return caught.value.message


# --- the sample -------------------------------------------------------------------------


def test_the_sample_says_the_defaults():
    """Copying the sample to its place changes nothing."""
    assert load(asset("config/foliod.toml"), environ={}) == Settings()


def test_the_sample_knows_every_key_and_its_optional_lines_are_valid(write):
    """Every key stands in the sample, and taking away the # before an optional one gives a valid file."""
    text = asset("config/foliod.toml").read_text("utf-8")
    whole = re.sub(r"(?m)^# (?=\[\[watch\]\]|\w+ = )", "", text)
    # Top-level keys come before sections; url_file stands for url, and a token for the file of one.
    tables = tomllib.loads(whole)
    assert set(tables) == set(Settings.model_fields)
    for name, model in SECTIONS.items():
        entry = tables[name][0] if name == "watch" else tables[name]
        assert set(entry) == set(model.model_fields), name
    without = r'(?m)^(url_file|direct_url|direct_url_file|token_file = "/etc/foliod/betterstack).*$'
    settings = load(write(re.sub(without, "", whole)), environ={})
    assert settings.watch[0].path == Path.home() / "Documents/inbox"
    assert settings.server.http == "127.0.0.1:8420"
    watch = settings.watch[0]
    assert watch == type(watch)(path=watch.path, passwords_file=watch.passwords_file)


# --- sources ----------------------------------------------------------------------------


def test_arguments_beat_the_environment_which_beats_the_file(write):
    """The nearer to the user's hand, the stronger."""
    path = write('[search]\nlimit = 3\npassages = 4\n[log]\nlevel = "debug"\n[[watch]]\npath = "/file"\n')
    environ = {"FOLIOD_SEARCH__LIMIT": "5", "FOLIOD_SEARCH__PASSAGES": "6", "FOLIOD_WATCH": "/environment"}
    settings = load(path, {"search": {"limit": 7}, "watch": [{"path": "/argument"}]}, environ=environ)
    assert (settings.search.limit, settings.search.passages, settings.log.level) == (7, 6, "debug")
    assert [str(watch.path) for watch in settings.watch] == ["/argument"]


def test_every_key_can_be_set_in_the_environment():
    """FOLIOD_SECTION__KEY takes the value that the file would have."""
    defaults = Settings().model_dump(mode="json")
    defaults["database"]["url"] = "embedded"
    environ = {
        f"FOLIOD_{section}__{key}".upper(): json.dumps(value) if isinstance(value, list) else str(value)
        for section, table in defaults.items()
        if isinstance(table, dict)
        for key, value in table.items()
        if value is not None
    }
    assert len(environ) > 30
    assert load(None, environ=environ | {"FOLIOD_CONFIG": os.devnull}) == Settings()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"FOLIOD_OLLAMA__URL": "http://a, http://b/"}, ("http://a", "http://b")),
        ({"FOLIOD_OLLAMA__URL": '["http://a", "http://b"]'}, ("http://a", "http://b")),
        ({"FOLIOD_OLLAMA__URL": "http://a"}, ("http://a",)),
        ({"FOLIOD_OLLAMA__URL": ""}, Settings().ollama.url),
    ],
)
def test_lists_in_the_environment(write, environ, expected):
    """A list is written with commas or as JSON; an empty variable is none."""
    assert load(write(""), environ=environ).ollama.url == expected


def test_folders_in_the_environment(write):
    """Folders are separated like those of $PATH, or are JSON with all their keys."""
    path = write("")
    assert [str(w.path) for w in load(path, environ={"FOLIOD_WATCH": "/a:/b c"}).watch] == ["/a", "/b c"]
    [watch] = load(path, environ={"FOLIOD_WATCH": '[{"path": "/a", "poll": true}]'}).watch
    assert watch.poll
    [watch] = load(path, environ={"FOLIOD_WATCH__PATH": "/a", "FOLIOD_WATCH__SETTLE_SECONDS": "0.5"}).watch
    assert watch.settle_seconds == 0.5


def test_variables_of_others_are_left_alone(write):
    """Kubernetes sets FOLIOD_PORT for a service of that name, and tests have variables of their own."""
    others = {"FOLIOD_PORT": "tcp://1", "FOLIOD_SERVICE_HOST": "1", "FOLIOD_TEST_DATABASE_URL": "postgresql://x"}
    assert load(write(""), environ=others) == Settings()


def test_relative_paths_start_where_they_are_written(write, tmp_path, monkeypatch):
    """A path in the file starts at the file, so that daemon and client mean the same; one typed starts here."""
    path = write('state_dir = "state"\n[server]\nsocket = "s"\n[[watch]]\npath = "in"\n[[watch]]\npath = "~/in"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load(path, environ={})
    assert (settings.state, settings.socket) == (tmp_path / "state", tmp_path / "s")
    assert [watch.path for watch in settings.watch] == [tmp_path / "in", Path.home() / "in"]
    assert load(path, {"watch": [{"path": "in"}]}, environ={}).watch[0].path == elsewhere / "in"


def test_the_file_is_looked_for_in_order(tmp_path, monkeypatch):
    """$FOLIOD_CONFIG, then one's own file; the one named with --config beats both."""
    own = tmp_path / "foliod/foliod.toml"
    own.parent.mkdir()
    own.write_text("[search]\nlimit = 2\n")
    named = tmp_path / "named.toml"
    named.write_text("[search]\nlimit = 3\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find(environ) == own
    assert load(environ=environ).search.limit == 2
    environ["FOLIOD_CONFIG"] = str(named)
    assert load(environ=environ).search.limit == 3
    assert load(own, environ=environ).search.limit == 2
    environ["FOLIOD_CONFIG"] = str(tmp_path / "none.toml")
    assert "none.toml can't be read: No such file" in wrong(None, environ)


@pytest.mark.parametrize("euid", [0, 1000])
def test_state_and_socket_follow_the_environment(tmp_path, monkeypatch, euid):
    """state_dir, else systemd's, else XDG's, else the user's; the socket stays with a state folder of one's own."""
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    for name in ("STATE_DIRECTORY", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    usual = Path("/var/lib/foliod") if euid == 0 else Path.home() / ".local/share/foliod"
    assert Settings().state == usual
    assert Settings().socket == usual / "foliod.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert Settings().socket == Path("/run/user/1/foliod.sock")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Settings().state == Path("/data/foliod")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert Settings().state == Path("/var/lib/a")
    mine = load(None, {"state_dir": str(tmp_path)}, environ={"FOLIOD_CONFIG": os.devnull})
    assert (mine.state, mine.socket) == (tmp_path, tmp_path / "foliod.sock")


# --- secrets ----------------------------------------------------------------------------


def test_the_database_url_can_come_from_a_file_or_a_credential(write, tmp_path):
    """A password need not stand in the configuration."""
    write("postgresql://u:hunter2@h/file\n", "secret")
    path = write('[database]\nurl_file = "secret"\n')
    assert load(path, environ={}).database.url.get_secret_value() == "postgresql://u:hunter2@h/file"
    (tmp_path / "credentials").mkdir()
    write("postgresql://u:hunter2@h/credential\n", "credentials/database_url")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert load(write("", "empty"), environ=environ).database.url.get_secret_value().endswith("/credential")
    assert load(path, environ=environ).database.url.get_secret_value().endswith("/file")
    environ["FOLIOD_DATABASE__URL"] = "postgresql://h/environment"
    assert load(path, environ=environ).database.url.get_secret_value().endswith("/environment")


def test_secrets_can_come_from_the_service_manager(write, tmp_path):
    """LoadCredential= hands over the database's address, the token and the PDF passwords; what is configured wins."""
    for name in ("database_url", "token", "passwords"):
        write("postgresql://u:hunter2@h/x\n" if name == "database_url" else "hunter2\n", f"given/{name}")
    given = tmp_path / "given"
    environ = {"CREDENTIALS_DIRECTORY": str(given)}
    found = load(write("", "empty"), environ=environ)
    assert found.database.url.get_secret_value() == "postgresql://u:hunter2@h/x"
    assert found.server.token_file == given / "token"
    assert found.ingest.passwords_file == given / "passwords"
    shown = found.printable()
    assert shown["database"]["url"] == "(hidden, from the credential database_url)"
    assert shown["server"]["token_file"] == "(hidden, from the credential token)"
    assert shown["ingest"]["passwords_file"] == "(hidden, from the credential passwords)"
    assert "hunter2" not in json.dumps(shown)
    # A client reads none of them, and still tells where they come from.
    assert load(write("", "empty"), environ=environ, secrets=False).printable()["database"] == shown["database"]
    own = write('[server]\ntoken_file = "mine"\n[ingest]\npasswords_file = "mine"\n[database]\nurl = "embedded"\n')
    found = load(own, environ=environ)
    assert (found.server.token_file, found.ingest.passwords_file) == (tmp_path / "mine", tmp_path / "mine")
    assert found.database.embedded
    assert "credential" not in json.dumps(found.printable())


def test_an_empty_credential_is_told(write, tmp_path):
    """A credential without content is a mistake, not a setting."""
    write("\n", "given/database_url")
    with pytest.raises(ConfigError, match=r"the credential .*/given/database_url is empty"):
        load(write(""), environ={"CREDENTIALS_DIRECTORY": str(tmp_path / "given")})


def test_who_may_not_read_the_systems_configuration_may_still_ask(write, tmp_path, monkeypatch):
    """The system's file may be closed to users; their own must be readable."""
    system = write("[server]\nnonsense = 1\n", "system.toml")
    monkeypatch.setattr(sources, "SYSTEM_CONFIG", system)
    monkeypatch.setattr(sources.os, "access", lambda path, _: path != system)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "nothing")}
    assert load(secrets=False, environ=environ).server.socket is None
    with pytest.raises(ConfigError, match="nonsense"):
        load(environ=environ)
    with pytest.raises(ConfigError, match="nonsense"):
        load(system, secrets=False, environ=environ)


def test_a_client_needs_no_secrets(write):
    """Whoever only asks may be forbidden to read the file of the database's password."""
    path = write('[database]\nurl_file = "/nowhere"\n')
    assert "/nowhere can't be read: No such file" in wrong(path)
    assert load(path, secrets=False, environ={}).printable()["database"]["url"] == HIDDEN


def test_url_and_url_file_together_are_refused(write):
    """Which of the two is meant can't be known."""
    assert "url and url_file are both set" in wrong(write('[database]\nurl = "embedded"\nurl_file = "x"\n'))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("embedded", "embedded"),
        ("postgresql://u:hunter2@h:5/d", f"postgresql://{HIDDEN}@h:5/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://h/d?password=hunter2", HIDDEN),
        ("postgresql://u:hun@ter2@h/d", HIDDEN),
        ("postgresql://u:hunt/er2@h/d", HIDDEN),
    ],
)
def test_secrets_are_never_printed(url, shown):
    """Printed settings show where the database is, and never how to log in."""
    settings = Settings(database={"url": url}, ollama={"url": "http://me:hunter2@h"})
    assert settings.printable()["database"]["url"] == shown
    assert "ter2" not in json.dumps(settings.printable())
    assert "ter2" not in repr(settings.database)


@pytest.mark.parametrize(
    "text", ['database = "postgresql://u:hunter2@h/d"', '[database]\nurl = "mysql://u:hunter2@h/d"']
)
def test_errors_do_not_tell_the_password(write, text):
    """A wrong database address is told without the address."""
    assert "hunter2" not in wrong(write(text))


# --- mistakes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[serach]\n", "line 1: serach is not a known key; did you mean search?"),
        (
            "\n[ollama]\nembed_modell = 'x'\n",
            "line 3: [ollama] embed_modell is not a known key; did you mean embed_model?",
        ),
        ("[log]\nqqq = 1\n", "line 2: [log] qqq is not a known key; known are content, format, level"),
        ("[[watch]]\npath = '/a'\n[[watch]]\npth = '/b'\n", "line 4: [[watch]] number 2 pth is not a known key"),
        ("[[watch]]\nrecursive = true\n", "[[watch]] number 1 path is missing"),
        ("[[watch]]\npath = ''\n", "line 2: [[watch]] number 1 path is empty"),
        ("[database]\npool_size = 'many'\n", 'line 2: [database] pool_size must be a whole number, not "many"'),
        ("[database]\npool_size = 1\n", "line 2: [database] pool_size must be at least 2, not 1"),
        ("[log]\nlevel = 'loud'\n", 'level must be one of "debug", "info", "warning", "error", not "loud"'),
        ("[log]\ncontent = 'perhaps'\n", 'content must be true or false, not "perhaps"'),
        ("[ollama]\nurl = []\n", "[ollama] url must not be an empty list"),
        ("[ollama]\nurl = 'localhost:11434'\n", "[ollama] url each address must start with http://"),
        ("[ollama]\nchat_model = 'x:cloud'\n", "x:cloud runs on another company's machines"),
        ("[ingest]\noverlap_tokens = 200\n", "[ingest] overlap_tokens must be at most half of chunk_tokens"),
        ("[ingest]\nsweep_seconds = inf\n", "sweep_seconds must be a finite number"),
        ("[server]\nhttp = '8420'\n", '[server] http must be "host:port"'),
        ('[server]\nusers = ["a\\u0000"]\n', "[server] users each must be the name or number of an account"),
        ("state_dir = 5\n", "line 1: state_dir must be a path in quotes, not 5"),
        ("ollama = 'x'\n", "[ollama] must be a section"),
        ("watch = ['/a', '/a/b']\n", "/a/b lies inside /a"),
        ("watch = ['/a', '/a']\n", "/a is watched twice"),
        ("[log]\nlevel = debug\n", "line 2: "),
        ("[log\n", "line 1: "),
        ("x = 'abc", "line 1: "),
        ("x = " + "[" * 5000, ""),
    ],
)
def test_mistakes_in_the_file_are_told_with_file_line_and_key(write, text, told):
    """What is wrong is told by its line and key, with the nearest known key."""
    path = write(text)
    message = wrong(path)
    assert str(path) in message
    assert told in message
    assert "pydantic" not in message


def test_all_mistakes_are_told_at_once(write):
    """A file with three mistakes is corrected in one go."""
    assert len(wrong(write("a = 1\nb = 2\n[log]\nlevel = 3\n")).splitlines()) == 3


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"FOLIOD_SEARCH__LIMIT": "x"}, 'FOLIOD_SEARCH__LIMIT: [search] limit must be a whole number, not "x"'),
        ({"FOLIOD_SERCH__LIMIT": "1"}, "FOLIOD_SERCH__LIMIT: there is no section serch; did you mean search?"),
        ({"FOLIOD_SEARCH__LIMT": "1"}, "FOLIOD_SEARCH__LIMT: [search] limt is not a known key; did you mean limit?"),
        ({"FOLIOD_STATEDIR": "/x"}, "FOLIOD_STATEDIR: there is no key statedir; did you mean state_dir?"),
        ({"FOLIOD_SEARCH": "1"}, "FOLIOD_SEARCH names a section; write FOLIOD_SEARCH__KEY"),
        ({"FOLIOD_WATCH": "[1"}, "FOLIOD_WATCH is not valid JSON"),
        ({"FOLIOD_WATCH": "/a", "FOLIOD_WATCH__PATH": "/b"}, "FOLIOD_WATCH__PATH and FOLIOD_WATCH are both set"),
        ({"FOLIOD_WATCH": "/a:/a"}, "FOLIOD_WATCH: /a is watched twice"),
    ],
)
def test_mistakes_in_the_environment_are_told_by_the_variable(write, environ, told):
    """A wrong variable is named, also when the file is fine."""
    assert told in wrong(write("[search]\nlimit = 2\n"), environ)


def test_mistakes_of_arguments_are_told_as_such(write):
    """What was typed is told as typed."""
    assert wrong(write(""), watch=[{"path": "/a"}, {"path": "/a/b"}]).startswith(
        "on the command line: /a/b lies inside"
    )


def test_files_that_are_no_text_are_refused(write, tmp_path):
    """A binary, a folder or a huge file as configuration is told, not shown."""
    path = write("")
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    assert "line 2: not UTF-8" in wrong(path)
    assert "Is a directory" in wrong(tmp_path)
    path.write_bytes(b"#" * 1_000_001)
    assert "larger than" in wrong(path)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.sampled_from(sorted(SECTIONS)))
@hypothesis_settings(deadline=None, max_examples=100)
def test_whatever_stands_in_the_file_it_is_read_or_refused(tmp_path_factory, text, section):
    """No text makes reading the configuration fail in any other way than by a ConfigError."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    for content in (text, f"[{section}]\n{text}", f"{section} = {json.dumps(text)}"):
        path.write_text(content, "utf-8")
        try:
            load(path, environ={})
        except ConfigError as error:
            assert str(path) in error.message

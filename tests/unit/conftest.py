"""The command line, run here against a daemon that answers from a script; the log, as the daemon writes it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from canned import Canned, answering
from commands import Result, Run
from foliod.base.config import Log
from foliod.base.logs import set_up_logs
from foliod.start.cli import app
from process_logs import logs_restored


@pytest.fixture
def environ(short_dir: Path, monkeypatch) -> Path:
    """An environment of one's own, with nothing in it; returns the socket that commands look at."""
    for name in [n for n in os.environ if n.startswith(("FOLIOD_", "XDG_", "STATE_DIR", "CREDENTIALS_"))]:
        monkeypatch.delenv(name)
    socket = short_dir / "s"
    monkeypatch.setenv("FOLIOD_CONFIG", os.devnull)
    monkeypatch.setenv("FOLIOD_STATE_DIR", str(short_dir))
    monkeypatch.setenv("FOLIOD_SERVER__SOCKET", str(socket))
    return socket


@pytest.fixture
def daemon(environ: Path) -> Iterator[Canned]:
    with answering(environ) as canned:
        yield canned


@pytest.fixture
def foliod(environ, capsys) -> Iterator[Run]:
    """Run a command here; its standard output and error are not terminals."""

    def run(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            app(list(arguments), prog_name="foliod")
        captured = capsys.readouterr()
        return Result(ended.value.code or 0, captured.out, captured.err)

    yield run
    # Some commands log errors only, and the tests that follow want to see more.
    structlog.reset_defaults()


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the daemon would write to its log, a line of JSON for each event."""
    stream = io.StringIO()
    with logs_restored():
        set_up_logs(Log(), stream=stream)
        yield stream

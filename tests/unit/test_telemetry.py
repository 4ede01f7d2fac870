"""What the daemon tells about itself, and what it never tells."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import time

import pytest
import structlog

from foliod.base.config import Log
from foliod.base.errors import NotFoundError
from foliod.base.logs import set_up_logs
from foliod.base.redact import WITHHELD
from foliod.base.telemetry import Counters, LoopLag, Telemetry
from process_logs import logs_restored
from waiting import until


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    """Give the process back its logging."""
    with logs_restored():
        yield


def logged(**settings) -> tuple[io.StringIO, structlog.stdlib.BoundLogger]:
    stream = io.StringIO()
    set_up_logs(Log(**settings), stream=stream)
    return stream, structlog.get_logger("foliod.test")


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(error: Exception) -> None:
    raise error


def test_without_a_terminal_each_line_is_json():
    """A log that goes to a file or the journal is one JSON object a line, with time, level, logger and fields."""
    stream, log = logged()
    log.info("document_stored", pages=12, name="Grüße.pdf", module="any", message="field")
    [line] = lines(stream)
    assert line["event"] == "document_stored"
    assert (line["pages"], line["name"], line["module"], line["message"]) == (12, "Grüße.pdf", "any", "field")
    assert (line["level"], line["logger"]) == ("info", "foliod.test")
    assert line["timestamp"].endswith("Z")


def test_a_line_begins_with_what_is_looked_for_first():
    """Time, level and event, the ids, then the fields: who reads the file finds them at the same place in each line."""
    stream, log = logged()
    with structlog.contextvars.bound_contextvars(request_id="r", document=7):
        log.info("file_gone", file="/a.pdf")
    assert list(lines(stream)[0]) == ["timestamp", "level", "event", "logger", "request_id", "document", "file"]


def test_the_journal_is_told_how_bad_a_line_is(tmp_path, monkeypatch):
    """Where standard error is the journal each line begins with its priority; elsewhere none does."""
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        for journal in (f"{found.st_dev}:{found.st_ino}", f"{found.st_dev}:1"):
            monkeypatch.setenv("JOURNAL_STREAM", journal)
            set_up_logs(Log(format="text", level="debug"), stream=stream)
            log = structlog.get_logger("foliod.test")
            log.debug("one")
            log.info("two")
            log.warning("three")
            try:
                fail(OSError("gone"))
            except OSError:
                log.exception("four")
        stream.seek(0)
        told = stream.read().splitlines()
    half = len(told) // 2
    assert [line[:3] for line in told[:4]] == ["<7>", "<6>", "<4>", "<3>"]
    assert {line[:3] for line in told[3:half]} == {"<3>"}, "a traceback's lines are entries of their own"
    assert half > 5
    assert not [line for line in told[half:] if line.startswith("<")]


def test_on_a_terminal_it_is_readable():
    """A person at a terminal gets a line to read, not JSON."""
    stream, log = logged(format="text")
    log.warning("disk_full", free_mb=3)
    assert "disk_full" in stream.getvalue()
    assert "free_mb=3" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_questions_stay_out_of_the_log():
    """What was asked and what a document says is withheld, whoever logs it, unless the user wants it logged."""
    secrets = {"question": "am I ill?", "query": "am I ill?", "text": "the patient", "answer": "yes"}
    stream, log = logged()
    log.info("answered", ms=3, **secrets)
    assert "ill" not in stream.getvalue()
    assert "patient" not in stream.getvalue()
    assert lines(stream)[0] | dict.fromkeys(secrets, WITHHELD) == lines(stream)[0]
    stream, log = logged(content=True)
    log.info("answered", ms=3, **secrets)
    assert lines(stream)[0] | secrets == lines(stream)[0]


def test_a_traceback_tells_where_but_not_what():
    """A crash is logged with its place; a message that may quote a document is withheld, one of ours is told."""

    def crash(log):
        try:
            try:
                fail(NotFoundError("there is no document 7"))
            except NotFoundError:
                fail(ValueError("invalid input: the patient"))
        except ValueError:
            log.exception("request_crashed")

    stream, log = logged()
    crash(log)
    [line] = lines(stream)
    assert "in crash" in line["exception"]
    assert "builtins.ValueError" in line["exception"]
    assert "patient" not in line["exception"].replace('fail(ValueError("invalid input: the patient"))', "")
    assert "foliod.base.errors.NotFoundError: there is no document 7" in line["exception"]
    stream, log = logged(content=True)
    crash(log)
    assert "ValueError: invalid input: the patient" in stream.getvalue()


def test_groups_of_errors_are_told_one_by_one():
    """When several tasks break at once, each one's place is in the log."""
    stream, log = logged()
    try:
        fail(ExceptionGroup("both", [OSError("disk full"), KeyError("the patient")]))
    except ExceptionGroup:
        log.exception("broken")
    [line] = lines(stream)
    assert "disk full" in line["exception"]
    assert "builtins.KeyError" in line["exception"]
    assert f"KeyError: {WITHHELD}" in line["exception"]


def test_libraries_log_the_same_way():
    """A library's warning comes out in the same form with the request's id; its chatter does not."""
    stream, _ = logged()
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("asyncpg").warning("lost %s", "it")
        logging.getLogger("httpx").info("HTTP Request: POST")
    [line] = lines(stream)
    assert (line["event"], line["level"], line["logger"], line["request_id"]) == ("lost it", "warning", "asyncpg", "r1")


def test_the_level_holds():
    """Below the configured level nothing is written."""
    stream, log = logged(level="warning")
    log.info("a")
    logging.getLogger("foliod.other").info("b")
    log.error("c")
    assert [line["event"] for line in lines(stream)] == ["c"]


def test_a_second_set_up_replaces_the_first():
    """Setting up again does not write everything twice."""
    old, _ = logged()
    new, log = logged()
    log.info("once")
    assert old.getvalue() == ""
    assert len(lines(new)) == 1


def test_another_handler_gets_every_record_too():
    """A shipper of logs can be put beside the stream and gets the fields as they are."""
    seen = []

    class Shipper(logging.Handler):
        def emit(self, record):
            seen.append(json.loads(self.format(record)))

    set_up_logs(Log(), stream=io.StringIO(), also=[Shipper()])
    structlog.get_logger("foliod.store.store").info("stored", question="q", pages=3)
    assert seen[0]["pages"] == 3
    assert seen[0]["question"] == WITHHELD


def test_counters_count_and_know_their_speed(monkeypatch):
    """Counts only grow; the speed is that of the last minute and falls to nothing when idle."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    counters = Counters()
    assert counters["pages_read"] == 0
    assert counters.per_second("pages_read") == 0
    for _ in range(10):
        counters.add("pages_read", 30)
        now += 1
    assert counters["pages_read"] == 300
    assert counters.per_second("pages_read") == pytest.approx(30)
    now += 120
    assert counters.per_second("pages_read") == 0
    assert counters.totals() == {"pages_read": 300}


async def test_a_blocked_loop_is_seen():
    """When something holds up the event loop, the lag tells for how long."""
    lag = LoopLag()
    assert lag.last_minute() == {"p50": None, "p99": None, "max": None}
    started = time.monotonic()
    task = asyncio.create_task(lag.measure())
    await asyncio.sleep(0)
    time.sleep(0.2)
    await until(lambda: lag.last_minute()["max"] is not None)
    task.cancel()
    assert 100 < lag.last_minute()["max"] < (time.monotonic() - started) * 1000


async def test_a_snapshot_has_all_numbers():
    """Status finds uptime, lag, counters and the number of tasks in one place."""
    telemetry = Telemetry()
    before = telemetry.snapshot()
    assert before.keys() == {"uptime_s", "loop_lag", "tasks", "counters"}
    another = asyncio.create_task(asyncio.sleep(60))
    assert telemetry.snapshot()["tasks"] == before["tasks"] + 1
    another.cancel()


@pytest.mark.parametrize("first", ["metrics", "gathered"])
def test_an_environment_made_for_others_does_not_change_how_is_counted(first, tmp_path):
    """With PROMETHEUS_MULTIPROC_DIR, as other services on a machine have it, metrics stay in memory."""
    code = f"import foliod.base.{first}; from prometheus_client import values; print(values.ValueClass.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "MutexValue"
    assert list(tmp_path.iterdir()) == []

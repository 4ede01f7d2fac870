"""What says the same again and again is summed up in the log; nothing is left out silently."""

import asyncio
import io
import json
import logging
import threading
from types import SimpleNamespace

import pytest
import structlog

from foliod.base import logs, repeats
from foliod.base.config import Log
from foliod.base.logs import end_logs, report, set_up_logs
from foliod.base.repeats import MOST_TOLD, WINDOW_SECONDS
from process_logs import logs_restored


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(repeats, "time", SimpleNamespace(monotonic=lambda: Clock.now))
    return Clock


log = structlog.get_logger("foliod.test")


def lines(stream: io.StringIO, event: str | None = None) -> list[dict]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in found if event in (None, line["event"])]


def test_a_flood_is_told_some_times_and_then_counted(stream, clock):
    """Of 51 equal warnings in a minute ten are told, and when the minute is over that there were 41 more."""
    for number in range(51):
        with structlog.contextvars.bound_contextvars(request_id=f"r{number}"):
            log.warning("request_failed", code="database_unavailable", reason="it is away")
        clock.now += 1
    assert len(lines(stream)) == MOST_TOLD
    clock.now += WINDOW_SECONDS
    with structlog.contextvars.bound_contextvars(request_id="another", document=9):
        log.info("file_gone", file="/a.pdf")
    [told] = lines(stream, "repeated")
    subject = {"code": "database_unavailable", "reason": "it is away"}
    assert (told["of"], told["times"], told["level"], told["subject"]) == ("request_failed", 41, "warning", subject)
    assert told["seconds"] == 51 + WINDOW_SECONDS
    assert "request_id" not in told
    assert "document" not in told
    assert report() == {"summed_up": 41, "betterstack": None}


def test_other_documents_reasons_and_levels_are_other_events(stream, clock):
    """Errors of many documents are all told, however alike they are."""
    for document in range(100):
        with structlog.contextvars.bound_contextvars(document=document):
            log.warning("document_refused", state="damaged", reason="it is damaged")
    for number in range(100):
        log.warning("file_unread", file=f"/{number}.pdf", reason="permission denied")
    assert len(lines(stream)) == 200


def test_measures_do_not_make_an_event_another_one(stream, clock):
    """Lines that differ in seconds only say the same."""
    for number in range(30):
        log.warning("vectors_wait", reason="Ollama is away", seconds=number)
    assert len(lines(stream)) == MOST_TOLD


def test_what_was_asked_and_answered_is_told_each_time(stream, clock):
    """Searches and requests that went well are all in the log; those that failed are summed up."""
    common = {"method": "POST", "path": "/v1/search", "ms": 3.0, "uid": 1000}
    for number in range(50):
        with structlog.contextvars.bound_contextvars(request_id=f"r{number}"):
            log.info("request", status=200, **common)
            log.info("request", status=401, **common)
    assert [line["status"] for line in lines(stream)].count(200) == 50
    assert [line["status"] for line in lines(stream)].count(401) == MOST_TOLD


def test_libraries_are_held_too(stream, clock):
    """A library that complains without end fills no disk, and each of its complaints is kept apart."""
    for _ in range(30):
        logging.getLogger("asyncpg").warning("lost %s", "it")
        logging.getLogger("aiohttp").warning("lost %s", "it")
    end_logs()
    assert len(lines(stream, "lost it")) == 2 * MOST_TOLD
    assert [line["times"] for line in lines(stream, "repeated")] == [20, 20]


def test_what_is_left_at_the_end_is_told(stream, clock):
    """When the daemon stops, it says what it had only counted so far."""
    for _ in range(MOST_TOLD + 1):
        log.warning("request_failed", code="c", reason="r")
    assert lines(stream, "repeated") == []
    end_logs()
    assert [line["times"] for line in lines(stream, "repeated")] == [1]


async def test_the_sum_is_told_though_nothing_else_is(stream, clock, monkeypatch):
    """After the window the sum comes by itself."""
    monkeypatch.setattr(logs, "SETTLE_SECONDS", 0.001)
    for _ in range(MOST_TOLD + 5):
        log.warning("request_failed", code="c", reason="r")
    clock.now += WINDOW_SECONDS
    task = asyncio.create_task(logs.settle_logs())
    while not lines(stream, "repeated"):
        await asyncio.sleep(0)
    task.cancel()
    assert lines(stream, "repeated")[0]["times"] == 5


def test_a_new_window_tells_again(stream, clock):
    """What goes on for hours is told ten times a minute, and each minute's rest is summed up."""
    for _ in range(3 * 60):
        log.warning("request_failed", code="c", reason="r")
        clock.now += 1
    end_logs()
    told = lines(stream, "request_failed")
    assert len(told) == 3 * MOST_TOLD
    assert len(told) + sum(line["times"] for line in lines(stream, "repeated")) == 180


def test_memory_is_bounded(stream, clock, monkeypatch):
    """However many different complaints there are, only so many are remembered, and none is lost."""
    monkeypatch.setattr(repeats, "MOST_KINDS", 50)
    for number in range(150):
        for _ in range(MOST_TOLD + 1):
            log.warning("file_unread", file=f"/{number}.pdf", reason="r")
    assert len(logs._repeats._windows) == 50
    end_logs()
    assert len(lines(stream, "repeated")) == 150


def test_threads_lose_nothing(stream):
    """Lines of several threads are told or counted, each once."""

    def shout() -> None:
        for _ in range(500):
            log.warning("request_failed", code="c", reason="r")

    threads = [threading.Thread(target=shout) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end_logs()
    assert len(lines(stream, "request_failed")) + sum(line["times"] for line in lines(stream, "repeated")) == 2000


def test_two_handlers_get_the_same_lines(clock):
    """A shipper of logs beside the stream gets what the stream gets, and nothing counts twice."""
    one, two = io.StringIO(), io.StringIO()
    with logs_restored():
        set_up_logs(Log(), stream=one, also=[logging.StreamHandler(two)])
        for _ in range(30):
            log.warning("request_failed", code="c", reason="r")
        end_logs()
    assert one.getvalue() == two.getvalue()
    assert [line["times"] for line in lines(one, "repeated")] == [20]

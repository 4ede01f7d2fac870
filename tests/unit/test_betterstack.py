"""The log reaches Better Stack in its own wire format, and no trouble there becomes trouble here."""

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from pydantic import ValidationError

from betterstack import TOKEN, black_hole, nobody, receiving
from foliod.base import betterstack
from foliod.base.betterstack import MOST_CHARS, Shipper
from foliod.base.config_logs import Betterstack, Log
from foliod.base.logs import END_SECONDS, end_logs, report, set_up_logs
from live import wait_for
from process_logs import logs_restored


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waits of minutes."""
    monkeypatch.setattr(betterstack, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(betterstack, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(betterstack, "LONGEST_WAIT", 0.2)


@contextmanager
def shipping(url: str, **log) -> Iterator[Shipper]:
    """Everything that is logged goes to `url` too; what it does besides is in `shipper.stream`."""
    shipper = Shipper(Betterstack(token=TOKEN, host=url), lambda: "left-4711")
    shipper.check_interval = 0.01
    shipper.stream = io.StringIO()
    with logs_restored():
        set_up_logs(Log(**log), stream=shipper.stream, also=[shipper])
        try:
            yield shipper
        finally:
            shipper.close()


def told(shipper: Shipper, event: str) -> list[dict]:
    lines = [json.loads(line) for line in shipper.stream.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]


log = structlog.get_logger("foliod.test")


def test_lines_arrive_with_their_fields():
    """A line arrives with its event as message, its level and time, and all its fields under one key."""
    with receiving() as receiver, shipping(receiver.url) as shipper:
        with structlog.contextvars.bound_contextvars(request_id="r1", document=7):
            log.warning(
                "file_unread", file="/Grüße.pdf", reason="why", filename="any", name="names", module="m", message="x"
            )
        logging.getLogger("asyncpg").warning("lost %s", "it")
        wait_for(lambda: len(receiver.lines) == 2)
        ours, library = receiver.lines
        assert (ours["message"], ours["level"], ours["severity"]) == ("file_unread", "warning", 3)
        assert ours["dt"].startswith("20")
        fields = ours["foliod"]
        assert fields["file"] == "/Grüße.pdf"
        assert fields["host"] == library["foliod"]["host"] == "left-4711", "of several daemons it is known which"
        assert (fields["request_id"], fields["document"], fields["logger"]) == ("r1", 7, "foliod.test")
        assert (fields["filename"], fields["name"], fields["module"], fields["message"]) == ("any", "names", "m", "x")
        assert (library["message"], library["foliod"]["logger"]) == ("lost it", "asyncpg")
        assert receiver.wrong == []
        wait_for(lambda: report()["betterstack"]["shipped"] == 2)
        assert report()["betterstack"] | {"waiting": 0, "dropped": 0, "error": None} == report()["betterstack"]
        assert shipper.flush_thread.daemon


def test_neither_content_nor_secrets_are_shipped():
    """What stays out of the log stays here: questions, passwords, what an exception quotes."""
    with receiving() as receiver, shipping(receiver.url):
        try:
            int("am I ill?")
        except ValueError:
            log.exception("request_crashed", query="am I ill?", reason="postgresql://me:pl4nted@db/x")
        wait_for(lambda: receiver.lines)
        assert "ill" not in str(receiver.lines).replace('int("am I ill?")', "")
        assert "pl4nted" not in str(receiver.lines)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_can_pass_is_tried_again(status):
    """An endpoint that is broken or busy for a while loses no line, and gets each once."""
    with receiving() as receiver, shipping(receiver.url) as shipper:
        receiver.answers = [status] * 3
        for number in range(20):
            log.info("file_gone", file=f"/{number}.pdf")
        wait_for(lambda: len([m for m in receiver.messages if m == "file_gone"]) == 20)
        names = [line["foliod"]["file"] for line in receiver.lines if line["message"] == "file_gone"]
        assert names == [f"/{number}.pdf" for number in range(20)]
        wait_for(lambda: told(shipper, "logs_go_on"))
        assert [str(status) in line["reason"] for line in told(shipper, "logs_wait")] == [True]
        assert report()["betterstack"]["dropped"] == 0


def test_what_is_told_of_an_outage_arrives_though_nothing_else_is_told():
    """Whoever looks at Better Stack only learns that it was away, and for how many lines, without waiting for others."""
    with receiving() as receiver, shipping(receiver.url):
        receiver.answers = [503] * 3
        log.info("file_gone", file="/1.pdf")
        wait_for(lambda: sorted(receiver.messages) == ["file_gone", "logs_go_on", "logs_wait"], seconds=20)
        assert report()["betterstack"]["dropped"] == 0


def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(monkeypatch):
    """Retry-After is kept."""
    monkeypatch.setattr(betterstack, "LONGEST_WAIT", 60.0)
    with receiving() as receiver, shipping(receiver.url):
        receiver.answers, receiver.retry_after = [429], "1"
        log.info("file_gone", file="/a.pdf")
        wait_for(lambda: receiver.lines)
        assert receiver.asked[1] - receiver.asked[0] > 0.95


@pytest.mark.parametrize("status", [400, 401, 413])
def test_what_is_refused_is_counted_and_told(status):
    """Lines that the endpoint refuses are dropped, counted, told in the log, and not sent for ever."""
    with receiving() as receiver, shipping(receiver.url) as shipper:
        receiver.always = status
        log.info("file_gone", file="/a.pdf")
        wait_for(lambda: told(shipper, "logs_dropped"))
        assert told(shipper, "logs_dropped")[0]["causes"] == {"refused": 1}
        assert report()["betterstack"]["dropped"] == 1
        assert str(status) in report()["betterstack"]["error"]
        # That it was told is no reason to send anything.
        asked = len(receiver.asked)
        time.sleep(0.3)
        assert len(receiver.asked) == asked
        receiver.always = None
        log.info("file_gone", file="/b.pdf")
        wait_for(lambda: "file_gone" in receiver.messages)
        wait_for(lambda: report()["betterstack"]["error"] is None)


def test_an_outage_is_bounded_in_memory_and_counted(monkeypatch):
    """While nobody listens a queue fills up and no more; what is beyond it is counted, and told when all is well again."""
    assert betterstack.QUEUED_LINES == 1000
    monkeypatch.setattr(betterstack, "QUEUED_LINES", 100)
    url = nobody()
    with shipping(url) as shipper:
        slowest = 0.0
        for number in range(300):
            started = time.perf_counter()
            log.info("file_gone", file=f"/{number}.pdf")
            slowest = max(slowest, time.perf_counter() - started)
        assert slowest < 10.0, "nobody takes any before that: who waited for that would wait for ever"
        assert shipper.pipe.qsize() <= 100
        waiting = report()["betterstack"]
        assert waiting["waiting"] <= 200
        assert waiting["dropped"] >= 100
        assert "connection refused (ConnectionError)" in wait_for(lambda: report()["betterstack"]["error"])
        with receiving(int(url.rpartition(":")[2])) as receiver:
            wait_for(lambda: told(shipper, "logs_dropped"))
            wait_for(lambda: report()["betterstack"]["waiting"] == 0)
            gone = [line for line in receiver.lines if line["message"] == "file_gone"]
            # What is told of the outage itself may be among the dropped.
            assert 300 <= len(gone) + shipper.dropcount <= 305
            assert told(shipper, "logs_dropped")[0]["lines"] >= 100


def test_lines_are_given_up_after_a_while(monkeypatch):
    """What could not be delivered for minutes makes room for what is new, and is counted."""
    monkeypatch.setattr(betterstack, "KEEP_SECONDS", 0.1)
    with shipping(nobody()) as shipper:
        log.info("file_gone", file="/a.pdf")
        wait_for(lambda: told(shipper, "logs_dropped"))
        assert told(shipper, "logs_dropped")[0]["causes"] == {"given_up": 1}


@pytest.mark.parametrize("where", ["nobody", "black hole", "slow", "busy"])
def test_the_end_is_bounded_and_what_is_lost_is_counted(where, monkeypatch):
    """With an endpoint that is down, silent, slow or busy the end takes three seconds at most, and says what is lost."""
    monkeypatch.setattr(betterstack, "LONGEST_WAIT", 60.0)
    monkeypatch.setattr(betterstack, "FIRST_WAIT", 60.0)
    with receiving() as receiver, black_hole() as silent:
        receiver.delay, receiver.always = (30.0, None) if where == "slow" else (0.0, 429)
        url = {"nobody": nobody(), "black hole": silent}.get(where, receiver.url)
        with shipping(url) as shipper:
            for number in range(100):
                log.info("file_gone", file=f"/{number}.pdf")
            time.sleep(0.2)
            started = time.monotonic()
            end_logs()
            # Less than an answer would be waited for while it runs.
            assert time.monotonic() - started < 0.8 * betterstack.ANSWER_SECONDS
            assert END_SECONDS <= 3.0
            shipper.close()
            dropped = told(shipper, "logs_dropped")
            assert sum(line["lines"] for line in dropped) >= 100
            assert dropped[-1]["causes"]["at_the_end"] >= 100
        receiver.delay = 0.0


def test_the_last_lines_arrive():
    """With an endpoint that is well, what was logged last is delivered before the end."""
    with receiving() as receiver, shipping(receiver.url) as shipper:
        for number in range(500):
            log.info("file_gone", file=f"/{number}.pdf")
        end_logs()
        assert len(receiver.lines) == 500
        assert not told(shipper, "logs_dropped")


def test_the_last_lines_arrive_though_the_endpoint_was_busy(monkeypatch):
    """Lines that wait for a busy endpoint are tried once more at the end, and not left to a wait of a minute."""
    monkeypatch.setattr(betterstack, "LONGEST_WAIT", 60.0)
    monkeypatch.setattr(betterstack, "FIRST_WAIT", 60.0)
    with receiving() as receiver, shipping(receiver.url):
        receiver.answers = [429]
        log.info("file_gone", file="/a.pdf")
        wait_for(lambda: receiver.asked)
        wait_for(lambda: report()["betterstack"]["error"])
        end_logs()
        assert "file_gone" in receiver.messages


def test_long_lines_are_cut_and_odd_ones_sent():
    """Neither a huge text nor what the wire format can't hold stops the others."""
    with receiving() as receiver, shipping(receiver.url, content=True):
        log.info("answered", answer="x" * 1_000_000)
        log.info("answered", answer="\udce4", number=2**100, deep=[[[[[[1]]]]]], nothing=float("nan"))
        log.info("file_gone", file="/a.pdf")
        wait_for(lambda: len(receiver.lines) == 3)
        assert len(receiver.lines[0]["foliod"]["answer"]) < MOST_CHARS + 50
        assert receiver.lines[1]["foliod"]["number"] == str(2**100)


def test_threads_may_log():
    """Lines of many threads at once all arrive."""
    with receiving() as receiver, shipping(receiver.url):
        threads = [
            threading.Thread(target=lambda n=n: [log.info("file_gone", file=f"/{n}/{i}.pdf") for i in range(50)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: len(receiver.lines) == 400)


def test_below_its_level_nothing_is_shipped():
    """Better Stack may get less than the log holds."""
    with receiving() as receiver, shipping(receiver.url) as shipper:
        shipper.setLevel(logging.WARNING)
        log.info("file_gone", file="/a.pdf")
        log.warning("file_unread", file="/a.pdf", reason="r")
        wait_for(lambda: receiver.lines)
        end_logs()
        assert receiver.messages == ["file_unread"]


@pytest.mark.parametrize("host", ["http://logs.example", "me:secret@logs.example", "logs.example/path", "ftp://x", ""])
def test_a_token_is_not_sent_in_clear(host):
    """Only https, or this machine itself, is taken for a host."""
    with pytest.raises(ValidationError):
        Betterstack(token="t", host=host)

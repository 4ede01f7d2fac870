"""When a task counts as stuck, and when it only waits."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from foliod.base.config import Ollama, Settings
from foliod.base.patience import alone, patiently, why_patient
from foliod.ingest.backlog import IDLE_SECONDS
from foliod.ingest.clock import Clock
from foliod.ingest.original import HASH_SECONDS
from foliod.reading.wire import ReadLimits
from foliod.start.notify import Manager
from foliod.start.watchdog import LONGEST_SECONDS, Watchdog, limit, stack_of, use_threads
from foliod.store.database import STATEMENT_SECONDS
from foliod.store.pool import ACQUIRE_SECONDS
from service_manager import receiving
from waiting import until

ALLOWED = 0.05


@asynccontextmanager
async def watching(*works, outage=lambda: None):
    """Run some work as tasks, and look after them every hundredth of a second; yields the watchdog."""
    tasks = [asyncio.create_task(work, name=f"task {number}") for number, work in enumerate(works)]
    watchdog = Watchdog(Manager(watchdog_seconds=0.02), tasks=lambda: tasks, outage=outage, limit=lambda: ALLOWED)
    looks = asyncio.create_task(watchdog.run())
    try:
        yield watchdog
    finally:
        for task in (*tasks, looks):
            task.cancel()
        await asyncio.wait([*tasks, looks])


async def for_ever():
    await asyncio.Event().wait()


async def within_a_child():
    await asyncio.gather(asyncio.create_task(for_ever()))


async def steps(seconds):
    while True:
        await asyncio.sleep(seconds)


async def turns():
    while True:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(ALLOWED / 5, event.set)
        await event.wait()


async def patient():
    with patiently("it may"):
        await for_ever()


async def a_child_of_a_task(child):
    await asyncio.create_task(child)


async def stuck(watchdog):
    await until(lambda: watchdog.stuck)
    return watchdog.stuck


@pytest.mark.parametrize("work", [for_ever, within_a_child, lambda: a_child_of_a_task(for_ever())])
async def test_who_waits_for_what_never_comes_is_stuck(work):
    """A task that waits for one and the same thing for too long is named, with the place where it waits."""
    with capture_logs() as logs:
        async with watching(work(), steps(0.01)) as watchdog:
            assert await stuck(watchdog) == ["task 0"]
    [told] = [entry for entry in logs if entry["event"] == "task_stuck"]
    assert told["task"] == "task 0"
    assert "test_watchdog.py" in told["stack"]


@pytest.mark.parametrize(
    "work",
    [
        lambda: steps(0.01),
        lambda: steps(ALLOWED * 50),  # who sleeps wakes up by itself
        turns,
        patient,
        lambda: a_child_of_a_task(patient()),
        lambda: a_child_of_a_task(turns()),
    ],
)
async def test_who_gets_on_or_may_wait_is_not_stuck(work):
    """Steps that come to their end, sleeping, and waits that say why they have no limit are all well."""
    async with watching(work()) as watchdog:
        await asyncio.sleep(ALLOWED * 6)
        assert watchdog.stuck == []


async def test_during_an_outage_of_the_database_nobody_is_stuck():
    """While PostgreSQL is away everything may wait; what still waits long after it is back is stuck."""
    away: list[str] = ["it is being restarted"]
    async with watching(for_ever(), outage=lambda: away[0] if away else None) as watchdog:
        await asyncio.sleep(ALLOWED * 6)
        assert watchdog.stuck == []
        away.clear()
        assert await stuck(watchdog) == ["task 0"]


async def test_who_waits_for_a_lock_is_not_stuck_and_its_holder_is():
    """Those who queue behind one that hangs have nothing wrong with them: it alone is named."""
    lock = asyncio.Lock()

    async def holding():
        async with alone(lock):
            await for_ever()

    async with watching(holding(), holding(), holding()) as watchdog:
        assert await stuck(watchdog) == ["task 0"]
        await asyncio.sleep(3 * ALLOWED)
        assert watchdog.stuck == ["task 0"]


async def test_threads_that_all_hang_are_noticed():
    """When nothing that needs one of the event loop's threads can begin any more, that is told."""
    free = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    hanging = loop.run_in_executor(None, free.wait, 300)
    try:
        async with watching(use_threads()) as watchdog:
            assert await stuck(watchdog) == ["task 0"]
    finally:
        free.set()
        await hanging


async def test_time_in_which_the_process_stood_still_does_not_count():
    """A daemon that was stopped, or a machine that slept, is not taken for one that is stuck."""
    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    manager = Manager(watchdog_seconds=0.02)
    watchdog = Watchdog(manager, tasks=lambda: [task], outage=lambda: None, limit=lambda: 1.0)
    watchdog.look()
    time.sleep(1.2)  # as SIGSTOP would
    watchdog.look()
    assert watchdog.stuck == []
    task.cancel()
    await asyncio.wait([task])


async def test_only_while_all_is_well_the_manager_is_fed(short_dir):
    """The service manager hears of the daemon until a task is stuck, and again when it goes on."""
    with receiving(short_dir) as received, capture_logs() as logs:
        event = asyncio.Event()

        async def waits():
            await event.wait()
            await steps(0.01)

        task = asyncio.create_task(waits(), name="waits")
        manager = Manager(str(received.path), watchdog_seconds=0.02)
        watchdog = Watchdog(manager, tasks=lambda: [task], outage=lambda: None, limit=lambda: ALLOWED)
        looks = asyncio.create_task(watchdog.run())
        await stuck(watchdog)
        fed = received.said("WATCHDOG=1")
        assert fed
        await asyncio.sleep(0.1)
        assert received.said("WATCHDOG=1") == fed
        event.set()
        await until(lambda: received.said("WATCHDOG=1") > fed)
        assert "task_moves_again" in [entry["event"] for entry in logs]
        for ending in (task, looks):
            ending.cancel()
        await asyncio.wait([task, looks])


async def test_a_task_that_ended_is_no_business_of_the_watchdog():
    """What ended is told by others; it does not count as stuck."""
    async with watching(asyncio.sleep(0)) as watchdog:
        await asyncio.sleep(ALLOWED * 4)
        assert watchdog.stuck == []


async def test_the_stack_leads_through_generators():
    """The log shows every function between the task and what it waits for, as far as Python tells."""

    async def numbers():
        yield 1
        await for_ever()

    async def reads():
        async with aclosing(numbers()) as found:
            async for _ in found:
                pass

    task = asyncio.create_task(reads())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "reads" in stack_of(task)[0]
    task.cancel()
    await asyncio.wait([task])


async def test_patience_ends_where_it_was_said():
    """Inside one another the innermost reason counts, and none is left over."""
    task = asyncio.current_task()
    assert why_patient(task) is None
    with patiently("outer"):
        with patiently("inner"):
            assert why_patient(task) == "inner"
        assert why_patient(task) == "outer"
    assert why_patient(task) is None


def test_the_limit_is_above_every_other_limit():
    """Nothing in the pipeline may take longer than the watchdog allows, whatever is configured."""
    assert min(limit(Settings()), LONGEST_SECONDS) > max(STATEMENT_SECONDS + 10, ACQUIRE_SECONDS, IDLE_SECONDS)
    assert limit(Settings(ollama=Ollama(silence_seconds=1000))) > 1000
    assert HASH_SECONDS  # longer, but said to be patient: it reads a file


async def test_who_waits_for_a_process_that_has_its_own_time_is_not_stuck():
    """A page may take longer than the watchdog allows, as OCR on a busy machine does: its own time ends it."""
    seconds = 20 * ALLOWED
    limits = ReadLimits(220, 40, 10, 1000, page_seconds=seconds, document_seconds=seconds, memory_mb=512)
    clock, read = Clock(limits, opening=0.0), asyncio.Event()

    async def reads():
        with pytest.raises(TimeoutError):
            async with clock.running():
                await for_ever()
        read.set()
        await for_ever()

    async with watching(reads()) as watchdog:
        async with asyncio.timeout(20):
            while not read.is_set():
                assert not watchdog.stuck
                await asyncio.sleep(ALLOWED / 5)
            while not watchdog.stuck:
                await asyncio.sleep(ALLOWED / 5)

"""Why a reading process ended: what its exit code tells people, and the word under which it is counted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import FileChangedError, FoliodError, WorkerDiedError, WorkerTimeoutError
from foliod.reading import wire

if TYPE_CHECKING:
    from foliod.ingest.job import ReadJob

log = structlog.get_logger()


def death_of(job: ReadJob, code: int | None, said: str, *, worker: int) -> FoliodError:
    """Return why the process `worker` ended in mid-job, with the document's name; None is no exit code.

    `said` is its last line on standard error.
    """
    if code == -signal.SIGBUS:
        # What was mapped is not there any more.
        return FileChangedError(
            f"{job.name} became shorter or unreadable while it was read; it is read again when it is still"
        )
    if code == wire.OUT_OF_MEMORY:
        return WorkerDiedError(
            f"{job.name}: reading it needs more than {job.limits.memory_mb} MB of memory; "
            "ingest.worker_memory_mb sets the limit"
        )
    if code == wire.NOT_CONFINED:
        return FoliodError(f"the process that reads PDFs can't be confined: {said}; nothing is read without it")
    if code == -signal.SIGXCPU:
        return WorkerTimeoutError(
            f"{job.name}: it took longer than {job.processor_seconds:g} s of processor time; the process was ended"
        )
    if code == -signal.SIGSYS:
        log.error("worker_broke_out", worker=worker, file=job.name)
        return WorkerDiedError(
            f"{job.name}: the process that read it tried what reading never needs, and was ended by the kernel; "
            "the file may be an attack"
        )
    how = f"exit code {code}"
    if code is not None and code < 0:
        how = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    # Only the kind of a Python error: its message may quote the document.
    log.warning("worker_died", worker=worker, how=how, said=said.partition(":")[0])
    return WorkerDiedError(f"{job.name}: the process that read it died ({how})")


def cause_of(code: int | None, *, timed_out: bool) -> str:
    """Return in a word why a process with this exit code died; one of some twenty."""
    if code == -signal.SIGXCPU:
        return "processor_time"
    if timed_out:
        return "timeout"
    causes = {wire.OUT_OF_MEMORY: "memory", -signal.SIGSYS: "forbidden_call", -signal.SIGKILL: "killed"}
    if code in causes:
        return causes[code]
    if code is not None and -code in set(signal.Signals):
        return signal.Signals(-code).name.lower()
    return "exit"

"""What is known of a reading process from outside: what it may know of ours, and what it has used."""

from __future__ import annotations

import os
import signal
import sysconfig
import time

from foliod.base.assets import PACKAGE
from foliod.reading import wire


def environment() -> dict[str, str]:
    """Return all that the process may know of ours: where Python finds its packages."""
    environment = {"LC_ALL": "C.UTF-8"}
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    source = str(PACKAGE.parent)
    if source not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *paths}:
        paths.append(source)
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def used_seconds(pid: int) -> float:
    """Return the processor time that a process has used, 0 when that can't be known."""
    try:
        # clock_getcpuclockid(3): the clock of a process has its number in this form.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds, 0 when that can't be known."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


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

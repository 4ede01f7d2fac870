"""What it costs to sweep a folder of many known files: time, the event loop's lag, the daemon's memory.

    python tests/bench/sweep.py [--files 100000] [--folders 1000] [--seconds 70]

The files are copies of one small PDF and are written into the store by hand, as if they had been read;
the daemon, a process of its own, is then started on them, and sweeps without reading one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))
import asyncpg

from conftest import serving
from foliod.base.paths import numbers, signature
from live import Daemon, running, wait_for
from made_pdfs import one_page
from places import temporary_dir

CONFIG = """
[database]
url = "{url}"
[ingest]
sweep_seconds = 1
"""
COLUMNS = ("path", "size", "mtime_ns", "ctime_ns", "inode", "device", "folder_device", "host", "root", "display")


def make(inbox: Path, content: bytes, files: int, folders: int) -> None:
    for folder in range(folders):
        (inbox / f"{folder:05}").mkdir()
    for n in range(files):
        (inbox / f"{n % folders:05}" / f"document number {n:06}.pdf").write_bytes(content)


async def note(url: str, inbox: Path) -> None:
    """Write all files down as places of the only document."""
    db = await asyncpg.connect(url)
    host, document, root = await db.fetchrow("SELECT host, document_id, root FROM foliod.files")
    rows = []
    for folder in os.scandir(os.fsencode(inbox)):
        if folder.is_dir():
            device = folder.stat().st_dev
            rows += [
                (f.path, *numbers(signature(f.stat(), device)), host, root, f.path.decode(), document)
                for f in os.scandir(folder.path)
            ]
    await db.copy_records_to_table("files", schema_name="foliod", columns=(*COLUMNS, "document_id"), records=rows)
    await db.execute("ANALYZE foliod.files")
    await db.close()


def peak_mb(daemon: Daemon) -> int:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=70, help="after a minute the lag is that of sweeps alone")
    args = parser.parse_args()
    content = one_page(b"BT /F1 12 Tf 72 720 Td (The same in all files) Tj ET")
    with temporary_dir() as place, serving(place / "state") as url, running(CONFIG.format(url=url)) as daemon:
        (daemon.inbox / "first.pdf").write_bytes(content)
        daemon.wait_states(stored=1)
        daemon.stop()
        make(daemon.inbox, content, args.files, args.folders)
        asyncio.run(note(url, daemon.inbox))
        started = time.monotonic()
        daemon.start()
        print(f"ready {time.monotonic() - started:.1f} s after the start, the first sweep included")
        sweeps, seen = [daemon.status()["roots"][0]["sweep_ms"]], set()
        while time.monotonic() < started + args.seconds:
            root = wait_for(lambda: (r := daemon.status()["roots"][0])["swept_at"] not in seen and r)
            seen.add(root["swept_at"])
            sweeps.append(root["sweep_ms"])
        status = daemon.status()
        assert status["roots"][0]["files"] == args.files + 1
        assert not status["counters"].get("files_hashed"), "a known file was read"
        print(f"{args.files} known files in {args.folders} folders")
        print(
            f"sweeps in ms: first {sweeps[0]}, then {len(sweeps) - 1} of {median(sweeps[1:]):.0f}, {max(sweeps[1:])} at most"
        )
        print(f"loop lag in ms, sweeping all the time: {status['loop_lag']}")
        print(f"the daemon's memory at its peak: {peak_mb(daemon)} MB")


if __name__ == "__main__":
    main()

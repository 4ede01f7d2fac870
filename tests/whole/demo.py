"""What `make demo` shows: a daemon that reads real PDFs and answers questions about them, from start to clean end.

Needs nothing but foliod: its own PostgreSQL, a temporary folder, no Ollama, no network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foliod.base.errors import FoliodError
from foliod.start.client import Client
from foliod.start.dashboard import watch_status
from foliod.start.show import Answer, show_documents
from foliod.start.terminal import Terminal

SAMPLES = Path(__file__).parents[1] / "samples"
QUESTIONS = (
    "What was the median age of the cases?",
    "Which steps mitigate the spread of COVID-19 during patient transport?",
)
START_SECONDS = 60.0
READ_SECONDS = 300.0
STOP_SECONDS = 60.0

# The demo is the same on every machine: Ollama is not asked, also where there is one.
CONFIG = """
state_dir = "{base}/state"
[server]
socket = "{base}/s"
[ollama]
url = "http://127.0.0.1:9"
[[watch]]
path = "{base}/inbox"
settle_seconds = 0.3
[log]
format = "json"
"""


def main() -> None:
    terminal = Terminal()
    base = Path(tempfile.mkdtemp(prefix="foliod-demo-", dir="/tmp"))
    base.chmod(0o755)  # as root, PostgreSQL runs as another user and has to get in
    (base / "inbox").mkdir()
    (base / "foliod.toml").write_text(CONFIG.format(base=base))
    # SIGTERM ends the demo like an error does: with everything put away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        with daemon(terminal, base), Client(base / "s") as client:
            read(terminal, client, base / "inbox")
            for question in QUESTIONS:
                ask(terminal, client, question)
            step(terminal, "Stopping the daemon")
    except FoliodError as error:
        sys.exit(f"The demo failed: {error.message}\n{tail(base)}")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    left = processes(base)
    if left or base.exists():
        sys.exit(f"The demo left something behind: processes {left}, folder {base if base.exists() else 'removed'}")
    seconds = time.monotonic() - started
    terminal.out.print(f"It ended cleanly and left nothing behind. The demo took {seconds:.0f} s.")
    terminal.out.print(
        "\nWith Ollama (https://ollama.com) and its models mxbai-embed-large and deepseek-r1:8b, passages are found "
        "by meaning too, and answers are written by the model, with the same citations. To use it yourself: make run"
    )


@contextlib.contextmanager
def daemon(terminal: Terminal, base: Path) -> Iterator[None]:
    """Run the daemon in a folder; raises FoliodError when it does not start or does not end cleanly."""
    step(terminal, f"Starting the daemon, with a PostgreSQL of its own, in {base}")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("FOLIOD_", "XDG_", "STATE_D", "CREDENTIALS_"))}
    command = [sys.executable, "-m", "foliod", "run", "--config", str(base / "foliod.toml")]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=base, start_new_session=True
        )
    try:
        wait_ready(process, base / "s")
        yield
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        raise
    else:
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise FoliodError(f"the daemon did not end within {STOP_SECONDS:.0f} s") from None
        if code != 0:
            raise FoliodError(f"the daemon ended with {code}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_ready(process: subprocess.Popen[bytes], socket: Path) -> None:
    end = time.monotonic() + START_SECONDS
    why = "it does not listen"
    while time.monotonic() < end:
        if process.poll() is not None:
            raise FoliodError(f"the daemon ended with {process.returncode} instead of starting")
        with contextlib.suppress(FoliodError), Client(socket) as client:
            reasons = client.not_ready()
            if not reasons:
                return
            why = "; ".join(reasons)
        time.sleep(0.1)
    raise FoliodError(f"the daemon was not ready within {START_SECONDS:.0f} s: {why}")


def read(terminal: Terminal, client: Client, inbox: Path) -> None:
    """Drop the samples and wait until all of them are searchable, or have a state that says why not."""
    samples = sorted(SAMPLES.glob("*.pdf"))
    step(terminal, f"Dropping {len(samples)} PDFs into {inbox}")
    for sample in samples:
        # Whole as soon as it is seen, so that it is read once.
        part = inbox / f"{sample.name}.part"
        shutil.copy(sample, part)
        part.rename(inbox / sample.name)
    end = time.monotonic() + READ_SECONDS

    def settled(status: dict[str, Any]) -> bool:
        if time.monotonic() > end:
            raise FoliodError(f"the PDFs were not read within {READ_SECONDS:.0f} s")
        documents = status["documents"]
        return status["files"] == len(samples) and not documents["queued"] + documents["reading"]

    def look() -> dict[str, Any]:
        ollama = {"reachable": False, "error": "not asked in this demo"}
        return client.status() | {"ollama": ollama, "vectors": {"have": 0, "want": 0}}

    watch_status(terminal, look, until=settled)
    step(terminal, "What became of them")
    documents = client.documents()
    show_documents(terminal, documents)
    if not any(document["state"] in ("stored", "ready") for document in documents["documents"]):
        msg = "none of the samples is searchable"
        raise FoliodError(msg)


def ask(terminal: Terminal, client: Client, question: str) -> None:
    """Ask over the socket and show the answer as it comes; raises FoliodError when it cites nothing."""
    step(terminal, f'foliod ask "{question}"')
    answer = Answer(terminal)
    event: dict[str, Any] = {}
    try:
        for event in client.ask(question):
            if event["type"] == "error":
                raise FoliodError(event["message"])
            answer.show(event | {"note": None})  # it would say that there is no Ollama
    finally:
        answer.end()
    if not any(citation["quote"] and citation["pages"] for citation in event["citations"]):
        msg = "the answer cites nothing"
        raise FoliodError(msg)


def step(terminal: Terminal, what: str) -> None:
    terminal.out.print()
    terminal.out.print(f"== {what}", style="bold")
    terminal.out.file.flush()


def tail(base: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join((base / "log").read_text(errors="replace").splitlines()[-20:])
    return ""


def processes(base: Path) -> list[int]:
    """Return the processes that name the demo's folder, after giving them a moment to end."""
    end = time.monotonic() + 5
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if os.fsencode(base) in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


if __name__ == "__main__":
    main()

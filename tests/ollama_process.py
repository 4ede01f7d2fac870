"""The stand-in for Ollama as a process of its own, for tests with real daemons."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_http
from ports import free_port

FAKE = Path(__file__).parent / "fake_ollama.py"


class Ollama:
    """The stand-in for Ollama as a process that keeps its port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None
        self.digest = "a" * 64
        self.seed = 0

    def start(self) -> None:
        build = ["--digest", self.digest, "--seed", str(self.seed)]
        command = [sys.executable, str(FAKE), "--port", str(self.port), *build, "--until-eof"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().split()[-1] == self.url

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.process = None

    def fault(self, **faults: Any) -> None:
        plain_http.post(f"{self.url}/_faults", json=faults).raise_for_status()

    def models(self, **digests: str | dict[str, Any] | None) -> None:
        plain_http.post(f"{self.url}/_models", json=digests).raise_for_status()

    def embeds(self) -> dict[str, Any]:
        return plain_http.get(f"{self.url}/_embeds").json()

    def batches(self) -> list[int]:
        """Sizes in texts of the batches that it was asked for; the short text before them does not count."""
        return [asked["texts"] for asked in self.embeds()["asked"]]

    def counts(self) -> dict[str, int]:
        return plain_http.get(f"{self.url}/_counts").json()


@contextlib.contextmanager
def ollama_running() -> Iterator[Ollama]:
    ollama = Ollama()
    ollama.start()
    try:
        yield ollama
    finally:
        ollama.kill()


@contextlib.contextmanager
def ollama_at(*options: str) -> Iterator[str]:
    """Run the stand-in on a port of its own choice; yields its address."""
    command = [sys.executable, str(FAKE), "--port", "0", "--until-eof", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.communicate(timeout=60)

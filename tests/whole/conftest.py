"""What tests with a real daemon share: the stand-in for Ollama, and a port that is free."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FAKE = Path(__file__).parents[1] / "fake_ollama.py"


@pytest.fixture
def ollama() -> Iterator[str]:
    """The stand-in for Ollama, in a process of its own; yields its address."""
    command = [sys.executable, str(FAKE), "--port", "0", "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.communicate(timeout=10)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

"""What tests with a real daemon share: the stand-in for Ollama, and a port that is free."""

import socket
from collections.abc import Iterator

import pytest

from ollama_process import ollama_at


@pytest.fixture
def ollama() -> Iterator[str]:
    """The stand-in for Ollama, in a process of its own; yields its address."""
    with ollama_at() as address:
        yield address


@pytest.fixture
def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

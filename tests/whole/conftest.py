"""What tests with a real daemon share: the stand-in for Ollama, and a port that is free."""

from collections.abc import Iterator

import pytest

import ports
from ollama_process import ollama_at


@pytest.fixture
def ollama() -> Iterator[str]:
    """The stand-in for Ollama, in a process of its own; yields its address."""
    with ollama_at() as address:
        yield address


@pytest.fixture
def free_port() -> int:
    return ports.free_port()

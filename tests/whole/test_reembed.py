"""Another embedding model without downtime: questions are answered by meaning all along, and nothing is embedded twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import asyncpg
import pytest
from test_ollama_faults import Ollama, World

from foliod.ingest.divide import PROBE
from live import Daemon, running, wait_for

OLD, NEW = "all-minilm", "mxbai-embed-large"


def held_after(requests: int) -> dict[str, Any]:
    """So many batches of documents are embedded, the others wait until Ollama is told otherwise.

    What is asked for in the middle of a change comes in time on every machine.
    """
    return {"held_after": requests, "held_at": "Report "}


CONFIG = """
[ollama]
url = "{url}"
embed_model = "{model}"
chat_model = "scripted"
[database]
url = "{dsn}"
[search]
embed_seconds = 30
[ingest]
chunk_tokens = 64
overlap_tokens = 0
"""


class Library(World):
    """Daemons on a database of their own server, which outlives them."""

    def __init__(self, dsn: str, ollama: Ollama, daemon: Daemon) -> None:
        super().__init__(daemon, ollama)
        self.dsn = dsn

    def select(self, sql: str, *args: str) -> list[asyncpg.Record]:
        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetch(sql, *args)
            finally:
                await connection.close()

        # In a thread of its own: the loop of the fixtures is not touched.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, fetch()).result()

    def embedded_by(self, model: str) -> list[str]:
        """The texts of documents that a model gave a vector, in order; a question or a probe is none."""
        texts = self.ollama.embeds()["by_model"].get(model, [])
        return [text for text in texts if PROBE not in text and "Which " not in text]

    def reembed(self, *args: str, code: int = 0) -> dict[str, Any]:
        done = self.daemon.cli("reembed", *args, "--json", timeout=120)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else {"error": done.stderr}

    def serving(self) -> str:
        [row] = self.select("SELECT model FROM foliod.spaces WHERE state = 'active'")
        return row["model"]


class Asker:
    """Asks for documents by meaning, again and again, and never gets less than that."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        self._daemon, self._words = daemon, words
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = 0
        self.wrong: list[Any] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            wait_for(lambda: self.asked > 3 or not self._thread.is_alive(), why="answers")
        finally:
            self._stop.set()
            self._thread.join()
        assert self.asked > 3
        assert self.wrong == []

    def _ask(self) -> None:
        with self._daemon.client() as client:
            while not self._stop.is_set():
                word = self._words[self.asked % len(self._words)]
                query = f"Which bee number {self.asked} does the report of {word} tell of?"
                found = client.post("/v1/search", json={"query": query, "limit": 1}).json()
                self.asked += 1
                hits = found.get("hits") or [{"text": "", "scores": {"vector": None}}]
                if found.get("mode") != "hybrid" or word not in hits[0]["text"] or hits[0]["scores"]["vector"] is None:
                    self.wrong.append(found)


@contextlib.contextmanager
def over(dsn: str, ollama: Ollama, model: str = OLD, *, start: bool = True) -> Iterator[Daemon]:
    with running(CONFIG.format(url=ollama.url, model=model, dsn=dsn), start=start) as daemon:
        yield daemon


@pytest.fixture
def ollama() -> Iterator[Ollama]:
    ollama = Ollama()
    ollama.start()
    try:
        ollama.models(**{NEW: {"digest": "c" * 64, "dimensions": 128, "seed": 5}})
        yield ollama
    finally:
        if ollama.process is not None:
            ollama.kill()


@pytest.fixture
def library(dsn, ollama) -> Iterator[Library]:
    with over(dsn, ollama) as daemon:
        yield Library(dsn, ollama, daemon)


def test_killed_in_the_middle_nothing_is_embedded_twice(library):
    """Questions find their document by meaning before, during and after the change, also across a kill -9."""
    daemon, ollama = library.daemon, library.ollama
    words = [library.drop(pages=6) for _ in range(2)]
    for word in words:
        library.wait_state(word, "ready")
    ollama.fault(**held_after(0))
    with Asker(daemon, *words):
        answer = library.reembed("--model", NEW)
        assert (answer["state"], answer["serving"], answer["have"]) == ("building", OLD, 0)
        # A speed is known when it was looked at before.
        wait_for(lambda: (r := daemon.status()["reembedding"]) and r["phase"] == "embedding")
        ollama.fault(**held_after(2))
        now = wait_for(lambda: (r := daemon.status()["reembedding"]) and r["per_s"] and r["have"] and r)
        assert (now["model"], now["phase"], now["want"]) == (NEW, "embedding", answer["want"])
        assert now["eta_s"] >= 0
        assert "New vectors" in daemon.cli("status").stdout
        assert daemon.states() == {"ready": 2}
    assert library.serving() == OLD
    daemon.kill()
    committed = {row["text"] for row in library.select(
        "SELECT c.text FROM foliod.chunks c JOIN foliod.embeddings e USING (text_hash) "
        "JOIN foliod.spaces s ON s.id = e.space_id WHERE s.state = 'building'")}  # fmt: skip
    assert 0 < len(committed) < answer["want"]
    before = len(library.embedded_by(NEW))

    ollama.fault()
    daemon.start()
    with Asker(daemon, *words):
        late = library.drop(pages=1)
        done = daemon.cli("reembed", "--model", NEW, "--wait", timeout=120)
        assert done.returncode == 0, done.stderr
        assert f"{NEW} serves now" in done.stderr
        assert "already" in done.stderr
        library.wait_state(late, "ready")
        assert library.serving() == NEW
    after = library.embedded_by(NEW)[before:]
    assert not committed & set(after)
    assert set(Counter(after).values()) == {1}
    assert library.ask(late)[1]["mode"] == "hybrid"
    assert daemon.status()["reembedding"] is None
    assert daemon.status()["ollama"]["embed_model"] == NEW
    doctor = {check["name"]: check for check in json.loads(daemon.cli("doctor", "--deep", "--json").stdout)["checks"]}
    assert NEW in doctor["change of model"]["message"]
    assert "foliod reembed" in doctor["change of model"]["fix"]
    assert doctor["store"]["status"] == "ok", doctor["store"]


def test_the_command_says_what_it_does(library):
    """A missing model changes nothing; a change can be given up, returned from, listed and dropped; --json everywhere."""
    daemon, ollama = library.daemon, library.ollama
    library.wait_state(library.drop(pages=12), "ready")
    assert "ollama pull nosuch" in library.reembed("--model", "nosuch", code=1)["error"]
    assert "only one of" in library.reembed("--model", NEW, "--cancel", code=2)["error"]
    assert "serves already" in daemon.cli("reembed", "--model", f"{OLD}:latest").stderr
    with daemon.client() as client:
        assert client.post("/v1/reembed", json={"model": "x", "drop": "y"}).status_code == 400
        assert client.post("/v1/reembed", json={"models": "x"}).status_code == 400
        assert client.post("/v1/reembed", json={"cancel": True}).status_code == 409
        assert client.post("/v1/reembed", json={}).json()["state"] == "active"

    ollama.fault(**held_after(0))
    told = daemon.cli("reembed", "--model", NEW).stderr
    assert "texts will be embedded by mxbai-embed-large (128 dimensions)" in told
    assert f"{OLD} serves meanwhile" in told
    assert library.reembed("--cancel") == {"cancelled": NEW, "serving": OLD}
    assert daemon.status()["reembedding"] is None
    ollama.fault()
    assert library.reembed("--model", NEW, "--wait")["state"] == "active"
    listed = {space["model"]: space for space in library.reembed("--list")["spaces"]}
    assert {model: space["state"] for model, space in listed.items()} == {OLD: "retired", NEW: "active"}
    assert listed[OLD]["vectors"] == listed[NEW]["vectors"] > 20
    assert listed[NEW]["dimensions"] == 128
    assert listed[NEW]["bytes"] > 0
    assert f"{OLD}  retired  256 dimensions" in daemon.cli("reembed", "--list").stdout

    asked = len(library.embedded_by(OLD))
    assert library.reembed("--model", OLD, "--wait")["model"] == OLD
    assert library.serving() == OLD
    assert len(library.embedded_by(OLD)) == asked, "its vectors were there still"
    assert "serve" in library.reembed("--drop", OLD, code=1)["error"]
    assert [space["model"] for space in library.reembed("--drop", NEW, "--wait")["dropping"]] == [NEW]
    assert [space["model"] for space in library.reembed("--list")["spaces"]] == [OLD]


def test_daemons_with_different_configurations_do_not_take_turns(library):
    """The newest change of any configuration holds for all daemons of a store; a start asks for nothing."""
    first, dsn, ollama = library.daemon, library.dsn, library.ollama
    word = library.drop(pages=1)
    library.wait_state(word, "ready")
    with over(dsn, ollama, NEW) as second:
        for start in range(2):
            if start:
                second.stop()
                second.start()
            [told] = second.log_events("model_of_the_store")[-1:]
            assert (told["model"], told["configured"]) == (OLD, NEW)
            assert second.search(f"Which report tells of {word}?")["mode"] == "hybrid"
            assert second.status()["reembedding"] is None
        assert library.embedded_by(NEW) == []

        # The configuration of the first is changed: both change, once.
        first.stop()
        first.config.write_text(first.config.read_text().replace(OLD, NEW))
        with Asker(second, word):
            first.start()
            wait_for(lambda: library.serving() == NEW)
            wait_for(lambda: all(d.status()["ollama"]["embed_model"] == NEW for d in (first, second)))
        with Asker(first, word):
            # Set back by hand, and asked for by one of them: the other follows again, and starts ask for nothing.
            assert second.cli("reembed", "--model", OLD, "--wait", timeout=120).returncode == 0
        first.stop()
    first.start()
    assert library.serving() == OLD
    assert first.status()["reembedding"] is None
    spaces = library.select("SELECT model, state FROM foliod.spaces ORDER BY id")
    assert [tuple(row) for row in spaces] == [(OLD, "active"), (NEW, "retired")]
    requests = library.select("SELECT how, model FROM foliod.model_requests ORDER BY id")
    assert [tuple(row) for row in requests] == [("configuration", OLD), ("configuration", NEW), ("command", OLD)]


def test_the_old_model_is_gone(library):
    """Without the old model search goes by keyword and says why, and the change comes all the same."""
    daemon, ollama = library.daemon, library.ollama
    word = library.drop(pages=2)
    library.wait_state(word, "ready")
    daemon.stop()
    daemon.config.write_text(daemon.config.read_text().replace(OLD, NEW))
    ollama.models(**{OLD: None, NEW: None})
    daemon.start()
    late = library.drop(pages=1)
    library.wait_state(late, "stored")
    found = daemon.search(f"Which report tells of {word}?")
    assert found["mode"] == "keyword"
    assert f"ollama pull {OLD}" in found["note"]
    wait_for(lambda: f"ollama pull {NEW}" in ((daemon.status()["reembedding"] or {}).get("error") or ""))
    assert set(daemon.status()["ollama"]["missing"]) == {OLD, NEW}
    ollama.models(**{NEW: {"digest": "c" * 64, "dimensions": 128, "seed": 5}})
    library.wait_state(late, "ready")
    assert library.serving() == NEW
    wait_for(lambda: daemon.search(f"Which report tells of {word}?")["mode"] == "hybrid")

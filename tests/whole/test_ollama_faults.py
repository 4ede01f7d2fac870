"""What may become of Ollama while the daemon runs: nothing is lost, nobody waits, and all is well soon afterwards."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from fake_ollama import embed_words
from foliod.ingest.divide import PROBE
from live import Daemon, running, wait_for
from made_pdfs import Sheet
from ollama_process import Ollama

MODEL = "all-minilm"
DIMENSIONS = 256
FOR_EVER = 10**9

# Short waits, so that the tests are short, and long enough for a busy machine. No text stands in two chunks.
CONFIG = """
[ollama]
url = "{url}"
embed_model = "all-minilm"
chat_model = "scripted"
connect_seconds = 2.0
silence_seconds = 2.0
answer_seconds = 6.0
[search]
embed_seconds = 5.0
[ingest]
chunk_tokens = 64
overlap_tokens = 0
"""


class World:
    """A daemon, its Ollama, and documents made for it."""

    def __init__(self, daemon: Daemon, ollama: Ollama) -> None:
        self.daemon = daemon
        self.ollama = ollama
        self._numbers = itertools.count(1)

    def drop(self, *, pages: int = 2, poison: str = "") -> str:
        """Drop a document of words of its own, and return the one that names it; `poison` stands in one sentence."""
        word = f"zq{next(self._numbers)}x"
        sheets = [Sheet() for _ in range(pages)]
        for page, sheet in enumerate(sheets):
            for n in range(36):
                line = f"Report {page}-{n} of {word} tells of bee {word}b{page}c{n} in the old mill by the river."
                if poison and (page, n) == (0, 7):
                    line = f"Report {poison} of {word} tells of one more bee in the old mill."
                sheet.write(50, 60 + 20 * n, line)
        whole = sheets[0]
        for sheet in sheets[1:]:
            whole._pdf.insert_pdf(sheet._pdf)
        part = self.daemon.inbox / f"{word}.part"
        part.write_bytes(whole.bytes())
        part.rename(self.daemon.inbox / f"{word}.pdf")
        return word

    def document(self, word: str) -> dict[str, Any] | None:
        found = self.daemon.get("/v1/documents", q=f"{word}.pdf")["documents"]
        return found[0] if found else None

    def wait_state(self, word: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a document is in a state, and return it; nothing is ever held against it."""

        def there() -> dict[str, Any] | None:
            document = self.document(word)
            return document if document and document["state"] == state else None

        try:
            found = wait_for(there, seconds=seconds)
        except TimeoutError:
            log = self.daemon.log_text()[-3000:]
            raise AssertionError(f"expected {state}, found {self.document(word)}\n{log}") from None
        assert found["reason"] is None
        return found

    def ask(self, word: str, kind: str = "bee") -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask for a document by its word; return the first and the last event."""
        events = self.daemon.ask(f"Which {kind} does the report of {word} tell of?")
        assert events[0]["type"] == "sources"
        return events[0], events[-1]

    def rows(self, word: str) -> list[asyncpg.Record]:
        """The chunks of a document with their vectors and reasons, as they are stored."""
        return self.select(
            "SELECT c.text, e.embedding::text AS vector, e.reason FROM foliod.files f "
            "JOIN foliod.chunks c USING (document_id) JOIN foliod.spaces s ON s.state = 'active' "
            "LEFT JOIN foliod.embeddings e ON e.text_hash = c.text_hash AND e.space_id = s.id "
            "WHERE f.display LIKE $1 ORDER BY c.ordinal",
            f"%/{word}.pdf",
        )

    def refused(self) -> int:
        """How many texts have a reason instead of a vector."""
        [row] = self.select("SELECT count(*) FROM foliod.embeddings WHERE reason IS NOT NULL")
        return row["count"]

    def select(self, sql: str, *args: str) -> list[asyncpg.Record]:
        [pid_file] = self.daemon.state.rglob("postmaster.pid")
        folder = pid_file.read_text().splitlines()[4]

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(f"postgresql://foliod@/foliod?host={folder}&sslmode=disable")
            try:
                return await connection.fetch(sql, *args)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def assert_right_vectors(self, word: str, refused: str = "") -> list[asyncpg.Record]:
        """Every chunk has the vector of its own text; those with `refused` in them have a reason instead."""
        rows = self.rows(word)
        assert len(rows) > 10
        for row in rows:
            if refused and refused in row["text"]:
                assert row["vector"] is None
                assert row["reason"]
            else:
                assert row["reason"] is None
                np.testing.assert_allclose(
                    json.loads(row["vector"]), embed_words(row["text"], DIMENSIONS, self.ollama.seed), atol=2e-3
                )
        return rows

    def assert_embedded_once(self, word: str) -> None:
        times = Counter(text for text in self.ollama.embeds()["answered"] if word in text and "Which " not in text)
        assert times
        assert set(times.values()) == {1}


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    ollama = Ollama()
    ollama.start()
    try:
        with running(CONFIG.format(url=ollama.url)) as daemon:
            yield World(daemon, ollama)
            # What ended it is told where it is not to be seen otherwise: all tests share it.
            assert daemon.process.poll() is None, daemon.log_text()[-3000:]
    finally:
        if ollama.process is not None:
            ollama.kill()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """One daemon for all tests, with a healthy Ollama at the begin of each."""
    yield shared
    if shared.ollama.process is None:
        shared.ollama.start()
    shared.ollama.fault()
    shared.ollama.models(**{MODEL: {"digest": shared.ollama.digest, "seed": shared.ollama.seed}})
    wait_for(lambda: not shared.daemon.states().get("stored"))


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "hanging": ({"deaf": True}, "silent for 2 s"),
    "out of memory": (
        {"embed": 500, "count": FOR_EVER, "message": "llama runner process has terminated: out of memory"},
        "out of memory",
    ),
    "busy": ({"embed": 503, "count": FOR_EVER, "message": "server busy"}, "server busy"),
    "context exceeded by every text": ({"too_long": " "}, "context length"),
    "NaN, refused by Ollama": ({"nan": " "}, "NaN"),
    "wrong dimensions": ({"dimensions": 100}, "100 numbers"),
    "HTML": ({"garbage": True}, "does not answer as Ollama does"),
    "cut connections": ({"body": "cut"}, "hung up"),
}
# What tests/unit/test_inference.py shows at the wire already.
MORE_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN in the answer": ({"raw_nan": " "}, "holds NaN"),
    "nulls": ({"null": " "}, "NaN"),
    "zeros": ({"zero": " "}, "zero"),
    "too few vectors": ({"fewer": 1}, "0 vectors for 1 texts"),
    "half an answer": ({"body": "truncated"}, "does not answer as Ollama does"),
    "answers in drops": ({"body": "drip"}, "not finished its answer after 4 s"),
    "another server's answers": ({"body": "list"}, "does not answer as Ollama does"),
    "redirects": ({"redirect": "http://127.0.0.1:9"}, "307"),
}
if os.environ.get("FOLIOD_TEST_ALL_FAULTS"):
    FAULTS |= MORE_FAULTS


@pytest.mark.parametrize("name", FAULTS)
def test_text_is_found_meanwhile_and_vectors_follow(world, name):
    """Whatever Ollama does to every text: a document is found by keyword, the answer says why, and vectors follow."""
    fault, told = FAULTS[name]
    world.ollama.fault(**fault)
    word = world.drop()
    world.wait_state(word, "stored")
    sources, done = world.ask(word)
    assert sources["mode"] == done["mode"] == "keyword"
    assert Path(sources["hits"][0]["document"]["path"]).name == f"{word}.pdf"
    assert "keyword" in done["note"]
    assert done["answer"]
    wait_for(
        lambda: (s := world.daemon.status())["state"] == "waiting" and told in (s["ollama"]["error"] or ""),
        why=f"the status to say: {told}",
    )
    assert {row["vector"] for row in world.rows(word)} == {None}

    world.ollama.fault()
    # The first question that finds Ollama well also ends the pause between two tries.
    assert wait_for(lambda: world.ask(word, kind="mill")[1]["mode"] == "hybrid")
    world.wait_state(word, "ready")
    world.assert_right_vectors(word)
    world.assert_embedded_once(word)
    wait_for(lambda: world.daemon.status()["ollama"]["error"] is None)


def test_ollama_goes_and_comes_back(world):
    """Without Ollama text is found by keyword; the vectors follow within seconds of its start, and the log stays short."""
    world.ollama.kill()
    lines = len(world.daemon.log_events())
    word = world.drop()
    world.wait_state(word, "stored")
    _, done = world.ask(word)
    assert (done["mode"], done["generator"]) == ("keyword", "quotes")
    assert "can't be reached" in done["note"]
    wait_for(lambda: "ollama serve" in (world.daemon.status()["ollama"]["error"] or ""))
    wait_for(lambda: any(event["event"] == "vectors_wait" for event in world.daemon.log_events()[lines:]))
    world.ollama.start()
    # The longest pause between two tries is 5 s; a slow machine gets some more.
    world.wait_state(word, "ready")
    world.assert_right_vectors(word)
    world.assert_embedded_once(word)
    told = Counter(event["event"] for event in world.daemon.log_events()[lines:])
    assert told["vectors_wait"] == 1
    assert told["vectors_go_on"] == 1
    assert told["embedding_retried"] <= 3


def test_a_missing_model_is_named_and_its_coming_is_noticed(world):
    """Status and doctor say what to pull; when it was pulled, the vectors follow without a restart."""
    world.ollama.models(**{MODEL: None})
    word = world.drop()
    world.wait_state(word, "stored")
    sources, done = world.ask(word)
    assert sources["mode"] == "keyword"
    assert f"ollama pull {MODEL}" in done["note"]
    assert done["generator"] == "ollama", "the chat model is there"
    wait_for(lambda: world.daemon.status()["ollama"]["missing"] == [MODEL])
    wait_for(lambda: f"ollama pull {MODEL}" in (world.daemon.status()["ollama"]["error"] or ""))
    assert f"ollama pull {MODEL}" in world.daemon.cli("status").stdout
    doctor = json.loads(world.daemon.cli("doctor", "--json").stdout)["checks"]
    assert f"ollama pull {MODEL}" in [check["fix"] for check in doctor]
    world.ollama.models(**{MODEL: world.ollama.digest})
    world.wait_state(word, "ready")
    world.assert_right_vectors(word)


@pytest.mark.parametrize(
    "fault",
    [{"nan": "venom"}, {"raw_nan": "venom"}, {"zero": "venom"}, {"poison": "venom"}, {"too_long": "venom"},
     {"hang_at": "venom"}, {"killed_by": "venom"}],
    ids=lambda fault: next(iter(fault)),
)  # fmt: skip
def test_one_bad_chunk_does_not_hold_back_its_neighbours(world, fault):
    """A passage that the model can't take gets a reason; its document is ready, its neighbours have their vectors."""
    world.ollama.fault(**fault)
    word = world.drop(pages=1, poison="venom")
    other = world.drop(pages=1)
    for ready in (word, other):
        world.wait_state(ready, "ready", seconds=90)
    rows = world.assert_right_vectors(word, refused="venom")
    assert sum(row["reason"] is not None for row in rows) == 1
    world.assert_right_vectors(other)
    world.assert_embedded_once(word)
    refused = world.refused()
    assert refused > 0
    wait_for(lambda: world.daemon.status()["vectors"]["refused"] == refused)
    hits = world.daemon.search(f"venom {word}")["hits"]
    assert "venom" in hits[0]["text"]
    assert hits[0]["scores"]["vector"] is None


def test_batches_shrink_under_timeouts_and_grow_again(world):
    """On a machine on which a batch takes longer than the silence allowed, small ones get through, and large ones later."""
    until_batches_are_large(world)
    asked = len(world.ollama.batches())
    world.ollama.fault(token_seconds=0.008)
    word = world.drop()
    world.wait_state(word, "ready", seconds=90)
    world.assert_right_vectors(word)
    world.assert_embedded_once(word)
    slow = [texts for texts in world.ollama.batches()[asked:]]
    assert max(slow) > 4
    assert slow[-1] <= 2
    world.ollama.fault()
    until_batches_are_large(world)


def until_batches_are_large(world: World) -> None:
    """Have documents embedded, one after the other, until one goes in large batches: they grow while they are quick."""

    def large() -> bool:
        asked = len(world.ollama.batches())
        world.wait_state(world.drop(pages=4), "ready")
        return max(world.ollama.batches()[asked:]) > 4

    wait_for(large, why="large batches")


def test_memory_for_small_batches_only(world):
    """Where the model dies of large batches, smaller ones are sent, and no text is blamed."""
    world.ollama.fault(most_tokens=200)
    word = world.drop()
    world.wait_state(word, "ready", seconds=90)
    world.assert_right_vectors(word)
    world.assert_embedded_once(word)


def test_killed_in_the_middle_of_a_document(world):
    """Ollama killed and started again in mid-document: what was committed stays, and is not asked for again."""
    # One batch, which is smaller than the document.
    world.ollama.fault(held_after=1, held_at="Report ")
    word = world.drop(pages=16)
    wait_for(lambda: sum(row["vector"] is not None for row in world.rows(word)) > 0)
    world.ollama.kill()
    committed = {row["text"] for row in world.rows(word) if row["vector"] is not None}
    assert committed
    assert len(committed) < len(world.rows(word))
    world.ollama.start()
    world.wait_state(word, "ready")
    world.assert_right_vectors(word)
    world.assert_embedded_once(word)
    assert not committed & set(world.ollama.embeds()["answered"])
    assert PROBE in world.ollama.embeds()["answered"], "one short text goes before the batches"


def test_another_build_under_the_same_name(world):
    """A model that is pulled anew while Ollama restarts gets a space of its own, and no vector of the old one stays in use."""
    word = world.drop(pages=1)
    world.wait_state(word, "ready")
    world.ollama.kill()
    late = world.drop(pages=1)
    world.wait_state(late, "stored")
    world.ollama.digest, world.ollama.seed = "b" * 64, 3
    world.ollama.start()
    # Until all is embedded anew questions go by keyword: a question of one build finds nothing among another's vectors.
    wait_for(lambda: world.daemon.log_events("build_changed"))
    active = "SELECT FROM foliod.spaces WHERE state = 'active' AND digest = $1"
    wait_for(lambda: world.select(active, world.ollama.digest), why="the new build's space to serve")
    world.wait_state(late, "ready")
    wait_for(lambda: world.daemon.status()["reembedding"] is None)
    for each in (late, word):
        world.wait_state(each, "ready")
        world.assert_right_vectors(each)
    world.assert_embedded_once(late)
    assert world.ask(late, kind="river")[1]["mode"] == "hybrid"


def test_another_build_with_the_same_vectors(world):
    """A model that was pulled anew with the same weights goes on with the vectors that are there."""
    word = world.drop(pages=1)
    world.wait_state(word, "ready")
    world.ollama.kill()
    world.ollama.digest = "c" * 64
    world.ollama.start()
    late = world.drop(pages=1)
    world.wait_state(late, "ready")
    world.assert_embedded_once(late)
    assert len(world.ollama.embeds()["answered"]) < len(world.rows(late)) + 20, "a few were compared"
    assert world.daemon.status()["reembedding"] is None
    assert world.ask(word, kind="river")[1]["mode"] == "hybrid"


BROKEN_ANSWERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "silent before the first word": ({"stall_after": 0}, "done", "silent for 2 s"),
    "cut before the first word": ({"drop_after": 0}, "done", "hung up"),
    "an error before the first word": ({"error_after": 0}, "done", "an error was encountered"),
    "no room for the model": ({"chat": 500, "count": 9, "message": "out of memory"}, "done", "out of memory"),
    "thoughts only": ({"answer": "<think>Let me see.</think>"}, "done", "gave no answer"),
    "empty pieces for ever": ({"endless": " "}, "done", "answer_seconds"),
    "silent in the middle": ({"stall_after": 3}, "error", "silent for 2 s"),
    "cut in the middle": ({"drop_after": 3}, "error", "broke before"),
    "an error in the middle": ({"error_after": 3}, "error", "an error was encountered"),
    "ended in the middle": ({"cut_after": 3}, "error", "ended the stream"),
    "words for ever": ({"endless": "again "}, "error", "no end"),
}


@pytest.mark.parametrize("name", BROKEN_ANSWERS)
def test_an_answer_always_comes_to_an_end(world, name):
    """Before the model's first word quotes step in; after it, what was said stays and an error ends the answer."""
    fault, last, told = BROKEN_ANSWERS[name]
    word = "tale"
    if world.document(word) is None:
        sheet = Sheet()
        sheet.write(50, 60, *(f"The {word} number {n} tells of honey and of the mill at the river." for n in range(20)))
        (world.daemon.inbox / f"{word}.part").write_bytes(sheet.bytes())
        (world.daemon.inbox / f"{word}.part").rename(world.daemon.inbox / f"{word}.pdf")
        world.wait_state(word, "ready")
    world.ollama.fault(**fault)
    events = world.daemon.ask("Which tale tells of honey?")
    assert events[0]["type"] == "sources"
    assert events[0]["hits"]
    assert events[-1]["type"] == last
    said = "".join(event["text"] for event in events if event["type"] == "token")
    assert said
    if last == "done":
        assert events[-1]["generator"] == "quotes"
        assert events[-1]["answer"] == said
        assert events[-1]["citations"]
        assert told in events[-1]["note"]
    else:
        assert told in events[-1]["message"]

"""Search on a small store with real SQL; vectors are made by hand so that the right answer is known."""

from datetime import UTC, datetime

import asyncpg
import numpy as np
import pytest
from pgvector import HalfVector, SparseVector
from test_store import backlog, place

from foliod.base.config import Search
from foliod.base.errors import BadRequestError, OllamaUnavailableError
from foliod.base.model import Chunk, DocumentFacts, Filters, Page, Verdict
from foliod.ingest.embedding_model import EmbedderFacts
from foliod.retrieve import among, candidates, question
from foliod.retrieve.retrieve import Retriever
from foliod.store.database import Database
from foliod.store.store import Store
from foliod.store.writer import text_hash
from foliod.text.lexical import weigh

DIMENSIONS = 8


def direction(*axes: int) -> np.ndarray:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[list(axes)] = 1
    return vector / np.linalg.norm(vector)


class HandMade:
    """Gives the vector that the test names for a question; None is an Ollama that is away."""

    model = ("m", "d")

    def __init__(self, vector: np.ndarray | None) -> None:
        self.vector = vector

    async def embed_query(
        self, text: str, *, seconds: float, model: str | None = None
    ) -> tuple[np.ndarray, EmbedderFacts]:
        if self.vector is None:
            raise OllamaUnavailableError
        return self.vector, EmbedderFacts(*self.model, len(self.vector), 512, "", "")


async def fill(
    db, documents: dict[str, list[tuple[str, np.ndarray]]], *, a_page: int = 1, title: str | None = None,
    language: str = "english",
) -> dict[str, int]:  # fmt: skip
    """Store documents with their chunks' texts and vectors, through the real way; `a_page` chunks a page."""
    store, work = Store(db), backlog(db)
    space, _ = await store.activate_space("m", "d", DIMENSIONS, "", "")
    ids = {}
    for name, chunks in documents.items():
        ids[name] = document = await place(db, name)
        await work.claim_for_reading()
        texts = [text for text, _ in chunks]
        pages = ["\n".join(texts[i : i + a_page]) for i in range(0, len(texts), a_page)]
        facts = DocumentFacts(len(pages), title=title)
        await store.put_facts(document, work.owner, facts, "test")
        read = [Page(n, Verdict.TEXT, page, 595, 842, 0) for n, page in enumerate(pages, start=1)]
        await store.put_pages(document, work.owner, read, 60)
        start = 0
        async with store.writing_text(document, work.owner) as writer:
            for ordinal, text in enumerate(texts):
                page, end = ordinal // a_page + 1, start + len(text)
                part = Chunk(ordinal, page, page, start, end, text, 10, "Title")
                await writer.add(part, weigh(text, language))
                start = end + 1
            await writer.finish(state="stored", partial=False, reason=None, language=language)
        known = dict(chunks)
        missing = await store.missing_texts(space, [document], 1000)
        await store.put_vectors(space, [(key, known[text]) for key, text in missing])
        await store.finish_vectors(space, [document])
    return ids


PETS = {
    "cats.pdf": [("The cat sleeps on the warm stove.", direction(0)), ("Kittens drink milk.", direction(0, 1))],
    "dogs.pdf": [("The dog chases the cat.", direction(2)), ("Puppies chew shoes.", direction(2, 3))],
    "tax.pdf": [("Form 1040 is due in April.", direction(5)), ("Interest is income.", direction(5, 6))],
}


def retriever(db, vector: np.ndarray | None = None) -> Retriever:
    return Retriever(db, HandMade(vector), Search())


async def test_a_word_finds_its_passages(db):
    """Keyword search finds the passages that hold the word, the one that is about it first."""
    await fill(db, PETS)
    result = await retriever(db).search("puppy shoes", limit=10, mode="keyword")
    assert result.mode == "keyword"
    assert result.hits[0].text == "Puppies chew shoes."
    assert result.hits[0].paths == ("/in/dogs.pdf",)
    assert result.hits[0].keyword > 0
    assert result.hits[0].vector is None
    assert result.hits[0].title == "dogs"


async def test_meaning_finds_what_words_do_not(db):
    """A question without a word in common finds its passage through the vectors."""
    await fill(db, PETS)
    result = await retriever(db, direction(0, 1)).search("young felines", limit=2, mode="hybrid")
    assert result.mode == "hybrid"
    assert [h.text for h in result.hits] == ["Kittens drink milk.", "The cat sleeps on the warm stove."]
    assert result.hits[0].vector == pytest.approx(1.0, abs=1e-3)


async def test_both_together_beat_either(db):
    """A passage that both searches like stands above one that only one of them likes."""
    await fill(db, PETS)
    result = await retriever(db, direction(2)).search("cat", limit=3, mode="hybrid")
    assert result.hits[0].text == "The dog chases the cat."
    assert result.hits[0].keyword is not None
    assert result.hits[0].vector is not None


async def test_without_ollama_the_words_still_work(db):
    """When the question can't be embedded, hybrid search answers by keyword and says so; vector search refuses."""
    await fill(db, PETS)
    result = await retriever(db).search("cat", limit=10)
    assert result.mode == "keyword"
    assert "keyword" in result.note
    assert {h.paths[0] for h in result.hits} == {"/in/cats.pdf", "/in/dogs.pdf"}
    with pytest.raises(OllamaUnavailableError):
        await retriever(db).search("cat", limit=10, mode="vector")


async def test_vectors_of_another_model_are_not_compared(db):
    """While the store still holds the vectors of the model before, a question is answered by keyword."""
    await fill(db, PETS)
    search = retriever(db, direction(0))
    search._embedder.model = ("m2", "d2")
    result = await search.search("cat", limit=3)
    assert result.mode == "keyword"
    assert "model" in result.note


@pytest.mark.parametrize("mode", ["vector", "hybrid"])
async def test_a_text_that_the_model_refused_does_not_break_a_search(db, mode):
    """A passage without a vector is found by its words, and is no trouble for the others."""
    ids = await fill(db, PETS)
    async with db.transaction() as tx:
        await tx.connection.execute(
            "UPDATE foliod.embeddings SET embedding = NULL, reason = 'NaN' WHERE text_hash = $1",
            text_hash("The dog chases the cat."),
        )
        await tx.connection.execute("ANALYZE foliod.embeddings")
    for filters in (Filters(), Filters(document=ids["dogs.pdf"])):
        hits = (await retriever(db, direction(2)).search("dog", limit=9, mode=mode, filters=filters)).hits
        assert "Puppies chew shoes." in [hit.text for hit in hits]
        assert (mode == "hybrid") == ("The dog chases the cat." in [hit.text for hit in hits])


async def test_unknown_words_find_nothing(db):
    """A word that no document holds gives no hits rather than any."""
    await fill(db, PETS)
    assert (await retriever(db).search("xylophone", limit=10, mode="keyword")).hits == ()
    assert (await retriever(db).search("?!", limit=10, mode="keyword")).hits == ()


async def test_an_empty_question_is_refused(db):
    """An empty question gets a clear error."""
    with pytest.raises(BadRequestError, match="empty"):
        await retriever(db).search("  ", limit=10)


async def test_an_empty_store_answers(db):
    """Before anything is read a search finds nothing and does not fail."""
    result = await retriever(db, direction(0)).search("cat", limit=10)
    assert result.hits == ()
    assert result.coverage.documents == 0


@pytest.mark.parametrize("mode", ["keyword", "vector", "hybrid"])
async def test_filters_leave_only_what_fits(db, mode):
    """A filter by document, folder or date holds in every mode."""
    ids = await fill(db, PETS)
    search = retriever(db, direction(0)).search
    hits = (await search("cat", limit=10, mode=mode, filters=Filters(document=ids["dogs.pdf"]))).hits
    assert hits
    assert {h.document for h in hits} == {ids["dogs.pdf"]}
    hits = (await search("cat", limit=10, mode=mode, filters=Filters(folder="/in"))).hits
    assert {h.document for h in hits} >= {ids["cats.pdf"], ids["dogs.pdf"]}
    assert (await search("cat", limit=10, mode=mode, filters=Filters(folder="/i"))).hits == ()
    past = datetime(2001, 1, 1, tzinfo=UTC)
    assert (await search("cat", limit=10, mode=mode, filters=Filters(before=past))).hits == ()
    assert (await search("cat", limit=10, mode=mode, filters=Filters(after=past))).hits


async def test_the_answer_says_what_it_could_see(db):
    """Coverage counts searchable documents, and those that still wait."""
    await fill(db, PETS)
    await place(db, "late.pdf")
    result = await retriever(db).search("cat", limit=10, mode="keyword")
    assert (result.coverage.documents, result.coverage.pending) == (3, 1)


async def test_equal_questions_get_equal_answers(db):
    """Ties are broken the same way every time."""
    await fill(db, {"a.pdf": [(f"alpha {i}", direction(1)) for i in range(30)]})
    first = await retriever(db, direction(1)).search("alpha", limit=30)
    second = await retriever(db, direction(1)).search("alpha", limit=30)
    assert [h.chunk for h in first.hits] == [h.chunk for h in second.hits]
    assert len(first.hits) == 30


async def test_large_stores_use_their_indexes(db):
    """The hot queries stay on the GIN and HNSW indexes, and on each space's own."""
    space, _ = await Store(db).activate_space("m", "d", DIMENSIONS, "", "")
    async with db.transaction() as tx:
        run = tx.connection.execute
        await run("SELECT setseed(0.5)")
        await run(
            "INSERT INTO foliod.documents (sha256, size, state) VALUES (sha256('x'), 1, 'ready'),"
            " (sha256('y'), 1, 'ready')"
        )
        await run(
            "INSERT INTO foliod.chunks (document_id, ordinal, first_page, last_page, start_offset, end_offset,"
            " tokens, text, text_hash) SELECT d.id, i, 1, 1, 0, 1, 1, 'text', sha256(i::text::bytea)"
            " FROM generate_series(1, 5000) i JOIN foliod.documents d ON d.sha256 = sha256("
            "(CASE WHEN i <= 20 THEN 'x' ELSE 'y' END)::bytea)"
        )
        await run(
            "INSERT INTO foliod.chunk_terms SELECT c.id, c.document_id, ARRAY[c.ordinal],"
            " ('{' || c.ordinal || ':1}/1000000000')::sparsevec FROM foliod.chunks c"
        )
        await run(
            "INSERT INTO foliod.embeddings SELECT $1, c.text_hash, ARRAY[random(), random(), random(), random(),"
            " random(), random(), random(), 1]::real[]::vector::halfvec FROM foliod.chunks c", space.id,
        )  # fmt: skip
        await run("ANALYZE foliod.chunk_terms, foliod.embeddings, foliod.chunks")
    async with db.transaction() as tx:

        async def plan(name: str, *args: object) -> str:
            query = db.queries[name]
            named = {"space": space.id, "dimensions": DIMENSIONS} if query.placeholders else {}
            sql = query.text(named)
            return "\n".join(row[0] for row in await tx.connection.fetch("EXPLAIN " + sql, *args))

        weights = SparseVector({7: 1.0}, 1_000_000_000)
        keyword = await plan("keyword_search", [7, 8], weights, None, 10, [7], [8], 10)
        assert keyword.count("Bitmap Index Scan on chunk_terms_terms") == 2
        vector = HalfVector(direction(1))
        assert f"embeddings_hnsw_{space.id}" in await plan("vector_search", vector, 100, 4)
        small = await tx.connection.fetchval("SELECT id FROM foliod.documents WHERE sha256 = sha256('x')")
        assert "chunk_terms_document" in await plan("keyword_within", weights, [small], 10, False)
        assert "embeddings_hnsw" not in await plan("vector_within", vector, [small], 10)
        for candidates in (await plan("candidates", [1, 2, 3]), await plan("candidates_in_space", [1, 2, 3], vector)):
            assert "chunk_terms_pkey" in candidates
            assert "chunks_pkey" in candidates
        assert "chunks_pkey" in await plan("hit_details", [1, 2, 3], 20, None, None, None, None)


GERMAN = {
    "miete.pdf": [
        ("Die Frist zur Kündigung des Mietvertrags beträgt drei Monate und ist schriftlich einzuhalten.", direction(1)),
        ("Die Kaution wird nach dem Auszug mit den Zinsen zurückgezahlt.", direction(2)),
        ("Das Haus hat einen Garten und einen Keller.", direction(3)),
    ],
}


async def test_other_forms_of_a_german_word_are_found(db):
    """Words are stemmed in the language of the documents, umlauts and all."""
    await fill(db, GERMAN, language="german")
    for asked, answer in (("Mietverträge", 0), ("Gärten von Häusern", 2), ("Kautionen und Zins", 1)):
        hits = (await retriever(db).search(asked, limit=1, mode="keyword")).hits
        assert [hit.first_page for hit in hits] == [answer + 1], asked


async def test_a_compound_in_the_question_finds_its_words_apart(db):
    """Kündigungsfristen finds the passage that speaks of the Frist zur Kündigung."""
    await fill(db, GERMAN, language="german")
    hits = (await retriever(db).search("Welche Kündigungsfristen gelten?", limit=1, mode="keyword")).hits
    assert "Frist zur Kündigung" in hits[0].text
    assert hits[0].score > 0


async def test_two_common_words_together_are_enough(db, monkeypatch):
    """Where every word of the question is too common to look all its passages up, those with two of them are found."""
    monkeypatch.setattr(question, "POSTINGS_BUDGET", 5)
    common = [(f"Sales of region {n} rose.", direction(6)) for n in range(15)]
    common += [(f"Costs of region {n} fell.", direction(6)) for n in range(15)]
    found = await fill(db, {"a.pdf": common, "b.pdf": [("Sales and costs agree.", direction(6))]})
    hits = (await retriever(db).search("sales costs", limit=1, mode="keyword")).hits
    assert [hit.document for hit in hits] == [found["b.pdf"]]


async def test_neighbours_are_shown_in_one_piece(db):
    """A passage that was cut in two is put together again, word for word, with what stands between."""
    parts = ["The pump starts when the valve is open.", "The pump stops when the valve is shut."]
    await fill(db, {"pump.pdf": [("Nothing.", direction(5)), *((text, direction(1)) for text in parts)]}, a_page=3)
    [hit] = (await retriever(db, direction(1)).search("pump valve", limit=1)).hits
    assert hit.text == "\n".join(parts)
    assert hit.start == len("Nothing.\n")


async def test_the_same_words_in_other_documents_are_named_with_the_first(db):
    """Boilerplate takes one place of the hits, which says where else it stands."""
    same = ("This report contains forward-looking statements.", direction(1))
    await fill(db, {f"{name}.pdf": [same, (f"About {name}.", direction(3))] for name in ("one", "two", "three")})
    hits = (await retriever(db, direction(1)).search("forward-looking statements", limit=10)).hits
    assert [hit.text for hit in hits].count(same[0]) == 1
    assert {copy.title for copy in hits[0].copies} | {hits[0].title} == {"one", "two", "three"}


async def test_a_narrow_filter_still_finds_its_best_hits(db):
    """A document that is far from the question among thousands of closer ones is searched to its end."""
    closer = {f"near{n}.pdf": [(f"Near {n}-{m}", direction(0)) for m in range(40)] for n in range(30)}
    found = await fill(db, closer | {"far.pdf": [("Far away", direction(7)), ("Farther", direction(0, 7))]})
    filters = Filters(document=found["far.pdf"])
    hits = (await retriever(db, direction(0)).search("nothing", limit=5, mode="vector", filters=filters)).hits
    assert [hit.text for hit in hits] == ["Farther", "Far away"]
    filters = Filters(folder="/in")
    hits = (await retriever(db, direction(7)).search("nothing", limit=2, mode="vector", filters=filters)).hits
    assert hits[0].text == "Far away"


async def test_a_heading_above_counts(db):
    """Of two passages with the same words the one under the heading that the question names comes first."""
    store, work = Store(db), backlog(db)
    document = await place(db, "guide.pdf")
    await work.claim_for_reading()
    async with store.writing_text(document, work.owner) as writer:
        for ordinal, heading in enumerate(["Winter", "Summer", "Autumn"]):
            text = f"Set the dial to {ordinal + 3}."
            part = Chunk(ordinal, ordinal + 1, ordinal + 1, 0, len(text), text, 10, f"Heating › {heading}")
            await writer.add(part, weigh(text))
        text = "In summer it rains."
        await writer.add(Chunk(3, 4, 4, 0, len(text), text, 10, None), weigh(text))
        await writer.finish(state="stored", partial=False, reason=None)
    hits = (await retriever(db).search("Where to set the dial in summer?", limit=4, mode="keyword")).hits
    assert hits[0].heading == "Heating › Summer"


async def test_filters_find_what_the_index_does_not_reach(db, dsn, monkeypatch):
    """Where the index gives up before it comes to the folder that is meant, that is searched to its end."""
    monkeypatch.setattr(among, "SMALL", 0)
    found = await fill(
        db, {"near.pdf": [("Near", direction(0))], "far.pdf": [("Far", direction(7)), ("Further", direction(6, 7))]}
    )
    async with db.transaction() as tx:
        run = tx.connection.execute
        await run(
            "INSERT INTO foliod.chunks (document_id, ordinal, first_page, last_page, start_offset, end_offset,"
            " tokens, text, text_hash) SELECT $1, i, 1, 1, 0, 1, 1, 'text', sha256(i::text::bytea)"
            " FROM generate_series(1, 3000) i", found["near.pdf"],
        )  # fmt: skip
        await run(
            "INSERT INTO foliod.embeddings (space_id, text_hash, embedding) SELECT 1, sha256(i::text::bytea),"
            " ARRAY[1, random(), random(), random(), random(), random(), 0, 0]::real[]::vector::halfvec"
            " FROM generate_series(1, 3000) i"
        )
        name = await tx.connection.fetchval("SELECT current_database()")
        # So few rows would be sorted otherwise.
        for setting in ("hnsw.max_scan_tuples = 100", "enable_sort = off", "enable_seqscan = off"):
            await run(f"ALTER DATABASE {name} SET {setting}")
    async with Database.open(dsn, pool_size=2) as again:
        filters = Filters(document=found["far.pdf"])
        hits = (await retriever(again, direction(0)).search("nothing", limit=5, mode="vector", filters=filters)).hits
        assert {hit.text for hit in hits} == {"Far", "Further"}


async def test_a_word_that_stands_elsewhere_only_finds_nothing_in_a_folder(db):
    """Within a folder nothing is found by a word that none of its documents holds, whether others hold it or not."""
    await fill(
        db, {"here.pdf": [("The canteen is open", direction(0))], "there.pdf": [("A quokka sleeps", direction(1))]}
    )
    async with db.transaction() as tx:
        await tx.connection.execute(
            "UPDATE foliod.files SET display = '/else/there.pdf' WHERE display LIKE '%there.pdf'"
        )
    for query in ("quokka", "zebra"):
        found = await retriever(db).search(query, limit=5, mode="keyword", filters=Filters(folder="/in"))
        assert found.hits == (), query


async def test_a_rare_word_elsewhere_does_not_hide_a_common_one_here(db, monkeypatch):
    """With a filter, a word that only other documents hold does not keep the others from being found."""
    monkeypatch.setattr(among, "SMALL", 0)
    monkeypatch.setattr(question, "POSTINGS_BUDGET", 3)
    found = await fill(
        db,
        {
            "other.pdf": [("Zanzibar.", direction(1))],
            "this.pdf": [(f"{('Alpha', 'Beta')[n % 2]} of day {n}.", direction(2)) for n in range(20)],
        },
    )
    filters = Filters(document=found["this.pdf"])
    assert len((await retriever(db).search("zanzibar alpha beta", limit=5, mode="keyword", filters=filters)).hits) == 5
    assert len((await retriever(db).search("zanzibar alpha", limit=5, mode="keyword")).hits) == 5


async def test_files_that_just_came_are_pending(db):
    """An answer also counts files that are still being copied into a folder, which the store does not know yet."""
    await fill(db, PETS)
    search = Retriever(db, HandMade(None), Search(), arriving=lambda _: 2)
    assert [(await search.search("cat", limit=1)).coverage.pending for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("vector", [None, direction(5)])
async def test_a_document_that_is_written_anew_while_the_model_works_is_found(db, dsn, monkeypatch, vector):
    """Words that were found in chunks that are others a moment later are found all the same: a scan while it is recognised."""
    ids = await fill(db, PETS)
    by_keyword = candidates.Candidates.by_keyword

    async def and_written(search, mode):
        await by_keyword(search, mode)
        connection = await asyncpg.connect(dsn)
        claimed = "UPDATE foliod.documents SET lease_owner = 'x', lease_until = now() + '1 min' WHERE id = $1"
        await connection.execute(claimed, ids["cats.pdf"])
        await connection.close()
        async with Store(db).writing_text(ids["cats.pdf"], "x") as writer:
            text = "The cat sleeps on the warm stove, and the stove is warm."
            await writer.add(Chunk(0, 1, 1, 0, len(text), text, 10, "Title"), weigh(text))
            await writer.finish(state="stored", partial=False, reason=None)

    monkeypatch.setattr(candidates.Candidates, "by_keyword", and_written)
    result = await retriever(db, vector).search("warm stove", limit=5)
    assert [hit.text for hit in result.hits if hit.keyword] == [
        "The cat sleeps on the warm stove, and the stove is warm."
    ]


async def test_a_document_that_leaves_while_it_is_found_breaks_no_search(db, monkeypatch):
    """A search that meets the end of a document, or its being read anew, shows it as it was when the search began."""
    ids = await fill(db, PETS)
    names = candidates.Candidates.names

    async def removed(search, tx, rows):
        await db.execute("drop_chunks", ids["cats.pdf"])
        await db.execute("drop_pages_of", [ids["cats.pdf"]])
        return await names(search, tx, rows)

    monkeypatch.setattr(candidates.Candidates, "names", removed)
    result = await retriever(db, direction(0)).search("the cat on the stove", limit=5)
    assert result.hits[0].text == "The cat sleeps on the warm stove."
    assert result.hits[0].rects is None
    monkeypatch.undo()
    result = await retriever(db, direction(0)).search("the cat on the stove", limit=5)
    assert "cats" not in {hit.title for hit in result.hits}

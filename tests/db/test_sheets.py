"""Documents are shown as they look, over a real socket, with real drawing processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from test_ingest import HOST, SAMPLES, Bench, bench
from test_store import one

import made_pdfs
from fake_ollama import FakeOllama
from foliod.base.config import Ingest, Settings
from foliod.base.telemetry import Telemetry
from foliod.ingest.original import Originals
from foliod.ingest.workers import Workers
from foliod.reading.mupdf import pymupdf
from foliod.retrieve import facsimile
from foliod.retrieve.facsimile import Facsimiles
from foliod.serve.serve import application, sites
from foliod.serve.services import Services
from foliod.serve.sockets import unix_socket
from waiting import until

PAPER = SAMPLES / "PMC7068164.pdf"
PNG = b"\x89PNG"


class Counted(Workers):
    """Drawing processes whose jobs are counted."""

    jobs = 0

    async def read(self, job):
        self.jobs += 1
        async for event in super().read(job):
            yield event


class Shown:
    """A client, and the parts behind it."""

    def __init__(self, client: aiohttp.ClientSession, parts: Bench, folder: Path, drawers: Counted) -> None:
        self.client, self.parts, self.folder, self.drawers = client, parts, folder, drawers

    async def drop(self, source: Path | bytes, name: str = "paper.pdf") -> int:
        """Put a PDF into the watched folder, and have it read."""
        path = self.folder / name
        path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        document = await self.parts.place(path)
        await self.parts.ingest.read_next()
        return document

    async def get(self, path: str, status: int = 200, **headers: str) -> aiohttp.ClientResponse:
        answer = await self.client.get(path, headers=headers)
        await answer.read()
        assert answer.status == status, await answer.text()
        return answer

    async def refused(self, path: str, status: int) -> str:
        error = (await (await self.get(path, status)).json())["error"]
        return f"{error['code']}: {error['message']}"


@asynccontextmanager
async def showing(db, base: Path, **ingest):
    folder = base / "in"
    folder.mkdir()
    config = Settings(ingest=Ingest(**ingest), watch=[{"path": folder}])
    async with (
        FakeOllama() as ollama,
        bench(db, ollama, config=config) as parts,
        Counted(1, urgent=True) as drawers,
    ):
        originals = Originals(db, HOST, parts.changed.append)
        facsimiles = Facsimiles(db, originals, parts.passwords, drawers, config.ingest)
        services = Services(config, Telemetry(), None, db, facsimiles=facsimiles)
        with unix_socket(base / "s") as listener:
            async with sites(application(lambda: services), [listener]):
                connector = aiohttp.UnixConnector(str(base / "s"))
                async with aiohttp.ClientSession("http://foliod", connector=connector) as client:
                    yield Shown(client, parts, folder, drawers)


def yellow(png: bytes) -> int:
    data = pymupdf.Pixmap(png).samples
    return sum(red == 255 and blue < 128 for red, blue in zip(data[0::3], data[2::3], strict=True))


# --- pictures ---------------------------------------------------------------------------


async def test_a_page_is_shown_with_its_passage(db, short_dir):
    """A hit's passage is marked on the picture of its page, which is drawn once and then known to the client."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        chunk = await one(db, "SELECT id FROM foliod.chunks WHERE first_page = 3 AND last_page = 3 LIMIT 1")
        url = f"/v1/documents/{document}/pages/3.png?chunk={chunk}&dpi=50"
        answer = await shown.get(url)
        picture = await answer.read()
        assert picture.startswith(PNG)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"].startswith("private")
        assert int(answer.headers["X-Marked"]) >= 1
        assert yellow(picture) > 1000
        plain = await shown.get(f"/v1/documents/{document}/pages/3.png?dpi=50")
        assert yellow(await plain.read()) == 0
        assert plain.headers["ETag"] != answer.headers["ETag"]
        assert shown.drawers.jobs == 2
        assert await (await shown.get(url)).read() == picture
        await shown.get(url, 304, **{"If-None-Match": answer.headers["ETag"]})
        assert shown.drawers.jobs == 2


async def test_a_passage_that_crosses_pages_is_marked_on_both(db, short_dir):
    """The page on which a passage begins and the one on which it ends both show their part of it."""
    async with showing(db, short_dir, chunk_tokens=64, overlap_tokens=0) as shown:
        document = await shown.drop(made_pdfs.many_pages(4))
        row = await one(db, "SELECT array[id, first_page, last_page] FROM foliod.chunks WHERE last_page > first_page")
        chunk, first, last = row
        for page in (first, last):
            answer = await shown.get(f"/v1/documents/{document}/pages/{page}.png?chunk={chunk}&dpi=36")
            assert answer.headers["X-Marked"] == "1"
            assert yellow(await answer.read()) > 100


async def test_a_hit_of_several_passages_is_shown_on_all_of_its_pages(db, short_dir):
    """Each page that a hit names is drawn: by its `start` and `end` marked, by its best passage where that stands."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        rows = await one(
            db, "SELECT json_agg(json_build_array(id, start_offset, end_offset) ORDER BY id) FROM foliod.chunks"
        )
        (best, start, _), *_, (_, _, end) = json.loads(rows)
        page = f"/v1/documents/{document}/pages/"
        marked = await shown.get(f"{page}3.png?start={start}&end={end}&dpi=36")
        assert int(marked.headers["X-Marked"]) >= 1
        plain = await shown.get(f"{page}3.png?chunk={best}&dpi=36")
        assert (plain.headers["X-Marked"], yellow(await plain.read())) == ("0", 0)


async def test_the_exact_words_of_a_quote_are_marked(db, short_dir):
    """`start` and `end` mark less than a passage does."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        url = f"/v1/documents/{document}/pages/1.png?dpi=50"
        words = yellow(await (await shown.get(f"{url}&start=10&end=20")).read())
        assert 0 < words < yellow(await (await shown.get(f"{url}&start=10&end=600")).read())


@pytest.mark.parametrize("end", [2_000_000_000, 2**31 - 1])
async def test_an_end_far_behind_the_text_marks_what_there_is(db, short_dir, end):
    """Whoever asks for all of a long text gets the page, and only that one is looked at for it."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(made_pdfs.many_pages(4))
        fetched = []
        fetch = db.fetch

        async def watched(name, *args):
            rows = await fetch(name, *args)
            fetched.extend(row["number"] for row in rows if name == "span_boxes")
            return rows

        db.fetch = watched
        answer = await shown.get(f"/v1/documents/{document}/pages/2.png?start=0&end={end}&dpi=36")
        assert answer.headers["X-Marked"] == "1"
        assert fetched == [2]
        answer = await shown.get(f"/v1/documents/{document}/pages/3.png?start=0&end=5&dpi=36")
        assert (answer.headers["X-Marked"], fetched) == ("0", [2])


async def test_where_it_is_not_known_the_page_is_shown_without_a_mark(db, short_dir):
    """A page that an older foliod read is shown, and that nothing is marked is said."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        await one(db, "UPDATE foliod.pages SET boxes = NULL")
        answer = await shown.get(f"/v1/documents/{document}/pages/1.png?start=10&end=20&dpi=36")
        assert answer.headers["X-Marked"] == "unknown"


async def test_what_can_not_be_shown_is_said(db, short_dir):
    """Unknown documents, pages and passages, and what makes no sense, are told apart."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        other = await shown.drop(made_pdfs.many_pages(2), "other.pdf")
        foreign = await one(db, "SELECT min(id) FROM foliod.chunks WHERE document_id = $1", other)
        page = f"/v1/documents/{document}/pages/"
        assert "there is no document 999" in await shown.refused("/v1/documents/999/pages/1.png", 404)
        assert "there is no document 999" in await shown.refused("/v1/documents/999/file", 404)
        assert "pages 1 to 3; there is no page 4" in await shown.refused(f"{page}4.png", 404)
        assert "there is no page 0" in await shown.refused(f"{page}0.png", 404)
        assert "no passage" in await shown.refused(f"{page}1.png?chunk={foreign}", 404)
        assert "no passage" in await shown.refused(f"{page}1.png?chunk=99999", 404)
        for bad in (
            "dpi=35",
            "dpi=301",
            "dpi=x",
            "dp=90",
            "start=5",
            "start=5&end=5",
            "chunk=1&start=1&end=2",
            "chunk=0",
        ):
            assert (await shown.refused(f"{page}1.png?{bad}", 400)).startswith("bad_request")
        assert shown.drawers.jobs == 0
        await one(db, "UPDATE foliod.documents SET page_count = NULL WHERE id = $1", other)
        assert "has not been read" in await shown.refused(f"/v1/documents/{other}/pages/1.png", 409)
        await one(db, "UPDATE foliod.documents SET page_count = 9 WHERE id = $1", document)
        assert "not_drawn" in await shown.refused(f"{page}9.png", 422)
        await one(
            db, "UPDATE foliod.documents SET state = 'not_pdf', reason = 'it is a letter' WHERE id = $1", document
        )
        assert "is no PDF" in await shown.refused(f"/v1/documents/{document}/file", 409)


async def test_a_page_that_hangs_is_given_up_and_the_next_one_is_shown(db, short_dir, monkeypatch):
    """A hostile page ends its process and nothing else."""
    monkeypatch.setattr(facsimile, "DRAW_SECONDS", 1.0)
    async with showing(db, short_dir) as shown:
        document = await shown.drop(made_pdfs.many_pages(2))
        path = shown.folder / "hostile.pdf"
        path.write_bytes(made_pdfs.endless_page())
        hostile = await shown.parts.place(path)
        await one(db, "UPDATE foliod.documents SET page_count = 2 WHERE id = $1", hostile)
        told = await shown.refused(f"/v1/documents/{hostile}/pages/2.png?dpi=36", 500)
        assert told.startswith(("worker_timeout", "worker_died"))
        assert "hostile.pdf" in told
        await shown.get(f"/v1/documents/{document}/pages/1.png?dpi=36")


async def test_a_locked_document_is_drawn_with_its_password(db, short_dir):
    """The password that opened a document to be read opens it to be shown."""
    keys = short_dir / "keys"
    keys.write_text("wrong\nsesame\n")
    async with showing(db, short_dir, passwords_file=keys) as shown:
        document = await shown.drop(made_pdfs.locked(PAPER.read_bytes(), "sesame"))
        assert await shown.parts.state() == "stored"
        await shown.get(f"/v1/documents/{document}/pages/1.png?dpi=36")
        keys.write_text("")
        assert "password" in await shown.refused(f"/v1/documents/{document}/pages/2.png?dpi=36", 422)


async def test_pictures_are_kept_within_bounds(db, short_dir, monkeypatch):
    """However many pages are looked at, the pictures that are kept take no more room than allowed."""
    monkeypatch.setattr(facsimile, "CACHE_BYTES", 100_000)
    async with showing(db, short_dir) as shown:
        document = await shown.drop(made_pdfs.many_pages(12))
        sizes = [
            len(await (await shown.get(f"/v1/documents/{document}/pages/{page}.png")).read()) for page in range(1, 13)
        ]
        assert sum(sizes) > 100_000
        await shown.get(f"/v1/documents/{document}/pages/12.png")
        assert shown.drawers.jobs == 12
        await shown.get(f"/v1/documents/{document}/pages/1.png")
        assert shown.drawers.jobs == 13


# --- the file ---------------------------------------------------------------------------


async def test_the_file_is_what_was_read(db, short_dir):
    """A client gets the PDF itself, to be shown and not saved, under its name."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER, 'Grüße "2024"\u202e;x.pdf')
        answer = await shown.get(f"/v1/documents/{document}/file")
        assert await answer.read() == PAPER.read_bytes()
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == (
            "inline; filename=\"Grue _2024_;x.pdf\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20_2024_%3Bx.pdf"
        )
        assert await one(db, "SELECT encode(sha256, 'hex') FROM foliod.documents") == answer.headers["ETag"].strip('"')
        await shown.get(f"/v1/documents/{document}/file", 304, **{"If-None-Match": answer.headers["ETag"]})
        head = await shown.client.head(f"/v1/documents/{document}/file")
        assert (head.status, int(head.headers["Content-Length"])) == (200, PAPER.stat().st_size)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=1000-", 206, slice(1000, None)),
        ("bytes=10-99999999", 206, slice(10, None)),
        ("bytes=0-99999999", 206, slice(0, None)),
        ("bytes=0-", 206, slice(0, None)),
        ("bytes=-99999999", 206, slice(0, None)),
        ("bytes=99999999-", 416, None),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
async def test_a_viewer_may_ask_for_parts(db, short_dir, asked, status, part):
    """Ranges are served as viewers ask for them; what makes no sense is the whole file, or told."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        whole = PAPER.read_bytes()
        answer = await shown.get(f"/v1/documents/{document}/file", status, Range=asked)
        if part is None:
            assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
            return
        assert await answer.read() == whole[part]
        if status == 206:
            start, stop, _ = part.indices(len(whole))
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
        changed = {"Range": "bytes=0-9", "If-Range": '"of another version"'}
        assert await (await shown.get(f"/v1/documents/{document}/file", 200, **changed)).read() == whole


async def test_a_file_that_is_gone_or_changed_is_not_served(db, short_dir):
    """Nobody gets other bytes than those that were read: the file is looked at, each time."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        path = shown.folder / "paper.pdf"
        urls = [f"/v1/documents/{document}/file", f"/v1/documents/{document}/pages/1.png?dpi=36"]
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"X")
        for url in urls:
            told = await shown.refused(url, 409)
            assert told.startswith("file_changed")
            assert str(path) in told
        assert os.fsencode(path) in shown.parts.changed
        path.unlink()
        for url in urls:
            assert (await shown.refused(url, 410)).startswith("file_gone")
        # The same bytes with another time, as after a copy, are the same file.
        path.write_bytes(content)
        for url in urls:
            await shown.get(url)
        shutil.rmtree(shown.folder)
        assert "can't be opened" in await shown.refused(urls[0], 410)
        await one(db, "UPDATE foliod.files SET gone_at = now()")
        assert "no file of this document is left in a folder that is watched" in await shown.refused(urls[0], 410)


async def test_a_picture_that_is_kept_is_shown_no_longer_than_its_file(db, short_dir):
    """When the file is gone, or lies in no folder that the client may read, what was drawn of it is not shown either."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        url = f"/v1/documents/{document}/pages/1.png?dpi=36"
        await shown.get(url)
        await shown.get(url)
        assert shown.drawers.jobs == 1
        away = short_dir / "away.pdf"
        (shown.folder / "paper.pdf").rename(away)
        assert (await shown.refused(url, 410)).startswith("file_gone")
        away.rename(shown.folder / "paper.pdf")
        await shown.get(url)
        assert shown.drawers.jobs == 1


async def test_nothing_outside_of_the_watched_folders_is_opened(db, short_dir):
    """A folder that is watched no more is not served from, though the store still knows its files."""
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        outside = short_dir / "elsewhere.pdf"
        shutil.copy(PAPER, outside)
        await one(db, "UPDATE foliod.files SET path = convert_to($1, 'UTF8'), display = $1", str(outside))
        for url in (f"/v1/documents/{document}/file", f"/v1/documents/{document}/pages/1.png"):
            assert "is left in a folder that is watched here" in await shown.refused(url, 410)


async def test_what_becomes_a_link_out_is_not_served(db, short_dir):
    """A file, or a folder, that is replaced by a link after it was read opens no way out, even to the very same bytes."""
    async with showing(db, short_dir) as shown:
        (shown.folder / "sub").mkdir()
        document = await shown.drop(PAPER, "sub/paper.pdf")
        urls = [f"/v1/documents/{document}/file", f"/v1/documents/{document}/pages/1.png?dpi=36"]
        for url in urls:
            await shown.get(url)
        outside = short_dir / "outside"
        (shown.folder / "sub").rename(outside)
        (shown.folder / "sub").symlink_to(outside)
        for url in (urls[0], urls[1].replace("36", "37")):
            told = await shown.refused(url, 410)
            assert told.startswith("file_gone")
            assert str(outside) not in told
        (shown.folder / "sub").unlink()
        (shown.folder / "sub").mkdir()
        (shown.folder / "sub/paper.pdf").symlink_to(outside / "paper.pdf")
        await shown.refused(urls[0], 410)
        (shown.folder / "sub/paper.pdf").unlink()
        (outside / "paper.pdf").rename(shown.folder / "other.pdf")
        (shown.folder / "sub/paper.pdf").symlink_to(shown.folder / "other.pdf")
        await shown.get(urls[0])


async def test_a_file_that_changes_while_it_is_sent_is_cut_off(db, short_dir, monkeypatch):
    """A client never takes a mixture of two versions for the file."""
    from foliod.serve import sheets

    monkeypatch.setattr(sheets, "PIECE_BYTES", 10_000)
    async with showing(db, short_dir) as shown:
        document = await shown.drop(PAPER)
        path = shown.folder / "paper.pdf"
        read = Originals.read

        async def changing(self, original, offset, count):
            if offset == 10_000:
                with path.open("r+b") as file:
                    file.seek(50_000)
                    file.write(b"other")
            return await read(self, original, offset, count)

        monkeypatch.setattr(Originals, "read", changing)
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
            await (await shown.client.get(f"/v1/documents/{document}/file")).read()


async def test_who_takes_nothing_of_a_file_does_not_keep_it_open(db, short_dir, monkeypatch):
    """A client that asks for a file and never reads is cut off, and the file is closed; one that reads slowly gets it all."""
    from foliod.serve import sheets

    monkeypatch.setattr(sheets, "STALL_SECONDS", 3.0)
    async with showing(db, short_dir) as shown:
        content = PAPER.read_bytes() + b"\n%" + b"x" * 8_000_000 + b"\n%%EOF\n"
        document = await shown.drop(content, "large.pdf")

        def held() -> int:
            links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
            return sum(str(link.readlink()).endswith("large.pdf") for link in links if link.is_symlink())

        reader, writer = await asyncio.open_unix_connection(str(short_dir / "s"), limit=1024)
        writer.transport.pause_reading()
        writer.write(f"GET /v1/documents/{document}/file HTTP/1.1\r\nHost: foliod\r\n\r\n".encode())
        await until(held)
        await until(lambda: not held())
        writer.transport.abort()
        del reader
        answer = await shown.client.get(f"/v1/documents/{document}/file")
        taken = bytearray()
        async for part in answer.content.iter_chunked(1_000_000):
            taken += part
            # Together longer than one may stall.
            await asyncio.sleep(0.4)
        assert taken == content

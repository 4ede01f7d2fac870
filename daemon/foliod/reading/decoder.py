"""Makes events of the messages of a reading process, which may have been taken over.

Whatever arrives is checked for type, range and size; what does not fit ends the process that sent it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from foliod.base import boxes
from foliod.base.model import Chunk, DocumentFacts, DocumentState, Heading, Page, ReadSummary, Terms, Verdict
from foliod.reading import strict, wire
from foliod.reading.strict import MalformedError, demand

if TYPE_CHECKING:
    from collections.abc import Mapping


class Decoder:
    """Makes events of message bodies, keeping the pieces of long texts until they are whole.

    Args:
        max_chars: of one page or chunk.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._texts: list[str] = []
        self._chars = 0
        self._headings: list[Heading] = []
        self._boxes = b""
        self._png = bytearray()
        self._ids: list[int] = []
        self._weights: list[float] = []
        self._passwords: list[str] = []

    def decode(self, body: bytes) -> wire.Event | None:
        """Return the event that this body completes, or None when more pieces follow.

        Raises:
            MalformedError: the body is not what a reader or the daemon sends.
        """
        try:
            fields = json.loads(body, parse_constant=_no_constant)
            demand(isinstance(fields, dict), "a message")
            return self._event(fields)
        except MalformedError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            msg = f"a message does not fit ({type(error).__name__})"
            raise MalformedError(msg) from None

    def _event(self, fields: dict[str, Any]) -> wire.Event | None:
        match fields.get("kind"):
            case "text" if fields["text"]:
                self._take_text(fields)
                return None
            case "headings" if fields["headings"]:
                self._take_headings(fields)
                return None
            case "boxes" if not self._boxes:
                self._boxes = _bytes(fields, "boxes")
                return None
            case "png":
                self._take_png(fields)
                return None
            case "terms" if fields["ids"]:
                self._take_terms(fields)
                return None
            case "passwords" if fields["passwords"]:
                self._take_passwords(fields)
                return None
            case "page":
                return self._page(fields)
            case "chunk":
                return self._chunk(fields)
            case "picture":
                return self._picture(fields)
        waiting = self._texts or self._ids or self._headings or self._boxes or self._png
        demand(not waiting, "the order of messages")
        match fields.get("kind"):
            case "facts":
                return DocumentFacts(
                    pages=strict.whole(fields, "pages", 1, wire.MAX_PAGES),
                    title=strict.optional(fields, "title"),
                    author=strict.optional(fields, "author"),
                    created=strict.date(fields, "created"),
                    modified=strict.date(fields, "modified"),
                )
            case "summary":
                return ReadSummary(
                    pages=strict.whole(fields, "pages", 0, wire.MAX_PAGES),
                    partial=strict.optional(fields, "partial"),
                    extractor=strict.text(fields, "extractor", 200),
                    language=strict.text(fields, "language", 40),
                )
            case "refused":
                return wire.Refused(
                    DocumentState(strict.text(fields, "state", 40)), strict.text(fields, "reason", strict.MAX_CHARS)
                )
            case "ready":
                return wire.Ready(strict.text(fields, "confinement", 200), strict.text(fields, "version", 200))
            case "job":
                passwords, self._passwords = tuple(self._passwords), []
                return _job(fields, passwords)
        msg = "a message of unknown kind does not fit"
        raise MalformedError(msg)

    def _take_text(self, fields: Mapping[str, Any]) -> None:
        text = strict.text(fields, "text", self._max_chars - self._chars)
        self._texts.append(text)
        self._chars += len(text)

    def _take_png(self, fields: Mapping[str, Any]) -> None:
        self._png += _bytes(fields, "png")
        demand(len(self._png) <= wire.MAX_PICTURE_BYTES, "the size of the picture")

    def _picture(self, fields: Mapping[str, Any]) -> wire.Picture:
        self._take_png(fields)
        png, self._png = bytes(self._png), bytearray()
        # What a client takes for a picture is one, as far as can be seen without reading it.
        demand(png.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") and png.endswith(b"IEND\xaeB`\x82"), "the picture")
        return wire.Picture(png)

    def _take_terms(self, fields: Mapping[str, Any]) -> None:
        ids, weights = fields["ids"], fields["weights"]
        demand(isinstance(ids, list) and isinstance(weights, list) and len(ids) == len(weights), "terms")
        if not ids:
            return
        # In C, since there are a great many.
        demand({*map(type, ids)} == {int} and min(ids) > 0 and max(ids) < 1_000_000_000, "ids")
        demand({*map(type, weights)} <= {int, float} and min(weights) >= 0 and max(weights) < 1e6, "weights")
        demand(len(self._ids) + len(ids) <= self._max_chars, "the number of terms")
        self._ids += ids
        self._weights += map(float, weights)

    def _take_headings(self, fields: Mapping[str, Any]) -> None:
        demand(isinstance(fields["headings"], list), "headings")
        for offset, level, heading in fields["headings"]:
            self._headings.append(
                Heading(
                    strict.whole({"offset": offset}, "offset", 0, self._max_chars),
                    strict.whole({"level": level}, "level", 1, 99),
                    strict.text({"heading": heading}, "heading", strict.MAX_CHARS),
                )
            )
        demand(len(self._headings) <= wire.MAX_HEADINGS, "the number of headings")

    def _take_passwords(self, fields: Mapping[str, Any]) -> None:
        demand(isinstance(fields["passwords"], list), "passwords")
        for password in fields["passwords"]:
            self._passwords.append(strict.text({"password": password}, "password", wire.LONGEST_PASSWORD))
        demand(len(self._passwords) <= wire.MAX_PASSWORDS, "the number of passwords")

    def _whole_text(self, fields: Mapping[str, Any]) -> str:
        self._take_text(fields)
        text = "".join(self._texts)
        self._texts, self._chars = [], 0
        return text

    def _page(self, fields: Mapping[str, Any]) -> Page:
        text = self._whole_text(fields)
        headings = tuple(self._headings)
        self._headings = []
        demand(all(heading.offset <= len(text) for heading in headings), "headings")
        drawn, self._boxes = self._boxes, b""
        demand(boxes.fit(drawn, len(text)), "boxes")
        return Page(
            number=strict.whole(fields, "number", 1, wire.MAX_PAGES),
            verdict=Verdict(strict.text(fields, "verdict", 40)),
            text=text,
            width=strict.length(fields, "width"),
            height=strict.length(fields, "height"),
            rotation=strict.whole(fields, "rotation", 0, 359),
            headings=headings,
            trouble=strict.optional(fields, "trouble"),
            boxes=drawn,
        )

    def _chunk(self, fields: Mapping[str, Any]) -> tuple[Chunk, Terms]:
        text = self._whole_text(fields)
        self._take_terms(fields)
        first, start = (
            strict.whole(fields, "first", 1, wire.MAX_PAGES),
            strict.whole(fields, "start", 0, 2 * wire.DOCUMENT_CHARS),
        )
        chunk = Chunk(
            ordinal=strict.whole(fields, "ordinal", 0, wire.DOCUMENT_CHARS),
            first_page=first,
            last_page=strict.whole(fields, "last", first, wire.MAX_PAGES),
            start=start,
            end=start + len(text),
            text=text,
            tokens=strict.whole(fields, "tokens", 1, 10_000_000),
            heading=strict.optional(fields, "heading"),
        )
        demand(bool(text) and fields["end"] == chunk.end, "end")
        terms = Terms(
            tuple(self._ids), tuple(self._weights), strict.whole(fields, "length", len(self._ids), 100_000_000)
        )
        demand(len(set(terms.ids)) == len(terms.ids), "ids")
        self._ids, self._weights = [], []
        return chunk, terms


def _job(fields: Mapping[str, Any], passwords: tuple[str, ...]) -> wire.Job:
    limits = fields["limits"]
    ocr = None
    if fields["ocr"] is not None:
        page, languages, tessdata = fields["ocr"]
        ocr = wire.Ocr(
            strict.whole({"page": page}, "page", 1, wire.MAX_PAGES),
            strict.text({"languages": languages}, "languages", 1000),
            strict.text({"tessdata": tessdata}, "tessdata", 5000),
        )
    draw = None
    if fields["draw"] is not None:
        page, dpi, rects = fields["draw"]
        demand(isinstance(rects, list) and len(rects) <= wire.MAX_RECTS, "rects")
        draw = wire.Draw(
            strict.whole({"page": page}, "page", 1, wire.MAX_PAGES),
            strict.whole({"dpi": dpi}, "dpi", 1, 10_000),
            tuple([_rect(edges) for edges in rects]),
        )
    return wire.Job(
        name=strict.text(fields, "name", 100_000),
        stored=strict.whole(fields, "stored", 0, wire.MAX_PAGES),
        limits=wire.ReadLimits(
            **{
                name: strict.whole(limits, name, 0, 1 << 40)
                for name in wire.ReadLimits.__slots__
                if not name.endswith("seconds")
            },
            page_seconds=strict.number(limits, "page_seconds", 0, 1e9),
            document_seconds=strict.number(limits, "document_seconds", 0, 1e9),
        ),
        passwords=passwords,
        ocr=ocr,
        draw=draw,
    )


def _rect(edges: object) -> tuple[float, float, float, float]:
    demand(isinstance(edges, list) and len(edges) == 4, "rects")
    assert isinstance(edges, list)
    x0, y0, x1, y1 = (strict.number({"rects": edge}, "rects", -1e7, 1e7) for edge in edges)
    return x0, y0, x1, y1


def _bytes(fields: Mapping[str, Any], name: str) -> bytes:
    return base64.b64decode(strict.text(fields, name, wire.MAX_FRAME), validate=True)


def _no_constant(name: str) -> None:
    demand(False, name)

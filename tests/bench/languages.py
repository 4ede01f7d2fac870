"""Writes German and Chinese papers with questions, also English ones about them, to measure search in other languages.

    python tests/bench/languages.py OUT

OUT gets `pdfs/`, and `questions.json` for tests/bench/retrieval.py, of the kinds german, chinese and
cross (asked in English). Every text is read back from its PDF and compared, and every answer is
looked up on its page, before the questions are written.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import unicodedata
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import chinese
import german
from paper import A5, HELVETICA, TIMES, Paper, Style

from foliod.reading.mupdf import pymupdf

SONG = {"text": "china-s", "bold": "china-s", "italic": "china-s"}
# Small sheets, so that a text of two thousand signs has several pages.
LOOKS = {
    "german": (
        Style(fonts=TIMES, size=13, leading=1.5, paper=A5, margin=60, justified=True),
        Style(fonts=HELVETICA, size=12.5, leading=1.5, paper=A5, margin=58, footer="Seite {page}"),
    ),
    "chinese": (Style(fonts=SONG, size=15, leading=1.7, paper=A5, margin=56, spaceless=True),),
}


def write(text: str, style: Style) -> Paper:
    """Set a text: `#` begins the title, `##` a heading, an empty line a paragraph."""
    paper = Paper(style)
    for block in text.strip().split("\n"):
        if block.startswith("## "):
            paper.heading(block[3:], style.size + 1, level=2)
        elif block.startswith("# "):
            paper.heading(block[2:], style.size + 5)
        elif block:
            paper.paragraph(block)
    return paper


def flat(text: str) -> str:
    """A text without marks and white space, which lines and pages change."""
    return "".join(unicodedata.normalize("NFC", text).replace("#", "").split())


def pages(path: Path) -> list[str]:
    """The texts of a PDF's pages, without the numbers at their feet."""
    with pymupdf.open(path) as pdf:
        return [
            flat(page.get_text(clip=pymupdf.Rect(page.rect.x0, page.rect.y0, page.rect.x1, page.rect.y1 - 54)))
            for page in pdf
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    args = parser.parse_args()
    shutil.rmtree(args.out / "pdfs", ignore_errors=True)
    found: list[dict[str, object]] = []
    for language, source in (("german", german), ("chinese", chinese)):
        texts: dict[str, list[str]] = {}
        for number, (name, text) in enumerate(source.DOCUMENTS.items()):
            path = args.out / "pdfs" / name
            looks = LOOKS[language]
            write(text, looks[number % len(looks)]).save(path)
            texts[name] = pages(path)
            assert "".join(texts[name]) == flat(text), f"{name}: what comes out of the PDF is not what went in"
        for kind, asked in ((language, source.QUESTIONS), ("cross", source.CROSS)):
            for name, question, answer in asked:
                right = [page for page, shown in enumerate(texts[name], start=1) if flat(answer) in shown]
                # An answer that a page's end cuts stands on both pages.
                right = right or [
                    page
                    for before in range(len(texts[name]) - 1)
                    if flat(answer) in texts[name][before] + texts[name][before + 1]
                    for page in (before + 1, before + 2)
                ]
                assert right, f"{name}: {answer!r} is on no page"
                found.append(
                    {
                        "document": name,
                        "question": question,
                        "answer": answer,
                        "pages": right,
                        "kind": kind,
                        "id": len(found) + 1,
                    }
                )
    (args.out / "questions.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    count = len(list((args.out / "pdfs").rglob("*.pdf")))
    print(f"{count} documents, {len(found)} questions: {dict(Counter(str(question['kind']) for question in found))}")


if __name__ == "__main__":
    main()

"""Writes a set of near-identical long documents with questions, to measure whether the right one is found.

    python tests/bench/series.py OUT

OUT gets `pdfs/`, and `questions.json` for tests/bench/retrieval.py: annual reports of fourteen
invented companies over four years each, handbooks of five machines in four versions, and short
papers in between. No company or machine is in both splits: tune on `tune`, and look at `unseen`
when all is decided. The same texts come out on every run; every answer is looked up again in the
PDF before the questions are written.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import manuals
from filings.asker import Asker
from filings.companies import COMPANIES, Company, chance
from filings.events import LATER, events
from filings.filing import Filing
from memos import memos
from paper import Paper

from foliod.reading.mupdf import pymupdf

Question = dict[str, object]


def reports(folder: Path) -> list[Question]:
    """Write all annual reports; return their questions."""
    out: list[Question] = []
    for company in COMPANIES:
        asker = Asker(company)
        for year in company.years:
            first = Filing(company, year).write()
            paper = Filing(company, year, {title: page for _, title, page in first.outline}).write()
            name = company.file.format(year=year, yy=year % 100)
            paper.save(
                folder / name,
                title=title(company, year),
                author=company.legal if company.titles == "good" else "",
                outline=company.labels == 2,
            )
            asked = asker.ask(year, events(company, year), chance(company, year, "later").choice(LATER))
            out += questions(folder, name, paper, asked, company.split)
    return out


def title(company: Company, year: int) -> str:
    """The title in the PDF's metadata: a good one, junk, or none."""
    if company.titles == "junk":
        return chance(company, year, "title").choice(
            ["Microsoft Word - final_v3.doc", "Document1", "untitled", "10k_draft7.indd"]
        )
    return f"{company.legal} Annual Report {year}" if company.titles == "good" else ""


def handbooks(folder: Path) -> list[Question]:
    """Write all versions of all handbooks; return their questions."""
    out: list[Question] = []
    for product in manuals.PRODUCTS:
        for index, version in enumerate(product.versions):
            paper, asked = manuals.write(product, index)
            name = product.file.format(v=version)
            paper.save(folder / name, title=product.title, outline=True)
            out += questions(folder, name, paper, asked, product.split)
    return out


def questions(
    folder: Path, name: str, paper: Paper, asked: list[tuple[str, str, tuple[str, ...]]], split: str
) -> list[Question]:
    """Return the questions about one document with the pages on which all their facts stand."""
    with pymupdf.open(folder / name) as pdf:
        texts = {page.number + 1: " ".join(page.get_text().split()) for page in pdf}
    out: list[Question] = []
    for kind, question, keys in asked:
        # A page that gives the ratio itself is right too.
        itself = next((paper.facts.get(key[3:], {}) for key in keys if key.startswith("or ")), {})
        shown = [paper.facts[key] | itself for key in keys if not key.startswith("or ")]
        pages = sorted(set.intersection(*map(set, shown)))
        words = [sorted(set(fact.values())) for fact in shown]
        assert pages, f"{name}: no page shows all of {keys}"
        for page in pages:
            for fact in shown:
                assert stands(fact[page], texts[page]), f"{name}: {fact[page]} is not on page {page}"
        if len(keys) == 1:
            missed = {
                p for p, text in texts.items() for w in words[0] if len(w) > 5 and p not in pages and stands(w, text)
            }
            assert not missed, f"{name}: {words[0]} of {keys} stands on pages {sorted(missed)} too, not only on {pages}"
        answer = "; ".join(" = ".join(w) for w in words)
        out.append(
            {"document": name, "question": question, "answer": answer, "pages": pages, "split": split, "kind": kind}
        )
    return out


def stands(words: str, text: str) -> bool:
    """Whether the words stand in a text, not as a part of a longer figure."""
    return re.search(rf"(?<![\d.,]){re.escape(words)}(?!\d|[.,]\d)", text) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    args = parser.parse_args()
    folder = args.out / "pdfs"
    shutil.rmtree(folder, ignore_errors=True)
    found = reports(folder) + handbooks(folder)
    papers = memos(36)
    for name, paper in papers:
        assert not (folder / name).exists(), name
        paper.save(folder / name)
    twice = [text for text, n in Counter(str(q["question"]) for q in found).items() if n > 1]
    assert not twice, f"asked of more than one document: {twice}"
    for number, question in enumerate(found, start=1):
        question["id"] = number
    (args.out / "questions.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    documents = len(list(folder.rglob("*.pdf")))
    print(f"{documents} documents, {len(found)} questions: {dict(Counter((q['split'], q['kind']) for q in found))}")


if __name__ == "__main__":
    main()

"""How good answers without a model are, and how well it is noticed that the documents do not hold the answer.

    python tests/bench/quotes.py PDFS QUESTIONS [--ollama URL] [--embed-model all-minilm] [--half held|tuning|both]

PDFS and QUESTIONS are those of `retrieval.py`, each question with its `answer`. A quote is right when it holds 70 % of
the known answer's words. For the second part each question is asked again of what was found in other documents.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from support import PASSAGES, arguments, as_hit, collected

from foliod.answer.pool import Pool, Sentence
from foliod.answer.quotes import DOUBTFUL, choose, evidence
from foliod.base.model import Hit
from foliod.text.lexical import inverse_document_frequency

ENOUGH = 0.7


def right(answer: str, sentence: Sentence, pool: Pool) -> bool:
    wanted = set(pool.tokenize(answer))
    return len(wanted & sentence.terms) >= ENOUGH * len(wanted)


class Corpus:
    """How rare terms are among all passages that were found for any question."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        texts = {found["chunk"]: found["text"] for entry in entries for found in entry["hits"]}
        pool = Pool([])
        self.counts = Counter(term for text in texts.values() for term in set(pool.tokenize(text)))
        self.total = len(texts)

    def doubtful(self, question: str, passages: list[Hit], pool: Pool) -> bool:
        terms = set(pool.tokenize(question))
        idf = {term: inverse_document_frequency(self.total, self.counts[term]) for term in terms}
        return not choose(question, passages, pool) or evidence(passages, pool, idf) < DOUBTFUL


def main() -> None:
    entries = [entry for entry in collected(arguments(__doc__)) if Pool([]).tokenize(entry["answer"])]
    measure(entries)


def measure(entries: list[dict[str, Any]]) -> None:
    """Print the figures."""
    corpus = Corpus(entries)
    first = any_ = possible = quotes = 0
    answered, elsewhere = [], []
    for entry in entries:
        passages = [as_hit(found) for found in entry["hits"][:PASSAGES]]
        pool = Pool(passages)
        chosen = choose(entry["question"], passages, pool)
        good = [right(entry["answer"], sentence, pool) for sentence in chosen]
        quotes += len(chosen)
        first += good[:1] == [True]
        any_ += any(good)
        possible += any(right(entry["answer"], sentence, pool) for sentence in pool.sentences)
        if any(good):
            answered.append(corpus.doubtful(entry["question"], passages, pool))
        others = [as_hit(found) for found in entry["hits"] if found["file"] != entry["document"]][:PASSAGES]
        pool = Pool(others)
        if others and not any(right(entry["answer"], sentence, pool) for sentence in pool.sentences):
            elsewhere.append(corpus.doubtful(entry["question"], others, pool))
    n = len(entries)
    print(f"{n} questions, {quotes / n:.1f} quotes each")
    print(
        f"right: first quote {first / n:.3f}, one of the quotes {any_ / n:.3f}, any sentence of the passages {possible / n:.3f}"
    )
    print(
        f"'probably do not answer': {share(elsewhere):.3f} of those without the right document, {share(answered):.3f} of those answered"
    )


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags) if flags else math.nan


if __name__ == "__main__":
    main()

"""Whether the passages say what a sentence of the answer says: by words, numbers, names and negation, without a model.

A sentence is compared with the passages that it cites (with all of them when it cites none), sentence by sentence.
A number, a unit, a month that stands in none of them settles it: the sentence is not supported. Else a weighted sum
of what `MEASURES` names decides: how much of its words (by rarity) the nearest sentence holds, with its neighbours
and with the whole passage; whether its numbers and names stand there among the same words; whether both deny, and
take the same side of pairs such as "higher" and "lower". The weights are a logistic regression on statements made
by rule from half of the articles of covidqa and on some written by hand (`tests/bench/support.py` gives the figures for
the other half, and for others by hand); a denial was given some more weight, so that a bare "not" is always seen.

What words can't show is not seen: a conclusion that needs two steps is listed as unsupported, and two names of one
passage that are exchanged may not be. An answer in another language than its passages is judged by numbers and names alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from foliod.answer.clauses import clauses, opposes, together
from foliod.answer.facts import Number, names, numbers, word_numbers
from foliod.text.language import spoken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from foliod.answer.clauses import Clause
    from foliod.answer.pool import Pool
    from foliod.base.model import Hit

STEM = 5
"""Terms that begin with so many equal letters are akin: "infected" and "infectious"."""
AKIN = 0.7
"""What an akin term counts."""
ASKED = 0.5
"""What a term counts that stands in the question: the answer repeats it, whatever it says."""
NEAR_BEST = 0.85
"""A sentence with this share of the best one's words may speak for the statement just as well."""
VERBATIM = 0.75
"""With this share of its words in one sentence, a statement repeats it: its numbers and names must stand there too."""
COVERED = 0.6
"""Share of a clause's words that another clause must hold before it is said to contradict it."""

MEASURES = (
    "bias", "nearest sentence", "with its neighbours", "whole passage", "number elsewhere",
    "number there", "name missing", "name elsewhere", "rare word denied", "denied", "opposite", "new words", "length",
)  # fmt: skip
WEIGHTS = (-1.35, 1.9, 1.8, 1.3, -0.6, 0.4, -4.4, -0.6, -1.1, -3.6, -4.4, -0.55, -1.1)
SUPPORTED = 0.4
"""From this probability on a statement is taken to be supported."""


class Verdict(NamedTuple):
    """How likely a statement is supported, 0 to 1, and what speaks against it."""

    score: float
    why: str

    @property
    def supported(self) -> bool:
        """Whether it need not be listed."""
        return self.score >= SUPPORTED


class _Scope(NamedTuple):
    """What some of the passages hold together, `text` in lower case; `about` are the terms of their titles and headings."""

    text: str
    table: dict[str, set[str]]
    about: frozenset[str]


class Evidence:
    """The passages of an answer (from 1), ready to be compared with what it says."""

    def __init__(self, passages: Sequence[Hit], pool: Pool, question: str = "") -> None:
        self._pool = pool
        self._said = pool.sentences
        self._about = {n: f"{hit.title}\n{hit.heading or ''}" for n, hit in enumerate(passages, start=1)}
        self._scopes: dict[frozenset[int], _Scope] = {}
        self._clauses: dict[int, list[Clause]] = {}
        self._where: dict[str, set[int]] = defaultdict(set)
        for at, said in enumerate(self._said):
            for term in said.terms:
                self._where[term].add(at)
        self._akin: dict[str, list[str]] = defaultdict(list)
        for term in self._where:
            if len(term) >= STEM and term.isalpha():
                self._akin[term[:STEM]].append(term)
        self._asked = frozenset(pool.tokenize(question))
        self._asked_names = names(question)
        self._languages = {n: spoken(hit.text) for n, hit in enumerate(passages, start=1)}

    def judge(self, statement: str, cited: Collection[int] = ()) -> Verdict:
        """Return whether the passages `cited`, or any of them when none is, say what `statement` says."""
        scope = frozenset(cited) or frozenset(self._about)
        table = self._scope(scope).table
        stated = numbers(statement)
        if missing := [number.text for number in stated if not any(form in table for form in number.forms)]:
            return Verdict(0.0, f"{', '.join(dict.fromkeys(missing))}: not in {_listed(cited)}")
        if other := [
            number.text
            for number in stated
            if number.unit and (units := _units(table, number)) and number.unit not in units
        ]:
            return Verdict(0.0, f"{', '.join(dict.fromkeys(other))}: with another unit in {_listed(cited)}")
        language = spoken(statement)
        if language and not {language, None} & {self._languages[n] for n in scope}:
            absent = sorted(
                name for name in names(statement, language) - self._asked_names if not _within(name, self._text(scope))
            )
            return Verdict(0.0 if absent else 1.0, f"{', '.join(absent)}: not in {_listed(cited)}")
        measured = self.measure(statement, scope, stated)
        score = 1 / (1 + math.exp(-sum(w * m for w, m in zip(WEIGHTS, measured, strict=True))))
        return Verdict(score, _why(measured, cited))

    def measure(self, statement: str, scope: frozenset[int], stated: Sequence[Number]) -> tuple[float, ...]:
        """Return the values of `MEASURES` for a statement."""
        order = self._pool.tokenize(statement)
        terms = list(dict.fromkeys(order))
        like = {term: self._like(term) for term in terms}
        weight = {
            term: max(map(self._pool.rarity, like[term] or (term,))) * (ASKED if term in self._asked else 1)
            for term in terms
        }
        total = sum(weight.values()) or 1.0
        held: dict[int, dict[str, float]] = defaultdict(dict)
        for term in terms:
            for other, credit in like[term].items():
                for at in self._where[other]:
                    if self._said[at].n in scope:
                        held[at][term] = max(held[at].get(term, 0.0), credit)

        def covered(terms: dict[str, float]) -> float:
            return sum(weight[term] * credit for term, credit in terms.items()) / total

        about = self._scope(scope).about
        anywhere = _most([*held.values(), dict.fromkeys((t for t in terms if t in about), 1.0)])
        ranked = sorted(held, key=lambda at: (-covered(held[at]), at))
        window = self._window(ranked[0]) if ranked else []
        near = " ".join(self._said[at].text for at in window)
        folded = near.casefold()
        whole = self._text(scope)
        nearest = covered(held[ranked[0]]) if ranked else 0.0
        in_window = _table(near)
        far = [n for n in stated if not any(form in in_window for form in n.forms)]
        said_names = names(statement, spoken(statement))
        missing = {name for name in said_names - self._asked_names if not _within(name, whole)}
        elsewhere = {name for name in said_names - missing if not _within(name, folded)}
        alike = [at for at in ranked if covered(held[at]) >= NEAR_BEST * nearest]
        against = [self._against(statement, like, weight, at) for at in alike]
        return (
            1.0,
            nearest,
            covered(_most(held[at] for at in window)),
            covered(anywhere),
            min(len(far), 2) if nearest >= VERBATIM else 0,
            min(len(stated) - len(far), 2),
            min(len(missing), 2),
            min(len(elsewhere), 2) if nearest >= VERBATIM else 0,
            float(self._rare_denied(statement, like, weight, scope)),
            float(min((denied for denied, _ in against), default=0) > 0),
            float(min((opposed for _, opposed in against), default=0) > 0),
            sum(term not in anywhere for term in terms) / max(len(terms), 1),
            min(len(terms), 30) / 20,
        )

    def _text(self, scope: frozenset[int]) -> str:
        return self._scope(scope).text

    def _scope(self, scope: frozenset[int]) -> _Scope:
        if scope not in self._scopes:
            text = "\n".join([s.text for s in self._said if s.n in scope] + [self._about[n] for n in sorted(scope)])
            about = "\n".join(self._about[n] for n in scope)
            self._scopes[scope] = _Scope(text.casefold(), _table(text), frozenset(self._pool.tokenize(about)))
        return self._scopes[scope]

    def _like(self, term: str) -> dict[str, float]:
        """Return the passages' terms that a term may stand for, each with what it counts."""
        found = dict.fromkeys(self._akin.get(term[:STEM], ()) if len(term) >= STEM else (), AKIN)
        if term in self._where:
            found[term] = 1.0
        return found

    def _window(self, at: int) -> list[int]:
        """Return a sentence and its neighbours in the same passage."""
        n = self._said[at].n
        return [i for i in range(max(at - 1, 0), min(at + 2, len(self._said))) if self._said[i].n == n]

    def _against(
        self, statement: str, like: dict[str, dict[str, float]], weight: dict[str, float], at: int
    ) -> tuple[int, int]:
        """Return how many clauses of a statement are denied by those of a sentence, and how many take the other side."""
        denied = opposed = 0
        own, theirs = clauses(self._pool, statement), self._clauses_of(at)
        for clause in own:
            total = sum(weight.get(term, 0.0) for term in clause.terms)
            if total == 0:
                continue

            def share(other: Clause, clause: Clause = clause, total: float = total) -> float:
                return (
                    sum(weight.get(t, 0.0) for t in clause.terms if not other.terms.isdisjoint(like.get(t, ()))) / total
                )

            best = max(theirs, key=share, default=None)
            if best is not None and share(best) >= COVERED:
                denied += clause.denies != best.denies and clause.sides.keys().isdisjoint(best.sides)
                opposed += opposes(clause.sides, best.sides)
        # A statement that repeats most of a sentence, cut into clauses in another way.
        alike = {other for others in like.values() for other in others}
        echoed = [c for c in theirs if 2 * len(c.terms & alike) >= len(c.terms)]
        whole = together(echoed)
        if sum(
            weight[t] for t, others in like.items() if any(not c.terms.isdisjoint(others) for c in echoed)
        ) >= VERBATIM * sum(weight.values()):
            if together(own).keys().isdisjoint(whole):
                denied += sum(c.denies for c in own) % 2 != sum(c.denies for c in echoed) % 2
            opposed += any(opposes(c.sides, whole) for c in own)
        opposed += opposes(together(own), together(theirs))
        return denied, opposed

    def _rare_denied(
        self, statement: str, like: dict[str, dict[str, float]], weight: dict[str, float], scope: frozenset[int]
    ) -> bool:
        """Whether all clauses that hold the rarest word of a statement's clause deny where it does not, or the other way."""
        for clause in clauses(self._pool, statement):
            known = [t for t in clause.terms if like.get(t) and t not in self._asked]
            if not known:
                continue
            rarest = max(known, key=lambda t: (weight.get(t, 0.0), t))
            holding = [
                c
                for at in self._holding(like[rarest], scope)
                for c in self._clauses_of(at)
                if not c.terms.isdisjoint(like[rarest])
            ]
            if holding and all(c.denies != clause.denies for c in holding):
                return True
        return False

    def _holding(self, terms: Iterable[str], scope: frozenset[int]) -> list[int]:
        return sorted({at for term in terms for at in self._where[term] if self._said[at].n in scope})

    def _clauses_of(self, at: int) -> list[Clause]:
        if at not in self._clauses:
            self._clauses[at] = clauses(self._pool, self._said[at].text)
        return self._clauses[at]


def _most(held: Iterable[dict[str, float]]) -> dict[str, float]:
    most: dict[str, float] = {}
    for terms in held:
        for term, credit in terms.items():
            most[term] = max(most.get(term, 0.0), credit)
    return most


def _table(text: str) -> dict[str, set[str]]:
    """Return the numbers of a text with the units that each stands with."""
    table: dict[str, set[str]] = defaultdict(set)
    for number in numbers(text):
        for form in number.forms:
            table[form].update({number.unit} - {""})
    for form in word_numbers(text):
        table[form].update(())
    return table


def _units(table: dict[str, set[str]], number: Number) -> set[str]:
    return {unit for form in number.forms for unit in table.get(form, ())}


def _within(name: str, folded: str) -> bool:
    """Whether a word of a text in lower case begins with a name."""
    at = folded.find(name)
    while at > 0 and (folded[at - 1].isalnum() or folded[at - 1] == "_"):
        at = folded.find(name, at + 1)
    return at >= 0


def _listed(cited: Collection[int]) -> str:
    return "".join(f"[{n}]" for n in cited) or "the passages"


def _why(measured: Sequence[float], cited: Collection[int]) -> str:
    """Return what speaks most against a statement, for people."""
    value = dict(zip(MEASURES, measured, strict=True))
    if value["denied"]:
        return f"{_listed(cited)} says the contrary, as it seems"
    if value["opposite"]:
        return f"{_listed(cited)} says the opposite, as it seems"
    if value["name missing"]:
        return f"it names what {_listed(cited)} does not"
    return f"{_listed(cited)} does not say it in these words"

"""How well `unsupported` tells what the passages say from what they do not.

    python tests/bench/support.py PDFS QUESTIONS [--ollama URL] [--embed-model all-minilm] [--half held|tuning|both]

PDFS and QUESTIONS are those of `retrieval.py`, each question with its `answer`. The real daemon reads the folder and
brings the passages. Statements are made from them by rule, true ones and false ones, each judged as the sentence of an
answer that cites the passage it was made from. Half of the documents were used for tuning (`half`), the other half not.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from retrieval import ingest
from statements import LATER, UNSEEN, WRITTEN

from foliod.answer.pool import Pool
from foliod.answer.support import Evidence
from foliod.base.model import Hit
from foliod.text.lexical import tokenize
from foliod.text.sentences import sentences
from live import Daemon, running

PASSAGES = 8
FOUND = 40
"""Hits that are fetched for a question: beyond the passages, to take false statements from."""
HARD = frozenset({"exchanged"})
"""Two names or numbers of one sentence exchanged: what no method by words can see; reported, and not counted."""
PROSE = re.compile(r"^[A-Z][^\n|]*[a-z)%][.]$")


@dataclass(frozen=True)
class Case:
    """A statement, what is true of it, and what it is judged against."""

    kind: str
    true: bool
    text: str
    question: str
    passages: list[Hit]
    cited: tuple[int, ...]


def half(document: str) -> str:
    """Documents used for tuning, and those held back."""
    return "tuning" if zlib.crc32(document.encode()) % 2 else "held"


def asked(daemon: Daemon, questions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the questions with what is found for each."""
    found = []
    with daemon.client() as client:
        for question in questions:
            hits = client.post("/v1/search", json={"query": question["question"], "limit": FOUND}).json()["hits"]
            for hit in hits:
                hit |= {
                    "doc": hit["document"]["id"],
                    "title": hit["document"]["title"],
                    "file": Path(hit["document"]["paths"][0]).name,
                }
            found.append({**question, "hits": hits})
    return found


def arguments(doc: str | None) -> argparse.Namespace:
    """What both benchmarks of answers take."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--ollama", help="address of an Ollama; without it passages are found by keyword only")
    parser.add_argument("--embed-model", default="all-minilm")
    parser.add_argument("--half", choices=["held", "tuning", "both"], default="held")
    return parser.parse_args()


def collected(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Have the daemon read the folder; return the questions of the wanted half with what is found for them."""
    questions = [q for q in json.loads(args.questions.read_text()) if args.half in ("both", half(q["document"]))]
    config = f'\n[ollama]\nurl = "{args.ollama or "http://127.0.0.1:9"}"\nembed_model = "{args.embed_model}"\n'
    documents = sum(1 for path in args.pdfs.rglob("*") if path.suffix.lower() == ".pdf")
    with running(config, inbox=args.pdfs.resolve()) as daemon:
        ingest(daemon, documents, vectors=bool(args.ollama))
        return asked(daemon, questions)


def as_hit(found: dict[str, Any]) -> Hit:
    return Hit(
        rank=found["rank"], score=found["score"], keyword=found["scores"]["keyword"], vector=found["scores"]["vector"],
        title_score=None, chunk=found["chunk"], document=found["doc"], sha256="", title=found["title"], paths=(),
        first_page=found["pages"][0], last_page=found["pages"][1], heading=found["heading"], text=found["text"], start=0,
    )  # fmt: skip


def prose(text: str) -> list[str]:
    """The sentences of a passage that are whole and say something."""
    found = []
    for start, end in sentences(text):
        sentence = " ".join(text[start:end].split())
        if 60 <= len(sentence) <= 320 and PROSE.match(sentence) and len(set(tokenize(sentence))) >= 7:
            found.append(sentence)
    return found


# --- true statements: the passage's sentence in other words ------------------------------

SYNONYMS = {
    "shows": "demonstrates", "showed": "demonstrated", "shown": "demonstrated", "found": "observed", "causes": "leads to",
    "caused": "triggered", "caused by": "due to", "use": "employ", "used": "employed", "using": "with the help of",
    "important": "essential", "major": "main", "include": "comprise", "includes": "comprises", "including": "such as",
    "such as": "for example", "suggest": "indicate", "suggests": "indicates", "patients": "people affected", "several": "a number of",
    "many": "numerous", "however": "but", "because": "since", "also": "in addition", "rapidly": "quickly", "occurs": "takes place",
    "occur": "take place", "obtained": "gained", "performed": "carried out", "required": "needed", "requires": "needs",
    "approximately": "about", "due to": "because of", "individuals": "people", "children": "kids", "large": "big",
    "investigated": "studied", "reported": "described", "developed": "created", "help": "support", "may": "can",
    "although": "while", "whereas": "while", "identified": "discovered", "associated with": "linked to", "role": "part",
    "infection with": "infection by", "treatment": "therapy", "study": "investigation", "disease": "illness", "main": "chief",
}  # fmt: skip
LEAD = re.compile(
    r"^(?:However|Moreover|Furthermore|In addition|Additionally|Therefore|Thus|Indeed|Interestingly|In contrast|In this study|Recently|For example|Similarly|Finally|Importantly|In particular|Notably|Consequently|Taken together|Overall|In conclusion|Here),? "
)
PASSIVE = re.compile(r"^(?P<a>[A-Z][^,;]{3,60}?) (?P<be>was|were|is|are) (?P<verb>\w+ed) by (?P<b>[^,;.]{3,80})\.$")
ACTIVE = re.compile(
    r"^(?P<a>(?:The |A |An )?[\w -]{3,40}?) (?P<verb>inhibited|induced|increased|reduced|caused|activated|confirmed|described|reported|detected|blocked|enhanced|isolated) (?P<b>[^,;.]{5,90})\.$"
)


def paraphrases(sentence: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """The same in other words, by rule."""
    plain = re.sub(r"\s*[\[(]\d[\d, –-]*[\])]", "", sentence)
    if (short := re.sub(r"\s*\([^()]{3,80}\)", "", LEAD.sub("", plain))) != plain:
        yield "dropped", short[0].upper() + short[1:]
    if (
        cut := re.sub(
            r", (?:which|who|whose|where|including|such as|suggesting|indicating) [^,.;]{8,140}(?=[,.;])", "", plain
        )
    ) != plain:
        yield "dropped", cut
    synonyms = plain
    for word, other in SYNONYMS.items():
        synonyms = re.sub(rf"\b{word}\b", other, synonyms)
    if synonyms != plain:
        yield "synonyms", synonyms
    parts = plain[:-1].split(", ")
    if len(parts) == 2 and min(map(len, parts)) > 25:
        yield "order", f"{parts[1][0].upper()}{parts[1][1:]}, {parts[0][0].lower()}{parts[0][1:]}."
    if found := PASSIVE.match(plain):
        yield (
            "voice",
            f"{found['b'][0].upper()}{found['b'][1:]} {found['verb']} {found['a'][0].lower()}{found['a'][1:]}.",
        )
    if found := ACTIVE.match(plain):
        yield (
            "voice",
            f"{found['b'][0].upper()}{found['b'][1:]} were {found['verb']} by {found['a'][0].lower()}{found['a'][1:]}.",
        )
    both = LEAD.sub("", synonyms)
    words = both[:-1].split(" ")
    if len(words) > 14:
        frame = rng.choice(["The documents say that {}.", "It is reported that {}.", "According to the study, {}."])
        yield "framed", frame.format(both[0].lower() + both[1:-1] if both[1:2].islower() else both[:-1])


def declared(question: str, answer: str) -> str | None:
    """Question and answer as one statement; None where no rule fits."""
    q = " ".join(question.strip().rstrip("?").split())
    a = " ".join(answer.strip().rstrip(".").split())
    if len(a.split()) > 14 or not q:
        return None
    if m := re.match(r"^(?:What|Which) (is|are|was|were) (the .+|.+)$", q, re.IGNORECASE):
        return f"{m[2][0].upper()}{m[2][1:]} {m[1]} {a}."
    if m := re.match(r"^When (was|were|did) (.+?) (\w+(?:ed|en|d|t|first)\b.*)$", q, re.IGNORECASE):
        return f"{m[2][0].upper()}{m[2][1:]} {m[1] if m[1] != 'did' else ''} {m[3]} {a}.".replace("  ", " ")
    if m := re.match(r"^(?:What|Which|Who|How many|How much)(?: of the)? (.+)$", q, re.IGNORECASE):
        rest = m[1]
        verb = re.search(
            r"\b(causes?|is|are|was|were|has|have|can|plays?|increases?|led|leads?|died|infects?|caused)\b", rest
        )
        if (
            verb
            and q.lower().startswith(("what", "which"))
            and verb.start() < 40
            and not re.search(r"\b(do|does|did)\b", rest)
        ):
            return f"{a[0].upper()}{a[1:]} {rest[verb.start() :]}."
    return None


# --- false statements --------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.-])\d{1,3}(?:,\d{3})+|(?<![\w.-])\d+(?:\.\d+)?(?![\w.-]*\w)")
NAME = re.compile(r"(?<=[a-z,] )(?:[A-Z][A-Za-z]*[A-Z0-9][\w-]*|[A-Z][a-z]{3,}(?: [A-Z][a-z]{3,})*)(?=[ ,.;])")
OPPOSITES = [
    ("increased", "decreased"), ("increase", "decrease"), ("higher", "lower"), ("high", "low"), ("more", "less"),
    ("before", "after"), ("positive", "negative"), ("male", "female"), ("early", "late"), ("enhanced", "reduced"),
    ("activated", "inhibited"), ("most", "few"), ("largest", "smallest"), ("upper", "lower"), ("presence", "absence"),
    ("able", "unable"), ("effective", "ineffective"), ("common", "rare"), ("acute", "chronic"), ("increases", "reduces"),
]  # fmt: skip


def spoilt(sentence: str, names: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """The same with one thing made wrong."""
    plain = re.sub(r"\s*[\[(]\d[\d, –-]*[\])]", "", sentence)
    if numbers := list(NUMBER.finditer(plain)):
        number = rng.choice(numbers)
        old = number[0]
        new = str(int(float(old.replace(",", "")) * rng.choice([2, 3, 0.5]) + rng.choice([1, 7])))
        if "." in old:
            new = f"{float(old) * 1.7 + 0.3:.1f}"
        if old.isdigit() and len(old) == 4 and old[:2] in ("19", "20"):
            new = str(int(old) + rng.choice([-3, -1, 1, 2, 5]))
        yield "number", plain[: number.start()] + new + plain[number.end() :]
        values = list(dict.fromkeys(number[0] for number in numbers))
        if len(values) > 1:
            one, other = rng.sample(values, 2)
            swap = {one: other, other: one}
            yield "exchanged", NUMBER.sub(lambda m: swap.get(m[0], m[0]), plain)
    if found := list(NAME.finditer(plain)):
        name = rng.choice(found)
        inside = list(dict.fromkeys(m[0] for m in found))
        if len(inside) > 1 and not any(a in b for a in inside for b in inside if a != b):
            one, other = rng.sample(inside, 2)
            change = {one: other, other: one}
            yield "exchanged", NAME.sub(lambda m: change.get(m[0], m[0]), plain)
        if others := [other for other in names if other not in plain and other.lower() != name[0].lower()]:
            yield "name", plain[: name.start()] + rng.choice(others) + plain[name.end() :]
    if m := re.search(
        r"\b(?:does not|do not|did not|is not|are not|was not|were not|can not|cannot|no longer)\b", plain
    ):
        yield (
            "negated",
            plain[: m.start()]
            + {
                "does not": "does",
                "do not": "do",
                "did not": "did",
                "cannot": "can",
                "can not": "can",
                "no longer": "still",
            }.get(m[0], m[0].split()[0])
            + plain[m.end() :],
        )
    elif m := re.search(r"\b(is|are|was|were|can|may|has been|have been|will|could)\b", plain):
        yield "negated", f"{plain[: m.end()]} not{plain[m.end() :]}"
    for a, b in OPPOSITES:
        for one, other in ((a, b), (b, a)):
            if re.search(rf"\b{one}\b", plain):
                yield "opposite", re.sub(rf"\b{one}\b", other, plain, count=1)
                return


# --- all of them -------------------------------------------------------------------------


def cases(entries: list[dict[str, Any]], *, seed: int = 1) -> list[Case]:
    """Make the statements from questions and what was found for them."""
    rng = random.Random(seed)
    out: list[Case] = []
    by_document: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        by_document[entry["document"]].append(entry)
    everything = [s for entry in entries for found in entry["hits"][:3] for s in prose(found["text"])]
    for entry in entries:
        passages = [as_hit(found) for found in entry["hits"][:PASSAGES]]
        question, answer = entry["question"], " ".join(entry["answer"].split())
        wanted = set(tokenize(answer))
        right = [
            n for n, (found, hit) in enumerate(zip(entry["hits"], passages, strict=False), start=1)
            if found["file"] == entry["document"] and hit.first_page <= max(entry["pages"]) and hit.last_page >= min(entry["pages"])
            and wanted and len(wanted & set(tokenize(hit.text))) >= 0.9 * len(wanted)
        ]  # fmt: skip
        if not right:
            continue
        n = right[0]

        def add(kind: str, true: bool, text: str, cited: Iterable[int] = (n,), question: str = question) -> None:
            out.append(Case(kind, true, text, question, passages, tuple(cited)))  # noqa: B023

        own = prose(passages[n - 1].text)
        others = [
            s for found in entry["hits"][PASSAGES:] if found["file"] != entry["document"] for s in prose(found["text"])
        ]
        names = sorted({m[0] for found in entry["hits"][:20] for m in NAME.finditer(" ".join(found["text"].split()))})
        if len(wanted) >= 5 and len(answer) > 40 and answer[-1:].isalnum() and len(answer) < 300:
            add("answer", True, answer + ".")
        statement = declared(question, answer)
        if statement:
            add("declared", True, statement)
            wrong = [e for e in by_document[entry["document"]] if e["question"] != question]
            rng.shuffle(wrong)
            for other in wrong:
                theirs = set(tokenize(other["answer"]))
                said = declared(question, other["answer"])
                if (
                    said
                    and theirs
                    and not theirs & (wanted | set(tokenize(question)))
                    and len(theirs & set(tokenize(passages[n - 1].text))) < 0.5 * len(theirs)
                ):
                    add("wrong answer", False, said)
                    break
        for sentence in rng.sample(own, min(1, len(own))):
            add("verbatim", True, sentence)
            for kind, text in paraphrases(sentence, rng):
                add(kind, True, text)
            for kind, text in spoilt(sentence, names, rng):
                add(kind, False, text)
        for text in rng.sample(others, min(1, len(others))):
            add("same subject", False, text)
        for text in rng.sample(everything, 1):
            if not any(text[:60] in " ".join(hit.text.split()) for hit in passages):
                add("elsewhere", False, text)
    return out


def judge(made: Iterable[Case]) -> tuple[list[tuple[Case, bool]], float, float]:
    """Return the cases with whether each is listed as unsupported, and what it took: ms a statement, ms for the passages."""
    listed, took, read = [], [], []
    evidence, of = None, None
    for case in made:
        if case.passages is not of:
            started = time.perf_counter()
            evidence, of = Evidence(case.passages, Pool(case.passages), case.question), case.passages
            read.append(time.perf_counter() - started)
        started = time.perf_counter()
        listed.append((case, not evidence.judge(case.text, case.cited).supported))
        took.append(time.perf_counter() - started)
    return listed, statistics.mean(took) * 1000, statistics.mean(read) * 1000


def written(made: Sequence[tuple[str, list[str], list[str]]]) -> list[Case]:
    """Statements written by hand, each citing its passage among all of them."""
    passages = [
        Hit(1, 1.0, None, None, None, n, n, "", "Document", (), 1, 1, None, text, 0)
        for n, (text, _, _) in enumerate(made)
    ]
    return [
        Case("by hand", true, statement, "", passages, (n,))
        for n, (_, good, bad) in enumerate(made, start=1)
        for true, statements in ((True, good), (False, bad))
        for statement in statements
    ]


def report(name: str, listed: list[tuple[Case, bool]]) -> None:
    """Print precision, recall and false alarms, and the share that is listed of each kind."""
    counted = [(case.true, flag) for case, flag in listed if case.kind not in HARD]
    right = sum(flag for true, flag in counted if not true)
    flagged, false = sum(flag for _, flag in counted), sum(not true for true, _ in counted)
    alarms = sum(flag for true, flag in counted if true) / sum(true for true, _ in counted)
    print(
        f"{name}: precision {right / flagged:.3f}, recall {right / false:.3f}, false alarms {alarms:.3f}, {len(counted)} statements"
    )
    kinds: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    for case, flag in listed:
        kinds[case.true, case.kind].append(flag)
    for (true, kind), flags in sorted(kinds.items()):
        print(f"    {'true ' if true else 'false'} {kind:14} {len(flags):5}   listed {sum(flags) / len(flags):.3f}")


def main() -> None:
    listed, took, read = judge(cases(collected(arguments(__doc__))))
    report("made by rule", listed)
    report("written by hand, used for tuning", judge(written(WRITTEN + LATER))[0])
    report("written by hand, never used", judge(written(UNSEEN))[0])
    print(f"{took:.2f} ms a statement, {read:.1f} ms to read {PASSAGES} passages")


if __name__ == "__main__":
    main()

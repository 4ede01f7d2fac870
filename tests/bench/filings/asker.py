"""What analysts ask about a report, in other words than the report has."""

from __future__ import annotations

from filings.accounts import accounts, segment_sales
from filings.companies import Company, chance
from filings.events import events as known
from filings.labels import ASKED, RATIOS

PROSE = {
    "employees": ("What was the headcount of {c} at the end of {y}?", "How many people worked for {c} {in_y}?"),
    "unions": ("Which part of the staff of {c} was unionised {in_y}?",),
    "area": ("How much room do {c}'s plants and warehouses take up in sq ft ({y})?",),
    "backlog": ("How large was {c}'s order book at the end of {y}?",),
    "customer": ("What portion of {c}'s business came from its biggest client {in_y}?",),
    "holders": ("How many registered owners of shares did {c} have {in_y}?",),
    "plan": ("What capex guidance for the next year did {c} give in its {y} annual report?",),
    "authorization": ("How much buyback capacity did {c} still have at the end of {y}?",),
    "undrawn": ("How much headroom did {c} have on its revolver at the end of {y}?",),
    "sensitivity": ("What would a rise of interest rates by 100 basis points have cost {c} ({y})?",),
    "patents": ("How large was {c}'s patent portfolio {in_y}?",),
    "accidents": ("What injury rate did {c} report {in_y}?",),
    "punctual": ("How reliable were {c}'s deliveries {in_y}: what share was on time?",),
    "novelty": ("Which new product did {c} launch {in_y}?",),
    "carbon": ("By how much had {c} cut CO2 by {y}?",),
    "green": ("What share of green power did {c} buy {in_y}?",),
    "leverage_limit": ("Which debt/EBITDA covenant did the lenders of {c} set, according to its {y} annual report?",),
    "pay": ("What did the CEO of {c} earn {in_y}?",),
    "closed": ("Which plant did {c} shut down {in_y}?",),
    "cut": ("How many jobs were cut when {c} closed a plant {in_y}?",),
}
NOTE = {
    "lease_term": ("How long do {c}'s rental contracts still run on average, as of {y}?",),
    "lease_rate": ("Which interest rate did {c} use to discount rental contracts {in_y}?",),
    "pension_rate": ("What rate did {c} use to value its pension liabilities {in_y}?",),
    "pension_contribution": ("How much will {c} pay into its pension schemes after {y}?",),
    "exercise": ("What is the average strike of {c}'s employee options at the end of {y}?",),
    "unearned": ("What expense for unvested equity awards was still to come at {c} at the end of {y}?",),
    "uncertain": ("How big were {c}'s uncertain tax positions at the end of {y}?",),
    "environment": ("What had {c} set aside for polluted land by the end of {y}?",),
    "settlement": ("What did {c} pay to end the lawsuit by {plaintiff}?",),
    "price": ("How much did {c} pay for {target}?", "What was the purchase price of {target}, bought by {c}?"),
    "later": ("{later} ({c}, after the close of {y})",),
    "notes_rate": ("What coupon do {c}'s bonds carry according to the {y} report?",),
    "forwards": ("What volume of currency hedges did {c} have at the end of {y}?",),
    "debt_value": ("What was the market value of {c}'s fixed-rate bonds at the end of {y}?",),
    "fee": ("What did {c} pay its auditors for the audit {in_y}?",),
    "pbo.": ("How large were {c}'s gross pension liabilities at the end of {y}?",),
    "plan assets.": ("What were {c}'s pension funds' holdings worth at the end of {y}?",),
    "allowance.": ("How much of its deferred tax assets did {c} write off as not realizable, as of {y}?",),
    "warranty.": ("How much did {c} hold in reserve for guarantee claims at the end of {y}?",),
    "stock2.": ("How much of {c}'s stock was ready for sale at the end of {y}?",),
    "stock1.": ("What was the value of half-finished goods at {c} at the end of {y}?",),
    "lease payments": ("What do all future rents of {c} add up to as of {y}, before discounting?",),
    "revenue q4": ("How much did {c} sell in Q4 of {y}?",),
    "net q2": ("What was {c}'s second-quarter profit in {y}?",),
    "region0.": ("How much did {c} sell domestically {in_y}?",),
    "region2.": ("What did {c} sell in Asia {in_y}?",),
}  # fmt: skip
LATER = (
    ("sell its plant", "What will the sale of a factory bring?"),
    ("issued notes", "How much did the bond placement raise?"),
    ("storm", "How much harm did the storm do?"),
    ("distribution center", "What will the new logistics site cost?"),
)


class Asker:
    """Chooses the questions of one company, so that its four years are asked about different and about equal things."""

    def __init__(self, company: Company) -> None:
        self.c = company
        self.r = chance(company, "questions")
        self.left: dict[str, list] = {}

    def choose(self, kind: str, pool: list) -> object:
        """The next of a pool in a random order that does not repeat before all had their turn."""
        if not self.left.get(kind):
            self.left[kind] = self.r.sample(pool, len(pool))
        return self.left[kind].pop()

    def phrase(self, texts: tuple[str, ...], year: int, **more: str) -> str:
        y = self.r.choice([f"FY{year}", f"fiscal {year}", f"{year}", f"fiscal year {year}", f"FY {year}"])
        in_y = self.r.choice(
            [
                f"in {year}",
                f"in FY{year}",
                f"in fiscal {year}",
                f"for {year}",
                f"in its {year} annual report",
                f"in the {year} fiscal year",
            ]
        )
        return self.r.choice(texts).format(c=self.r.choice(self.c.said), y=y, in_y=in_y, **more)

    def ask(self, year: int, events: dict[str, str], later: str) -> list[tuple[str, str, tuple[str, ...]]]:
        """The questions about one report: kind, question, and the facts that a right page must show."""
        out = []
        for _ in range(2):
            name = self.choose("statement", list(ASKED))
            out.append(("statement", self.phrase(ASKED[name], year), (f"{name}.{year}",)))
        name = self.choose("prose", list(PROSE))
        out.append(("prose", self.phrase(PROSE[name], year), (name,)))
        name = self.choose("note", list(NOTE))
        more = {
            "plaintiff": events["plaintiff"],
            "target": events["target"],
            "later": dict(LATER)[next(k for k, _ in LATER if k in later)],
        }
        question = self.phrase(NOTE[name], year, **more)
        if name == "price" and [known(self.c, y)["target"] for y in self.c.years].count(events["target"]) > 1:
            question = f"{question[:-1]} in {year}?"
        out.append(("note", question, (f"{name}{year}" if name.endswith(".") else name,)))
        if year % 2 or self.r.random() < 0.4:
            ratio = self.choose("ratio", list(RATIOS))
            names, texts = RATIOS[ratio]
            out.append(("ratio", self.phrase(texts, year), (*(f"{n}.{year}" for n in names), f"or {ratio}")))
        out.append(self.reason(year))
        if year % 2 == 0:
            out.append(self.part(year))
        return out

    def reason(self, year: int) -> tuple[str, str, tuple[str, ...]]:
        c = self.c
        what = self.choose("reason", [*range(len(c.segments)), "margin", "sga"])
        if what == "margin":
            return (
                "reason",
                self.phrase(
                    (
                        "What affected the gross margin of {c} {in_y}?",
                        "What was behind the gross margin of {c} {in_y}?",
                    ),
                    year,
                ),
                ("why margin",),
            )
        if what == "sga":
            up = accounts(c, year)["sga"] > accounts(c, year - 1)["sga"]
            word = "higher" if up else "lower"
            return (
                "reason",
                self.phrase(
                    (
                        f"Why was overhead {word} at {{c}} {{in_y}}?",
                        f"What made the SG&A of {{c}} {'go up' if up else 'go down'} {{in_y}}?",
                    ),
                    year,
                ),
                ("why sga",),
            )
        up = segment_sales(c, what, year) > segment_sales(c, what, year - 1)
        name = c.segments[what].name
        words = ("grow", "the rise") if up else ("shrink", "the fall")
        return (
            "reason",
            self.phrase(
                (
                    f"Why did {name} {words[0]} at {{c}} {{in_y}}?",
                    f"What explains {words[1]} of {name} turnover at {{c}} {{in_y}}?",
                ),
                year,
            ),
            (f"why segment{what}",),
        )

    def part(self, year: int) -> tuple[str, str, tuple[str, ...]]:
        n = self.choose("part", list(range(len(self.c.segments))))
        name = self.c.segments[n].name
        if self.r.random() < 0.5:
            return (
                "statement",
                self.phrase(
                    (
                        f"How much did {{c}}'s {name} business earn {{in_y}}?",
                        f"Profit contribution of {name} at {{c}} {{in_y}}?",
                    ),
                    year,
                ),
                (f"profit{n}.{year}",),
            )
        return (
            "statement",
            self.phrase(
                (
                    f"What did {{c}} take in with {name} {{in_y}}?",
                    f"How big was {{c}}'s {name} business {{in_y}}, in sales?",
                ),
                year,
            ),
            (f"segment{n}.{year}",),
        )

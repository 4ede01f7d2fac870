"""The last pages: subsidiaries, exhibits, signatures."""

from __future__ import annotations

from filings.boilerplate import EXHIBITS
from filings.companies import chance
from filings.events import TARGETS
from filings.words import Words
from paper import Row


class Ending(Words):
    """Writes them."""

    def closing(self) -> None:
        p = self.p
        p.new_page()
        p.heading("Subsidiary undertakings" if self.uk else "Exhibit 21 - Subsidiaries", 12)
        self.say(
            "The following companies are wholly owned, unless another share is given, and are included in the consolidation."
        )
        r = chance(self.c, "subsidiaries")
        names = r.sample(TARGETS, 14)
        p.table(
            ["Seat", "Share"],
            [Row(f"{n} {r.choice(['Limited', 'GmbH', 'Inc.', 'S.A.', 'B.V.', 'LLC'])}", [r.choice(self.c.sites).split(",")[0], r.choice(["100%", "100%", "100%", "75%"])]) for n in names],
            column=96,
        )  # fmt: skip
        if self.uk:
            return
        p.new_page()
        self.item("15", "Exhibits")
        p.table([], [Row(f"{n}   {text}") for n, text in EXHIBITS])
        p.heading("SIGNATURES", 12)
        self.say(
            "Pursuant to the requirements of Section 13 or 15(d) of the Securities Exchange Act of 1934, the registrant has duly caused this report to be signed on its behalf by "
            "the undersigned, thereunto duly authorized.",
        )
        self.say(
            self.c.legal.upper(),
            f"By: /s/ {self.e['chief']}, Chief Executive Officer",
            f"By: /s/ {self.e['officer']}, Chief Financial Officer",
        )

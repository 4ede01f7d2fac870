"""An annual report of an invented company, from the cover to the signatures."""

from __future__ import annotations

from filings.ending import Ending
from filings.front import Front
from filings.notes import Notes
from filings.obligations import Obligations
from filings.review import Review
from filings.statements import Statements
from paper import Paper


class Filing(Front, Review, Statements, Notes, Obligations, Ending):
    """Writes one report."""

    def write(self) -> Paper:
        """Write all parts in their order."""
        self.cover()
        self.contents()
        for part in (
            self.letter, self.business, self.risks, self.properties, self.market, self.selected,
            self.discussion, self.exposure, self.controls, self.governance,
            self.audit, self.statements, self.notes, self.closing,
        ):  # fmt: skip
            part()
        return self.p

    def notes(self) -> None:
        """Write all notes in their order."""
        self.p.new_page()
        self.p.outline.append((1, "Notes to the accounts", self.p.pages))
        self.p.centred(
            "Notes to the accounts" if self.uk else "NOTES TO CONSOLIDATED FINANCIAL STATEMENTS", 11.5, after=8
        )
        for note in (
            self.policies, self.sales, self.acquired, self.stock, self.sites, self.goodwill, self.intangibles,
            self.leases, self.debt, self.taxes, self.pensions, self.awards, self.per_share, self.fair_value,
            self.segments_told, self.quarterly, self.warranties, self.contingencies, self.later,
        ):  # fmt: skip
            note()

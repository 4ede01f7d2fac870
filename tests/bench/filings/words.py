"""What all parts of a report need: the company and the year, words for amounts, and the paper."""

from __future__ import annotations

from dataclasses import replace

from filings.accounts import accounts
from filings.companies import Company
from filings.events import amount, events
from filings.labels import LABELS
from paper import Paper


class Words:
    """A report of one company and year, and how it speaks."""

    def __init__(self, company: Company, year: int, pages: dict[str, int] | None = None) -> None:
        self.c, self.year = company, year
        self.titles = pages or {}
        """Page of each part, for the table of contents; known when the report has been written once."""
        self.f, self.e = accounts(company, year), events(company, year)
        self.before = accounts(company, year - 1)
        style = company.style
        if company.named and company.labels == 1:
            style = replace(style, footer=f"{company.legal}    {year} Form 10-K    {{page}}")
        self.p = Paper(style)
        self.uk = company.labels == 2
        self.part = 0

    def label(self, name: str) -> str:
        return LABELS[name][self.c.labels]

    def low(self, name: str) -> str:
        text = self.label(name)
        return text[0].lower() + text[1:]

    def money(self, value: int, *, exact: bool = False) -> str:
        return amount(self.c, value, exact=exact)

    def fact(self, name: str, words: str | None = None) -> str:
        return f"{{{{{name}|{words if words is not None else self.e[name]}}}}}"

    def compared(self, name: str, value: int, before: int) -> str:
        """`$1,234 million in 2021 compared with $1,200 million in 2020`, each a fact."""
        return (
            f"{self.fact(f'{name}.{self.year}', self.money(abs(value)))} in {self.year} compared with "
            f"{self.fact(f'{name}.{self.year - 1}', self.money(abs(before)))} in {self.year - 1}"
        )

    @property
    def end(self) -> str:
        return f"{self.c.end}, {self.year}"

    @property
    def unit(self) -> str:
        if self.uk:
            return "\xa3'000" if self.c.unit == "thousands" else "\xa3 million"
        return f"(in {self.c.unit}, except per share amounts)"

    def item(self, number: str, title: str) -> None:
        if self.uk:
            self.p.heading(title, 13)
        else:
            self.p.heading(f"Item {number}. {title}", 12)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.p.paragraph(text)

    def note(self, title: str) -> None:
        self.part += 1
        self.p.heading(
            f"{self.part}. {title}" if self.uk else f"NOTE {self.part} - {title.upper()}", 11, level=2, room=150
        )

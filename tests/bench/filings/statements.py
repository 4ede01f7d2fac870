"""The auditors' report and the statements: income, balance sheet, cash flow, equity."""

from __future__ import annotations

from dataclasses import replace

from filings.accounts import accounts, cash_flow
from filings.boilerplate import AUDIT
from filings.companies import cents, chance, number
from filings.events import LAST
from filings.words import Words
from paper import Row


class Statements(Words):
    """Writes the statements."""

    def audit(self) -> None:
        self.p.new_page()
        if not self.uk:
            self.item("8", "Financial Statements")
        self.p.heading(
            "INDEPENDENT AUDITORS' REPORT" if self.uk else "REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM", 12
        )
        self.say("To the Board of Directors and Shareholders:", *AUDIT)
        r = chance(self.c, "auditor")
        self.say(f"{r.choice(LAST)}, {r.choice(LAST)} & Co. LLP", f"{self.c.home}")

    def statement(self, title: str) -> None:
        self.p.new_page()
        self.p.outline.append((1, title, self.p.pages))
        if self.c.named:
            self.p.centred(self.c.legal.upper(), 11.5)
        self.p.centred(title if self.uk else f"CONSOLIDATED {title}", 11.5)
        self.p.centred(self.unit, 9, "italic", after=10)

    def lines(
        self, names: str, values: list[dict[str, int]], years: list[int], extra: dict[str, str] | None = None
    ) -> list[Row]:
        """Rows of a statement from a short text: `revenue  +gross  =net`, + for a sum, = for the last sum, | for a head."""
        rows = []
        for word in names.split():
            if word.startswith("|"):
                rows.append(Row(word[1:].replace("_", " "), bold=True))
                continue
            kind, name = (word[0], word[1:]) if word[0] in "+=" else ("", word)
            label = (extra or {}).get(name) or self.label(name)
            show = cents if name in ("eps", "eps_diluted", "dps") else number
            cells = [show(v[name]) for v in values]
            if kind == "=" or not any(row.cells for row in rows):
                cells = [self.c.money + " " + cell if not self.uk else cell for cell in cells]
            rows.append(
                Row(
                    label,
                    cells,
                    [f"{name}.{y}" for y in years],
                    indent=0 if kind else 1,
                    bold=bool(kind),
                    rule={"+": "-", "=": "="}.get(kind, ""),
                )
            )
        return rows

    def statements(self) -> None:
        c, y = self.c, self.year
        three, two = [y, y - 1, y - 2], [y, y - 1]
        names3 = [accounts(c, k) for k in three]
        self.statement("Profit and loss account" if self.uk else "STATEMENTS OF INCOME")
        extra = {
            "shares": "Weighted average shares outstanding - basic",
            "shares_diluted": "Weighted average shares outstanding - diluted",
        }
        self.p.table(
            [str(k) for k in three],
            [*self.lines("revenue cogs +gross sga rd amortization restructuring +operating interest other_income +pretax tax =net", names3, three), Row(""), *self.lines("eps eps_diluted dps shares shares_diluted", names3, three, extra)],
            column=76,
        )  # fmt: skip
        self.say(
            "The accompanying notes are an integral part of these statements."
            if not self.uk
            else "All results arise from continuing operations."
        )
        self.statement("Statement of comprehensive income" if self.uk else "STATEMENTS OF COMPREHENSIVE INCOME")
        rows, totals = [], [accounts(c, k)["net"] for k in three]
        rows.append(Row(self.label("net"), [number(v) for v in totals], [f"net.{k}" for k in three]))
        for label, share in (("Currency translation", 0.006), ("Retirement benefits", 0.004), ("Derivatives", 0.0015)):
            moves = [round(accounts(c, k)["revenue"] * chance(c, k, label).uniform(-share, share)) for k in three]
            totals = [t + m for t, m in zip(totals, moves, strict=True)]
            rows.append(Row(f"{label}, net of tax", [number(m) for m in moves], indent=1))
        rows.append(
            Row(
                "Comprehensive income",
                [number(t) for t in totals],
                [f"comprehensive.{k}" for k in three],
                bold=True,
                rule="=",
            )
        )
        self.p.table([str(k) for k in three], rows, column=76)
        self.say("Amounts reclassified to earnings were not material in any of the years presented.")
        self.statement("Balance sheet" if self.uk else "BALANCE SHEETS")
        values = [accounts(c, k) for k in two]
        totals = {
            "current_assets": "Total current assets", "assets": "Total assets", "current_liabilities": "Total current liabilities",
            "liabilities": "Total liabilities", "both": "Total liabilities and equity", "common": "Common stock",
            "paid_in": "Additional paid-in capital", "retained": "Retained earnings",
            "aoci": "Accumulated other comprehensive loss", "treasury": "Treasury stock, at cost",
        }  # fmt: skip
        values = [v | {"both": v["assets"]} for v in values]
        self.p.table(
            [f"{c.end}, {k}" for k in two],
            self.lines(
                "|Assets cash receivables inventories prepaid +current_assets ppe rou goodwill intangibles other_assets =assets "
                "|Liabilities_and_equity payables accrued current_debt current_lease deferred_revenue +current_liabilities long_debt lease "
                "pension deferred_tax other_liabilities +liabilities common paid_in retained aoci treasury +equity =both",
                values, two, totals,
            ),
            column=88,
        )  # fmt: skip
        self.p.facts.pop(f"both.{y}", None)
        self.statement("Cash flow statement" if self.uk else "STATEMENTS OF CASH FLOWS")
        flows = [cash_flow(c, k) for k in three]
        more = {
            "deferred": "Deferred income taxes", "d_receivables": "Change in receivables", "d_inventories": "Change in inventories",
            "d_payables": "Change in payables and accruals", "d_other": "Other, net", "disposals": "Proceeds from sale of assets",
            "investing": "Net cash used in investing activities", "options": "Proceeds from exercise of options",
            "financing": "Net cash used in financing activities", "exchange": "Effect of exchange rates on cash",
            "change": "Net change in cash", "opening": "Cash at beginning of year", "cash": "Cash at end of year",
        }  # fmt: skip
        flows = [
            v | {"cash": accounts(c, k)["cash"], "opening": accounts(c, k - 1)["cash"]}
            for v, k in zip(flows, three, strict=True)
        ]
        rows = self.lines(
            "|Operating_activities net depreciation sbc deferred d_receivables d_inventories d_payables d_other +operations "
            "|Investing_activities capex acquisitions disposals +investing "
            "|Financing_activities borrowed repaid dividends buyback options +financing exchange +change opening =cash",
            flows, three, more,
        )  # fmt: skip
        opening = next(i for i, row in enumerate(rows) if row.label == more["opening"])
        rows[opening] = replace(rows[opening], keys=[f"cash.{k - 1}" for k in three])
        self.p.table([str(k) for k in three], rows, column=76)
        self.statement("Statement of changes in equity" if self.uk else "STATEMENTS OF STOCKHOLDERS' EQUITY")
        self.equity_statement()

    def equity_statement(self) -> None:
        rows = []
        for y in (self.year - 1, self.year):
            f, b = accounts(self.c, y), accounts(self.c, y - 1)
            rows.append(
                Row(
                    f"Balance, {self.c.end}, {y - 1}",
                    [number(b[k]) for k in ("paid_in", "retained", "aoci", "treasury", "equity")],
                    [None] * 4 + [f"equity.{y - 1}"],
                    bold=True,
                )
            )
            other = f["retained"] - b["retained"] - f["net"] + f["dividends"]
            total = f["equity"] - b["equity"] - f["net"] + f["dividends"] - other
            rows += [
                Row(self.label("net"), ["", number(f["net"]), "", "", number(f["net"])], [None, f"net.{y}"], indent=1),
                Row("Dividends", ["", number(-f["dividends"]), "", "", number(-f["dividends"])], [None, f"dividends.{y}"], indent=1),
                Row("Adopted standards and other", ["", number(other), "", "", number(other)], indent=1),
                Row("Share transactions and other", [number(f["paid_in"] - b["paid_in"]), "", number(f["aoci"] - b["aoci"]), number(f["treasury"] - b["treasury"]), number(total)], indent=1),
            ]  # fmt: skip
        rows.append(
            Row(
                f"Balance, {self.c.end}, {self.year}",
                [number(self.f[k]) for k in ("paid_in", "retained", "aoci", "treasury", "equity")],
                [None] * 4 + [f"equity.{self.year}"],
                bold=True,
                rule="=",
            )
        )
        self.p.table(
            ["Paid-in capital", "Retained earnings", "Accum. OCI", "Treasury stock", "Total"], rows, column=62, size=8.2
        )

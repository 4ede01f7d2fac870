"""The notes on what the company owes and may come to owe."""

from __future__ import annotations

from filings.accounts import accounts
from filings.boilerplate import MONTHS
from filings.companies import chance, number
from filings.events import LATER, late
from filings.words import Words
from paper import Row


class Obligations(Words):
    """Writes these notes."""

    def debt(self) -> None:
        y = self.year
        f = self.f
        b = self.before
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Borrowings" if self.uk else "Debt")
        share = [(0.45, 0.35), (0.45, 0.35)]
        rows = []
        totals = [a["long_debt"] + a["current_debt"] for a in (f, b)]
        notes = [round(t * s[0]) for t, s in zip(totals, share, strict=True)]
        loans = [round(t * s[1]) for t, s in zip(totals, share, strict=True)]
        rows = [
            Row(f"Senior notes, {self.e['notes_rate']}, due {y + 7}", list(map(number, notes)), indent=1),
            Row("Term loan, variable rate", list(map(number, loans)), indent=1),
            Row("Revolving credit and other", [number(t - n - m) for t, n, m in zip(totals, notes, loans, strict=True)], indent=1),
            Row("Total", list(map(number, totals)), [f"debt.{k}" for k in two], rule="-", bold=True),
            Row("Less: amounts due within one year" if not self.uk else "Of which due within one year", [number(a["current_debt"]) for a in (f, b)], [f"current_debt.{k}" for k in two], indent=1),
            Row("Due after one year", [number(a["long_debt"]) for a in (f, b)], [f"long_debt.{k}" for k in two], rule="=", bold=True),
        ]  # fmt: skip
        self.p.table([str(k) for k in two], rows, title=thousand)
        self.say(
            f"The senior notes bear interest at {self.fact('notes_rate')} and may be redeemed at any time at a premium. The credit agreement provides for loans in several currencies at "
            f"a margin over a reference rate that depends on the credit rating.",
        )

    def taxes(self) -> None:
        c = self.c
        y = self.year
        two = [self.year, self.year - 1]
        three = [self.year, self.year - 1, self.year - 2]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Taxation" if self.uk else "Income taxes")
        home = [round(accounts(c, k)["tax"] * 0.71) for k in three]
        self.p.table(
            [str(k) for k in three],
            [
                Row("Current", [number(v) for v in home], indent=1),
                Row("Deferred", [number(accounts(c, k)["tax"] - v) for k, v in zip(three, home, strict=True)], indent=1),
                Row(self.label("tax"), [number(accounts(c, k)["tax"]) for k in three], [f"tax.{k}" for k in three], rule="=", bold=True),
            ],
            column=76, title=thousand,
        )  # fmt: skip
        self.say(
            f"Unrecognized tax benefits were {self.c.money}{self.fact('uncertain')} at the end of the year{'' if c.unit == 'thousands' else ' (in millions)'}. The Company is no longer subject to examination for "
            f"years before {y - 6}. Deferred tax assets consist of loss carryforwards, retirement benefits and accruals:",
        )
        gross = [late(c, k, "allowance") * 4 + accounts(c, k)["pension"] for k in two]
        self.p.table(
            [str(k) for k in two],
            [
                Row("Deferred tax assets, gross", [number(v) for v in gross], indent=1),
                Row(self.label("allowance"), [number(-late(c, k, "allowance")) for k in two], [f"allowance.{k}" for k in two], indent=1),
                Row("Deferred tax assets, net", [number(v - late(c, k, "allowance")) for v, k in zip(gross, two, strict=True)], rule="=", bold=True),
            ],
            title=thousand,
        )  # fmt: skip

    def pensions(self) -> None:
        c = self.c
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Retirement benefits")
        self.say(
            "The Company sponsors defined benefit plans, which are closed to new participants, and defined contribution plans. Contributions to the former follow "
            "legal requirements.",
        )
        self.p.table(
            [str(k) for k in two],
            [
                Row(self.label("pbo"), [number(late(c, k, "pbo")) for k in two], [f"pbo.{k}" for k in two], indent=1),
                Row("Fair value of plan assets", [number(late(c, k, "pbo") - accounts(c, k)["pension"]) for k in two], [f"plan assets.{k}" for k in two], indent=1),
                Row("Unfunded status", [number(accounts(c, k)["pension"]) for k in two], [f"pension.{k}" for k in two], rule="=", bold=True),
            ],
            title=thousand,
        )  # fmt: skip
        self.say(
            f"Obligations were discounted at {self.fact('pension_rate')}. The Company expects to contribute {self.fact('pension_contribution')} to the plans in the coming year.",
        )

    def awards(self) -> None:
        c = self.c
        y = self.year
        self.note("Share-based payments" if self.uk else "Stock-based compensation")
        count = chance(c, y, "options").randint(900, 4800)
        self.say(
            f"Options are granted at the market price and vest over four years. At the end of the year {count:,} thousand options were outstanding at a weighted average exercise "
            f"price of {self.fact('exercise')}. Unrecognized cost of unvested awards was {self.fact('unearned')}, to be recognized over a weighted average period of "
            f"{self.fact('unearned_years')}.",
        )

    def fair_value(self) -> None:
        self.note("Fair value and derivative instruments")
        self.say(
            "Fair value is the price that would be received for an asset or paid to transfer a liability in an orderly transaction. Level 1 inputs are quoted prices in active "
            "markets, level 2 inputs are observable directly or indirectly, and level 3 inputs are not observable. The carrying amounts of cash, receivables, payables and "
            "short-term borrowings approximate fair value because of their short maturity.",
            f"Forward exchange contracts with a notional amount of {self.fact('forwards')} were outstanding at the end of the year. The fair value of fixed-rate debt, based on level 2 "
            f"inputs, was {self.fact('debt_value')}.",
        )

    def warranties(self) -> None:
        c = self.c
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Provisions and guarantees" if self.uk else "Product warranties")
        opening = [late(c, k - 1, "warranty") for k in two]
        closing = [late(c, k, "warranty") for k in two]
        used = [round(v * 0.62) for v in opening]
        self.p.table(
            [str(k) for k in two],
            [
                Row("Beginning of year", list(map(number, opening)), [f"warranty.{k - 1}" for k in two], indent=1),
                Row("Charged to expense", [number(e - o + u) for e, o, u in zip(closing, opening, used, strict=True)], indent=1),
                Row("Claims settled", [number(-u) for u in used], indent=1),
                Row(self.label("warranty"), list(map(number, closing)), [f"warranty.{k}" for k in two], rule="=", bold=True),
            ],
            title=thousand,
        )  # fmt: skip

    def contingencies(self) -> None:
        c = self.c
        y = self.year
        self.note("Contingencies")
        self.say(
            f"In {chance(c, y, 'suit').choice(MONTHS)}, {self.e['plaintiff']} brought an action against the Company for breach of contract. The matter was settled for "
            f"{self.fact('settlement')}, which was paid before the end of the year.",
            f"The Company has been named as a party responsible for contamination at several sites. Accruals for investigation and cleanup were {self.fact('environment')} at the end of the year. "
            f"It is possible that further cost will arise, which is not expected to be material to the financial position.",
        )

    def later(self) -> None:
        c = self.c
        y = self.year
        self.note("Events after the balance sheet date" if self.uk else "Subsequent events")
        kind = chance(c, y, "later").choice(LATER)
        self.say(
            kind.format(
                month=self.e["later_month"], year=y + 1, place=self.e["later_place"], amount=self.fact("later")
            ),
            "The Company has evaluated other events up to the date on which the financial statements were issued, and found none that would have to be disclosed.",
        )

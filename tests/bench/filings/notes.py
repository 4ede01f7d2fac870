"""The notes on policies, sales, earnings and what the company owns."""

from __future__ import annotations

from filings.accounts import accounts, segment_profit, segment_sales
from filings.boilerplate import POLICIES
from filings.companies import cents, chance, number
from filings.words import Words
from paper import Row


class Notes(Words):
    """Writes these notes."""

    def policies(self) -> None:
        self.note("Accounting policies")
        for title, text in POLICIES:
            self.say(f"{title}. {text}")

    def sales(self) -> None:
        c = self.c
        three = [self.year, self.year - 1, self.year - 2]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Revenue from contracts with customers")
        self.say(
            "Revenue is recognized when control of goods or services passes to the customer, in most cases at shipment. Rebates and returns are "
            "estimated and deducted. Payment is usually due within 30 to 60 days. Revenue by region was as follows:",
        )
        regions = ("Home market", "Rest of Europe" if self.uk else "Other Americas", "Asia and others")
        table = []
        for i, region in enumerate(regions):
            values = [self.region(i, k) for k in three]
            table.append(Row(region, [number(v) for v in values], [f"region{i}.{k}" for k in three], indent=1))
        table.append(
            Row(
                "Total",
                [number(accounts(c, k)["revenue"]) for k in three],
                [f"revenue.{k}" for k in three],
                rule="=",
                bold=True,
            )
        )
        self.p.table([str(k) for k in three], table, column=76, title=thousand)

    def region(self, i: int, year: int) -> int:
        total = accounts(self.c, year)["revenue"]
        one = round(total * chance(self.c, year, "region0").uniform(0.55, 0.64))
        two = round(total * chance(self.c, year, "region1").uniform(0.17, 0.24))
        return (one, two, total - one - two)[i]

    def acquired(self) -> None:
        c = self.c
        y = self.year
        self.note("Acquisitions")
        self.say(
            f"In {self.e['target_month']} the Company acquired all shares of {self.e['target']}, a supplier of {chance(c, y, 'target').choice(c.segments).makes}, for "
            f"{self.fact('price')} in cash, net of cash acquired. The purchase price was allocated mainly to customer relationships and goodwill, none of "
            f"which is deductible for tax purposes. Results are included from the date of acquisition and were not material.",
        )
        # The cash flow statement has the same payment without saying for what.
        self.p.note(f"acquisitions.{y}", self.e["price"])

    def stock(self) -> None:
        c = self.c
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Inventories")
        parts = [[round(accounts(c, k)["inventories"] * s) for s in (0.41, 0.17)] for k in two]
        parts = [[*p, accounts(c, k)["inventories"] - sum(p)] for p, k in zip(parts, two, strict=True)]
        self.p.table(
            [str(k) for k in two],
            [
                *(Row(name, [number(p[i]) for p in parts], [f"stock{i}.{k}" for k in two], indent=1) for i, name in enumerate(("Raw materials and supplies", "Work in process", "Finished goods"))),
                Row("Total", [number(accounts(c, k)["inventories"]) for k in two], [f"inventories.{k}" for k in two], rule="=", bold=True),
            ],
            title=thousand,
        )  # fmt: skip

    def sites(self) -> None:
        c = self.c
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Property, plant and equipment" if not self.uk else "Tangible fixed assets")
        self.p.table(
            [str(k) for k in two],
            [
                Row("Land and buildings", [number(round(accounts(c, k)["ppe_gross"] * 0.31)) for k in two], indent=1),
                Row("Machinery and equipment", [number(accounts(c, k)["ppe_gross"] - round(accounts(c, k)["ppe_gross"] * 0.31)) for k in two], indent=1),
                Row("Less: accumulated depreciation", [number(-accounts(c, k)["accumulated"]) for k in two], [f"accumulated.{k}" for k in two], indent=1),
                Row("Net carrying amount", [number(accounts(c, k)["ppe"]) for k in two], [f"ppe.{k}" for k in two], rule="=", bold=True),
            ],
            title=thousand,
        )  # fmt: skip

    def goodwill(self) -> None:
        c = self.c
        f = self.f
        b = self.before
        two = [self.year, self.year - 1]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Goodwill")
        rows = []
        left = [f["goodwill"], b["goodwill"]]
        for i, segment in enumerate(c.segments):
            last = i == len(c.segments) - 1
            values = [left[j] if last else round((f, b)[j]["goodwill"] * (0.45, 0.33)[i]) for j in (0, 1)]
            left = [left[j] - values[j] for j in (0, 1)]
            rows.append(Row(segment.name, [number(v) for v in values], indent=1))
        rows.append(
            Row(
                "Total",
                [number(f["goodwill"]), number(b["goodwill"])],
                [f"goodwill.{k}" for k in two],
                rule="=",
                bold=True,
            )
        )
        self.p.table([str(k) for k in two], rows, title=thousand)

    def intangibles(self) -> None:
        c = self.c
        y = self.year
        f = self.f
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Intangible assets")
        self.say(
            "Intangible assets consist of customer relationships, technology, trademarks and agreements not to compete, which were acquired with businesses. They are "
            "amortized over their useful lives. Expected amortization of the assets that were held at the end of the year is as follows:",
        )
        ahead = [
            round(f["amortization"] * (1 - 0.06 * i) * chance(c, y, "ahead", i).uniform(0.95, 1.03))
            for i in range(1, 6)
        ]
        self.p.table(
            ["Amount"],
            [
                Row(str(y + i), [number(v)], [f"amortization ahead {y + i}"], indent=1)
                for i, v in enumerate(ahead, start=1)
            ],
            title=thousand,
        )

    def leases(self) -> None:
        y = self.year
        f = self.f
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Leases")
        self.say(
            "The Company leases warehouses, offices, vehicles and equipment. Most leases are operating leases. Options to extend are included in the term when "
            "it is reasonably certain that they will be exercised.",
            f"The weighted average remaining term of operating leases was {self.fact('lease_term')} and the weighted average discount rate was {self.fact('lease_rate')}.",
        )
        due = [round((f["lease"] + f["current_lease"]) * s) for s in (0.25, 0.21, 0.18, 0.14, 0.1, 0.24)]
        names = [*(str(y + i) for i in range(1, 6)), "Thereafter"]
        self.p.table(
            ["Payments"],
            [*(Row(n, [number(v)], [f"lease due {n}"], indent=1) for n, v in zip(names, due, strict=True)), Row("Total lease payments", [number(sum(due))], ["lease payments"], rule="-", bold=True)],
            title=thousand,
        )  # fmt: skip

    def per_share(self) -> None:
        c = self.c
        three = [self.year, self.year - 1, self.year - 2]
        self.note("Earnings per share")
        self.p.table(
            [str(k) for k in three],
            [
                Row(self.label("net"), [number(accounts(c, k)["net"]) for k in three], [f"net.{k}" for k in three], indent=1),
                Row("Average shares outstanding", [number(accounts(c, k)["shares"]) for k in three], indent=1),
                Row("Effect of dilutive awards", [number(accounts(c, k)["shares_diluted"] - accounts(c, k)["shares"]) for k in three], [f"dilution.{k}" for k in three], indent=1),
                Row("Average shares, assuming dilution", [number(accounts(c, k)["shares_diluted"]) for k in three], rule="-", indent=1),
                Row("Basic", [cents(accounts(c, k)["eps"]) for k in three]),
                Row("Diluted", [cents(accounts(c, k)["eps_diluted"]) for k in three], [f"eps_diluted.{k}" for k in three]),
            ],
            column=76, title=self.unit,
        )  # fmt: skip

    def segments_told(self) -> None:
        c = self.c
        three = [self.year, self.year - 1, self.year - 2]
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Segment information")
        for title, value, key in (
            ("Sales to customers", segment_sales, "segment"),
            ("Segment profit", segment_profit, "profit"),
        ):
            rows = [
                Row(s.name, [number(value(c, n, k)) for k in three], [f"{key}{n}.{k}" for k in three], indent=1)
                for n, s in enumerate(c.segments)
            ]
            sums = [sum(value(c, n, k) for n in range(len(c.segments))) for k in three]
            if key == "profit":
                rows.append(
                    Row(
                        "Corporate and unallocated",
                        [number(accounts(c, k)["operating"] - s) for k, s in zip(three, sums, strict=True)],
                        indent=1,
                    )
                )
                sums = [accounts(c, k)["operating"] for k in three]
            rows.append(
                Row(
                    "Consolidated",
                    [number(s) for s in sums],
                    [f"{'revenue' if key == 'segment' else 'operating'}.{k}" for k in three],
                    rule="=",
                    bold=True,
                )
            )
            self.p.table([str(k) for k in three], rows, column=76, title=f"{title} {thousand}")

    def quarterly(self) -> None:
        thousand = self.unit.replace(", except per share amounts", "")
        self.note("Quarterly results (unaudited)")
        parts = {k: self.quarters(k) for k in ("revenue", "gross", "net")}
        self.p.table(
            ["First", "Second", "Third", "Fourth"],
            [Row(self.label(k), [number(v) for v in parts[k]], [f"{k} q{q}" for q in (1, 2, 3, 4)]) for k in parts],
            column=66, title=thousand,
        )  # fmt: skip

    def quarters(self, name: str) -> list[int]:
        """A year's figure by quarter."""
        r = chance(self.c, self.year, "quarters", name)
        parts = [round(self.f[name] * r.uniform(0.225, 0.27)) for _ in range(3)]
        return [*parts, self.f[name] - sum(parts)]

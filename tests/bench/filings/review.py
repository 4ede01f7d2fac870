"""What management says of the year: results and their reasons, liquidity, risks of the market, control."""

from __future__ import annotations

from filings.accounts import cash_flow, segment_profit, segment_sales
from filings.boilerplate import CAUSES_DOWN, CAUSES_UP, CONTROLS, ESTIMATES, MARGIN_DOWN, MARGIN_UP, SGA_DOWN, SGA_UP
from filings.companies import chance, number
from filings.events import cause
from filings.words import Words
from paper import Row


class Review(Words):
    """Writes management's discussion."""

    def discussion(self) -> None:
        c, f, b, y = self.c, self.f, self.before, self.year
        self.p.new_page()
        self.item("7", "Financial review" if self.uk else "Management's Discussion and Analysis")
        self.p.heading("Overview", 11, level=2)
        r = chance(c, y, "overview")
        self.say(
            f"{r.choice(['The year was marked by', 'We look back on a year of', 'Our markets saw'])} "
            f"{r.choice(['uneven demand', 'steady demand in most regions', 'rising cost', 'a recovery in the second half', 'a slow start and a strong end'])} and "
            f"{r.choice(['longer delivery times of suppliers', 'volatile prices of materials', 'a shortage of skilled people', 'changes in the mix of products', 'cautious customers'])}. "
            f"Management uses {self.low('revenue')}, {self.low('operating')} and cash flow to judge the performance of the segments.",
        )
        self.p.heading("Results of operations", 11, level=2)
        self.say(
            f"{self.label('revenue')} {self.moved(f['revenue'], b['revenue'])} and amounted to "
            f"{self.compared('revenue', f['revenue'], b['revenue'])}. The changes by segment were as follows.",
        )
        glance = ("revenue", "gross", "sga", "rd", "operating", "interest", "net")
        self.p.table(
            [str(y), str(y - 1), "Change"],
            [
                Row(self.label(k), [number(f[k]), number(b[k]), f"{100 * (f[k] - b[k]) / b[k]:.1f}%"], [f"{k}.{y}", f"{k}.{y - 1}"])
                for k in glance
            ],
            title=self.unit.replace(", except per share amounts", ""),
        )  # fmt: skip
        for n, segment in enumerate(c.segments):
            now, then = segment_sales(c, n, y), segment_sales(c, n, y - 1)
            self.p.heading(segment.name, 10.5, level=3)
            one, two = cause(c, y, segment.name, CAUSES_UP if now > then else CAUSES_DOWN)
            self.say(
                f"{self.label('revenue')} of the segment {self.moved(now, then)}, to "
                f"{self.compared(f'segment{n}', now, then)}. The change was mainly due to "
                f"{self.fact(f'why segment{n}', one)}, and to {two}. {self.profit(n)}",
            )
        self.p.heading("Cost and expenses", 10.5, level=3)
        share, share_before = (100 * a["gross"] / a["revenue"] for a in (f, b))
        one, two = cause(c, y, "margin", MARGIN_UP if share > share_before else MARGIN_DOWN)
        self.say(
            f"{self.label('gross')} was {self.compared('gross', f['gross'], b['gross'])}. As a percentage of {self.low('revenue')} it "
            f"was {self.fact('gross margin', f'{share:.1f}%')}, against {share_before:.1f}% in the year before. It was influenced by {self.fact('why margin', one)}, and by {two}.",
        )
        one, two = cause(c, y, "sga", SGA_UP if f["sga"] > b["sga"] else SGA_DOWN)
        rate = 100 * f["tax"] / f["pretax"]
        self.say(
            f"{self.label('sga')} {self.moved(f['sga'], b['sga'])}, to {self.compared('sga', f['sga'], b['sga'])}. This reflects "
            f"{self.fact('why sga', one)}, and {two}.",
            f"{self.label('rd')} came to {self.compared('rd', f['rd'], b['rd'])}. Projects concentrated on "
            f"{chance(c, y, 'projects').choice(c.segments).makes}.",
            f"{self.label('restructuring')} of {self.fact(f'restructuring.{y}', self.money(f['restructuring']))} were recorded for the closing "
            f"of the {self.fact('closed')} site, which affects {self.fact('cut')} positions. Most of the charges will be paid in cash within a year.",
            f"{self.label('interest')} was {self.compared('interest', f['interest'], b['interest'])}. The effective tax rate was "
            f"{self.fact('tax rate', f'{rate:.1f}%')}, against {100 * b['tax'] / b['pretax']:.1f}%; the change is mainly due to the mix of earnings by country.",
            f"{self.label('net')} was {self.compared('net', f['net'], b['net'])}.",
        )
        flow, flow_before = cash_flow(c, y), cash_flow(c, y - 1)
        self.p.heading("Liquidity and capital resources", 11, level=2)
        more = flow["d_receivables"] + flow["d_inventories"] + flow["d_payables"]
        self.say(
            f"{self.label('operations')} was {self.compared('operations', flow['operations'], flow_before['operations'])}. Working capital "
            f"{'released' if more > 0 else 'absorbed'} cash in the year. We spent {self.compared('capex', f['capex'], b['capex'])} on additions to "
            f"our sites and equipment. For the coming year we plan to spend {self.fact('plan')} on such additions, mainly at "
            f"{chance(c, y, 'plan').choice(c.sites).split(',')[0]}.",
            f"Dividends of {self.fact(f'dividends.{y}', self.money(f['dividends']))} were paid, and "
            f"{self.fact(f'buyback.{y}', self.money(f['buyback']))} was used to acquire our own shares.",
            f"At the end of the year {self.fact('undrawn')} was unused and available under our revolving credit agreement with a group of banks. "
            f"The agreement limits the ratio of debt to earnings before interest, taxes, depreciation and amortization to "
            f"{self.fact('leverage_limit')}. We complied with all covenants. We believe that cash flow, cash on hand and available credit are "
            f"sufficient for our needs in the next twelve months.",
        )
        self.p.heading("Contractual obligations", 11, level=2)
        debt = f["long_debt"] + f["current_debt"]
        spread = [f["current_debt"], round(f["long_debt"] * 0.35), round(f["long_debt"] * 0.3)]
        spread.append(debt - sum(spread))
        buy = [round(f["cogs"] * s) for s in (0.06, 0.02, 0.008, 0.002)]
        self.p.table(
            ["Total", "1 year", "2-3 years", "4-5 years", "Later"],
            [
                Row("Debt", [number(debt), *map(number, spread)], [f"debt.{y}", f"current_debt.{y}"]),
                Row("Purchase obligations", [number(sum(buy)), *map(number, buy)], ["purchase obligations"]),
            ],
            column=58, size=8.5, title=self.unit.replace(", except per share amounts", ""),
        )  # fmt: skip
        self.p.heading("Critical accounting estimates", 11, level=2)
        for title, text in ESTIMATES:
            self.say(f"{title}. {text}")

    def profit(self, n: int) -> str:
        now, then = segment_profit(self.c, n, self.year), segment_profit(self.c, n, self.year - 1)
        return f"Segment profit {self.moved(now, then)}, to {self.compared(f'profit{n}', now, then)}."

    @staticmethod
    def moved(now: int, then: int) -> str:
        return f"{'increased' if now > then else 'decreased'} {abs(100 * (now - then) / then):.1f}%"

    def exposure(self) -> None:
        self.item(
            "7A",
            "Treasury and market risk" if self.uk else "Quantitative and Qualitative Disclosures about Market Risk",
        )
        self.say(
            "We are exposed to changes in interest rates, exchange rates and prices of materials. Exposure is monitored by the treasury "
            "committee, and derivatives are used only to hedge it.",
            f"A change of one percentage point in the rates of our variable-rate borrowings would change annual interest by "
            f"{self.fact('sensitivity')}. A change of 10% in exchange rates would not have a material effect on the fair value of our forward contracts.",
        )

    def controls(self) -> None:
        self.item("9A", "Internal control" if self.uk else "Controls and Procedures")
        self.say(*CONTROLS)

    def governance(self) -> None:
        r = chance(self.c, self.year, "board")
        self.item("10", "Directors' report" if self.uk else "Directors and Executive Officers of the Registrant")
        self.say(
            f"The board has {r.randint(8, 12)} members, of whom all but one are independent. It met {self.fact('meetings', str(r.randint(6, 14)))} times "
            f"during the year. It has committees for audit, compensation and nomination. The code of conduct applies to all directors, "
            f"officers and employees and is published on our website.",
        )
        self.p.heading("Remuneration" if self.uk else "Executive compensation", 11, level=2)
        self.say(
            "Compensation of executives consists of base salary, an annual bonus that depends on earnings and cash flow, and long-term "
            "awards in shares. The committee is advised by an independent consultant. No director takes part in decisions on the "
            "director's own pay. Guidelines require executives to hold shares worth a multiple of their salary.",
        )
        total = int(self.e["pay"].replace(",", ""))
        rows = []
        for name, share in ((self.e["chief"], 1.0), (self.e["officer"], 0.47), (self.e["treasurer"], 0.21)):
            value = round(total * share)
            salary, bonus = round(value * r.uniform(0.2, 0.27)), round(value * r.uniform(0.18, 0.3))
            rows.append(
                Row(
                    name,
                    [number(v) for v in (salary, bonus, value - salary - bonus, value)],
                    [None, None, None, "pay" if share == 1 else None],
                )
            )
        self.p.table(
            ["Salary", "Bonus", "Share awards", "Total"],
            rows,
            column=68,
            title="(in pounds)" if self.uk else "(in dollars)",
        )
        self.p.heading("Auditors' remuneration" if self.uk else "Principal accountant fees", 11, level=2)
        audit = int(self.e["fee"].replace(",", ""))
        self.p.table(
            ["Amount"],
            [Row("Audit of the financial statements", [self.e["fee"]], ["fee"]), Row("Tax and other services", [number(round(audit * r.uniform(0.08, 0.3)))])],
            column=90,
        )  # fmt: skip

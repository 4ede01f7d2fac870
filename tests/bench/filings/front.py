"""The first part of a report: cover, contents, letter, business, risks, properties, shares, five years."""

from __future__ import annotations

from filings.accounts import accounts
from filings.boilerplate import FORWARD, MONTHS, RISKS
from filings.companies import cents, chance, number
from filings.events import LAST
from filings.words import Words
from paper import Row

UK = (
    "Strategic report: our business", "Principal risks and uncertainties", "Where we operate", "Shareholder information",
    "Five-year summary", "Financial review", "Treasury and market risk", "Internal control", "Directors' report",
    "INDEPENDENT AUDITORS' REPORT", "Profit and loss account", "Notes to the accounts",
)  # fmt: skip  # fmt: skip


class Front(Words):
    """Writes what comes before management's discussion."""

    def cover(self) -> None:
        p, c = self.p, self.c
        if self.uk:
            p.skip(150)
            p.centred(c.legal, 26, after=18)
            p.centred("Annual Report and Accounts", 16, "text", after=10)
            p.centred(f"for the year ended {c.end.split()[1]} {c.end.split()[0]} {self.year}", 13, "text")
            p.skip(220)
            p.centred(f"Registered office: {c.home}", 10, "italic")
            return
        p.centred("UNITED STATES", 12)
        p.centred("SECURITIES AND EXCHANGE COMMISSION", 13)
        p.centred("Washington, D.C. 20549", 10, "text", after=16)
        p.centred("FORM 10-K", 18, after=10)
        p.paragraph("[X]  ANNUAL REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934")
        p.centred(f"For the fiscal year ended {self.end}", 11, after=10)
        p.paragraph("[ ]  TRANSITION REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934")
        p.skip(18)
        p.centred(c.legal.upper(), 17, after=3)
        p.centred("(Exact name of registrant as specified in its charter)", 9, "text", after=14)
        p.centred(f"{chance(c).randint(100, 9800)} {chance(c, 'street').choice(LAST)} Avenue, {c.home}", 10.5, after=2)
        p.centred("(Address of principal executive offices)", 9, "text", after=14)
        p.paragraph(
            "Securities registered pursuant to Section 12(b) of the Act: Common stock, par value $0.01 per share."
        )
        p.paragraph(
            "Indicate by check mark whether the registrant has filed all reports required to be filed during the preceding 12 "
            "months, and has been subject to such filing requirements for the past 90 days. Yes [X]  No [ ]"
        )
        p.paragraph(
            f"The aggregate market value of the voting stock held by non-affiliates was approximately "
            f"{self.fact('float', self.money(round(self.f['net'] * chance(c, self.year, 'float').uniform(13, 19))))}."
        )

    def contents(self) -> None:
        p = self.p
        p.new_page()
        p.centred("CONTENTS" if self.uk else "TABLE OF CONTENTS", 13, after=16)
        items = (
            ("1", "Business"), ("1A", "Risk Factors"), ("2", "Properties"), ("3", "Legal Proceedings"),
            ("5", "Market for the Registrant's Common Equity"), ("6", "Selected Financial Data"),
            ("7", "Management's Discussion and Analysis"), ("7A", "Quantitative and Qualitative Disclosures about Market Risk"),
            ("9A", "Controls and Procedures"), ("10", "Directors and Executive Officers of the Registrant"),
            ("8", "Financial Statements"), ("15", "Exhibits"),
        )  # fmt: skip
        titles = (
            [(title, title) for title in UK] if self.uk else [(f"Item {i}. {t}", f"Item {i}. {t}") for i, t in items]
        )
        p.table(["Page"], [Row(shown, [str(self.titles.get(title, 0))]) for shown, title in titles])
        self.say(FORWARD)
        p.new_page()

    def letter(self) -> None:
        c, f, b, y = self.c, self.f, self.before, self.year
        r = chance(c, y, "letter")
        self.p.centred("Chairman's statement" if self.uk else "To our shareholders", 14, after=12)
        self.say(
            f"{r.choice(['We can look back on a year in which much was asked of our people.', 'It was a year of hard work and of good progress.', 'Not everything went as planned this year, but the direction is right.'])} "
            f"{self.label('revenue')} {'rose' if f['revenue'] > b['revenue'] else 'fell'} to {self.fact(f'revenue.{y}', self.money(f['revenue']))}, and we earned "
            f"{c.money}{self.fact(f'eps_diluted.{y}', cents(f['eps_diluted']))} per share after dilution, against {c.money}{self.fact(f'eps_diluted.{y - 1}', cents(b['eps_diluted']))} a year ago.",
            f"Three goals were set when the year began: safer workplaces, shorter delivery times, and less waste. The number of accidents fell to "
            f"{self.fact('accidents')} per million hours worked. On-time delivery reached {self.fact('punctual')}. The third goal was missed, since "
            f"{r.choice(['the new equipment came into operation late', 'volume was lower than planned', 'trials took more material than we had assumed', 'a supplier changed the quality of a material'])}.",
            f"In {r.choice(MONTHS)} we presented {self.fact('novelty')}, on which our engineers had worked for {r.choice(['two', 'three', 'four', 'five'])} years. First deliveries were made to "
            f"{r.choice(c.segments).buyers}, and the response has been {r.choice(['encouraging', 'better than we expected', 'good, though orders take time'])}. With {self.fact('target')} a company has joined us "
            f"that complements what we do, and whose people we welcome.",
            f"{r.choice(['Sustainability remains a duty.', 'We take care of the environment.', 'Energy is a matter of cost and of conscience.'])} The emission of carbon dioxide from our own sites was reduced by "
            f"{self.fact('carbon')} against the base year. {self.fact('green')} of the electricity that we buy comes from renewable sources.",
            "My thanks go to all who work for the company, for their skill and for their patience; to our customers, who set the standard; and to you, our shareholders, for your trust.",
        )
        self.p.skip(24)
        self.say(f"{self.e['chair']}", "Chairman of the Board")
        self.p.new_page()

    def business(self) -> None:
        c, e = self.c, self.e
        self.item("1", "Strategic report: our business" if self.uk else "Business")
        self.p.heading("General", 11, level=2)
        self.say(
            f"{c.legal}, with its subsidiaries (the Company, we, us, our), {c.about}. Our head office is in {c.home}. We "
            f"manage our operations in {len(c.segments)} segments, which are described below.",
        )
        self.p.heading("Segments", 11, level=2)
        for segment in c.segments:
            r = chance(c, segment.name)
            self.say(
                f"{segment.name}. This segment supplies {segment.makes}. Its customers are mainly {segment.buyers}. It sells "
                f"through {r.choice(['its own sales force and independent agents', 'distributors and its own sales force', 'long-term agreements and tenders'])}, "
                f"and competes on {r.choice(['reliability, price and delivery time', 'price, service and breadth of assortment', 'quality, technical advice and cost of ownership'])}. "
                f"No competitor is present in all of the markets that the segment serves.",
            )
        self.p.heading("Customers and orders", 11, level=2)
        self.say(
            f"One customer accounted for {self.fact('customer')} of consolidated {self.low('revenue')}; no other reached 10%. "
            f"Unfilled orders that we believe to be firm amounted to {self.fact('backlog')} at the end of the year. Most of "
            f"them are expected to be shipped or performed within twelve months.",
            "Our business is moderately seasonal. Working capital usually rises in the first half of the year and falls in the second.",
        )
        self.p.heading("Materials and suppliers", 11, level=2)
        self.say(
            f"The principal materials that we use are {c.materials}. We believe that supplies are adequate. For some of them we "
            f"depend on a few suppliers. We do not hold larger stocks than are needed for our production plans.",
        )
        self.p.heading("Intellectual property", 11, level=2)
        self.say(
            f"We own {self.fact('patents')} patents and a number of trademarks. While they are valuable in the aggregate, we do "
            f"not consider any one of them to be material to the business as a whole.",
        )
        self.p.heading("Our people" if self.uk else "Human capital", 11, level=2)
        self.say(
            f"At the end of the year we had approximately {self.fact('employees')} employees. About {self.fact('unions')} of them are "
            f"covered by collective bargaining agreements. We consider our labor relations to be good. We offer training at all of our "
            f"larger sites and measure accidents, absence and turnover every month.",
        )
        self.p.heading("Government regulation", 11, level=2)
        self.say(
            "Our operations are subject to laws and regulations on product safety, emissions, waste, trade and employment. Compliance "
            "did not have a material effect on our capital expenditures, earnings or competitive position, and is not expected to "
            "have one in the coming year.",
        )
        if not self.uk:
            self.p.heading("Executive officers", 11, level=2)
            self.p.table(
                ["Age", "Since"],
                [
                    Row(f"{e['chief']}, Chief Executive Officer", [str(chance(c, self.year, "a").randint(48, 66)), str(self.year - 3)], ["chief", None]),
                    Row(f"{e['officer']}, Chief Financial Officer", [str(chance(c, self.year, "b").randint(43, 63)), str(self.year - 1)]),
                    Row(f"{e['treasurer']}, Vice President and Treasurer", [str(chance(c, self.year, "d").randint(38, 60)), str(self.year)]),
                ],
                column=60,
            )  # fmt: skip
            self.p.facts.pop("chief", None)

    def risks(self) -> None:
        self.p.new_page()
        self.item("1A", "Principal risks and uncertainties" if self.uk else "Risk Factors")
        self.say(
            "The following factors, among others, could affect our business, financial condition and results. They are not the only "
            "risks that we face. Others which are not known to us, or which we consider immaterial today, may also be harmful.",
        )
        order = chance(self.c, "risks").sample(range(len(RISKS) - 1), len(RISKS) - 3)
        if self.year >= 2020:
            order.insert(2, len(RISKS) - 1)
        for index in order:
            title, *texts = RISKS[index]
            self.p.paragraph(title, "bold" if self.c.labels else "italic", after=0.3)
            self.say(*texts)
        if not self.uk:
            self.p.heading("Item 1B. Unresolved Staff Comments", 12, room=20)
            self.say("None.")

    def properties(self) -> None:
        c = self.c
        self.item("2", "Where we operate" if self.uk else "Properties")
        self.say(
            f"Our sites have an aggregate floor space of about {self.fact('area')} square feet, of which a part is leased. We "
            f"consider them to be well maintained, suitable and adequate. The more important ones are:",
        )
        rows = [
            Row(site, [chance(c, site).choice(["Owned", "Leased"]), c.segments[i % len(c.segments)].name])
            for i, site in enumerate(c.sites)
        ]
        self.p.table(["Interest", "Segment"], rows, column=118)
        if not self.uk:
            self.item("3", "Legal Proceedings")
            self.say(
                "Information on legal proceedings is given in the note on contingencies to the financial statements."
            )

    def market(self) -> None:
        r = chance(self.c, self.year, "market")
        self.item("5", "Shareholder information" if self.uk else "Market for the Registrant's Common Equity")
        self.say(
            f"There were {self.fact('holders')} holders of record of our common stock at the end of the year. Dividends have been "
            f"paid without interruption; their future amount depends on earnings, financial condition and other factors.",
            f"At the end of the year, {self.fact('authorization')} remained available under the program under which the board has "
            f"authorized management to purchase the Company's own shares in the open market. The program has no date of expiry.",
        )
        rows, low = [], r.randint(1500, 6000)
        for quarter in ("First", "Second", "Third", "Fourth"):
            low = round(low * r.uniform(0.9, 1.13))
            rows.append(Row(f"{quarter} quarter", [cents(round(low * r.uniform(1.08, 1.25))), cents(low)]))
        self.p.table(["High", "Low"], rows, title="Price of the common stock")

    def selected(self) -> None:
        years = [self.year - i for i in range(5)]
        self.item("6", "Five-year summary" if self.uk else "Selected Financial Data")
        rows = []
        for name in ("revenue", "operating", "net", "eps_diluted", "dps", "assets", "long_debt", "equity", "capex"):
            show = cents if name in ("eps_diluted", "dps") else number
            values = [accounts(self.c, y)[name] for y in years]
            label = "Total assets" if name == "assets" else self.label(name)
            rows.append(Row(label, [show(v) for v in values], [f"{name}.{y}" for y in years]))
        self.p.table([str(y) for y in years], rows, column=55, size=8.5, title=self.unit)

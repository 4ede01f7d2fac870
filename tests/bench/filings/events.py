"""What happened in a year, and what stands only in prose and notes."""

from __future__ import annotations

from functools import cache
from random import Random

from filings.accounts import accounts
from filings.boilerplate import MONTHS, SEASONS
from filings.companies import Company, chance, number

FIRST = "Alan Barbara Carl Denise Edwin Frances Gregory Helen Ian Judith Keith Laura Martin Nora Oliver Patricia Ruth Simon".split()
LAST = "Abbott Bergstrom Castellano Drummond Eastman Farrow Goldring Hathaway Ibsen Jarrett Kovacs Lindqvist Moreau Nakamura Ostrow Pemberton Quigley Rasmussen Sorensen Tillman Underhill Vance Whitlock Yates".split()
TARGETS = "Aldergate Bramwell Corvane Delmora Everton Fennick Gladstone Hartwell Inverloch Jorvik Kellaway Larkspur Merrivale Norcross Ottery Penhallow Quillon Rosemere Saltmarsh Thornbury Ullswater Verity Wexcombe Yarrow".split()
NOVEL = "Aurora Beacon Cirrus Delta Ember Falcon Granite Halcyon Iris Jupiter Keystone Lyra Meridian Nimbus Orion Polaris Quartz Regent Summit Titan".split()
TOWNS = "Altoona Bakersfield Chattanooga Decatur Evansville Flagstaff Galesburg Hattiesburg Ithaca Janesville Kenosha Lufkin Muncie Natchez Owensboro Paducah Quincy Rockford Sandusky Terre-Haute".split()
LATER = (
    "In {month} {year} the Company agreed to sell its plant in {place} for {amount}. The sale is expected to close in the second quarter.",
    "In {month} {year} the Company issued notes of {amount} in a private placement, of which a part was used to repay the term loan. The trustee has its seat in {place}.",
    "In {month} {year} a storm damaged the warehouse in {place}. The loss is estimated at {amount}, most of which is covered by insurance.",
    "In {month} {year} the board approved the construction of a distribution center in {place} at a cost of {amount}.",
)


@cache
def events(company: Company, year: int) -> dict[str, str]:
    """What happened in a year, and what stands only in prose and notes: words by name of the fact."""
    r = chance(company, year, "events")
    f = accounts(company, year)
    sales = f["revenue"]
    small = 1 if company.unit == "thousands" else 1000
    person = lambda: f"{r.choice(FIRST)} {r.choice('ABCDEFGHJKLMRSTW')}. {r.choice(LAST)}"  # noqa: E731
    month = lambda: r.choice(MONTHS)  # noqa: E731
    e = {
        "employees": f"{round(sales * small / 1000 * r.uniform(2.7, 3.4)) if small == 1000 else round(sales / 1000 * r.uniform(3.1, 3.9)):,}",
        "unions": f"{r.randint(11, 48)}%",
        "area": f"{r.randint(21, 98) / 10:.1f} million",
        "backlog": amount(company, round(sales * r.uniform(0.12, 0.3))),
        "customer": f"{r.randint(101, 189) / 10:.1f}%",
        "holders": f"{r.randint(1800, 9900):,}",
        "plan": f"{amount(company, round(sales * r.uniform(0.042, 0.05)))} to {amount(company, round(sales * r.uniform(0.051, 0.062)))}",
        "authorization": amount(company, round(sales * r.uniform(0.03, 0.1))),
        "undrawn": amount(company, round(sales * r.uniform(0.1, 0.2))),
        "sensitivity": amount(company, max(1, round(sales * r.uniform(0.0008, 0.0016))), exact=True),
        "lease_term": f"{r.randint(52, 98) / 10:.1f} years",
        "lease_rate": f"{r.randint(281, 499) / 100:.2f}%",
        "pension_rate": f"{r.randint(242, 431) / 100:.2f}%",
        "pension_contribution": amount(company, max(1, round(sales * r.uniform(0.003, 0.006))), exact=True),
        "exercise": f"{company.money}{r.randint(1800, 6900) / 100:.2f}",
        "unearned": amount(company, max(1, round(sales * r.uniform(0.006, 0.012))), exact=True),
        "unearned_years": f"{r.randint(13, 27) / 10:.1f} years",
        "uncertain": number(round(sales * r.uniform(0.004, 0.009))),
        "environment": amount(company, max(1, round(sales * r.uniform(0.003, 0.008))), exact=True),
        "settlement": amount(company, max(1, round(sales * r.uniform(0.001, 0.004))), exact=True),
        "target": f"{r.choice(TARGETS)} {r.choice(['Holdings', 'Brothers', 'Technologies', 'Partners'])}",
        "price": amount(company, f["acquisitions"]),
        "target_month": month(),
        "cut": f"{r.randint(90, 640)}",
        "closed": r.choice(TOWNS),
        "later_month": month(),
        "later": amount(company, round(sales * r.uniform(0.02, 0.09))),
        "later_place": r.choice(TOWNS),
        "plaintiff": f"{r.choice(LAST)} {r.choice(['Brands', 'Industries', 'Trust', 'Properties'])}",
        "patents": f"{r.randint(120, 980)}",
        "officer": person(),
        "chief": person(),
        "treasurer": person(),
        "notes_rate": f"{r.randint(285, 545) / 100:.2f}%",
        "forwards": amount(company, round(sales * r.uniform(0.02, 0.07))),
        "debt_value": amount(company, round((f["long_debt"] + f["current_debt"]) * 0.45 * r.uniform(0.96, 1.09))),
        "lease_rent": number(f["rent"]),
        "accidents": f"{r.randint(11, 69) / 10:.1f}",
        "punctual": f"{r.randint(861, 989) / 10:.1f}%",
        "novelty": f"the {r.choice(NOVEL)} {r.randint(2, 99) * 10} line",
        "carbon": f"{r.randint(41, 298) / 10:.1f}%",
        "green": f"{r.randint(17, 88)}%",
        "chair": person(),
        "pay": number(r.randint(2100000, 9900000)),
        "fee": number(r.randint(1400000, 6900000)),
        "leverage_limit": f"{r.choice(['3.00', '3.25', '3.50', '3.75'])} to 1.00",
    }  # fmt: skip
    for name in ("pbo", "allowance", "warranty"):
        e[name] = number(late(company, year, name))
    return e


def late(company: Company, year: int, name: str) -> int:
    """Figures that only notes tell, at the end of a year."""
    share = {"pbo": 0.21, "allowance": 0.011, "warranty": 0.009}[name]
    return max(1, round(accounts(company, year)["revenue"] * share * chance(company, year, name).uniform(0.8, 1.2)))


def amount(company: Company, value: int, *, exact: bool = False) -> str:
    """An amount as prose has it: $1,234 million, $87.4 million."""
    if company.unit == "millions":
        return f"{company.money}{value:,} million"
    return f"{company.money}{value / 1000:,.{2 if exact and value < 10000 else 1}f} million"


def cause(company: Company, year: int, what: str, pool: tuple[str, ...]) -> tuple[str, str]:
    """Two reasons for a change, other ones every year."""
    index = company.years.index(year)
    chosen = Random(f"{company.legal}/{what}").sample(pool, len(pool))
    r = chance(company, year, what)
    found = [chosen[(2 * index + i) % len(chosen)] for i in (0, 1)]
    fill = {"site": r.choice(company.sites).split(",")[0], "month": r.choice(MONTHS), "season": r.choice(SEASONS)}
    return tuple(text.format(**fill) for text in found)  # type: ignore[return-value]

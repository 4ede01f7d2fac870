"""The companies' accounts, which add up and follow each other over the years."""

from __future__ import annotations

from functools import cache

from filings.companies import Company, chance


@cache
def accounts(company: Company, year: int) -> dict[str, int]:
    """All figures of a fiscal year by name, in the company's unit; per-share figures in cents."""
    r, whole = chance(company, year), chance(company)
    f: dict[str, int] = {}
    f["revenue"] = sum(segment_sales(company, n, year) for n in range(len(company.segments)))
    sales = f["revenue"]

    def part(share: float, spread: float = 0.06) -> int:
        return max(1, round(sales * share * r.uniform(1 - spread, 1 + spread)))

    f["cogs"] = part(whole.uniform(0.56, 0.64), 0.025)
    f["gross"] = sales - f["cogs"]
    f["sga"] = part(whole.uniform(0.15, 0.19), 0.04)
    f["rd"] = part(whole.uniform(0.022, 0.045))
    f["amortization"] = part(0.011)
    f["restructuring"] = part(0.008, 0.6)
    f["operating"] = f["gross"] - f["sga"] - f["rd"] - f["amortization"] - f["restructuring"]
    f["interest"] = part(0.0125, 0.12)
    f["other_income"] = part(0.0024, 0.5)
    f["pretax"] = f["operating"] - f["interest"] + f["other_income"]
    f["tax"] = round(f["pretax"] * r.uniform(0.195, 0.262))
    f["net"] = f["pretax"] - f["tax"]
    base = round(company.revenue * whole.uniform(0.03, 0.05))
    f["shares"] = round(base * (1 - 0.012 * (year - 2015)) * r.uniform(0.995, 1.005))
    f["shares_diluted"] = round(f["shares"] * r.uniform(1.006, 1.017))
    f["eps"] = round(100 * f["net"] / f["shares"])
    f["eps_diluted"] = round(100 * f["net"] / f["shares_diluted"])
    f["dps"] = round(f["eps"] * r.uniform(0.26, 0.34))
    f |= _balance(company, year, sales, f["cogs"])
    f["depreciation"] = part(0.034)
    f["sbc"] = part(0.0065, 0.15)
    f["capex"] = part(0.047, 0.2)
    f["dividends"] = round(f["dps"] * f["shares"] / 100)
    f["buyback"] = part(0.014, 0.5)
    f["acquisitions"] = part(0.02, 0.7)
    f["advertising"] = part(0.012, 0.3)
    f["rent"] = part(0.0125, 0.1)
    return f


@cache
def segment_sales(company: Company, number: int, year: int) -> int:
    """Sales of one segment."""
    shares = [0.5, 0.3, 0.2] if len(company.segments) == 3 else [0.62, 0.38]
    value = company.revenue * shares[number]
    for y in range(2014, year + 1):
        value *= 1 + chance(company, "growth", number, y).uniform(-0.055, 0.13)
    return round(value)


def segment_profit(company: Company, number: int, year: int) -> int:
    """Operating income of one segment; what is left of the sum is the centre's."""
    total = accounts(company, year)["operating"]
    share = segment_sales(company, number, year) / accounts(company, year)["revenue"]
    return round(total * share * chance(company, "profit", number, year).uniform(0.92, 1.22))


def _balance(company: Company, year: int, sales: int, cogs: int) -> dict[str, int]:
    r, whole = chance(company, year, "balance"), chance(company, "balance")
    b: dict[str, int] = {}

    def part(share: float, spread: float = 0.09) -> int:
        return max(1, round(sales * share * r.uniform(1 - spread, 1 + spread)))

    b["cash"] = part(0.075, 0.35)
    b["receivables"] = part(0.133)
    b["inventories"] = round(cogs * r.uniform(0.15, 0.19))
    b["prepaid"] = part(0.021, 0.2)
    b["current_assets"] = b["cash"] + b["receivables"] + b["inventories"] + b["prepaid"]
    b["ppe_gross"] = part(0.59, 0.04)
    b["accumulated"] = part(0.29, 0.04)
    b["ppe"] = b["ppe_gross"] - b["accumulated"]
    b["rou"] = part(0.052)
    b["goodwill"] = round(company.revenue * whole.uniform(0.2, 0.3)) + round(
        company.revenue * 0.011 * (year - 2014) * r.uniform(0.9, 1.1)
    )
    b["intangibles"] = part(0.094)
    b["other_assets"] = part(0.03, 0.2)
    b["assets"] = b["current_assets"] + b["ppe"] + b["rou"] + b["goodwill"] + b["intangibles"] + b["other_assets"]
    b["payables"] = round(cogs * r.uniform(0.09, 0.13))
    b["accrued"] = part(0.062)
    b["current_debt"] = part(0.017, 0.65)
    b["current_lease"] = part(0.0115)
    b["deferred_revenue"] = part(0.018, 0.2)
    b["current_liabilities"] = sum(
        b[k] for k in ("payables", "accrued", "current_debt", "current_lease", "deferred_revenue")
    )
    b["long_debt"] = part(0.245, 0.14)
    b["lease"] = part(0.041)
    b["pension"] = part(0.037, 0.2)
    b["deferred_tax"] = part(0.031, 0.15)
    b["other_liabilities"] = part(0.019, 0.2)
    b["liabilities"] = b["current_liabilities"] + sum(
        b[k] for k in ("long_debt", "lease", "pension", "deferred_tax", "other_liabilities")
    )
    b["equity"] = b["assets"] - b["liabilities"]
    b["common"] = round(company.revenue * 0.0006) or 1
    b["paid_in"] = part(0.16, 0.04)
    b["aoci"] = -part(0.034, 0.3)
    b["treasury"] = -part(0.11, 0.1)
    b["retained"] = b["equity"] - b["common"] - b["paid_in"] - b["aoci"] - b["treasury"]
    return b


def cash_flow(company: Company, year: int) -> dict[str, int]:
    """The cash flow statement: it ends at the cash of the balance sheet."""
    f, before = accounts(company, year), accounts(company, year - 1)
    r = chance(company, year, "flow")
    c = {k: f[k] for k in ("net", "depreciation", "sbc")}
    c["deferred"] = f["deferred_tax"] - before["deferred_tax"]
    c["d_receivables"] = before["receivables"] - f["receivables"]
    c["d_inventories"] = before["inventories"] - f["inventories"]
    c["d_payables"] = f["payables"] + f["accrued"] - before["payables"] - before["accrued"]
    c["d_other"] = round(f["revenue"] * r.uniform(-0.006, 0.006))
    c["operations"] = sum(c.values())
    c["capex"] = -f["capex"]
    c["acquisitions"] = -f["acquisitions"]
    c["disposals"] = round(f["revenue"] * r.uniform(0.001, 0.006))
    c["investing"] = c["capex"] + c["acquisitions"] + c["disposals"]
    c["dividends"] = -f["dividends"]
    c["buyback"] = -f["buyback"]
    c["options"] = round(f["revenue"] * r.uniform(0.002, 0.005))
    c["exchange"] = round(f["revenue"] * r.uniform(-0.002, 0.002))
    c["change"] = f["cash"] - before["cash"]
    c["financing"] = c["change"] - c["operations"] - c["investing"] - c["exchange"]
    debt = c["financing"] - c["dividends"] - c["buyback"] - c["options"]
    c["repaid"] = -round(f["revenue"] * r.uniform(0.03, 0.06)) + min(0, debt)
    c["borrowed"] = debt - c["repaid"]
    return c

"""What stands in every filing, nearly word for word: risks, policies and forms."""

from __future__ import annotations

FORWARD = (
    "This report contains forward-looking statements within the meaning of the securities laws. Such statements are "
    "based on current expectations and on assumptions that management believes to be reasonable, and they are subject "
    "to risks and uncertainties that could cause actual results to differ materially from those expressed or implied. "
    "Words such as anticipate, believe, expect, intend, may, plan, project, should and similar expressions identify "
    "forward-looking statements. Readers are cautioned not to place undue reliance on these statements, which speak "
    "only as of the date on which they are made. We undertake no obligation to update them."
)

RISKS: tuple[tuple[str, str, str], ...] = (
    (
        "Our results depend on general economic conditions, which we do not control.",
        (
            "Demand for our products and services follows the level of activity in the markets that our customers serve. A "
            "slowdown in these markets, tighter credit, inflation, lower consumer confidence or lower public spending may lead "
            "customers to postpone or cancel purchases. Because a considerable part of our cost is fixed in the short term, a "
            "decline of volume affects our earnings more than proportionally."
        ),
        (
            "We cannot predict the timing, the depth or the length of an economic downturn. In past downturns we adjusted "
            "capacity, reduced discretionary spending and deferred projects; there is no assurance that such measures would be "
            "sufficient or could be taken in time."
        ),
    ),
    (
        "Increases in the cost of materials, energy and freight could reduce our margins.",
        (
            "We buy large quantities of materials, the prices of which fluctuate with world supply and demand, weather, tariffs "
            "and other factors. Our ability to pass higher costs on to customers depends on market conditions and on the terms of "
            "our contracts, and price increases generally take effect some months after costs have risen."
        ),
        (
            "We use fixed-price contracts and, to a limited extent, derivative instruments to reduce our exposure. These "
            "arrangements may not protect us, and they may prevent us from taking full advantage of a decline in prices."
        ),
    ),
    (
        "We face intense competition.",
        (
            "We compete with companies of all sizes, some of which have greater financial, technical and marketing resources than "
            "we do. Competition is based on price, quality, service, delivery time and the breadth of the product line. New "
            "competitors, including companies from regions with lower labor cost, have entered several of our markets."
        ),
        (
            "Customers continue to consolidate, which increases their purchasing power. If we do not respond to competitive "
            "pressure by innovation and productivity, our sales and our profitability could suffer."
        ),
    ),
    (
        "The loss of a large customer could hurt our business.",
        (
            "Although no relationship is exclusive, a limited number of customers accounts for a meaningful share of our business. "
            "These customers are in general not bound to buy minimum quantities, and they may reduce or end their purchases at "
            "short notice."
        ),
        (
            "The insolvency of a large customer, a change in its sourcing strategy or its acquisition by a company that prefers "
            "another supplier would reduce our sales, and receivables might not be collected in full."
        ),
    ),
    (
        "Interruptions at our sites or in our supply chain could prevent us from delivering.",
        (
            "Our operations could be interrupted by fire, flood, storm, earthquake, failure of equipment, labor disputes, "
            "shortage of transport or acts of terrorism. Some of our materials and components are available from one or a few "
            "suppliers only, and qualifying another source can take more than a year."
        ),
        (
            "We carry insurance against damage to property and interruption of business at levels that we believe to be "
            "customary. Insurance may not cover all losses, may become more expensive, and does not bring back customers who "
            "have turned to others in the meantime."
        ),
    ),
    (
        "A failure of information systems or a breach of security could harm us.",
        (
            "We depend on information systems to take orders, to plan production, to ship, to invoice, to pay our people and to "
            "report our results. These systems, and those of third parties on which we rely, may fail or may be attacked. Attacks "
            "have become more frequent and more sophisticated, and we expect this to continue."
        ),
        (
            "A breach could lead to the loss of confidential data, to the interruption of operations, to claims by customers and "
            "employees, to fines, and to considerable cost for investigation and repair."
        ),
    ),
    (
        "Litigation and claims could be costly.",
        (
            "We are and may become party to lawsuits and claims that concern product liability, contracts, employment, intellectual "
            "property, antitrust and other matters. The outcome of litigation is uncertain, and the cost of defense can be "
            "substantial even if we prevail."
        ),
        (
            "We record an accrual when a loss is probable and can be estimated. Actual losses may exceed what has been accrued, "
            "and a judgment or settlement in one period could be material to the results of that period."
        ),
    ),
    (
        "Environmental, health and safety regulation may require us to spend more.",
        (
            "Our operations are subject to laws on emissions to air, discharges to water, handling and disposal of waste, "
            "remediation of contamination, and safety at work. These laws have generally become stricter over time. We may be "
            "liable for contamination at sites which we own, which we owned in the past, or to which our waste was sent."
        ),
        (
            "The discovery of conditions that are not known today, or a change of law or of its enforcement, could require "
            "expenditures in excess of our accruals. Regulation of greenhouse gases may increase the cost of energy."
        ),
    ),
    (
        "Our indebtedness limits our flexibility.",
        (
            "A part of our cash flow is dedicated to the service of debt and is not available for other purposes. Our credit "
            "agreement contains covenants that restrict liens, mergers and sales of assets, and that require us to maintain a "
            "maximum ratio of debt to earnings and a minimum coverage of interest."
        ),
        (
            "A breach of a covenant that is not waived would allow lenders to demand immediate repayment. A downgrade of our "
            "credit rating would raise the cost of borrowing and could limit our access to the capital market."
        ),
    ),
    (
        "Acquisitions may not bring the benefits that we expect.",
        (
            "We have acquired businesses and expect to do so again. Acquisitions involve risks: that we pay too much, that "
            "integration takes longer than planned, that key people leave, that liabilities come to light which were not known, "
            "and that management's attention is diverted."
        ),
        (
            "A substantial part of our assets consists of goodwill and other intangible assets. If the fair value of a reporting "
            "unit falls below its carrying amount, we have to record an impairment, which may be material."
        ),
    ),
    (
        "Our retirement plans may require higher contributions.",
        (
            "The funded status of our defined benefit plans depends on the return on plan assets, on interest rates and on the "
            "life expectancy of participants. A decline of interest rates increases the present value of obligations, and poor "
            "returns reduce the assets that are held against them."
        ),
        (
            "Changes of these factors may increase our expense and the contributions that we are required to make, and may reduce "
            "the cash that is available for other purposes."
        ),
    ),
    (
        "We operate in several countries and are exposed to currency and political risks.",
        (
            "Sales and cost in foreign currencies are translated at rates that fluctuate. Operations abroad are subject to "
            "tariffs, export control, restrictions on the transfer of funds, differing protection of intellectual property, "
            "changes of tax law and political unrest."
        ),
        (
            "We use forward contracts for a part of our exposure. They reduce but do not remove the effect of changes in exchange "
            "rates on our results and on the value of our net assets abroad."
        ),
    ),
    (
        "We depend on our ability to attract and keep qualified people.",
        (
            "Our success depends on the skill of our managers, engineers, sales people and operators. Competition for such people "
            "is strong in the regions in which we have our larger sites. Some of our employees are covered by collective bargaining "
            "agreements that expire in the coming years."
        ),
        (
            "A work stoppage, higher turnover, or wage increases that are not matched by productivity would raise our cost and "
            "could disturb deliveries to customers."
        ),
    ),
    (
        "Changes of tax law could raise our effective tax rate.",
        (
            "We are subject to income taxes in many jurisdictions. Our effective rate depends on the mix of earnings, on the "
            "valuation of deferred tax assets, on changes of law and on the outcome of audits. Tax authorities may disagree with "
            "positions that we have taken."
        ),
        (
            "Proposals for a minimum taxation of international groups are being discussed. We are not able to say if and when such "
            "proposals will be enacted, and how they would affect us."
        ),
    ),
    (
        "An outbreak of disease could disturb our operations and those of our customers.",
        (
            "A pandemic and the measures that public authorities take against it may close sites, restrict travel, reduce the "
            "number of people who are able to work, and interrupt the supply of materials. Its course and its consequences for "
            "the economy can hardly be foreseen."
        ),
        (
            "We have adopted measures to protect our people, such as distance at workplaces, additional cleaning and work from "
            "home. They cause cost, and they do not exclude that a site has to be closed for some time."
        ),
    ),
)

POLICIES: tuple[tuple[str, str], ...] = (
    (
        "Principles of consolidation",
        (
            "The consolidated financial statements include the accounts of the Company and of all subsidiaries that it controls. "
            "Intercompany balances and transactions are eliminated. Investments of 20% to 50% over which significant influence "
            "is exercised are accounted for by the equity method."
        ),
    ),
    (
        "Use of estimates",
        (
            "The preparation of financial statements requires management to make estimates and assumptions that affect the reported "
            "amounts of assets, liabilities, revenues and expenses, and the disclosure of contingencies. Actual results could differ "
            "from these estimates."
        ),
    ),
    (
        "Cash and cash equivalents",
        (
            "Highly liquid investments with an original maturity of three months or less are considered to be cash equivalents. They "
            "are carried at cost, which approximates fair value."
        ),
    ),
    (
        "Allowance for credit losses",
        (
            "Receivables are stated net of an allowance for expected credit losses, which is based on the age of the balances, on past "
            "losses, on the financial condition of customers and on reasonable forecasts of economic conditions. Balances are written "
            "off when collection is no longer pursued."
        ),
    ),
    (
        "Inventories",
        (
            "Inventories are stated at the lower of cost and net realizable value. Cost is determined by the first-in, first-out "
            "method and includes material, labor and manufacturing overhead. Slow-moving items are written down on the basis of "
            "expected use."
        ),
    ),
    (
        "Property, plant and equipment",
        (
            "Property, plant and equipment are carried at cost less accumulated depreciation. Depreciation is computed by the "
            "straight-line method over estimated useful lives of 20 to 40 years for buildings, 5 to 15 years for machinery and "
            "equipment, and 3 to 7 years for software and furniture. Maintenance and repairs are expensed as incurred."
        ),
    ),
    (
        "Goodwill and intangible assets",
        (
            "Goodwill is not amortized but is tested for impairment at the level of reporting units once a year, and whenever events "
            "indicate that its carrying amount may not be recoverable. Customer relationships, technology and other intangible assets "
            "of finite life are amortized over 5 to 20 years."
        ),
    ),
    (
        "Impairment of long-lived assets",
        (
            "Long-lived assets are reviewed for impairment whenever events indicate that their carrying amount may not be recoverable "
            "from undiscounted future cash flows. An impairment is measured as the amount by which the carrying amount exceeds fair "
            "value."
        ),
    ),
    (
        "Foreign currency",
        (
            "Assets and liabilities of subsidiaries abroad are translated at the rates at the end of the period, income and expense at "
            "average rates. Adjustments from translation are reported in accumulated other comprehensive income."
        ),
    ),
    (
        "Derivative instruments",
        (
            "Derivatives are recognized at fair value. Gains and losses on instruments that qualify as cash flow hedges are deferred in "
            "other comprehensive income and are reclassified to earnings when the hedged transaction affects earnings. The Company "
            "does not hold derivatives for trading."
        ),
    ),
    (
        "Recently adopted accounting standards",
        (
            "Several amendments to accounting standards became effective during the year. Their adoption did not have a material effect "
            "on the consolidated financial statements. Standards that have been issued but are not yet effective are being evaluated; "
            "none of them is expected to have a material effect."
        ),
    ),
)

AUDIT = (
    (
        "We have audited the accompanying consolidated balance sheets of the Company and its subsidiaries, and the related "
        "consolidated statements of income, stockholders' equity and cash flows, and the related notes (collectively, the financial "
        "statements). In our opinion, the financial statements present fairly, in all material respects, the financial position of the "
        "Company, and the results of its operations and its cash flows, in conformity with generally accepted accounting principles."
    ),
    (
        "These financial statements are the responsibility of the Company's management. Our responsibility is to express an opinion on "
        "them based on our audits. We conducted our audits in accordance with the applicable standards. Those standards require that "
        "we plan and perform the audit to obtain reasonable assurance about whether the financial statements are free of material "
        "misstatement, whether due to error or fraud. Our audits included performing procedures to assess the risks of material "
        "misstatement, examining evidence regarding the amounts and disclosures on a test basis, and evaluating the principles used "
        "and the significant estimates made by management. We believe that our audits provide a reasonable basis for our opinion."
    ),
    (
        "The critical audit matter communicated below is a matter that was communicated to the audit committee, that relates to "
        "accounts which are material, and that involved especially challenging, subjective or complex judgment. The communication "
        "of critical audit matters does not alter in any way our opinion on the financial statements, taken as a whole."
    ),
    (
        "Valuation of goodwill. The Company tests goodwill for impairment each year. The determination of fair value of the reporting "
        "units requires management to make significant estimates of future sales growth, operating margins and discount rates. We "
        "tested the design and the effectiveness of controls over the test, compared forecasts with past results and with market data, "
        "and used specialists to evaluate the discount rates."
    ),
)

CONTROLS = (
    (
        "Management, with the participation of the chief executive officer and the chief financial officer, evaluated the "
        "effectiveness of disclosure controls and procedures as of the end of the period covered by this report. Based on that "
        "evaluation, they concluded that these controls and procedures were effective."
    ),
    (
        "Management is responsible for establishing and maintaining adequate internal control over financial reporting. Because of its "
        "inherent limitations, internal control may not prevent or detect misstatements. Projections of any evaluation to future "
        "periods are subject to the risk that controls become inadequate because of changes in conditions. Management assessed internal "
        "control on the basis of a recognized framework and believes that it was effective."
    ),
    (
        "There was no change of internal control over financial reporting during the last quarter that has materially affected it or is "
        "reasonably likely to do so."
    ),
)

ESTIMATES: tuple[tuple[str, str], ...] = (
    (
        "Goodwill",
        (
            "We determine the fair value of reporting units by a discounted cash flow model and by multiples of comparable companies. The "
            "most important assumptions are growth of sales, margins and the discount rate. A decline of the fair value of any unit by "
            "10% would not have resulted in an impairment."
        ),
    ),
    (
        "Income taxes",
        (
            "Deferred tax assets are recognized for temporary differences and for loss carryforwards, less an allowance where it is more "
            "likely than not that they will not be realized. Our judgment considers past earnings, forecasts and tax planning."
        ),
    ),
    (
        "Retirement benefits",
        (
            "Expense and obligations of the defined benefit plans depend on the discount rate, the expected return on assets and "
            "mortality. A reduction of the discount rate by half a percentage point would increase the obligation by about 6%."
        ),
    ),
    (
        "Contingencies",
        (
            "We record accruals for claims and for environmental matters when a loss is probable and can reasonably be estimated. When a "
            "range is estimated and no amount within it is better than another, the low end of the range is recorded."
        ),
    ),
)

EXHIBITS = (
    ("3.1", "Restated certificate of incorporation"), ("3.2", "By-laws, as amended"),
    ("4.1", "Indenture between the Company and the trustee"), ("4.2", "Form of senior note"),
    ("10.1", "Credit agreement with the lenders named therein"), ("10.2", "Long-term incentive plan"),
    ("10.3", "Form of restricted stock unit agreement"), ("10.4", "Supplemental executive retirement plan"),
    ("21", "Subsidiaries of the registrant"), ("23", "Consent of independent registered public accounting firm"),
    ("31.1", "Certification of the chief executive officer"), ("31.2", "Certification of the chief financial officer"),
    ("32", "Certification pursuant to section 1350"), ("101", "Interactive data files"),
)  # fmt: skip

CAUSES_UP = (
    "the start of production at the enlarged {site} site",
    "a price increase that took effect in {month}, partly offset by lower volume",
    "a three-year contract won from a competitor in {month}",
    "restocking by distributors after their inventories had fallen to unusually low levels",
    "a full year of sales of the product line launched in the previous {month}",
    "strong orders from public programs for infrastructure",
    "favorable weather during the {season} months",
    "the first-time inclusion of a business acquired in {month}",
    "the strength of foreign currencies against our reporting currency",
    "a shift of the mix to products of higher value",
    "exports to new customers in South America",
    "the return of customers whose sites had been closed in the year before",
    "surcharges that recovered higher cost of materials",
    "an additional week in the fiscal year",
)
CAUSES_DOWN = (
    "a fire at the {site} site in {month} that stopped production for seven weeks",
    "the loss of a customer who moved to a supplier abroad",
    "destocking in the wholesale channel",
    "lower selling prices under contracts that follow the price of materials",
    "a strike of nineteen days in {month}",
    "mild weather during the {season} months",
    "the sale of a product line in {month} of the year before",
    "delays at a supplier of key components",
    "the weakness of foreign currencies against our reporting currency",
    "the postponement of projects by customers into the following year",
    "the discontinuation of unprofitable items in the low price range",
    "import competition in standard products",
    "travel restrictions that kept our people from visiting customers",
    "an unusually large order in the year before that was not repeated",
)
MARGIN_UP = (
    "savings from the consolidation of two warehouses at {site}",
    "lower prices of purchased materials",
    "a program to redesign packaging and reduce scrap",
    "better utilization of machines after a shift was added in {month}",
    "insurance proceeds received in {month}",
    "productivity gained by automation at {site}",
    "the end of a contract that had not covered its cost",
    "the renegotiation of supply agreements in {month}",
)
MARGIN_DOWN = (
    "lower absorption of fixed cost at {site}",
    "higher freight rates and a shortage of drivers",
    "wage increases under the labor agreement signed in {month}",
    "start-up cost of a new line at {site}",
    "the write-down of obsolete stock in {month}",
    "higher electricity and gas prices during the {season} months",
    "rebates granted to large customers since {month}",
    "rework after a defect of a purchased component",
)
SGA_UP = (
    "a new order management system that went live in {month}",
    "legal fees in connection with a dispute about a patent",
    "the opening of a sales office in {month}",
    "higher premiums for liability insurance",
    "spending on brand advertising, which was doubled from {month}",
    "bad debt from the insolvency of a distributor in {month}",
    "fees of consultants for the review of our portfolio",
    "recruiting cost for engineers and planners",
)
SGA_DOWN = (
    "lower bonus accruals",
    "less travel and fewer trade shows",
    "the closing of the regional office at {site}",
    "a freeze on hiring from {month}",
    "the transfer of payroll and accounting to a shared service center",
    "the release of an accrual for a claim that was dropped in {month}",
    "fewer catalogs and mailings",
    "the move of the head office to smaller premises in {month}",
)
MONTHS = "January February March April May June July August September October November December".split()
SEASONS = ("winter", "summer", "spring", "autumn")

"""Fourteen companies that do not exist: what they are called, what they do, how their reports look."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from paper import A4, HELVETICA, LETTER, TIMES, Style


@dataclass(frozen=True)
class Segment:
    """A part of a company that reports by itself."""

    name: str
    makes: str
    buyers: str


@dataclass(frozen=True, eq=False)
class Company:
    """A company: what it is called, what it does, how its reports look and where they lie."""

    legal: str
    said: tuple[str, ...]
    """What people call it when they ask."""
    file: str
    """Path of a report, with {year} or {yy}."""
    split: str
    years: tuple[int, ...]
    about: str
    segments: tuple[Segment, ...]
    materials: str
    home: str
    sites: tuple[str, ...]
    revenue: int
    unit: str
    """millions or thousands, of `money`."""
    labels: int
    """Which words its accountants use: 0 to 2, see `labels.py`."""
    end: str
    """Last day of the fiscal year, as `December 31`."""
    style: Style
    named: bool = False
    """Statements carry the company's name at the top."""
    titles: str = "good"
    """The PDF's title: good, junk, or none."""

    @property
    def money(self) -> str:
        return "\xa3" if self.labels == 2 else "$"


_TIMES = Style(size=11, leading=1.4, margin=80)
_SANS = Style(fonts=HELVETICA, size=9.8, leading=1.5, paper=LETTER, footer="- {page} -")
_BOOK = Style(
    fonts=TIMES, size=11.5, leading=1.46, paper=A4, margin=76, justified=True, header="Annual Report and Accounts"
)
_BLOCK = Style(fonts=TIMES, size=11, leading=1.42, justified=True, margin=76, footer="Page {page}")
_MODERN = Style(fonts=HELVETICA, size=9.8, leading=1.5, paper=A4, margin=72, footer="{page}")

COMPANIES = (
    Company(
        "ACME Industrial Holdings, Inc.", ("Acme", "Acme Industrial", "ACME Industrial Holdings"),
        "ACME_{year}_10K.pdf", "tune", (2019, 2020, 2021, 2022),
        "designs and manufactures pumps, valves and sealing products for water utilities and process plants",
        (
            Segment("Flow Control", "centrifugal and positive displacement pumps", "municipal water utilities and contractors"),
            Segment("Sealing Products", "gaskets, packing and mechanical seals", "refineries and chemical plants"),
            Segment("Aftermarket Services", "repair, field service and spare parts", "owners of installed pumps and valves"),
        ),
        "castings, stainless steel bar and elastomers", "Dayton, Ohio",
        ("Dayton, Ohio", "Tulsa, Oklahoma", "Monterrey, Mexico", "Wroclaw, Poland", "Pune, India"),
        2140000, "thousands", 0, "December 31", _TIMES,
    ),
    Company(
        "Harbor Light Energy Corporation", ("Harbor Light Energy", "Harbor Light"),
        "HARBORLIGHTENERGY_{year}_10K.pdf", "unseen", (2018, 2019, 2020, 2021),
        "distributes natural gas to homes and businesses and operates marine fuel terminals",
        (
            Segment("Gas Distribution", "regulated delivery of natural gas", "residential, commercial and industrial customers"),
            Segment("Marine Terminals", "storage and bunkering of marine fuels", "shipping lines and fuel traders"),
        ),
        "pipeline capacity, steel pipe and odorant", "Portland, Maine",
        ("Portland, Maine", "Searsport, Maine", "New Bedford, Massachusetts", "Halifax, Nova Scotia"),
        1480000, "thousands", 1, "September 30", _BLOCK, True, "junk",
    ),
    Company(
        "Northwind Freight Lines, Inc.", ("Northwind Freight", "Northwind"),
        "Northwind Freight - Annual Report FY{year}.pdf", "tune", (2019, 2020, 2021, 2022),
        "provides truckload, less-than-truckload and intermodal freight transportation",
        (
            Segment("Truckload", "dedicated and one-way truckload transportation", "retailers and food producers"),
            Segment("Less-than-Truckload", "regional consolidated freight", "small and middle-sized manufacturers"),
            Segment("Intermodal", "door-to-door container moves by rail", "importers and beverage companies"),
        ),
        "diesel fuel, tires and tractors", "Duluth, Minnesota",
        ("Duluth, Minnesota", "Fargo, North Dakota", "Joliet, Illinois", "Laredo, Texas", "Memphis, Tennessee"),
        9260, "millions", 1, "December 31", _SANS, False, "good",
    ),
    Company(
        "Kestrel Instruments plc", ("Kestrel", "Kestrel Instruments"),
        "kestrel/{year}/annual-report.pdf", "unseen", (2018, 2019, 2020, 2021),
        "makes weather stations, wind sensors and laboratory balances",
        (
            Segment("Environmental Sensing", "weather stations and wind sensors", "airports, wind farms and research institutes"),
            Segment("Laboratory Weighing", "analytical balances and moisture analysers", "pharmaceutical and food laboratories"),
        ),
        "load cells, ultrasonic transducers and printed circuit boards", "Cambridge, England",
        ("Cambridge, England", "Dundee, Scotland", "Aarhus, Denmark", "Penang, Malaysia"),
        412000, "thousands", 2, "March 31", _BOOK, False, "",
    ),
    Company(
        "Lumen Lighting Group, Inc.", ("Lumen", "Lumen Lighting", "Lumen Lighting Group"),
        "AnnualReport{year}_Lumen.pdf", "tune", (2019, 2020, 2021, 2022),
        "develops and sells luminaires, lighting controls and emergency lighting for buildings and streets",
        (
            Segment("Professional Luminaires", "indoor and outdoor luminaires", "electrical wholesalers and contractors"),
            Segment("Controls", "sensors, dimmers and networked lighting controls", "building owners and integrators"),
        ),
        "aluminum, light-emitting diodes and electronic drivers", "Grand Rapids, Michigan",
        ("Grand Rapids, Michigan", "Conyers, Georgia", "Tijuana, Mexico", "Eindhoven, Netherlands"),
        864000, "thousands", 0, "June 30", _MODERN, True, "junk",
    ),
    Company(
        "Tidewater Mills Company", ("Tidewater Mills", "Tidewater"),
        "reports/Tidewater Mills {year}.pdf", "unseen", (2018, 2019, 2020, 2021),
        "produces containerboard, corrugated packaging and specialty papers",
        (
            Segment("Packaging", "containerboard and corrugated boxes", "food, beverage and agricultural producers"),
            Segment("Specialty Papers", "release liner, filter and label papers", "converters and label printers"),
        ),
        "wood fiber, recovered paper, starch and caustic soda", "Norfolk, Virginia",
        ("West Point, Virginia", "Plymouth, North Carolina", "Jesup, Georgia", "Norfolk, Virginia"),
        1915000, "thousands", 0, "December 31", _TIMES, False, "good",
    ),
    Company(
        "Juniper Ridge Foods, Inc.", ("Juniper Ridge Foods", "Juniper Ridge"),
        "JUNIPERRIDGEFOODS_{year}_10K.pdf", "tune", (2018, 2019, 2020, 2021),
        "makes breakfast cereals, snack bars and frozen meals sold under its own and under retailers' brands",
        (
            Segment("Cereals", "ready-to-eat and hot cereals", "grocery chains and clubs"),
            Segment("Snacks", "snack bars, crackers and dried fruit", "convenience stores and grocery chains"),
            Segment("Frozen Meals", "frozen entrees and vegetables", "grocery chains and food service distributors"),
        ),
        "oats, wheat, sugar, vegetable oils and cartons", "Boise, Idaho",
        ("Boise, Idaho", "Cedar Rapids, Iowa", "Modesto, California", "Winnipeg, Manitoba"),
        6685, "millions", 0, "June 30", _BLOCK, False, "junk",
    ),
    Company(
        "Stonebridge Outfitters, Inc.", ("Stonebridge", "Stonebridge Outfitters"),
        "AnnualReport{year}_StonebridgeOutfitters.pdf", "unseen", (2019, 2020, 2021, 2022),
        "sells outdoor clothing, footwear and camping equipment in its own stores and online",
        (
            Segment("Stores", "apparel, footwear and equipment in company-operated stores", "outdoor enthusiasts and families"),
            Segment("Direct", "the same assortment online and by catalog", "customers throughout the country"),
        ),
        "merchandise from some 300 vendors, packaging and ocean freight", "Asheville, North Carolina",
        ("Asheville, North Carolina", "Reno, Nevada", "Harrisburg, Pennsylvania", "Spokane, Washington"),
        1246000, "thousands", 1, "January 31", _MODERN, False, "good",
    ),
    Company(
        "Calder & Voss plc", ("Calder & Voss", "Calder and Voss"),
        "calder-voss/{year}/annual-report.pdf", "tune", (2018, 2019, 2020, 2021),
        "builds machines for printing, coating and cutting of paper, film and foil",
        (
            Segment("Printing Machinery", "flexographic and gravure presses", "packaging printers"),
            Segment("Coating and Slitting", "coating lines and slitter rewinders", "film and label producers"),
        ),
        "machined rollers, servo drives and sheet steel", "Leeds, England",
        ("Leeds, England", "Huddersfield, England", "Augsburg, Germany", "Suzhou, China"),
        538000, "thousands", 2, "December 31", _BOOK, False, "",
    ),
    Company(
        "Brightwell Diagnostics Corp.", ("Brightwell", "Brightwell Diagnostics"),
        "BRIGHTWELL_{year}_10K.pdf", "unseen", (2019, 2020, 2021, 2022),
        "develops blood analyzers, reagents and point-of-care tests",
        (
            Segment("Hematology", "blood cell analyzers and reagents", "hospital laboratories"),
            Segment("Point of Care", "rapid tests and handheld readers", "physicians' offices, pharmacies and clinics"),
            Segment("Laboratory Services", "reference testing", "hospitals and sponsors of clinical trials"),
        ),
        "antibodies, membranes, optics and molded plastics", "Rochester, Minnesota",
        ("Rochester, Minnesota", "Durham, North Carolina", "Galway, Ireland", "Singapore"),
        945000, "thousands", 0, "December 31", _SANS, True, "junk",
    ),
    Company(
        "Orchard Valley Dairies, Inc.", ("Orchard Valley", "Orchard Valley Dairies"),
        "Orchard Valley Dairies - Annual Report FY{year}.pdf", "unseen", (2019, 2020, 2021, 2022),
        "processes milk into cheese, butter, yogurt and milk powders",
        (
            Segment("Cheese and Butter", "cheddar, mozzarella and butter", "pizza chains, grocers and exporters"),
            Segment("Cultured Products", "yogurt, sour cream and cottage cheese", "grocery chains"),
            Segment("Ingredients", "whey protein and milk powders", "makers of infant formula and sports nutrition"),
        ),
        "raw milk, cultures, resin bottles and natural gas", "Green Bay, Wisconsin",
        ("Green Bay, Wisconsin", "Tulare, California", "Batavia, New York", "Twin Falls, Idaho"),
        11790, "millions", 1, "September 30", _TIMES, False, "good",
    ),
    Company(
        "Pinnacle Marine Systems, Inc.", ("Pinnacle Marine", "Pinnacle Marine Systems"),
        "PINNACLEMARINESYSTEMS_{year}_10K.pdf", "tune", (2018, 2019, 2020, 2021),
        "builds deck machinery, propulsion units and navigation electronics for ships and yachts",
        (
            Segment("Commercial Marine", "winches, cranes and thrusters", "shipyards and offshore operators"),
            Segment("Recreational Marine", "outboard propulsion and anchoring systems", "boat builders and dealers"),
            Segment("Navigation", "radar, sonar and autopilots", "ship owners and naval forces"),
        ),
        "bronze castings, permanent magnets and hydraulic components", "Mobile, Alabama",
        ("Mobile, Alabama", "Bristol, Rhode Island", "Gdansk, Poland", "Busan, South Korea"),
        1085000, "thousands", 0, "December 31", _BLOCK, True, "",
    ),
    Company(
        "Redwood Cable Company", ("Redwood Cable", "Redwood"),
        "10-K/FY{yy}/Redwood Cable.pdf", "tune", (2019, 2020, 2021, 2022),
        "manufactures power cable, communication cable and connectors",
        (
            Segment("Power Cable", "medium and low voltage cable", "electric utilities and wind farm developers"),
            Segment("Communications", "optical fiber and copper data cable", "telephone companies and data centers"),
        ),
        "copper rod, aluminum and polyethylene", "Eureka, California",
        ("Eureka, California", "Lincoln, Nebraska", "Marshall, Texas", "Zacatecas, Mexico"),
        1322000, "thousands", 1, "December 31", _MODERN, False, "junk",
    ),
    Company(
        "Sable Point Chemicals Corporation", ("Sable Point", "Sable Point Chemicals"),
        "sablepoint_ar_{year}.pdf", "unseen", (2019, 2020, 2021, 2022),
        "produces coatings resins, adhesives and water treatment chemicals",
        (
            Segment("Resins and Coatings", "acrylic and epoxy resins", "paint makers and wood finishers"),
            Segment("Adhesives", "hot-melt and structural adhesives", "makers of hygiene products and vehicles"),
            Segment("Water Treatment", "coagulants and scale inhibitors", "municipalities and power plants"),
        ),
        "acrylic acid, epichlorohydrin, styrene and chlorine", "Baton Rouge, Louisiana",
        ("Baton Rouge, Louisiana", "Pasadena, Texas", "Antwerp, Belgium", "Nanjing, China"),
        24600, "millions", 0, "December 31", _TIMES, False, "",
    ),
)  # fmt: skip


def chance(company: Company, *what: object) -> Random:
    """Numbers that look random and are the same on every run."""
    return Random("/".join(map(str, (company.legal, *what))))


def number(value: int) -> str:
    """A figure as accountants print it: losses and payments in parentheses."""
    return f"({-value:,})" if value < 0 else f"{value:,}" if value else "-"


def cents(value: int) -> str:
    """A per-share figure."""
    return f"{value / 100:.2f}"

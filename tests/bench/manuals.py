"""Handbooks of invented machines, each in four versions in which some values differ."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from paper import A5, HELVETICA, Paper, Row, Style


@dataclass(frozen=True)
class Product:
    """A machine: its name, its handbook's versions and files, and what its handbook tells."""

    name: str
    said: tuple[str, ...]
    versions: tuple[str, ...]
    word: str
    """How people name a version: `version {v}`."""
    file: str
    split: str
    purpose: str
    data: tuple[tuple[str, str, float, float, str], ...]
    """Technical data: label, unit, value, step from one version to the next, and the question."""
    steps: tuple[tuple[str, str, float, float, str], ...]
    """Sentences with {} for a value, its unit, value, step, and the question."""
    faults: tuple[tuple[str, str], ...]
    care: tuple[tuple[str, str], ...]
    """What is to be done, and the question about how often."""
    parts: tuple[str, ...]
    title: str = ""


PRODUCTS = (
    Product(
        "ThermoFlow 300", ("ThermoFlow 300", "Thermoflow-300"), ("1.0", "1.2", "2.0", "2.1"), "version {v}",
        "thermoflow-300_v{v}_manual.pdf", "tune",
        "heats water for washrooms, kitchens and small workshops by a heat pump with an electric booster",
        (
            ("Permissible supply pressure", "bar", 6, 0.5, "What is the maximum inlet pressure in {v} of the {p} manual?"),
            ("Storage volume", "l", 285, 5, "How much water does the tank of the {p} hold according to {v}?"),
            ("Power of the booster element", "kW", 1.8, 0.3, "How strong is the electric heater in the {p}, manual {v}?"),
            ("Sound power level", "dB(A)", 56, -1, "How loud is the {p} according to manual {v}?"),
            ("Refrigerant charge", "kg", 1.35, -0.1, "How much cooling agent is in the {p} ({v} of the manual)?"),
            ("Ambient temperature, lower limit", "\xb0C", -5, -1, "Down to which outdoor temperature may the {p} run, manual {v}?"),
            ("Net weight", "kg", 118, 3, "What does the {p} weigh in the manual of {v}?"),
        ),
        (
            ("Keep a clearance of at least {} in front of the air grille.", "mm", 400, 50, "How far from the air outlet must the wall be for the {p}, {v}?"),
            ("Tighten the union nuts with a torque of {}.", "Nm", 32, 2, "How tight must the pipe connections of the {p} be, manual {v}?"),
            ("The line must be protected by a fuse of {}.", "A", 13, 3, "Which fuse does the {p} need, according to {v}?"),
            ("The compressor starts again after a pause of {} at the earliest.", "minutes", 5, 2, "How long does the {p} wait before its compressor runs again ({v})?"),
            ("The thermal disinfection raises the tank to {} once a week.", "\xb0C", 60, 2, "How hot is the anti-legionella cycle of the {p} in manual {v}?"),
        ),
        (("Air sensor has no contact", "Check the plug and replace the sensor"), ("High pressure switch has opened", "Clean the heat exchanger and let the unit cool down"), ("Evaporator is iced up", "Check the fan and the drain"), ("Booster element is defective", "Measure its resistance and replace it"), ("Communication with the display is interrupted", "Check the ribbon cable")),
        (("Replace the sacrificial anode", "How often does the anode of the {p} need changing, manual {v}?"), ("Clean the evaporator fins", "How frequently should the fins of the {p} be cleaned ({v})?"), ("Operate the safety valve", "How often must one try out the relief valve of the {p}, {v}?")),
        ("Magnesium anode", "Booster element with gasket", "Fan motor", "Air sensor", "Circuit board", "Safety valve", "Condensate hose", "Display unit"),
        "ThermoFlow 300 Operating and Installation Manual",
    ),
    Product(
        "Kilnmaster 80", ("Kilnmaster 80", "Kilnmaster"), ("A", "B", "C", "D"), "revision {v}",
        "Kilnmaster 80/Rev {v}/manual.pdf", "unseen",
        "fires ceramics in studios and schools",
        (
            ("Maximum firing temperature", "\xb0C", 1260, 10, "How hot can the {p} get, by {v} of its manual?"),
            ("Connected load", "kW", 7.2, 0.4, "What electric power does the {p} draw according to {v}?"),
            ("Chamber depth", "mm", 470, 10, "How deep is the inside of the {p} in {v}?"),
            ("Empty weight", "kg", 112, 4, "How heavy is the {p} without load ({v})?"),
            ("Number of program segments", "", 8, 4, "How many steps can a firing schedule of the {p} have in {v}?"),
            ("Surface temperature of the door, at most", "\xb0C", 78, -4, "How hot does the outside of the {p}'s door become ({v})?"),
        ),
        (
            ("Leave {} between the casing and walls of any material.", "mm", 250, 50, "Which distance to the wall does the {p} need in {v}?"),
            ("Do not open the lid above {}.", "\xb0C", 120, -20, "From which temperature may one open the {p}, {v}?"),
            ("Heat the new chamber up at no more than {} per hour.", "\xb0C", 100, 10, "How fast may the first firing of the {p} heat up, manual {v}?"),
            ("The exhaust duct must carry {} of air.", "m3/h", 160, 20, "How much ventilation does the {p} want ({v})?"),
            ("After a power cut the program goes on when the chamber has lost less than {}.", "K", 30, 5, "How far may the {p} cool in a blackout and still continue its program, {v}?"),
        ),
        (("Thermocouple is broken", "Replace the thermocouple"), ("Temperature rises too slowly", "Check the elements and the line voltage"), ("Contactor sticks", "Disconnect the kiln and call the service"), ("Lid switch is open", "Close the lid and adjust the switch"), ("Temperature of the controller is too high", "Improve ventilation of the cabinet")),
        (("Check the heating elements for resistance", "How often must the heating coils of the {p} be measured ({v})?"), ("Vacuum the chamber", "How frequently should the {p} be vacuumed, {v}?"), ("Renew the coating of the shelves", "When do shelves of the {p} need new wash, manual {v}?")),
        ("Heating element, side", "Heating element, floor", "Thermocouple type S", "Contactor", "Lid switch", "Set of shelves", "Spy plug", "Controller"),
    ),
    Product(
        "PX9 inverter", ("PX9", "PX9 inverter"), ("2.0", "3.0", "3.5", "4.0"), "release {v}",
        "PX9_user_guide_{v}.pdf", "tune",
        "feeds the energy of photovoltaic modules into the grid and into a battery",
        (
            ("Maximum DC input voltage", "V", 850, 50, "What string voltage can the {p} bear, user guide {v}?"),
            ("Maximum efficiency", "%", 97.2, 0.2, "How efficient is the {p} according to user guide {v}?"),
            ("Nominal AC output power", "W", 8000, 500, "What does the {p} deliver to the grid in {v} of the guide?"),
            ("Night consumption", "W", 5, -0.7, "How much does the {p} use after dark, {v}?"),
            ("Battery charging current", "A", 25, 5, "How quickly can the {p} load the accumulator (current), guide {v}?"),
            ("Altitude of installation, at most", "m", 2000, 250, "How high in the mountains may the {p} be mounted ({v})?"),
        ),
        (
            ("Wait at least {} after disconnection before the cover is opened.", "minutes", 5, 2, "How long must the {p} be off before opening it, guide {v}?"),
            ("Use conductors of at least {}.", "mm2", 4, 2, "Which wire cross-section does the {p} need, {v}?"),
            ("The cover screws are fastened with {}.", "Nm", 2.5, 0.3, "What torque for the lid of the {p} in guide {v}?"),
            ("Keep {} free below the unit.", "mm", 300, 50, "How much space is needed under the {p} ({v})?"),
            ("The grid is monitored for {} before feeding starts.", "seconds", 60, 20, "How long does the {p} watch the mains before it starts ({v} of the guide)?"),
        ),
        (("Insulation resistance is too low", "Check modules and cables for damage"), ("Grid frequency out of range", "Wait; call the grid operator if it happens often"), ("Fan is blocked", "Clean or replace the fan"), ("Arc detected on the DC side", "Check all connectors; restart by hand"), ("Battery does not answer", "Check the data cable and the battery's address")),
        (("Clean the air inlets", "How often do vents of the {p} have to be cleaned, {v}?"), ("Test the DC switch", "At what interval is the disconnect of the {p} exercised ({v})?"), ("Check the terminals for tightness", "How often should connections in the {p} be retightened, guide {v}?")),
        ("Fan module", "Surge arrester", "DC connector pair", "Wall bracket", "Communication board", "Display foil", "Antenna", "Cover seal"),
        "Microsoft Word - PX9_final_v3.doc",
    ),
    Product(
        "AquaPure RO-5", ("AquaPure RO-5", "AquaPure RO5"), ("1", "2", "3", "4"), "v{v}",
        "AquaPureRO5-Manual-v{v}.pdf", "unseen",
        "purifies drinking water by reverse osmosis in laboratories and medical practices",
        (
            ("Permeate flow at 15 \xb0C", "l/h", 48, 4, "How much pure water does the {p} make in an hour, manual {v}?"),
            ("Feed water conductivity, at most", "\xb5S/cm", 1400, 100, "How salty may the water that enters the {p} be ({v})?"),
            ("Retention of salts", "%", 96.5, 0.4, "What part of dissolved salts does the {p} remove, {v}?"),
            ("Reservoir capacity", "l", 30, 5, "What is the size of the {p}'s tank by manual {v}?"),
            ("Operating pressure of the pump", "bar", 7.5, 0.4, "At what pressure does the pump of the {p} work ({v})?"),
            ("Chlorine in feed water, at most", "mg/l", 0.1, -0.02, "How much chlorine does the {p} tolerate in {v} of the manual?"),
        ),
        (
            ("Discard the water of the first {} of operation.", "minutes", 30, 10, "How long is the first water of the {p} thrown away, {v}?"),
            ("The drain must lie at most {} above the unit.", "m", 0.8, 0.1, "How high may the waste water of the {p} be lifted, manual {v}?"),
            ("After a stop of more than {} the system has to be disinfected.", "days", 7, 3, "After how many days off must the {p} be sanitised ({v})?"),
            ("Close the clips with a force of {}.", "N", 40, 5, "How hard are hose clips of the {p} pressed in manual {v}?"),
            ("The alarm sounds when conductivity exceeds {}.", "\xb5S/cm", 25, -2, "At which conductivity does the {p} beep, {v}?"),
        ),
        (("Feed pressure is too low", "Open the tap and change the prefilter"), ("Leakage in the tray", "Close the tap and find the leak"), ("Tank sensor defective", "Replace the sensor"), ("Membrane is spent", "Replace the membrane"), ("Pump runs too long", "Check the check valve")),
        (("Replace the sediment filter", "How often is a new prefilter due on the {p} ({v})?"), ("Replace the membrane", "How long does a membrane of the {p} last, manual {v}?"), ("Disinfect the reservoir", "How often must the {p}'s tank be sanitised, {v}?")),
        ("Sediment filter 5 \xb5m", "Carbon block", "Membrane", "UV lamp", "Pump head", "Tank sensor", "Set of clips", "Leak detector"),
        "AquaPure RO-5 manual",
    ),
    Product(
        "Torvald TL-20 lathe", ("Torvald TL-20", "TL-20 lathe"), ("2016", "2018", "2019", "2021"), "{v} edition",
        "manuals/TL20/{v}/operating instructions.pdf", "unseen",
        "turns wood in joiners' workshops and schools",
        (
            ("Swing over bed", "mm", 400, 10, "How thick a workpiece fits over the bed of the {p}, {v}?"),
            ("Distance between centers", "mm", 900, 50, "How long a piece can be turned on the {p} according to the {v}?"),
            ("Highest spindle speed", "rpm", 3200, 100, "How fast can the {p} spin in the {v} of the instructions?"),
            ("Motor output", "kW", 1.1, 0.2, "How strong is the drive of the {p} ({v})?"),
            ("Mass without stand", "kg", 142, 6, "What is the weight of the {p}, {v}?"),
            ("Emission sound pressure level", "dB(A)", 79, -2, "How noisy is the {p} at the workplace ({v})?"),
        ),
        (
            ("Anchor the machine with bolts that are tightened to {}.", "Nm", 45, 5, "With what torque is the {p} bolted to the floor, {v}?"),
            ("The gap between tool rest and workpiece must not exceed {}.", "mm", 6, -1, "How close must the tool rest be on the {p} ({v})?"),
            ("The brake stops the spindle within {}.", "seconds", 8, -1, "How soon does the spindle of the {p} stand still after switching off, {v}?"),
            ("Pieces heavier than {} have to be supported by the tailstock.", "kg", 4, 1, "From what weight is the tailstock needed on the {p} in the {v}?"),
            ("The belt is tensioned so that it yields {} under the thumb.", "mm", 12, -1, "How much slack should the belt of the {p} have ({v})?"),
        ),
        (("Motor does not start", "Release the emergency stop and close the belt cover"), ("Frequency converter too hot", "Let it cool and clean the filter mat"), ("Overload", "Take a thinner chip and sharpen the tool"), ("Brake resistor open", "Have the resistor replaced"), ("Speed sensor gives no signal", "Adjust the sensor's distance")),
        (("Grease the quill", "How often is the tailstock spindle of the {p} greased, {v}?"), ("Check the belt for wear", "When should the belt of the {p} be inspected ({v})?"), ("Clean the filter mat of the converter", "At what interval does the filter of the {p} need cleaning in the {v}?")),
        ("Poly-V belt", "Live center", "Drive center", "Tool rest 300 mm", "Faceplate", "Frequency converter", "Brake resistor", "Emergency stop switch"),
    ),
)  # fmt: skip

STYLE = Style(fonts=HELVETICA, size=9.5, leading=1.5, paper=A5, margin=50, footer="{page}")

SAFETY = (
    (
        "Read this manual before you install, operate or service the unit, and keep it within reach. The manufacturer is not liable for damage that is caused "
        "by use for other purposes, by changes of the unit or by disregard of this manual."
    ),
    (
        "The unit may be used by persons of 16 years and above who have been instructed in its safe use. It is not a toy. Work on the electrical system is "
        "reserved to qualified electricians."
    ),
    (
        "Safety devices must not be removed, bridged or made ineffective. Damaged parts have to be replaced by original parts at once. Disconnect the unit from "
        "the mains before any work and secure it against being switched on again."
    ),
)
TRANSPORT = (
    (
        "Check the delivery for completeness and for damage. Report damage to the carrier within the time that the contract of carriage sets. Lift the unit only at the points "
        "that are marked on the packaging, with two persons or with a suitable device."
    ),
    "Store the unit in a dry place that is free of frost and dust. Do not stack other goods on it. Keep the packaging until the unit has been put into operation.",
)
OPERATION = (
    (
        "The unit is switched on by the main switch. The display shows the version of the software for a moment, and then the state. The arrow keys move through the menu, the key with "
        "the tick confirms, and the key with the cross leads back."
    ),
    (
        "Settings are kept when the unit is without power. The date and the time have to be set again after a longer interruption. A lock against unintended operation can be switched on "
        "in the menu for service."
    ),
    "When the unit is not used for a longer time, switch it off by the main switch and follow the notes on decommissioning.",
)
DISPOSAL = (
    (
        "The packaging consists of cardboard, wood and polyethylene and can be recycled. The unit must not be put into household waste. Return it to a collection point for electrical "
        "equipment, or to the dealer."
    ),
    "Operating fluids have to be collected by a specialist. Delete personal data from the memory before you hand the unit over.",
)
WARRANTY = (
    (
        "Claims under the warranty require that the unit was installed by a specialist, that maintenance was carried out and recorded, and that original parts were used. "
        "Parts subject to wear are excluded. Claims have to be made in writing and with a copy of the invoice."
    ),
)


def write(product: Product, index: int) -> tuple[Paper, list[tuple[str, str, tuple[str, ...]]]]:
    """Write one version; return the document and its questions: kind, question and facts."""
    version = product.versions[index]
    p = Paper(STYLE)
    asked: list[tuple[str, str, str]] = []
    word = product.word.format(v=version)

    def ask(question: str, key: str) -> None:
        said = Random(f"{product.name}/{version}/{key}").choice(product.said)
        asked.append((question.format(p=said, v=word), key, key))

    p.skip(110)
    p.centred(product.name, 26, after=14)
    p.centred(
        "Operating instructions"
        if product.word.endswith("edition")
        else "User guide"
        if "release" in product.word
        else "Manual",
        16,
        "text",
        after=10,
    )
    p.centred(word[0].upper() + word[1:], 13, "text")
    p.new_page()
    chapters = "About this manual|Safety|Description|Technical data|Transport and storage|Installation|Connection|Putting into operation|Operation|Settings|Faults|Maintenance|Spare parts|Disposal|Warranty".split(
        "|"
    )
    p.heading("Contents", 16)
    p.table([""], [Row(f"{n}   {title}", [str(n + 2)]) for n, title in enumerate(chapters, start=1)], column=60)

    def chapter(title: str) -> None:
        p.new_page()
        p.heading(f"{chapters.index(title) + 1} {title}", 15)

    chapter("About this manual")
    p.paragraph(
        f"This manual describes the unit, which {product.purpose}. It is meant for users and for specialists who install and service the unit."
    )
    p.paragraph(
        "Texts in a frame warn of danger. Steps are numbered by their order. Measures without a unit are in millimeters. Figures are simplified and may differ from your unit in details."
    )
    chapter("Safety")
    p.box("WARNING: danger of injury by electric current, heat and moving parts.")
    for text in SAFETY:
        p.paragraph(text)
    chapter("Description")
    p.paragraph(
        f"The unit {product.purpose}. It consists of the housing, the control, and the following main components:"
    )
    p.bullets(product.parts[:6])
    p.paragraph(
        "Any other use is considered improper. The type plate is on the right-hand side of the housing; state type and serial number when you call the service."
    )
    chapter("Technical data")
    rows = []
    for label, unit, value, step, question in product.data:
        words = f"{_value(product, label, value, step, index)} {unit}".strip()
        rows.append(Row(label, [words], [label]))
        ask(question, label)
    rows += [
        Row("Nominal voltage", ["230 V, 50 Hz"]),
        Row("Degree of protection", ["IP 24"]),
        Row("Relative humidity", ["at most 85 %"]),
    ]
    p.table(["Value"], sorted(rows, key=lambda row: row.label), column=110)
    chapter("Transport and storage")
    for text in TRANSPORT:
        p.paragraph(text)
    places = {"Installation": (0, 1), "Connection": (2,), "Putting into operation": (3, 4)}
    general = {
        "Installation": (
            "Choose a place that is level, dry and able to bear the weight. Provide room for service.",
            "Observe local rules. Use the fastening material that is part of the delivery.",
        ),
        "Connection": (
            "Connection is made by a qualified electrician. Compare the values on the type plate with those of the mains.",
            "Lay cables so that nobody can stumble over them, and relieve them of strain. Connect the protective conductor first.",
        ),
        "Putting into operation": (
            "Before the unit is switched on for the first time, check that all connections are tight and all covers are in place.",
            "Instruct the user, and hand over this manual. Enter the date in the record of maintenance.",
        ),
    }
    for title, numbers in places.items():
        chapter(title)
        p.paragraph(general[title][0])
        for number in numbers:
            text, unit, value, step, question = product.steps[number]
            key = text.replace("{}", "...")
            p.paragraph(text.format(f"{{{{{key}|{_value(product, text, value, step, index)} {unit}}}}}"))
            ask(question, key)
        p.paragraph(general[title][1])
    chapter("Operation")
    for text in OPERATION:
        p.paragraph(text)
    chapter("Settings")
    p.paragraph(
        "The following settings can be changed in the menu for service. The code for access is given to specialists on request."
    )
    r = Random(f"{product.name}/settings/{index // 2}")
    p.table(
        ["Range", "At delivery"],
        [
            Row(f"P{n:02} {name}", [f"0 to {r.randint(5, 60) * 2}", str(r.randint(1, 9))])
            for n, name in enumerate(
                (
                    "Delay of start",
                    "Hysteresis",
                    "Brightness of display",
                    "Time until standby",
                    "Address on the bus",
                    "Interval of recording",
                    "Lock of keys",
                ),
                start=1,
            )
        ],
        column=90,
    )
    chapter("Faults")
    p.paragraph(
        "When a fault occurs, the display shows its code. Faults are reset by the key with the cross after the cause has been removed."
    )
    codes = [f"{'EFHK'[(n + index) % 4]}{(n + 1) * 7 + index * 3:02}" for n in range(len(product.faults))]
    p.table(
        ["Code"],
        [
            Row(f"{what}. {remedy}.", [code], [f"fault {what}"])
            for (what, remedy), code in zip(product.faults, codes, strict=True)
        ],
        column=80,
    )
    r = Random(f"{product.name}/fault/{version}")
    n = r.randrange(len(codes))
    asked.append(
        (
            r.choice(
                [
                    f"What does code {codes[n]} on the {product.said[0]} mean, {word}?",
                    f"{product.said[-1]} shows {codes[n]}, what to do ({word} of the manual)?",
                ]
            ),
            f"fault {product.faults[n][0]}",
            "fault",
        )
    )
    chapter("Maintenance")
    p.paragraph(
        "Regular maintenance keeps the unit safe and economical. Work is recorded in the table at the end of this manual."
    )
    rows = []
    for n, (what, question) in enumerate(product.care):
        months = (3, 6, 9, 12, 18, 24, 30, 36)[(n * 2 + index * (1 + n % 2)) % 8]
        rows.append(Row(what, [f"every {months} months"], [what]))
        ask(question, what)
    p.table(["Interval"], rows, column=110)
    chapter("Spare parts")
    r = Random(f"{product.name}/parts/{index}")
    p.table(
        ["Part number"],
        [Row(part, [f"{r.randint(10, 99)}-{r.randint(1000, 9999)}"], [f"part {part}"]) for part in product.parts],
        column=110,
    )
    part = r.choice(product.parts)
    asked.append(
        (f"Order number of the {part[0].lower() + part[1:]} for {product.said[0]}, {word}?", f"part {part}", "part")
    )
    chapter("Disposal")
    for text in DISPOSAL:
        p.paragraph(text)
    chapter("Warranty")
    p.paragraph(
        f"The warranty period is {{{{warranty|{_value(product, 'warranty', 24, 6, index)} months from the date of delivery}}}}."
    )
    asked.append((f"How long is the {product.said[-1]} guaranteed, according to {word}?", "warranty", "warranty"))
    for text in WARRANTY:
        p.paragraph(text)
    chosen = Random(f"{product.name}/asked").sample(asked, len(asked))
    chosen = [chosen[(index * 3 + i) % len(chosen)] for i in range(4)]
    return p, [("version", question, (key,)) for question, key, _ in chosen]


def _value(product: Product, what: str, value: float, step: float, index: int) -> str:
    """A value of one version: it moves by a step in most versions, and stays in some."""
    moves = sum(Random(f"{product.name}/{what}/{i}").random() < 0.75 for i in range(index))
    shown = f"{value + moves * step:.2f}".rstrip("0").rstrip(".")
    return f"{int(shown):,}" if shown.isdigit() and len(shown) > 3 else shown

"""Short papers that nobody asks about: they lie among the others, as they do in every archive."""

from __future__ import annotations

from random import Random

from paper import Paper, Row, Style

SUBJECTS = {
    "Minutes of the works council": ("The minutes of the last meeting were approved. {a} reported on the canteen, whose prices will rise by {n} cents.", "The new shift plan was discussed. It was agreed to try it in {m} and to ask the people concerned afterwards.", "{b} will ask for offers for bicycle stands. The next meeting is on the {n}th of {m}."),
    "Parking at the head office": ("From {m} on, spaces on the lower deck are reserved for visitors until noon.", "Permits are issued by {a} in room {n}. Cars without a permit will be towed away.", "Those who come by bicycle find lockers and a shower beside the entrance."),
    "Offsite in autumn": ("The team meets on the {n}th of {m} at the lake. {a} organizes the bus, {b} the food.", "Please tell {a} about allergies. Sturdy shoes are useful, since the path may be muddy.", "In the afternoon we work in groups on the goals of the coming year."),
    "Fire drill": ("A fire drill takes place in {m}. Leave the building by the nearest stairs, do not use the lifts, and gather at the fountain.", "Wardens for the {n} floors are named by {a}. They wear yellow vests.", "After the drill {b} collects remarks, so that signs can be improved."),
    "Travel policy": ("Trips by train are booked in second class. Flights of less than {n} hours are booked in economy.", "Receipts are sent to {a} within a month. Amounts in foreign currency are converted at the rate of the day.", "Exceptions are approved by {b} before the trip."),
    "Migration of mail boxes": ("Mail boxes move to the new server in {m}. During the night of the move no mail is delivered.", "Folders larger than {n} gigabytes should be cleaned up before. {a} helps with archives.", "Phones have to be set up again; the guide is on the intranet."),
    "Library rules": ("Books may be borrowed for {n} weeks. Journals stay in the reading room.", "{a} opens the library on weekdays. Lost books are replaced at cost.", "Proposals for acquisition are collected until {m}."),
    "Garden committee": ("The beds at the gate are planted anew in {m}. {a} has ordered {n} shrubs.", "Volunteers meet on Saturday; tools are provided. {b} brings cake.", "The old maple was examined and may stay."),
    "Interview notes": ("The candidate has worked for {n} years in logistics and speaks three languages.", "{a} found the answers about planning convincing; {b} would like to see a sample of work.", "A second talk takes place in {m}."),
}  # fmt: skip
PEOPLE = "Ms. Abel|Mr. Bauer|Ms. Chen|Mr. Dorsey|Ms. Engel|Mr. Faber|Ms. Gupta|Mr. Hale|Ms. Iqbal|Mr. Jonas|Ms. Kim|Mr. Lopez".split(
    "|"
)
MONTHS = "January March April May June September October November".split()
NAMES = (
    "memo_{n}.pdf",
    "Scan {n}.pdf",
    "{s} {n}.pdf",
    "misc/{s} {y}-{n}.pdf",
    "misc/{y}-{n}_notes.pdf",
    "HR/{n} {s} ({y}).pdf",
)


def memos(count: int) -> list[tuple[str, Paper]]:
    """Return so many papers with their file names."""
    out = []
    for n in range(count):
        r = Random(f"memo {n}")
        subject = list(SUBJECTS)[n % len(SUBJECTS)]
        year = 2017 + n % 6
        p = Paper(Style(size=11))
        p.centred("MEMORANDUM" if n % 2 else subject, 15, after=16)
        a, b = r.sample(PEOPLE, 2)
        month = r.choice(MONTHS)
        p.table(
            [],
            [
                Row(f"To: {r.choice(['all', 'heads of departments', 'the team'])}"),
                Row(f"From: {a}"),
                Row(f"Date: {r.randint(1, 28)} {month} {year}"),
                Row(f"Subject: {subject}"),
            ],
        )
        p.rule()
        for text in SUBJECTS[subject]:
            p.paragraph(text.format(a=a, b=b, m=r.choice(MONTHS), n=r.randint(3, 19)))
        if n % 3 == 0:
            p.table(
                ["Hours", "Cost"],
                [Row(name, [str(r.randint(2, 40)), f"{r.randint(100, 4000):,}"]) for name in r.sample(PEOPLE, 4)],
                title="Effort so far",
            )
        out.append((NAMES[n % len(NAMES)].format(n=100 + n, s=subject, y=year), p))
    return out

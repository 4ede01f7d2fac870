"""Statements written by hand for `support.py`: what a model would say of a passage in its own words, true and false."""

WRITTEN: list[tuple[str, list[str], list[str]]] = [
    (
        (
            "The Tenant shall pay a monthly rent of EUR 1,450, due on the third working day of each month. The lease begins on 1 April 2021 "
            "and runs for five years. Either party may terminate it with three months' notice to the end of a quarter. Pets are not permitted "
            "without the Landlord's written consent. The deposit amounts to three months' rent and is returned within six months of the end of the lease."
        ),
        [
            "The monthly rent is EUR 1,450 and must be paid by the third working day.",
            "The lease started in April 2021 and lasts five years.",
            "To end the lease, either side has to give three months' notice.",
            "Keeping pets requires written consent from the landlord.",
            "The deposit is paid back no later than six months after the lease ends.",
            "The lease has a term of 5 years.",
        ],
        [
            "The monthly rent is EUR 1,540 and must be paid by the third working day.",
            "The lease started in May 2021 and lasts five years.",
            "Only the landlord may terminate the lease, with six weeks' notice.",
            "Pets are permitted without the landlord's consent.",
            "The tenant must repaint the flat when moving out.",
            "The deposit bears interest at the bank's usual rate.",
        ],
    ),
    (
        (
            "Revenue for fiscal 2022 was $4.2 billion, an increase of 8% over fiscal 2021, driven mainly by growth in the Services segment. "
            "Operating margin declined from 17.3% to 15.9% because of higher freight and energy costs. The Board declared a dividend of $0.85 per share. "
            "At year end the company employed 21,400 people in 34 countries."
        ),
        [
            "Revenue grew by 8 percent to $4.2 billion in 2022, mostly thanks to Services.",
            "The operating margin fell to 15.9% as freight and energy became more expensive.",
            "Shareholders received a dividend of $0.85 per share.",
            "The company had 21,400 employees at the end of the year.",
            "It operates in 34 countries.",
        ],
        [
            "Revenue fell by 8% in fiscal 2022.",
            "The operating margin rose to 17.3% because freight became cheaper.",
            "Shareholders received a dividend of $0.95 per share.",
            "The growth came from the Hardware segment.",
            "The company plans to hire 2,000 engineers in Munich.",
            "Revenue for fiscal 2022 was $4.2 million.",
        ],
    ),
    (
        (
            "Before cleaning the filter, switch off the appliance and unplug it. Rinse the filter under lukewarm water; do not use detergents or a dishwasher. "
            "Let it dry for at least 24 hours before you put it back. Replace the filter every six months. If the red lamp flashes, the container is full. "
            "The appliance must not be used outdoors."
        ),
        [
            "Unplug the device before you clean its filter.",
            "The filter should be rinsed with lukewarm water, without detergent.",
            "It has to dry for 24 hours or more before being reinserted.",
            "The filter needs to be replaced twice a year, that is every six months.",
            "A flashing red lamp means that the container is full.",
            "Using the appliance outdoors is not allowed.",
        ],
        [
            "The filter can be cleaned in the dishwasher.",
            "It has to dry for 12 hours before being reinserted.",
            "A flashing green lamp means that the battery is empty.",
            "The appliance may be used outdoors.",
            "The filter should be replaced every two months.",
            "The warranty covers the filter for two years.",
        ],
    ),
    (
        (
            "The bridge over the river Elva was designed by Martin Hoell and opened on 12 June 1908. It has three arches with a total length of 214 metres. "
            "In February 1945 retreating troops destroyed the middle arch; it was rebuilt in concrete between 1949 and 1951. "
            "Since 1987 the bridge has been closed to lorries heavier than 7.5 tonnes."
        ),
        [
            "Martin Hoell was the designer of the bridge, which was opened in 1908.",
            "The bridge is 214 m long and consists of three arches.",
            "Its middle arch was blown up by troops in February 1945.",
            "Reconstruction of the destroyed arch took place from 1949 to 1951.",
            "Lorries of more than 7.5 t have not been allowed to cross since 1987.",
        ],
        [
            "Martin Berg was the designer of the bridge, which was opened in 1908.",
            "The bridge is 214 km long and consists of three arches.",
            "The bridge was destroyed by a flood in February 1945.",
            "The middle arch was rebuilt in steel in 1953.",
            "The bridge is open to lorries of any weight.",
            "It was declared a monument by the city council.",
        ],
    ),
    (
        (
            "Der Vertrag kann mit einer Frist von vier Wochen zum Monatsende gekündigt werden. Die Kündigung bedarf der Schriftform. "
            "Der Jahresbeitrag beträgt 240 Euro und wird am 1. März abgebucht. Studierende zahlen die Hälfte. "
            "Gäste dürfen die Sauna nicht benutzen. Die Anlage ist täglich von 7 bis 22 Uhr geöffnet."
        ),
        [
            "Man kann den Vertrag mit vier Wochen Frist zum Ende eines Monats kündigen.",
            "Die Kündigung muss schriftlich erfolgen.",
            "Der Beitrag von 240 Euro im Jahr wird im März abgebucht.",
            "Für Gäste ist die Benutzung der Sauna nicht erlaubt.",
            "Geöffnet ist die Anlage jeden Tag von 7 bis 22 Uhr.",
            "The annual fee is 240 euros.",
        ],
        [
            "Man kann den Vertrag mit sechs Wochen Frist zum Quartalsende kündigen.",
            "Der Beitrag von 260 Euro im Jahr wird im März abgebucht.",
            "Gäste dürfen die Sauna benutzen.",
            "Die Anlage ist sonntags geschlossen.",
            "Der Beitrag wird im Mai abgebucht.",
            "The annual fee is 250 euros.",
        ],
    ),
    (
        (
            "We enrolled 412 adults with type 2 diabetes. After 26 weeks, mean HbA1c had fallen by 1.1 percentage points in the semaglutide group and by 0.3 in the "
            "placebo group (p<0.001). Nausea was the most common adverse event (18%), and was mostly mild. No deaths occurred. "
            "There was no significant difference in blood pressure between the groups."
        ),
        [
            "The trial included 412 adult patients with type 2 diabetes.",
            "HbA1c decreased by 1.1 percentage points on semaglutide, compared with 0.3 on placebo.",
            "The most frequent side effect was nausea, which affected 18% of the participants.",
            "Nobody died during the study.",
            "Blood pressure did not differ significantly between the groups.",
        ],
        [
            "The trial included 421 adult patients with type 2 diabetes.",
            "HbA1c increased by 1.1 percentage points on semaglutide.",
            "The most frequent side effect was headache.",
            "Two patients died of heart failure during the study.",
            "Blood pressure differed significantly between the groups.",
            "Semaglutide also reduced body weight.",
        ],
    ),
    (
        (
            "Line 4 of the invoice: Consulting services, 32 hours at 95.00, total 3,040.00. Line 5: Travel expenses 412.60. Net total 3,452.60, VAT 19% 655.99, "
            "amount due 4,108.59. Payable within 14 days without deduction to the account of Brandt Consulting Ltd."
        ),
        [
            "The amount due is 4,108.59, including 19% VAT.",
            "32 hours of consulting were invoiced at 95.00 each.",
            "The invoice has to be paid within 14 days.",
            "Travel expenses of 412.60 were charged.",
        ],
        [
            "The amount due is 4,180.59, including 19% VAT.",
            "32 days of consulting were invoiced at 95.00 each.",
            "The invoice has to be paid within 30 days.",
            "A discount of 2% is granted for early payment.",
        ],
    ),
    (
        (
            "Glaciers in the Kesh range lost about a third of their area between 1970 and 2015. The retreat is fastest on south-facing slopes below 3,200 m, where the summer "
            "temperature rose by 1.6 °C. Meltwater feeds the Orun reservoir, which supplies the town of Talva with drinking water. Models suggest that the flow will peak around 2040 and decrease afterwards."
        ),
        [
            "Roughly one third of the glacier area in the Kesh range disappeared from 1970 to 2015.",
            "South-facing slopes below 3,200 m are retreating the quickest.",
            "The drinking water of Talva comes from the Orun reservoir, which is fed by meltwater.",
            "According to models, the flow reaches its maximum about 2040 and then declines.",
            "Summer temperatures there went up by 1.6 °C.",
        ],
        [
            "Glaciers in the Kesh range gained area between 1970 and 2015.",
            "North-facing slopes above 3,200 m are retreating the quickest.",
            "The drinking water of Talva comes from deep wells.",
            "According to models, the flow will keep increasing after 2060.",
            "Summer temperatures there went up by 2.6 °C.",
            "The glaciers are home to snow leopards.",
        ],
    ),
]

LATER: list[tuple[str, list[str], list[str]]] = [
    (
        (
            "The insured event must be reported to the Company within 14 days of becoming known. Damage caused by earthquakes or war is excluded. "
            "The deductible is 500 euros per claim. Claims above 20,000 euros are assessed by an independent expert. The policy renews automatically for one year unless cancelled by 30 November."
        ),
        [
            "Claims have to be reported within 14 days.",
            "Earthquake damage is not covered.",
            "For each claim the policyholder bears 500 euros.",
            "An independent expert assesses claims of more than 20,000 euros.",
            "If it is not cancelled by 30 November, the policy is extended by another year.",
        ],
        [
            "Claims have to be reported within 41 days.",
            "Earthquake damage is covered.",
            "The deductible is 500 dollars per claim.",
            "Claims above 20,000 euros are assessed by the police.",
            "The policy must be cancelled by 30 September.",
            "Flood damage is covered up to 50,000 euros.",
        ],
    ),
    (
        (
            "Zilant, a river in the eastern plain, rises near Orm at 1,120 m and flows 342 km to the sea. It was dammed in 1967; since then the sturgeon has disappeared from its upper course. "
            "Floods occur mainly in April, when the snow melts. Bathing is prohibited below the weir at Tasch. About 60,000 people get their water from it."
        ),
        [
            "The Zilant is 342 km long and rises near Orm.",
            "Since the river was dammed in 1967, there are no sturgeon in its upper course any more.",
            "Most floods happen in April because of snowmelt.",
            "Swimming below the weir at Tasch is forbidden.",
            "The river supplies roughly 60,000 people with water.",
        ],
        [
            "The Zilant is 324 km long and rises near Orm.",
            "Since the river was dammed in 1967, sturgeon have returned to its upper course.",
            "Most floods happen in autumn after heavy rain.",
            "Swimming below the weir at Tasch is allowed.",
            "The dam produces electricity for the town.",
            "The river was dammed in 1976.",
        ],
    ),
    (
        (
            "To reset the router, hold the button on the back for ten seconds until all lamps go out. The default password is printed on the label underneath. Firmware 4.2 fixes an error that "
            "dropped connections after 24 hours. The guest network is switched off by default and has no access to the home network. Range is about 30 m indoors."
        ),
        [
            "Press the button at the back for ten seconds to reset the router.",
            "You find the default password on the label on the underside.",
            "With firmware 4.2, connections are no longer dropped after 24 hours.",
            "By default the guest network is off.",
            "Devices in the guest network cannot reach the home network.",
            "Indoors the range is approximately 30 metres.",
        ],
        [
            "Press the button at the back for thirty seconds to reset the router.",
            "The default password is sent by e-mail.",
            "Firmware 4.3 fixes the dropped connections.",
            "By default the guest network is switched on.",
            "Devices in the guest network can reach the home network.",
            "Indoors the range is approximately 30 km.",
        ],
    ),
    (
        (
            "Die Sitzung begann um 18:30 Uhr und wurde von Frau Kessler geleitet. Der Haushalt 2024 wurde mit 12 zu 3 Stimmen angenommen. Der Antrag auf den Bau einer Sporthalle wurde abgelehnt, "
            "weil die Finanzierung nicht gesichert ist. Die nächste Sitzung findet am 14. Mai statt."
        ),
        [
            "Frau Kessler leitete die Sitzung, die um 18:30 Uhr anfing.",
            "Mit 12 zu 3 Stimmen wurde der Haushalt für 2024 angenommen.",
            "Der Bau einer Sporthalle wurde abgelehnt, da die Finanzierung nicht gesichert war.",
            "Am 14. Mai ist die nächste Sitzung.",
        ],
        [
            "Frau Brandt leitete die Sitzung, die um 18:30 Uhr anfing.",
            "Mit 13 zu 2 Stimmen wurde der Haushalt für 2024 angenommen.",
            "Der Bau einer Sporthalle wurde angenommen.",
            "Am 14. Juni ist die nächste Sitzung.",
            "Der Bürgermeister trat zurück.",
        ],
    ),
    (
        (
            "We compared two alloys under cyclic load. Alloy A failed after 1.2 million cycles on average, alloy B after 0.9 million. Cracks started at the surface in 80% of the specimens. "
            "Polishing the surface extended life by 35%, whereas heat treatment had no measurable effect. All tests were run at 20 °C."
        ),
        [
            "On average, alloy A withstood 1.2 million load cycles.",
            "Alloy B failed earlier, after 0.9 million cycles.",
            "In 80 percent of the specimens the cracks began at the surface.",
            "A polished surface lengthened the life by 35%.",
            "Heat treatment made no measurable difference.",
            "The tests took place at 20 °C.",
        ],
        [
            "On average, alloy A withstood 2.1 million load cycles.",
            "Cracks started inside the material in most specimens.",
            "Polishing reduced life by 35%.",
            "Heat treatment extended life considerably.",
            "The tests took place at 20 °F.",
            "Alloy C performed best of all.",
        ],
    ),
]
"""Written later; they showed what was missing, and were then used for tuning as well."""

UNSEEN: list[tuple[str, list[str], list[str]]] = [
    (
        (
            "The kindergarten opens at 7:15 and closes at 17:00 on weekdays. Children with a fever must stay at home until they have been free of symptoms for 48 hours. "
            "Lunch costs 3.80 euros a day and is ordered one week ahead. Parents who are late three times in a month pay a fee of 25 euros."
        ),
        [
            "On weekdays the kindergarten is open from 7:15 to 17:00.",
            "A child with a fever has to stay home for 48 hours after the last symptoms.",
            "The price of lunch is 3.80 euros per day.",
            "Lunch must be ordered a week in advance.",
            "A fee of 25 euros is due if parents come late three times within a month.",
        ],
        [
            "On weekdays the kindergarten is open from 7:45 to 17:00.",
            "Children with a fever may come if they feel well.",
            "Lunch is free of charge for siblings.",
            "Parents who are late three times in a month pay a fee of 35 euros.",
            "The kindergarten is closed in August.",
        ],
    ),
    (
        (
            "Annika Solberg founded the publishing house in Bergen in 1978 with a loan from her brother. Its first success was a cookbook that sold 90,000 copies. "
            "In 2003 the firm was bought by Nordlys Media, which moved the editors to Oslo. Children's books have been its largest segment since 2011."
        ),
        [
            "The publishing house was founded by Annika Solberg in Bergen in 1978.",
            "Her brother lent her the money.",
            "A cookbook with 90,000 copies sold was the first success.",
            "Nordlys Media acquired the firm in 2003.",
            "Since 2011, most of its business has been children's books.",
        ],
        [
            "The publishing house was founded by Annika Solberg in Trondheim in 1978.",
            "Her father lent her the money.",
            "A cookbook with 19,000 copies sold was the first success.",
            "The firm was sold to Nordlys Media in 2013.",
            "Nordlys Media moved the editors to Bergen.",
            "Crime novels have been its largest segment since 2011.",
        ],
    ),
    (
        (
            "Mix the two components in a ratio of 3:1 by weight and apply within 20 minutes. Do not use the adhesive below 10 °C. It reaches its final strength after 72 hours. "
            "Gloves and goggles must be worn, since the hardener irritates skin and eyes. Residues can be removed with acetone while they are wet."
        ),
        [
            "The components are mixed 3:1 by weight.",
            "Once mixed, it has to be applied within 20 minutes.",
            "The adhesive must not be used at temperatures under 10 °C.",
            "Final strength is reached after 72 hours.",
            "Wear gloves and goggles, because the hardener irritates the skin.",
            "Wet residues can be taken off with acetone.",
        ],
        [
            "The components are mixed 4:1 by weight.",
            "Once mixed, it has to be applied within 20 hours.",
            "The adhesive can be used below 10 °C.",
            "Final strength is reached after 24 hours.",
            "Gloves are not necessary.",
            "Residues can be removed with warm water.",
        ],
    ),
    (
        (
            "Der Zug hält nicht mehr in Auerbach. Fahrgäste steigen in Neustadt in den Bus der Linie 12 um, der alle 30 Minuten fährt. Fahrräder werden im Bus nicht mitgenommen. "
            "Die Bauarbeiten dauern bis zum 8. September und kosten 4,6 Millionen Euro."
        ),
        [
            "In Auerbach hält der Zug nicht mehr.",
            "Von Neustadt fährt alle 30 Minuten der Bus der Linie 12.",
            "Der Bus nimmt keine Fahrräder mit.",
            "Die Arbeiten kosten 4,6 Millionen Euro und dauern bis zum 8. September.",
        ],
        [
            "Der Zug hält wieder in Auerbach.",
            "Von Neustadt fährt alle 20 Minuten der Bus der Linie 12.",
            "Fahrräder werden im Bus mitgenommen.",
            "Die Bauarbeiten dauern bis zum 8. Oktober.",
            "Das Land bezahlt die Hälfte der Kosten.",
        ],
    ),
]
"""Written after the rules were tuned; one misread language that they showed was mended afterwards."""

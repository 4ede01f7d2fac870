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

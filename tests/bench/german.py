"""German papers of daily life, and questions in other forms of the words: compounds, plurals, umlauts."""

from __future__ import annotations

DOCUMENTS: dict[str, str] = {
    "Mietvertrag_Lindenstraße.pdf": """
# Wohnraummietvertrag
Zwischen Frau Hannelore Brüggemann, nachstehend Vermieterin genannt, und Herrn Jörg Süßmilch, nachstehend Mieter genannt, wird der folgende Mietvertrag geschlossen.

## 1 Gegenstand
Vermietet wird die Wohnung im zweiten Obergeschoß links des Hauses Lindenstraße 14. Sie besteht aus drei Zimmern, Küche, Bad, Flur und Balkon und hat eine Fläche von 78 Quadratmetern. Zur Wohnung gehören ein Abteil im Keller und die Mitbenutzung des Trockenbodens. Ein Stellplatz für ein Auto ist nicht eingeschlossen.

Dem Mieter werden zwei Schlüssel für die Haustür, drei für die Wohnungstür und einer für den Briefkasten übergeben. Geht einer davon verloren, so hat der Mieter dies sofort zu melden und die Kosten eines neuen Schlosses zu tragen.

## 2 Dauer und Ende
Das Mietverhältnis beginnt am 1. April und läuft auf unbestimmte Zeit. Die Frist zur Kündigung beträgt für den Mieter drei Monate. Für die Vermieterin verlängert sie sich nach fünf Jahren auf sechs und nach acht Jahren auf neun Monate. Gekündigt werden kann nur schriftlich; eine Nachricht auf elektronischem Weg genügt nicht.

Beide Seiten verzichten für die ersten achtzehn Monate auf das Recht, ordentlich zu kündigen. Das Recht, aus wichtigem Grund fristlos zu kündigen, bleibt davon unberührt.

## 3 Miete und Nebenkosten
Die Miete beträgt ohne Heizung und Nebenkosten 845 Euro. Sie ist bis zum dritten Werktag eines Monats im voraus zu zahlen. Für die Nebenkosten wird monatlich ein Abschlag von 190 Euro erhoben, über den einmal im Jahr abgerechnet wird. Heizung und warmes Wasser werden zu siebzig Prozent nach dem gemessenen Verbrauch, im übrigen nach der Fläche umgelegt.

Zahlt der Mieter verspätet, so kann die Vermieterin für jede Mahnung vier Euro verlangen.

## 4 Kaution
Der Mieter hinterlegt als Sicherheit 2.400 Euro. Er darf den Betrag in drei gleichen Teilen zahlen, den ersten bei Beginn. Die Vermieterin legt das Geld getrennt von ihrem Vermögen zu dem Zinssatz an, der für Spareinlagen üblich ist. Nach dem Auszug rechnet sie binnen sechs Monaten darüber ab.

## 5 Tiere, Lärm und Garten
Kleine Tiere wie Fische, Hamster und Wellensittiche sind ohne Erlaubnis gestattet. Hunde und Katzen bedürfen der Zustimmung, die nur aus wichtigem Grund versagt werden darf. Musik ist in der Zeit von 22 bis 7 Uhr und von 13 bis 15 Uhr auf Zimmerlautstärke zu beschränken. Das Grillen auf dem Balkon mit Holzkohle ist untersagt.

## 6 Reparaturen
Kleine Schäden an Hähnen, Schaltern, Rolläden und Türgriffen trägt der Mieter bis zu 90 Euro im einzelnen Fall und bis zu sechs Prozent der Jahresmiete. Die Räume sind bei Auszug besenrein zu übergeben. Dübellöcher sind zu schließen. Schimmel und Feuchte sind unverzüglich anzuzeigen; zu ihrer Vermeidung ist mindestens zweimal am Tag zu lüften.
""",
    "satzung_strassenreinigung.pdf": """
# Satzung der Gemeinde Oberwörnitz über die Reinigung der Straßen
Der Rat der Gemeinde hat in seiner Sitzung vom 14. März die folgende Satzung beschlossen.

## Paragraph 1 Grundsatz
Die Gemeinde betreibt die Reinigung der öffentlichen Straßen innerhalb der geschlossenen Ortslage, soweit sie nicht den Eigentümern der anliegenden Grundstücke auferlegt wird. Zur Reinigung gehört auch der Winterdienst, also das Räumen von Schnee und das Streuen bei Glätte.

## Paragraph 2 Pflichten der Anlieger
Die Gehwege sind von den Eigentümern jeden Samstag zu kehren. Wird ein Weg durch Bauarbeiten, Umzüge oder Tiere verschmutzt, so ist er ohne Rücksicht auf den Wochentag sofort zu säubern. Kehricht und Laub dürfen nicht in die Rinne oder auf das Nachbargrundstück gefegt werden. Das Laub der Straßenbäume wird im November zweimal von der Gemeinde abgeholt, wenn es in Säcken am Rand bereitsteht.

Unkraut zwischen den Platten ist zu entfernen. Chemische Mittel und Salzlauge sind dafür verboten; zulässig sind Bürsten, heißes Wasser und die Flamme.

## Paragraph 3 Schnee und Eis
Nach Schneefall sind die Gehwege auf einer Breite von 1,20 Metern freizuhalten. Werktags muß dies bis 7 Uhr, an Sonntagen und Feiertagen bis 9 Uhr geschehen sein. Schnee, der nach 20 Uhr fällt, ist am nächsten Morgen zu beseitigen. Zum Streuen sind Sand, Splitt oder Granulat zu nehmen. Salz ist nur auf Treppen, Rampen und an starkem Gefälle erlaubt und niemals in der Nähe von Bäumen.

An Haltestellen ist so zu räumen, daß Fahrgäste ohne Gefahr ein- und aussteigen können. Hydranten und Schächte müssen jederzeit zugänglich sein.

## Paragraph 4 Gebühren
Für die Reinigung der Fahrbahnen erhebt die Gemeinde Gebühren. Maßstab ist die Länge der Grenze, mit der ein Grundstück an der Straße liegt. Der Satz beträgt im Jahr 2,85 Euro je Meter in der Klasse A und 1,40 Euro in der Klasse B. Fällt die Reinigung wegen Bauarbeiten länger als drei Monate aus, so wird die Gebühr auf Antrag gemindert. Eckgrundstücke werden nur mit zwei Dritteln ihrer Grenzlängen herangezogen.

## Paragraph 5 Ordnungswidrigkeiten
Wer vorsätzlich oder fahrlässig seinen Pflichten nicht nachkommt, handelt ordnungswidrig. Der Verstoß kann mit einer Geldbuße bis zu 500 Euro geahndet werden. Werden die Arbeiten trotz Aufforderung nicht ausgeführt, so kann die Gemeinde sie auf Kosten des Säumigen durch einen Dritten vornehmen lassen.

## Paragraph 6 Befreiung
Wer aus Gründen des Alters oder der Gesundheit außerstande ist, selbst zu räumen, und niemanden beauftragen kann, wird auf Antrag vom Winterdienst befreit. Dem Antrag ist ein Zeugnis des Arztes beizufügen. Die Befreiung gilt für einen Winter.

## Paragraph 7 Inkrafttreten
Diese Satzung tritt am 1. Juli in Kraft. Zugleich tritt die Satzung aus dem Jahr 1997 außer Kraft.
""",
    "Betriebsanleitung Gartenhäcksler GH 2400.pdf": """
# Gartenhäcksler GH 2400: Betriebsanleitung
Lesen Sie diese Anleitung, bevor Sie das Gerät zum ersten Mal einschalten, und bewahren Sie sie auf.

## Bestimmungsgemäße Verwendung
Das Gerät zerkleinert Äste, Zweige und Heckenschnitt aus dem privaten Garten. Äste dürfen höchstens 42 Millimeter dick sein. Steine, Erde, Glas, Draht und Küchenabfälle zerstören die Messer und gehören nicht hinein. Für den gewerblichen Dauerbetrieb ist das Gerät nicht gebaut.

## Sicherheit
Tragen Sie eine Schutzbrille, feste Handschuhe und einen Gehörschutz. Der Schalldruck am Platz des Bedieners erreicht 94 Dezibel. Kinder und Haustiere sind mindestens zehn Meter fernzuhalten. Greifen Sie niemals in den Trichter; zum Nachschieben dient der Stopfer, der am Gehäuse hängt. Nach dem Ausschalten drehen sich die Messer noch etwa fünf Sekunden.

Ziehen Sie den Stecker, bevor Sie das Gehäuse öffnen, Verstopfungen lösen oder das Gerät ohne Aufsicht lassen. Bei Regen darf nicht gehäckselt werden.

## Aufbau und Anschluss
Schrauben Sie die Räder mit dem beiliegenden Schlüssel an die Achse. Stellen Sie das Gerät auf ebenen, festen Boden. Das Verlängerungskabel muss bei einer Länge bis 25 Meter einen Querschnitt von 1,5 Quadratmillimetern haben, darüber 2,5. Die Steckdose ist durch einen Fehlerstromschalter mit 30 Milliampere zu schützen und mit 16 Ampere träge abzusichern.

## Betrieb
Drücken Sie den grünen Knopf und warten Sie, bis der Motor seine volle Drehzahl hat. Geben Sie das Holz mit dem dicken Ende voran ein. Das Gerät zieht es von selbst ein. Nasses Laub füllen Sie abwechselnd mit trockenen Zweigen ein, damit der Auswurf frei bleibt. Läuft der Motor heiß, so schaltet ihn der Überlastschutz ab; nach einer Pause von zehn Minuten kann er wieder gestartet werden.

Klemmt ein Ast, so drehen Sie den Wahlschalter nach links. Die Walze läuft rückwärts und gibt das Holz frei.

## Pflege und Wartung
Säubern Sie das Gehäuse mit einer Bürste, nie mit dem Hochdruckreiniger. Die Messer lassen sich einmal wenden; stumpfe Messer sind stets paarweise zu ersetzen. Ziehen Sie ihre Schrauben mit 25 Newtonmetern an. Das Getriebe ist auf Lebensdauer geschmiert. Den Abstand der Gegenplatte stellen Sie nach, wenn Zweige nur gequetscht und nicht getrennt werden: Drehen Sie die Stellschraube, bis feine Späne aus Aluminium fallen.

Im Winter lagern Sie das Gerät trocken und reiben die blanken Teile mit Öl ein.

## Störungen
Der Motor brummt, läuft aber nicht an: Der Kondensator ist defekt und muss vom Kundendienst getauscht werden. Das Gerät zieht nicht ein: Die Messer sind stumpf, oder der Auswurf ist verstopft. Es vibriert stark: Ein Messer hat sich gelöst; sofort abschalten.

## Technische Daten
Leistung 2.400 Watt, Drehzahl der Walze 40 Umdrehungen je Minute, Inhalt der Fangbox 55 Liter, Gewicht 27 Kilogramm. Die Gewährleistung dauert zwei Jahre, für die Messer gilt sie nicht.
""",
    "Gebrauchsinformation Brontulin Hustensaft.pdf": """
# Gebrauchsinformation: Information für Anwender
Brontulin Saft zum Einnehmen. Wirkstoff: Trockenextrakt aus Efeublättern.

## 1. Was ist Brontulin und wofür wird es angewendet?
Brontulin ist ein pflanzliches Arzneimittel, das zähen Schleim in den Bronchien löst und das Abhusten erleichtert. Es wird angewendet zur Besserung der Beschwerden bei chronisch-entzündlichen Erkrankungen der Bronchien und bei akuten Entzündungen der Atemwege mit Husten.

Wenn die Beschwerden länger als eine Woche anhalten, wenn Atemnot oder Fieber auftritt oder wenn der Auswurf blutig oder eitrig ist, suchen Sie bitte umgehend einen Arzt auf.

## 2. Was müssen Sie vor der Einnahme beachten?
Brontulin darf nicht eingenommen werden, wenn Sie gegen Efeu oder einen der sonstigen Bestandteile allergisch sind. Kinder unter zwei Jahren dürfen den Saft nicht bekommen, weil pflanzliche Schleimlöser in diesem Alter die Atmung verschlechtern können.

Bei Magenschleimhautentzündung oder einem Geschwür des Magens ist Vorsicht geboten. Nehmen Sie den Saft nicht zusammen mit Mitteln, die den Husten stillen, etwa mit Codein, da der gelöste Schleim sonst nicht abgehustet werden kann.

In der Schwangerschaft und während des Stillens sollte der Saft mangels ausreichender Untersuchungen nicht verwendet werden. Auf die Fähigkeit, ein Fahrzeug zu führen, hat er keinen Einfluss.

Der Saft enthält Sorbitol. Patienten mit der seltenen angeborenen Unverträglichkeit von Fruchtzucker sollten ihn nicht einnehmen. 5 Milliliter entsprechen 0,15 Broteinheiten.

## 3. Wie ist Brontulin einzunehmen?
Erwachsene und Jugendliche ab 12 Jahren nehmen dreimal täglich 7,5 Milliliter. Schulkinder von 6 bis 11 Jahren nehmen dreimal täglich 5 Milliliter, Kleinkinder von 2 bis 5 Jahren zweimal täglich 2,5 Milliliter. Benutzen Sie den beiliegenden Messbecher und schütteln Sie die Flasche vor jedem Gebrauch kräftig.

Der Saft wird morgens, mittags und abends eingenommen, am besten nach dem Essen. Trinken Sie dazu reichlich Wasser. Die Behandlung sollte noch zwei Tage über das Abklingen der Beschwerden hinaus fortgesetzt werden.

Haben Sie mehr als die vierfache Tagesmenge genommen, so können Übelkeit, Erbrechen, Durchfall und Unruhe auftreten. Haben Sie eine Einnahme vergessen, so holen Sie sie nicht nach.

## 4. Welche Nebenwirkungen sind möglich?
Häufig, bei bis zu einem von zehn Behandelten, kommt es zu Übelkeit und Durchfall. Gelegentlich treten allergische Reaktionen wie Quaddeln, Hautrötung und Juckreiz auf. Sehr selten sind Schwellungen des Gesichts mit Luftnot; rufen Sie dann den Notarzt.

## 5. Wie ist Brontulin aufzubewahren?
Bewahren Sie den Saft für Kinder unzugänglich und nicht über 25 Grad auf. Nach dem Öffnen ist die Flasche drei Monate haltbar. Eine Trübung oder ein Bodensatz sind natürlich und mindern die Wirkung nicht.
""",
    "Protokoll_Mitgliederversammlung.pdf": """
# Protokoll der Mitgliederversammlung des Rudervereins Havelbogen
Ort: Bootshaus am Ostufer. Beginn: 19.10 Uhr. Ende: 21.45 Uhr. Anwesend sind 64 stimmberechtigte Mitglieder laut Liste.

## Punkt 1 Begrüßung
Der Vorsitzende Herr Dr. Krüger begrüßt die Erschienenen. Er stellt fest, dass die Einladung fristgerecht versandt wurde und die Versammlung beschlussfähig ist. Der Verstorbenen wird in einer Schweigeminute gedacht.

## Punkt 2 Bericht des Vorstands
Im vergangenen Jahr sind 23 Ruderer eingetreten und 17 ausgetreten; der Verein zählt nun 312 Mitglieder. Die Jugend hat bei der Regatta in Grünau zwei Siege errungen, im Doppelzweier und im Vierer mit Steuermann. Die Wanderfahrt auf der Müritz musste wegen des Sturms abgebrochen werden.

Das Dach des Bootshauses ist undicht. Der Zimmermann hat festgestellt, dass sieben Sparren faul sind. Der Achter Seeadler wurde bei einem Zusammenstoß mit einem Schubverband beschädigt; die Versicherung übernimmt den Schaden bis auf einen Selbstbehalt von 750 Euro.

## Punkt 3 Bericht der Kasse
Frau Schäfer legt die Abrechnung vor. Den Einnahmen von 86.430 Euro stehen Ausgaben von 81.975 Euro gegenüber. Die Rücklage für Boote beträgt 22.000 Euro. Die Kassenprüfer Herr Öztürk und Frau Lindemann haben die Belege gesichtet und keine Beanstandung gefunden. Der Vorstand wird bei vier Enthaltungen entlastet.

## Punkt 4 Wahlen
Herr Dr. Krüger stellt sich nicht mehr zur Verfügung. Zur Vorsitzenden wird mit 51 Stimmen Frau Ingrid Möller gewählt; auf Herrn Petersen entfallen 11 Stimmen, zwei Zettel sind ungültig. Zum Ruderwart wird einstimmig Herr Jansen bestimmt. Das Amt des Jugendwarts bleibt unbesetzt.

## Punkt 5 Beiträge
Der Vorstand schlägt vor, den Beitrag für Erwachsene von 24 auf 28 Euro im Monat anzuheben. Herr Voß hält dies für zu viel und beantragt 26 Euro. Nach lebhafter Aussprache wird der Vorschlag des Vorstands mit 38 gegen 21 Stimmen angenommen. Schüler und Studenten zahlen weiter 12 Euro. Die neue Regelung gilt ab dem zweiten Halbjahr.

## Punkt 6 Dach und Steg
Für das Dach liegen drei Angebote vor. Das günstigste beläuft sich auf 41.300 Euro. Der Landessportbund gibt einen Zuschuss von 40 Prozent, wenn der Antrag bis Ende Oktober gestellt ist. Die Versammlung beauftragt den Vorstand einstimmig, ihn zu stellen. Der Steg soll in Eigenarbeit neue Bohlen aus Lärche erhalten; jedes Mitglied leistet dafür acht Stunden oder zahlt 15 Euro je versäumte Stunde.

## Punkt 7 Verschiedenes
Frau Weiß bittet darum, die Skulls nach der Ausfahrt abzuspülen. Das Sommerfest findet am letzten Samstag im August statt. Die nächste Versammlung wird für den Februar in Aussicht genommen.
""",
    "geschichte_des_treidelkanals.pdf": """
# Der Treidelkanal: zur Geschichte einer vergessenen Wasserstraße

## Pläne und Anfänge
Schon im siebzehnten Jahrhundert dachte man daran, die beiden Flüsse Ohre und Wümme durch einen Graben zu verbinden. Der erste Entwurf, den der Baumeister Lüder Hansemann im Jahr 1698 vorlegte, scheiterte am Geld. Erst als die Salzstadt Sülzhagen ihr Vorrecht auf den Handel verlor und neue Märkte suchte, fand der Plan Unterstützung. Am 3. Mai 1766 geschah der erste Spatenstich.

Gebaut wurde elf Jahre lang. Bis zu neunhundert Arbeiter, unter ihnen viele Sträflinge und entlassene Soldaten, gruben mit Schaufel und Karre. Sumpffieber und Hunger forderten Opfer; der Friedhof bei der vierten Schleuse zählt mehr als zweihundert Gräber ohne Namen.

## Bauwerke
Der Kanal war 38 Kilometer lang, an der Sohle sechs Meter breit und anderthalb Meter tief. Neun Schleusen aus Eichenholz überwanden einen Unterschied von vierzehn Metern. Das kühnste Bauwerk war die Brücke, auf der das Wasser den Bach Kranke überquerte; ihre drei Bögen aus Backstein stehen noch heute. Gespeist wurde die Scheitelhaltung aus einem Teich, den man eigens dafür angestaut hatte.

## Schiffahrt
Die Kähne wurden vom Ufer aus gezogen, anfangs von Menschen, später von Pferden. Ein Gespann schaffte am Tag etwa zwanzig Kilometer. Befördert wurden vor allem Salz, Torf, Getreide und Ziegel. Im besten Jahr, 1839, passierten 4.600 Kähne die Schleusen. Der Zoll richtete sich nach der Tragfähigkeit und wurde in zwei Kontoren erhoben.

Die Treidler bildeten eine eigene Zunft mit eigener Sprache. Wer in sie aufgenommen werden wollte, mußte ein Jahr lang ohne Lohn dienen und einen Gulden in die Lade zahlen. An Sonntagen ruhte der Verkehr.

## Niedergang
Mit der Eröffnung der Eisenbahn im Jahr 1861 begann der Niedergang. Güter, die auf dem Wasser drei Tage gebraucht hatten, erreichten die Küste nun in fünf Stunden. Der Staat senkte den Zoll und ließ die Schleusen verfallen. Der letzte Kahn, beladen mit Torf, fuhr im Herbst 1893. Danach dienten Teile des Bettes als Fischteiche, andere wurden verfüllt, um darauf Rüben zu bauen.

## Heutiger Zustand
Seit 1978 steht der mittlere Abschnitt unter Denkmalschutz. Ein Verein hat die siebte Schleuse nach alten Zeichnungen nachgebaut; die Tore wiegen je drei Tonnen. In den Resten des Wassers leben Laubfrosch, Schlammpeitzger und die seltene Krebsschere. Auf dem alten Leinpfad verläuft ein Radweg, der jährlich von etwa 30.000 Ausflüglern benutzt wird.
""",
    "AGB_Fahrradverleih.pdf": """
# Allgemeine Geschäftsbedingungen des Fahrradverleihs Nordwind

## Anmeldung
Wer ein Rad leihen möchte, meldet sich mit Namen, Anschrift und einem gültigen Zahlungsmittel an. Nutzer müssen mindestens 16 Jahre alt sein; jüngere dürfen nur in Begleitung eines Erwachsenen fahren. Unter einem Konto können gleichzeitig bis zu vier Räder entliehen werden.

## Ausleihe und Rückgabe
Das Schloss öffnet sich, wenn der Code am Hinterrad eingegeben wird. Vor der Fahrt sind Bremsen, Licht und Reifen zu prüfen. Mängel sind dem Betreiber zu melden, und das Rad darf dann nicht benutzt werden. Zurückgegeben wird an einer der 120 Stationen oder an jeder öffentlichen Kreuzung innerhalb des Gürtels. Wer das Rad außerhalb dieses Gebiets abstellt, zahlt einen Aufschlag von 20 Euro.

Die Fahrt gilt erst als beendet, wenn das Schloss geschlossen ist und eine Bestätigung eingeht. Eine Miete dauert höchstens 24 Stunden. Danach gilt das Rad als vermisst, und es werden 25 Euro je angefangenen Tag berechnet.

## Preise
Im Grundtarif kostet jede angefangene halbe Stunde einen Euro, der ganze Tag 9 Euro. Im Jahrestarif zu 48 Euro sind die ersten dreißig Minuten jeder Fahrt frei. Lastenräder kosten das Dreifache. Studierende der Hochschulen fahren über den Semesterbeitrag ohne weitere Kosten bis zu einer Stunde.

## Pflichten des Nutzers
Verboten sind das freihändige Fahren, die Mitnahme weiterer Personen und die Teilnahme an Rennen. Der Korb trägt höchstens zehn Kilogramm. Wer Alkohol getrunken hat und nicht mehr sicher fahren kann, darf kein Rad benutzen. Bei einem Unfall mit Beteiligung Dritter ist die Polizei zu rufen.

## Haftung
Für Schäden durch unsachgemäßen Gebrauch haftet der Nutzer bis zu 75 Euro, bei grober Fahrlässigkeit in voller Höhe. Wird ein Rad gestohlen, während es nicht abgeschlossen war, so ist ein Betrag von 300 Euro zu zahlen. Der Betreiber haftet nicht für Gegenstände, die im Korb zurückgelassen wurden.

## Datenschutz
Standorte der Räder werden nur während der Miete aufgezeichnet und nach neunzig Tagen gelöscht. Sie werden ohne Bezug zur Person ausgewertet, um Stationen besser zu verteilen. Jeder Nutzer kann Auskunft über seine Daten verlangen.

## Sperrung des Kontos
Der Betreiber kann ein Konto sperren, wenn Rechnungen zweimal angemahnt wurden oder Räder mutwillig beschädigt worden sind. Ein Guthaben wird auf Antrag ausgezahlt.
""",
    "heizung/Wartungshandbuch.pdf": """
# Wartungshandbuch der Heizungsanlage im Rathaus

## Überblick
Die Anlage besteht aus zwei Kesseln mit Brennwerttechnik, einem Pufferspeicher von 1.500 Litern, fünf Heizkreisen und der zentralen Regelung. Der kleinere Kessel trägt die Grundlast; der größere schaltet sich unter minus vier Grad Außentemperatur zu. Alle Arbeiten sind im Betriebsbuch einzutragen, das im Schrank neben der Tür liegt.

## Tägliche und wöchentliche Kontrollen
Der Hausmeister liest jeden Morgen den Druck ab. Er soll im kalten Zustand zwischen 1,8 und 2,2 bar liegen. Sinkt er unter 1,5 bar, ist Wasser nachzufüllen, das enthärtet sein muss. Häufiges Nachfüllen deutet auf ein Leck oder auf ein Ausdehnungsgefäß hin, dessen Vordruck zu niedrig ist.

Einmal in der Woche wird der Siphon des Kondensats geprüft. Ist er trocken, so können Abgase in den Raum treten.

## Jährliche Wartung
Die jährliche Wartung ist vor dem Beginn der Heizzeit auszuführen, spätestens bis Mitte September. Der Brenner wird ausgebaut und mit einer weichen Bürste gereinigt. Die Elektroden für Zündung und Überwachung werden erneuert, wenn ihr Abstand mehr als fünf Millimeter beträgt. Die Dichtungen des Brenners sind bei jedem Öffnen zu wechseln.

Das Kondensat wird durch Granulat aus Marmor neutralisiert. Der Behälter fasst acht Kilogramm und ist nachzufüllen, sobald der pH-Wert unter 6,5 fällt. Der Gehalt an Kohlendioxid im Abgas wird bei voller und bei kleiner Last gemessen; der Sollwert beträgt 9,2 Prozent.

## Legionellen
Das warme Wasser muss am Austritt des Speichers mindestens sechzig Grad haben. Alle drei Jahre sind Proben an sechs Stellen zu nehmen. Werden mehr als hundert Keime in hundert Millilitern gefunden, ist das Gesundheitsamt zu verständigen und die Ursache zu suchen. Selten benutzte Duschen sind wöchentlich zu spülen.

## Störungen
Meldet die Regelung den Fehler F28, so fehlt Gas oder die Zündung versagt. Öffnen Sie den Hahn, und entriegeln Sie den Kessel höchstens dreimal. Fehler F22 zeigt Mangel an Wasser an, Fehler F75 eine defekte Pumpe. Riecht es nach Gas, dann sind alle Flammen zu löschen, Fenster zu öffnen und keine Schalter zu betätigen; der Haupthahn befindet sich links neben der Kellertreppe.

## Sommerbetrieb
Im Sommer werden die Heizkreise abgesperrt. Damit die Pumpen nicht festsitzen, laufen sie jeden Tag für eine Minute an. Der große Kessel wird vom Netz getrennt und sein Abgasrohr verschlossen.
""",
    "Moorbericht 2019.pdf": """
# Bericht über die Wiedervernässung des Schwarzen Moores

## Anlass
Das Schwarze Moor wurde seit etwa 1850 entwässert, um Torf zu stechen und Weiden zu gewinnen. Trockener Torf zersetzt sich und setzt dabei Treibhausgase frei. Ziel des Vorhabens war es, den Wasserstand auf 320 Hektar wieder bis dicht unter die Oberfläche zu heben. Gefördert wurde es aus Mitteln des Landes; die Stiftung Naturerbe kaufte 140 Hektar an.

## Maßnahmen
In den Jahren 2013 bis 2016 wurden 74 Gräben durch Spundwände aus Lärchenholz verschlossen. Birken und Kiefern, deren Verdunstung dem Moor Wasser entzieht, wurden auf 90 Hektar gefällt. Ein Wall von zwei Kilometern schützt die angrenzenden Äcker. Die Bauern, die ihre Wiesen nicht mehr mähen konnten, erhielten andere Flächen oder eine Entschädigung.

## Wasserstände
An 28 Pegeln wurde alle zwei Wochen gemessen. Vor den Arbeiten lag das Wasser im Sommer im Mittel 61 Zentimeter unter Flur, danach 17 Zentimeter. Im trockenen Jahr 2018 sank es an den Rändern erneut auf einen halben Meter. Am Pegel 12 trat Wasser über einen alten Damm, der im folgenden Winter erhöht wurde.

## Pflanzen und Tiere
Torfmoose bedecken inzwischen 38 Prozent der Probeflächen; vor Beginn waren es elf. Das Pfeifengras geht zurück. Sonnentau und Moosbeere haben sich an sieben Stellen angesiedelt. Unter den Vögeln profitieren Bekassine und Kranich: 2019 brüteten sechs Paare des Kranichs, fünf mehr als zuvor. Die Zahl der Libellenarten stieg von 19 auf 31. Kreuzottern wichen auf die höher gelegenen Wälle aus.

## Klima
Mit Hauben auf dem Boden wurde der Austausch von Gasen bestimmt. Der Ausstoß, umgerechnet in Kohlendioxid, sank von 23 auf 8 Tonnen je Hektar und Jahr. In den ersten beiden Jahren nach dem Anstau war die Abgabe von Methan erhöht, weil Gras unter Wasser faulte. Sie nahm ab, nachdem die Flächen vor der Flutung gemäht wurden.

## Kosten
Die Kosten beliefen sich auf 2,7 Millionen Euro, davon entfielen zwei Fünftel auf den Erwerb von Grund. Je vermiedene Tonne ergibt sich, über dreißig Jahre gerechnet, ein Betrag von 19 Euro. Dies ist weniger als bei den meisten technischen Maßnahmen.

## Empfehlungen
Bohlenstege sollten Besucher lenken, denn der Tritt schadet den Moosen. Schilf und Rohrkolben könnten als Dämmstoff geerntet werden. Die Pegel sind noch mindestens zehn Jahre abzulesen.
""",
    "brandschutzordnung_grundschule.pdf": """
# Brandschutzordnung der Grundschule am Mühlberg

## Verhütung von Bränden
Im ganzen Gebäude und auf dem Hof ist das Rauchen untersagt. Kerzen dürfen nur im Beisein einer Lehrkraft brennen und nie auf Kränzen aus trockenem Reisig. Wasserkocher und Kaffeemaschinen gehören auf eine feuerfeste Unterlage und sind nach Gebrauch vom Netz zu trennen. Private Heizlüfter sind verboten. In Fluren dürfen Bilder der Kinder nur hinter Glas oder auf höchstens einem Drittel der Wand hängen.

## Türen und Wege
Türen mit der Aufschrift Feuerschutzabschluss dürfen nicht durch Keile offengehalten werden. Fluchtwege sind in voller Breite frei zu halten, auch von Ranzen und Garderoben. Die Zufahrt der Feuerwehr am Osttor darf nicht zugeparkt werden. Notausgänge müssen sich während des Unterrichts von innen ohne Schlüssel öffnen lassen.

## Melden
Wer einen Brand bemerkt, drückt den nächsten Handmelder und ruft die 112. Anzugeben sind: Wer meldet? Was brennt? Wo? Wie viele Verletzte? Danach ist das Sekretariat zu verständigen. Das Signal für den Alarm ist ein auf- und abschwellender Ton; fällt der Strom aus, wird mit der Handglocke geläutet.

## Verhalten im Alarmfall
Die Klassen verlassen den Raum geordnet und ohne Jacken. Die Lehrkraft nimmt das Klassenbuch mit, schließt Fenster und Türen und überzeugt sich, dass niemand in den Toiletten geblieben ist. Ist der Flur verraucht, so bleibt die Klasse im Raum, dichtet die Türritzen mit feuchten Tüchern ab und macht sich am Fenster bemerkbar. Der Aufzug darf nicht benutzt werden. Kinder, die nicht laufen können, werden von zwei dafür bestimmten Paten getragen.

Gesammelt wird sich auf dem Bolzplatz, jede Klasse an ihrem Schild. Dort wird die Vollzähligkeit festgestellt und der Schulleitung gemeldet. Zurück geht es erst, wenn der Einsatzleiter es erlaubt.

## Löschen
Löschversuche sind nur zulässig, wenn dabei niemand gefährdet wird. In jedem Geschoss hängen vier Löscher mit Schaum, in der Küche einer für brennendes Fett. Fett darf niemals mit Wasser gelöscht werden. Löschdecken befinden sich im Werkraum und im Raum für Kunst. Brennende Kleidung wird durch Wälzen am Boden erstickt.

## Übungen und Zuständigkeit
Zweimal im Schuljahr wird die Räumung geübt, einmal davon ohne Ankündigung und innerhalb der ersten acht Wochen. Das Gebäude soll in vier Minuten leer sein. Beauftragte für den Brandschutz ist Frau Göbel. Sie prüft monatlich die Wege und lässt die Löscher alle zwei Jahre warten.
""",
    "Leitfaden_Obstbaumschnitt.pdf": """
# Leitfaden zum Schnitt der Obstbäume

## Warum geschnitten wird
Ein Baum, der nie geschnitten wird, vergreist: Die Krone wird dicht, die Früchte bleiben klein, und Pilze finden in der Feuchte guten Boden. Der Schnitt bringt Licht und Luft in die Krone. Er lenkt die Kraft in wenige, gut verteilte Äste.

## Werkzeug
Man braucht eine scharfe Schere mit zwei Klingen, eine Säge mit drehbarem Blatt und eine standfeste Leiter mit Stützen. Die Klingen werden nach jedem kranken Baum mit Alkohol abgerieben, damit Feuerbrand und Krebs nicht übertragen werden. Wunden unter drei Zentimetern heilen von selbst; Wachs und Teer sind entbehrlich.

## Der richtige Zeitpunkt
Äpfel und Birnen schneidet man im späten Winter, solange die Knospen ruhen, aber nicht bei Frost unter minus fünf Grad. Kirschen, Pflaumen und Walnüsse vertragen den Winterschnitt schlecht; sie werden im Sommer nach der Ernte geschnitten. Pfirsiche schneidet man während der Blüte, weil dann erfrorene Triebe zu erkennen sind.

## Schnitt beim Pflanzen
Beim Pflanzen werden ein Mitteltrieb und drei bis vier Leittriebe ausgewählt, die flach in alle Richtungen zeigen. Konkurrenten der Spitze entfernt man ganz. Die Leittriebe werden auf gleicher Höhe um ein Drittel gekürzt, jeweils über einer Knospe, die nach außen weist. Beschädigte Wurzeln schneidet man glatt.

## Erziehung
In den ersten acht Jahren wird die Krone aufgebaut. Steile Triebe, die man erhalten will, bindet man waagrecht oder spreizt sie mit einem Holz ab; sie tragen dann eher. Wasserschosse auf der Oberseite werden im Juni ausgerissen, nicht geschnitten, da so die schlafenden Augen mit verschwinden.

## Erhaltung und Verjüngung
Am alten Baum nimmt man dürres, krankes und sich kreuzendes Holz heraus. Überhängende, abgetragene Äste leitet man auf einen jüngeren Trieb ab. Nie sollte in einem Jahr mehr als ein Viertel der Krone fallen, sonst antwortet der Baum mit einem Wald von Schossen. Dicke Äste werden erst von unten angesägt, dann von oben abgetrennt, damit die Rinde nicht einreißt. Der Astring am Stamm bleibt stehen, denn von ihm geht die Heilung aus.

## Beeren
Johannisbeeren tragen am besten an zwei- und dreijährigem Holz: Man entfernt jedes Jahr die ältesten Ruten am Boden und lässt acht bis zwölf stehen. Himbeeren, die im Sommer tragen, schneidet man gleich nach der Ernte; die im Herbst tragenden werden im Februar ganz abgemäht.
""",
}

QUESTIONS: tuple[tuple[str, str, str], ...] = (
    # document, question, words of the answer
    ("Mietvertrag_Lindenstraße.pdf", "Welche Kündigungsfristen gelten laut Mietverträgen für Mieter und Vermieter?", "Die Frist zur Kündigung beträgt für den Mieter drei Monate"),
    ("Mietvertrag_Lindenstraße.pdf", "Wie hoch ist die Mietkaution?", "hinterlegt als Sicherheit 2.400 Euro"),
    ("Mietvertrag_Lindenstraße.pdf", "Ist Hundehaltung in der Mietwohnung erlaubt?", "Hunde und Katzen bedürfen der Zustimmung"),
    ("Mietvertrag_Lindenstraße.pdf", "Nach welchem Schlüssel werden Heizkosten verteilt?", "zu siebzig Prozent nach dem gemessenen Verbrauch"),
    ("Mietvertrag_Lindenstraße.pdf", "Wieviel Mahngebühr fällt bei Zahlungsverzug an?", "für jede Mahnung vier Euro"),
    ("Mietvertrag_Lindenstraße.pdf", "Bis zu welchem Betrag zahlt der Mieter Kleinreparaturen?", "bis zu 90 Euro im einzelnen Fall"),
    ("satzung_strassenreinigung.pdf", "Wie breit müssen Gehwege bei Schnee geräumt sein?", "auf einer Breite von 1,20 Metern"),
    ("satzung_strassenreinigung.pdf", "Darf man mit Streusalz streuen?", "Salz ist nur auf Treppen"),
    ("satzung_strassenreinigung.pdf", "Höhe des Bußgelds bei Verstößen gegen die Reinigungspflicht", "Geldbuße bis zu 500 Euro"),
    ("satzung_strassenreinigung.pdf", "Wie berechnen sich die Straßenreinigungsgebühren je Frontmeter?", "2,85 Euro je Meter"),
    ("satzung_strassenreinigung.pdf", "Können kranke Hauseigentümer von der Räumpflicht freigestellt werden?", "wird auf Antrag vom Winterdienst befreit"),
    ("satzung_strassenreinigung.pdf", "Welche Unkrautbekämpfungsmittel sind verboten?", "Chemische Mittel und Salzlauge sind dafür verboten"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Welche Aststärke kann der Häcksler höchstens verarbeiten?", "höchstens 42 Millimeter dick"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Nachlaufzeit der Messer beim Häckseln", "noch etwa fünf Sekunden"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Welchen Kabelquerschnitt braucht man für lange Verlängerungskabel?", "einen Querschnitt von 1,5 Quadratmillimetern"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Mit welchem Anzugsdrehmoment werden die Messerschrauben befestigt?", "mit 25 Newtonmetern"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Was tun, wenn sich ein eingeklemmter Ast nicht löst?", "drehen Sie den Wahlschalter nach links"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "Wie laut ist der Gartenhäcksler?", "94 Dezibel"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Wie oft bekommen Schulkinder den Hustensaft und wieviel?", "dreimal täglich 5 Milliliter"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Haltbarkeit nach Anbruch der Saftflasche", "drei Monate haltbar"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Ab welchem Lebensalter ist der Efeusaft zugelassen?", "Kinder unter zwei Jahren dürfen den Saft nicht bekommen"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Dürfen Schwangere Efeuextrakt nehmen?", "In der Schwangerschaft und während des Stillens"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Wechselwirkung mit Hustenstillern", "nicht zusammen mit Mitteln, die den Husten stillen"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "Was passiert bei einer Überdosierung des Schleimlösers?", "mehr als die vierfache Tagesmenge"),
    ("Protokoll_Mitgliederversammlung.pdf", "Wer wurde neue Vereinsvorsitzende?", "Frau Ingrid Möller"),
    ("Protokoll_Mitgliederversammlung.pdf", "Auf wieviel steigt der Mitgliedsbeitrag der Erwachsenen?", "von 24 auf 28 Euro"),
    ("Protokoll_Mitgliederversammlung.pdf", "Wie teuer wird die Dachsanierung des Bootshauses nach dem niedrigsten Angebot?", "auf 41.300 Euro"),
    ("Protokoll_Mitgliederversammlung.pdf", "Ergebnisse der Kassenprüfung durch die Prüfer", "keine Beanstandung gefunden"),
    ("Protokoll_Mitgliederversammlung.pdf", "Wieviele Arbeitsstunden müssen Vereinsmitglieder für den Bootssteg leisten?", "acht Stunden oder zahlt 15 Euro"),
    ("Protokoll_Mitgliederversammlung.pdf", "Regattasiege der Jugendlichen", "Regatta in Grünau zwei Siege"),
    ("geschichte_des_treidelkanals.pdf", "Wann begannen die Bauarbeiten am Kanal?", "Am 3. Mai 1766"),
    ("geschichte_des_treidelkanals.pdf", "Schleusenzahl und Höhenunterschied des Kanals", "Neun Schleusen aus Eichenholz"),
    ("geschichte_des_treidelkanals.pdf", "Welche Aufnahmebedingungen hatte die Zunft der Treidelknechte?", "ein Jahr lang ohne Lohn dienen"),
    ("geschichte_des_treidelkanals.pdf", "Wann fuhr der letzte Lastkahn mit welcher Ladung?", "Der letzte Kahn, beladen mit Torf"),
    ("geschichte_des_treidelkanals.pdf", "Welche seltenen Tierarten leben heute in den Kanalresten?", "Laubfrosch, Schlammpeitzger"),
    ("AGB_Fahrradverleih.pdf", "Mindestalter für die Anmeldung beim Radverleih", "mindestens 16 Jahre alt"),
    ("AGB_Fahrradverleih.pdf", "Was kosten Leihräder im Jahresabonnement?", "Im Jahrestarif zu 48 Euro"),
    ("AGB_Fahrradverleih.pdf", "Wieviel muss man bei Fahrraddiebstählen ersetzen?", "ein Betrag von 300 Euro"),
    ("AGB_Fahrradverleih.pdf", "Nach welcher Zeit werden Standortdaten vernichtet?", "nach neunzig Tagen gelöscht"),
    ("AGB_Fahrradverleih.pdf", "Zuschlag für das Abstellen außerhalb des Geschäftsgebiets", "einen Aufschlag von 20 Euro"),
    ("heizung/Wartungshandbuch.pdf", "Welcher Anlagendruck ist bei kalter Heizung richtig?", "zwischen 1,8 und 2,2 bar"),
    ("heizung/Wartungshandbuch.pdf", "Bedeutung der Fehlermeldung F75", "Fehler F75 eine defekte Pumpe"),
    ("heizung/Wartungshandbuch.pdf", "Wie häufig sind Legionellenproben zu entnehmen?", "Alle drei Jahre sind Proben"),
    ("heizung/Wartungshandbuch.pdf", "Wo ist der Gashaupthahn im Rathauskeller?", "links neben der Kellertreppe"),
    ("heizung/Wartungshandbuch.pdf", "Wann müssen Zündelektroden ausgetauscht werden?", "wenn ihr Abstand mehr als fünf Millimeter beträgt"),
    ("Moorbericht 2019.pdf", "Um wieviel verringerte die Wiedervernässung den Treibhausgasausstoß des Moores?", "von 23 auf 8 Tonnen"),
    ("Moorbericht 2019.pdf", "Wieviele Kranichpaare brüteten 2019 im Moorgebiet?", "brüteten sechs Paare des Kranichs"),
    ("Moorbericht 2019.pdf", "Womit wurden Entwässerungsgräben verschlossen?", "durch Spundwände aus Lärchenholz"),
    ("Moorbericht 2019.pdf", "Gesamtkosten des Moorschutzprojekts", "auf 2,7 Millionen Euro"),
    ("Moorbericht 2019.pdf", "Mittlere Sommerwasserstände vor und nach den Arbeiten", "61 Zentimeter unter Flur"),
    ("brandschutzordnung_grundschule.pdf", "Wo ist der Sammelplatz der Schulklassen bei Feueralarm?", "auf dem Bolzplatz"),
    ("brandschutzordnung_grundschule.pdf", "Wie oft finden Räumungsübungen statt?", "Zweimal im Schuljahr"),
    ("brandschutzordnung_grundschule.pdf", "Womit löscht man Fettbrände in der Schulküche?", "in der Küche einer für brennendes Fett"),
    ("brandschutzordnung_grundschule.pdf", "Wer ist die Brandschutzbeauftragte?", "ist Frau Göbel"),
    ("brandschutzordnung_grundschule.pdf", "Verhalten bei verrauchten Fluren", "Ist der Flur verraucht"),
    ("Leitfaden_Obstbaumschnitt.pdf", "Wann ist der beste Schnittzeitpunkt für Kirschbäume?", "im Sommer nach der Ernte geschnitten"),
    ("Leitfaden_Obstbaumschnitt.pdf", "Wieviel Kronenholz darf man jährlich höchstens wegnehmen?", "mehr als ein Viertel der Krone"),
    ("Leitfaden_Obstbaumschnitt.pdf", "Womit desinfiziert man Astscheren?", "mit Alkohol abgerieben"),
    ("Leitfaden_Obstbaumschnitt.pdf", "Soll man Wassertriebe reißen oder schneiden?", "werden im Juni ausgerissen"),
    ("Leitfaden_Obstbaumschnitt.pdf", "Wieviele Ruten läßt man bei Johannisbeersträuchern stehen?", "lässt acht bis zwölf stehen"),
)  # fmt: skip

CROSS: tuple[tuple[str, str, str], ...] = (
    ("Mietvertrag_Lindenstraße.pdf", "How much is the security deposit for the flat?", "hinterlegt als Sicherheit 2.400 Euro"),
    ("Betriebsanleitung Gartenhäcksler GH 2400.pdf", "What protective equipment must be worn when using the garden shredder?", "Tragen Sie eine Schutzbrille"),
    ("Gebrauchsinformation Brontulin Hustensaft.pdf", "What side effects can the ivy cough syrup have?", "kommt es zu Übelkeit und Durchfall"),
    ("geschichte_des_treidelkanals.pdf", "Why did the canal lose its traffic in the nineteenth century?", "Mit der Eröffnung der Eisenbahn"),
    ("heizung/Wartungshandbuch.pdf", "What should one do when it smells of gas in the boiler room?", "Riecht es nach Gas"),
    ("Moorbericht 2019.pdf", "How did dragonflies and birds react to the rewetting of the bog?", "Die Zahl der Libellenarten stieg"),
    ("brandschutzordnung_grundschule.pdf", "What does the teacher take along when the school is evacuated?", "Die Lehrkraft nimmt das Klassenbuch mit"),
    ("satzung_strassenreinigung.pdf", "By what time must snow be cleared from sidewalks on Sundays?", "an Sonntagen und Feiertagen bis 9 Uhr"),
)  # fmt: skip

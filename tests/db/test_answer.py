"""Questions answered from a real store; only Ollama's wire is acted."""

import asyncio
from contextlib import aclosing

import pytest
from library import VIRUS, system

from foliod.answer import answer as answering
from foliod.answer import generate as generating
from foliod.answer.answer import Question
from foliod.answer.prompt import Turn
from foliod.answer.quoted import NOT_FOUND, PROBABLY_NOT
from foliod.base.errors import BadRequestError, GenerationCutError, OllamaError
from foliod.base.model import Filters
from foliod.ollama import inference as inferring
from waiting import PATIENCE, until

INCUBATION = "How long is the incubation period of the virus?"


def kinds(events: list[dict]) -> list[str]:
    """The types of events, runs of equal ones as one."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event["type"]:
            found.append(event["type"])
    return found


def text_of(events: list[dict], kind: str = "token") -> str:
    return "".join(event["text"] for event in events if event["type"] == kind)


async def change(db, sql: str) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(sql)


async def test_a_model_answers_from_numbered_passages(db):
    """A question brings its sources first, then the answer as it is written, then what it rests on."""
    async with system(db) as s:
        events = await s.ask(INCUBATION)
    assert kinds(events) == ["sources", "token", "done"]
    sources, done = events[0], events[-1]
    assert [hit["n"] for hit in sources["hits"]] == list(range(1, len(sources["hits"]) + 1))
    assert sources["hits"][0]["text"] == VIRUS[1]
    assert sources["hits"][0]["pages"] == [2, 2]
    assert sources["hits"][0]["rects"] is None
    assert sources["mode"] == done["mode"] == "hybrid"
    assert (
        sources["coverage"]
        == done["coverage"]
        == {
            "documents": 2,
            "pages": 5,
            "unread_pages": 0,
            "pending": 0,
            "unread": [],
        }
    )
    assert done["answer"] == text_of(events).strip()
    assert (done["generator"], done["model"], done["note"]) == ("ollama", "scripted", None)
    assert len([e for e in events if e["type"] == "token"]) > 5, "it comes in pieces"
    assert set(done["timings_ms"]) == {"embed", "retrieve", "first_token", "check", "total"}
    assert 0 < done["timings_ms"]["first_token"] <= done["timings_ms"]["total"]


async def test_citations_lead_to_verbatim_sentences(db):
    """Each number in the answer is a citation with document, pages and a sentence that stands there."""
    async with system(db) as s:
        s.ollama.fault(answer="The incubation period is 5 to 6 days [1]. It was told on television [77].")
        events = await s.ask(INCUBATION)
    [citation] = events[-1]["citations"]
    assert citation == {
        "n": 1,
        "document": events[0]["hits"][0]["document"],
        "pages": [2, 2],
        "quote": "The incubation period of the virus is 5 to 6 days on average.",
        "verified": True,
        "rects": None,
    }
    assert citation["document"]["id"] == s.documents["virus.pdf"]
    assert citation["document"]["path"] == "/in/virus.pdf"


async def test_the_model_gets_rules_passages_and_the_question(db):
    """What is sent holds the passages with their numbers, ends with the question, and asks for room for all of it."""
    async with system(db) as s:
        await s.ask(INCUBATION, limit=2)
        [sent] = s.ollama.chats
    rules, asked = sent["messages"]
    assert rules["role"] == "system"
    assert "do not contain" in rules["content"]
    assert asked["content"].count("<passage n=") == 2
    assert f'<passage n="1" document="virus" pages="2">\n{VIRUS[1]}\n</passage>' in asked["content"]
    assert asked["content"].endswith(f"Question: {INCUBATION}")
    assert sent["options"]["num_ctx"] == 4096
    assert sent.get("think") is None


async def test_sources_are_what_the_model_was_given(db):
    """Passages for which a small model has no room are not among the sources, and can't be cited."""
    library = {
        f"{n}.pdf": [f"The virus number {n} spreads. " + f"It is told of at length in part {n}. " * 25]
        for n in range(8)
    }
    async with system(db, library) as s:
        s.ollama.models["scripted:latest"].context = 2048
        s.ollama.fault(answer="It spreads [1]. It spreads [8].")
        events = await s.ask("How does the virus spread?")
        [sent] = s.ollama.chats
    given = sent["messages"][-1]["content"].count("<passage n=")
    assert sent["options"]["num_ctx"] == 2048
    assert 1 <= given < 8
    assert len(events[0]["hits"]) == given
    assert [c["n"] for c in events[-1]["citations"]] == [1]


async def test_thinking_comes_apart(db):
    """A thinking model's thoughts are events of their own and no part of the answer."""
    async with system(db, chat_model="deepseek-r1:8b") as s:
        events = await s.ask(INCUBATION)
        assert kinds(events) == ["sources", "thinking", "token", "done"]
        assert text_of(events, "thinking") == "The passages say it. "
        assert "The passages say it" not in events[-1]["answer"]
        assert s.ollama.chats[0].get("think") is None


@pytest.mark.parametrize(
    ("configured", "asked", "sent"), [(False, None, False), (None, False, False), (False, True, True)]
)
async def test_thinking_can_be_switched_off(db, configured, asked, sent):
    """The configuration switches thinking off, and a request decides for itself."""
    async with system(db, chat_model="deepseek-r1:8b", think=configured) as s:
        events = await s.ask(INCUBATION, think=asked)
        assert s.ollama.chats[0]["think"] is sent
    assert ("thinking" in kinds(events)) is sent


async def test_think_is_not_sent_to_models_that_can_not(db):
    """A model without the ability is not sent `think`, which it would refuse."""
    async with system(db, think=True) as s:
        events = await s.ask(INCUBATION, think=True)
        assert s.ollama.chats[0].get("think") is None
    assert events[-1]["generator"] == "ollama"


async def test_thinking_in_the_text_comes_apart_too(db):
    """A model that writes its thoughts into the text, unknown to Ollama, is understood as well."""
    async with system(db) as s:
        s.ollama.fault(answer="<think>Let me see [2].</think>\n\nIt is 5 to 6 days [1].")
        events = await s.ask(INCUBATION)
    assert text_of(events, "thinking").strip() == "Let me see [2]."
    assert events[-1]["answer"] == "It is 5 to 6 days [1]."
    assert [c["n"] for c in events[-1]["citations"]] == [1]


HISTORY = (Turn("user", INCUBATION), Turn("assistant", "<think>hm, SECRET</think>5 to 6 days [1]."))
JOINED = f"{INCUBATION}\nAnd at most?"


async def test_the_conversation_goes_along(db):
    """A follow-up that can't be rewritten is searched with the question before it; the model sees what was said."""
    async with system(db) as s:
        events = await s.ask("And at most?", history=HISTORY)
        sent = s.ollama.chats[0]["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert sent[2]["content"] == "5 to 6 days [1]."
    assert events[0]["hits"][0]["text"] == VIRUS[1]
    assert events[0]["question"] == events[-1]["question"] == JOINED


async def test_a_follow_up_is_rewritten_to_stand_alone(db):
    """The chat model says what "and at most?" means; that is searched and shown, while the answer is to what was asked."""
    alone = "How long is the incubation period of the virus at most?"
    async with system(db, chat_model="deepseek-r1:8b") as s:
        s.ollama.fault(rewritten=f"Rewritten question: {alone}")
        events = await s.ask("And at most?", history=HISTORY)
        [asked], [sent] = s.ollama.rewrites, s.ollama.chats
        assert alone in s.ollama.inputs[-1]
    assert events[0]["question"] == events[-1]["question"] == alone
    assert asked["think"] is False
    assert asked["options"]["num_predict"] <= 200
    assert asked["options"]["num_ctx"] == sent["options"]["num_ctx"], "else the model is loaded twice"
    assert "SECRET" not in str(asked) + str(sent)
    assert sent["messages"][-1]["content"].endswith("Question: And at most?")


@pytest.mark.parametrize(
    "written",
    [
        "<think>what do they mean",
        "It is 14 days at most, as the passages say.",
        "word " * 300,
        "Bananas are yellow.",
        INCUBATION,
        "hang",
    ],
)
async def test_what_is_no_question_is_not_searched_for(db, monkeypatch, written):
    """When the model thinks, answers, rambles or hangs instead of rewriting, the question goes with the one before it."""
    async with system(db, rewrite_seconds=0.5) as s:
        s.ollama.fault(rewritten=written)
        events = await s.ask("And what is the longest?", history=HISTORY)
        assert s.ollama.counts["rewrites"] == 1
    assert events[0]["question"] == f"{INCUBATION}\nAnd what is the longest?"
    assert events[-1]["generator"] == "ollama"


async def test_a_rewrite_of_what_was_not_shown_is_not_searched_for(db):
    """The words of a rewritten question are those of the question and of the turns that the model was shown."""
    fruit = "bananas papayas mangos cherries plums"
    async with system(db) as s:
        s.ollama.fault(rewritten=f"What is the longest of {fruit}?")
        long_ago = await s.ask("And the longest?", history=(Turn("user", fruit), *HISTORY * 3))
        lately = await s.ask("And the longest?", history=(*HISTORY * 3, Turn("user", fruit)))
    assert long_ago[0]["question"] == f"{INCUBATION}\nAnd the longest?"
    assert lately[0]["question"] == f"What is the longest of {fruit}?"


async def test_rewriting_can_be_switched_off(db):
    """With rewrite_seconds = 0 the chat model is asked once only; without a conversation it is never asked to rewrite."""
    async with system(db, rewrite_seconds=0) as s:
        s.ollama.fault(rewritten="How long is the incubation period at most?")
        assert (await s.ask("And at most?", history=HISTORY))[0]["question"] == JOINED
        assert (await s.ask(INCUBATION))[0]["question"] == INCUBATION
        assert s.ollama.counts["rewrites"] == 0


async def test_filters_and_mode_hold(db):
    """An answer rests only on what the filter leaves, found in the way that was asked for."""
    async with system(db) as s:
        only = Filters(document=s.documents["tax.pdf"])
        events = await s.ask("virus in April?", mode="keyword", filters=only)
        assert len({hit["document"]["id"] for hit in (await s.ask("virus in April?"))[0]["hits"]}) == 2
    assert {hit["document"]["title"] for hit in events[0]["hits"]} == {"tax"}
    assert events[-1]["mode"] == "keyword"


async def test_numbers_are_written_in_one_way_and_invented_ones_are_told(db):
    """However a model writes its numbers, the answer has them as [1]; those that no passage has are out of it, and listed."""
    async with system(db) as s:
        s.ollama.fault(answer="It is 5 to 6 days【1】(source 1). At most 14 days [^1] [9]. See a[3] of [2019].")
        events = await s.ask(INCUBATION)
    done = events[-1]
    assert done["answer"] == "It is 5 to 6 days[1][1]. At most 14 days [1]. See a[3] of [2019]."
    assert done["invented"] == [9]
    assert [c["n"] for c in done["citations"]] == [1]
    assert "[9]" in text_of(events), "what was streamed stays as it was"


async def test_sentences_that_no_source_supports_are_listed(db):
    """The sentences with a wrong number, or of which the passages say nothing, are listed with their place in the answer."""
    async with system(db) as s:
        s.ollama.fault(
            answer="Here is what I found: The incubation period of the virus is 5 to 6 days on average [1]. "
            "It can be as long as 44 days [1]. Bananas grow in Ecuador on small farms."
        )
        done = (await s.ask(INCUBATION))[-1]
    assert [u["text"] for u in done["unsupported"]] == [
        "It can be as long as 44 days [1].",
        "Bananas grow in Ecuador on small farms.",
    ]
    for unsupported in done["unsupported"]:
        assert done["answer"][unsupported["start"] : unsupported["end"]] == unsupported["text"]
    assert "44" in done["unsupported"][0]["why"]
    assert done["answered"] is True


async def test_a_quote_is_verified_in_the_stored_pages(db):
    """`verified` is what the page says now: a quote whose page was changed meanwhile is not verified, and not pointed at."""
    async with system(db) as s:
        s.ollama.fault(answer="The incubation period is 5 to 6 days [1]. Form 1040 is due in April [2].")
        before = await s.ask("incubation period form 1040 due April", limit=2)
        assert [c["verified"] for c in before[-1]["citations"]] == [True, True]
        await change(db, "UPDATE foliod.pages SET text = replace(text, '5 to 6', '7 to 8')")
        after = await s.ask("incubation period form 1040 due April", limit=2)
    verified = {c["document"]["title"]: c["verified"] for c in after[-1]["citations"]}
    assert verified == {"virus": False, "tax": True}


async def test_the_page_of_a_quote_is_its_own(db):
    """A passage that lies on two pages is cited with the page on which the quoted sentence stands."""
    library = {"a.pdf": ["Cats sleep for most of the day.\nDogs bark at night and chase the postman away."]}

    async with system(db, library) as s:
        await change(db, "UPDATE foliod.pages SET text = 'Cats sleep for most of the day.'")
        await change(
            db,
            "INSERT INTO foliod.pages (document_id, number, verdict, width, height, rotation, text)"
            " SELECT document_id, 2, 'text', 1, 1, 0, 'Dogs bark at night and chase the postman away.' FROM foliod.pages",
        )
        await change(db, "UPDATE foliod.chunks SET last_page = 2")
        s.ollama.fault(answer="Dogs chase the postman away [1].")
        events = await s.ask("What do dogs do?")
    [citation] = events[-1]["citations"]
    assert events[0]["hits"][0]["pages"] == [1, 2]
    assert (citation["pages"], citation["verified"]) == ([2, 2], True)


@pytest.mark.parametrize(
    "answer",
    [
        "The documents do not contain the answer to this question.",
        "Die Dokumente enthalten dazu keine Angaben [1].",
        "I could not find this in your documents. I hope this helps!",
    ],
)
async def test_a_model_that_finds_nothing_has_not_answered(db, answer):
    """When the model says that the documents do not hold it, that is no answer: no citations, nothing unsupported."""
    async with system(db) as s:
        s.ollama.fault(answer=answer)
        done = (await s.ask(INCUBATION))[-1]
    assert (done["answered"], done["citations"], done["unsupported"]) == (False, [], [])
    assert done["generator"] == "ollama"


async def test_half_an_answer_is_an_answer(db):
    """When the model gives one part and says that another is missing, it has answered."""
    async with system(db) as s:
        s.ollama.fault(answer="The incubation period is 5 to 6 days [1]. The documents do not mention the price.")
        done = (await s.ask(INCUBATION))[-1]
    assert (done["answered"], done["unsupported"]) == (True, [])
    assert [c["n"] for c in done["citations"]] == [1]


async def test_a_question_beside_the_point_is_not_put_to_the_model(db):
    """When no passage holds a word of the question, nor is near to it, no model is asked to make something up."""
    async with system(db) as s:
        events = await s.ask("How should the xylophone and the oboe be tuned with this piano?", mode="vector")
        assert s.ollama.counts["chats"] == 0
    assert events[-1]["answer"] == NOT_FOUND
    assert events[-1]["answered"] is False


async def test_a_question_in_another_language_is_put_to_the_model(db):
    """A question that shares no word with the passages because it is in another language is not taken to be beside the point."""
    async with system(db) as s:
        await s.ask("Was ist die Ursache von Fieber und wie wird es behandelt?", mode="vector")
        assert s.ollama.counts["chats"] == 1


async def test_what_could_not_be_read_of_the_sources_is_told(db):
    """The coverage names the pages of the documents in the sources that could not be read, and why; of others it only counts."""
    async with system(db) as s:
        await change(
            db,
            "UPDATE foliod.pages SET verdict = CASE number WHEN 2 THEN 'failed' ELSE 'needs_ocr' END WHERE number > 1",
        )
        await change(db, "UPDATE foliod.documents SET partial = true, reason = 'its end is missing'")
        await change(db, "UPDATE foliod.pages SET trouble = 'holds a picture' WHERE number = 1")
        only = Filters(document=s.documents["virus.pdf"])
        done = (await s.ask(INCUBATION, filters=only))[-1]
        await change(db, "UPDATE foliod.pages SET trouble = NULL, verdict = 'text'")
        cut = (await s.ask(INCUBATION, filters=only))[-1]
    virus = {"id": s.documents["virus.pdf"], "title": "virus", "path": "/in/virus.pdf"}
    assert done["coverage"]["unread"] == [
        {"document": virus, "pages": [[1, 1]], "reason": "holds a picture"},
        {"document": virus, "pages": [[2, 2]], "reason": "could not be read"},
        {"document": virus, "pages": [[3, 3]], "reason": "a picture of text that was not recognised"},
    ]
    assert done["coverage"]["pages"] == 3
    assert cut["coverage"]["unread"] == [{"document": virus, "pages": [], "reason": "its end is missing"}]


async def test_the_prompt_is_cut_by_what_the_model_really_counts(db):
    """A tokenizer that makes twice as many tokens as was estimated is learned of: the next prompt fits it."""
    library = {
        f"{n}.pdf": [f"The virus number {n} spreads. " + f"It is told of at length in part {n}. " * 25]
        for n in range(8)
    }
    async with system(db, library) as s:
        s.ollama.models["scripted:latest"].context = 4096
        s.ollama.fault(prompt_factor=3.0)
        first = len((await s.ask("How does the virus spread?"))[0]["hits"])
        second = len((await s.ask("How does the virus spread?"))[0]["hits"])
    assert second < first


# --- without a model --------------------------------------------------------------------


def assert_quoted(events: list[dict]) -> None:
    done = events[-1]
    assert kinds(events) == ["sources", "token", "done"]
    assert (done["generator"], done["model"]) == ("quotes", None)
    assert done["answer"] == text_of(events)
    assert done["answer"].startswith("“The incubation period of the virus is 5 to 6 days on average.” [1]")
    passages = {hit["n"]: hit for hit in events[0]["hits"]}
    assert done["citations"]
    for citation in done["citations"]:
        assert citation["quote"] in passages[citation["n"]]["text"]
        assert f"“{citation['quote']}” [{citation['n']}]" in done["answer"]
        assert citation["pages"] == passages[citation["n"]]["pages"]
    assert 0 < done["timings_ms"]["first_token"] <= done["timings_ms"]["total"]


async def test_without_the_chat_model_the_answer_is_quoted(db):
    """When Ollama does not have the chat model, the best sentences are the answer, and the note says why."""
    async with system(db, chat_model="missing-model") as s:
        events = await s.ask(INCUBATION)
        assert s.ollama.counts["chats"] == 0
    assert_quoted(events)
    assert "ollama pull missing-model" in events[-1]["note"]


async def test_a_model_of_another_company_is_not_asked(db):
    """A cloud model named in a request gets nothing of the documents."""
    async with system(db) as s:
        events = await s.ask(INCUBATION, model="gpt-oss:120b-cloud")
        assert s.ollama.counts["chats"] == 0
    assert_quoted(events)
    assert "allow_cloud" in events[-1]["note"]


async def test_without_a_wish_for_a_chat_model_nobody_complains(db):
    """With chat_model = "" answers are quoted, also within a conversation, and no note says that a model is missing."""
    async with system(db, chat_model="") as s:
        for history in ((), (Turn("user", "What is it?"), Turn("assistant", "A virus."))):
            events = [
                e async for e in s.answerer.ask(Question("Which symptoms does the virus cause?", history=history))
            ]
            assert events[-1]["generator"] == "quotes"
            assert events[-1]["note"] is None


async def test_without_ollama_the_answer_is_quoted(db):
    """When Ollama is down, keywords find the passages and the answer is made of quotes."""
    async with system(db) as s:
        await s.ollama.stop()
        events = await s.ask("incubation period of the virus?")
    assert_quoted(events)
    assert events[-1]["mode"] == "keyword"
    assert "can't be reached" in events[-1]["note"]


@pytest.mark.parametrize("fault", [{"chat": 500, "count": 1}, {"error_after": 0}, {"drop_after": 0}, {"cut_after": 0}])
async def test_a_model_that_does_not_begin_is_replaced_by_quotes(db, fault):
    """When the model fails before its first word, the question is answered all the same."""
    async with system(db) as s:
        s.ollama.fault(**fault)
        events = await s.ask(INCUBATION)
        assert s.ollama.counts["chats"] == 1
    assert_quoted(events)
    assert events[-1]["note"]


async def test_a_model_that_only_thinks_is_replaced_by_quotes(db):
    """When all that comes are thoughts, the thoughts are shown and the answer is quoted."""
    async with system(db) as s:
        s.ollama.fault(answer="<think>Let me see.</think>")
        events = await s.ask(INCUBATION)
    assert kinds(events) == ["sources", "thinking", "token", "done"]
    assert events[-1]["generator"] == "quotes"
    assert "gave no answer" in events[-1]["note"]


async def test_what_is_not_there_is_not_answered(db):
    """When nothing in the documents fits the question, the answer says so, and no model invents one."""
    async with system(db) as s:
        events = await s.ask("xylophone", mode="keyword")
        assert s.ollama.counts["chats"] == 0
    assert events[0]["hits"] == []
    assert events[-1]["answer"] == NOT_FOUND
    assert events[-1]["citations"] == []


async def test_passages_without_a_word_of_the_question_are_not_quoted(db):
    """Passages that are only near in meaning are no quotes; without a model the answer is that nothing was found."""
    async with system(db, chat_model="missing-model") as s:
        events = await s.ask("xylophone tuning", mode="vector")
    assert events[0]["hits"]
    assert events[-1]["answer"] == NOT_FOUND


async def test_quotes_that_probably_do_not_answer_say_so(db):
    """Quotes that hold little of the question are introduced as such, and are no answer."""
    async with system(db, chat_model="missing-model") as s:
        good = (await s.ask(INCUBATION))[-1]
        doubtful = (await s.ask("Which family owned the castle and the vineyards near Bordeaux?"))[-1]
    assert good["answered"] is True
    assert not good["answer"].startswith(PROBABLY_NOT)
    assert doubtful["answered"] is False
    assert doubtful["answer"].startswith(PROBABLY_NOT)
    assert all(c["verified"] for c in doubtful["citations"])


async def test_a_filter_that_leaves_nothing_says_so(db):
    """An unknown document, or a folder without documents, is answered at once with the reason."""
    async with system(db) as s:
        for filters in (Filters(document=999), Filters(folder="/nowhere")):
            done = (await s.ask(INCUBATION, filters=filters))[-1]
            assert "No searchable document matches the filter" in done["answer"]
            assert done["answered"] is False
        assert s.ollama.counts["chats"] == 0


async def test_an_empty_store_says_what_is_missing(db):
    """Before anything is searchable, the answer says that, and what is still to be read."""
    from test_store import place

    async with system(db, {}) as s:
        assert "No searchable document" in (await s.ask("virus"))[-1]["answer"]
    async with system(db, {}) as s:
        await place(db, "late.pdf")
        assert "1 of them are still to be read" in (await s.ask("virus"))[-1]["answer"]


async def test_an_empty_question_is_refused(db):
    """An empty question raises a clear error."""
    async with system(db) as s:
        with pytest.raises(BadRequestError, match="empty"):
            await s.ask("  ")


# --- when it breaks, or is stopped ------------------------------------------------------


@pytest.mark.parametrize("fault", [{"error_after": 3}, {"drop_after": 3}, {"cut_after": 3}])
async def test_an_answer_that_breaks_off_is_an_error(db, fault):
    """Half an answer is never passed off as a whole one: what was written is followed by an error."""
    async with system(db) as s:
        s.ollama.fault(**fault)
        seen = []
        with pytest.raises(OllamaError):
            async with aclosing(s.answerer.ask(Question(INCUBATION))) as events:
                async for event in events:
                    seen.append(event["type"])  # noqa: PERF401  # a comprehension would lose what came before the error
    assert seen == ["sources", "token", "token", "token"]


async def test_a_model_that_goes_in_circles_is_stopped(db, monkeypatch):
    """A model that never ends is stopped, and the user is told."""
    monkeypatch.setitem(generating.MOST_CHARS, "token", 50)
    async with system(db) as s:
        s.ollama.fault(answer="again and " * 500)
        s.ollama.token_ms = 1
        with pytest.raises(GenerationCutError, match="no end"):
            await s.ask(INCUBATION)
        await until(lambda: s.ollama.counts["chats_cancelled"] == 1)


@pytest.mark.parametrize("endless", ["again and so on", "| 1 | 2 |"])
async def test_a_model_that_repeats_itself_is_stopped_early(db, endless):
    """A model that says the same for ever is stopped long before the limits on length and time."""
    async with system(db) as s:
        s.ollama.fault(endless=endless + "\n")
        seen = []
        with pytest.raises(GenerationCutError, match="repeated itself"):
            async with asyncio.timeout(PATIENCE), aclosing(s.answerer.ask(Question(INCUBATION))) as events:
                async for event in events:
                    seen.append(event)  # noqa: PERF401  # a comprehension would lose what came before the error
        await until(lambda: s.ollama.counts["chats_cancelled"] == 1)
    assert len(text_of(seen)) < 4000


async def test_a_thought_begun_by_the_template_is_no_answer(db):
    """Where only the end of a thought is in the text, it is known from the template, or learned from the first answer."""
    spoken = "Let me see [2].</think>\n\nIt is 5 to 6 days [1]."
    async with system(db) as s:
        s.ollama.models["scripted:latest"].template = "<|user|>{{ .Prompt }}<|assistant|><think>\n{{ end }}"
        s.ollama.fault(answer=spoken)
        known = await s.ask(INCUBATION)
        s.ollama.models["scripted:latest"].template = "{{ .Prompt }}"
        s.ollama.models["scripted:latest"].digest = "other"
        unknown = await s.ask(INCUBATION)
        learned = await s.ask(INCUBATION)
        s.ollama.fault(answer="It is 5 to 6 days [1].")
        thoughtless = await s.ask(INCUBATION)
    for events in (known, unknown, learned, thoughtless):
        assert events[-1]["answer"] == "It is 5 to 6 days [1]."
        assert [c["n"] for c in events[-1]["citations"]] == [1]
    for events in (known, learned):
        assert text_of(events).strip() == "It is 5 to 6 days [1]."
        assert text_of(events, "thinking").strip() == "Let me see [2]."
    assert text_of(thoughtless).strip() == "It is 5 to 6 days [1]."


@pytest.mark.parametrize("answer", ["", "<think>Let me see [2].</think>It is 5 to 6 days [1]."])
async def test_a_model_that_thinks_all_the_same_is_not_shown_thinking(db, answer):
    """With thinking switched off, what a model thinks anyway is neither shown nor part of the answer."""
    async with system(db, chat_model="deepseek-r1:8b") as s:
        s.ollama.fault(thinks_anyway=True, answer=answer)
        events = await s.ask(INCUBATION, think=False)
        assert s.ollama.chats[0]["think"] is False
    assert kinds(events) == ["sources", "token", "done"]
    assert "passages say it" not in events[-1]["answer"]
    assert "Let me see" not in events[-1]["answer"]


@pytest.mark.parametrize("endless", ["again", " "])
async def test_a_model_that_comes_to_no_end_is_stopped_by_the_clock(db, endless):
    """A model that writes for ever, be it nothing, is stopped after answer_seconds."""
    async with system(db, answer_seconds=0.3) as s:
        s.ollama.fault(endless=endless)
        s.ollama.token_ms = 50  # What would be noticed as a loop takes 6 s.
        seen = []
        try:
            async with asyncio.timeout(PATIENCE), aclosing(s.answerer.ask(Question(INCUBATION))) as events:
                async for event in events:
                    seen.append(event)  # noqa: PERF401  # a comprehension would lose what came before the error
        except GenerationCutError as error:
            assert endless == "again"
            assert "answer_seconds" in error.message
        else:
            assert_quoted(seen)
            assert "answer_seconds" in seen[-1]["note"]
        await until(lambda: s.ollama.counts["chats_cancelled"] == 1)


async def test_a_model_that_stalls_before_its_first_word_is_replaced_by_quotes(db):
    """A chat model that takes the question and says nothing is given up after silence_seconds, and quotes answer."""
    async with system(db, silence_seconds=0.3) as s:
        s.ollama.fault(stall_after=0)
        events = await s.ask(INCUBATION)
    assert_quoted(events)
    assert "silent for 0.3 s" in events[-1]["note"]


async def test_a_model_that_stalls_in_the_middle_is_an_error(db):
    """What was said before the silence stays, and the error says why nothing more comes."""
    # Enough for the first words, which come after silence too.
    async with system(db, silence_seconds=2.0) as s:
        s.ollama.fault(stall_after=3)
        with pytest.raises(OllamaError, match="silent"):
            await s.ask(INCUBATION)


async def test_a_model_that_thinks_and_says_nothing_is_replaced_by_quotes(db):
    """Thoughts are shown as such, and the answer is quoted."""
    async with system(db, chat_model="deepseek-r1:8b") as s:
        s.ollama.fault(thinks_only=True)
        events = await s.ask(INCUBATION)
    assert kinds(events) == ["sources", "thinking", "token", "done"]
    assert events[-1]["generator"] == "quotes"
    assert "gave no answer" in events[-1]["note"]


async def test_a_hanging_ollama_does_not_hold_up_the_sources(db, monkeypatch):
    """When Ollama takes connections and never answers, the answer is quoted within the time that a question has."""
    monkeypatch.setattr(answering, "DESCRIBE_SECONDS", 0.2)
    monkeypatch.setattr(inferring, "DESCRIBE_SECONDS", 60.0)
    async with system(db, seconds=0.2) as s:
        s.ollama.fault(deaf=True)
        async with asyncio.timeout(PATIENCE):
            events = await s.ask("incubation period of the virus?")
    assert_quoted(events)
    assert events[-1]["mode"] == "keyword"
    assert "within 0.2 s" in events[-1]["note"]
    assert "in 0.2 s" in events[-1]["note"]


async def test_a_known_question_is_not_held_up_by_a_description(db):
    """A question whose vector is known goes by meaning too while Ollama hangs, without waiting for it."""
    async with system(db) as s:
        await s.retriever.search(INCUBATION, limit=3)
        s.embedder.known.doubt()
        s.ollama.fault(deaf=True)
        async with asyncio.timeout(PATIENCE):
            found = await s.retriever.search(INCUBATION, limit=3)
    assert found.mode == "hybrid"


async def test_vectors_of_another_length_are_not_compared(db):
    """When the model suddenly gives vectors of another length, search goes by keyword and says why."""
    async with system(db) as s:
        s.ollama.fault(dimensions=100)
        found = await s.retriever.search("incubation of the virus", limit=3)
    assert found.mode == "keyword"
    assert found.hits
    assert "100 numbers, and the stored ones have 256" in found.note


async def test_hanging_up_stops_the_model(db):
    """When the asker goes away in mid-answer, the model stops, and ingestion may go on."""
    async with system(db) as s:
        s.ollama.token_gate.clear()
        s.ollama.token_gate_after = 2
        async with aclosing(s.answerer.ask(Question(INCUBATION))) as events:
            async for event in events:
                if event["type"] == "token":
                    break
        await until(lambda: s.ollama.counts["chats_cancelled"] == 1)
        async with asyncio.timeout(PATIENCE):
            async for _ in s.embedder.embed_texts(["one more text"]):
                pass


async def test_a_question_goes_before_ingestion(db):
    """While an answer is being written no batch of chunks is sent to be embedded; afterwards it is."""
    async with system(db) as s:
        s.ollama.token_gate.clear()

        async def embed():
            async for _ in s.embedder.embed_texts(["a chunk that waits"]):
                pass

        async with aclosing(s.answerer.ask(Question(INCUBATION))) as events:
            asked = asyncio.create_task(anext(events))
            await asked
            waiting = asyncio.create_task(embed())
            writing = asyncio.create_task(anext(events))
            await until(lambda: s.ollama.counts["chats"] == 1)
            assert "a chunk that waits" not in s.ollama.inputs
            s.ollama.token_gate.set()
            await writing
            assert [event async for event in events][-1]["type"] == "done"
            assert "a chunk that waits" not in s.ollama.inputs
        await asyncio.wait_for(waiting, PATIENCE)
        assert "a chunk that waits" in s.ollama.inputs


async def test_no_connection_is_held_while_the_model_writes(db):
    """However long an answer takes, PostgreSQL's connections are free for others."""
    async with system(db) as s:
        s.ollama.token_gate.clear()
        async with aclosing(s.answerer.ask(Question(INCUBATION))) as events:
            await anext(events)
            writing = asyncio.create_task(anext(events))
            await until(lambda: s.ollama.counts["chats"] == 1)
            async with (
                asyncio.timeout(PATIENCE),
                db.transaction(),
                db.transaction(),
                db.transaction(),
                db.transaction(),
            ):
                pass  # the pool has four
            s.ollama.token_gate.set()
            await writing

"""What status says, gathered without holding anybody up."""

import asyncio
from types import SimpleNamespace

import pytest

from foliod.serve.kept import Kept
from foliod.serve.status import Status, _root
from waiting import PATIENCE


@pytest.mark.parametrize("questions", range(10))
async def test_a_change_of_model_that_is_over_does_not_look_given_up(questions):
    """Whenever the new model begins to serve while the numbers are gathered: who waits for it is told that it serves."""
    asked = 0

    def serves() -> bool:
        nonlocal asked
        asked += 1
        return asked > questions

    class Store:
        async def fetch(self, *_):
            serves()
            return []

        async def fetchval(self, *_):
            serves()
            return 0

        async def fetchrow(self, *_):
            return {"id": 1, "model": "new" if serves() else "old"}

        async def report(self):
            return None if serves() else {"model": "new"}

    services = SimpleNamespace(db=Store(), reembedder=Store())
    told = await Status(lambda: services)._count()
    assert told["reembedding"] is not None or told["serving"] == "new"


async def test_what_is_slow_to_gather_holds_up_nobody():
    """With Ollama hanging, the status still answers at once, with what was known before."""
    hang = asyncio.Event()
    gathered: list[int] = []

    async def gather() -> int:
        if gathered:
            await hang.wait()
        gathered.append(len(gathered) + 1)
        return gathered[-1]

    kept = Kept(gather, 0.0, old_meanwhile=True)
    assert await kept.get() == 1
    async with asyncio.timeout(PATIENCE):
        assert [await kept.get() for _ in range(3)] == [1, 1, 1]
    hang.set()
    while await kept.get() == 1:
        await asyncio.sleep(0)
    assert gathered[:2] == [1, 2]


async def test_many_who_ask_cost_one_gathering():
    """A hundred who ask at once wait for the same numbers."""
    asked = 0

    async def gather() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    kept = Kept(gather, 60.0)
    assert await asyncio.gather(*(kept.get() for _ in range(100))) == [1] * 100


async def test_what_a_request_changed_is_seen_by_who_asks_afterwards():
    """Numbers that were gathered, or begun to be gathered, before a change are not told after it."""
    state, go = "old", asyncio.Event()

    async def gather() -> str:
        seen = state
        await go.wait()
        return seen

    kept = Kept(gather, 60.0)
    before = asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    state = "new"
    kept.outdate()
    after = asyncio.create_task(kept.get())
    go.set()
    await before
    assert await after == "new"
    state = "newer"
    assert await kept.get() == "new"
    kept.outdate()
    assert await kept.get() == "newer"


def test_only_who_is_ours_is_told_which_folder_cant_be_looked_into():
    """Others learn that there is one, and neither its name nor whose right is missing."""
    root = {"path": "/in", "state": "ok", "reason": None, "problem": "/in/shut can't be looked into", "fix": "give"}
    assert _root(root, {"reachable": True}, ours=True) == root
    told = _root(root, {"reachable": True}, ours=False)
    assert "shut" not in told["problem"] and "can't be looked into" in told["problem"] and told["fix"] is None

"""Sockets that follow the same lines read them together, and none misses what it was told of."""

import asyncio

from apps.runs.log_slices import JointReads


class Shelf:
    """What is read, and a reading that takes until it is let go."""

    def __init__(self) -> None:
        self.value, self.readings = "old", 0
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def load(self, key: str) -> str:
        self.readings += 1
        found = self.value
        self.has_begun.set()
        await self.may_end.wait()
        return f"{key} {found}"


async def test_those_who_ask_before_a_reading_begins_share_it() -> None:
    shelf = Shelf()
    shelf.may_end.set()
    reads = JointReads(shelf.load)
    assert await asyncio.gather(*(reads.read("run") for _ in range(50))) == ["run old"] * 50
    assert shelf.readings == 1


async def test_who_asks_during_a_reading_gets_what_was_stored_meanwhile() -> None:
    shelf = Shelf()
    reads = JointReads(shelf.load)
    early = asyncio.create_task(reads.read("run"))
    await shelf.has_begun.wait()
    shelf.value = "new"
    late = [asyncio.create_task(reads.read("run")) for _ in range(3)]
    await asyncio.sleep(0)
    shelf.may_end.set()
    assert await early == "run old"
    assert await asyncio.gather(*late) == ["run new"] * 3
    assert shelf.readings == 2


async def test_a_reader_that_leaves_takes_nothing_from_the_others() -> None:
    shelf = Shelf()
    reads = JointReads(shelf.load)
    leaving, staying = (asyncio.create_task(reads.read("run")) for _ in range(2))
    await shelf.has_begun.wait()
    leaving.cancel()
    shelf.may_end.set()
    assert await staying == "run old"


async def test_a_fault_reaches_all_who_asked_and_is_over_then() -> None:
    faults = [RuntimeError("the database is away")]

    async def load(key: str) -> str:
        if faults:
            raise faults.pop()
        return key

    reads = JointReads(load)
    for outcome in await asyncio.gather(reads.read("run"), reads.read("run"), return_exceptions=True):
        assert isinstance(outcome, RuntimeError)
    assert await reads.read("run") == "run"

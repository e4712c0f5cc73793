"""A result that comes item by item: each is told as soon as the tool has it, and all of them are the result."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from . import frames
from .encoding import TooLarge, TooMany, encode, plain


class Stream:
    """The items of one generator. `tell` waits until the host has room, so a generator is never far ahead of it."""

    def __init__(self, tell: Callable[[bytes], None], most_bytes: int) -> None:
        self._tell, self._left = tell, most_bytes
        self._most_bytes = most_bytes
        self._items: list[Any] = []

    def gather(self, result: Any) -> Any:
        """All items of a generator, each of them told; any other result as it is.

        Raises: what the generator raises; NotJson, TooLarge, TooMany.
        """
        if inspect.isgenerator(result):
            return self._gather(result)
        if inspect.isasyncgen(result):
            return asyncio.run(self._gather_later(result))
        return result

    def _gather(self, generator: Generator[Any, Any, Any]) -> list[Any]:
        for item in generator:
            self._take(item)
        return self._items

    async def _gather_later(self, generator: AsyncGenerator[Any, Any]) -> list[Any]:
        async for item in generator:
            self._take(item)
        return self._items

    def _take(self, item: Any) -> None:
        number = len(self._items)
        if number >= frames.MOST_ITEMS:
            raise TooMany(f"the result has more than {frames.MOST_ITEMS} items: yield several at a time, or fewer")
        value = plain(item, f"item[{number}]")
        text = encode(value, self._most_bytes)
        if len(text) > frames.TOOL_FRAMES[frames.ITEM]:
            raise TooMany(f"item[{number}] has {len(text)} bytes as JSON, of which one item may have 1 MiB: yield smaller ones")
        self._left -= len(text) + 1
        if self._left < 1:
            raise TooLarge(
                f"the items have more than {self._most_bytes} bytes together as JSON, which is what the result may have"
            )
        self._items.append(value)
        self._tell(text)

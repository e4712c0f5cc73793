"""Results that come item by item: each is told at once and in order, all are the result, and none is without end."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Item, Kind, Limits
from sandbox.listening import Answers, Listener
from sandbox.runner import frames
from sandbox.runner.encoding import NotJson, TooLarge, TooMany
from sandbox.runner.frames import ProtocolError
from sandbox.runner.streaming import Stream


def values(told: Any) -> list[Any]:
    return [item.value for item in told.of(Item)]


@pytest.mark.parametrize(
    "source",
    [
        "def main():\n    for n in range(3):\n        yield {'n': n}\n",
        "async def main():\n    for n in range(3):\n        yield {'n': n}\n",
        "def main():\n    return ({'n': n} for n in range(3))\n",
        "async def main():\n    return ({'n': n} for n in range(3))\n",
    ],
    ids=["generator", "async generator", "returned", "returned by a coroutine"],
)
def test_items_are_told_in_order_and_are_the_result(run: Callable[..., Any], source: str) -> None:
    told = run(source)
    assert told.outcome.kind is Kind.OK, told.outcome.message
    assert values(told) == told.outcome.result == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_items_have_the_form_of_results(run: Callable[..., Any]) -> None:
    told = run("import datetime\ndef main():\n    yield datetime.date(2024, 2, 29)\n    yield {2, 1}\n    yield None\n")
    assert values(told) == told.outcome.result == ["2024-02-29", [1, 2], None]


def test_an_item_is_told_before_the_next_is_made(run: Callable[..., Any]) -> None:
    told = run("def main():\n    for n in range(2):\n        print('makes', n)\n        yield n\n")
    assert told.outcome.result == [0, 1]
    assert "makes 1" in told.stdout


def test_an_error_in_the_middle_is_the_tool_s_error_and_items_before_it_were_told(run: Callable[..., Any]) -> None:
    told = run("def main():\n    yield 1\n    raise ValueError('no more')\n")
    assert (told.outcome.kind, told.outcome.error.type, told.outcome.error.line) == (Kind.ERROR, "ValueError", 3)
    assert values(told) == [1]


def test_a_generator_without_end_is_stopped_by_the_size_of_a_result(run: Callable[..., Any]) -> None:
    told = run("def main():\n    while True:\n        yield 'x' * 1000\n", limits=Limits(wall_seconds=20, result_bytes=10_000))
    assert (told.outcome.kind, told.outcome.limit) == (Kind.OUTPUT, "result_bytes")
    assert 0 < len(values(told)) < 11


def test_a_generator_of_small_items_without_end_is_stopped_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_ITEMS", 5)
    told: list[bytes] = []

    def endless() -> Any:
        while True:
            yield 1

    with pytest.raises(TooMany, match="more than 5 items"):
        Stream(told.append, 1000).gather(endless())
    assert len(told) == 5


def test_what_an_item_may_not_be_is_told_with_its_number() -> None:
    with pytest.raises(NotJson, match=r"item\[1\] is a object"):
        Stream(lambda _: None, 1000).gather(item for item in (1, object()))
    with pytest.raises(TooMany, match=r"item\[0\] has .* bytes"):
        Stream(lambda _: None, 4 << 20).gather(item for item in ("x" * (1 << 20),))
    with pytest.raises(TooLarge, match="1000 bytes together"):
        Stream(lambda _: None, 1000).gather("x" * 300 for _ in range(10))


def test_what_is_no_generator_is_left_alone() -> None:
    told: list[bytes] = []
    assert Stream(told.append, 1000).gather([1, 2]) == [1, 2]
    assert told == []


@pytest.fixture
def listener() -> Listener:
    answers = Answers(None, lambda _: None, 0)  # type: ignore[arg-type]  # asks for nothing
    return Listener(Limits(result_bytes=1000), on_event=lambda _: None, answers=answers)


@pytest.mark.parametrize("payload", [b"1", b'"' + b"x" * 100 + b'"'], ids=["many", "large"])
def test_a_box_that_gives_more_than_a_result_may_have_is_not_believed(
    listener: Listener, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_ITEMS", 20)
    with pytest.raises(Exception, match="more items than a result may have") as caught:
        for _ in range(21):
            listener.hear(frames.ITEM, payload)
    assert not isinstance(caught.value, ProtocolError)  # which would be the runner's fault: it is the tool's


def test_an_item_that_is_no_json_spoils_the_run(listener: Listener) -> None:
    with pytest.raises(Exception, match="not JSON"):
        listener.hear(frames.ITEM, b"nope")

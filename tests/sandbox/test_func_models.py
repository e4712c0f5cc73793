"""What code in a box says to its host when it asks a language model, and what it gets."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import HostRequest

REPLY = {"text": "Yes.", "tool_calls": [], "model": "ours", "input_tokens": 3, "output_tokens": 2}


@pytest.fixture
def ask(run: Callable[..., Any]) -> Callable[..., tuple[Any, list[HostRequest]]]:
    """The outcome of a body in a box whose host gives the same answer to everything, and what it was asked."""

    def evaluate(body: str, told: Callable[[HostRequest], Any]) -> tuple[Any, list[HostRequest]]:
        asked: list[HostRequest] = []

        def answer(request: HostRequest) -> Any:
            asked.append(request)
            return told(request)

        return run(f"import func\ndef main():\n    {body}", on_request=answer).outcome, asked

    return evaluate


def test_a_text_is_a_conversation_of_one_message_after_the_system_s(ask) -> None:
    outcome, asked = ask("return func.complete('Is it?', system='Short.', model='ours', max_tokens=9)", lambda _: REPLY)
    assert outcome.result == REPLY
    assert (asked[0].verb, asked[0].payload) == (
        "models.complete",
        {
            "messages": [{"role": "system", "content": "Short."}, {"role": "user", "content": "Is it?"}],
            "tools": [], "model": "ours", "max_tokens": 9,
        },
    )  # fmt: skip


def test_a_conversation_goes_on_with_the_reply(ask) -> None:
    outcome, _ = ask("return func.complete([{'role': 'user', 'content': 'x'}]).as_message()", lambda _: REPLY)
    assert outcome.result == {"role": "assistant", "content": "Yes.", "tool_calls": []}


def test_vectors_of_many_texts_are_asked_for_in_batches_and_stay_in_order(ask) -> None:
    def lengths(request: HostRequest) -> Any:
        return {"vectors": [[float(len(text))] for text in request.payload["texts"]]}

    outcome, asked = ask("return func.embed(['x' * n for n in range(1, 131)])", lengths)
    assert outcome.result == [[float(n)] for n in range(1, 131)]
    assert [len(each.payload["texts"]) for each in asked] == [64, 64, 2]
    assert ask("return [func.embed('abc'), func.embed([])]", lengths)[0].result == [[3.0], []]


def test_a_model_that_cannot_answer_is_an_error_that_says_whether_to_try_again(ask) -> None:
    told = {"unavailable": "Too many requests.", "may_pass": True, "retry_after": 2.0}
    outcome, _ = ask(
        "try:\n        func.complete('x')\n    except func.ModelUnavailable as e:\n"
        "        return [str(e), e.may_pass, e.retry_after]",
        lambda _: told,
    )
    assert outcome.result == ["Too many requests.", True, 2.0]

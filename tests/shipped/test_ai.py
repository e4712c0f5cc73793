"""The packs that ask language models, in real boxes, against a scripted server."""

import json

import pytest

from apps.core.tenancy import scope
from apps.store.models import Document
from tests.shipped.conftest import prepare, say, write

pytestmark = pytest.mark.gvisor
SORT = "def sort_numbers(numbers: list[int]) -> list[int]:\n    return sorted(numbers)\n"
MAIL = "def send_mail(to: str) -> str:\n    return to\n"


@pytest.fixture(autouse=True)
def _loaded(cast, server, load) -> None:
    write(cast, SORT, "Brings numbers into their order.")
    write(cast, MAIL)
    load("ai", "chat", "sentiment")


def test_functions_are_described_from_their_source(result, server) -> None:
    prepare(server, "Describe this Python function", say("Sorts numbers."))
    assert result("write_description", name="sort_numbers") == "Sorts numbers."
    assert SORT in server.requests[0]["messages"][0]["content"]
    assert result("write_missing_descriptions") == {"send_mail": "Sorts numbers."}


def test_texts_are_embedded_and_sorted_by_their_closeness(result) -> None:
    assert [len(vector) for vector in result("embed_texts", texts=["a", "b"])] == [256, 256]
    found = result("find_similar_texts", query="red apples", texts=["blue sky", "red green apples", "red car"], limit=2)
    assert [each["text"] for each in found] == ["red green apples", "red car"]
    assert 0 < found[1]["similarity"] < found[0]["similarity"] <= 1


def test_functions_are_found_by_meaning_and_only_what_changed_is_embedded_again(cast, result, server) -> None:
    found = result("find_similar_functions", text="numbers into their order", limit=2)
    assert found[0]["name"] == "sort_numbers"
    told = result("embed_functions")
    assert (told["embedded"], told["forgotten"]) == (0, 0)
    assert told["functions"] > 2
    with scope(cast.acme.pk):
        assert Document.objects.filter(collection__name="function_vectors").count() == told["functions"]
    write(cast, "def new_one() -> None: ...\n", "Does nothing.")
    assert result("embed_functions")["embedded"] == 1
    assert server.requests[-1]["input"] == ["new one: Does nothing."]


def test_the_function_for_a_task_is_chosen_among_those_that_there_are(result, run, server) -> None:
    prepare(server, "The task: order", say('Sure:\n```json\n{"name": "sort_numbers", "reason": "It sorts."}\n```'))
    prepare(server, "The task: fly", say('{"name": null, "reason": "None flies."}'))
    prepare(server, "The task: lie", say('{"name": "rm_rf", "reason": "x"}'))
    prepare(server, "The task: talk", say("I would rather talk."))
    assert result("choose_function_for", task="order these") == {"name": "sort_numbers", "reason": "It sorts."}
    assert "- sort_numbers: Brings numbers into their order." in server.requests[0]["messages"][0]["content"]
    assert result("choose_function_for", task="fly")["name"] is None
    assert "chose what there is not" in run("choose_function_for", task="lie").error["message"]
    assert "did not answer with JSON" in run("choose_function_for", task="talk").error["message"]


def test_a_task_is_broken_down(result, server) -> None:
    parts = [{"name": f"part_{n}", "description": "Does it."} for n in range(4)]
    prepare(server, "Break this task down", say(json.dumps(parts)))
    assert result("decompose_task", task="Make tea", most=3) == parts[:3]


def test_a_source_is_written_mended_and_not_kept(cast, result, server) -> None:
    prepare(
        server, "Write one Python function named add", say("```python\ndef add(a: int, b: int) -> int:\n    return a + b\n```")
    )
    assert result("write_function", description="adds", name="add") == {
        "name": "add", "source": "def add(a: int, b: int) -> int:\n    return a + b\n",
    }  # fmt: skip


def test_a_source_that_cannot_be_read_is_given_back_to_the_model_and_then_given_up(run, server) -> None:
    prepare(server, "Write one Python function", say("def broken(:"))
    done = run("write_function", description="breaks", tries=2)
    assert "wrote nothing that can be used in 2 tries" in done.error["message"]
    assert "This cannot be used: line 1" in server.requests[1]["messages"][-1]["content"]


def test_a_conversation_calls_the_named_functions_in_several_rounds(cast, result, server) -> None:
    prepare(
        server,
        "Sort",
        say("", sort_numbers={"numbers": [3, 1]}),
        say("", after="sort_numbers", send_mail={"to": "ada"}),
        say("Done: ${result}.", after="send_mail"),
    )
    told = result("chat", message="Sort and send.", functions=["sort_numbers", "send_mail"])
    assert told["answer"] == "Done: ada."
    assert told["calls"] == [
        {"name": "sort_numbers", "arguments": {"numbers": [3, 1]}, "result": [1, 3]},
        {"name": "send_mail", "arguments": {"to": "ada"}, "result": "ada"},
    ]
    assert [each["role"] for each in told["messages"]] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    offered = server.requests[0]["tools"][0]["function"]
    assert (offered["name"], offered["description"]) == ("sort_numbers", "Brings numbers into their order.")
    assert offered["parameters"]["required"] == ["numbers"]


def test_a_model_that_calls_what_it_may_not_is_told_so_and_cannot_go_on_for_ever(result, server) -> None:
    prepare(server, "Loop", say("", send_mail={"to": "all"}), say("", after="send_mail", send_mail={"to": "all"}))
    told = result("chat", message="Loop.", functions=["sort_numbers"], rounds=4)
    assert told["answer"] == ""
    assert len(told["calls"]) == 2, "the same call is carried out no more often than that"
    assert all("There is no function 'send_mail' for you" in each["error"] for each in told["calls"])
    assert len(server.requests) == 5
    assert "tools" not in server.requests[-1]


def test_a_failing_call_is_told_to_the_model(result, server) -> None:
    prepare(server, "Try", say("", sort_numbers={"numbers": "none"}), say("It did not work.", after="sort_numbers"))
    told = result("chat", message="Try.", functions=["sort_numbers"])
    assert told["answer"] == "It did not work."
    assert told["calls"][0]["error"]


def test_without_functions_it_is_a_plain_conversation_that_can_go_on(result, server) -> None:
    prepare(server, "Hello", say("Good day."))
    told = result("chat", message="Hello.")
    assert (told["answer"], told["calls"]) == ("Good day.", [])
    again = result("chat", message="And now?", history=told["messages"])
    assert [each["role"] for each in again["messages"]] == ["user", "assistant", "user", "assistant"]


def test_a_model_judges_a_text_in_its_own_words(result, run, server) -> None:
    prepare(server, "Wunderbar", say('{"label": "friendly", "score": 0.9, "reason": "Praise."}'))
    prepare(server, "Kaputt", say('{"label": "angry", "score": 7}'))
    assert result("sentiment_by_model", text="Wunderbar!") == {"label": "friendly", "score": 0.9, "reason": "Praise."}
    assert "did not answer as it was asked to" in run("sentiment_by_model", text="Kaputt.").error["message"]

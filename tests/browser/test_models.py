"""Models: a server of one's own, wrong keys and dead servers, and a person who plays the model."""

import json
import re

import pytest
from playwright.sync_api import expect

from apps.llm.scripted_server import ScriptedServer
from tests.browser.conftest import Visit
from tests.browser.people import LATER, Person
from tests.browser.pictures import keep

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]

KEY = "sk-of-the-tests"
COUNT_WORDS = 'def count_words(text: str) -> int:\n    """Count words."""\n    return len(text.split())\n'


def add_model(owner: Person, port: int, name: str, key: str) -> None:
    owner.open("models/")
    owner.follow("Add a model")
    owner.fill(name=name, model="openai/scripted", base_url=f"http://127.0.0.1:{port}/v1", api_key=key)
    owner.page.get_by_label("Use it for tasks where nobody chooses another").uncheck()
    owner.press("Save, then test")


def test_a_task_runs_on_a_server_of_ones_own(visit: Visit, model_port: int) -> None:
    owner = visit("owner")
    with ScriptedServer(port=model_port, key=KEY) as server:
        add_model(owner, model_port, "Own server", KEY)
        owner.sees_state("ok")
        assert KEY not in owner.page.content()
        keep(owner, "model")
        owner.press("Make it the default")
        expect(owner.page.locator(".row-item").filter(has_text="Own server")).to_contain_text("default")
        owner.starts_example("JSON to XML")
        owner.sees("Own server")
        expect(owner.page.get_by_text("no model is called")).to_have_count(0)
        owner.sees_task_end("completed")
        assert len(server.requests) > 2
    keep(owner, "task-own-server")


def test_a_wrong_key_and_a_dead_server_are_told(visit: Visit, model_port: int) -> None:
    owner = visit("owner")
    with ScriptedServer(port=model_port, key=KEY):
        add_model(owner, model_port, "Wrong key", "sk-wrong")
        owner.sees("It did not answer as it should", ms=LATER)
        owner.sees(re.compile("key", re.IGNORECASE), within=owner.part("Connection"))
        assert "sk-wrong" not in owner.page.content()
        keep(owner, "model-wrong-key")
        owner.starts_example("JSON to XML", model="Wrong key: openai/scripted")
        owner.sees_task_end("failed")
        owner.sees(re.compile("key", re.IGNORECASE), within=owner.page.get_by_role("alert").first)
        keep(owner, "task-wrong-key")
    owner.starts_example("JSON to XML", model="Wrong key: openai/scripted")
    owner.sees("The model could not be reached.", ms=LATER)
    keep(owner, "task-dead-server")
    owner.press("Stop the task")
    owner.page.get_by_role("dialog").get_by_role("button", name="Stop the task").click()
    owner.sees_task_end("cancelled")


def test_a_person_plays_the_model(visit: Visit) -> None:
    developer = visit("developer")
    developer.open("tasks/new")
    developer.fill(prompt="How many words has the sentence 'one two three'?")
    developer.page.locator("[name=model]").select_option(label="A person: you play the model")
    developer.press("Start the task")
    developer.sees("Your turn as the model", ms=LATER)
    expect(developer.part("Your turn as the model")).to_contain_text("one two three")
    developer.page.get_by_text("Tools it may call").click()
    expect(developer.part("Your turn as the model")).to_contain_text("create_or_update_tool")
    keep(developer, "task-person")
    with developer.refused(422):
        developer.fill(arguments="{")
        developer.page.locator("[name=tool]").select_option("task_completed")
        developer.press("Give this reply")
        developer.sees("This is no JSON.")
    plays(developer, "create_or_update_tool", name="count_words", description="Count words.", source=COUNT_WORDS)
    plays(developer, "run_tool", name="count_words", arguments={"text": "one two three"})
    plays(developer, "task_completed", summary="It has three.")
    developer.sees_task_end("completed")
    developer.sees("It has three.")


def plays(person: Person, tool: str, **arguments: object) -> None:
    """One turn: chooses the tool and gives the arguments, once it is the person's turn."""
    before = person.page.locator(".moment").count()
    person.page.locator("[name=tool]").select_option(tool)
    person.fill(arguments=json.dumps(arguments))
    person.press("Give this reply")
    expect(person.page.locator(".moment").nth(before - 1).get_by_role("heading", name="Thinks")).to_be_hidden(timeout=LATER)
    if tool != "task_completed":
        expect(person.page.locator(".moment")).to_have_count(before + 1, timeout=LATER)
        expect(person.button("Give this reply")).to_be_visible(timeout=LATER)

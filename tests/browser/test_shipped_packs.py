"""A pack that ships, from its row on the page to a run that asked a language model of the workspace's own."""

import re

import pytest

from apps.llm.script import read_script
from apps.llm.scripted_server import ScriptedServer
from tests.browser.conftest import Visit
from tests.browser.people import LATER
from tests.browser.pictures import keep
from tests.browser.test_models import KEY, add_model

pytestmark = [pytest.mark.browser, pytest.mark.gvisor, pytest.mark.processes]
JUDGES = read_script(
    """
    {name: judge, title: A judge, prompt: "", answers: "How friendly does the text", files: "*", rules: [
      {name: judged, when: {after: start}, say: '{"label": "friendly", "score": 0.8, "reason": "It praises."}'}]}
    """
)


def test_a_pack_is_looked_at_loaded_approved_and_asks_a_model(visit: Visit, model_port: int) -> None:
    developer, approver, owner = visit("developer"), visit("approver"), visit("owner")
    with ScriptedServer(port=model_port, key=KEY, scripts=[JUDGES]):
        add_model(owner, model_port, "Our judge", KEY)
        owner.sees_state("ok")
        owner.press("Make it the default")
        developer.open("packs/install")
        developer.sees("Packs that ship")
        keep(developer, "packs-that-ship")
        developer.press("Look at sentiment")
        developer.sees("What it brings")
        keep(developer, "pack-looked-at")
        developer.fill(reason="To judge what customers write.")
        developer.press("Ask for it")
        developer.sees(re.compile("waits for somebody to agree"), within=developer.page.locator("body"))
        approver.open("approvals/")
        approver.page.get_by_role("link", name="Install the pack sentiment").first.click(timeout=LATER)
        approver.sees("each run within its budget")
        keep(approver, "approval-language-models")
        approver.fill(reason="Read.")
        approver.press("Approve")
        approver.sees_state("approved")
        developer.open("functions/")
        developer.follow("sentiment_by_model")
        developer.fill(**{"argument-text": "What a fine day."})
        developer.press("Run")
        developer.sees_state("succeeded")
        developer.sees("It praises.")
        developer.sees("Our judge", within=developer.part("Language models asked"))
        keep(developer, "run-language-models")

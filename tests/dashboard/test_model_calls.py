"""Language models that code asked: on the approver's page, the function's and the run's, and over the API."""

import html

import pytest

from apps.approvals.models import ApprovalRequest
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.functions.services import create_function
from apps.runs.models import ModelCall, Run
from apps.runs.services import start_run
from apps.workspaces.services import create_token

ASKS = "import func\n\n\ndef asks(text: str) -> str:\n    return func.complete(text).text\n"


@pytest.fixture
def run(cast) -> Run:
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source=ASKS)
        version = FunctionVersion.objects.select_related("function").get()
        return start_run(actor=cast.developer, version=version, arguments={"text": "x"})


def page_of(client, path: str) -> str:
    return html.unescape(client.get(path).content.decode())


def test_the_approver_is_told_that_models_would_be_asked_and_what_that_means(cast, sign_in, run) -> None:
    with scope(cast.acme.pk):
        request = ApprovalRequest.objects.get()
    page = page_of(sign_in(cast.approver), f"/w/acme/approvals/{request.pk}/")
    assert "may be asked, each run within its budget" in page
    assert "to the workspace's models and so to whoever serves them" in page
    assert "asks language models" in page


def test_the_function_s_page_says_that_it_asks_models_and_waits(cast, sign_in, run) -> None:
    page = page_of(sign_in(cast.viewer), f"/w/acme/functions/{run.function_id}/")
    assert "asked by its source" in page
    assert "hosts, secrets and models that it asks for wait for a decision" in page


def test_calls_are_on_the_run_s_page_with_what_they_count_for_and_over_the_api(cast, sign_in, client, run) -> None:
    with scope(cast.acme.pk):
        told = {"run": run, "kind": "complete", "model_name": "<b>ours</b>"}
        ModelCall.objects.create(attempt=1, tokens=4321, **told)
        ModelCall.objects.create(
            attempt=2, state="answered", tokens=30, input_tokens=20, output_tokens=10, cost_usd="0.01234", **told
        )
        token = create_token(actor=cast.viewer, name="A program", lifetime=None)
    raw = sign_in(cast.viewer).get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "<b>ours</b>" not in raw
    assert "$0.0123" in raw
    assert "4351 " in raw, "of the limit, both attempts together"
    answer = client.get(f"/api/v1/runs/{run.pk}/model-calls", headers={"Authorization": f"Bearer {token}"}).json()
    assert [(each["state"], each["tokens"], each["cost_usd"]) for each in answer["items"]] == [
        ("answered", 30, "0.01234000"),
        ("asked", 4321, None),
    ]


def test_a_run_that_asked_nothing_says_nothing_of_models(cast, sign_in, run) -> None:
    assert "Language models asked" not in page_of(sign_in(cast.viewer), f"/w/acme/runs/{run.pk}/")

"""A source that asks language models is known by its names, and the right to ask is a part of what people vote on."""

from uuid import uuid4

import pytest

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.functions.analysis import analyse
from apps.functions.capabilities import check_granted, find_grant, standing_of, wish_of
from apps.functions.closure import resolve_closure
from apps.functions.definition import Provenance, Settings
from apps.functions.models import Function, FunctionVersion, Origin, RetryClass
from apps.functions.services import create_function, save_version

ASKS = "def asks(text: str) -> str:\n    return func.complete(text).text\n"
PLAIN = "def asks(text: str) -> str:\n    return text\n"


def asks(source: str) -> bool:
    analysis = analyse(source)
    assert analysis.is_sound, analysis.problems
    return any(hint.capability == "language models" for hint in analysis.hints)


@pytest.mark.parametrize(
    "body",
    [
        "return func.complete(text).text",
        "return func.embed(text)",
        "import func\n    return func.complete(text)",
        "import func as f\n    return f.complete(text)",
        "from func import complete\n    return complete(text)",
        "from func import embed as e\n    return e(text)",
        "ask = func.complete\n    return ask(text)",
        "return list(map(func.embed, text))",
    ],
)
def test_a_source_that_names_what_asks_models_is_known(body: str) -> None:
    assert asks(f"def f(text):\n    {body}\n")


@pytest.mark.parametrize(
    "body", ["return func.call('complete')", "return text.complete()", "return 'func.complete'", "return func.log(text)"]
)
def test_other_sources_are_not(body: str) -> None:
    assert not asks(f"def f(text):\n    {body}\n")


def version_of(function: Function) -> FunctionVersion:
    return FunctionVersion.objects.select_related("function").get(pk=function.active_version_id)


def make(actor, source: str, **more) -> FunctionVersion:
    function = create_function(actor=actor, source=source, **more)
    return version_of(Function.objects.get(pk=function.pk))


def approve(approver) -> None:
    request = ApprovalRequest.objects.get(state="open")
    cast_vote(actor=approver, request_id=request.pk, decision="approve", reason="Read.", shown_digest=request.digest)


def test_what_a_function_that_asks_no_model_asks_for_has_the_digest_that_it_had(in_acme, developer) -> None:
    """Requests from before there were models stay the requests for the same."""
    content = wish_of(resolve_closure(make(developer, PLAIN, settings=Settings(hosts=("api.example.org",))))).content()
    assert "models" not in content
    assert "models" not in content["parts"][0]


def test_it_may_be_repeated_after_a_loss(in_acme, developer) -> None:
    assert make(developer, ASKS).retry_class == RetryClass.ON_LOST


def test_the_author_cannot_vote_and_a_grant_covers_a_person_s_edit_but_not_a_model_s(in_acme, developer, approver) -> None:
    first = make(developer, ASKS)
    approve(approver)
    assert check_granted(standing_of(resolve_closure(first)), resolve_closure(first)).models
    edited = save_version(actor=developer, function=first.function, source=ASKS.replace("text)", "text[:9])", 1))
    assert not ApprovalRequest.objects.filter(state="open").exists()
    closure = resolve_closure(FunctionVersion.objects.select_related("function").get(pk=edited.pk))
    assert standing_of(closure).is_granted
    closure[0].origin = Origin.AGENT
    assert find_grant(wish_of(closure)) is None


def test_a_function_of_a_task_that_asks_models_waits_for_people_when_it_wants_to_run(in_acme, developer) -> None:
    by_agent = Provenance(origin=Origin.AGENT, task_id=uuid4(), prompt="do it", model="scripted")
    made = make(developer, ASKS, provenance=by_agent)
    assert made.asks_models
    assert not ApprovalRequest.objects.exists(), "an agent's version asks when it wants to run"

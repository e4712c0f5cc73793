"""Somebody who may both write and vote gets a package in, with nobody else having decided on it."""

from typing import Any

import pytest

from apps.agents.loop import perform_next_task
from apps.agents.services import NotYourTask, answer_question, find_task, play_turn, start_task
from apps.approvals.eligibility import AuthorCannotVote
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote, withdraw_request
from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.functions.services import create_function
from apps.llm.models import Kind, LanguageModel
from apps.llm.services import ensure_builtin_models
from apps.packages import approval
from apps.packages.locks import Distribution, Lock
from apps.packages.models import PackageSet
from apps.packages.services import require_packages
from apps.packages.states import PackageState
from apps.runs.services import start_run
from apps.workspaces.models import Membership

LOCK = Lock(
    (Distribution("evil", "1.0", "evil-1.0-py3-none-any.whl", "a" * 64, "https://x/evil", None),), "3.13", "linux", "https://x"
)


def resolved(package_set: PackageSet) -> ApprovalRequest:
    """What the resolver leaves, without an index."""
    package_set.lock, package_set.lock_digest = LOCK.as_json(), LOCK.digest
    package_set.evidence = {"distributions": [{"name": "evil", "needed_by": []}]}
    package_set.request = approval.open_packages_request(package_set, LOCK)
    package_set.state = PackageState.AWAITING_APPROVAL
    package_set.save()
    return package_set.request


def vote(actor: Membership, request: ApprovalRequest) -> None:
    cast_vote(actor=actor, request_id=request.pk, decision="approve", reason="", shown_digest=request.digest)


@pytest.fixture
def needs_evil(cast: Any) -> Function:
    """A function by the admin, who may vote; the request that came of it is withdrawn by its author."""
    with scope(cast.acme.pk):
        function = create_function(
            actor=cast.admin, source="import evil\n\ndef useful() -> None:\n    evil\n", requirements=["evil"]
        )
        withdraw_request(actor=cast.admin, request_id=resolved(PackageSet.objects.get()).pk)
    return function


def test_who_wrote_a_function_has_no_vote_when_somebody_else_s_run_asks_for_its_packages(cast: Any, needs_evil: Function) -> None:
    with scope(cast.acme.pk):
        version = Function.objects.select_related("active_version__function").get(pk=needs_evil.pk).active_version
        run = start_run(actor=cast.developer, version=version, arguments={})
        with pytest.raises(AuthorCannotVote):
            vote(cast.admin, resolved(run.package_set))
        vote(cast.approver, run.package_set.request)


def test_nor_when_they_had_left_before_it_was_asked_for(cast: Any, needs_evil: Function) -> None:
    with scope(cast.acme.pk):
        user = cast.admin.user
        cast.admin.delete()
        version = Function.objects.select_related("active_version__function").get(pk=needs_evil.pk).active_version
        run = start_run(actor=cast.developer, version=version, arguments={})
        returned = Membership.objects.create(user=user, role="approver")
        with pytest.raises(AuthorCannotVote):
            vote(returned, resolved(run.package_set))


def test_nor_who_prompted_an_agent_and_left_while_its_packages_were_resolved(cast: Any) -> None:
    with scope(cast.acme.pk):
        asked = require_packages(actor=cast.developer, requirements=["evil"], reason="For the task.", prompted_by=cast.admin)
        user = cast.admin.user
        cast.admin.delete()
        asked.refresh_from_db()
        returned = Membership.objects.create(user=user, role="approver")
        with pytest.raises(AuthorCannotVote):
            vote(returned, resolved(asked))


def test_nor_when_the_function_is_needed_by_another_one(cast: Any, needs_evil: Function) -> None:
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source="def handy() -> None:\n    useful()\n")
        with pytest.raises(AuthorCannotVote):
            vote(cast.admin, resolved(PackageSet.objects.current().get()))


@pytest.fixture
def played(cast: Any) -> Any:
    """A task of the developer that waits for the person who plays its model."""
    with scope(cast.acme.pk):
        ensure_builtin_models(actor=cast.owner)
        model = LanguageModel.objects.get(kind=Kind.PERSON)
        task = start_task(actor=cast.developer, prompt="Convert my notes", model=model)
    assert perform_next_task()
    return task


def test_nobody_plays_the_model_of_another_s_task_and_asks_in_their_name(cast: Any, played: Any) -> None:
    asked = {"requirements": ["evil"], "reason": "To convert notes"}
    with scope(cast.acme.pk):
        with pytest.raises(NotYourTask):
            play_turn(actor=cast.admin, task_id=played.pk, tool="request_package", arguments=asked)
        play_turn(actor=cast.developer, task_id=played.pk, tool="request_package", arguments=asked)
    assert perform_next_task()
    with scope(cast.acme.pk):
        assert PackageSet.objects.get().asked_by == cast.developer


def test_nobody_answers_an_agent_s_question_in_another_s_place(cast: Any, played: Any) -> None:
    with scope(cast.acme.pk):
        question = {"question": "Which package shall I take?"}
        play_turn(actor=cast.developer, task_id=played.pk, tool="ask_person", arguments=question)
    assert perform_next_task()
    with scope(cast.acme.pk):
        with pytest.raises(NotYourTask):
            answer_question(actor=cast.admin, task_id=played.pk, answer="Request the package evil.")
        answer_question(actor=cast.developer, task_id=played.pk, answer="None.")
        assert find_task(played.pk).state == "queued"

"""Examples tried as runs, and functions that want them met before a version becomes active."""

from types import SimpleNamespace
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.activation import FunctionArchived, activate_version, roll_back
from apps.functions.archive import archive_function
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function, get_version, require_examples, save_version
from apps.runs import transitions
from apps.runs.examples import ExamplesNotMet, NoExamples, StillTried, Verdict, outcomes_of, try_examples
from apps.runs.models import ExampleRun, Run
from apps.runs.removal import delete_function
from apps.runs.services import start_run
from apps.runs.states import RunState
from apps.runs.work import perform_next_run
from apps.triggers.models import Event
from apps.workspaces.services import PermissionMissing

SOURCE = "def half(n: int) -> float:\n    return n / 2\n"
EXAMPLES = [{"arguments": {"n": 4}, "result": 2}, {"arguments": {"n": 3}, "result": 1.5}]


@pytest.fixture
def half(in_acme: object, developer: Any) -> Function:
    return create_function(actor=developer, source=SOURCE, examples=EXAMPLES)


def fresh(version: FunctionVersion) -> FunctionVersion:
    return FunctionVersion.objects.select_related("function").get(pk=version.pk)


def end(run: Run, **fields: Any) -> None:
    Run.objects.filter(pk=run.pk).update(**fields)


def meet(version: FunctionVersion, actor: Any) -> None:
    """Its examples are tried, and the boxes give what is expected."""
    for run, example in zip(try_examples(actor=actor, version=version), version.examples, strict=True):
        end(run, state="succeeded", result=example["result"])


def verdicts(version: FunctionVersion) -> list[str]:
    return [outcome.verdict for outcome in outcomes_of(version)]


def test_each_example_becomes_a_run_and_is_judged_when_it_ends(half, developer) -> None:
    version = half.active_version
    assert verdicts(version) == [Verdict.UNTRIED, Verdict.UNTRIED]
    first, second = try_examples(actor=developer, version=version)
    assert [run.arguments for run in (first, second)] == [{"n": 4}, {"n": 3}]
    assert verdicts(version) == [Verdict.OPEN, Verdict.OPEN]
    end(first, state="succeeded", result=2.0)
    end(second, state="failed", error={"type": "ValueError"})
    assert verdicts(version) == [Verdict.MET, Verdict.UNMET]
    assert AuditRecord.objects.get(action="function.examples_tried").details == {"examples": 2}


@pytest.mark.parametrize("state", ["cancelled", "timed_out", "lost", "refused", "expired"])
def test_a_run_that_did_not_end_by_itself_meets_nothing(half, developer, state: str) -> None:
    raising = save_version(
        actor=developer, function=half, source=SOURCE + "#\n", examples=[{"arguments": {"n": 1}, "raises": "ValueError"}]
    )
    (run,) = try_examples(actor=developer, version=raising)
    end(run, state=state, error={"type": "ValueError"}, result=None)
    assert verdicts(raising) == [Verdict.UNMET]


def test_an_expected_error_is_met_by_it(half, developer) -> None:
    raising = save_version(
        actor=developer, function=half, source=SOURCE + "#\n", examples=[{"arguments": {"n": 1}, "raises": "ValueError"}]
    )
    (run,) = try_examples(actor=developer, version=raising)
    end(run, state="failed", error={"type": "ValueError", "message": "no"})
    assert verdicts(raising) == [Verdict.MET]


def test_the_last_trial_counts(half, developer) -> None:
    version = half.active_version
    meet(version, developer)
    assert verdicts(version) == [Verdict.MET, Verdict.MET]
    for run in try_examples(actor=developer, version=version):
        end(run, state="succeeded", result=0)
    assert verdicts(version) == [Verdict.UNMET, Verdict.UNMET]


def test_what_it_calls_may_change_after_a_trial_which_then_says_nothing_more(half, developer) -> None:
    caller = create_function(
        actor=developer, source="def quarter(n: int) -> float:\n    return half(half(n))\n",
        examples=[{"arguments": {"n": 4}, "result": 1}],
    )  # fmt: skip
    require_examples(actor=developer, function=caller, is_required=True)
    draft = save_version(actor=developer, function=caller, source=caller.active_version.source + "# 2\n", activate=False)
    meet(draft, developer)
    assert verdicts(draft) == [Verdict.MET]
    save_version(actor=developer, function=half, source="def half(n: int) -> float:\n    return n\n")
    assert verdicts(draft) == [Verdict.OUTDATED]
    with pytest.raises(ExamplesNotMet):
        activate_version(actor=developer, version=draft)
    meet(draft, developer)
    activate_version(actor=developer, version=draft)


def test_a_trial_whose_callee_is_gone_is_shown_as_outdated(half, developer) -> None:
    caller = create_function(
        actor=developer, source="def quarter(n: int) -> float:\n    return half(half(n))\n",
        examples=[{"arguments": {"n": 4}, "result": 1}],
    )  # fmt: skip
    tried = caller.active_version
    meet(tried, developer)
    save_version(actor=developer, function=caller, source="def quarter(n: int) -> float:\n    return n / 4\n")
    archive_function(actor=developer, function=half)
    assert verdicts(fresh(tried)) == [Verdict.OUTDATED]


def test_examples_that_are_being_tried_are_not_tried_twice_nor_activated(half, developer) -> None:
    version = half.active_version
    first, second = try_examples(actor=developer, version=version)
    end(first, state="succeeded", result=2)
    with pytest.raises(StillTried) as caught:
        try_examples(actor=developer, version=version)
    assert (caught.value.details["numbers"], ExampleRun.objects.count()) == ([2], 2)
    draft = save_version(actor=developer, function=half, source=SOURCE + "# 2\n", activate=False)
    require_examples(actor=developer, function=half, is_required=True)
    end(try_examples(actor=developer, version=draft)[0], state="succeeded", result=2)
    with pytest.raises(ExamplesNotMet) as caught:
        activate_version(actor=developer, version=draft)
    assert caught.value.details["numbers"] == [2]
    end(second, state="cancelled")
    try_examples(actor=developer, version=version)


def test_a_condition_is_tried_and_one_that_cannot_be_decided_says_why(half, developer) -> None:
    conditions = [{"arguments": {"n": 4}, "holds": "result < 2.5"}, {"arguments": {"n": 4}, "holds": "result.size() == 1"}]
    version = save_version(actor=developer, function=half, source=SOURCE, examples=conditions)
    for run in try_examples(actor=developer, version=version):
        end(run, state="succeeded", result=2.0)
    held, unclear = outcomes_of(version)
    assert (held.verdict, held.problem, unclear.verdict) == (Verdict.MET, "", Verdict.UNMET)
    assert "cannot be decided" in unclear.problem


def test_a_trial_is_no_news_to_rules_and_counts_for_no_health(half, developer) -> None:
    (first, second), other = (
        try_examples(actor=developer, version=half.active_version),
        start_run(actor=developer, version=half.active_version, arguments={"n": 1}),
    )
    for run in (first, second, other):
        transitions.move(run, from_states=(RunState.QUEUED,), to_state=RunState.FAILED)
    assert list(Event.objects.filter(type="run.failed").values_list("subject", flat=True)) == [str(other.pk)]
    assert [run.is_trial for run in (first, second, other)] == [True, True, False]
    assert list(Run.objects.without_trials()) == [other]


def test_a_function_is_deleted_with_what_was_tried(half, cast: SimpleNamespace) -> None:
    meet(half.active_version, cast.developer)
    archive_function(actor=cast.developer, function=half)
    assert delete_function(actor=cast.admin, function=fresh(half.active_version).function) == 2
    assert not ExampleRun.objects.exists()


def test_without_examples_there_is_nothing_to_try_and_an_archived_one_is_not_tried(half, cast: SimpleNamespace) -> None:
    bare = create_function(actor=cast.developer, source="def bare(): ...")
    with pytest.raises(NoExamples):
        try_examples(actor=cast.developer, version=bare.active_version)
    with pytest.raises(PermissionMissing):
        try_examples(actor=cast.viewer, version=half.active_version)
    archive_function(actor=cast.developer, function=half)
    with pytest.raises(FunctionArchived):
        try_examples(actor=cast.developer, version=fresh(half.active_version))
    assert not ExampleRun.objects.exists()


def test_a_function_that_wants_its_examples_met_activates_nothing_else(half, developer) -> None:
    require_examples(actor=developer, function=half, is_required=True)
    with pytest.raises(ExamplesNotMet, match="Save it as a draft") as caught:
        save_version(actor=developer, function=half, source=SOURCE + "# 2\n")
    assert (caught.value.details["numbers"], half.versions.count()) == ([1, 2], 1)
    draft = save_version(actor=developer, function=half, source=SOURCE + "# 2\n", activate=False)
    with pytest.raises(ExamplesNotMet):
        activate_version(actor=developer, version=draft)
    meet(draft, developer)
    activate_version(actor=developer, version=draft)
    assert Function.objects.get(pk=half.pk).active_version_id == draft.pk
    with pytest.raises(ExamplesNotMet):
        roll_back(actor=developer, version=half.versions.get(number=1))


def test_a_version_without_examples_is_none_that_met_them_until_they_are_wanted_no_longer(half, developer) -> None:
    require_examples(actor=developer, function=half, is_required=True)
    bare = save_version(actor=developer, function=half, source=SOURCE + "# 2\n", examples=[], activate=False)
    with pytest.raises(ExamplesNotMet, match="it has none"):
        activate_version(actor=developer, version=bare)
    require_examples(actor=developer, function=half, is_required=False)
    activate_version(actor=developer, version=bare)


def test_only_developers_say_that_examples_are_wanted(half, cast: SimpleNamespace) -> None:
    for role in ("viewer", "operator", "approver"):
        with pytest.raises(PermissionMissing):
            require_examples(actor=getattr(cast, role), function=half, is_required=True)


@pytest.mark.django_db(transaction=True)
def test_examples_are_tried_in_boxes(transactional_cast: SimpleNamespace, fake_boxes: None) -> None:
    cast = transactional_cast
    wrong = [*EXAMPLES, {"arguments": {"n": 0}, "result": 1}]
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=SOURCE, examples=wrong)
        version = get_version(actor=cast.developer, version_id=function.active_version_id)
        try_examples(actor=cast.developer, version=version)
    while perform_next_run():
        pass
    with scope(cast.acme.pk):
        assert verdicts(version) == [Verdict.MET, Verdict.MET, Verdict.UNMET]

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
from apps.runs.examples import ExamplesNotMet, NoExamples, Verdict, outcomes_of, try_examples
from apps.runs.models import ExampleRun, Run
from apps.runs.work import perform_next_run
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

"""Who uses a function, and what goes out of the library and comes back."""

from uuid import uuid4

import pytest

from apps.audit.models import AuditRecord
from apps.functions.activation import NoSuchFunction
from apps.functions.archive import FunctionInUse, archive_function, unarchive_function
from apps.functions.closure import UnknownDependency
from apps.functions.definition import Provenance
from apps.functions.impact import impact_of
from apps.functions.models import Function, Origin
from apps.functions.services import NameTaken, find_function
from apps.workspaces.services import PermissionMissing


def calling(name: str, *others: str) -> str:
    return f"def {name}():\n    return [{', '.join(f'{other}()' for other in others)}]\n"


def users(function: Function) -> dict[str, bool]:
    return dict(impact_of(function).functions().values_list("name", "is_direct"))


def test_callers_are_told_directly_and_through_others_each_once(make) -> None:
    base = make(calling("base"))
    for name, others in (("left", ["base"]), ("right", ["base"]), ("top", ["left", "right"]), ("roof", ["top", "base"])):
        make(calling(name, *others))
    make(calling("alone"))
    assert users(base) == {"left": True, "right": True, "roof": True, "top": False}
    assert len(impact_of(base)) == 4
    assert not impact_of(Function.objects.get(name="roof"))


def test_impact_costs_one_query_however_deep(make, django_assert_num_queries) -> None:
    base = make(calling("f0"))
    for number in range(1, 8):
        make(calling(f"f{number}", f"f{number - 1}"))
    with django_assert_num_queries(1):
        assert len(impact_of(base)) == 7


def test_only_active_versions_of_the_library_count(make, save, developer) -> None:
    base = make(calling("base"))
    save(make(calling("drafted")), calling("drafted", "base"), activate=False)
    save(make(calling("former", "base")), calling("former"))
    make(calling("own", "base"), provenance=Provenance(origin=Origin.AGENT, task_id=uuid4()))
    archive_function(actor=developer, function=make(calling("shelved", "base")))
    assert users(base) == {}


def test_what_active_functions_call_stays(make, developer) -> None:
    base, top = make(calling("base")), make(calling("top", "base"))
    with pytest.raises(FunctionInUse, match="called by top") as caught:
        archive_function(actor=developer, function=base)
    assert (caught.value.status, caught.value.details) == (409, {"functions": ["top"], "count": 1})
    archive_function(actor=developer, function=top)
    archive_function(actor=developer, function=base)
    assert set(Function.objects.archived().values_list("name", flat=True)) == {"base", "top"}


def test_what_is_archived_is_seen_by_nobody_who_looks_for_functions(make, developer) -> None:
    function = make(calling("base"))
    archive_function(actor=developer, function=function)
    task = uuid4()
    assert not Function.objects.library().exists()
    assert not Function.objects.visible_in(task).exists()
    assert find_function(actor=developer, name="base") is None
    assert find_function(actor=developer, name="base", task_id=task) is None
    assert find_function(actor=developer, name="base", with_archived=True) == function
    with pytest.raises(UnknownDependency):
        make(calling("top", "base"))
    with pytest.raises(NameTaken, match="in the archive"):
        make(calling("base"))


def test_bringing_back_is_as_if_it_had_never_gone(make, developer) -> None:
    function = make(calling("base"))
    version = function.active_version
    for _ in range(2):  # twice is once
        archive_function(actor=developer, function=function)
    for _ in range(2):
        unarchive_function(actor=developer, function=function)
    assert find_function(actor=developer, name="base").active_version == version
    actions = AuditRecord.objects.filter(subject_id=str(function.pk)).order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["function.archived", "function.unarchived"]
    make(calling("top", "base"))


def test_bringing_back_needs_what_it_calls(make, developer) -> None:
    base, top = make(calling("base")), make(calling("top", "base"))
    for function in (top, base):
        archive_function(actor=developer, function=function)
    with pytest.raises(UnknownDependency, match="base"):
        unarchive_function(actor=developer, function=top)
    assert Function.objects.archived().count() == 2
    unarchive_function(actor=developer, function=base)
    unarchive_function(actor=developer, function=top)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_only_developers_archive(make, cast, role) -> None:
    function = make(calling("base"))
    for act in (archive_function, unarchive_function):
        with pytest.raises(PermissionMissing):
            act(actor=getattr(cast, role), function=function)


def test_a_task_s_own_function_is_in_no_library_and_goes_in_no_archive(make, developer) -> None:
    own = make(calling("base"), provenance=Provenance(origin=Origin.AGENT, task_id=uuid4()))
    with pytest.raises(NoSuchFunction):
        archive_function(actor=developer, function=own)

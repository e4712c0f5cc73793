"""The life of versions: drafts, activation with every check again, going back, and two people who edit."""

from uuid import uuid4

import pytest

from apps.approvals.models import ApprovalRequest
from apps.audit.models import AuditRecord
from apps.core import events
from apps.functions.activation import (
    ActiveChanged,
    FunctionArchived,
    NoSuchFunction,
    NotEarlier,
    activate_version,
    roll_back,
)
from apps.functions.archive import archive_function
from apps.functions.closure import DependencyCycle, UnknownDependency, resolve_closure
from apps.functions.definition import Provenance, Settings
from apps.functions.editing import Basis, EditConflict
from apps.functions.limits import LimitAboveMaximum, set_maxima
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.services import (
    DetailsChanged,
    NoSuchVersion,
    NoteTooLong,
    compare_versions,
    details_digest,
    find_version,
    update_details,
)
from apps.packages.requirements import ContradictingRequirements
from apps.vault.services import set_secret
from apps.workspaces.services import PermissionMissing

CLEAN = "def clean(text: str) -> str:\n    return text.strip()\n"


def calling(name: str, *others: str) -> str:
    return f"def {name}():\n    return [{', '.join(f'{other}()' for other in others)}]\n"


def active_number(function: Function) -> int:
    return Function.objects.select_related("active_version").get(pk=function.pk).active_version.number


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What is told of activations."""
    told: list[dict[str, object]] = []
    monkeypatch.setitem(events._handlers, "function.version_activated", [lambda **payload: told.append(payload)])
    return told


def test_a_draft_is_kept_and_changes_no_run(make, save) -> None:
    function = make(CLEAN)
    caller = make("def caller(): return clean('a')")
    draft = save(function, CLEAN + "# better\n", activate=False)
    assert (draft.number, draft.is_draft, draft.is_active, active_number(function)) == (2, True, False, 1)
    assert function.active_version.number == 1
    assert [part.number for part in resolve_closure(caller.active_version)] == [1, 1]


def test_a_draft_asks_for_what_it_needs_so_that_people_can_decide_before_anything_depends_on_it(make, save) -> None:
    function = make(CLEAN)
    draft = save(function, CLEAN, requirements=["markdown"], settings=Settings(hosts=("api.example.org",)), activate=False)
    assert draft.package_set.requirements == ["markdown"]
    assert ApprovalRequest.objects.get(kind="capabilities").subject["version"] == 2


def test_activating_a_draft_is_audited_and_told(make, save, owner, heard) -> None:
    function = make(CLEAN)
    first, draft = function.active_version, save(function, CLEAN + "#\n", activate=False)
    heard.clear()
    active = activate_version(actor=owner, version=draft)
    assert (active, active.is_active, active_number(function)) == (draft, True, 2)
    assert FunctionVersion.objects.get(pk=draft.pk).activated_at is not None
    assert heard == [{"function_id": str(function.pk), "version_id": str(draft.pk), "previous_id": str(first.pk)}]
    written = AuditRecord.objects.get(action="function.version_activated", subject_id=str(draft.pk))
    assert (written.actor_name, written.details) == (str(owner), {"number": 2, "before": 1})


def test_saving_makes_active_and_tells_so(make, save, heard) -> None:
    function = make(CLEAN)
    save(function, CLEAN + "#\n")
    assert [told["previous_id"] is None for told in heard] == [True, False]


def test_activating_what_is_active_does_nothing_twice(make, developer, heard) -> None:
    function = make(CLEAN)
    heard.clear()
    activate_version(actor=developer, version=function.active_version)
    assert heard == []


def test_going_back_makes_an_earlier_version_active_and_keeps_those_between(make, save, developer) -> None:
    function = make(CLEAN)
    first = function.active_version
    save(function, CLEAN + "# 2\n")
    save(function, CLEAN + "# 3\n")
    roll_back(actor=developer, version=first)
    assert active_number(function) == 1
    assert function.versions.count() == 3
    assert AuditRecord.objects.get(action="function.rolled_back").details == {"number": 1, "before": 3}


def test_there_is_no_going_back_to_what_was_never_active_or_is_newer(make, save, developer) -> None:
    function = make(CLEAN)
    draft = save(function, CLEAN + "# 2\n", activate=False)
    third = save(function, CLEAN + "# 3\n")
    for version in (draft, third):
        if version == third:
            roll_back(actor=developer, version=find_version(actor=developer, function=function, number=1))
        with pytest.raises(NotEarlier):
            roll_back(actor=developer, version=version)
    assert active_number(function) == 1


def test_who_decided_with_another_version_in_view_is_told(make, save, developer) -> None:
    function = make(CLEAN)
    first = function.active_version
    save(function, CLEAN + "# 2\n")
    save(function, CLEAN + "# 3\n")
    with pytest.raises(ActiveChanged) as caught:
        roll_back(actor=developer, version=first, instead_of=2)
    assert (caught.value.details["active"], active_number(function)) == (3, 3)
    roll_back(actor=developer, version=first, instead_of=3)


def test_a_circle_that_the_graph_of_now_would_close_is_refused(make, save, developer) -> None:
    base = make(calling("base"))
    make(calling("other"))
    draft = save(base, calling("base", "other"), activate=False)
    save(Function.objects.get(name="other"), calling("other", "base"))
    with pytest.raises(DependencyCycle):
        activate_version(actor=developer, version=draft)
    assert active_number(base) == 1


def test_a_dependency_that_went_meanwhile_is_told(make, save, developer) -> None:
    base, helper = make(calling("base")), make(calling("helper"))
    draft = save(base, calling("base", "helper"), activate=False)
    archive_function(actor=developer, function=helper)
    with pytest.raises(UnknownDependency, match="helper"):
        activate_version(actor=developer, version=draft)


def test_a_maximum_that_was_lowered_meanwhile_holds(make, save, developer, admin) -> None:
    function = make(CLEAN)
    draft = save(function, CLEAN, settings=Settings(limits={"wall_seconds": 300}), activate=False)
    set_maxima(actor=admin, amounts={"wall_seconds": 60})
    with pytest.raises(LimitAboveMaximum):
        activate_version(actor=developer, version=draft)


def test_packages_that_contradict_what_it_calls_by_now_are_refused(make, save, developer) -> None:
    base = make("import yaml\ndef base(): ...", requirements=["pyyaml"])
    top = make(calling("top"))
    draft = save(top, "import yaml\n" + calling("top", "base"), requirements=["pyyaml==5.4"], activate=False)
    save(base, "import yaml\ndef base(): ...", requirements=["pyyaml==6.0"])
    with pytest.raises(ContradictingRequirements):
        activate_version(actor=developer, version=draft)


def test_packages_of_what_it_calls_by_now_are_asked_for(make, save, developer) -> None:
    base = make(calling("base"))
    top = make(calling("top"))
    draft = save(top, calling("top", "base"), activate=False)
    save(base, "import markdown\ndef base(): ...", requirements=["markdown"])
    assert draft.package_set is None
    active = activate_version(actor=developer, version=draft)
    assert FunctionVersion.objects.get(pk=active.pk).package_set.requirements == ["markdown"]


def test_hosts_and_secrets_of_what_it_calls_by_now_are_asked_for(make, save, developer, admin) -> None:
    set_secret(actor=admin, name="KEY", value="correct-horse")
    base, top = make(calling("base")), make(calling("top"))
    draft = save(top, calling("top", "base"), activate=False)
    save(base, calling("base"), settings=Settings(secrets=("KEY",)))
    activate_version(actor=developer, version=draft)
    subjects = [request.subject for request in ApprovalRequest.objects.filter(kind="capabilities")]
    assert any(subject["function"] == "top" and subject["version"] == 2 for subject in subjects)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_only_developers_activate_and_go_back(make, save, cast, role) -> None:
    function = make(CLEAN)
    first, draft = function.active_version, save(function, CLEAN + "#\n", activate=False)
    for act, version in ((activate_version, draft), (roll_back, first)):
        with pytest.raises(PermissionMissing):
            act(actor=getattr(cast, role), version=version)
    assert active_number(function) == 1


def test_a_task_decides_on_its_own_versions_alone(make, developer) -> None:
    own = make(CLEAN, provenance=Provenance(origin=Origin.AGENT, task_id=uuid4()))
    with pytest.raises(NoSuchFunction):
        activate_version(actor=developer, version=own.active_version)


def test_an_archived_function_gets_no_version_and_activates_none(make, save, developer) -> None:
    function = make(CLEAN)
    draft = save(function, CLEAN + "#\n", activate=False)
    archive_function(actor=developer, function=function)
    with pytest.raises(FunctionArchived):
        activate_version(actor=developer, version=draft)
    with pytest.raises(FunctionArchived):
        save(function, CLEAN + "# more\n")


def test_saving_what_is_a_draft_already_adds_none_and_activates_it_after_the_checks(make, save) -> None:
    function, other = make(calling("base")), make(calling("other"))
    draft = save(function, calling("base", "other"), activate=False)
    assert save(function, calling("base", "other"), activate=False) == draft
    later = save(other, calling("other") + "#\n")
    assert save(function, calling("base", "other")) == draft
    assert (active_number(function), later.number, function.versions.count()) == (2, 2, 2)


def test_a_draft_saved_again_is_checked_against_the_graph_of_now(make, save) -> None:
    base, other = make(calling("base")), make(calling("other"))
    save(base, calling("base", "other"), activate=False)
    save(other, calling("other", "base"))
    with pytest.raises(DependencyCycle):
        save(base, calling("base", "other"))
    assert active_number(base) == 1


def test_who_edits_what_another_has_saved_meanwhile_is_told_and_overwrites_nothing(make, save, owner) -> None:
    function = make(CLEAN)
    theirs = save(function, CLEAN + "# theirs\n", actor=owner, basis=Basis(1, 1))
    with pytest.raises(EditConflict) as caught:
        save(function, CLEAN + "# mine\n", basis=Basis(1, 1), settings=Settings(limits={"wall_seconds": 5}))
    told = caught.value
    assert (told.status, told.details["version"], told.details["author"]) == (409, 2, "owner")
    assert told.details["diff"].splitlines()[-2:] == ["-# theirs", "+# mine"]
    assert told.details["settings"] == ["limits"]
    assert (function.versions.count(), active_number(function)) == (2, theirs.number)


def test_having_seen_theirs_one_s_own_goes_on_top_and_says_what_it_came_from(make, save, owner) -> None:
    function = make(CLEAN)
    save(function, CLEAN + "# theirs\n", actor=owner)
    mine = save(function, CLEAN + "# mine\n", basis=Basis(1, 2))
    assert (mine.number, mine.derived_from.number, mine.changes) == (3, 1, "source +1 \N{MINUS SIGN}0")


def test_an_older_version_may_be_edited_on_purpose_and_one_that_is_not_there_may_not(make, save) -> None:
    function = make(CLEAN)
    save(function, CLEAN + "# 2\n", activate=False)
    assert save(function, CLEAN + "# 3\n", basis=Basis(1, 2)).number == 3
    with pytest.raises(NoSuchVersion):
        save(function, CLEAN + "# 4\n", basis=Basis(2**40, 2**40))


def test_what_is_said_about_a_function_is_not_overwritten_unseen(make, developer, owner) -> None:
    function = make(CLEAN, description="Old.", tags=["a"])
    seen = details_digest(function)
    update_details(actor=owner, function=function, description="Theirs.", tags=["a"])
    update_details(actor=developer, function=function, description="Old.", tags=["a"], seen=seen)
    assert Function.objects.get(pk=function.pk).description == "Theirs."
    with pytest.raises(DetailsChanged, match=r"Theirs\.") as caught:
        update_details(actor=developer, function=function, description="Mine.", tags=["a"], seen=seen)
    update_details(actor=developer, function=function, description="Mine.", tags=["a"], seen=caught.value.details["seen"])
    assert Function.objects.get(pk=function.pk).description == "Mine."


def test_a_note_that_is_no_line_is_refused(make, save) -> None:
    function = make(CLEAN)
    with pytest.raises(NoteTooLong):
        save(function, CLEAN + "#\n", note="a" * 201)


def test_without_numbers_the_newest_is_compared_with_the_active_one_or_what_it_came_from(make, save, developer) -> None:
    function = make(CLEAN)

    def compared(**numbers: int) -> tuple[int, int]:
        found = compare_versions(actor=developer, function=function, **numbers)
        return found.old.number, found.new.number

    assert compared() == (1, 1)
    save(function, CLEAN + "# 2\n")
    assert compared() == (1, 2)
    save(function, CLEAN + "# 3\n", activate=False)
    assert compared() == (2, 3)
    assert compared(before=3, after=1) == (3, 1)
    for numbers in ({"before": 9}, {"after": 0}, {"after": 2**70}):
        with pytest.raises(NoSuchVersion):
            compared(**numbers)

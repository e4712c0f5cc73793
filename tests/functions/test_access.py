"""Folders keep running and changing for some, on every way to a run and to a version."""

import pytest

from apps.functions import folders
from apps.functions.access import FolderForbids, require_access, ways_up
from apps.functions.activation import activate_version, roll_back
from apps.functions.archive import archive_function, unarchive_function
from apps.functions.models import FolderAction, Function
from apps.functions.packs import PackFile, load_packs
from apps.functions.services import create_function, save_version, update_details
from apps.runs.models import Run
from apps.runs.services import start_run
from apps.workspaces.groups import make_group
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role

SOURCE = "def pay(amount: int) -> int:\n    return amount\n"
LOUDER = "def pay(amount: int) -> int:\n    return amount + 1\n"
RUN, EDIT = FolderAction.RUN, FolderAction.EDIT


@pytest.fixture
def pay(make, owner) -> Function:
    """The owner's, in a folder below another."""
    function = make(SOURCE, actor=owner)
    folders.move_functions(actor=owner, functions=[function], folder=folders.make_folder(actor=owner, path="billing/cards"))
    return function


def keep(owner: Membership, path: str, action: FolderAction, *roles: Role, groups: tuple = ()) -> None:
    folder = folders.find_folder(actor=owner, path=path)
    folders.keep_for(actor=owner, folder=folder, action=action, roles=roles, groups=groups)


def run(actor: Membership, function: Function) -> Run:
    return start_run(actor=actor, version=function.active_version, arguments={"amount": 1})


def test_ways_up_come_nearest_first() -> None:
    assert ways_up("a/b/c") == ["a/b/c", "a/b", "a"]


def test_a_folder_that_says_nothing_is_for_everybody_whose_role_allows_it(pay, operator, developer) -> None:
    assert run(operator, pay).asked_by == operator
    assert save_version(actor=developer, function=pay, source=LOUDER).is_active


def test_a_folder_keeps_running_for_roles_and_says_who_decides(pay, owner, operator, developer) -> None:
    keep(owner, "billing", RUN, Role.DEVELOPER)
    run(developer, pay)
    with pytest.raises(FolderForbids, match="“billing” says who may run “pay”") as refusal:
        run(operator, pay)
    assert refusal.value.details == {"folder": "billing"}


def test_the_nearest_folder_decides(pay, owner, operator, developer) -> None:
    keep(owner, "billing", RUN, Role.DEVELOPER)
    keep(owner, "billing/cards", RUN, Role.OPERATOR)
    run(operator, pay)
    with pytest.raises(FolderForbids):
        run(developer, pay)
    keep(owner, "billing/cards", RUN)
    run(developer, pay)


def test_a_folder_can_be_for_a_group(pay, owner, operator, developer) -> None:
    keep(owner, "billing", RUN, groups=(make_group(actor=owner, name="cards", members=[operator]),))
    run(operator, pay)
    with pytest.raises(FolderForbids):
        run(developer, pay)


def test_a_folder_gives_nothing_that_a_role_does_not(pay, owner, viewer) -> None:
    keep(owner, "billing", RUN, groups=(make_group(actor=owner, name="all", members=[viewer]),))
    with pytest.raises(Exception, match="To run functions one must be"):
        run(viewer, pay)


def test_admins_and_the_owner_of_a_function_are_never_kept_out(pay, owner, admin, developer) -> None:
    keep(owner, "billing", RUN, Role.OPERATOR)
    run(admin, pay)
    with pytest.raises(FolderForbids):
        run(developer, pay)
    folders.hand_over(actor=owner, function=pay, owner=developer)
    run(developer, pay)


def test_what_a_function_calls_in_its_own_box_must_be_open_to_whoever_runs_it(make, pay, owner, operator, developer) -> None:
    caller = make("def checkout(amount: int) -> int:\n    return pay(amount)\n")
    keep(owner, "billing", RUN, Role.DEVELOPER)
    run(developer, caller)
    with pytest.raises(FolderForbids, match="“pay”"):
        run(operator, caller)


def change_in_every_way(actor: Membership, pay: Function) -> list[object]:
    """Each way of changing a function, as a call to be made."""
    version = pay.active_version
    return [
        lambda: save_version(actor=actor, function=pay, source=LOUDER),
        lambda: update_details(actor=actor, function=pay, description="Other.", tags=[]),
        lambda: activate_version(actor=actor, version=version),
        lambda: roll_back(actor=actor, version=version),
        lambda: archive_function(actor=actor, function=pay),
        lambda: unarchive_function(actor=actor, function=pay),
        lambda: folders.move_functions(actor=actor, functions=[pay], folder=None),
        lambda: create_function(
            actor=actor,
            source="def other() -> int:\n    return 1\n",
            folder=folders.find_folder(actor=actor, path="billing/cards"),
        ),
        lambda: folders.make_folder(actor=actor, path="billing/new"),
        lambda: folders.rename_folder(
            actor=actor, folder=folders.find_folder(actor=actor, path="billing/cards"), path="elsewhere"
        ),
        lambda: folders.remove_folder(actor=actor, folder=folders.find_folder(actor=actor, path="billing/cards")),
    ]


@pytest.mark.parametrize("way", range(11))
def test_a_folder_keeps_every_way_of_changing_for_some(pay, owner, developer, way: int) -> None:
    keep(owner, "billing", EDIT, groups=(make_group(actor=owner, name="cards"),))
    with pytest.raises(FolderForbids):
        change_in_every_way(developer, pay)[way]()
    pay.refresh_from_db()
    assert (pay.versions.count(), pay.folder.path, pay.archived_at) == (1, "billing/cards", None)


def test_a_folder_cannot_be_moved_into_one_that_is_kept_for_others(pay, make, owner, developer) -> None:
    mine = make("def mine() -> int:\n    return 1\n")
    own = folders.make_folder(actor=developer, path="own")
    keep(owner, "billing", EDIT, groups=(make_group(actor=owner, name="cards"),))
    target = folders.find_folder(actor=developer, path="billing")
    with pytest.raises(FolderForbids):
        folders.move_functions(actor=developer, functions=[mine], folder=target)
    with pytest.raises(FolderForbids):
        folders.rename_folder(actor=developer, folder=own, path="billing/own")


def test_a_pack_changes_nothing_in_a_folder_that_is_kept_for_others(pay, owner, developer) -> None:
    keep(owner, "billing", EDIT, groups=(make_group(actor=owner, name="cards"),))
    text = f"@selfsmith.register_function()\n{LOUDER}"
    report = load_packs(actor=developer, files=[PackFile("pay.py", text)])
    assert [each.name for each in report.refused] == ["pay"]
    assert "billing" in report.refused[0].reason
    assert pay.versions.count() == 1


def test_only_admins_say_whom_a_folder_is_for(pay, developer) -> None:
    with pytest.raises(Exception, match="manage secrets, models and members"):
        keep(developer, "billing", RUN, Role.DEVELOPER)


def test_a_token_is_kept_out_as_its_member_is(pay, owner, operator) -> None:
    keep(owner, "billing", RUN, Role.DEVELOPER)
    operator.is_token = True
    with pytest.raises(FolderForbids):
        run(operator, pay)


def test_where_nothing_lies_in_a_folder_access_costs_no_query(make, developer, django_assert_num_queries) -> None:
    function = make(SOURCE)
    with django_assert_num_queries(0):
        require_access(developer, [function], RUN)

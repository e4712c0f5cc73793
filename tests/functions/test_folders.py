"""Folders of the library, and who owns a function."""

import pytest

from apps.core.tenancy import scope
from apps.functions import folders
from apps.functions.folders import BadPath, CannotOwn, FolderNotEmpty, FolderTaken, NoSuchFolder
from apps.functions.models import Folder, Function

SOURCE = "def pay(amount: int) -> int:\n    return amount\n"


def paths(actor) -> list[tuple[str, int, int]]:
    return [(place.folder.path, place.own, place.whole) for place in folders.tree(actor=actor)]


def test_a_folder_brings_those_above_it_and_is_made_once(in_acme, developer) -> None:
    first = folders.make_folder(actor=developer, path="billing/reports/daily")
    assert folders.make_folder(actor=developer, path="billing/reports/daily") == first
    assert [path for path, _, _ in paths(developer)] == ["billing", "billing/reports", "billing/reports/daily"]


@pytest.mark.parametrize(
    "path", ["", "/", "a/", "/a", "a//b", "..", "a/../b", "A", "a b", "a/\x00", "ä", "x" * 41, "a/b/c/d/e/f/g", "-a", "a\n"]
)
def test_a_path_that_is_none_is_refused(in_acme, developer, path: str) -> None:
    with pytest.raises(BadPath):
        folders.make_folder(actor=developer, path=path)
    assert not Folder.objects.exists()


def test_functions_are_counted_where_they_lie_and_above_and_those_in_the_archive_are_not(make, developer) -> None:
    cards = folders.make_folder(actor=developer, path="billing/cards")
    make(SOURCE, folder=cards)
    gone = make("def gone() -> int:\n    return 1\n", folder=cards)
    Function.objects.filter(pk=gone.pk).update(archived_at=gone.created_at)
    assert paths(developer) == [("billing", 0, 1), ("billing/cards", 1, 1)]


def test_a_list_under_a_folder_has_what_is_below_and_no_other_that_begins_alike(make, developer) -> None:
    for name, path in {"one": "bill", "two": "bill/a", "three": "billing"}.items():
        make(f"def {name}() -> int:\n    return 1\n", folder=folders.make_folder(actor=developer, path=path))
    assert {each.name for each in Function.objects.library().under("bill")} == {"one", "two"}
    assert Function.objects.library().under("").count() == 3


def test_what_is_below_goes_with_a_folder_that_is_renamed(make, developer) -> None:
    function = make(SOURCE, folder=folders.make_folder(actor=developer, path="billing/cards"))
    folder = folders.find_folder(actor=developer, path="billing")
    folders.rename_folder(actor=developer, folder=folder, path="finance/payments")
    assert [path for path, _, _ in paths(developer)] == ["finance", "finance/payments", "finance/payments/cards"]
    function.refresh_from_db()
    assert function.folder.path == "finance/payments/cards"


def test_a_folder_goes_neither_into_itself_nor_onto_another_nor_too_deep(in_acme, developer) -> None:
    for path in ("a/b/c", "d", "e/f/g/h/i"):
        folders.make_folder(actor=developer, path=path)
    folder = folders.find_folder(actor=developer, path="a")
    for path, refusal in {"a/x": BadPath, "d": FolderTaken, "e/f/g/h/a": BadPath}.items():
        with pytest.raises(refusal):
            folders.rename_folder(actor=developer, folder=folder, path=path)
    assert folder.path == "a"
    assert Folder.objects.filter(path="a/b/c").exists()


def test_only_an_empty_folder_is_removed(make, developer) -> None:
    function = make(SOURCE, folder=folders.make_folder(actor=developer, path="billing/cards"))
    cards, billing = (folders.find_folder(actor=developer, path=path) for path in ("billing/cards", "billing"))
    for folder in (cards, billing):
        with pytest.raises(FolderNotEmpty):
            folders.remove_folder(actor=developer, folder=folder)
    folders.move_functions(actor=developer, functions=[function], folder=None)
    folders.remove_folder(actor=developer, folder=cards)
    folders.remove_folder(actor=developer, folder=billing)
    assert paths(developer) == []


def test_the_tree_costs_as_many_queries_for_many_folders_as_for_few(in_acme, developer, django_assert_num_queries) -> None:
    for number in range(12):
        folders.make_folder(actor=developer, path=f"a{number}/b")
    with django_assert_num_queries(2):
        folders.tree(actor=developer)


def test_whoever_writes_a_function_owns_it_and_hands_it_over(make, developer, admin, viewer) -> None:
    function = make(SOURCE)
    assert function.owner == developer
    with pytest.raises(CannotOwn):
        folders.hand_over(actor=developer, function=function, owner=viewer)
    folders.hand_over(actor=developer, function=function, owner=admin)
    assert Function.objects.get(pk=function.pk).owner == admin
    with pytest.raises(Exception, match="manage secrets, models and members"):
        folders.hand_over(actor=developer, function=function, owner=developer)


def test_another_workspace_has_folders_of_its_own(cast) -> None:
    with scope(cast.acme.pk):
        folders.make_folder(actor=cast.developer, path="billing")
    with scope(cast.globex.pk):
        with pytest.raises(NoSuchFolder):
            folders.find_folder(actor=cast.stranger, path="billing")
        folders.make_folder(actor=cast.stranger, path="billing")

"""A pack is taken away as one while nothing outside needs it, and comes back as it was."""

import pytest

from apps.functions.models import Function
from apps.functions.services import create_function
from apps.packs.models import Pack
from apps.packs.removal import NoSuchPack, NotInstalled, PackInUse, find_users, remove_pack, restore_pack
from apps.triggers.models import Rule
from apps.triggers.services import RuleDraft, create_rule, switch_rule
from apps.workspaces.services import PermissionMissing
from tests.packs.conftest import active, library, manifest, marked, tree_of

WORDS = marked("def words(text: str) -> list:\n    return text.split()")
COUNT = marked("def count(text: str) -> int:\n    return len(words(text))")
TREE = tree_of(pack__toml=manifest(), words__py=WORDS, count__py=COUNT)


def test_a_removed_pack_is_in_the_archive_and_can_be_brought_back(install, cast) -> None:
    install(TREE)
    assert remove_pack(actor=cast.developer, name="text-tools").state == "removed"
    assert library() == []
    assert Function.objects.archived().count() == 2
    assert restore_pack(actor=cast.developer, name="text-tools").state == "installed"
    assert library() == ["count", "words"]


def test_what_outside_needs_it_is_named_and_nothing_is_removed(install, cast) -> None:
    release = install(TREE)
    create_function(actor=cast.developer, source="def outside(text: str) -> int:\n    return count(text)\n")
    arguments = {"text": '"a"'}
    create_rule(actor=cast.developer, draft=RuleDraft("nightly", "order.paid", active("words").function, arguments=arguments))
    install(tree_of(pack__toml=manifest("other"), words__py=WORDS))
    with pytest.raises(PackInUse) as refusal:
        remove_pack(actor=cast.developer, name="text-tools")
    assert refusal.value.details["users"] == [
        {"function": "count", "kind": "function", "name": "outside"},
        {"function": "words", "kind": "rule", "name": "nightly"},
        {"function": "words", "kind": "pack", "name": "other"},
    ]
    assert "“count” is needed by the function “outside”" in refusal.value.message
    assert len(find_users(release)) == 3
    assert library() == ["count", "outside", "words"]


def test_functions_that_were_there_before_the_pack_stay(install, cast) -> None:
    create_function(actor=cast.developer, source="def words(text: str) -> list:\n    return [text]\n")
    install(TREE)
    remove_pack(actor=cast.developer, name="text-tools")
    assert library() == ["words"]


def test_an_upgraded_pack_takes_what_it_made_and_still_has(install, cast) -> None:
    old = marked("def old() -> int:\n    return 1")
    install(tree_of(pack__toml=manifest(), words__py=WORDS, old__py=old))
    install(tree_of(pack__toml=manifest(version="2"), words__py=WORDS, count__py=COUNT))
    remove_pack(actor=cast.developer, name="text-tools")
    assert library() == ["old"], "it is of no pack any more"


def test_its_rules_are_switched_off_and_stay_off(install, cast, decide) -> None:
    after = marked("def after(text: list) -> int:\n    return 1", triggers=["words"])
    install(tree_of(pack__toml=manifest(), words__py=WORDS, after__py=after))
    decide()
    remove_pack(actor=cast.developer, name="text-tools")
    restore_pack(actor=cast.developer, name="text-tools")
    rule = Rule.objects.get()
    assert not rule.is_active
    assert switch_rule(actor=cast.developer, rule_id=rule.pk, is_active=True).is_active


def test_a_removed_pack_can_be_installed_in_another_state(install, cast) -> None:
    install(TREE)
    remove_pack(actor=cast.developer, name="text-tools")
    install(tree_of(pack__toml=manifest(version="2"), words__py=WORDS.replace("split()", "split(',')"), count__py=COUNT))
    assert library() == ["count", "words"]
    assert "split(',')" in active("words").source
    pack = Pack.objects.all().for_list().get()
    assert [each.state for each in pack.releases.all()] == ["installed", "replaced"]


def test_what_is_not_there_is_not_removed(install, cast) -> None:
    with pytest.raises(NoSuchPack):
        remove_pack(actor=cast.developer, name="nothing")
    install(TREE)
    with pytest.raises(NotInstalled):
        restore_pack(actor=cast.developer, name="text-tools")
    with pytest.raises(PermissionMissing):
        remove_pack(actor=cast.viewer, name="text-tools")

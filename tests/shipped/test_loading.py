"""The packs that ship are there, load without a refusal, and ask for what they use."""

import tomllib

import pytest

from apps.approvals.models import ApprovalRequest
from apps.functions.models import Function, FunctionVersion, Origin
from apps.packs.services import install_pack, look_at_pack
from apps.packs.shipped import FOLDER, NoSuchShippedPack, find_shipped, shipped_packs
from apps.packs.states import ReleaseState
from apps.workspaces.services import PermissionMissing
from tests.conftest import make_cast

NAMES = ["ai", "chat", "default", "files", "sentiment", "web"]
ASK_MODELS = {
    *("write_description", "write_missing_descriptions", "embed_texts", "find_similar_texts", "embed_functions"),
    *("find_similar_functions", "choose_function_for", "decompose_task", "write_function", "chat", "sentiment_by_model"),
}


@pytest.fixture
def cast(db):
    """Nothing runs here: what a test writes is rolled back."""
    return make_cast()


def test_there_is_a_pack_for_each_of_what_the_seeds_had() -> None:
    assert [pack.manifest.name for pack in shipped_packs()] == NAMES
    assert all(pack.functions for pack in shipped_packs())
    said = [pack.manifest for pack in shipped_packs()]
    assert all(each.description and each.version and each.license for each in said)


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_says_what_a_pack_s_manifest_says_and_no_more(name: str) -> None:
    said = tomllib.loads((FOLDER / name / "pack.toml").read_text())
    assert set(said) == {"pack"}
    assert set(said["pack"]) == {"name", "version", "description", "author", "license", "requires"}
    assert said["pack"]["name"] == name


def test_no_two_packs_bring_a_function_of_the_same_name() -> None:
    names = [name for pack in shipped_packs() for name in pack.functions]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_comes_without_a_refusal_and_says_what_each_function_and_argument_is_for(in_acme, developer, name: str) -> None:
    plan = look_at_pack(actor=developer, tree=find_shipped(name).tree)
    assert plan.refused == []
    assert {each["name"] for each in plan.functions} == set(find_shipped(name).functions)
    for each in plan.functions:
        assert each["description"]
        assert each["tags"]
        assert all(said.get("description") for said in each["input_schema"]["properties"].values()), each["name"]
        assert each["content"]["requirements"] == []


def test_what_asks_a_model_asks_people_first_and_nothing_else_asks_for_anything(in_acme, developer) -> None:
    asking = set()
    for name in NAMES:
        release, plan = install_pack(actor=developer, tree=find_shipped(name).tree)
        assert (release.state == ReleaseState.AWAITING_APPROVAL) is plan.models
        assert (plan.hosts, plan.secrets, plan.packages, plan.rules) == ([], [], [], [])
        asking |= {each["function"] for each in plan.capabilities if each.get("models")}
    assert asking == ASK_MODELS
    waiting = [request.subject["pack"] for request in ApprovalRequest.objects.all()]
    assert sorted(waiting) == ["ai", "chat", "sentiment"]
    assert set(Function.objects.values_list("active_version__origin", flat=True)) == {Origin.PACK}


def test_installing_one_again_changes_nothing(in_acme, developer) -> None:
    install_pack(actor=developer, tree=find_shipped("files").tree)
    _, again = install_pack(actor=developer, tree=find_shipped("files").tree)
    assert {each["change"] for each in again.functions} == {"none"}
    assert FunctionVersion.objects.count() == len(find_shipped("files").functions)


def test_a_pack_that_does_not_ship_and_whoever_may_not_write_are_refused(in_acme, viewer) -> None:
    with pytest.raises(NoSuchShippedPack, match="There are ai, chat"):
        find_shipped("../etc")
    with pytest.raises(PermissionMissing):
        install_pack(actor=viewer, tree=find_shipped("files").tree)

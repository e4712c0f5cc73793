"""The packs that ship are there, load without a refusal, and ask for what they use."""

import tomllib

import pytest

from apps.approvals.models import ApprovalRequest
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.shipped import FOLDER, NoSuchShippedPack, find_shipped, load_shipped, shipped_packs
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
    assert [pack.name for pack in shipped_packs()] == NAMES
    assert all(pack.functions and pack.description and pack.version and pack.license for pack in shipped_packs())


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
def test_a_pack_loads_without_a_refusal_and_says_what_each_function_and_argument_is_for(in_acme, developer, name: str) -> None:
    report = load_shipped(actor=developer, name=name)
    assert report.refused == []
    assert {each.name for each in report.loaded} == set(find_shipped(name).functions)
    for function in Function.objects.select_related("active_version"):
        assert function.description
        assert function.tags
        schema = function.active_version.input_schema
        assert all(each.get("description") for each in schema["properties"].values()), function.name
        assert function.active_version.output_schema, function.name
        assert function.active_version.origin == Origin.PACK
        assert function.active_version.requirements == []


def test_what_asks_a_model_asks_people_first_and_nothing_else_asks_for_anything(in_acme, developer) -> None:
    for name in NAMES:
        load_shipped(actor=developer, name=name)
    asking = {version.function.name for version in FunctionVersion.objects.select_related("function") if version.asks_models}
    assert {request.subject["function"] for request in ApprovalRequest.objects.all()} == ASK_MODELS
    assert asking <= ASK_MODELS
    assert not FunctionVersion.objects.exclude(hosts=[], secrets=[]).exists()


def test_loading_one_again_changes_nothing(in_acme, developer) -> None:
    load_shipped(actor=developer, name="files")
    again = load_shipped(actor=developer, name="files")
    assert {each.change for each in again.loaded} == {"none"}
    assert FunctionVersion.objects.count() == len(find_shipped("files").functions)


def test_a_pack_that_does_not_ship_and_whoever_may_not_write_are_refused(in_acme, developer, viewer) -> None:
    with pytest.raises(NoSuchShippedPack, match="There are ai, chat"):
        load_shipped(actor=developer, name="../etc")
    with pytest.raises(PermissionMissing):
        load_shipped(actor=viewer, name="files")

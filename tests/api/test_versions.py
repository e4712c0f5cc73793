"""The life of versions over the API: drafts, conflicts, comparison, activation, users, archive, deletion."""

from types import SimpleNamespace
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from tests.api.conftest import Call, Caller

CLEAN = "def clean(text: str) -> str:\n    return text.strip()\n"
PATH = "/functions/clean"


@pytest.fixture
def developer(cast: SimpleNamespace, by_session: Call) -> Caller:
    return by_session(cast.developer)


@pytest.fixture(autouse=True)
def clean(developer: Caller) -> None:
    assert developer.post("/functions", {"source": CLEAN}).status_code == 201


def save(caller: Caller, mark: str, **stated: Any) -> Any:
    return caller.post(f"{PATH}/versions", {"source": f"{CLEAN}# {mark}\n", **stated})


def numbers(caller: Caller) -> list[tuple[int, str]]:
    return [(each["number"], each["state"]) for each in caller.get(f"{PATH}/versions").json()["items"]]


def test_a_draft_is_saved_beside_the_active_version_and_then_activated(developer) -> None:
    told = save(developer, "2", activate=False, note="Better.").json()
    assert (told["version"], told["saved"]["number"], told["saved"]["state"]) == (1, 2, "draft")
    assert (told["saved"]["note"], told["saved"]["changes"]) == ("Better.", "source +1 \N{MINUS SIGN}0")
    assert numbers(developer) == [(2, "draft"), (1, "active")]
    assert developer.post(f"{PATH}/activate", {"version": 2, "instead_of": 1}).json()["version"] == 2
    assert numbers(developer) == [(2, "active"), (1, "earlier")]
    assert developer.post(f"{PATH}/roll-back", {"version": 1}).json()["version"] == 1
    assert numbers(developer) == [(2, "earlier"), (1, "active")]


def test_who_decided_with_another_version_in_view_gets_409_with_the_number(developer) -> None:
    save(developer, "2")
    told = developer.post(f"{PATH}/activate", {"version": 1, "instead_of": 1})
    assert (told.status_code, told.json()["code"], told.json()["details"]) == (409, "active_version_changed", {"active": 2})


def test_the_second_of_two_editors_gets_409_with_the_other_s_name_and_what_differs(cast, developer, by_session: Call) -> None:
    save(by_session(cast.owner), "theirs", based_on=1)
    told = save(developer, "mine", based_on=1)
    details = told.json()["details"]
    assert (told.status_code, told.json()["code"], details["author"], details["version"]) == (409, "edit_conflict", "owner", 2)
    assert details["diff"].splitlines()[-2:] == ["-# theirs", "+# mine"]
    assert len(numbers(developer)) == 2
    assert save(developer, "mine", based_on=1, newest_seen=2).status_code == 201


def test_settings_that_are_not_spoken_of_are_those_of_the_version_that_was_edited(developer) -> None:
    save(developer, "2", limits={"wall_seconds": 5})
    save(developer, "3", limits={})
    save(developer, "4", based_on=2, newest_seen=3)
    assert developer.get(f"{PATH}/versions/4").json()["content"]["limits"] == {"wall_seconds": 5}


def test_two_versions_are_compared_by_lines_and_settings(developer) -> None:
    save(developer, "2", requirements=["markdown"])
    told = developer.get(f"{PATH}/diff", before=1, after=2).json()
    assert told["source"].splitlines()[0] == "@@ -1,2 +1,3 @@"
    assert told["source"].splitlines()[-1] == "+# 2"
    assert told["settings"] == [{"name": "requirements", "before": [], "after": ["markdown"]}]
    assert told["summary"] == "source +1 \N{MINUS SIGN}0, packages"
    assert developer.get(f"{PATH}/diff").json() == told


@pytest.mark.parametrize("number", ["9", "0", "-1", str(2**70)])
def test_a_version_that_is_not_there_is_not_found(developer, number: str) -> None:
    for answer in (
        developer.get(f"{PATH}/versions/{number}"),
        developer.get(f"{PATH}/diff", before=number),
        developer.post(f"{PATH}/activate", {"version": int(number)}),
        developer.post(f"{PATH}/roll-back", {"version": int(number)}),
        save(developer, "x", based_on=int(number)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_version")


def test_users_are_named_a_page_at_a_time(developer) -> None:
    for name, called in (("one", "clean"), ("two", "clean"), ("three", "two")):
        developer.post("/functions", {"source": f"def {name}(): return {called}('a')"})
    first = developer.get(f"{PATH}/users", limit=2).json()
    second = developer.get(f"{PATH}/users", limit=2, after=first["next"]).json()
    told = {each["name"]: each["is_direct"] for page in (first, second) for each in page["items"]}
    assert (told, second["next"]) == ({"one": True, "two": True, "three": False}, None)


def test_an_archived_function_is_listed_apart_runs_no_more_and_comes_back(cast, developer) -> None:
    assert developer.post(f"{PATH}/archive").json()["archived_at"]
    assert developer.get("/functions").json()["items"] == []
    assert [each["name"] for each in developer.get("/functions", shelf="archive").json()["items"]] == ["clean"]
    refused = developer.post(f"{PATH}/runs", {"arguments": {"text": "a"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "function_archived")
    assert save(developer, "2").json()["code"] == "function_archived"
    assert developer.post(f"{PATH}/unarchive").json()["archived_at"] is None
    assert developer.post(f"{PATH}/runs", {"arguments": {"text": "a"}}).status_code == 202


def test_what_is_called_is_not_archived_and_the_callers_are_named(developer) -> None:
    developer.post("/functions", {"source": "def caller(): return clean('a')"})
    refused = developer.post(f"{PATH}/archive")
    assert (refused.status_code, refused.json()["details"]) == (409, {"functions": ["caller"], "count": 1})


def test_an_archived_function_is_deleted_for_good_by_an_admin(cast, developer, by_session: Call, by_token: Call) -> None:
    admin = by_session(cast.admin)
    assert admin.send("DELETE", PATH).json()["code"] == "not_archived"
    developer.post(f"{PATH}/archive")
    assert developer.send("DELETE", PATH).status_code == 403
    assert admin.send("DELETE", PATH).status_code == 204
    assert developer.get(PATH).status_code == 404


def test_what_a_token_activates_says_so_in_the_audit_trail(cast, developer, by_token: Call) -> None:
    save(developer, "2", activate=False)
    assert by_token(cast.developer).post(f"{PATH}/activate", {"version": 2}).status_code == 200
    with scope(cast.acme.pk):
        assert AuditRecord.objects.filter(action="function.version_activated").latest("id").by_token


def test_a_pin_is_stated_with_the_dependency_and_stays_where_none_is_spoken_of(developer) -> None:
    caller = "def caller() -> str:\n    return clean('a')\n"
    made = developer.post("/functions", {"source": caller, "dependencies": ["clean@1"]}).json()
    assert (made["dependencies"], made["pins"]) == (["clean"], {"clean": 1})
    kept = developer.post("/functions/caller/versions", {"source": caller + "#\n"}).json()
    assert (kept["version"], kept["pins"]) == (2, {"clean": 1})
    refused = developer.post("/functions", {"source": caller.replace("caller", "other"), "dependencies": ["clean@7"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_dependency")


def test_examples_are_stated_tried_and_wanted(cast, developer) -> None:
    examples = [{"arguments": {"text": " a "}, "result": "a"}, {"arguments": {"text": ""}, "raises": "ValueError"}]
    assert save(developer, "2", examples=examples, activate=False).status_code == 201
    told = developer.get(f"{PATH}/versions/2/examples").json()
    assert [(each["expected"], each["verdict"], each["run"]) for each in told] == [
        ('"a"', "untried", None), ("raises ValueError", "untried", None),
    ]  # fmt: skip
    tried = developer.post(f"{PATH}/versions/2/examples")
    assert (tried.status_code, [each["verdict"] for each in tried.json()]) == (202, ["open", "open"])
    assert developer.get(f"/runs/{tried.json()[0]['run']}").json()["version"] == 2
    assert developer.post(f"{PATH}/examples", {"required": True}).status_code == 200
    refused = developer.post(f"{PATH}/activate", {"version": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "examples_not_met")
    assert refused.json()["details"]["numbers"] == [1, 2]
    assert developer.post(f"{PATH}/versions/1/examples").json()["code"] == "no_examples"

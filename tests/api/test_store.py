"""The store over the API: pages, filters, writing against what was read."""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from apps.core.tenancy import scope
from apps.store.models import Document
from tests.api.conftest import Call, Caller


@pytest.fixture
def caller(cast: SimpleNamespace, by_token: Call) -> Caller:
    return by_token(cast.developer)


def put(caller: Caller, key: str, value: Any, collection: str = "notes", **headers: str) -> Any:
    return caller.send("PUT", f"/store/{collection}/{quote(key, safe='')}", json.dumps({"value": value}), **headers)


def test_a_document_is_written_read_changed_and_deleted(caller) -> None:
    made = put(caller, "a", {"n": 1}).json()
    assert (made["value"], made["version"], made["member"], made["run"]) == ({"n": 1}, 1, "developer", None)
    assert put(caller, "a", [1]).json()["version"] == 2
    assert caller.get("/store/notes/a").json()["value"] == [1]
    assert caller.send("DELETE", "/store/notes/a").status_code == 204
    told = caller.get("/store/notes/a")
    assert (told.status_code, told.json()["code"]) == (404, "no_such_document")


@pytest.mark.parametrize("key", ["a/b", "https://example.com/x?y=z&n=1#top", "a b", "größe", "100%", "a%2Fb", "/", "a//b", "…"])
def test_any_key_has_an_address(caller, key: str) -> None:
    assert put(caller, key, 1).json()["key"] == key
    assert caller.get(f"/store/notes/{quote(key, safe='')}").json()["key"] == key


def test_writing_against_what_was_read_overwrites_nobody(caller) -> None:
    first = put(caller, "a", 1, If_None_Match="*").json()
    again = put(caller, "a", 2, If_None_Match="*")
    assert (again.status_code, again.json()["code"]) == (412, "changed_meanwhile")
    second = put(caller, "a", 3, If_Match=f'"{first["revision"]}"')
    assert (second.status_code, second.json()["version"]) == (200, 2)
    for stale in (
        put(caller, "a", 4, If_Match=first["revision"]),
        caller.send("DELETE", "/store/notes/a", If_Match=f'"{first["revision"]}"'),
    ):
        assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")
    assert caller.get("/store/notes/a").json()["value"] == 3
    assert caller.send("DELETE", "/store/notes/a", If_Match=second.json()["revision"]).status_code == 204


@pytest.mark.parametrize(
    "headers", [{"If_Match": "*"}, {"If_Match": "W/x"}, {"If_None_Match": "x"}, {"If_None_Match": "*", "If_Match": "x"}]
)
def test_a_precondition_that_is_none_is_refused(caller, headers: dict[str, str]) -> None:
    refused = put(caller, "a", 1, **headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_precondition")


def test_documents_come_by_pages_that_follow_each_other(caller) -> None:
    for number in range(7):
        put(caller, f"k{number}", {"n": number})
    keys, after = [], ""
    while True:
        page = caller.get("/store/notes", limit=2, after=after, where='{"n": {"$lt": 5}}', order="-key").json()
        keys += [document["key"] for document in page["items"]]
        after = page["next"]
        if not after:
            break
    assert keys == ["k4", "k3", "k2", "k1", "k0"]
    assert [document["key"] for document in caller.get("/store/notes", prefix="k6").json()["items"]] == ["k6"]


def test_collections_come_by_pages_of_names(caller) -> None:
    for name in ("c", "a", "b"):
        put(caller, "k", 1, name)
    first = caller.get("/store", limit=2).json()
    assert ([each["name"] for each in first["items"]], first["next"]) == (["a", "b"], "b")
    second = caller.get("/store", limit=2, after="b").json()
    assert ([each["name"] for each in second["items"]], second["next"]) == (["c"], None)


def test_an_answer_holds_no_more_than_a_few_mebibytes_of_documents(caller, monkeypatch) -> None:
    monkeypatch.setattr("apps.store.services.PAGE_BYTES", 1000)
    for number in range(4):
        put(caller, f"k{number}", "x" * 400)
    page = caller.get("/store/notes").json()
    assert [document["key"] for document in page["items"]] == ["k0", "k1"]
    assert [document["key"] for document in caller.get("/store/notes", after=page["next"]).json()["items"]] == ["k2", "k3"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"value": null}', "bad_document"),
        ('{"value": NaN}', "bad_document"),
        ('{"value": 1e400}', "bad_document"),
        ('{"value": "a\\u0000"}', "bad_document"),
        ('{"value": "\\ud800"}', "bad_document"),
        ('{"value": ' + "[" * 100 + "]" * 100 + "}", "bad_document"),
        ('{"value": "' + "x" * 300_000 + '"}', "document_too_large"),
        ("{}", "invalid"),
        ("[]", "bad_request"),
    ],
    ids=lambda text: text[:24],
)
def test_a_value_that_cannot_be_kept_is_a_problem_and_nothing_is_stored(caller, cast, body: str, code: str) -> None:
    response = caller.send("PUT", "/store/notes/a", body)
    assert (response.status_code, response.json()["code"]) == (
        {"document_too_large": 413, "bad_request": 400}.get(code, 422),
        code,
    )
    with scope(cast.acme.pk):
        assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"where": "{"}, "bad_json"),
        ({"where": "[]"}, "bad_filter"),
        ({"where": '{"$where": "1"}'}, "bad_filter"),
        ({"where": "[" * 100_000}, "bad_json"),
        ({"where": '{"a": "\\u0000"}'}, "bad_filter"),
        ({"order": "value"}, "bad_order"),
        ({"after": "x"}, "bad_cursor"),
        ({"prefix": "a\x00"}, "bad_prefix"),
        ({"limit": "many"}, "invalid"),
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_a_problem(caller, query: dict[str, str], code: str) -> None:
    response = caller.get("/store/notes", **query)
    assert (response.status_code, response.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    ("collection", "key", "code"), [("no tes", "a", "bad_collection"), ("notes", "%00", "bad_key"), ("notes", "..", "bad_key")]
)
def test_a_name_that_cannot_be_is_a_problem(caller, collection: str, key: str, code: str) -> None:
    response = caller.send("PUT", f"/store/{quote(collection)}/{key}", '{"value": 1}')
    assert (response.status_code, response.json()["code"]) == (422, code)


def test_a_stranger_sees_keys_and_collections_of_their_own_only(caller, cast, by_token: Call) -> None:
    put(caller, "a", "acme's")
    stranger = by_token(cast.stranger)
    assert stranger.get("/store").json()["items"] == []
    assert stranger.get("/store/notes").json()["items"] == []
    assert stranger.get("/store/notes/a").status_code == 404
    assert stranger.send("DELETE", "/store/notes/a").status_code == 404
    assert put(stranger, "a", "globex's", If_None_Match="*").status_code == 200
    assert caller.get("/store/notes/a").json()["value"] == "acme's"

"""Filters and pages, by PostgreSQL itself."""

import base64
import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core import patience
from apps.core.json_filters import MOST_CONDITIONS, BadFilter, read_filter
from apps.core.patience import FilterTooSlow
from apps.store.models import Document
from apps.store.queries import BadCursor, BadOrder, page_of, read_query
from apps.store.services import find_documents, list_collections, write_document
from apps.store.values import check_value

PEOPLE = {
    "ada": {"age": 36, "status": "open", "tags": ["new", "vip"], "owner": {"name": "grace", "a.b": 1}, "left": None},
    "bob": {"age": 17.5, "status": "closed", "tags": [], "owner": {"name": "ada"}},
    "cid": {"age": "36", "status": "Open", "nested": {"deep": [{"x": True}]}},
    "dot": [1, 2],
    "eve": "36",
}


@pytest.fixture
def people(in_acme, cast) -> None:
    for key, value in PEOPLE.items():
        write_document(actor=cast.developer, collection="people", key=key, value=value)


def found(where: Any) -> list[str]:
    return [row.key for row in Document.objects.filter(read_filter(where)).order_by("key")]


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ({}, ["ada", "bob", "cid", "dot", "eve"]),
        ({"status": "open"}, ["ada"]),
        ({"age": 36}, ["ada"]),
        ({"age": 36.0}, ["ada"]),
        ({"age": "36"}, ["cid"]),
        ({"age": {"$gte": 17.5}}, ["ada", "bob"]),
        ({"age": {"$gt": 17.5}}, ["ada"]),
        ({"age": {"$lt": 36}}, ["bob"]),
        ({"age": {"$lte": "4"}}, ["cid"]),
        ({"status": {"$gt": "Z"}}, ["ada", "bob"]),
        ({"status": {"$in": ["open", "Open"]}}, ["ada", "cid"]),
        ({"status": {"$ne": "open"}}, ["bob", "cid", "dot", "eve"]),
        ({"left": None}, ["ada"]),
        ({"left": {"$exists": True}}, ["ada"]),
        ({"tags": {"$exists": False}}, ["cid", "dot", "eve"]),
        ({"tags.0": "new"}, ["ada"]),
        ({"tags": ["new", "vip"]}, ["ada"]),
        ({"tags": []}, ["bob"]),
        ({"0": 1}, ["dot"]),
        ({"owner.name": "ada"}, ["bob"]),
        ({"owner": {"$eq": {"name": "ada"}}}, ["bob"]),
        ({"owner": {"name": "ada"}}, ["bob"]),
        ({"nested.deep.0.x": True}, ["cid"]),
        ({"age": {"$gte": 17, "$lt": 20}}, ["bob"]),
        ({"$or": [{"age": 36}, {"status": "closed"}]}, ["ada", "bob"]),
        ({"$and": [{"age": {"$gt": 1}}, {"$or": [{"status": "open"}, {"status": "x"}]}]}, ["ada"]),
        ({"status": "open", "age": 17.5}, []),
        ({"$eq": "36"}, ["eve"]),
        ({"$gt": "3"}, ["eve"]),
        ({"$in": [[1, 2], "36"]}, ["dot", "eve"]),
        ({"$ne": "36", "age": {"$exists": False}}, ["dot"]),
        ({"exact": 1}, []),
        ({"age": {"$gt": 10**300}}, []),
        ({"it's": "'; DROP TABLE x; --"}, []),
        ({"%s": "%(a)s"}, []),
        ({"a\\": 'b\\"'}, []),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_says(people, where: Any, keys: list[str]) -> None:
    assert found(where) == keys


@pytest.mark.parametrize(
    "where",
    [
        [], "x", None, 7,
        {"$not": {"a": 1}}, {"$or": []}, {"$or": {"a": 1}}, {"$or": [{}]}, {"$and": [7]}, {"$where": "1=1"},
        {"a": {"$regex": "x"}}, {"a": {"$gt": None}}, {"a": {"$gt": True}}, {"a": {"$gt": [1]}}, {"a": {"$in": "x"}},
        {"a": {"$in": []}}, {"a": {"$in": list(range(101))}}, {"a": {"$exists": 1}}, {"a": {"$eq": 1, "b": 2}},
        {"": 1}, {"a..b": 1}, {".": 1}, {".".join("a" * 11): 1}, {"x" * 201: 1}, {"a\x00": 1}, {"a": "\x00"},
        {"a": {"$gt": "\x00"}}, {"\ud800": 1}, {"a": ["\ud800"]}, {"a": float("nan")}, {"a": {"$lt": float("inf")}},
        {"$in": []}, {"$gt": None}, {"$eq": float("nan")},
        {"a": json.loads("[" * 40 + "]" * 40)},
        {str(number): 1 for number in range(MOST_CONDITIONS + 1)},
        {"$and": [{"$and": [{"$and": [{"$and": [{"$and": [{"$and": [{"a": 1}]}]}]}]}]}]},
    ],
    ids=lambda where: str(where)[:50].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused_before_the_database_hears_of_it(where: Any) -> None:
    with pytest.raises(BadFilter):
        read_filter(where)


def keys_by_pages(**asked: Any) -> list[str]:
    keys: list[str] = []
    after = None
    while True:
        query = read_query(limit=2, after=after, **asked)
        page = page_of([Document.objects.filter(collection__name="people")], query)
        keys += [row.key for row in page.rows]
        after = page.next
        if after is None:
            return keys


@pytest.mark.parametrize("order", ["key", "-key", "updated_at", "-updated_at"])
def test_pages_go_through_everything_once_in_any_order(people, order: str) -> None:
    keys = keys_by_pages(order=order)
    assert sorted(keys) == sorted(PEOPLE)
    if order.endswith("key"):
        assert keys == sorted(PEOPLE, reverse=order.startswith("-"))


def test_pages_of_a_filter_and_of_a_prefix_leave_nothing_out(people) -> None:
    assert keys_by_pages(where={"status": {"$exists": True}}) == ["ada", "bob", "cid"]
    assert keys_by_pages(prefix="b") == ["bob"]
    assert keys_by_pages(prefix="%") == []


def test_a_page_of_large_documents_is_shorter_and_never_empty(people) -> None:
    page = page_of([Document.objects.filter(collection__name="people")], read_query(limit=5), most_bytes=1)
    assert [(row.key, row.value) for row in page.rows] == [("ada", PEOPLE["ada"])]
    assert page.next


def test_values_are_read_of_those_documents_only_that_a_page_has_room_for(people) -> None:
    """A page of the largest documents would else take hundreds of mebibytes of the worker that a box asks for it."""
    room = check_value(PEOPLE["ada"]) + check_value(PEOPLE["bob"])
    with CaptureQueriesContext(connection) as caught:
        page_of([Document.objects.filter(collection__name="people")], read_query(limit=5), most_bytes=room)
    first, second = (each["sql"] for each in caught if each["sql"].startswith('SELECT "store_document"'))
    assert '"store_document"."value"' not in first
    assert second.count("::uuid") == 3, second  # the workspace, ada and bob


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


CURSORS = [
    *("x", "!", 7, [], "Wy" * 5000, cursor("null"), cursor("[1]"), cursor('["a\\u0000"]'), cursor("[" * 100_000)),
    *(cursor('["a", 1]'), cursor('["2026-01-02T03:04:05", "a"]'), cursor('["0001-01-01T00:00:00+23:59", "a"]')),
]


@pytest.mark.parametrize("after", CURSORS, ids=lambda after: str(after)[:20])
@pytest.mark.parametrize("order", ["key", "-updated_at"])
def test_a_cursor_that_nobody_gave_is_refused(after: Any, order: str) -> None:
    with pytest.raises(BadCursor):
        read_query(after=after, order=order)


@pytest.mark.parametrize("order", ["value", "-", "", None, 7, "key; --"])
def test_an_order_that_there_is_not_is_refused(order: Any) -> None:
    with pytest.raises(BadOrder):
        read_query(order=order)


def test_a_query_that_takes_too_long_is_ended_and_told(people, monkeypatch) -> None:
    slow = Document.objects.extra(where=["pg_sleep(2) IS NOT NULL"])
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1)
    with pytest.raises(FilterTooSlow, match="within 1 s"), transaction.atomic():
        page_of([slow], read_query())


def test_the_first_page_of_a_collection_is_read_by_its_index(people) -> None:
    """Without it a page of a large collection would cost a look at all of it. The operators must be leakproof for that."""
    for asked in ({}, {"prefix": "b"}, {"after": read_query().cursor_of(Document.objects.get(key="bob"))}):
        query = read_query(**asked)
        with CaptureQueriesContext(connection) as caught:
            page_of([Document.objects.filter(collection=Document.objects.first().collection_id)], query)
        (asked_sql,) = [each["sql"] for each in caught if each["sql"].startswith('SELECT "store_document"')][-1:]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {asked_sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using store_document_once" in plan, plan
        assert "Sort" not in plan, plan


def test_collections_are_listed_by_name_while_they_have_documents(people, cast) -> None:
    from apps.store.services import delete_document

    other = write_document(actor=cast.developer, collection="Alpha", key="a", value=1)
    assert [row.name for row in list_collections(actor=cast.viewer)] == ["Alpha", "people"]
    delete_document(actor=cast.developer, document_id=other.pk)
    assert [row.name for row in list_collections(actor=cast.viewer)] == ["people"]


def test_an_unknown_collection_has_no_documents(in_acme, cast) -> None:
    assert find_documents(actor=cast.viewer, collection="nowhere", query=read_query()).rows == []

"""Names, keys and values: what may be kept, and how large it is."""

import json

import pytest

from apps.core.json_values import DEEPEST, BadDocument, BadJson, read_json
from apps.store.values import (
    DOCUMENT_BYTES,
    BadCollection,
    BadKey,
    DocumentTooLarge,
    check_collection,
    check_key,
    check_value,
)


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "x" * 101, "é", "a\n", 7, None, ["a"], "a\x00"])
def test_a_collection_has_a_plain_name(name: object) -> None:
    with pytest.raises(BadCollection):
        check_collection(name)


@pytest.mark.parametrize("key", ["", " a", "a ", "a\nb", "a\x00", "x" * 201, ".", "..", "\ud800", "a\u202eb", 7, None, {}])
def test_a_key_is_a_visible_text(key: object) -> None:
    with pytest.raises(BadKey):
        check_key(key)


@pytest.mark.parametrize(
    "key", ["ada@example.com", "https://example.com/a?b=c", "2026-01-02", "größe", "日本", "a b", "a.b", "..."]
)
def test_keys_may_be_addresses_dates_and_words_of_any_language(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("value", [0, False, "", [], {}, 1.5, "x", [1, {"a": None}], {"größe": "日本"}, 10**300])
def test_a_document_is_any_json_but_null_and_its_size_is_that_of_its_text(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert len(text.encode()) - 2 <= check_value(value) <= len(text.encode()) + 4


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "a\x00b", {"a\x00": 1}, ["\ud800"], {"\udfff": 1}], ids=repr)
def test_what_the_database_cannot_keep_is_refused(value: object) -> None:
    with pytest.raises(BadDocument):
        check_value(value)


def test_depth_is_bounded() -> None:
    deep: object = 1
    for _ in range(DEEPEST - 1):
        deep = [deep]
    assert check_value(deep)
    with pytest.raises(BadDocument, match="nested"):
        check_value({"a": deep})


@pytest.mark.parametrize("value", ["x" * DOCUMENT_BYTES, ["é"] * DOCUMENT_BYTES, [1e300] * 1000], ids=["text", "list", "numbers"])
def test_a_document_that_is_too_large_is_refused_also_when_only_the_database_would_make_it_so(value: object) -> None:
    """PostgreSQL gives 1e300 back with three hundred zeros."""
    with pytest.raises(DocumentTooLarge, match="256 KiB"):
        check_value(value)


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", "[" * 100_000, "1" * 5000, "{'a': 1}"], ids=lambda text: text[:12]
)
def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(BadJson):
        read_json(text)


def test_a_mistake_in_json_is_told_with_its_place() -> None:
    with pytest.raises(BadJson, match="Line 2, column 7"):
        read_json('{"a": 1,\n "b": x}')

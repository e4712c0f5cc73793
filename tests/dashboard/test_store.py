"""The pages of the store."""

import json
import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.dashboard.paging import ROWS
from apps.store.commit import Change, apply, documents_at
from apps.store.models import Document
from apps.store.services import write_document
from tests.dashboard.conftest import make_function, make_run

URL = "/w/acme/store/"


def put(cast: SimpleNamespace, key: str, value: Any, collection: str = "orders") -> Document:
    with scope(cast.acme.pk):
        return write_document(actor=cast.developer, collection=collection, key=key, value=value)


def main_of(response: Any) -> str:
    return unescape(response.content.decode()).partition("<main")[2].partition("</main>")[0]


def keys_of(response: Any) -> list[str]:
    return re.findall(r'<a class="mono" href="/w/acme/store/documents/[^"]+">([^<]+)</a>', main_of(response))


def test_an_empty_store_says_what_to_do_with_lines_of_code(cast, sign_in) -> None:
    page = main_of(sign_in(cast.viewer).get(URL))
    assert "Nothing is remembered yet" in page
    assert "func" in page
    assert "count_visit" in page
    assert "New document" not in page
    assert "New document" in main_of(sign_in(cast.developer).get(URL))


def test_collections_are_listed_with_how_much_is_in_them(cast, sign_in, monkeypatch) -> None:
    monkeypatch.setattr("apps.dashboard.store.MANY", 3)
    for number in range(4):
        put(cast, str(number), number)
    put(cast, "a", 1, "Visits")
    page = main_of(sign_in(cast.viewer).get(URL))
    assert re.findall(r'data-label="Documents" class="number">([^<]*)<', page) == ["1", "3 or more"]


def test_documents_are_found_by_the_beginning_of_their_key_and_by_a_filter(cast, sign_in) -> None:
    first = put(cast, "ada", {"status": "open", "n": 1})
    put(cast, "adam", {"status": "done", "n": 2})
    put(cast, "bob", {"status": "open", "n": 3})
    client, url = sign_in(cast.viewer), f"{URL}{first.collection_id}/"
    assert keys_of(client.get(url)) == ["ada", "adam", "bob"]
    assert keys_of(client.get(url, {"q": "ada"})) == ["ada", "adam"]
    assert keys_of(client.get(url, {"where": '{"status": "open"}', "order": "-key"})) == ["bob", "ada"]
    assert keys_of(client.get(url, {"order": "-updated_at"})) == ["bob", "adam", "ada"]
    nothing = client.get(url, {"where": '{"n": {"$gt": 3}}'})
    assert "No document matches" in main_of(nothing)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("{", "Line 1, column 2"),
        ("[]", "A filter is an object"),
        ('{"$x": 1}', "is not known here"),
        ('{"a": {"$gt": null}}', "compare with"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_and_kept_in_its_field(cast, sign_in, where: str, words: str) -> None:
    url = f"{URL}{put(cast, 'a', 1).collection_id}/"
    response = sign_in(cast.viewer).get(url, {"where": where})
    assert response.status_code == 422
    assert words in main_of(response)
    assert f'value="{where}"' in main_of(response)


def test_pages_of_documents_go_on_and_back_to_the_beginning_and_keep_the_filter(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        changes = [Change("orders", f"k{number:03}", {"n": number}) for number in range(2 * ROWS + 3)]
        apply(changes, documents_at([]), member=cast.developer)
        collection = Document.objects.first().collection_id
    client, url = sign_in(cast.viewer), f"{URL}{collection}/"
    response, keys = client.get(url, {"where": '{"n": {"$gte": 1}}'}), []
    while True:
        keys += keys_of(response)
        following = re.search(r'rel="next" href="([^"]+)"', main_of(response))
        if not following:
            break
        response = client.get(url + following[1])
    assert keys == [f"k{number:03}" for number in range(1, 2 * ROWS + 3)]
    first = re.search(r'rel="start" href="([^"]+)"', main_of(response))
    assert keys_of(client.get(url + first[1]))[0] == "k001"


def test_many_documents_cost_as_many_queries_as_few(cast, sign_in) -> None:
    client, counts = sign_in(cast.viewer), []
    for count in (2, 20):
        with scope(cast.acme.pk):
            version = make_function(cast.developer, f"writer{count}")
            run = make_run(cast.developer, version)
            apply([Change("orders", f"{count}-{number}", number) for number in range(count)], {}, run=run)
            collection = Document.objects.first().collection_id
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{URL}{collection}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 20


def test_a_document_shows_who_wrote_it_and_what_it_was_before(cast, sign_in) -> None:
    document = put(cast, "a", {"state": "first"})
    with scope(cast.acme.pk):
        run = make_run(cast.developer, make_function(cast.developer))
        apply([Change("orders", "a", {"state": "second"})], documents_at([("orders", "a")]), run=run)
    page = main_of(sign_in(cast.viewer).get(f"{URL}documents/{document.pk}/"))
    assert '"state": "second"' in page
    assert f"/w/acme/runs/{run.pk}/" in page
    assert '"state": "first"' in page.partition("What it was before")[2]
    assert "by developer" in page
    assert "Edit" not in page


def test_a_developer_makes_changes_and_deletes_a_document(cast, sign_in) -> None:
    client = sign_in(cast.developer)
    made = client.post(f"{URL}new", {"collection": "orders", "key": "a/b", "value": '{"n": 1}'}, follow=True)
    with scope(cast.acme.pk):
        document = Document.objects.get()
    assert (document.key, document.value) == ("a/b", {"n": 1})
    assert "Saved." in made.content.decode()
    edit = f"{URL}documents/{document.pk}/edit"
    form = client.get(edit)
    assert f'value="{document.revision}"' in form.content.decode()
    client.post(edit, {"value": "[1, 2]", "seen": str(document.revision)})
    with scope(cast.acme.pk):
        assert Document.objects.get().value == [1, 2]
    told = client.post(f"{URL}documents/{document.pk}/delete", follow=True)
    assert "Deleted." in told.content.decode()
    assert "No document is left" in told.content.decode()
    with scope(cast.acme.pk):
        assert not Document.objects.exists()


def test_the_second_of_two_who_edit_is_told_keeps_their_text_and_overwrites_nothing(cast, sign_in) -> None:
    document = put(cast, "a", 1)
    put(cast, "a", 2)
    edit = f"{URL}documents/{document.pk}/edit"
    response = sign_in(cast.admin).post(edit, {"value": "[3]", "seen": str(document.revision)})
    assert response.status_code == 412
    page = main_of(response)
    assert "has changed this document since you opened it" in page
    assert "[3]" in page
    assert "See what it is now" in page
    with scope(cast.acme.pk):
        assert Document.objects.get().value == 2


def test_what_was_changed_since_the_page_was_opened_is_not_deleted(cast, sign_in) -> None:
    document = put(cast, "a", 1)
    put(cast, "a", 2)
    delete, client = f"{URL}documents/{document.pk}/delete", sign_in(cast.developer)
    refused = client.post(delete, {"seen": str(document.revision)})
    assert (refused.status_code, "has changed this document" in refused.content.decode()) == (412, True)
    shown = re.search(r'name="seen" value="([^"]+)"', client.get(f"{URL}documents/{document.pk}/").content.decode())
    assert client.post(delete, {"seen": shown[1]}).status_code == 302
    with scope(cast.acme.pk):
        assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"value": "{"}, "Line 1, column 2"),
        ({"value": "null"}, "not null"),
        ({"value": json.dumps("x" * 300_000)}, "256 KiB"),
        ({"key": "a\nb", "value": "1"}, "A key is a text"),
        ({"collection": "a b", "value": "1"}, "A collection's name"),
        ({"key": "taken", "value": "1"}, "already"),
    ],
)
def test_a_document_that_cannot_be_is_told_in_the_form_and_nothing_is_stored(
    cast, sign_in, given: dict[str, str], words: str
) -> None:
    put(cast, "taken", "as it was")
    response = sign_in(cast.developer).post(f"{URL}new", {"collection": "orders", "key": "new", **given})
    assert response.status_code in (412, 413, 422)
    assert words in main_of(response)
    with scope(cast.acme.pk):
        assert list(Document.objects.values_list("key", "value")) == [("taken", "as it was")]


def test_what_a_run_wrote_is_shown_and_not_obeyed(cast, sign_in) -> None:
    document = put(cast, "<b>x</b>", {"a": "<script>alert(1)</script>", "b": "\u202eevil"})
    client = sign_in(cast.viewer)
    for url in (f"{URL}{document.collection_id}/", f"{URL}documents/{document.pk}/"):
        raw = client.get(url).content.decode()
        assert "<script>alert" not in raw
        assert "<b>x" not in raw
        assert "\u202e" not in raw

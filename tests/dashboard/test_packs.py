"""Pack files in the browser: looked at first, then loaded."""

import html
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.core.tenancy import scope
from apps.functions.models import Function

PAGE = "/w/acme/functions/packs"
PACK = """\

@func.register_function(metadata={"description": "Says <hello>."})
def hello(name: str) -> str:
    return f"<b>{name}</b>"

@func.register_function()
def lost():
    return nowhere()
"""


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


def names(cast: SimpleNamespace) -> list[str]:
    with scope(cast.acme.pk):
        return list(Function.objects.order_by("name").values_list("name", flat=True))


def look(client: Client, *files: tuple[str, bytes]):
    return client.post(PAGE, {"files": [SimpleUploadedFile(name, text) for name, text in files]})


def sent_back(page: str) -> dict[str, str]:
    """What the page's form would send, as a browser does."""
    texts = re.findall(r'<textarea name="(pack-\d+)" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="(name-\d+)" value="([^"]*)">', page)
    return {key: html.unescape(value).replace("\n", "\r\n") for key, value in [*texts, *hidden]} | {"load": "yes"}


def test_a_pack_is_looked_at_and_then_loaded_as_it_was_seen(client, cast) -> None:
    seen = look(client, ("greet.py", PACK.encode()))
    page = seen.content.decode()
    assert seen.status_code == 200
    assert "greet.py:3" in page
    assert "Load 1 function<" in page
    assert "“nowhere” is neither" in page
    assert "greet.py:7" in page
    assert names(cast) == []
    loaded = client.post(PAGE, sent_back(page))
    assert "Not loaded" in loaded.content.decode(), "what was refused is said again"
    with scope(cast.acme.pk):
        version = Function.objects.select_related("active_version").get().active_version
        assert version.source == 'def hello(name: str) -> str:\n    return f"<b>{name}</b>"\n'


def test_a_pack_without_faults_leads_to_the_functions(client, cast) -> None:
    page = look(client, ("greet.py", PACK.partition("@func.register_function()")[0].encode())).content.decode()
    answer = client.post(PAGE, sent_back(page), follow=True)
    assert answer.redirect_chain[-1][0] == "/w/acme/functions/"
    assert "1 function loaded." in answer.content.decode()
    assert names(cast) == ["hello"]


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ([("a.py", b"x = (")], 422, "Syntax error"),
        ([("a.py", b"\xff\xfe")], 422, "is no text in UTF-8"),
        ([("<a>.py", b"x = 1")], 422, "Nothing here is marked"),
        ([(f"{n}.py", b"x" * 700_000) for n in range(2)], 413, "more than 1 MiB"),
        ([], 422, "Choose 1 to 50"),
    ],
)
def test_what_cannot_be_loaded_is_said_and_nothing_is_kept(client, cast, files, status: int, words: str) -> None:
    answer = look(client, *files)
    assert answer.status_code == status
    assert words in answer.content.decode()
    assert "<a>" not in answer.content.decode()
    assert names(cast) == []


def test_who_may_not_write_functions_sees_no_page(cast, sign_in) -> None:
    viewer = sign_in(cast.viewer)
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, {"pack-0": PACK, "load": "yes"}).status_code == 403
    assert "Load packs" not in viewer.get("/w/acme/functions/").content.decode()


def test_packs_that_ship_are_shown_and_loaded_by_one_click(client, cast) -> None:
    page = client.get(PAGE).content.decode()
    assert "Packs that ship" in page
    assert "0 of 12" in page
    looked = client.post(PAGE, {"shipped": "default"}).content.decode()
    assert "Load 12 functions" in looked
    assert names(cast) == []
    loaded = client.post(PAGE, {"shipped": "default", "load": "yes"}, follow=True)
    assert loaded.redirect_chain[-1][0] == "/w/acme/functions/"
    assert "12 functions loaded." in loaded.content.decode()
    assert "12 of 12" in client.get(PAGE).content.decode()


def test_a_pack_that_does_not_ship_is_not_there(client, cast) -> None:
    answer = client.post(PAGE, {"shipped": "<b>", "load": "yes"})
    assert answer.status_code == 404
    assert "“<b>”" not in answer.content.decode()
    assert names(cast) == []

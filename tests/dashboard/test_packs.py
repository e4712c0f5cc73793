"""Packs in the browser: looked at first, then installed; decided on, removed, brought back, exported."""

import io
import re
import zipfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.approvals.models import ApprovalRequest
from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.packs.models import Pack
from apps.packs.trees import write_zip
from apps.vault.services import set_secret

PAGE = "/w/acme/packs/install"
GREET = """\

@func.register_function(metadata={"description": "Says <hello>."})
def hello(name: str) -> str:
    return f"<b>{name}</b>"
"""
LOST = """
@func.register_function()
def lost():
    return nowhere()
"""
KEYED = "@func.register_function(secrets=['API_KEY'])\ndef keyed() -> str:\n    return API_KEY\n"


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


def names(cast: SimpleNamespace) -> list[str]:
    with scope(cast.acme.pk):
        return list(Function.objects.library().order_by("name").values_list("name", flat=True))


def look(client: Client, *files: tuple[str, bytes], **more: str) -> Any:
    return client.post(PAGE, {"files": [SimpleUploadedFile(name, text) for name, text in files], **more})


def sent_back(page: str) -> dict[str, str]:
    """What the page's form would send."""
    return dict(re.findall(r'<input type="hidden" name="(packed|pack_name)" value="([^"]*)">', page)) | {"install": "yes"}


def pack_page(cast: SimpleNamespace) -> str:
    with scope(cast.acme.pk):
        return f"/w/acme/packs/{Pack.objects.get().pk}/"


def test_a_pack_is_looked_at_and_then_installed_as_it_was_seen(client, cast) -> None:
    seen = look(client, ("greet.py", (GREET + LOST).encode()))
    page = seen.content.decode()
    assert seen.status_code == 200
    assert "greet.py:3" in page
    assert "Install 1 function<" in page
    assert "“nowhere” is neither" in page
    assert "greet.py:7" in page
    assert names(cast) == []
    answer = client.post(PAGE, sent_back(page), follow=True)
    assert answer.redirect_chain[-1][0] == pack_page(cast)
    assert "greet is installed." in answer.content.decode()
    with scope(cast.acme.pk):
        version = Function.objects.select_related("active_version").get().active_version
        assert version.source == 'def hello(name: str) -> str:\n    return f"<b>{name}</b>"\n'


def test_line_ends_stay_what_they_are(client, cast) -> None:
    source = "def odd() -> str:\r\n    return 'x'\n"
    files = {"pack.toml": '[pack]\nname = "odd"\n[functions.odd]\n', "odd.py": source}
    client.post(PAGE, sent_back(look(client, ("odd.zip", write_zip(files))).content.decode()))
    with scope(cast.acme.pk):
        assert Function.objects.select_related("active_version").get().active_version.source == source


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ([("a.py", b"x = (")], 422, "Syntax error"),
        ([("a.py", b"\xff\xfe")], 422, "is no text in UTF-8"),
        ([("<a>.py", b"x = 1")], 422, "Nothing here is marked"),
        ([(f"{n}.py", b"x" * 700_000) for n in range(2)], 413, "more than 1 MiB"),
        ([("a.zip", b"PK\x03\x04")], 422, "cannot be read"),
        ([("a.py", GREET.encode()), ("b.py", GREET.encode())], 422, "There is one of this name in a.py already"),
        ([], 422, "Choose a zip"),
    ],
)
def test_what_cannot_be_installed_is_said_and_nothing_is_kept(client, cast, files, status: int, words: str) -> None:
    answer = look(client, *files)
    assert answer.status_code == status
    assert words in answer.content.decode()
    assert "<a>" not in answer.content.decode()
    assert names(cast) == []


@pytest.mark.parametrize("packed", ["", "no base 64", "eHh4"])
def test_what_comes_back_broken_is_said(client, cast, packed: str) -> None:
    assert client.post(PAGE, {"install": "yes", "packed": packed, "pack_name": "x"}).status_code == 422
    assert names(cast) == []


def test_what_a_pack_asks_for_is_decided_on_one_page_with_its_sources(client, cast, sign_in) -> None:
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="API_KEY", value="correct-horse")
    page = look(client, ("keyed.py", KEYED.encode())).content.decode()
    assert "Ask for it" in page
    answer = client.post(PAGE, {**sent_back(page), "reason": "To read it."}, follow=True).content.decode()
    assert "waits for somebody to agree" in answer
    assert names(cast) == []
    approver = sign_in(cast.approver)
    with scope(cast.acme.pk):
        request = ApprovalRequest.objects.get()
    address = f"/w/acme/approvals/{request.pk}/"
    evidence = approver.get(address).content.decode()
    assert "To read it." in evidence
    assert "API_KEY" in evidence
    assert "keyed.py:2" in evidence
    vote = {"decision": "approve", "reason": "", "shown_digest": request.digest}
    assert client.post(f"{address}vote", vote).status_code == 403
    assert approver.post(f"{address}vote", vote).status_code == 302
    assert names(cast) == ["keyed"]
    assert "Installed" in client.get(pack_page(cast)).content.decode()


def test_an_upgrade_shows_what_differs_line_by_line(client, cast) -> None:
    for version, text in (("1", GREET), ("2", GREET.replace("<b>", "<i>"))):
        files = {"pack.toml": f'[pack]\nname = "greetings"\nversion = "{version}"\n', "greet.py": text}
        page = look(client, ("greet.zip", write_zip(files))).content.decode()
        client.post(PAGE, sent_back(page))
    assert "diff-block" in page
    assert "With the pack" not in page, "no setting differs"
    assert "changed" in page


def test_a_pack_is_removed_and_brought_back(client, cast) -> None:
    client.post(PAGE, sent_back(look(client, ("greet.py", GREET.encode())).content.decode()))
    page = pack_page(cast)
    assert "in the archive" in client.post(f"{page}remove", follow=True).content.decode()
    assert names(cast) == []
    assert "It is back." in client.post(f"{page}restore", follow=True).content.decode()
    assert names(cast) == ["hello"]


def test_who_needs_a_pack_is_named_with_a_link_when_it_is_not_removed(client, cast) -> None:
    client.post(PAGE, sent_back(look(client, ("greet.py", GREET.encode())).content.decode()))
    outside = "@func.register_function()\ndef outside() -> str:\n    return hello('x')\n"
    client.post(PAGE, sent_back(look(client, ("outside.py", outside.encode())).content.decode()))
    with scope(cast.acme.pk):
        page = f"/w/acme/packs/{Pack.objects.get(name='greet').pk}/"
    answer = client.post(f"{page}remove")
    assert answer.status_code == 409
    assert "“hello” is needed by the function “outside”" in answer.content.decode()
    assert "/w/acme/functions/?q=outside" in answer.content.decode()


def test_packs_and_the_library_are_downloaded(client, cast) -> None:
    assert client.get("/w/acme/packs/export").status_code == 302, "there is nothing yet"
    client.post(PAGE, sent_back(look(client, ("greet.py", GREET.encode())).content.decode()))
    for address in (f"{pack_page(cast)}export", "/w/acme/packs/export", "/w/acme/packs/export?name=hello"):
        answer = client.get(address)
        assert answer.headers["Content-Type"] == "application/zip"
        assert sorted(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) == ["hello.py", "pack.toml"]
    assert client.get("/w/acme/packs/export?name=nothing").status_code == 404


def test_the_list_says_what_is_installed_and_is_searched(client, cast) -> None:
    assert "No packs yet" in client.get("/w/acme/packs/").content.decode()
    client.post(PAGE, sent_back(look(client, ("greet.py", GREET.encode())).content.decode()))
    assert ">greet</a>" in client.get("/w/acme/packs/?q=gre").content.decode()
    assert "No pack matches" in client.get("/w/acme/packs/?q=nothing").content.decode()


def test_who_may_not_write_functions_installs_nothing(cast, sign_in) -> None:
    viewer = sign_in(cast.viewer)
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, {"packed": "", "install": "yes"}).status_code == 403
    assert "Install a pack" not in viewer.get("/w/acme/functions/").content.decode()
    assert "Install a pack" not in viewer.get("/w/acme/packs/").content.decode()


def test_packs_that_ship_are_shown_and_installed(client, cast) -> None:
    page = client.get(PAGE).content.decode()
    assert "Packs that ship" in page
    assert "0 of 12" in page
    looked = client.post(PAGE, {"shipped": "default"}).content.decode()
    assert "Install 12 functions" in looked
    assert names(cast) == []
    installed = client.post(PAGE, sent_back(looked), follow=True).content.decode()
    assert "is installed." in installed
    assert "12 of 12" in client.get(PAGE).content.decode()


def test_a_pack_that_does_not_ship_is_not_there(client, cast) -> None:
    answer = client.post(PAGE, {"shipped": "<b>"})
    assert answer.status_code == 404
    assert "“<b>”" not in answer.content.decode()
    assert names(cast) == []

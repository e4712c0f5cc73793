"""Packs over the API."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.packs.trees import write_zip

HELLO = "@func.register_function()\ndef hello():\n    return 1\n"
PACK = HELLO + "\n@func.register_function()\ndef lost():\n    return nowhere()\n"
TREE = {"pack.toml": '[pack]\nname = "greetings"\nversion = "1.0"\n', "hello.py": HELLO}


def test_packs_are_looked_at_and_installed(caller) -> None:
    body = {"files": [{"name": "greet.py", "text": PACK}]}
    seen = caller.post("/packs", {**body, "only_look": True}).json()
    assert seen["loaded"] == [{"name": "hello", "file": "greet.py", "line": 2, "change": "new", "version": 1}]
    assert [(each["name"], each["line"]) for each in seen["refused"]] == [("lost", 6)]
    assert (seen["pack"], seen["state"], seen["asks"]) == ("greet", "", False)
    assert caller.get("/functions").json()["items"] == []
    assert caller.post("/packs", body).json() == {**seen, "state": "installed"}
    assert [each["name"] for each in caller.get("/functions").json()["items"]] == ["hello"]
    assert caller.post("/packs", body).json()["loaded"][0]["change"] == "none"


def test_a_pack_is_shown_removed_and_brought_back(caller) -> None:
    caller.upload(SimpleUploadedFile("greetings.zip", write_zip(TREE)), "/import")
    (listed,) = caller.get("/packs").json()["items"]
    assert (listed["name"], listed["installed"]["version"]) == ("greetings", "1.0")
    told = caller.get("/packs/greetings").json()
    assert [each["name"] for each in told["functions"]] == ["hello"]
    assert [each["state"] for each in told["releases"]] == ["installed"]
    assert caller.post("/packs/greetings/remove").json()["installed"] is None
    assert caller.get("/functions").json()["items"] == []
    assert caller.post("/packs/greetings/restore").json()["newest"]["state"] == "installed"
    assert caller.post("/packs/nothing/remove").status_code == 404
    assert caller.get("/packs?search=gree").json()["items"]
    assert caller.get("/packs?search=nothing").json()["items"] == []


def test_what_is_exported_is_imported_again(caller) -> None:
    caller.post("/functions", {"source": "def a() -> int:\n    return b()\n\n\ndef b() -> int:\n    return 1\n", "name": "a"})
    caller.post("/functions", {"source": "def c() -> int:\n    return 1\n"})
    whole, one = caller.get("/export").content, caller.get("/export", names=["a"], pack="only a").content
    assert caller.get("/export").content == whole
    assert zipfile.ZipFile(io.BytesIO(one)).namelist() == ["a.py", "pack.toml"]
    told = caller.upload(SimpleUploadedFile("w.zip", whole), "/import", only_look="true").json()
    assert {each["change"] for each in told["loaded"]} == {"none"}
    assert (told["pack"], told["state"]) == ("acme", "")
    installed = caller.upload(SimpleUploadedFile("w.zip", one), "/import").json()
    assert (installed["pack"], installed["state"]) == ("only a", "installed")
    assert zipfile.ZipFile(io.BytesIO(caller.get("/packs/only a/export").content)).namelist() == ["a.py", "pack.toml"]


def test_who_needs_a_pack_is_told(caller) -> None:
    caller.upload(SimpleUploadedFile("greetings.zip", write_zip(TREE)), "/import")
    caller.post("/functions", {"source": "def outside() -> int:\n    return hello()\n"})
    use = {"function": "hello", "kind": "function", "name": "outside"}
    assert caller.get("/packs/greetings").json()["users"] == [use]
    refused = caller.post("/packs/greetings/remove")
    assert (refused.status_code, refused.json()["code"], refused.json()["details"]["users"]) == (409, "pack_in_use", [use])


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([{"name": "../a.py", "text": HELLO}], "bad_pack"),
        ([{"name": "a.py", "text": HELLO}, {"name": "A.py", "text": HELLO}], "bad_pack"),
        ([{"name": "a.py", "text": HELLO}, {"name": "b.py", "text": HELLO}], "pack_refused"),
        ([{"name": "a.py", "text": "\ud800"}], "bad_pack"),
        ([{"name": "pack.toml", "text": "x ="}], "bad_manifest"),
        ([{"name": "a.py", "text": "x = ("}], "pack_refused"),
    ],
)
def test_bad_packs_are_refused_and_nothing_is_kept(caller, files, code: str) -> None:
    answer = caller.post("/packs", {"files": files})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert caller.get("/packs").json()["items"] == []
    assert caller.get("/functions").json()["items"] == []


def test_no_files_are_refused(caller) -> None:
    assert caller.post("/packs", {"files": []}).status_code == 422
    assert caller.post("/packs", {"files": [{"name": "x" * 300, "text": ""}]}).status_code == 422

"""Pack files over the API."""

PACK = "@func.register_function()\ndef hello():\n    return 1\n\n@func.register_function()\ndef lost():\n    return nowhere()\n"


def test_packs_are_looked_at_and_loaded(caller) -> None:
    body = {"files": [{"name": "greet.py", "text": PACK}]}
    seen = caller.post("/packs", {**body, "only_look": True}).json()
    assert seen["loaded"] == [{"name": "hello", "file": "greet.py", "line": 2, "change": "new", "version": 1}]
    assert [(each["name"], each["line"]) for each in seen["refused"]] == [("lost", 6)]
    assert caller.get("/functions").json()["items"] == []
    assert caller.post("/packs", body).json() == seen
    assert [each["name"] for each in caller.get("/functions").json()["items"]] == ["hello"]
    assert caller.post("/packs", body).json()["loaded"][0]["change"] == "none"


def test_no_files_are_refused(caller) -> None:
    assert caller.post("/packs", {"files": []}).status_code == 422
    assert caller.post("/packs", {"files": [{"name": "x" * 300, "text": ""}]}).status_code == 422

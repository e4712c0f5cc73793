"""What the frame of the API guarantees: forgery checks, readable problems, limits, pages, documentation."""

import json
import re
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.agents.models import Step
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.runs.models import Artifact
from apps.workspaces.models import ApiToken
from tests.api.conftest import Call, Caller
from tests.dashboard.conftest import make_event, make_function, make_model, make_package_set, make_rule, make_run, make_task

PROBLEM = {"title", "code", "status", "details"}


def check_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    told = response.json()
    assert (response.status_code, told.get("code")) == (status, code), response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    assert set(told) == PROBLEM
    assert told["status"] == status
    assert len(told["title"]) > 10
    return told


def test_a_version_keeps_whether_a_person_or_a_token_saved_it(cast, by_session: Call, by_token: Call) -> None:
    for origin, caller in (("person", by_session(cast.developer)), ("token", by_token(cast.developer))):
        assert caller.post("/functions", {"source": f"def by_{origin}() -> None: ..."}).status_code == 201
        with scope(cast.acme.pk):
            assert FunctionVersion.objects.get(function__name=f"by_{origin}").origin == origin


def test_a_session_needs_the_token_against_forgery(cast) -> None:
    caller = Caller(user=cast.developer.user, headers={"X-Workspace": "acme"}, check_csrf=True)
    check_problem(caller.post("/tokens", {"name": "forged"}), 403, "forbidden")
    with scope(cast.acme.pk):
        assert not ApiToken.objects.exists()
    page = caller.client.get("/accounts/login/?next=/", follow=True)
    token = (
        page.cookies["csrftoken"].value
        if "csrftoken" in page.cookies
        else caller.client.get("/w/acme/").cookies["csrftoken"].value
    )
    assert caller.post("/tokens", {"name": "meant"}, X_CSRFToken=token).status_code == 201
    assert caller.get("/tasks").status_code == 200


def test_a_token_needs_none(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    caller.client.handler.enforce_csrf_checks = True
    assert caller.post("/packages", {"requirements": ["leaf"], "reason": "To see."}).status_code == 202


BAD_BODIES = {
    "no JSON": (b"{", 400),
    "no UTF-8": (b"\xff\xfe", 400),
    "empty": (b"", 422),
    "a list": (b"[]", 400),
    "nested beyond recursion": (b"[" * 200_000, 400),
    "wrong types": (b'{"prompt": 1, "files": "a"}', 422),
    "a NUL": (b'{"prompt": "a\\u0000b", "model": "%(model)s"}', 422),
    "half a surrogate pair": (b'{"prompt": "\\ud800", "model": "%(model)s"}', 422),
    "too many files": (json.dumps({"prompt": "a", "files": ["00000000-0000-0000-0000-000000000000"] * 51}).encode(), 422),
    "no id": (b'{"prompt": "a", "model": "1; DROP TABLE"}', 422),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_a_problem_that_can_be_read(cast, things, by_token: Call, name: str) -> None:
    body, status = BAD_BODIES[name]
    body = body.replace(b"%(model)s", str(things.model.pk).encode())
    response = by_token(cast.developer).send("POST", "/tasks", body)
    check_problem(response, status, response.json()["code"])


NUL_PLACES = [
    ("POST", "/functions", {"source": "def a():\n    pass\n", "tags": ["a\x00"]}),
    ("POST", "/functions", {"source": "def a():\n    pass\n", "name": "a\x00"}),
    ("POST", "/functions", {"source": "a = '\x00'"}),
    ("POST", "/functions/shout/runs", {"arguments": {"text": "\x00"}}),
    ("POST", "/functions/shout/runs", {"arguments": {"text": "a", "\x00": 1}}),
    ("POST", "/functions/%00/runs", {"arguments": {}}),
    ("POST", "/packages", {"requirements": ["leaf\x00"], "reason": "a"}),
    ("POST", "/packages", {"requirements": ["leaf"], "reason": "a\x00"}),
    ("POST", "/approvals/{request_id}/votes", {"decision": "reject", "reason": "a\x00", "digest": "{digest}"}),
    ("POST", "/approvals/{request_id}/votes", {"decision": "reject", "reason": "a", "digest": "\x00"}),
    ("POST", "/tokens", {"name": "a\x00"}),
    ("GET", "/functions/%00", None),
    ("GET", "/functions?search=%00", None),
    ("GET", "/runs?state=%00", None),
    ("GET", "/approvals?state=%00", None),
    ("GET", "/runs/{run_id}/log?after=99999999999999999999", None),
    ("GET", "/runs?limit=99999999999999999999", None),
]


@pytest.mark.parametrize("place", range(len(NUL_PLACES)), ids=lambda n: f"{NUL_PLACES[n][1]} {sorted(NUL_PLACES[n][2] or {})}")
def test_what_cannot_be_stored_is_never_a_failure_of_the_server(cast, things, by_session: Call, place: int) -> None:
    method, path, body = NUL_PLACES[place]
    values = {"request_id": things.request.pk, "run_id": things.run.pk, "digest": things.request.digest}
    data = json.dumps(body).replace("{digest}", things.request.digest) if body else ""
    response = by_session(cast.owner).send(method, path.format(**values), data)
    if method == "GET":
        assert response.status_code in (200, 404, 422), response.content[:300]
    else:
        check_problem(response, response.status_code, response.json()["code"])
        assert response.status_code in (404, 409, 422)


def test_a_body_over_the_limit_is_refused(cast, by_token: Call) -> None:
    response = by_token(cast.developer).post("/tasks", {"prompt": "x" * (3 << 20)})
    check_problem(response, 413, "too_large")


def test_an_upload_over_the_limit_is_refused_and_nothing_of_it_is_kept(cast, by_token: Call, settings, home) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    caller = by_token(cast.developer)
    check_problem(caller.upload(SimpleUploadedFile("big.bin", b"x" * 1001)), 413, "file_too_large")
    with scope(cast.acme.pk):
        assert not Artifact.objects.exists()
    assert not [path for path in home.rglob("*") if path.is_file()]
    stored = caller.upload(SimpleUploadedFile("fits.bin", b"x" * 1000))
    assert (stored.status_code, stored.json()["size"]) == (201, 1000)


@pytest.mark.parametrize(
    "body", [b"", b"no multipart", b"--b\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--b--\r\n"]
)
def test_an_upload_without_a_file_is_a_problem(cast, by_token: Call, body: bytes) -> None:
    response = by_token(cast.developer).send("POST", "/files", body, media_type="multipart/form-data; boundary=b")
    check_problem(response, response.status_code, response.json()["code"])
    assert response.status_code in (400, 422)


def test_a_file_comes_back_as_a_download_whatever_it_is(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    stored = caller.upload(SimpleUploadedFile("page.html", b"<script>alert(1)</script>")).json()
    response = caller.get(f"/files/{stored['id']}/content")
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"
    assert response["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_names_of_uploads_are_plain(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    sneaky = BytesIO(b"x")
    sneaky.name = "../../etc/passwd"
    assert caller.upload(sneaky).json()["name"] == "passwd"


def make_three(cast: SimpleNamespace) -> None:
    with scope(cast.acme.pk):
        member = cast.developer
        model = make_model(name="Another")
        for number in range(3):
            version = make_function(member, f"more_{number}")
            make_run(member, version)
            make_rule(member, version.function, f"more {number}", event_type=f"order.more_{number}")
            make_event(type=f"order.more_{number}", function=version.function)
            make_task(member, model)
            make_package_set(member, f"leaf{number}")


@pytest.mark.parametrize("path", ["/functions", "/runs", "/tasks", "/packages", "/approvals", "/events", "/rules"])
def test_a_list_takes_the_same_queries_however_long_it_is(cast, things, by_token: Call, path: str) -> None:
    caller = by_token(cast.viewer)
    caller.get(path)
    with CaptureQueriesContext(connection) as few:
        short = caller.get(path).json()["items"]
    make_three(cast)
    with CaptureQueriesContext(connection) as many:
        long = caller.get(path).json()["items"]
    assert len(long) == len(short) + 3
    assert len(many) == len(few)
    assert len(many) <= 14


def test_a_tasks_page_takes_the_same_queries_however_many_turns_it_took(cast, things, by_token: Call) -> None:
    caller = by_token(cast.viewer)
    caller.get(f"/tasks/{things.task.pk}")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            shown = caller.get(f"/tasks/{things.task.pk}").json()
        counts.append(len(queries))
        with scope(cast.acme.pk):
            for number in range(len(shown["steps"]) + 1, 12):
                Step.objects.create(task=things.task, number=number, tool="run_tool", run=things.run, observation={})
    assert len(shown["steps"]) == 11
    assert counts[0] == counts[1]


@pytest.mark.parametrize("path", ["/functions", "/runs", "/tasks", "/packages", "/approvals", "/events", "/rules"])
def test_pages_follow_each_other_without_a_gap(cast, things, by_token: Call, path: str) -> None:
    make_three(cast)
    caller = by_token(cast.viewer)
    whole = caller.get(path).json()
    assert whole["next"] is None
    found, after = [], {}
    while True:
        page = caller.get(path, limit=1, **after).json()
        found += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == whole["items"]
    ids = [item["id"] for item in found]
    assert ids == sorted(ids, reverse=True)


def test_the_documentation_is_served_from_here_and_needs_no_inline_script(client) -> None:
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    html = page.content.decode()
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", html)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    assert all(not text.strip() or 'type="application/json"' in attributes for attributes, text in scripts)
    assert " style=" not in html
    assert "<style" not in html
    for address in re.findall(r'(?:src|href)="/static/([^"]+)"', html):
        assert finders.find(address), address
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert client.get("/api/v1/openapi.json").json()["info"]["title"] == "Selfsmith"


def test_an_address_that_leads_nowhere_is_not_found(cast, by_token: Call) -> None:
    assert by_token(cast.owner).get("/no-such-noun").status_code == 404
    assert by_token(cast.owner).send("DELETE", "/tasks").status_code == 405


def test_an_expired_token_opens_nothing(cast, by_token: Call) -> None:
    from django.utils import timezone

    caller = by_token(cast.owner)
    assert caller.get("/tasks").status_code == 200
    with scope(cast.acme.pk):
        ApiToken.objects.update(expires_at=timezone.now())
    assert caller.get("/tasks").status_code == 401


def test_a_members_token_ends_with_the_membership(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    with scope(cast.acme.pk):
        cast.developer.delete()
    assert caller.get("/tasks").status_code == 401
